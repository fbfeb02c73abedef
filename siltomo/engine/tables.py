"""Records as tables that a spreadsheet would understand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import StrEnum
from typing import Any, get_args

import pandas as pd
from pydantic.fields import FieldInfo

from siltomo.model import In, Model, Record, Ref, VoxelSize
from siltomo.units import Quantity

__all__ = ["field_rows", "flat", "record_table"]


def record_table(model: type[Record], records: Sequence[Record]) -> pd.DataFrame:
    """Return records as a table indexed by id.

    Parts become dotted columns (``state.cycle``); quantities become numbers, with the unit of each column in
    ``.attrs["units"]``.
    """
    rows, units = [], {}
    for record in records:
        row: dict[str, Any] = {}
        for name, value, unit in flat(record):
            row[name] = value
            if unit:
                units[name] = unit
        rows.append(row)
    names = list(dict.fromkeys(name for row in rows for name in row)) or list(model.model_fields)
    table = pd.DataFrame(rows, columns=names).set_index("id")
    table.attrs["units"] = units
    return table


def flat(model: Model, prefix: str = "") -> Iterable[tuple[str, Any, str]]:
    """List the fields of a record as (dotted name, plain value, unit)."""
    for name in type(model).model_fields:
        value = getattr(model, name)
        column = f"{prefix}{name}"
        if isinstance(value, Quantity):
            yield column, value.value, value.unit
        elif isinstance(value, VoxelSize):
            for axis, edge in zip("zyx", value.um, strict=True):
                yield f"{column}.{axis}", edge, "um"
        elif isinstance(value, Model):
            yield from flat(value, f"{column}.")
        elif isinstance(value, tuple):
            yield column, ", ".join(_words(item) for item in value), ""
        else:
            yield column, value, ""


def _words(item: object) -> str:
    parts = [str(value) for _, value, _ in flat(item)] if isinstance(item, Model) else [str(item)]
    return "=".join(parts[:2])


def field_rows(model: type[Model], prefix: str = "") -> list[dict[str, Any]]:
    """List the fields of a model for people: name, whether needed, unit or allowed words, meaning."""
    rows: list[dict[str, Any]] = []
    for name, field in model.model_fields.items():
        inner = _part(field.annotation)
        if inner is not None and inner is not VoxelSize:
            rows += field_rows(inner, f"{prefix}{name}.")
            continue
        rows.append(
            {
                "field": f"{prefix}{name}",
                "needed": "yes" if field.is_required() else "",
                "takes": _takes(field),
                "meaning": field.description or "",
            }
        )
    return rows


def _part(annotation: Any) -> type[Model] | None:
    """Return the model inside an annotation, if there is one."""
    for candidate in (annotation, *get_args(annotation)):
        if isinstance(candidate, type) and issubclass(candidate, Model):
            return candidate
    return None


def _takes(field: FieldInfo) -> str:
    marks = [*field.metadata]
    kinds = [field.annotation, *get_args(field.annotation)]
    for kind in kinds:
        marks += getattr(kind, "__metadata__", ())
    for mark in marks:
        if isinstance(mark, In):
            return f"quantity in {mark.unit}" + (f" ({mark.of})" if mark.of else "")
        if isinstance(mark, Ref):
            return f"id of a {mark.kind}"
    for kind in kinds:
        if isinstance(kind, type) and issubclass(kind, StrEnum):
            return " | ".join(kind)
        if kind is VoxelSize:
            return "length, or z,y,x lengths"
    words = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return next((words[kind] for kind in kinds if kind in words), "")
