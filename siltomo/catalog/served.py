"""The files of a volume, for programs that read OME-Zarr by themselves: whole or in part, from any storage."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from siltomo.catalog.faults import storage_faults
from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.manifest import FileFact
from siltomo.errors import DamagedError, NotFoundError

__all__ = ["VolumeFiles"]


@dataclass(frozen=True)
class VolumeFiles:
    """What a volume consists of, as its list of files says."""

    root: Path
    files: Mapping[str, FileFact]
    fs: FileSystem

    def size(self, name: str) -> int:
        """Return the bytes of a file.

        Raises
        ------
        NotFoundError
            When the volume has no such file.
        """
        if name not in self.files:
            raise NotFoundError(f"the volume has no file {name!r}")
        return self.files[name].size

    def read(self, name: str, start: int = 0, stop: int | None = None) -> bytes:
        """Return the bytes of a file from ``start`` up to before ``stop``.

        Raises
        ------
        NotFoundError
            When the volume has no such file.
        DamagedError
            When the file is lost, cut, or, for a description, not what was written.
        """
        size, path = self.size(name), self.root / name
        whole = (start, stop or size) == (0, size)
        with storage_faults(self.root):
            try:
                data = self.fs.read(path) if whole else self.fs.read_part(path, start, stop)
            except FileNotFoundError:
                raise self._damaged(path, "a file of the volume is missing") from None
        if len(data) != min(stop or size, size) - start:
            raise self._damaged(path, "a file of the volume is not as long as it was")
        # chunks carry checksums of their own, which the reader compares
        if (
            name.endswith("zarr.json")
            and whole
            and hashlib.sha256(data).hexdigest() != self.files[name].sha256
        ):
            raise self._damaged(path, "the description of the volume was changed")
        return data

    @staticmethod
    def _damaged(path: Path, what: str) -> DamagedError:
        return DamagedError(what, where=str(path), fix="siltomo catalog verify --full")
