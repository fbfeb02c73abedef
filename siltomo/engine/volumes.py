"""Stored volumes as lazy xarray objects."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import xarray as xr
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.model import OUTSIDE, Scan, Segmentation

if TYPE_CHECKING:
    from siltomo.catalog import StoredRecord
    from siltomo.engine.catalog import Catalog

__all__ = ["lazy_volume", "scan_dataset", "voxel_centres"]


def lazy_volume(catalog: Catalog, stored: StoredRecord, *, level: int = 0) -> da.Array:
    """Return a stored volume as a dask array whose chunks are whole shards; nothing is read."""
    array = catalog.store.open_volume(stored, level=level)
    chunks = array.shards or array.chunks
    content = stored.body["volume"]["content"]
    # the name says the content, so that dask neither hashes the array nor takes two volumes for one
    name = f"{stored.id}-{content[-16:]}-{level}"
    # told its type, dask does not read a corner to find out
    meta = np.empty((0, 0, 0), array.dtype)
    lazy: da.Array = da.from_array(array, chunks=chunks, name=name, asarray=False, meta=meta)  # type: ignore[no-untyped-call]
    return lazy


def scan_dataset(catalog: Catalog, id: str, *, level: int = 0) -> xr.Dataset:  # noqa: A002
    """Open a scan; see :meth:`siltomo.Catalog.scan`."""
    stored = catalog.stored(Scan, id)
    scan = Scan.from_body(dict(stored.body))
    if scan.volume is None:
        raise BadInputError(f"scan {id!r} is declared without voxels", fix="siltomo catalog show " + id)
    if not 0 <= level < scan.volume.levels:
        raise BadInputError(f"scan {id!r} has levels 0 to {scan.volume.levels - 1}, not {level}")
    grey = lazy_volume(catalog, stored, level=level)
    coordinates = {
        axis: (axis, voxel_centres(size, edge, level), {"units": "um", "long_name": axis})
        for axis, size, edge in zip("zyx", grey.shape, scan.voxel_size.um, strict=True)
    }
    variables: dict[str, Any] = {"grey": (("z", "y", "x"), grey, {"long_name": "grey value", "units": "1"})}
    if level == 0:
        for segmentation in catalog.segmentations_of(id):
            labels = lazy_volume(catalog, catalog.stored(Segmentation, segmentation.id))
            variables[segmentation.id] = (("z", "y", "x"), labels, phase_flags(segmentation))
    attributes = {
        "scan": id,
        "cell": scan.cell,
        "scale": str(scan.scale),
        "mode": str(scan.mode),
        "cycle": scan.state.cycle,
        "half": str(scan.state.half),
        "capacity": str(scan.state.capacity or ""),
        "voxel_size": str(scan.voxel_size),
        "content": scan.volume.content,
    }
    return xr.Dataset(variables, coords=coordinates, attrs=attributes)


def voxel_centres(size: int, edge: float, level: int) -> NDArray[np.float64]:
    """Return the centres of voxels in um; a voxel of level n averages 2**n of them, so its centre moves with it."""
    factor = 2**level
    return np.asarray((np.arange(size) * factor + (factor - 1) / 2) * edge)


def phase_flags(segmentation: Segmentation) -> dict[str, Any]:
    """Return the CF attributes that say what the values of a label volume mean."""
    phases = sorted(segmentation.phases, key=lambda p: p.value)
    return {
        "flag_values": [p.value for p in phases],
        "flag_meanings": " ".join(p.name for p in phases),
        "outside": [p.value for p in phases if p.name == OUTSIDE],
        "domain": str(segmentation.domain),
        "units": "1",
    }
