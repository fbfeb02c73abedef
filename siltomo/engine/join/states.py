"""The state of each scan, found in the cycling runs of its cell."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from siltomo.cycling.clock import Clock
from siltomo.cycling.locate import RESTING, Found, Lost, locate, longest_gap
from siltomo.cycling.record import Record
from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.subjects import Subject
from siltomo.engine.cycling.summary import Mass, mass_of
from siltomo.engine.join.times import ScanTime, beamline_s, clock_of, scan_time
from siltomo.errors import BadInputError, SiltomoError
from siltomo.model import Cell, CyclingRun, HalfCycle, Scan, Status

__all__ = ["UNITS", "Joining", "ReadRun", "Tolerance", "found_rows"]

ReadRun = Callable[[CyclingRun], Record]
"""Reads the record of a run."""

_MOST_TOLERANCE_S = 300.0
"""A record that was silent for longer says little of the time between; more must be asked for."""
_VOLTAGE_WITHIN_V = 0.02

UNITS: dict[str, str] = {
    "capacity": "mAh/g_Si",
    "capacity_uncertainty": "mAh/g_Si",
    "capacity_start": "mAh/g_Si",
    "capacity_end": "mAh/g_Si",
    "charge": "mAh",
    "voltage": "V",
    "record_time": "s",
    "duration": "s",
    "tolerance": "s",
    "declared_capacity": "mAh/g_Si",
    "declared_voltage": "V",
    "agree_within": "mAh/g_Si",
    "contraction": "1",
    "contraction_uncertainty": "1",
    "rest_share": "1",
}
"""Units of the columns that have one."""


@dataclass(frozen=True)
class Tolerance:
    """The longest time between two points of a record within which a value may be taken."""

    seconds: float
    source: str
    """Who said it: ``"given"``, or how it was made from the record."""


@dataclass(frozen=True)
class Joining:
    """What a join may suppose."""

    tolerance_s: float | None = None
    """As given; without it, the longest sampling gap inside a step of the record, up to five minutes."""
    agree_within: float = 20.0
    """Difference in mAh/g_Si up to which a declared and a found capacity agree."""

    def tolerance(self, record: Record) -> Tolerance:
        """Return the tolerance for a record."""
        if self.tolerance_s is not None:
            return Tolerance(self.tolerance_s, "given")
        longest = longest_gap(record)
        if longest > _MOST_TOLERANCE_S:
            return Tolerance(_MOST_TOLERANCE_S, f"{_MOST_TOLERANCE_S:.0f} s, the most without --tolerance")
        return Tolerance(longest, "longest sampling gap inside a step")


@dataclass(frozen=True)
class _Run:
    """A run, its record and its clock; or why it serves for nothing."""

    run: CyclingRun
    record: Record | None = None
    clock: Clock | None = None
    tolerance: Tolerance = Tolerance(0.0, "")
    reason: str = ""


@dataclass(frozen=True)
class _Placed:
    """A scan on the clock of a run."""

    on: _Run
    start_s: float
    end_s: float
    state: Found | Lost


def found_rows(
    catalog: Catalog, subjects: Iterable[Subject], *, read: ReadRun, joining: Joining
) -> list[dict[str, Any]]:
    """Return one row for each scan: the state found in its cell's cycling, beside the one that was declared.

    A scan without a state has a row that says why. Each record is read once.
    """
    of_cell: dict[str, list[CyclingRun]] = defaultdict(list)
    for run in catalog.records(CyclingRun):
        of_cell[run.cell].append(run)
    known: dict[str, _Run] = {}
    rows = []
    for subject in subjects:
        runs = []
        for run in of_cell[subject.scan.cell]:
            if run.id not in known:
                known[run.id] = _open(run, read, joining)
            runs.append(known[run.id])
        rows.append(_row(subject, runs, joining))
    return rows


def _open(run: CyclingRun, read: ReadRun, joining: Joining) -> _Run:
    clock = clock_of(run)
    if isinstance(clock, str):
        return _Run(run, reason=clock)
    try:
        record = read(run)
    except SiltomoError as error:  # one damaged file leaves the scans of the others whole
        return _Run(run, reason=f"run {run.id} cannot be read: {error}")
    return _Run(run, record, clock, joining.tolerance(record))


def _row(subject: Subject, runs: list[_Run], joining: Joining) -> dict[str, Any]:
    scan = subject.scan
    time = scan_time(scan)
    row = _empty(subject, time, joining)
    if not runs:
        reason = f"cell {scan.cell} has no cycling run: siltomo cycling add FILE --cell {scan.cell}"
        return {**row, "status": str(Status.MISSING), "reason": reason}
    if isinstance(time, str):
        return {**row, "status": str(Status.MISSING), "reason": time}
    placed = [_place(one, time) for one in runs]
    inside = [(p, p.state) for p in placed if isinstance(p, _Placed) and isinstance(p.state, Found)]
    if len(inside) > 1:
        named = ", ".join(p.on.run.id for p, _ in inside)
        return {**row, "status": str(Status.REFUSED), "reason": f"it lies in {len(inside)} runs: {named}"}
    if not inside:
        return {**row, **_why_lost(placed)}
    where, state = inside[0]
    return {
        **row,
        **_state_columns(subject, where, state, row["flags"]),
        **_compared(scan, subject.cell, state, joining),
    }


def _empty(subject: Subject, time: ScanTime | str, joining: Joining) -> dict[str, Any]:
    """Return a row with what the scan says of itself, every column in its place."""
    scan, declared = subject.scan, subject.scan.state
    flag = time.flag if isinstance(time, ScanTime) else ""
    return {
        "scan": scan.id,
        "cell": scan.cell,
        "formulation": subject.cell.formulation if subject.cell else None,
        "scale": str(scan.scale),
        "mode": str(scan.mode),
        "status": str(Status.OK),
        "reason": "",
        "run": None,
        "cycle": None,
        "half": None,
        "capacity": None,
        "capacity_uncertainty": None,
        "capacity_uncertainty_parts": None,
        "capacity_start": None,
        "capacity_end": None,
        "charge": None,
        "voltage": None,
        "contraction": None,
        "contraction_uncertainty": None,
        "contraction_reason": "",
        "at_rest": None,
        "rest_share": None,
        "start": time.start.isoformat() if isinstance(time, ScanTime) else None,
        "duration": (time.end - time.start) / timedelta(seconds=1) if isinstance(time, ScanTime) else None,
        "record_time": None,
        "tolerance": joining.tolerance_s,
        "tolerance_from": "given" if joining.tolerance_s is not None else "",
        "declared_cycle": declared.cycle,
        "declared_half": str(declared.half),
        "declared_capacity": None if declared.capacity is None else declared.capacity.value,
        "declared_voltage": None if declared.voltage is None else declared.voltage.value,
        "agrees": None,
        "disagreement": "",
        "agree_within": joining.agree_within,
        "flags": [flag] if flag else [],
    }


def _place(one: _Run, time: ScanTime) -> _Placed | str:
    if one.record is None or one.clock is None or one.run.start is None:
        return one.reason
    try:
        start, end = (
            one.clock.record_s(beamline_s(t, one.run.start, scan_timezone=one.run.scan_timezone))
            for t in (time.start, time.end)
        )
    except BadInputError as error:
        return f"{error.message}: siltomo cycling align {one.run.id}"
    state = locate(
        one.record,
        start,
        end,
        tolerance_s=one.tolerance.seconds,
        clock_s=one.clock.offset_uncertainty_s,
    )
    return _Placed(one, start, end, state)


def _why_lost(placed: list[_Placed | str]) -> dict[str, Any]:
    refused, reasons = False, []
    for p in placed:
        if isinstance(p, str):
            reasons.append(p)
        elif isinstance(p.state, Lost):
            refused = refused or p.state.refused
            reasons.append(f"run {p.on.run.id}: {p.state.reason}")
    made: dict[str, Any] = {
        "status": str(Status.REFUSED if refused else Status.MISSING),
        "reason": "; ".join(reasons),
    }
    for p in placed:
        if isinstance(p, _Placed) and len(placed) == 1:
            made |= {"run": p.on.run.id, "record_time": (p.start_s + p.end_s) / 2, **_tolerance(p)}
    return made


def _tolerance(placed: _Placed) -> dict[str, Any]:
    return {"tolerance": placed.on.tolerance.seconds, "tolerance_from": placed.on.tolerance.source}


def _silicon(cell: Cell | None) -> Mass:
    """Return the silicon mass of a cell, or why it is not known."""
    return Mass(None, reason="the cell is not in the catalog") if cell is None else mass_of(cell)


def _state_columns(subject: Subject, placed: _Placed, state: Found, flags: list[str]) -> dict[str, Any]:
    """Return what was found; capacities per gram of silicon where its mass is known."""
    middle = state.middle
    mass = _silicon(subject.cell)
    columns: dict[str, Any] = {
        "run": placed.on.run.id,
        "cycle": middle.cycle,
        "half": middle.half,
        "charge": middle.capacity_Ah * 1e3,
        "voltage": middle.voltage_V,
        "at_rest": state.rest_share > 1 - RESTING,
        "rest_share": state.rest_share,
        "record_time": (placed.start_s + placed.end_s) / 2,
        **_tolerance(placed),
    }
    if state.rest_share <= 1 - RESTING:
        flags = [*flags, "current_flowed"]
    if state.clock_Ah is None:
        flags = [*flags, "clock_uncertainty_not_known"]
    if mass.mg is None:
        return {**columns, "flags": [*flags, "no_silicon_mass"], "reason": mass.reason}
    per = 1e6 / mass.mg
    capacity = middle.capacity_Ah * per
    parts = {"interval": state.interval_Ah * per, "switching": state.switching_Ah * per}
    if state.clock_Ah is not None:
        parts["clock"] = state.clock_Ah * per
    if mass.uncertainty_mg is not None:
        parts["mass"] = capacity * mass.uncertainty_mg / mass.mg
    return {
        **columns,
        "capacity": capacity,
        "capacity_uncertainty": math.hypot(*parts.values()),
        "capacity_uncertainty_parts": parts,
        "capacity_start": state.first.capacity_Ah * per,
        "capacity_end": state.last.capacity_Ah * per,
        "flags": flags,
    }


def _compared(scan: Scan, cell: Cell | None, state: Found, joining: Joining) -> dict[str, Any]:
    """Compare the declared state with the found one."""
    declared, middle = scan.state, state.middle
    wrong = []
    if declared.cycle != middle.cycle:
        wrong.append(f"cycle {declared.cycle} declared, {middle.cycle} found")
    rests = declared.half == HalfCycle.REST and state.rest_share > 0
    if str(declared.half) != middle.half and not rests:
        wrong.append(f"{declared.half} declared, {middle.half} found")
    mass = _silicon(cell)
    if declared.capacity is not None and mass.mg is not None and not wrong:
        found = middle.capacity_Ah * 1e6 / mass.mg
        if abs(found - declared.capacity.value) > joining.agree_within:
            wrong.append(f"{declared.capacity.value:.5g} mAh/g_Si declared, {found:.5g} found")
    if declared.voltage is not None:
        low, high = state.voltage_low_V - _VOLTAGE_WITHIN_V, state.voltage_high_V + _VOLTAGE_WITHIN_V
        if not low <= declared.voltage.value <= high:
            wrong.append(f"{declared.voltage.value:.4g} V declared, {middle.voltage_V:.4g} V found")
    return {"agrees": not wrong, "disagreement": "; ".join(wrong)}
