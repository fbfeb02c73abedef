"""Volumes that are read where they lie: what their files were when they were registered, and whether they still are."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.manifest import FileFact
from siltomo.errors import DamagedError

__all__ = ["Elsewhere", "PlainAxes", "open_elsewhere", "problems_elsewhere"]

_DISK = FileSystem()
"""A volume elsewhere lies on a disk of this computer, whatever the catalog lives on."""


@dataclass(frozen=True)
class Elsewhere:
    """A Zarr image outside of the catalog."""

    root: Path
    """Its folder, from the root of the disk."""
    arrays: tuple[str, ...]
    """Its arrays by their path in the folder, full resolution first, each half the one before."""
    leading: int
    """Axes of one element before z."""
    files: Mapping[str, FileFact]
    """The files of the arrays, by their path in the folder."""

    @classmethod
    def of(cls, root: Path, arrays: Sequence[str], leading: int, files: Sequence[Path]) -> Elsewhere:
        """Take down what the files of an image are; reads each once."""
        root = root.resolve()
        facts = {
            file.resolve().relative_to(root).as_posix(): FileFact(_DISK.size(file), _DISK.sha256(file))
            for file in files
        }
        return cls(root, tuple(arrays), leading, facts)

    def to_bytes(self) -> bytes:
        """Return the file of a bag that says this."""
        files = {path: [fact.size, fact.sha256] for path, fact in sorted(self.files.items())}
        said = {"root": str(self.root), "arrays": list(self.arrays), "leading": self.leading, "files": files}
        return (json.dumps(said, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def from_bytes(cls, data: bytes) -> Elsewhere:
        """Read what :meth:`to_bytes` wrote."""
        said = json.loads(data)
        files = {path: FileFact(int(size), sha256) for path, (size, sha256) in said["files"].items()}
        return cls(Path(said["root"]), tuple(said["arrays"]), int(said["leading"]), files)


class PlainAxes:
    """A Zarr array of others without its leading axes of one element: read as our own arrays are.

    Parameters
    ----------
    array
        The zarr array.
    leading
        How many axes to leave out.
    """

    def __init__(self, array: Any, leading: int) -> None:
        self._array, self._first = array, (0,) * leading
        self.shape, self.chunks = array.shape[leading:], array.chunks[leading:]
        self.shards = None if array.shards is None else array.shards[leading:]
        self.dtype, self.ndim, self.size = array.dtype, array.ndim - leading, array.size

    def __getitem__(self, key: Any) -> Any:
        """Read a part, by whole numbers and slices."""
        return self._array[(*self._first, *(key if isinstance(key, tuple) else (key,)))]

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        """Read all of it."""
        read = self[:, :, :]
        return read if dtype is None else read.astype(dtype)


def open_elsewhere(volume: Elsewhere, level: int) -> Any:
    """Open one resolution, read-only; a file that is not what it was raises ``DamagedError`` when it is read.

    Raises
    ------
    DamagedError
        When the folder is not there.
    """
    import zarr

    from siltomo.catalog.zarr_stores import ForeignStore

    if not _DISK.is_folder(volume.root):
        raise DamagedError(
            "the volume is registered by reference, and is not where it was",
            where=str(volume.root),
            fix="siltomo catalog verify",
        )
    store = ForeignStore(volume.root, dict(volume.files), _DISK)
    array = zarr.open_array(store, path=volume.arrays[level], mode="r")
    return PlainAxes(array, volume.leading) if volume.leading else array


def problems_elsewhere(volume: Elsewhere, *, full: bool) -> Iterator[tuple[Path, str]]:
    """Yield each file of the volume that is not what it was, and in what.

    Parameters
    ----------
    volume
        The volume.
    full
        Read every byte; else presence and size are checked, and metadata read.
    """
    if not _DISK.is_folder(volume.root):
        yield volume.root, "missing: the volume is registered by reference, and is not where it was"
        return
    for name, fact in volume.files.items():
        path = volume.root / name
        whole = full or path.name in ("zarr.json", ".zarray")
        try:
            size = _DISK.size(path)
        except FileNotFoundError:
            yield path, "missing"
            continue
        if size != fact.size:
            yield path, f"{size} bytes instead of {fact.size}"
        elif whole and _DISK.sha256(path) != fact.sha256:
            yield path, "its bytes were changed"
