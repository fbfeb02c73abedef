"""Figures of cycling runs as inputs of derived metrics."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from siltomo.cycling import HalfCycle
from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.resolve import FieldLeaf, Missing
from siltomo.engine.cycling.runs import read_run, runs_of
from siltomo.engine.cycling.summary import mass_of
from siltomo.engine.select import COLUMNS, Selection
from siltomo.engine.states import State
from siltomo.metrics import Field, Request
from siltomo.model import Cell, CyclingRun
from siltomo.units import Quantity

__all__ = ["CyclingFields", "with_cycles"]

_HALF = {"lithiation_capacity": "lithiation", "delithiation_capacity": "delithiation"}


@dataclass
class CyclingFields:
    """Looks up, for a state, what its cell's cycling runs say of its cycle."""

    catalog: Catalog
    _halves: dict[str, dict[tuple[int, str], tuple[str, HalfCycle]]] = field(default_factory=dict)

    def __call__(self, query: Field, state: State) -> FieldLeaf | Missing:
        """Return the figure that a field asks for, or why there is none."""
        name = query.path.partition(".")[2]
        if name == "si_mass":
            return self._mass(query, state)
        halves = self._of(state.cell)
        if not halves:
            return Missing(
                f"cell {state.cell} has no cycling run: siltomo cycling add FILE --cell {state.cell}"
            )
        if name == "first_delithiation_capacity":
            return self._first(query, halves)
        kind = state.half if name == "half_capacity" else _HALF[name]
        return self._capacity(query, state, kind, halves)

    def _of(self, cell: str) -> dict[tuple[int, str], tuple[str, HalfCycle]]:
        """Return the half-cycles of a cell by cycle and kind, each with its run."""
        if cell not in self._halves:
            self._halves[cell] = {
                (half.cycle, half.kind): (run.id, half)
                for run in runs_of(self.catalog, cell)
                for half in read_run(self.catalog, run).half_cycles
            }
        return self._halves[cell]

    def _capacity(
        self, query: Field, state: State, kind: str, halves: dict[tuple[int, str], tuple[str, HalfCycle]]
    ) -> FieldLeaf | Missing:
        found = halves.get((state.cycle, kind))
        if found is None:
            there = sorted({cycle for cycle, _ in halves})
            return Missing(
                f"the cycling run of {state.cell} has no {kind} of cycle {state.cycle}; it has cycles {there[0]} to "
                f"{there[-1]}"
            )
        run, half = found
        if not half.complete:
            return Missing(f"the {kind} of cycle {half.cycle} in run {run} is not complete: {half.reason}")
        return _leaf(query, run, half)

    def _first(
        self, query: Field, halves: dict[tuple[int, str], tuple[str, HalfCycle]]
    ) -> FieldLeaf | Missing:
        for number in sorted({cycle for cycle, _ in halves}):
            pair = [halves.get((number, kind)) for kind in ("lithiation", "delithiation")]
            if pair[1] is not None and all(one is not None and one[1].complete for one in pair):
                return _leaf(query, *pair[1])
        return Missing("no cycle of the run is complete")

    def _mass(self, query: Field, state: State) -> FieldLeaf | Missing:
        mass = mass_of(self.catalog.record(Cell, state.cell))
        if mass.mg is None:
            return Missing(mass.reason)
        key = f"cell/{state.cell}/{query.path}"
        return FieldLeaf(key, Quantity(mass.mg, mass.unit, mass.uncertainty_mg), query.unit)


def _leaf(query: Field, run: str, half: HalfCycle) -> FieldLeaf:
    unsure = half.unsure_Ah * 1e3
    value = Quantity(half.capacity_Ah * 1e3, "mAh", unsure if unsure > 0 else None)
    # one half-cycle is one variable, whatever it is asked for as
    return FieldLeaf(f"cycling_run/{run}/{half.cycle}/{half.kind}", value, query.unit)


def with_cycles(
    catalog: Catalog, request: Request, states: Iterable[State], where: Selection
) -> Iterator[State]:
    """Add the states that were cycled and not scanned, for metrics that need no scan.

    A metric of the cycling alone has a row for every cycle of every run; where it does not ask for the
    half-cycle, that of its delithiation.
    """
    found = list(states)
    yield from found
    queries = request.metric.queries.values()
    if not all(isinstance(query, Field) and query.path.startswith("cycling.") for query in queries):
        return
    halved = any(isinstance(query, Field) and query.path == "cycling.half_capacity" for query in queries)
    halves = ("lithiation", "delithiation") if halved else ("delithiation",)
    scanned = {(state.cell, state.cycle, state.half if halved else "delithiation") for state in found}
    cells = {cell.id: cell for cell in catalog.records(Cell)}
    for id_ in dict.fromkeys(run.cell for run in catalog.records(CyclingRun)):
        cycles = [cycle for run in runs_of(catalog, id_) for cycle in read_run(catalog, run).cycles]
        for cycle in cycles:
            there = [half for half in halves if not halved or getattr(cycle, half) is not None]
            for half in there:
                formulation = cells[id_].formulation
                columns = {"formulation": formulation, "cell": id_, "cycle": cycle.number, "half": half}
                if (id_, cycle.number, half) not in scanned and where(dict.fromkeys(COLUMNS) | columns):
                    yield State(id_, cycle.number, half, None, (), formulation)
