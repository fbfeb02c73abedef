"""Tables of the cycling: capacity and efficiency by cycle, voltage curves."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import pandas as pd

from siltomo.engine.catalog import Catalog
from siltomo.engine.cycling.show import curve_rows
from siltomo.engine.cycling.summary import by_formulation, mass_of, summary_of
from siltomo.engine.figures.tables import FigureTable, formulations_of
from siltomo.errors import Amend, BadInputError, NotFoundError
from siltomo.model import Cell, CyclingRun

__all__ = ["QUANTITIES", "cycling_table", "voltage_table"]

QUANTITIES = {
    "capacity": "specific_delithiation_capacity",
    "lithiation": "specific_lithiation_capacity",
    "ce": "coulombic_efficiency",
    "irreversible": "irreversible_capacity",
    "retention": "retention",
}
"""Short names of what can be shown by cycle; the names of ``siltomo cycling summary`` can be given too."""


def cycling_table(
    catalog: Catalog,
    cells: Sequence[str] = (),
    *,
    quantities: Sequence[str] = ("capacity", "ce"),
    by: Literal["formulation", "cell"] = "formulation",
) -> FigureTable:
    """Return figures of the cycles, one number a row (Fig. 2a and b of the founding study).

    Parameters
    ----------
    cells
        Ids of cells; all that have cycling runs without any.
    quantities
        What to show, see ``QUANTITIES``.
    by
        Means over the cells of a formulation, with their standard deviation in ``uncertainty`` and their number
        in ``n``; or each cell. Cycles that are not complete have no value, and say why.

    Raises
    ------
    BadInputError
        When a quantity is not known.
    NotFoundError
        When no cell has a cycling run.
    """
    made = summary_of(catalog, list(cells) or None)
    if not made.rows:
        raise NotFoundError("no cell has a cycling run", fix="siltomo cycling add FILE --cell CELL")
    named = [QUANTITIES.get(name, name) for name in quantities]
    for name in named:
        if name not in made.units:
            raise BadInputError(
                f"cycles have no {name!r}; known: {', '.join([*QUANTITIES, *made.units])}",
                fix=Amend({"--y": "capacity"}),
            )
    whole = by_formulation(made) if by == "formulation" else made
    rows = [_row(row, name, made.units[name]) for name in named for row in whole.rows]
    if by == "formulation":
        rows += [
            _lost(row, name, made.units[name]) for name in named for row in made.rows if not row["complete"]
        ]
    table = pd.DataFrame(rows)
    return FigureTable(table, formulations_of(catalog), whole.warnings)


def _row(row: Any, name: str, unit: str) -> dict[str, Any]:
    mean = "n" in row
    complete = mean or bool(row["complete"])
    value = row[name] if complete else None
    return {
        "metric": name,
        "value": value,
        "unit": unit,
        "uncertainty": row[f"{name}_sd"] if mean else None,
        "n": row["n"] if mean else 1,
        "status": "ok" if value is not None else "missing",
        "reason": "" if value is not None or mean else row["reason"],
        "formulation": row["formulation"],
        "cell": ", ".join(row["cells"]) if mean else row["cell"],
        "cycle": row["cycle"],
    }


def _lost(row: Any, name: str, unit: str) -> dict[str, Any]:
    """Return the row of a cycle of one cell that enters no mean."""
    left = {**row, "complete": False}
    return {**_row(left, name, unit), "n": 0}


def voltage_table(
    catalog: Catalog, cells: Sequence[str] = (), *, cycles: Sequence[int] = (1, 5, 25)
) -> FigureTable:
    """Return voltage against capacity of chosen cycles (Fig. 2c and d).

    Cycles that a cell's record does not hold are named in the warnings.

    Parameters
    ----------
    cells
        Ids of cells; without any, for each formulation the one whose record holds the most of the cycles.
    cycles
        Numbers of cycles.

    Raises
    ------
    NotFoundError
        When there is no curve to show.
    """
    known = {cell.id: cell for cell in catalog.records(Cell)}
    runs: dict[str, list[str]] = {}
    for run in catalog.records(CyclingRun):
        if run.source is not None:
            runs.setdefault(run.cell, []).append(run.id)
    for cell in cells:
        catalog.record(Cell, cell)
    chosen = list(cells) or _fullest(catalog, runs, known, cycles)
    rows: list[dict[str, Any]] = []
    said: list[str] = []
    for cell in chosen:
        for cycle in cycles:
            found = _curve(catalog, runs.get(cell, []), cycle)
            if not found:
                said.append(f"cell {cell} has no record of cycle {cycle}")
            rows += [_point(row, known[cell]) for row in found]
        reason = mass_of(known[cell]).reason
        said += [f"capacities of {cell} are absolute: {reason}"] if reason else []
    if not rows:
        raise NotFoundError("no cycling run holds these cycles", fix="siltomo cycling list")
    return FigureTable(pd.DataFrame(rows), formulations_of(catalog), tuple(said))


def _curve(catalog: Catalog, runs: Sequence[str], cycle: int) -> list[dict[str, Any]]:
    for run in runs:
        try:
            return curve_rows(catalog, run, cycle)[0]
        except NotFoundError:  # another run of the cell may hold it
            continue
    return []


def _fullest(catalog: Catalog, runs: Any, known: Any, cycles: Sequence[int]) -> list[str]:
    """Return for each formulation the cell that has the most of the cycles, the first by id where equal."""
    best: dict[str, tuple[int, str]] = {}
    for cell in sorted(runs):
        held = {row["cycle"] for row in summary_of(catalog, [cell]).rows}
        number = sum(cycle in held for cycle in cycles)
        formulation = known[cell].formulation
        if number > best.get(formulation, (0, ""))[0]:
            best[formulation] = (number, cell)
    return [cell for _, cell in best.values()]


def _point(row: dict[str, Any], cell: Cell) -> dict[str, Any]:
    grams = (mass_of(cell).mg or 0.0) / 1e3
    return {
        "formulation": cell.formulation,
        "cell": cell.id,
        "cycle": row["cycle"],
        "half": row["half"],
        "capacity": row["capacity"] / grams if grams else row["capacity"],
        "capacity_unit": "mAh/g_Si" if grams else "mAh",
        "voltage": row["voltage"],
        "voltage_unit": "V",
    }
