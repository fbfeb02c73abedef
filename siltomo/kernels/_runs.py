"""Runs of a phase along x in planes of bits: how they are found, joined, labelled and counted.

A plane is a plane of bits, with one label for each run of ones, in the order of rows. The run of a voxel is
found by counting the runs that start before it: those of the words before are kept (ranks), those in its word
are counted as ones of a word. Two rows are joined where runs of both begin to overlap, or where a run of one
ends beside the start of a run of the other: once for each pair of runs, without a search.
"""
# ruff: noqa: PLR0917  compiled functions take positional arguments

from __future__ import annotations

from typing import Any

from numba import uint64

from siltomo.kernels._bits import popcount, trailing_zeros
from siltomo.kernels._forest import find, unite
from siltomo.kernels._jit import inlined, kernel

IN_PLANE, SAME_ROW, NEXT_ROW = 0, 1, 2
"""Places in the reaches: the row before in one plane; in the plane before the same row, the rows beside."""

NOT_AT_ALL, BY_FACES, BY_EDGES = -1, 0, 1
"""Reaches: how runs of neighbouring rows meet; by edges means one voxel further along x."""


@inlined
def starts(bits: Any, y: int, w: int) -> Any:
    """Return the bits of a word at which runs start."""
    carry = bits[y, w - 1] >> uint64(63) if w > 0 else uint64(0)
    return bits[y, w] & ~((bits[y, w] << uint64(1)) | carry)


@inlined
def last_start(start_bits: Any, rank: int, x: Any) -> int:
    """Return the number of the last run that starts at or before bit x, given the rank of the word."""
    return rank + int(popcount(start_bits << (uint64(63) - x))) - 1


@kernel
def rank_plane(bits: Any, ranks: Any) -> int:
    """Note how many runs of the plane start before each word; return how many there are."""
    count = 0
    for y in range(bits.shape[0]):
        for w in range(bits.shape[1]):
            ranks[y, w] = count
            if bits[y, w] != 0:
                count += int(popcount(starts(bits, y, w)))
    return count


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
    bits: Any,
    ranks: Any,
    labels: Any,
    others: Any,
    other_ranks: Any,
    other_labels: Any,
    reaches: Any,
    parents: Any,
) -> None:
    """Join the labelled runs of two neighbouring planes; labels move towards their roots."""
    for y in range(bits.shape[0]):
        link_to_plane(bits, ranks, labels, y, others, other_ranks, other_labels, reaches, parents)


@kernel
def label_plane(
    bits: Any,
    ranks: Any,
    labels: Any,
    others: Any,
    other_ranks: Any,
    other_labels: Any,
    reaches: Any,
    parents: Any,
    n: int,
) -> int:
    """Label the runs of a plane after those of the plane before; return the new number of labels."""
    end = bits.shape[1] - 1  # at the guard word all runs of the row have started
    for y in range(bits.shape[0]):
        begin, stop = ranks[y, 0], ranks[y, end]
        if begin == stop:
            continue
        for i in range(begin, stop):
            labels[i] = -1
        link_to_plane(bits, ranks, labels, y, others, other_ranks, other_labels, reaches, parents)
        if y > 0:
            reach = reaches[IN_PLANE]
            link_rows(bits, ranks, labels, y, bits, ranks, labels, y - 1, reach, parents)
        for i in range(begin, stop):
            if labels[i] < 0:
                labels[i] = parents[n] = n
                n += 1
    return n


@kernel
def add_sizes(bits: Any, labels: Any, sizes: Any) -> None:
    """Add the lengths of the runs of a plane to the sizes of their labels."""
    run = 0
    for y in range(bits.shape[0]):
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


@kernel
def add_profiles(bits: Any, ranks: Any, labels: Any, bins: Any, z: int, profiles: Any) -> None:
    """Add the voxels of plane z to the profiles of their labels; a negative bin is none."""
    for y in range(bits.shape[0]):
        for w in range(bits.shape[1]):
            word = bits[y, w]
            while word != 0:
                x = trailing_zeros(word)
                word &= word - uint64(1)
                bin_ = bins[z, y, 64 * w + int(x)]
                if bin_ >= 0:
                    profiles[labels[last_start(starts(bits, y, w), ranks[y, w], x)], bin_] += 1


@kernel
def write_labels(bits: Any, ranks: Any, labels: Any, found: Any) -> None:
    """Write the label of each voxel of a plane, plus one."""
    for y in range(bits.shape[0]):
        for w in range(bits.shape[1]):
            word = bits[y, w]
            start_bits = starts(bits, y, w)
            while word != 0:
                x = trailing_zeros(word)
                word &= word - uint64(1)
                found[y, 64 * w + int(x)] = labels[last_start(start_bits, ranks[y, w], x)] + 1


@kernel
def mark_sides(bits: Any, ranks: Any, nx: int, labels: Any, touching: Any) -> None:
    """Mark the labels of the runs of a plane that touch the sides of the window."""
    ny, end = bits.shape[0], bits.shape[1] - 1
    left, right, last = uint64(1), (nx - 1) // 64, uint64((nx - 1) % 64)
    for y in range(ny):
        if y in (0, ny - 1):
            for i in range(ranks[y, 0], ranks[y, end]):
                touching[labels[i]] = True
        if bits[y, 0] & left:
            touching[labels[ranks[y, 0]]] = True
        if (bits[y, right] >> last) & uint64(1):
            touching[labels[ranks[y, end] - 1]] = True


@kernel
def mark_contacts(bits: Any, ranks: Any, labels: Any, around: Any, z: int, touching: Any) -> None:
    """Mark the labels of the runs of plane z that have a face on the outside."""
    ny, words = bits.shape
    before, here, after = (z + 2) % 3, z % 3, (z + 1) % 3
    for y in range(ny):
        for w in range(words - 1):
            middle = around[here, y, w]
            near = around[before, y, w] | around[after, y, w] | (middle << uint64(1)) | (middle >> uint64(1))
            near |= around[here, y, w + 1] << uint64(63)
            if w > 0:
                near |= around[here, y, w - 1] >> uint64(63)
            if y > 0:
                near |= around[here, y - 1, w]
            if y + 1 < ny:
                near |= around[here, y + 1, w]
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
