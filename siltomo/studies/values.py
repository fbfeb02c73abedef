"""The values that relations speak of: where each may lie, in which unit, of what, on which population."""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Literal

from siltomo.model import Qualifier, ReportedValue
from siltomo.units import Quantity

__all__ = ["Span", "Value", "constant_value", "measured_value", "reported_value", "tidy"]

_SURE = 1e-9
"""Relative slack of comparisons: decimal fractions are not exact in binary."""


@dataclass(frozen=True)
class Span:
    """A closed interval; an end may be infinite."""

    low: float
    high: float

    def holds(self, number: float) -> bool:
        """Return whether a finite number lies inside, its own rounding forgiven."""
        if not math.isfinite(number):
            return False
        slack = _SURE * max(
            abs(number), *(abs(end) for end in (self.low, self.high) if math.isfinite(end)), 0.0
        )
        return self.low - slack <= number <= self.high + slack

    def meets(self, other: Span) -> bool:
        """Return whether two intervals have a point in common."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        slack = _SURE * max((abs(end) for end in (low, high) if math.isfinite(end)), default=0.0)
        return low <= high + slack

    def overlaps(self, other: Span) -> bool:
        """Return whether two intervals have more than an end in common, or are one and the same point."""
        low, high = max(self.low, other.low), min(self.high, other.high)
        narrow = min(self.high - self.low, other.high - other.low)
        return self.meets(other) and (high - low > _SURE * narrow or narrow == 0)

    def scaled(self, factor: float) -> Span:
        """Return the interval in another unit."""
        return Span(self.low * factor, self.high * factor)


@dataclass(frozen=True)
class Value:
    """One named number of a study."""

    name: str
    unit: str
    nominal: float
    span: Span
    """Where the number may lie, by its printed digits or its uncertainty."""
    coarse: Span
    """The same where trailing zeros of whole numbers are placeholders."""
    of: str = ""
    """What it is a fraction of, or per gram of what; tidied for comparison."""
    printed: str = ""
    kind: Literal["reported", "constant", "measured"] = "reported"
    assumed: bool = False
    """Whether it is an input that the publication does not give."""
    source: str = ""
    """Place in the publication, or where a constant comes from."""
    record: ReportedValue | None = field(default=None, compare=False)

    @property
    def population(self) -> str:
        """The cells or samples it was measured on; empty for chosen numbers and constants."""
        if self.record is None or self.record.qualifier == Qualifier.SET:
            return ""
        return self.record.population

    @property
    def key(self) -> tuple[object, ...]:
        """What the value is of, its formulation aside: equal for the same quantity of two formulations."""
        r = self.record
        if r is None:
            return (self.name,)
        return (r.quantity, r.cycle, r.half, r.scale, r.statistic, tidy(r.of), r.at, r.population)

    @property
    def identity(self) -> tuple[object, ...]:
        """What the value is of, all told: two values with one identity should be one number."""
        r = self.record
        return self.key if r is None else (r.formulation, r.cell, r.min_feature, r.max_feature, *self.key)

    @property
    def formulation(self) -> str:
        """The formulation it speaks of."""
        return (self.record.formulation or "") if self.record else ""


def tidy(words: str) -> str:
    """Return words fit for comparison: lower case, single spaces."""
    return " ".join(words.lower().split())


def reported_value(record: ReportedValue) -> Value:
    """Return a printed number with the interval that its digits and its qualifier leave open.

    A number printed without a qualifier is known to half a unit of its last digit. "About" widens that to
    half a unit of the last digit that is not zero, at most a tenth of the number. A bound is open on one
    side. A number that was chosen is exact.
    """
    try:
        digits = record.digits
        half, coarse, upper_half = digits.half, digits.coarse, digits.upper_half
    except ValueError:  # printed in words: the number is taken as it is
        half = coarse = upper_half = 0.0
    if record.uncertainty is not None:
        half = coarse = upper_half = max(half, record.uncertainty)
    low, high = record.value, record.value if record.upper is None else record.upper
    span, wide = Span(low - half, high + upper_half), Span(low - coarse, high + max(coarse, upper_half))
    match record.qualifier:
        case Qualifier.SET:
            span = wide = Span(low, high)
        case Qualifier.ABOUT:
            span = wide
        case Qualifier.NEARLY:
            span = wide = Span(low - coarse, high + half)
        case Qualifier.ABOVE:
            span = wide = Span(low, math.inf)
        case Qualifier.BELOW:
            span = wide = Span(-math.inf, high)
        case Qualifier.UP_TO:
            span = wide = Span(-math.inf, high + half)
    nominal = (low + high) / 2
    return Value(
        name=record.id,
        unit=record.unit,
        nominal=nominal,
        span=span,
        coarse=wide,
        of=tidy(record.of),
        printed=record.printed,
        source=record.place,
        record=record,
    )


def constant_value(name: str, quantity: Quantity, *, source: str, assumed: bool) -> Value:
    """Return a number that is not the publication's; its uncertainty is its interval."""
    spread = quantity.uncertainty or 0.0
    span = Span(quantity.value - spread, quantity.value + spread)
    return Value(
        name=name,
        unit=quantity.unit,
        nominal=quantity.value,
        span=span,
        coarse=span,
        kind="constant",
        assumed=assumed,
        source=source,
    )


def measured_value(name: str, quantity: Quantity, *, of: str, source: str) -> Value:
    """Return a number that was computed from volumes; its interval is one standard uncertainty to each side."""
    made = constant_value(name, quantity, source=source, assumed=False)
    return replace(made, kind="measured", of=tidy(of))
