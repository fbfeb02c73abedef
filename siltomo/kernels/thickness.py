"""Exact local thickness after Hildebrand and Rüegsegger, as a map or as counts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels._cell_table import CellGrid, CellTable
from siltomo.kernels._fiji import FRACTIONS
from siltomo.kernels._grid import Lattice, as_mask, as_outside, lattice
from siltomo.kernels._keys import Tile
from siltomo.kernels._local_thickness import Thickness, Window, check_convention, find_thickness
from siltomo.kernels._tally import Tally, as_bins, as_table
from siltomo.kernels._tiles import tiles
from siltomo.kernels._workers import over, thread_count
from siltomo.kernels.distance import NoBackgroundError
from siltomo.kernels.thickness_distribution import Convention, ThicknessCounts

__all__ = ["local_thickness", "thickness_counts"]


def local_thickness(
    mask: NDArray[np.bool_],
    spacing: Sequence[float] = (1, 1, 1),
    *,
    convention: Convention = "open_ball",
    outside: NDArray[np.bool_] | None = None,
    threads: int | None = None,
) -> NDArray[np.float32]:
    """Measure, at each phase voxel, the diameter of the largest ball in the phase that holds it.

    ``T(x) = 2 max D(c)`` over the centres ``c`` whose ball of radius ``D(c)`` holds ``x``, where ``D`` is the
    exact distance between voxel centres from ``c`` to the background. The borders of the array are not
    background.

    Parameters
    ----------
    mask
        Booleans of shape (z, y, x): True in the phase, False in the background.
    spacing
        Voxel edges (z, y, x), in any one unit; unequal edges as in `squared_distance`.
    convention
        ``open_ball``: a ball holds the voxels nearer to its centre than the background. ``closed_ball``: also
        those as near, as in Fiji's map before its clean-up. ``fiji``: closed balls, then each voxel that
        touches (26 neighbours) one in no ball gets the mean of its neighbours that do not, then the mask.
    outside
        Booleans of the same shape: voxels that are neither phase nor background, as if they lay beyond the
        window.
    threads
        At most so many threads; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    Diameters in the unit of ``spacing``, float32 of the shape of the mask; NaN outside the phase.

    Raises
    ------
    NoBackgroundError
        The mask has phase voxels and there is no background voxel.
    BadInputError
        The mask is not a boolean volume, the spacing is not positive, or the convention is unknown.

    Notes
    -----
    Hildebrand and Rüegsegger (1997), doi:10.1046/j.1365-2818.1997.1340694.x; Dougherty and Kunzelmann (2007),
    doi:10.1017/S1431927607074430. All comparisons are between integers. The thickness of a digital body
    carries a convention error of about one voxel: a plate of N voxels reads N if N is even, else N + 1.

    Examples
    --------
    >>> import numpy as np
    >>> plate = np.zeros((1, 1, 8), bool)
    >>> plate[0, 0, 2:6] = True
    >>> local_thickness(plate, (0.5, 0.5, 0.5))[0, 0]
    array([nan, nan,  2.,  2.,  2.,  2., nan, nan], dtype=float32)
    """
    workers = thread_count(threads)
    found = _thickness_of(mask, spacing, convention, outside, workers)
    diameters: NDArray[np.float32] = np.full(np.shape(mask), np.nan, np.float32)
    if found is not None:
        depth, ny, nx = np.shape(mask)
        pieces = tiles(0, depth, (ny, nx))
        over(lambda tile: found.write(tile, diameters), pieces, workers)
    return diameters


def thickness_counts(
    mask: NDArray[np.bool_],
    spacing: Sequence[float] = (1, 1, 1),
    *,
    convention: Convention = "open_ball",
    outside: NDArray[np.bool_] | None = None,
    bins: NDArray[np.integer[Any]] | None = None,
    bin_count: int | None = None,
    threads: int | None = None,
) -> ThicknessCounts:
    """Count the phase voxels by local thickness, without a map.

    Parameters
    ----------
    mask, spacing, convention, outside, threads
        As in `local_thickness`.
    bins
        Depth bin of each plane (shape (z,)) or of each voxel (shape (z, y, x)), negative where it is not
        counted. The thickness itself is always three-dimensional. Without, all voxels are counted together.
    bin_count
        Number of bins; by default one more than the largest of ``bins``.

    Returns
    -------
    The counts, of shape (n,), or (bin_count, n) with ``bins``. A mask without phase voxels has none (n = 0).

    Raises
    ------
    NoBackgroundError
        The mask has phase voxels and there is no background voxel.
    BadInputError
        As in `local_thickness`, or the bins do not fit the mask.

    Examples
    --------
    >>> import numpy as np
    >>> plate = np.zeros((1, 1, 8), bool)
    >>> plate[0, 0, 2:6] = True
    >>> counts = thickness_counts(plate, (0.5, 0.5, 0.5))
    >>> counts.squared_radii, counts.counts, counts.median()
    (array([4]), array([4]), 2.0)
    """
    workers = thread_count(threads)
    found = _thickness_of(mask, spacing, convention, outside, workers)
    groups, number = as_bins(bins, bin_count, np.shape(mask))
    tallies = [] if found is None else tally_planes(found, 0, groups, workers)
    return as_counts(tallies, lattice(spacing), convention, number, binned=bins is not None)


def tally_planes(found: Thickness, start: int, bins: NDArray[Any], threads: int) -> list[Tally]:
    """Tally the planes from ``start`` on that have bins."""

    def count(tile: Tile) -> Tally:
        return found.tally(tile, bins[tile.start - start : tile.stop - start, tile.top : tile.bottom])

    return over(count, tiles(start, start + bins.shape[0], found.balls.field.shape[1:]), threads)


def tally_cells(
    found: Thickness, start: int, stop: int, grid: CellGrid, threads: int
) -> tuple[list[Tally], list[CellTable]]:
    """Tally the planes ``[start, stop)``, together and by cell."""
    parts = over(
        lambda tile: found.tally_cells(tile, grid), tiles(start, stop, found.balls.field.shape[1:]), threads
    )
    return [tallied for tallied, _ in parts], [table for _, table in parts]


def as_counts(
    tallies: list[Tally], grid: Lattice, convention: Convention, bin_count: int, *, binned: bool
) -> ThicknessCounts:
    """Put tallies together."""
    values, counts = as_table(tallies, bin_count)
    step = grid.step
    if convention == "fiji":
        values, step = values * values, step / (2 * FRACTIONS)
    return ThicknessCounts(values, counts if binned else counts[0], step, convention)


def _thickness_of(
    mask: NDArray[np.bool_],
    spacing: Sequence[float],
    convention: Convention,
    outside: NDArray[np.bool_] | None,
    threads: int,
) -> Thickness | None:
    """Prepare the thickness of a volume in memory; None where it has no phase voxel."""
    check_convention(convention)
    phase = as_mask(mask)
    window = Window(phase, as_outside(outside, phase), lattice(spacing))
    if not phase.any():
        return None
    found = window.distances(threads)
    if found is None:
        raise NoBackgroundError
    return find_thickness(window, found.field, convention, threads)
