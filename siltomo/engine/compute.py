"""Carry out a plan: one pass over each volume, results kept as they come."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np
from dask.base import compute
from dask.delayed import delayed
from numpy.typing import NDArray

from siltomo.catalog import voxel_faults
from siltomo.engine.catalog import Catalog
from siltomo.engine.passes import Pass
from siltomo.engine.plan import Plan
from siltomo.engine.rows import Row, base_row, derived_row
from siltomo.engine.subjects import Item
from siltomo.errors import SiltomoError
from siltomo.metrics import Answer, Distribution, Measure, Scalar, Slab, Undefined
from siltomo.model import Coordinate, MetricResult, Provenance, Segmentation, Status, Trust, Uncertainty

__all__ = ["measure_volume", "run_plan", "siltomo_version"]

BlocksDone = Callable[[str, int, int], None]
"""Called with the segmentation, blocks done and blocks in all."""


def run_plan(catalog: Catalog, plan: Plan, *, progress: BlocksDone | None = None) -> list[Row]:
    """Compute what a plan lacks and return all its rows.

    Results are kept after each pass: an interrupted run goes on where it stopped. A pass that fails
    leaves its rows with status ``failed`` and the others whole.
    """
    if plan.passes:
        catalog.begin_writing()
    found: dict[str, MetricResult | str] = {}
    for one in plan.passes:
        found.update(_run_pass(catalog, one, progress))
    return [base_row(row, found) if isinstance(row, Item) else derived_row(row, found) for row in plan.rows]


@dataclass(frozen=True)
class _StoredPlanes:
    """Reads planes of a stored volume; damage is an error that names the volume."""

    array: Any
    name: str

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        with voxel_faults(self.name):
            return np.asarray(self.array[start:stop])


def _run_pass(
    catalog: Catalog, one: Pass, progress: BlocksDone | None
) -> Iterator[tuple[str, MetricResult | str]]:
    try:
        totals = measure_volume(catalog, one, progress)
    except Exception as error:  # a damaged volume, a full memory, a plug-in's mistake: the other passes go on
        yield from ((item.key, _why(error)) for item in one.items)
        return
    for item in one.items:
        sample = item.subject.sample(item.request.phase)
        mine = {name: totals[m] for name, m in item.request.measures(sample).items()}
        try:
            result = _result(item, item.request.finish(mine, sample))
        except Exception as error:  # whatever a stranger's metric raises, the other rows stand
            yield item.key, f"metric {item.request.name}: {_why(error)}"
            continue
        catalog.store.put_result(item.key, result.model_dump(mode="json"))
        yield item.key, result


def _why(error: Exception) -> str:
    """Say in a row what an error would say: what went wrong, and the command that mends it."""
    if not isinstance(error, SiltomoError):
        return f"{type(error).__name__}: {error}"
    return f"{error}: {error.fix}" if isinstance(error.fix, str) and error.fix else str(error)


def measure_volume(
    catalog: Catalog, one: Pass, progress: BlocksDone | None = None
) -> Mapping[Measure[Any], Any]:
    """Read a volume once, block by block over dask, and return the total of each measure."""
    if one.subject.stored is None:
        raise ValueError("a subject without labels cannot be measured")
    stored = one.subject.stored
    read = _StoredPlanes(catalog.store.open_volume(stored), f"segmentation {stored.id}")
    depth, measures = one.shape[0], one.measures
    after = max(measure.after for measure in measures)
    count, lock, done = one.blocks, threading.Lock(), 0

    def block(start: int) -> tuple[Any, ...]:
        nonlocal done
        slab = Slab(read, start, min(start + one.slab, depth), depth, after=after, max_halo=one.max_halo)
        partial = tuple(measure.measure(slab) for measure in measures)
        if progress is not None:
            with lock:
                done += 1
                progress(str(one.subject.columns["segmentation"]), done, count)
        return partial

    def merge(upper: tuple[Any, ...], lower: tuple[Any, ...]) -> tuple[Any, ...]:
        return tuple(m.merge(a, b) for m, a, b in zip(measures, upper, lower, strict=True))

    partials = [delayed(block, pure=False)(start) for start in range(0, depth, one.slab)]
    total = partials[0]
    # a chain, not a tree: the partial results of planes are freed as the run goes down the volume
    for partial in partials[1:]:
        total = delayed(merge, pure=False)(total, partial)
    (totals,) = compute(total, scheduler="threads", num_workers=one.workers)  # type: ignore[no-untyped-call]
    return dict(zip(measures, totals, strict=True))


def _result(item: Item, answer: Answer) -> MetricResult:
    request, labels = item.request, item.subject.segmentation
    if labels is None or labels.volume is None:
        raise ValueError("a subject without labels has no result")
    common: dict[str, Any] = {
        "key": item.key,
        "metric": request.name,
        "version": request.metric.version,
        "unit": request.metric.unit,
        "parameters": dict(request.parameters),
        "scan": item.subject.scan.id,
        "segmentation": labels.id,
        "conventions": dict(answer.conventions),
        "provenance": Provenance(
            siltomo=siltomo_version(),
            package=request.metric.package,
            inputs={labels.id: labels.volume.content},
        ),
    }
    match answer:
        case Undefined():
            return MetricResult(**common, status=Status.UNDEFINED, reason=answer.reason)
        case Distribution():
            coordinate = Coordinate(
                name=answer.coordinate_name, unit=answer.coordinate_unit, values=answer.coordinate
            )
            return MetricResult(
                **common,
                status=Status.OK,
                values=answer.values,
                coordinate=coordinate,
                flags=(*answer.flags, *_doubts(labels)),
            )
        case Scalar():
            return MetricResult(
                **common,
                status=Status.OK,
                value=answer.value,
                uncertainty=Uncertainty(discretisation=answer.discretisation),
                flags=(*answer.flags, *_doubts(labels)),
            )


def _doubts(labels: Segmentation) -> tuple[str, ...]:
    """Return what speaks against the labels that a result was measured on."""
    making = labels.making
    if making is None or making.trust not in (Trust.DOUBTFUL, Trust.BAD):
        return ()
    checks = [v.check for p in making.partings for v in p.verdicts if v.trust == making.trust]
    return (f"labels are {making.trust}: {', '.join(dict.fromkeys(checks))}",)


def siltomo_version() -> str:
    """Return the version of siltomo that runs."""
    try:
        return version("siltomo")
    except PackageNotFoundError:  # run from its sources
        return "unknown"
