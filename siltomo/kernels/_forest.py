"""Union-find over provisional labels, and what becomes of components that have ended."""
# ruff: noqa: PLR0917  compiled functions take positional arguments

from __future__ import annotations

from typing import Any

import numpy as np

from siltomo.kernels._jit import inlined, kernel

SMALL = 1024
"""Sizes from which on ended components are listed one by one, not counted by their size."""

SETTLE_EACH = 1 << 16
"""Labels after which those of ended components are used again."""


@inlined
def find(parents: Any, i: int) -> int:
    """Return the root of a label, halving the path to it."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@inlined
def unite(parents: Any, i: int, j: int) -> int:
    """Join two labels and return their root, the smaller of the two roots."""
    i, j = find(parents, i), find(parents, j)
    low, high = min(i, j), max(i, j)
    parents[high] = low
    return low


# Loops in place of slices: numba compiles an assignment to a slice twenty times slower.


@kernel
def grow(array: Any, size: int) -> Any:
    """Return a copy of a list of numbers with room for more, zeros."""
    larger = np.zeros(size, array.dtype)
    for i in range(array.size):
        larger[i] = array[i]
    return larger


@kernel
def grow_rows(rows: Any, size: int) -> Any:
    """Return a copy of rows of numbers with room for more, zeros."""
    larger = np.zeros((size, rows.shape[1]), rows.dtype)
    for i in range(rows.shape[0]):
        for b in range(rows.shape[1]):
            larger[i, b] = rows[i, b]
    return larger


@kernel
def new_ended(bin_count: int) -> Any:
    """Return an empty account of ended components, as `settle` keeps it.

    ``(small, large, totals, largest, largest_profile)``: isolated ones in row 0 and touching ones in row 1;
    how many there are of each size below SMALL; the other sizes one by one, negative where they touch; the
    voxels of all by bin; the size of the largest, and its voxels by bin.
    """
    return (
        np.zeros((2, SMALL), np.int64),
        np.zeros(0, np.int64),
        np.zeros((2, bin_count), np.int64),
        np.zeros(2, np.int64),
        np.zeros((2, bin_count), np.int64),
    )


@kernel
def settle(parents: Any, sizes: Any, touching: Any, profiles: Any, n: int, planes: Any, ended: Any) -> Any:
    """Account for the components that are in neither plane, and number the others by their first run there.

    Planes are ``(labels of the runs, their number)`` of both. Parents, sizes, contacts, profiles and labels are
    rewritten. Returns the number of components that stay, and the account.
    """
    first, first_count, last, last_count = planes
    gather(parents, sizes, touching, profiles, n)
    numbers = np.empty(n, np.int32)
    for i in range(n):
        numbers[i] = -1
    kept = 0
    for plane, count in ((first, first_count), (last, last_count)):
        for i in range(count):
            root = parents[plane[i]]
            if numbers[root] < 0:
                numbers[root] = kept
                kept += 1
            plane[i] = numbers[root]
    ended = end_components(parents, sizes, touching, profiles, numbers, ended)
    move_open(parents, sizes, touching, profiles, numbers, kept)
    return kept, ended


@kernel
def move_open(parents: Any, sizes: Any, touching: Any, profiles: Any, numbers: Any, kept: int) -> None:
    """Move the components with a number to that place, and clear the places behind them."""
    places = np.empty(kept, np.int32)
    for i in range(numbers.size):
        if numbers[i] >= 0:
            places[numbers[i]] = i
    open_sizes, open_touching = np.empty(kept, np.int64), np.empty(kept, np.bool_)
    open_profiles = np.empty((kept, profiles.shape[1]), np.int64)
    for k in range(kept):
        open_sizes[k], open_touching[k] = sizes[places[k]], touching[places[k]]
        for b in range(profiles.shape[1]):
            open_profiles[k, b] = profiles[places[k], b]
    for k in range(numbers.size):
        parents[k] = k
        sizes[k] = open_sizes[k] if k < kept else 0
        touching[k] = open_touching[k] if k < kept else False
        for b in range(profiles.shape[1]):
            profiles[k, b] = open_profiles[k, b] if k < kept else 0


@kernel
def gather(parents: Any, sizes: Any, touching: Any, profiles: Any, n: int) -> None:
    """Point each label straight at its root, which gets what all of them have."""
    for i in range(n):
        root = parents[parents[i]]  # roots are smaller, so the parent is already settled
        parents[i] = root
        if root != i:
            sizes[root] += sizes[i]
            touching[root] |= touching[i]
            for b in range(profiles.shape[1]):
                profiles[root, b] += profiles[i, b]


@kernel
def end_components(parents: Any, sizes: Any, touching: Any, profiles: Any, numbers: Any, ended: Any) -> Any:
    """Add the components without a number to the account."""
    small, large, totals, largest, largest_profile = ended
    listed = large.size
    large = grow(large, listed + count_large(parents, sizes, numbers))
    for i in range(numbers.size):
        if parents[i] != i or numbers[i] >= 0:
            continue
        kind = int(touching[i])
        if sizes[i] < SMALL:
            small[kind, sizes[i]] += 1
        else:
            large[listed] = -sizes[i] if kind else sizes[i]
            listed += 1
        if profiles.shape[1] > 0:
            first = exceeds(sizes[i], profiles[i], largest[kind], largest_profile[kind])
            largest[kind] = sizes[i] if first else largest[kind]
            for b in range(profiles.shape[1]):
                totals[kind, b] += profiles[i, b]
                if first:
                    largest_profile[kind, b] = profiles[i, b]
    return small, large, totals, largest, largest_profile


@kernel
def exceeds(size: int, profile: Any, other_size: int, other_profile: Any) -> bool:
    """Tell whether a component comes before another: by size, else by the first bin in which they differ.

    A total order: which of two equal ones is the largest must not depend on the order of merging.
    """
    if size != other_size:
        return bool(size > other_size)
    for b in range(profile.size):
        if profile[b] != other_profile[b]:
            return bool(profile[b] > other_profile[b])
    return False


@kernel
def count_large(parents: Any, sizes: Any, numbers: Any) -> int:
    """Count the components without a number that are too large for the table of small ones."""
    found = 0
    for i in range(numbers.size):
        if parents[i] == i and numbers[i] < 0 and sizes[i] >= SMALL:
            found += 1
    return found
