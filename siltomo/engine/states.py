"""States of cells: where micro, nano and cycling meet."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from siltomo.engine.compute.subjects import Subject

__all__ = ["State", "capacity_of", "ends_of", "states_of"]


@dataclass(frozen=True)
class State:
    """A state of a cell that was scanned."""

    cell: str
    cycle: int
    half: str
    capacity: float | None
    subjects: tuple[Subject, ...]
    """The scans in this state, each with one of its segmentations or none; none for a state that was only cycled."""
    formulation: str | None = None
    """The cell's formulation, where no scan tells it."""

    @property
    def words(self) -> str:
        """The state in words."""
        reached = "" if self.capacity is None else f", {self.capacity:g} mAh/g_Si"
        return f"{self.cell}, cycle {self.cycle}, {self.half}{reached}"


def states_of(subjects: Iterable[Subject]) -> list[State]:
    """Group scans into states of cells.

    Scans of one cell, cycle and half-cycle are one state, unless their capacities differ; a scan that does
    not say its capacity joins the others where there is only one they could mean.
    """
    groups: dict[tuple[str, int, str], list[Subject]] = defaultdict(list)
    for subject in subjects:
        scan = subject.outline
        groups[scan.cell, scan.cycle, scan.half].append(subject)
    made = []
    for (cell, cycle, half), members in groups.items():
        capacities = {capacity_of(s) for s in members}
        known = sorted(c for c in capacities if c is not None)
        wanted: list[float | None] = (
            [*known, None] if len(known) > 1 and None in capacities else [*known] or [None]
        )
        for capacity in wanted:
            own = tuple(
                s
                for s in members
                if capacity_of(s) == capacity or (len(known) == 1 and capacity_of(s) is None)
            )
            made.append(State(cell, cycle, half, capacity, own))
    return sorted(made, key=lambda s: (s.cell, s.cycle, s.half, s.capacity or 0.0))


def ends_of(states: Iterable[State], half: str) -> list[State]:
    """Return the last state of each half-cycle of a kind: the one of the largest capacity.

    Where some of several states do not say their capacity, which one is last is not known; all are returned.
    """
    groups: dict[tuple[str, int], list[State]] = defaultdict(list)
    for state in states:
        if state.half == half:
            groups[state.cell, state.cycle].append(state)
    made = []
    for members in groups.values():
        known = [s for s in members if s.capacity is not None]
        made += [max(known, key=lambda s: s.capacity or 0.0)] if len(known) == len(members) else members
    return made


def capacity_of(subject: Subject) -> float | None:
    """Return the capacity of a scan's state in mAh/g_Si, where it is known."""
    return subject.outline.capacity
