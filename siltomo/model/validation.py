"""Turn data from outside into records, and pydantic's complaints into ours."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from difflib import get_close_matches
from typing import Any, TypeVar

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from siltomo.errors import RecordError
from siltomo.model.base import Model, Record

__all__ = ["Place", "problems", "validated"]

M = TypeVar("M", bound=Model)

Place = Callable[[tuple[str | int, ...]], str]
"""Names the place of a field, given its path inside the data, such as ``zn.yaml:14 cells.zn1.si_mass``."""


def validated(model: type[M], data: Mapping[str, Any], *, place: str | Place = "") -> M:
    """Build a record from plain data.

    Parameters
    ----------
    model
        The class of the record.
    data
        Its fields.
    place
        Where the data stand: a prefix for the paths of fields, or a function from path to words.

    Raises
    ------
    RecordError
        When any field is wrong; the message lists every problem with its path, its value and what
        would be right.
    """
    try:
        return model.model_validate(dict(data))
    except ValidationError as error:
        named = place if callable(place) else _prefixed(place)
        found = list(problems(model, error, named))
        where, why = found[0]
        more = "".join(f"\n  {other}: {reason}" for other, reason in found[1:])
        kind = model.kind if issubclass(model, Record) else ""
        fix = f"siltomo schema show {kind}" if kind else ""
        raised = RecordError(f"{why}{more}", where=where, fix=fix)
        raised.instead = {
            str(detail["loc"][-1]): str(detail["ctx"]["instead"])
            for detail in error.errors(include_url=False)
            if detail.get("ctx", {}).get("instead")
        }
        raise raised from error


def problems(model: type[Model], error: ValidationError, place: Place) -> Iterable[tuple[str, str]]:
    """List the place and the reason of each complaint."""
    for detail in error.errors(include_url=False):
        path = tuple(part for part in detail["loc"] if part != "function-after")
        yield place(path), _reason(model, detail)


def _prefixed(prefix: str) -> Place:
    def place(path: tuple[str | int, ...]) -> str:
        dotted = ".".join(str(part) for part in path)
        return f"{prefix}.{dotted}" if prefix and dotted else prefix or dotted

    return place


def _reason(model: type[Model], detail: ErrorDetails) -> str:
    given = _shortened(detail.get("input"))
    match detail["type"]:
        case "quantity" | "voxel_size":
            return detail["msg"]
        case "value_error":
            return detail["msg"].removeprefix("Value error, ")
        case "missing":
            return "is missing"
        case "extra_forbidden":
            name = str(detail["loc"][-1])
            near = get_close_matches(name, list(model.model_fields), n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            return f"there is no field {name!r}{hint}"
        case "enum" | "literal_error":
            return f"{given} is not one of {detail['ctx']['expected']}"
    return f"{given}: {detail['msg'][0].lower()}{detail['msg'][1:]}"


def _shortened(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
