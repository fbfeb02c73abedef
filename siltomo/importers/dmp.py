"""TOMCAT's .DMP slices: six bytes of header, then float32."""

from __future__ import annotations

import os
import struct
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, FormatError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import DAMAGED, border
from siltomo.importers.reading import Planes, check_shape
from siltomo.importers.slices import group_slices
from siltomo.importers.stacks import check_file, check_numbers, chosen_stack, gap_warning

__all__ = ["dmp_names", "import_dmp", "recognises"]

HEADER = 6
FLOAT = np.dtype("<f4")


def recognises(path: Path) -> bool:
    """Return whether a path is a folder with .DMP slices in it, or one such slice."""
    if path.is_dir():
        return bool(dmp_names(path))
    return path.suffix.lower() == ".dmp"


def dmp_names(folder: Path) -> list[str]:
    """Return the names of the .DMP files of a folder; hidden files are left out."""
    with os.scandir(folder) as entries:
        return [e.name for e in entries if e.name.lower().endswith(".dmp") and not e.name.startswith(".")]


def import_dmp(source: Source, /) -> ImportedVolume:
    """Describe a folder of .DMP slices, or a single slice; every header is read, no voxel is.

    Raises
    ------
    FormatError
        SIL101 when there are several stacks; SIL102 when slices are missing; when a header does not fit
        the size of its file, or differs from the first one.
    """
    folder = source.path
    if not folder.is_dir():
        files: tuple[Path | None, ...] = (folder,)
        label = folder.stem
        warnings: tuple[str, ...] = ("the file holds one slice: taken as a volume of one plane",)
    else:
        with border(folder, "the folder"):
            stack = chosen_stack(group_slices(dmp_names(folder)), source, "DMP")
        check_numbers(stack, source)
        by_number = dict(zip(stack.numbers, stack.names, strict=True))
        numbers = range(stack.numbers[0], stack.numbers[-1] + 1)
        files = tuple(folder / by_number[n] if n in by_number else None for n in numbers)
        label, warnings = stack.label, gap_warning(stack)
    there = [file for file in files if file is not None]
    sizes = [_header(file, folder) for file in there]
    for file, size in zip(there, sizes, strict=True):
        if size != sizes[0]:
            raise FormatError(
                f"slice {file.name} is {size[0]}×{size[1]}, {there[0].name} is {sizes[0][0]}×{sizes[0][1]}",
                where=str(folder),
                fix=Amend(advice="reconstruct the whole stack again, or move the odd slices elsewhere"),
            )
    shape = check_shape((len(files), *sizes[0]), folder)
    return ImportedVolume(
        format="TOMCAT DMP stack",
        shape=shape,
        dtype=np.dtype(np.float32),
        planes=Planes(shape, np.dtype(np.float32), _Slices(files, (sizes[0][0], sizes[0][1]))),
        files=tuple(there),
        missing_planes=tuple(i for i, file in enumerate(files) if file is None),
        facts={"stored type": FLOAT.str, "bits per voxel": "32", "stack": label},
        warnings=warnings,
    )


def _header(file: Path, folder: Path) -> tuple[int, int]:
    """Return rows and columns, checked against the size of the file."""
    if folder.is_dir():
        check_file(file, folder)
    with border(file, "its header"):
        with file.open("rb") as opened:
            head = opened.read(HEADER)
        held = file.stat().st_size
    if len(head) < HEADER:
        raise FormatError("the file is cut: it has no header", where=str(file), fix=DAMAGED)
    width, height, planes = struct.unpack("<3H", head)
    if planes > 1 or held != HEADER + width * height * FLOAT.itemsize or not width * height:
        raise FormatError(
            f"is no DMP slice: its header says {width}×{height}×{planes} float32, the file holds "
            f"{max(held - HEADER, 0)} bytes of voxels",
            where=str(file),
            fix=DAMAGED,
        )
    return height, width


@dataclass(frozen=True)
class _Slices:
    """Reads slices, each file opened and closed; a missing one is zero."""

    files: tuple[Path | None, ...]
    size: tuple[int, int]

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        out = np.zeros((stop - start, *self.size), np.float32)
        for plane, file in zip(out, self.files[start:stop], strict=True):
            if file is None:
                continue
            with border(file, "the slice"):
                voxels = np.fromfile(file, FLOAT, offset=HEADER)
                plane[...] = voxels.reshape(self.size)
        return out
