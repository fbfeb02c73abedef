"""Find the electrode between two surfaces by greys alone: each layer has a histogram of its own.

No layer needs a grey of its own. A separator of fibres in an electrolyte that is as dark as the electrode's cracks, or
an electrode that is lithiated to the grey of the electrolyte, still has other shares of each grey than its neighbour.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels.electrode import AXES, ElectrodeFrame, FrameError, Surface
from siltomo.kernels.planes import fit_plane
from siltomo.segmentation.depth_histograms import (
    PlaneReader,
    TileMap,
    changing_axis,
    grey_bins,
    parted,
    tile_histograms,
)
from siltomo.segmentation.geometry import Geometry

__all__ = ["Distinct", "layers_by_greys"]

Floats = NDArray[np.float64]
Names = tuple[str, ...]

_REACH, _BEHIND = 8, 16
"""Planes on either side of a surface in which it is placed, and the planes behind them that show the layers' greys."""
_LEAST_PLANES = 2
"""Planes beyond the reach of a surface, on both sides of it, that show what is there."""
_CLEAR_STEP = 3.0
"""A step of the mean grey is clear where it is so many times what means of tiles scatter by."""
LEAST_DISTINCT = 0.12
"""Share of the voxels by which the greys of two layers must differ. Parts of one layer differ by less (cracks that
taper towards the separator: up to 0.08)."""


@dataclass(frozen=True)
class Distinct:
    """How far the greys on the two sides of a surface differ."""

    side: str
    share: float
    """Half of the sum of the differences of their histograms: 0 for the same greys, 1 for no grey in common."""


def layers_by_greys(
    read: PlaneReader,
    shape: tuple[int, int, int],
    spacing: tuple[float, float, float],
    *,
    surfaces: Sequence[str] = ("collector", "separator"),
    depth_axis: str = "",
) -> tuple[Geometry, tuple[Distinct, ...]]:
    """Find the surfaces where the histogram of the greys changes along the depth axis.

    Parameters
    ----------
    read
        Reads planes of greys; nan is outside of the domain.
    shape, spacing
        Voxels, and edges of a voxel in um, along z, y, x.
    surfaces
        Which surfaces are in view.
    depth_axis
        Declared axis, such as ``+z``; else the one along which the greys change most, from bright to dark end.

    Returns
    -------
    The electrode, and how far the greys on the two sides of each surface differ.

    Raises
    ------
    FrameError
        The depth axis cannot be told, or a surface is not in view; says why.

    Notes
    -----
    First the depths are parted so that the histograms of the parts explain the greys best (most likely segmentation
    of a sequence, by dynamic programming). Then, in each tile of the map, the share of the farther layer in each plane
    near a surface is read off its histogram, and adds up to where the surface is: a mean over roughness, whether or not
    the layers share greys. By mean greys blur has no bias; by shares of greys what only blur makes counts for either
    layer, which moves a surface by up to the width of the blur. A plane is fitted robustly through the tiles.
    """
    edges = grey_bins(read, shape)
    axis = "zyx".index(depth_axis[-1]) if depth_axis else changing_axis(read, shape, edges, len(surfaces))
    tiles = tile_histograms(read, shape, edges, axis)
    cuts = parted(tiles.sum(axis=(0, 1)), len(surfaces) + 1)
    middles = (edges[1:] + edges[:-1]) / 2
    upwards = _upwards(tiles, cuts, middles, tuple(surfaces), depth_axis)
    order = [s for s in ("collector", "separator")[::upwards] if s in surfaces]
    declared = bool(depth_axis)
    found: dict[str, Surface] = {}
    distinct = []
    ends = [0, *cuts, shape[axis]]
    across = [n for n in range(3) if n != axis]
    places = TileMap((shape[across[0]], shape[across[1]]), (spacing[across[0]], spacing[across[1]]))
    for k, side in enumerate(order):
        room = ((ends[k] + ends[k + 1]) // 2, (ends[k + 1] + ends[k + 2] + 1) // 2)
        heights, share = _heights(tiles, cuts[k], room, (ends[k], ends[k + 2]), middles)
        if share < LEAST_DISTINCT:
            raise FrameError(
                f"the {side} surface is not in view: along {AXES[axis]} the greys change most at plane {cuts[k]}, and "
                + (
                    f"differ there by {share:.0%} of the voxels only ({LEAST_DISTINCT:.0%} are needed)"
                    if share
                    else "too few planes are beyond it to say what they show"
                )
            )
        found[side] = _surface(heights * spacing[axis], places, spacing[axis], side)
        distinct.append(Distinct(side, share))
    missing = {s: f"the {s} surface was not asked for" for s in ("collector", "separator") if s not in found}
    frame = ElectrodeFrame(
        axis,
        upwards,
        spacing,
        shape[axis],
        declared,
        found.get("collector", missing.get("collector", "")),
        found.get("separator", missing.get("separator", "")),
    )
    return Geometry(frame, shape, {}), tuple(distinct)


def _upwards(
    tiles: NDArray[np.int64], cuts: Sequence[int], middles: Floats, surfaces: Names, depth_axis: str
) -> int:
    """Return +1 where the collector, the brightest, lies at the smaller index; what is declared holds."""
    counts = tiles.sum(axis=(0, 1))
    ends = [0, *cuts, len(counts)]
    means = []
    for start, stop in pairwise(ends):
        part = counts[start:stop].sum(axis=0)
        means.append(float(part @ middles / max(part.sum(), 1)))
    declared = {"+": 1, "-": -1}.get(depth_axis[:1], 0)
    if "collector" not in surfaces:
        if not declared:
            raise FrameError("which side the separator is on cannot be told by greys: declare the depth axis")
        return declared
    seen = 1 if means[0] > means[-1] else -1
    if declared and declared != seen:
        raise FrameError(
            f"the depth axis is declared as {depth_axis}, from collector to separator, but the brighter end, as a "
            "collector has it, is on the other side, or the collector is not in view"
        )
    return seen


def _heights(
    tiles: NDArray[np.int64], cut: int, room: tuple[int, int], beyond: tuple[int, int], middles: Floats
) -> tuple[Floats, float]:
    """Return where a surface is in each tile, from the centre of the first voxel, and how far its sides differ.

    Parameters
    ----------
    tiles
        Histograms, shape (tiles, tiles, planes, bins).
    cut
        Plane at which all tiles together are parted.
    room, beyond
        First and last plane where the surface may be, and which the layers on its two sides reach.
    middles
        Grey of each bin.
    """
    low, high, _ = _both(tiles, np.full(tiles.shape[:2], float(cut)), 0, beyond)
    step = np.log(high) - np.log(low)
    scores = -np.cumsum(tiles @ step, axis=2)[:, :, room[0] : max(room[1], room[0] + 1)]
    tops = room[0] + 1.0 + np.argmax(scores, axis=2)
    rows, columns = tiles.shape[:2]
    for _ in range(3):
        tilted = fit_plane(tops).heights((rows, columns))
        low, high, voxels = _both(tiles, tilted, _REACH, beyond)
        weights = _weights(tiles, tilted, (low, high), beyond, middles)
        tops = _placed(tiles, tilted, (weights, low, high), beyond)
    plane = float(tiles.sum(axis=(0, 1, 3)).max())
    # a few voxels at the end of the volume differ from any layer by chance
    seen = voxels >= _LEAST_PLANES * plane
    return tops - 0.5, float(np.abs(high - low).sum() / 2) if seen else 0.0


def _both(
    tiles: NDArray[np.int64], tops: Floats, gap: int, beyond: tuple[int, int]
) -> tuple[Floats, Floats, int]:
    """Return the histograms of the layers below and above a surface, as near to it as it leaves them untouched.

    The last figure is how many voxels there are of the scarcer one.
    """
    depth = np.arange(tiles.shape[2])
    away = depth - tops[:, :, None] + 0.5
    inside = (depth >= beyond[0]) & (depth < beyond[1])
    made, voxels = [], []
    for side in (-1, 1):
        far = away * side
        reach = np.inf if gap == 0 else gap + _BEHIND
        chosen = inside & (far > gap) & (far <= reach)
        if gap and chosen.sum() < 3 * tops.size:  # a thin layer: what is half as near must do
            chosen = inside & (far > gap / 2) & (far <= reach)
        if not chosen.any():
            chosen = inside & (far > 0)
        counts = tiles[chosen].sum(axis=0)
        voxels.append(int(counts.sum()))
        made.append((counts + 0.5) / (counts + 0.5).sum())
    return made[0], made[1], min(voxels)


def _weights(
    tiles: NDArray[np.int64],
    tops: Floats,
    sides: tuple[Floats, Floats],
    beyond: tuple[int, int],
    middles: Floats,
) -> Floats:
    """Return by what of a histogram the two layers are told apart.

    The mean grey, where it is clear: blur moves no voxel's share of it, so that a blurred step stays where it is.
    Where means are alike the shares of all greys, each weighted by how much it tells.
    """
    low, high = sides
    step = float((high - low) @ middles)
    # a layer is as uneven as its tiles differ from each other; the more uneven of the two counts
    noise = 0.0
    for first, last in ((beyond[0], int(tops.min())), (int(tops.max()) + 1, beyond[1])):
        part = tiles[:, :, first:last]
        if part.shape[2]:
            means = part @ middles / np.maximum(part.sum(axis=3), 1)
            noise = max(noise, float(np.median(np.std(means, axis=(0, 1)))))
    return middles if abs(step) > _CLEAR_STEP * noise else (high - low) / (high + low)


def _placed(
    tiles: NDArray[np.int64], tops: Floats, known: tuple[Floats, Floats, Floats], beyond: tuple[int, int]
) -> Floats:
    """Return where a surface is in each tile: the planes near it, less what of the upper layer is in them."""
    weights, low, high = known
    totals = np.maximum(tiles.sum(axis=3), 1)
    share = ((tiles @ weights) / totals - weights @ low) / float(weights @ (high - low))
    found = np.empty(tops.shape)
    for place in np.ndindex(*tops.shape):
        middle = round(float(tops[place]))
        first, last = max(beyond[0], middle - _REACH), min(beyond[1], middle + _REACH)
        found[place] = last - share[place][first:last].sum() if last > first else tops[place]
    return found


def _surface(heights: Floats, places: TileMap, edge: float, side: str) -> Surface:
    """Return a surface by its tiles: the plane is fitted through their middles."""
    middles = [
        (np.bincount(places.of(axis), np.arange(places.shape[axis])) / np.bincount(places.of(axis)))
        * places.steps[axis]
        for axis in (0, 1)
    ]
    steps = tuple(
        float(np.diff(m).mean()) if m.size > 1 else s for m, s in zip(middles, places.steps, strict=True)
    )
    fitted = fit_plane(heights, (steps[0], steps[1]), resolution=edge)
    start = fitted.level - fitted.slopes[0] * middles[0][0] - fitted.slopes[1] * middles[1][0]
    plane = type(fitted)(start, fitted.slopes, places.steps, fitted.scatter, fitted.limit, fitted.used)
    columns = heights[np.ix_(places.of(0), places.of(1))]
    # a tile's height is that of its middle: columns follow the tilt of the plane inside of it
    at = [m[places.of(axis)] for axis, m in enumerate(middles)]
    here = [np.arange(n) * s for n, s in zip(places.shape, places.steps, strict=True)]
    columns = (
        columns
        + ((here[0] - at[0]) * plane.slopes[0])[:, None]
        + ((here[1] - at[1]) * plane.slopes[1])[None, :]
    )
    if plane.heights(places.shape).mean() < 0:
        raise BadInputError(f"the {side} surface lies outside of the field of view")
    return Surface(columns, plane, 1.0, "change of the greys")
