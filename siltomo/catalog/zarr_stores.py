"""The two zarr stores of the catalog: one writes through the door to the disk, one checks what it reads.

Import this module inside functions: zarr takes half a second to import.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, Self

import numpy as np
from zarr.abc.store import ByteRequest, OffsetByteRequest, RangeByteRequest, SuffixByteRequest
from zarr.core.buffer import Buffer, BufferPrototype, default_buffer_prototype
from zarr.core.common import AccessModeLiteral
from zarr.storage import LocalStore

from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.manifest import FileFact
from siltomo.errors import DamagedError

__all__ = ["CheckedStore", "ForeignStore", "StagedStore", "open_level"]


class _Store(LocalStore):
    """A zarr store over a :class:`FileSystem`, which need not be a disk."""

    def __init__(self, root: Path, fs: FileSystem, *, read_only: bool = False) -> None:
        super().__init__(root, read_only=read_only)
        self._fs = fs
        # opening looks for a folder, or makes one: a bucket has none
        self._is_open = not fs.is_disk

    async def _open(self, *, mode: AccessModeLiteral | None = None) -> None:
        if self._fs.is_disk:
            await super()._open(mode=mode)


class StagedStore(_Store):
    """Writes each key once, through the :class:`FileSystem`, synced, and keeps its size and digest.

    A shard that is written twice, or read back to be completed, would be a bug of ours that loses voxels
    silently: both raise.
    """

    def __init__(self, root: Path, fs: FileSystem) -> None:
        super().__init__(root, fs)
        self.written: dict[str, FileFact] = {}

    def put(self, key: str, data: bytes | memoryview) -> None:
        """Write one file for good."""
        if key in self.written:
            raise RuntimeError(f"{key} is written twice: shards must be written whole")
        path = self.root / key
        self._fs.mkdir(path.parent)
        self._fs.write(path, data)
        self._fs.protect(path)
        self._fs.fsync(path)
        self.written[key] = FileFact(len(data), hashlib.sha256(data).hexdigest())

    async def exists(self, key: str) -> bool:
        """Return whether we wrote a key: nobody else writes here."""
        return key in self.written

    async def set(self, key: str, value: Buffer) -> None:
        """Write one file for good."""
        self.put(key, _bytes_of(value))

    def set_sync(self, key: str, value: Buffer) -> None:
        """Write as zarr 3.2 and later do."""
        self.put(key, _bytes_of(value))

    async def set_if_not_exists(self, key: str, value: Buffer) -> None:
        """Write one file unless we did."""
        if key not in self.written:
            self.put(key, _bytes_of(value))

    def _refuse(self, key: str) -> None:
        if key in self.written and not key.endswith("zarr.json"):
            raise RuntimeError(f"{key} is read back while it is written: shards must be written whole")

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read metadata; a shard that is asked for must not exist yet."""
        self._refuse(key)
        if not self._fs.is_disk:
            return await asyncio.to_thread(_fetch, self._fs, self.root / key, prototype, byte_range)
        return await super().get(key, prototype, byte_range)

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read as zarr 3.2 and later do."""
        self._refuse(key)
        if not self._fs.is_disk:
            return _fetch(self._fs, self.root / key, prototype, byte_range)
        return super().get_sync(key, prototype=prototype, byte_range=byte_range)

    async def delete(self, key: str) -> None:
        """Refuse: nothing that was written may go."""
        raise RuntimeError(f"{key} is deleted while it is written: empty chunks must be written")

    def delete_sync(self, key: str) -> None:
        """Refuse, as :meth:`delete` does."""
        raise RuntimeError(f"{key} is deleted while it is written: empty chunks must be written")


class CheckedStore(_Store):
    """Reads a volume, and raises where plain zarr would read a lost or cut file as zeros.

    A file of the list must exist with its size; metadata must also have its digest, since no checksum
    inside zarr covers it. Chunks carry their own crc32c.
    """

    def __init__(self, root: Path, files: dict[str, FileFact], fs: FileSystem) -> None:
        super().__init__(root, fs, read_only=True)
        self._files = files
        self._sound: set[str] = set()

    def with_read_only(self, read_only: bool = False) -> Self:
        """Return another such store."""
        if not read_only:
            raise ValueError("published volumes are read-only")
        return type(self)(self.root, self._files, self._fs)

    def _check(self, key: str) -> bool:
        """Return whether the key exists; raise where it should and does not."""
        fact = self._files.get(key)
        if fact is None or key in self._sound:
            return fact is not None
        path = self.root / key
        try:
            size = self._fs.size(path)
        except FileNotFoundError:
            raise _damaged(path, "a file of the volume is missing") from None
        if size != fact.size:
            raise _damaged(path, f"a file of the volume has {size} bytes instead of {fact.size}")
        if key.endswith("zarr.json") and hashlib.sha256(self._fs.read(path)).hexdigest() != fact.sha256:
            raise _damaged(path, "the description of the volume was changed")
        if not self._fs.is_disk:  # a request each time would be dear, and what was written cannot change
            self._sound.add(key)
        return True

    async def get(
        self, key: str, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read a file or a part of it, once it is known to be whole."""
        if not self._fs.is_disk:
            return await asyncio.to_thread(self._get, key, prototype, byte_range)
        return await super().get(key, prototype, byte_range) if self._check(key) else None

    def _get(
        self, key: str, prototype: BufferPrototype | None, byte_range: ByteRequest | None
    ) -> Buffer | None:
        return _fetch(self._fs, self.root / key, prototype, byte_range) if self._check(key) else None

    async def exists(self, key: str) -> bool:
        """Return whether the volume has a key."""
        return key in self._files

    def get_sync(
        self, key: str, *, prototype: BufferPrototype | None = None, byte_range: ByteRequest | None = None
    ) -> Buffer | None:
        """Read as zarr 3.2 and later do."""
        if not self._fs.is_disk:
            return self._get(key, prototype, byte_range)
        if not self._check(key):
            return None
        return super().get_sync(key, prototype=prototype, byte_range=byte_range)

    async def get_partial_values(
        self, prototype: BufferPrototype, key_ranges: Iterable[tuple[str, ByteRequest | None]]
    ) -> list[Buffer | None]:
        """Read parts of files, once they are known to be whole."""
        return [await self.get(key, prototype, byte_range) for key, byte_range in key_ranges]


class ForeignStore(CheckedStore):
    """Reads a volume of others where it lies, each file only if it is what it was when it was registered.

    Their chunks need not carry a checksum, so each file is compared with its digest when it is first read.
    """

    def __init__(self, root: Path, files: dict[str, FileFact], fs: FileSystem) -> None:
        super().__init__(root, files, fs)
        self._proved: set[str] = set()

    def _check(self, key: str) -> bool:
        there = super()._check(key)
        if there and key not in self._proved:
            if self._fs.sha256(self.root / key) != self._files[key].sha256:
                raise _damaged(self.root / key, "a file of the volume was changed since it was registered")
            self._proved.add(key)
        return there


def _fetch(
    fs: FileSystem, path: Path, prototype: BufferPrototype | None, byte_range: ByteRequest | None
) -> Buffer | None:
    """Read a key of a bucket, or a part of it; None when there is none."""
    start = stop = None
    if isinstance(byte_range, RangeByteRequest):
        start, stop = byte_range.start, byte_range.end
    elif isinstance(byte_range, OffsetByteRequest):
        start = byte_range.offset
    elif isinstance(byte_range, SuffixByteRequest):
        start = -byte_range.suffix
    try:
        data = fs.read(path) if byte_range is None else fs.read_part(path, start, stop)
    except FileNotFoundError:
        return None
    return (prototype or default_buffer_prototype()).buffer.from_bytes(data)


def _bytes_of(value: Buffer) -> memoryview:
    """Return the bytes of a buffer without copying them."""
    return np.ascontiguousarray(value.as_numpy_array()).data.cast("B")


def _damaged(path: Path, what: str) -> DamagedError:
    return DamagedError(what, where=str(path), fix="siltomo catalog verify --full")


def open_level(fs: FileSystem, root: Path, files: dict[str, FileFact], level: int) -> Any:
    """Open one resolution of a volume, checked, as a read-only zarr array."""
    import zarr

    return zarr.open_array(CheckedStore(root, files, fs), path=str(level), mode="r", zarr_format=3)
