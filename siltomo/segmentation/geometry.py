"""The electrode in a scan: its surfaces, depth axis and domains, from labels or from greys.

Everything here runs over slabs of planes that a reader gives, and keeps height maps (two-dimensional) only.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import reduce
from operator import add

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels.columns import NOT_A_CLASS, ColumnExtents, column_extents
from siltomo.kernels.electrode import ELECTRODE, ElectrodeFrame, FrameError, electrode_frame
from siltomo.segmentation.frames import SLAB, Geometry, PlaneReader, Shape
from siltomo.segmentation.greys import GreyRange
from siltomo.segmentation.refine import edge_of, refined

__all__ = [
    "Geometry",
    "PlaneReader",
    "edge_of",
    "geometry_of_greys",
    "geometry_of_labels",
    "refined",
]

Spacing = tuple[float, float, float]


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
