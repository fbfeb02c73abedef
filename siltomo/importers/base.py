"""What every importer takes and gives back."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from siltomo.units import Quantity

__all__ = ["ImportedVolume", "PlaneReader", "Source", "VolumeImporter", "ZarrInPlace"]

PlaneReader = Callable[[int, int], NDArray[Any]]
"""Read the planes ``start`` to ``stop`` (excluded) as an array of shape (stop - start, y, x)."""


@dataclass(frozen=True)
class Source:
    """What the user points at: a file or folder, and the part of it that is meant."""

    path: Path
    member: str | None = None
    """The stack of a folder (its name before the slice number), or the dataset of an HDF5 file."""
    allow_gaps: bool = False
    """Take a stack whose slices are not all there; the missing planes are listed and read as zero."""


@dataclass(frozen=True)
class ZarrInPlace:
    """What a catalog needs to know of a Zarr image that it is to read where it lies."""

    root: Path
    arrays: tuple[str, ...]
    """Its arrays by their path in the image, full resolution first, each half the one before."""
    leading: int
    """Axes of one element before z."""
    files: tuple[Path, ...]
    """All files of these arrays."""


@dataclass(frozen=True)
class ImportedVolume:
    """A volume as its file describes it; no voxel has been read."""

    format: str
    """What the file is, in words, such as ``"ImageJ TIFF"``."""
    shape: tuple[int, int, int]
    """Voxels along z, y, x."""
    dtype: np.dtype[Any]
    """The voxels' type as ``planes`` gives them: real, native byte order, never bool."""
    planes: PlaneReader
    """Reads some planes; called in ascending order when a volume is registered."""
    files: tuple[Path, ...]
    """The files that hold the voxels, in the order of the planes."""
    voxel_size: tuple[Quantity | None, Quantity | None, Quantity | None] = (None, None, None)
    """Voxel edges along z, y, x where the file states them."""
    voxel_source: str = ""
    """Where in the file the voxel size stands, or the numbers of ``spacing``."""
    spacing: tuple[float, float, float] | None = None
    """Voxel edges along z, y, x as bare numbers, where the file gives no unit: the user says it."""
    voxel_note: str = ""
    """Why ``voxel_size`` is silent though the file speaks of it, such as two places that disagree."""
    acquisition: Mapping[str, str] = field(default_factory=dict)
    """What the file says of the measurement, by field of a scan's acquisition: energy, start, end, beamline."""
    missing_planes: tuple[int, ...] = ()
    """Planes that no file holds (read as zero), only with ``Source.allow_gaps``."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What else the file says, in its own words, such as a description or a date."""
    in_place: ZarrInPlace | str = "only an OME-Zarr can be read where it lies"
    """How to read it without a copy, or why that cannot be."""
    warnings: tuple[str, ...] = ()
    """What the user should know, such as a unit that was taken as "not calibrated"."""


class VolumeImporter(Protocol):
    """One format: recognises it, and describes the volume without reading its voxels."""

    def __call__(self, source: Source, /) -> ImportedVolume:
        """Describe the volume.

        Raises
        ------
        FormatError
            When the file is damaged or not what it should be.
        """
        ...
