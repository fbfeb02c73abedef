"""The figures of a cycle: capacities, efficiency, retention; each missing one with its reason."""

from __future__ import annotations

from dataclasses import dataclass

from siltomo.cycling.record import Cycle, HalfCycle, Record

__all__ = ["CycleFigures", "figures_of"]

ABOVE_ONE = 1.0
"""More cannot come out of the silicon than went in, since the record began."""


@dataclass(frozen=True)
class CycleFigures:
    """The figures of one cycle; None where there is none, with the reason in ``reasons``."""

    cycle: int
    lithiation_mAh: float | None
    delithiation_mAh: float | None
    irreversible_mAh: float | None
    """Lithiation less delithiation; only for complete cycles."""
    coulombic_efficiency: float | None
    """Delithiation over lithiation of the same cycle; only for complete cycles."""
    retention: float | None
    """Delithiation over that of the first complete cycle."""
    lithiation_end_V: float | None
    delithiation_end_V: float | None
    lithiation_mA: float | None
    """Mean size of the current while it flowed."""
    delithiation_mA: float | None
    start_s: float
    end_s: float
    complete: bool
    reasons: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    """What cannot be as it is, such as an efficiency above 100 %."""


def figures_of(record: Record) -> tuple[CycleFigures, ...]:
    """Compute the figures of each cycle of a record.

    Coulombic efficiency and retention are refused for incomplete cycles: a half-cycle that was
    stopped says how long it ran, not what the cell gives back.
    """
    first = next((c for c in record.cycles if c.complete), None)
    return tuple(_figures(cycle, first) for cycle in record.cycles)


def _figures(cycle: Cycle, first: Cycle | None) -> CycleFigures:
    lithiation, delithiation = cycle.lithiation, cycle.delithiation
    halves = [half for half in (lithiation, delithiation) if half is not None]
    efficiency = irreversible = retention = None
    flags: list[str] = []
    if cycle.complete and lithiation is not None and delithiation is not None:
        efficiency = delithiation.capacity_Ah / lithiation.capacity_Ah
        irreversible = _milli(lithiation) - _milli(delithiation)
        if efficiency > ABOVE_ONE:
            flags.append(f"coulombic efficiency above 100 %: {efficiency:.2%}")
    if (
        delithiation is not None
        and delithiation.complete
        and first is not None
        and first.delithiation is not None
    ):
        retention = delithiation.capacity_Ah / first.delithiation.capacity_Ah
    return CycleFigures(
        cycle=cycle.number,
        lithiation_mAh=None if lithiation is None else _milli(lithiation),
        delithiation_mAh=None if delithiation is None else _milli(delithiation),
        irreversible_mAh=irreversible,
        coulombic_efficiency=efficiency,
        retention=retention,
        lithiation_end_V=None if lithiation is None else lithiation.end_voltage_V,
        delithiation_end_V=None if delithiation is None else delithiation.end_voltage_V,
        lithiation_mA=None if lithiation is None else lithiation.mean_current_A * 1e3,
        delithiation_mA=None if delithiation is None else delithiation.mean_current_A * 1e3,
        start_s=min(half.start_s for half in halves),
        end_s=max(half.end_s for half in halves),
        complete=cycle.complete,
        reasons=() if cycle.complete else (f"no coulombic efficiency: {cycle.reason}",),
        flags=tuple(flags),
    )


def _milli(half: HalfCycle) -> float:
    return half.capacity_Ah * 1e3
