"""Steps, half-cycles and cycles, from the current itself."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from siltomo.cycling.completeness import NO_CUTOFFS, Cutoffs, judged
from siltomo.cycling.counters import compare_with_cycler
from siltomo.cycling.record import Cycle, Floats, Half, HalfCycle, Integers, Kind, Points, Record, Step
from siltomo.cycling.sign import settle_sign

__all__ = ["Understanding", "analyse"]

NEGLIGIBLE = 1e-3
"""A run of current with less than this share of the largest one is a switching transient, no half-cycle."""
SMALLEST = 1e-3
"""Share of the typical current up to which a current is none."""
SAME_GRID = 0.01
"""Relative difference up to which two sampling intervals are one."""
UNSURE = 5e-3
"""Share of a half-cycle's capacity that may be unsure without a word."""


@dataclass(frozen=True)
class Understanding:
    """What a user may say of a record; everything else is found in it."""

    positive_current: Half | None = None
    """What a positive current does to the silicon; without it, the voltage decides."""
    trust_sign: bool = False
    """Believe ``positive_current`` where the voltage of a half-cell would go the other way."""
    rest_current_A: float | None = None
    """Currents up to this one count as rest; without it, a thousandth of the typical current."""
    cutoffs: Cutoffs = NO_CUTOFFS
    """Where half-cycles are meant to end."""
    first_cycle: int = 1
    """Number of the first cycle, for a file that continues another one."""


def analyse(points: Points, understanding: Understanding | None = None) -> Record:
    """Find the steps, half-cycles and cycles of a record.

    A step is a run of points whose current has one sign. A half-cycle is all that flows in one direction, with
    the pauses in it: the pause of an interrupted operando measurement does not end it. Charge is integrated
    by the trapezoid rule within each step; where a file gives mean currents, as they are.

    Parameters
    ----------
    points
        The points of a file.
    understanding
        What the user says of it.

    Raises
    ------
    MismatchError
        When the voltage contradicts the sign of the current.
    BadInputError
        When the sign is not given and the voltage does not tell.
    """
    given = understanding or Understanding()
    rest = _rest_current(points.current_A) if given.rest_current_A is None else given.rest_current_A
    signs = np.where(np.abs(points.current_A) <= rest, 0, np.sign(points.current_A)).astype(np.int64)
    runs = _runs(signs)
    positive, said = settle_sign(points, signs, runs, given.positive_current, trust=given.trust_sign)
    kinds = [_kind(int(signs[first]), positive) for first, _ in runs]
    borders, told, unsure = _borders(points, runs)
    charge, inside = _charges(points, runs, borders, told)
    charge[[k == "rest" for k in kinds]] = 0.0
    groups = _half_cycles(kinds, charge, runs)
    found = _Found(runs, kinds, borders, charge, inside, groups)
    steps, halves, capacity = _assemble(points, found, given.first_cycle)
    halves = tuple(replace(h, unsure_Ah=float(unsure[list(h.steps)].sum())) for h in halves)
    halves, cycles = judged(_reached(points, steps, halves), halves, _cycles(halves), given.cutoffs)
    record = Record(
        points=points,
        positive_current=positive,
        rest_current_A=rest,
        steps=tuple(steps),
        half_cycles=halves,
        cycles=cycles,
        capacity_Ah=capacity,
        step_of=np.repeat(np.arange(len(runs)), runs[:, 1] - runs[:, 0] + 1),
        basis={"positive_current": said},
    )
    warnings = (
        *points.warnings,
        *_left_out(kinds, charge, groups),
        *_unsampled(halves),
        *_gaps(record),
    )
    return replace(record, warnings=(*warnings, *compare_with_cycler(record)))


def _rest_current(current: Floats) -> float:
    """Return a thousandth of the typical current; what rests at that level is offset and noise."""
    size = np.abs(current)
    largest = float(size.max())
    flowing = size[size > SMALLEST * largest]
    return SMALLEST * float(np.median(flowing)) if flowing.size else 0.0


def _runs(signs: Integers) -> Integers:
    """Return the first and last index of each run of one sign, shape (steps, 2)."""
    starts = np.flatnonzero(np.diff(signs)) + 1
    return np.column_stack([np.r_[0, starts], np.r_[starts - 1, len(signs) - 1]])


def _kind(sign: int, positive: Half) -> Kind:
    if sign == 0:
        return "rest"
    other: Half = "delithiation" if positive == "lithiation" else "lithiation"
    return positive if sign > 0 else other


def _borders(points: Points, runs: Integers) -> tuple[Floats, NDArray[np.bool_], Floats]:
    """Say when each step began and the last one ended, and how much charge hangs on not knowing it.

    The cycler's step time tells it exactly. Without one, a logger on a fixed grid switched somewhere between two
    points, so the middle is taken; any other logger writes a point when it switches.

    Returns
    -------
    ndarray of shape (steps + 1,)
        Times in seconds.
    ndarray of shape (steps + 1,)
        Whether the step before is known to have gone on until then.
    ndarray of shape (steps,)
        Charge of each step in Ah that may be wrong by it.
    """
    time, current = points.time_s, np.abs(points.current_A)
    borders = np.r_[time[0], time[runs[1:, 0]], time[-1]]
    unsure = np.zeros(len(runs))
    told = np.zeros(len(runs) + 1, dtype=bool)
    for n in range(1, len(runs)):
        before, after = runs[n - 1, 1], runs[n, 0]
        gap = time[after] - time[before]
        since = None if points.step_time_s is None else points.step_time_s[after]
        if points.current_is_mean:
            borders[n] = time[before]
        elif since is not None and 0 <= since <= gap * (1 + SAME_GRID):
            borders[n], told[n] = time[after] - min(since, gap), True
        else:
            if _one_grid(time, runs[n - 1], runs[n], gap):
                borders[n], told[n] = time[after] - gap / 2, True
            unsure[n - 1] += current[before] * gap / 2 / 3600
            unsure[n] += current[after] * gap / 2 / 3600
    return borders, told, unsure


def _one_grid(time: Floats, before: Integers, after: Integers, gap: float) -> bool:
    """Return whether the points on both sides lie on one grid that the step's border does not disturb."""
    return gap > 0 and all(
        last > first and abs(float(np.median(np.diff(time[first : last + 1]))) - gap) <= SAME_GRID * gap
        for first, last in (before, after)
    )


def _charges(
    points: Points, runs: Integers, borders: Floats, told: NDArray[np.bool_]
) -> tuple[Floats, Floats]:
    """Integrate the size of the current.

    Returns
    -------
    ndarray of shape (steps,)
        Charge of each step in Ah.
    ndarray of shape (n,)
        Charge in Ah that passed from the begin of its step to each point.
    """
    time, current = points.time_s, np.abs(points.current_A)
    inside = np.zeros(len(time))
    if points.current_is_mean:
        increments = current * np.diff(time, prepend=time[0]) / 3600
    else:
        increments = np.zeros(len(time))
        increments[1:] = (current[1:] + current[:-1]) / 2 * np.diff(time) / 3600
        firsts = runs[:, 0]
        increments[firsts] = current[firsts] * (time[firsts] - borders[:-1]) / 3600
    sums = np.cumsum(increments)
    charge = np.zeros(len(runs))
    for n, (first, last) in enumerate(runs):
        inside[first : last + 1] = sums[first : last + 1] - (sums[first] - increments[first])
        charge[n] = inside[last]
        if told[n + 1]:
            charge[n] += current[last] * (borders[n + 1] - time[last]) / 3600
    return charge, inside


def _half_cycles(kinds: list[Kind], charge: Floats, runs: Integers) -> list[list[int]]:
    """Group the steps with current into half-cycles, leaving out switching transients.

    A transient is a run in one direction with hardly any charge, or a lone point at either end of a half-cycle:
    some cyclers log one with a little current as they switch, and the rest that follows belongs to what was before.
    """
    flowing = [n for n, kind in enumerate(kinds) if kind != "rest"]
    largest = max((float(charge[group].sum()) for group in _same_kind(flowing, kinds)), default=0.0)
    lone = {n for n in flowing if runs[n, 0] == runs[n, 1] and charge[n] <= NEGLIGIBLE * largest}
    kept: list[int] = []
    for group in _same_kind(flowing, kinds):
        if charge[group].sum() > NEGLIGIBLE * largest:
            inner = [n for n in group if n not in lone]
            kept += [n for n in group if inner and inner[0] <= n <= inner[-1]]
    return _same_kind(kept, kinds)


def _same_kind(steps: list[int], kinds: list[Kind]) -> list[list[int]]:
    groups: list[list[int]] = []
    for n in steps:
        if groups and kinds[groups[-1][0]] == kinds[n]:
            groups[-1].append(n)
        else:
            groups.append([n])
    return groups


@dataclass(frozen=True)
class _Found:
    """What is known of the steps, each array with one entry per step or per point."""

    runs: Integers
    kinds: list[Kind]
    borders: Floats
    charge: Floats
    inside: Floats
    groups: list[list[int]]


def _assemble(
    points: Points, found: _Found, first_cycle: int
) -> tuple[list[Step], tuple[HalfCycle, ...], Floats]:
    """Give each step its place in the half-cycles; return also the capacity at each point."""
    runs, kinds, groups, charge = found.runs, found.kinds, found.groups, found.charge
    cycle_of = _cycle_numbers([kinds[group[0]] for group in groups], first_cycle)
    owner = {n: half for half, group in enumerate(groups) for n in group}
    capacity = np.full(len(points), np.nan)
    steps: list[Step] = []
    half: int | None = None
    reached = 0.0
    for n, (first, last) in enumerate(runs):
        if n in owner and owner[n] != half:
            half, reached = owner[n], 0.0
        counted = n in owner
        if half is not None:
            capacity[first : last + 1] = reached + (found.inside[first : last + 1] if counted else 0.0)
        steps.append(
            Step(
                kind=kinds[n],
                first=int(first),
                last=int(last),
                start_s=float(found.borders[n]),
                end_s=float(found.borders[n + 1]),
                capacity_Ah=float(charge[n]),
                capacity_before_Ah=reached,
                start_voltage_V=float(points.voltage_V[first]),
                end_voltage_V=float(points.voltage_V[last]),
                half_cycle=half,
                cycle=0 if half is None else cycle_of[half],
            )
        )
        reached += float(charge[n]) if counted else 0.0
    halves = tuple(_half_cycle(points, steps, group, cycle_of[h]) for h, group in enumerate(groups))
    return steps, halves, capacity


def _half_cycle(points: Points, steps: list[Step], group: list[int], cycle: int) -> HalfCycle:
    flowing = [steps[n] for n in group]
    kind = flowing[0].kind
    assert kind != "rest"
    total = sum(step.capacity_Ah for step in flowing)
    hours = sum(step.end_s - step.start_s for step in flowing) / 3600
    return HalfCycle(
        kind=kind,
        cycle=cycle,
        steps=tuple(range(group[0], group[-1] + 1)),
        start_s=flowing[0].start_s,
        end_s=flowing[-1].end_s,
        capacity_Ah=total,
        end_voltage_V=flowing[-1].end_voltage_V,
        mean_current_A=total / hours if hours > 0 else abs(float(points.current_A[flowing[0].first])),
        complete=True,
    )


def _reached(points: Points, steps: list[Step], halves: tuple[HalfCycle, ...]) -> list[float]:
    """Return how far the voltage came under the current of each half-cycle."""
    found = []
    for half in halves:
        own = [steps[n] for n in half.steps if steps[n].kind == half.kind]
        voltages = [points.voltage_V[step.first : step.last + 1] for step in own]
        ends = [v.min() if half.kind == "lithiation" else v.max() for v in voltages]
        found.append(float(min(ends) if half.kind == "lithiation" else max(ends)))
    return found


def _cycle_numbers(kinds: list[Kind], first: int) -> list[int]:
    """Return the cycle of each half-cycle: each lithiation but the first begins a cycle."""
    numbers: list[int] = []
    for n, kind in enumerate(kinds):
        numbers.append(first if n == 0 else numbers[-1] + (kind == "lithiation"))
    return numbers


def _cycles(halves: tuple[HalfCycle, ...]) -> tuple[Cycle, ...]:
    found: dict[int, dict[str, HalfCycle]] = {}
    for half in halves:
        found.setdefault(half.cycle, {})[half.kind] = half
    return tuple(
        Cycle(number, parts.get("lithiation"), parts.get("delithiation"), complete=True)
        for number, parts in found.items()
    )


def _left_out(kinds: list[Kind], charge: Floats, groups: list[list[int]]) -> list[str]:
    kept = {n for group in groups for n in group}
    lost = [n for n, kind in enumerate(kinds) if kind != "rest" and n not in kept and charge[n] > 0]
    total = float(charge[lost].sum())
    largest = max((float(charge[group].sum()) for group in groups), default=0.0)
    if total <= NEGLIGIBLE * largest:
        return []
    return [f"{len(lost)} short runs of current ({total * 1e3:.4g} mAh together) were left out as switching"]


def _unsampled(halves: tuple[HalfCycle, ...]) -> list[str]:
    worst = max(halves, key=lambda h: h.unsure_Ah / h.capacity_Ah, default=None)
    if worst is None or worst.unsure_Ah <= UNSURE * worst.capacity_Ah:
        return []
    return [
        "the file does not say when the current was switched between two points: up to "
        f"{worst.unsure_Ah * 1e3:.3g} mAh ({worst.unsure_Ah / worst.capacity_Ah:.1%}) of the {worst.kind} of cycle "
        f"{worst.cycle} hang on it"
    ]


def _gaps(record: Record) -> list[str]:
    """Name the longest stretch without points under current, where much charge is a guess."""
    points = record.points
    if points.current_is_mean:  # a mean holds for its interval, however long
        return []
    intervals = np.diff(points.time_s)
    flowing = np.abs(points.current_A[1:]) > record.rest_current_A
    same = record.step_of[1:] == record.step_of[:-1]
    spans = np.where(flowing & same, intervals, 0.0)
    n = int(spans.argmax())
    half = record.steps[int(record.step_of[n])].half_cycle
    if half is None or not spans[n]:
        return []
    lost = spans[n] * abs(float(points.current_A[n])) / 3600
    whole = record.half_cycles[half].capacity_Ah
    usual = float(np.median(intervals[intervals > 0])) if (intervals > 0).any() else 0.0
    if spans[n] < 20 * usual or lost < 0.01 * whole:
        return []
    return [
        f"no points for {spans[n]:.0f} s from {points.time_s[n]:.0f} s on, under current (usual are "
        f"{usual:.3g} s): {lost * 1e3:.3g} mAh there are interpolated"
    ]
