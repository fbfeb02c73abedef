"""Records as tables that a spreadsheet would understand."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pandas as pd

from siltomo.model import Model, Record, VoxelSize
from siltomo.units import Quantity

__all__ = ["flat", "record_table"]


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
