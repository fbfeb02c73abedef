"""What a metric answers: a value, a distribution, or the reason why there is none."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["Answer", "Distribution", "Scalar", "Undefined"]


@dataclass(frozen=True)
class Scalar:
    """One number in the declared unit."""

    value: float
    discretisation: float | None = None
    """Standard uncertainty from the voxels, in the same unit."""
    conventions: Mapping[str, str] = field(default_factory=dict)
    """Choices that change the number."""
    flags: tuple[str, ...] = ()
    """Doubts about the number."""
    companions: Mapping[str, str] = field(default_factory=dict)
    """Quantities that belong to it, such as its spread, as text with their unit."""
    sampling: float | None = None
    """Standard uncertainty from the volume being a sample of the electrode, in the same unit."""


@dataclass(frozen=True)
class Distribution:
    """Numbers in the declared unit, each at a value of a coordinate."""

    values: tuple[float | None, ...]
    """None where there is no value; a flag says why."""
    coordinate: tuple[float, ...]
    coordinate_name: str
    coordinate_unit: str
    conventions: Mapping[str, str] = field(default_factory=dict)
    flags: tuple[str, ...] = ()
    companions: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Undefined:
    """The quantity does not exist for this sample."""

    reason: str
    conventions: Mapping[str, str] = field(default_factory=dict)


Answer = Scalar | Distribution | Undefined
