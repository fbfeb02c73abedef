"""Look after a catalog: list scans, show a record, remove one, verify, repair, collect, migrate."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from siltomo.catalog import CatalogStore
from siltomo.engine.catalog import Catalog, find_catalog
from siltomo.engine.columns import scan_columns
from siltomo.engine.select import Selection, everything
from siltomo.errors import Amend, BadInputError
from siltomo.model import RECORDS, Cell, Record, Scan, Segmentation

__all__ = [
    "collect_garbage",
    "list_scans",
    "list_segmentations",
    "migrate_catalog",
    "remove_record",
    "repair_catalog",
    "show_record",
    "verify_catalog",
]


def list_scans(catalog: Catalog, where: Selection = everything) -> list[dict[str, Any]]:
    """Return one row for each scan that is selected; ``catalog.damaged`` says which could not be read."""
    cells = {cell.id: cell for cell in catalog.sound_records(Cell)}
    by_scan: dict[str, list[str]] = {}
    for labels in catalog.sound_records(Segmentation):
        by_scan.setdefault(labels.scan, []).append(labels.id)
    rows = []
    for scan in catalog.sound_records(Scan):
        columns = scan_columns(scan, cells.get(scan.cell))
        if where(columns):
            rows.append(
                {
                    "id": scan.id,
                    **{k: v for k, v in columns.items() if k not in ("scan", "voxel_size")},
                    "voxel_size": str(scan.voxel_size),
                    "shape": list(scan.volume.shape) if scan.volume else None,
                    "dtype": scan.volume.dtype if scan.volume else None,
                    "segmentations": by_scan.get(scan.id, []),
                    "capacity_unit": "mAh/g_Si",
                    "voltage_unit": "V",
                }
            )
    return rows


def list_segmentations(catalog: Catalog, scan: str | None = None) -> list[dict[str, Any]]:
    """Return one row for each segmentation, of all scans or of one."""
    if scan is not None:
        catalog.record(Scan, scan)
    return [
        {
            "id": labels.id,
            "scan": labels.scan,
            "phases": {str(p.value): p.name for p in labels.phases},
            "domain": str(labels.domain),
            "min_feature": None if labels.min_feature is None else str(labels.min_feature),
            "method": labels.method,
            "variant_of": labels.variant_of,
        }
        for labels in catalog.sound_records(Segmentation)
        if scan in (None, labels.scan)
    ]


def locate(catalog: Catalog, id_: str, kind: str | None) -> type[Record]:
    """Return the kind of record that an id names.

    Raises
    ------
    NotFoundError
        When nothing has that id.
    BadInputError
        When records of several kinds do, and the kind is not given.
    """
    candidates = [RECORDS[kind]] if kind else list(RECORDS.values())
    found = [model for model in candidates if catalog.store.find(model.kind, id_) is not None]
    if not found:
        raise catalog.unknown(kind or "scan", id_)
    if len(found) > 1:
        kinds = ", ".join(model.kind for model in found)
        raise BadInputError(
            f"{id_!r} names several records: {kinds}", code="SIL125", fix=Amend({"--kind": found[0].kind})
        )
    return found[0]


def show_record(catalog: Catalog, id_: str, *, kind: str | None = None) -> dict[str, Any]:
    """Return a record with its history, where its volume lies, and what lies on it."""
    model = locate(catalog, id_, kind)
    stored = catalog.stored(model, id_)
    shown: dict[str, Any] = {
        "kind": stored.kind,
        "id": stored.id,
        "record": dict(stored.body),
        "revision": stored.revision,
        "created": stored.created,
    }
    if stored.volume is not None:
        shown["path"] = catalog.store.address(stored)
        shown["bytes_stored"] = stored.volume.bytes
    if model is Scan:
        shown["segmentations"] = [s.id for s in catalog.segmentations_of(id_)]
    return shown


def remove_record(catalog: Catalog, id_: str, *, kind: str | None = None) -> dict[str, Any]:
    """Remove a record; its history stays, and its bytes until they are collected.

    Raises
    ------
    BadInputError
        When other records point at it; the fix removes the first of them.
    """
    model = locate(catalog, id_, kind)
    users = _users(catalog, model.kind, id_)
    if users:
        other, name = users[0]
        raise BadInputError(
            f"{model.kind} {id_!r} is used by {', '.join(f'{k} {i}' for k, i in users[:5])}"
            + (f" and {len(users) - 5} more" if len(users) > 5 else ""),
            code="SIL126",
            fix=f"siltomo catalog rm {name} --kind {other}",
        )
    catalog.begin_writing()
    removed = catalog.store.remove(model.kind, id_)
    return {"kind": model.kind, "id": id_, "revision": removed.revision}


def _users(catalog: Catalog, kind: str, id_: str) -> list[tuple[str, str]]:
    """List the records that point at a record."""
    return [
        (model.kind, record.id)
        for model in RECORDS.values()
        for field, target in model.references().items()
        if target == kind
        for record in catalog.records(model)
        if getattr(record, field) == id_
    ]


def verify_catalog(
    catalog: Catalog, *, full: bool = False, progress: Callable[[int, int], None] | None = None
) -> list[dict[str, Any]]:
    """Look for damage; never repairs.

    Parameters
    ----------
    full
        Read every byte, rather than names, sizes and seals.

    Returns
    -------
    list of dict
        One row for each damaged file: what is damaged, what is lost, how to restore it.
    """
    return [dict(vars(damage)) for damage in catalog.store.verify(full=full, progress=progress)]


def repair_catalog(
    folder: str | Path | None = None,
    *,
    backup: str | Path | None = None,
    full: bool = False,
    dry_run: bool = False,
) -> list[dict[str, Any]]:
    """Put back what is damaged from what proves to be the same bytes.

    Parameters
    ----------
    folder
        The catalog's folder; without one as :func:`find_catalog` finds it.
    backup
        Another copy of the catalog.
    full
        Look at every byte for damage.
    dry_run
        Say what is damaged and mend nothing.

    Returns
    -------
    list of dict
        One row for each damage: what was wrong, whether it is mended, and how.

    Raises
    ------
    NotFoundError
        When the backup is no catalog.
    """
    root = find_catalog(folder)
    if backup is not None:
        CatalogStore.open(backup)
    rows: list[dict[str, Any]] = []
    if not dry_run and CatalogStore.restore_marker(root):
        rows.append(
            {"kind": "catalog", "id": "", "path": "siltomo-catalog.json", "what": "missing or damaged"}
            | {"outcome": "mended", "how": "written anew, with a new id of the catalog"}
        )
    catalog = Catalog(CatalogStore.open(root))
    if not dry_run:
        catalog.begin_writing()
    mended = catalog.store.repair(backup=backup, full=full, dry_run=dry_run)
    return [*rows, *(dict(vars(one)) for one in mended)]


def collect_garbage(catalog: Catalog, *, grace_days: float, dry_run: bool) -> list[dict[str, Any]]:
    """Remove, for ever, the volumes of records that were removed longer ago than a grace period.

    A volume that a record still points at stays, and so does one whose record was lost rather than removed.

    Parameters
    ----------
    grace_days
        How many days the bytes of a removed record are kept.
    dry_run
        Say what would go and remove nothing.

    Returns
    -------
    list of dict
        One row for each volume.
    """
    if grace_days < 0:
        raise BadInputError(f"a grace period is no less than 0 days, not {grace_days:g}")
    used = {
        (kind, target)
        for model in RECORDS.values()
        for field, kind in model.references().items()
        for record in catalog.records(model)
        if (target := getattr(record, field)) is not None
    }
    grace = timedelta(days=grace_days)
    if dry_run:
        found = catalog.store.collectable(grace, keep=used)
    else:
        catalog.begin_writing()
        found = catalog.store.collect(grace, keep=used)
    outcome = "would be removed" if dry_run else "removed for ever"
    return [{**vars(one), "outcome": outcome} for one in found]


def migrate_catalog(catalog: Catalog) -> dict[str, Any]:
    """Bring a catalog of an older siltomo to the layout of this one.

    Raises
    ------
    DamagedError
        When it is damaged; it is as it was then.
    """
    before = catalog.store.version
    catalog.begin_writing()
    made = catalog.store.migrate()
    return {"from": before, "to": catalog.store.version, "copies_made": made}
