"""Half-resolution planes from a stream of planes, in memory that does not grow with the volume."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["halve"]


def halve(planes: NDArray[Any], factors: tuple[int, int, int], *, labels: bool) -> NDArray[Any]:
    """Return one or two planes reduced to one.

    Labels keep every second voxel, beginning with the first. Greys are averaged over the 2 x 2 x 2 voxels that
    exist (at an odd border fewer); integer means are rounded to the nearest, halves up. Each level is made from
    the one above, so rounding adds up to at most half a grey value per level.

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
    wide = _accumulator(planes.dtype)
    total = planes.astype(wide)
    for axis, factor in enumerate(factors):
        if factor == 2:
            total = _pair_sum(total, axis)
    n = int(np.prod(factors))
    if planes.dtype.kind == "f":
        return (total / n).astype(planes.dtype)
    return ((total + n // 2) >> (n.bit_length() - 1)).astype(planes.dtype)


def _accumulator(dtype: np.dtype[Any]) -> type[np.generic]:
    """Return a type that holds the sum of eight values."""
    if dtype.kind == "f":
        return np.float64
    return np.int32 if dtype.itemsize <= 2 else np.int64


def _pair_sum(values: NDArray[Any], axis: int) -> NDArray[Any]:
    """Add neighbours along an axis; a last one without a partner counts twice, so that means stay means."""
    moved = np.moveaxis(values, axis, 0)
    first, second = moved[0::2], moved[1::2]
    total = first.copy()
    total[: len(second)] += second
    total[len(second) :] += first[len(second) :]
    return np.moveaxis(total, 0, axis)
