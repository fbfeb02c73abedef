"""Tables of metrics by state: through half-cycles, and cumulated over cycles."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

import pandas as pd

from siltomo.engine.catalog import Catalog
from siltomo.engine.figures.tables import (
    FigureTable,
    Said,
    half_cycle_ends,
    metric_table,
    without_value,
)
from siltomo.errors import Amend, NotFoundError

__all__ = ["OPERANDO", "expansion_table", "gas_table", "joined", "operando_table"]

OPERANDO = (
    "crack_volume_fraction",
    "crack_surface_to_volume_ratio",
    "crack_width_median",
    "crack_interconnectivity",
)
"""What the founding study shows of its operando series."""
_CUMULATED = "cumulative_irreversible_expansion"


def operando_table(
    catalog: Catalog,
    metrics: Sequence[str] = OPERANDO,
    *,
    half: str = "delithiation",
    where: str | None = None,
    progress: Said | None = None,
) -> FigureTable:
    """Return metrics of the operando scans of a half-cycle (Fig. 6 of the founding study)."""
    chosen = joined(where, "mode == 'operando'", f"half == '{half}'")
    found = metric_table(catalog, metrics, where=chosen, half_cycle_ends_too=True, progress=progress)
    return _seen_domains(found)


def _seen_domains(found: FigureTable) -> FigureTable:
    """Leave out scans that were never meant for a metric: without a segmentation that has its phase.

    A scan of the separator has no cracks to be missed. A scan of a cell in a state where another scan has the
    value is not missing either.
    """
    table = found.table
    lost = table["status"] == "missing"
    state = ["metric", "cell", "cycle", "half", "capacity"]
    have = set(table.loc[~lost, state].itertuples(index=False, name=None))
    keep = [
        not (absent and key in have)
        for absent, key in zip(lost, table[state].itertuples(index=False, name=None), strict=True)
    ]
    kept = table[keep].reset_index(drop=True)
    return replace(found, table=kept, warnings=without_value(kept))


def expansion_table(
    catalog: Catalog,
    *,
    cycles: Sequence[int] = (),
    normalised: bool = False,
    cumulated: bool = True,
    where: str | None = None,
    progress: Said | None = None,
) -> FigureTable:
    """Return the electrode's expansion through half-cycles, Eq. 2 beside it, and what stays (Fig. 4).

    Parameters
    ----------
    cycles
        Which cycles; all that were scanned operando without any.
    normalised
        Whether to take the expansion as it would be at the theoretical capacity (Eq. 1).
    cumulated
        Whether to add the cumulated increase at the ends of delithiations, against the cumulated reversible
        capacity.
    """
    measured = "normalized_thickness_expansion" if normalised else "electrode_thickness_expansion"
    names = [measured] if normalised else [measured, "theoretical_thickness_expansion"]
    chosen = joined(where, "mode == 'operando'", _cycles(cycles, also=0))
    found = metric_table(catalog, names, where=chosen, half_cycle_ends_too=True, progress=progress)
    # a pristine cell has passed no capacity: nothing is predicted for it
    pristine = (found.table["half"] == "pristine") & (found.table["metric"] != measured)
    table = found.table[~pristine]
    said = list(without_value(table))
    if cumulated:
        stays = metric_table(catalog, [_CUMULATED], where=where, progress=progress)
        placed, lost = _cumulated_capacity(catalog, stays.table)
        table = pd.concat([table, placed], ignore_index=True)
        said += [*stays.warnings, *lost]
    return replace(found, table=table.reset_index(drop=True), warnings=tuple(said))


def _cumulated_capacity(catalog: Catalog, table: pd.DataFrame) -> tuple[pd.DataFrame, list[str]]:
    """Set the reversible capacity that each cell has passed beside its rows, where its record is whole."""
    ends = half_cycle_ends(catalog)
    values, lost = [], []
    for cell, cycle in zip(table["cell"], table["cycle"], strict=True):
        passed = [ends.get((cell, n, "delithiation")) for n in range(1, cycle + 1)]
        known = [one.capacity for one in passed if one is not None]
        values.append(sum(known) if len(known) == cycle else None)
        if len(known) < cycle:
            lost.append(
                f"cell {cell}: no cumulated capacity at cycle {cycle}, its record holds {len(known)} delithiations"
            )
    made = table.assign(
        coordinate="cumulated reversible capacity",
        coordinate_value=pd.Series(values, index=table.index, dtype=float),
        coordinate_unit="mAh/g_Si",
    )
    return made, lost


def gas_table(
    catalog: Catalog,
    *,
    metric: str = "gas_volume_per_si_mass",
    cycles: Sequence[int] = (),
    where: str | None = None,
    progress: Said | None = None,
) -> FigureTable:
    """Return the gas per mass of silicon through half-cycles (Fig. 10c)."""
    chosen = joined(where, "mode == 'operando'", _cycles(cycles, also=0))
    return metric_table(catalog, [metric], where=chosen, half_cycle_ends_too=True, progress=progress)


def joined(*conditions: str | None) -> str | None:
    """Join conditions of ``--where`` by and.

    Examples
    --------
    >>> joined("cycle == 1", None, "cell == 'zn1'")
    "(cycle == 1) and (cell == 'zn1')"
    """
    known = [one for one in conditions if one]
    return known[0] if len(known) == 1 else " and ".join(f"({one})" for one in known) or None


def _cycles(cycles: Iterable[int], *, also: int | None = None) -> str | None:
    named = list(cycles)
    if not named:
        return None
    if min(named) < 0:
        raise NotFoundError(f"there is no cycle {min(named)}", fix=Amend({"--cycle": "1"}))
    every = dict.fromkeys([*([] if also is None else [also]), *named])
    return f"cycle in ({', '.join(map(str, every))},)"
