"""The cycler's own capacities and cycle numbers, compared with what the current says; never used."""

from __future__ import annotations

import numpy as np

from siltomo.cycling.record import Floats, HalfCycle, Record

__all__ = ["compare_with_cycler"]

TOLERANCE = 0.01
"""Cyclers integrate at their own pace: up to 1 % is no disagreement."""
NEGLIGIBLE = 1e-3
"""A cycle number under which less than this share of the largest one's charge flows counts no cycle."""


def compare_with_cycler(record: Record) -> list[str]:
    """List in words where the cycler's own numbers disagree with the current by more than 1 %."""
    return [*_capacities(record), *_cycles(record)]


def _capacities(record: Record) -> list[str]:
    found: list[tuple[float, str]] = []
    for half in record.half_cycles:
        counted = [
            (name, _passed(counter, record, half)) for name, counter in record.points.counters_Ah.items()
        ]
        moving = [(name, value) for name, value in counted if value > 0.01 * half.capacity_Ah]
        if not moving or half.capacity_Ah <= 0:
            continue
        name, value = min(moving, key=lambda pair: abs(pair[1] - half.capacity_Ah))
        off = value / half.capacity_Ah - 1
        if abs(off) > TOLERANCE:
            found.append(
                (
                    abs(off),
                    f"{half.kind} of cycle {half.cycle}: {half.capacity_Ah * 1e3:.5g} mAh from the current, "
                    f"{value * 1e3:.5g} mAh by the cycler's {name!r} ({off:+.1%})",
                )
            )
    if not found:
        return []
    more = f" (and {len(found) - 1} other half-cycles, less)" if len(found) > 1 else ""
    return [f"the cycler's counter disagrees: {max(found)[1]}{more}; the current is used"]


def _passed(counter: Floats, record: Record, half: HalfCycle) -> float:
    """Return what a counter moved in a half-cycle, without its resets."""
    first = record.steps[half.steps[0]].first
    last = record.steps[half.steps[-1]].last
    moves = np.diff(counter[max(first - 1, 0) : last + 1])
    up, down = float(moves[moves > 0].sum()), float(-moves[moves < 0].sum())
    # a reset is one move against all others: the direction with more moves is the counting
    return up if int((moves > 0).sum()) >= int((moves < 0).sum()) else down


def _cycles(record: Record) -> list[str]:
    numbers = record.points.cycle
    if numbers is None:
        return []
    size = np.abs(record.points.current_A)
    charge = np.where(size > record.rest_current_A, size, 0.0) * np.gradient(record.points.time_s)
    by_number = np.bincount(np.unique(numbers, return_inverse=True)[1], weights=charge)
    theirs, ours = int((by_number > NEGLIGIBLE * by_number.max()).sum()), len(record.cycles)
    if theirs == ours:
        return []
    return [f"the cycler counts {theirs} cycles under current, the current itself shows {ours}"]
