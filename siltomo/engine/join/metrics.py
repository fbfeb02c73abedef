"""Metrics beside the states of scans, and the contraction that the electrode's thickness gives."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.plan import make_plan
from siltomo.engine.compute.resolve import DerivedRow
from siltomo.engine.compute.run import BlocksDone, run_plan
from siltomo.engine.compute.subjects import Item
from siltomo.engine.select import Selection
from siltomo.errors import NotFoundError
from siltomo.metrics import registry
from siltomo.model import Cell, Status

__all__ = ["THICKNESS", "measured_rows", "with_contraction"]

THICKNESS = "electrode_thickness"
"""The metric that contraction is made of."""


def measured_rows(
    catalog: Catalog, names: Sequence[str], *, where: Selection, progress: BlocksDone | None = None
) -> dict[str, list[dict[str, Any]]]:
    """Compute metrics and return their rows by scan; what was computed before is not computed again.

    A row of a derived metric stands beside every scan of its state.
    """
    if not names:
        return {}
    plan = make_plan(catalog, names, where=where)
    made: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for planned, row in zip(plan.rows, run_plan(catalog, plan, progress=progress), strict=True):
        if isinstance(planned, DerivedRow):
            scans = dict.fromkeys(subject.scan.id for subject in planned.state.subjects)
        else:
            scans = dict.fromkeys([planned.subject.scan.id])
        for scan in scans:
            made[scan].append(row)
    return made


# ---- contraction -----------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Thickness:
    um: float
    uncertainty_um: float


def with_contraction(catalog: Catalog, rows: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    """Give the rows of delithiation their contraction: thickness lost since the thickest, over the initial one.

    ``(h_max - h) / h_0``, with ``h_max`` the largest thickness of the same cell, cycle and scale, and ``h_0`` the
    cell's initial thickness, or that of its pristine scan. Thicknesses are results of ``electrode_thickness`` that
    the catalog has; none is computed here. A row without it says why.
    """
    rows = list(rows)
    if not any(row["half"] == "delithiation" for row in rows):
        return rows
    known = _thicknesses(catalog)
    if isinstance(known, str):
        return [
            {**row, "contraction_reason": known} if row["half"] == "delithiation" else row for row in rows
        ]
    initial = {cell.id: cell.initial_thickness for cell in catalog.records(Cell)}
    peaks: dict[tuple[Any, ...], list[_Thickness]] = defaultdict(list)
    pristine: dict[tuple[Any, ...], list[_Thickness]] = defaultdict(list)
    for row in rows:
        if (thickness := known.get(row["scan"])) is not None and row["cycle"] is not None:
            peaks[row["cell"], row["cycle"], row["scale"]].append(thickness)
        if thickness is not None and row["declared_cycle"] == 0:
            pristine[row["cell"], row["scale"]].append(thickness)
    made = []
    for row in rows:
        if row["half"] != "delithiation":
            made.append(row)
            continue
        declared = initial[row["cell"]]
        first: Sequence[_Thickness] = pristine[row["cell"], row["scale"]]
        if declared is not None:
            first = [_Thickness(declared.m_as("um"), declared.to("um").uncertainty or 0.0)]
        own, all_peaks = known.get(row["scan"]), peaks[row["cell"], row["cycle"], row["scale"]]
        made.append({**row, **_contraction(row, own, all_peaks, first)})
    return made


def _thicknesses(catalog: Catalog) -> dict[str, _Thickness] | str:
    """Return the thickness of each scan that has exactly one, from the results that are kept."""
    try:
        registry.find(THICKNESS)
    except NotFoundError:
        return f"this siltomo has no metric {THICKNESS}"
    found: dict[str, list[_Thickness]] = defaultdict(list)
    for item in make_plan(catalog, [THICKNESS]).rows:
        if isinstance(item, Item) and item.kept is not None and item.kept.value is not None:
            kept = item.kept
            found[item.subject.scan.id].append(
                _Thickness(float(item.kept.value), kept.uncertainty.combined or 0.0)
            )
    if not found:
        return f"no thickness is known: siltomo compute metric {THICKNESS}"
    return {scan: values[0] for scan, values in found.items() if len(values) == 1}


def _contraction(
    row: Mapping[str, Any], own: _Thickness | None, peaks: Sequence[_Thickness], first: Sequence[_Thickness]
) -> dict[str, Any]:
    if own is None:
        return {"contraction_reason": f"scan {row['scan']} has no single {THICKNESS}"}
    if len(first) != 1:
        return {
            "contraction_reason": f"the initial thickness of cell {row['cell']} is not known: "
            f"siltomo cell set {row['cell']} --initial-thickness ..."
        }
    if len(peaks) < 2:
        return {"contraction_reason": "no other scan of this cycle has a thickness to compare with"}
    highest, initial = max(peaks, key=lambda p: p.um), first[0]
    contraction = (highest.um - own.um) / initial.um
    spread = 0.0
    if own is not highest:  # a thing compared with itself is certain
        lengths = math.hypot(own.uncertainty_um, highest.uncertainty_um) / initial.um
        spread = math.hypot(lengths, contraction * initial.uncertainty_um / initial.um)
    return {"contraction": contraction, "contraction_uncertainty": spread}


def one_value(rows: Sequence[Mapping[str, Any]], name: str) -> dict[str, Any]:
    """Return the columns of a metric in a wide table: its one row of a scan, or why there is not one."""
    if len(rows) == 1:
        row = rows[0]
        value = row["values"] if "values" in row else row["value"]
        return _columns(name, value, row["uncertainty"], row["status"], row["reason"])
    if not rows:
        return _columns(name, None, None, str(Status.MISSING), "the metric has no row for this scan")
    named = ", ".join(str(row["segmentation"]) for row in rows)
    reason = f"{len(rows)} segmentations: {named}; take --long, or choose one by --where"
    return _columns(name, None, None, str(Status.REFUSED), reason)


def _columns(name: str, value: Any, uncertainty: Any, status: str, reason: str) -> dict[str, Any]:
    named = {name: value, f"{name}_uncertainty": uncertainty}
    return {**named, f"{name}_status": status, f"{name}_reason": reason}
