"""Read the strokes of an ilastik pixel classification project, and write the command that runs it elsewhere."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import FormatError, MismatchError

__all__ = ["IlastikProject", "headless_command", "read_project"]

_LABELS = "PixelClassification/LabelSets"


@dataclass(frozen=True, eq=False)
class IlastikProject:
    """The strokes of a project, as sparse labels."""

    names: tuple[str, ...]
    """Names of the classes, from 1."""
    colours: tuple[tuple[int, int, int], ...]
    """Their colours, as far as the project states them."""
    labels: NDArray[np.uint8]
    """Sparse labels of shape (z, y, x), 0 where there is no stroke."""


def read_project(path: Path, shape: tuple[int, int, int], *, lane: int = 0) -> IlastikProject:
    """Read the strokes of one image of a project.

    Parameters
    ----------
    path
        The ``.ilp`` file.
    shape
        Voxels of the scan along z, y, x: the project does not always state those of its image.
    lane
        Which of its images, from 0.

    Raises
    ------
    FormatError
        When it is no pixel classification project, or has no strokes for the image.
    MismatchError
        When a stroke lies outside of the scan.

    Notes
    -----
    Read from the file's own structure: blocks of strokes with their place in the attribute ``blockSlice``. Axes are
    taken as z, y, x (with one time and one channel, where the blocks have five or four axes), which is the order of
    volumes that came from HDF5 or a TIFF stack.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            if _LABELS not in file:
                raise FormatError("is no ilastik pixel classification project", where=str(path))
            group = file[_LABELS].get(f"labels{lane:03d}")
            if group is None or not len(group):
                raise FormatError(f"has no strokes for its image {lane}", where=str(path))
            labels = np.zeros(shape, np.uint8)
            for name in sorted(group):
                _paste(labels, group[name], f"{path}: {name}")
            names = tuple(_texts(file.get("PixelClassification/LabelNames")))
            colours = tuple(_colours(file.get("PixelClassification/LabelColors")))
    except OSError as error:
        raise FormatError(f"cannot be read as HDF5: {error}", where=str(path)) from error
    return IlastikProject(names, colours, labels)


def _paste(labels: NDArray[np.uint8], block: Any, where: str) -> None:
    """Put a block of strokes into its place."""
    said = block.attrs.get("blockSlice")
    said = said.decode() if isinstance(said, bytes) else str(said)
    ranges = [(int(a), int(b)) for a, b in re.findall(r"(\d+):(\d+)", said)]
    values = np.asarray(block)
    if values.ndim != len(ranges) or any(b - a != n for (a, b), n in zip(ranges, values.shape, strict=False)):
        raise FormatError(f"the place {said!r} does not fit strokes of shape {values.shape}", where=where)
    if values.ndim == 5:  # t, z, y, x, c
        ranges, values = ranges[1:], values[0]
    if values.ndim == 4:  # z, y, x, c
        ranges, values = ranges[:3], values[..., 0]
    if values.ndim != 3:
        raise FormatError(f"strokes with the axes of {said!r} are not those of a volume", where=where)
    if any(b > n for (_, b), n in zip(ranges, labels.shape, strict=True)):
        raise MismatchError(
            f"a stroke reaches to {[b for _, b in ranges]} (z, y, x); the scan has {list(labels.shape)} voxels",
            code="SIL110",
            where=where,
        )
    target = labels[tuple(slice(a, b) for a, b in ranges)]
    np.copyto(target, values.astype(np.uint8), where=values > 0)


def _texts(data: Any) -> Iterator[str]:
    for one in [] if data is None else np.asarray(data).ravel():
        yield one.decode() if isinstance(one, bytes) else str(one)


def _colours(data: Any) -> Iterator[tuple[int, int, int]]:
    for row in [] if data is None else np.asarray(data).reshape(-1, 3):
        red, green, blue = (int(part) for part in row)
        yield red, green, blue


def headless_command(project: Path, images: Sequence[Path], folder: Path) -> str:
    """Return the command line that lets ilastik classify images by a project, without its window.

    Examples
    --------
    >>> print(headless_command(Path("sei.ilp"), [Path("a b.h5/grey")], Path("out")))
    run_ilastik.sh --headless --project=sei.ilp --export_source=Probabilities --output_format=hdf5 \
'--output_filename_format=out/{nickname}_{result_type}.h5' 'a b.h5/grey'
    """
    words = [
        "run_ilastik.sh",
        "--headless",
        f"--project={project}",
        "--export_source=Probabilities",
        "--output_format=hdf5",
        f"--output_filename_format={folder}/{{nickname}}_{{result_type}}.h5",
        *map(str, images),
    ]
    return shlex.join(words)
