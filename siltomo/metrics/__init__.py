"""Registered, versioned quantities with declared units."""

from siltomo.metrics import founding as _founding  # noqa: F401 -- importing it declares the founding metrics
from siltomo.metrics.blocks import Measure, Sample, Slab
from siltomo.metrics.registry import Metric, Parameter, Registry, Request, metric, registry
from siltomo.metrics.values import Answer, Distribution, Scalar, Undefined

__all__ = [
    "Answer",
    "Distribution",
    "Measure",
    "Metric",
    "Parameter",
    "Registry",
    "Request",
    "Sample",
    "Scalar",
    "Slab",
    "Undefined",
    "metric",
    "registry",
]
