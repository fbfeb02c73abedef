# ruff: noqa: PLR0917  kernels take plain arrays, by position; their loops stay in one piece
"""Which balls matter for local thickness.

The ball of a centre ``c`` holds the voxels ``x`` with ``|x - c|**2 < D2(c)`` (open) or ``<= D2(c)`` (closed).
A ball that lies within another never sets the largest value of a voxel, so that it need not be painted.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels import _lanes as lanes
from siltomo.kernels._field import GUARD, Field
from siltomo.kernels._jit import kernel
from siltomo.kernels._workers import over, ranges

TABLE_LIMIT = 1 << 18
"""Squared radius up to which least enclosing balls are tabulated."""


@dataclass(frozen=True)
class Ridge:
    """The balls that no tested neighbour's ball contains."""

    marks: NDArray[np.uint64]
    """One bit a voxel, shape (z, y, words)."""
    highest: NDArray[np.int64]
    """Largest squared radius of the marked balls of each plane."""


# Least enclosing balls


def neighbour_groups(weights: tuple[int, int, int]) -> list[NDArray[np.int64]]:
    """List the 26 offsets (z, y, x) at which a containing ball is looked for, grouped where symmetric.

    Two steps along an axis find nothing more; a knight's move would drop a few per cent, and costs as much.
    """
    cubic = len(set(weights)) == 1
    groups: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for offset in itertools.product((-1, 0, 1), repeat=3):
        shape = tuple(map(abs, offset))
        if any(shape):
            groups.setdefault(tuple(sorted(shape)) if cubic else shape, []).append(offset)
    return [np.array(group, np.int64) for group in groups.values()]


@kernel
def _farthest_points(offset: Any, weights: Any, table: Any) -> None:
    """Find, for each squared length n, how far (squared) from the offset such a point can be."""
    wz, wy, wx = weights
    vz, vy, vx = abs(offset[0]), abs(offset[1]), abs(offset[2])
    moved = wz * vz * vz + wy * vy * vy + wx * vx * vx
    top = table.size - 1
    z = 0
    while wz * z * z <= top:
        y = 0
        while wz * z * z + wy * y * y <= top:
            x = 0
            n = wz * z * z + wy * y * y
            while n <= top:
                away = n + 2 * (wz * z * vz + wy * y * vy + wx * x * vx) + moved
                table[n] = max(table[n], away)
                x += 1
                n = wz * z * z + wy * y * y + wx * x * x
            y += 1
        z += 1


def least_enclosing(
    offset: NDArray[np.int64], weights: tuple[int, int, int], top: int, *, closed: bool
) -> NDArray[np.int64]:
    """Tabulate, for squared radii up to ``top``, the least one whose ball around the offset contains it."""
    farthest = np.zeros(top + 1, np.int64)
    _farthest_points(tuple(int(step) for step in offset), weights, farthest)
    farthest = np.maximum.accumulate(farthest)
    if closed:
        return farthest
    enclosing = np.ones_like(farthest)
    enclosing[1:] = farthest[:-1] + 1
    return enclosing


# Ridge


@kernel
def _surely_contains(other: Any, here: Any, moved: Any) -> Any:
    """Tell whether the triangle inequality puts a ball into another, ``moved`` apart (squared)."""
    more = np.float64(other) - np.float64(here) - np.float64(moved) - 1
    return more > 0 and more * more > 4.0000001 * np.float64(here) * np.float64(moved)


@kernel
def _largest_near(flat: Any, starts: Any, ends: Any, s: Any, near: Any) -> None:
    """Write for a vector of voxels the largest value among each group of neighbours."""
    j = np.uint64(0)
    for g in range(ends.size):
        end = np.uint64(ends[g])
        value = lanes.load(flat, np.int64(starts[j]) + s)
        j += np.uint64(1)
        while j < end:
            value = lanes.larger(value, lanes.load(flat, np.int64(starts[j]) + s))
            j += np.uint64(1)
        lanes.store(near, g * GUARD, value)


@kernel
def _mark(
    flat: Any,
    shape: Any,
    planes: Any,
    offsets: Any,
    ends: Any,
    moved: Any,
    table: Any,
    marks: Any,
    highest: Any,
) -> None:
    """Mark the balls of some planes that no ball at an offset contains.

    ``table[R, g]`` is the least enclosing squared radius for the group ``g``; beyond the table the triangle
    inequality decides, which keeps some balls that could go.
    """
    nz, ny, nx = shape
    pitch = nx + GUARD
    count = 64 // flat.itemsize
    groups = np.uint64(ends.size)
    starts = np.zeros(offsets.shape[0], np.uint64)
    near = np.zeros(ends.size * GUARD, flat.dtype)
    thresholds = table.reshape(-1)
    tabulated = np.uint64(table.shape[0])
    for z in range(planes[0], planes[1]):
        top = np.uint64(0)
        for y in range(ny):
            row = GUARD + (z * ny + y + 1) * pitch
            for j in range(offsets.shape[0]):
                zj, yj = z + offsets[j, 0], y + offsets[j, 1]
                beside = 0 <= zj < nz and 0 <= yj < ny
                starts[j] = (GUARD + (zj * ny + yj + 1) * pitch if beside else GUARD) + offsets[j, 2]
            for s in range(0, nx, count):
                word = lanes.filled_bits(lanes.load(flat, row + s))
                if word == 0:
                    continue
                _largest_near(flat, starts, ends, s, near)
                kept_bits = np.uint64(0)
                while word != 0:
                    lane = lanes.lowest_bit(word)
                    here = np.uint64(flat[np.uint64(row + s) + lane])
                    kept = True  # no branches: which test fails is not predictable
                    if here < tabulated:
                        for g in range(groups):
                            kept &= near[g * np.uint64(GUARD) + lane] < thresholds[here * groups + g]
                    else:
                        for g in range(groups):
                            other = near[g * np.uint64(GUARD) + lane]
                            kept &= not _surely_contains(other, here, moved[g])
                    kept_bits |= np.uint64(kept) << lane
                    top = max(top, here * np.uint64(kept))
                    word &= word - np.uint64(1)
                marks[z, y, s >> 6] |= kept_bits << np.uint64(s & 63)
        highest[z] = top


def find_ridge(field: Field, weights: tuple[int, int, int], top: int, *, closed: bool, threads: int) -> Ridge:
    """Mark the balls that must be painted; ``top`` is the largest squared radius."""
    nz, ny, nx = field.shape
    groups = neighbour_groups(weights)
    tabulated = top if top <= TABLE_LIMIT else 0
    table = np.stack(
        [least_enclosing(group[0], weights, tabulated, closed=closed) for group in groups], axis=1
    )
    moved = np.array([sum(w * v * v for w, v in zip(weights, group[0], strict=True)) for group in groups])
    offsets = np.concatenate(groups)
    ends = np.cumsum([len(group) for group in groups])
    marks = np.zeros((nz, ny, -(-nx // 64)), np.uint64)
    highest = np.zeros(nz, np.int64)

    def mark(planes: tuple[int, int]) -> None:
        _mark(field.flat, field.shape, planes, offsets, ends, moved, table, marks, highest)

    over(mark, ranges(0, nz, 8), threads)
    return Ridge(marks, highest)
