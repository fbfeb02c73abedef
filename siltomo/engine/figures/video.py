"""The frames of a film: one plane of each operando scan of a cell, in the order in which they were taken."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from siltomo.engine.catalog import Catalog
from siltomo.engine.figures.slices import PlaneImage, grey_window, parse_plane, read_plane
from siltomo.engine.figures.tables import FigureTable, Said, formulations_of
from siltomo.errors import NotFoundError
from siltomo.model import Cell, Scan

__all__ = ["video_table"]

_HALVES = ("pristine", "lithiation", "delithiation", "rest")
_MOST = 640


def video_table(
    catalog: Catalog,
    cell: str,
    *,
    cycles: Sequence[int] = (),
    plane: str = "xz+crack",
    progress: Said | None = None,
) -> FigureTable:
    """Read one plane of each operando scan of a cell, in the order of their states.

    Returns
    -------
    FigureTable
        A row for each frame: scan, state, when it was taken (as far as that is known), grey window (one for all);
        ``extra["images"]`` holds the planes, in the order of the rows.

    Raises
    ------
    NotFoundError
        When the cell has no operando scan with voxels in these cycles.
    """
    cut = parse_plane(plane)
    formulation = catalog.record(Cell, cell).formulation
    scans = sorted(
        (
            s
            for s in catalog.records(Scan)
            if s.cell == cell and str(s.mode) == "operando" and _wanted(s, cut.scale)
        ),
        key=_order,
    )
    chosen = [s for s in scans if not cycles or s.state.cycle in cycles]
    if not chosen:
        raise NotFoundError(
            f"cell {cell!r} has no operando {cut.scale} scan with voxels in these cycles",
            fix=f"siltomo catalog list --where \"cell == '{cell}'\"",
        )
    images: list[PlaneImage] = []
    for n, scan in enumerate(chosen):
        if progress is not None:
            progress("reading planes", n, len(chosen))
        images.append(read_plane(catalog, scan, cut, most=_MOST))
    low, high = grey_window(images)
    rows = [_row(scan, formulation, image, (low, high)) for scan, image in zip(chosen, images, strict=True)]
    return FigureTable(pd.DataFrame(rows), formulations_of(catalog), extra={"images": images})


def _wanted(scan: Scan, scale: str) -> bool:
    return scan.volume is not None and str(scan.scale) == scale and str(scan.domain) != "separator"


def _order(scan: Scan) -> tuple[Any, ...]:
    """Sort by state: cycle, half-cycle, capacity; the clock may be unknown, the state never is."""
    capacity = scan.state.capacity
    return (
        scan.state.cycle,
        _HALVES.index(str(scan.state.half)),
        -1.0 if capacity is None else capacity.value,
        scan.id,
    )


def _row(scan: Scan, formulation: str, image: PlaneImage, window: tuple[float, float]) -> dict[str, Any]:
    start = scan.acquisition.start
    return {
        "formulation": formulation,
        "cell": scan.cell,
        "scan": scan.id,
        "cycle": scan.state.cycle,
        "half": str(scan.state.half),
        "capacity": None if scan.state.capacity is None else scan.state.capacity.value,
        "capacity_unit": "mAh/g_Si",
        "voltage": None if scan.state.voltage is None else scan.state.voltage.value,
        "voltage_unit": "V",
        "start": None if start is None else start.isoformat(),
        "position": image.position_um,
        "pixel": image.pixel_um[1],
        "length_unit": "um",
        "level": image.level,
        "segmentation": image.segmentation or None,
        "grey_low": window[0],
        "grey_high": window[1],
    }
