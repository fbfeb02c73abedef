"""What a derived metric is computed from: other metrics, fields of records.

Inputs are queries: they say which result is meant, and never which file. One result must answer each; none
or several give a row that says so.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from siltomo.model.fields import In
from siltomo.model.words import Domain, HalfCycle, Mode, Scale

__all__ = ["CYCLING", "FIELDS", "Field", "From", "Match"]

Match = Literal["specimen", "cell", "formulation"]
"""Where an input may come from, nearest first: the same specimen, the same cell, or (asked for) another cell of the
same formulation in the same cycle and half-cycle. What is asked for is the farthest that is taken; nearer ones win."""

FIELDS = ("formulation", "cell", "state", "cycling")
"""The records whose fields a derived metric may use; ``cycling`` is the summary of the row's cell and cycle."""

CYCLING = (
    "half_capacity",
    "lithiation_capacity",
    "delithiation_capacity",
    "first_delithiation_capacity",
    "si_mass",
)
"""What a cycling summary gives: capacities of the row's cycle (``half_capacity``: of its half-cycle), of the first
complete cycle of the cell, and the silicon mass as it may be used."""


@dataclass(frozen=True)
class From:
    """The result of another metric, of the same cell in the same state unless said otherwise.

    Parameters
    ----------
    metric
        Name of the metric; ``{phase}`` in it is replaced by ``phase``.
    scale, mode, half
        Only scans of this scale, mode, half-cycle.
    phase
        The phase, for a name with ``{phase}`` in it.
    domain
        Only segmentations of this domain: the whole that their fractions are fractions of.
    cycle
        The scan of this cycle, rather than of the row's own; 0 is the pristine cell.
    cycle_offset
        The scan so many cycles later than the row's own; -1 is the one before.
    min_feature
        Only segmentations that trust features from this size on, such as ``"0.65 um"``.
    unit
        A unit of what the metric must measure, checked when the metric is declared.
    """

    metric: str
    scale: Scale | str | None = None
    mode: Mode | str | None = None
    half: HalfCycle | str | None = None
    phase: str = ""
    domain: Domain | str | None = None
    cycle: int | None = None
    cycle_offset: int = 0
    min_feature: str | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        # a misspelt word would select nothing, forever
        words = ((self.scale, Scale), (self.mode, Mode), (self.half, HalfCycle), (self.domain, Domain))
        for word, known in words:
            if word is not None:
                known(word)
        if ("{phase}" in self.metric) != bool(self.phase):
            raise ValueError(f"{self.metric!r}: give phase= with a name that holds {{phase}}, and only then")
        object.__setattr__(self, "metric", self.metric.replace("{phase}", self.phase))
        object.__setattr__(self, "phase", "")
        if self.min_feature is not None:
            In("um", gt=0).read(self.min_feature)
        if self.cycle is not None and self.cycle_offset:
            raise ValueError("give a cycle, or an offset from the row's own, not both")

    @property
    def min_feature_um(self) -> float | None:
        """The size in um."""
        return None if self.min_feature is None else In("um", gt=0).read(self.min_feature).value

    @property
    def words(self) -> str:
        """The query in words."""
        parts = [str(part) for part in (self.scale, self.mode, self.half) if part is not None]
        if self.domain is not None:
            parts.append(f"of the {self.domain}")
        if self.cycle is not None:
            parts.append(f"cycle {self.cycle}")
        if self.cycle_offset:
            parts.append(f"{abs(self.cycle_offset)} cycles {'later' if self.cycle_offset > 0 else 'before'}")
        if self.min_feature is not None:
            parts.append(f"features from {self.min_feature} on")
        return f"{self.metric} ({', '.join(parts)})" if parts else self.metric


@dataclass(frozen=True)
class Field:
    """A field of a record with its unit, such as ``Field("cell.si_mass", "mg_Si")``."""

    path: str
    unit: str

    def __post_init__(self) -> None:
        if self.path.split(".")[0] not in FIELDS or "." not in self.path:
            raise ValueError(f"{self.path!r} names no field of {', '.join(FIELDS)}")
        kind, _, name = self.path.partition(".")
        if kind == "cycling" and name not in CYCLING:
            raise ValueError(f"cycling has no {name!r}; it has {', '.join(CYCLING)}")

    @property
    def words(self) -> str:
        """The field in words."""
        return self.path
