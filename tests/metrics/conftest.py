"""Run a metric on an array, whole or cut into slabs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from siltomo.metrics import Answer, Sample, Slab, Undefined, in_stages, registry

Compute = Callable[..., Answer]


@pytest.fixture(scope="session")
def compute() -> Compute:
    """Compute a metric of a label array, cut at the given planes."""

    def run(
        name: str,
        labels: np.ndarray,
        *,
        phases: dict[int, str] | None = None,
        spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
        cuts: Sequence[int] = (),
        min_feature: float | None = None,
        depth_axis: str = "",
        domain: str = "electrode",
        **settings: Any,
    ) -> Answer:
        request = registry.request(name, settings)
        named = phases or {1: request.phase}
        values = tuple(v for v, n in named.items() if n == request.phase)
        outside = tuple(v for v, n in named.items() if n == "outside")
        sample = Sample(request.phase, values, outside, labels.shape, spacing, "electrode", min_feature)  # type: ignore[arg-type]
        if request.metric.surroundings:
            names = dict.fromkeys(n for n in named.values() if n != "outside")
            every = tuple((n, tuple(v for v, m in named.items() if m == n)) for n in names)
            sample = replace(sample, phases=every, depth_axis=depth_axis, domain=domain)
            if reason := request.lacks(sample):
                return Undefined(reason)
        edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(labels)}), len(labels)]
        measures = request.measures(sample)
        totals: dict[Any, Any] = {}
        for stage in in_stages(measures.values()):
            known = dict(totals)
            for measure in stage:
                after = measure.after
                parts = [
                    measure.measure(
                        Slab(lambda a, b: labels[a:b], *ends, len(labels), after=after, known=known)
                    )
                    for ends in pairwise(edges)
                ]
                totals[measure] = reduce(measure.merge, parts)
        return request.finish({argument: totals[m] for argument, m in measures.items()}, sample)

    return run
