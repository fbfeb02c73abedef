"""Two clocks: that of the beamline, on which scans are timed, and that of the cycler, on which its record runs.

A time of the beamline in seconds from the start of the record, ``b``, and a time of the record, ``t``, are tied by
``b = offset + (1 + drift) * t``. The record counts elapsed seconds, so that it never jumps; a wall clock does, twice a
year, unless its zone is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from siltomo.errors import BadInputError

__all__ = ["SECONDS_PER_DAY", "Clock", "hours_in_words", "in_utc", "seconds_from", "time_zone"]

SECONDS_PER_DAY = 86_400.0
NEAR_AN_HOUR_S = 300.0
"""An offset this close to whole hours is more likely a time zone, or daylight saving, than a wrong clock."""


@dataclass(frozen=True)
class Clock:
    """How the beamline's clock goes against the record's.

    Examples
    --------
    >>> Clock(offset_s=1234.0).record_s(2234.0)
    1000.0
    >>> Clock(offset_s=0.0, drift=0.01).record_s(1010.0)
    1000.0
    """

    offset_s: float
    """Beamline minus cycler at the start of the record, in seconds."""
    drift: float = 0.0
    """Seconds that the beamline's clock gains on the cycler's in each second of the cycler's."""
    offset_uncertainty_s: float | None = None
    """Standard uncertainty of the offset, in seconds; None where it is not known."""

    def record_s(self, beamline_s: float) -> float:
        """Return the time of the record at a time of the beamline, both in seconds from its start."""
        return (beamline_s - self.offset_s) / (1.0 + self.drift)

    def beamline_s(self, record_s: float) -> float:
        """Return the time of the beamline at a time of the record, both in seconds from its start."""
        return self.offset_s + (1.0 + self.drift) * record_s


def time_zone(name: str) -> ZoneInfo:
    """Return a time zone by its name in the IANA database, such as ``"Europe/Zurich"``.

    Raises
    ------
    BadInputError
        When there is no such zone.
    """
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise BadInputError(
            f"there is no time zone {name!r}; write its name, such as Europe/Zurich or UTC",
            code="SIL141",
        ) from error


def in_utc(time: datetime, zone: str = "") -> datetime:
    """Return a time in UTC; a time without a zone is read in ``zone``.

    Raises
    ------
    BadInputError
        When neither names a zone, or when the clocks were put back or forward over this time, so that it came twice
        or never.

    Examples
    --------
    >>> in_utc(datetime(2021, 10, 31, 1, 30), "Europe/Zurich").isoformat()
    '2021-10-30T23:30:00+00:00'
    """
    if time.tzinfo is not None:
        return time.astimezone(UTC)
    if not zone:
        raise BadInputError(f"{time.isoformat(' ')} names no time zone", code="SIL141")
    first, second = (time.replace(tzinfo=time_zone(zone), fold=fold) for fold in (0, 1))
    if first.utcoffset() != second.utcoffset():
        comes_twice = first.astimezone(UTC) < second.astimezone(UTC)
        raise BadInputError(
            f"{time.isoformat(' ')} {'came twice' if comes_twice else 'never was'} in {zone}, where the clocks were "
            f"put {'back' if comes_twice else 'forward'}: write it with its offset from UTC, such as "
            f"{second.isoformat()}",
            code="SIL141",
        )
    return first.astimezone(UTC)


def seconds_from(start: datetime, time: datetime, *, zone: str = "", start_zone: str = "") -> float:
    """Return the seconds from the start of a record to a time of the beamline.

    Two times without zones, and without any declared, are compared as they were read off the two wall clocks.

    Raises
    ------
    BadInputError
        When only one of them has a zone.
    """
    wall_clocks = start.tzinfo is None and time.tzinfo is None and not zone and not start_zone
    if wall_clocks:
        return (time - start) / timedelta(seconds=1)
    return (in_utc(time, zone) - in_utc(start, start_zone)) / timedelta(seconds=1)


def hours_in_words(offset_s: float) -> str:
    """Say that an offset is nearly a whole number of hours; empty where it is not, or is near zero.

    Examples
    --------
    >>> hours_in_words(3612.0)
    '1 h and 12 s: one clock keeps daylight-saving time, or the zone of one is not what was said'
    >>> hours_in_words(1234.0), hours_in_words(-40.0)
    ('', '')
    """
    hours = round(offset_s / 3600.0)
    rest = offset_s - 3600.0 * hours
    if hours == 0 or abs(rest) > NEAR_AN_HOUR_S:
        return ""
    tail = "" if abs(rest) < 0.5 else f" {'and' if rest * hours > 0 else 'less'} {abs(rest):.0f} s"
    why = "one clock keeps daylight-saving time, or the zone of one is not what was said"
    if abs(hours) > 1:
        why = "the clocks keep different time zones"
    return f"{'minus ' if hours < 0 else ''}{abs(hours)} h{tail}: {why}"
