"""Registered, versioned quantities with declared units."""

from siltomo.metrics import cycling as _cycling  # noqa: F401 -- as below
from siltomo.metrics import derived as _derived  # noqa: F401 -- importing them declares the founding metrics
from siltomo.metrics import founding as _founding  # noqa: F401
from siltomo.metrics import founding_geometry as _geometry  # noqa: F401
from siltomo.metrics import founding_volumes as _volumes  # noqa: F401
from siltomo.metrics.blocks import Measure, PlaneReader, Sample, Slab, in_stages
from siltomo.metrics.declaration import Metric, Parameter
from siltomo.metrics.inputs import Field, From
from siltomo.metrics.plain import Labels, labelled_array, phase_values
from siltomo.metrics.probes import coherent_factor, prove_scaling
from siltomo.metrics.registry import Registry, Request, metric, registry
from siltomo.metrics.values import Answer, Distribution, Scalar, Undefined

__all__ = [
    "Answer",
    "Distribution",
    "Field",
    "From",
    "Labels",
    "Measure",
    "Metric",
    "Parameter",
    "PlaneReader",
    "Registry",
    "Request",
    "Sample",
    "Scalar",
    "Slab",
    "Undefined",
    "coherent_factor",
    "in_stages",
    "labelled_array",
    "metric",
    "phase_values",
    "prove_scaling",
    "registry",
]
