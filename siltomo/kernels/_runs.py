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

from siltomo.kernels._bits import low_bits, pack_plane, popcount, trailing_zeros
from siltomo.kernels._forest import SETTLE_EACH, find, grow, grow_rows, new_ended, settle, unite
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
def label_planes(
    voxels: Any, members: Any, invert: bool, outside: Any, reaches: Any, bins: Any, bin_count: int
) -> Any:
    """Label the runs of a slab plane by plane.

    Returns ``(still_open, ended, first, last)``: sizes, contacts, voxels by bin and number of the components in
    the first and last plane; the account of the others; the two planes as ``(bits, labels, number of runs)``.
    Lists are longer than their numbers say.
    """
    nz, ny, nx = voxels.shape
    words = (nx + 63) // 64 + 1
    bits, old_bits = np.zeros((ny, words), np.uint64), np.zeros((ny, words), np.uint64)
    ranks, old_ranks = np.zeros((ny, words), np.int32), np.zeros((ny, words), np.int32)
    room = ny * ((nx + 1) // 2)
    labels, old_labels = np.empty(room, np.int32), np.empty(room, np.int32)
    around = np.zeros((3, ny, words), np.uint64)  # bits of the outside in planes z - 1, z, z + 1, modulo 3
    parents, sizes, touching = np.zeros(1024, np.int32), np.zeros(1024, np.int64), np.zeros(1024, np.bool_)
    profiles = np.zeros((1024, bin_count), np.int64)
    ended = new_ended(bin_count)
    first_bits, first = old_bits, old_labels
    n, many, count, first_count = 0, SETTLE_EACH, 0, 0
    for z in range(nz):
        pack_plane(voxels[z], members, invert, bits)
        pack_outside(voxels, outside, z, around)
        count = 0
        for y in range(ny):
            begin = count
            count = rank_row(bits, y, ranks, begin)
            if count == begin:
                continue
            clear(labels, begin, count)
            if z > 0:
                link_to_plane(bits, ranks, labels, y, old_bits, old_ranks, old_labels, reaches, parents)
            if y > 0:
                reach = reaches[IN_PLANE]
                link_rows(bits, ranks, labels, y, bits, ranks, labels, y - 1, reach, parents)
            if n + count - begin > parents.size:
                larger = 2 * parents.size + count - begin
                parents, sizes, touching = grow(parents, larger), grow(sizes, larger), grow(touching, larger)
                profiles = grow_rows(profiles, larger)
            n = add_labels(labels, begin, count, parents, n)
            add_sizes(bits, y, labels, begin, sizes)
            if bin_count > 0:
                add_profiles(bits, ranks, z, y, labels, bins, profiles)
            mark_sides(bits, y, nx, labels, begin, count, touching)
            if outside.size:
                mark_contacts(bits, ranks, around, z, y, labels, touching)
        if z == 0:
            first_bits, first, first_count = grow_rows(bits, ny), grow(labels, room), count
        if n > many or z == nz - 1:
            planes = (first, first_count, labels, count)
            n, ended = settle(parents, sizes, touching, profiles, n, planes, ended)
            many = 2 * n + SETTLE_EACH
        bits, old_bits = old_bits, bits
        ranks, old_ranks = old_ranks, ranks
        labels, old_labels = old_labels, labels
    still_open = (sizes, touching, profiles, n)
    return still_open, ended, (first_bits, first, first_count), (old_bits, old_labels, count)


@inlined
def clear(labels: Any, i0: int, i1: int) -> None:
    """Leave the runs i0 to i1 without a label."""
    for i in range(i0, i1):
        labels[i] = -1


@inlined
def add_labels(labels: Any, i0: int, i1: int, parents: Any, n: int) -> int:
    """Give those of the runs i0 to i1 that met no other a new label; return how many labels there are."""
    for i in range(i0, i1):
        if labels[i] < 0:
            labels[i] = parents[n] = n
            n += 1
    return n


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


@kernel
def add_profiles(bits: Any, ranks: Any, z: int, y: int, labels: Any, bins: Any, profiles: Any) -> None:
    """Add the voxels of a row to the profiles of their labels; a negative bin is none."""
    for w in range(bits.shape[1]):
        word = bits[y, w]
        while word != 0:
            x = trailing_zeros(word)
            label = labels[last_start(starts(bits, y, w), ranks[y, w], x)]
            run = min(int(trailing_zeros(~(word >> x))), 64 - int(x))  # its voxels in this word
            if bins.strides[2] == 0:
                if bins[z, y, 0] >= 0:
                    profiles[label, bins[z, y, 0]] += run
            else:
                for place in range(64 * w + int(x), 64 * w + int(x) + run):
                    if bins[z, y, place] >= 0:
                        profiles[label, bins[z, y, place]] += 1
            word &= ~(low_bits(run) << x)


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
        for y in range(around.shape[1]):
            for w in range(around.shape[2]):
                around[(z + 1) % 3, y, w] = uint64(0)


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
