"""Local thickness of volumes larger than memory, slab by slab, identical to the whole.

A slab is computed from its core planes and a halo on either side. The halo is enough when a certificate holds
that is read off the distances in the slab itself. With ``d(p)`` the distance of a point to the nearest
background voxel of the volume, ``d_s`` the same with the background of the slab only (``d_s >= d``), lengths
in steps:

1. *Seen centres are right or do not matter.* Unseen background lies at least ``sqrt(wz) * (z + 1)`` from the
   plane
   that is ``z`` planes into the slab. Where ``d_s(c)`` is not longer than that, ``d_s(c) = d(c)``. Other
   centres must be too far from the core to reach it with ``d_s(c)``, hence with ``d(c)``. A ball that was
   dropped because a neighbour's ball contains it loses nothing: if it reaches the core, so does the
   neighbour's, which then is right.
2. *Unseen centres do not matter.* Let ``c`` before the first plane of the slab reach the core voxel ``x``, so
   ``|x - c| <= d(c)``. The segment from ``c`` to ``x`` crosses the first plane at a point ``p`` of the
   window. As ``d`` changes by at most the way walked, ``|x - p| = |x - c| - |c - p| <= d(c) - |c - p| <=
   d(p)``. The voxel ``q`` of that plane nearest to ``p`` is at most ``m / 2`` away, ``m = sqrt(wy + wx)``; so
   ``|x - q| <= d(p) + m/2 <= d(q) + m <= d_s(q) + m``. Such a ``c`` does not exist if the largest ``d_s`` of
   the first plane plus ``m`` is below the distance of that plane to the core.

Both follow from the largest squared distance of each plane, and both hold once the halo exceeds the largest
diameter of the volume and ``m``: then ``d_s = d`` except within one radius of the cut, where ``d_s`` grows by
at most the way from the cut. Without a certificate the halo doubles.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._field import GUARD, Field, pitch_of
from siltomo.kernels._fiji import CONTEXT
from siltomo.kernels._grid import Lattice, Mask, as_mask, as_outside, lattice
from siltomo.kernels._local_thickness import Window, check_convention, find_thickness
from siltomo.kernels._ridge import TABLE_LIMIT
from siltomo.kernels._tally import DENSE_LIMIT, as_bins
from siltomo.kernels._tiles import BALLS_AT_ONCE, TILE_BYTES, tiles
from siltomo.kernels._workers import thread_count
from siltomo.kernels.distance import NoBackgroundError
from siltomo.kernels.thickness import as_counts, tally_planes
from siltomo.kernels.thickness_distribution import Convention, ThicknessCounts

__all__ = ["HaloTooLargeError", "Planes", "slab_bytes", "slab_thickness_counts"]

Planes = Callable[[int, int], NDArray[np.bool_] | tuple[NDArray[np.bool_], NDArray[np.bool_]]]
"""Reads planes ``[start, stop)``: the phase mask, or that and the mask of voxels beyond the window."""

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


@dataclass(frozen=True)
class _Cut:
    """Where the slab ``[low, high)`` of a volume of ``depth`` planes ends within the volume."""

    low: int
    high: int
    depth: int

    def gaps(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return how many planes each plane of the slab is away from the core."""
        planes = np.arange(self.low, self.high)
        return np.maximum(0, np.maximum(start - planes, planes - stop + 1))

    def unseen(self) -> NDArray[np.int64]:
        """Return how many planes each plane of the slab is away from the nearest unseen one."""
        planes = np.arange(self.low, self.high)
        never = np.full(planes.size, 2**31 - 1)
        before = planes - self.low + 1 if self.low > 0 else never
        after = self.high - planes if self.high < self.depth else never
        return np.minimum(before, after)


def is_certified(
    tops: NDArray[np.int64], cut: _Cut, start: int, stop: int, weights: tuple[int, int, int]
) -> bool:
    """Tell whether the slab decides the thickness of its core planes (proof: see the module)."""
    wz, wy, wx = weights
    margin = wy + wx
    for top, gap, unseen in zip(map(int, tops), cut.gaps(start, stop), cut.unseen(), strict=True):
        if top > wz * int(unseen) ** 2 and top >= wz * int(gap) ** 2:
            return False
        if unseen == 1:
            rest = wz * int(gap) ** 2 - top - margin
            if rest <= 0 or rest * rest <= 4 * top * margin:
                return False
    return True


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

    Returns
    -------
    The counts of the core planes.

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
    check_convention(convention)
    grid = lattice(spacing)
    workers = thread_count(threads)
    if not 0 <= start < stop <= depth:
        raise BadInputError(f"planes {start} to {stop} are not a range within 0 to {depth}")
    block = _Block(planes, depth, grid, start, stop)
    shape = block.phase.shape
    groups, number = as_bins(bins, bin_count, shape)
    if not block.phase.any():
        return as_counts([], grid, convention, number, binned=bins is not None)
    context = CONTEXT if convention == "fiji" else 0
    reach = max(start - context, 0), min(stop + context, depth)
    field = _certified(block, reach, halo, max_halo, workers)
    found = find_thickness(block.window, field, convention, workers)
    tallies = tally_planes(found, start - block.low, groups, workers)
    return as_counts(tallies, grid, convention, number, binned=bins is not None)


class _Block:
    """Planes read so far; grows on either side without reading a plane twice."""

    def __init__(self, planes: Planes, depth: int, grid: Lattice, start: int, stop: int) -> None:
        self.planes = planes
        self.depth = depth
        self.grid = grid
        self.low, self.high = start, stop
        self.phase, self.beyond = self._read(start, stop)

    @property
    def window(self) -> Window:
        return Window(self.phase, self.beyond, self.grid)

    def grow(self, low: int, high: int) -> None:
        """Read the planes of ``[low, high)`` that are missing."""
        parts = [(self.phase, self.beyond)]
        if low < self.low:
            parts.insert(0, self._read(low, self.low))
        if high > self.high:
            parts.append(self._read(self.high, high))
        self.low, self.high = low, high
        phases, beyonds = zip(*parts, strict=True)
        self.phase = np.concatenate(phases) if len(parts) > 1 else self.phase
        if any(beyond is not None for beyond in beyonds):
            filled = [
                np.zeros(phase.shape, np.bool_) if beyond is None else beyond
                for phase, beyond in zip(phases, beyonds, strict=True)
            ]
            self.beyond = np.concatenate(filled)

    def _read(self, start: int, stop: int) -> tuple[Mask, Mask | None]:
        answer = self.planes(start, stop)
        phase, beyond = answer if isinstance(answer, tuple) else (answer, None)
        phase = as_mask(phase, f"planes({start}, {stop})")
        if phase.shape[0] != stop - start:
            raise BadInputError(f"planes({start}, {stop}) returned {phase.shape[0]} planes")
        return phase, as_outside(beyond, phase)


def _certified(block: _Block, core: tuple[int, int], halo: int, max_halo: int | None, threads: int) -> Field:
    """Grow the block until its distances decide the core; return them."""
    halo = max(halo, 1)
    if max_halo is not None:
        halo = min(halo, max_halo)
    while True:
        block.grow(max(core[0] - halo, 0), min(core[1] + halo, block.depth))
        whole = block.low == 0 and block.high == block.depth
        field, tops = block.window.distances(threads)
        cut = _Cut(block.low, block.high, block.depth)
        if tops is not None and is_certified(tops, cut, *core, block.grid.weights):
            return field
        if whole:
            raise NoBackgroundError
        if max_halo is not None and halo >= max_halo:
            raise HaloTooLargeError(halo, max_halo)
        halo = 2 * halo if max_halo is None else min(2 * halo, max_halo)
        del field


def slab_bytes(
    shape_yx: tuple[int, int],
    planes: int,
    halo: int,
    *,
    convention: Convention = "open_ball",
    radius: float = 255,
    outside: bool = False,
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
    largest = tiles(0, planes, shape_yx)[0].wider(context, (planes, ny, nx))
    part = (largest.stop - largest.start) * (largest.bottom - largest.top) * nx
    balls = 24 * min(BALLS_AT_ONCE, depth * ny * nx)
    counts = 8 * (largest.stop - largest.start) * min(longest, BALLS_AT_ONCE) + 12 * DENSE_LIMIT
    worker = balls + counts + part // 2 + TILE_BYTES + part * (28 if fiji else item + 1)
    return masks + field + marks + tables + thread_count(threads) * worker + (16 << 20)
