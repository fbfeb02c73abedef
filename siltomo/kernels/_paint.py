# ruff: noqa: PLR0917  kernels take plain arrays, by position; their loops stay in one piece
"""Painting balls from the largest down, so that the first ball to reach a voxel is the one that decides it.

A tile of rows keeps one bit for each voxel that is still to be painted. A ball asks for the bits that it
covers; nearly always they are gone already, and eight words of 64 voxels are looked at in one step. Words are
stored with the rows of a plane next to each other: ``todo[z, column + 1, y]``, a column of zeros at either
end, `WORDS` rows of zeros behind. A key is a ball as one word that sorts by radius: from the high bits down
its squared radius (or the rank of it, where it is too large), z, y and x.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels import _lanes as lanes
from siltomo.kernels._field import GUARD
from siltomo.kernels._jit import kernel

WORDS = 8
"""Rows that are looked at in one step."""

NARROW = 63  # half width up to which the balls of one radius share a stencil
STENCIL_ROWS = 2 * NARROW + 1 + WORDS


class Tile(NamedTuple):
    """Rows ``[top, bottom)`` of the planes ``[start, stop)``."""

    start: int
    stop: int
    top: int
    bottom: int

    def of(self, volume: NDArray[Any]) -> NDArray[Any]:
        """Return the part of a volume."""
        return volume[self.start : self.stop, self.top : self.bottom]

    def wider(self, context: int, shape: tuple[int, int, int]) -> Tile:
        """Return the tile with some planes and rows on every side, as far as there are any."""
        return Tile(
            max(self.start - context, 0),
            min(self.stop + context, shape[0]),
            max(self.top - context, 0),
            min(self.bottom + context, shape[1]),
        )


class KeyLayout(NamedTuple):
    """How many of the low bits of a key hold y, x, and the whole place."""

    y: int
    x: int
    place: int


@kernel
def gather(
    flat: Any,
    shape: Any,
    marks: Any,
    highest: Any,
    tile: Any,
    less: int,
    between: Any,
    weights: Any,
    layout: Any,
    ranked: Any,
    keys: Any,
) -> Any:
    """Collect the marked balls with radii in a range that reach a box; also count those that do not fit."""
    nz, ny, nx = shape
    pitch = nx + GUARD
    found = 0
    for z in range(nz):
        gap = max(tile.start - z, z - tile.stop + 1, 0)
        away = less + weights[0] * gap * gap
        if highest[z] == 0 or highest[z] < max(away, between[0]):
            continue
        for y in range(ny):
            gap = max(tile.top - y, y - tile.bottom + 1, 0)
            least = max(away + weights[1] * gap * gap, between[0])
            if highest[z] < least:
                continue
            row = GUARD + (z * ny + y + 1) * pitch
            place = ((np.uint64(z) << np.uint64(layout.y)) | np.uint64(y)) << np.uint64(layout.x)
            for w in range(marks.shape[2]):
                word = marks[z, y, w]
                while word != 0:
                    x = np.uint64(w * 64) + lanes.lowest_bit(word)
                    word &= word - np.uint64(1)
                    radius = np.int64(flat[np.uint64(row) + x])
                    if least <= radius < between[1]:
                        if found < keys.size:
                            rank = np.searchsorted(ranked, radius) if ranked.size else radius
                            keys[found] = (np.uint64(rank) << np.uint64(layout.place)) | place | x
                        found += 1
    return found


@kernel
def _place(key: Any, layout: Any) -> Any:
    place = np.int64(key & ((np.uint64(1) << np.uint64(layout.place)) - np.uint64(1)))
    y = (place >> layout.x) & ((1 << layout.y) - 1)
    return place >> (layout.x + layout.y), y, place & ((1 << layout.x) - 1)


@kernel
def _half_width(length: Any, weight: int) -> Any:
    """Return the farthest step whose weighted square is within a squared length."""
    step = np.int64(math.sqrt(length / weight))
    while weight * step * step > length:
        step -= 1
    while weight * (step + 1) * (step + 1) <= length:
        step += 1
    return step


@kernel
def _cut_stencil(reach: Any, weights: Any, stencil: Any, heights: Any) -> Any:
    """Write the bits of a ball for each plane away, word and row; return its half width.

    Bit 0 of word 1 is the voxel a half width before the centre; words 0 and 3 are zero. Rows start
    ``heights`` before the centre and end with a step of zeros.
    """
    wz, wy, wx = weights
    half = _half_width(reach, wx)
    for dz in range(_half_width(reach, wz) + 1):
        in_plane = reach - wz * dz * dz
        height = _half_width(in_plane, wy)
        heights[dz] = height
        stencil[dz, :, 2 * height + 1 : 2 * height + 1 + WORDS] = 0
        for i in range(2 * height + 1):
            dy = i - height
            width = _half_width(in_plane - wy * dy * dy, wx)
            for word in range(2):
                low, high = max(half - width - 64 * word, 0), min(half + width - 64 * word, 63)
                ones = np.uint64(0)
                if low <= high:
                    ones = (~ones >> np.uint64(63 - (high - low))) << np.uint64(low)
                stencil[dz, 1 + word, i] = ones
    return half


@kernel
def _write(out: Any, fresh: Any, z: Any, y: Any, column: int, value: Any) -> None:
    """Give the voxels of some words their value."""
    for row in range(fresh.size):
        word = fresh[row]
        while word != 0:
            out[z, y + row, np.uint64(column * 64) + lanes.lowest_bit(word)] = value
            word &= word - np.uint64(1)


@kernel
def _paint_narrow(
    keys: Any,
    layout: Any,
    words: Any,
    columns: int,
    length: int,
    bits: Any,
    heights: Any,
    half: Any,
    depth: Any,
    tile: Any,
    out: Any,
    origin: Any,
    value: Any,
    fresh: Any,
    counts: Any,
) -> None:
    """Paint balls of one radius, whose stencil is cut, in the part of the tile that they reach."""
    one = np.uint64(1)
    for key in keys:
        z, y, x = _place(key, layout)
        before = x - half
        up = np.uint64(before & 63)
        down = np.uint64(63) - up
        column = (before >> 6) + 1
        touched = 1 + (np.int64(up) + 2 * half) // 64
        for zz in range(max(tile.start, z - depth), min(tile.stop, z + depth + 1)):
            dz = abs(zz - z)
            height = heights[dz]
            low = max(tile.top, y - height)
            rows = min(tile.bottom, y + height + 1) - low
            at = ((zz - tile.start) * columns + column) * length + low - tile.top
            this = (dz * 4 + 1) * STENCIL_ROWS + low - (y - height)
            for j in range(touched):
                for i in range(0, rows, WORDS):
                    # Two shifts, as one by 64 steps is not defined.
                    carried = lanes.shifted_down(lanes.load(bits, this + i - STENCIL_ROWS), one)
                    carried = lanes.shifted_down(carried, down)
                    covered = lanes.either(lanes.shifted_up(lanes.load(bits, this + i), up), carried)
                    left = lanes.load(words, at + i)
                    new = lanes.both(left, covered)
                    if lanes.any_bit(new):
                        lanes.store(words, at + i, lanes.differing(left, new))
                        counts[zz - tile.start] += np.int64(lanes.bit_count(new))
                        if out.size:
                            lanes.store(fresh, 0, new)
                            _write(out, fresh, zz - origin[0], low + i - origin[1], column + j - 1, value)
                at += length
                this += STENCIL_ROWS


@kernel
def _paint_wide(
    keys: Any,
    layout: Any,
    todo: Any,
    nx: int,
    reach: Any,
    tile: Any,
    weights: Any,
    out: Any,
    origin: Any,
    value: Any,
    fresh: Any,
    counts: Any,
) -> None:
    """Paint balls of one radius that are too wide for a stencil, row by row."""
    wz, wy, wx = weights
    fresh[:] = 0
    for key in keys:
        z, y, x = _place(key, layout)
        for zz in range(tile.start, tile.stop):
            in_plane = reach - wz * (zz - z) * (zz - z)
            for yy in range(tile.top, tile.bottom):
                in_row = in_plane - wy * (yy - y) * (yy - y)
                if in_row < 0:
                    continue
                width = _half_width(in_row, wx)
                low, high = max(x - width, 0), min(x + width, nx - 1)
                for column in range(low >> 6, (high >> 6) + 1):
                    a, b = max(low - 64 * column, 0), min(high - 64 * column, 63)
                    covered = (~np.uint64(0) >> np.uint64(63 - (b - a))) << np.uint64(a)
                    new = todo[zz - tile.start, column + 1, yy - tile.top] & covered
                    if new != 0:
                        todo[zz - tile.start, column + 1, yy - tile.top] ^= new
                        counts[zz - tile.start] += np.int64(lanes.ones(new))
                        if out.size:
                            fresh[0] = new
                            _write(out, fresh, zz - origin[0], yy - origin[1], column, value)


@kernel
def sweep(
    keys: Any,
    layout: Any,
    ranked: Any,
    less: int,
    tile: Any,
    nx: int,
    weights: Any,
    todo: Any,
    out: Any,
    origin: Any,
    scale: float,
    radii: Any,
    counts: Any,
) -> None:
    """Paint sorted balls on a tile, the largest first.

    ``radii`` and ``counts`` get an entry for each squared radius, the latter with the voxels of each plane.
    Unless it is empty, ``out``, whose first voxel is that of the plane and row ``origin``, gets the roots of
    the squared radii times ``scale``; or the numbers of their entries, from ``-scale`` on, where that is not
    positive.
    """
    stencil = np.zeros((NARROW + 1, 4, STENCIL_ROWS), np.uint64)
    heights = np.zeros(NARROW + 1, np.int64)
    fresh = np.zeros(WORDS, np.uint64)
    shift = np.uint64(layout.place)
    stop = keys.size
    entry = 0
    while stop > 0:
        rank = keys[stop - 1] >> shift
        start = stop - 1
        while start > 0 and keys[start - 1] >> shift == rank:
            start -= 1
        radius = ranked[rank] if ranked.size else np.int64(rank)
        reach = radius - less
        value = scale * math.sqrt(radius) if scale > 0 else entry - scale
        radii[entry] = radius
        if reach < min(weights) * (NARROW + 1) * (NARROW + 1):
            half = _cut_stencil(reach, weights, stencil, heights)
            _paint_narrow(
                keys[start:stop],
                layout,
                todo.reshape(-1),
                todo.shape[1],
                todo.shape[2],
                stencil.reshape(-1),
                heights,
                half,
                _half_width(reach, weights[0]),
                tile,
                out,
                origin,
                value,
                fresh,
                counts[entry],
            )
        else:
            _paint_wide(
                keys[start:stop],
                layout,
                todo,
                nx,
                reach,
                tile,
                weights,
                out,
                origin,
                value,
                fresh,
                counts[entry],
            )
        entry += 1
        stop = start
