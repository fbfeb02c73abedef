"""Types of fields: quantities in a declared unit, ids, references."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache, lru_cache
from typing import Annotated, Any

from pydantic import AfterValidator, GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from siltomo.errors import UnitError
from siltomo.ids import check_id
from siltomo.units import Quantity, dimension, same_dimension

__all__ = ["Id", "In", "PhaseName", "QuantityField", "Ref", "per_plain_gram", "text_reader"]


class QuantityField(ABC):
    """What the annotation of a field does that is read as a quantity and written as text."""

    @abstractmethod
    def read(self, given: object) -> Quantity:
        """Read a value; raises ``UnitError`` when it is none that the field takes."""

    def _reader(self) -> Callable[[object], Quantity]:
        return self.read

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(
            _validator(self._reader()),
            serialization=core_schema.plain_serializer_function_ser_schema(
                str, return_schema=core_schema.str_schema(), when_used="json"
            ),
        )


def _validator(read: Callable[[object], Quantity]) -> Callable[[object], Quantity]:
    def validate(given: object) -> Quantity:
        # pint's and our own errors are translated here: pydantic collects only its own kind
        try:
            return read(given)
        except UnitError as error:
            said = {"why": error.message, "instead": error.instead}
            raise PydanticCustomError("quantity", "{why}", said) from error

    return validate


@dataclass(frozen=True)
class In(QuantityField):
    """Make a field a quantity in a unit, within bounds.

    Used as ``Annotated[Quantity, In("um", gt=0)]``: reads ``"650 nm"``, keeps ``0.65 um``, writes
    ``"0.65 um"``; refuses a bare number, another dimension, and values out of bounds.

    Parameters
    ----------
    unit
        The unit the value is kept and written in.
    gt, ge, le
        Bounds in that unit.
    of
        What the quantity is a fraction of, or per gram of what. Dimensionless quantities and plain
        grams in the denominator must say it.
    """

    unit: str
    gt: float | None = None
    ge: float | None = None
    le: float | None = None
    of: str = ""

    def __post_init__(self) -> None:
        if not self.of and self.unitless:
            raise TypeError(f"a quantity in {self.unit!r} must say what it is a fraction of: of=...")
        if not self.of and per_plain_gram(self.unit):
            raise TypeError(f"a quantity in {self.unit!r} must say per gram of what: of=...")

    @property
    def unitless(self) -> bool:
        """Whether the unit is a pure number."""
        return same_dimension(self.unit, "1")

    @property
    def example(self) -> str:
        """A value that the field would take."""
        return "0.5" if self.unitless else f"1.5 {self.unit}"

    def read(self, given: object) -> Quantity:
        """Read a value of the field.

        Raises
        ------
        UnitError
            When it is no quantity of this dimension, or out of bounds.
        """
        written = Quantity.written(given, self.unit) if isinstance(given, str) else None
        read = written or Quantity.parse(given, example=self.example, unitless=self.unitless)
        if read.unit != self.unit and not same_dimension(read.unit, self.unit):
            error = UnitError(
                f"'{given}' measures {dimension(read.unit)}; this field needs {dimension(self.unit)}, "
                f"such as '{read.value:.12g} {self.unit}'"
            )
            error.instead = f"{read.value:.12g} {self.unit}"
            raise error
        kept = read.to(self.unit)
        for word, bound, holds in (
            ("more than", self.gt, self.gt is None or kept.value > self.gt),
            ("at least", self.ge, self.ge is None or kept.value >= self.ge),
            ("at most", self.le, self.le is None or kept.value <= self.le),
        ):
            if not holds:
                limit = Quantity(float(bound or 0.0), self.unit)
                percent = self.unitless and read.unit == "1" and self.le == 1 and read.value <= 100
                hint = f"; did you mean '{read.value:.12g} %'?" if percent and read.value > 1 else ""
                raise UnitError(f"'{given}' is out of bounds: {word} {limit} is expected{hint}")
        return kept

    def _reader(self) -> Callable[[object], Quantity]:
        read_text = text_reader(self)
        return lambda given: read_text(given) if isinstance(given, str) else self.read(given)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        number = {"type": "number"}
        text: JsonSchemaValue = {"type": "string", "examples": [self.example]}
        mapping = {
            "type": "object",
            "properties": {"value": number, "unit": {"type": "string"}, "uncertainty": number},
            "required": ["value"] if self.unitless else ["value", "unit"],
            "additionalProperties": False,
        }
        found: JsonSchemaValue = {
            "anyOf": [text, mapping, *([number] if self.unitless else [])],
            "x-unit": self.unit,
            "x-dimension": dimension(self.unit),
        }
        bounds = {"x-exclusiveMinimum": self.gt, "x-minimum": self.ge, "x-maximum": self.le}
        found.update({key: bound for key, bound in bounds.items() if bound is not None})
        if self.of:
            found["x-of"] = self.of
        return found


@cache
def text_reader(field: In) -> Callable[[str], Quantity]:
    """Return what reads a text once: the scans of a catalog say the same voxel size ten thousand times."""
    return lru_cache(maxsize=4096)(field.read)


def per_plain_gram(unit: str) -> bool:
    """Return whether a unit divides by a mass of unsaid substance, as mAh/g does and mAh/g_Si does not."""
    return bool(re.search(r"\[mass\] \*\* -|/ \[mass\](?!_)", dimension(unit)))


@dataclass(frozen=True)
class Ref:
    """Mark a field as the id of another record; checked against the catalog when the record is added."""

    kind: str

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {**handler(schema), "x-refers-to": self.kind}


def _check_phase(given: str) -> str:
    if re.fullmatch(r"[a-z][a-z0-9_]{0,39}", given):
        return given
    raise ValueError(
        f"{given[:60]!r} cannot name a phase: use lower-case letters, digits and '_', such as 'crack'"
    )


Id = Annotated[str, AfterValidator(check_id)]
PhaseName = Annotated[str, AfterValidator(_check_phase)]
