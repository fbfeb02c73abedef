"""Walking an HDF5 file without leaving it: links, virtual datasets and outside storage."""

from __future__ import annotations

from contextlib import suppress
from importlib import import_module
from math import ceil, prod
from pathlib import Path
from typing import Any

import h5py

from siltomo.errors import Amend, FormatError, MissingPartError
from siltomo.importers.border import DAMAGED, border, plain_text
from siltomo.importers.reading import check_ratio

__all__ = ["check_storage", "dataset_names", "find_dataset", "open_hdf5"]

MAX_LINKS = 32
MAX_OBJECTS = 100_000
COPY_IN = Amend(advice="copy the voxels into one file, for example with h5repack, and give that")


def open_hdf5(path: Path) -> h5py.File:
    """Open for reading; file systems without locks are no obstacle."""
    return h5py.File(path, "r", locking="best-effort")


def dataset_names(file: h5py.File) -> list[str]:
    """Return the paths of all datasets that lie in the file itself; links are not followed.

    Raises
    ------
    ValueError
        When the file holds more objects than any tomogram does.
    """
    found: list[str] = []
    seen: set[int] = set()
    waiting = [file["/"]]
    while waiting:
        group = waiting.pop()
        for key in group:
            if not isinstance(group.get(key, getlink=True), h5py.HardLink):
                continue
            child = group[key]
            address = h5py.h5o.get_info(child.id).addr
            if address in seen:  # a second name for the same thing, or a group within itself
                continue
            seen.add(address)
            if len(seen) > MAX_OBJECTS:
                raise ValueError(f"it holds more than {MAX_OBJECTS} objects")
            if isinstance(child, h5py.Group):
                waiting.append(child)
            elif isinstance(child, h5py.Dataset):
                found.append(str(child.name))
    return sorted(found)


def find_dataset(file: h5py.File, name: str, where: str) -> h5py.Dataset | None:
    """Return the dataset of a name, None when there is none; soft links are followed within the file.

    Raises
    ------
    FormatError
        When the name leads out of the file, or links lead in a circle.
    """
    parts = [part for part in name.split("/") if part not in ("", ".")]
    node: Any = file["/"]
    followed = 0
    while parts:
        key = parts.pop(0)
        link = node.get(key, getlink=True) if isinstance(node, h5py.Group) else None
        if link is None:
            return None
        if isinstance(link, h5py.ExternalLink):
            raise FormatError(
                f"'{plain_text(name, 80)}' is a link into another file, '{plain_text(link.filename, 80)}'",
                where=where,
                fix=Amend(advice="give that file itself, or copy the voxels into one file"),
            )
        if isinstance(link, h5py.SoftLink):
            followed += 1
            if followed > MAX_LINKS:
                raise FormatError(
                    f"the links of '{plain_text(name, 80)}' go in a circle", where=where, fix=DAMAGED
                )
            target = str(link.path)
            parts = [part for part in target.split("/") if part not in ("", ".")] + parts
            node = file["/"] if target.startswith("/") else node
            continue
        node = node[key]
    return node if isinstance(node, h5py.Dataset) else None


def check_storage(dataset: h5py.Dataset, path: Path) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Make sure that the voxels are there, in this file or beside it, and can be decoded.

    Returns
    -------
    files : tuple of Path
        The other files that a virtual dataset takes its voxels from.
    warnings : tuple of str
        Such as chunks that were never written.

    Raises
    ------
    FormatError
        When voxels are stored outside the file's folder, or were never written.
    MissingPartError
        When they are compressed by a filter that is not installed.
    """
    where = f"{path}: {plain_text(dataset.name, 120)}"
    if dataset.external:
        raise FormatError(
            f"keeps its voxels in another file, '{plain_text(dataset.external[0][0], 80)}'",
            where=where,
            fix=COPY_IN,
        )
    if dataset.is_virtual:
        return _check_virtual(dataset, path, where)
    _check_filters(dataset, where)
    stored = dataset.id.get_storage_size()
    if stored == 0:
        raise FormatError("holds no voxel: none was ever written", where=where, fix=DAMAGED)
    check_ratio(dataset.size * dataset.dtype.itemsize, stored, where)
    return (), _missing_chunks(dataset)


def _missing_chunks(dataset: h5py.Dataset) -> tuple[str, ...]:
    """Warn of chunks that were never written, as after an interrupted export."""
    if dataset.chunks is None:
        return ()
    expected = prod(ceil(n / c) for n, c in zip(dataset.shape, dataset.chunks, strict=True))
    written = dataset.id.get_num_chunks()
    if written >= expected:
        return ()
    return (f"only {written} of {expected} chunks were ever written; the others read as {dataset.fillvalue}",)


def _check_filters(dataset: h5py.Dataset, where: str) -> None:
    """Make sure that the filters are there; the package hdf5plugin brings more of them."""
    properties = dataset.id.get_create_plist()
    for i in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(i)
        if h5py.h5z.filter_avail(code):
            continue
        with suppress(ImportError):
            import_module("hdf5plugin")  # registers its filters
        if not h5py.h5z.filter_avail(code):
            shown = plain_text(name.decode("ascii", "replace"), 60) or "unnamed"
            raise MissingPartError(
                f"is compressed with HDF5 filter {code} ({shown}), which needs the package hdf5plugin",
                where=where,
                fix="pip install hdf5plugin",
            )


def _check_virtual(dataset: h5py.Dataset, path: Path, where: str) -> tuple[tuple[Path, ...], tuple[str, ...]]:
    """Allow a virtual dataset whose sources are plain datasets beside the file and cover it."""
    folder = path.parent.resolve()
    files: dict[Path, None] = {}
    covered = 0
    for source in dataset.virtual_sources():
        name = str(source.file_name)
        other = path.resolve() if name == "." else (folder / name).resolve()
        if not other.is_relative_to(folder) or "%" in name or not other.is_file():
            raise FormatError(
                f"is a virtual dataset of voxels in '{plain_text(name, 80)}', which is not in the folder of "
                "the file",
                where=where,
                fix=COPY_IN,
            )
        _check_source(other, str(source.dset_name), where)
        files[other] = None
        covered += source.vspace.get_select_npoints()
    if covered < dataset.size:
        raise FormatError(
            f"is a virtual dataset whose sources hold {covered} of {dataset.size} voxels",
            where=where,
            fix=COPY_IN,
        )
    return tuple(f for f in files if f != path.resolve()), ()


def _check_source(path: Path, name: str, where: str) -> None:
    """Check one source of a virtual dataset."""
    with border(path, "a source of a virtual dataset"), open_hdf5(path) as file:
        dataset = find_dataset(file, name, str(path))
        if dataset is None or dataset.is_virtual or dataset.external:
            raise FormatError(
                f"is a virtual dataset of '{plain_text(name, 80)}' in {path.name}, which is no plain dataset",
                where=where,
                fix=COPY_IN,
            )
        check_storage(dataset, path)
