"""Exact squared Euclidean distance to the background, in integers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._field import squared_distances
from siltomo.kernels._grid import as_mask, as_outside, lattice
from siltomo.kernels._workers import thread_count

__all__ = ["NoBackgroundError", "squared_distance"]


class NoBackgroundError(BadInputError):
    """The window holds the phase and no background voxel: no distance is defined."""

    def __init__(self) -> None:
        super().__init__(
            "the window holds no background voxel, so that no distance to the background is defined",
            fix="use a window in which the phase ends",
        )


def squared_distance(
    mask: NDArray[np.bool_],
    spacing: Sequence[float] = (1, 1, 1),
    *,
    outside: NDArray[np.bool_] | None = None,
    threads: int | None = None,
) -> NDArray[Any]:
    """Measure the squared distance from each phase voxel centre to the nearest background voxel centre.

    The borders of the array are not background.

    Parameters
    ----------
    mask
        Booleans of shape (z, y, x): True in the phase, False in the background.
    spacing
        Voxel edges (z, y, x), in any one unit. Unequal edges are taken as the smallest whole multiples of a
        common step that match them within 1e-6, and the distances on that lattice are exact.
    outside
        Booleans of the same shape: voxels that are neither phase nor background, as if they lay beyond the
        window.
    threads
        At most so many threads; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    Array of the shape of the mask, 0 outside the phase. With whole edges, as by default: exact unsigned
    integers in the square of the unit of ``spacing``, of the narrowest of ``uint16`` (distances below 256),
    ``uint32`` and ``uint64`` that holds them. Else ``float64``: the exact integer multiple of the squared
    step, rounded.

    Raises
    ------
    NoBackgroundError
        The mask has phase voxels and there is no background voxel.
    BadInputError
        The mask is not a boolean volume, the spacing is not positive, or the shapes differ.

    Notes
    -----
    Separable passes after Saito and Toriwaki (1994), doi:10.1016/0031-3203(94)90133-9. Memory beside the
    mask: the answer itself, each row longer by 32 voxels.

    Examples
    --------
    >>> import numpy as np
    >>> slit = np.ones((1, 1, 7), bool)
    >>> slit[0, 0, 1] = False
    >>> squared_distance(slit)[0, 0]
    array([ 1,  0,  1,  4,  9, 16, 25], dtype=uint16)
    >>> squared_distance(slit, (0.5, 0.5, 0.5))[0, 0]
    array([0.25, 0.  , 0.25, 1.  , 2.25, 4.  , 6.25])
    """
    phase = as_mask(mask)
    beyond = as_outside(outside, phase)
    grid = lattice(spacing)
    inside = phase if beyond is None else phase | beyond
    if not phase.any():
        return np.zeros(phase.shape, _answer_type(spacing))
    found = squared_distances(inside, grid.weights, threads=thread_count(threads))
    if found is None:
        raise NoBackgroundError
    values = found.field.values
    if beyond is not None:
        values[beyond] = 0
    if _answer_type(spacing) == np.uint16:
        unit = round(grid.step**2)
        return values if unit == 1 else values.astype(np.uint64) * np.uint64(unit)
    return values * np.float64(grid.step**2)


def _answer_type(spacing: Sequence[float]) -> np.dtype[Any]:
    whole = all(float(edge).is_integer() for edge in spacing)
    return np.dtype(np.uint16 if whole else np.float64)
