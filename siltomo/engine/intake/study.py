"""Register a whole declared study: formulations, cells, scans, segmentations, cycling runs, printed values."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from siltomo.engine.catalog import Catalog
from siltomo.engine.cycling.runs import RunOrder, add_run, run_order
from siltomo.engine.intake.labels import LabelsOrder, import_labels, parse_phases
from siltomo.engine.intake.scans import Progress, ScanOrder, add_scan
from siltomo.engine.study.declarations import CHECKED, with_components
from siltomo.engine.study.files import entries, read_declarations
from siltomo.engine.yaml import Document
from siltomo.errors import Amend, RecordError, SiltomoError, UnitError
from siltomo.importers import Source
from siltomo.model import RECORDS, Record, VoxelSize, validated

__all__ = ["SECTIONS", "Outcome", "StudyPlan", "add_study", "read_study"]

SECTIONS = {
    "formulations": "formulation",
    "cells": "cell",
    "scans": "scan",
    "segmentations": "segmentation",
    "cycling_runs": "cycling_run",
    "reported_values": "reported_value",
}
"""Sections of a study file, in the order in which they are registered, with the kind of their records."""

_STATE = ("cycle", "half", "capacity", "voltage", "time")
_ACQUISITION = ("beamline", "technique", "energy", "start", "end")
_FILE = ("file", "dataset", "prefix", "allow_gaps", "voxel_from", "by_reference")


@dataclass(frozen=True)
class Outcome:
    """What became of one declared thing."""

    kind: str
    id: str
    outcome: str
    """``added``, ``unchanged`` or ``failed``."""
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass(frozen=True)
class StudyPlan:
    """A study file, checked as far as it can be without reading voxels."""

    document: Document
    records: tuple[Record, ...]
    scans: tuple[ScanOrder, ...]
    labels: tuple[LabelsOrder, ...]
    runs: tuple[RunOrder, ...] = ()


def read_study(path: Path) -> StudyPlan:
    """Read a study file and check every field.

    Raises
    ------
    RecordError
        When a field is wrong; names the file, the line, the path (``cells.zn1.si_mass``) and the value.
    """
    document = read_declarations(path)
    data = document.data
    unknown = [name for name in data if name != "study" and name not in SECTIONS and name not in CHECKED]
    if unknown:
        raise RecordError(
            f"there is no section {unknown[0]!r}; sections are study, {', '.join((*SECTIONS, *CHECKED))}",
            where=document.place((unknown[0],)),
            fix="siltomo schema list",
        )
    records = [_record(document, "study", ("study",), data["study"])] if "study" in data else []
    scans, labels, runs = [], [], []
    for section, kind in SECTIONS.items():
        for id_, given in entries(document, section):
            at = (section, id_)
            fields = with_components(document, id_, given) if kind == "formulation" else given
            if kind == "scan" and "file" in fields:
                scans.append(_scan_order(document, at, fields))
            elif kind == "cycling_run" and "file" in fields:
                path = _source(document, at, fields).path
                runs.append(run_order(id_, fields, path, partial(_place, document, at)))
            elif kind == "segmentation":
                labels.append(_labels_order(document, at, fields))
            else:
                records.append(_record(document, kind, at, {"id": id_, **_nested(fields, kind)}))
    return StudyPlan(document, tuple(records), tuple(scans), tuple(labels), tuple(runs))


def add_study(
    catalog: Catalog, plan: StudyPlan, *, dry_run: bool = False, progress: Progress | None = None
) -> Iterator[Outcome]:
    """Register a study, one thing after the other; what fails leaves the others whole."""
    for record in plan.records:
        at = str(plan.document.path)
        yield _try(record.kind, record.id, lambda r=record, w=at: _add_record(catalog, r, w, dry_run))
    for order in plan.scans:
        yield _try(
            "scan",
            str(order.fields["id"]),
            lambda o=order: add_scan(catalog, o, dry_run=dry_run, progress=progress),
        )
    for labels in plan.labels:
        run = lambda o=labels: import_labels(catalog, o, dry_run=dry_run, progress=progress)  # noqa: E731
        yield _try("segmentation", str(labels.fields["id"]), run)
    for one in plan.runs:
        yield _try("cycling_run", str(one.fields["id"]), lambda o=one: add_run(catalog, o, dry_run=dry_run))


@dataclass(frozen=True)
class _Added:
    added: bool
    warnings: tuple[str, ...] = ()


def _add_record(catalog: Catalog, record: Record, where: str, dry_run: bool) -> _Added:
    if dry_run:
        return _Added(catalog.store.find(record.kind, record.id) is None)
    return _Added(catalog.add(record, where=where).changed)


def _try(kind: str, id_: str, run: Any) -> Outcome:
    try:
        done = run()
    except SiltomoError as error:
        return Outcome(kind, id_, "failed", str(error))
    return Outcome(kind, id_, "added" if done.added else "unchanged", "", done.warnings)


def _record(document: Document, kind: str, at: tuple[str, ...], fields: Any) -> Record:
    if not isinstance(fields, dict):
        raise RecordError("has no fields", where=document.place(at))
    return validated(RECORDS[kind], fields, place=lambda path: document.place((*at, *path)))


def _place(document: Document, at: tuple[str, ...], inner: tuple[str | int, ...]) -> str:
    return document.place((*at, *inner))


def _nested(fields: Mapping[str, Any], kind: str) -> dict[str, Any]:
    """Gather the fields that are written flat, as on the command line, into their part of a scan."""
    if kind != "scan":
        return dict(fields)
    made = {k: v for k, v in fields.items() if k not in (*_STATE, *_ACQUISITION)}
    for part, names in (("state", _STATE), ("acquisition", _ACQUISITION)):
        flat = {name: fields[name] for name in names if name in fields}
        if flat or part in made:
            made[part] = {**(made.get(part) or {}), **flat}
    return made


def _source(document: Document, at: tuple[str, ...], fields: Mapping[str, Any]) -> Source:
    file = fields.get("file")
    if not isinstance(file, str) or not file:
        raise RecordError("names no file", where=document.place((*at, "file")))
    path = Path(file).expanduser()
    member = fields.get("dataset") or fields.get("prefix")
    return Source(
        path if path.is_absolute() else document.path.parent / path,
        member=None if member is None else str(member),
        allow_gaps=fields.get("allow_gaps") is True,
    )


def _scan_order(document: Document, at: tuple[str, ...], fields: dict[str, Any]) -> ScanOrder:
    own = {k: v for k, v in fields.items() if k not in _FILE}
    size = own.pop("voxel_size", None)
    nested = {"id": at[-1], **_nested(own, "scan")}
    # the voxel size may still come from the file: a stand-in lets every other field be checked now
    _record(document, "scan", at, {**nested, "voxel_size": "1 um" if size is None else size})
    return ScanOrder(
        source=_source(document, at, fields),
        fields=nested,
        voxel_size=None if size is None else read_voxel_size(size),
        trust_voxel=fields.get("voxel_from"),
        by_reference=fields.get("by_reference") is True,
        where=document.place(at),
    )


def read_voxel_size(given: object) -> VoxelSize:
    """Read a voxel size as typed; raises ``UnitError`` with what to write instead."""
    try:
        return VoxelSize.model_validate(given)
    except ValidationError as error:
        bare = isinstance(given, str) and re.fullmatch(r"[\d.,\s]*\d", given)
        fix = Amend(
            {"--voxel-size": f"{given} um" if bare else "EDGE um"}, advice="with the right edge and unit"
        )
        raise UnitError(str(error.errors()[0]["msg"]), fix=fix, where="voxel size") from error


def _labels_order(document: Document, at: tuple[str, ...], fields: dict[str, Any]) -> LabelsOrder:
    phases = fields.get("phases")
    if isinstance(phases, dict):
        phases = ",".join(f"{value}={name}" for value, name in phases.items())
    if not isinstance(phases, str):
        raise RecordError(
            "names no phases, such as {1: crack, 2: solid}", where=document.place((*at, "phases"))
        )
    scan = fields.get("scan")
    if not isinstance(scan, str):
        raise RecordError("names no scan", where=document.place((*at, "scan")))
    own = {k: v for k, v in fields.items() if k not in (*_FILE, "phases", "scan", "pad")}
    return LabelsOrder(
        source=_source(document, at, fields),
        scan=scan,
        phases=parse_phases(phases),
        fields={"id": at[-1], **own},
        trust_voxel=fields.get("voxel_from"),
        pad=fields.get("pad"),
        where=document.place(at),
    )


def check_study(path: Path) -> dict[str, Any]:
    """Check a study file on its own: fields, units, and references inside the file.

    Raises
    ------
    RecordError
        When a field is wrong, or a reference points at nothing in the file.
    """
    plan = read_study(path)
    document = plan.document
    sections = {**SECTIONS, "study": "study"}
    ids = {kind: set(document.data.get(section) or ()) for section, kind in sections.items()}
    study = document.data.get("study")
    ids["study"] = {study["id"]} if isinstance(study, dict) and "id" in study else set()
    for section, kind in SECTIONS.items():
        for id_, fields in entries(document, section):
            for name, target in RECORDS[kind].references().items():
                if fields.get(name) is not None and fields[name] not in ids[target]:
                    known = ", ".join(sorted(ids[target])) or "none"
                    raise RecordError(
                        f"the file has no {target} {fields[name]!r}; it has: {known}",
                        where=document.place((section, id_, name)),
                    )
    counts = {section: len(ids[kind]) for section, kind in sections.items() if ids[kind]}
    return {"file": str(path), "valid": True, "counts": counts}
