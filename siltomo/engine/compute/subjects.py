"""What a computation is about: a scan with its labels, and the rows to come of it."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Any

from siltomo.catalog import StoredRecord
from siltomo.engine.catalog import Catalog
from siltomo.engine.select import Selection, everything
from siltomo.metrics import Request, Sample
from siltomo.model import (
    Cell,
    Formulation,
    MetricResult,
    Scan,
    ScanOutline,
    Segmentation,
    SegmentationOutline,
    Status,
    values_by_phase,
)

__all__ = [
    "Item",
    "MakeItem",
    "Subject",
    "Subjects",
    "base_item",
    "base_items",
    "can_answer",
    "find_subjects",
    "sample_of",
]


@dataclass(frozen=True)
class Subject:
    """A scan with one of its segmentations, or with none; their records are built when they are looked at."""

    outline: ScanOutline
    stored_scan: StoredRecord
    cell: Cell | None
    formulation: Formulation | None = None
    labels: SegmentationOutline | None = None
    stored: StoredRecord | None = None
    """The segmentation as the catalog keeps it."""

    @cached_property
    def scan(self) -> Scan:
        """The scan."""
        return Scan.from_body(dict(self.stored_scan.body))

    @cached_property
    def segmentation(self) -> Segmentation | None:
        """The segmentation."""
        return None if self.stored is None else Segmentation.from_body(dict(self.stored.body))

    def labelled(self, labels: SegmentationOutline, stored: StoredRecord) -> Subject:
        """Return the scan with one of its segmentations."""
        return Subject(self.outline, self.stored_scan, self.cell, self.formulation, labels, stored)

    @property
    def columns(self) -> dict[str, Any]:
        """What selections and result rows say of it."""
        scan, labels = self.outline, self.labels
        return {
            "formulation": self.cell.formulation if self.cell else None,
            "cell": scan.cell,
            "specimen": scan.specimen,
            "scan": scan.id,
            "scale": scan.scale,
            "mode": scan.mode,
            "domain": labels.domain if labels else scan.domain,
            "cycle": scan.cycle,
            "half": scan.half,
            "capacity": scan.capacity,
            "voltage": scan.voltage,
            "voxel_size": scan.edge_um,
            "segmentation": labels.id if labels else None,
        }

    def sample(self, phase: str) -> Sample:
        """Return what a metric may know of the subject."""
        if self.labels is None:
            raise ValueError("a subject without labels has no sample")
        return sample_of(self.outline, self.labels, phase)


def sample_of(scan: ScanOutline, labels: SegmentationOutline, phase: str) -> Sample:
    """Return what a metric of a phase may know of labels, and of the scan that they lie on."""
    if labels.shape is None:
        raise ValueError("a segmentation without a volume has no sample")
    size = labels.min_feature
    smallest = None if size is None else size.value
    grid = (labels.shape, scan.spacing_um, scan.depth_axis)
    return _sample(phase, labels.phases, labels.domain, smallest, grid)


_Grid = tuple[tuple[int, int, int], tuple[float, float, float], str]


@lru_cache(maxsize=4096)
def _sample(
    phase: str, phases: tuple[tuple[int, str], ...], domain: str, smallest: float | None, grid: _Grid
) -> Sample:
    """Make a sample once: those of the thousand scans of a beamtime are alike."""
    named, outside = values_by_phase(phases)
    shape, spacing_um, depth_axis = grid
    return Sample(
        phase=phase,
        values=named.get(phase, ()),
        outside=outside,
        shape=shape,
        spacing_um=spacing_um,
        domain=domain,
        min_feature_um=smallest,
        phases=tuple(named.items()),
        depth_axis=depth_axis,
    )


@dataclass(frozen=True)
class Item:
    """One row to come: a metric of a subject."""

    request: Request
    subject: Subject
    key: str = ""
    found: StoredRecord | MetricResult | None = None
    """The result, when the catalog has it already."""
    status: Status = Status.OK
    """Other than ok when it is known beforehand that there will be no value."""
    reason: str = ""

    @cached_property
    def kept(self) -> MetricResult | None:
        """The result, when the catalog has it already."""
        if isinstance(self.found, StoredRecord):
            return MetricResult.model_validate_json(self.found.text)
        return self.found

    @property
    def to_compute(self) -> bool:
        """Whether voxels must be read for it."""
        return self.found is None and self.status is Status.OK


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
            found[subject.outline.id].append(subject)
        return dict(found)


def find_subjects(catalog: Catalog, where: Selection = everything) -> Subjects:
    """Return the selected scans and segmentations; reads records, no voxel."""
    formulations = {f.id: f for f in catalog.records(Formulation)}
    cells = {cell.id: cell for cell in catalog.records(Cell)}
    alone = {}
    for stored in catalog.store.all(Scan.kind):
        scan = ScanOutline.read(stored.text)
        cell = cells.get(scan.cell)
        alone[scan.id] = Subject(scan, stored, cell, formulations.get(cell.formulation) if cell else None)
    every = []
    for stored in catalog.store.all(Segmentation.kind):
        labels = SegmentationOutline.read(stored.text)
        # a variant tells how far its nominal's results move; it has no rows of its own
        if labels.scan in alone and labels.shape is not None and labels.variant_of is None:
            every.append(alone[labels.scan].labelled(labels, stored))
    if where is everything:
        return Subjects(tuple(alone.values()), tuple(every), tuple(every))
    selected = tuple(subject for subject in every if where(subject.columns))
    having = {subject.outline.id for subject in selected}
    scans = tuple(s for s in alone.values() if s.outline.id in having or where(s.columns))
    return Subjects(scans, selected, tuple(every))


MakeItem = Callable[[Request, Subject], Item]
"""Makes the row to come of a base metric on a segmentation."""


def base_items(item: MakeItem, request: Request, subjects: Subjects) -> Iterable[Item]:
    """List the rows to come of a base metric: one for each segmentation with the phase, or why there is none."""
    by_scan = subjects.by_scan
    for alone in subjects.scans:
        here = by_scan.get(alone.outline.id, [])
        having = [subject for subject in here if _has_phase(request, subject)]
        able = [subject for subject in having if can_answer(request, subject)]
        for subject in able or having:
            yield item(request, subject)
        if not having:
            yield Item(request, alone, status=Status.MISSING, reason=_why_missing(alone, here, request.phase))


def can_answer(request: Request, subject: Subject) -> bool:
    """Return whether a base metric may have a value on a segmentation, as far as its phases tell."""
    if not _has_phase(request, subject):
        return False
    return not request.metric.surroundings or not request.lacks(subject.sample(request.phase))


def _has_phase(request: Request, subject: Subject) -> bool:
    labels = subject.labels
    return labels is not None and (not request.phase or request.phase in labels.named)


def _why_missing(alone: Subject, here: list[Subject], phase: str) -> str:
    scan = alone.outline.id
    add = f"siltomo segment import {scan} FILE --phases 1={phase or 'collector,2=separator'}"
    if not here:
        return f"scan {scan} has no segmentation; add one: {add}"
    there = {name for subject in here if subject.labels for name in subject.labels.named}
    return (
        f"no segmentation of scan {scan} names a phase {phase!r} (there: {', '.join(sorted(there))}): {add}"
    )


def base_item(catalog: Catalog, request: Request, subject: Subject) -> Item:
    """Return the row to come of a base metric on a segmentation, with its result where there is one."""
    labels, scan = subject.labels, subject.outline
    if labels is None or labels.shape is None or labels.gaps or scan.gaps:
        missing = {*(labels.gaps if labels else ()), *scan.gaps}
        reason = f"{len(missing)} planes of the scan are missing: register it again without --allow-gaps"
        return Item(request, subject, status=Status.REFUSED, reason=reason)
    if request.metric.surroundings and (reason := request.lacks(subject.sample(request.phase))):
        return Item(request, subject, status=Status.UNDEFINED, reason=reason)
    key = result_key(request, scan, labels)
    return Item(request, subject, key, catalog.store.find_result(key))


def result_key(request: Request, scan: ScanOutline, labels: SegmentationOutline) -> str:
    """Return the content key of a result: same metric, version, parameters, inputs and recipe, same key.

    It is the sha256 of one JSON object with sorted keys, of which the results of a study share the most.
    """
    metric, sample = request.metric, sample_of(scan, labels, request.phase)
    before, after = _shared(request.name, metric.version, metric.surroundings, request.spelled, sample)
    made = f'"recipe":{json.dumps(labels.recipe)},' if labels.recipe else ""
    text = f'{{"content":{json.dumps(labels.content)},{before}{made}{after}}}'
    return hashlib.sha256(text.encode()).hexdigest()


@lru_cache(maxsize=4096)
def _shared(name: str, version: int, surroundings: bool, parameters: str, sample: Sample) -> tuple[str, str]:
    seen = sample if surroundings else sample.without_surroundings()
    spelled = json.dumps(vars(seen), sort_keys=True, separators=(",", ":"), default=str)
    before = f'"metric":{json.dumps(name)},"parameters":{parameters},'
    return before, f'"sample":{spelled},"version":{version}'
