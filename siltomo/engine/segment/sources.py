"""Scans and other labels as recipes read them: records first, planes when they are asked for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.catalog import voxel_faults
from siltomo.engine.catalog import Catalog
from siltomo.errors import BadInputError
from siltomo.model import Scan, Segmentation, Volume
from siltomo.segmentation import Mask, Recipe
from siltomo.segmentation.execute import ScanSource

__all__ = ["Stored", "mask_labels", "scan_source", "whole_volume"]


def scan_source(catalog: Catalog, recipe: Recipe, id: str) -> ScanSource:  # noqa: A002
    """Return a scan as recipes see it; reads records, no voxel.

    Raises
    ------
    BadInputError
        When the scan has no voxels, or lacks planes.
    """
    scan = catalog.record(Scan, id)
    volume = whole_volume(scan)
    array = catalog.store.open_volume(catalog.stored(Scan, id))
    masks = {
        n: _mask_reader(catalog, id, step)
        for n, step in enumerate(recipe.steps)
        if isinstance(step, Mask) and step.segmentation
    }
    read = Stored(array, f"scan {id}")
    return ScanSource(
        id,
        volume.shape,
        scan.voxel_size.um,
        np.dtype(volume.dtype),
        read,
        volume.content,
        masks,
        scan.depth_axis or "",
    )


def whole_volume(scan: Scan) -> Volume:
    """Return the volume of a scan, refusing one that is absent or lacks planes."""
    if scan.volume is None:
        raise BadInputError(
            f"scan {scan.id!r} is declared without voxels", fix=f"siltomo catalog show {scan.id}"
        )
    missing = len(scan.volume.missing_planes)
    if missing:
        raise BadInputError(
            f"scan {scan.id!r} lacks {missing} planes: they read as zero and would be taken for a dark phase",
            code="SIL102",
            fix=f"siltomo catalog show {scan.id}",
        )
    return scan.volume


@dataclass(frozen=True)
class Stored:
    """Reads planes of a stored volume; damage is an error that names the volume."""

    array: Any
    name: str

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        """Return planes ``start`` to ``stop`` (excluded)."""
        with voxel_faults(self.name):
            return np.asarray(self.array[start:stop])


def mask_labels(catalog: Catalog, scan: str, step: Mask) -> Segmentation:
    """Return the other segmentation that a mask names."""
    named = str(step.segmentation).replace("{scan}", scan)
    labels = catalog.record(Segmentation, named)
    if labels.scan != scan:
        raise BadInputError(f"segmentation {named!r} is of scan {labels.scan!r}, not of {scan!r}")
    lacking = [name for name in step.phase if name not in labels.phase_names]
    if lacking or labels.volume is None:
        raise BadInputError(
            f"segmentation {named!r} has no phase {', '.join(lacking)!r}; it has: {', '.join(labels.phase_names)}"
        )
    return labels


def _mask_reader(catalog: Catalog, scan: str, step: Mask) -> Callable[[int, int], NDArray[Any]]:
    labels = mask_labels(catalog, scan, step)
    stored = Stored(
        catalog.store.open_volume(catalog.stored(Segmentation, labels.id)), f"segmentation {labels.id}"
    )
    values = [value for name in step.phase for value in labels.values_of(name)]
    return lambda start, stop: np.isin(stored(start, stop), values)
