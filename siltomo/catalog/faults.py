"""What the storage below can do to us, as one error with the reason and the way out."""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType

from siltomo.errors import DamagedError, SiltomoError, StorageError

__all__ = ["storage_faults", "voxel_faults"]

_FULL = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG}
_DENIED = {errno.EACCES, errno.EPERM, errno.EROFS}


class storage_faults:  # noqa: N801 -- used as the function that it was; a generator takes as long as a read
    """Raise every ``OSError`` of the block as a :class:`StorageError` that names the file.

    Parameters
    ----------
    root
        The catalog's folder.
    """

    __slots__ = ("_root",)

    def __init__(self, root: Path) -> None:
        self._root = root

    def __enter__(self) -> None:
        """Begin the block."""

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Explain what ended the block, where the storage did."""
        if isinstance(error, OSError) and not isinstance(error, SiltomoError):
            raise _explained(error, self._root) from error


@contextmanager
def voxel_faults(what: str) -> Iterator[None]:
    """Raise as :class:`DamagedError` what zarr says when the checksum of a chunk does not match.

    Parameters
    ----------
    what
        What is read, for the message, such as ``"scan ref1-op07"``.
    """
    try:
        yield
    except SiltomoError:
        raise
    except ValueError as error:
        if "checksum" not in str(error):
            raise
        raise DamagedError(
            f"voxels of {what} are damaged: {error}", fix="siltomo catalog verify --full"
        ) from error


def _explained(error: OSError, root: Path) -> StorageError:
    where = str(error.filename or root)
    reason = error.strerror or str(error)
    if error.errno in _FULL:
        return StorageError(
            f"no space left for the catalog ({reason}); what it held before is unchanged",
            code="SIL181",
            fix=f"free space on the disk of {root}, then repeat the command",
            where=where,
        )
    if error.errno in _DENIED:
        return StorageError(
            f"the catalog may not be written or read here ({reason})",
            code="SIL183",
            fix=f"check who owns {root} and whether its disk is mounted read-only",
            where=where,
        )
    return StorageError(
        f"the disk failed ({reason}); what the catalog held before is unchanged",
        fix="check the disk and its cable or network, then run: siltomo catalog verify",
        where=where,
    )
