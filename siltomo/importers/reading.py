"""What all importers share: the type of voxels, and reading them by planes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from siltomo.errors import Amend, FormatError

__all__ = ["Planes", "check_ratio", "check_shape", "size_words", "voxel_dtype"]

MAX_RATIO = 1000
MAX_VOXELS = 2**50


@dataclass(frozen=True)
class Planes:
    """Reads planes of a volume; a ``PlaneReader`` that checks what it gives.

    It may be called from several threads, and pickles when ``read`` does: files are opened anew at each
    call and closed before it returns.
    """

    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    read: Callable[[int, int], NDArray[Any]]
    """Reads planes start to stop; the range has been checked."""

    def __call__(self, start: int, stop: int, /) -> NDArray[Any]:
        """Return the planes ``start`` to ``stop`` (excluded), of shape (stop - start, y, x)."""
        if not 0 <= start <= stop <= self.shape[0]:
            raise IndexError(f"planes {start} to {stop} asked of a volume of {self.shape[0]} planes")
        wanted = (stop - start, *self.shape[1:])
        if start == stop:
            return np.zeros(wanted, self.dtype)
        planes = self.read(start, stop)
        planes = planes.view(np.uint8) if planes.dtype == bool else planes
        planes = np.ascontiguousarray(planes.astype(self.dtype, casting="equiv", copy=False))
        if planes.shape != wanted:
            raise ValueError(f"the reader gave {planes.shape} for {wanted}")
        return planes


def voxel_dtype(stored: DTypeLike, where: Path | str) -> np.dtype[Any]:
    """Return the type voxels are handed on as: native byte order, bool as uint8.

    Raises
    ------
    FormatError
        When the stored values are no real numbers of up to 64 bits.

    Examples
    --------
    >>> voxel_dtype(">u2", "a.npy"), voxel_dtype(bool, "a.npy")
    (dtype('uint16'), dtype('uint8'))
    """
    dtype = np.dtype(stored)
    if dtype.kind == "b":
        return np.dtype(np.uint8)
    if dtype.kind in "iuf" and dtype.itemsize <= 8 and dtype.names is None:
        return np.dtype(f"{dtype.kind}{dtype.itemsize}")
    kinds = {
        "c": "complex numbers",
        "O": "Python or variable-length objects",
        "S": "text",
        "U": "text",
        "V": "compound records",
        "M": "dates",
        "m": "time spans",
        "f": f"{8 * dtype.itemsize}-bit floats",
    }
    raise FormatError(
        f"holds {kinds.get(dtype.kind, str(dtype))} ({dtype}); a voxel is one number of up to 64 bits",
        where=str(where),
        fix=Amend(advice="export one real number per voxel, such as uint8, uint16 or float32"),
    )


def check_shape(shape: tuple[int, ...], where: Path | str) -> tuple[int, int, int]:
    """Return a shape of three positive sizes, or refuse it with what was found."""
    if len(shape) == 3 and all(n > 0 for n in shape) and np.prod(shape, dtype=float) <= MAX_VOXELS:
        return int(shape[0]), int(shape[1]), int(shape[2])
    found = "×".join(str(n) for n in shape) or "a single number"
    raise FormatError(
        f"is no volume: its shape is {found}; a volume has z, y and x, each at least 1",
        where=str(where),
        fix=Amend(advice="export one volume of shape (z, y, x)"),
    )


def check_ratio(voxel_bytes: int, stored_bytes: int, where: Path | str) -> None:
    """Refuse a header that declares far more voxels than the file can hold.

    The limit is that of deflate, which packs at most about 1000 to 1.

    Raises
    ------
    FormatError
        With both numbers.
    """
    if voxel_bytes > MAX_RATIO * max(stored_bytes, 1):
        raise FormatError(
            f"declares {size_words(voxel_bytes)} of voxels but stores {size_words(stored_bytes)}: "
            f"more than {MAX_RATIO} to 1 is no real volume",
            where=str(where),
            fix=Amend(advice="copy the file again, or save it again without compression"),
        )


def size_words(n: int) -> str:
    """Return a number of bytes in words.

    Examples
    --------
    >>> size_words(900), size_words(14_155_776_000)
    ('900 bytes', '14.2 GB')
    """
    size = float(n)
    for unit in ("bytes", "kB", "MB", "GB", "TB"):
        if size < 1000 or unit == "TB":
            break
        size /= 1000
    return f"{size:.3g} {unit}" if unit != "bytes" else f"{n} bytes"
