"""Per-cycle summaries of cells and formulations, as rows, tables and arrays."""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from siltomo.cycling import CycleFigures, figures_of
from siltomo.engine.catalog import Catalog
from siltomo.engine.cycling.runs import read_run, runs_of
from siltomo.errors import Amend, NotFoundError, UnitError
from siltomo.model import Cell, CyclingRun
from siltomo.units import Quantity, same_dimension

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = [
    "Mass",
    "Summary",
    "by_formulation",
    "mass_of",
    "summary_dataset",
    "summary_of",
    "summary_table",
]

NOMINAL = Quantity(3579.0, "mAh/g_Si")
"""Capacity of silicon lithiated to Li15Si4: what 1 C means where nothing else is said."""
IMPOSSIBLE = 4200.0
"""Silicon takes at most 4200 mAh/g_Si (Li22Si5): more means another mass, or other reactions."""
SAME_RATE = 0.2
"""Cycles whose currents differ by more than this are not at one rate."""
PLACEHOLDERS_MG = (1.0, 0.001, 1000.0)
"""What instruments and programs write where nobody typed a mass: 1 mg, 0.001 g, 0.001 mg, 1 g."""

UNITS = {
    "lithiation_capacity": "mAh",
    "delithiation_capacity": "mAh",
    "specific_lithiation_capacity": "mAh/g_Si",
    "specific_delithiation_capacity": "mAh/g_Si",
    "coulombic_efficiency": "1",
    "irreversible_capacity": "mAh",
    "retention": "1",
    "lithiation_end_voltage": "V",
    "delithiation_end_voltage": "V",
    "lithiation_current": "mA",
    "delithiation_current": "mA",
    "lithiation_c_rate": "1/h",
    "delithiation_c_rate": "1/h",
    "start": "s",
    "end": "s",
}


@dataclass(frozen=True)
class Mass:
    """The silicon of a cell, or why it cannot be used."""

    mg: float | None
    unit: str = "mg_Si"
    reason: str = ""
    uncertainty_mg: float | None = None

    @property
    def specific_unit(self) -> str:
        """Unit of a capacity per this mass."""
        return "mAh/g_Si" if self.unit == "mg_Si" else "mAh/g"


@dataclass(frozen=True)
class Summary:
    """Rows, the units of their columns, and what the user should know."""

    rows: tuple[dict[str, Any], ...]
    units: Mapping[str, str]
    warnings: tuple[str, ...] = ()


def mass_of(cell: Cell) -> Mass:
    """Return the silicon mass of a cell: from its record, or from loading and diameter.

    A mass of exactly 1 mg or 0.001 g is what cyclers write where nobody typed one: it is refused, unless it
    comes with its uncertainty, as a weighed mass does.
    """
    mass = cell.si_mass
    if mass is None and cell.loading is not None and cell.area is not None:
        return Mass(cell.loading.value * cell.area.value)
    command = f"siltomo cell set {cell.id} --si-mass"
    if mass is None:
        return Mass(None, reason=f'the silicon mass of cell {cell.id} is not known: {command} "... mg_Si"')
    placeholder = any(math.isclose(mass.value, value, rel_tol=1e-9) for value in PLACEHOLDERS_MG)
    if placeholder and mass.uncertainty is None:
        return Mass(
            None,
            reason=f"the silicon mass of cell {cell.id} is {mass}, which is what cyclers write where none was typed: "
            f'{command} "... mg_Si"; if it was weighed, say how well: {command} "{mass.value:g} +/- 0.01 mg_Si"',
        )
    return Mass(mass.value, uncertainty_mg=mass.uncertainty)


def _given_mass(given: str) -> Mass:
    with suppress(UnitError):
        mass = Quantity.parse(given)
        for unit in ("mg_Si", "mg"):
            if same_dimension(mass.unit, unit) and mass.value > 0:
                return Mass(mass.m_as(unit), unit)
    raise UnitError(
        f'{given!r} is no mass; write "0.51 mg_Si", or "15.4 mg" of another active material',
        fix=Amend({"--mass": "15.4 mg"}),
    )


def summary_of(
    catalog: Catalog,
    cells: Sequence[str] | None = None,
    *,
    mass: str | None = None,
    nominal: Quantity = NOMINAL,
) -> Summary:
    """Return one row for each cycle of cells that have cycling runs.

    Parameters
    ----------
    cells
        Ids of cells; all that have runs without it.
    mass
        A mass to use in place of the cells' silicon, such as ``"15.4 mg"``; its unit goes into the answer.
    nominal
        What 1 C means.

    Raises
    ------
    NotFoundError
        When a cell is not in the catalog, or has no run.
    UnitError
        When ``mass`` is no mass, or ``nominal`` no capacity per mass.
    """
    if not any(same_dimension(nominal.unit, unit) for unit in ("mAh/g_Si", "mAh/g")):
        raise UnitError(
            f"{nominal} is no capacity per mass", fix=Amend({"--nominal-capacity": "3579 mAh/g_Si"})
        )
    given = None if mass is None else _given_mass(mass)
    known = {cell.id: cell for cell in catalog.records(Cell)}
    having = list(dict.fromkeys(r.cell for r in catalog.records(CyclingRun) if r.source is not None))
    rows: list[dict[str, Any]] = []
    warnings: list[str] = []
    unit = "mAh/g_Si"
    for id_ in having if cells is None else cells:
        cell = known.get(id_) or catalog.record(Cell, id_)
        if id_ not in having:
            raise NotFoundError(
                f"cell {id_!r} has no cycling run", fix=f"siltomo cycling add FILE --cell {id_}"
            )
        weighed = given or mass_of(cell)
        unit = weighed.specific_unit
        if weighed.reason:
            warnings.append(f"no specific capacities: {weighed.reason}")
        for run in runs_of(catalog, id_):
            figures = figures_of(read_run(catalog, run))
            rows += [_row(cell, run, one, weighed, nominal) for one in figures]
            strange = [str(one.cycle) for one in figures if (one.coulombic_efficiency or 0) > 1]
            if strange:
                warnings.append(
                    f"cell {id_}: coulombic efficiency above 100 % in {len(strange)} cycles ({', '.join(strange[:5])}"
                    f"{', ...' if len(strange) > 5 else ''}): more came out of the silicon than went in"
                )
    _relate(rows)
    units = {**UNITS, "specific_lithiation_capacity": unit, "specific_delithiation_capacity": unit}
    return Summary(tuple(rows), units, tuple(warnings))


def _row(cell: Cell, run: CyclingRun, one: CycleFigures, mass: Mass, nominal: Quantity) -> dict[str, Any]:
    grams = None if mass.mg is None else mass.mg / 1e3

    def specific(capacity: float | None) -> float | None:
        return None if capacity is None or grams is None else capacity / grams

    def rate(current: float | None) -> float | None:
        if current is None or grams is None or not same_dimension(nominal.unit, mass.specific_unit):
            return None
        return current / grams / nominal.m_as(mass.specific_unit)

    flags = list(one.flags)
    largest = max(specific(one.lithiation_mAh) or 0.0, specific(one.delithiation_mAh) or 0.0)
    if mass.unit == "mg_Si" and largest > IMPOSSIBLE:
        flags.append(f"{largest:.0f} mAh/g_Si is more than silicon takes ({IMPOSSIBLE:.0f}): check the mass")
    return {
        "cell": cell.id,
        "cycle": one.cycle,
        "lithiation_capacity": one.lithiation_mAh,
        "delithiation_capacity": one.delithiation_mAh,
        "specific_lithiation_capacity": specific(one.lithiation_mAh),
        "specific_delithiation_capacity": specific(one.delithiation_mAh),
        "coulombic_efficiency": one.coulombic_efficiency,
        "complete": one.complete,
        "irreversible_capacity": one.irreversible_mAh,
        "retention": one.retention,
        "lithiation_end_voltage": one.lithiation_end_V,
        "delithiation_end_voltage": one.delithiation_end_V,
        "lithiation_current": one.lithiation_mA,
        "delithiation_current": one.delithiation_mA,
        "lithiation_c_rate": rate(one.lithiation_mA),
        "delithiation_c_rate": rate(one.delithiation_mA),
        "start": one.start_s,
        "end": one.end_s,
        "formulation": cell.formulation,
        "run": run.id,
        "reason": "; ".join(
            [*one.reasons, *([f"no specific capacities: {mass.reason}"] if mass.reason else [])]
        ),
        "flags": flags,
    }


def _relate(rows: list[dict[str, Any]]) -> None:
    """Relate the retention of every cycle to the first complete cycle of its cell, over all its runs."""
    first: dict[str, dict[str, Any]] = {}
    for row in rows:
        if row["complete"]:
            first.setdefault(row["cell"], row)
    for row in rows:
        reference = first.get(row["cell"])
        if row["retention"] is None or reference is None:
            continue
        row["retention"] = row["delithiation_capacity"] / reference["delithiation_capacity"]
        current, then = row["delithiation_current"], reference["delithiation_current"]
        if abs(current / then - 1) > SAME_RATE:
            row["flags"].append(
                f"retention compares {current:.3g} mA with {then:.3g} mA of cycle {reference['cycle']}"
            )


def by_formulation(summary: Summary) -> Summary:
    """Return the mean and the standard deviation over the cells of each formulation, cycle by cycle.

    Only complete cycles enter. The standard deviation is that of the cells (n - 1); with one cell there is
    none.
    """
    groups: dict[tuple[str, int], list[Mapping[str, Any]]] = defaultdict(list)
    for row in summary.rows:
        if row["complete"]:
            groups[row["formulation"], row["cycle"]].append(row)
    names = [name for name in UNITS if name not in ("start", "end")]
    rows = []
    for (formulation, cycle), members in sorted(groups.items()):
        made: dict[str, Any] = {
            "formulation": formulation,
            "cycle": cycle,
            "n": len(members),
            "cells": [row["cell"] for row in members],
        }
        for name in names:
            values = [row[name] for row in members if row[name] is not None]
            # a mean over some of the cells is no mean over the cells
            whole = len(values) == len(members)
            made[name] = statistics.fmean(values) if whole else None
            made[f"{name}_sd"] = statistics.stdev(values) if whole and len(values) > 1 else None
        rows.append(made)
    units = {
        f"{name}{end}": unit for name, unit in summary.units.items() for end in ("", "_sd") if name in names
    }
    left = sum(not row["complete"] for row in summary.rows)
    said = (f"{left} incomplete cycles are left out of the means",) if left else ()
    return Summary(tuple(rows), units, (*summary.warnings, *said))


def summary_table(summary: Summary) -> pd.DataFrame:
    """Return a summary as a table; the unit of each column stands in ``.attrs["units"]``."""
    import pandas as pd

    table = pd.DataFrame(list(summary.rows))
    table.attrs["units"] = dict(summary.units)
    return table


def summary_dataset(summary: Summary) -> xr.Dataset:
    """Return a summary as arrays over ``cell`` and ``cycle``, nan where there is no value."""
    import numpy as np
    import xarray as xr

    cells = list(dict.fromkeys(row["cell"] for row in summary.rows))
    cycles = sorted({row["cycle"] for row in summary.rows})
    place = {(row["cell"], row["cycle"]): row for row in summary.rows}
    data: dict[str, Any] = {}
    for name, unit in summary.units.items():
        values = [[(place.get((c, n)) or {}).get(name) for n in cycles] for c in cells]
        array = np.array(values, dtype=np.float64).reshape(len(cells), len(cycles))
        data[name] = (("cell", "cycle"), array, {"units": unit})
    complete = [[bool((place.get((c, n)) or {}).get("complete")) for n in cycles] for c in cells]
    data["complete"] = (("cell", "cycle"), np.array(complete, dtype=bool).reshape(len(cells), len(cycles)))
    return xr.Dataset(data, coords={"cell": cells, "cycle": cycles})
