"""What panels share: points with bands, gaps that stay gaps, hatching where nothing is known, resolution."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siltomo.report.style import Look, shown

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = [
    "RESOLUTION",
    "Series",
    "dashes_entry",
    "draw_series",
    "hatch",
    "hatch_after_last_scan",
    "key",
    "look_entry",
    "series_of",
    "shade_resolution",
]

_BAND = 0.16
_DASHES: tuple[Any, ...] = ("-", (0, (4, 1.5)), (0, (1, 1.2)), (0, (5, 1.2, 1, 1.2)))
_STRIP = 0.06
"""Height of a hatched strip, as a share of the panel's."""
LEAST_GAP = 0.08
"""Share of a half-cycle that must lie beyond its last scan before it is hatched."""


@dataclass(frozen=True)
class Series:
    """The points of one line, in the order of their x."""

    x: np.ndarray[Any, np.dtype[np.float64]]
    y: np.ndarray[Any, np.dtype[np.float64]]
    """In the drawn unit; nan where there is no value."""
    uncertainty: np.ndarray[Any, np.dtype[np.float64]]
    """Standard uncertainty; nan where it is not known."""

    def scaled(self, factor: float) -> Series:
        """Return the points with their x in another unit."""
        return Series(self.x * factor, self.y, self.uncertainty)


def series_of(rows: pd.DataFrame, *, x: str, quantity: str = "metric") -> Series:
    """Return rows of one quantity as the points of a line; rows without x are left out."""
    known = rows[rows[x].notna()].sort_values(x, kind="stable")
    factor = 1.0 if known.empty else shown(str(known[quantity].iloc[0]), str(known["unit"].iloc[0]))[0]

    def column(name: str) -> np.ndarray[Any, np.dtype[np.float64]]:
        return np.asarray(known[name].astype(float), np.float64)

    return Series(column(x), column("value") * factor, column("uncertainty") * factor)


def draw_series(
    axes: Axes,
    series: Series,
    look: Look,
    *,
    label: str = "",
    order: int = 0,
    line: bool = True,
    row: int = 0,
) -> None:
    """Draw points, the line between neighbours that both have a value, and the band of their uncertainty.

    A point without a value breaks the line and is hatched: nothing is drawn across it.

    Parameters
    ----------
    order
        Which dashes the line has, for cycles and other things that share a colour; the first has hollow points.
    row
        Which strip at the foot is hatched where a value is missing.
    """
    face = "white" if order == 0 else look.colour
    axes.plot(
        series.x,
        series.y,
        linestyle=_DASHES[order % len(_DASHES)] if line else "none",
        marker=look.marker,
        color=look.colour,
        markerfacecolor=face,
        label=label or None,
        zorder=3,
    )
    low, high = series.y - series.uncertainty, series.y + series.uncertainty
    if line:
        axes.fill_between(series.x, low, high, color=look.colour, alpha=_BAND, linewidth=0, zorder=2)
    alone = np.isfinite(series.uncertainty) & (_lonely(series.y, series.uncertainty) | (not line))
    if alone.any():
        axes.errorbar(
            series.x[alone],
            series.y[alone],
            yerr=series.uncertainty[alone],
            fmt="none",
            ecolor=look.colour,
            elinewidth=0.7,
            capsize=1.5,
            zorder=2.5,
        )
    for start, stop in _missing_spans(series.x, series.y):
        hatch(axes, start, stop, look.colour, row=row)


def _lonely(*values: np.ndarray[Any, np.dtype[np.float64]]) -> np.ndarray[Any, np.dtype[np.bool_]]:
    """Tell which points have no neighbour with a value: a band would not show them."""
    known = np.all([np.isfinite(v) for v in values], axis=0)
    padded = np.concatenate([[False], known, [False]])
    alone: np.ndarray[Any, np.dtype[np.bool_]] = known & ~padded[:-2] & ~padded[2:]
    return alone


def _missing_spans(x: Any, y: Any) -> Iterable[tuple[float, float]]:
    """List the spans of x around points without a value: half-way to the neighbours."""
    for n in np.flatnonzero(~np.isfinite(y)):
        step = np.diff(x).min() if len(x) > 1 and np.diff(x).min() > 0 else 1.0
        left = (x[n - 1] + x[n]) / 2 if n > 0 else x[n] - step / 2
        right = (x[n] + x[n + 1]) / 2 if n + 1 < len(x) else x[n] + step / 2
        yield float(left), float(right)


def hatch(axes: Axes, start: float, stop: float, colour: str, *, row: int = 0, words: str = "") -> None:
    """Hatch a span of x where nothing was measured: a strip at the foot of the panel, so that data stay free."""
    foot, top = row * _STRIP, (row + 0.9) * _STRIP
    axes.axvspan(
        start, stop, foot, top, facecolor="none", edgecolor=colour, hatch="//////", linewidth=0, zorder=1
    )
    if words:
        box = {"facecolor": "white", "edgecolor": "none", "pad": 0.6, "alpha": 0.9}
        axes.text(
            (start + stop) / 2,
            (foot + top) / 2,
            words,
            transform=axes.get_xaxis_transform(),
            ha="center",
            va="center_baseline",
            color=colour,
            fontsize=5,
            bbox=box,
            zorder=4,
            clip_on=True,
        )


def hatch_after_last_scan(axes: Axes, rows: pd.DataFrame, look: Look, *, right: float, row: int = 0) -> None:
    """Hatch the part of a half-cycle that was not scanned: to its end, or onwards where it was not completed."""
    known = rows[rows["capacity"].notna() & rows["half_cycle_complete"].notna()]
    if known.empty:
        return
    last, end = float(known["capacity"].max()), float(known["half_cycle_end"].max())
    complete = bool(known["half_cycle_complete"].iloc[0])
    stop = end if complete else right
    if stop - last > LEAST_GAP * stop:
        words = (
            f"cycle {known['cycle'].iloc[0]} not scanned"
            if complete
            else f"cycle {known['cycle'].iloc[0]} stopped"
        )
        hatch(axes, last, stop, look.colour, row=row, words=words)


def shade_resolution(axes: Axes, rows: pd.DataFrame, *, along: str = "y") -> None:
    """Shade lengths below the smallest trusted feature of the segmentations that are shown."""
    if rows.empty or set(rows["unit"]) != {"um"}:
        return
    limit = rows["min_feature"].astype(float).max()
    if not math.isfinite(limit):
        return
    span = axes.axhspan if along == "y" else axes.axvspan
    span(0, limit, zorder=0, **RESOLUTION)


def key(figure: Figure, entries: Mapping[str, Any], *, columns: int = 0) -> None:
    """Draw the legend above all panels, from words to properties of what they stand for."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    handles = []
    for words, properties in entries.items():
        patch = "hatch" in properties or "facecolor" in properties
        handles.append(
            Patch(label=words, **properties) if patch else Line2D([], [], label=words, **properties)
        )
    if handles:
        figure.legend(handles=handles, loc="outside upper center", ncols=columns or min(len(handles), 6))


def look_entry(look: Look) -> dict[str, Any]:
    """Return the legend properties of a formulation's points."""
    return {"color": look.colour, "marker": look.marker, "markerfacecolor": "white", "linestyle": "none"}


def dashes_entry(order: int) -> dict[str, Any]:
    """Return the legend properties of a kind of dashes."""
    face = "white" if order == 0 else "0.3"
    return {
        "color": "0.3",
        "linestyle": _DASHES[order % len(_DASHES)],
        "marker": ".",
        "markerfacecolor": face,
    }


RESOLUTION: dict[str, Any] = {"facecolor": "0.5", "alpha": 0.18, "linewidth": 0}
"""How lengths below the resolution are shaded."""
