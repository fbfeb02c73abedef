"""The tables that figures are drawn from: results and records of the catalog, one number a row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import pandas as pd

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.plan import make_plan
from siltomo.engine.compute.run import run_plan
from siltomo.engine.cycling.runs import read_run
from siltomo.engine.cycling.summary import mass_of
from siltomo.engine.export.results import long_rows
from siltomo.engine.select import parse_where
from siltomo.errors import NotFoundError
from siltomo.metrics.inputs import Match
from siltomo.model import Cell, CyclingRun, Formulation, Segmentation, Status

__all__ = [
    "COLUMNS",
    "FigureTable",
    "HalfCycleEnd",
    "Said",
    "formulations_of",
    "half_cycle_ends",
    "metric_table",
    "plain_rows",
    "refuse_empty",
    "without_value",
]

COLUMNS = (
    "metric",
    "value",
    "unit",
    "uncertainty",
    "status",
    "reason",
    "formulation",
    "cell",
    "scan",
    "scale",
    "mode",
    "cycle",
    "half",
    "capacity",
    "capacity_unit",
    "voltage",
    "voltage_unit",
    "coordinate",
    "coordinate_value",
    "coordinate_unit",
    "segmentation",
    "min_feature",
    "min_feature_unit",
    "half_cycle_end",
    "half_cycle_end_unit",
    "half_cycle_complete",
    "flags",
    "key",
)
"""Columns of a table of results; ``half_cycle_end`` is the capacity at which the cycler's record of the half-cycle
ends, whether or not that was at its cut-off (``half_cycle_complete``)."""

Said = Callable[[str, int, int], None]
"""Told what is being done, how much of it is done, and how much there is."""


@dataclass(frozen=True)
class FigureTable:
    """What a figure shows, as a table, and what it cannot show."""

    table: pd.DataFrame
    """One number a row, each with its unit in a column of its own."""
    formulations: tuple[str, ...]
    """Every formulation of the catalog, so that a colour means the same in all figures."""
    warnings: tuple[str, ...] = ()
    """What is missing, and why, in words."""
    extra: Mapping[str, Any] = field(default_factory=dict)
    """Pixels and other things that belong to no table."""


def formulations_of(catalog: Catalog) -> tuple[str, ...]:
    """List the formulations in the order of their colours: those without an additive first, then by id."""
    known = sorted(catalog.records(Formulation), key=lambda one: (bool(one.additive), one.id))
    return tuple(one.id for one in known)


def metric_table(
    catalog: Catalog,
    metrics: Sequence[str],
    *,
    where: str | None = None,
    settings: Mapping[str, object] | None = None,
    match: Match = "cell",
    half_cycle_ends_too: bool = False,
    progress: Said | None = None,
) -> FigureTable:
    """Compute metrics and return their rows as the table of a figure.

    Rows without a value stay, with their reason: a figure shows what is missing.

    Parameters
    ----------
    metrics
        Names of metrics.
    where, settings, match
        As in :meth:`siltomo.Catalog.compute`.
    half_cycle_ends_too
        Whether to look up where the cycler ended each half-cycle, so that states without a scan can be shown.
    progress
        Told which segmentation is measured, blocks done and blocks in all.

    Raises
    ------
    NotFoundError
        When a metric is not known, or nothing is selected.
    """
    plan = make_plan(catalog, metrics, where=parse_where(where), settings=settings, match=match)
    rows = run_plan(catalog, plan, progress=_measuring(progress))
    if not rows:
        raise NotFoundError(
            "no scan is selected" + (f" by {where!r}" if where else ": the catalog has none"),
            fix="siltomo catalog list",
        )
    smallest = {s.id: s.min_feature for s in catalog.records(Segmentation)}
    ends = half_cycle_ends(catalog) if half_cycle_ends_too else {}
    made = []
    for row in long_rows(rows):
        trusted = smallest.get(row["segmentation"]) if row["segmentation"] else None
        end = ends.get((row["cell"], row["cycle"], row["half"]))
        more = {
            "min_feature": None if trusted is None else trusted.m_as("um"),
            "min_feature_unit": "um",
            "half_cycle_end": None if end is None else end.capacity,
            "half_cycle_end_unit": "mAh/g_Si",
            "half_cycle_complete": None if end is None else end.complete,
        }
        made.append({name: more[name] if name in more else row.get(name) for name in COLUMNS})
    table = pd.DataFrame(made, columns=list(COLUMNS))
    return FigureTable(table, formulations_of(catalog), without_value(table))


def _measuring(say: Said | None) -> Said | None:
    return None if say is None else lambda name, done, total: say(f"measuring {name}", done, total)


def without_value(table: pd.DataFrame) -> tuple[str, ...]:
    """Say of each metric how many rows have no value, and why the first has none."""
    lost = table[table["status"] != str(Status.OK)]
    return tuple(
        f"{metric}: {len(group)} of {int((table['metric'] == metric).sum())} rows have no value; the first: "
        f"{group['reason'].iloc[0]}"
        for metric, group in lost.groupby("metric", sort=False)
    )


@dataclass(frozen=True)
class HalfCycleEnd:
    """Where the cycler's record of a half-cycle ends."""

    capacity: float
    """Specific capacity in mAh/g_Si."""
    complete: bool
    """Whether it ends at the cut-off."""


def half_cycle_ends(catalog: Catalog) -> dict[tuple[str, int, str], HalfCycleEnd]:
    """Return where each half-cycle that was cycled ends, by cell, cycle and half-cycle.

    Cells without a cycling run, or whose silicon mass is not known, have none.
    """
    cells = {cell.id: cell for cell in catalog.records(Cell)}
    ends: dict[tuple[str, int, str], HalfCycleEnd] = {}
    for run in catalog.records(CyclingRun):
        grams = (mass_of(cells[run.cell]).mg or 0.0) / 1e3
        if run.source is None or grams == 0:
            continue
        for half in read_run(catalog, run).half_cycles:
            specific = half.capacity_Ah * 1e3 / grams
            ends[run.cell, half.cycle, str(half.kind)] = HalfCycleEnd(specific, half.complete)
    return ends


def plain_rows(table: pd.DataFrame) -> list[dict[str, Any]]:
    """Return the rows of a table with None where there is no value."""
    made: Any = table.astype(object).where(table.notna(), None).to_dict("records")
    rows: list[dict[str, Any]] = made
    return rows


def refuse_empty(found: FigureTable, *, value: str = "value") -> FigureTable:
    """Return a table that holds at least one value, or say why there is nothing to draw.

    Raises
    ------
    NotFoundError
        When no row has a value; the reason is that of the first.
    """
    if found.table.empty or found.table[value].notna().sum() == 0:
        why = found.warnings[0] if found.warnings else "no state is selected"
        raise NotFoundError(f"there is nothing to draw: {why}", fix="siltomo catalog list")
    return found
