"""Find the offset between the beamline's clock and the cycler's: in interrupted operando each scan lies in a rest.

An offset is accepted only where every scan lies in a rest and no other way of laying them into rests comes near.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator

import numpy as np

from siltomo.cycling.align_answer import Alignment, Alternative, Limits, Refusal
from siltomo.cycling.align_drift import Region, clock_region, nearest_rests
from siltomo.cycling.align_sweep import (
    NOWHERE,
    Intervals,
    Plateau,
    assigned,
    plateaus,
    stops_of,
)
from siltomo.cycling.clock import SECONDS_PER_DAY, Clock
from siltomo.cycling.record import Integers

__all__ = ["Alignment", "Alternative", "Limits", "Refusal", "align", "check_clock", "find_jump"]

MIN_STOPS = 3
"""Two stops are two numbers for one unknown: their spacing could be anybody's."""
MIN_STOPS_FOR_DRIFT = 6
MIN_MISFITS = 2
"""How many stops the next best answer must miss: missing one is what a shift by one stop does."""
_UNSEEN_DRIFT = 10.0 / SECONDS_PER_DAY
"""What a computer's clock may drift without anybody noticing; part of the uncertainty where none is estimated."""
_SHOWN = 5
_MAX_DRIFT_STEPS = 1000

_Found = tuple[Plateau, Integers, Intervals, Alternative | None]
"""The best offsets, the rest of each stop, the stops, and the next best answer."""


def align(scans: Intervals, rests: Intervals, limits: Limits = Limits()) -> Alignment | Refusal:  # noqa: B008 -- frozen
    """Estimate the offset of the beamline's clock against a record's from the rests in which scans were made.

    Parameters
    ----------
    scans
        Start and end of each scan on the beamline's clock, in seconds from the start of the record, in any order.
    rests
        The rests of the record, ascending and disjoint, in seconds from its start.
    limits
        What may be supposed.

    Returns
    -------
    Alignment or Refusal
        The middle of the range of offsets with every scan in a rest; its uncertainty is that of a uniform density
        on the range. A refusal where scans are left over, or where another assignment of stops to rests misses
        fewer than two of them.

    Notes
    -----
    Scans in one rest (two magnifications at one stop) are one stop: they are one piece of evidence. A drift is
    estimated only where no offset alone fits, from six stops on.
    """
    longest, shortest = (
        float(pick(i.end_s - i.start_s)) if len(i) else 0.0 for pick, i in ((np.max, rests), (np.min, scans))
    )
    if not len(scans) or not len(rests) or longest + 2 * limits.slack_s < shortest:
        return Refusal("no_rest", _no_rest(scans, rests, longest, shortest))
    factor = 1.0 + (limits.drift or 0.0)
    found = _at_drift(scans, rests.scaled(factor), limits)
    if isinstance(found, Refusal):
        drifting = _with_drift(scans, rests, limits) if _may_drift(found, limits) else None
        return drifting or found
    return _steady(scans, rests, found, limits)


def check_clock(scans: Intervals, rests: Intervals, clock: Clock, *, slack_s: float = 1.0) -> tuple[int, ...]:
    """Return the rest that each scan lies in by a given clock, -1 for none."""
    if not len(rests):
        return (NOWHERE,) * len(scans)
    return tuple(
        int(r) for r in assigned(scans, rests.scaled(1 + clock.drift), clock.offset_s, slack_s=slack_s)
    )


def find_jump(scans: Intervals, rests: Intervals, limits: Limits = Limits()) -> tuple[int, float] | None:  # noqa: B008
    """Return from which scan on the beamline's clock has jumped by an hour, and by how much; None if not so.

    This is what wall clocks without a zone do in the night when daylight saving begins or ends.

    Returns
    -------
    (int, float) or None
        Place of the scan in what was given, and the jump in seconds.
    """
    ranges = plateaus(scans, rests, search=limits.search_s, slack_s=limits.slack_s)
    bounds = np.unique([bound for one in ranges for bound in (one.low_s, one.high_s)])
    for jump in (-3600.0, 3600.0):
        both = np.union1d(bounds, bounds - jump)
        for offset in (both[1:] + both[:-1]) / 2:
            before = assigned(scans, rests, offset, slack_s=limits.slack_s) != NOWHERE
            if not before.any():
                continue
            after = assigned(scans, rests, offset + jump, slack_s=limits.slack_s) != NOWHERE
            only_after = np.flatnonzero(after & ~before)
            if not (before | after).all() or not len(only_after):
                continue
            # in the hour that comes twice, later scans have earlier times: they are put in order before comparing
            first = int(only_after[np.argmin(scans.start_s[only_after])])
            if float(scans.start_s[before & ~after].max(initial=-np.inf)) < scans.start_s[first] - jump:
                return first, jump
    return None


def _steady(scans: Intervals, rests: Intervals, found: _Found, limits: Limits) -> Alignment:
    """Return the clock without a drift, or with the one that is known; an unseen drift widens its uncertainty."""
    plateau, rest_of, stops, other = found
    drift = limits.drift or 0.0
    unseen = _UNSEEN_DRIFT if limits.drift is None else 0.0
    spread = (plateau.high_s - plateau.low_s) / math.sqrt(12.0)
    low = high = drift
    if unseen:
        held = rests.taken(rest_of)
        wide, narrow = (
            clock_region(stops, held, search=limits.search_s, max_drift=most, slack_s=limits.slack_s)
            for most in (max(limits.max_drift, unseen), unseen)
        )
        if wide and narrow:
            low, high = wide.drift_low, wide.drift_high
            spread = math.hypot(narrow.offset_uncertainty_s, narrow.offset_s - plateau.middle_s)
    clock = Clock(plateau.middle_s, drift, spread)
    return Alignment(
        clock=clock,
        low_s=plateau.low_s,
        high_s=plateau.high_s,
        rest_of=check_clock(scans, rests, clock, slack_s=limits.slack_s),
        stops=len(stops),
        drift_low=low,
        drift_high=high,
        runner_up=other,
    )


# ---- one drift -------------------------------------------------------------------------------------------------


def _at_drift(scans: Intervals, rests: Intervals, limits: Limits) -> _Found | Refusal:
    """Look for the one offset, the drift being in the rests already."""
    slack, search = limits.slack_s, limits.search_s
    best = plateaus(scans, rests, search=search, slack_s=slack)[:1]
    if not best:
        return Refusal("misfits", "no offset that was searched puts any scan into a rest", (), _all(scans))
    stops, stop_of = stops_of(scans, assigned(scans, rests, best[0].middle_s, slack_s=slack))
    ranked = plateaus(stops, rests, search=search, slack_s=slack)
    rest_of = assigned(stops, rests, ranked[0].middle_s, slack_s=slack)
    others = list(_others(stops, rests, ranked, rest_of, slack))
    here = Alternative(ranked[0].middle_s, ranked[0].fits, 0)
    if ranked[0].fits < len(stops):
        left = np.flatnonzero(rest_of[stop_of] == NOWHERE)
        reason = f"at the best offset {len(left)} of {len(scans)} scans lie in no rest"
        return Refusal("misfits", reason, (here, *others), tuple(int(i) for i in left))
    refusal = _too_close(here, others, len(stops))
    return refusal or (ranked[0], rest_of, stops, others[0] if others else None)


def _too_close(best: Alternative, others: list[Alternative], stops: int) -> Refusal | None:
    """Refuse where another answer explains nearly as much."""
    near = [other for other in others if other.stops > stops - MIN_MISFITS]
    if near:
        shifts = {other.shift for other in near}
        what = "a shift by one stop" if shifts <= {-1, 1} else "another order of stops in rests"
        reason = f"{what} fits {near[0].stops} of {stops} stops too"
        return Refusal("ambiguous", reason, (best, *near))
    if stops < MIN_STOPS:
        reason = f"the scans were made at {_count(stops, 'stop')}; {MIN_STOPS} are needed to tell an offset"
        return Refusal("too_few", reason, (best,))
    return None


def _others(
    stops: Intervals, rests: Intervals, ranked: list[Plateau], rest_of: Integers, slack_s: float
) -> Iterator[Alternative]:
    """List the offsets that lay some stop into another rest, the best first, each assignment once."""
    seen: set[bytes] = set()
    for plateau in ranked:
        other = assigned(stops, rests, plateau.middle_s, slack_s=slack_s)
        both = (other != NOWHERE) & (rest_of != NOWHERE) & (other != rest_of)
        moved = (other - rest_of)[both]
        if not len(moved) or (key := moved.tobytes()) in seen:
            continue
        seen.add(key)
        (shift, _), *_ = Counter(moved.tolist()).most_common(1)
        yield Alternative(plateau.middle_s, plateau.fits, int(shift))
        if len(seen) == _SHOWN:
            return


# ---- drift -----------------------------------------------------------------------------------------------------


def _may_drift(refusal: Refusal, limits: Limits) -> bool:
    return refusal.why == "misfits" and limits.drift is None and limits.max_drift > 0


def _with_drift(scans: Intervals, rests: Intervals, limits: Limits) -> Alignment | Refusal | None:
    """Look for an offset and a drift together; None where they do not fit either."""
    regions: dict[tuple[int, ...], tuple[Region, Intervals]] = {}
    near: list[Alternative] = []
    grid = _drifts(scans, rests, limits)
    for drift in grid:
        scaled = rests.scaled(1 + drift)
        best = plateaus(scans, scaled, search=limits.search_s, slack_s=limits.slack_s)[:1]
        if not best or 2 * best[0].fits < len(scans):
            continue
        held = nearest_rests(scans, rests, best[0].middle_s, drift)
        stops, _ = stops_of(scans, np.array(held, np.int64))
        order = tuple(sorted(set(held)))
        if order not in regions:
            region = clock_region(
                stops,
                rests.taken(np.array(order, np.int64)),
                search=limits.search_s,
                max_drift=limits.max_drift,
                slack_s=limits.slack_s,
            )
            if region is not None:
                regions[order] = region, stops
    if not regions:
        return None
    (held_by, (region, stops)), *more = regions.items()
    here = Alternative(region.offset_s, len(stops), 0)
    if more:
        near = [Alternative(r.offset_s, len(s), order[0] - held_by[0]) for order, (r, s) in more]
        return Refusal("ambiguous", "with a drift, more than one order of stops in rests fits", (here, *near))
    if len(stops) < MIN_STOPS_FOR_DRIFT:
        reason = (
            f"no offset alone fits; one with a drift of {region.drift * SECONDS_PER_DAY:.3g} s/d does, but "
            f"{_count(len(stops), 'stop')} cannot tell a drift: {MIN_STOPS_FOR_DRIFT} are needed"
        )
        return Refusal("too_few", reason, (here,))
    return _drifting(scans, rests, stops, region, limits=limits, grid=grid)


def _drifting(
    scans: Intervals, rests: Intervals, stops: Intervals, region: Region, *, limits: Limits, grid: list[float]
) -> Alignment | Refusal:
    """Accept a clock with a drift, unless another fits nearly as well at any drift that was looked at."""
    best = Clock(region.offset_s, region.drift, region.offset_uncertainty_s)
    scaled = rests.scaled(1 + region.drift)
    rest_of = assigned(stops, scaled, region.offset_s, slack_s=limits.slack_s)
    others: list[Alternative] = []
    for drift in grid:
        at = rests.scaled(1 + drift)
        ranked = plateaus(stops, at, search=limits.search_s, slack_s=limits.slack_s)
        others += _others(stops, at, ranked[: 4 * len(stops)], rest_of, limits.slack_s)
    others.sort(key=lambda other: (-other.stops, abs(other.offset_s - best.offset_s)))
    refusal = _too_close(Alternative(best.offset_s, len(stops), 0), others, len(stops))
    if refusal:
        return refusal
    same = plateaus(stops, scaled, search=limits.search_s, slack_s=limits.slack_s)[0]
    return Alignment(
        clock=best,
        low_s=same.low_s,
        high_s=same.high_s,
        rest_of=check_clock(scans, rests, best, slack_s=limits.slack_s),
        stops=len(stops),
        drift_is_estimated=True,
        drift_low=region.drift_low,
        drift_high=region.drift_high,
        drift_uncertainty=region.drift_uncertainty,
        runner_up=others[0] if others else None,
    )


def _drifts(scans: Intervals, rests: Intervals, limits: Limits) -> list[float]:
    """List drifts close enough together that the stops of neighbours overlap, the smallest first."""
    length = max(float(scans.end_s.max() - scans.start_s.min()), 1.0)
    widths = rests.end_s - rests.start_s
    room = widths[widths >= float((scans.end_s - scans.start_s).min())]
    step = max(0.1 * float(np.median(room)) / length, limits.max_drift / _MAX_DRIFT_STEPS)
    count = math.ceil(limits.max_drift / step)
    return sorted((n * limits.max_drift / count for n in range(-count, count + 1)), key=abs)


# ---- words -----------------------------------------------------------------------------------------------------


def _all(scans: Intervals) -> tuple[int, ...]:
    return tuple(range(len(scans)))


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _no_rest(scans: Intervals, rests: Intervals, longest: float, shortest: float) -> str:
    if not len(scans):
        return "there is no scan with a start and an end"
    if not len(rests):
        return "the record has no rest"
    return (
        f"the longest rest of the record is {longest:.0f} s and the shortest scan {shortest:.0f} s: "
        "the cycling was not interrupted for the scans"
    )
