"""Connected components of a phase: exact sizes and contacts, in memory or slab by slab."""

from __future__ import annotations

from functools import reduce
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._bits import pack_plane
from siltomo.kernels._forest import SETTLE_EACH
from siltomo.kernels._labelling import label_slab_runs, label_voxels
from siltomo.kernels._volumes import Phase, as_bins, as_label_values, as_unsigned, as_voxels, map_slabs
from siltomo.kernels.component_slabs import (
    REACHES,
    Components,
    Connectivity,
    Ended,
    Open,
    Plane,
    SlabComponents,
)

__all__ = [
    "Components",
    "Connectivity",
    "SlabComponents",
    "component_labels",
    "component_sizes",
    "label_slab",
]

Ints = NDArray[np.int64]


def component_sizes(mask: ArrayLike, connectivity: Connectivity = 6, *, threads: int | None = None) -> Ints:
    """Return the sizes of the connected components of a mask.

    Parameters
    ----------
    mask
        Volume of shape (z, y, x); booleans, or integers of which all but 0 are the phase.
    connectivity
        6: voxels hang together by faces; 18: by faces and edges; 26: by faces, edges and corners.
    threads
        Threads to use; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    numpy.ndarray
        int64 numbers of voxels, descending; empty for an empty mask.

    Raises
    ------
    BadInputError
        The mask is no volume of booleans or integers, or the connectivity is none of 6, 18, 26.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((2, 2, 4), dtype=bool)
    >>> mask[0, 0, :2] = mask[1, 1, 2] = True
    >>> component_sizes(mask, 6), component_sizes(mask, 26)
    (array([2, 1]), array([3]))
    """
    return label_slab(mask, connectivity=connectivity, threads=threads).finish().sizes


def component_labels(
    mask: ArrayLike, connectivity: Connectivity = 6, *, value: Phase | None = None
) -> NDArray[np.int32]:
    """Give each voxel the number of its connected component.

    Parameters
    ----------
    mask
        Volume of shape (z, y, x): booleans, or integer labels.
    connectivity
        6: voxels hang together by faces; 18: by faces and edges; 26: by faces, edges and corners.
    value
        Label value, or values, of the phase; by default all but 0.

    Returns
    -------
    numpy.ndarray
        int32 numbers of the shape of the mask: 0 outside of the phase, then 1, 2, ... in the order in which
        components are met, x fastest; as `scipy.ndimage.label` numbers them.

    Raises
    ------
    BadInputError
        The mask is no volume of booleans or integers, or the connectivity is none of 6, 18, 26.

    Examples
    --------
    >>> import numpy as np
    >>> component_labels(np.array([[[1, 0, 1, 1]]], dtype=bool))
    array([[[1, 0, 2, 2]]], dtype=int32)
    """
    _check(connectivity)
    if np.size(mask) >= 1 << 31:
        raise BadInputError(
            f"mask: {np.size(mask)} voxels are more than 32-bit labels are made for",
            fix="ask for component_sizes, or label_slab slab by slab",
        )
    voxels = as_voxels(mask, "mask")
    members = as_label_values(0 if value is None else value, voxels.dtype, "value")
    found = np.zeros(voxels.shape, np.int32)
    label_voxels(
        as_unsigned(voxels), members, value is None, np.array(REACHES[connectivity], np.int64), found
    )
    return found


def label_slab(
    labels: ArrayLike,
    *,
    connectivity: Connectivity = 6,
    value: Phase | None = None,
    outside: Phase | None = None,
    bins: ArrayLike | None = None,
    bin_count: int | None = None,
    threads: int | None = None,
) -> SlabComponents:
    """Find the components of a phase in a slab of whole planes.

    Parameters
    ----------
    labels
        Slab of shape (z, y, x) with at least one plane: a mask, or integer labels.
    connectivity
        6: voxels hang together by faces; 18: by faces and edges; 26: by faces, edges and corners.
    value
        Label value, or values, of the phase; by default all but 0.
    outside
        Label value, or values, outside of the domain; components with a face on such a voxel touch.
    bins
        Integer bin of each voxel, one for each plane, or of a shape that broadcasts to that of the labels, as
        from a tilted plane or a height map; negative is none. They split the voxels that are counted, not the
        components.
    bin_count
        Number of bins; needed with ``bins``.
    threads
        Threads to use; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    SlabComponents
        To be merged with neighbouring slabs, then finished: ``reduce(SlabComponents.merge, slabs).finish()``.

    Raises
    ------
    BadInputError
        The labels are no slab of booleans or integers, the connectivity is none of 6, 18, 26, or the bins do
        not fit.

    Notes
    -----
    Memory does not grow with the number of planes; `component_bytes` bounds it.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.ones((4, 3, 3), dtype=bool)
    >>> label_slab(mask[:1]).merge(label_slab(mask[1:])).finish().sizes
    array([36])
    """
    voxels = as_voxels(labels, "labels")
    _check(connectivity)
    if voxels.shape[0] == 0:
        raise BadInputError(f"labels: a slab needs at least one plane, got shape {voxels.shape}")
    members = as_label_values(0 if value is None else value, voxels.dtype, "value")
    excluded = as_label_values(() if outside is None else outside, voxels.dtype, "outside")
    voxel_bins, count = as_bins(bins, bin_count, voxels.shape)
    count = 0 if bins is None else count
    reaches = np.array(REACHES[connectivity], np.int64)

    def label(start: int, stop: int) -> SlabComponents:
        block = as_unsigned(voxels[start:stop])
        still_open, account, first, last = label_slab_runs(
            block, members, value is None, excluded, reaches, voxel_bins[start:stop], count
        )
        return SlabComponents(
            connectivity,
            (stop - start, voxels.shape[1], voxels.shape[2]),
            Ended.read(account),
            Open.read(still_open),
            _plane(first, block[0], excluded),
            _plane(last, block[-1], excluded),
        )

    return reduce(SlabComponents.merge, map_slabs(label, voxels.shape[0], threads))


def component_bytes(rows: int, columns: int, bin_count: int = 0) -> int:
    """Return an upper bound of the memory that `label_slab` needs on one thread beside its input, in bytes.

    Parameters
    ----------
    rows, columns
        Shape of a plane.
    bin_count
        Number of bins, 0 for none.

    Notes
    -----
    Reached by a phase that is a checkerboard; cracks and pores need a twentieth of it.
    """
    runs = rows * ((columns + 1) // 2)
    # Open are at most the runs of the first and last plane; labels are used again once there are more than twice
    # as many; lists are grown to twice their need, with the shorter list beside the longer one.
    labels = 2 * (2 * 2 * runs + SETTLE_EACH + runs) + runs
    lists = labels * (13 + 8 * bin_count) * 3 // 2
    planes = 4 * 4 * runs + 8 * 6 * rows * (columns // 64 + 2)
    return lists + planes + (1 << 20)


def _plane(
    found: tuple[NDArray[np.uint64], NDArray[np.int32], int], voxels: NDArray[Any], excluded: NDArray[Any]
) -> Plane:
    bits, labels, count = found
    outside = np.zeros_like(bits) if excluded.size else np.zeros((0, 0), np.uint64)
    if excluded.size:
        pack_plane(voxels, excluded, False, outside)
    return Plane(bits, labels[:count].copy(), outside)


def _check(connectivity: int) -> None:
    if connectivity not in REACHES:
        raise BadInputError(f"unknown connectivity {connectivity!r}; known: 6, 18, 26")
