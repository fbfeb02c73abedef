"""ImageJ TIFF, as Fiji reads it with its calibration."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, BadInputError

__all__ = ["check_imagej", "write_imagej"]

TYPES = ("uint8", "uint16", "float32")
CLASSIC = 2**32 - 2**25
"""Beyond this, ImageJ writes and reads one directory with all planes behind it."""
MICROMETRE = "\\u00B5m"
"""What Fiji itself writes: the letter µ does not survive in the header."""


def check_imagej(dtype: np.dtype[Any], where: str) -> None:
    """Refuse voxels that ImageJ has no type for, rather than change them.

    Raises
    ------
    BadInputError
        With what to do instead.
    """
    if dtype.name not in TYPES:
        raise BadInputError(
            f"ImageJ has no {dtype.name} voxels; it has {', '.join(TYPES)}",
            code="SIL165",
            where=where,
            fix=Amend(
                advice="write .mhd (Fiji: File > Import > MetaImage) or siltomo export ome-zarr instead"
            ),
        )


def write_imagej(
    path: Path,
    slabs: Iterator[NDArray[Any]],
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
    voxel_size_um: tuple[float, float, float],
    *,
    name: str,
) -> None:
    """Write an ImageJ stack; planes go by one after the other.

    Parameters
    ----------
    path
        The file; replaced.
    slabs
        The voxels in order, in slabs of shape (n, y, x).
    shape, dtype
        Of the whole volume.
    voxel_size_um
        Edges along z, y, x in micrometres.
    name
        What Fiji calls it.
    """
    import tifffile

    check_imagej(dtype, str(path))
    z, y, x = voxel_size_um
    large = math.prod(shape) * dtype.itemsize > CLASSIC
    with tifffile.TiffWriter(path, imagej=True, bigtiff=False) as file:
        file.write(
            (plane for slab in slabs for plane in slab),
            shape=shape,
            dtype=dtype,
            photometric="minisblack",
            resolution=(1 / x, 1 / y),
            resolutionunit=1,
            metadata={
                "axes": "ZYX",
                "spacing": z,
                "unit": MICROMETRE,
                "Info": f"siltomo: {name}",
            },
            truncate=large,
        )
