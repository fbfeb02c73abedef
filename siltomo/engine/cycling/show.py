"""Show the cycling runs of a catalog: lists, half-cycles, curves."""

from __future__ import annotations

from typing import Any

from siltomo.cycling import Record, differential_capacity, voltage_curve
from siltomo.engine.catalog import Catalog
from siltomo.engine.cycling.runs import read_run
from siltomo.errors import NotFoundError
from siltomo.model import Cell, CyclingRun

__all__ = ["curve_rows", "list_runs", "show_run"]


def list_runs(catalog: Catalog, cell: str | None = None) -> list[dict[str, Any]]:
    """Return one row for each cycling run, of all cells or of one."""
    if cell is not None:
        catalog.record(Cell, cell)
    return [
        {
            "id": run.id,
            "cell": run.cell,
            "format": run.source.format if run.source else None,
            "positive_current": run.positive_current,
            "first_cycle": run.first_cycle,
            "start": None if run.start is None else run.start.isoformat(),
            "file": run.source.path if run.source else None,
        }
        for run in catalog.records(CyclingRun)
        if cell in (None, run.cell)
    ]


def show_run(catalog: Catalog, id_: str) -> dict[str, Any]:
    """Return a run with its half-cycles and what is to be known of it."""
    run = catalog.record(CyclingRun, id_)
    record = read_run(catalog, run)
    return {
        "record": run.body(),
        "path": str(catalog.store.bag(catalog.stored(CyclingRun, id_))),
        "points": len(record.points),
        "duration_h": float(record.points.time_s[-1]) / 3600,
        "rest_current_mA": record.rest_current_A * 1e3,
        "half_cycles": _halves(record),
        "units": {"capacity": "mAh", "end_voltage": "V", "mean_current": "mA", "start": "s", "end": "s"},
        "warnings": list(record.warnings),
    }


def _halves(record: Record) -> list[dict[str, Any]]:
    return [
        {
            "cycle": half.cycle,
            "half": half.kind,
            "capacity": half.capacity_Ah * 1e3,
            "end_voltage": half.end_voltage_V,
            "mean_current": half.mean_current_A * 1e3,
            "pauses": sum(record.steps[n].kind == "rest" for n in half.steps),
            "start": half.start_s,
            "end": half.end_s,
            "complete": half.complete,
            "reason": half.reason,
        }
        for half in record.half_cycles
    ]


def curve_rows(
    catalog: Catalog, id_: str, cycle: int, *, differential_V: float | None = None
) -> tuple[list[dict[str, Any]], dict[str, str]]:
    """Return the curve of a cycle, voltage against capacity or dQ/dV against voltage, with its units."""
    record = read_run(catalog, id_)
    halves = [half for half in record.half_cycles if half.cycle == cycle]
    if not halves:
        numbers = [c.number for c in record.cycles]
        there = f"it has {min(numbers)} to {max(numbers)}" if numbers else "it has none"
        raise NotFoundError(f"run {id_!r} has no cycle {cycle}; {there}", fix=f"siltomo cycling show {id_}")
    x, y, units = "capacity", "voltage", {"capacity": "mAh", "voltage": "V"}
    if differential_V is not None:
        x, y, units = "voltage", "differential_capacity", {"voltage": "V", "differential_capacity": "mAh/V"}
    rows: list[dict[str, Any]] = []
    for half in halves:
        curve = (
            voltage_curve(record, half)
            if differential_V is None
            else differential_capacity(record, half, step_V=differential_V)
        )
        rows += [
            {"cycle": cycle, "half": half.kind, x: float(a), y: float(b)}
            for a, b in zip(curve.x, curve.y, strict=True)
        ]
    return rows, units
