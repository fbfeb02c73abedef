"""The distribution of local thickness as counts, and its statistics."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels.thickness_cells import ThicknessCells

__all__ = ["Convention", "ThicknessCounts"]

Convention = Literal["open_ball", "closed_ball", "fiji"]
"""``open_ball``: the ball of a centre holds the voxels nearer than the background. ``closed_ball``: also
those as near (the map of Fiji before its clean-up). ``fiji``: closed balls, Fiji's clean-up of the border
voxels, and its mask.
"""


@dataclass(frozen=True, eq=False)
class ThicknessCounts:
    """How many phase voxels have which local thickness; additive over parts of a volume.

    The diameter of an entry is ``2 * step * sqrt(squared_radius)``. With balls, ``step`` is the voxel edge
    (or the common step of unequal edges) and the entries are exact. Fiji's clean-up takes means of diameters:
    these are rounded to 1/1024 of an edge, ``step`` is 1/2048 of it and the squared radii are squares.
    """

    squared_radii: NDArray[np.int64]
    """Shape (n,), ascending, in ``step**2``."""
    counts: NDArray[np.int64]
    """Voxels of each entry: shape (n,), or (bins, n) by depth."""
    step: float
    """Unit of the radii, in the unit of the spacing."""
    convention: Convention
    cells: ThicknessCells | None = None
    """The same voxels by cell of a lattice, where asked for; lost where one of two parts has none."""

    def __post_init__(self) -> None:
        if self.squared_radii.ndim != 1 or self.counts.shape[-1:] != self.squared_radii.shape:
            raise BadInputError(
                f"{self.squared_radii.shape} squared radii do not fit counts of shape {self.counts.shape}"
            )

    def __add__(self, other: ThicknessCounts) -> ThicknessCounts:
        """Add the counts of another part of the volume."""
        if (self.step, self.convention, self.counts.shape[:-1]) != (
            other.step,
            other.convention,
            other.counts.shape[:-1],
        ):
            raise BadInputError(
                f"{self.convention} counts in steps of {self.step} with bins {self.counts.shape[:-1]} do not "
                f"add to {other.convention} ones in steps of {other.step} with bins {other.counts.shape[:-1]}"
            )
        radii = np.union1d(self.squared_radii, other.squared_radii)
        counts = np.zeros((*self.counts.shape[:-1], radii.size), np.int64)
        for part in (self, other):
            counts[..., np.searchsorted(radii, part.squared_radii)] += part.counts
        cells = None if self.cells is None or other.cells is None else self.cells + other.cells
        return ThicknessCounts(radii, counts, self.step, self.convention, cells)

    @property
    def diameters(self) -> NDArray[np.float64]:
        """Diameter of each entry, in the unit of the spacing; shape (n,)."""
        return 2 * self.step * np.sqrt(self.squared_radii)

    @property
    def total(self) -> int:
        """Number of phase voxels."""
        return int(self.counts.sum())

    def of_bin(self, index: int) -> ThicknessCounts:
        """Return the counts of one depth bin."""
        return ThicknessCounts(self.squared_radii, self._by_bin()[index], self.step, self.convention)

    def all_bins(self) -> ThicknessCounts:
        """Return the counts of all depth bins together."""
        return ThicknessCounts(self.squared_radii, self._by_bin().sum(axis=0), self.step, self.convention)

    def profile(self, statistic: Callable[[ThicknessCounts], float]) -> NDArray[np.float64]:
        """Return a statistic of each depth bin, such as ``ThicknessCounts.median``; shape (bins,)."""
        return np.array([statistic(self.of_bin(index)) for index in range(len(self._by_bin()))])

    def mean(self) -> float:
        """Return the mean diameter over the phase voxels, NaN where there are none."""
        total = self.total
        if total == 0:
            return math.nan
        return math.fsum(self.diameters * self._flat()) / total

    def std(self) -> float:
        """Return the standard deviation of the diameter over the phase voxels, NaN where there are none."""
        total = self.total
        if total == 0:
            return math.nan
        away = self.diameters - self.mean()
        return math.sqrt(math.fsum(away * away * self._flat()) / total)

    def median(self) -> float:
        """Return the median diameter over the phase voxels, NaN where there are none."""
        return self.quantile(0.5)

    def quantile(self, fraction: float) -> float:
        """Return the least diameter that at least this fraction of the phase voxels do not exceed.

        For an even number of voxels the median is the mean of the two middle ones, as everywhere; other
        fractions are not interpolated.
        """
        if not 0 <= fraction <= 1:
            raise BadInputError(f"a quantile lies between 0 and 1, got {fraction}")
        total = self.total
        if total == 0:
            return math.nan
        below = np.cumsum(self._flat())
        rank = max(math.ceil(fraction * total), 1)
        value = float(self.diameters[np.searchsorted(below, rank)])
        if fraction == 0.5 and total % 2 == 0:
            value = (value + float(self.diameters[np.searchsorted(below, rank + 1)])) / 2
        return value

    def _flat(self) -> NDArray[np.int64]:
        return self.counts if self.counts.ndim == 1 else self.counts.sum(axis=0)

    def _by_bin(self) -> NDArray[np.int64]:
        if self.counts.ndim != 2:
            raise BadInputError("these counts have no depth bins")
        return self.counts
