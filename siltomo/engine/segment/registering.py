"""Register the scans of a series against the first: how far the specimen has drifted in the field of view."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.engine.catalog import Catalog
from siltomo.errors import BadInputError, MismatchError, NotFoundError
from siltomo.model import Scan
from siltomo.segmentation.registration import Drift, common_windows, find_drift

__all__ = ["Registered", "common_domain", "register_scans"]

ENOUGH = 0.5
"""Correlation below which a shift is not believed."""
_COARSE = 128
"""Voxels along an axis of the level on which the shift is looked for first."""
Window = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Registered:
    """The shift of a scan against the reference of its series."""

    scan: str
    reference: str
    shift: tuple[float, float, float]
    """Along z, y, x, in um."""
    correlation: float
    believed: bool
    """Whether the two are alike enough."""
    window: Window | None = None
    """Its voxels that all believed scans of the series show; None where it is not believed."""

    @property
    def row(self) -> dict[str, Any]:
        """The line of a table."""
        named = dict(zip(("shift_z", "shift_y", "shift_x"), self.shift, strict=True))
        doubt = (
            "" if self.believed else f"the scans are not alike (correlation below {ENOUGH:g}): not recorded"
        )
        return {
            "scan": self.scan,
            "reference": self.reference,
            **named,
            "unit": "um",
            "correlation": self.correlation,
            "status": "ok" if self.believed else "refused",
            "reason": doubt,
            "common_window": None if self.window is None else [[w.start, w.stop] for w in self.window],
        }


def register_scans(
    catalog: Catalog, scans: Sequence[str], *, size: int = 128, dry_run: bool = False
) -> list[Registered]:
    """Find the drift of scans against the first of them, and record it with each.

    Parameters
    ----------
    scans
        Ids; the first is the reference.
    size
        Voxels along an axis, from the middle of what both show, on which the shift is refined.
    dry_run
        Record nothing.

    Returns
    -------
    One for each scan, the reference included.

    Raises
    ------
    NotFoundError
        When the catalog has no such scan, or it has no voxels.
    MismatchError
        When the scans are of several cells or voxel sizes.
    BadInputError
        Fewer than two scans are named, or one is constant.
    """
    names = list(dict.fromkeys(scans))
    if len(names) < 2:
        raise BadInputError("name at least two scans: the first is the one that the others are compared with")
    records = [catalog.record(Scan, name) for name in names]
    _check_alike(records)
    spacing = np.array(records[0].voxel_size.um)
    drifts = [Drift((0.0, 0.0, 0.0), 1.0)]
    drifts += [_drift(catalog, records[0], other, size) for other in records[1:]]
    believed = [drift.correlation >= ENOUGH for drift in drifts]
    shapes = [record.volume.shape for record in records if record.volume]
    kept = [n for n, sure in enumerate(believed) if sure]
    windows = dict(
        zip(kept, common_windows([shapes[n] for n in kept], [drifts[n].shift for n in kept]), strict=True)
    )
    made = []
    for n, (record, drift) in enumerate(zip(records, drifts, strict=True)):
        z, y, x = (float(v) for v in np.array(drift.shift) * spacing)
        made.append(
            Registered(record.id, names[0], (z, y, x), drift.correlation, believed[n], windows.get(n))
        )
    for one in made if not dry_run else ():
        if one.believed:
            series = [other.scan for other in made if other.believed]
            catalog.set(Scan, one.scan, {"registration": _as_record(one, series)})
    return made


def common_domain(catalog: Catalog, scans: Sequence[str]) -> dict[str, Window]:
    """Return, for each of several registered scans, its voxels that show what all of them show.

    Raises
    ------
    BadInputError
        When a scan is not registered, or not against the same reference, or they have nothing in common.
    """
    records = [catalog.record(Scan, name) for name in scans]
    references = {r.registration.reference if r.registration else None for r in records}
    if len(references) != 1 or None in references:
        raise BadInputError(
            f"the scans {', '.join(scans)} are not registered against one reference",
            fix=f"siltomo segment register {' '.join(scans)}",
        )
    shapes, shifts = [], []
    for record in records:
        if record.registration is None or record.volume is None:
            raise NotFoundError(f"scan {record.id!r} is declared without voxels")
        z, y, x = (s / e for s, e in zip(record.registration.um, record.voxel_size.um, strict=True))
        shapes.append(record.volume.shape)
        shifts.append((z, y, x))
    return dict(zip(scans, common_windows(shapes, shifts), strict=True))


def _check_alike(records: Sequence[Scan]) -> None:
    cells = sorted({record.cell for record in records})
    if len(cells) > 1:
        raise MismatchError(f"the scans are of several cells: {', '.join(cells)}")
    sizes = {str(record.voxel_size): record.id for record in records}
    if len(sizes) > 1:
        found = ", ".join(f"{name} {size}" for size, name in sizes.items())
        raise MismatchError(f"the scans have several voxel sizes: {found}")
    for record in records:
        if record.volume is None:
            raise NotFoundError(
                f"scan {record.id!r} is declared without voxels", fix=f"siltomo catalog show {record.id}"
            )


def _drift(catalog: Catalog, reference: Scan, other: Scan, size: int) -> Drift:
    """Find the shift on a coarse level first, and refine it on what both show in the middle."""
    stored = [catalog.stored(Scan, record.id) for record in (reference, other)]
    volumes = [record.volume for record in (reference, other) if record.volume]
    level = 0
    while max(volumes[0].shape) >> level > _COARSE and level < min(v.levels for v in volumes) - 1:
        level += 1
    coarse = [np.asarray(catalog.store.open_volume(s, level=level)[:]) for s in stored]
    common = tuple(slice(0, min(a, b)) for a, b in zip(coarse[0].shape, coarse[1].shape, strict=True))
    first = find_drift(coarse[0][common], coarse[1][common])
    if level == 0 and max(common[n].stop for n in range(3)) <= size:
        return first
    whole = np.rint(np.array(first.shift) * 2**level).astype(int)
    windows = common_windows([v.shape for v in volumes], [(0, 0, 0), tuple(float(w) for w in whole)])  # type: ignore[list-item]
    parts = [_middle(catalog.store.open_volume(s), w, size) for s, w in zip(stored, windows, strict=True)]
    fine = find_drift(*parts)
    z, y, x = (float(a + b) for a, b in zip(whole, fine.shift, strict=True))
    return Drift((z, y, x), fine.correlation)


def _middle(array: Any, window: Window, size: int) -> NDArray[Any]:
    """Return the middle of a window, at most so many voxels along each axis."""
    part = []
    for side in window:
        first = side.start + max(0, (side.stop - side.start - size) // 2)
        part.append(slice(first, min(side.stop, first + size)))
    return np.asarray(array[tuple(part)])


def _as_record(one: Registered, series: Sequence[str]) -> dict[str, Any]:
    named: dict[str, Any] = {axis: f"{value:.6g} um" for axis, value in zip("zyx", one.shift, strict=True)}
    if one.window is not None and len(series) > 1:
        named |= {"series": list(series), "window": [[side.start, side.stop] for side in one.window]}
    return {"reference": one.reference, **named, "correlation": round(min(1.0, one.correlation), 4)}
