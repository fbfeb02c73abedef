"""Curves of a half-cycle: voltage against capacity, and its differential capacity."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from siltomo.cycling.record import Floats, HalfCycle, Record

__all__ = ["Curve", "differential_capacity", "voltage_curve"]


@dataclass(frozen=True, eq=False)
class Curve:
    """Two columns of one length."""

    x: Floats
    y: Floats


def voltage_curve(record: Record, half: HalfCycle) -> Curve:
    """Return voltage in V (y) against the capacity in mAh (x) reached in a half-cycle; pauses left out."""
    chosen = _points(record, half)
    return Curve(record.capacity_Ah[chosen] * 1e3, record.points.voltage_V[chosen])


def differential_capacity(record: Record, half: HalfCycle, *, step_V: float = 0.005) -> Curve:
    """Return dQ/dV in mAh/V (y) against voltage in V (x) of a half-cycle.

    Charge is gathered in bins of voltage, which needs no smoothing and conserves it: the sum of the bins times
    their width is the capacity between the first and the last point. The charge between two points is spread
    over the bins between their voltages.

    Parameters
    ----------
    step_V
        Width of the bins in V.
    """
    voltage, charge = _increments(record, half)
    if not len(charge):
        return Curve(np.empty(0), np.empty(0))
    low = np.floor(voltage.min() / step_V)
    edges = (low + np.arange(np.ceil(voltage.max() / step_V) - low + 2)) * step_V
    bins = np.zeros(len(edges) - 1)
    begin, end = voltage.min(axis=1), voltage.max(axis=1)
    width = end - begin
    flat = width < 1e-12
    np.add.at(bins, np.searchsorted(edges, begin[flat], side="right") - 1, charge[flat])
    below = (
        np.clip((edges[None, :] - begin[~flat, None]) / width[~flat, None], 0, 1) if (~flat).any() else None
    )
    if below is not None:
        bins += (np.diff(below, axis=1) * charge[~flat, None]).sum(axis=0)
    return Curve((edges[:-1] + edges[1:]) / 2, bins / step_V)


def _points(record: Record, half: HalfCycle) -> np.ndarray:
    return np.concatenate(
        [
            np.arange(record.steps[n].first, record.steps[n].last + 1)
            for n in half.steps
            if record.steps[n].kind == half.kind
        ]
    )


def _increments(record: Record, half: HalfCycle) -> tuple[Floats, Floats]:
    """Return the voltages at both ends of each interval under current, shape (m, 2), and its charge in mAh."""
    pairs, charges = [np.empty((0, 2))], [np.empty(0)]
    for n in half.steps:
        step = record.steps[n]
        if step.kind == half.kind and step.last > step.first:
            voltage = record.points.voltage_V[step.first : step.last + 1]
            pairs.append(np.column_stack([voltage[:-1], voltage[1:]]))
            charges.append(np.diff(record.capacity_Ah[step.first : step.last + 1]) * 1e3)
    return np.concatenate(pairs), np.concatenate(charges)
