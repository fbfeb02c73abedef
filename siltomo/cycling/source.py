"""What every reader of cycling files takes and gives back, and what the readers share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Literal, Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import numpy as np

from siltomo.cycling.record import Floats, Points
from siltomo.errors import Amend, BadInputError, FormatError, NotFoundError, SiltomoError

__all__ = [
    "CyclingReader",
    "CyclingSource",
    "DateOrder",
    "border",
    "checked",
    "clock_beside",
    "clocks_differ",
    "not_there",
    "plain",
    "started",
    "zoned",
]

DateOrder = Literal["month-first", "day-first"]
DAMAGED = Amend(advice="copy the file again from the cycler's computer, or export it again")
LOST = Amend({"--allow-gaps": ""}, advice="export the file again; or leave the lost rows out")


@dataclass(frozen=True)
class CyclingSource:
    """What the user points at: a file, and what it does not say itself."""

    path: Path
    columns: Mapping[str, str] = field(default_factory=dict)
    """For tables: what is in which column, such as ``{"current": "I [mA]"}``; empty to recognise them."""
    map: str = ""
    """For tables: name of a column map of siltomo, or the path of one's own."""
    timezone: str = ""
    """Time zone of the cycler's clock, such as ``"Europe/Zurich"``."""
    date_order: DateOrder | None = None
    """How a date like 05/06/2025 is meant, where the file does not tell."""
    allow_gaps: bool = False
    """Leave out rows that are cut off or hold no numbers, and say so."""


class CyclingReader(Protocol):
    """One format: recognises it elsewhere, reads its points here."""

    def __call__(self, source: CyclingSource, /) -> Points:
        """Read the points.

        Raises
        ------
        FormatError
            When the file is damaged or not what it should be.
        """
        ...


def plain(text: object, limit: int = 300) -> str:
    """Return text from a file without control characters, cut to ``limit`` characters."""
    kept = "".join(c if c.isprintable() else " " for c in str(text)[: limit + 1]).strip()
    return kept if len(kept) <= limit else kept[: limit - 1] + "…"


@contextmanager
def border(path: Path) -> Iterator[None]:
    """Turn whatever a library raises inside into one siltomo error that names the file."""
    try:
        yield
    except SiltomoError as error:
        error.where = error.where or str(path)
        raise
    except FileNotFoundError as error:
        raise not_there(path) from error
    except Exception as error:  # readers raise anything on damaged files
        reason = f"{plain(error, 200) or 'no reason given'} ({type(error).__name__})"
        raise FormatError(f"cannot be read: {reason}", where=str(path), fix=DAMAGED) from error


def not_there(path: Path) -> NotFoundError:
    """Return the error for a file that does not exist."""
    return NotFoundError("no such file", where=str(path), fix=Amend(advice="check the path"))


def zoned(local: datetime | None, source: CyclingSource) -> datetime | None:
    """Put a wall-clock time into the time zone that the user named; None where there is none.

    Raises
    ------
    BadInputError
        When no time zone has that name.
    """
    if local is None or not source.timezone:
        return None
    try:
        return local.replace(tzinfo=ZoneInfo(source.timezone))
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInputError(
            f"there is no time zone {source.timezone!r}",
            code="SIL142",
            fix=Amend({"--timezone": "Europe/Zurich"}, advice="names are like Europe/Zurich or UTC"),
        ) from error


def started(points: Points, origin: datetime | None, source: CyclingSource) -> Points:
    """Say when the first point was taken, given the wall-clock time at which the file's time is 0.

    A time zone may change its hour in between, so the seconds are added in UTC where the zone is known.
    """
    if origin is None or not len(points) or not np.isfinite(points.time_s[0]):
        return points
    later = timedelta(seconds=float(points.time_s[0]))
    aware = zoned(origin, source)
    if aware is None:
        return replace(points, local_start=origin + later)
    first = (aware.astimezone(UTC) + later).astimezone(aware.tzinfo)
    said: tuple[str, ...] = ()
    if aware.utcoffset() != aware.replace(fold=1).utcoffset():
        said = (
            f"the start {origin} occurs twice in {source.timezone} (end of summer time); the first is taken",
        )
    return replace(
        points, start=first, local_start=first.replace(tzinfo=None), warnings=(*points.warnings, *said)
    )


def clock_beside(clock_s: Floats, time_s: Floats) -> Floats | None:
    """Return the cycler's clock from its first point, where it goes otherwise than the test time and can be true."""
    if not clocks_differ(clock_s, time_s) or np.any(np.diff(clock_s) < 0):
        return None
    beside: Floats = clock_s - clock_s[0]
    return beside


def clocks_differ(clock_s: Floats, time_s: Floats) -> tuple[str, ...]:
    """Say where the cycler's clock and its test time part: the test was paused, or one of them drifts."""
    apart = (clock_s - clock_s[0]) - (time_s - time_s[0])
    if not np.isfinite(apart).all():
        return ()
    worst = int(np.abs(apart).argmax())
    if abs(apart[worst]) < 2.0:  # clocks are often written in whole seconds
        return ()
    jumps = np.abs(np.diff(apart))
    where = int(jumps.argmax())
    if jumps[where] > 0.5 * abs(apart[worst]):
        how = f"most of it at once, after {time_s[where] - time_s[0]:.0f} s: the test was paused"
    else:
        how = "little by little: one of them drifts"
    return (
        f"the clock of the file and its test time differ by up to {abs(apart[worst]):.0f} s, {how}; the test time is "
        "used",
    )


def checked(points: Points, source: CyclingSource, *, first_row: int = 1) -> Points:
    """Return points that can be computed with: finite, in order of time, beginning at 0.

    Parameters
    ----------
    points
        As read; every array of one length.
    source
        The file.
    first_row
        Number of the row of the first point in the file, for messages.

    Raises
    ------
    FormatError
        When numbers are missing or infinite, or the time axis cannot be true; says where.
    """
    where = str(source.path)
    if len(points) < 2:
        raise FormatError(f"holds {len(points)} points; a record has at least two", where=where, fix=DAMAGED)
    named = {"time": points.time_s, "current": points.current_A, "voltage": points.voltage_V}
    good = np.logical_and.reduce([np.isfinite(values) for values in named.values()])
    warnings = points.warnings
    if not good.all():
        bad = np.flatnonzero(~good)
        name, values = next((n, v) for n, v in named.items() if not np.isfinite(v[bad[0]]))
        text = f"row {bad[0] + first_row} has no number for the {name} ({values[bad[0]]})"
        more = f", and {len(bad) - 1} more rows are like it" if len(bad) > 1 else ""
        if not source.allow_gaps:
            raise FormatError(f"{text}{more}", code="SIL143", where=where, fix=LOST)
        points = _selected(points, good)
        warnings = (*warnings, f"{len(bad)} rows without numbers were left out ({text})")
    points = _in_order(points, source, first_row)
    _check_cycles(points, source)
    clock = None if points.clock_s is None else points.clock_s - points.clock_s[0]
    return replace(points, time_s=points.time_s - points.time_s[0], clock_s=clock, warnings=warnings)


def _selected(points: Points, keep: np.ndarray) -> Points:
    def some(values: np.ndarray | None) -> np.ndarray | None:
        return None if values is None else values[keep]

    return replace(
        points,
        time_s=points.time_s[keep],
        current_A=points.current_A[keep],
        voltage_V=points.voltage_V[keep],
        step=some(points.step),
        cycle=some(points.cycle),
        step_time_s=some(points.step_time_s),
        clock_s=some(points.clock_s),
        counters_Ah={name: values[keep] for name, values in points.counters_Ah.items()},
    )


def _in_order(points: Points, source: CyclingSource, first_row: int) -> Points:
    """Refuse a time axis that cannot be true: it runs backwards, or stands still."""
    back = np.flatnonzero(np.diff(points.time_s) < 0)
    if back.size:
        row = int(back[0]) + 1
        reset = points.time_s[row] <= 0.01 * points.time_s[row - 1]
        hint = (
            "; it begins anew there, as a time within steps does: name the column of the whole test"
            * bool(reset)
        )
        raise FormatError(
            f"the time axis cannot be true: it goes from {points.time_s[row - 1]:.10g} s back to "
            f"{points.time_s[row]:.10g} s at row {row + first_row} ({len(back)} such places){hint}",
            code="SIL144",
            where=str(source.path),
            fix=Amend({"--columns": "time=..."}, advice="with the right column of time")
            if reset
            else Amend(advice="export the file again in the order of time"),
        )
    if points.time_s[-1] == points.time_s[0]:
        raise FormatError(
            "the time axis cannot be true: it stands still",
            code="SIL144",
            where=str(source.path),
            fix=DAMAGED,
        )
    return points


def _check_cycles(points: Points, source: CyclingSource) -> None:
    """Refuse a record that lost whole cycles, by the cycler's own numbers."""
    if points.cycle is None or source.allow_gaps:
        return
    numbers = np.unique(points.cycle)
    lost = np.setdiff1d(np.arange(numbers[0], numbers[-1]), numbers)
    if lost.size:
        shown = ", ".join(str(n) for n in lost[:5]) + (" ..." if lost.size > 5 else "")
        raise FormatError(
            f"rows are lost: the cycle numbers go from {numbers[0]} to {numbers[-1]}, and of "
            f"{'cycle' if lost.size == 1 else 'cycles'} {shown} there is no point",
            code="SIL145",
            where=str(source.path),
            fix=LOST,
        )
