"""Plan a computation without reading a voxel: what exists, what is missing, what the rest costs."""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from siltomo.catalog import StoredRecord
from siltomo.engine.catalog import Catalog
from siltomo.engine.resources import in_words, memory_budget, threads
from siltomo.engine.select import Selection, everything
from siltomo.errors import Amend, TooLargeError
from siltomo.metrics import Measure, Request, Sample, registry
from siltomo.model import OUTSIDE, Cell, MetricResult, Scan, Segmentation, Status

__all__ = ["Item", "Pass", "Plan", "Subject", "make_plan", "scan_columns"]

SHARD_PLANES = 64
"""Planes of a stored shard: slabs are whole multiples of it where memory allows, so that none is read twice."""
LARGEST_SLAB = 512


@dataclass(frozen=True)
class Subject:
    """A scan with one of its segmentations, or with none."""

    scan: Scan
    cell: Cell | None
    segmentation: Segmentation | None = None
    stored: StoredRecord | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """What selections and result rows say of it."""
        named = self.segmentation.id if self.segmentation else None
        domain = str(self.segmentation.domain if self.segmentation else self.scan.domain)
        return {**scan_columns(self.scan, self.cell), "segmentation": named, "domain": domain}

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
        )


def scan_columns(scan: Scan, cell: Cell | None) -> dict[str, Any]:
    """Return the columns of a scan: where it belongs and in which state it was taken."""
    state = scan.state
    return {
        "formulation": cell.formulation if cell else None,
        "cell": scan.cell,
        "scan": scan.id,
        "scale": str(scan.scale),
        "mode": str(scan.mode),
        "domain": str(scan.domain),
        "cycle": state.cycle,
        "half": str(state.half),
        "capacity": None if state.capacity is None else state.capacity.value,
        "voltage": None if state.voltage is None else state.voltage.value,
        "voxel_size": scan.voxel_size.edge_um,
    }


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
class Pass:
    """One reading of a label volume that feeds several metrics."""

    subject: Subject
    items: tuple[Item, ...]
    measures: tuple[Measure[Any], ...]
    slab: int
    """Planes of a block."""
    workers: int
    """Blocks measured at once."""
    peak_bytes: int
    """Upper bound of the memory taken."""

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the volume."""
        return self.subject.sample("").shape

    @property
    def blocks(self) -> int:
        """How many blocks are read."""
        return -(-self.shape[0] // self.slab)

    @property
    def read_bytes(self) -> int:
        """Bytes of voxels that are read, margins of the blocks included."""
        depth, height, width = self.shape
        margin = max(m.after + 2 * m.halo for m in self.measures)
        planes = depth + margin * (self.blocks - 1)
        return planes * height * width * _itemsize(self.subject)


@dataclass(frozen=True)
class Plan:
    """What a computation will do; nothing has been read."""

    items: tuple[Item, ...]
    passes: tuple[Pass, ...]

    @property
    def read_bytes(self) -> int:
        """Bytes of voxels that the run will read."""
        return sum(p.read_bytes for p in self.passes)

    @property
    def peak_bytes(self) -> int:
        """Upper bound of the memory that the run will take for voxels."""
        return max((p.peak_bytes for p in self.passes), default=0)

    def summary(self) -> dict[str, Any]:
        """Return the plan's figures."""
        return {
            "rows": len(self.items),
            "kept": sum(item.kept is not None for item in self.items),
            "to_compute": sum(item.to_compute for item in self.items),
            "without_value": sum(item.status != Status.OK for item in self.items),
            "passes": len(self.passes),
            "read_bytes": self.read_bytes,
            "peak_bytes": self.peak_bytes,
        }

    def explain(self) -> str:
        """Return the plan as a tree in words."""
        lines: list[str] = []
        by_name: dict[str, list[Item]] = defaultdict(list)
        for item in self.items:
            by_name[item.request.name].append(item)
        for name, items in by_name.items():
            lines += _explain_metric(name, items)
        for number, one in enumerate(self.passes, 1):
            named = ", ".join(dict.fromkeys(item.request.name for item in one.items))
            lines.append(
                f"pass {number}: reads {one.subject.columns['segmentation']} once "
                f"({in_words(one.read_bytes)} in {one.blocks} blocks of {one.slab} planes, "
                f"at most {in_words(one.peak_bytes)} of memory) for {named}"
            )
        if not self.passes:
            lines.append("no voxel needs to be read")
        return "\n".join(lines)


def _explain_metric(name: str, items: list[Item]) -> list[str]:
    request = items[0].request
    settings = ", ".join(f"{k} = {v}" for k, v in request.parameters.items())
    lines = [
        f"{name} [{request.metric.unit}] v{request.metric.version}" + (f" ({settings})" if settings else "")
    ]
    for item in items:
        columns = item.subject.columns
        if item.kept is not None:
            fate = f"kept, result {item.key[:12]}"
        elif item.to_compute:
            labels = item.subject.segmentation
            values = () if labels is None else labels.values_of(request.phase)
            fate = f"to compute on {request.phase} = {', '.join(map(str, values))}"
        else:
            fate = f"{item.status}: {item.reason}"
        lines.append(f"  {columns['scan']} / {columns['segmentation'] or '-'}: {fate}")
    return lines


def make_plan(
    catalog: Catalog,
    names: Iterable[str],
    *,
    where: Selection = everything,
    settings: Mapping[str, object] | None = None,
) -> Plan:
    """Plan the computation of metrics.

    Parameters
    ----------
    names
        Names of metrics.
    where
        Which scans and segmentations.
    settings
        Values of parameters.

    Raises
    ------
    NotFoundError
        When there is no such metric.
    TooLargeError
        When the smallest block needs more memory than is allowed.
    """
    requests = registry.requests(names, settings or {})
    scans, subjects = _subjects(catalog, where)
    items = [item for request in requests for item in _items(catalog, request, scans, subjects)]
    waiting: dict[str, list[Item]] = defaultdict(list)
    for item in items:
        if item.to_compute:
            waiting[str(item.subject.columns["segmentation"])].append(item)
    return Plan(tuple(items), tuple(_pass(group) for group in waiting.values()))


def _subjects(catalog: Catalog, where: Selection) -> tuple[list[Subject], dict[str, list[Subject]]]:
    """Return the selected scans, and the selected segmentations by scan."""
    cells = {cell.id: cell for cell in catalog.records(Cell)}
    scans = {scan.id: scan for scan in catalog.records(Scan)}
    alone = [Subject(scan, cells.get(scan.cell)) for scan in scans.values()]
    labelled: dict[str, list[Subject]] = defaultdict(list)
    for stored in catalog.store.all(Segmentation.kind):
        labels = Segmentation.from_body(dict(stored.body))
        scan = scans.get(labels.scan)
        if scan is not None and labels.volume is not None:
            subject = Subject(scan, cells.get(scan.cell), labels, stored)
            if where(subject.columns):
                labelled[scan.id].append(subject)
    return [s for s in alone if s.scan.id in labelled or where(s.columns)], labelled


def _items(
    catalog: Catalog, request: Request, scans: list[Subject], labelled: Mapping[str, list[Subject]]
) -> Iterable[Item]:
    for alone in scans:
        here = labelled.get(alone.scan.id, [])
        having = [s for s in here if s.segmentation and request.phase in s.segmentation.phase_names]
        for subject in having:
            yield _item(catalog, request, subject)
        if not having:
            yield Item(request, alone, status=Status.MISSING, reason=_why_missing(alone, here, request.phase))


def _why_missing(alone: Subject, here: list[Subject], phase: str) -> str:
    scan = alone.scan.id
    add = f"siltomo segment import {scan} FILE --phases 1={phase}"
    if not here:
        return f"scan {scan} has no segmentation; add one: {add}"
    there = {n for s in here if s.segmentation for n in s.segmentation.phase_names}
    return (
        f"no segmentation of scan {scan} names a phase {phase!r} (there: {', '.join(sorted(there))}): {add}"
    )


def _item(catalog: Catalog, request: Request, subject: Subject) -> Item:
    volume = subject.segmentation.volume if subject.segmentation else None
    scanned = subject.scan.volume
    missing = {*(volume.missing_planes if volume else ()), *(scanned.missing_planes if scanned else ())}
    if volume is None or missing:
        reason = f"{len(missing)} planes of the scan are missing: register it again without --allow-gaps"
        return Item(request, subject, status=Status.REFUSED, reason=reason)
    key = result_key(request, subject.sample(request.phase), volume.content)
    stored = catalog.store.find_result(key)
    kept = None if stored is None else MetricResult.model_validate(stored.body)
    return Item(request, subject, key, kept)


def result_key(request: Request, sample: Sample, content: str) -> str:
    """Return the content key of a result: same metric, version, parameters and inputs, same key."""
    material = {
        "metric": request.name,
        "version": request.metric.version,
        "parameters": dict(request.parameters),
        "content": content,
        "sample": dict(vars(sample)),
    }
    text = json.dumps(material, sort_keys=True, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def _pass(items: list[Item]) -> Pass:
    subject = items[0].subject
    measures = tuple(
        dict.fromkeys(
            m for item in items for m in item.request.measures(subject.sample(item.request.phase)).values()
        )
    )
    slab, workers, peak = _fit(subject, measures)
    return Pass(subject, tuple(items), measures, slab, workers, peak)


def _itemsize(subject: Subject) -> int:
    volume = subject.segmentation.volume if subject.segmentation else None
    return np.dtype(volume.dtype).itemsize if volume else 1


def _fit(subject: Subject, measures: tuple[Measure[Any], ...]) -> tuple[int, int, int]:
    """Choose the deepest blocks, and as many at once as there are threads, that the memory allows."""
    depth = subject.sample("").shape[0]
    allowed, most = memory_budget(), threads()
    needed = 0
    for slab in _depths(depth, most):
        needed = _block_bytes(subject, measures, slab)
        workers = min(most, -(-depth // slab))
        # blocks of a shard or less are not made thinner to run more at once
        if needed * (1 if slab <= SHARD_PLANES else workers) <= allowed:
            workers = min(workers, allowed // needed)
            return slab, workers, needed * workers
    raise TooLargeError(
        f"measuring {subject.columns['segmentation']} needs {in_words(needed)} for its smallest block, one "
        f"plane of {' x '.join(map(str, subject.sample('').shape[1:]))} voxels; allowed are {in_words(allowed)}",
        fix=Amend(environment={"SILTOMO_MEMORY": f"{-(-needed // 2**20)} MiB"}),
    )


def _depths(depth: int, workers: int) -> Iterable[int]:
    """List the depths of blocks to try: whole shards first, and a block for each worker where there are enough."""
    shares = -(-depth // (workers * SHARD_PLANES)) * SHARD_PLANES
    return [*range(min(LARGEST_SLAB, shares), 0, -SHARD_PLANES), 32, 16, 8, 4, 2, 1]


def _block_bytes(subject: Subject, measures: tuple[Measure[Any], ...], slab: int) -> int:
    """Bound the memory of one block: its labels, and the measure that takes most."""
    shape = subject.sample("").shape
    planes = min(shape[0], slab + max(m.after for m in measures))
    labels = planes * shape[1] * shape[2] * _itemsize(subject)
    return labels + max(m.memory(min(slab, shape[0])) for m in measures)
