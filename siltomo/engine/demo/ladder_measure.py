"""What the metric framework makes of one rung: base metrics of its voxels, derived metrics of these and of records."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from siltomo.engine.demo.ladder_scans import Labelled, LadderScan
from siltomo.metrics import (
    Distribution,
    Field,
    From,
    Measure,
    Request,
    Sample,
    Scalar,
    Slab,
    coherent_factor,
    in_stages,
    registry,
)
from siltomo.twin import Moment, Twin
from siltomo.twin.truth import initial_thickness
from siltomo.units import Quantity

__all__ = ["Found", "Totals", "apart", "derived", "measured", "records_of"]

Found = float | Distribution | str
"""A value, a distribution or profile, or why there is neither."""


Totals = dict[Measure[Any], Any]
"""What was measured on a rung: metrics share their measures."""


def measured(request: Request, scan: LadderScan, rung: Labelled, totals: Totals) -> Found:
    """Compute a base metric on the labels of a rung; what it measures is added to the totals."""
    labels = rung.labels
    if labels is None:
        return rung.verdict
    values = tuple(v for v, name in rung.phases.items() if name == request.phase)
    names = dict.fromkeys(name for value, name in rung.phases.items() if value)
    sample = Sample(
        phase=request.phase,
        values=values,
        outside=(0,),
        shape=(labels.shape[0], labels.shape[1], labels.shape[2]),
        spacing_um=(rung.voxel_um,) * 3,
        domain=scan.domain,
        min_feature_um=scan.min_feature_um,
        phases=tuple((name, tuple(v for v, n in rung.phases.items() if n == name)) for name in names),
        depth_axis=scan.depth_axis,
    )
    if lacking := request.lacks(sample):
        return lacking
    measures = request.measures(sample)
    for stage in in_stages(measures.values()):
        known = dict(totals)
        for measure in stage:
            if measure not in totals:
                slab = Slab(
                    lambda a, b: labels[a:b], 0, len(labels), len(labels), after=measure.after, known=known
                )
                totals[measure] = measure.measure(slab)
    answer = request.finish({name: totals[m] for name, m in measures.items()}, request.seen(sample))
    if isinstance(answer, Scalar):
        return answer.value
    return answer if isinstance(answer, Distribution) else answer.reason


def derived(name: str, base: Callable[[From], Found], records: Mapping[str, Quantity]) -> Found:
    """Compute a derived metric as the framework declares it, from what its queries are answered with.

    Parameters
    ----------
    base
        Answers the query for a base metric.
    records
        Fields of records, by path.
    """
    request = registry.request(name, {})
    arguments: dict[str, float] = {}
    for argument, query in request.metric.queries.items():
        if isinstance(query, Field):
            arguments[argument] = records[query.path].m_as(query.unit) * coherent_factor(query.unit)
            continue
        inner = registry.request(query.metric, {})
        found = derived(query.metric, base, records) if inner.metric.queries else base(query)
        if not isinstance(found, float):
            return found
        arguments[argument] = found * coherent_factor(inner.metric.unit)
    return request.combine(arguments)


def records_of(twin: Twin, moment: Moment) -> dict[str, Quantity]:
    """Return the fields of a cell and its state, as the study of the twin declares them."""
    return {
        "cell.silicon_loading": Quantity(twin.law.loading, "mg_Si/cm^2"),
        "cell.initial_thickness": Quantity(round(initial_thickness(twin, twin.cell(moment.cell)), 3), "um"),
        "formulation.silicon_fraction": Quantity(twin.ink.si_fraction, "g_Si/g"),
        "formulation.true_density": Quantity(twin.ink.true_density, "g/cm^3"),
        "state.capacity": Quantity(moment.capacity, "mAh/g_Si"),
    }


def apart(one: Distribution, other: Distribution) -> float:
    """Return how far two distributions are apart, in the unit of their axis; two profiles in that of their values.

    Of shares it is the mean way that they would have to be moved (the area between the two cumulative curves),
    of a profile the mean difference over the bins that both know.
    """
    if one.coordinate_name == "depth":
        known = dict(zip(_rounded(other.coordinate), other.values, strict=True))
        pairs = [(v, known.get(c)) for c, v in zip(_rounded(one.coordinate), one.values, strict=True)]
        return float(np.mean([abs(a - b) for a, b in pairs if a is not None and b is not None]))
    places = np.array([*one.coordinate, *other.coordinate])
    shares = np.array([*(v or 0.0 for v in one.values), *(-(v or 0.0) for v in other.values)])
    order = np.argsort(places, kind="stable")
    return float(np.abs(np.cumsum(shares[order])[:-1]) @ np.diff(places[order]))


def _rounded(places: tuple[float, ...]) -> list[float]:
    return [round(place, 6) for place in places]
