"""Tiles of a block, painted one by one: which balls reach a tile, and what they leave there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels._cell_table import NO_CELLS, CellTable
from siltomo.kernels._field import Field
from siltomo.kernels._grid import Mask
from siltomo.kernels._keys import KeyLayout, Tile, gather
from siltomo.kernels._paint import BLOCK, WORDS, Canvas, sweep
from siltomo.kernels._ridge import Ridge, find_ridge

TILE_BYTES = 384 << 10
"""Bits of a tile: should stay in the second cache."""

TILE_PLANES = 32

BALLS_AT_ONCE = 1 << 20
"""Balls that are sorted together."""


def tiles(start: int, stop: int, shape_yx: tuple[int, int]) -> list[Tile]:
    """Cut planes into tiles of about `TILE_BYTES`."""
    ny, nx = shape_yx
    columns = -(-nx // 64) + 2
    planes = min(TILE_PLANES, max(1, TILE_BYTES // (8 * columns * 4 * WORDS)))
    # whole lanes, so that these never lie in two rows of cells
    rows = max(WORDS, (TILE_BYTES // (8 * columns * planes) - WORDS) & -WORDS)
    return [
        Tile(low, min(low + planes, stop), top, min(top + rows, ny))
        for low in range(start, stop, planes)
        for top in range(0, ny, rows)
    ]


KEY_BITS = 64

ROOTS = 1 << 20
"""Roots that are tabulated."""


@dataclass(frozen=True)
class Painted:
    """How many voxels of each plane of a tile get their thickness from balls of each radius."""

    squared_radii: NDArray[np.int64]
    """Shape (n,), all different."""
    counts: NDArray[np.int64]
    """Shape (n, planes)."""


@dataclass(frozen=True)
class Target:
    """Where painted voxels are written; voxels in no ball are left."""

    values: NDArray[np.float32]
    """All columns of some planes and rows."""
    origin: tuple[int, int]
    """Plane and row of the first voxel, as the tile counts them."""
    scale: float = 0
    """Factor of the roots of the squared radii; 0 to write the numbers of their entries in `Painted`."""


@dataclass(frozen=True)
class Balls:
    """The balls of a block that are painted, and which voxels they hold."""

    field: Field
    ridge: Ridge
    weights: tuple[int, int, int]
    closed: bool
    top: int
    """Largest squared radius."""
    layout: KeyLayout
    ranked: NDArray[np.int64]
    """All squared radii, ascending, where they are too large for a key; else empty."""
    roots: NDArray[np.uint32]
    """Whole roots of the first whole numbers."""

    def paint(
        self, tile: Tile, wanted: Mask, target: Target | None = None, cells: CellTable = NO_CELLS
    ) -> Painted:
        """Paint the wanted voxels of a tile, a mask of its shape; count them, also by cell, and write them."""
        target = target or Target(np.zeros((0, 0, 0), np.float32), (0, 0))
        todo, some = _as_words(wanted)
        canvas = Canvas(tile, todo, some, target.values, target.origin, np.zeros(WORDS, np.uint64), cells)
        radii: list[NDArray[np.int64]] = [np.zeros(0, np.int64)]
        counts = [np.zeros((0, tile.stop - tile.start), np.int64)]
        known = 0
        for keys in self._sorted_keys(tile):
            ranks = keys >> np.uint64(self.layout.place)
            distinct = int(np.count_nonzero(ranks[1:] != ranks[:-1])) + min(1, ranks.size)
            radii.append(np.zeros(distinct, np.int64))
            counts.append(np.zeros((distinct, tile.stop - tile.start), np.int64))
            scale = float(target.scale or -known)
            less = 0 if self.closed else 1
            sweep(
                keys,
                self.layout,
                self.ranked,
                less,
                self.weights,
                self.roots,
                canvas,
                scale,
                radii[-1],
                counts[-1],
            )
            known += distinct
        return Painted(np.concatenate(radii), np.concatenate(counts))

    def _sorted_keys(self, tile: Tile) -> Iterator[NDArray[np.uint64]]:
        """Yield the balls that reach a tile in parts, the part of the largest first, ascending within."""
        field, ridge = self.field, self.ridge
        less = 0 if self.closed else 1
        keys = np.empty(BALLS_AT_ONCE, np.uint64)
        high = self.top + 1
        while high > 1:
            low = 1
            while True:
                found = gather(
                    field.flat,
                    field.shape,
                    ridge.marks,
                    ridge.highest,
                    tile,
                    less,
                    (low, high),
                    self.weights,
                    self.layout,
                    self.ranked,
                    keys,
                )
                if found <= keys.size:
                    break
                if low + 1 < high:
                    low = (low + high) // 2
                else:
                    keys = np.empty(found, np.uint64)
            keys[:found].sort()
            yield keys[:found]
            high = low


def find_balls(field: Field, weights: tuple[int, int, int], *, closed: bool, threads: int) -> Balls:
    """Choose the balls to paint from the squared distances of a block."""
    top = int(field.values.max(initial=0))
    ridge = find_ridge(field, weights, top, closed=closed, threads=threads)
    bits_z, bits_y, bits_x = (extent.bit_length() for extent in field.shape)
    layout = KeyLayout(bits_y, bits_x, bits_z + bits_y + bits_x)
    fits = top.bit_length() + layout.place <= KEY_BITS
    ranked = np.zeros(0, np.int64) if fits else np.unique(field.values).astype(np.int64)
    roots = np.sqrt(np.arange(min(top + 1, ROOTS))).astype(np.uint32)
    return Balls(field, ridge, weights, closed, top, layout, ranked, roots)


def _as_words(wanted: Mask) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Pack a tile to the words of a canvas, and their summary."""
    planes, rows, nx = wanted.shape
    words = -(-nx // 64)
    packed = np.zeros((planes, rows, 8 * words), np.uint8)
    packed[:, :, : -(-nx // 8)] = np.packbits(wanted, axis=2, bitorder="little")
    todo = np.zeros((-(-planes // BLOCK) * BLOCK, words + 2, -(-rows // WORDS) * WORDS), np.uint64)
    todo[:planes, 1:-1, :rows] = packed.view("<u8").transpose(0, 2, 1)
    return todo, np.bitwise_or.reduce(todo.reshape(-1, BLOCK, *todo.shape[1:]), axis=1)
