"""For each offset between two clocks: how many intervals of one lie inside intervals of the other. Exact, no grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siltomo.cycling.record import Floats, Integers, Record

__all__ = ["Intervals", "Plateau", "assigned", "plateaus", "rest_windows", "stops_of"]

NOWHERE = -1
"""Stands for the rest of an interval that lies in none."""


@dataclass(frozen=True, eq=False)
class Intervals:
    """Intervals of time in seconds, each with its start and its end, shape (n,)."""

    start_s: Floats
    end_s: Floats

    def __len__(self) -> int:
        return len(self.start_s)

    def scaled(self, factor: float) -> Intervals:
        """Return them on a clock that runs ``factor`` times as fast."""
        return Intervals(self.start_s * factor, self.end_s * factor)

    def taken(self, which: Integers) -> Intervals:
        """Return some of them, by index."""
        return Intervals(self.start_s[which], self.end_s[which])


@dataclass(frozen=True)
class Plateau:
    """A range of offsets over which the same intervals fit."""

    low_s: float
    high_s: float
    fits: int
    """How many intervals fit."""

    @property
    def middle_s(self) -> float:
        """Its middle."""
        return (self.low_s + self.high_s) / 2


def rest_windows(record: Record) -> Intervals:
    """Return the rests of a record, ascending and disjoint, in seconds from its start.

    The current stopped somewhere between the last point that has some and the first that has none: a window reaches
    from the one to the other, so that it holds the rest whatever the sampling.
    """
    time = record.points.elapsed_s
    windows: list[list[float]] = []
    after = NOWHERE
    for number, step in enumerate(record.steps):
        if step.kind != "rest":
            continue
        start = float(time[max(step.first - 1, 0)])
        end = float(time[min(step.last + 1, len(time) - 1)])
        if windows and after == number - 1:
            windows[-1][1] = end
        else:
            windows.append([start, end])
        after = number
    made = np.array(windows, dtype=np.float64).reshape(-1, 2)
    return Intervals(made[:, 0], made[:, 1])


def plateaus(
    scans: Intervals, rests: Intervals, *, search: tuple[float, float], slack_s: float
) -> list[Plateau]:
    """Return the ranges of offsets (scan clock minus rest clock) in which scans lie in rests, the best first.

    Scan ``i`` lies in rest ``j`` for offsets from ``end[i] - rest_end[j]`` to ``start[i] - rest_start[j]``; sweeping
    over all these bounds counts exactly, with ``scans * rests`` numbers and no step of search.
    """
    low = np.maximum(scans.end_s[:, None] - rests.end_s - slack_s, search[0])
    high = np.minimum(scans.start_s[:, None] - rests.start_s + slack_s, search[1])
    fits = low <= high
    bounds = np.concatenate([low[fits], high[fits]])
    change = np.concatenate([np.ones(fits.sum(), np.int64), -np.ones(fits.sum(), np.int64)])
    order = np.lexsort((-change, bounds))
    bounds, counts = bounds[order], np.cumsum(change[order])
    kept = np.flatnonzero((counts[:-1] > 0) & (bounds[1:] > bounds[:-1]))
    kept = kept[np.lexsort((bounds[kept], -counts[kept]))]
    return [Plateau(float(bounds[i]), float(bounds[i + 1]), int(counts[i])) for i in kept]


def assigned(scans: Intervals, rests: Intervals, offset_s: float, *, slack_s: float) -> Integers:
    """Return the rest that each scan lies in at an offset, -1 for none; shape (n,)."""
    start, end = scans.start_s - offset_s, scans.end_s - offset_s
    rest = np.searchsorted(rests.start_s, start + slack_s, side="right") - 1
    inside: NDArray[np.bool_] = (rest >= 0) & (rests.end_s[rest] >= end - slack_s)
    return np.where(inside, rest, NOWHERE).astype(np.int64)


def stops_of(scans: Intervals, rest_of: Integers) -> tuple[Intervals, Integers]:
    """Join the scans that share a rest into stops; a scan in none is a stop of its own.

    Returns
    -------
    Intervals
        From the first start to the last end of each stop, in the order of time.
    array of int, shape (n,)
        The stop of each scan.
    """
    lone = rest_of == NOWHERE
    name = np.where(lone, -1 - np.arange(len(scans)), rest_of)
    _, stop_of = np.unique(name, return_inverse=True)
    count = int(stop_of.max()) + 1
    start, end = np.full(count, np.inf), np.full(count, -np.inf)
    np.minimum.at(start, stop_of, scans.start_s)
    np.maximum.at(end, stop_of, scans.end_s)
    order = np.argsort(start, kind="stable")
    place = np.empty(count, np.int64)
    place[order] = np.arange(count)
    return Intervals(start[order], end[order]), place[stop_of]
