"""What an alignment of two clocks may suppose, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from siltomo.cycling.clock import SECONDS_PER_DAY, Clock

__all__ = ["Alignment", "Alternative", "Limits", "Refusal"]

Why = Literal["no_rest", "too_few", "ambiguous", "misfits"]


@dataclass(frozen=True)
class Limits:
    """What an alignment may suppose."""

    search_s: tuple[float, float] = (-10_800.0, 10_800.0)
    """Offsets that are looked at; three hours either way by default."""
    slack_s: float = 1.0
    """By how much a time may be off: scans are logged in whole seconds."""
    drift: float | None = None
    """Drift that is known, in seconds per second; none is tried first, then looked for."""
    max_drift: float = 100.0 / SECONDS_PER_DAY
    """Drifts that are looked at."""


@dataclass(frozen=True)
class Alternative:
    """Another offset, and how many stops would fit it."""

    offset_s: float
    stops: int
    shift: int
    """By how many rests it moves most of the stops."""


@dataclass(frozen=True)
class Alignment:
    """The clock that puts each scan into a rest."""

    clock: Clock
    low_s: float
    """Lowest offset with every scan still in its rest (at the drift of ``clock``)."""
    high_s: float
    """Highest such offset."""
    rest_of: tuple[int, ...]
    """The rest that each scan lies in, in the order the scans were given; -1 for none."""
    stops: int
    """How many rests hold scans: scans of one stop count once."""
    drift_is_estimated: bool = False
    drift_low: float = 0.0
    """Lowest drift that would fit as well."""
    drift_high: float = 0.0
    """Highest such drift."""
    drift_uncertainty: float = 0.0
    runner_up: Alternative | None = None
    """The next best way of laying the stops into rests."""

    @property
    def margin_s(self) -> float:
        """How far the offset can move either way with every scan still in its rest."""
        return min(self.high_s - self.clock.offset_s, self.clock.offset_s - self.low_s)


@dataclass(frozen=True)
class Refusal:
    """Why no offset is given."""

    why: Why
    reason: str
    candidates: tuple[Alternative, ...] = ()
    """Offsets that fit about as well, the best first."""
    misfits: tuple[int, ...] = ()
    """Scans that lie in no rest at the best offset, by their place in what was given."""
