"""The list of a bag's files: sha256 sums that ``sha256sum -c`` checks without siltomo, and sizes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.layout import MANIFEST, RECORD, SIZES
from siltomo.errors import DamagedError

__all__ = [
    "FileFact",
    "bag_problems",
    "is_litter",
    "manifest_texts",
    "read_manifest",
    "volume_files",
]

# What desktop systems leave in folders that were looked at
_LITTER = {".DS_Store", "Thumbs.db", "desktop.ini"}


@dataclass(frozen=True)
class FileFact:
    """Size and digest of a file."""

    size: int
    sha256: str


def manifest_texts(files: Mapping[str, FileFact]) -> tuple[bytes, bytes]:
    """Return the two lists of a bag: sha256 sums, and sizes; the sums cover the sizes."""
    sizes = "".join(f"{fact.size}  {path}\n" for path, fact in sorted(files.items())).encode()
    sums = {path: fact.sha256 for path, fact in files.items()}
    sums[SIZES] = hashlib.sha256(sizes).hexdigest()
    return "".join(f"{digest}  {path}\n" for path, digest in sorted(sums.items())).encode(), sizes


def read_manifest(fs: FileSystem, bag: Path, digest: str) -> dict[str, FileFact]:
    """Return the files that a bag should hold, once its lists are proved to be those of the record.

    Raises
    ------
    DamagedError
        When a list is missing or differs from what was written.
    """
    sums = _read_list(fs, bag / MANIFEST, digest)
    sizes = _read_list(fs, bag / SIZES, sums.pop(SIZES, ""))
    return {path: FileFact(int(sizes[path]), digest) for path, digest in sums.items()}


def _read_list(fs: FileSystem, path: Path, digest: str) -> dict[str, str]:
    try:
        data = fs.read(path)
    except FileNotFoundError:
        raise DamagedError(
            "the list of the volume's files is missing", where=str(path), fix="siltomo catalog repair"
        ) from None
    if hashlib.sha256(data).hexdigest() != digest:
        raise DamagedError(
            "the list of the volume's files was changed", where=str(path), fix="siltomo catalog repair"
        )
    rows = (line.split("  ", 1) for line in data.decode().splitlines())
    return {name: value for value, name in rows}


def volume_files(files: Mapping[str, FileFact], volume: str) -> dict[str, FileFact]:
    """Return the files below one folder of the bag, by their path in it."""
    start = f"{volume}/"
    return {path.removeprefix(start): fact for path, fact in files.items() if path.startswith(start)}


def bag_problems(
    fs: FileSystem, bag: Path, files: Mapping[str, FileFact], *, full: bool
) -> Iterator[tuple[str, str]]:
    """Yield each path of a bag that is not as written, and what is wrong with it.

    Parameters
    ----------
    fs
        The storage.
    bag
        The bag's folder.
    files
        What it should hold, of :func:`read_manifest`.
    full
        Read every byte; else only metadata is read, and of the rest presence and size are checked.
    """
    present = {path for path in fs.tree(bag) if not is_litter(path.rpartition("/")[2])} - {
        MANIFEST,
        SIZES,
        RECORD,
    }
    for path in sorted(present - set(files)):
        yield path, "a file that does not belong there"
    for path, fact in files.items():
        what = "missing"
        if path in present:
            # it may go while we look, with the whole bag
            with suppress(FileNotFoundError):
                what = _problem(fs, bag / path, fact, full=full or path.endswith("zarr.json"))
        if what:
            yield path, what


def _problem(fs: FileSystem, path: Path, fact: FileFact, *, full: bool) -> str:
    """Return in what a file differs from what was written; empty when in nothing."""
    if (size := fs.size(path)) != fact.size:
        return f"{size} bytes instead of {fact.size}"
    return "its bytes were changed" if full and fs.sha256(path) != fact.sha256 else ""


def is_litter(name: str) -> bool:
    """Return whether a name is one that desktop systems leave in folders."""
    return name in _LITTER or name.startswith("._")
