"""Depth bins of voxels and tiles below a datum: a level, a tilted plane or a height map."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siltomo.errors import BadInputError
from siltomo.kernels.surfaces import as_edges


@dataclass(frozen=True)
class DatumPlane:
    """A plane from which depth is measured, along its normal."""

    normal: tuple[float, float, float]
    """Direction (z, y, x) in which depth grows, of any length."""
    point: tuple[float, float, float]
    """A point (z, y, x) of the plane, in the unit of the spacing, from the centre of the first voxel."""


def depth_bins(
    start: int,
    stop: int,
    shape: tuple[int, int],
    *,
    spacing: Sequence[float],
    datum: float | DatumPlane | ArrayLike,
    edges: Sequence[float],
    tiles: bool = False,
) -> NDArray[np.int32]:
    """Return the depth bin of each voxel, or tile of 2 x 2 x 2 voxels, in a slab of planes.

    Parameters
    ----------
    start, stop
        First plane of the slab, and the one behind its last; of layers of tiles, with ``tiles``.
    shape
        Rows and columns of a plane, in voxels.
    spacing
        Edges (z, y, x) of a voxel, in any unit of length.
    datum
        Where depth is 0: a level z; a `DatumPlane`; or a height map, the level z in each column of voxels, of
        that shape (nan where there is none). In the unit of the spacing, from the centre of the first voxel;
        depth grows with z.
    edges
        Depths between which the bins lie, ascending; a depth is in bin i from edge i up to below edge i + 1.
    tiles
        Whether to return bins of tiles, by their centres, for `siltomo.kernels.label_configurations`, in place
        of voxels.

    Returns
    -------
    numpy.ndarray
        int32 bins of a shape that broadcasts to that of the slab; -1 outside of all bins.

    Raises
    ------
    BadInputError
        The edges do not ascend, the height map does not fit, or the normal has no direction.

    Examples
    --------
    >>> depth_bins(0, 6, (4, 4), spacing=(0.5, 0.5, 0.5), datum=1.0, edges=[0, 1, 2]).ravel()
    array([-1, -1,  0,  0,  1,  1], dtype=int32)
    """
    steps = as_edges(spacing)
    limits = np.asarray(edges, np.float64)
    if limits.ndim != 1 or limits.size < 2 or not np.all(np.diff(limits) > 0):
        raise BadInputError(f"edges: expected at least two ascending depths, got {list(edges)}")
    shift = 0.5 if tiles else 0.0
    z = (np.arange(start, stop) + shift) * steps[0]
    if isinstance(datum, DatumPlane):
        y, x = ((np.arange(n - tiles) + shift) * step for n, step in zip(shape, steps[1:], strict=True))
        return _plane_bins(z, y, x, datum, limits)
    heights = np.asarray(datum, np.float64)
    if heights.ndim != 0 and heights.shape != tuple(shape):
        raise BadInputError(f"the height map has shape {heights.shape}, a plane {tuple(shape)}")
    if tiles and heights.ndim:
        heights = (heights[:-1, :-1] + heights[1:, :-1] + heights[:-1, 1:] + heights[1:, 1:]) / 4
    heights = np.atleast_2d(heights)
    bins = np.empty((z.size, *heights.shape), np.int32)
    for layer, level in zip(bins, z, strict=True):
        layer[:] = _bin(level - heights, limits)
    return bins


def _plane_bins(
    z: NDArray[Any], y: NDArray[Any], x: NDArray[Any], datum: DatumPlane, limits: NDArray[np.float64]
) -> NDArray[np.int32]:
    length = math.hypot(*datum.normal)
    if not (math.isfinite(length) and length > 0):
        raise BadInputError(f"the normal {datum.normal} of the datum plane has no direction")
    normal = np.array(datum.normal) / length
    # Along an axis that the plane is parallel to, one entry stands for all.
    along = [
        part * (places if part != 0 else places[:1]) for part, places in zip(normal, (z, y, x), strict=True)
    ]
    offset = float(normal @ np.array(datum.point))
    in_plane = along[1][:, np.newaxis] + along[2]
    bins = np.empty((along[0].size, *in_plane.shape), np.int32)
    for layer, level in zip(bins, along[0], strict=True):
        layer[:] = _bin(level + in_plane - offset, limits)
    return bins


def _bin(depths: NDArray[np.float64], limits: NDArray[np.float64]) -> NDArray[np.int32]:
    found = np.searchsorted(limits, depths, side="right") - 1  # nan sorts behind all limits
    return np.where(found < limits.size - 1, found, -1).astype(np.int32)
