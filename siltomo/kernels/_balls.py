# ruff: noqa: PLR0917, PLR0912  kernels take plain arrays, by position; their loops stay in one piece
"""Which balls matter, and painting them: the two steps from squared distances to local thickness.

The ball of a centre ``c`` holds the voxels ``x`` with ``|x - c|**2 < D2(c)`` (open) or ``<= D2(c)`` (closed).
A ball that lies within another never sets the largest value of a voxel, so that it need not be painted.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels import _lanes as lanes
from siltomo.kernels._field import GUARD, Field
from siltomo.kernels._jit import kernel
from siltomo.kernels._workers import over_ranges

_TABLE_LIMIT = 1 << 18  # squared radius up to which least enclosing balls are tabulated exactly
_ROOT_LIMIT = 1 << 22  # the same for half widths


@dataclass(frozen=True)
class Ridge:
    """The balls that no tested neighbour's ball contains."""

    marks: NDArray[np.uint64]
    """One bit a voxel, shape (z, y, words)."""
    highest: NDArray[np.int64]
    """Largest squared radius of the marked balls of each plane."""
    half_widths: NDArray[np.int64]
    """Farthest step along x within each squared length, up to a limit."""


# Least enclosing balls


def neighbour_groups(weights: tuple[int, int, int]) -> list[NDArray[np.int64]]:
    """List the offsets (z, y, x) at which a containing ball is looked for, grouped where symmetric."""
    cubic = len(set(weights)) == 1
    groups: dict[tuple[int, ...], list[tuple[int, ...]]] = {}
    for offset in itertools.product(range(-2, 3), repeat=3):
        length = sum(step * step for step in offset)
        if 0 < length <= 4 and (length < 4 or cubic) and max(map(abs, offset)) <= (2 if cubic else 1):
            shape = tuple(map(abs, offset))
            groups.setdefault(tuple(sorted(shape)) if cubic else shape, []).append(offset)
    ordered = sorted(
        groups.values(), key=lambda group: sum(w * v * v for w, v in zip(weights, group[0], strict=True))
    )
    return [np.array(group, np.int64) for group in ordered]


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

    ``table[g, R]`` is the least enclosing squared radius for the group ``g``; beyond the table the triangle
    inequality decides, which keeps some balls that could go.
    """
    nz, ny, nx = shape
    pitch = nx + GUARD
    count = 64 // flat.itemsize
    groups = ends.size
    starts = np.zeros(offsets.shape[0], np.int64)
    near = np.zeros((groups, pitch), flat.dtype)
    near_flat = near.reshape(-1)
    tabulated = table.shape[1]
    for z in range(planes[0], planes[1]):
        top = np.int64(0)
        for y in range(ny):
            row = GUARD + (z * ny + y + 1) * pitch
            for j in range(offsets.shape[0]):
                zj, yj = z + offsets[j, 0], y + offsets[j, 1]
                beside = 0 <= zj < nz and 0 <= yj < ny
                starts[j] = (GUARD + (zj * ny + yj + 1) * pitch if beside else GUARD) + offsets[j, 2]
            for s in range(0, nx, count):
                if lanes.highest(lanes.load(flat, row + s)) == 0:
                    continue
                j = 0
                for g in range(groups):
                    value = lanes.load(flat, starts[j] + s)
                    j += 1
                    while j < ends[g]:
                        value = lanes.larger(value, lanes.load(flat, starts[j] + s))
                        j += 1
                    lanes.store(near_flat, g * pitch + s, value)
                for x in range(s, min(s + count, nx)):
                    here = np.int64(flat[row + x])
                    if here == 0:
                        continue
                    kept = True
                    for g in range(groups):
                        other = np.int64(near[g, x])
                        if here < tabulated:
                            contained = other >= table[g, here]
                        else:
                            more = np.float64(other - here - moved[g] - 1)
                            contained = more > 0 and more * more > 4.0000001 * np.float64(here) * np.float64(
                                moved[g]
                            )
                        if contained:
                            kept = False
                            break
                    if kept:
                        marks[z, y, x >> 6] |= np.uint64(1) << np.uint64(x & 63)
                        top = max(top, here)
        highest[z] = top


def find_ridge(field: Field, weights: tuple[int, int, int], top: int, *, closed: bool, threads: int) -> Ridge:
    """Mark the balls that must be painted; ``top`` is the largest squared radius."""
    nz, ny, nx = field.shape
    groups = neighbour_groups(weights)
    tabulated = top if top <= _TABLE_LIMIT else 0
    table = np.array([least_enclosing(group[0], weights, tabulated, closed=closed) for group in groups])
    moved = np.array([sum(w * v * v for w, v in zip(weights, group[0], strict=True)) for group in groups])
    offsets = np.concatenate(groups)
    ends = np.cumsum([len(group) for group in groups])
    marks = np.zeros((nz, ny, -(-nx // 64)), np.uint64)
    highest = np.zeros(nz, np.int64)

    def mark(start: int, stop: int) -> None:
        _mark(field.flat, field.shape, (start, stop), offsets, ends, moved, table, marks, highest)

    over_ranges(mark, 0, nz, 8, threads)
    return Ridge(marks, highest, _half_widths(top, weights[2]))


def _half_widths(top: int, wx: int) -> NDArray[np.int64]:
    lengths = np.arange(min(top, _ROOT_LIMIT) + 1)
    return np.sqrt(lengths // wx).astype(np.int64)  # exact: far below 2**53


# Painting


@kernel
def _half_width(length: Any, wx: int, table: Any) -> Any:
    if length < table.size:
        return table[length]
    step = np.int64(math.sqrt(length / wx))
    while wx * step * step > length:
        step -= 1
    while wx * (step + 1) * (step + 1) <= length:
        step += 1
    return step


@kernel
def _paint_row(out: Any, start: int, nx: int, low: Any, high: Any, radius: Any) -> None:
    """Raise the voxels ``low..high`` of a row to a squared radius, after cutting them to the row."""
    integer = out.dtype.type
    count = 64 // out.itemsize
    low = max(low, 0)
    left = min(high, nx - 1) - low + 1
    value = lanes.fill(integer(radius))
    at = start + low
    while left >= count:
        lanes.store(out, at, lanes.larger(lanes.load(out, at), value))
        at += count
        left -= count
    if left > 0:
        lanes.store(out, at, lanes.larger(lanes.load(out, at), lanes.first(value, integer(left))))


@kernel
def _paint_ball(
    out: Any, shape: Any, planes: Any, centre: Any, radius: Any, reach: Any, weights: Any, table: Any
) -> None:
    """Raise the voxels within ``reach`` (a squared length) of a centre to its squared radius."""
    _, ny, nx = shape
    wz, wy, wx = weights
    z, y, x = centre
    pitch = nx + GUARD
    for zz in range(planes[0], planes[1]):
        in_plane = reach - wz * (zz - z) * (zz - z)
        if in_plane < 0:
            continue
        base = GUARD + ((zz - planes[0]) * ny + 1) * pitch
        dy = 0
        left = in_plane
        while left >= 0:
            half = _half_width(left, wx, table)
            if y + dy < ny:
                _paint_row(out, base + (y + dy) * pitch, nx, x - half, x + half, radius)
            if 0 < dy <= y:
                _paint_row(out, base + (y - dy) * pitch, nx, x - half, x + half, radius)
            dy += 1
            left = in_plane - wy * dy * dy


@kernel
def _paint(
    out: Any,
    flat: Any,
    shape: Any,
    planes: Any,
    marks: Any,
    highest: Any,
    closed: bool,
    weights: Any,
    table: Any,
) -> None:
    """Paint the part of every marked ball that lies in a range of planes."""
    nz, ny, nx = shape
    start, stop = planes
    pitch = nx + GUARD
    less = 0 if closed else 1
    for z in range(nz):
        gap = max(start - z, z - stop + 1, 0)
        if highest[z] - less < weights[0] * gap * gap or highest[z] == 0:
            continue
        for y in range(ny):
            row = GUARD + (z * ny + y + 1) * pitch
            for w in range(marks.shape[2]):
                word = marks[z, y, w]
                x = w * 64
                while word:
                    if word & np.uint64(1):
                        radius = np.int64(flat[row + x])
                        reach = radius - less
                        if reach >= weights[0] * gap * gap:
                            _paint_ball(out, shape, planes, (z, y, x), radius, reach, weights, table)
                    word >>= np.uint64(1)
                    x += 1


def paint(
    field: Field, ridge: Ridge, planes: tuple[int, int], weights: tuple[int, int, int], *, closed: bool
) -> Field:
    """Return, for a range of planes, the largest squared radius of the balls that hold each voxel, or 0."""
    _, ny, nx = field.shape
    start, stop = planes
    out = Field.empty((stop - start, ny, nx), field.flat.dtype)
    out.flat[:] = 0
    _paint(
        out.flat,
        field.flat,
        field.shape,
        planes,
        ridge.marks,
        ridge.highest,
        closed,
        weights,
        ridge.half_widths,
    )
    return out
