"""Runs of a phase along x, and union-find over them: the compiled part of `siltomo.kernels.components`.

A row of voxels is a sorted list of edges: run i covers ``edges[2 i] <= x < edges[2 i + 1]``. Two planes of
runs are held at a time. Reaches are how far beyond its ends a run meets the runs of a neighbouring row:
0 by faces, 1 also by the diagonal, -1 not at all.
"""
# ruff: noqa: PLR0917 compiled functions take positional arguments

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint64

from siltomo.kernels._bits import pack_plane, trailing_zeros
from siltomo.kernels._jit import inlined, kernel

SMALL = 1024
"""Sizes from which on ended components are listed one by one, not counted by their size."""

SETTLE_EACH = 1 << 16
"""Labels after which those of ended components are used again."""

IN_PLANE, SAME_ROW, NEXT_ROW = 0, 1, 2
"""Places in the reaches: the row before in one plane; in the plane before the same row, the rows beside."""


@inlined
def find(parents: Any, i: int) -> int:
    """Return the root of a label, halving the path to it."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@kernel
def unite(parents: Any, i: int, j: int) -> int:
    """Join two labels and return their root, the smaller of the two roots."""
    i, j = find(parents, i), find(parents, j)
    low, high = min(i, j), max(i, j)
    parents[high] = low
    return low


@inlined
def find_edges(bits: Any, y: int, edges: Any, n: int) -> int:
    """Append the edges of the runs of row y of a plane of bits to ``edges[:n]``; return their new number.

    The guard word of zeros closes the last run.
    """
    carry = uint64(0)
    for w in range(bits.shape[1]):
        word = bits[y, w]
        changes = word ^ ((word << uint64(1)) | carry)
        carry = word >> uint64(63)
        while changes != 0:
            edges[n] = 64 * w + int(trailing_zeros(changes))
            n += 1
            changes &= changes - uint64(1)
    return n


@inlined
def link_row(
    edges: Any,
    labels: Any,
    i0: int,
    i1: int,
    others: Any,
    other_labels: Any,
    j: int,
    j1: int,
    reach: int,
    parents: Any,
) -> None:
    """Join the runs i0 to i1 of a row to the labelled runs j to j1 of a neighbouring row."""
    for i in range(i0, i1):
        start, stop = edges[2 * i] - reach, edges[2 * i + 1] + reach
        while j < j1 and others[2 * j + 1] <= start:
            j += 1
        k = j
        while k < j1 and others[2 * k] < stop:
            if labels[i] < 0:
                labels[i] = find(parents, other_labels[k])
            elif labels[i] != other_labels[k]:
                labels[i] = unite(parents, labels[i], other_labels[k])
            k += 1
        if k > j:
            j = k - 1  # the last run met may reach the next one too


@kernel
def grow(array: Any, size: int) -> Any:
    """Return a copy of an array with room for more."""
    larger = np.zeros(size, array.dtype)
    larger[: array.size] = array
    return larger


@inlined
def link_to_plane(
    y: int,
    edges: Any,
    labels: Any,
    i0: int,
    i1: int,
    rows: Any,
    others: Any,
    other_labels: Any,
    reaches: Any,
    parents: Any,
) -> None:
    """Join the runs i0 to i1 of row y to the labelled runs of the plane before."""
    link_row(edges, labels, i0, i1, others, other_labels, rows[y], rows[y + 1], reaches[SAME_ROW], parents)
    if reaches[NEXT_ROW] < 0:
        return
    for side in (y - 1, y + 1):
        if 0 <= side < rows.size - 1:
            j0, j1 = rows[side], rows[side + 1]
            link_row(edges, labels, i0, i1, others, other_labels, j0, j1, reaches[NEXT_ROW], parents)


@kernel
def label_planes(voxels: Any, members: Any, invert: bool, outside: Any, reaches: Any) -> Any:
    """Label the runs of a slab plane by plane.

    Returns ``(open_sizes, open_touching, small, large, first, last)``: the voxels of the components in the first
    and last plane and whether each touches the sides of the window or the outside; the others as `settle`
    tallies them; the two planes as ``(rows, edges, labels)``.
    """
    nz, ny, nx = voxels.shape
    words = (nx + 63) // 64 + 1
    bits = np.zeros((ny, words), np.uint64)
    around = np.zeros((3, ny, words), np.uint64)  # bits of the outside in planes z - 1, z, z + 1, modulo 3
    room = ny * ((nx + 1) // 2)
    edges, old_edges = np.empty(2 * room, np.int32), np.empty(2 * room, np.int32)
    labels, old_labels = np.empty(room, np.int32), np.empty(room, np.int32)
    rows, old_rows = np.zeros(ny + 1, np.int64), np.zeros(ny + 1, np.int64)
    parents, sizes, touching = np.zeros(1024, np.int32), np.zeros(1024, np.int64), np.zeros(1024, np.bool_)
    small, large = np.zeros((2, SMALL), np.int64), np.zeros(0, np.int64)
    first = (rows.copy(), edges[:0].copy(), labels[:0].copy())
    n, many = 0, SETTLE_EACH
    for z in range(nz):
        pack_plane(voxels[z], members, invert, bits)
        pack_outside(voxels, outside, z, around)
        count = 0
        for y in range(ny):
            begin, rows[y] = count, count
            count = find_edges(bits, y, edges, 2 * begin) // 2
            if count == begin:
                continue
            for i in range(begin, count):
                labels[i] = -1
            if z > 0:
                link_to_plane(
                    y, edges, labels, begin, count, old_rows, old_edges, old_labels, reaches, parents
                )
            if y > 0:
                reach = reaches[IN_PLANE]
                link_row(edges, labels, begin, count, edges, labels, rows[y - 1], begin, reach, parents)
            if n + count - begin > parents.size:
                larger = 2 * parents.size + count - begin
                parents, sizes, touching = grow(parents, larger), grow(sizes, larger), grow(touching, larger)
            n = add_row(edges, labels, begin, count, n, parents, sizes)
            mark_sides(edges, labels, begin, count, y == 0 or y == ny - 1, nx, touching)
            if outside.size:
                mark_contacts(bits[y], around, z, y, edges, labels, begin, touching)
        rows[ny] = count
        if z == 0:
            first = (rows.copy(), edges[: 2 * count].copy(), labels[:count].copy())
        if n > many or z == nz - 1:
            n, large = settle(parents, sizes, touching, n, first[2], labels[:count], small, large)
            many = 2 * n + SETTLE_EACH
        edges, old_edges = old_edges, edges
        labels, old_labels = old_labels, labels
        rows, old_rows = old_rows, rows
    count = old_rows[ny]
    last = (old_rows.copy(), old_edges[: 2 * count].copy(), old_labels[:count].copy())
    return sizes[:n].copy(), touching[:n].copy(), small, large, first, last


@inlined
def add_row(edges: Any, labels: Any, i0: int, i1: int, n: int, parents: Any, sizes: Any) -> int:
    """Give the runs that met no other a label of their own, count all; return the new number of labels."""
    for i in range(i0, i1):
        if labels[i] < 0:
            labels[i] = parents[n] = n
            n += 1
        sizes[labels[i]] += edges[2 * i + 1] - edges[2 * i]
    return n


@inlined
def mark_sides(edges: Any, labels: Any, i0: int, i1: int, whole_row: bool, nx: int, touching: Any) -> None:
    """Mark the labels of the runs of a row that touch the sides of the window."""
    if whole_row:
        for i in range(i0, i1):
            touching[labels[i]] = True
    if edges[2 * i0] == 0:
        touching[labels[i0]] = True
    if edges[2 * i1 - 1] == nx:
        touching[labels[i1 - 1]] = True


@kernel
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


@kernel
def mark_contacts(
    bits: Any, around: Any, z: int, y: int, edges: Any, labels: Any, run: int, touching: Any
) -> None:
    """Mark the labels of the runs of a row, the first of them given, that have a face on the outside."""
    here, ny, words = around[z % 3], around.shape[1], bits.size
    before, after = around[(z + 2) % 3], around[(z + 1) % 3]
    for w in range(words):
        near = before[y, w] | after[y, w] | (here[y, w] << uint64(1)) | (here[y, w] >> uint64(1))
        if y > 0:
            near |= here[y - 1, w]
        if y + 1 < ny:
            near |= here[y + 1, w]
        if w > 0:
            near |= here[y, w - 1] >> uint64(63)
        if w + 1 < words:
            near |= here[y, w + 1] << uint64(63)
        contacts = bits[w] & near
        while contacts != 0:
            x = 64 * w + int(trailing_zeros(contacts))
            while edges[2 * run + 1] <= x:
                run += 1
            touching[labels[run]] = True
            contacts &= contacts - uint64(1)


@kernel
def settle(
    parents: Any, sizes: Any, touching: Any, n: int, first: Any, last: Any, small: Any, large: Any
) -> Any:
    """Tally the components that are in neither plane, and number the others in the order of their runs there.

    Tallied sizes below SMALL are counted in ``small[touching, size]``, others appended to ``large``, negative
    where they touch. Parents, sizes, contacts and the labels of both planes are rewritten. Returns the number
    of components that stay, and ``large``.
    """
    numbers = np.full(n, -1, np.int32)
    gather(parents, sizes, touching, n)
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


@kernel
def gather(parents: Any, sizes: Any, touching: Any, n: int) -> None:
    """Point each label straight at its root, which gets the sizes and contacts of all."""
    for i in range(n):
        root = parents[parents[i]]  # roots are smaller, so the parent is already settled
        parents[i] = root
        if root != i:
            sizes[root] += sizes[i]
            touching[root] |= touching[i]


@kernel
def count_large(parents: Any, sizes: Any, numbers: Any) -> int:
    """Count the components that have ended and are too large for the table of small ones."""
    found = 0
    for i in range(numbers.size):
        if parents[i] == i and numbers[i] < 0 and sizes[i] >= SMALL:
            found += 1
    return found


@kernel
def link_planes(
    parents: Any,
    rows: Any,
    edges: Any,
    labels: Any,
    other_rows: Any,
    other_edges: Any,
    other_labels: Any,
    reaches: Any,
) -> None:
    """Join the labelled runs of two neighbouring planes."""
    scratch = labels.copy()  # link_row moves labels to their roots
    for y in range(rows.size - 1):
        i0, i1 = rows[y], rows[y + 1]
        link_to_plane(y, edges, scratch, i0, i1, other_rows, other_edges, other_labels, reaches, parents)


@kernel
def mark_plane_contacts(rows: Any, edges: Any, labels: Any, outside: Any, touching: Any) -> None:
    """Mark the labels of the runs of a plane that lie on the outside bits of the neighbouring plane."""
    for y in range(rows.size - 1):
        for i in range(rows[y], rows[y + 1]):
            for x in range(edges[2 * i], edges[2 * i + 1]):
                if (outside[y, x // 64] >> uint64(x % 64)) & uint64(1):
                    touching[labels[i]] = True
                    break
