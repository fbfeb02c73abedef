"""Counting the values of a block, by depth bin where asked."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._jit import kernel

DENSE_LIMIT = 1 << 20
"""Pairs of bin and value that are counted in a table."""


@dataclass(frozen=True)
class Tally:
    """Voxels by bin and value: entry i counts ``counts[i]`` voxels with ``values[i]`` in bin ``bins[i]``."""

    bins: NDArray[np.int64]
    values: NDArray[np.int64]
    counts: NDArray[np.int64]


@kernel
def _count(values: Any, phase: Any, bins: Any, lowest: int, counts: Any) -> None:
    nz, ny, nx = values.shape
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                if phase[z, y, x]:
                    group = np.int64(bins[z, y, x])
                    if group >= 0:
                        counts[np.uint64(group - lowest), np.uint64(values[z, y, x])] += 1


def tally(values: NDArray[Any], phase: NDArray[np.bool_], bins: NDArray[Any], top: int) -> Tally:
    """Count the phase voxels by bin (negative: not counted) and value, 0 to ``top``.

    ``bins`` has shape (z, y, x), and may be a broadcast view.
    """
    distinct = bins[:, :1, :1] if bins.strides[1:] == (0, 0) else bins
    highest = int(distinct.max(initial=-1))
    if highest < 0:
        return merge_tallies([])
    lowest = int(distinct.min(initial=highest, where=distinct >= 0))
    if (highest - lowest + 1) * (top + 1) > DENSE_LIMIT:
        if len(values) == 1:
            return _tally_plane(values[0], phase[0], bins[0])
        planes = [slice(z, z + 1) for z in range(len(values))]
        return merge_tallies([tally(values[z], phase[z], bins[z], top) for z in planes])
    counts = np.zeros((highest - lowest + 1, top + 1), np.int64)
    # A copy is contiguous and writable, so that one version is compiled.
    _count(values, np.array(phase, np.uint8), bins, lowest, counts)
    groups, found = np.nonzero(counts)
    return Tally(groups + lowest, found, counts[groups, found])


def _tally_plane(values: NDArray[Any], phase: NDArray[np.bool_], bins: NDArray[Any]) -> Tally:
    counted = phase & (bins >= 0)
    pairs = np.stack([bins[counted].astype(np.int64), values[counted].astype(np.int64)])
    found, counts = np.unique(pairs, axis=1, return_counts=True)
    return Tally(found[0], found[1], counts.astype(np.int64))


def merge_tallies(tallies: list[Tally]) -> Tally:
    """Put the entries of several tallies into one, each pair of bin and value once."""
    if not tallies:
        return Tally(*(np.zeros(0, np.int64) for _ in range(3)))
    values, ranks = np.unique(np.concatenate([part.values for part in tallies]), return_inverse=True)
    pairs = np.concatenate([part.bins for part in tallies]) * max(values.size, 1) + ranks
    distinct, where = np.unique(pairs, return_inverse=True)
    counts = np.zeros(distinct.size, np.int64)
    np.add.at(counts, where, np.concatenate([part.counts for part in tallies]))
    return Tally(distinct // max(values.size, 1), values[distinct % max(values.size, 1)], counts)


def as_table(tallies: list[Tally], bin_count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the distinct values, ascending, and their counts of shape (bins, values)."""
    whole = merge_tallies(tallies)
    values, columns = np.unique(whole.values, return_inverse=True)
    counts = np.zeros((bin_count, values.size), np.int64)
    counts[whole.bins, columns] = whole.counts
    return values, counts


def as_bins(
    bins: NDArray[np.integer[Any]] | None, bin_count: int | None, shape: tuple[int, ...]
) -> tuple[NDArray[Any], int]:
    """Return the bin of each voxel, as a view where it does not vary, and the number of bins."""
    if bins is None:
        if bin_count is not None:
            raise BadInputError("bin_count is given without bins")
        return np.broadcast_to(np.zeros((1, 1, 1), np.int64), shape), 1
    groups = np.asarray(bins)
    if groups.dtype.kind not in "iu" or groups.shape not in (shape[:1], shape):
        raise BadInputError(
            f"bins: expected integers of shape {shape[:1]} or {shape}, got {groups.dtype} of {groups.shape}"
        )
    highest = int(groups.max(initial=-1))
    if bin_count is not None and highest >= bin_count:
        raise BadInputError(f"bins: {highest} is not below bin_count {bin_count}")
    if groups.ndim == 1:
        groups = np.broadcast_to(groups.astype(np.int64)[:, np.newaxis, np.newaxis], shape)
    return groups, highest + 1 if bin_count is None else bin_count
