"""The electrode in a scan: its surfaces, depth axis and domains, from labels or from greys.

Everything here runs over slabs of planes that a reader gives, and keeps height maps (two-dimensional) only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce
from operator import add
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels.columns import NOT_A_CLASS, ColumnExtents, column_extents
from siltomo.kernels.edges import EdgeFit, EdgeProfile, edge_profile, fit_edge
from siltomo.kernels.electrode import ELECTRODE, ElectrodeFrame, FrameError, Side, Surface, electrode_frame
from siltomo.segmentation.greys import GreyRange

__all__ = [
    "Geometry",
    "PlaneReader",
    "edge_of",
    "geometry_of_greys",
    "geometry_of_labels",
    "refined",
]

PlaneReader = Callable[[int, int], NDArray[Any]]
"""Read planes ``start`` to ``stop`` (excluded), shape (stop - start, y, x)."""
Shape = tuple[int, int, int]
Spacing = tuple[float, float, float]

SLAB = 64
_REACH = 8.0
"""Voxels on either side of a surface that its profile spans."""
_FINE = 0.25
"""Bins of a profile across a surface, in voxels."""
_TILES = 3
"""A surface's map is cut into so many parts along either axis to find its tilt in greys."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """An electrode's frame in a volume, with what is derived from it."""

    frame: ElectrodeFrame
    shape: Shape
    edges: Mapping[Side, EdgeFit]
    """The blurred step across each surface, where greys were given; surfaces are moved onto it."""

    @property
    def depth_axis(self) -> str:
        """Axis and direction from collector to separator, as a scan declares it: ``+z``."""
        return self.frame.axis_name

    @property
    def normal(self) -> tuple[float, float, float]:
        """Unit vector (z, y, x) along which depth grows, from the collector."""
        normal = np.array(self.frame.datum("collector").normal)
        z, y, x = (float(v) for v in normal / np.linalg.norm(normal))
        return z, y, x

    def says(self) -> dict[str, Any]:
        """Return the geometry as plain values for a table; lengths in um, angles in degrees."""
        frame = self.frame
        said: dict[str, Any] = {
            "depth_axis": self.depth_axis,
            "depth_axis_from": "declared" if frame.declared else "read off the voxels",
        }
        for side in ("collector", "separator"):
            surface = frame.collector if side == "collector" else frame.separator
            if isinstance(surface, str):
                said[side] = surface
                continue
            said[side] = {
                "level": surface.plane.level,
                "tilt": surface.plane.tilt_deg,
                "scatter": surface.plane.scatter,
                "columns_seen": surface.seen,
                "columns_used": surface.plane.used,
                "from": surface.source,
            }
        if isinstance(frame.collector, Surface) and isinstance(frame.separator, Surface):
            said["thickness"] = frame.thickness()
        return said


def geometry_of_labels(
    read: PlaneReader,
    shape: Shape,
    spacing: Spacing,
    classes: Mapping[str, Sequence[int]],
    *,
    rest_is_electrode: bool = False,
    left_out: Sequence[int] = (),
    depth_axis: str = "",
    slab: int = SLAB,
) -> Geometry:
    """Find an electrode in labels.

    Parameters
    ----------
    read
        Reads planes of labels.
    shape, spacing
        Voxels, and edges of a voxel in um, along z, y, x.
    classes
        Label values of ``collector``, ``separator`` and ``electrode``; any may be left out.
    rest_is_electrode
        Whether all other values are electrode.
    left_out
        Values that are nothing (outside of the sample).
    depth_axis
        Declared axis, such as ``+z``; else read off the labels.
    slab
        Planes read at once.

    Raises
    ------
    FrameError
        The depth axis cannot be told, or no surface is in the field of view; says why.
    """
    named = [tuple(classes.get(name, ())) for name in ("collector", "separator", "electrode")]
    extents = _extents(
        shape,
        slab,
        lambda start, stop: column_extents(
            read(start, stop),
            named,
            start=start,
            depth=shape[0],
            rest=ELECTRODE if rest_is_electrode else NOT_A_CLASS,
            left_out=left_out,
            axes=_axes(depth_axis),
        ),
    )
    return Geometry(_frame(extents, spacing, depth_axis, tuple(classes)), shape, {})


def geometry_of_greys(
    read: PlaneReader,
    shape: Shape,
    spacing: Spacing,
    layers: Mapping[str, GreyRange],
    *,
    depth_axis: str = "",
    refine: bool = True,
    slab: int = SLAB,
) -> Geometry:
    """Find an electrode in greys.

    Parameters
    ----------
    read
        Reads planes of greys.
    shape, spacing
        Voxels, and edges of a voxel in um, along z, y, x.
    layers
        Greys of ``collector``, ``separator`` and ``electrode``; at least one. A voxel in two ranges belongs to
        the first of them.
    depth_axis
        Declared axis, such as ``+z``; else read off the layers.
    refine
        Whether to move each plane onto the middle of the blurred step in the greys across it, which tells its
        place and tilt to a fraction of a voxel; the volume is then read again for each surface.
    slab
        Planes read at once.

    Raises
    ------
    FrameError
        The depth axis cannot be told, or no surface is in the field of view; says why.
    BadInputError
        No layer is given, or another one than these.
    """
    order: tuple[str, ...] = ("collector", "separator", "electrode")
    unknown = sorted(set(layers) - set(order))
    if unknown or not layers:
        raise BadInputError(f"layers are {', '.join(order)}; got {', '.join(unknown) or 'none'}")

    def labels(start: int, stop: int) -> NDArray[np.uint8]:
        greys = read(start, stop)
        made = np.zeros(greys.shape, np.uint8)
        for number, name in reversed(list(enumerate(order, 1))):
            if name in layers:
                made[layers[name].holds(greys)] = number
        return made

    classes = {name: (number,) for number, name in enumerate(order, 1) if name in layers}
    found = geometry_of_labels(labels, shape, spacing, classes, depth_axis=depth_axis, slab=slab)
    return refined(read, found, slab=slab) if refine else found


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
    (profile,) = _profiles(read, geometry, side, tiles=1, reach=reach, slab=slab).values()
    return fit_edge(profile)


def _profiles(
    read: PlaneReader, geometry: Geometry, side: Side, *, tiles: int, reach: float, slab: int
) -> dict[tuple[int, int], EdgeProfile]:
    """Return the profile across a surface in each of tiles x tiles parts of its map."""
    frame = geometry.frame
    surface, edge = frame.surface(side), frame.spacing[frame.axis]
    used = surface.plane.inliers(surface.heights)
    found: dict[tuple[int, int], EdgeProfile] = {}
    across = [n for n in range(3) if n != frame.axis]
    for start in range(0, geometry.shape[0], slab):
        stop = min(start + slab, geometry.shape[0])
        greys = read(start, stop)
        for place in np.ndindex(tiles, tiles):
            bounds = [(0, n) for n in geometry.shape]
            for axis, tile in zip(across, place, strict=True):
                size = geometry.shape[axis]
                bounds[axis] = (size * tile // tiles, size * (tile + 1) // tiles)
            keep = used[slice(*bounds[across[0]]), slice(*bounds[across[1]])]
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
            row, column = place
            found[row, column] = found[row, column] + part if (row, column) in found else part
    return found


def _moved(read: PlaneReader, geometry: Geometry, side: Side, slab: int) -> Surface:
    """Move and turn a surface's plane onto the middle of the step in the greys across it, tile by tile."""
    frame = geometry.frame
    surface = frame.surface(side)
    plane = surface.plane
    inwards = frame.upwards if side == "collector" else -frame.upwards
    places, rises = [], []
    for (row, column), profile in _profiles(
        read, geometry, side, tiles=_TILES, reach=_REACH, slab=slab
    ).items():
        try:
            fit = fit_edge(profile)
        except BadInputError:  # no step is seen in this part of the map
            continue
        centre = [
            (size * (2 * tile + 1) / (2 * _TILES) - 0.5) * step
            for size, tile, step in zip(surface.heights.shape, (row, column), plane.steps, strict=True)
        ]
        places.append((1.0, *centre))
        rises.append(fit.position * inwards / plane.cosine)
    if len(rises) <= _TILES:
        return surface
    change = np.linalg.lstsq(np.array(places), np.array(rises), rcond=None)[0]
    slopes = (plane.slopes[0] + float(change[1]), plane.slopes[1] + float(change[2]))
    turned = replace(plane, level=plane.level + float(change[0]), slopes=slopes)
    shape = (surface.heights.shape[0], surface.heights.shape[1])
    return replace(
        surface, plane=turned, heights=surface.heights - plane.heights(shape) + turned.heights(shape)
    )


def _axes(depth_axis: str) -> tuple[int, ...]:
    return ("zyx".index(depth_axis.lstrip("+-")),) if depth_axis else (0, 1, 2)


def _extents(shape: Shape, slab: int, make: Callable[[int, int], ColumnExtents]) -> ColumnExtents:
    return reduce(add, (make(start, min(start + slab, shape[0])) for start in range(0, shape[0], slab)))


def _frame(
    extents: ColumnExtents, spacing: Spacing, depth_axis: str, names: tuple[str, ...]
) -> ElectrodeFrame:
    """Return the frame; refuse where neither surface is in view."""
    frame = electrode_frame(extents, spacing, depth_axis=depth_axis, names=names)
    if isinstance(frame.collector, str) and isinstance(frame.separator, str):
        raise FrameError(f"{frame.collector}; {frame.separator}")
    return frame
