"""Neighbourhood filters of grey volumes that give the same voxel whatever block it is computed in."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._jit import kernel
from siltomo.kernels._volumes import map_slabs

__all__ = ["median_filter"]

LARGEST_WINDOW = 343
"""Voxels of a window, 7 x 7 x 7: the network that finds the median grows faster than the window."""


def median_filter(
    values: NDArray[Any], window: tuple[int, int, int], *, threads: int | None = None
) -> NDArray[Any]:
    """Replace each voxel by the median of a box around it.

    Parameters
    ----------
    values
        Volume of shape (z, y, x) of integers or floats without NaN.
    window
        Voxels of the box along z, y, x; odd.
    threads
        Threads to use; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    numpy.ndarray
        Of the shape and type of the values. At the borders the volume is mirrored (``d c b a | a b c d``), as
        `scipy.ndimage.median_filter` does by default.

    Raises
    ------
    BadInputError
        The window is even or holds more than 343 voxels.

    Notes
    -----
    A sorting network (Batcher 1968, doi:10.1145/1468075.1468121), cut down to what the median needs, runs over
    whole rows, so that the processor compares many voxels in one instruction.

    Examples
    --------
    >>> import numpy as np
    >>> spike = np.zeros((3, 3, 3), np.uint8)
    >>> spike[1, 1, 1] = 200
    >>> int(median_filter(spike, (3, 3, 3)).max())
    0
    """
    if values.ndim != 3 or len(window) != 3 or any(w < 1 or w % 2 == 0 for w in window):
        raise BadInputError(f"a median needs a volume and an odd window, got {values.shape} and {window}")
    if np.prod(window) > LARGEST_WINDOW:
        raise BadInputError(
            f"a median window of {window} voxels is too large; at most {LARGEST_WINDOW} voxels"
        )
    if window == (1, 1, 1) or values.size == 0:
        return values.copy()
    native = values.dtype.newbyteorder("=")
    padded = np.pad(values.astype(native, copy=False), [(w // 2, w // 2) for w in window], mode="symmetric")
    pairs = _median_network(int(np.prod(window)))
    found = np.empty(values.shape, native)

    def work(start: int, stop: int) -> None:
        _medians(padded[start : stop + window[0] - 1], pairs, np.array(window), found[start:stop])

    map_slabs(work, values.shape[0], threads)
    return found


@cache
def _median_network(size: int) -> NDArray[np.int32]:
    """Return the compare-exchange pairs that put the median of ``size`` values into its place.

    Batcher's odd-even merge sort for the next power of two, without the comparisons beyond ``size`` (those
    wires hold infinity) and without those that the median does not depend on.
    """
    full = 1 << (size - 1).bit_length()
    pairs: list[tuple[int, int]] = []
    p = 1
    while p < full:
        k = p
        while k >= 1:
            for j in range(k % p, full - k, 2 * k):
                places = range(j, j + min(k, full - j - k))
                pairs += [(i, i + k) for i in places if i // (2 * p) == (i + k) // (2 * p)]
            k //= 2
        p *= 2
    needed = {size // 2}
    kept: list[tuple[int, int]] = []
    for low, high in reversed(pairs):
        if high < size and (low in needed or high in needed):
            needed |= {low, high}
            kept.append((low, high))
    return np.array(kept[::-1], np.int32).reshape(-1, 2)


@kernel
def _medians(padded: Any, pairs: Any, window: Any, found: Any) -> None:
    """Fill the answer, row by row."""
    size = window[0] * window[1] * window[2]
    width = found.shape[2]
    rows = np.empty((size, width), found.dtype)
    for z in range(found.shape[0]):
        for y in range(found.shape[1]):
            n = 0
            for dz in range(window[0]):
                for dy in range(window[1]):
                    for dx in range(window[2]):
                        source = padded[z + dz, y + dy]
                        for x in range(width):
                            rows[n, x] = source[x + dx]
                        n += 1
            for pair in range(pairs.shape[0]):
                lower = rows[pairs[pair, 0]]
                upper = rows[pairs[pair, 1]]
                for x in range(width):
                    a = lower[x]
                    b = upper[x]
                    lower[x] = min(b, a)
                    upper[x] = max(a, b)
            for x in range(width):
                found[z, y, x] = rows[size // 2, x]
