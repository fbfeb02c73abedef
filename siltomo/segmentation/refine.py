"""Surfaces of the electrode placed in the greys across them, to a fraction of a voxel."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from siltomo.errors import BadInputError
from siltomo.kernels.edges import EdgeFit, EdgeProfile, edge_profile, fit_edge
from siltomo.kernels.electrode import Side, Surface
from siltomo.kernels.planes import fit_plane
from siltomo.segmentation.frames import SLAB, Geometry, PlaneReader

__all__ = ["edge_of", "refined"]

_REACH = 8.0
"""Voxels on either side of a surface that its profile spans."""
_FINE = 0.25
"""Bins of a profile across a surface, in voxels."""
_PATCH = 6
"""Voxels along the edge of a patch of a surface in which its step is fitted: smaller than the gaps between cracks."""
_PATCHES = 12
"""Most patches along either axis of a surface's map; of larger maps not every voxel is looked at."""
_FEWEST = 4
"""Fewer patches with a step than this tell no tilt."""
_SETTLED = 0.05
"""Residuals of patches that are no outliers, in voxels: what noise moves a step by."""


def refined(read: PlaneReader, geometry: Geometry, *, slab: int = SLAB) -> Geometry:
    """Move each surface onto the middle of the blurred step in the greys across it.

    Parameters
    ----------
    read
        Reads planes of greys; the volume is read twice for each surface.
    geometry
        The electrode, found to a voxel.
    slab
        Planes read at once.

    Returns
    -------
    The electrode with surfaces placed to a fraction of a voxel, and the steps across them.

    Raises
    ------
    BadInputError
        A surface shows no step in the greys.
    """
    frame, edges = geometry.frame, {}
    sides: tuple[Side, Side] = ("collector", "separator")
    for side in sides:
        surface = frame.collector if side == "collector" else frame.separator
        if isinstance(surface, str) or frame.upwards == 0:
            continue
        moved = _moved(read, Geometry(frame, geometry.shape, {}), side, slab)
        frame = replace(frame, collector=moved) if side == "collector" else replace(frame, separator=moved)
        edges[side] = edge_of(read, Geometry(frame, geometry.shape, {}), side, slab=slab)
    return Geometry(frame, geometry.shape, edges)


def edge_of(
    read: PlaneReader, geometry: Geometry, side: Side, *, reach: float = _REACH, slab: int = SLAB
) -> EdgeFit:
    """Fit the blurred step in the greys across a surface.

    Parameters
    ----------
    read
        Reads planes of greys.
    geometry
        Where the surface is.
    side
        Which surface.
    reach
        Voxels on either side of it that are looked at.
    slab
        Planes read at once.

    Returns
    -------
    The step, in um; only columns whose own height is near the plane count.
    """
    surface = geometry.frame.surface(side)
    whole = ((0, surface.heights.shape[0]), (0, surface.heights.shape[1]))
    (profile,) = _profiles(read, geometry, side, [whole], reach=reach, slab=slab)
    if profile is None:
        raise BadInputError(f"the {side} surface lies outside of the volume")
    return fit_edge(profile)


_Window = tuple[tuple[int, int], tuple[int, int]]
"""First and last (excluded) row and column of a part of a surface's map."""


def _profiles(
    read: PlaneReader, geometry: Geometry, side: Side, windows: Sequence[_Window], *, reach: float, slab: int
) -> list[EdgeProfile | None]:
    """Return the profile across a surface in each of some parts of its map; None where it leaves the volume."""
    frame = geometry.frame
    surface, edge = frame.surface(side), frame.spacing[frame.axis]
    used = surface.plane.inliers(surface.heights)
    found: list[EdgeProfile | None] = [None] * len(windows)
    across = [n for n in range(3) if n != frame.axis]
    for start in range(0, geometry.shape[0], slab):
        stop = min(start + slab, geometry.shape[0])
        greys = read(start, stop)
        for n, window in enumerate(windows):
            bounds = [(0, size) for size in geometry.shape]
            for axis, side_of in zip(across, window, strict=True):
                bounds[axis] = side_of
            bounds[frame.axis] = _near(surface, window, reach * edge, edge, geometry.shape[frame.axis])
            keep = used[slice(*window[0]), slice(*window[1])]
            low, high = max(start, bounds[0][0]), min(stop, bounds[0][1])
            if low >= high:
                continue
            if frame.axis != 0:
                keep = keep[low - bounds[0][0] : high - bounds[0][0]]
            part = edge_profile(
                greys[low - start : high - start, slice(*bounds[1]), slice(*bounds[2])],
                (low, bounds[1][0], bounds[2][0]),
                spacing=frame.spacing,
                plane=frame.datum(side),
                reach=reach * edge,
                bin_width=_FINE * edge,
                keep=np.expand_dims(keep, frame.axis),
            )
            known = found[n]
            found[n] = part if known is None else known + part
    return found


def _near(surface: Surface, window: _Window, reach: float, edge: float, size: int) -> tuple[int, int]:
    """Return the voxels along the height that lie within a reach of the plane somewhere in a window."""
    plane = surface.plane
    corners = [
        plane.level + plane.slopes[0] * plane.steps[0] * row + plane.slopes[1] * plane.steps[1] * column
        for row in window[0]
        for column in window[1]
    ]
    beyond = reach / plane.cosine + edge
    low, high = (min(corners) - beyond) / edge, (max(corners) + beyond) / edge
    return max(0, math.floor(low)), min(size, math.ceil(high) + 1)


def _moved(read: PlaneReader, geometry: Geometry, side: Side, slab: int) -> Surface:
    """Move and turn a surface's plane onto the middle of the steps in the greys across it.

    The step is fitted in small patches, and a plane through their places that minds no minority of them: where a
    crack lies below the surface the mean grey of the electrode sags, and the step of that patch is drawn inwards.
    """
    frame = geometry.frame
    surface = frame.surface(side)
    plane, edge = surface.plane, frame.spacing[frame.axis]
    inwards = frame.upwards if side == "collector" else -frame.upwards
    rows, columns = (_patches(size) for size in surface.heights.shape)
    windows = [(row, column) for row in rows for column in columns]
    profiles = _profiles(read, geometry, side, windows, reach=_REACH, slab=slab)
    rises = np.full(len(windows), np.nan)
    for n, profile in enumerate(profiles):
        if profile is None:
            continue
        try:
            rises[n] = fit_edge(profile).position * inwards / plane.cosine
        except BadInputError:  # no step is seen in this part of the map
            continue
    if np.isfinite(rises).sum() < _FEWEST:
        return surface
    pitches = [
        (parts[-1][0] - parts[0][0]) / max(1, len(parts) - 1) * step
        for parts, step in zip((rows, columns), plane.steps, strict=True)
    ]
    change = fit_plane(
        rises.reshape(len(rows), len(columns)),
        (pitches[0] or plane.steps[0], pitches[1] or plane.steps[1]),
        resolution=_SETTLED * edge,
    )
    slopes = (plane.slopes[0] + change.slopes[0], plane.slopes[1] + change.slopes[1])
    # the change is told at the middle of the first patch; a plane's level is its height at the first column
    first = [
        (sum(parts[0]) / 2 - 0.5) * step for parts, step in zip((rows, columns), plane.steps, strict=True)
    ]
    level = plane.level + change.level - change.slopes[0] * first[0] - change.slopes[1] * first[1]
    turned = replace(plane, level=level, slopes=slopes)
    shape = (surface.heights.shape[0], surface.heights.shape[1])
    return replace(
        surface, plane=turned, heights=surface.heights - plane.heights(shape) + turned.heights(shape)
    )


def _patches(size: int) -> list[tuple[int, int]]:
    """Spread patches over one side of a map, evenly as whole voxels allow: their places are even to half a voxel."""
    count = max(1, min(_PATCHES, size // _PATCH))
    width = min(_PATCH, size)
    starts = np.linspace(0, size - width, count).round().astype(int) if count > 1 else [(size - width) // 2]
    return [(int(start), int(start) + width) for start in starts]
