"""Figures of the cycling: capacity and efficiency by cycle, voltage curves (Fig. 2 of the founding study)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from siltomo.report.panels import dashes_entry, draw_series, key, look_entry, series_of
from siltomo.report.style import Width, axis_label, blank, letter, looks, siltomo_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["cycling_figure", "voltage_figure"]

_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
_WORDS = {
    "specific_delithiation_capacity": "delithiation capacity",
    "specific_lithiation_capacity": "lithiation capacity",
    "coulombic_efficiency": "coulombic efficiency",
}


def cycling_figure(table: pd.DataFrame, formulations: Sequence[str], *, width: Width = "double") -> Figure:
    """Draw quantities against the cycle number: formulation = colour, bars = standard deviation over cells.

    Cycles without a value break the line and are hatched at the foot of the panel.

    Parameters
    ----------
    table
        As :func:`siltomo.engine.figures.cycling.cycling_table` gives.
    formulations
        All formulations of the catalog, in the order of their colours.
    """
    quantities = list(dict.fromkeys(table["metric"]))
    seen = looks(formulations)
    columns = min(2, len(quantities))
    count = -(-len(quantities) // columns)
    mean = bool((table["n"] > 1).any())
    with siltomo_style():
        figure = blank(width, rows=count, columns=columns, height=0.72)
        panels = figure.subplots(count, columns, squeeze=False).ravel()
        for n, (axes, quantity) in enumerate(zip(panels, quantities, strict=False)):
            rows = table[table["metric"] == quantity]
            # a cycle that some cells completed has its mean; one that none did is missing
            rows = rows[~((rows["n"] == 0) & rows.duplicated(["formulation", "cycle"], keep="first"))]
            lines = "formulation" if (table["n"] != 1).any() else "cell"
            for _, group in rows.groupby(lines, sort=True):
                name = group["formulation"].iloc[0]
                points = series_of(group, x="cycle")
                draw_series(axes, points, seen[name], row=list(seen).index(name))
            axes.set_xlabel("cycle number")
            axes.set_ylabel(axis_label(quantity, str(rows["unit"].iloc[0]), words=_WORDS.get(quantity, "")))
            axes.xaxis.get_major_locator().set_params(integer=True)
            letter(axes, n)
        for axes in panels[len(quantities) :]:
            axes.remove()
        entries = {f: look_entry(seen[f]) for f in formulations if f in set(table["formulation"])}
        if mean:
            entries["band: s.d. over cells"] = {"facecolor": "0.5", "alpha": 0.2, "linewidth": 0}
        key(figure, entries)
    return figure


def voltage_figure(table: pd.DataFrame, formulations: Sequence[str], *, width: Width = "double") -> Figure:
    """Draw voltage against capacity, a panel for each cell: formulation = colour, cycle = dashes.

    Parameters
    ----------
    table
        As :func:`siltomo.engine.figures.cycling.voltage_table` gives.
    formulations
        All formulations of the catalog, in the order of their colours.
    """
    seen = looks(formulations)
    cells = list(dict.fromkeys(table["cell"]))
    cycles = sorted(set(table["cycle"]))
    columns = min(2, len(cells))
    count = -(-len(cells) // columns)
    with siltomo_style():
        figure = blank(width, rows=count, columns=columns, height=0.72)
        panels = figure.subplots(count, columns, squeeze=False, sharex=True, sharey=True).ravel()
        for n, (axes, cell) in enumerate(zip(panels, cells, strict=False)):
            rows = table[table["cell"] == cell]
            name = str(rows["formulation"].iloc[0])
            for (cycle, _), group in rows.groupby(["cycle", "half"], sort=True):
                x = np.asarray(group["capacity"], float)
                y = np.asarray(group["voltage"], float)
                axes.plot(
                    x, y, color=seen[name].colour, linestyle=_DASHES[cycles.index(cycle) % len(_DASHES)]
                )
            axes.set_xlabel(axis_label("capacity", str(rows["capacity_unit"].iloc[0])))
            axes.set_ylabel(axis_label("", "V", words="voltage vs. counter electrode"))
            axes.set_title(f"{cell} ({name})", loc="right")
            letter(axes, n)
        panels[0].set_xlim(left=0)
        for axes in panels[len(cells) :]:
            axes.remove()
        key(figure, {f"cycle {c}": {**dashes_entry(n), "marker": ""} for n, c in enumerate(cycles)})
    return figure
