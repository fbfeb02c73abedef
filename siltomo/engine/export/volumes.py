"""Volumes out of the catalog: to Fiji, ParaView, ITK, and as OME-Zarr 0.4 or 0.5."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.catalog import voxel_faults
from siltomo.engine.catalog import Catalog
from siltomo.engine.export.files import whole
from siltomo.engine.export.ome_zarr import OME_VERSIONS, write_ome_zarr
from siltomo.engine.export.raw import write_metaimage, write_vti
from siltomo.engine.export.tiff import check_imagej, write_imagej
from siltomo.engine.intake.scans import Progress
from siltomo.errors import Amend, BadInputError, StorageError
from siltomo.model import RECORDS, Scan, Segmentation

__all__ = ["VOLUME_SUFFIXES", "Exported", "Outgoing", "export_ome_zarr", "export_volume", "outgoing"]

VOLUME_SUFFIXES = (".tif", ".tiff", ".mhd", ".mha", ".vti")
SPARE = 64 << 20
Levels = tuple[tuple[int, int, int], ...]


@dataclass(frozen=True)
class Exported:
    """What was written."""

    id: str
    format: str
    files: tuple[Path, ...]
    shape: tuple[int, int, int]
    dtype: str
    voxel_size_um: tuple[float, float, float]


@dataclass(frozen=True)
class Outgoing:
    """A stored volume on its way out: read slab by slab, with the voxel size that its record says now."""

    id: str
    kind: str
    level: int
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    voxel_size_um: tuple[float, float, float]
    """Edges along z, y, x of this level."""
    array: Any
    labels: Mapping[int, str]
    """Names of label values; empty for greys."""

    @property
    def nbytes(self) -> int:
        """What the voxels take uncompressed."""
        return math.prod(self.shape) * self.dtype.itemsize

    @property
    def depth(self) -> int:
        """Planes that are decoded at once."""
        return int(self.array.chunks[0])

    def slabs(self, progress: Progress | None = None) -> Iterator[NDArray[Any]]:
        """Give the voxels in slabs of whole planes, each chunk decoded once."""
        for start in range(0, self.shape[0], self.depth):
            stop = min(start + self.depth, self.shape[0])
            with voxel_faults(f"{self.kind} {self.id}"):
                slab = np.ascontiguousarray(self.array[start:stop])
            yield slab
            if progress is not None:
                progress(stop, self.shape[0])


def outgoing(catalog: Catalog, id_: str, *, kind: str | None = None, level: int = 0) -> Outgoing:
    """Open the volume of a scan or a segmentation.

    Parameters
    ----------
    kind
        ``"scan"`` or ``"segmentation"``, needed where both have the id.

    Raises
    ------
    NotFoundError
        When nothing has that id, or there is no such level.
    BadInputError
        When the scan is declared without voxels, or a scan and a segmentation have the id.
    """
    found = [
        k for k in ("scan", "segmentation") if kind in (None, k) and catalog.store.find(k, id_) is not None
    ]
    if not found:
        raise catalog.unknown(kind or "scan", id_)
    if len(found) > 1:
        raise BadInputError(
            f"{id_!r} names a scan and a segmentation", code="SIL125", fix=Amend({"--kind": "segmentation"})
        )
    stored = catalog.stored(RECORDS[found[0]], id_)
    if stored.volume is None:
        raise BadInputError(f"scan {id_!r} is declared without voxels", fix=f"siltomo catalog show {id_}")
    labels: dict[int, str] = {}
    if stored.kind == "segmentation":
        record = Segmentation.from_body(dict(stored.body))
        labels = {phase.value: phase.name for phase in record.phases}
        edges = catalog.record(Scan, record.scan).voxel_size.um
    else:
        edges = Scan.from_body(dict(stored.body)).voxel_size.um
    array = catalog.store.open_volume(stored, level=level)
    full = array.shape if level == 0 else catalog.store.open_volume(stored, level=0).shape
    z, y, x = (e * _factor(n, level) for e, n in zip(edges, full, strict=True))
    return Outgoing(
        id=id_,
        kind=stored.kind,
        level=level,
        shape=(int(array.shape[0]), int(array.shape[1]), int(array.shape[2])),
        dtype=np.dtype(array.dtype),
        voxel_size_um=(z, y, x),
        array=array,
        labels=labels,
    )


def _factor(size: int, level: int) -> int:
    """Return how many full-resolution voxels a voxel of a level takes along a side of some voxels."""
    factor = 1
    for _ in range(level):
        factor, size = (factor * 2, -(-size // 2)) if size > 1 else (factor, size)
    return factor


def export_volume(
    catalog: Catalog,
    id_: str,
    path: Path,
    *,
    kind: str | None = None,
    level: int = 0,
    force: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a volume as a file whose suffix says how.

    ``.tif`` is an ImageJ TIFF with calibration; ``.mhd`` (with a ``.raw`` beside it) and ``.mha`` are
    MetaImages in millimetres, as ITK reads them; ``.vti`` is for ParaView, in micrometres. The file appears
    under its name when it is whole.

    Raises
    ------
    BadInputError
        When the suffix is not known, the type of the voxels has no place in the format, or the file is
        there and ``force`` is not given.
    StorageError
        When there is no space; nothing stays behind.
    DamagedError
        When stored voxels are damaged; nothing is written.
    """
    suffix = path.suffix.lower()
    if suffix not in VOLUME_SUFFIXES:
        raise BadInputError(
            f"cannot write a volume as {suffix or 'a file without suffix'}; known: {', '.join(VOLUME_SUFFIXES)}",
            code="SIL165",
            where=str(path),
            fix=Amend({"-o": f"{path.stem}.tif"}, drop=("--output",)),
        )
    volume = outgoing(catalog, id_, kind=kind, level=level)
    if suffix in (".tif", ".tiff"):
        check_imagej(volume.dtype, str(path))
    _check_space(path, volume.nbytes)
    files = _write(volume, path, suffix, force=force, progress=progress)
    names = {".tif": "ImageJ TIFF", ".tiff": "ImageJ TIFF", ".vti": "VTK image"}
    return Exported(
        id_,
        names.get(suffix, "MetaImage"),
        files,
        volume.shape,
        str(volume.dtype),
        volume.voxel_size_um,
    )


def _write(
    volume: Outgoing, path: Path, suffix: str, *, force: bool, progress: Progress | None
) -> tuple[Path, ...]:
    slabs: Callable[[], Iterator[NDArray[Any]]] = lambda: volume.slabs(progress)  # noqa: E731
    edges = volume.voxel_size_um
    if suffix == ".mhd":
        data = path.with_suffix(".raw")
        with whole(path, force=force) as header, whole(data, force=force) as voxels:
            write_metaimage(header, slabs(), volume.shape, volume.dtype, edges, data=voxels, name=data.name)
        return path, data
    with whole(path, force=force) as made:
        if suffix == ".mha":
            write_metaimage(made, slabs(), volume.shape, volume.dtype, edges)
        elif suffix == ".vti":
            write_vti(
                made, slabs(), volume.shape, volume.dtype, edges, name="labels" if volume.labels else "grey"
            )
        else:
            write_imagej(made, slabs(), volume.shape, volume.dtype, edges, name=volume.id)
    return (path,)


def export_ome_zarr(
    catalog: Catalog,
    id_: str,
    path: Path,
    *,
    version: str = "0.4",
    kind: str | None = None,
    force: bool = False,
    progress: Progress | None = None,
) -> Exported:
    """Write a volume with all its resolutions as OME-Zarr.

    Version 0.4 (Zarr format 2) opens in every Fiji, in ilastik and in napari; 0.5 (Zarr format 3) is what
    the catalog itself holds. The folder appears under its name when it is whole.

    Raises
    ------
    BadInputError
        When the version is not known, or the folder is there and ``force`` is not given.
    """
    if version not in OME_VERSIONS:
        raise BadInputError(
            f"OME-Zarr {version!r} is not written; known: {', '.join(OME_VERSIONS)}",
            code="SIL165",
            fix=Amend({"--version": "0.4"}),
        )
    first = outgoing(catalog, id_, kind=kind)
    stored = catalog.store.find(first.kind, id_)
    count = stored.volume.levels if stored is not None and stored.volume is not None else 1
    levels = [outgoing(catalog, id_, kind=first.kind, level=n) for n in range(count)]
    _check_space(path, sum(level.nbytes for level in levels))
    done = 0
    total = sum(level.shape[0] for level in levels)

    def told(before: int) -> Progress | None:
        return None if progress is None else (lambda n, _: progress(before + n, total))

    streams = []
    for level in levels:
        streams.append((level.slabs(told(done)), level.shape, level.voxel_size_um, level.array.chunks))
        done += level.shape[0]
    with whole(path, force=force) as made:
        write_ome_zarr(made, streams, first.dtype, version=version, name=id_, labels=first.labels)
    return Exported(id_, f"OME-Zarr {version}", (path,), first.shape, str(first.dtype), first.voxel_size_um)


def _check_space(path: Path, nbytes: int) -> None:
    """Refuse before a byte is written what does not fit on the disk."""
    folder = path.absolute().parent
    if folder.is_dir() and shutil.disk_usage(folder).free < nbytes + SPARE:
        raise StorageError(
            f"needs {nbytes / 1e9:.3g} GB; {shutil.disk_usage(folder).free / 1e9:.3g} GB are free",
            code="SIL181",
            where=str(path),
            fix=Amend(advice="free space, write elsewhere, or export volume with --level 1"),
        )
