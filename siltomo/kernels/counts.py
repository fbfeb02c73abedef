"""Voxels of each phase: in all, or in bins such as depth slabs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siltomo.kernels._bits import equal_bits, low_bits, popcount
from siltomo.kernels._jit import inlined, kernel
from siltomo.kernels._volumes import Phase, as_bins, as_phases, as_unsigned, as_voxels, map_slabs

Counts = NDArray[np.int64]


def label_counts(
    labels: ArrayLike,
    values: Sequence[Phase],
    *,
    bins: ArrayLike | None = None,
    bin_count: int | None = None,
    threads: int | None = None,
) -> Counts:
    """Count the voxels of several phases in one pass over their labels.

    Counts of blocks that do not overlap add up to those of the whole.

    Parameters
    ----------
    labels
        Integer volume of shape (z, y, x). `siltomo.kernels.grey_histogram` counts all values at once.
    values
        The phases: a label value each, or a tuple of label values for their union.
    bins
        Integer bin of each voxel, one for each plane, or of a shape that broadcasts to that of the labels,
        as from a tilted plane or a height map; negative leaves a voxel out.
    bin_count
        Number of bins; needed with ``bins``, so that blocks of a volume give arrays that add up.
    threads
        Threads to use; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    numpy.ndarray
        int64 counts of shape ``(len(values),)``, or ``(bin_count, len(values))`` with bins.

    Raises
    ------
    BadInputError
        The labels are no integer volume, a value does not fit their dtype, or the bins do not fit.

    Examples
    --------
    >>> import numpy as np
    >>> labels = np.arange(8, dtype=np.uint8).reshape(2, 2, 2)
    >>> label_counts(labels, [3, (0, 7), 9])
    array([1, 2, 0])
    >>> label_counts(labels, [3, (0, 7)], bins=[0, 1], bin_count=2)
    array([[1, 1],
           [0, 1]])
    """
    voxels = as_voxels(labels, "labels")
    members, first = as_phases(values, voxels.dtype)
    voxel_bins, count = as_bins(bins, bin_count, voxels.shape)
    shape = (count, len(values))

    def measure(start: int, stop: int) -> Counts:
        counts = np.zeros(shape, np.int64)
        _count_voxels(as_unsigned(voxels[start:stop]), members, first, voxel_bins[start:stop], counts)
        return counts

    counts: Counts = np.sum(map_slabs(measure, voxels.shape[0], threads), axis=0, dtype=np.int64)
    return counts[0] if bins is None else counts


@kernel
def _count_voxels(voxels: Any, members: Any, first: Any, bins: Any, counts: Any) -> None:
    nz, ny, nx = voxels.shape
    along_x = bins.strides[2] != 0
    for z in range(nz):
        for y in range(ny):
            row = voxels[z, y]
            start = 0
            while start < nx:  # a stretch of voxels in one bin
                bin_ = bins[z, y, start]
                stop = nx
                if along_x:
                    stop = start + 1
                    while stop < nx and bins[z, y, stop] == bin_:
                        stop += 1
                if bin_ >= 0:
                    for p in range(first.size - 1):
                        for j in range(first[p], first[p + 1]):
                            counts[bin_, p] += _count_stretch(row, start, stop, members[j])
                start = stop


@inlined
def _count_stretch(row: Any, start: int, stop: int, value: Any) -> int:
    """Count the voxels from start to stop that have a value."""
    found = 0
    whole = row.size // 64
    for w in range(start // 64, min(whole, (stop + 63) // 64)):
        inside = low_bits(stop - 64 * w) & ~low_bits(max(0, start - 64 * w))
        found += int(popcount(equal_bits(row, 64 * w, value) & inside))
    for x in range(max(start, 64 * whole), stop):
        found += int(row[x] == value)
    return found
