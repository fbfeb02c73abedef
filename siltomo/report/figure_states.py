"""Figures of states: metrics against the capacity passed in a half-cycle (Figs 4, 6, 10c of the founding study)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from siltomo.report.panels import (
    RESOLUTION,
    dashes_entry,
    draw_series,
    hatch_after_last_scan,
    key,
    look_entry,
    series_of,
    shade_resolution,
)
from siltomo.report.style import Width, axis_label, blank, letter, looks, siltomo_style, spacing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["cycle_figure", "operando_figure"]

_HALVES = ("lithiation", "delithiation")
_THEORY = "theoretical_thickness_expansion"
_CUMULATED = "cumulative_irreversible_expansion"
_WORDS = {
    "electrode_thickness_expansion": "thickness expansion",
    "normalized_thickness_expansion": "normalised thickness expansion",
}
"""Shorter names, for panels that are lower than the name of the metric is long."""


def operando_figure(
    table: pd.DataFrame, formulations: Sequence[str], *, half: str = "delithiation", width: Width = "double"
) -> Figure:
    """Draw each metric of a table against the capacity of a half-cycle: formulation = colour, cycle = dashes.

    Parameters
    ----------
    table
        As :func:`siltomo.engine.figures.tables.metric_table` gives, with the ends of half-cycles.
    formulations
        All formulations of the catalog, in the order of their colours.
    half
        Which half-cycle.
    """
    metrics = list(dict.fromkeys(table["metric"]))
    seen = looks(formulations)
    columns = min(2, len(metrics))
    count = -(-len(metrics) // columns)
    cycles = sorted(set(table["cycle"]))
    with siltomo_style():
        figure = blank(width, rows=count, columns=columns, height=0.72)
        panels = figure.subplots(count, columns, squeeze=False, sharex=True).ravel()
        right = 1.06 * _last_capacity(table)
        for n, (axes, metric) in enumerate(zip(panels, metrics, strict=False)):
            rows = table[table["metric"] == metric]
            _states(axes, rows, seen, cycles, right=right)
            shade_resolution(axes, rows)
            axes.set_xlim(-0.03 * right, right)
            if n >= len(metrics) - columns:
                axes.set_xlabel(axis_label("", "mAh/g_Si", words=f"{half} capacity"))
                axes.xaxis.set_tick_params(labelbottom=True)
            axes.set_ylabel(axis_label(metric, str(rows["unit"].iloc[0])))
            _from_zero(axes)
            letter(axes, n)
        for axes in panels[len(metrics) :]:
            axes.remove()
        entries = _formulations(table, formulations)
        if len(cycles) > 1:
            entries |= {f"cycle {cycle}": dashes_entry(n) for n, cycle in enumerate(cycles)}
        if (table["unit"] == "um").any():
            entries["below resolution"] = RESOLUTION
        key(figure, entries)
    return figure


def _last_capacity(table: pd.DataFrame) -> float:
    """Return where the axis ends: at the last scan, or where a half-cycle went on to its cut-off without one."""
    ended = table.loc[table["half_cycle_complete"].eq(True), "half_cycle_end"]
    return float(max(table["capacity"].max(), ended.max() if len(ended) else 0.0))


def _formulations(table: pd.DataFrame, formulations: Sequence[str]) -> dict[str, Any]:
    """Return the legend entries of the formulations in a table."""
    seen, here = looks(formulations), set(table["formulation"])
    return {name: look_entry(seen[name]) for name in formulations if name in here}


def _states(axes: Axes, rows: pd.DataFrame, seen: Any, cycles: Sequence[int], *, right: float) -> None:
    names = list(seen)
    for (formulation, _, cycle), group in rows.groupby(["formulation", "cell", "cycle"], sort=True):
        look, row = seen[formulation], names.index(formulation)
        draw_series(axes, series_of(group, x="capacity"), look, order=cycles.index(cycle), row=row)
        hatch_after_last_scan(axes, group, look, right=right, row=row)


def _from_zero(axes: Axes) -> None:
    low, high = axes.get_ylim()
    axes.set_ylim(min(0.0, low), high + 0.04 * (high - low))


def cycle_figure(
    table: pd.DataFrame, formulations: Sequence[str], *, width: Width = "double", theory: bool = True
) -> Figure:
    """Draw a metric through lithiation and delithiation, a panel for each cycle; and what stays, if it is there.

    Rows of ``theoretical_thickness_expansion`` are drawn as a line without points (with ``theory``); rows of
    ``cumulative_irreversible_expansion`` get a panel of their own against the cumulated reversible capacity.

    Parameters
    ----------
    table
        As :func:`siltomo.engine.figures.states.expansion_table` gives.
    formulations
        All formulations of the catalog, in the order of their colours.
    """
    seen = looks(formulations)
    through = table[(table["metric"] != _CUMULATED) & table["half"].isin(["pristine", *_HALVES])]
    cycles = [cycle for cycle in sorted(set(through["cycle"])) if cycle > 0]
    cumulated = table[table["metric"] == _CUMULATED]
    count = len(cycles) + (not cumulated.empty)
    with siltomo_style():
        figure = blank(width, columns=count, height=1.05 if count > 2 else 0.8)
        spacing(figure, w_pad=0.02)
        parts = figure.subfigures(1, count, squeeze=False).ravel()
        tops = []
        for n, (part, cycle) in enumerate(zip(parts, cycles, strict=False)):
            pair = part.subplots(1, 2, sharey=True)
            part.supxlabel(axis_label("", "mAh/g_Si", words="capacity of the half-cycle"), fontsize="medium")
            _one_cycle(pair, through, cycle, seen, first=cycle == cycles[0], theory=theory)
            letter(pair[0], n)
            pair[0].set_title(f"cycle {cycle}", loc="right")
            tops.append(pair)
        _same_height([axes for pair in tops for axes in pair])
        entries = _formulations(table, formulations)
        if theory and (through["metric"] == _THEORY).any():
            entries["predicted from the swelling of Si (Eq. 2)"] = {"color": "0.3", "linestyle": ":"}
        key(figure, entries)
        if not cumulated.empty:
            axes = parts[-1].subplots()
            _cumulated(axes, cumulated, seen)
            letter(axes, len(cycles))
    return figure


def _one_cycle(pair: Any, table: pd.DataFrame, cycle: int, seen: Any, *, first: bool, theory: bool) -> None:
    for axes, half in zip(pair, _HALVES, strict=True):
        rows = table[(table["cycle"] == cycle) & (table["half"] == half)]
        if first and half == "lithiation":
            rows = _with_pristine(rows, table)
        ends = table[table["cycle"] == cycle]["capacity"]
        right = 1.08 * float(ends.max()) if ends.notna().any() else 1.0
        for (metric, formulation, _), group in rows.groupby(["metric", "formulation", "cell"], sort=True):
            look = seen[formulation]
            if metric == _THEORY:
                if theory and half == "lithiation":
                    series = series_of(group, x="capacity")
                    axes.plot(series.x, series.y, color=look.colour, linestyle=":", linewidth=0.8)
                continue
            row = list(seen).index(formulation)
            draw_series(axes, series_of(group, x="capacity"), look, row=row)
            hatch_after_last_scan(axes, group, look, right=right, row=row)
        axes.set_xlim(-0.04 * right, right)
        axes.set_xlabel(half)
    measured = table[table["metric"] != _THEORY]
    metric, unit = str(measured["metric"].iloc[0]), str(measured["unit"].iloc[0])
    pair[0].set_ylabel(axis_label(metric, unit, words=_WORDS.get(metric, "")))
    pair[1].tick_params(labelleft=False)


def _with_pristine(rows: pd.DataFrame, table: pd.DataFrame) -> pd.DataFrame:
    """Put the pristine state of the cells shown at the start of their first lithiation: it has passed no capacity."""
    import pandas as pd

    begin = table[(table["half"] == "pristine") & table["cell"].isin(set(rows["cell"]))]
    begin = begin[begin["metric"].isin(set(rows["metric"])) & (begin["status"] == "ok")]
    return pd.concat([begin.assign(capacity=0.0), rows]) if not begin.empty else rows


def _same_height(every: Sequence[Axes]) -> None:
    if not every:
        return
    low = min(0.0, *(axes.get_ylim()[0] for axes in every))
    high = max(axes.get_ylim()[1] for axes in every)
    for axes in every:
        axes.set_ylim(low, high)


def _cumulated(axes: Axes, rows: pd.DataFrame, seen: Any) -> None:
    for (formulation, _), group in rows.groupby(["formulation", "cell"], sort=True):
        draw_series(axes, series_of(group, x="coordinate_value").scaled(1e-3), seen[formulation])
    # on the second line, as that of the half-cycles beside it: the panels then end at one height
    axes.set_xlabel("\n" + axis_label("", "Ah/g_Si", words="cumulated reversible capacity"))
    axes.set_ylabel(axis_label("", "um", words="cumulated increase"))
    axes.set_xlim(left=0)
    _from_zero(axes)
