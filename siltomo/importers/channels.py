"""Volumes with several values in each voxel, such as exported features, read by planes and never whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, FormatError, MismatchError, NotFoundError
from siltomo.importers import hdf5, npy, tiff
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import border
from siltomo.importers.channels_arrays import hdf5_channels, npy_channels
from siltomo.importers.channels_base import WHOLE, Channels, Shape, Window
from siltomo.importers.channels_tiff import files_of_planes, tiff_channels
from siltomo.importers.registry import open_volume
from siltomo.importers.slices import natural_key

__all__ = ["Channels", "files_digest", "open_channels"]


def open_channels(
    path: Path, shape: Shape, *, axes: str | None = None, dataset: str | None = None
) -> Channels:
    """Describe volumes with channels that lie on the grid of a scan.

    Parameters
    ----------
    path
        HDF5 with a channel axis, OME-TIFF or ImageJ TIFF with channels, a plain multi-page TIFF or npy with ``axes``;
        or a pattern with one ``*`` in the name: one file for each channel, in any format that scans are read from.
    shape
        Voxels of the scan along z, y, x.
    axes
        Order of the axes, such as ``zyxc``, where the file does not name them. With a pattern, ``zcyx`` says that each
        file is one plane and its pages are the channels.
    dataset
        The dataset of an HDF5 file, where it holds several.

    Raises
    ------
    FormatError
        When the file is damaged, of no such format, or does not say which axis is which.
    MismatchError
        When the channels do not lie on the grid (SIL110), or ``axes`` contradicts the file.
    NotFoundError
        When there is no such file or dataset.
    """
    made = _pattern(path, shape, axes) if "*" in path.name else _one_file(path, shape, axes, dataset)
    if made.shape != shape:
        raise MismatchError(
            f"{len(made.names)} channels of {made.shape} voxels (z, y, x) do not lie on the grid of a scan of {shape}",
            code="SIL110",
            where=str(path),
        )
    return made


def files_digest(files: Sequence[Path]) -> str:
    """Return the SHA-256 of files, one after the other; each is read once as long as it does not change."""
    every = hashlib.sha256()
    for path in files:
        with border(path, "the file"):
            said = path.stat()
            every.update(_digest(path, said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns))
    return f"sha256:{every.hexdigest()}"


@lru_cache(maxsize=4096)
def _digest(path: Path, *_: int) -> bytes:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").digest()


def _one_file(path: Path, shape: Shape, axes: str | None, dataset: str | None) -> Channels:
    if not path.is_file():
        raise NotFoundError("no such file", where=str(path))
    if hdf5.recognises(path):
        return hdf5_channels(path, axes, dataset)
    if dataset is not None:
        raise FormatError(f"is no HDF5 file: it has no dataset {dataset!r}", where=str(path))
    if npy.recognises(path):
        return npy_channels(path, axes)
    if tiff.recognises(path):
        return tiff_channels(path, shape, axes)
    raise FormatError(
        "is neither HDF5, TIFF nor npy: channels are read from no other file",
        where=str(path),
        fix=Amend(advice="export it as HDF5; or one volume for each channel, and give a pattern with *"),
    )


def _pattern(path: Path, shape: Shape, axes: str | None) -> Channels:
    before, _, after = path.name.partition("*")
    if "*" in after:
        raise FormatError("a pattern of channels has one *", where=str(path))
    there = sorted(path.parent.iterdir(), key=lambda p: natural_key(p.name)) if path.parent.is_dir() else []
    found = [
        p
        for p in there
        if p.name.startswith(before) and p.name.endswith(after) and len(p.name) > len(before + after)
    ]
    if not found:
        raise NotFoundError("no file fits the pattern", where=str(path))
    if axes == "zcyx":
        return files_of_planes(found)
    if axes not in (None, "czyx"):
        raise FormatError(
            f"files of a pattern are the channels (axes: czyx) or the planes (axes: zcyx), not {axes}",
            where=str(path),
        )
    names = tuple(p.name[len(before) : len(p.name) - len(after)] for p in found)
    return _files_of_channels([open_volume(Source(p)) for p in found], names, shape, path)


def _files_of_channels(
    opened: Sequence[ImportedVolume], names: tuple[str, ...], shape: Shape, path: Path
) -> Channels:
    for name, one in zip(names, opened, strict=True):
        if one.shape != shape:
            raise MismatchError(
                f"channel {name!r} of {one.shape} voxels (z, y, x) does not lie on the grid of a scan of {shape}",
                code="SIL110",
                where=str(path),
            )
    dtype = np.result_type(*(one.dtype for one in opened))

    def read(start: int, stop: int, window: Window = WHOLE) -> NDArray[Any]:
        return np.stack([one.planes(start, stop)[:, *window] for one in opened])

    files = tuple(file for one in opened for file in one.files)
    return Channels("a file for each channel", shape, names, dtype, read, files)
