"""Voxels that lie in a file one after the other, x fastest, described by a text header."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, FormatError
from siltomo.importers.border import DAMAGED, border, plain_text
from siltomo.importers.reading import size_words

__all__ = ["RawBlock", "beside", "header_floats", "header_ints", "raw_block"]

_INTEGER = re.compile(r"[+-]?\d{1,15}")
_FLOAT = re.compile(r"[+-]?(?:\d{1,40}\.?\d{0,40}|\.\d{1,40})(?:[eE][+-]?\d{1,3})?")


@dataclass(frozen=True)
class RawBlock:
    """Reads planes of a file of plain voxels; a ``Planes.read``."""

    path: Path
    offset: int
    stored: np.dtype[Any]
    """The type in the file, with its byte order."""
    shape: tuple[int, int, int]

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        """Read the planes ``start`` to ``stop``, in native byte order."""
        plane = self.shape[1] * self.shape[2]
        with border(self.path, f"planes {start} to {stop - 1}"), self.path.open("rb") as file:
            file.seek(self.offset + start * plane * self.stored.itemsize)
            voxels = np.fromfile(file, self.stored, (stop - start) * plane)
            if voxels.size != (stop - start) * plane:
                raise _cut(self.path, f"planes {start} to {stop - 1} are not all there")
        return voxels.astype(self.stored.newbyteorder("="), copy=False).reshape(-1, *self.shape[1:])


def raw_block(
    path: Path, offset: int, stored: np.dtype[Any], shape: tuple[int, int, int], *, header: str
) -> RawBlock:
    """Return the reader of plain voxels that must fill the file from ``offset`` to its end.

    Raises
    ------
    FormatError
        When the file holds fewer or more bytes than the header declares, with both numbers.
    """
    needed = math.prod(shape) * stored.itemsize
    with border(path, "the size of the file"):
        held = path.stat().st_size - offset
    if held < needed:
        raise _cut(
            path, f"{header} declares {size_words(needed)} of voxels, the file holds {size_words(held)}"
        )
    if held > needed:
        raise FormatError(
            f"{header} declares {'×'.join(map(str, shape))} voxels of {stored.name} "
            f"({needed} bytes), the file holds {held} bytes: shape or type cannot be right",
            where=str(path),
            fix=Amend(advice="correct the header (sizes along x, y, z and the type), or export again"),
        )
    return RawBlock(path, offset, stored, shape)


def _cut(path: Path, why: str) -> FormatError:
    return FormatError(f"the file is cut: {why}", where=str(path), fix=DAMAGED)


def beside(header: Path, name: str) -> Path:
    """Return the data file that a header names; it must lie in the folder of the header.

    Raises
    ------
    FormatError
        When the name is absolute, leads elsewhere (also by a link), or there is no such plain file.
    """
    shown = plain_text(name, 80)
    parts = (*PurePosixPath(name).parts, *PureWindowsPath(name).parts)
    absolute = PurePosixPath(name).is_absolute() or PureWindowsPath(name).drive or name.startswith("\\")
    if not name.strip() or "\0" in name or absolute or ".." in parts:
        raise FormatError(
            f"names its voxels '{shown}', which is not in its own folder",
            where=str(header),
            fix=Amend(advice="put the file of voxels beside the header, and its plain name into the header"),
        )
    path = header.parent / name
    with border(header, f"the file of voxels '{shown}'"):
        there = path.is_file()
        inside = path.resolve().is_relative_to(header.parent.resolve())
    if not there:
        raise FormatError(
            f"its voxels should be in '{shown}', which is not beside it",
            where=str(header),
            fix=Amend(advice=f"copy {shown} into {header.parent}"),
        )
    if not inside:
        raise FormatError(
            f"its voxels are in '{shown}', a link out of its folder",
            where=str(header),
            fix=Amend(advice="copy the file itself into the folder"),
        )
    return path


def header_ints(text: str, count: int, field: str, where: Path) -> tuple[int, ...]:
    """Read whole numbers of a header.

    Raises
    ------
    FormatError
        When there are not exactly ``count``, or any is no whole number of up to 15 digits.
    """
    words = text.split()
    if len(words) != count or not all(_INTEGER.fullmatch(word) for word in words):
        raise FormatError(
            f"its {field} is '{plain_text(text, 60)}': {count} whole numbers are expected",
            where=str(where),
            fix=DAMAGED,
        )
    return tuple(int(word) for word in words)


def header_floats(text: str, count: int, field: str, where: Path) -> tuple[float, ...]:
    """Read numbers of a header; raises ``FormatError`` when there are not exactly ``count`` finite ones."""
    words = text.split()
    values = [float(word) for word in words if _FLOAT.fullmatch(word)]
    if not len(words) == len(values) == count or not all(math.isfinite(v) for v in values):
        raise FormatError(
            f"its {field} is '{plain_text(text, 60)}': {count} numbers are expected",
            where=str(where),
            fix=DAMAGED,
        )
    return tuple(values)
