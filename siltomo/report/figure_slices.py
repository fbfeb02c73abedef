"""Figures of slices: planes by formulation and cycle, with scale bars and phases on top (Fig. 3)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from siltomo.engine.figures.slices import PlaneImage
from siltomo.engine.figures.tables import plain_rows
from siltomo.report.panels import key
from siltomo.report.style import WIDTHS, Width, blank, phase_colour, quantity_words, siltomo_style, spacing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["PAD", "bar_length", "draw_plane", "nothing", "picture_height", "scale_bar", "slices_figure"]

OPACITY = 0.6
_LABELS, _HEAD, PAD = 0.32, 0.42, 0.03
"""Inches that labels at the left, title and key at the top, and the space around a picture take."""


def bar_length(width_um: float) -> float:
    """Return the length of a scale bar: the largest 1, 2, 5 times a power of ten up to a quarter of the width.

    Examples
    --------
    >>> bar_length(417), bar_length(3.5)
    (100.0, 0.5)
    """
    most = width_um / 4
    power = 10.0 ** math.floor(math.log10(most))
    return max(step * power for step in (1.0, 2.0, 5.0) if step * power <= most * (1 + 1e-9))


def slices_figure(
    table: pd.DataFrame,
    images: Mapping[int, PlaneImage],
    *,
    width: Width = "double",
    bar_um: float | None = None,
) -> Figure:
    """Draw planes: a row for each formulation and plane, a column for each cycle, one scale in each row.

    Parameters
    ----------
    table
        As :func:`siltomo.engine.figures.slices.slices_table` gives.
    images
        Its ``extra["images"]``.
    bar_um
        Length of the scale bars; a round one without it.
    """
    down = list(dict.fromkeys(zip(table["formulation"], table["plane"], strict=True)))
    cycles = sorted(set(table["cycle"]))
    place = {(row["formulation"], row["plane"], row["cycle"]): n for n, row in enumerate(plain_rows(table))}
    sizes = [
        _extent([images[place[(*one, c)]] for c in cycles if place[(*one, c)] in images]) for one in down
    ]
    ratios = [height / across for height, across in sizes]
    with siltomo_style():
        figure = blank(
            width, columns=len(cycles), height=picture_height(ratios, len(cycles), width), pictures=True
        )
        spacing(figure, pictures=True, h_pad=PAD, w_pad=PAD)
        panels = figure.subplots(len(down), len(cycles), squeeze=False, gridspec_kw={"height_ratios": ratios})
        for r, one in enumerate(down):
            for c, cycle in enumerate(cycles):
                axes, number = panels[r, c], place[(*one, cycle)]
                row = table.iloc[number]
                axes.set_xlim(0, sizes[r][1])
                axes.set_ylim(0, sizes[r][0])
                axes.set_aspect("equal")
                if number in images:
                    window = float(row["grey_low"]), float(row["grey_high"])
                    draw_plane(axes, images[number], window=window)
                    scale_bar(axes, images[number], bar_um or bar_length(sizes[r][1]))
                else:
                    nothing(axes, str(row["reason"]))
                axes.set_xticks([])
                axes.set_yticks([])
                if r == 0:
                    axes.set_title("pristine" if cycle == 0 else f"cycle {cycle}")
                if c == 0:
                    view = "in-plane" if row["axes"] == "xy" else "cross-section"
                    axes.set_ylabel(f"{one[0]}\n{view}" + (", nano" if row["scale"] == "nano" else ""))
        phases = sorted({name for image in images.values() for name in image.phases})
        key(
            figure,
            {quantity_words(name): {"facecolor": phase_colour(name), "alpha": OPACITY} for name in phases},
        )
    return figure


def picture_height(ratios: list[float], columns: int, width: Width) -> float:
    """Return the height of the figure in widths of a column: that of the pictures beside their labels."""
    column = WIDTHS[width] / columns
    picture = (WIDTHS[width] - _LABELS) / columns - 2 * PAD
    return (sum(ratios) * picture + 2 * PAD * len(ratios) + _HEAD) / column


def _extent(images: list[PlaneImage]) -> tuple[float, float]:
    if not images:
        return 1.0, 1.0
    return max(i.size_um[0] for i in images), max(i.size_um[1] for i in images)


def draw_plane(axes: Axes, image: PlaneImage, *, window: tuple[float, float]) -> None:
    """Draw greys in a window, phases in their colours over them; micrometres on both axes."""
    high, wide = image.size_um
    extent = (0.0, wide, 0.0, high)
    top: Literal["upper", "lower"] = "upper" if image.upside_down else "lower"
    axes.imshow(image.grey, cmap="gray", vmin=window[0], vmax=window[1], extent=extent, origin=top)
    for name, mask in image.phases.items():
        axes.imshow(_painted(mask, phase_colour(name)), extent=extent, origin=top)


def _painted(mask: Any, colour: str) -> Any:
    from matplotlib.colors import to_rgb

    pixels = np.zeros((*mask.shape, 4), np.float32)
    pixels[..., :3] = to_rgb(colour)
    pixels[..., 3] = OPACITY * mask
    return pixels


def scale_bar(axes: Axes, image: PlaneImage, length_um: float) -> None:
    """Draw a scale bar in the lower right corner, white with a dark rim, so that it shows on any grey."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    high, wide = image.size_um
    right, low = wide * 0.96, high * 0.05
    thick = max(0.012 * wide, 0.0)
    rim: dict[str, Any] = {"edgecolor": "black", "facecolor": "white", "linewidth": 0.4}
    axes.add_patch(Rectangle((right - length_um, low), length_um, thick, zorder=5, **rim))
    axes.text(
        right - length_um / 2,
        low + thick * 1.6,
        f"{length_um:g} µm",
        ha="center",
        va="bottom",
        color="white",
        fontsize=5.5,
        zorder=5,
        path_effects=[withStroke(linewidth=1.2, foreground="black")],
    )


def nothing(axes: Axes, words: str) -> None:
    """Hatch a panel whose state was not scanned, and say so."""
    axes.set_facecolor("none")
    axes.patch.set_hatch("////")
    axes.patch.set_edgecolor("0.7")
    axes.text(
        0.5, 0.5, words.replace(" of ", "\nof ").replace(" in cycle", "\nin cycle"), transform=axes.transAxes,
        ha="center", va="center", fontsize=5.5, bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5},
    )  # fmt: skip
