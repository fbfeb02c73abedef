# ruff: noqa: PLR0917  kernels take plain arrays, by position; their loops stay in one piece
"""Painting balls from the largest down, so that the first ball to reach a voxel is the one that decides it.

A tile keeps one bit for each voxel that is still to be painted, 64 voxels of a row to a word, the words of a
column next to each other. A ball asks for the bits that it covers; nearly always they are gone already, so
that blocks of words that are all gone are skipped, and the others are looked at eight rows at a time.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels import _lanes as lanes
from siltomo.kernels._cell_table import CellTable, Mark, add_lanes, add_word, mark_of
from siltomo.kernels._jit import kernel
from siltomo.kernels._keys import Tile, place_of

WORDS = 8
"""Rows that are looked at in one step."""

WIDEST = 63
"""Half width up to which the balls of one radius may share a stencil."""

STENCIL_FREE = 8
BLOCK = 8
"""Planes that are summarised."""


class Canvas(NamedTuple):
    """A tile that is being painted."""

    tile: Tile
    todo: NDArray[np.uint64]
    """Bits still to be painted, shape (planes, columns, rows): a column of zeros at either end; planes and
    rows of zeros behind, up to multiples of `BLOCK` and `WORDS`."""
    some: NDArray[np.uint64]
    """Bits still to be painted in any plane of each block, shape (blocks, columns, rows)."""
    out: NDArray[np.float32]
    """Where painted voxels are written, all columns of some planes and rows; or empty."""
    origin: tuple[int, int]
    """Plane and row of its first voxel, as the tile counts them."""
    fresh: NDArray[np.uint64]
    """Room for `WORDS` words."""
    cells: CellTable
    """Where painted voxels are added up by cell; or empty. Needs a tile whose rows begin at a multiple of
    `WORDS`."""


class Entry(NamedTuple):
    """What is said of the voxels of one radius."""

    value: float
    """What is written."""
    mark: Mark
    """What is added up by cell."""


@kernel
def _steps(length: Any, weight: int, roots: Any) -> Any:
    """Return the farthest step whose weighted square is within a squared length."""
    if weight != 1:
        length = length // weight
    if length < roots.size:
        return np.int64(roots[np.uint64(length)])
    step = np.int64(math.sqrt(length))
    while step * step > length:
        step -= 1
    while (step + 1) * (step + 1) <= length:
        step += 1
    return step


@kernel
def _bits(low: Any, high: Any) -> Any:
    """Set the bits ``low`` to ``high`` of a word, as far as it has them."""
    low, high = max(low, 0), min(high, 63)
    if low > high:
        return np.uint64(0)
    return (~np.uint64(0) >> np.uint64(63 - (high - low))) << np.uint64(low)


@kernel
def _cut_stencil(reach: Any, weights: Any, roots: Any, bits: Any, heights: Any) -> Any:
    """Write the bits of a ball for each plane away, word and row; return its half extents.

    Bit 0 of word 1 is the voxel a half width before the centre; the first and the last word are zero. The
    centre is row ``WORDS`` plus the half height; at least `WORDS` rows of zeros are before and behind the
    ball.
    """
    wz, wy, wx = weights
    half, tallest, depth = _steps(reach, wx, roots), _steps(reach, wy, roots), _steps(reach, wz, roots)
    words = 2 * half // 64 + 1
    rows = 2 * (tallest + WORDS) + 1
    bits[: (depth + 1) * (words + 2) * rows] = 0
    for dz in range(depth + 1):
        in_plane = reach - wz * dz * dz
        heights[dz] = _steps(in_plane, wy, roots)
        for dy in range(heights[dz] + 1):
            width = _steps(in_plane - wy * dy * dy, wx, roots)
            for word in range(words):
                ones = _bits(half - width - 64 * word, half + width - 64 * word)
                at = (dz * (words + 2) + 1 + word) * rows + WORDS + tallest
                bits[at + dy] = ones
                bits[at - dy] = ones
    return half, tallest, depth


@kernel
def _write(canvas: Any, fresh: Any, z: Any, row: Any, column: Any, value: Any) -> None:
    """Give the voxels of some words their value."""
    plane = z + canvas.tile.start - canvas.origin[0]
    first = row + canvas.tile.top - canvas.origin[1]
    for i in range(fresh.size):
        word = fresh[i]
        while word != 0:
            x = np.uint64((column - 1) * 64) + lanes.lowest_bit(word)
            canvas.out[plane, first + i, x] = value
            word &= word - np.uint64(1)


@kernel
def _nearest(z: Any, low: Any, high: Any) -> Any:
    """Return how far ``[low, high)`` is from a place."""
    return max(low - z, z - high + 1, 0)


@kernel
def _paint_stencil(
    keys: Any, layout: Any, bits: Any, heights: Any, extents: Any, canvas: Any, entry: Any, counts: Any
) -> None:
    """Paint balls of one radius whose stencil is cut."""
    half, tallest, depth = extents
    tile, fresh = canvas.tile, canvas.fresh
    todo, some = canvas.todo.reshape(-1), canvas.some.reshape(-1)
    columns, length = canvas.todo.shape[1], canvas.todo.shape[2]
    rows = 2 * (tallest + WORDS) + 1
    plane = (2 * half // 64 + 3) * rows
    one = np.uint64(1)
    for key in keys:
        z, y, x = place_of(key, layout)
        z, y = z - tile.start, y - tile.top
        up = np.uint64((x - half) & 63)
        down = np.uint64(63) - up
        column = ((x - half) >> 6) + 1
        touched = 1 + (np.int64(up) + 2 * half) // 64
        z_first, z_stop = max(0, z - depth), min(tile.stop - tile.start, z + depth + 1)
        for block in range(z_first // BLOCK, (z_stop - 1) // BLOCK + 1):
            low, high = max(z_first, block * BLOCK), min(z_stop, (block + 1) * BLOCK)
            near = _nearest(z, low, high)
            y_first = max(0, y - heights[near]) & -WORDS
            y_stop = min(tile.bottom - tile.top, y + heights[near] + 1)
            for j in range(touched):
                of_some = (block * columns + column + j) * length
                at = (block * BLOCK * columns + column + j) * length
                cut = (1 + j) * rows + WORDS + tallest - y
                for row in range(y_first, y_stop, WORDS):
                    # Two shifts, as one by 64 steps is not defined.
                    carried = lanes.shifted_down(lanes.load(bits, near * plane + cut - rows + row), one)
                    carried = lanes.shifted_down(carried, down)
                    largest = lanes.load(bits, near * plane + cut + row)
                    covered = lanes.either(lanes.shifted_up(largest, up), carried)
                    if not lanes.any_bit(lanes.both(lanes.load(some, of_some + row), covered)):
                        continue
                    found = np.int64(0)
                    for zz in range(low, high):
                        dz = abs(zz - z)
                        place = (zz * columns + column + j) * length + row
                        carried = lanes.shifted_down(lanes.load(bits, dz * plane + cut - rows + row), one)
                        carried = lanes.shifted_down(carried, down)
                        exact = lanes.load(bits, dz * plane + cut + row)
                        covered = lanes.either(lanes.shifted_up(exact, up), carried)
                        left = lanes.load(todo, place)
                        new = lanes.both(left, covered)
                        if lanes.any_bit(new):
                            lanes.store(todo, place, lanes.differing(left, new))
                            number = np.int64(lanes.bit_count(new))
                            found += number
                            counts[zz] += number
                            if canvas.cells.counts.size:
                                add_lanes(
                                    canvas.cells, new, number, zz, row, 64 * (column + j - 1), entry.mark
                                )
                            if canvas.out.size:
                                lanes.store(fresh, 0, new)
                                _write(canvas, fresh, zz, row, column + j, entry.value)
                    if found:
                        _renew(some, of_some + row, todo, at + row, columns * length)


@kernel
def _renew(some: Any, to: Any, todo: Any, at: Any, plane: Any) -> None:
    """Summarise the planes of a block for some rows."""
    left = lanes.load(todo, at)
    for _ in range(1, BLOCK):
        at += plane
        left = lanes.either(left, lanes.load(todo, at))
    lanes.store(some, to, left)


@kernel
def _paint_rows(
    keys: Any, layout: Any, reach: Any, weights: Any, roots: Any, canvas: Any, entry: Any, counts: Any
) -> None:
    """Paint balls of one radius without a stencil, row by row where something is left."""
    tile, fresh = canvas.tile, canvas.fresh
    todo, some = canvas.todo.reshape(-1), canvas.some.reshape(-1)
    columns, length = canvas.todo.shape[1], canvas.todo.shape[2]
    wz, wy, wx = weights
    depth = _steps(reach, wz, roots)
    for key in keys:
        z, y, x = place_of(key, layout)
        z, y = z - tile.start, y - tile.top
        z_first, z_stop = max(0, z - depth), min(tile.stop - tile.start, z + depth + 1)
        for block in range(z_first // BLOCK, (z_stop - 1) // BLOCK + 1):
            low, high = max(z_first, block * BLOCK), min(z_stop, (block + 1) * BLOCK)
            near = _nearest(z, low, high)
            height = _steps(reach - wz * near * near, wy, roots)
            y_first = max(0, y - height) & -WORDS
            y_stop = min(tile.bottom - tile.top, y + height + 1)
            for row in range(y_first, y_stop, WORDS):
                dy = _nearest(y, row, row + WORDS)
                width = _steps(max(reach - wz * near * near - wy * dy * dy, 0), wx, roots)
                first, last = max((x - width) >> 6, 0), min((x + width) >> 6, columns - 3)
                for column in range(first + 1, last + 2):
                    start = x - 64 * (column - 1)
                    of_some = (block * columns + column) * length + row
                    covered = lanes.fill(_bits(start - width, start + width))
                    if not lanes.any_bit(lanes.both(lanes.load(some, of_some), covered)):
                        continue
                    found = np.int64(0)
                    for zz in range(low, high):
                        in_plane = reach - wz * (zz - z) * (zz - z)
                        at = (zz * columns + column) * length
                        for yy in range(row, min(row + WORDS, y_stop)):
                            in_row = in_plane - wy * (yy - y) * (yy - y)
                            if in_row < 0 or todo[at + yy] == 0:
                                continue
                            half = _steps(in_row, wx, roots)
                            new = todo[at + yy] & _bits(start - half, start + half)
                            if new != 0:
                                todo[at + yy] ^= new
                                number = np.int64(lanes.ones(new))
                                found += number
                                counts[zz] += number
                                if canvas.cells.counts.size:
                                    add_word(canvas.cells, new, zz, yy, 64 * (column - 1), entry.mark)
                                if canvas.out.size:
                                    fresh[:] = 0
                                    fresh[0] = new
                                    _write(canvas, fresh, zz, yy, column, entry.value)
                    if found:
                        at = (block * BLOCK * columns + column) * length
                        _renew(some, of_some, todo, at + row, columns * length)


@kernel
def sweep(
    keys: Any,
    layout: Any,
    ranked: Any,
    less: int,
    weights: Any,
    roots: Any,
    canvas: Any,
    scale: float,
    radii: Any,
    counts: Any,
) -> None:
    """Paint sorted balls on a tile, the largest first.

    ``radii`` and ``counts`` get an entry for each squared radius, the latter with the voxels of each plane.
    Unless it is empty, ``canvas.out`` gets the roots of the squared radii times ``scale``; or the numbers of
    their entries, from ``-scale`` on, where that is not positive.
    """
    bits = np.zeros((WIDEST + 1) * 4 * (2 * (WIDEST + WORDS) + 1), np.uint64)
    heights = np.zeros(WIDEST + 1, np.int64)
    shift = np.uint64(layout.place)
    stop = keys.size
    number = 0
    while stop > 0:
        rank = keys[stop - 1] >> shift
        start = stop - 1
        while start > 0 and keys[start - 1] >> shift == rank:
            start -= 1
        of_radius = keys[start:stop]
        radius = ranked[rank] if ranked.size else np.int64(rank)
        reach = radius - less
        value = scale * math.sqrt(radius) if scale > 0 else number - scale
        entry = Entry(value, mark_of(radius))
        radii[number] = radius
        widest = _steps(reach, min(weights), roots)
        # A stencil costs about as much as half as many balls as its half width.
        if widest <= WIDEST and 2 * of_radius.size > widest - STENCIL_FREE:
            extents = _cut_stencil(reach, weights, roots, bits, heights)
            _paint_stencil(of_radius, layout, bits, heights, extents, canvas, entry, counts[number])
        else:
            _paint_rows(of_radius, layout, reach, weights, roots, canvas, entry, counts[number])
        number += 1
        stop = start
