"""Figures of greys: histogram of a scan, of its phases, their fits and the cuts."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from siltomo.engine.figures.histogram import ALL
from siltomo.engine.figures.tables import plain_rows
from siltomo.report.panels import key
from siltomo.report.style import Width, blank, phase_colour, siltomo_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["histogram_figure"]


def histogram_figure(table: pd.DataFrame, *, width: Width = "single") -> Figure:
    """Draw the greys of a scan: all of them, each phase, the normal distribution of each, and the cuts.

    Parameters
    ----------
    table
        As :func:`siltomo.engine.figures.histogram.histogram_table` gives.
    """
    counts = table[table["kind"] == "count"]
    step = float(counts["bin_width"].iloc[0])
    with siltomo_style():
        figure = blank(width, height=0.75)
        axes = figure.subplots()
        entries: dict[str, Any] = {}
        for phase, rows in counts.groupby("phase", sort=False):
            x, y = np.asarray(rows["grey"], float), np.asarray(rows["value"], float)
            edges = np.concatenate([x - step / 2, [x[-1] + step / 2]])
            if phase == ALL:
                axes.stairs(y, edges, fill=True, color="0.85")
                entries[ALL] = {"facecolor": "0.85"}
            elif y.any():
                colour = "#C0A080" if phase == "outside" else phase_colour(str(phase))
                axes.stairs(y, edges, color=colour, linewidth=1.0)
                entries[str(phase)] = {"color": colour}
        for row in plain_rows(table[table["kind"] == "fit"]):
            if row["standard_deviation"] > 0:
                x = np.linspace(
                    row["grey"] - 4 * row["standard_deviation"],
                    row["grey"] + 4 * row["standard_deviation"],
                    200,
                )
                peak = row["value"] * step / (row["standard_deviation"] * math.sqrt(2 * math.pi))
                colour = "#C0A080" if row["phase"] == "outside" else phase_colour(str(row["phase"]))
                y = peak * np.exp(-0.5 * ((x - row["grey"]) / row["standard_deviation"]) ** 2)
                axes.plot(x, y, color=colour, linestyle=":", linewidth=0.8)
                entries["normal distribution"] = {"color": "0.3", "linestyle": ":"}
        for row in plain_rows(table[table["kind"] == "cut"]):
            axes.axvline(row["grey"], color="#D55E00", linestyle="--", linewidth=0.8)
            axes.text(
                row["grey"], 0.97, f" {row['grey']:.4g}", transform=axes.get_xaxis_transform(), va="top", fontsize=5.5,
                color="#D55E00",
            )  # fmt: skip
            entries[str(row["phase"])] = {"color": "#D55E00", "linestyle": "--"}
        axes.set_xlabel("grey value")
        axes.set_ylabel("number of voxels")
        low, high = counts["grey"].min(), counts["grey"].max()
        axes.set_xlim(low - step, high + step)
        axes.set_ylim(bottom=0)
        axes.set_title(str(table["scan"].iloc[0]), loc="right")
        key(figure, entries, columns=3)
    return figure
