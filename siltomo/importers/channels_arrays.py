"""Channels in arrays with four axes: HDF5, as ilastik exports features, and npy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, FormatError, NotFoundError
from siltomo.importers import hdf5
from siltomo.importers.border import DAMAGED, border, plain_text
from siltomo.importers.channels_base import WHOLE, Channels, Shape, Window, agreed_axes, numbered
from siltomo.importers.hdf5_links import check_storage, dataset_names, find_dataset, open_hdf5
from siltomo.importers.reading import voxel_dtype

__all__ = ["hdf5_channels", "npy_channels"]

_ILASTIK = "exported_data"


@dataclass(frozen=True)
class _Order:
    """Where an array keeps channel, z, y, x; its other axes are of size 1."""

    ndim: int
    czyx: tuple[int, int, int, int]

    def take(self, array: Any, start: int, stop: int, window: Window) -> NDArray[Any]:
        """Return a part of some planes, turned to (channels, planes, y, x)."""
        wanted: list[Any] = [0] * self.ndim
        for axis, part in zip(self.czyx, (slice(None), slice(start, stop), *window), strict=True):
            wanted[axis] = part
        there = sorted(self.czyx)
        return np.asarray(array[tuple(wanted)]).transpose([there.index(axis) for axis in self.czyx])


def _order(sizes: Sequence[int], keys: Sequence[str], where: str) -> tuple[_Order, int, Shape]:
    """Find the axes of an array; returns also how many channels and voxels it has."""
    found = dict(zip(keys, sizes, strict=False))
    more = [f"{key}={n}" for key, n in found.items() if key not in "czyx" and n > 1]
    if len(keys) != len(sizes) or not set("czyx") <= set(keys) or more:
        shown = ", ".join(f"{key}={n}" for key, n in found.items())
        raise FormatError(
            f"has {len(sizes)} axes {'x'.join(map(str, sizes))}, named {''.join(keys)} ({shown}); features have "
            "channels, z, y and x, and nothing besides",
            where=where,
            fix=Amend(advice="export one time point with the axes zyxc"),
        )
    c, z, y, x = (keys.index(key) for key in "czyx")
    return _Order(len(sizes), (c, z, y, x)), found["c"], (found["z"], found["y"], found["x"])


def hdf5_channels(path: Path, axes: str | None, dataset: str | None) -> Channels:
    """Describe a dataset with a channel axis; see :func:`siltomo.importers.channels.open_channels`."""
    with border(path, "the HDF5 file"), open_hdf5(path) as file:
        found = _dataset(file, path, dataset)
        where = f"{path}: {plain_text(found.name, 120)}"
        others, warnings = check_storage(found, path)
        if warnings:
            raise FormatError(warnings[0], where=where, fix=DAMAGED)
        keys = agreed_axes(hdf5.axis_keys(found, where), axes, where)
        order, count, shape = _order(found.shape, keys, where)
        dtype = voxel_dtype(found.dtype, where)
        name, chunks = str(found.name), found.chunks

    def read(start: int, stop: int, window: Window = WHOLE) -> NDArray[Any]:
        with border(path, f"planes {start} to {stop - 1} of {name}"), open_hdf5(path) as file:
            return order.take(file[name], start, stop, window)

    _, z, y, x = order.czyx
    together = None if chunks is None else (chunks[z], chunks[y], chunks[x])
    return Channels("HDF5 dataset", shape, numbered(count), dtype, read, (path, *others), together)


def _dataset(file: Any, path: Path, wanted: str | None) -> Any:
    """Return the dataset with channels: the one that is named, ilastik's, or the only one."""
    if wanted is not None:
        found = find_dataset(file, wanted, str(path))
        if found is None:
            raise NotFoundError(
                f"no dataset {wanted!r}; there is {', '.join(dataset_names(file)) or 'none'}", where=str(path)
            )
        return found
    names = [name for name in dataset_names(file) if file[name].dtype.kind in "iuf" and file[name].ndim >= 4]
    mine = [name for name in names if name.lstrip("/") == _ILASTIK] or names
    if len(mine) != 1:
        raise FormatError(
            f"holds {len(mine) or 'no'} arrays with channels: {', '.join(mine or dataset_names(file)) or 'no dataset'}",
            where=str(path),
            fix=Amend(advice="name the dataset: features: {file: ..., dataset: NAME}"),
        )
    return file[mine[0]]


def npy_channels(path: Path, axes: str | None) -> Channels:
    """Describe an array whose axes are declared; it is mapped, never loaded."""
    with border(path, "its NumPy header"):
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    order, count, shape = _order(array.shape, agreed_axes(None, axes, str(path)), str(path))
    dtype = voxel_dtype(array.dtype, path)

    def read(start: int, stop: int, window: Window = WHOLE) -> NDArray[Any]:
        with border(path, f"planes {start} to {stop - 1}"):
            return np.array(order.take(np.load(path, mmap_mode="r", allow_pickle=False), start, stop, window))

    return Channels("NumPy array", shape, numbered(count), dtype, read, (path,))
