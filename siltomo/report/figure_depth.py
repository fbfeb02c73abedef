"""Figures along the depth: width of cracks from collector to separator (Fig. 8 of the founding study)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from siltomo.report.panels import RESOLUTION, key, shade_resolution
from siltomo.report.style import Width, axis_label, blank, letter, looks, quantity_words, siltomo_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["depth_figure"]

_LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))


def depth_figure(table: pd.DataFrame, formulations: Sequence[str], *, width: Width = "double") -> Figure:
    """Draw profiles along the electrode's height, a column for each formulation, a row for operando or not.

    Later states are darker. Bins without a value (too few voxels) leave a gap.

    Parameters
    ----------
    table
        As :func:`siltomo.engine.figures.cycles.depth_table` gives.
    formulations
        All formulations of the catalog, in the order of their colours.
    """
    seen = looks(formulations)
    rows = table[(table["status"] == "ok") & table["height"].notna()]
    here = [name for name in formulations if name in set(rows["formulation"])]
    modes = [mode for mode in ("operando", "in_situ", "ex_situ") if mode in set(rows["mode"])]
    with siltomo_style():
        figure = blank(width, rows=max(len(modes), 1), columns=max(len(here), 1), height=0.62)
        panels = figure.subplots(
            max(len(modes), 1), max(len(here), 1), squeeze=False, sharex=True, sharey=True
        )
        number = 0
        for down, mode in enumerate(modes):
            for across, name in enumerate(here):
                axes = panels[down, across]
                mine = rows[(rows["mode"] == mode) & (rows["formulation"] == name)]
                _profiles(axes, mine, seen[name].colour)
                axes.set_title(f"{name}, {mode.replace('_', ' ')}", loc="right")
                letter(axes, number)
                number += 1
                if down == len(modes) - 1:
                    axes.set_xlabel(_quantity(rows))
                if across == 0:
                    axes.set_ylabel("height (0 collector, 1 separator)")
                axes.set_ylim(0, 1)
        panels[0, 0].set_xlim(left=0)
        key(figure, {"below resolution": RESOLUTION})
    return figure


def _quantity(rows: pd.DataFrame) -> str:
    metric = str(rows["metric"].iloc[0]).removesuffix("_depth_profile")
    return axis_label(metric, str(rows["unit"].iloc[0]), words=f"mean {quantity_words(metric)}")


def _profiles(axes: Axes, rows: pd.DataFrame, colour: str) -> None:
    states = sorted(
        set(rows[["cycle", "half", "capacity", "segmentation"]].itertuples(index=False, name=None)),
        key=lambda state: (state[0], state[1] != "lithiation", _number(state[2]), state[3]),
    )
    for n, state in enumerate(states):
        mine = rows[rows["segmentation"] == state[3]].sort_values("height")
        x, y = np.asarray(mine["value"].astype(float)), np.asarray(mine["height"], float)
        shade = _lighter(colour, 0.65 * (1 - (n + 1) / len(states)))
        axes.plot(x, y, color=shade, linestyle=_LINES[n % len(_LINES)], label=_words(state))
    if states:
        shade_resolution(axes, rows, along="x")
        axes.legend(loc="best", fontsize=5.5, frameon=True, framealpha=0.85, edgecolor="none")


def _lighter(colour: str, share: float) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    red, green, blue = (part + (1 - part) * share for part in to_rgb(colour))
    return red, green, blue


def _number(value: Any) -> float:
    return -1.0 if value is None or math.isnan(value) else float(value)


def _words(state: Any) -> str:
    cycle, half, capacity, _ = state
    reached = "" if _number(capacity) < 0 else f", {capacity:.0f} mAh/g$_{{Si}}$"
    return f"cycle {cycle}, {half}{reached}"
