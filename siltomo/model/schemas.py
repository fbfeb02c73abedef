"""The JSON Schemas of all records, with units."""

from __future__ import annotations

import json
from typing import Any

from siltomo.errors import NotFoundError
from siltomo.model.base import Model, Record
from siltomo.model.cell import Cell
from siltomo.model.cycling import CyclingRun
from siltomo.model.formulation import Formulation
from siltomo.model.probability import Probability
from siltomo.model.result import MetricResult
from siltomo.model.scan import Scan
from siltomo.model.segmentation import Segmentation
from siltomo.model.study import ReportedValue, Study

__all__ = ["RECORDS", "json_schema", "kinds", "model_named", "schema_text"]

RECORDS: dict[str, type[Record]] = {
    record.kind: record
    for record in (Study, Formulation, Cell, Scan, Segmentation, Probability, CyclingRun, ReportedValue)
}
"""The kinds of record that a catalog keeps, in the order in which they may refer to each other."""

_MODELS: dict[str, type[Model]] = {**RECORDS, "result": MetricResult}


def model_named(kind: str) -> type[Model]:
    """Return the model of a kind of record; raises ``NotFoundError`` for an unknown word."""
    if kind not in _MODELS:
        raise NotFoundError(
            f"no schema is called {kind!r}; there are: {', '.join(_MODELS)}", fix="siltomo schema list"
        )
    return _MODELS[kind]


def json_schema(kind: str) -> dict[str, Any]:
    """Return the JSON Schema (2020-12) of a kind of record.

    Quantities carry ``x-unit``, ``x-dimension`` and, for fractions and per-gram values, ``x-of``;
    references carry ``x-refers-to``.
    """
    model = model_named(kind)
    version = model.version if issubclass(model, Record) else 1
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": f"siltomo/{kind}/{version}",
        **model.model_json_schema(mode="validation"),
    }


def schema_text(kind: str) -> str:
    """Return the schema as the text that stands in ``schemas/``."""
    return json.dumps(json_schema(kind), indent=2, ensure_ascii=False, sort_keys=True) + "\n"


def kinds() -> tuple[str, ...]:
    """Return the words that :func:`json_schema` knows."""
    return tuple(_MODELS)
