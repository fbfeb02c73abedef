"""Half-resolution planes from a stream of planes, in memory that does not grow with the volume."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["halve"]


def halve(planes: NDArray[Any], factors: tuple[int, int, int], *, labels: bool) -> NDArray[Any]:
    """Return one or two planes reduced to one.

    Labels keep every second voxel, beginning with the first. Greys are averaged over the 2 x 2 x 2 voxels
    that exist (at an odd border fewer); integer means are rounded to the nearest, halves up. Each level is
    made from the one above, so rounding adds up to at most half a grey value per level.

    Parameters
    ----------
    planes
        Shape (1 or 2, y, x).
    factors
        2 along the axes that are halved, 1 along those that are one voxel thin.
    labels
        Whether values are labels.

    Examples
    --------
    >>> import numpy as np
    >>> halve(np.array([[[0, 1, 5]], [[2, 3, 8]]], dtype=np.uint8), (2, 1, 2), labels=False).tolist()
    [[[2, 7]]]
    """
    if labels:
        return planes[:: factors[0], :: factors[1], :: factors[2]]
    wide, total = _accumulator(planes.dtype), planes
    for axis, factor in enumerate(factors):
        if factor == 2:
            total = _pair_sum(total, axis, wide)
    n = int(np.prod(factors))
    mean = total / n if planes.dtype.kind == "f" else (total + wide(n // 2)) >> wide(n.bit_length() - 1)
    made: NDArray[Any] = mean.astype(planes.dtype)
    return made


def _accumulator(dtype: np.dtype[Any]) -> type[Any]:
    """Return the narrowest type that holds the sum of eight values."""
    if dtype.kind == "f":
        return np.float64
    unsigned = {1: np.uint16, 2: np.uint32, 4: np.uint64}
    signed = {1: np.int16, 2: np.int32, 4: np.int64}
    return (unsigned if dtype.kind == "u" else signed)[dtype.itemsize]


def _pair_sum(values: NDArray[Any], axis: int, wide: type[Any]) -> NDArray[Any]:
    """Add neighbours along an axis; a last one without a partner counts twice, so that means stay means."""
    along = [slice(None)] * 3
    first = values[(*along[:axis], slice(0, None, 2), *along[axis + 1 :])]
    second = values[(*along[:axis], slice(1, None, 2), *along[axis + 1 :])]
    if first.shape[axis] > second.shape[axis]:
        last = values[(*along[:axis], slice(-1, None), *along[axis + 1 :])]
        second = np.concatenate([second, last], axis=axis)
    total: NDArray[Any] = np.add(first, second, dtype=wide)
    return total
