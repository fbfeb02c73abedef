"""Which surfaces a figure shows: the largest connected part of a phase, by formulation and cycle."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pandas as pd

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.subjects import Subject, find_subjects
from siltomo.engine.figures.mesh import Mesh, component_mesh
from siltomo.engine.figures.tables import FigureTable, Said, formulations_of
from siltomo.engine.select import parse_where
from siltomo.errors import BadInputError, NotFoundError

__all__ = ["render_table"]


def render_table(
    catalog: Catalog,
    *,
    phase: str = "crack",
    scales: Sequence[str] = ("micro",),
    cycles: Sequence[int] = (),
    where: str | None = "mode != 'operando' and cycle > 0",
    largest: bool = True,
    progress: Said | None = None,
) -> FigureTable:
    """Return the surfaces of a phase, a row for each formulation, scale and cycle (Fig. 5, 9, 10).

    Returns
    -------
    FigureTable
        ``value`` is the share of the phase that is shown; ``extra["meshes"]`` holds the `Mesh` of each row that
        has one. Rows without a scan, or without a voxel of the phase, say so.

    Raises
    ------
    NotFoundError
        When no scan with the phase is selected.
    """
    subjects = [
        s
        for s in find_subjects(catalog, parse_where(where)).labelled
        if s.segmentation is not None and phase in s.segmentation.phase_names and str(s.scan.scale) in scales
    ]
    if not subjects:
        raise NotFoundError(
            f"no segmentation with the phase {phase!r} is selected", fix="siltomo segment list"
        )
    order = formulations_of(catalog)
    here = [name for name in order if any(s.columns["formulation"] == name for s in subjects)]
    numbers = sorted(cycles) or sorted({s.scan.state.cycle for s in subjects})
    rows: list[dict[str, Any]] = []
    meshes: dict[int, Mesh] = {}
    panels = [(name, scale, cycle) for name in here for scale in scales for cycle in numbers]
    for n, panel in enumerate(panels):
        if progress is not None:
            progress("building surfaces", n, len(panels))
        row = _row(*panel, phase)
        mine = [s for s in subjects if _matches(s, *panel)]
        if mine:
            best = max(mine, key=lambda s: (_capacity(s), s.scan.id))
            row |= _surface(catalog, best, phase, meshes, n, largest=largest)
        rows.append(row)
    said = tuple(dict.fromkeys(row["reason"] for row in rows if row["reason"]))
    return FigureTable(pd.DataFrame(rows), order, said, {"meshes": meshes})


def _matches(subject: Subject, formulation: str, scale: str, cycle: int) -> bool:
    scan = subject.scan
    return (subject.columns["formulation"], str(scan.scale), scan.state.cycle) == (formulation, scale, cycle)


def _capacity(subject: Subject) -> float:
    capacity = subject.scan.state.capacity
    return 0.0 if capacity is None else capacity.value


def _row(formulation: str, scale: str, cycle: int, phase: str) -> dict[str, Any]:
    return {
        "metric": f"share of the {phase} that is shown",
        "value": None,
        "unit": "1",
        "reason": f"no {scale} scan of {formulation} in cycle {cycle} with {phase}",
        "formulation": formulation,
        "scale": scale,
        "cycle": cycle,
        "cell": None,
        "scan": None,
        "segmentation": None,
        "voxel": None,
        "height": None,
        "width": None,
        "length_unit": "um",
        "triangles": None,
        "connectivity": 26,
    }


def _surface(
    catalog: Catalog, subject: Subject, phase: str, meshes: dict[int, Mesh], number: int, *, largest: bool
) -> dict[str, Any]:
    scan = subject.scan
    found: dict[str, Any] = {"cell": scan.cell, "scan": scan.id}
    try:
        mesh = component_mesh(catalog, scan.id, phase, largest=largest)
    except BadInputError as error:
        return found | {"reason": error.message}
    meshes[number] = mesh
    return found | {
        "value": mesh.share,
        "reason": "",
        "segmentation": mesh.segmentation,
        "voxel": mesh.edge_um,
        "height": mesh.size_um[0],
        "width": mesh.size_um[2],
        "triangles": len(mesh.faces),
    }
