"""Check a study: read what it declares, judge it, lay out the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from siltomo.engine.catalog import Catalog
from siltomo.engine.study.declarations import declared, measured
from siltomo.engine.study.files import bundled, entries, find_study, read_declarations
from siltomo.engine.yaml import Document
from siltomo.errors import NotFoundError, RecordError
from siltomo.model import Study, validated
from siltomo.studies import Checked, Declared, Measured, Value, Verdict, check_declared, measured_value
from siltomo.units import Quantity

__all__ = ["COLUMNS", "StudyCheck", "check", "composition", "listed", "show"]

COLUMNS = (
    "id",
    "claim",
    "recomputed",
    "low",
    "high",
    "reported",
    "unit",
    "ratio",
    "verdict",
    "flags",
    "explanation",
)
"""Columns of the rows of ``siltomo study check``."""


@dataclass(frozen=True)
class StudyCheck:
    """A checked study."""

    path: Path
    study: Study
    declared: Declared
    checked: tuple[Checked, ...]

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The rows, with the columns of ``COLUMNS``."""
        return [one.row.as_dict() for one in self.checked]

    def counts(self, kind: str = "") -> dict[str, int]:
        """Return how many rows (of a kind) got each verdict."""
        found = Counter(str(one.row.verdict) for one in self.checked if kind in ("", one.kind))
        return {str(verdict): found.get(str(verdict), 0) for verdict in Verdict}

    def has(self, verdict: str) -> bool:
        """Return whether any row got a verdict."""
        return any(one.row.verdict == verdict for one in self.checked)


def check(name: str, *, catalog: Callable[[], Catalog] | None = None) -> StudyCheck:
    """Check a study by name or file.

    Parameters
    ----------
    name
        A study file, its folder, or a study that comes with siltomo.
    catalog
        Opens the catalog in which the metrics of the section ``measured`` are computed; called only where the
        study has such a section. Without a catalog, relations that need them say so.

    Raises
    ------
    NotFoundError
        When there is no such study.
    RecordError
        When its file is wrong; names the place.
    """
    path = find_study(name)
    document = read_declarations(path)
    wanted = measured(document)
    opened = _opened(catalog) if wanted else None
    study = with_measured(declared(document), wanted, opened)
    return StudyCheck(path, _header(document), study, tuple(check_declared(study)))


def _opened(catalog: Callable[[], Catalog] | None) -> Catalog | None:
    try:
        return None if catalog is None else catalog()
    except NotFoundError:  # there is none: the relations that need it say so
        return None


def with_measured(study: Declared, wanted: Mapping[str, Measured], catalog: Catalog | None) -> Declared:
    """Return the study with the numbers that its catalog computes, or with the reason for each that is missing."""
    values, missing = dict(study.values), dict[str, str]()
    for name, one in wanted.items():
        found = (
            "there is no catalog here: siltomo --catalog DIR study check"
            if catalog is None
            else _value(catalog, name, one)
        )
        if isinstance(found, Value):
            values[name] = found
        else:
            missing[name] = found
    return replace(study, values=values, missing=missing)


def _value(catalog: Catalog, name: str, wanted: Measured) -> Value | str:
    from siltomo.engine.compute.plan import make_plan
    from siltomo.engine.compute.run import run_plan
    from siltomo.engine.select import parse_where

    rows = run_plan(catalog, make_plan(catalog, [wanted.metric], where=parse_where(wanted.where)))
    if len(rows) != 1:
        return f"{len(rows)} rows of {wanted.metric} are selected by {wanted.where!r}, not one"
    row = rows[0]
    if row.get("value") is None:
        return f"{wanted.metric} has no value: {row['reason'] or 'it is no single number'}"
    quantity = Quantity(float(row["value"]), str(row["unit"]), row["uncertainty"])
    return measured_value(name, quantity, of=wanted.of, source=f"{wanted.metric} of scan {row['scan']}")


def _header(document: Document) -> Study:
    given = document.data.get("study")
    if not isinstance(given, dict):
        raise RecordError(
            "says not which study it is: study: {id: ..., title: ...}", where=str(document.path)
        )
    return validated(Study, given, place=lambda path: document.place(("study", *path)))


def listed() -> list[dict[str, Any]]:
    """List the studies that come with siltomo."""
    rows = []
    for name, path in bundled().items():
        document = read_declarations(path)
        head, study = _header(document), declared(document)
        rows.append(
            {
                "study": name,
                "title": head.title,
                "doi": head.doi,
                "values": sum(value.record is not None for value in study.values.values()),
                "relations": len(study.relations),
                "claims": len(study.claims),
            }
        )
    return rows


def show(name: str) -> dict[str, Any]:
    """Show what a study declares: who, what was computed for each formulation, populations, values."""
    document = read_declarations(find_study(name))
    head, study = _header(document), declared(document)
    return {
        "study": head.body(),
        "file": str(document.path),
        "formulations": {id_: composition(study, id_) for id_ in study.formulations},
        "populations": {id_: p.title for id_, p in study.populations.items()},
        "protocols": {
            id_: {"title": fields.get("title", ""), "steps": fields.get("steps", [])}
            for id_, fields in entries(document, "protocols")
        },
        "cells": [id_ for id_, _ in entries(document, "cells")],
        "scans": [
            {"scan": id_, **{key: fields.get(key) for key in ("cell", "scale", "mode", "cycle", "half")}}
            for id_, fields in entries(document, "scans")
        ],
        "reported_values": [_value_row(value) for value in study.values.values() if value.record is not None],
        "relations": len(study.relations),
        "claims": len(study.claims),
    }


_COMPOSITION = {
    "si_fraction": "g_Si/g",
    "true_density": "g/cm^3",
    "solid_volume": "cm^3/g_Si",
    "binder_volume": "cm^3/g_Si",
    "dry_mass": "mg",
}


def composition(study: Declared, formulation: str) -> dict[str, str]:
    """Return what follows from a formulation's ingredients, with the interval."""
    made = {}
    for word, unit in _COMPOSITION.items():
        name = f"{formulation}.{word}"
        if name in study.definitions:
            number, span = study.evaluate(name).in_unit(unit)
            made[word] = f"{number:.4g} {unit} ({span.low:.4g} to {span.high:.4g})"
    return made


def _value_row(value: Any) -> dict[str, Any]:
    record = value.record
    return {
        "id": value.name,
        "quantity": record.quantity,
        "printed": record.printed,
        "unit": record.unit,
        "of": record.of,
        "statistic": record.statistic,
        "qualifier": str(record.qualifier),
        "formulation": record.formulation,
        "cycle": record.cycle,
        "half": None if record.half is None else str(record.half),
        "at": record.at,
        "population": record.population,
        "place": record.place,
        "locator": record.locator,
    }
