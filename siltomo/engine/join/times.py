"""When scans were made, on the clock of a cycling record."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from siltomo.cycling.clock import SECONDS_PER_DAY, Clock, seconds_from, time_zone
from siltomo.errors import Amend, BadInputError
from siltomo.model import CyclingRun, Scan

__all__ = ["ScanTime", "beamline_s", "checked_zone", "clock_of", "scan_time"]


@dataclass(frozen=True)
class ScanTime:
    """From when to when a scan was made, on the beamline's clock."""

    start: datetime
    end: datetime
    flag: str = ""
    """Set where only one time is known: the interval is then an instant."""

    @property
    def is_interval(self) -> bool:
        """Whether both its start and its end are known."""
        return not self.flag


def scan_time(scan: Scan) -> ScanTime | str:
    """Return when a scan was made, or why that is not known."""
    start, end = scan.acquisition.start, scan.acquisition.end
    if start is not None and end is not None:
        return ScanTime(start, end)
    for known, flag in (
        (start, "no_end_time"),
        (scan.state.time, "no_start_and_end_time"),
        (end, "no_start_time"),
    ):
        if known is not None:
            return ScanTime(known, known, flag)
    return (
        f"scan {scan.id} says no time: siltomo catalog set {scan.id} "
        "--start 2021-06-14T10:41:07+02:00 --end 2021-06-14T10:44:07+02:00"
    )


def clock_of(run: CyclingRun) -> Clock | str:
    """Return the clock of a run against the beamline's, or why it is not known."""
    if run.start is None:
        return f"run {run.id} has no start time: siltomo cycling align {run.id} --start 2021-06-14T10:12:33+02:00"
    if run.clock_offset is None:
        return f"the clock of run {run.id} is not aligned with the beamline's: siltomo cycling align {run.id}"
    drift = 0.0 if run.clock_drift is None else run.clock_drift.m_as("s/d") / SECONDS_PER_DAY
    return Clock(run.clock_offset.m_as("s"), drift, run.clock_offset.uncertainty)


def beamline_s(time: datetime, start: datetime, *, scan_timezone: str = "") -> float:
    """Return a time of the beamline in seconds from the start of a record.

    Raises
    ------
    BadInputError
        When only one of the two times has a zone, or the time came twice or never in its zone.
    """
    if time.tzinfo is None and not scan_timezone and start.tzinfo is not None:
        raise BadInputError(
            f"the record starts at {start.isoformat(' ')}, the scan's time {time.isoformat(' ')} names no time zone",
            code="SIL141",
            fix=Amend({"--scan-timezone": "Europe/Zurich"}, advice="with the zone of the beamline's clock"),
        )
    if start.tzinfo is None and (time.tzinfo is not None or scan_timezone):
        raise BadInputError(
            f"the scan's time {time.isoformat(' ')} has a time zone{f' ({scan_timezone})' if scan_timezone else ''}, "
            f"the record's start {start.isoformat(' ')} names none",
            code="SIL141",
            fix=Amend({"--timezone": "Europe/Zurich"}, advice="with the zone of the cycler's clock"),
        )
    return seconds_from(start, time, zone=scan_timezone)


def checked_zone(name: str, option: str) -> str:
    """Return the name of a time zone if there is one of this name.

    Raises
    ------
    BadInputError
        When there is none.
    """
    try:
        time_zone(name)
    except BadInputError as error:
        error.fix = Amend({option: "Europe/Zurich"})
        raise
    return name
