"""Datasets of HDF5 files, those of ilastik and ImageJ included."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, FormatError, NotFoundError, UnitError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import border, plain_text
from siltomo.importers.hdf5_links import check_storage, dataset_names, find_dataset, open_hdf5
from siltomo.importers.nabu import nabu_voxel_size
from siltomo.importers.reading import Planes, check_shape, voxel_dtype
from siltomo.units import Quantity

__all__ = ["axis_keys", "import_hdf5", "recognises"]

MAGIC = b"\x89HDF\r\n\x1a\n"
SIZE_NAME = re.compile(
    r"(?:element|voxel|pixel|grid)_?(?:size|spacing)(?:_(?P<unit>nm|um|mm|cm|m))?", re.IGNORECASE
)
AXIS_WORDS = {"c": "channels", "t": "time points"}


@dataclass(frozen=True)
class Axes:
    """Which axes of a dataset are z, y and x; all others are of size 1."""

    ndim: int
    z: int | None
    """None when the dataset is one plane."""
    y: int
    x: int
    said: str = ""
    """What was done to the dataset's axes, in words."""


def recognises(path: Path) -> bool:
    """Return whether a path is an HDF5 file; its signature may follow a user block."""
    if not path.is_file():
        return False
    size, offset = path.stat().st_size, 0
    with path.open("rb") as file:
        while offset < size:
            file.seek(offset)
            if file.read(len(MAGIC)) == MAGIC:
                return True
            offset = max(512, 2 * offset)
    return False


def import_hdf5(source: Source, /) -> ImportedVolume:
    """Describe a dataset of an HDF5 file.

    Axes of size 1 beyond three are left out, and said so. Where ``axistags`` (ilastik) or dimension labels
    name the axes, voxels come in the order z, y, x whatever the order of the file.

    Parameters
    ----------
    source
        The file; ``member`` names the dataset where the file holds several volumes.

    Returns
    -------
    ImportedVolume
        With a voxel size only where an attribute states its unit, such as ``element_size_um``.

    Raises
    ------
    FormatError
        SIL101 when there are several volumes; when the voxels are not in the file, or are no real numbers.
    NotFoundError
        When there is no dataset of that name.
    MissingPartError
        When the voxels are compressed by a filter that is not installed.
    """
    path = source.path
    with border(path, "the HDF5 file"), open_hdf5(path) as file:
        dataset = _chosen(file, source)
        where = f"{path}: {plain_text(dataset.name, 120)}"
        dtype = voxel_dtype(_plain_type(dataset), where)
        axes = _axes(dataset, where)
        shape = check_shape(_shape(dataset, axes), where)
        others, storage_warnings = check_storage(dataset, path)
        sizes, size_source, size_warnings = _voxel_size(dataset)
        if not any(sizes):
            stated, size_source = nabu_voxel_size(file, dataset, where)
            sizes = (stated[0], stated[1], stated[2]) if stated else sizes
        warnings = [*storage_warnings, *size_warnings]
        if "MATLAB_class" in dataset.attrs:
            warnings.append("MATLAB writes its axes in reverse: z here is the last index of the MATLAB array")
        if axes.z is None or shape[0] == 1:
            warnings.append("the dataset holds one image: taken as a volume of one plane")
        return ImportedVolume(
            format="HDF5 dataset",
            shape=shape,
            dtype=dtype,
            planes=Planes(shape, dtype, partial(_read, path, str(dataset.name), axes)),
            files=(path, *others),
            voxel_size=sizes,
            voxel_source=size_source,
            facts=_facts(dataset, axes),
            warnings=tuple(warnings),
        )


def _chosen(file: h5py.File, source: Source) -> h5py.Dataset:
    """Return the dataset that is meant, or say which there are."""
    where = str(source.path)
    names = dataset_names(file)
    if source.member is not None:
        dataset = find_dataset(file, source.member, where)
        if dataset is not None:
            return dataset
        near = get_close_matches(source.member.lstrip("/"), [n.lstrip("/") for n in names], 1, 0.0)
        raise NotFoundError(
            f"no dataset '{plain_text(source.member, 80)}'; there is {_listing(file, names)}",
            where=where,
            fix=Amend({"--dataset": near[0]}) if near else Amend(advice="give a file that holds a volume"),
        )
    volumes = [name for name in names if _may_be_volume(file[name])]
    if len(volumes) == 1:
        return file[volumes[0]]
    if not volumes:
        raise FormatError(
            f"holds no volume; there is {_listing(file, names)}",
            where=where,
            fix=Amend(advice="export one dataset of shape (z, y, x)"),
        )
    raise FormatError(
        f"holds {len(volumes)} volumes: {_listing(file, volumes)}.",
        code="SIL101",
        where=where,
        fix=Amend({"--dataset": volumes[0].lstrip("/")}),
    )


def _may_be_volume(dataset: h5py.Dataset) -> bool:
    """Return whether a dataset has three axes of numbers, those of size 1 aside."""
    if dataset.shape is None or dataset.dtype.kind not in "biuf" or dataset.ndim < 3:
        return False
    return bool(dataset.ndim == 3 or sum(n > 1 for n in dataset.shape) == 3)


def _listing(file: h5py.File, names: Sequence[str], limit: int = 8) -> str:
    words = []
    for name in names[:limit]:
        dataset = file[name]
        shape = "×".join(map(str, dataset.shape or ())) or "scalar"
        words.append(f"{plain_text(name.lstrip('/'), 80)} ({shape} {plain_text(dataset.dtype, 40)})")
    rest = len(names) - limit
    return (", ".join(words) + (f" and {rest} more" if rest > 0 else "")) or "no dataset at all"


def _plain_type(dataset: h5py.Dataset) -> np.dtype[Any]:
    """Return the type without HDF5's enumerations; true and false stay a bool."""
    dtype: np.dtype[Any] = dataset.dtype
    return dtype if dtype.kind in "bOV" else np.dtype(dtype.str)


def _axes(dataset: h5py.Dataset, where: str) -> Axes:
    """Find z, y and x among the axes of a dataset."""
    if dataset.shape is None or dataset.ndim < 2:
        check_shape(dataset.shape or (), where)
    keys = axis_keys(dataset, where)
    if keys is None:
        return _axes_by_size(dataset, where)
    tall = [(key, n) for key, n in zip(keys, dataset.shape, strict=True) if key not in "zyx" and n > 1]
    if tall or not {"y", "x"} <= set(keys):
        found = ", ".join(f"{key}={n}" for key, n in zip(keys, dataset.shape, strict=True))
        words = " and ".join(f"{n} {AXIS_WORDS.get(key, key)}" for key, n in tall) or "no y and x"
        raise FormatError(
            f"is no single volume: it has {words} ({found})",
            where=where,
            fix=Amend(advice="export one channel and one time point, such as ilastik's Simple Segmentation"),
        )
    order = "".join(key for key in keys if key in "zyx")
    dropped = [key for key in keys if key not in "zyx"]
    said = [f"axes {''.join(keys)}"]
    if dropped:
        said.append(f"left out {', '.join(dropped)} of size 1")
    if order not in ("zyx", "yx"):
        said.append("turned to zyx")
    z = keys.index("z") if "z" in keys else None
    return Axes(dataset.ndim, z, keys.index("y"), keys.index("x"), "; ".join(said))


def _axes_by_size(dataset: h5py.Dataset, where: str) -> Axes:
    """Leave out axes of size 1, the last first (channels), until three are left."""
    kept = list(range(dataset.ndim))
    while len(kept) > 3:
        singles = [i for i in kept if dataset.shape[i] == 1]
        if not singles:
            check_shape(dataset.shape, where)
        last = singles[-1]
        trailing = last == kept[-1]
        kept.remove(last if trailing else singles[0])
    said = ""
    if len(kept) < dataset.ndim:
        shape = "×".join(map(str, dataset.shape))
        said = f"{shape}, left out {dataset.ndim - len(kept)} of size 1"
    if len(kept) == 2:
        return Axes(dataset.ndim, None, kept[0], kept[1], said)
    return Axes(dataset.ndim, kept[0], kept[1], kept[2], said)


def axis_keys(dataset: h5py.Dataset, where: str) -> list[str] | None:
    """Return the letters of the axes from ilastik's axistags or dimension labels, None without them."""
    text = dataset.attrs.get("axistags")
    if text is None:
        labels = [str(dim.label).lower() for dim in dataset.dims]
        return labels if {"z", "y", "x"} <= set(labels) and len(set(labels)) == len(labels) else None
    try:
        keys = [str(axis["key"]).lower() for axis in json.loads(text)["axes"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        keys = []
    if len(keys) != dataset.ndim or len(set(keys)) != len(keys):
        raise FormatError(
            f"its axistags do not name its {dataset.ndim} axes: {plain_text(text, 80)}",
            where=where,
            fix=Amend(advice="export it again from ilastik"),
        )
    return keys


def _shape(dataset: h5py.Dataset, axes: Axes) -> tuple[int, ...]:
    z = 1 if axes.z is None else dataset.shape[axes.z]
    return z, dataset.shape[axes.y], dataset.shape[axes.x]


def _size_attributes(dataset: h5py.Dataset) -> Iterator[tuple[str, Any, str | None]]:
    """Find attributes that speak of the voxel size: name, value, unit."""
    for name in dataset.attrs:
        match = SIZE_NAME.fullmatch(name)
        if match is None:
            continue
        unit = match["unit"]
        for key in (f"{name}_unit", f"{name}_units"):
            if unit is None and isinstance(dataset.attrs.get(key), str):
                unit = dataset.attrs[key]
        yield name, dataset.attrs[name], unit


def _voxel_size(
    dataset: h5py.Dataset,
) -> tuple[tuple[Quantity | None, Quantity | None, Quantity | None], str, tuple[str, ...]]:
    """Read the voxel size, which only counts with a unit."""
    warnings: list[str] = []
    for name, value, unit in _size_attributes(dataset):
        shown = f"attribute {name} = {plain_text(value, 60)}"
        try:
            sizes = _sizes(value, unit)
        except (UnitError, ValueError, TypeError) as error:
            warnings.append(f"{shown} is not used: {plain_text(error, 120)}")
            continue
        if len(sizes) == 3 and len(set(sizes)) > 1 and not name.lower().startswith("element_size"):
            warnings.append(f"{shown} is not used: it does not say whether z or x comes first")
            continue
        z, y, x = sizes if len(sizes) == 3 else sizes * 3
        return (z, y, x), f"attribute {name}", tuple(warnings)
    return (None, None, None), "", tuple(warnings)


def _sizes(value: Any, unit: str | None) -> tuple[Quantity, ...]:
    """Return one or three lengths of an attribute."""
    if isinstance(value, str):
        sizes: tuple[Quantity, ...] = (Quantity.parse(value).to("um"),)
    else:
        numbers = [float(n) for n in np.atleast_1d(value)]
        if unit is None:
            raise UnitError("it has no unit")
        sizes = tuple(Quantity.parse({"value": n, "unit": unit}).to("um") for n in numbers)
    if len(sizes) not in (1, 3) or any(size.value <= 0 for size in sizes):
        raise ValueError("a voxel size is one or three lengths above zero")
    return sizes


def _facts(dataset: h5py.Dataset, axes: Axes) -> dict[str, str]:
    facts = {
        "dataset": plain_text(dataset.name),
        "stored type": dataset.dtype.str,
        "bits per voxel": str(8 * dataset.dtype.itemsize),
        "compression": str(dataset.compression or "none"),
        "chunks": "×".join(map(str, dataset.chunks)) if dataset.chunks else "none",
        "checksums": "fletcher32" if dataset.fletcher32 else "none",
    }
    if axes.said:
        facts["axes"] = axes.said
    for name in ("description", "title", "date", "software"):
        value = dataset.attrs.get(name)
        if isinstance(value, str) and value:
            facts[name] = plain_text(value)
    return facts


def _read(path: Path, name: str, axes: Axes, start: int, stop: int) -> NDArray[Any]:
    """Read planes, the file opened and closed; axes turned to z, y, x."""
    with border(path, f"planes {start} to {stop - 1} of {plain_text(name, 80)}"), open_hdf5(path) as file:
        where: list[int | slice] = [0] * axes.ndim
        where[axes.y] = where[axes.x] = slice(None)
        if axes.z is None:
            plane = np.asarray(file[name][tuple(where)])
            return (plane if axes.y < axes.x else plane.T)[np.newaxis]
        where[axes.z] = slice(start, stop)
        block = np.asarray(file[name][tuple(where)])
        present = sorted((axes.z, axes.y, axes.x))
        return block.transpose([present.index(axis) for axis in (axes.z, axes.y, axes.x)])
