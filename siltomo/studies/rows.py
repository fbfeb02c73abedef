"""One line of the answer: what was claimed, what comes out, what that means."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Literal

from siltomo.studies.values import Value

__all__ = ["Checked", "Row", "Verdict", "finite", "shown"]


class Verdict(StrEnum):
    """What became of a claim."""

    REPRODUCES = "reproduces"
    """The recomputed number lies within the digits that were printed."""
    ROUNDING = "rounding"
    """The rounding of the inputs can explain the difference."""
    INCONSISTENT = "inconsistent"
    """No rounding of published numbers can explain the difference."""
    NOT_REPRODUCIBLE = "not reproducible"
    """The difference remains, and something that was not published enters."""
    DERIVED = "derived"
    """Nothing was printed to compare with."""


@dataclass(frozen=True)
class Row:
    """One checked claim, as it is printed."""

    id: str
    claim: str
    recomputed: float | None = None
    low: float | None = None
    high: float | None = None
    reported: float | str | None = None
    unit: str = ""
    ratio: float | None = None
    """Recomputed over reported."""
    verdict: Verdict = Verdict.DERIVED
    flags: tuple[str, ...] = ()
    explanation: str = ""

    def as_dict(self) -> dict[str, Any]:
        """Return the row as plain values."""
        return {**asdict(self), "verdict": str(self.verdict), "flags": list(self.flags)}


@dataclass(frozen=True)
class Checked:
    """A row and what it was made from."""

    row: Row
    kind: Literal["relation", "claim", "alternative", "lint"]
    expression: str = ""
    inputs: tuple[Value, ...] = ()
    family: str = ""
    printed: Value | None = None
    """The value that was printed for it."""


def finite(number: float) -> float | None:
    """Return a number that JSON can hold: none for an open end."""
    return float(f"{number:.10g}") if math.isfinite(number) else None


def shown(number: float) -> str:
    """Return a number for words: four digits.

    Examples
    --------
    >>> shown(0.00067234), shown(2551.2)
    ('0.0006723', '2551')
    """
    return f"{number:.4g}"
