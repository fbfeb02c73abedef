"""What a file holds, and what the machine offers."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from math import prod
from pathlib import Path
from typing import Any

from siltomo.catalog import CatalogStore
from siltomo.engine.catalog import find_catalog
from siltomo.engine.resources import in_words, memory_budget, threads
from siltomo.errors import SiltomoError
from siltomo.importers import Source, open_volume

__all__ = ["describe", "examine"]

_PACKAGES = ("siltomo", "numpy", "zarr", "dask", "xarray", "pint", "pydantic", "numba", "tifffile", "h5py")


def describe(path: Path, *, member: str | None = None) -> dict[str, Any]:
    """Return what a file says of its volume, without reading its voxels."""
    opened = open_volume(Source(path, member=member))
    size = prod(opened.shape) * opened.dtype.itemsize
    stated = [None if edge is None else str(edge) for edge in opened.voxel_size]
    return {
        "path": str(path),
        "format": opened.format,
        "files": len(opened.files),
        "shape": list(opened.shape),
        "dtype": str(opened.dtype),
        "size": in_words(size),
        "bytes": size,
        "voxel_size_z": stated[0],
        "voxel_size_y": stated[1],
        "voxel_size_x": stated[2],
        "voxel_source": opened.voxel_source or None,
        **({"spacing_without_unit": list(opened.spacing)} if opened.spacing else {}),
        **({"voxel_size_silent": opened.voxel_note} if opened.voxel_note else {}),
        **dict(opened.acquisition),
        "facts": dict(opened.facts),
        "warnings": list(opened.warnings),
    }


def examine(catalog: Path | None) -> list[dict[str, Any]]:
    """Return what can be said of the machine: one row per thing, with whether it is as it should be."""
    rows: list[dict[str, Any]] = [{"name": "python", "ok": True, "value": platform.python_version()}]
    for package in _PACKAGES:
        try:
            rows.append({"name": package, "ok": True, "value": version(package)})
        except PackageNotFoundError:
            rows.append({"name": package, "ok": False, "value": "not installed"})
    rows.append({"name": "threads", "ok": True, "value": str(threads())})
    rows.append({"name": "memory for a run", "ok": True, "value": in_words(memory_budget())})
    try:
        found = CatalogStore.open(find_catalog(catalog))
        rows.append({"name": "catalog", "ok": True, "value": str(found.root)})
    except SiltomoError as error:
        # no catalog yet is not a fault of the machine, one that was named and is not there is
        rows.append({"name": "catalog", "ok": catalog is None, "value": str(error)})
    return rows
