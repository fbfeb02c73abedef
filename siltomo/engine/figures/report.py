"""What a report shows: records, kept results, planes and surfaces of a catalog, within a size."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.catalogue import metric_rows
from siltomo.engine.compute.plan import make_plan
from siltomo.engine.compute.resolve import DerivedRow
from siltomo.engine.compute.rows import Row
from siltomo.engine.compute.run import run_plan
from siltomo.engine.compute.subjects import Item
from siltomo.engine.figures.mesh import Mesh, component_mesh
from siltomo.engine.figures.tables import Said, formulations_of
from siltomo.errors import BadInputError, NotFoundError, SiltomoError
from siltomo.model import OUTSIDE, Cell, CyclingRun, Formulation, Scan, Segmentation, Status, Study

__all__ = ["Report", "Stack", "View", "collect_report"]

PIXELS = 12_000_000
"""Pixels of all planes of a report together; as JPEG and PNG some 4 MB."""
SIDES = (72, 320)
"""Least and largest side of a plane, in pixels."""
FEWEST = 7
"""Planes across an axis: rather few and sharp than many and coarse."""
IN_MEMORY = 64_000_000
"""Voxels up to which a volume is read at once: planes of one chunk are then decoded once."""
MESHES = 3
TRIANGLES = 30_000


@dataclass(frozen=True, eq=False)
class View:
    """Planes of a scan across one axis, thinned to what a page can hold."""

    axes: str
    """``xy`` or ``xz``."""
    greys: NDArray[Any]
    """Shape (planes, vertical, horizontal), as stored."""
    phases: NDArray[np.uint8]
    """Same shape: 0 for none, n for the n-th phase of the stack."""
    positions_um: tuple[float, ...]
    """Where each plane lies, from the edge of the scan."""
    pixel_um: tuple[float, float]
    """Edges of a pixel, vertical and horizontal."""


@dataclass(frozen=True, eq=False)
class Stack:
    """The planes of a scan that a report shows."""

    scan: str
    scale: str
    segmentation: str
    phases: tuple[str, ...]
    views: tuple[View, ...]
    upside_down: bool


@dataclass(frozen=True, eq=False)
class Report:
    """All that a report shows."""

    title: str
    study: dict[str, Any]
    formulations: tuple[dict[str, Any], ...]
    cells: tuple[dict[str, Any], ...]
    scans: tuple[dict[str, Any], ...]
    provenance: tuple[dict[str, Any], ...]
    results: tuple[Row, ...]
    """Rows of all metrics that the catalog holds, or of which it holds the inputs."""
    not_computed: dict[str, int]
    """For each metric, how many rows would need voxels to be read."""
    missing: dict[str, int]
    """For each metric, how many rows lack an input."""
    stacks: tuple[Stack, ...]
    windows: dict[str, tuple[float, float]]
    """The grey window of each scale."""
    meshes: tuple[Mesh, ...]
    warnings: tuple[str, ...]


def collect_report(catalog: Catalog, scans: Sequence[str] = (), *, say: Said | None = None) -> Report:
    """Collect what a report shows of some scans, or of the whole catalog.

    No metric is computed that would need voxels: the report shows what the catalog holds, and says what it
    does not.

    Raises
    ------
    NotFoundError
        When a scan is not in the catalog, or the catalog has none.
    """
    for named in scans:
        catalog.record(Scan, named)
    chosen = [scan for scan in catalog.records(Scan) if not scans or scan.id in scans]
    if not chosen:
        raise NotFoundError("the catalog has no scan to report", fix="siltomo catalog add PATH --cell CELL")
    tell = say or _silent
    tell("collecting results", 0, 1)
    results, pending, missing = _kept_results(catalog, scans)
    warnings: list[str] = []
    stacks = []
    shown = [scan for scan in chosen if scan.volume is not None]
    for n, scan in enumerate(shown):
        tell("reading planes", n, len(shown))
        stacks.append(_stack(catalog, scan, PIXELS // max(len(shown), 1)))
    meshes = _meshes(catalog, shown, results, warnings, tell)
    cells = {scan.cell for scan in chosen}
    studies = list(catalog.records(Study))
    return Report(
        title=_title(catalog, studies, scans),
        study=studies[0].body() if len(studies) == 1 else {},
        formulations=_formulations(catalog),
        cells=tuple(_flat(catalog.record(Cell, one)) for one in sorted(cells)),
        scans=tuple(_flat(scan) for scan in chosen),
        provenance=tuple(_provenance(catalog, chosen)),
        results=tuple(results),
        not_computed=pending,
        missing=missing,
        stacks=tuple(stacks),
        windows=_windows(stacks),
        meshes=tuple(meshes),
        warnings=tuple(warnings),
    )


def _silent(words: str, done: int, total: int) -> None:
    """Say nothing."""


def _title(catalog: Catalog, studies: Sequence[Study], scans: Sequence[str]) -> str:
    whole = studies[0].title or studies[0].id if len(studies) == 1 else catalog.absolute_path.name
    return f"{', '.join(scans)} · {whole}" if scans else whole


def _formulations(catalog: Catalog) -> tuple[dict[str, Any], ...]:
    return tuple(_flat(catalog.record(Formulation, one)) for one in formulations_of(catalog))


def _flat(record: Any) -> dict[str, Any]:
    """Return the fields of a record as plain values, quantities with their unit in the name of the column."""
    from siltomo.engine.tables import flat

    made: dict[str, Any] = {}
    for name, value, unit in flat(record):
        if name.startswith(("volume.", "source.")) or value in (None, ""):
            continue
        made[f"{name} [{unit}]" if unit and unit != "1" else name] = (
            value if isinstance(value, (int, float)) else str(value)
        )
    return made


def _kept_results(catalog: Catalog, scans: Sequence[str]) -> tuple[list[Row], dict[str, int], dict[str, int]]:
    """Return the rows that need no voxel, and for the others how many of each metric there are."""
    names = [row["name"] for row in metric_rows()[0] if "<phase>" not in row["name"]]
    chosen = set(scans)
    plan = make_plan(catalog, names, where=lambda row: not chosen or row["scan"] in chosen)
    kept = [row for row in plan.rows if not any(item.to_compute for item in _items(row))]
    pending: dict[str, int] = {}
    for row in plan.rows:
        if any(item.to_compute for item in _items(row)):
            pending[row.request.name] = pending.get(row.request.name, 0) + 1
    missing: dict[str, int] = {}
    found: list[Row] = []
    for made in run_plan(catalog, replace(plan, rows=tuple(kept), passes=())):
        if made["status"] == str(Status.MISSING):
            missing[made["metric"]] = missing.get(made["metric"], 0) + 1
        else:
            found.append(made)
    return found, pending, missing


def _items(row: Item | DerivedRow) -> tuple[Item, ...]:
    return row.items if isinstance(row, DerivedRow) else (row,)


def _provenance(catalog: Catalog, scans: Sequence[Scan]) -> list[dict[str, Any]]:
    rows = [_source("scan", scan, {"voxel size from": scan.voxel_source}) for scan in scans]
    ids, cells = {scan.id for scan in scans}, {scan.cell for scan in scans}
    rows += [
        _source("segmentation", labels, {"made by": labels.method})
        for labels in catalog.records(Segmentation)
        if labels.scan in ids
    ]
    rows += [_source("cycling run", run, {}) for run in catalog.records(CyclingRun) if run.cell in cells]
    return rows


def _source(kind: str, record: Any, more: dict[str, Any]) -> dict[str, Any]:
    source, volume = record.source, getattr(record, "volume", None)
    return {
        "kind": kind,
        "id": record.id,
        "format": source.format if source else None,
        # the name alone: where it lay on someone's disk is no one else's business
        "file": None if source is None else source.path.replace("\\", "/").rsplit("/", 1)[-1],
        "sha256": source.sha256 if source else None,
        "content": volume.content if volume else None,
        **{name: value or None for name, value in more.items()},
    }


# ---- planes ----------------------------------------------------------------------------------------------------


def _stack(catalog: Catalog, scan: Scan, pixels: int) -> Stack:
    """Read planes of a scan: three quarters of the pixels in-plane, the rest across."""
    labels = _labels(catalog, scan)
    assert scan.volume is not None
    level = _level(scan.volume.shape, scan.volume.levels, pixels)
    greys: Any = catalog.store.open_volume(catalog.stored(Scan, scan.id), level=level)
    marked: Any = None
    if labels is not None:
        marked = catalog.store.open_volume(catalog.stored(Segmentation, labels.id), level=level)
    if math.prod(greys.shape) <= IN_MEMORY:
        greys, marked = np.asarray(greys[:]), None if marked is None else np.asarray(marked[:])
    edges = [e * a / b for e, a, b in zip(scan.voxel_size.um, scan.volume.shape, greys.shape, strict=True)]
    phases = () if labels is None else tuple(name for name in labels.phase_names if name != OUTSIDE)
    views = tuple(
        _view(axes, share, (greys, marked), labels, edges)
        for axes, share in (("xy", 0.75 * pixels), ("xz", 0.25 * pixels))
    )
    turned = (scan.depth_axis or "").startswith("-")
    return Stack(scan.id, str(scan.scale), labels.id if labels else "", phases, views, turned)


def _labels(catalog: Catalog, scan: Scan) -> Segmentation | None:
    found = [s for s in catalog.segmentations_of(scan.id) if s.variant_of is None and s.volume is not None]
    return max(found, key=lambda s: ("crack" in s.phase_names, len(s.phase_names)), default=None)


def _level(shape: tuple[int, ...], levels: int, pixels: int) -> int:
    """Return the coarsest level whose planes still have the pixels that will be shown."""
    side = math.sqrt(0.75 * pixels / FEWEST)
    level = 0
    while max(shape) / 2 ** (level + 1) >= side and level + 1 < levels:
        level += 1
    return level


def _view(
    axes: str, pixels: float, arrays: tuple[Any, Any], labels: Segmentation | None, edges: list[float]
) -> View:
    greys, marked = arrays
    across = 0 if axes == "xy" else 1
    high, wide = (n for axis, n in enumerate(greys.shape) if axis != across)
    side = min(max(math.sqrt(pixels / FEWEST), SIDES[0]), SIDES[1])
    thin = max(1, math.ceil(max(high, wide) / side))
    small = math.ceil(high / thin) * math.ceil(wide / thin)
    count = int(min(max(pixels // small, 3), greys.shape[across], 48))
    places = np.unique(np.linspace(0, greys.shape[across] - 1, count + 2).round().astype(int)[1:-1])
    planes, phases = [], []
    for place in places:
        where = tuple(int(place) if axis == across else slice(None) for axis in range(3))
        plane = np.asarray(greys[where])
        planes.append(plane[::thin, ::thin])
        phases.append(_numbered(marked, where, labels, thin, planes[-1].shape))
    vertical, horizontal = (edge * thin for axis, edge in enumerate(edges) if axis != across)
    return View(
        axes,
        np.stack(planes),
        np.stack(phases),
        tuple(float((place + 0.5) * edges[across]) for place in places),
        (vertical, horizontal),
    )


def _numbered(
    marked: Any, where: tuple[Any, ...], labels: Segmentation | None, thin: int, shape: tuple[int, ...]
) -> NDArray[np.uint8]:
    made = np.zeros(shape, np.uint8)
    if labels is None or marked is None:
        return made
    here = np.asarray(marked[where])[::thin, ::thin]
    for n, name in enumerate(labels.phase_names, 1):
        made[np.isin(here, labels.values_of(name))] = n
    return made


def _windows(stacks: Sequence[Stack]) -> dict[str, tuple[float, float]]:
    """Return one grey window for each scale: 0.5 and 99.5 % of the pixels that are shown."""
    made = {}
    for scale in dict.fromkeys(stack.scale for stack in stacks):
        every = np.concatenate([s.views[0].greys.ravel() for s in stacks if s.scale == scale]).astype(float)
        low, high = (float(v) for v in np.percentile(every[np.isfinite(every)], (0.5, 99.5)))
        made[scale] = (low, high if high > low else low + 1)
    return made


# ---- surfaces --------------------------------------------------------------------------------------------------


def _meshes(
    catalog: Catalog, scans: Sequence[Scan], results: Sequence[Row], warnings: list[str], tell: Said
) -> list[Mesh]:
    """Return the largest crack of the scan with the most crack, for each formulation."""
    best: dict[str, tuple[float, str]] = {}
    ids = {scan.id for scan in scans}
    for row in results:
        if row["metric"] == "crack_volume_fraction" and row.get("value") and row["scan"] in ids:
            best[row["formulation"]] = max(
                best.get(row["formulation"], (0.0, "")), (row["value"], row["scan"])
            )
    made = []
    chosen = [scan for _, scan in best.values()][:MESHES] or [scan.id for scan in scans][:1]
    for n, scan in enumerate(chosen):
        tell("building surfaces", n, len(chosen))
        try:
            made.append(component_mesh(catalog, scan, most_triangles=TRIANGLES, most_voxels=8_000_000))
        except (BadInputError, NotFoundError) as error:
            warnings.append(_why(scan, error))
    return made


def _why(scan: str, error: SiltomoError) -> str:
    return f"no surface of {scan}: {error.message}"
