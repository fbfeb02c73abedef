"""Read the strokes of an ilastik pixel classification project, and write the command that runs it elsewhere."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import FormatError, MismatchError

__all__ = [
    "IlastikProject",
    "Probabilities",
    "headless_command",
    "open_probabilities",
    "phase_names",
    "project_names",
    "read_project",
]

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


def headless_command(
    project: Path, images: Sequence[Path], folder: Path, *, source: str = "Probabilities"
) -> str:
    """Return the command line that lets ilastik export something of images by a project, without its window.

    The source is one of those of its pixel classification, such as "Probabilities" or "Features".

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
        f"--export_source={source}",
        "--output_format=hdf5",
        f"--output_filename_format={folder}/{{nickname}}_{{result_type}}.h5",
        *map(str, images),
    ]
    return shlex.join(words)


@dataclass(frozen=True)
class Probabilities:
    """An exported map of probabilities, read plane by plane."""

    path: Path
    dataset: str
    axes: tuple[int, int, int, int]
    """Where the file keeps class, z, y, x."""
    shape: tuple[int, int, int]
    """Voxels along z, y, x."""
    classes: int
    full: float
    """What stands for certainty: 1 for floats, the largest value for integers."""

    def __call__(self, start: int, stop: int) -> NDArray[np.float32]:
        """Return the probabilities of some planes, shape (classes, planes, y, x), each voxel's adding up to 1."""
        import h5py

        with h5py.File(self.path, "r") as file:
            data = file[self.dataset]
            wanted: list[Any] = [0] * data.ndim
            for axis, part in zip(
                self.axes, (slice(None), slice(start, stop), slice(None), slice(None)), strict=True
            ):
                wanted[axis] = part
            block = np.asarray(data[tuple(wanted)], np.float32) / np.float32(self.full)
        block = np.moveaxis(block, [sorted(self.axes).index(a) for a in self.axes], range(4))
        total = block.sum(axis=0)
        if not np.isfinite(total).all() or (np.abs(total - 1) > 0.05).any():
            raise FormatError(
                f"planes {start} to {stop - 1} are no probabilities: those of a voxel add up to between "
                f"{np.nanmin(total):.3g} and {np.nanmax(total):.3g}, not to 1",
                where=f"{self.path}: {self.dataset}",
            )
        return np.asarray(block / total)


def open_probabilities(path: Path) -> Probabilities | None:
    """Open an export of ilastik that holds probabilities; None where the file holds a single channel.

    Raises
    ------
    FormatError
        When it is no HDF5 file, or its axes are not named.
    """
    import h5py

    try:
        with h5py.File(path, "r") as file:
            name = "exported_data"
            if name not in file:
                raise FormatError(
                    f"has no dataset 'exported_data'; there is {', '.join(file) or 'none'}", where=str(path)
                )
            data = file[name]
            keys = _axis_keys(data, f"{path}: {name}")
            sizes = dict(zip(keys, data.shape, strict=True))
            if sizes.get("c", 1) == 1:
                return None
            if not {"z", "y", "x"} <= set(keys) or any(n > 1 for k, n in sizes.items() if k not in "czyx"):
                raise FormatError(f"is no single volume: its axes are {sizes}", where=f"{path}: {name}")
            full = 1.0 if data.dtype.kind == "f" else float(np.iinfo(data.dtype).max)
            c, z, y, x = (keys.index(key) for key in "czyx")
            return Probabilities(
                path, name, (c, z, y, x), (sizes["z"], sizes["y"], sizes["x"]), sizes["c"], full
            )
    except OSError as error:
        raise FormatError(f"cannot be read as HDF5: {error}", where=str(path)) from error


def _axis_keys(data: Any, where: str) -> list[str]:
    """Return the letters of the axes, from the tags that ilastik writes."""
    try:
        keys = [str(axis["key"]).lower() for axis in json.loads(data.attrs["axistags"])["axes"]]
    except (KeyError, ValueError, TypeError) as error:
        raise FormatError("does not say which axis is which (no axistags)", where=where) from error
    if len(keys) != data.ndim or len(set(keys)) != len(keys):
        raise FormatError(f"its axistags {keys} do not name its {data.ndim} axes", where=where)
    return keys


def phase_names(names: Sequence[str]) -> dict[int, str]:
    """Turn names of classes into names of phases.

    Examples
    --------
    >>> phase_names(["SEI rich", "Pore"])
    {1: 'sei_rich', 2: 'pore'}
    """
    found = {}
    for value, name in enumerate(names, 1):
        plain = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")[:40]
        found[value] = plain if re.match("[a-z]", plain) else f"class_{value}"
    return found


def project_names(path: Path) -> tuple[tuple[str, ...], tuple[tuple[int, int, int], ...]]:
    """Return the names and the colours of the classes of a project."""
    import h5py

    try:
        with h5py.File(path, "r") as file:
            names = tuple(_texts(file.get("PixelClassification/LabelNames")))
            colours = tuple(_colours(file.get("PixelClassification/LabelColors")))
    except OSError as error:
        raise FormatError(f"cannot be read as HDF5: {error}", where=str(path)) from error
    if not names:
        raise FormatError("names no classes: it is no pixel classification project", where=str(path))
    return names, colours
