"""Tiles of planes from a catalog's pyramids: what a viewer streams, for volumes larger than memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.catalog.served import VolumeFiles
from siltomo.engine.catalog import Catalog
from siltomo.errors import BadInputError, NotFoundError
from siltomo.model import OUTSIDE, Scan, Segmentation

__all__ = ["TILE", "Tiles", "first_array", "seen_volumes", "volume_on_disk", "zarr_scheme"]

TILE = 256
"""Side of a tile in pixels."""
_ACROSS = {"xy": 0, "xz": 1, "yz": 2}
_KEPT = 600
"""Tiles that are kept in memory, some 40 MB of 8-bit greys."""


@dataclass(frozen=True)
class _Level:
    shape: tuple[int, int, int]
    edges_um: tuple[float, float, float]


class Tiles:
    """The tiles of a scan and of one of its segmentations.

    Parameters
    ----------
    segmentation
        Whose phases lie over the greys; the scan's first without it.

    Raises
    ------
    NotFoundError
        When there is no such scan or segmentation.
    BadInputError
        When the scan has no voxels, or the segmentation is of another scan.
    """

    def __init__(self, catalog: Catalog, scan: str, *, segmentation: str | None = None) -> None:
        self.scan, self.labels = _seen(catalog, scan, segmentation)
        assert self.scan.volume is not None  # _seen refuses it
        stored = catalog.stored(Scan, scan)
        levels = range(self.scan.volume.levels)
        self._greys = [catalog.store.open_volume(stored, level=n) for n in levels]
        self._marks: list[Any] = []
        if self.labels is not None:
            marked = catalog.stored(Segmentation, self.labels.id)
            self._marks = [catalog.store.open_volume(marked, level=n) for n in levels]
        self.phases = () if self.labels is None else tuple(n for n in self.labels.phase_names if n != OUTSIDE)
        self.levels = [self._level(array.shape) for array in self._greys]
        self._read = lru_cache(_KEPT)(self._read_now)

    def _level(self, shape: tuple[int, ...]) -> _Level:
        assert self.scan.volume is not None  # refused in the constructor
        edges = [
            e * a / b for e, a, b in zip(self.scan.voxel_size.um, self.scan.volume.shape, shape, strict=True)
        ]
        return _Level((shape[0], shape[1], shape[2]), (edges[0], edges[1], edges[2]))

    def grey(self, level: int, axes: str, index: int, row: int, column: int) -> NDArray[Any]:
        """Return the greys of a tile, of shape (rows, columns), at most `TILE` each.

        Raises
        ------
        NotFoundError
            When there is no such tile.
        """
        return self._read((level, axes, index), (row, column), False)

    def marks(self, level: int, axes: str, index: int, row: int, column: int) -> NDArray[np.uint8]:
        """Return the phases of a tile: 0 for none, n for the n-th of ``phases``.

        Raises
        ------
        NotFoundError
            When there is no such tile, or no segmentation.
        """
        return self._read((level, axes, index), (row, column), True)

    def _read_now(self, plane: tuple[int, str, int], place: tuple[int, int], marks: bool) -> NDArray[Any]:
        (level, axes, index), (row, column) = plane, place
        arrays = self._marks if marks else self._greys
        if axes not in _ACROSS or not 0 <= level < len(arrays):
            raise NotFoundError(f"there is no level {level} across {axes!r}")
        array, across = arrays[level], _ACROSS[axes]
        sides = [n for axis, n in enumerate(array.shape) if axis != across]
        inside = 0 <= index < array.shape[across] and all(
            0 <= at * TILE < side for at, side in zip((row, column), sides, strict=True)
        )
        if not inside:
            raise NotFoundError(f"there is no tile {row}, {column} in plane {index} of level {level}")
        spans = [slice(at * TILE, (at + 1) * TILE) for at in (row, column)]
        spans.insert(across, slice(index, index + 1))
        tile = np.asarray(array[tuple(spans)]).squeeze(axis=across)
        if not marks or self.labels is None:
            return tile
        made = np.zeros(tile.shape, np.uint8)
        for number, name in enumerate(self.phases, 1):
            made[np.isin(tile, self.labels.values_of(name))] = number
        return made

    def histogram(self, bins: int = 128) -> tuple[NDArray[np.int64], NDArray[np.float64]]:
        """Return the greys of the coarsest level: counts and edges of the bins."""
        coarse = np.asarray(self._greys[-1][:]).astype(float)
        counts, edges = np.histogram(coarse[np.isfinite(coarse)], bins)
        return counts.astype(np.int64), edges


def _seen(catalog: Catalog, scan: str, segmentation: str | None) -> tuple[Scan, Segmentation | None]:
    """Return a scan that has voxels, and the segmentation that lies over it: the one named, or its first."""
    found = catalog.record(Scan, scan)
    if found.volume is None:
        raise BadInputError(f"scan {scan!r} is declared without voxels", fix=f"siltomo catalog show {scan}")
    if segmentation is None:
        here = [s for s in catalog.segmentations_of(scan) if s.variant_of is None and s.volume is not None]
        return found, here[0] if here else None
    labels = catalog.record(Segmentation, segmentation)
    if labels.scan != scan:
        raise BadInputError(
            f"segmentation {segmentation!r} is of scan {labels.scan!r}, not of {scan!r}",
            fix=f"siltomo segment list --scan {scan}",
        )
    return found, labels


def seen_volumes(
    catalog: Catalog, scan: str, *, segmentation: str | None = None
) -> tuple[Scan, Segmentation | None, dict[str, VolumeFiles]]:
    """Return a scan, the segmentation over it, and the files of both as ``image`` and ``labels``, from any storage.

    Raises
    ------
    NotFoundError
        When there is no such scan or segmentation.
    BadInputError
        When the scan has no voxels, or the segmentation is of another scan.
    """
    found, labels = _seen(catalog, scan, segmentation)
    volumes = {"image": catalog.store.volume_files(catalog.stored(Scan, scan))}
    if labels is not None:
        volumes["labels"] = catalog.store.volume_files(catalog.stored(Segmentation, labels.id))
    return found, labels, volumes


def volume_on_disk(catalog: Catalog, scan: str, program: str) -> Path:
    """Return the folder of a scan's OME-Zarr, for a program that opens folders.

    Raises
    ------
    BadInputError
        When the scan has no voxels, or the catalog is not on this computer.
    """
    _seen(catalog, scan, None)
    stored = catalog.stored(Scan, scan)
    if not catalog.store.is_local:
        raise BadInputError(
            f"{program} opens folders of this computer, and the volume is at {catalog.store.address(stored)}: "
            "export it, or look at it with 'siltomo view --in browser' or 'neuroglancer', which read it from there",
            where=scan,
            fix=f"siltomo export ome-zarr {scan} -o {scan}.ome.zarr",
        )
    return Path(catalog.store.address(stored)).absolute()


def zarr_scheme(image: Path) -> str:
    """Return how programs call the version of Zarr in which an image is written: ``zarr3``, or ``zarr`` for 2."""
    return "zarr3" if (image / "zarr.json").is_file() else "zarr"


def first_array(image: Path) -> str:
    """Return the path of an image's full resolution inside of its folder, as its OME metadata say."""
    if zarr_scheme(image) == "zarr3":
        ome = json.loads((image / "zarr.json").read_bytes())["attributes"]["ome"]
    else:
        ome = json.loads((image / ".zattrs").read_bytes())
    return str(ome["multiscales"][0]["datasets"][0]["path"])
