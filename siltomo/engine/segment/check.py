"""Check segmentations: two against each other, and how much the metrics of one depend on its cuts."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np

from siltomo.engine.catalog import Catalog
from siltomo.engine.resources import memory_budget
from siltomo.engine.segment.segmenting import LabelPlanes
from siltomo.engine.segment.sources import Stored
from siltomo.engine.segment.variants import moved_labels, require_cuts, store_variants
from siltomo.errors import BadInputError, MismatchError
from siltomo.metrics import Sample, Scalar, Slab, registry
from siltomo.model import OUTSIDE, Scan, Segmentation
from siltomo.segmentation.compare import BOUNDARY_REACH, Comparison, compare_labels
from siltomo.segmentation.execute import PlaneReader
from siltomo.segmentation.prepare import Told

__all__ = ["MAIN_METRICS", "Sensitivity", "compare_segmentations", "comparison_rows", "threshold_sensitivity"]

MAIN_METRICS = ("{phase}_volume_fraction", "{phase}_surface_to_volume_ratio", "{phase}_interconnectivity")
_SHARE = 0.5


def compare_segmentations(
    catalog: Catalog, first: str, second: str, *, told: Callable[[int, int], None] | None = None
) -> Comparison:
    """Compare two segmentations of the catalog, voxel by voxel.

    Raises
    ------
    NotFoundError
        When the catalog lacks one of them.
    MismatchError
        When they do not lie on one grid.
    BadInputError
        When they have no phase in common.
    """
    one, two = (catalog.record(Segmentation, name) for name in (first, second))
    shapes = [labels.volume.shape if labels.volume else None for labels in (one, two)]
    spacings = [catalog.record(Scan, labels.scan).voxel_size.um for labels in (one, two)]
    if shapes[0] is None or shapes[0] != shapes[1] or not np.allclose(spacings[0], spacings[1], rtol=1e-3):
        raise MismatchError(
            f"{first!r} and {second!r} do not lie on one grid: {shapes[0]} voxels of {spacings[0]} um and {shapes[1]} "
            f"voxels of {spacings[1]} um (z, y, x)",
            code="SIL110",
        )
    common = [name for name in one.phase_names if name in two.phase_names]
    if not common:
        raise BadInputError(
            f"{first!r} ({', '.join(one.phase_names)}) and {second!r} ({', '.join(two.phase_names)}) have no phase in "
            "common"
        )
    plane = shapes[0][1] * shapes[0][2]
    # phases of both as 8-byte numbers, masks and squared distances
    planes = int(memory_budget() * _SHARE) // (plane * 64) - 2 * BOUNDARY_REACH
    return compare_labels(
        *((_reader(catalog, labels), {p.value: p.name for p in labels.phases}) for labels in (one, two)),
        shape=shapes[0],
        spacing=spacings[0],
        phases=common,
        slab=max(1, min(64, planes)),
        told=told,
    )


def _reader(catalog: Catalog, labels: Segmentation) -> Stored:
    return Stored(
        catalog.store.open_volume(catalog.stored(Segmentation, labels.id)), f"segmentation {labels.id}"
    )


def comparison_rows(found: Comparison, spacing: tuple[float, float, float]) -> Iterator[dict[str, Any]]:
    """Return one row for each phase that both have."""
    voxel = spacing[0] * spacing[1] * spacing[2]
    for phase in found.phases.values():
        first, second = phase.voxels
        yield {
            "phase": phase.name,
            "dice": phase.dice,
            "volume_first_um3": first * voxel,
            "volume_second_um3": second * voxel,
            "volume_ratio": second / first if first else None,
            "boundary_mean_um": phase.boundary_mean_um,
            "boundary_p95_um": phase.boundary_quantile_um(0.95),
            "boundary_out_of_reach": phase.far,
        }


@dataclass(frozen=True)
class Sensitivity:
    """A metric with the cuts as they are, and moved to either side."""

    metric: str
    unit: str
    values: tuple[float | None, float | None, float | None]
    """With darker cuts, as they are, with brighter cuts."""
    reason: str = ""

    @property
    def half_range(self) -> float | None:
        """Half of the difference between the extremes: what the place of the cut adds to the uncertainty."""
        known = [v for v in self.values if v is not None]
        return (max(known) - min(known)) / 2 if len(known) == 3 else None


def threshold_sensitivity(
    catalog: Catalog,
    segmentation: str,
    *,
    shift: float = 0.05,
    metrics: tuple[str, ...] = MAIN_METRICS,
    store: bool = False,
    told: Told | None = None,
) -> list[Sensitivity]:
    """Move the cuts of a recipe's labels and measure again.

    Parameters
    ----------
    catalog
        The catalog.
    segmentation
        Labels made by a recipe with thresholds.
    shift
        How far each cut is moved, as part of the difference of the means of its two classes.
    metrics
        Names of metrics; ``{phase}`` stands for each phase.
    store
        Whether the labels with moved cuts are kept, as variants; see `store_variants`.
    told
        Told what is being done.

    Raises
    ------
    BadInputError
        When the labels were not made by a recipe with thresholds: what has no cut has no sensitivity to it.
    """
    labels = catalog.record(Segmentation, segmentation)
    require_cuts(labels)
    asked = [
        name.replace("{phase}", phase)
        for name in metrics
        for phase in (labels.phase_names if "{phase}" in name else ("",))
    ]
    kept = store_variants(catalog, segmentation, shift=shift, told=told) if store else {}
    columns = []
    for moved in (-shift, 0.0, shift):
        if moved and moved not in kept:
            with moved_labels(catalog, labels, moved, told) as learnt:
                read = LabelPlanes(learnt, int(memory_budget() * _SHARE))
                columns.append(_measured(catalog, labels, read, asked))
        else:
            columns.append(_measured(catalog, labels, _reader(catalog, kept.get(moved, labels)), asked))
    made = []
    for name in asked:
        values = [column[name][0] for column in columns]
        reasons = [column[name][1] for column in columns if column[name][1]]
        unit = registry.request(name, {}).metric.unit
        made.append(Sensitivity(name, unit, (values[0], values[1], values[2]), reasons[0] if reasons else ""))
    return made


def _measured(
    catalog: Catalog, labels: Segmentation, read: PlaneReader, names: list[str]
) -> Mapping[str, tuple[float | None, str]]:
    """Measure planes of labels, in one reading."""
    scan = catalog.record(Scan, labels.scan)
    assert labels.volume is not None
    shape = labels.volume.shape
    requests = {name: registry.request(name, {}) for name in names}
    samples = {
        name: Sample(
            phase=request.phase,
            values=labels.values_of(request.phase),
            outside=labels.values_of(OUTSIDE),
            shape=shape,
            spacing_um=scan.voxel_size.um,
            domain=str(labels.domain),
        )
        for name, request in requests.items()
    }
    wanted = {name: requests[name].measures(samples[name]) for name in names}
    measures = list(dict.fromkeys(m for one in wanted.values() for m in one.values()))
    after = max(m.after for m in measures)
    partials: list[list[Any]] = [[] for _ in measures]
    for start in range(0, shape[0], 64):
        slab = Slab(read, start, min(start + 64, shape[0]), shape[0], after=after)
        for held, measure in zip(partials, measures, strict=True):
            held[:] = [reduce(measure.merge, [*held, measure.measure(slab)])]
    totals = {measure: held[0] for measure, held in zip(measures, partials, strict=True)}
    answers = {}
    for name in names:
        answer = requests[name].finish({key: totals[m] for key, m in wanted[name].items()}, samples[name])
        answers[name] = (
            (answer.value, "") if isinstance(answer, Scalar) else (None, getattr(answer, "reason", ""))
        )
    return answers
