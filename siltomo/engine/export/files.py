"""Files and folders that appear whole under their name, or not at all."""

from __future__ import annotations

import os
import shutil
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siltomo.errors import Amend, BadInputError, NotFoundError, SiltomoError, StorageError

__all__ = ["fsync_tree", "whole"]


@contextmanager
def whole(path: Path, *, force: bool) -> Iterator[Path]:
    """Give a place beside a path to write to, and put it there once it is complete and on the disk.

    Parameters
    ----------
    path
        The file or folder that is to be.
    force
        Whether what is there may be replaced.

    Raises
    ------
    BadInputError
        When something is there and may not be replaced.
    NotFoundError
        When its folder does not exist.
    StorageError
        When the disk is full or may not be written; nothing stays behind.
    """
    _check(path, force)
    made = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.part")
    try:
        yield made
        fsync_tree(made)
        if made.is_dir() and path.exists():
            old = path.with_name(f".{path.name}.{uuid.uuid4().hex[:8]}.old")
            path.rename(old)
            made.rename(path)
            shutil.rmtree(old) if old.is_dir() else old.unlink()
        else:
            made.replace(path)
    except SiltomoError:
        raise
    except OSError as error:
        raise StorageError(
            f"cannot be written: {error.strerror or error}; nothing was left there",
            where=str(path),
            fix=Amend(advice="free space, or write elsewhere"),
        ) from error
    finally:
        if made.is_dir():
            shutil.rmtree(made, ignore_errors=True)
        else:
            made.unlink(missing_ok=True)


def _check(path: Path, force: bool) -> None:
    if not path.absolute().parent.is_dir():
        raise NotFoundError("the folder does not exist", where=str(path), fix=f"mkdir -p {path.parent}")
    if path.is_dir() and not path.is_symlink() and not force:
        raise _there(path, "folder")
    if (path.exists() or path.is_symlink()) and not force:
        raise _there(path, "file")


def _there(path: Path, kind: str) -> BadInputError:
    return BadInputError(
        f"there is a {kind} of that name already",
        code="SIL166",
        where=str(path),
        fix=Amend({"--force": ""}, advice="to replace it"),
    )


def fsync_tree(path: Path) -> None:
    """Bring a file, or all files of a folder, to the disk."""
    files = [path] if path.is_file() else [p for p in path.rglob("*") if p.is_file()]
    for file in files:
        with file.open("rb") as opened:
            os.fsync(opened.fileno())
