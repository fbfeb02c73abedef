"""Check a study: read what it declares, judge it, lay out the answer."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from siltomo.engine.declarations import bundled, declared, entries, find_study, read_declarations
from siltomo.engine.yaml import Document
from siltomo.errors import RecordError
from siltomo.model import Study, validated
from siltomo.studies import Checked, Declared, Verdict, check_declared

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


def check(name: str) -> StudyCheck:
    """Check a study by name or file.

    Raises
    ------
    NotFoundError
        When there is no such study.
    RecordError
        When its file is wrong; names the place.
    """
    path = find_study(name)
    document = read_declarations(path)
    study = declared(document)
    return StudyCheck(path, _header(document), study, tuple(check_declared(study)))


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
