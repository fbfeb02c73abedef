# ruff: noqa: PLR0917  kernels take plain arrays, by position; their loops stay in one piece
"""Balls as words that sort by radius, collected for one tile.

From the high bits down: the squared radius (or the rank of it, where it is too large), z, y and x.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels import _lanes as lanes
from siltomo.kernels._field import GUARD
from siltomo.kernels._jit import kernel


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
def place_of(key: Any, layout: Any) -> Any:
    """Return the z, y and x of a key."""
    place = np.int64(key & ((np.uint64(1) << np.uint64(layout.place)) - np.uint64(1)))
    y = (place >> layout.x) & ((1 << layout.y) - 1)
    return place >> (layout.x + layout.y), y, place & ((1 << layout.x) - 1)
