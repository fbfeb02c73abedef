"""Where classes of voxels lie in the columns of a volume, along one axis or all three; adds up over slabs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siltomo.kernels._jit import kernel
from siltomo.kernels._volumes import as_voxels

__all__ = ["NOT_A_CLASS", "ColumnExtents", "Columns", "column_bytes", "column_extents"]

NOT_A_CLASS = 255
"""Class of the label values that belong to none."""
_TABLE = 1 << 16
_JOINS = (np.minimum, np.maximum, np.add)


@dataclass(frozen=True, eq=False)
class Columns:
    """The columns along one axis; the map lies on the other two, in their order."""

    axis: int
    """0, 1 or 2 for z, y, x."""
    maps: NDArray[np.int32]
    """First index, last index and number of voxels of each class, shape (3, classes, rows, columns)."""
    length: int
    """Voxels of a column."""

    @property
    def first(self) -> NDArray[np.int32]:
        """Index along the axis of the first voxel of each class, shape (classes, rows, columns); the length if none."""
        return np.asarray(self.maps[0])

    @property
    def last(self) -> NDArray[np.int32]:
        """Index of the last voxel; -1 if none."""
        return np.asarray(self.maps[1])

    @property
    def count(self) -> NDArray[np.int32]:
        """Voxels of each class."""
        return np.asarray(self.maps[2])


@dataclass(frozen=True, eq=False)
class ColumnExtents:
    """First and last voxel, and the number, of each class in each column of some planes."""

    columns: tuple[Columns, ...]
    """The columns along each axis that was asked for."""
    voxels: NDArray[np.int64]
    """Voxels of each class, shape (classes,)."""
    sums: NDArray[np.float64]
    """Sum of their indices along z, y, x, shape (classes, 3)."""
    shape: tuple[int, int, int]
    """Shape of the whole volume."""

    def along(self, axis: int) -> Columns:
        """Return the columns along an axis; raises ``KeyError`` when they were not asked for."""
        for columns in self.columns:
            if columns.axis == axis:
                return columns
        raise KeyError(axis)

    def centre(self, one: int) -> NDArray[np.float64]:
        """Return the mean index (z, y, x) of the voxels of a class; nan without any."""
        with np.errstate(invalid="ignore"):
            return np.asarray(self.sums[one] / self.voxels[one] if self.voxels[one] else np.full(3, np.nan))

    def __add__(self, lower: ColumnExtents) -> ColumnExtents:
        """Join the planes of two slabs, this one directly above the other."""
        joined = tuple(_join(a, b) for a, b in zip(self.columns, lower.columns, strict=True))
        return ColumnExtents(joined, self.voxels + lower.voxels, self.sums + lower.sums, self.shape)


def _join(upper: Columns, lower: Columns) -> Columns:
    if upper.axis:
        return Columns(upper.axis, np.concatenate([upper.maps, lower.maps], axis=2), upper.length)
    first, last, count = (
        function(a, b) for function, a, b in zip(_JOINS, upper.maps, lower.maps, strict=True)
    )
    return Columns(0, np.stack([first, last, count]), upper.length)


def column_extents(
    labels: ArrayLike,
    classes: Sequence[Sequence[int]],
    *,
    start: int = 0,
    depth: int | None = None,
    rest: int = NOT_A_CLASS,
    left_out: Sequence[int] = (),
    axes: Sequence[int] = (0, 1, 2),
) -> ColumnExtents:
    """Find the first and last voxel of each class in each column, and how many there are.

    Parameters
    ----------
    labels
        Integer planes of shape (z, y, x): a volume, or a slab of one.
    classes
        The label values of each class.
    start, depth
        The slab's first plane in the volume, and the planes of the volume.
    rest
        The class of all other values; by default none.
    left_out
        Values that are of no class, whatever ``rest`` says.
    axes
        Along which axes (0, 1, 2 for z, y, x).

    Returns
    -------
    The extents of these planes; those of neighbouring slabs add up.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([7, 7, 0, 3, 3, 0], np.uint8).reshape(6, 1, 1)
    >>> found = column_extents(labels, [[7], [3]], axes=(0,)).along(0)
    >>> found.first.ravel(), found.last.ravel(), found.count.ravel()
    (array([0, 3], dtype=int32), array([1, 4], dtype=int32), array([2, 2], dtype=int32))
    """
    voxels = as_voxels(labels, "labels")
    planes, ny, nx = voxels.shape
    shape = (planes if depth is None else depth, ny, nx)
    number = len(classes) if rest == NOT_A_CLASS else max(len(classes), rest + 1)
    columns = tuple(_empty(axis, number, shape, planes if axis in axes else 0) for axis in range(3))
    totals, sums = np.zeros(number, np.int64), np.zeros((number, 3), np.float64)
    for z in range(planes):
        plane = _classes(voxels[z], classes, rest, left_out)
        _extend(plane, (start + z, z), tuple(one.maps for one in columns), totals, sums)
    return ColumnExtents(tuple(one for one in columns if one.axis in axes), totals, sums, shape)


def column_bytes(shape: tuple[int, int, int], classes: int, axes: Sequence[int], planes: int) -> int:
    """Return the bytes of the extents of some planes."""
    sizes = {0: shape[1] * shape[2], 1: planes * shape[2], 2: planes * shape[1]}
    return sum(12 * classes * sizes[axis] for axis in axes)


def _empty(axis: int, classes: int, shape: tuple[int, int, int], planes: int) -> Columns:
    """Return the columns of some planes with no voxel in them; with no planes, of none."""
    across = {0: shape[1:] if planes else (0, 0), 1: (planes, shape[2]), 2: (planes, shape[1])}[axis]
    maps = np.zeros((3, classes, *across), np.int32)
    maps[0], maps[1] = shape[axis], -1
    return Columns(axis, maps, shape[axis])


def _classes(
    plane: NDArray[Any], classes: Sequence[Sequence[int]], rest: int, left_out: Sequence[int]
) -> NDArray[np.uint8]:
    """Return the class of each voxel of a plane."""
    parts = [(NOT_A_CLASS, left_out), *enumerate(classes)]
    if plane.dtype.itemsize <= 2 and plane.dtype.kind == "u":
        table = np.full(_TABLE if plane.dtype.itemsize == 2 else 256, rest, np.uint8)
        for number, values in parts:
            table[[v for v in values if v < table.size]] = number
        return np.asarray(table[plane])
    found = np.full(plane.shape, rest, np.uint8)
    for number, values in parts:
        found[np.isin(plane, values)] = number
    return found


@kernel
def _extend(plane: Any, place: Any, maps: Any, totals: Any, sums: Any) -> None:
    """Add one plane: at index place[0] of the volume, at row place[1] of the maps along y and x."""
    ny, nx = plane.shape
    z, row = place
    along_z, along_y, along_x = maps
    for y in range(ny):
        for x in range(nx):
            c = plane[y, x]
            if c == 255:
                continue
            totals[c] += 1
            sums[c, 0] += z
            sums[c, 1] += y
            sums[c, 2] += x
            if along_z.size:
                along_z[0, c, y, x] = min(along_z[0, c, y, x], z)
                along_z[1, c, y, x] = max(along_z[1, c, y, x], z)
                along_z[2, c, y, x] += 1
            if along_y.size:
                along_y[0, c, row, x] = min(along_y[0, c, row, x], y)
                along_y[1, c, row, x] = max(along_y[1, c, row, x], y)
                along_y[2, c, row, x] += 1
            if along_x.size:
                along_x[0, c, row, y] = min(along_x[0, c, row, y], x)
                along_x[1, c, row, y] = max(along_x[1, c, row, y], x)
                along_x[2, c, row, y] += 1
