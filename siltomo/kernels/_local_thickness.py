"""The steps that maps, counts and slabs of local thickness share."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._cell_table import CellGrid, CellTable, add_widths
from siltomo.kernels._field import Distances, Field, squared_distances
from siltomo.kernels._fiji import CONTEXT, FRACTIONS, clean_up
from siltomo.kernels._grid import Lattice, Mask
from siltomo.kernels._keys import Tile
from siltomo.kernels._tally import Tally, tally
from siltomo.kernels._tiles import Balls, Painted, Target, find_balls
from siltomo.kernels.thickness_distribution import Convention


def check_convention(convention: str) -> None:
    """Refuse an unknown convention."""
    if convention not in get_args(Convention):
        raise BadInputError(
            f"no thickness convention {convention!r}; known: {', '.join(get_args(Convention))}"
        )


@dataclass(frozen=True)
class Window:
    """A block of voxels: the phase, what lies beyond the window, and the distances between voxels."""

    phase: Mask
    beyond: Mask | None
    grid: Lattice

    def distances(self, threads: int) -> Distances | None:
        """Measure the squared distances to the background, also beyond the window; None without any."""
        inside = self.phase if self.beyond is None else self.phase | self.beyond
        return squared_distances(inside, self.grid.weights, threads=threads)


@dataclass(frozen=True)
class Thickness:
    """The local thickness of a window, computed tile by tile."""

    window: Window
    balls: Balls
    convention: Convention

    def write(self, tile: Tile, diameters: NDArray[np.float32]) -> None:
        """Write the diameters of the phase voxels of a tile to a map of the window."""
        phase = tile.of(self.window.phase)
        step = self.window.grid.step
        if self.convention == "fiji":
            np.copyto(tile.of(diameters), self._cleaned(tile) * step, where=phase, casting="same_kind")
        else:
            self.balls.paint(tile, phase, Target(diameters, (0, 0), 2 * step))

    def tally(self, tile: Tile, bins: NDArray[Any]) -> Tally:
        """Count the phase voxels by bin and squared radius, or fraction of the diameter for Fiji."""
        phase = tile.of(self.window.phase)
        if self.convention == "fiji":
            top = math.ceil(2 * math.sqrt(self.balls.top) * FRACTIONS)
            return tally(np.rint(self._cleaned(tile) * FRACTIONS).astype(np.int64), phase, bins, top)
        if bins.strides[1:] == (0, 0):
            of_planes = bins[:, 0, 0]
            wanted = phase if of_planes.min() >= 0 else phase & (bins >= 0)
            return _by_planes(self.balls.paint(tile, wanted), of_planes)
        entries = np.zeros(phase.shape, np.float32)
        painted = self.balls.paint(tile, phase, Target(entries, (tile.start, tile.top)))
        counts = tally(entries.astype(np.int64), phase, bins, painted.squared_radii.size)
        return Tally(counts.bins, painted.squared_radii[counts.values], counts.counts)

    def tally_cells(self, tile: Tile, grid: CellGrid) -> tuple[Tally, CellTable]:
        """Count the phase voxels by thickness, all in bin 0, and by cell."""
        phase = tile.of(self.window.phase)
        one = np.zeros(tile.stop - tile.start, np.int64)
        if self.convention != "fiji":
            table = grid.table(tile, self.balls.top)
            return _by_planes(self.balls.paint(tile, phase, cells=table), one), table
        widths = np.rint(self._cleaned(tile) * FRACTIONS).astype(np.int64)
        top = math.ceil(2 * math.sqrt(self.balls.top) * FRACTIONS)
        table = grid.table(tile, top * top)
        add_widths(table, widths, np.array(phase, np.uint8))
        return tally(widths, phase, np.broadcast_to(one[:, np.newaxis, np.newaxis], phase.shape), top), table

    def _cleaned(self, tile: Tile) -> NDArray[np.float64]:
        """Return Fiji's diameters of all voxels of a tile that balls hold, in steps."""
        wide = tile.wider(CONTEXT, self.balls.field.shape)
        shape = (wide.stop - wide.start, wide.bottom - wide.top, self.balls.field.shape[2])
        beyond = self.window.beyond
        gone = np.zeros(shape, np.bool_) if beyond is None else wide.of(beyond).copy()
        diameters = np.zeros(shape, np.float32)
        self.balls.paint(wide, ~gone, Target(diameters, (wide.start, wide.top), 2.0))
        cleaned = np.empty((tile.stop - tile.start, tile.bottom - tile.top, shape[2]), np.float64)
        clean_up(diameters, gone, tile.start - wide.start, tile.top - wide.top, cleaned)
        return cleaned


def find_thickness(window: Window, field: Field, convention: Convention, threads: int) -> Thickness:
    """Prepare the thickness of a window; the distances beyond the window are set to 0 in place."""
    if window.beyond is not None:
        field.values[window.beyond] = 0
    closed = convention != "open_ball"
    found = find_balls(field, window.grid.weights, closed=closed, threads=threads)
    return Thickness(window, found, convention)


def _by_planes(painted: Painted, bins: NDArray[np.int64]) -> Tally:
    """Sum the planes of each bin; planes of negative bins hold nothing."""
    groups, planes = np.unique(bins, return_inverse=True)
    counts = np.zeros((painted.squared_radii.size, groups.size), np.int64)
    for plane, group in enumerate(planes):
        counts[:, group] += painted.counts[:, plane]
    entries, columns = np.nonzero(counts)
    return Tally(groups[columns], painted.squared_radii[entries], counts[entries, columns])
