"""Register a scan: read the file once, write the volume, keep the record."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from siltomo.catalog import Elsewhere, VolumeFacts, VolumeSpec, content_of
from siltomo.engine.catalog import Catalog
from siltomo.engine.intake.again import same_or_refused
from siltomo.engine.intake.sources import (
    describe_files,
    reconcile_acquisition,
    reconcile_voxel_size,
    stored_volume,
)
from siltomo.errors import Amend, BadInputError
from siltomo.importers import ImportedVolume, Source, ZarrInPlace, open_volume
from siltomo.model import Scan, VoxelSize, validated

__all__ = ["Ingested", "Progress", "ScanOrder", "add_scan"]

Progress = Callable[[int, int], None]
"""Called with planes done and planes in all."""


@dataclass(frozen=True)
class ScanOrder:
    """What the user asks to register: where the voxels are, and the fields of the scan."""

    source: Source
    fields: Mapping[str, Any]
    """Fields of the scan, without voxel size, volume and source; ``id`` may be left out."""
    voxel_size: VoxelSize | None = None
    trust_voxel: str | None = None
    """``"file"`` or ``"user"`` where the two disagree."""
    by_reference: bool = False
    """Leave the voxels where they are; only an OME-Zarr can be read there."""
    where: str = ""
    """Where the order stands, such as a line of a study file."""


@dataclass(frozen=True)
class Ingested:
    """What registering did."""

    record: Scan
    added: bool
    """False when the same scan was already there."""
    warnings: tuple[str, ...] = field(default=())


def add_scan(
    catalog: Catalog,
    order: ScanOrder,
    *,
    dry_run: bool = False,
    progress: Progress | None = None,
    opened: ImportedVolume | None = None,
) -> Ingested:
    """Register a scan.

    Everything is checked before a voxel is read. The same scan again (same fields, same voxels) changes
    nothing.

    Parameters
    ----------
    opened
        What ``order.source`` holds, where its headers have been read already.

    Raises
    ------
    FormatError
        When the file cannot be read.
    MismatchError
        When file and user disagree about the voxel size.
    NotFoundError
        When the cell is not in the catalog.
    TakenError
        When the id is taken by another scan; nothing is changed.
    """
    opened = opened or open_volume(order.source)
    where = order.where or str(order.source.path)
    settled = reconcile_voxel_size(opened, order.voxel_size, trust=order.trust_voxel, where=where)
    acquisition, said = reconcile_acquisition(
        opened.acquisition, order.fields.get("acquisition") or {}, where=where
    )
    named = {"id": "scan", **order.fields, "voxel_size": settled.size, "voxel_source": settled.source}
    named["acquisition"] = acquisition
    scan = validated(Scan, named, place=order.where)
    if not order.fields.get("id"):
        scan = scan.model_copy(update={"id": default_scan_id(scan)})
    catalog.check_references(scan, where=order.where)
    place = _place(opened, where) if order.by_reference else None
    warnings = (*(() if dry_run else catalog.begin_writing()), *said, *opened.warnings)
    existing = catalog.store.find("scan", scan.id)
    if existing is not None:
        known = same_or_refused(existing, scan, lambda: content_of(opened.planes, opened.shape, opened.dtype))
        return Ingested(known, False, warnings)
    if dry_run:
        return Ingested(scan, True, warnings)
    return Ingested(_store(catalog, scan, opened, order, place=place, progress=progress), True, warnings)


def _store(
    catalog: Catalog,
    scan: Scan,
    opened: ImportedVolume,
    order: ScanOrder,
    *,
    place: ZarrInPlace | None,
    progress: Progress | None,
) -> Scan:
    """Copy the voxels into the catalog, or take down where they lie; return the scan as it is kept."""
    spec = VolumeSpec(shape=opened.shape, dtype=opened.dtype, voxel_size_um=scan.voxel_size.um, name=scan.id)
    elsewhere = None if place is None else Elsewhere.of(place.root, place.arrays, place.leading, place.files)
    known = (
        {elsewhere.root / path: fact.sha256 for path, fact in elsewhere.files.items()} if elsewhere else {}
    )
    source = describe_files(opened, order.source.path, order.source.member, known=known)
    source = source.model_copy(update={"in_place": elsewhere is not None})

    def body(facts: VolumeFacts) -> Mapping[str, Any]:
        volume = stored_volume(facts, opened)
        return scan.model_copy(update={"volume": volume, "source": source}).body()

    if elsewhere is None:
        stored = catalog.store.add_volume("scan", scan.id, spec, opened.planes, body, progress=progress)
    else:
        stored = catalog.store.add_reference(
            "scan", scan.id, spec, opened.planes, body, elsewhere=elsewhere, progress=progress
        )
    return Scan.from_body(dict(stored.body))


def _place(opened: ImportedVolume, where: str) -> ZarrInPlace:
    """Return how a volume is read where it lies, or refuse."""
    if isinstance(opened.in_place, ZarrInPlace):
        return opened.in_place
    raise BadInputError(
        f"it cannot be registered by reference: {opened.in_place}",
        where=where,
        fix=Amend(drop_flags=("--by-reference",)),
    )


def default_scan_id(scan: Scan) -> str:
    """Return an id that can be read aloud: cell, cycle, half-cycle, capacity, scale.

    Examples
    --------
    >>> from siltomo.model import State
    >>> default_scan_id(Scan(id="x", cell="zn1", scale="micro", mode="operando", voxel_size="0.16 um",
    ...     state=State(cycle=1, half="delithiation", capacity="1200 mAh/g_Si")))
    'zn1-c1-delithiation-1200-micro'
    """
    state = scan.state
    parts = [scan.cell, f"c{state.cycle}", str(state.half)]
    if state.capacity is not None:
        parts.append(f"{state.capacity.value:.0f}")
    return "-".join([*parts, str(scan.scale)])[:64].strip("-_")
