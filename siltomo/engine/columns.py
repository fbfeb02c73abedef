"""The columns that lists, selections and result rows have of a scan; apart, so that lists need no kernel."""

from __future__ import annotations

from typing import Any

from siltomo.model import Cell, Scan

__all__ = ["scan_columns"]


def scan_columns(scan: Scan, cell: Cell | None) -> dict[str, Any]:
    """Return the columns of a scan: where it belongs and in which state it was taken."""
    state = scan.state
    return {
        "formulation": cell.formulation if cell else None,
        "cell": scan.cell,
        "specimen": scan.specimen,
        "scan": scan.id,
        "scale": str(scan.scale),
        "mode": str(scan.mode),
        "domain": str(scan.domain),
        "cycle": state.cycle,
        "half": str(state.half),
        "capacity": None if state.capacity is None else state.capacity.value,
        "voltage": None if state.voltage is None else state.voltage.value,
        "voxel_size": scan.voxel_size.edge_um,
    }
