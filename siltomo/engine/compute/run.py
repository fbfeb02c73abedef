"""Carry out a plan: one pass over each volume, results kept as they come."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.crosscheck import doubt_inconsistent
from siltomo.engine.compute.outcomes import Failure, Found, Totals, why
from siltomo.engine.compute.passes import Pass, PlainPass
from siltomo.engine.compute.plan import Plan
from siltomo.engine.compute.rows import Row, base_row, derived_row
from siltomo.engine.compute.sensitivity import spread_over_variants
from siltomo.engine.compute.subjects import Item
from siltomo.engine.compute.windows import window_words
from siltomo.engine.resources import collector_paused
from siltomo.metrics import Answer, Distribution, Scalar, Undefined
from siltomo.model import Coordinate, MetricResult, Provenance, Segmentation, Status, Trust, Uncertainty

__all__ = ["measure_volume", "on_cluster", "pass_results", "run_plan", "siltomo_version"]

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
        found.update(pass_results(catalog, one, measure_volume(catalog, one, progress)))
    with collector_paused():
        rows, results = (
            spread_over_variants(plan.rows, plan.variants, found) if plan.variants else (plan.rows, found)
        )
        made = [
            base_row(row, results) if isinstance(row, Item) else derived_row(row, results) for row in rows
        ]
        doubt_inconsistent(made)
        return made


def pass_results(catalog: Catalog, one: Pass | PlainPass, totals: Found) -> dict[str, MetricResult | str]:
    """Finish the items of a pass and keep their results; an item that failed has its reason instead."""
    if isinstance(totals, Failure):
        return {item.key: totals.reason for item in one.items}
    made: dict[str, MetricResult | str] = {}
    for item in one.items:
        try:
            result = _result(item, _answer(item, totals))
        except Exception as error:  # whatever a stranger's metric raises, the other rows stand
            made[item.key] = f"metric {item.request.name}: {why(error)}"
            continue
        catalog.store.put_result(item.key, result.model_dump(mode="json"))
        made[item.key] = result
    return made


def _answer(item: Item, totals: Totals | Answer) -> Answer:
    if not isinstance(totals, Mapping):
        return totals
    sample = item.subject.sample(item.request.phase)
    mine = {name: totals[m] for name, m in item.request.measures(sample).items()}
    return item.request.finish(mine, sample)


def measure_volume(catalog: Catalog, one: Pass | PlainPass, progress: BlocksDone | None = None) -> Found:
    """Read a volume block by block, on the threads of this process or on dask's active cluster.

    It is read once; and once more for measures that need the totals of others.
    """
    from dask.base import compute

    from siltomo.engine.compute.measuring import pass_graph

    graph = pass_graph(catalog.absolute_path, one)
    if on_cluster():
        (totals,) = compute(graph)  # type: ignore[no-untyped-call]
    else:
        with _counting(one, progress):
            (totals,) = compute(graph, scheduler="threads", num_workers=one.workers)  # type: ignore[no-untyped-call]
    found: Found = totals
    return found


def on_cluster() -> bool:
    """Return whether a client of dask.distributed is active in this process."""
    if "distributed" not in sys.modules:
        return False
    from distributed import default_client

    try:
        default_client()  # type: ignore[no-untyped-call]
    except ValueError:
        return False
    return True


@contextmanager
def _counting(one: Pass | PlainPass, progress: BlocksDone | None) -> Iterator[None]:
    """Report the blocks of a pass as they are done."""
    if progress is None:
        yield
        return
    from dask.callbacks import Callback

    from siltomo.engine.compute.measuring import measure_block

    done = 0

    def count(key: Any, *_: Any) -> None:
        nonlocal done
        if str(key).startswith(measure_block.__name__):
            done += 1
            progress(str(one.subject.columns["segmentation"]), done, one.blocks * len(one.stages))

    with Callback(posttask=count):  # type: ignore[no-untyped-call]
        yield


def _result(item: Item, answer: Answer) -> MetricResult:
    request, labels = item.request, item.subject.segmentation
    if labels is None or labels.volume is None:
        raise ValueError("a subject without labels has no result")
    within = window_words(item.subject)
    common: dict[str, Any] = {
        "key": item.key,
        "metric": request.name,
        "version": request.metric.version,
        "unit": request.metric.unit,
        "parameters": dict(request.parameters),
        "scan": item.subject.scan.id,
        "segmentation": labels.id,
        "conventions": {**answer.conventions, **({"within": within} if within else {})},
        "companions": {} if isinstance(answer, Undefined) else dict(answer.companions),
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
                uncertainty=Uncertainty(sampling=answer.sampling, discretisation=answer.discretisation),
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
