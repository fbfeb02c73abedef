"""The one door to the storage: all that the catalog reads or changes is a method of :class:`FileSystem`.

Tests put a failing disk behind it (crash, torn write, full, broken) and count the calls, and other stores
stand behind the same methods, so nothing else in this package may look at, create, change, rename or remove
a file. A path is a name here: only the file system knows what it means.
"""

from __future__ import annotations

import errno
import hashlib
import os
import shutil
import stat
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType

__all__ = ["FileSystem", "Lock"]

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]


_READING = os.O_RDONLY | getattr(os, "O_BINARY", 0)
_AT_ONCE = 1 << 16
"""Bytes that a file is read by at first: more than nearly all records have."""
_NO_LINKS = {errno.EPERM, errno.EOPNOTSUPP, errno.ENOTSUP, errno.ENOSYS}


class FileSystem:
    """A local disk. Each method is one effect; what is not synced may be lost in a power cut."""

    is_disk = True
    """Whether there are folders, and renames of them; else only keys."""

    # ------------------------------------------------------------------ looking

    def read(self, path: Path | str) -> bytes:
        """Return the bytes of a file; ``FileNotFoundError`` when there is none."""
        descriptor = os.open(path, _READING)  # a file object takes as long as the three calls
        try:
            data = os.read(descriptor, _AT_ONCE)
            while more := os.read(descriptor, max(len(data), _AT_ONCE)):
                data += more
        except OSError as error:
            error.filename = error.filename or os.fspath(path)
            raise
        finally:
            os.close(descriptor)
        return data

    def read_each(self, paths: Sequence[str]) -> Iterator[bytes]:
        """Yield the bytes of files, in their order."""
        return map(self.read, paths)

    def read_part(self, path: Path, start: int | None, stop: int | None) -> bytes:
        """Return a part of a file; a negative start counts from the end."""
        return self.read(path)[start:stop]

    def names(self, path: Path | str) -> list[str]:
        """Return the sorted names in a folder; none when there is no such folder."""
        try:
            return sorted(os.listdir(path))  # noqa: PTH208 -- as above
        except (FileNotFoundError, NotADirectoryError):
            return []

    def folders(self, path: Path) -> Iterator[tuple[str, list[str]]]:
        """Yield each folder in a folder with the sorted names in it, in the order of their names."""
        above = os.fspath(path)
        for name in self.names(path):
            try:
                inner = sorted(os.listdir(f"{above}/{name}"))  # noqa: PTH208 -- as above
            except (FileNotFoundError, NotADirectoryError):
                continue
            yield name, inner

    def tree(self, path: Path) -> list[str]:
        """Return the path, below a folder and with ``/``, of everything in it that is no folder."""
        return [
            (Path(folder) / name).relative_to(path).as_posix()
            for folder, _, names in os.walk(path)
            for name in names
        ]

    def exists(self, path: Path) -> bool:
        """Return whether there is such a file or folder."""
        return path.exists()

    def is_folder(self, path: Path) -> bool:
        """Return whether there is such a folder."""
        return path.is_dir()

    def size(self, path: Path) -> int:
        """Return the bytes of a file; ``FileNotFoundError`` when there is none."""
        return path.stat().st_size

    def sha256(self, path: Path) -> str:
        """Return the sha256 of a file, read from the disk rather than from memory where the system allows."""
        with path.open("rb") as file:
            if hasattr(os, "posix_fadvise"):
                os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)
            return hashlib.file_digest(file, "sha256").hexdigest()

    def address(self, path: Path) -> str:
        """Return how other programs name a file or folder."""
        return str(path)

    def local(self, path: Path) -> Path:
        """Return where other programs can open a file."""
        return path

    # ------------------------------------------------------------------ changing

    def mkdir(self, path: Path) -> None:
        """Make a folder and those above it; durable once its parents are synced."""
        path.mkdir(parents=True, exist_ok=True)

    def write(self, path: Path, data: bytes | memoryview) -> None:
        """Write a new file; an existing one is an error."""
        with path.open("xb") as file:
            file.write(data)

    def fsync(self, path: Path) -> None:
        """Make a file's bytes durable. An error is final: the kernel may have dropped the bytes."""
        descriptor = os.open(path, os.O_RDONLY)
        try:
            _full_sync(descriptor)
        finally:
            os.close(descriptor)

    def fsync_dir(self, path: Path) -> None:
        """Make a folder's names durable (a no-op where folders cannot be opened)."""
        if os.name == "nt":
            return
        self.fsync(path)

    def protect(self, path: Path) -> None:
        """Take away the right to write a file, where the disk knows rights."""
        with suppress(PermissionError):
            path.chmod(0o444)

    def rename(self, old: Path, new: Path) -> None:
        """Move a file or folder to a name that must be free."""
        if new.exists():
            raise FileExistsError(errno.EEXIST, "already there", str(new))
        old.rename(new)

    def replace(self, old: Path, new: Path) -> None:
        """Put a file in the place of another, at once; only mending does so."""
        old.replace(new)

    def link(self, old: Path, new: Path) -> None:
        """Give a file a second name: whole at once, and an error when the name is taken.

        Where the disk has no hard links (exFAT, some network shares) the file is moved there, under a lock.
        """
        try:
            os.link(old, new)
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            _move_exclusively(old, new)

    def unlink(self, path: Path) -> None:
        """Remove a name; no error when it is gone."""
        path.unlink(missing_ok=True)

    def rmtree(self, path: Path) -> None:
        """Remove a folder that nobody reads, as far as possible."""
        if os.name == "nt":  # protected files cannot be removed there
            for file in path.rglob("*"):
                file.chmod(stat.S_IRWXU)
        shutil.rmtree(path, ignore_errors=True)

    def lock(self, path: Path) -> Lock | None:
        """Take the lock of a transaction; None when somebody holds it."""
        descriptor = os.open(path, os.O_CREAT | os.O_RDWR, 0o644)
        held = False
        try:
            held = _take(descriptor) and _still_names(path, descriptor)
            return Lock(self, path, descriptor) if held else None
        finally:
            if not held:
                os.close(descriptor)

    def look(self, path: Path) -> None:
        """Mark a read that a decision hangs on; the schedule tests switch threads here."""

    def free_bytes(self, path: Path) -> int:
        """Return the space left for us on the disk of a folder."""
        return shutil.disk_usage(path).free


class Lock:
    """A held lock file; released and removed at the end of a ``with`` block, or when the process dies."""

    def __init__(self, fs: FileSystem, path: Path, descriptor: int) -> None:
        self._fs, self.path, self._descriptor = fs, path, descriptor

    def __enter__(self) -> Lock:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            # the name goes first: whoever opens it between the two finds another inode and lets go
            if os.name != "nt":
                self._remove()
        finally:
            os.close(self._descriptor)
        if os.name == "nt":
            self._remove()

    def _remove(self) -> None:
        with suppress(OSError):  # recovery sweeps it; what was done under the lock is done
            self._fs.unlink(self.path)


def _move_exclusively(old: Path, new: Path) -> None:
    """Rename a file unless the name is taken, safe against other processes of this computer."""
    if fcntl is None:  # renaming never overwrites on Windows
        old.rename(new)
        return
    folder = os.open(new.parent, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)
        if new.exists():
            raise FileExistsError(errno.EEXIST, "already there", str(new))
        old.rename(new)
    finally:
        os.close(folder)


def _full_sync(descriptor: int) -> None:
    """Sync to the medium; plain fsync stops at the drive's cache on macOS."""
    command = getattr(fcntl, "F_FULLFSYNC", None)
    if command is not None:
        fcntl.fcntl(descriptor, command)
        return
    os.fsync(descriptor)


def _take(descriptor: int) -> bool:
    """Lock an open file without waiting; False when somebody else has it."""
    try:
        if fcntl is not None:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        else:
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined,unused-ignore]
    except OSError as error:
        if error.errno in (errno.EAGAIN, errno.EACCES, errno.EDEADLK):
            return False
        raise
    return True


def _still_names(path: Path, descriptor: int) -> bool:
    """Return whether the path still names the file we locked, and not a later one."""
    try:
        return os.path.samestat(path.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
