# ruff: noqa: PLR0917  kernels take plain arrays, by position
"""Exact squared distances by three separable passes, in place, in saturating integers.

The squared distance to the background is the minimum over the background voxels ``b`` of
``wz*dz**2 + wy*dy**2 + wx*dx**2``. Taken axis by axis (Saito and Toriwaki 1994,
doi:10.1016/0031-3203(94)90133-9), each pass replaces a value ``v`` by the least ``value(k steps away) +
w*k**2``. Only steps with ``w*k**2 < v`` can lower ``v``, so that a window which grows until ``w*k**2``
reaches the largest value of a vector is exact. Sums saturate at the largest value of the type, which
therefore means: this far, or farther.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels import _lanes as lanes
from siltomo.kernels._grid import Mask, as_mask
from siltomo.kernels._jit import kernel
from siltomo.kernels._workers import over, ranges

GUARD = 32
"""Zeros after each row: no load or store of one vector from within a row leaves its row and guard."""

_BLOCK = 2  # vectors of a segment


@dataclass(frozen=True)
class Field:
    """A volume of unsigned integers whose rows are followed by `GUARD` zeros.

    Flat: a guard, one row of zeros (the neighbour of border rows), the rows, a guard. Row ``r`` starts at
    ``GUARD + (r + 1) * pitch``, and row -1 is the row of zeros.
    """

    flat: NDArray[Any]
    shape: tuple[int, int, int]

    @classmethod
    def empty(cls, shape: tuple[int, int, int], dtype: np.dtype[Any]) -> Field:
        """Allocate a field and zero its guards."""
        nz, ny, nx = shape
        pitch = pitch_of(nx)
        flat = np.empty(GUARD + (nz * ny + 1) * pitch + GUARD, dtype)
        flat[: GUARD + pitch] = 0
        flat[-GUARD:] = 0
        field = cls(flat, shape)
        field._rows()[:, :, nx:] = 0
        return field

    def _rows(self) -> NDArray[Any]:
        nz, ny, nx = self.shape
        pitch = pitch_of(nx)
        return self.flat[GUARD + pitch : -GUARD].reshape(nz, ny, pitch)

    @property
    def values(self) -> NDArray[Any]:
        """The volume itself, a view of shape (z, y, x)."""
        return self._rows()[:, :, : self.shape[2]]


def pitch_of(nx: int) -> int:
    """Return the distance between the starts of two rows."""
    return nx + GUARD


@kernel
def _along_y(inside: Any, flat: Any, ny: int, nx: int, pitch: int, z: int, farthest: int) -> None:
    """Count the steps along y to the nearest background voxel of a plane, up to ``farthest``."""
    start = GUARD + (z * ny + 1) * pitch
    far = flat.dtype.type(farthest)
    one = flat.dtype.type(1)
    zero = flat.dtype.type(0)
    for y in range(ny):
        row = flat[start + y * pitch : start + y * pitch + nx]
        solid = inside[z, y]
        if y == 0:
            for x in range(nx):
                row[x] = far if solid[x] else zero
        else:
            above = flat[start + (y - 1) * pitch : start + (y - 1) * pitch + nx]
            for x in range(nx):
                row[x] = min(above[x] + one, far) if solid[x] else zero
    for y in range(ny - 2, -1, -1):
        row = flat[start + y * pitch : start + y * pitch + nx]
        below = flat[start + (y + 1) * pitch : start + (y + 1) * pitch + nx]
        for x in range(nx):
            row[x] = min(row[x], below[x] + one)


@kernel
def _along_x(flat: Any, line: Any, start: int, nx: int, wy: int, wx: int, farthest: int) -> None:
    """Turn the steps along y of one row into squared distances within its plane."""
    integer = flat.dtype.type
    count = 64 // flat.itemsize
    infinite = ~integer(0)
    pad = (line.size - nx - GUARD) // 2
    row = flat[start : start + nx]
    middle = line[pad : pad + nx]
    for x in range(nx):
        steps = row[x]
        middle[x] = infinite if steps >= farthest else integer(steps * steps * integer(wy))
    # The guard behind the line must not hold the window open, hence values are cut to the row at the end.
    for s in range(0, nx, count):
        kept = integer(min(count, nx - s))
        value = lanes.first(lanes.load(line, pad + s), kept)
        top = lanes.highest(value)
        k = 1
        while k < nx and wx * k * k < top:
            near = lanes.smaller(lanes.load(line, pad + s - k), lanes.load(line, pad + s + k))
            value = lanes.smaller(value, lanes.add(near, lanes.fill(integer(wx * k * k))))
            top = lanes.highest(value)
            k += 1
        lanes.store(flat, start + s, lanes.first(value, kept))


@kernel
def _in_planes(
    inside: Any, flat: Any, line: Any, shape: Any, planes: Any, weights: Any, farthest: int
) -> None:
    """Fill planes with the squared distances within each plane."""
    _, ny, nx = shape
    pitch = nx + GUARD
    for z in range(planes[0], planes[1]):
        _along_y(inside, flat, ny, nx, pitch, z, farthest)
        for y in range(ny):
            _along_x(flat, line, GUARD + (z * ny + y + 1) * pitch, nx, weights[1], weights[2], farthest)


@kernel
def _along_z(flat: Any, tile: Any, shape: Any, rows: Any, wz: int, tops: Any) -> None:
    """Finish the squared distances of a range of y, and find the largest of each plane.

    A column of vectors is copied to ``tile`` first, so that the result can replace it.
    """
    nz, ny, nx = shape
    integer = flat.dtype.type
    count = 64 // flat.itemsize
    pitch = nx + GUARD
    for y in range(rows[0], rows[1]):
        start = GUARD + (y + 1) * pitch
        for s in range(0, nx, count):
            for z in range(nz):
                lanes.store(tile, z * count, lanes.load(flat, start + s + z * ny * pitch))
            for z in range(nz):
                value = lanes.load(tile, z * count)
                top = lanes.highest(value)
                k = 1
                while wz * k * k < top:
                    step = lanes.fill(integer(wz * k * k))
                    if z >= k and z + k < nz:
                        near = lanes.smaller(
                            lanes.load(tile, (z - k) * count), lanes.load(tile, (z + k) * count)
                        )
                        value = lanes.smaller(value, lanes.add(near, step))
                    elif z >= k:
                        value = lanes.smaller(value, lanes.add(lanes.load(tile, (z - k) * count), step))
                    elif z + k < nz:
                        value = lanes.smaller(value, lanes.add(lanes.load(tile, (z + k) * count), step))
                    else:
                        break
                    top = lanes.highest(value)
                    k += 1
                tops[z] = max(tops[z], top)
                lanes.store(flat, start + s + z * ny * pitch, value)


@dataclass(frozen=True)
class Distances:
    """Exact squared distances to the background."""

    field: Field
    tops: NDArray[np.int64]
    """The largest of each plane."""


def squared_distances(inside: Mask, weights: tuple[int, int, int], *, threads: int) -> Distances | None:
    """Measure the squared distances to the voxels that are not inside; None where there are none of these.

    The narrowest type that holds them is used.
    """
    inside = as_mask(inside)
    if inside.all():
        return None
    for dtype in _types(inside.shape, weights):
        found = _attempt(inside, weights, dtype, threads)
        if int(found.tops.max(initial=0)) < np.iinfo(dtype).max:
            return found
        del found  # before the wider one is allocated
    raise AssertionError("the widest type holds every squared distance of the volume")


def _types(shape: tuple[int, ...], weights: tuple[int, int, int]) -> list[np.dtype[Any]]:
    """List the types worth trying; the last holds every possible squared distance."""
    bound = sum(weight * (extent - 1) ** 2 for weight, extent in zip(weights, shape, strict=True))
    types: list[np.dtype[Any]] = []
    for dtype in (np.dtype(np.uint16), np.dtype(np.uint32)):
        largest = np.iinfo(dtype).max
        if bound < largest:
            return [*types, dtype]
        if max(weights) * 16**2 < largest:
            types.append(dtype)
    if bound >= 2**62:
        raise BadInputError(
            f"spacing in the ratio of the square roots of {weights} overflows over {shape} voxels",
            fix="round the voxel edges to four digits",
        )
    return [*types, np.dtype(np.uint64)]


def _attempt(inside: Mask, weights: tuple[int, int, int], dtype: np.dtype[Any], threads: int) -> Distances:
    """Measure in one type; values too large for it become its largest."""
    nz, ny, nx = shape = inside.shape
    field = Field.empty(shape, dtype)
    largest = int(np.iinfo(dtype).max)
    farthest = min(math.isqrt((largest - 1) // weights[1]) + 1, ny)
    reach = min(math.isqrt((largest - 1) // weights[2]) + 1, nx)
    count = lanes.LANE_BYTES // dtype.itemsize
    solid = inside.view(np.uint8)

    def in_planes(planes: tuple[int, int]) -> None:
        line = np.full(nx + 2 * (reach + GUARD) + GUARD, largest, dtype)
        _in_planes(solid, field.flat, line, shape, planes, weights, farthest)

    def along_z(rows: tuple[int, int]) -> NDArray[Any]:
        tile = np.empty(nz * count, dtype)
        tops = np.zeros(nz, dtype)
        _along_z(field.flat, tile, shape, rows, weights[0], tops)
        return tops

    over(in_planes, ranges(0, nz, 8), threads)
    parts = over(along_z, ranges(0, ny, max(1, -(-ny // (4 * threads)))), threads)
    # The largest value of 64 bits only stands for "no background", which is not asked for here.
    tops = np.max(parts, axis=0, initial=0) if parts else np.zeros(nz)
    return Distances(field, tops.astype(np.int64))
