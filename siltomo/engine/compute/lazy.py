"""Metrics over a catalog as lazy xarray datasets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

import dask.array as da
import numpy as np
import pandas as pd
import xarray as xr
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.measuring import pass_graph
from siltomo.engine.compute.outcomes import Found
from siltomo.engine.compute.passes import Pass, PlainPass
from siltomo.engine.compute.plan import Plan, make_plan
from siltomo.engine.compute.resolve import DerivedRow
from siltomo.engine.compute.rows import base_row, derived_row, row_columns
from siltomo.engine.compute.run import pass_results
from siltomo.engine.compute.sensitivity import spread_over_variants
from siltomo.engine.compute.subjects import Item
from siltomo.engine.select import Selection, everything
from siltomo.errors import BadInputError
from siltomo.metrics import registry
from siltomo.model import MetricResult
from siltomo.units import teach_application_registry

if TYPE_CHECKING:
    from siltomo.engine.compute.resolve import Match
    from siltomo.engine.compute.windows import Within

__all__ = ["metric_dataset"]

INDEX = ("formulation", "cell", "cycle", "half", "scale", "scan", "segmentation")
"""What a row is found by."""

_UNITS = {"capacity": "mAh/g_Si", "voltage": "V", "voxel_size": "um"}
_PARTS = ("sampling", "discretisation", "segmentation", "declared")
_TEXTS = ("status", "reason", "flags", "conventions", "key")


def metric_dataset(
    catalog: Catalog,
    name: str,
    *,
    where: Selection = everything,
    settings: Mapping[str, object] | None = None,
    match: Match = "cell",
    sensitivity: bool = False,
    within: Within | None = None,
) -> xr.Dataset:
    """Return a metric over the catalog; see :meth:`siltomo.Catalog.metric`."""
    plan = make_plan(
        catalog,
        [name],
        where=where,
        settings=settings,
        match=match,
        sensitivity=sensitivity,
        within=within,
    )
    metric = registry.find(name)[0]
    if metric.gives != "number":
        raise BadInputError(
            f"{name} gives a {metric.gives} for each scan, of lengths that differ: it is no array",
            code="SIL167",
            fix=f"siltomo compute metric {name}",
        )
    teach_application_registry()
    answers = _answers(catalog, plan)
    variables = {name: _numbers(answers, "value", {"units": metric.unit, "long_name": metric.summary})}
    variables[f"{name}_uncertainty"] = _numbers(
        answers, "uncertainty", {"units": metric.unit, "long_name": f"standard uncertainty of {name}"}
    )
    for part in _PARTS:
        said = {"units": metric.unit, "long_name": f"standard uncertainty of {name}, {part} part"}
        variables[f"{name}_uncertainty_{part}"] = _numbers(answers, part, said)
    for text in _TEXTS:
        variables[f"{name}_{text}"] = (("row",), _field(answers, text, np.dtype(object)), {})
    companions = [variable for variable in variables if variable != name]
    variables[name][2]["ancillary_variables"] = " ".join(companions)
    attributes = {"metric": name, "version": metric.version, "assumption": metric.assume}
    attributes |= {f"parameter_{k}": str(v) for r in plan.rows[:1] for k, v in r.request.parameters.items()}
    return xr.Dataset(variables, coords=_coordinates(plan), attrs=attributes)


def _coordinates(plan: Plan) -> xr.Coordinates:
    """Index the rows by formulation, cell, cycle, half-cycle, scale; other columns stand beside."""
    rows = [row_columns(row) for row in plan.rows]
    arrays = [[row[name] if row[name] is not None else "" for row in rows] for name in INDEX]
    index = pd.MultiIndex.from_arrays(arrays, names=INDEX)
    coordinates = xr.Coordinates.from_pandas_multiindex(index, "row")
    beside = {
        name: ("row", np.array([np.nan if row[name] is None else row[name] for row in rows]), {"units": unit})
        for name, unit in _UNITS.items()
    }
    return coordinates.assign(beside)


Answers = list[tuple[int, Delayed]]
"""Runs of rows: how many, and the task that gives them."""


def _answers(catalog: Catalog, plan: Plan) -> Answers:
    """Return the tasks that give the plan's rows; neighbours that wait for the same passes are one task."""
    root = str(catalog.absolute_path)
    results = [delayed(_finish, pure=False)(root, one, pass_graph(Path(root), one)) for one in plan.passes]
    of_key = {item.key: number for number, one in enumerate(plan.passes) for item in one.items}

    def waits_for(row: Item | DerivedRow) -> tuple[int, ...]:
        keys = [key for item in _items(row) for key in (item.key, *(v.key for v in varied(item)))]
        return tuple(dict.fromkeys(of_key[key] for key in keys if key in of_key))

    def varied(item: Item) -> tuple[Item, ...]:
        return plan.variants.get(item.key, ())

    made = []
    for passes, group in groupby(plan.rows, key=waits_for):
        rows = list(group)
        variants = {item.key: varied(item) for row in rows for item in _items(row) if varied(item)}
        waited = [results[number] for number in passes]
        made.append((len(rows), delayed(_rows, pure=False)(rows, variants, waited)))
    return made


def _items(row: Item | DerivedRow) -> tuple[Item, ...]:
    return row.items if isinstance(row, DerivedRow) else (row,)


def _finish(root: str, one: Pass | PlainPass, totals: Found) -> dict[str, MetricResult | str]:
    from siltomo.engine.catalog import open_catalog

    return pass_results(open_catalog(root), one, totals)


def _rows(
    rows: Sequence[Item | DerivedRow],
    variants: Mapping[str, tuple[Item, ...]],
    results: Sequence[Mapping[str, MetricResult | str]],
) -> list[dict[str, Any]]:
    found = {key: result for some in results for key, result in some.items()}
    if variants:
        rows, found = spread_over_variants(rows, variants, found)
    return [base_row(row, found) if isinstance(row, Item) else derived_row(row, found) for row in rows]


def _numbers(
    answers: Answers, name: str, said: dict[str, Any]
) -> tuple[tuple[str], da.Array, dict[str, Any]]:
    return ("row",), _field(answers, name, np.dtype(float)), said


def _field(answers: Answers, name: str, dtype: np.dtype[Any]) -> da.Array:
    parts = [
        da.from_delayed(delayed(_column, pure=False)(rows, name, dtype), (count,), dtype)  # type: ignore[no-untyped-call]
        for count, rows in answers
    ]
    if not parts:
        return da.from_array(np.empty(0, dtype), chunks=((0,),))  # type: ignore[no-untyped-call,no-any-return]
    joined: da.Array = da.concatenate(parts)  # type: ignore[no-untyped-call]
    return joined


def _column(rows: list[dict[str, Any]], name: str, dtype: np.dtype[Any]) -> NDArray[Any]:
    """Return one field of rows; a number that is not there is NaN, and its status says why."""
    if dtype.hasobject:
        return np.array([_text(row[name]) for row in rows], dtype)
    values = [(row["uncertainty_parts"] or {}).get(name) if name in _PARTS else row[name] for row in rows]
    return np.array([np.nan if value is None else value for value in values], dtype)


def _text(value: Any) -> str:
    if isinstance(value, dict):
        return "; ".join(f"{k}: {v}" for k, v in value.items())
    return "; ".join(value) if isinstance(value, list) else str(value)
