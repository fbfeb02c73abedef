"""Catalogs in buckets: S3 and its like through fsspec, and one in memory.

A bucket has no folders, no renames and no locks. It has what a catalog needs most: a key can be created so that
exactly one of many writers succeeds. A volume is written under its final name at once; it is not part of the
catalog before its record is. A writer is taken for dead when its lock is older than the lease.
"""

from __future__ import annotations

import errno
import hashlib
import itertools
import re
import tempfile
import threading
import time
import weakref
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path, PurePosixPath
from typing import Any, Protocol

from siltomo.catalog.filesystem import FileSystem, Lock
from siltomo.catalog.ids import new_transaction
from siltomo.catalog.layout import Layout
from siltomo.errors import BadInputError, MissingPartError, StorageError

__all__ = ["Bucket", "BucketFileSystem", "FsspecBucket", "MemoryBucket", "check_conditions", "storage_of"]

_URL = re.compile(r"(s3|memory):/+(.+)")
_AT_ONCE, _BATCH = 32, 512
LEASE_S = 7 * 24 * 3600.0
_MEMORY: dict[str, MemoryBucket] = {}


class Bucket(Protocol):
    """Bytes under keys. Each method is one request, a listing one for each thousand keys."""

    def get(self, key: str, start: int | None = None, stop: int | None = None) -> bytes:
        """Return bytes, or a part of them (a negative start counts from the end); ``FileNotFoundError``."""

    def put(self, key: str, data: bytes) -> None:
        """Write bytes, in the place of what is there."""

    def create(self, key: str, data: bytes) -> None:
        """Write bytes, at once and for one writer only; ``FileExistsError`` when the key is taken."""

    def head(self, key: str) -> tuple[int, float]:
        """Return size and time of writing, in seconds since 1970; ``FileNotFoundError``."""

    def keys(self, prefix: str) -> list[str]:
        """Return the sorted keys that begin with a prefix."""

    def names(self, prefix: str) -> list[str]:
        """Return the sorted names that follow a prefix, up to the next ``/``."""

    def delete(self, key: str) -> None:
        """Remove a key, if it is there."""


class MemoryBucket:
    """A bucket in memory, for trying things out; gone with the process."""

    def __init__(self) -> None:
        self._held: dict[str, tuple[bytes, float]] = {}
        self._lock = threading.Lock()

    def get(self, key: str, start: int | None = None, stop: int | None = None) -> bytes:
        return self._find(key)[0][start:stop]

    def put(self, key: str, data: bytes) -> None:
        with self._lock:
            self._held[key] = (data, time.time())

    def create(self, key: str, data: bytes) -> None:
        with self._lock:
            if key in self._held:
                raise FileExistsError(errno.EEXIST, "already there", key)
            self._held[key] = (data, time.time())

    def head(self, key: str) -> tuple[int, float]:
        data, written = self._find(key)
        return len(data), written

    def keys(self, prefix: str) -> list[str]:
        with self._lock:
            return sorted(key for key in self._held if key.startswith(prefix))

    def names(self, prefix: str) -> list[str]:
        with self._lock:
            found = [key for key in self._held if key.startswith(prefix)]
        return sorted({key[len(prefix) :].partition("/")[0] for key in found})

    def delete(self, key: str) -> None:
        with self._lock:
            self._held.pop(key, None)

    def _find(self, key: str) -> tuple[bytes, float]:
        try:
            return self._held[key]
        except KeyError:
            raise FileNotFoundError(errno.ENOENT, "no such key", key) from None


class FsspecBucket:
    """A bucket that fsspec reaches, whose file system creates exclusively (``mode="create"``), as s3fs does."""

    def __init__(self, fs: Any) -> None:
        self._fs = fs

    def get(self, key: str, start: int | None = None, stop: int | None = None) -> bytes:
        data: bytes
        try:
            # asked for all without a range, s3fs asks for the size first
            data = self._fs.cat_file(key, start=0 if start is None else start, end=stop)
        except FileNotFoundError:
            raise
        except OSError:
            if start is not None or stop is not None:
                raise
            data = self._fs.cat_file(key)  # an empty object has no range
        return data

    def put(self, key: str, data: bytes) -> None:
        self._fs.pipe_file(key, data)

    def create(self, key: str, data: bytes) -> None:
        try:
            # never in parts: only a whole object is created exclusively
            self._fs.pipe_file(key, data, mode="create", chunksize=max(1 << 20, len(data)))
        except OSError as error:
            if isinstance(error, FileExistsError) or "PreconditionFailed" in repr(error) + repr(
                error.__cause__
            ):
                raise FileExistsError(errno.EEXIST, "already there", key) from error
            raise

    def head(self, key: str) -> tuple[int, float]:
        info = self._fs.info(key)
        if info["type"] != "file":
            raise FileNotFoundError(errno.ENOENT, "no such key", key)
        written = info["LastModified"]
        return int(info["size"]), written.timestamp()

    def keys(self, prefix: str) -> list[str]:
        return sorted(key for key in self._fs.find(prefix.rpartition("/")[0]) if key.startswith(prefix))

    def names(self, prefix: str) -> list[str]:
        try:
            found = self._fs.ls(prefix.rstrip("/"), detail=False)
        except FileNotFoundError:
            return []
        return sorted({name.rstrip("/")[len(prefix) :] for name in found} - {""})

    def delete(self, key: str) -> None:
        try:
            self._fs.rm_file(key)
        except FileNotFoundError:
            return


class BucketFileSystem(FileSystem):
    """A bucket behind the methods of a disk.

    Parameters
    ----------
    bucket
        Where the bytes are.
    scheme
        With what the paths begin, such as ``"s3:/"``.
    lease_s
        After how many seconds a writer is taken for dead.
    """

    is_disk = False

    def __init__(self, bucket: Bucket, scheme: str, *, lease_s: float = LEASE_S) -> None:
        self._bucket, self._scheme, self._lease_s = bucket, scheme, lease_s
        self._local: tempfile.TemporaryDirectory[str] | None = None

    def _key(self, path: Path | str) -> str:
        return PurePosixPath(path).as_posix().removeprefix(self._scheme)

    # ------------------------------------------------------------------ looking

    def read(self, path: Path | str) -> bytes:
        return self._bucket.get(self._key(path))

    def read_each(self, paths: Sequence[str]) -> Iterator[bytes]:
        """Yield the bytes of files, many of them asked for at a time."""
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            for first in range(0, len(paths), _BATCH):
                yield from pool.map(self.read, paths[first : first + _BATCH])

    def read_part(self, path: Path, start: int | None, stop: int | None) -> bytes:
        return self._bucket.get(self._key(path), start, stop)

    def names(self, path: Path | str) -> list[str]:
        return self._bucket.names(f"{self._key(path)}/")

    def folders(self, path: Path) -> Iterator[tuple[str, list[str]]]:
        """Yield folders and names from one listing of all that lies below."""
        split = (inner.split("/", 2) for inner in self.tree(path))
        pairs = sorted({(parts[0], parts[1]) for parts in split if len(parts) > 1})
        for name, group in itertools.groupby(pairs, key=lambda pair: pair[0]):
            yield name, [inner for _, inner in group]

    def tree(self, path: Path) -> list[str]:
        prefix = f"{self._key(path)}/"
        return [key[len(prefix) :] for key in self._bucket.keys(prefix)]

    def exists(self, path: Path) -> bool:
        try:
            self._bucket.head(self._key(path))
        except FileNotFoundError:
            return self.is_folder(path)
        return True

    def is_folder(self, path: Path) -> bool:
        return bool(self.names(path))

    def size(self, path: Path) -> int:
        return self._bucket.head(self._key(path))[0]

    def sha256(self, path: Path) -> str:
        return hashlib.sha256(self.read(path)).hexdigest()

    def address(self, path: Path) -> str:
        return f"{self._scheme}/{self._key(path)}"

    def local(self, path: Path) -> Path:
        """Copy a file to this computer, until the program ends."""
        if self._local is None:
            self._local = tempfile.TemporaryDirectory(prefix="siltomo-")
            weakref.finalize(self, self._local.cleanup)
        copy = Path(self._local.name) / self._key(path)
        if not copy.exists():
            fs = FileSystem()
            fs.mkdir(copy.parent)
            fs.write(copy, self.read(path))
        return copy

    # ------------------------------------------------------------------ changing

    def mkdir(self, path: Path) -> None:
        """Do nothing: keys need no folders."""

    def write(self, path: Path, data: bytes | memoryview) -> None:
        key, whole = self._key(path), bytes(data)
        try:
            self._bucket.create(key, whole)
        except FileExistsError:  # perhaps by us, and the reply was lost
            if self._bucket.get(key) != whole:
                raise

    def fsync(self, path: Path) -> None:
        """Do nothing: a bucket answers when it is durable."""

    def fsync_dir(self, path: Path) -> None:
        """Do nothing, as :meth:`fsync`."""

    def protect(self, path: Path) -> None:
        """Do nothing: rights are the bucket's owner's."""

    def rename(self, old: Path, new: Path) -> None:
        # who brings a bag asks is_disk first: keys are written in their place
        raise OSError(errno.ENOTSUP, "a bucket has no folders to rename", str(old))

    def replace(self, old: Path, new: Path) -> None:
        self._bucket.put(self._key(new), self.read(old))

    def link(self, old: Path, new: Path) -> None:
        self._bucket.create(self._key(new), self.read(old))

    def unlink(self, path: Path) -> None:
        self._bucket.delete(self._key(path))

    def rmtree(self, path: Path) -> None:
        for key in self._bucket.keys(f"{self._key(path)}/"):
            self._bucket.delete(key)

    def lock(self, path: Path) -> Lock | None:
        """Take a lock that nobody has, or one that is older than the lease."""
        key = self._key(path)
        try:
            self._bucket.create(key, b"")
        except FileExistsError:
            try:
                _, written = self._bucket.head(key)
            except FileNotFoundError:  # let go of at this moment
                return None
            if time.time() - written < self._lease_s:
                return None
        return _BucketLock(self, path, -1)

    def free_bytes(self, path: Path) -> int:
        return 1 << 62


class _BucketLock(Lock):
    def __exit__(self, *_: object) -> None:
        self._remove()


def check_conditions(layout: Layout, fs: FileSystem) -> None:
    """Refuse a store that lets two writers create one key: it would lose data, and say nothing.

    Raises
    ------
    StorageError
        When it does; old MinIO and Ceph are such.
    """
    probe = layout.locks / f"probe-{new_transaction()}"
    fs.write(probe, b"one")
    try:
        fs.write(probe, b"two")
    except FileExistsError:
        return
    finally:
        fs.unlink(probe)
    raise StorageError(
        "this store lets two writers create one key (it ignores If-None-Match); a catalog would lose data there",
        fix="use a store with conditional writes, such as AWS S3 or MinIO since 2024",
        where=str(layout.root),
    )


def storage_of(root: Path | str) -> tuple[Path, FileSystem]:
    """Return the path and the storage of a catalog: a folder, ``s3://bucket/prefix`` or ``memory://name``.

    Raises
    ------
    MissingPartError
        When what is needed for S3 is not installed.
    BadInputError
        When the place is a URL of another kind.
    """
    text = str(root) if isinstance(root, Path) else root
    found = _URL.fullmatch(text.rstrip("/"))
    if found is None:
        if re.match(r"[a-z][a-z0-9+]+:/", text):
            raise BadInputError(f"a catalog is a folder, s3://bucket/name or memory://name, not {text!r}")
        return Path(root), FileSystem()
    scheme, place = found[1], found[2]
    path = Path(f"{scheme}:/{place}")
    if scheme == "memory":
        return path, BucketFileSystem(_MEMORY.setdefault("memory", MemoryBucket()), "memory:/")
    try:
        import s3fs
    except ImportError:
        raise MissingPartError(
            "catalogs on S3 need s3fs, which is not installed", fix="pip install 'siltomo[remote]'"
        ) from None
    # each look must see what others wrote
    fs = s3fs.S3FileSystem(use_listings_cache=False, skip_instance_cache=True)
    return path, BucketFileSystem(FsspecBucket(fs), "s3:/")
