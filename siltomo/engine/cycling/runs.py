"""Register cycling runs and read them back: the file of the cycler is kept as it is."""

from __future__ import annotations

import hashlib
import io
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from siltomo.cycling import (
    Cutoffs,
    CyclingSource,
    Points,
    Record,
    Understanding,
    analyse,
    parse_columns,
    read_points,
)
from siltomo.cycling.outside import OUTSIDE
from siltomo.cycling.source import zoned
from siltomo.engine.catalog import Catalog, open_catalog
from siltomo.errors import Amend, MismatchError, NotFoundError, TakenError
from siltomo.model import CyclingRun, SourceFiles, validated
from siltomo.model.validation import Place
from siltomo.units import Quantity

__all__ = ["AddedRun", "RunOrder", "add_run", "read_run", "run_order", "runs_of", "set_run"]

_CLOCK = ("clock_offset", "clock_drift", "scan_timezone")
"""What ``cycling align`` stores."""
CONVERTED = "points.npz"
"""What an outside program read is kept beside the file: it need not be there again."""


@dataclass(frozen=True)
class RunOrder:
    """What the user asks to register: where the record is, whose it is, what the file does not say."""

    source: CyclingSource
    cell: str
    fields: Mapping[str, Any]
    """Further fields of the run; ``id`` may be left out."""
    trust_sign: bool = False
    """Believe the user's ``positive_current`` against the voltage."""
    where: str = ""


@dataclass(frozen=True)
class AddedRun:
    """What registering did."""

    record: CyclingRun
    added: bool
    """False when the same run was already there."""
    understood: Record
    warnings: tuple[str, ...] = ()


def add_run(catalog: Catalog, order: RunOrder, *, dry_run: bool = False) -> AddedRun:
    """Register a cycling run: the file is read, understood, and kept unchanged.

    Raises
    ------
    FormatError
        When the file cannot be read.
    MismatchError
        When the voltage contradicts the sign of the current, or its cycles are there already.
    NotFoundError
        When the cell is not in the catalog.
    TakenError
        When the id is taken by another run.
    """
    source, fields = order.source, dict(order.fields)
    draft = validated(CyclingRun, {"id": "run", **_declared(order)}, place=order.where)
    catalog.check_references(draft, where=order.where)
    points = read_points(source)
    record = analyse(points, _understanding(draft, trust=order.trust_sign))
    data = source.path.read_bytes()
    run = _completed(draft, record, source, data)
    existing = [other for other in catalog.records(CyclingRun) if other.cell == order.cell]
    if not fields.get("id"):
        run = run.model_copy(update={"id": _free_id(run, existing)})
    warnings = (*(() if dry_run else catalog.begin_writing()), *record.warnings)
    stored = catalog.store.find(CyclingRun.kind, run.id)
    if stored is not None:
        known = _same_or_refused(CyclingRun.from_body(dict(stored.body)), run)
        return AddedRun(known, False, record, warnings)
    _check_cycles(catalog, existing, run, record)
    if not dry_run:
        files = {_kept_name(source.path): data}
        if source.path.suffix.lower() in OUTSIDE:
            files[CONVERTED] = _packed(points)
        catalog.store.add_files(CyclingRun.kind, run.id, files, run.body())
    return AddedRun(run, True, record, warnings)


_SAID_OF_FILE = ("file", "cell", "columns", "column_map", "timezone", "date_order", "allow_gaps", "sign_from")


def run_order(id_: str, fields: Mapping[str, Any], path: Path, place: Place) -> RunOrder:
    """Read the declaration of a run that names its file, as it stands in a study file.

    Raises
    ------
    RecordError
        When a field is wrong; names its place.
    """
    columns = fields.get("columns") or {}
    if isinstance(columns, str):
        columns = parse_columns(columns)
    own = {name: value for name, value in fields.items() if name not in _SAID_OF_FILE}
    said = {name: fields[name] for name in _SAID_OF_FILE[1:-1] if name in fields}
    draft = validated(CyclingRun, {**own, **said, "columns": columns, "id": id_}, place=place)
    source = CyclingSource(
        path,
        columns=draft.columns,
        map=draft.column_map,
        timezone=draft.timezone,
        date_order=draft.date_order,
        allow_gaps=draft.allow_gaps,
    )
    trust = fields.get("sign_from") == "user"
    return RunOrder(source, draft.cell, {**own, "id": id_}, trust, where=place(()))


def read_run(catalog: Catalog, run: str | CyclingRun) -> Record:
    """Read a cycling run of the catalog, from the file that is kept with it.

    Raises
    ------
    NotFoundError
        When there is no such run, or it was only declared, without a file.
    DamagedError
        When the kept file is not what was written.
    """
    record = catalog.record(CyclingRun, run) if isinstance(run, str) else run
    stored = catalog.stored(CyclingRun, record.id)
    if stored.volume is None:
        raise NotFoundError(
            f"cycling run {record.id!r} was declared without a file",
            fix=f"siltomo catalog rm {record.id} --kind cycling_run && siltomo cycling add FILE --cell {record.cell}",
        )
    return _read(catalog, stored.seal, record)


def runs_of(catalog: Catalog, cell: str) -> list[CyclingRun]:
    """Return the runs of a cell that have a file, in the order of their cycles."""
    found = [r for r in catalog.records(CyclingRun) if r.cell == cell and r.source is not None]
    return sorted(found, key=lambda r: (r.first_cycle, r.id))


def set_run(catalog: Catalog, id_: str, changes: Mapping[str, Any], *, trust_sign: bool = False) -> AddedRun:
    """Change what is said of a run; its file is understood again, and must still make sense.

    Raises
    ------
    MismatchError
        When the voltage contradicts the new sign of the current.
    """
    known = catalog.record(CyclingRun, id_)
    changed = validated(
        CyclingRun,
        {**known.model_dump(mode="json", exclude_none=True), **changes},
        place=f"cycling_run {id_}",
    )
    record = _understood(catalog, changed, trust=trust_sign or "positive_current" not in changes)
    others = [run for run in catalog.records(CyclingRun) if run.cell == changed.cell and run.id != id_]
    _check_cycles(catalog, others, changed, record)
    made: dict[str, Any] = {}
    if {"timezone", "date_order"} & changes.keys() and (start := _start(record.points)) is not None:
        made["start"] = start.isoformat()
    if "positive_current" in changes:
        made["positive_current_source"] = record.basis["positive_current"]
    change = catalog.set(CyclingRun, id_, {**changes, **made})
    new = catalog.record(CyclingRun, id_)
    return AddedRun(new, change.changed, record, record.warnings)


# ---- adding ----------------------------------------------------------------------------------------------------


def _declared(order: RunOrder) -> dict[str, Any]:
    """Return the fields of a run that are known before its file is read."""
    source = order.source
    said = {
        "cell": order.cell,
        "timezone": source.timezone,
        "date_order": source.date_order,
        "columns": dict(source.columns),
        "column_map": source.map,
        "allow_gaps": source.allow_gaps,
    }
    return {**said, **{name: value for name, value in order.fields.items() if value is not None}}


def _understanding(run: CyclingRun, *, trust: bool) -> Understanding:
    def plain(quantity: Quantity | None, unit: str) -> float | None:
        return None if quantity is None else quantity.m_as(unit)

    return Understanding(
        positive_current=run.positive_current,
        trust_sign=trust,
        rest_current_A=plain(run.rest_current, "A"),
        cutoffs=Cutoffs(plain(run.lower_cutoff, "V"), plain(run.upper_cutoff, "V")),
        first_cycle=run.first_cycle,
    )


def _start(points: Points) -> datetime | None:
    return points.start or points.local_start


def _completed(draft: CyclingRun, record: Record, source: CyclingSource, data: bytes) -> CyclingRun:
    """Add to a run what its file says."""
    points = record.points
    facts = dict(points.facts)
    if points.start_source:
        facts["start"] = points.start_source
    kept = SourceFiles(
        format=points.format,
        path=str(source.path.absolute()),
        count=1,
        size=len(data),
        sha256=hashlib.sha256(data).hexdigest(),
        facts=facts,
    )
    found = {
        "positive_current": record.positive_current,
        "positive_current_source": record.basis["positive_current"],
        "source": kept,
    }
    return draft.model_copy(update={"start": draft.start or _start(points), **found})


def _free_id(run: CyclingRun, existing: list[CyclingRun]) -> str:
    """Return an id made from the cell's; the same file keeps the id it has."""
    assert run.source is not None
    for other in existing:
        if other.source is not None and other.source.sha256 == run.source.sha256:
            return other.id
    taken = {other.id for other in existing}
    base = f"{run.cell[:52]}-cycling"
    return next(i for i in (base, *(f"{base}-{n}" for n in range(2, 10_000))) if i not in taken)


def _same_or_refused(known: CyclingRun, run: CyclingRun) -> CyclingRun:
    """Return the run that is there, if it is the one that is to be registered."""
    assert run.source is not None
    differing = [
        f"{name} ({getattr(known, name) or 'nothing'} there, {getattr(run, name) or 'nothing'} here)"
        for name in CyclingRun.model_fields
        if name not in ("source", "positive_current_source", "title", "notes", *_CLOCK)
        and getattr(known, name) != getattr(run, name)
        and not (name == "start" and run.start is None)  # given to align, where the file has none
    ]
    if known.source is None or known.source.sha256 != run.source.sha256:
        differing.append("the file")
    if not differing:
        return known
    raise TakenError(
        f"the catalog already has a cycling run {run.id!r}, and it differs in {', '.join(differing)}; nothing was "
        "changed",
        code="SIL111",
        fix=f"siltomo cycling show {run.id}",
    )


def _check_cycles(catalog: Catalog, existing: list[CyclingRun], run: CyclingRun, record: Record) -> None:
    """Refuse a second run of a cell whose cycles have the numbers of the first."""
    own = {cycle.number for cycle in record.cycles}
    last = 0
    clash = None
    for other in existing:
        if other.source is not None:
            numbers = {cycle.number for cycle in read_run(catalog, other).cycles}
            last = max([last, *numbers])
            clash = other if numbers & own else clash
    if clash is not None:
        raise MismatchError(
            f"cell {run.cell!r} has cycles up to {last} already (run {clash.id!r}), and this file would be cycles "
            f"{min(own)} to {max(own)}",
            code="SIL149",
            fix=Amend({"--first-cycle": str(last + 1)}, advice="if it continues that run"),
        )


# ---- keeping and reading back ----------------------------------------------------------------------------------


def _kept_name(path: Path) -> str:
    """Return the name of the file in the bag: its ending says how it is read."""
    return f"record{path.suffix.lower()}"


@lru_cache(maxsize=32)
def _kept(catalog_path: str, seal: str, body: str) -> Record:
    """Read a run once per process; the seal of its record and its fields say which."""
    del seal
    catalog = open_catalog(catalog_path)
    return _understood(catalog, CyclingRun.model_validate_json(body), trust=True)


def _read(catalog: Catalog, seal: str, run: CyclingRun) -> Record:
    return _kept(str(catalog.path), seal, run.model_dump_json(exclude_none=True))


def _understood(catalog: Catalog, run: CyclingRun, *, trust: bool) -> Record:
    """Read and understand the file of a run as its record says."""
    stored = catalog.stored(CyclingRun, run.id)
    assert run.source is not None
    name = _kept_name(Path(run.source.path))
    path = catalog.store.file(stored, name)
    source = CyclingSource(
        path,
        columns=run.columns,
        map=run.column_map,
        timezone=run.timezone,
        date_order=run.date_order,
        allow_gaps=run.allow_gaps,
    )
    outside = path.suffix in OUTSIDE
    points = _unpacked(catalog.store.file(stored, CONVERTED), run) if outside else read_points(source)
    return analyse(points, _understanding(run, trust=trust))


_ARRAYS = ("time_s", "current_A", "voltage_V", "step", "cycle", "step_time_s")


def _packed(points: Points) -> bytes:
    """Return the points as an .npz file."""
    arrays: dict[str, Any] = {name: found for name in _ARRAYS if (found := getattr(points, name)) is not None}
    arrays |= {f"counter {name}": values for name, values in points.counters_Ah.items()}
    made = io.BytesIO()
    np.savez_compressed(made, current_is_mean=np.array(points.current_is_mean), **arrays)
    return made.getvalue()


def _unpacked(path: Path, run: CyclingRun) -> Points:
    assert run.source is not None
    with np.load(path, allow_pickle=False) as file:
        arrays = {name: file[name] for name in file.files}
    local = None if run.start is None else run.start.replace(tzinfo=None)
    return Points(
        **{name: arrays[name] for name in _ARRAYS if name in arrays},
        format=run.source.format,
        counters_Ah={n.removeprefix("counter "): v for n, v in arrays.items() if n.startswith("counter ")},
        current_is_mean=bool(arrays["current_is_mean"]),
        start=zoned(local, CyclingSource(path, timezone=run.timezone)),
        local_start=local,
        facts=run.source.facts,
    )
