"""Run a metric on an array, whole or cut into slabs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import reduce
from itertools import pairwise
from typing import Any

import numpy as np
import pytest

from siltomo.metrics import Answer, Sample, Slab, registry

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
        **settings: Any,
    ) -> Answer:
        request = registry.request(name, settings)
        named = phases or {1: request.phase}
        values = tuple(v for v, n in named.items() if n == request.phase)
        outside = tuple(v for v, n in named.items() if n == "outside")
        sample = Sample(request.phase, values, outside, labels.shape, spacing, "electrode", min_feature)  # type: ignore[arg-type]
        edges = [0, *sorted({cut for cut in cuts if 0 < cut < len(labels)}), len(labels)]
        totals = {}
        for argument, measure in request.measures(sample).items():
            parts = [
                measure.measure(Slab(lambda a, b: labels[a:b], start, stop, len(labels), after=measure.after))
                for start, stop in pairwise(edges)
            ]
            totals[argument] = reduce(measure.merge, parts)
        return request.finish(totals, sample)

    return run
