"""Turn what a study file declares into what its checks look at."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypeVar

from siltomo.engine.study.files import entries
from siltomo.engine.yaml import Document
from siltomo.errors import ExpressionError, RecordError, SiltomoError, UnitError
from siltomo.model import RECORDS, Model, ReportedValue, validated
from siltomo.studies import (
    Claim,
    Constant,
    Declared,
    Imaging,
    Ingredient,
    Measured,
    Node,
    Population,
    Protocol,
    Relation,
    Value,
    components,
    constant_value,
    expanded,
    parse,
    recipe_definitions,
    reported_value,
)
from siltomo.units import Quantity

__all__ = ["CHECKED", "declared", "measured", "with_components"]

CHECKED = (
    "parts",
    "populations",
    "protocols",
    "constants",
    "definitions",
    "measured",
    "imaging",
    "relations",
    "claims",
)
"""Sections of a study file that ``siltomo study check`` reads and a catalog does not keep."""

M = TypeVar("M", bound=Model)


def declared(document: Document) -> Declared:
    """Return everything that the checks of a study look at.

    Raises
    ------
    RecordError
        When a field is wrong; names the file, the line, the path and the value.
    """
    values = _values(document)
    definitions = _definitions(document)
    taken = sorted(set(values) & set(definitions))
    if taken:
        raise RecordError(
            f"{taken[0]!r} is both a value and a definition", where=document.place(("definitions",))
        )
    relations = tuple(_templates(document, "relations", Relation))
    populations = {
        id_: _model(document, Population, "populations", id_, f)
        for id_, f in entries(document, "populations")
    }
    for id_, fields in entries(document, "protocols"):
        _model(document, Protocol, "protocols", id_, fields)
    made = Declared(
        values=values,
        definitions=definitions,
        relations=relations,
        claims=tuple(_templates(document, "claims", Claim)),
        populations=populations,
        imaging=tuple(
            _model(document, Imaging, "imaging", id_, f) for id_, f in entries(document, "imaging")
        ),
        formulations=tuple(id_ for id_, _ in entries(document, "formulations")),
    )
    _check_references(document, made)
    return made


def measured(document: Document) -> dict[str, Measured]:
    """Return the numbers that a catalog is asked for, by name.

    Raises
    ------
    RecordError
        When a field is wrong.
    """
    return {
        id_: validated(Measured, fields, place=_placed(document, "measured", id_))
        for id_, fields in entries(document, "measured")
    }


def _model(document: Document, model: type[M], section: str, id_: str, fields: Mapping[str, Any]) -> M:
    return validated(model, {"id": id_, **fields}, place=_placed(document, section, id_))


def _placed(document: Document, *at: str | int) -> Callable[[tuple[str | int, ...]], str]:
    """Return what names the place of a field, given its path inside an entry."""
    return lambda path: document.place((*at, *path))


def _templates(document: Document, section: str, model: type[M]) -> Iterator[M]:
    seen: set[str] = set()
    for id_, fields in entries(document, section):
        at = document.place((section, id_))
        for made, own in expanded(id_, fields, where=at):
            if made in seen:
                raise RecordError(f"{made!r} is made twice", where=at)
            seen.add(made)
            yield validated(model, {**own, "id": made}, place=_placed(document, section, id_))


def _values(document: Document) -> dict[str, Value]:
    values: dict[str, Value] = {}
    for id_, fields in entries(document, "reported_values"):
        record = validated(
            ReportedValue,
            {"id": id_, **fields},
            place=_placed(document, "reported_values", id_),
        )
        values[id_] = reported_value(record)
    for id_, fields in entries(document, "constants"):
        at = document.place(("constants", id_))
        constant = validated(Constant, fields, place=at)
        if id_ in values:
            raise RecordError(f"{id_!r} is a reported value too", where=at)
        try:
            quantity = Quantity.parse(constant.value, example="2.2 g/cm^3", unitless=True)
        except UnitError as error:
            raise RecordError(error.message, where=at) from error
        values[id_] = constant_value(id_, quantity, source=constant.source, assumed=constant.assumed)
    return {**values, **_of_cells(document)}


def _of_cells(document: Document) -> dict[str, Value]:
    """Return the quantities of declared cells, as ``CELL.field`` with '_' for '-'."""
    found: dict[str, Value] = {}
    for id_, fields in entries(document, "cells"):
        record = validated(
            RECORDS["cell"],
            {"id": id_, **fields},
            place=_placed(document, "cells", id_),
        )
        for name in type(record).model_fields:
            quantity = getattr(record, name)
            if isinstance(quantity, Quantity):
                key = f"{id_.replace('-', '_')}.{name}"
                found[key] = constant_value(key, quantity, source=f"cell {id_}", assumed=False)
    return found


def _ingredients(document: Document, id_: str, fields: Mapping[str, Any]) -> list[Ingredient]:
    given = fields.get("ingredients") or []
    at = ("formulations", id_, "ingredients")
    if not isinstance(given, list) or not all(isinstance(part, dict) for part in given):
        raise RecordError("ingredients is a list of materials", where=document.place(at))
    return [validated(Ingredient, part, place=_placed(document, *at, n)) for n, part in enumerate(given)]


def _definitions(document: Document) -> dict[str, Node]:
    made: dict[str, Node] = {}
    for id_, fields in entries(document, "formulations"):
        parts = _ingredients(document, id_, fields)
        if parts:
            try:
                made.update(recipe_definitions(id_, parts))
            except ExpressionError as error:
                raise RecordError(error.message, where=document.place(("formulations", id_))) from error
    found = document.data.get("definitions") or {}
    if not isinstance(found, dict):
        raise RecordError(
            "definitions is a mapping from names to expressions", where=document.place(("definitions",))
        )
    for name, text in found.items():
        at = document.place(("definitions", name))
        if not isinstance(text, str | int | float) or isinstance(text, bool):
            raise RecordError("a definition is an expression", where=at)
        try:
            made[name] = parse(text)
        except ExpressionError as error:
            raise RecordError(error.message, where=at) from error
    return made


def _check_references(document: Document, study: Declared) -> None:
    for relation in study.relations:
        if relation.reported and relation.reported not in study.values:
            raise RecordError(
                f"there is no reported value {relation.reported!r}",
                where=document.place(("relations", relation.family or relation.id)),
            )
    for setting in study.imaging:
        for name in (setting.voxel, *setting.fields, *setting.pixels):
            if name not in study.values:
                raise RecordError(
                    f"there is no value {name!r}", where=document.place(("imaging", setting.id))
                )
    for value in study.values.values():
        if value.population and value.population not in study.populations:
            known = ", ".join(study.populations) or "none"
            raise RecordError(
                f"there is no population {value.population!r}; the study has: {known}",
                where=document.place(("reported_values", value.name)),
            )


def with_components(document: Document, id_: str, fields: Mapping[str, Any]) -> dict[str, Any]:
    """Return a formulation's fields with the components that its ingredients come to.

    Raises
    ------
    RecordError
        When a mass cannot be computed, or components are given besides.
    """
    own = {key: value for key, value in fields.items() if key != "ingredients"}
    parts = _ingredients(document, id_, fields)
    if not parts:
        return own
    where = document.place(("formulations", id_, "ingredients"))
    if "components" in own:
        raise RecordError("components follow from the ingredients: give one of the two", where=where)
    study = Declared(_values(document), _definitions(document))
    try:
        density = study.evaluate(f"{id_}.true_density").in_unit("g/cm^3")[0]
        own.setdefault("true_density", f"{density:.6g} g/cm^3")
        return {**own, "components": components(parts, study.values, study.definitions)}
    except SiltomoError as error:
        raise RecordError(error.message, where=where) from error
