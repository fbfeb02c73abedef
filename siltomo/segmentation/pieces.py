"""Connected pieces of a selection over a whole volume, slab by slab: small ones removed, holes filled."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from siltomo.kernels import component_labels
from siltomo.segmentation.scratch import Slabs
from siltomo.segmentation.sizes import Spacing, voxels_of
from siltomo.segmentation.steps import Connectivity, Fill, RemoveSmall

__all__ = ["change_pieces"]

Codes = NDArray[np.uint8]
Ints = NDArray[np.int64]


@dataclass
class _Census:
    """What is known of the pieces, numbered slab after slab."""

    sizes: list[Ints]
    keeps: list[NDArray[np.bool_]]
    """Whether a piece touches the border of the volume, or the outside of the domain."""
    links: list[Ints]
    """Pairs of pieces of neighbouring slabs that are one."""


def change_pieces(
    step: RemoveSmall | Fill, taken: Slabs, given: Slabs, spacing: Spacing, told: Callable[[], None]
) -> None:
    """Carry out ``remove_small`` or ``fill`` on classes that are kept on disk.

    The slabs are labelled twice: once to learn how large each piece is in all, once to change the voxels. The
    answer does not depend on how deep the slabs are.

    Parameters
    ----------
    step
        The step.
    taken, given
        Selection that is read, and where the answer is kept.
    spacing
        Edges of a voxel, in um.
    told
        Called after each slab.
    """
    value = 1 if isinstance(step, RemoveSmall) else 2
    census = _Census([], [], [])
    before: NDArray[np.int64] | None = None
    offset = 0
    for start, stop in taken.ranges:
        codes = taken.read(start, stop)
        pieces = component_labels(codes, step.connectivity, value=value)
        count = int(pieces.max(initial=0))
        census.sizes.append(np.bincount(pieces.ravel(), minlength=count + 1)[1:])
        ends = (start == 0, stop == taken.shape[0])
        census.keeps.append(_touching(codes, pieces, count, ends, step.connectivity))
        if before is not None:
            census.links.append(_links(before, pieces[0], offset, step.connectivity))
        before = _numbered(pieces[-1], offset)
        offset += count
        told()
    changes = _decide(step, census, offset, spacing)
    offset = 0
    for start, stop in taken.ranges:
        codes = taken.read(start, stop)
        pieces = component_labels(codes, step.connectivity, value=value)
        count = int(pieces.max(initial=0))
        change = np.concatenate([[False], changes[offset : offset + count]])
        codes[change[pieces]] = 3 - value
        given.write(start, codes)
        offset += count
        told()


def _numbered(plane: NDArray[np.int32], offset: int) -> NDArray[np.int64]:
    """Return pieces of a plane by their number in the volume, from 1; 0 for none."""
    return np.where(plane > 0, plane.astype(np.int64) + offset, 0)


def _links(
    above: NDArray[np.int64], plane: NDArray[np.int32], offset: int, connectivity: Connectivity
) -> Ints:
    """Return the pairs of pieces that hang together across two planes."""
    below = _numbered(plane, offset)
    reach = {6: 0, 18: 1, 26: 2}[connectivity]
    found = []
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            if abs(dy) + abs(dx) > reach:
                continue
            one, two = _overlap(above, dy, dx), _overlap(below, -dy, -dx)
            both = (one > 0) & (two > 0)
            if both.any():
                found.append(np.unique(np.stack([one[both], two[both]], axis=1), axis=0))
    return np.unique(np.concatenate(found), axis=0) if found else np.zeros((0, 2), np.int64)


def _overlap(plane: NDArray[np.int64], dy: int, dx: int) -> NDArray[np.int64]:
    rows = slice(max(0, dy), plane.shape[0] + min(0, dy))
    columns = slice(max(0, dx), plane.shape[1] + min(0, dx))
    return plane[rows, columns]


def _touching(
    codes: Codes, pieces: NDArray[np.int32], count: int, ends: tuple[bool, bool], connectivity: Connectivity
) -> NDArray[np.bool_]:
    """Return which pieces reach the border of the volume or a voxel outside of the domain."""
    found = np.zeros(count + 1, np.bool_)
    faces = [pieces[:, 0], pieces[:, -1], pieces[:, :, 0], pieces[:, :, -1]]
    faces += [pieces[0]] if ends[0] else []
    faces += [pieces[-1]] if ends[1] else []
    for face in faces:
        found[np.unique(face)] = True
    del connectivity
    if not codes.all():
        outside = codes == 0
        for axis in range(3):
            low = [slice(None)] * 3
            high = [slice(None)] * 3
            low[axis], high[axis] = slice(None, -1), slice(1, None)
            found[np.unique(pieces[tuple(low)][outside[tuple(high)]])] = True
            found[np.unique(pieces[tuple(high)][outside[tuple(low)]])] = True
    return found[1:]


def _decide(step: RemoveSmall | Fill, census: _Census, count: int, spacing: Spacing) -> NDArray[np.bool_]:
    """Return which pieces, numbered slab after slab, change sides."""
    sizes = np.concatenate(census.sizes)
    links = np.concatenate([np.zeros((0, 2), np.int64), *census.links]) - 1
    graph = coo_array((np.ones(len(links), np.bool_), (links[:, 0], links[:, 1])), shape=(count, count))
    number, whole = connected_components(graph, directed=False) if count else (0, np.zeros(0, np.intp))
    total = np.bincount(whole, sizes, minlength=number)
    if isinstance(step, RemoveSmall):
        changes = total < voxels_of(step.size, spacing)
    else:
        open_ = np.bincount(whole, np.concatenate(census.keeps), minlength=number) > 0
        limit = np.inf if step.size is None else voxels_of(step.size, spacing)
        changes = ~open_ & (total <= limit)
    return np.asarray(changes[whole])
