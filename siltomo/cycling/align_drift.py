"""Offset and drift together: the region of both in which every stop lies in its rest is a convex polygon."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siltomo.cycling.align_sweep import Intervals
from siltomo.cycling.record import Floats

__all__ = ["Region", "clock_region", "nearest_rests"]


@dataclass(frozen=True)
class Region:
    """The offsets and drifts that fit, every pair of them as likely as the other."""

    offset_s: float
    """Mean offset at the start of the record."""
    offset_uncertainty_s: float
    """Its standard deviation."""
    drift: float
    """Mean drift, in seconds per second."""
    drift_uncertainty: float
    drift_low: float
    drift_high: float


def nearest_rests(stops: Intervals, rests: Intervals, offset_s: float, drift: float) -> tuple[int, ...]:
    """Return for each stop the rest whose middle is nearest, given a clock."""
    middles = offset_s + (1 + drift) * (rests.start_s + rests.end_s) / 2
    wanted = (stops.start_s + stops.end_s) / 2
    right = np.clip(np.searchsorted(middles, wanted), 1, len(middles) - 1) if len(middles) > 1 else 0
    left = np.maximum(np.asarray(right) - 1, 0)
    nearer = np.where(wanted - middles[left] <= np.abs(middles[right] - wanted), left, right)
    return tuple(int(rest) for rest in np.broadcast_to(nearer, wanted.shape))


def clock_region(
    stops: Intervals, held: Intervals, *, search: tuple[float, float], max_drift: float, slack_s: float
) -> Region | None:
    """Return the clocks that put each stop into the rest that is said to hold it; None when there is none.

    Parameters
    ----------
    stops
        Intervals on the beamline's clock, in seconds from the start of the record.
    held
        The rest of each, on the record's clock.

    Notes
    -----
    ``offset + (1 + drift) * rest_start <= stop_start`` and ``offset + (1 + drift) * rest_end >= stop_end`` are
    half-planes in offset and drift: a rectangle is clipped by each in turn. Drift is counted in seconds over the
    length of the record, so that both axes have one scale.
    """
    length = max(float(held.end_s[-1] - held.start_s[0]), 1.0)
    middle = float(held.start_s[0]) + length / 2
    reach = max_drift * length
    # the axes: drift over the length, offset at the middle of the record
    low, high = search[0] - reach, search[1] + reach
    corners = np.array([[-reach, low], [reach, low], [reach, high], [-reach, high]])
    for n in range(len(stops)):
        start, end = float(held.start_s[n]), float(held.end_s[n])
        before = np.array([(start - middle) / length, 1.0])
        after = np.array([-(end - middle) / length, -1.0])
        corners = _clipped(corners, before, float(stops.start_s[n]) - start + slack_s)
        corners = _clipped(corners, after, end - float(stops.end_s[n]) + slack_s)
        if len(corners) < 3:
            return None
    drifts = corners[:, 0] / length
    offsets = corners[:, 1] - drifts * middle
    mean, spread = _moments(np.stack([corners[:, 0], offsets], axis=1))
    return Region(
        offset_s=float(mean[1]),
        offset_uncertainty_s=float(spread[1]),
        drift=float(mean[0]) / length,
        drift_uncertainty=float(spread[0]) / length,
        drift_low=float(drifts.min()),
        drift_high=float(drifts.max()),
    )


def _clipped(corners: Floats, normal: Floats, limit: float) -> Floats:
    """Cut a convex polygon by the half-plane ``normal . x <= limit`` (Sutherland and Hodgman)."""
    over = corners @ normal - limit
    kept: list[Floats] = []
    for n in range(len(corners)):
        this, following = n, (n + 1) % len(corners)
        if over[this] <= 0:
            kept.append(corners[this])
        if over[this] * over[following] < 0:
            share = over[this] / (over[this] - over[following])
            kept.append(corners[this] + share * (corners[following] - corners[this]))
    return np.array(kept, dtype=np.float64).reshape(-1, 2)


def _moments(corners: Floats) -> tuple[Floats, Floats]:
    """Return the mean and the standard deviation along each axis of a uniform density on a convex polygon."""
    shift = corners.mean(axis=0)
    local = corners - shift
    first, second, third = local[:1].repeat(len(local) - 2, 0), local[1:-1], local[2:]
    side, other = second - first, third - first
    areas = np.abs(side[:, 0] * other[:, 1] - side[:, 1] * other[:, 0]) / 2
    total = areas.sum()
    if total <= 0:
        return shift, np.ptp(corners, axis=0) / np.sqrt(12.0)
    summed = first + second + third
    mean = (areas[:, None] * summed / 3).sum(axis=0) / total
    squares = (areas[:, None] * (first**2 + second**2 + third**2 + summed**2) / 12).sum(axis=0) / total
    return shift + mean, np.sqrt(np.maximum(squares - mean**2, 0.0))
