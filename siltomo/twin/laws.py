"""What the twin's electrodes do: thickness, cracks, gas and SEI as functions of formulation and state.

Numbers are those of Vanpeene et al. (2024), doi:10.1002/aenm.202403741, where it prints them; widths and open
shares of the crack network are calibrated so that the twin's crack fractions and surfaces are the printed ones
(see docs/validation.md). What neither prints is marked ``assumed``.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from siltomo.errors import BadInputError

__all__ = ["C_THEORY", "LAWS", "CrackLevel", "Cracks", "HalfCycles", "Law", "NanoState", "blend"]

C_THEORY = 3579.0
"""Theoretical capacity of silicon in mAh/g_Si."""


@dataclass(frozen=True)
class CrackLevel:
    """One level of the mud-crack network."""

    level: int
    """Number of the level; another number is another network."""
    spacing_um: float
    """Mean distance of its sites."""
    width_um: float
    """Mean width of its cracks at mid-height."""
    collector_um: float
    separator_um: float
    """Widths whose ratio gives the taper from the collector to the separator."""
    share: float
    """Share of its edges that are open."""

    @property
    def taper(self) -> float:
        """Relative change of the width from mid-height to the separator."""
        return (self.separator_um - self.collector_um) / (self.separator_um + self.collector_um)


Cracks = tuple[CrackLevel, ...]


def blend(start: CrackLevel, end: CrackLevel, t: float) -> CrackLevel:
    """Return the level part of the way from one state to another."""
    between = {
        name: getattr(start, name) + t * (getattr(end, name) - getattr(start, name))
        for name in ("width_um", "collector_um", "separator_um", "share")
    }
    return replace(end, **between)


@dataclass(frozen=True)
class HalfCycles:
    """A full cycle of the interrupted operando run."""

    start: float
    """Expansion before it, as a fraction of the initial thickness."""
    top: float
    """Expansion at full lithiation."""
    end: float
    """Expansion where the delithiation ended."""
    lithiation: float
    delithiation: float
    """Capacities of its halves in mAh/g_Si."""
    delay: float = 0.0
    """Capacity before the expansion begins, in mAh/g_Si."""
    complete: bool = True
    """Whether the delithiation reached its cut-off."""


@dataclass(frozen=True)
class NanoState:
    """What the nano scale looks like; fractions are of the volume inside an islet."""

    silicon: float
    """Volume fraction of silicon grains."""
    sei_per_si: float
    """Volume of the SEI-rich phase in cm^3/g_Si."""
    shell_um: float
    """Thickness of the SEI shells."""
    pores: float
    """Volume fraction of pores and micro-cracks."""
    crack_um: float
    """Width of the micro-cracks; 0 for rounded pores only."""


@dataclass(frozen=True)
class Law:
    """How the electrodes of one formulation live."""

    ink: str
    initial_thickness_um: float
    loading: float
    """Silicon per area in mg_Si/cm^2."""
    cycles: Mapping[int, HalfCycles]
    """Cycles of the operando run."""
    onset: float
    """Contraction at which cracks open, as a fraction of the initial thickness."""
    onset_cracks: CrackLevel
    cracks: Mapping[int, CrackLevel]
    """First level at the end of each operando cycle."""
    second: CrackLevel | None
    second_onset: float
    aged: Mapping[int, float]
    """Expansion of the aged cells, by cycle."""
    aged_cracks: Mapping[int, Cracks]
    aged_capacity: tuple[float, float]
    """Delithiation capacities of cycles 1 and 25 of the aged cells in mAh/g_Si; linear between."""
    gas: Mapping[tuple[int, str], tuple[tuple[float, float], ...]]
    """Gas in cm^3/g_Si against the capacity of the half-cycle."""
    gas_in_cracks: float
    """Share of cracks that gas fills after the first lithiation."""
    nano: Mapping[int, NanoState]
    ageing: float = field(default=0.985)
    """Coulombic efficiency of the aged cells after cycle 1 (assumed)."""

    def expansion(self, cycle: int, half: str, capacity: float) -> float:
        """Return the expansion of the operando cell, as a fraction of the initial thickness."""
        if half == "pristine":
            return 0.0
        one = self._cycle(cycle)
        if half == "lithiation":
            t = max(0.0, capacity - one.delay) / (one.lithiation - one.delay)
            return one.start + t * (one.top - one.start)
        return one.top + capacity / one.delithiation * (one.end - one.top)

    def contraction(self, cycle: int, half: str, capacity: float) -> float:
        """Return how far the operando cell is below its largest thickness of the cycle."""
        return 0.0 if half == "pristine" else self._cycle(cycle).top - self.expansion(cycle, half, capacity)

    def operando_cracks(self, cycle: int, half: str, capacity: float) -> Cracks:
        """Return the cracks of the operando cell: they open on contraction and close on expansion."""
        if half == "pristine" or (cycle == 1 and half == "lithiation"):
            return ()
        now = self.contraction(cycle, half, capacity)
        if now < self.onset * (1 - 1e-9):
            return ()
        one = self._cycle(cycle)
        # a cycle that begins cracked closes what the cycle before left open
        opened = self.cracks[cycle - 1 if half == "lithiation" or not one.complete else cycle]
        widest = one.top - (one.start if half == "lithiation" or not one.complete else one.end)
        first = blend(self.onset_cracks, opened, min(1.0, (now - self.onset) / (widest - self.onset)))
        if self.second is None or cycle > 1 or now <= self.second_onset:
            return (first,)
        grown = (now - self.second_onset) / (widest - self.second_onset)
        return (first, replace(self.second, share=self.second.share * min(1.0, grown)))

    def operando_gas(self, cycle: int, half: str, capacity: float) -> float:
        """Return the gas in the separator in cm^3/g_Si."""
        points = self.gas.get((cycle, half), ((0.0, 0.0),))
        if capacity <= points[0][0]:
            return points[0][1]
        for (q0, v0), (q1, v1) in itertools.pairwise(points):
            if capacity <= q1:
                return v0 + (capacity - q0) / (q1 - q0) * (v1 - v0)
        return points[-1][1]

    def aged_delithiation(self, cycle: int) -> float:
        """Return the delithiation capacity of an aged cell in mAh/g_Si."""
        first, last = self.aged_capacity
        return first + (cycle - 1) / 24 * (last - first)

    def aged_lithiation(self, cycle: int) -> float:
        """Return the lithiation capacity of an aged cell in mAh/g_Si."""
        if cycle == 1:
            return self.cycles[1].lithiation
        return self.aged_delithiation(cycle) / self.ageing

    def _cycle(self, cycle: int) -> HalfCycles:
        if cycle not in self.cycles:
            known = ", ".join(map(str, self.cycles))
            raise BadInputError(f"the operando run of {self.ink} has cycles {known}, not {cycle}")
        return self.cycles[cycle]


def _level(level: int, spacing: float, width: float, ends: tuple[float, float], share: float) -> CrackLevel:
    return CrackLevel(level, spacing, width, ends[0], ends[1], share)


_REF_END = (1.92, 1.83)
_ZN_END = (1.8, 2.7)

LAWS = {
    "reference": Law(
        ink="reference",
        initial_thickness_um=40.5,
        loading=1.75,
        cycles={
            1: HalfCycles(0.0, 1.03, 0.42, 2779, 2238, delay=250),
            2: HalfCycles(0.42, 1.08, 0.55, 2640, 2440),  # not imaged: start, end and capacities between
            3: HalfCycles(0.55, 1.11, 0.816, 2537, 1329, complete=False),
        },
        onset=0.28,
        onset_cracks=_level(1, 19, 1.30, (0.91, 0.65), 0.12),
        cracks={1: _level(1, 19, 2.30, _REF_END, 0.655), 2: _level(1, 19, 1.60, _REF_END, 0.42)},
        second=None,
        second_onset=1.0,
        aged={0: 0.0, 1: 17 / 40.5, 5: 27.8 / 40.5, 25: 42 / 40.5},
        aged_cracks={
            0: (),
            1: (_level(1, 19, 2.30, _REF_END, 0.655),),
            5: (_level(1, 19, 1.08, (1.92, 1.6), 0.59),),
            25: (_level(1, 19, 0.90, (1.92, 1.4), 0.15),),
        },
        aged_capacity=(2238, 1520),
        gas={
            (1, "lithiation"): ((0, 0.0), (119.25, 0.43)),
            (1, "delithiation"): ((0, 0.43), (238.5, 0.15)),
            (2, "delithiation"): ((0, 0.06), (2440, 0.04)),
            (3, "lithiation"): ((0, 0.04), (2537, 0.02)),
            (3, "delithiation"): ((0, 0.02),),
        },
        gas_in_cracks=0.10,
        nano={
            0: NanoState(0.20, 0.0, 0.0, 0.35, 0.0),
            1: NanoState(0.140, 1.19, 0.093, 0.18, 0.427),
            5: NanoState(0.120, 1.73, 0.153, 0.13, 0.50),
            25: NanoState(0.100, 2.49, 0.242, 0.18, 0.617),
        },
    ),
    "with-zn": Law(
        ink="with-zn",
        initial_thickness_um=40.0,
        loading=1.85,
        cycles={
            1: HalfCycles(0.0, 0.97, 0.25, 3303, 2764),
            2: HalfCycles(0.25, 1.03, 0.42, 2870, 2790),  # not imaged: start, end and capacities between
            3: HalfCycles(0.42, 1.08, 0.44, 2818, 2740),
        },
        onset=0.20,
        onset_cracks=_level(1, 40, 1.08, (0.91, 1.12), 0.50),
        cracks={
            1: _level(1, 40, 3.9, _ZN_END, 0.84),
            2: _level(1, 40, 2.98, _ZN_END, 0.62),
            3: _level(1, 40, 2.98, _ZN_END, 0.62),
        },
        second=_level(2, 15, 1.6, (1.0, 1.0), 0.40),
        second_onset=0.53,
        aged={0: 0.0, 1: 10 / 40, 5: 16 / 40, 25: 35 / 40},
        aged_cracks={
            0: (),
            1: (_level(1, 40, 3.9, _ZN_END, 0.84), _level(2, 15, 1.6, (1.0, 1.0), 0.40)),
            5: (_level(3, 8, 1.45, (1.2, 1.6), 0.63),),
            25: (_level(3, 8, 1.50, (1.6, 1.3), 0.61),),
        },
        aged_capacity=(2764, 2550),
        gas={
            (1, "lithiation"): ((0, 0.0), (119.25, 0.32)),
            (1, "delithiation"): ((0, 0.32), (238.5, 0.24), (2764, 0.20)),
            (2, "delithiation"): ((0, 0.14), (2790, 0.11)),
            (3, "lithiation"): ((0, 0.11), (2818, 0.03)),
            (3, "delithiation"): ((0, 0.03),),
        },
        gas_in_cracks=0.40,
        nano={
            0: NanoState(0.20, 0.0, 0.0, 0.37, 0.0),
            1: NanoState(0.161, 0.63, 0.092, 0.20, 1.0),
            5: NanoState(0.144, 1.02, 0.119, 0.21, 1.1),
            25: NanoState(0.112, 1.74, 0.178, 0.21, 0.9),
        },
    ),
}
"""The laws by formulation."""
