"""Histograms of grey values that add up over blocks, and the quantiles and thresholds read from them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numba import uint64
from numpy.typing import ArrayLike, NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._jit import inlined, kernel
from siltomo.kernels._volumes import map_slabs

Counts = NDArray[np.int64]

PIECE = 1 << 30
"""Voxels counted in 32 bits before they are added to the 64-bit counts."""


@dataclass(frozen=True, eq=False)
class GreyHistogram:
    """How often each grey value occurs: in bins of one value, or in equal bins over a range."""

    counts: Counts
    """Voxels in each bin."""
    lower: float
    """Lower end of the first bin, or the first value where each bin is one value."""
    upper: float
    """Upper end of the last bin (which includes it), or the last value where each bin is one value."""
    exact: bool
    """Whether each bin is one whole number."""
    below: int = 0
    """Voxels below the range."""
    above: int = 0
    """Voxels above the range."""
    undefined: int = 0
    """Voxels that are not a number."""

    def __add__(self, other: GreyHistogram) -> GreyHistogram:
        """Join the histograms of two blocks.

        Raises
        ------
        BadInputError
            The two have different bins.
        """
        mine = (self.counts.size, self.lower, self.upper, self.exact)
        theirs = (other.counts.size, other.lower, other.upper, other.exact)
        if mine != theirs:
            raise BadInputError(
                f"histograms have different bins: (bins, lower, upper, exact) {mine}, {theirs}"
            )
        return GreyHistogram(
            self.counts + other.counts,
            self.lower,
            self.upper,
            self.exact,
            self.below + other.below,
            self.above + other.above,
            self.undefined + other.undefined,
        )

    @property
    def total(self) -> int:
        """Voxels with a value, also those outside of the range."""
        return int(self.counts.sum()) + self.below + self.above

    @property
    def values(self) -> NDArray[np.float64]:
        """The value of each bin: itself where exact, its centre otherwise."""
        places: NDArray[np.float64] = np.arange(self.counts.size, dtype=np.float64)
        if self.exact:
            return self.lower + places
        return self.lower + (self.upper - self.lower) * (places + 0.5) / self.counts.size

    def quantile(self, fraction: float) -> float:
        """Return the smallest value that at least a fraction of the voxels does not exceed.

        Exact where each bin is one value (as ``numpy.quantile(..., method="inverted_cdf")``); interpolated
        within the bin, and so right to the width of a bin, otherwise.

        Parameters
        ----------
        fraction
            From 0 to 1.

        Returns
        -------
        float
            In the unit of the grey values; nan where no voxel has a value.

        Raises
        ------
        BadInputError
            The fraction is not within 0 and 1, or the quantile lies outside of the range.
        """
        if not 0 <= fraction <= 1:
            raise BadInputError(f"a quantile needs a fraction from 0 to 1, got {fraction}")
        if self.total == 0:
            return math.nan
        rank = _rank(fraction, self.total) - self.below
        inside = int(self.counts.sum())
        if not 0 < rank <= inside:
            end, voxels = ("below", self.below) if rank <= 0 else ("above", self.above)
            raise BadInputError(
                f"the {fraction:g} quantile lies {end} the range {self.lower:g} to {self.upper:g},"
                f" with {voxels} of {self.total} voxels",
                fix="widen lower and upper",
            )
        reached = np.cumsum(self.counts)
        index = int(np.searchsorted(reached, rank))
        if self.exact:
            return self.lower + index
        part = 1 - (int(reached[index]) - rank) / int(self.counts[index])
        return self.lower + (self.upper - self.lower) * (index + part) / self.counts.size


def grey_histogram(
    values: ArrayLike,
    *,
    lower: float | None = None,
    upper: float | None = None,
    bins: int | None = None,
    threads: int | None = None,
) -> GreyHistogram:
    """Count the grey values of a volume.

    Histograms of blocks that do not overlap add up to that of the whole.

    Parameters
    ----------
    values
        Array of any shape. 8- and 16-bit integers and booleans are counted value by value; wider integers and
        floats in equal bins over a range.
    lower, upper, bins
        Range and number of bins; needed for wider integers and floats, refused for the others.
    threads
        Threads to use; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    GreyHistogram
        int64 counts, with the voxels outside of the range and those that are not a number apart.

    Raises
    ------
    BadInputError
        The values are no numbers, or the range is missing, empty or uncalled-for.

    Examples
    --------
    >>> import numpy as np
    >>> histogram = grey_histogram(np.array([[3, 3], [7, 250]], dtype=np.uint8))
    >>> int(histogram.counts[3]), histogram.quantile(0.5)
    (2, 3.0)
    >>> histogram = grey_histogram(np.array([0.1, 0.2, np.nan, 7]), lower=0, upper=1, bins=10)
    >>> int(histogram.counts.sum()), histogram.above, histogram.undefined
    (2, 1, 1)
    """
    array = np.asarray(values)
    if array.dtype == np.bool_:
        array = array.view(np.uint8)
    if array.dtype.kind not in "iuf":
        raise BadInputError(f"values: expected real numbers, got {array.dtype}")
    blocks = np.atleast_1d(array)
    if array.dtype.kind in "iu" and array.itemsize <= 2:
        if (lower, upper, bins) != (None, None, None):
            raise BadInputError(
                f"{array.dtype} values are counted one by one: lower, upper, bins do not apply"
            )
        info = np.iinfo(array.dtype)
        counts = _sum_pieces(blocks, threads, _count_integers)
        return GreyHistogram(counts, float(info.min), float(info.max), exact=True)
    if lower is None or upper is None or bins is None:
        raise BadInputError(f"{array.dtype} values need a range: give lower, upper and bins")
    if not (math.isfinite(lower) and math.isfinite(upper) and lower < upper and bins >= 1):
        raise BadInputError(f"expected finite lower < upper and bins >= 1, got {lower}, {upper}, {bins}")
    low, high, n = float(lower), float(upper), int(bins)

    def count(piece: NDArray[Any]) -> Counts:
        counts = np.zeros((2, n + 3), np.uint32)
        _count_reals(piece, low, high, n, counts)
        total: Counts = counts.sum(axis=0, dtype=np.int64)
        return total

    counts = _sum_pieces(blocks, threads, count)
    below, above, undefined = (int(voxels) for voxels in counts[n:])
    return GreyHistogram(counts[:n].copy(), low, high, False, below, above, undefined)


def _rank(fraction: float, total: int) -> float:
    """Return how many voxels lie at or below a quantile, at least one; 0.1 of 30 is 3 and not a bit more."""
    rank = fraction * total
    whole = round(rank)
    return max(1.0, whole if abs(rank - whole) <= 1e-12 * total else rank)


def _sum_pieces(blocks: NDArray[Any], threads: int | None, count: Callable[[NDArray[Any]], Counts]) -> Counts:
    """Count contiguous pieces, few enough voxels each to be counted in 32 bits."""

    def measure(start: int, stop: int) -> Counts:
        block = blocks[start:stop]
        parts = [block] if block.flags.c_contiguous else [np.ascontiguousarray(plane) for plane in block]
        flat = [_native(part.reshape(-1)) for part in parts]
        found = [count(part[at : at + PIECE]) for part in flat for at in range(0, max(1, part.size), PIECE)]
        total: Counts = np.sum(found, axis=0, dtype=np.int64)
        return total

    total: Counts = np.sum(map_slabs(measure, len(blocks), threads), axis=0, dtype=np.int64)
    return total


def _native(flat: NDArray[Any]) -> NDArray[Any]:
    if not flat.dtype.isnative:
        flat = flat.astype(flat.dtype.newbyteorder("="))
    if flat.dtype == np.float16:
        flat = flat.astype(np.float32)
    # Always read-only: the kernels never write, and numba compiles one version in place of two.
    flat = flat.view()
    flat.flags.writeable = False
    return flat


def _count_integers(piece: NDArray[Any]) -> Counts:
    """Count 8- or 16-bit integers, the lowest value first."""
    size = 1 << (8 * piece.itemsize)
    unsigned = piece.view(np.uint8 if piece.itemsize == 1 else np.uint16)
    whole = piece.nbytes // 8 * 8 // piece.itemsize
    words = unsigned[:whole].view(np.uint64)
    if piece.itemsize == 1:
        tables = np.zeros((4, size), np.uint32)
        _count_bytes(words, tables)
    else:
        tables = np.zeros((1, size), np.uint32)
        _count_shorts(words, tables)
    counts: Counts = tables.sum(axis=0, dtype=np.int64)
    counts += np.bincount(unsigned[whole:], minlength=size)
    return np.roll(counts, size // 2) if piece.dtype.kind == "i" else counts


@kernel
def _count_bytes(words: Any, tables: Any) -> None:
    """Count the bytes of words, in turn into four tables.

    Neighbours are often equal; in one table each increment would wait for the one before.
    """
    for i in range(words.size):
        for lane in range(8):
            tables[lane & 3, (words[i] >> uint64(8 * lane)) & uint64(0xFF)] += np.uint32(1)


@kernel
def _count_shorts(words: Any, tables: Any) -> None:
    """Count the 16-bit values of words; a second table would not fit the cache beside the first."""
    for i in range(words.size):
        for lane in range(4):
            tables[0, (words[i] >> uint64(16 * lane)) & uint64(0xFFFF)] += np.uint32(1)


@kernel
def _count_reals(values: Any, lower: float, upper: float, bins: int, tables: Any) -> None:
    """Count values into bins, and behind them those below, above and undefined."""
    slots = np.empty(512, np.uint32)  # unsigned: as an index never counted from the end
    for start in range(0, values.size, 512):
        block = values[start : start + 512]
        _find_slots(block, lower, upper, bins, slots)
        for i in range(0, block.size - 1, 2):
            tables[0, slots[i]] += np.uint32(1)
            tables[1, slots[i + 1]] += np.uint32(1)
        if block.size % 2:
            tables[0, slots[block.size - 1]] += np.uint32(1)


@inlined
def _find_slots(block: Any, lower: float, upper: float, bins: int, slots: Any) -> None:
    """Find the bin of each value; selections only, no branches, so that the loop vectorises."""
    scale = bins / (upper - lower)
    last, below, above, undefined = np.int32(bins - 1), np.int32(bins), np.int32(bins + 1), np.int32(bins + 2)
    for i in range(block.size):
        value = np.float64(block[i])
        slot = np.int32((value - lower) * scale)
        slot = min(slot, last)
        slot = below if value < lower else slot
        slot = above if value > upper else slot
        slots[i] = undefined if np.isnan(value) else slot
