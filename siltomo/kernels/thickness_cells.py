"""Local thickness in each cell of a lattice: from how cells differ follows what a window is worth."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._cell_table import LEVELS_OF_DOUBLING, CellTable
from siltomo.kernels._fiji import FRACTIONS
from siltomo.kernels._keys import Tile
from siltomo.kernels.sampling import Lattice

__all__ = ["ThicknessCells", "cells_bytes"]

Counts = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class ThicknessCells:
    """Voxels of a phase by cell and level of thickness, and their thickness by cell; parts of a volume add up.

    A level spans some 4 % of a diameter.
    """

    levels: Counts
    """Those that occur, ascending, shape (n,)."""
    counts: Counts
    """Voxels, shape (z, y, x, n)."""
    widths: Counts
    """Sums of diameters, in ``unit``, shape (z, y, x)."""
    unit: float
    """In the unit of the spacing: diameters are rounded to it."""

    def __add__(self, other: ThicknessCells) -> ThicknessCells:
        """Add the cells of another part of the volume."""
        if (self.widths.shape, self.unit) != (other.widths.shape, other.unit):
            raise BadInputError(
                f"{self.widths.shape} cells in {self.unit} do not add to {other.widths.shape} in {other.unit}"
            )
        levels = np.union1d(self.levels, other.levels)
        counts = np.zeros((*self.widths.shape, levels.size), np.int64)
        for part in (self, other):
            counts[..., np.searchsorted(levels, part.levels)] += part.counts
        return ThicknessCells(levels, counts, self.widths + other.widths, self.unit)

    @property
    def voxels(self) -> Counts:
        """Phase voxels of each cell, shape (z, y, x)."""
        return np.asarray(self.counts.sum(axis=-1))

    def thinner(self, share: float) -> NDArray[np.float64]:
        """Count in each cell the voxels that belong to the thinnest ones, which are this share of all.

        Within the level that the limit lies in, each cell has the same share of its voxels below.

        Returns
        -------
        Voxels of each cell, shape (z, y, x), not whole numbers; they add up to the share of all voxels.
        """
        if not 0 <= share <= 1:
            raise BadInputError(f"a share lies between 0 and 1, got {share}")
        of_level = self.counts.sum(axis=(0, 1, 2))
        rest = np.clip(share * of_level.sum() - np.cumsum(of_level) + of_level, 0, of_level)
        return np.asarray(self.counts @ (rest / np.maximum(of_level, 1)), np.float64)


def join_cells(tables: Sequence[CellTable], lattice: Lattice, step: float) -> ThicknessCells:
    """Put the tables of tiles together."""
    counts = np.zeros((*lattice.cells, max((t.counts.shape[3] for t in tables), default=0)), np.int64)
    widths = np.zeros(lattice.cells, np.int64)
    for table in tables:
        deep, high, _, levels = table.counts.shape
        z, y = table.first
        counts[z : z + deep, y : y + high, :, :levels] += table.counts
        widths[z : z + deep, y : y + high] += table.widths
    levels = np.nonzero(counts.any(axis=(0, 1, 2)))[0]
    return ThicknessCells(levels, counts[..., levels], widths, step / FRACTIONS)


def cells_bytes(lattice: Lattice, pieces: Sequence[Tile], longest: int) -> int:
    """Bound the memory for the cells of a slab: the table of each of its tiles, and the cells of the whole.

    The squared radii, as `siltomo.kernels._cell_table.level_of` sees them, do not exceed the longest.
    """
    z, y, _ = lattice.edges
    levels = LEVELS_OF_DOUBLING * max(1, longest.bit_length())
    tables = sum(
        ((piece.stop - piece.start) // z + 2) * ((piece.bottom - piece.top) // y + 2) for piece in pieces
    )
    # the cells while they are joined, and those of the levels that occur
    return 8 * levels * (lattice.cells[2] * tables + 2 * math.prod(lattice.cells))
