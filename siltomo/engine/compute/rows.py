"""Results as rows of a table."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from siltomo.engine.compute.derive import derive
from siltomo.engine.compute.resolve import DerivedRow
from siltomo.engine.compute.subjects import Item
from siltomo.metrics import Request
from siltomo.model import MetricResult, Status

__all__ = ["Row", "base_row", "derived_row", "failed", "row_columns"]

Row = dict[str, Any]
"""One line of a table of results."""

_UNITS = {"capacity_unit": "mAh/g_Si", "voltage_unit": "V", "voxel_size_unit": "um"}


def _empty(request: Request, columns: Mapping[str, Any]) -> Row:
    """Return a row without an answer, every column in its place."""
    return {
        "metric": request.name,
        "version": request.metric.version,
        "kind": request.metric.kind,
        "value": None,
        "unit": request.metric.unit,
        "uncertainty": None,
        "uncertainty_parts": None,
        "status": str(Status.OK),
        "reason": "",
        **columns,
        **_UNITS,
        "parameters": dict(request.parameters),
        "conventions": {},
        "flags": [],
        "companions": {},
        "key": "",
        "reused": False,
        "match": None,
        "inputs": [],
    }


def base_row(item: Item, found: Mapping[str, MetricResult | str]) -> Row:
    """Return the row of a base metric, from its result or from why there is none."""
    result = item.kept or found.get(item.key)
    row = _empty(item.request, item.subject.columns)
    row.update(status=str(item.status), reason=item.reason, key=item.key, reused=item.found is not None)
    if isinstance(result, str):
        row.update(status=str(Status.FAILED), reason=result)
    if not isinstance(result, MetricResult):
        return row
    row.update(
        value=result.value,
        uncertainty=result.uncertainty.combined,
        uncertainty_parts=result.uncertainty.model_dump(exclude_none=True),
        status=str(result.status),
        reason=result.reason,
        conventions=dict(result.conventions),
        flags=list(result.flags),
        companions=dict(result.companions),
    )
    if result.values is not None and result.coordinate is not None:
        del row["value"]
        row.update(values=list(result.values), coordinate=result.coordinate.model_dump(mode="json"))
    return row


def row_columns(row: Item | DerivedRow) -> dict[str, Any]:
    """Return where a row belongs: formulation, cell, scan, state."""
    if isinstance(row, Item):
        return row.subject.columns
    state = row.state
    shared = [subject.columns for subject in state.subjects]
    same = {name: _only(columns[name] for columns in shared) for name in ("formulation", "mode", "voltage")}
    return {
        "formulation": same["formulation"] or state.formulation,
        "cell": state.cell,
        "specimen": row.specimen,
        "scan": None,
        "scale": None,
        "mode": same["mode"],
        "domain": None,
        "cycle": state.cycle,
        "half": state.half,
        "capacity": state.capacity,
        "voltage": same["voltage"],
        "voxel_size": None,
        "segmentation": None,
    }


def derived_row(row: DerivedRow, found: Mapping[str, MetricResult | str]) -> Row:
    """Return the row of a derived metric, computed from the results of its inputs."""
    made = {**_empty(row.request, row_columns(row)), **derive(row, found)}
    if row.request.metric.assume:
        made["conventions"] = {"assumption": row.request.metric.assume}
    return made


def _only(values: Iterable[Any]) -> Any:
    """Return the value that all share, or None."""
    every = set(values)
    return every.pop() if len(every) == 1 else None


def failed(rows: Iterable[Row]) -> list[Row]:
    """Return the rows that failed."""
    return [row for row in rows if row["status"] == str(Status.FAILED)]
