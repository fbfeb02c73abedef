"""A volume's identity: the digest of its decoded voxels, whatever file or chunks they came in."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from siltomo.errors import BadInputError

__all__ = ["ContentHasher", "Planes", "checked_planes", "content_of", "plane_batches"]

Planes = Callable[[int, int], NDArray[Any]]
"""Gives the planes ``start`` to ``stop`` (excluded) as an array of shape (stop - start, y, x)."""

SLAB = 64
BATCH_BYTES = 32 << 20


class ContentHasher:
    """Digest voxels plane by plane, in ascending z.

    The id is the sha256 of a header (voxel type and shape) followed by the sha256 of each slab of 64
    planes, in C order and little endian. It does not depend on how many planes come at a time.

    Parameters
    ----------
    shape
        Voxels along z, y, x.
    dtype
        The voxels' type; byte order does not matter.

    Examples
    --------
    >>> import numpy as np
    >>> voxels = np.arange(24, dtype=np.uint16).reshape(2, 3, 4)
    >>> one = ContentHasher(voxels.shape, voxels.dtype); one.update(voxels)
    >>> two = ContentHasher(voxels.shape, ">u2"); two.update(voxels[:1]); two.update(voxels[1:])
    >>> one.content() == two.content()
    True
    """

    def __init__(self, shape: tuple[int, int, int], dtype: DTypeLike) -> None:
        self._dtype = np.dtype(dtype).newbyteorder("<")
        self._shape = shape
        self._whole = hashlib.sha256(f"{self._dtype.str}|{shape[0]},{shape[1]},{shape[2]}".encode())
        self._slab = hashlib.sha256()
        self._z = 0

    def update(self, planes: NDArray[Any]) -> None:
        """Take the next planes, of shape (n, y, x)."""
        if planes.shape[1:] != self._shape[1:] or self._z + len(planes) > self._shape[0]:
            raise ValueError(f"planes of shape {planes.shape} do not continue a volume of {self._shape}")
        done = 0
        while done < len(planes):
            take = min(SLAB - self._z % SLAB, len(planes) - done)
            self._slab.update(np.ascontiguousarray(planes[done : done + take], dtype=self._dtype).data)
            done += take
            self._z += take
            if self._z % SLAB == 0:
                self._close_slab()

    def content(self) -> str:
        """Return the id, ``"sha256:"`` and 64 hexadecimal digits, once all planes are in."""
        if self._z != self._shape[0]:
            raise ValueError(f"only {self._z} of {self._shape[0]} planes are in")
        whole = self._whole.copy()
        if self._z % SLAB:
            whole.update(self._slab.digest())
        return f"sha256:{whole.hexdigest()}"

    def _close_slab(self) -> None:
        self._whole.update(self._slab.digest())
        self._slab = hashlib.sha256()


def plane_batches(
    shape: tuple[int, int, int], dtype: DTypeLike, *, most: int = SLAB
) -> list[tuple[int, int]]:
    """Return ranges of planes that are read at a time: about 32 MiB, at least one plane, at most ``most``."""
    plane = max(1, shape[1] * shape[2] * np.dtype(dtype).itemsize)
    step = max(1, min(most, BATCH_BYTES // plane))
    return [(z, min(z + step, shape[0])) for z in range(0, shape[0], step)]


def content_of(planes: Planes, shape: tuple[int, int, int], dtype: DTypeLike) -> str:
    """Return the content id of a volume without storing it.

    Parameters
    ----------
    planes
        Gives the planes ``start`` to ``stop`` (excluded), shape (stop - start, y, x); called in ascending
        order.
    shape
        Voxels along z, y, x.
    dtype
        The voxels' type.

    Raises
    ------
    BadInputError
        When the planes are not of the stated shape and type.
    """
    hasher = ContentHasher(shape, dtype)
    for start, stop in plane_batches(shape, dtype):
        hasher.update(checked_planes(planes, start, stop, shape, dtype))
    return hasher.content()


def checked_planes(
    planes: Planes,
    start: int,
    stop: int,
    shape: tuple[int, int, int],
    dtype: DTypeLike,
) -> NDArray[Any]:
    """Read planes and refuse what is not of the stated shape and type."""
    try:
        got = np.asarray(planes(start, stop))
    except OSError as error:  # the source's disk, not the catalog's
        raise BadInputError(f"planes {start} to {stop - 1} of the source cannot be read: {error}") from error
    expected = (stop - start, *shape[1:])
    if got.shape != expected or got.dtype.newbyteorder("=") != np.dtype(dtype).newbyteorder("="):
        raise BadInputError(
            f"planes {start} to {stop - 1} came as {got.dtype} of shape {got.shape}; "
            f"the source promised {np.dtype(dtype)} of shape {expected}",
            code="SIL103",
        )
    return got
