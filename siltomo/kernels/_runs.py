"""Runs of a phase along x, and union-find over them: the compiled part of `siltomo.kernels.components`.

A row of voxels is a sorted list of edges: run i covers ``edges[2 i] <= x < edges[2 i + 1]``. Two planes of
runs are held at a time. Reaches are how far beyond its ends a run meets the runs of a neighbouring row:
0 by faces, 1 also by the diagonal, -1 not at all.
"""
# ruff: noqa: PLR0917 compiled functions take positional arguments

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, uint64

from siltomo.kernels._bits import pack_plane, trailing_zeros

IN_PLANE, SAME_ROW, NEXT_ROW = 0, 1, 2
"""Places in the reaches: the row before in one plane; in the plane before the same row, the rows beside."""


@njit(nogil=True, cache=True)
def find(parents: Any, i: int) -> int:
    """Return the root of a label, halving the path to it."""
    while parents[i] != i:
        parents[i] = parents[parents[i]]
        i = parents[i]
    return i


@njit(nogil=True, cache=True)
def unite(parents: Any, i: int, j: int) -> int:
    """Join two labels and return their root, the smaller of the two roots."""
    i, j = find(parents, i), find(parents, j)
    low, high = min(i, j), max(i, j)
    parents[high] = low
    return low


@njit(nogil=True, cache=True)
def find_edges(bits: Any, edges: Any, n: int) -> int:
    """Append the edges of the runs of a row of bits to ``edges[:n]``; return their new number.

    The guard word of zeros closes the last run.
    """
    carry = uint64(0)
    for w in range(bits.size):
        word = bits[w]
        changes = word ^ ((word << uint64(1)) | carry)
        carry = word >> uint64(63)
        while changes != 0:
            edges[n] = 64 * w + int(trailing_zeros(changes))
            n += 1
            changes &= changes - uint64(1)
    return n


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def grow(array: Any, size: int) -> Any:
    """Return a copy of an array with room for more."""
    larger = np.zeros(size, array.dtype)
    larger[: array.size] = array
    return larger


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def label_planes(voxels: Any, members: Any, invert: bool, outside: Any, reaches: Any) -> Any:
    """Label the runs of a slab plane by plane.

    Returns ``(parents, sizes, touching, first, last)``: the union-find forest over provisional labels with
    the voxels of each and whether it touches the sides of the window or the outside, and the first and last
    plane as ``(rows, edges, labels)``.
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
    first = (rows.copy(), edges[:0].copy(), labels[:0].copy())
    n = 0
    for z in range(nz):
        pack_plane(voxels[z], members, invert, bits)
        pack_outside(voxels, outside, z, around)
        count = 0
        for y in range(ny):
            begin, rows[y] = count, count
            count = find_edges(bits[y], edges, 2 * begin) // 2
            labels[begin:count] = -1
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
        edges, old_edges = old_edges, edges
        labels, old_labels = old_labels, labels
        rows, old_rows = old_rows, rows
    count = old_rows[ny]
    last = (old_rows.copy(), old_edges[: 2 * count].copy(), old_labels[:count].copy())
    return parents[:n].copy(), sizes[:n].copy(), touching[:n].copy(), first, last


@njit(nogil=True, cache=True)
def add_row(edges: Any, labels: Any, i0: int, i1: int, n: int, parents: Any, sizes: Any) -> int:
    """Give the runs that met no other a label of their own, count all; return the new number of labels."""
    for i in range(i0, i1):
        if labels[i] < 0:
            labels[i] = parents[n] = n
            n += 1
        sizes[labels[i]] += edges[2 * i + 1] - edges[2 * i]
    return n


@njit(nogil=True, cache=True)
def mark_sides(edges: Any, labels: Any, i0: int, i1: int, whole_row: bool, nx: int, touching: Any) -> None:
    """Mark the labels of the runs of a row that touch the sides of the window."""
    if i0 == i1:
        return
    if whole_row:
        for i in range(i0, i1):
            touching[labels[i]] = True
    if edges[2 * i0] == 0:
        touching[labels[i0]] = True
    if edges[2 * i1 - 1] == nx:
        touching[labels[i1 - 1]] = True


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def gather(parents: Any, sizes: Any, touching: Any) -> None:
    """Point each label straight at its root, which gets the sizes and contacts of all."""
    for i in range(parents.size):
        root = parents[parents[i]]  # roots are smaller, so the parent is already settled
        parents[i] = root
        if root != i:
            sizes[root] += sizes[i]
            touching[root] |= touching[i]


@njit(nogil=True, cache=True)
def number_open(parents: Any, first: Any, last: Any) -> Any:
    """Give the components of the first and last plane numbers in order of appearance.

    Returns ``(number of each root or -1, roots)`` and rewrites the labels of both planes to the numbers.
    """
    numbers = np.full(parents.size, -1, np.int32)
    roots = np.empty(min(parents.size, first.size + last.size), np.int32)
    n = 0
    for plane in (first, last):
        for i in range(plane.size):
            root = parents[plane[i]]
            if numbers[root] < 0:
                numbers[root] = n
                roots[n] = root
                n += 1
            plane[i] = numbers[root]
    return numbers, roots[:n].copy()


@njit(nogil=True, cache=True)
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


@njit(nogil=True, cache=True)
def mark_plane_contacts(rows: Any, edges: Any, labels: Any, outside: Any, touching: Any) -> None:
    """Mark the labels of the runs of a plane that lie on the outside bits of the neighbouring plane."""
    for y in range(rows.size - 1):
        for i in range(rows[y], rows[y + 1]):
            for x in range(edges[2 * i], edges[2 * i + 1]):
                if (outside[y, x // 64] >> uint64(x % 64)) & uint64(1):
                    touching[labels[i]] = True
                    break
