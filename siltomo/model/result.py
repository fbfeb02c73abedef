"""One value, profile or distribution of a metric for its subject, with how it was made."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from siltomo.model.base import Model
from siltomo.model.fields import Id
from siltomo.model.words import Status

__all__ = ["Coordinate", "MetricResult", "Provenance", "Uncertainty"]


class Uncertainty(Model):
    """Standard uncertainties in the unit of the value, by where they come from; absent: not estimated."""

    sampling: float | None = Field(default=None, ge=0)
    """From the volume being a sample of the electrode."""
    discretisation: float | None = Field(default=None, ge=0)
    """From the voxels: where in a voxel the boundary lies, which estimator."""
    segmentation: float | None = Field(default=None, ge=0)
    """From the labels: threshold or classifier."""
    declared: float | None = Field(default=None, ge=0)
    """From quantities that were declared with an uncertainty, such as a weighed mass."""

    @property
    def combined(self) -> float | None:
        """The parts that are known, added in quadrature; none when none is known."""
        every = (self.sampling, self.discretisation, self.segmentation, self.declared)
        known = [part for part in every if part is not None]
        return sum(part * part for part in known) ** 0.5 if known else None


class Coordinate(Model):
    """What the values of a profile or a distribution are listed against."""

    name: str
    """Such as "width" or "depth"."""
    unit: str
    """Its unit."""
    values: tuple[float, ...]
    """One for each value of the result."""


class Provenance(Model):
    """How a result was made; only what makes no difference between two runs of the same computation."""

    siltomo: str
    """Version of siltomo."""
    package: str
    """Package that declares the metric."""
    inputs: dict[str, str]
    """Content of each input."""


class MetricResult(Model):
    """One value (or profile, or distribution) of a metric for its subject."""

    key: str = Field(pattern=r"^[0-9a-f]{64}$")
    """Digest of metric, version, parameters and inputs: same key, same result."""
    metric: str
    """Name of the metric, such as "crack_volume_fraction"."""
    version: int = Field(ge=1)
    """Version of its definition."""
    unit: str
    """Unit of the value."""
    parameters: dict[str, Any]
    """Every parameter, defaults included."""
    scan: Id
    """The scan it was measured on."""
    segmentation: Id
    """The segmentation it was measured on."""
    status: Status
    """Whether there is a value."""
    reason: str = ""
    """Why there is none."""
    value: float | None = None
    """The value, for a scalar."""
    values: tuple[float | None, ...] | None = None
    """The values, for a profile or a distribution; null where there is none, and a flag says why."""
    coordinate: Coordinate | None = None
    """What the values are listed against."""
    uncertainty: Uncertainty = Uncertainty()
    """Its uncertainty, in parts."""
    conventions: dict[str, str] = Field(default_factory=dict)
    """Choices that change the number: connectivity, estimator, the whole of a fraction."""
    flags: tuple[str, ...] = ()
    """Doubts, such as "below_resolution"."""
    companions: dict[str, str] = Field(default_factory=dict)
    """Quantities that belong to the value, such as its spread over the field of view."""
    provenance: Provenance
    """How it was made."""

    @model_validator(mode="after")
    def _has_a_value_or_a_reason(self) -> Self:
        if (self.status == Status.OK) != (self.value is not None or self.values is not None):
            raise ValueError("a result has a value when its status is ok, and only then")
        if self.status != Status.OK and not self.reason:
            raise ValueError("a result without a value gives the reason")
        if self.values is not None and (
            self.coordinate is None or len(self.coordinate.values) != len(self.values)
        ):
            raise ValueError("each value of a profile or a distribution has its coordinate")
        return self
