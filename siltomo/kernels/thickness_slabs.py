"""Local thickness of volumes larger than memory, slab by slab, identical to that of the whole.

A slab is computed from its core planes and a halo on either side, which doubles until a certificate holds
that is read off the distances in the slab (proof: `siltomo.kernels._certificate`).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels import sampling
from siltomo.kernels._cell_table import CellGrid, CellTable
from siltomo.kernels._certificate import Cut, is_certified
from siltomo.kernels._field import GUARD, Field, pitch_of
from siltomo.kernels._fiji import CONTEXT, FRACTIONS
from siltomo.kernels._grid import Lattice, lattice
from siltomo.kernels._local_thickness import Thickness, check_convention, find_thickness
from siltomo.kernels._planes import Planes, PlanesInMemory
from siltomo.kernels._ridge import TABLE_LIMIT
from siltomo.kernels._tally import DENSE_LIMIT, Tally, as_bins, merge_tallies
from siltomo.kernels._tiles import BALLS_AT_ONCE, TILE_BYTES, tiles
from siltomo.kernels._workers import ranges, thread_count
from siltomo.kernels.distance import NoBackgroundError
from siltomo.kernels.thickness import as_counts, tally_cells, tally_planes
from siltomo.kernels.thickness_cells import cells_bytes, join_cells
from siltomo.kernels.thickness_distribution import Convention, ThicknessCounts

__all__ = [
    "HaloTooLargeError",
    "Planes",
    "slab_bytes",
    "slab_thickness_counts",
    "stream_thickness_counts",
]

FIRST_HALO = 32
"""Planes of halo tried first."""


class HaloTooLargeError(BadInputError):
    """The result needs a larger halo than allowed."""

    def __init__(self, halo: int, max_halo: int) -> None:
        super().__init__(
            f"local thickness near these planes depends on more than {halo} planes on either side, "
            f"and at most {max_halo} are allowed",
            fix="allow a larger halo (it need not exceed the largest thickness), or measure a thinner phase",
        )


def slab_thickness_counts(
    planes: Planes,
    start: int,
    stop: int,
    depth: int,
    *,
    spacing: Sequence[float] = (1, 1, 1),
    convention: Convention = "open_ball",
    bins: NDArray[np.integer[Any]] | None = None,
    bin_count: int | None = None,
    halo: int = FIRST_HALO,
    max_halo: int | None = None,
    cells: sampling.Lattice | None = None,
    threads: int | None = None,
) -> ThicknessCounts:
    """Count the phase voxels of some planes by local thickness, exactly as in the whole volume.

    The counts of disjoint ranges of planes add up to those of the volume.

    Parameters
    ----------
    planes
        Reads the planes ``[a, b)`` of the volume, ``0 <= a < b <= depth``: booleans of shape (b - a, y, x),
        or two such arrays where a part is beyond the window (see `squared_distance`).
    start, stop
        The core planes, ``0 <= start < stop <= depth``.
    depth
        Number of planes of the volume.
    spacing, convention, threads
        As in `local_thickness`.
    bins, bin_count
        As in `thickness_counts`, for the core planes.
    halo
        Planes on either side to begin with; doubled until they suffice.
    max_halo
        Refuse to read more planes than this on either side.
    cells
        Lattice of the whole volume: count and sum by its cells too. Not together with bins.

    Returns
    -------
    The counts of the core planes; their ``cells`` span the whole lattice, 0 where the planes do not reach.

    Raises
    ------
    NoBackgroundError
        The core has phase voxels and the whole volume has no background voxel.
    HaloTooLargeError
        ``max_halo`` does not suffice.
    BadInputError
        As in `thickness_counts`, or the planes do not lie in the volume.

    Examples
    --------
    >>> import numpy as np
    >>> volume = np.random.default_rng(0).random((40, 20, 20)) < 0.9
    >>> read = lambda a, b: volume[a:b]
    >>> slabs = [slab_thickness_counts(read, z, z + 10, 40, halo=4) for z in range(0, 40, 10)]
    >>> total = slabs[0] + slabs[1] + slabs[2] + slabs[3]
    >>> total.total == int(volume.sum())
    True
    """
    _check_range(start, stop, depth)
    block = PlanesInMemory(planes, depth, start)
    request = _Request(lattice(spacing), convention, max_halo, thread_count(threads))
    block.cover(start, stop)
    groups, number = as_bins(bins, bin_count, block.phase.shape)
    if cells is None:
        tallies, _ = _tally_slab(block, start, stop, bins=groups, request=request, halo=halo)
        return as_counts(tallies, request.grid, convention, number, binned=bins is not None)
    if bins is not None or cells.shape != (depth, *block.phase.shape[1:]):
        raise BadInputError(
            f"cells of {cells.shape} voxels: none by bin, nor of planes of {block.phase.shape}"
        )
    tallies, tables = _tally_cells(block, start, stop, cells=cells, request=request, halo=halo)
    counts = as_counts(tallies, request.grid, convention, number, binned=False)
    return replace(counts, cells=join_cells(tables, cells, request.grid.step))


def stream_thickness_counts(
    planes: Planes,
    depth: int,
    *,
    spacing: Sequence[float] = (1, 1, 1),
    convention: Convention = "open_ball",
    bins: NDArray[np.integer[Any]] | None = None,
    bin_count: int | None = None,
    slab: int = 128,
    halo: int = FIRST_HALO,
    max_halo: int | None = None,
    threads: int | None = None,
) -> ThicknessCounts:
    """Count the phase voxels of a volume by local thickness, reading each plane once and in order.

    The same as the sum over slabs, which it computes one after the other: the planes that two slabs share are
    kept between them, and each slab begins with the halo that the one before needed. A plane is read again
    only where the halo has to grow beyond the planes that are kept.

    Parameters
    ----------
    planes, depth, spacing, convention, halo, max_halo, threads
        As in `slab_thickness_counts`.
    bins
        Depth bin of each plane, shape (depth,); negative where it is not counted.
    bin_count
        Number of bins; by default one more than the largest of ``bins``.
    slab
        Core planes of a slab. The distances of the halo are measured twice; the rest is not.

    Returns
    -------
    The counts of the volume.

    Raises
    ------
    NoBackgroundError, HaloTooLargeError, BadInputError
        As in `slab_thickness_counts`.

    Examples
    --------
    >>> import numpy as np
    >>> volume = np.random.default_rng(0).random((40, 20, 20)) < 0.9
    >>> counts = stream_thickness_counts(lambda a, b: volume[a:b], 40, slab=10, halo=4)
    >>> counts.total == int(volume.sum())
    True
    """
    _check_range(0, depth, depth)
    if slab < 1:
        raise BadInputError(f"a slab holds at least one plane, got slab={slab}")
    groups, number = as_bins(bins, bin_count, (depth, 1, 1))
    block = PlanesInMemory(planes, depth, 0)
    request = _Request(lattice(spacing), convention, max_halo, thread_count(threads))
    tallies: list[Tally] = []
    for start, stop in ranges(0, depth, slab):
        block.keep(max(start - halo - CONTEXT, 0))
        block.cover(start, stop)
        shape = (stop - start, *block.phase.shape[1:])
        of_slab = np.broadcast_to(groups[start:stop], shape)
        found, halo = _tally_slab(block, start, stop, bins=of_slab, request=request, halo=halo)
        tallies = [merge_tallies([*tallies, *found])]
    return as_counts(tallies, request.grid, convention, number, binned=bins is not None)


def _check_range(start: int, stop: int, depth: int) -> None:
    if not 0 <= start < stop <= depth:
        raise BadInputError(f"planes {start} to {stop} are not a range within 0 to {depth}")


@dataclass(frozen=True)
class _Request:
    """What is asked of every slab."""

    grid: Lattice
    convention: Convention
    max_halo: int | None
    threads: int

    def __post_init__(self) -> None:
        check_convention(self.convention)


def _tally_slab(
    block: PlanesInMemory, start: int, stop: int, *, bins: NDArray[Any], request: _Request, halo: int
) -> tuple[list[Tally], int]:
    """Tally the core planes of a block that covers them; also return the halo that was enough."""
    found, halo = _thickness_of(block, start, stop, request=request, halo=halo)
    if found is None:
        return [], halo
    return tally_planes(found, start - block.low, bins, request.threads), halo


def _tally_cells(
    block: PlanesInMemory, start: int, stop: int, *, cells: sampling.Lattice, request: _Request, halo: int
) -> tuple[list[Tally], list[CellTable]]:
    """Tally the core planes of a block that covers them, together and by cell."""
    found, _ = _thickness_of(block, start, stop, request=request, halo=halo)
    if found is None:
        return [], []
    grid = CellGrid(cells, block.low)
    return tally_cells(found, start - block.low, stop - block.low, grid, request.threads)


def _thickness_of(
    block: PlanesInMemory, start: int, stop: int, *, request: _Request, halo: int
) -> tuple[Thickness | None, int]:
    """Prepare the thickness of the core planes, None without phase voxels; and the halo that was enough."""
    if not block.phase[start - block.low : stop - block.low].any():
        return None, halo
    context = CONTEXT if request.convention == "fiji" else 0
    core = max(start - context, 0), min(stop + context, block.depth)
    field, halo = _certified(block, core, halo, request)
    return find_thickness(block.window(request.grid), field, request.convention, request.threads), halo


def _certified(
    block: PlanesInMemory, core: tuple[int, int], halo: int, request: _Request
) -> tuple[Field, int]:
    """Widen the block until its distances decide the core; return them and the halo."""
    halo = max(halo, 1)
    if request.max_halo is not None:
        halo = min(halo, request.max_halo)
    while True:
        block.cover(max(core[0] - halo, 0), min(core[1] + halo, block.depth))
        cut = Cut(block.low, block.high, block.depth)
        found = block.window(request.grid).distances(request.threads)
        if found is not None and is_certified(found.tops, cut, *core, request.grid.weights):
            return found.field, halo
        if block.low == 0 and block.high == block.depth:
            raise NoBackgroundError
        if request.max_halo is not None and halo >= request.max_halo:
            raise HaloTooLargeError(halo, request.max_halo)
        halo = 2 * halo if request.max_halo is None else min(2 * halo, request.max_halo)
        del found


def slab_bytes(
    shape_yx: tuple[int, int],
    planes: int,
    halo: int,
    *,
    convention: Convention = "open_ball",
    radius: float = 255,
    outside: bool = False,
    cells: sampling.Lattice | None = None,
    threads: int | None = None,
) -> int:
    """State an upper bound of the memory that `slab_thickness_counts` needs at once.

    Parameters
    ----------
    shape_yx
        Rows and columns of a plane.
    planes, halo
        Core planes, and planes on either side.
    convention, threads
        As for the counts.
    radius
        Largest distance to the background that may occur, in steps (for cubic voxels: in voxels).
    outside
        Whether a part is beyond the window.
    cells
        Lattice of the whole volume, where cells are counted.

    Returns
    -------
    Bytes, the masks that are read included.

    Examples
    --------
    >>> round(slab_bytes((1024, 1024), planes=256, halo=48, threads=1) / (1024 * 1024 * 352), 1)
    4.4
    """
    fiji = convention == "fiji"
    context = CONTEXT if fiji else 0
    ny, nx = shape_yx
    depth = planes + 2 * (halo + context)
    longest = math.ceil(radius) ** 2
    item = 2 if longest < 2**16 - 1 else 4 if longest < 2**32 - 1 else 8
    # While the block grows, the planes read and their concatenation exist at once.
    masks = (5 if outside else 2) * depth * ny * nx
    field = item * ((depth * ny + 1) * pitch_of(nx) + 2 * GUARD)
    marks = 8 * depth * ny * -(-nx // 64)
    tables = 32 * 7 * min(longest, TABLE_LIMIT)
    pieces = tiles(0, planes, shape_yx)
    largest = pieces[0].wider(context, (planes, ny, nx))
    part = (largest.stop - largest.start) * (largest.bottom - largest.top) * nx
    balls = 24 * min(BALLS_AT_ONCE, depth * ny * nx)
    counts = 8 * (largest.stop - largest.start) * min(longest, BALLS_AT_ONCE) + 12 * DENSE_LIMIT
    worker = balls + counts + part // 2 + TILE_BYTES + part * (28 if fiji else item + 1)
    by_cell = (
        0 if cells is None else cells_bytes(cells, pieces, longest * (2 * FRACTIONS if fiji else 1) ** 2)
    )
    return masks + field + marks + tables + by_cell + thread_count(threads) * worker + (16 << 20)
