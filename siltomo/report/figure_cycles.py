"""Figures by cycle: stacked macro and micro, SEI volume and thickness (Figs 7 and 9 of the founding study)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from siltomo.report.panels import RESOLUTION, key, shade_resolution
from siltomo.report.style import (
    Look,
    Width,
    axis_label,
    blank,
    letter,
    looks,
    quantity_words,
    shown,
    siltomo_style,
)

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["cycles_figure", "sei_figure"]

_HATCH = "xxxxx"
_TINT = (1.0, 0.45, 0.2)
"""Opacity of the parts of a stack, from the bottom."""


def cycles_figure(table: pd.DataFrame, formulations: Sequence[str], *, width: Width = "double") -> Figure:
    """Draw bars by cycle and formulation, a panel for each ``panel`` of the table, its parts stacked.

    A state without a value is a hatched slot. Where a formulation has several cells in a cycle the bar is their
    mean and the points are the cells.

    Parameters
    ----------
    table
        As :func:`siltomo.engine.figures.cycles.cycles_table` gives.
    formulations
        All formulations of the catalog, in the order of their colours.
    """
    seen = looks(formulations)
    here = [name for name in formulations if name in set(table["formulation"])]
    numbers = sorted(set(table["panel"]))
    cycles = sorted(set(table["cycle"]))
    with siltomo_style():
        figure = blank(width, columns=len(numbers), height=0.95)
        panels = figure.subplots(1, len(numbers), squeeze=False).ravel()
        for axes, number in zip(panels, numbers, strict=True):
            rows = table[table["panel"] == number]
            _bars(axes, rows, here, cycles, seen)
            letter(axes, number)
        entries: dict[str, Any] = {name: {"facecolor": seen[name].colour} for name in here}
        stacked = table[table["part"] > 0]
        if not stacked.empty:
            tops: dict[Any, Any] = stacked.groupby("part")["metric"].first().to_dict()
            for place, metric in tops.items():
                entries[f"on top: {quantity_words(metric)} ({_scale(stacked, metric)})"] = {
                    "facecolor": "0.3",
                    "alpha": _TINT[min(int(place), 2)],
                }
        entries |= _slots(table)
        key(figure, entries, columns=5)
    return figure


def _slots(table: pd.DataFrame) -> dict[str, Any]:
    missing = {"no value": {"facecolor": "none", "edgecolor": "0.5", "hatch": _HATCH, "linewidth": 0}}
    shaded: dict[str, Any] = {"below resolution": RESOLUTION} if (table["unit"] == "um").any() else {}
    return {**shaded, **(missing if table["value"].isna().any() else {})}


def _scale(rows: pd.DataFrame, metric: str) -> str:
    return "/".join(sorted({str(s) for s in rows.loc[rows["metric"] == metric, "scale"] if s}))


def _bars(
    axes: Axes, rows: pd.DataFrame, here: Sequence[str], cycles: Sequence[int], seen: dict[str, Look]
) -> None:
    slot = 0.8 / max(len(here), 1)
    for n, name in enumerate(here):
        at = np.arange(len(cycles)) - 0.4 + slot * (n + 0.5)
        base = np.zeros(len(cycles))
        for place in sorted(set(rows["part"])):
            mine = rows[(rows["part"] == place) & (rows["formulation"] == name)]
            means, errors = _means(mine, cycles)
            height = np.nan_to_num(means)
            axes.bar(
                at, height, slot * 0.92, bottom=base, color=seen[name].colour, alpha=_TINT[min(place, 2)]
            )
            base = base + height
            known = np.isfinite(errors)
            axes.errorbar(
                at[known], base[known], errors[known], fmt="none", ecolor="0.45", elinewidth=0.7, capsize=1.5
            )
            _cells(axes, mine, cycles, at, base - height)
            for x in at[np.isnan(means)]:
                axes.axvspan(
                    x - slot * 0.46, x + slot * 0.46, 0, 0.08, facecolor="none", edgecolor=seen[name].colour,
                    hatch=_HATCH, linewidth=0, alpha=0.7,
                )  # fmt: skip
    shade_resolution(axes, rows)
    axes.set_xticks(range(len(cycles)), [str(cycle) for cycle in cycles])
    axes.tick_params(axis="x", length=0)
    axes.set_xlabel("cycle")
    first = rows[rows["part"] == 0]
    words = "crack and pore volume fraction" if rows["part"].max() > 0 else ""
    axes.set_ylabel(axis_label(str(first["metric"].iloc[0]), str(first["unit"].iloc[0]), words=words))
    axes.set_ylim(0, axes.get_ylim()[1] * 1.03)


def _means(rows: pd.DataFrame, cycles: Sequence[int]) -> tuple[Any, Any]:
    """Return the mean over cells of each cycle, and its uncertainty where there is one cell; nan where none."""
    means, errors = np.full(len(cycles), np.nan), np.full(len(cycles), np.nan)
    if rows.empty:
        return means, errors
    factor = shown(str(rows["metric"].iloc[0]), str(rows["unit"].iloc[0]))[0]
    for n, cycle in enumerate(cycles):
        known = rows[(rows["cycle"] == cycle) & rows["value"].notna()]
        if len(known):
            means[n] = factor * float(known["value"].astype(float).mean())
        if len(known) == 1 and known["uncertainty"].notna().all():
            errors[n] = factor * float(known["uncertainty"].iloc[0])
    return means, errors


def _cells(axes: Axes, rows: pd.DataFrame, cycles: Sequence[int], at: Any, base: Any) -> None:
    if rows.empty:
        return
    factor = shown(str(rows["metric"].iloc[0]), str(rows["unit"].iloc[0]))[0]
    for n, cycle in enumerate(cycles):
        known = rows[(rows["cycle"] == cycle) & rows["value"].notna()]
        if len(known) > 1:
            values = base[n] + factor * known["value"].astype(float)
            axes.plot([at[n]] * len(known), values, ".", color="0.6", markersize=3)


def sei_figure(table: pd.DataFrame, formulations: Sequence[str], *, width: Width = "double") -> Figure:
    """Draw volume per gram of the SEI-rich phase, its mean thickness, and the distribution of the thickness.

    Parameters
    ----------
    table
        As :func:`siltomo.engine.figures.cycles.sei_table` gives.
    formulations
        All formulations of the catalog, in the order of their colours.
    """
    seen = looks(formulations)
    here = [name for name in formulations if name in set(table["formulation"])]
    spread = table[table["metric"] == "sei_thickness_distribution"]
    with siltomo_style():
        figure = blank(width, columns=3, height=1.0)
        panels = figure.subplots(1, 3, squeeze=False).ravel()
        for n, metric in enumerate(("sei_volume_per_si_mass", "sei_thickness_mean")):
            rows = table[table["metric"] == metric].assign(part=0)
            cycles = sorted(set(rows["cycle"]))
            _bars(panels[n], rows, here, cycles, seen)
            letter(panels[n], n)
        _distributions(panels[2], spread[spread["status"] == "ok"], seen)
        letter(panels[2], 2)
        entries: dict[str, Any] = {name: {"facecolor": seen[name].colour} for name in here}
        key(figure, entries | _slots(table[table["metric"] != "sei_thickness_distribution"]))
    return figure


_LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))


def _distributions(axes: Axes, rows: pd.DataFrame, seen: dict[str, Look]) -> None:
    """Draw distributions as steps: shares belong to bins, not to points."""
    cycles = sorted(set(rows["cycle"]))
    for (name, cycle, _), group in rows.groupby(["formulation", "cycle", "segmentation"], sort=True):
        ordered = group.sort_values("coordinate_value")
        x = np.asarray(ordered["coordinate_value"], float)
        y = np.asarray(ordered["value"], float) * 100
        step = float(np.diff(x).min()) if len(x) > 1 else 2 * x[0]
        edges = np.concatenate([x - step / 2, [x[-1] + step / 2]])
        line = _LINES[cycles.index(cycle) % len(_LINES)]
        axes.stairs(
            y, edges, color=seen[str(name)].colour, linestyle=line, label=f"cycle {cycle}", linewidth=0.8
        )
    if rows.empty:
        return
    shade_resolution(axes, rows.assign(unit="um"), along="x")
    axes.set_xlim(left=0)
    axes.set_xlabel(axis_label("", "um", words="local thickness"))
    axes.set_ylabel(axis_label("", "%", words="share of the SEI-rich phase"))
    from matplotlib.lines import Line2D

    shown_lines = [
        Line2D([], [], color="0.3", linestyle=_LINES[n % 4], label=f"cycle {c}") for n, c in enumerate(cycles)
    ]
    axes.legend(handles=shown_lines, loc="upper right")
