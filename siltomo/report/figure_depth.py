"""Figures along the depth: width of cracks from collector to separator (Fig. 8 of the founding study)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from siltomo.errors import Amend, BadInputError
from siltomo.report.panels import RESOLUTION, key, shade_resolution
from siltomo.report.style import Width, axis_label, blank, letter, looks, quantity_words, siltomo_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["ORDERS", "Order", "check_order", "depth_figure"]

Order = Literal["contraction", "cycle"]
ORDERS: tuple[Order, ...] = ("contraction", "cycle")
"""What states can be ordered and shaded by."""
_LINES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
_PALEST = 0.68
"""How much white the palest line has: a little contraction must still be seen."""


def check_order(by: str) -> Order:
    """Return what states are ordered by.

    Raises
    ------
    BadInputError
        When it is not known.
    """
    if by not in ORDERS:
        raise BadInputError(
            f"states along the depth are ordered by {' or '.join(ORDERS)}, not by {by!r}",
            fix=Amend({"--by": ORDERS[0]}),
        )
    return by


@dataclass(frozen=True)
class _State:
    """One profile of a panel."""

    segmentation: str
    cycle: int
    half: str
    capacity: float | None
    contraction: float | None


def depth_figure(
    table: pd.DataFrame, formulations: Sequence[str], *, by: Order = "contraction", width: Width = "double"
) -> Figure:
    """Draw profiles along the electrode's height, a column for each formulation, a row for operando or not.

    The further the electrode has contracted, the darker the line, on one scale in all panels; cycles are dashes.
    States without a contraction, such as those of cells that were scanned once, are ordered by cycle, later ones
    darker. Bins without a value (too few voxels) leave a gap.

    Parameters
    ----------
    table
        As :func:`siltomo.engine.figures.cycles.depth_table` gives.
    formulations
        All formulations of the catalog, in the order of their colours.
    by
        ``contraction``, or ``cycle`` for all states.
    """
    seen = looks(formulations)
    rows = table[(table["status"] == "ok") & table["height"].notna()]
    here = [name for name in formulations if name in set(rows["formulation"])]
    modes = [mode for mode in ("operando", "in_situ", "ex_situ") if mode in set(rows["mode"])]
    most = float(rows["contraction"].max()) if by == "contraction" else math.nan
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
                _profiles(axes, mine, seen[name].colour, most=most)
                axes.set_title(f"{name}, {mode.replace('_', ' ')}", loc="right")
                letter(axes, number)
                number += 1
                if down == len(modes) - 1:
                    axes.set_xlabel(_quantity(rows))
                if across == 0:
                    axes.set_ylabel("height (0 collector, 1 separator)")
                axes.set_ylim(0, 1)
        # room at the right for the legends, which lines that lean either way would cross
        panels[0, 0].set_xlim(0, 1.3 * float(rows["value"].astype(float).max()) if len(rows) else 1)
        key(figure, {"below resolution": RESOLUTION})
    return figure


def _quantity(rows: pd.DataFrame) -> str:
    statistic = str(rows["statistic"].iloc[0])
    metric = str(rows["metric"].iloc[0]).removesuffix("_depth_profile").removesuffix(f"_{statistic}")
    return axis_label(metric, str(rows["unit"].iloc[0]), words=f"{statistic} {quantity_words(metric)}")


def _profiles(axes: Axes, rows: pd.DataFrame, colour: str, *, most: float) -> None:
    """Draw the profiles of a panel; ``most`` is the contraction of the darkest, nan to order by cycle."""
    states = _states(rows, contracted=math.isfinite(most))
    if not states:
        return
    cycles = sorted({state.cycle for state in states})
    contracted = math.isfinite(most) and any(state.contraction is not None for state in states)
    for n, state in enumerate(states):
        mine = rows[rows["segmentation"] == state.segmentation].sort_values("height")
        x, y = np.asarray(mine["value"].astype(float)), np.asarray(mine["height"], float)
        share = (n + 1) / len(states)
        if contracted:
            share = 1.0 if state.contraction is None or most <= 0 else max(state.contraction, 0.0) / most
        line = _LINES[cycles.index(state.cycle) % len(_LINES)]
        axes.plot(
            x,
            y,
            color=_lighter(colour, _PALEST * (1 - share)),
            linestyle=line,
            label=_words(state, states, contracted=contracted),
        )
    shade_resolution(axes, rows, along="x")
    axes.legend(
        loc="center right",
        fontsize=5.5,
        title="contraction" if contracted else None,
        title_fontsize=5.5,
        frameon=True,
        framealpha=0.85,
        edgecolor="none",
    )


def _states(rows: pd.DataFrame, *, contracted: bool) -> list[_State]:
    """List the states of a panel, by contraction or by cycle, half-cycle and capacity."""
    columns = ["segmentation", "cycle", "half", "capacity", "contraction"]
    found = {
        _State(str(labels), int(cycle), str(half), _known(capacity), _known(contraction))
        for labels, cycle, half, capacity, contraction in rows[columns].itertuples(index=False, name=None)
    }
    in_time = sorted(
        found,
        key=lambda s: (
            s.cycle,
            s.half != "lithiation",
            -1 if s.capacity is None else s.capacity,
            s.segmentation,
        ),
    )
    if not contracted or all(state.contraction is None for state in in_time):
        return in_time
    last = math.inf
    return sorted(in_time, key=lambda s: (s.cycle, last if s.contraction is None else s.contraction))


def _known(value: Any) -> float | None:
    return None if value is None or math.isnan(value) else float(value)


def _lighter(colour: str, share: float) -> tuple[float, float, float]:
    from matplotlib.colors import to_rgb

    red, green, blue = (part + (1 - part) * share for part in to_rgb(colour))
    return red, green, blue


def _words(state: _State, others: Sequence[_State], *, contracted: bool) -> str:
    """Return what tells a state from the others of its panel, in few words."""
    cycle = f"cycle {state.cycle}"
    if contracted and state.contraction is not None:
        several = len({other.cycle for other in others}) > 1
        return f"{100 * state.contraction:.0f} %" + (f", {cycle}" if several else "")
    same = [o for o in others if o.cycle == state.cycle and not (contracted and o.contraction is not None)]
    half = f", {state.half}" if len({other.half for other in same}) > 1 else ""
    alone = len(same) == 1 or state.capacity is None
    reached = "" if alone else f", {state.capacity:.0f} mAh/g$_{{Si}}$"
    return ("not known, " if contracted else "") + cycle + half + reached
