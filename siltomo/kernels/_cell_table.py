# ruff: noqa: PLR0917  kernels take plain arrays, by position
"""Painted voxels added up by cell of a lattice: how many of which level of thickness, and their thickness.

All sums are integers, so that tiles and slabs of a volume add up to the same cells however it is cut.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels import _lanes as lanes
from siltomo.kernels._fiji import FRACTIONS
from siltomo.kernels._jit import inlined, kernel
from siltomo.kernels._keys import Tile
from siltomo.kernels.sampling import Lattice

LEVELS_OF_DOUBLING = 8
"""Levels that the squared diameter takes to double: the diameter grows by some 4 % from one to the next. Twice as
wide ones hide how the median of nearly equal features varies."""


class CellTable(NamedTuple):
    """The cells that a tile lies in."""

    counts: NDArray[np.int64]
    """Voxels, shape (z, y, x, levels); empty where none are wanted."""
    widths: NDArray[np.int64]
    """Sum of their diameters in `FRACTIONS` of a step, shape (z, y, x)."""
    shifts: tuple[int, int, int]
    """Binary logarithms of the edges of a cell."""
    last: tuple[int, int, int]
    """The last cell along each axis of the whole volume; it also holds the plane, row and column behind it."""
    first: tuple[int, int]
    """Cell along z and y that the table begins with."""
    origin: tuple[int, int]
    """Plane and row of the whole volume that the tile begins with."""


class Mark(NamedTuple):
    """The thickness of painted voxels."""

    level: Any
    width: Any
    """Diameter in `FRACTIONS` of a step."""


@dataclass(frozen=True)
class CellGrid:
    """The lattice of a volume, as a block of it sees it."""

    lattice: Lattice
    plane: int
    """Plane of the volume that the block begins with."""

    def table(self, tile: Tile, largest: int) -> CellTable:
        """Return an empty table for a tile of the block, for squared radii up to the largest."""
        z, y, x = (edge.bit_length() - 1 for edge in self.lattice.edges)
        last_z, last_y, last_x = (n - 1 for n in self.lattice.cells)
        start, stop = tile.start + self.plane, tile.stop + self.plane
        first = min(start >> z, last_z), min(tile.top >> y, last_y)
        deep = min((stop - 1) >> z, last_z) - first[0] + 1
        high = min((tile.bottom - 1) >> y, last_y) - first[1] + 1
        shape = deep, high, last_x + 1
        return CellTable(
            np.zeros((*shape, level_of(largest) + 1), np.int64),
            np.zeros(shape, np.int64),
            (z, y, x),
            (last_z, last_y, last_x),
            first,
            (start, tile.top),
        )


NO_CELLS = CellTable(
    np.zeros((0, 0, 0, 0), np.int64), np.zeros((0, 0, 0), np.int64), (0, 0, 0), (0, 0, 0), (0, 0), (0, 0)
)


@kernel
def level_of(square: Any) -> Any:
    """Return the level of a squared thickness: eight to each doubling, whatever its unit."""
    octave = 0
    while square >> (octave + 1) > 0:
        octave += 1
    return LEVELS_OF_DOUBLING * octave + (
        ((square * LEVELS_OF_DOUBLING) >> octave) & (LEVELS_OF_DOUBLING - 1)
    )


@kernel
def mark_of(square: Any) -> Any:
    """Return the mark of a ball by its squared radius, in steps."""
    return Mark(level_of(square), np.int64(np.rint(2 * FRACTIONS * math.sqrt(square))))


@inlined
def _cell(table: Any, z: Any, row: Any) -> Any:
    """Return the cell along z and y of a plane and a row of the tile."""
    cell_z = min((z + table.origin[0]) >> table.shifts[0], table.last[0]) - table.first[0]
    return cell_z, min((row + table.origin[1]) >> table.shifts[1], table.last[1]) - table.first[1]


@inlined
def _add(table: Any, cell: Any, x: Any, number: Any, mark: Any) -> None:
    column = min(x >> table.shifts[2], table.last[2])
    table.counts[cell[0], cell[1], column, mark.level] += number
    table.widths[cell[0], cell[1], column] += number * mark.width


@inlined
def add_lanes(table: Any, new: Any, number: Any, z: Any, row: Any, x: Any, mark: Any) -> None:
    """Add the ones of words of eight rows, which are one row of cells; ``x`` is the column of bit 0."""
    cell = _cell(table, z, row)
    if table.shifts[2] >= 6:
        _add(table, cell, x, number, mark)
        return
    edge = 1 << table.shifts[2]
    mask = (np.uint64(1) << np.uint64(edge)) - np.uint64(1)
    for low in range(0, 64, edge):
        part = np.int64(lanes.bit_count(lanes.both(new, lanes.fill(mask << np.uint64(low)))))
        if part:
            _add(table, cell, x + low, part, mark)


@inlined
def add_word(table: Any, new: Any, z: Any, row: Any, x: Any, mark: Any) -> None:
    """Add the ones of one word; ``x`` is the column of bit 0."""
    cell = _cell(table, z, row)
    edge = min(1 << table.shifts[2], 64)
    mask = ~np.uint64(0) >> np.uint64(64 - edge)
    for low in range(0, 64, edge):
        part = np.int64(lanes.ones(new & (mask << np.uint64(low))))
        if part:
            _add(table, cell, x + low, part, mark)


@kernel
def add_widths(table: Any, widths: Any, phase: Any) -> None:
    """Add the phase voxels of a tile by their diameters, in `FRACTIONS` of a step; the levels are of squares."""
    nz, ny, nx = widths.shape
    for z in range(nz):
        for y in range(ny):
            cell = _cell(table, z, y)
            for x in range(nx):
                if phase[z, y, x]:
                    width = np.int64(widths[z, y, x])
                    _add(table, cell, x, 1, Mark(level_of(width * width), width))
