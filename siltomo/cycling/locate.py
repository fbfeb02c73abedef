"""Where in its life a cell was between two times of its record: cycle, half-cycle, capacity, voltage.

Values are interpolated between two points of one step and never across steps: between steps the last point of the
step before holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

import numpy as np

from siltomo.cycling.record import Floats, Record

__all__ = ["RESTING", "Found", "Instant", "Lost", "locate", "longest_gap"]

RESTING = 1e-9
"""Share of an interval that may be under current and still be rounding."""
Half = Literal["pristine", "lithiation", "delithiation"]


@dataclass(frozen=True)
class Instant:
    """The state at one time of the record."""

    cycle: int
    """0 before the first current."""
    half: Half
    """The half-cycle that it lies in; after the end of one and before the next, the one before."""
    capacity_Ah: float
    """Capacity reached in that half-cycle."""
    voltage_V: float
    current_A: float
    """Absolute current; 0 at rest."""


@dataclass(frozen=True)
class Found:
    """The state over an interval."""

    middle: Instant
    """In its middle: what stands for it."""
    first: Instant
    last: Instant
    rest_share: float
    """Part of the interval without current: 1 for a scan in a rest."""
    interval_Ah: float
    """Standard uncertainty of the capacity from its change over the interval."""
    clock_Ah: float | None
    """Standard uncertainty of the capacity from the clocks; None where theirs is not known and current flowed."""
    switching_Ah: float
    """Standard uncertainty of the capacity from currents that were switched between two points."""
    voltage_low_V: float
    """Lowest voltage from the last current before the interval to its end."""
    voltage_high_V: float
    """Highest such voltage: at rest it relaxes away from that under current."""


@dataclass(frozen=True)
class Lost:
    """Why there is no state."""

    reason: str
    refused: bool = False
    """Whether the record covers the interval, yet gives no single state."""


def longest_gap(record: Record) -> float:
    """Return the longest time in seconds between two neighbouring points of one step."""
    gaps = np.diff(record.points.time_s)
    inside = record.step_of[1:] == record.step_of[:-1]
    return float(gaps[inside].max()) if inside.any() else 0.0


def locate(
    record: Record, start_s: float, end_s: float, *, tolerance_s: float, clock_s: float | None = None
) -> Found | Lost:
    """Return the state of a cell over an interval.

    Parameters
    ----------
    record
        The record of the cell.
    start_s, end_s
        The interval, in seconds from the first point of the record.
    tolerance_s
        The longest time between two points within which a value may be taken, and the furthest that a time may lie
        outside of the record.
    clock_s
        Standard uncertainty of the interval's position; None where it is not known.

    Returns
    -------
    Found or Lost
        The state in the middle of the interval, with those at its ends; or why there is none.
    """
    found: list[Instant] = []
    for time_s in ((start_s + end_s) / 2, start_s, end_s):
        instant = _instant(record, time_s, tolerance_s)
        if isinstance(instant, Lost):
            return instant
        found.append(instant)
    middle, first, last = found
    if (first.cycle, first.half) != (last.cycle, last.half):
        return Lost(
            f"it spans two half-cycles: {first.half} of cycle {first.cycle} and {last.half} of cycle {last.cycle}",
            refused=True,
        )
    low, high = _voltages(record, start_s, end_s)
    share = _rest_share(record, start_s, end_s)
    resting = share > 1 - RESTING
    return Found(
        middle=middle,
        first=first,
        last=last,
        rest_share=share,
        interval_Ah=abs(last.capacity_Ah - first.capacity_Ah) / math.sqrt(12.0),
        clock_Ah=_clock_spread(
            record, (start_s + end_s) / 2, middle, 0.0 if resting and clock_s is None else clock_s
        ),
        switching_Ah=_switching(record, middle),
        voltage_low_V=min(low, middle.voltage_V),
        voltage_high_V=max(high, middle.voltage_V),
    )


def _instant(record: Record, time_s: float, tolerance_s: float) -> Instant | Lost:
    times = record.points.elapsed_s
    if time_s < times[0] - tolerance_s:
        return Lost(f"it is {_words(times[0] - time_s)} before the first point of the record")
    if time_s > times[-1] + tolerance_s:
        return Lost(f"it is {_words(time_s - times[-1])} after the last point of the record")
    point = int(np.clip(np.searchsorted(times, time_s, side="right") - 1, 0, len(times) - 1))
    following = min(point + 1, len(times) - 1)
    gap = float(times[following] - times[point])
    if gap > tolerance_s and times[point] < time_s:
        return Lost(
            f"the record has no point for {_words(gap)} around it, more than the tolerance of {_words(tolerance_s)}"
        )
    return _state(record, point, following, time_s)


def _state(record: Record, point: int, following: int, time_s: float) -> Instant | Lost:
    step = record.steps[int(record.step_of[point])]
    if step.half_cycle is None:
        if not record.half_cycles:
            return Lost("the record has no current that would tell its cycle", refused=True)
        if record.half_cycles[0].cycle > 1:
            begins = record.half_cycles[0].cycle
            return Lost(f"it is before the first current of a record that begins with cycle {begins}")
    share = 0.0
    if following <= step.last:
        low, high = record.points.elapsed_s[point], record.points.elapsed_s[following]
        share = min(max(float((time_s - low) / (high - low)), 0.0), 1.0) if high > low else 0.0
    voltage = _between(record.points.voltage_V, point, following, share)
    current = 0.0
    if step.kind != "rest":
        current = abs(_between(record.points.current_A, point, following, share))
    if step.half_cycle is None:
        return Instant(0, "pristine", 0.0, voltage, current)
    half = record.half_cycles[step.half_cycle]
    return Instant(
        half.cycle, half.kind, _between(record.capacity_Ah, point, following, share), voltage, current
    )


def _between(values: Floats, point: int, following: int, share: float) -> float:
    here = float(values[point])
    return here if share == 0.0 else here + share * (float(values[following]) - here)


def _rest_share(record: Record, start_s: float, end_s: float) -> float:
    """Return the part of an interval without current; for an instant, 1 or 0."""
    times = record.points.elapsed_s
    if end_s <= start_s:
        point = int(np.clip(np.searchsorted(times, start_s, side="right") - 1, 0, len(times) - 1))
        return float(record.steps[int(record.step_of[point])].kind == "rest")
    length = 0.0
    for number, step in enumerate(record.steps):
        if step.kind == "rest":
            # a rest lasts until the next step has its first point, as the values of its last point do
            until = times[step.last + 1] if number + 1 < len(record.steps) else max(times[-1], end_s)
            since = times[step.first] if number else min(times[0], start_s)
            length += max(0.0, min(end_s, float(until)) - max(start_s, float(since)))
    return length / (end_s - start_s)


def _clock_spread(record: Record, time_s: float, middle: Instant, clock_s: float | None) -> float | None:
    """Return by how much the capacity changes when the clocks move by their uncertainty, on the worse side."""
    if not clock_s:
        return clock_s
    spread = 0.0
    for moved in (time_s - clock_s, time_s + clock_s):
        other = _instant(record, moved, math.inf)
        if isinstance(other, Instant) and (other.cycle, other.half) == (middle.cycle, middle.half):
            spread = max(spread, abs(other.capacity_Ah - middle.capacity_Ah))
    return spread


def _switching(record: Record, middle: Instant) -> float:
    """Return the share of the unsure charge that falls to what was reached, as that of a uniform density."""
    for half in record.half_cycles:
        if (half.cycle, half.kind) == (middle.cycle, middle.half) and half.capacity_Ah > 0:
            return half.unsure_Ah * middle.capacity_Ah / half.capacity_Ah / math.sqrt(3.0)
    return 0.0


def _voltages(record: Record, start_s: float, end_s: float) -> tuple[float, float]:
    times = record.points.elapsed_s
    point = int(np.clip(np.searchsorted(times, start_s, side="right") - 1, 0, len(times) - 1))
    step = record.steps[int(record.step_of[point])]
    since = max(step.first - 1, 0) if step.kind == "rest" else point
    until = int(np.clip(np.searchsorted(times, end_s, side="right"), since + 1, len(times)))
    seen = record.points.voltage_V[since : until + 1]
    return float(seen.min()), float(seen.max())


def _words(seconds: float) -> str:
    if seconds < 120:
        return f"{seconds:.3g} s"
    return f"{seconds / 60:.3g} min" if seconds < 7200 else f"{seconds / 3600:.3g} h"
