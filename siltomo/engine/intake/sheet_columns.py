"""The columns of a sheet: which field of a record each one is, and the unit in its header."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, get_args

from pydantic.fields import FieldInfo

from siltomo.engine.intake.sheet_files import Grid, Value, column_letters
from siltomo.errors import RecordError, UnitError
from siltomo.model import In, Model, Record, Scan, VoxelSize
from siltomo.units import Quantity, same_dimension

__all__ = ["Column", "columns_of", "read_value", "record_row", "sheet_columns"]

FILE_COLUMNS = ("file", "dataset")
READ_ONLY = ("shape", "dtype")
_LEFT_OUT = {"volume", "source"}
_HEADER = re.compile(r"(?P<name>[^()]+?)\s*(?:\((?P<unit>.+)\))?")


@dataclass(frozen=True)
class Column:
    """A field of a record as a column of a sheet."""

    name: str
    """Its name in the header, such as ``"capacity"``, ``"loading +/-"`` or ``"voxel_size z"``."""
    path: tuple[str, ...]
    """Where it stands in the record."""
    kind: str
    """``text``, ``whole``, ``quantity``, ``spread`` (its uncertainty), ``parts``, ``file`` or ``shown``."""
    unit: str = ""
    """Unit of its numbers; that of the header when it was read from one."""

    @property
    def header(self) -> str:
        """The header that is written."""
        return f"{self.name} ({self.unit})" if self.unit and self.unit != "1" else self.name


def columns_of(model: type[Record]) -> list[Column]:
    """Return the columns of a kind of record."""
    made = list(_columns(model, ()))
    if model is Scan:
        at = next(n for n, column in enumerate(made) if column.name == "cell")
        made[at:at] = [Column(name, (name,), "file") for name in FILE_COLUMNS]
        made += [Column(name, (name,), "shown") for name in READ_ONLY]
    return made


def _columns(model: type[Model], above: tuple[str, ...]) -> Iterator[Column]:
    for name, field in model.model_fields.items():
        if name in _LEFT_OUT and not above:
            continue
        path = (*above, name)
        inner = _model_of(field)
        unit = _unit_of(field)
        if inner is VoxelSize:
            yield Column(name, path, "quantity", "um")
            for axis in "zyx":
                yield Column(f"{name} {axis}", (*path, axis), "quantity", "um")
        elif _is_tuple(field):
            yield Column(name, path, "parts")
        elif inner is not None:
            yield from _columns(inner, path)
        elif unit is not None:
            yield Column(name, path, "quantity", unit)
            yield Column(f"{name} +/-", path, "spread", unit)
        else:
            yield Column(name, path, "whole" if int in _kinds(field) else "text")


def _kinds(field: FieldInfo) -> list[Any]:
    return [field.annotation, *get_args(field.annotation)]


def _is_tuple(field: FieldInfo) -> bool:
    return getattr(field.annotation, "__origin__", None) is tuple


def _model_of(field: FieldInfo) -> type[Model] | None:
    return next((k for k in _kinds(field) if isinstance(k, type) and issubclass(k, Model)), None)


def _unit_of(field: FieldInfo) -> str | None:
    marks = [*field.metadata]
    for kind in _kinds(field):
        marks += getattr(kind, "__metadata__", ())
    return next((mark.unit for mark in marks if isinstance(mark, In)), None)


def sheet_columns(model: type[Record], grid: Grid, where: str) -> list[Column | None]:
    """Return what the columns of a sheet are; None for one without a header.

    Raises
    ------
    RecordError
        When a header is no field, is there twice, or has a unit of another dimension.
    """
    known = {column.name.lower(): column for column in columns_of(model)}
    found: list[Column | None] = []
    for n, text in enumerate(grid.header):
        at = f"{where}, cell {column_letters(n)}{grid.first_row - 1}"
        match = _HEADER.fullmatch(text)
        name = match["name"].strip().lower().replace("±", "+/-") if match else text.lower()
        name = re.sub(r"^(?:state|acquisition)\.", "", name).replace(".", " ")
        if not text:
            found.append(None)
            continue
        if name not in known:
            near = get_close_matches(name, known, n=1)
            raise RecordError(
                f"there is no column {text!r}"
                + (f"; did you mean {known[near[0]].header!r}?" if near else ""),
                where=at,
                fix=f"siltomo schema show {model.kind}",
            )
        column = _in_unit(known[name], (match["unit"] or "").strip() if match else "", text, at)
        if any(other is not None and other.name == column.name for other in found):
            raise RecordError(f"the column {text!r} is there twice", where=at)
        found.append(column)
    if not any(column and column.name == "id" for column in found):
        raise RecordError("there is no column 'id'", where=f"{where}, row {grid.first_row - 1}")
    return found


def _in_unit(column: Column, unit: str, text: str, at: str) -> Column:
    """Return a column with the unit of its header, empty where it has none."""
    if column.kind not in ("quantity", "spread"):
        if unit:
            raise RecordError(f"{text!r}: a column of {column.kind} has no unit", where=at)
        return column
    if not unit:
        return column if column.unit == "1" else Column(column.name, column.path, column.kind, "")
    try:
        fits = same_dimension(unit, column.unit)
    except UnitError as error:
        raise RecordError(f"{text!r}: {error.message}", where=at) from error
    if not fits:
        raise RecordError(f"{text!r}: {column.name} is in {column.unit} or the like, not in {unit}", where=at)
    return Column(column.name, column.path, column.kind, unit)


def read_value(column: Column, value: Value) -> Any:
    """Return the value of a cell as a record takes it.

    Raises
    ------
    ValueError
        With what is wrong and what to write instead.
    """
    if isinstance(value, bool):
        raise ValueError(f"holds {value}: write a number or text")
    if column.kind == "quantity":
        return _quantity(column, value)
    if column.kind == "spread":
        return _number(column, value)
    if column.kind == "whole":
        number = _number(column, value)
        if number != int(number):
            raise ValueError(f"holds {value}: a whole number is expected")
        return int(number)
    if isinstance(value, (int, float)):
        raise ValueError(
            f"holds the number {value}, where text is expected: write it as text ('{value} in Excel)"
        )
    if column.kind == "parts":
        return _parts(str(value))
    return str(value)


def _number(column: Column, value: Value) -> float:
    if isinstance(value, str):
        text = value
        try:
            value = float(text)
        except ValueError as error:
            comma = "; decimals take a point" if "," in text else ""
            raise ValueError(f"holds {text[:60]!r}: a number is expected{comma}") from error
    if value is None or not math.isfinite(value):
        raise ValueError(f"holds {value}: a finite number is expected")
    if not column.unit and column.kind == "spread":
        raise ValueError(f"has no unit: write it into the header, as '{column.name} (unit)'")
    return float(value)


def _quantity(column: Column, value: Value) -> Any:
    """Return a quantity: a bare number is in the unit of the header, text may bring its own."""
    bare = not isinstance(value, str)
    if isinstance(value, str):
        try:
            value, bare = float(value), True
        except ValueError:  # such as "130 ug_Si"; the field itself checks what it measures
            try:
                return Quantity.parse(value, example=f"1.5 {column.unit or 'um'}")
            except UnitError as error:
                raise ValueError(error.message) from error
    if not bare or value is None:
        return value
    if not column.unit:
        raise ValueError(
            f"holds {value:g} and no unit: write the unit into the header, as '{column.name} (um)'"
        )
    return {"value": _number(column, value), "unit": column.unit}


def _parts(text: str) -> list[dict[str, str]]:
    """Read "silicon:active:73.2 %; NaCMC:binder:10 %"."""
    made = []
    for part in filter(None, (p.strip() for p in text.split(";"))):
        words = [word.strip() for word in part.split(":")]
        if len(words) not in (3, 4):
            raise ValueError(
                f"holds {part[:60]!r}: write MATERIAL:ROLE:FRACTION, such as 'silicon:active:73.2 %'"
            )
        made.append(dict(zip(("material", "role", "mass_fraction", "si_content"), words, strict=False)))
    return made


def record_row(record: Record, columns: list[Column]) -> list[Value]:
    """Return the values of a record in the order of columns."""
    extra: dict[str, Any] = {}
    if isinstance(record, Scan):
        extra = {
            "file": record.source.path if record.source else None,
            "dataset": record.source.member or None if record.source else None,
            "shape": "×".join(map(str, record.volume.shape)) if record.volume else None,
            "dtype": record.volume.dtype if record.volume else None,
        }
    return [
        extra.get(c.name) if c.kind in ("file", "shown") else _written(c, _at(record, c)) for c in columns
    ]


def _at(record: Record, column: Column) -> Any:
    value: Any = record
    for name in column.path:
        value = getattr(value, name, None)
    return value


def _written(column: Column, value: Any) -> Value:
    if value is None or value == "" or isinstance(value, VoxelSize):
        return None
    if isinstance(value, Quantity):
        if column.kind == "spread":
            return value.to(column.unit).uncertainty
        return value.m_as(column.unit)
    if isinstance(value, tuple):
        return (
            "; ".join(
                ":".join(str(v) for v in part.model_dump(mode="json").values() if v is not None)
                for part in value
            )
            or None
        )
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    return value if isinstance(value, int) else str(value)
