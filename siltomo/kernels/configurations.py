"""How voxels meet: one pass counts the 256 ways in which eight neighbouring voxels can be set.

A *tile* is a cube of 2 x 2 x 2 neighbouring voxels; a volume of n voxels an edge has (n - 1)^3 of them. Its
*configuration* is the number with bit ``4 dz + 2 dy + dx`` set where the voxel at ``(z + dz, y + dy,
x + dx)`` is in the phase: 0 is a tile outside of the phase, 255 one inside. The histogram of configurations
holds the volume, surface, mean breadth and Euler number of the phase (see `siltomo.kernels.surfaces`).

Only tiles inside the volume are counted, so histograms of slabs that share one plane add up to that of the
whole: ``configuration_histogram(mask) == configuration_histogram(mask[: k + 1]) +
configuration_histogram(mask[k:])``.
"""
# ruff: noqa: PLR0917 compiled functions take positional arguments

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numba import uint64
from numpy.typing import ArrayLike, NDArray

from siltomo.kernels._bits import low_bits, popcount, trailing_zeros
from siltomo.kernels._jit import inlined, kernel
from siltomo.kernels._tile_bits import drop_outside, pack_phases, transpose
from siltomo.kernels._volumes import (
    Phase,
    as_bins,
    as_label_values,
    as_phases,
    as_unsigned,
    as_voxels,
    map_slabs,
)

Counts = NDArray[np.int64]


def configuration_histogram(mask: ArrayLike, *, threads: int | None = None) -> Counts:
    """Count the configurations of the 2 x 2 x 2 tiles of a mask.

    Parameters
    ----------
    mask
        Volume of shape (z, y, x); booleans, or integers of which all but 0 are the phase.
    threads
        Threads to use; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    numpy.ndarray
        256 int64 counts that sum to the number of tiles, ``(nz - 1) (ny - 1) (nx - 1)``.

    Raises
    ------
    BadInputError
        The mask is no volume of booleans or integers.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((3, 3, 3), dtype=bool)
    >>> mask[1, 1, 1] = True
    >>> np.flatnonzero(configuration_histogram(mask))
    array([  1,   2,   4,   8,  16,  32,  64, 128])
    """
    voxels = as_voxels(mask, "mask")
    # Whatever is not 0 is the phase: count the tiles of 0 and read the histogram from its other end.
    members, first = as_phases([0], voxels.dtype)
    tile_bins, _ = as_bins(None, None, _tiles(voxels))
    return _histograms(voxels, members, first, tile_bins, (1, 1, 256), threads)[0, 0, ::-1].copy()


def label_configurations(
    labels: ArrayLike,
    values: Sequence[Phase],
    *,
    outside: Phase | None = None,
    bins: ArrayLike | None = None,
    bin_count: int | None = None,
    threads: int | None = None,
) -> Counts:
    """Count the configurations of several phases in one pass over their labels.

    Parameters
    ----------
    labels
        Integer volume of shape (z, y, x).
    values
        The phases: a label value each, or a tuple of label values for their union.
    outside
        Label value (or values) that lie outside of the domain; tiles with such a voxel are left out.
    bins
        Integer bin of each tile, one for each of the nz - 1 layers of tiles, or of a shape that broadcasts
        to ``(nz - 1, ny - 1, nx - 1)``, as from a tilted plane or a height map; negative leaves a tile out.
    bin_count
        Number of bins; needed with ``bins``, so that slabs of a volume give arrays that add up.
    threads
        Threads to use; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    numpy.ndarray
        int64 counts of shape ``(len(values), 256)``, or ``(bin_count, len(values), 256)`` with bins.

    Raises
    ------
    BadInputError
        The labels are no integer volume, a value does not fit their dtype, or the bins do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.array([1, 2], dtype=np.uint8).repeat(8).reshape(2, 2, 4)
    >>> histograms = label_configurations(labels, [1, 2, (1, 2)])
    >>> [int(np.flatnonzero(histogram)[0]) for histogram in histograms]
    [15, 240, 255]
    """
    voxels = as_voxels(labels, "labels")
    excluded = () if outside is None else (as_label_values(outside, voxels.dtype, "outside"),)
    members, first = as_phases(values, voxels.dtype, *excluded)
    tile_bins, count = as_bins(bins, bin_count, _tiles(voxels))
    shape = (count, len(values), 256)
    counts = _histograms(voxels, members, first, tile_bins, shape, threads)
    return counts[0] if bins is None else counts


def _histograms(
    voxels: NDArray[Any],
    members: NDArray[Any],
    first: NDArray[np.int64],
    tile_bins: NDArray[np.int32],
    shape: tuple[int, int, int],
    threads: int | None,
) -> Counts:
    """Count tiles into an array of shape (bins, phases, 256); a phase beyond these is the outside."""
    if 0 in tile_bins.shape:
        return np.zeros(shape, np.int64)

    def measure(start: int, stop: int) -> Counts:
        counts = np.zeros(shape, np.int64)
        block = as_unsigned(voxels[start : stop + 1])
        _count_tiles(block, members, first, tile_bins[start:stop], counts)
        return counts

    counts: Counts = np.sum(map_slabs(measure, tile_bins.shape[0], threads), axis=0, dtype=np.int64)
    return counts


def _tiles(voxels: NDArray[Any]) -> tuple[int, ...]:
    return tuple(max(0, n - 1) for n in voxels.shape)


@kernel
def _count_tiles(voxels: Any, members: Any, first: Any, bins: Any, counts: Any) -> None:
    """Add the tiles of a block to ``counts`` of shape (bins, phases, 256)."""
    nz, ny, nx = voxels.shape
    n_phases = counts.shape[1]
    packed = first.size - 1
    along_x = bins.strides[2] != 0
    words = (nx + 63) // 64 + 1
    bits = np.zeros((2, packed, ny, words), np.uint64)
    flat_bits, flat_counts = bits.reshape(-1), counts.reshape(-1)
    valid = np.zeros(words, np.uint64)
    eight = np.zeros(8, np.uint64)
    pack_phases(voxels[0], members, first, bits[0])
    for z in range(nz - 1):
        near, far = z % 2, (z + 1) % 2
        pack_phases(voxels[z + 1], members, first, bits[far])
        for y in range(ny - 1):
            start = 0
            while start < nx - 1:  # a stretch of tiles in one bin
                bin_ = bins[z, y, start]
                stop = nx - 1
                if along_x:
                    stop = start + 1
                    while stop < nx - 1 and bins[z, y, stop] == bin_:
                        stop += 1
                w0, w1 = start // 64, (stop + 63) // 64
                if along_x or packed > n_phases or y + z == 0:
                    for w in range(w0, w1):
                        valid[w] = low_bits(stop - 64 * w) & ~low_bits(max(0, start - 64 * w))
                if packed > n_phases:
                    drop_outside(bits, near, far, n_phases, y, w0, w1, valid)
                if bin_ >= 0:
                    for p in range(n_phases):
                        low = ((near * packed + p) * ny + y) * words
                        high = ((far * packed + p) * ny + y) * words
                        table = (bin_ * n_phases + p) * 256
                        _count_row(flat_bits, low, high, words, valid, w0, w1, flat_counts, table, eight)
                start = stop


@inlined
def _count_row(
    bits: Any,
    low: int,
    high: int,
    words: int,
    valid: Any,
    w0: int,
    w1: int,
    counts: Any,
    table: int,
    eight: Any,
) -> None:
    """Count the tiles between four rows of bits: two of the lower plane, two of the higher one."""
    one, last = uint64(1), uint64(63)
    empty, full = uint64(0), uint64(0)
    a, b = bits[low + w0], bits[low + words + w0]
    c, d = bits[high + w0], bits[high + words + w0]
    for w in range(w0, w1):
        e, f = bits[low + w + 1], bits[low + words + w + 1]
        g, h = bits[high + w + 1], bits[high + words + w + 1]
        some, every = a | b | c | d, a & b & c & d
        some |= (some >> one) | ((e | f | g | h) << last)
        every &= (every >> one) | ((e & f & g & h) << last)
        empty += popcount(valid[w] & ~some)
        full += popcount(valid[w] & every)
        active = valid[w] & some & ~every
        if active != 0:
            a1, b1 = (a >> one) | (e << last), (b >> one) | (f << last)
            c1, d1 = (c >> one) | (g << last), (d >> one) | (h << last)
            transpose(a, a1, b, b1, c, c1, d, d1, eight)
            while active != 0:
                x = trailing_zeros(active)
                counts[table + int((eight[x & uint64(7)] >> (x & uint64(56))) & uint64(255))] += 1
                active &= active - one
        a, b, c, d = e, f, g, h
    counts[table] += int(empty)
    counts[table + 255] += int(full)
