"""Runs of a phase along x, and union-find over them: the compiled part of `siltomo.kernels.components`.

A plane is a plane of bits, with one label for each run of ones, in the order of rows. The run of a voxel is
found by counting the runs that start before it: those of the words before are kept (ranks), those in its word
are counted as ones of a word. Two rows are joined where runs of both begin to overlap, or where a run of one
ends beside the start of a run of the other: once for each pair of runs, without a search.
"""
# ruff: noqa: PLR0917  compiled functions take positional arguments

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint64

from siltomo.kernels._bits import pack_plane, popcount, trailing_zeros
from siltomo.kernels._jit import inlined, kernel

SMALL = 1024
"""Sizes from which on ended components are listed one by one, not counted by their size."""

SETTLE_EACH = 1 << 16
"""Labels after which those of ended components are used again."""

IN_PLANE, SAME_ROW, NEXT_ROW = 0, 1, 2
"""Places in the reaches: the row before in one plane; in the plane before the same row, the rows beside."""

NOT_AT_ALL, BY_FACES, BY_EDGES = -1, 0, 1
"""Reaches: how runs of neighbouring rows meet; by edges means one voxel further along x."""


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


@inlined
def starts(bits: Any, y: int, w: int) -> Any:
    """Return the bits of a word at which runs start."""
    carry = bits[y, w - 1] >> uint64(63) if w > 0 else uint64(0)
    return bits[y, w] & ~((bits[y, w] << uint64(1)) | carry)


@inlined
def last_start(start_bits: Any, rank: int, x: Any) -> int:
    """Return the number of the last run that starts at or before bit x, given the rank of the word."""
    return rank + int(popcount(start_bits << (uint64(63) - x))) - 1


@inlined
def rank_row(bits: Any, y: int, ranks: Any, count: int) -> int:
    """Note how many runs of the plane start before each word of a row; return how many before its end."""
    for w in range(bits.shape[1]):
        ranks[y, w] = count
        if bits[y, w] != 0:
            count += int(popcount(starts(bits, y, w)))
    return count


@kernel
def rank_plane(bits: Any) -> Any:
    """Return the ranks of a plane: how many runs start before each word."""
    ranks = np.empty(bits.shape, np.int32)
    count = 0
    for y in range(bits.shape[0]):
        count = rank_row(bits, y, ranks, count)
    return ranks


@inlined
def link_rows(
    bits: Any,
    ranks: Any,
    labels: Any,
    y: int,
    others: Any,
    other_ranks: Any,
    other_labels: Any,
    v: int,
    reach: int,
    parents: Any,
) -> None:
    """Join the runs of row y to the labelled runs of row v of the other plane."""
    one, last = uint64(1), uint64(63)
    both_before = uint64(0)
    for w in range(bits.shape[1] - 1):
        here, there = bits[y, w], others[v, w]
        both = here & there
        meet = both & ~((both << one) | (both_before >> last))
        both_before = both
        meet_next = uint64(0)
        if reach == BY_EDGES and here != 0:
            here_before, there_before = here << one, there << one
            if w > 0:
                here_before |= bits[y, w - 1] >> last
                there_before |= others[v, w - 1] >> last
            here_after = (here >> one) | (bits[y, w + 1] << last)
            there_after = (there >> one) | (others[v, w + 1] << last)
            # Where the other run has ended just before, it still is the last to have started.
            meet |= here & ~here_before & there_before & ~there
            meet_next = here & ~here_after & there_after & ~there
        if (meet | meet_next) == 0:
            continue
        here_starts, there_starts = starts(bits, y, w), starts(others, v, w)
        while meet != 0:
            x = trailing_zeros(meet)
            j = last_start(there_starts, other_ranks[v, w], x)
            join(labels, last_start(here_starts, ranks[y, w], x), other_labels[j], parents)
            meet &= meet - one
        while meet_next != 0:
            x = trailing_zeros(meet_next)
            j = last_start(there_starts, other_ranks[v, w], x) + 1
            join(labels, last_start(here_starts, ranks[y, w], x), other_labels[j], parents)
            meet_next &= meet_next - one


@inlined
def join(labels: Any, i: int, label: int, parents: Any) -> None:
    """Give run i a label, or unite the one that it has with it."""
    if labels[i] < 0:
        labels[i] = find(parents, label)
    elif labels[i] != label:
        labels[i] = unite(parents, labels[i], label)


@inlined
def link_to_plane(
    bits: Any,
    ranks: Any,
    labels: Any,
    y: int,
    others: Any,
    other_ranks: Any,
    other_labels: Any,
    reaches: Any,
    parents: Any,
) -> None:
    """Join the runs of row y to the labelled runs of the plane before."""
    for v in range(max(0, y - 1), min(bits.shape[0], y + 2)):
        reach = reaches[SAME_ROW if v == y else NEXT_ROW]
        if reach != NOT_AT_ALL:
            link_rows(bits, ranks, labels, y, others, other_ranks, other_labels, v, reach, parents)


@kernel
def link_planes(
    parents: Any,
    bits: Any,
    ranks: Any,
    labels: Any,
    others: Any,
    other_ranks: Any,
    other_labels: Any,
    reaches: Any,
) -> None:
    """Join the labelled runs of two neighbouring planes."""
    scratch = labels.copy()  # linking moves labels to their roots
    for y in range(bits.shape[0]):
        link_to_plane(bits, ranks, scratch, y, others, other_ranks, other_labels, reaches, parents)


@kernel
def label_planes(voxels: Any, members: Any, invert: bool, outside: Any, reaches: Any) -> Any:
    """Label the runs of a slab plane by plane.

    Returns ``(open_sizes, open_touching, small, large, first, last)``: the voxels of the components in the
    first and last plane and whether each touches the sides of the window or the outside; the others as
    `settle` tallies them; the two planes as ``(bits, labels)``.
    """
    nz, ny, nx = voxels.shape
    words = (nx + 63) // 64 + 1
    bits, old_bits = np.zeros((ny, words), np.uint64), np.zeros((ny, words), np.uint64)
    ranks, old_ranks = np.zeros((ny, words), np.int32), np.zeros((ny, words), np.int32)
    labels = np.empty(ny * ((nx + 1) // 2), np.int32)
    old_labels = np.empty_like(labels)
    around = np.zeros((3, ny, words), np.uint64)  # bits of the outside in planes z - 1, z, z + 1, modulo 3
    parents, sizes, touching = np.zeros(1024, np.int32), np.zeros(1024, np.int64), np.zeros(1024, np.bool_)
    small, large = np.zeros((2, SMALL), np.int64), np.zeros(0, np.int64)
    first = (bits.copy(), labels[:0].copy())
    n, many, count = 0, SETTLE_EACH, 0
    for z in range(nz):
        pack_plane(voxels[z], members, invert, bits)
        pack_outside(voxels, outside, z, around)
        count = 0
        for y in range(ny):
            begin = count
            count = rank_row(bits, y, ranks, begin)
            if count == begin:
                continue
            for i in range(begin, count):
                labels[i] = -1
            if z > 0:
                link_to_plane(bits, ranks, labels, y, old_bits, old_ranks, old_labels, reaches, parents)
            if y > 0:
                link_rows(bits, ranks, labels, y, bits, ranks, labels, y - 1, reaches[IN_PLANE], parents)
            if n + count - begin > parents.size:
                larger = 2 * parents.size + count - begin
                parents, sizes, touching = grow(parents, larger), grow(sizes, larger), grow(touching, larger)
            for i in range(begin, count):
                if labels[i] < 0:
                    labels[i] = parents[n] = n
                    n += 1
            add_sizes(bits, y, labels, begin, sizes)
            mark_sides(bits, y, nx, labels, begin, count, touching)
            if outside.size:
                mark_contacts(bits, ranks, around, z, y, labels, touching)
        if z == 0:
            first = (bits.copy(), labels[:count].copy())
        if n > many or z == nz - 1:
            n, large = settle(parents, sizes, touching, n, first[1], labels[:count], small, large)
            many = 2 * n + SETTLE_EACH
        bits, old_bits = old_bits, bits
        ranks, old_ranks = old_ranks, ranks
        labels, old_labels = old_labels, labels
    return sizes[:n].copy(), touching[:n].copy(), small, large, first, (old_bits, old_labels[:count].copy())


@kernel
def grow(array: Any, size: int) -> Any:
    """Return a copy of an array with room for more."""
    larger = np.zeros(size, array.dtype)
    larger[: array.size] = array
    return larger


@inlined
def add_sizes(bits: Any, y: int, labels: Any, run: int, sizes: Any) -> None:
    """Add the lengths of the runs of a row, the first of them given, to the sizes of their labels."""
    carry, start, inside = uint64(0), 0, False
    for w in range(bits.shape[1]):  # the guard word of zeros ends the last run
        word = bits[y, w]
        changes = word ^ ((word << uint64(1)) | carry)
        carry = word >> uint64(63)
        while changes != 0:
            x = 64 * w + int(trailing_zeros(changes))
            changes &= changes - uint64(1)
            if inside:
                sizes[labels[run]] += x - start
                run += 1
            start, inside = x, not inside


@inlined
def mark_sides(bits: Any, y: int, nx: int, labels: Any, i0: int, i1: int, touching: Any) -> None:
    """Mark the labels of the runs of a row that touch the sides of the window."""
    if y in (0, bits.shape[0] - 1):
        for i in range(i0, i1):
            touching[labels[i]] = True
    if bits[y, 0] & uint64(1):
        touching[labels[i0]] = True
    if (bits[y, (nx - 1) // 64] >> uint64((nx - 1) % 64)) & uint64(1):
        touching[labels[i1 - 1]] = True


@inlined
def pack_outside(voxels: Any, outside: Any, z: int, around: Any) -> None:
    """Keep the bits of the outside of planes z - 1, z and z + 1, of which z + 1 is new."""
    if outside.size == 0:
        return
    if z == 0:
        pack_plane(voxels[0], outside, False, around[0])
    if z + 1 < voxels.shape[0]:
        pack_plane(voxels[z + 1], outside, False, around[(z + 1) % 3])
    else:
        around[(z + 1) % 3] = uint64(0)


@inlined
def mark_contacts(bits: Any, ranks: Any, around: Any, z: int, y: int, labels: Any, touching: Any) -> None:
    """Mark the labels of the runs of a row that have a face on the outside."""
    here, (ny, words) = around[z % 3], bits.shape
    before, after = around[(z + 2) % 3], around[(z + 1) % 3]
    for w in range(words - 1):
        near = before[y, w] | after[y, w] | (here[y, w] << uint64(1)) | (here[y, w] >> uint64(1))
        near |= here[y, w + 1] << uint64(63)
        if w > 0:
            near |= here[y, w - 1] >> uint64(63)
        if y > 0:
            near |= here[y - 1, w]
        if y + 1 < ny:
            near |= here[y + 1, w]
        mark_word(bits, ranks, y, w, near, labels, touching)


@inlined
def mark_word(bits: Any, ranks: Any, y: int, w: int, near: Any, labels: Any, touching: Any) -> None:
    """Mark the labels of the runs of a word that have one of the bits given."""
    contacts = bits[y, w] & near
    while contacts != 0:
        x = trailing_zeros(contacts)
        touching[labels[last_start(starts(bits, y, w), ranks[y, w], x)]] = True
        contacts &= contacts - uint64(1)


@kernel
def mark_plane_contacts(bits: Any, ranks: Any, labels: Any, outside: Any, touching: Any) -> None:
    """Mark the labels of the runs of a plane that lie on the outside bits of the neighbouring plane."""
    for y in range(bits.shape[0]):
        for w in range(bits.shape[1]):
            mark_word(bits, ranks, y, w, outside[y, w], labels, touching)


@kernel
def settle(
    parents: Any, sizes: Any, touching: Any, n: int, first: Any, last: Any, small: Any, large: Any
) -> Any:
    """Tally the components that are in neither plane, and number the others in the order of their runs there.

    Tallied sizes below SMALL are counted in ``small[touching, size]``, others appended to ``large``, negative
    where they touch. Parents, sizes, contacts and the labels of both planes are rewritten. Returns the number
    of components that stay, and ``large``.
    """
    gather(parents, sizes, touching, n)
    numbers = np.full(n, -1, np.int32)
    kept = 0
    for plane in (first, last):
        for i in range(plane.size):
            root = parents[plane[i]]
            if numbers[root] < 0:
                numbers[root] = kept
                kept += 1
            plane[i] = numbers[root]
    open_sizes, open_touching = np.empty(kept, np.int64), np.empty(kept, np.bool_)
    ended = large.size
    large = grow(large, ended + count_large(parents, sizes, numbers))
    for i in range(n):
        if parents[i] == i:
            if numbers[i] >= 0:
                open_sizes[numbers[i]], open_touching[numbers[i]] = sizes[i], touching[i]
            elif sizes[i] < SMALL:
                small[int(touching[i]), sizes[i]] += 1
            else:
                large[ended] = -sizes[i] if touching[i] else sizes[i]
                ended += 1
    parents[:kept] = np.arange(kept)
    sizes[:kept], touching[:kept] = open_sizes, open_touching
    sizes[kept:n], touching[kept:n] = 0, False
    return kept, large


@inlined
def gather(parents: Any, sizes: Any, touching: Any, n: int) -> None:
    """Point each label straight at its root, which gets the sizes and contacts of all."""
    for i in range(n):
        root = parents[parents[i]]  # roots are smaller, so the parent is already settled
        parents[i] = root
        if root != i:
            sizes[root] += sizes[i]
            touching[root] |= touching[i]


@inlined
def count_large(parents: Any, sizes: Any, numbers: Any) -> int:
    """Count the components that have ended and are too large for the table of small ones."""
    found = 0
    for i in range(numbers.size):
        if parents[i] == i and numbers[i] < 0 and sizes[i] >= SMALL:
            found += 1
    return found
