"""NumPy's .npy files."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import border
from siltomo.importers.reading import Planes, check_shape, voxel_dtype

__all__ = ["import_npy", "recognises"]

MAGIC = b"\x93NUMPY"


def recognises(path: Path) -> bool:
    """Return whether a path is a .npy file."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def import_npy(source: Source, /) -> ImportedVolume:
    """Describe the array of a .npy file; it is mapped, never loaded, and never unpickled.

    Parameters
    ----------
    source
        The file; ``member`` and ``allow_gaps`` do not apply.

    Returns
    -------
    ImportedVolume
        Without voxel size: the format has no place for one.

    Raises
    ------
    FormatError
        When the file is damaged, holds objects or complex numbers, or is no volume.
    """
    path = source.path
    with border(path, "its NumPy header"):
        fortran, stored_shape, stored = _header(path)
        dtype = voxel_dtype(stored, path)
        shape = check_shape(stored_shape, path)
        _map(path)
    warnings: tuple[str, ...] = ()
    if fortran and min(shape) > 1:
        warnings = ("stored in Fortran order: every plane is gathered from the whole file, which is slow",)
    return ImportedVolume(
        format="NumPy array",
        shape=shape,
        dtype=dtype,
        planes=Planes(shape, dtype, partial(_read, path)),
        files=(path,),
        facts={
            "stored type": stored.str,
            "bits per voxel": str(8 * stored.itemsize),
            "order": "Fortran" if fortran else "C",
        },
        warnings=warnings,
    )


def _header(path: Path) -> tuple[bool, tuple[int, ...], np.dtype[Any]]:
    """Read the header alone: Fortran order, shape, type."""
    with path.open("rb") as file:
        version = np.lib.format.read_magic(file)
        if version == (1, 0):
            shape, fortran, dtype = np.lib.format.read_array_header_1_0(file)
        else:
            shape, fortran, dtype = np.lib.format.read_array_header_2_0(file)
    return fortran, shape, dtype


def _map(path: Path) -> NDArray[Any]:
    """Map the array; NumPy checks that the file is long enough."""
    mapped: NDArray[Any] = np.load(path, mmap_mode="r", allow_pickle=False)
    return mapped


def _read(path: Path, start: int, stop: int) -> NDArray[Any]:
    with border(path, f"planes {start} to {stop - 1}"):
        return np.array(_map(path)[start:stop], order="C")
