"""Union-find over the runs of a block, plane by plane: the compiled part of `siltomo.kernels.components`."""
# ruff: noqa: PLR0917  compiled functions take positional arguments

from __future__ import annotations

from typing import Any

import numpy as np
from numba import uint64

from siltomo.kernels._bits import pack_plane
from siltomo.kernels._forest import SETTLE_EACH, find, grow, grow_rows, new_ended, settle
from siltomo.kernels._jit import kernel
from siltomo.kernels._runs import (
    add_profiles,
    add_sizes,
    label_plane,
    mark_contacts,
    mark_sides,
    rank_plane,
    write_labels,
)


@kernel
def label_slab_runs(
    voxels: Any, members: Any, invert: bool, outside: Any, reaches: Any, bins: Any, bin_count: int
) -> Any:
    """Find the components of a slab.

    Returns ``(still_open, ended, first, last)``: sizes, contacts, voxels by bin and number of the components in
    the first and last plane; the account of the others; the two planes as ``(bits, labels, number of runs)``.
    Lists are longer than their numbers say.
    """
    nz, ny, nx = voxels.shape
    bits, old_bits, ranks, old_ranks, labels, old_labels = two_planes(ny, nx)
    around = np.zeros((3, *bits.shape), np.uint64)  # bits of the outside in planes z - 1, z, z + 1, modulo 3
    parents, sizes, touching = np.zeros(0, np.int32), np.zeros(0, np.int64), np.zeros(0, np.bool_)
    profiles = np.zeros((0, bin_count), np.int64)
    ended = new_ended(bin_count)
    first_bits, first, first_count = old_bits, old_labels, 0
    n, many, count = 0, SETTLE_EACH, 0
    for z in range(nz):
        pack_plane(voxels[z], members, invert, bits)
        count = rank_plane(bits, ranks)
        if n + count > parents.size:
            larger = 2 * n + count
            parents, sizes, touching = grow(parents, larger), grow(sizes, larger), grow(touching, larger)
            profiles = grow_rows(profiles, larger)
        # Before the first plane the other one is empty: there is nothing to join.
        n = label_plane(bits, ranks, labels, old_bits, old_ranks, old_labels, reaches, parents, n)
        add_sizes(bits, labels, sizes)
        mark_sides(bits, ranks, nx, labels, touching)
        if outside.size > 0:
            pack_outside(voxels, outside, z, around)
            mark_contacts(bits, ranks, labels, around, z, touching)
        if bin_count > 0:
            add_profiles(bits, ranks, labels, bins, z, profiles)
        if z == 0:
            first_bits, first, first_count = grow_rows(bits, ny), grow(labels, labels.size), count
        if n > many or z == nz - 1:
            planes = (first, first_count, labels, count)
            n, ended = settle(parents, sizes, touching, profiles, n, planes, ended)
            many = 2 * n + SETTLE_EACH
        bits, old_bits = old_bits, bits
        ranks, old_ranks = old_ranks, ranks
        labels, old_labels = old_labels, labels
    still_open = (sizes, touching, profiles, n)
    return still_open, ended, (first_bits, first, first_count), (old_bits, old_labels, count)


@kernel
def label_voxels(voxels: Any, members: Any, invert: bool, reaches: Any, found: Any) -> int:
    """Write the component of each voxel, numbered from 1 by their first voxels; return how many there are."""
    nz, ny, nx = voxels.shape
    bits, old_bits, ranks, old_ranks, labels, old_labels = two_planes(ny, nx)
    parents = np.zeros(0, np.int32)
    n = 0
    for z in range(nz):
        pack_plane(voxels[z], members, invert, bits)
        count = rank_plane(bits, ranks)
        if n + count > parents.size:
            parents = grow(parents, 2 * n + count)
        n = label_plane(bits, ranks, labels, old_bits, old_ranks, old_labels, reaches, parents, n)
        write_labels(bits, ranks, labels, found[z])
        bits, old_bits = old_bits, bits
        ranks, old_ranks = old_ranks, ranks
        labels, old_labels = old_labels, labels
    numbers = np.zeros(n + 1, np.int32)
    last = 0
    for i in range(n):  # a root is its first label, so roots come in the order of their first voxels
        if parents[i] == i:
            last += 1
            numbers[i + 1] = last
        else:
            numbers[i + 1] = numbers[find(parents, i) + 1]
    for z in range(nz):
        for y in range(ny):
            for x in range(nx):
                found[z, y, x] = numbers[found[z, y, x]]
    return last


@kernel
def two_planes(ny: int, nx: int) -> Any:
    """Return bits, ranks and labels for two planes, empty."""
    words = (nx + 63) // 64 + 1
    room = ny * ((nx + 1) // 2)
    return (
        np.zeros((ny, words), np.uint64),
        np.zeros((ny, words), np.uint64),
        np.zeros((ny, words), np.int32),
        np.zeros((ny, words), np.int32),
        np.zeros(room, np.int32),
        np.zeros(room, np.int32),
    )


@kernel
def pack_outside(voxels: Any, outside: Any, z: int, around: Any) -> None:
    """Keep the bits of the outside of planes z - 1, z and z + 1, of which z + 1 is new."""
    if z == 0:
        pack_plane(voxels[0], outside, False, around[0])
    if z + 1 < voxels.shape[0]:
        pack_plane(voxels[z + 1], outside, False, around[(z + 1) % 3])
        return
    for y in range(around.shape[1]):
        for w in range(around.shape[2]):
            around[(z + 1) % 3, y, w] = uint64(0)
