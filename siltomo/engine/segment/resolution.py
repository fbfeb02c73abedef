"""Measure the resolution of a scan, and set what can be trusted in its segmentations from it."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.engine.catalog import Catalog
from siltomo.engine.segment.geometry import label_geometry
from siltomo.errors import BadInputError, MismatchError, NotFoundError
from siltomo.kernels.electrode import Side
from siltomo.model import Scan, Segmentation
from siltomo.segmentation.geometry import edge_of
from siltomo.segmentation.resolution import Criterion, ShellCorrelation, shell_correlation, split_correlation

__all__ = ["Resolution", "apply_resolution", "central_part", "edge_resolution", "shell_resolution"]

MTF_TENTH = math.sqrt(2 * math.pi**2 / math.log(10))
"""Period at which a Gaussian blur of standard deviation 1 leaves a tenth of the contrast."""


@dataclass(frozen=True)
class Resolution:
    """The resolution of a scan, and how it was told."""

    scan: str
    method: str
    """``two halves``, ``single-volume`` or ``edge``."""
    resolution: float | None
    """Shortest period that is resolved, in um; None where it could not be told."""
    reason: str = ""
    """Why there is none."""
    details: dict[str, Any] = field(default_factory=dict)
    """What else was found, names with their unit."""

    @property
    def row(self) -> dict[str, Any]:
        """The line of a table."""
        return {
            "scan": self.scan,
            "method": self.method,
            "resolution": self.resolution,
            "unit": "um",
            "status": "ok" if self.resolution is not None else "undefined",
            "reason": self.reason,
            **self.details,
        }


def shell_resolution(
    catalog: Catalog,
    scan: str,
    *,
    half: str | None = None,
    criterion: Criterion = "half_bit",
    size: int = 256,
) -> Resolution:
    """Tell a scan's resolution by Fourier shell correlation.

    Parameters
    ----------
    scan
        Id of the scan; one half of it, with ``half``.
    half
        Id of the scan that is its other half: reconstructed from the other half of the projections. Without it
        the scan is split in two, which is called "single-volume".
    criterion
        What must be common.
    size
        Voxels along an axis that are taken, from the middle of the field of view.

    Raises
    ------
    NotFoundError
        When the catalog has no such scan.
    MismatchError
        When the halves differ in shape or voxel size.
    """
    record = catalog.record(Scan, scan)
    part = central_part(catalog, scan, size)
    if half is None:
        found = split_correlation(part, record.voxel_size.um)
    else:
        other = catalog.record(Scan, half)
        shapes = [r.volume.shape if r.volume else None for r in (record, other)]
        if shapes[0] != shapes[1] or record.voxel_size != other.voxel_size:
            raise MismatchError(
                f"scans {scan!r} and {half!r} are no halves of one: {shapes[0]} of {record.voxel_size}, "
                f"{shapes[1]} of {other.voxel_size}"
            )
        found = shell_correlation(part, central_part(catalog, half, size), record.voxel_size.um)
    return _told(scan, found, criterion, part.shape)


def _told(scan: str, found: ShellCorrelation, criterion: Criterion, shape: tuple[int, ...]) -> Resolution:
    method = "single-volume" if found.single else "two halves"
    details = {"criterion": criterion, "shortest_period": found.finest, "voxels": list(shape)}
    try:
        value = found.resolution(criterion)
    except BadInputError as error:
        return Resolution(scan, method, None, error.message, details)
    if value is None:
        reason = f"it is finer than a period of {found.finest:.3g} um, the shortest that this method tells"
        return Resolution(scan, method, None, reason, details)
    return Resolution(scan, method, value, "", details)


def edge_resolution(catalog: Catalog, segmentation: str, side: Side) -> Resolution:
    """Tell a scan's resolution from the blur of a flat surface of the electrode.

    Parameters
    ----------
    segmentation
        Id of a segmentation of the scan, which names the layers.
    side
        Which surface.

    Raises
    ------
    NotFoundError
        When the catalog has no such segmentation, or the scan no voxels.
    BadInputError
        When the surface cannot be found, or no step in grey is seen across it; says why.

    Notes
    -----
    The period at which the blur leaves a tenth of the contrast, 2.93 standard deviations. Roughness of the surface
    counts as blur: an upper bound.
    """
    scan = catalog.record(Scan, catalog.record(Segmentation, segmentation).scan)
    geometry = label_geometry(catalog, segmentation)
    greys = catalog.store.open_volume(catalog.stored(Scan, scan.id))
    fit = edge_of(lambda a, b: np.asarray(greys[a:b]), geometry, side)
    details = {
        "surface": side,
        "segmentation": segmentation,
        "sigma": fit.sigma,
        "fwhm": fit.fwhm,
        "ten_ninety": fit.ten_ninety,
        "misfit": fit.misfit,
    }
    return Resolution(scan.id, "edge", MTF_TENTH * fit.sigma, "", details)


def central_part(catalog: Catalog, scan: str, size: int) -> NDArray[Any]:
    """Return the middle of a scan, at most so many voxels along each axis."""
    record = catalog.record(Scan, scan)
    if record.volume is None:
        raise NotFoundError(f"scan {scan!r} is declared without voxels", fix=f"siltomo catalog show {scan}")
    array = catalog.store.open_volume(catalog.stored(Scan, scan))
    part = []
    for n in record.volume.shape:
        first = max(0, (n - size) // 2)
        part.append(slice(first, min(n, first + size)))
    return np.asarray(array[tuple(part)])


def apply_resolution(catalog: Catalog, found: Resolution) -> list[str]:
    """Set the resolution of a scan, and the smallest trusted feature of its segmentations.

    Returns
    -------
    list of str
        The segmentations that were changed.

    Raises
    ------
    BadInputError
        There is no resolution to set.
    """
    if found.resolution is None:
        raise BadInputError(f"there is no resolution to apply: {found.reason}", where=f"scan {found.scan}")
    words = f"{found.resolution:.4g} um"
    catalog.set(Scan, found.scan, {"resolution": words})
    return [
        labels.id
        for labels in catalog.segmentations_of(found.scan)
        if catalog.set(Segmentation, labels.id, {"min_feature": words}).changed
    ]
