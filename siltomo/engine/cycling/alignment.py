"""Align the clock of a cycling run with the beamline's, from the rests that its scans were made in."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

import numpy as np

from siltomo.cycling.align import align, check_clock
from siltomo.cycling.align_answer import Alignment, Limits, Refusal
from siltomo.cycling.align_sweep import Intervals, rest_windows
from siltomo.cycling.clock import SECONDS_PER_DAY, Clock, hours_in_words, in_utc, time_zone
from siltomo.cycling.record import Record
from siltomo.engine.catalog import Catalog
from siltomo.engine.columns import scan_columns
from siltomo.engine.cycling.refusals import Evidence, listed, nothing_to_align, refused
from siltomo.engine.join.times import beamline_s, checked_zone, scan_time
from siltomo.engine.records import Change
from siltomo.engine.select import Selection, everything
from siltomo.errors import Amend, BadInputError, MismatchError, NotFoundError
from siltomo.model import Cell, CyclingRun, HalfCycle, Mode, Scan
from siltomo.units import Quantity

__all__ = ["AlignmentOrder", "Proposal", "apply_alignment", "propose_alignment", "run_named"]

ReadRun = Callable[[CyclingRun], Record]
"""Reads the record of a run."""

_EXAMPLE = "2021-06-14T10:41:07+02:00"
_SEARCH, _SLACK = Quantity(3.0, "h"), Quantity(1.0, "s")


@dataclass(frozen=True)
class AlignmentOrder:
    """What the user says of the two clocks."""

    target: str
    """Id of a run, or of a cell with one run."""
    offset: Quantity | None = None
    """The offset, where it is known: beamline minus cycler."""
    drift: Quantity | None = None
    """The drift, where it is known."""
    search: Quantity = _SEARCH
    """How far from zero the offset is looked for."""
    slack: Quantity = _SLACK
    """By how much a logged time may be off."""
    start: datetime | None = None
    """Start of the record, where the run has none."""
    timezone: str = ""
    """Time zone of the run's start, where it names none."""
    scan_timezone: str = ""
    """Time zone of the scans' times, where they name none."""
    where: Selection = everything
    """Which scans are looked at."""


@dataclass(frozen=True)
class Proposal:
    """A clock for a run: what was found, and what would be stored."""

    run: CyclingRun
    clock: Clock
    alignment: Alignment | None
    """None where the offset was given."""
    rows: tuple[Mapping[str, Any], ...]
    """One for each scan: when it was made on the record's clock, and in which rest."""
    changes: Mapping[str, Any]
    """Fields of the run that would change."""
    order: AlignmentOrder
    warnings: tuple[str, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)
    """Everything in plain values."""


def run_named(catalog: Catalog, name: str) -> CyclingRun:
    """Return a run by its id, or the only run of a cell.

    Raises
    ------
    NotFoundError
        When there is no such run or cell, or the cell has no run.
    BadInputError
        When the cell has several.
    """
    if catalog.store.find(CyclingRun.kind, name) is not None:
        return catalog.record(CyclingRun, name)
    if catalog.store.find(Cell.kind, name) is None:
        error = catalog.unknown(CyclingRun.kind, name)
        error.fix = "siltomo cycling list"
        raise error
    runs = [run for run in catalog.records(CyclingRun) if run.cell == name]
    if not runs:
        raise NotFoundError(f"cell {name} has no cycling run", fix=f"siltomo cycling add FILE --cell {name}")
    if len(runs) > 1:
        named = ", ".join(run.id for run in runs)
        raise BadInputError(
            f"cell {name} has {len(runs)} runs: {named}; each has its own clock",
            code="SIL142",
            fix=f"siltomo cycling align {runs[0].id}",
        )
    return runs[0]


def propose_alignment(catalog: Catalog, order: AlignmentOrder, *, read: ReadRun | None = None) -> Proposal:
    """Find the clock of a run; nothing is stored.

    Parameters
    ----------
    read
        Reads the record of the run; the catalog's own file without it.

    Raises
    ------
    NotFoundError
        When there is no such run.
    BadInputError
        When times lack zones, or when no offset is the only one that puts every scan into a rest; the message says
        what to give.
    """
    run = run_named(catalog, order.target)
    start = _start(run, order)
    scan_timezone = (
        checked_zone(order.scan_timezone, "--scan-timezone") if order.scan_timezone else run.scan_timezone
    )
    record = (read or _reader(catalog))(run)
    rests = rest_windows(record)
    search_s, slack_s = order.search.m_as("s"), order.slack.m_as("s")
    scans = _scans(catalog, run, order.where)
    timed = _timed(scans, start, scan_timezone, (-search_s, float(record.points.elapsed_s[-1]) + search_s))
    intervals = _intervals(timed)
    drift = None if order.drift is None else order.drift.m_as("s/d") / SECONDS_PER_DAY
    limits = Limits(search_s=(-search_s, search_s), slack_s=slack_s, drift=drift)
    alignment: Alignment | None = None
    if order.offset is not None:
        clock = Clock(order.offset.m_as("s"), drift or 0.0, order.offset.to("s").uncertainty)
        rest_of = check_clock(intervals, rests, clock, slack_s=slack_s)
    else:
        if not timed:
            raise nothing_to_align(run, scans)
        answer = align(intervals, rests, limits)
        if isinstance(answer, Refusal):
            evidence = Evidence(run.id, tuple(scan.id for scan, _ in timed), intervals, rests, limits)
            raise refused(answer, evidence, wall_clocks=start.tzinfo is None)
        alignment, clock, rest_of = answer, answer.clock, answer.rest_of
    rows = tuple(
        _row(scan, interval, clock, rests, rest)
        for (scan, interval), rest in zip(timed, rest_of, strict=True)
    )
    zones = {"timezone": order.timezone or run.timezone, "scan_timezone": scan_timezone}
    changes = _changes(run, clock, start, zones, drift_known=drift is not None)
    made = Proposal(run, clock, alignment, rows, changes, order, _warnings(rows, clock, start))
    return _with_data(made, rests, left_out=len(scans) - len(timed))


def apply_alignment(catalog: Catalog, proposal: Proposal) -> Change:
    """Store the clock of a proposal as a new revision of its run."""
    return catalog.set(CyclingRun, proposal.run.id, proposal.changes)


def _reader(catalog: Catalog) -> ReadRun:
    from siltomo.engine.cycling.runs import read_run

    return lambda run: read_run(catalog, run)


# ---- times -----------------------------------------------------------------------------------------------------


def _start(run: CyclingRun, order: AlignmentOrder) -> datetime:
    stated = run.source.facts.get("start", "") if run.source else ""
    start = order.start or run.start
    if order.start is not None and run.start is not None and stated and order.start != run.start:
        raise MismatchError(
            f"the file of run {run.id} says that it starts at {run.start.isoformat(' ')} ({stated}), you say "
            f"{order.start.isoformat(' ')}; clocks that differ have an offset",
            code="SIL142",
            fix=Amend(drop=("--start",)),
        )
    if start is None:
        raise BadInputError(
            f"run {run.id} has no start time: its file states none",
            code="SIL142",
            fix=Amend({"--start": "2021-06-14T10:12:33+02:00"}, advice="with the time of its first point"),
        )
    zone = checked_zone(order.timezone, "--timezone") if order.timezone else run.timezone
    if start.tzinfo is not None and order.timezone not in ("", run.timezone):
        raise MismatchError(
            f"run {run.id} starts at {start.isoformat(' ')}, which has a time zone already",
            code="SIL141",
            fix=f"siltomo cycling set {run.id} --timezone {order.timezone}",
        )
    if start.tzinfo is not None or not zone:
        return start
    return in_utc(start, zone).astimezone(time_zone(zone))


def _scans(catalog: Catalog, run: CyclingRun, where: Selection) -> list[Scan]:
    """Return the scans that were made while the cell was cycled: operando, and not of the pristine cell."""
    cell = catalog.record(Cell, run.cell)
    return [
        scan
        for scan in catalog.records(Scan)
        if scan.cell == run.cell
        and scan.mode == Mode.OPERANDO
        and scan.state.half != HalfCycle.PRISTINE
        and where(scan_columns(scan, cell))
    ]


_Timed = list[tuple[Scan, tuple[float, float]]]


def _timed(scans: Sequence[Scan], start: datetime, zone: str, span: tuple[float, float]) -> _Timed:
    """Return the scans with a start and an end near the record, in the order of time."""
    found: _Timed = []
    for scan in scans:
        time = scan_time(scan)
        if isinstance(time, str) or not time.is_interval:
            continue
        try:
            first, last = (beamline_s(t, start, scan_timezone=zone) for t in (time.start, time.end))
        except BadInputError as error:
            error.where = error.where or f"scan {scan.id}"
            error.fix = error.fix or f"siltomo catalog set {scan.id} --start {_EXAMPLE} --end {_EXAMPLE}"
            raise
        if last >= span[0] and first <= span[1]:
            found.append((scan, (first, last)))
    return sorted(found, key=lambda one: (one[1], one[0].id))


def _intervals(timed: _Timed) -> Intervals:
    times = np.array([interval for _, interval in timed], np.float64).reshape(-1, 2)
    return Intervals(times[:, 0], times[:, 1])


# ---- what is said ----------------------------------------------------------------------------------------------


def _row(
    scan: Scan, interval: tuple[float, float], clock: Clock, rests: Intervals, rest: int
) -> dict[str, Any]:
    start, end = (clock.record_s(time) for time in interval)
    inside = rest >= 0
    return {
        "scan": scan.id,
        "scale": str(scan.scale),
        "start": round(start, 3),
        "end": round(end, 3),
        "rest": rest + 1 if inside else None,
        "rest_start": float(rests.start_s[rest]) if inside else None,
        "rest_end": float(rests.end_s[rest]) if inside else None,
        "in_rest": inside,
        "unit": "s",
    }


def _changes(
    run: CyclingRun, clock: Clock, start: datetime, zones: Mapping[str, str], *, drift_known: bool
) -> dict[str, Any]:
    spread = clock.offset_uncertainty_s
    offset = Quantity(round(clock.offset_s, 3), "s", None if spread is None else round(spread, 3))
    per_day = clock.drift * SECONDS_PER_DAY
    drift = str(Quantity(float(f"{per_day:.6g}"), "s/d")) if per_day or drift_known else None
    changes: dict[str, Any] = {"clock_offset": str(offset), "clock_drift": drift}
    if start != run.start:
        changes["start"] = start.isoformat()
    return changes | {name: zone for name, zone in zones.items() if zone != getattr(run, name)}


def _warnings(rows: Sequence[Mapping[str, Any]], clock: Clock, start: datetime) -> tuple[str, ...]:
    said = []
    moving = [row["scan"] for row in rows if not row["in_rest"]]
    if moving:
        said.append(f"{len(moving)} of {len(rows)} scans do not lie in a rest: {listed(moving)}")
    hours = hours_in_words(clock.offset_s)
    if hours:
        zones = "" if start.tzinfo is not None else "; --scan-timezone and --timezone say which"
        said.append(f"the offset is {hours}{zones}")
    return tuple(said)


def _with_data(made: Proposal, rests: Intervals, *, left_out: int) -> Proposal:
    alignment, clock = made.alignment, made.clock
    data: dict[str, Any] = {
        "run": made.run.id,
        "cell": made.run.cell,
        "how": "given" if alignment is None else "estimated from rests",
        "offset": clock.offset_s,
        "offset_uncertainty": clock.offset_uncertainty_s,
        "offset_low": None if alignment is None else alignment.low_s,
        "offset_high": None if alignment is None else alignment.high_s,
        "margin": None if alignment is None else alignment.margin_s,
        "drift": clock.drift * SECONDS_PER_DAY,
        "drift_low": None if alignment is None else alignment.drift_low * SECONDS_PER_DAY,
        "drift_high": None if alignment is None else alignment.drift_high * SECONDS_PER_DAY,
        "drift_estimated": alignment is not None and alignment.drift_is_estimated,
        "units": {**dict.fromkeys(_SECONDS, "s"), **dict.fromkeys(_PER_DAY, "s/d")},
        "searched": made.order.search.m_as("s"),
        "stops": None if alignment is None else alignment.stops,
        "rests": len(rests),
        "left_out": left_out,
        "runner_up": None,
        "stored": False,
        "scans": list(made.rows),
    }
    if alignment is not None and alignment.runner_up is not None:
        other = alignment.runner_up
        data["runner_up"] = {"offset": other.offset_s, "stops": other.stops, "shift": other.shift}
    return replace(made, data=data)


_SECONDS = ("offset", "offset_uncertainty", "offset_low", "offset_high", "margin", "searched")
_PER_DAY = ("drift", "drift_low", "drift_high")
