"""What a computation is about: a scan with its labels, and the rows to come of it."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from siltomo.catalog import StoredRecord
from siltomo.engine.catalog import Catalog
from siltomo.engine.columns import scan_columns
from siltomo.engine.select import Selection, everything
from siltomo.metrics import Request, Sample
from siltomo.model import OUTSIDE, Cell, Formulation, MetricResult, Scan, Segmentation, Status

__all__ = [
    "Item",
    "Subject",
    "Subjects",
    "base_item",
    "base_items",
    "can_answer",
    "find_subjects",
]


@dataclass(frozen=True)
class Subject:
    """A scan with one of its segmentations, or with none."""

    scan: Scan
    cell: Cell | None
    formulation: Formulation | None = None
    segmentation: Segmentation | None = None
    stored: StoredRecord | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """What selections and result rows say of it."""
        named = self.segmentation.id if self.segmentation else None
        domain = str(self.segmentation.domain if self.segmentation else self.scan.domain)
        return {**scan_columns(self.scan, self.cell), "segmentation": named, "domain": domain}

    @cached_property
    def _phases(self) -> tuple[tuple[str, tuple[int, ...]], ...]:
        labels = self.segmentation
        return tuple((name, labels.values_of(name)) for name in labels.phase_names) if labels else ()

    def sample(self, phase: str) -> Sample:
        """Return what a metric may know of the subject."""
        labels = self.segmentation
        if labels is None or labels.volume is None:
            raise ValueError("a subject without labels has no sample")
        return Sample(
            phase=phase,
            values=labels.values_of(phase),
            outside=labels.values_of(OUTSIDE),
            shape=labels.volume.shape,
            spacing_um=self.scan.voxel_size.um,
            domain=str(labels.domain),
            min_feature_um=None if labels.min_feature is None else labels.min_feature.value,
            phases=self._phases,
            depth_axis=self.scan.depth_axis or "",
        )


@dataclass(frozen=True)
class Item:
    """One row to come: a metric of a subject."""

    request: Request
    subject: Subject
    key: str = ""
    kept: MetricResult | None = None
    """The result, when the catalog has it already."""
    status: Status = Status.OK
    """Other than ok when it is known beforehand that there will be no value."""
    reason: str = ""

    @property
    def to_compute(self) -> bool:
        """Whether voxels must be read for it."""
        return self.kept is None and self.status == Status.OK


@dataclass(frozen=True)
class Subjects:
    """The scans of a catalog, and their segmentations."""

    scans: tuple[Subject, ...]
    """Each scan that is selected, or has a segmentation that is, without labels."""
    labelled: tuple[Subject, ...]
    """Each segmentation that is selected, with its scan."""
    every_labelled: tuple[Subject, ...]
    """Each segmentation of the catalog, where the inputs of derived metrics are looked for."""

    @cached_property
    def by_scan(self) -> dict[str, list[Subject]]:
        """The selected segmentations of each scan."""
        found: dict[str, list[Subject]] = defaultdict(list)
        for subject in self.labelled:
            found[subject.scan.id].append(subject)
        return dict(found)


def find_subjects(catalog: Catalog, where: Selection = everything) -> Subjects:
    """Return the selected scans and segmentations; reads records, no voxel."""
    formulations = {f.id: f for f in catalog.records(Formulation)}
    cells = {cell.id: cell for cell in catalog.records(Cell)}
    alone = {}
    for scan in catalog.records(Scan):
        cell = cells.get(scan.cell)
        alone[scan.id] = Subject(scan, cell, formulations.get(cell.formulation) if cell else None)
    every = []
    for stored in catalog.store.all(Segmentation.kind):
        labels = Segmentation.from_body(dict(stored.body))
        # a variant tells how far its nominal's results move; it has no rows of its own
        if labels.scan in alone and labels.volume is not None and labels.variant_of is None:
            every.append(replace(alone[labels.scan], segmentation=labels, stored=stored))
    selected = tuple(subject for subject in every if where(subject.columns))
    having = {subject.scan.id for subject in selected}
    scans = tuple(s for s in alone.values() if s.scan.id in having or where(s.columns))
    return Subjects(scans, selected, tuple(every))


def base_items(catalog: Catalog, request: Request, subjects: Subjects) -> Iterable[Item]:
    """List the rows to come of a base metric: one for each segmentation with the phase, or why there is none."""
    by_scan = subjects.by_scan
    for alone in subjects.scans:
        here = by_scan.get(alone.scan.id, [])
        having = [subject for subject in here if _has_phase(request, subject)]
        able = [subject for subject in having if can_answer(request, subject)]
        for subject in able or having:
            yield base_item(catalog, request, subject)
        if not having:
            yield Item(request, alone, status=Status.MISSING, reason=_why_missing(alone, here, request.phase))


def can_answer(request: Request, subject: Subject) -> bool:
    """Return whether a base metric may have a value on a segmentation, as far as its phases tell."""
    return _has_phase(request, subject) and not request.lacks(subject.sample(request.phase))


def _has_phase(request: Request, subject: Subject) -> bool:
    labels = subject.segmentation
    return labels is not None and (not request.phase or request.phase in labels.phase_names)


def _why_missing(alone: Subject, here: list[Subject], phase: str) -> str:
    scan = alone.scan.id
    add = f"siltomo segment import {scan} FILE --phases 1={phase or 'collector,2=separator'}"
    if not here:
        return f"scan {scan} has no segmentation; add one: {add}"
    there = {n for s in here if s.segmentation for n in s.segmentation.phase_names}
    return (
        f"no segmentation of scan {scan} names a phase {phase!r} (there: {', '.join(sorted(there))}): {add}"
    )


def base_item(catalog: Catalog, request: Request, subject: Subject) -> Item:
    """Return the row to come of a base metric on a segmentation, with its result where there is one."""
    volume = subject.segmentation.volume if subject.segmentation else None
    scanned = subject.scan.volume
    missing = {*(volume.missing_planes if volume else ()), *(scanned.missing_planes if scanned else ())}
    if volume is None or missing:
        reason = f"{len(missing)} planes of the scan are missing: register it again without --allow-gaps"
        return Item(request, subject, status=Status.REFUSED, reason=reason)
    sample = request.seen(subject.sample(request.phase))
    if reason := request.lacks(sample):
        return Item(request, subject, status=Status.UNDEFINED, reason=reason)
    making = subject.segmentation.making if subject.segmentation else None
    key = result_key(request, sample, volume.content, recipe=making.digest if making else "")
    stored = catalog.store.find_result(key)
    kept = None if stored is None else MetricResult.model_validate(stored.body)
    return Item(request, subject, key, kept)


def result_key(request: Request, sample: Sample, content: str, *, recipe: str = "") -> str:
    """Return the content key of a result: same metric, version, parameters, inputs and recipe, same key."""
    material: dict[str, Any] = {
        "metric": request.name,
        "version": request.metric.version,
        "parameters": dict(request.parameters),
        "content": content,
        "sample": dict(vars(sample)),
    }
    if recipe:
        material["recipe"] = recipe
    text = json.dumps(material, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()
