"""Figures of surfaces: the largest connected crack, SEI, gas, from one camera (Figs 5, 9, 10)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from siltomo.engine.figures.mesh import Mesh
from siltomo.engine.figures.tables import Said, plain_rows
from siltomo.report.figure_slices import PAD, bar_length, nothing, picture_height
from siltomo.report.panels import key
from siltomo.report.render import Camera, render_pictures
from siltomo.report.style import Width, blank, phase_colour, quantity_words, siltomo_style, spacing

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["render_figure"]


def render_figure(
    table: pd.DataFrame,
    meshes: Mapping[int, Mesh],
    *,
    camera: Camera | None = None,
    own: bool = False,
    width: Width = "double",
    progress: Said | None = None,
) -> tuple[Figure, str]:
    """Draw surfaces: a row for each formulation and scale, a column for each cycle; one scale in each row of scale.

    Parameters
    ----------
    table
        As :func:`siltomo.engine.figures.render.render_table` gives.
    meshes
        Its ``extra["meshes"]``.
    own
        Whether to use siltomo's renderer even where pyvista is there.
    progress
        Told what is drawn.

    Returns
    -------
    matplotlib.figure.Figure
        The figure.
    str
        What to tell the user, such as that no renderer was found.
    """
    view = camera or Camera()
    rows = plain_rows(table)
    down = list(dict.fromkeys((row["formulation"], row["scale"]) for row in rows))
    cycles = sorted({row["cycle"] for row in rows})
    pictures, halves, told = _pictures(rows, meshes, view, own=own, progress=progress)
    with siltomo_style():
        figure = blank(
            width,
            columns=len(cycles),
            height=picture_height([1.0] * len(down), len(cycles), width),
            pictures=True,
        )
        spacing(figure, pictures=True, h_pad=PAD, w_pad=PAD)
        panels = figure.subplots(len(down), len(cycles), squeeze=False)
        for n, row in enumerate(rows):
            r, c = down.index((row["formulation"], row["scale"])), cycles.index(row["cycle"])
            axes = panels[r, c]
            axes.set_xticks([])
            axes.set_yticks([])
            if n in pictures:
                half = halves[row["scale"]]
                _panel(axes, pictures[n], meshes[n], view, half, share=float(row["value"]))
            else:
                nothing(axes, str(row["reason"]))
            if r == 0:
                axes.set_title("pristine" if row["cycle"] == 0 else f"cycle {row['cycle']}")
            if c == 0:
                axes.set_ylabel(f"{row['formulation']}\n{row['scale']}")
        phases = sorted({mesh.phase for mesh in meshes.values()})
        key(figure, {quantity_words(name): {"facecolor": phase_colour(name)} for name in phases})
    return figure, told


def _pictures(
    rows: Sequence[Mapping[str, Any]],
    meshes: Mapping[int, Mesh],
    view: Camera,
    *,
    own: bool,
    progress: Said | None,
) -> tuple[dict[int, np.ndarray], dict[str, float], str]:
    """Return the picture of each row, half the side of the pictures of each scale, and what to tell."""
    from matplotlib.colors import to_rgb

    pictures: dict[int, np.ndarray] = {}
    halves: dict[str, float] = {}
    told = ""
    for scale in dict.fromkeys(row["scale"] for row in rows):
        mine = [n for n in meshes if rows[n]["scale"] == scale]
        if not mine:
            continue
        halves[scale] = max(float(np.linalg.norm(meshes[n].size_um)) for n in mine) / 2 * 0.92
        colours = [to_rgb(phase_colour(meshes[n].phase)) for n in mine]
        drawn, told = render_pictures(
            [meshes[n] for n in mine], view, halves[scale], colours, own=own, progress=progress
        )
        pictures |= dict(zip(mine, drawn, strict=True))
    return pictures, halves, told


def _panel(axes: Axes, picture: np.ndarray, mesh: Mesh, camera: Camera, half: float, *, share: float) -> None:
    axes.imshow(picture, extent=(-half, half, -half, half), zorder=2)
    centre = np.array(mesh.size_um[::-1]) / 2
    corners = (
        np.array([[k & 1, k >> 1 & 1, k >> 2] for k in range(8)]) * np.array(mesh.size_um[::-1]) - centre
    )
    seen = corners @ camera.axes().T
    for a in range(8):
        for bit in (1, 2, 4):
            if not a & bit:
                axes.plot(seen[[a, a | bit], 0], seen[[a, a | bit], 1], color="0.6", linewidth=0.4, zorder=1)
    bar = bar_length(2 * half)
    axes.plot([half * 0.92 - bar, half * 0.92], [-half * 0.9] * 2, color="black", linewidth=1.6, zorder=3)
    axes.text(half * 0.92 - bar / 2, -half * 0.87, f"{bar:g} µm", ha="center", va="bottom", fontsize=5.5)
    if share < 1:
        axes.text(-half * 0.94, half * 0.94, f"{100 * share:.0f} % of all", ha="left", va="top", fontsize=5.5)
    axes.set_xlim(-half, half)
    axes.set_ylim(-half, half)
    axes.set_aspect("equal")
