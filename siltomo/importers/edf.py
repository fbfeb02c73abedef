"""ESRF EDF: a folder of slices, or one file with many frames; read by fabio, an optional package."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import MissingPartError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import border, log_lines, plain_text, refused
from siltomo.importers.reading import Planes, check_shape, voxel_dtype
from siltomo.importers.slices import group_slices
from siltomo.importers.stacks import check_file, check_numbers, chosen_stack, gap_warning

__all__ = ["edf_names", "import_edf", "recognises"]

KEYS = (b"headerid", b"edf_", b"byteorder", b"datatype", b"dim_1", b"dim1", b"image", b"history")
MAX_FRAMES = 100_000


@dataclass(frozen=True)
class _Frame:
    """One slice: a frame of a file."""

    path: Path
    number: int


def recognises(path: Path) -> bool:
    """Return whether a path is an EDF file, or a folder with EDF slices in it."""
    if path.is_dir():
        return bool(edf_names(path))
    if not path.is_file():
        return False
    with path.open("rb") as file:
        begins = file.read(512).lstrip().lower()
    return begins.startswith(b"{") and b"=" in begins and any(key in begins for key in KEYS)


def edf_names(folder: Path) -> list[str]:
    """Return the names of the EDF files of a folder; hidden files are left out."""
    with os.scandir(folder) as entries:
        return [e.name for e in entries if e.name.lower().endswith(".edf") and not e.name.startswith(".")]


def import_edf(source: Source, /) -> ImportedVolume:
    """Describe a folder of EDF slices, or an EDF file; every header is read, no voxel is.

    Returns
    -------
    ImportedVolume
        Without voxel size: the keys that hold one differ from beamline to beamline and have no unit; they
        are among the facts.

    Raises
    ------
    MissingPartError
        When fabio is not installed.
    FormatError
        SIL101 when there are several stacks; SIL102 when slices are missing; when a file is cut, packed,
        or keeps its voxels elsewhere.
    """
    _need_fabio(source.path)
    folder = source.path
    if not folder.is_dir():
        files: list[Path | None] = [folder]
        label, warnings = folder.stem, list[str]()
    else:
        with border(folder, "the folder"):
            stack = chosen_stack(group_slices(edf_names(folder)), source, "EDF")
        check_numbers(stack, source)
        by_number = dict(zip(stack.numbers, stack.names, strict=True))
        numbers = range(stack.numbers[0], stack.numbers[-1] + 1)
        files = [folder / by_number[n] if n in by_number else None for n in numbers]
        label, warnings = stack.label, list(gap_warning(stack))
    frames, size, stored, facts = _frames(files, folder)
    shape = check_shape((len(frames), *size), folder)
    dtype = voxel_dtype(stored, folder)
    if shape[0] == 1:
        warnings.append("the file holds one image: taken as a volume of one plane")
    return ImportedVolume(
        format="EDF file" if files[0] == folder else "EDF stack",
        shape=shape,
        dtype=dtype,
        planes=Planes(shape, dtype, _Slices(tuple(frames), size, dtype)),
        files=tuple(file for file in files if file is not None),
        missing_planes=tuple(i for i, frame in enumerate(frames) if frame is None),
        facts={"stored type": stored.str, "stack": plain_text(label, 80), **facts},
        warnings=tuple(warnings),
    )


def _need_fabio(path: Path) -> None:
    try:
        import fabio.edfimage  # noqa: F401 -- only whether it is there
    except ImportError as error:
        raise MissingPartError(
            "EDF needs the package fabio", where=str(path), fix="pip install 'siltomo[edf]'"
        ) from error


def _frames(
    files: list[Path | None], folder: Path
) -> tuple[list[_Frame | None], tuple[int, int], np.dtype[Any], dict[str, str]]:
    """Read the header of every frame; all are of one shape and type."""
    frames: list[_Frame | None] = []
    first: tuple[tuple[int, int], np.dtype[Any], Path] | None = None
    facts: dict[str, str] = {}
    for file in files:
        if file is None:
            frames.append(None)
            continue
        if folder.is_dir():
            check_file(file, folder)
        count, size, stored, words = _header(file)
        if first is None:
            first, facts = (size, stored, file), words
        if folder.is_dir() and count > 1:
            raise refused(file, f"holds {count} frames; in a folder of slices each file holds one")
        if (size, stored) != first[:2]:
            raise refused(
                file,
                f"is {size[0]}×{size[1]} {stored}, {first[2].name} is {first[0][0]}×{first[0][1]} {first[1]}",
            )
        frames += [_Frame(file, n) for n in range(count)]
    if first is None:
        raise refused(folder, "holds no EDF slice")
    return frames, first[0], first[1], facts


def _header(file: Path) -> tuple[int, tuple[int, int], np.dtype[Any], dict[str, str]]:
    """Return frames, size, type and facts, checked against the size of the file."""
    with border(file, "its EDF header"), _opened(file) as image:
        headers = [dict(frame.header) for frame in image._frames]
        shapes = {tuple(frame.shape) for frame in image._frames}
        types = {np.dtype(frame.dtype) for frame in image._frames}
        held = file.stat().st_size
    keys = {key.upper() for header in headers for key in header}
    if "EDF_BINARYFILENAME" in keys:
        raise refused(file, "keeps its voxels in another file", "save the frames with their voxels inside")
    packed = [str(v) for h in headers for k, v in h.items() if k.upper() == "COMPRESSION"]
    if any(word.upper() not in ("NONE", "NO", "") for word in packed):
        raise refused(file, f"is packed ({plain_text(packed[0], 30)})", "save it again unpacked")
    if len(shapes) != 1 or len(types) != 1 or len(headers) > MAX_FRAMES:
        raise refused(file, f"its {len(headers)} frames differ in shape or type")
    shape, stored = shapes.pop(), types.pop()
    if len(shape) != 2 or min(shape) < 1:
        raise refused(file, f"its frames have the shape {shape}")
    needed = len(headers) * math.prod(shape) * stored.itemsize
    if needed > held:
        raise refused(file, f"the file is cut: its header declares {needed} bytes of voxels, it has {held}")
    sizes = {
        k: plain_text(v, 60) for k, v in headers[0].items() if "size" in k.lower() and k.lower() != "size"
    }
    return len(headers), (int(shape[0]), int(shape[1])), stored, dict(list(sizes.items())[:20])


@contextmanager
def _opened(file: Path) -> Iterator[Any]:
    """Open an EDF file; what fabio only logs as an error is one."""
    from fabio.edfimage import EdfImage

    with log_lines("fabio") as lines:
        image = EdfImage()
        image.read(str(file))
        try:
            yield image
        finally:
            image.close()
    if image.incomplete_file or lines:
        raise refused(file, f"is damaged: {'; '.join(lines)[:200] or 'its last frame is incomplete'}")


@dataclass(frozen=True)
class _Slices:
    """Reads frames, each file opened and closed; a missing one is zero."""

    frames: tuple[_Frame | None, ...]
    size: tuple[int, int]
    dtype: np.dtype[Any]

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        out = np.zeros((stop - start, *self.size), self.dtype)
        at = start
        while at < stop:
            frame = self.frames[at]
            if frame is None:
                at += 1
                continue
            with border(frame.path, f"plane {at}"), _opened(frame.path) as image:
                while at < stop and (now := self.frames[at]) is not None and now.path == frame.path:
                    out[at - start] = image.get_frame(now.number).data
                    at += 1
        return out
