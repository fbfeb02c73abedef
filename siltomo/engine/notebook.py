"""The catalog as a notebook shows it: what it holds, and small pictures of a few scans."""

from __future__ import annotations

import base64
import io
from collections import Counter
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from siltomo.model import Cell, Scan

if TYPE_CHECKING:
    from siltomo.engine.catalog import Catalog

__all__ = ["catalog_html", "thumbnail"]

_SIDE = 96
_PICTURES = 3
_ROWS = 12


def catalog_html(catalog: Catalog) -> str:
    """Return the catalog as HTML: counts, a line for each cell, pictures of the first scans with voxels."""
    kinds = ("formulation", "cell", "scan", "segmentation", "cycling_run")
    counts = ", ".join(f"{len(catalog.store.ids(kind))} {kind.replace('_', ' ')}s" for kind in kinds)
    scans = list(catalog.records(Scan))
    of = Counter((scan.cell, scan.state.cycle) for scan in scans)
    cells = list(catalog.records(Cell))
    rows = "".join(_cell_row(cell, of) for cell in cells[:_ROWS])
    more = f"<tr><td colspan='3'>and {len(cells) - _ROWS} more</td></tr>" if len(cells) > _ROWS else ""
    left = "style='text-align:left'"
    head = "".join(f"<th {left}>{word}</th>" for word in ("cell", "formulation", "scans by cycle"))
    table = f"<table><tr>{head}</tr>{rows}{more}</table>"
    shown = [scan for scan in scans if scan.volume is not None][:_PICTURES]
    pictures = "".join(
        f"<figure style='display:inline-block;margin:4px'><img alt='middle plane of {escape(scan.id)}' "
        f"src='{thumbnail(catalog, scan)}'><figcaption>{escape(scan.id)}</figcaption></figure>"
        for scan in shown
    )
    name = escape(catalog.absolute_path.name)
    return f"<div><b>siltomo catalog {name}</b>: {counts}{table if cells else ''}{pictures}</div>"


def _cell_row(cell: Cell, of: Counter[tuple[str, int]]) -> str:
    cycles = sorted((cycle, n) for (name, cycle), n in of.items() if name == cell.id)
    said = ", ".join(f"{cycle}: {n}" for cycle, n in cycles) or "none"
    left = "style='text-align:left'"
    return f"<tr><td {left}>{escape(cell.id)}</td><td {left}>{escape(cell.formulation)}</td><td {left}>{said}</td></tr>"


def thumbnail(catalog: Catalog, scan: Scan) -> str:
    """Return the middle plane of a scan's coarsest level as a data URL of a PNG, at most 96 pixels wide."""
    from PIL import Image

    if scan.volume is None:
        raise ValueError("a scan without voxels has no picture")
    array = catalog.store.open_volume(catalog.stored(Scan, scan.id), level=scan.volume.levels - 1)
    plane: Any = np.asarray(array[array.shape[0] // 2]).astype(float)
    thin = max(1, -(-max(plane.shape) // _SIDE))
    plane = plane[::thin, ::thin]
    known = plane[np.isfinite(plane)]
    low, high = np.percentile(known, (0.5, 99.5)) if known.size else (0.0, 1.0)
    grey = np.nan_to_num(np.clip((plane - low) / max(high - low, 1e-12), 0, 1)) * 255
    made = io.BytesIO()
    Image.fromarray(grey.astype(np.uint8)).save(made, "png")
    return f"data:image/png;base64,{base64.b64encode(made.getvalue()).decode()}"
