"""What a cycling record is: points as the cycler logged them, then steps, half-cycles and cycles.

Frozen values, no I/O. Times are seconds from the first point of the file, currents are in ampere with the sign
of the file, voltages in volt, capacities in ampere-hour and never negative.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

import numpy as np
from numpy.typing import NDArray

__all__ = ["Cycle", "Floats", "Half", "HalfCycle", "Integers", "Kind", "Points", "Record", "Step"]

Half = Literal["lithiation", "delithiation"]
Kind = Literal["lithiation", "delithiation", "rest"]
Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Points:
    """The points of one file, in its order, in SI units and with its own sign of the current.

    All arrays have the shape (n,) with n >= 2 and hold finite numbers.
    """

    time_s: Floats
    """Seconds from the first point (so ``time_s[0] == 0``)."""
    current_A: Floats
    """Current with the sign of the file; see ``Record.positive_current`` for its meaning."""
    voltage_V: Floats
    """Voltage of the cell (for a half-cell: of the working electrode against lithium)."""
    format: str
    """What the file is, in words, such as ``"BioLogic .mpt"``."""
    step: Integers | None = None
    """The cycler's own step number, where the file has one."""
    cycle: Integers | None = None
    """The cycler's own cycle number, where the file has one."""
    counters_Ah: Mapping[str, Floats] = field(default_factory=dict)
    """The cycler's own capacity counters by column name: compared, never used."""
    step_time_s: Floats | None = None
    """Seconds since the cycler's own step began, where the file has them: they say when a current was switched."""
    current_is_mean: bool = False
    """True where the current of a point is the mean since the point before (BioLogic ``<I>/mA``)."""
    clock_s: Floats | None = None
    """Seconds from the first point on the cycler's clock, where the file has it and the test time does not go with
    it: the test was paused. Ascending."""
    start: datetime | None = None
    """When the first point was taken, with a time zone; None where the zone is unknown."""
    local_start: datetime | None = None
    """The same as written in the file, without a time zone: the cycler's wall clock."""
    start_source: str = ""
    """Where in the file the start stands, and how it was read, in words."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """What else the file says, in its own words, such as a device or a comment."""
    warnings: tuple[str, ...] = ()
    """What the user should know, such as an ambiguous date or a default mass that was ignored."""

    def __len__(self) -> int:
        return len(self.time_s)

    @property
    def elapsed_s(self) -> Floats:
        """Seconds from the first point as they passed, pauses of the test included."""
        return self.time_s if self.clock_s is None else self.clock_s


@dataclass(frozen=True)
class Step:
    """A run of points with one kind of current: lithiation, delithiation or rest."""

    kind: Kind
    """What the current does to the silicon; ``"rest"`` where there is none."""
    first: int
    """Index of its first point."""
    last: int
    """Index of its last point (included)."""
    start_s: float
    """When it began, in seconds from the first point of the record."""
    end_s: float
    """When it ended; the next step begins there or later."""
    capacity_Ah: float
    """Charge that passed in it, from the current; 0 for a rest."""
    capacity_before_Ah: float
    """Capacity that its half-cycle had reached when it began (for a rest: which it keeps)."""
    start_voltage_V: float
    """Voltage of its first point."""
    end_voltage_V: float
    """Voltage of its last point."""
    half_cycle: int | None
    """Index in ``Record.half_cycles`` of its half-cycle (for a rest: the one before it); None before the first."""
    cycle: int
    """Number of its cycle; 0 before the first half-cycle."""


@dataclass(frozen=True)
class HalfCycle:
    """All steps from the first current in one direction to the last: pauses inside do not end it."""

    kind: Half
    """``"lithiation"`` or ``"delithiation"``."""
    cycle: int
    """Number of its cycle, from 1."""
    steps: tuple[int, ...]
    """Indices in ``Record.steps``, pauses included, in order."""
    start_s: float
    """When its current began."""
    end_s: float
    """When its current ended."""
    capacity_Ah: float
    """Charge that passed in it."""
    end_voltage_V: float
    """Voltage of its last point with current."""
    mean_current_A: float
    """Charge divided by the time under current; never negative."""
    complete: bool
    """True where it reached its end: a cut-off voltage, or a turn to the other direction."""
    reason: str = ""
    """Why it does not count as complete."""
    unsure_Ah: float = 0.0
    """Charge that may have passed between points at which the current was switched; not in ``capacity_Ah``
    where it is not known."""


@dataclass(frozen=True)
class Cycle:
    """A lithiation and the delithiation that follows it; one of them may be missing at an end of the file."""

    number: int
    """From 1, or from the number that the run was given for its first cycle."""
    lithiation: HalfCycle | None
    delithiation: HalfCycle | None
    complete: bool
    """True where both halves are there and complete."""
    reason: str = ""
    """Why it does not count as complete."""


@dataclass(frozen=True, eq=False)
class Record:
    """One file, understood: points, what a positive current means, steps, half-cycles and cycles."""

    points: Points
    positive_current: Half
    """What a positive current of the file does to the silicon."""
    rest_current_A: float
    """Currents up to this one (absolute) count as rest."""
    steps: tuple[Step, ...]
    half_cycles: tuple[HalfCycle, ...]
    cycles: tuple[Cycle, ...]
    capacity_Ah: Floats
    """Capacity in the half-cycle reached at each point, shape (n,); constant through a pause, nan outside any."""
    step_of: Integers
    """Index in ``steps`` of each point, shape (n,)."""
    basis: Mapping[str, str] = field(default_factory=dict)
    """How the record was understood, in words: what decided the sign, the rest current, the cut-offs."""
    warnings: tuple[str, ...] = ()
    """The warnings of the points and what the analysis adds to them."""
