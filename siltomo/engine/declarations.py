"""Read what a study declares: one YAML file and its parts, or a study that comes with siltomo."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from siltomo.engine.yaml import Document, read_yaml
from siltomo.errors import ExpressionError, NotFoundError, RecordError, SiltomoError, UnitError
from siltomo.model import RECORDS, Model, ReportedValue, validated
from siltomo.studies import (
    Claim,
    Constant,
    Declared,
    Imaging,
    Ingredient,
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

__all__ = ["CHECKED", "bundled", "declared", "entries", "find_study", "read_declarations", "with_components"]

CHECKED = ("parts", "populations", "protocols", "constants", "definitions", "imaging", "relations", "claims")
"""Sections of a study file that ``siltomo study check`` reads and a catalog does not keep."""

_OF_THE_STUDY = ("formulations", "reported_values")
M = TypeVar("M", bound=Model)


@dataclass(frozen=True)
class _Merged(Document):
    """Several files read as one: each entry is named by the file that holds it."""

    owners: Mapping[tuple[str | int, ...], Document] = field(default_factory=dict)

    def place(self, path: tuple[str | int, ...]) -> str:
        """Name a value in the file that holds it."""
        for length in (2, 1):
            if path[:length] in self.owners:
                return self.owners[path[:length]].place(path)
        return super().place(path)


def _home() -> Path:
    """Return the folder of the studies that come with siltomo: in the package, or beside it in a checkout."""
    package = Path(__file__).parents[1]
    inside = package / "catalogs"
    return inside if inside.is_dir() else package.parent / "catalogs"


def bundled() -> dict[str, Path]:
    """Return the studies that come with siltomo, by name."""
    home = _home()
    return {path.parent.name: path for path in sorted(home.glob("*/study.yaml"))}


def find_study(name: str) -> Path:
    """Return the file of a study: a path to it, to its folder, or the name of one that comes with siltomo.

    Raises
    ------
    NotFoundError
        When it is neither.
    """
    path = Path(name).expanduser()
    if path.is_dir() and (path / "study.yaml").is_file():
        return path / "study.yaml"
    if path.is_file():
        return path
    known = bundled()
    if name in known:
        return known[name]
    raise NotFoundError(
        f"there is no file and no study {name!r}; studies that come with siltomo: {', '.join(known) or 'none'}",
        fix="siltomo study list",
    )


def read_declarations(path: Path) -> Document:
    """Read a study file and the files that its ``parts`` name, as one document.

    Raises
    ------
    NotFoundError, FormatError
        When a file is missing or is no YAML.
    RecordError
        When a section has no entries, or an entry stands in two files.
    """
    first = read_yaml(path)
    if not isinstance(first.data, dict):
        raise RecordError("is no study: it has no sections", where=str(path), fix="siltomo schema show study")
    data: dict[str, Any] = dict(first.data)
    owners: dict[tuple[str | int, ...], Document] = {}
    for document in (first, *_parts(first)):
        for section, found in document.data.items():
            owners.setdefault((section,), document)
            if isinstance(found, dict) and section != "study":
                owners.update({(section, id_): document for id_ in found})
            if document is not first:
                data[section] = _joined(data.get(section), found, section, document)
    data.pop("parts", None)
    return _Merged(path, data, first.lines, owners)


def _parts(document: Document) -> Iterator[Document]:
    given = document.data.get("parts") or []
    if not isinstance(given, list) or not all(isinstance(part, str) for part in given):
        raise RecordError("parts is a list of files beside this one", where=document.place(("parts",)))
    for part in given:
        inside = Path(part)
        if inside.is_absolute() or ".." in inside.parts:
            raise RecordError(f"{part!r} is not beside this file", where=document.place(("parts",)))
        read = read_yaml(document.path.parent / inside)
        if not isinstance(read.data, dict):
            raise RecordError("has no sections", where=str(read.path))
        yield read


def _joined(known: Any, found: Any, section: str, document: Document) -> Any:
    if known is None:
        return found
    if not isinstance(known, dict) or not isinstance(found or {}, dict) or section == "study":
        raise RecordError(f"{section} stands in two files", where=document.place((section,)))
    for id_ in found or {}:
        if id_ in known:
            raise RecordError(f"{id_!r} stands in two files", where=document.place((section, id_)))
    return {**known, **(found or {})}


def entries(document: Document, section: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Go through a section's entries: id and fields.

    Raises
    ------
    RecordError
        When the section is no mapping from ids to fields.
    """
    found = document.data.get(section) or {}
    if not isinstance(found, dict):
        raise RecordError(
            f"{section} is a mapping from id to fields, not {type(found).__name__}",
            where=document.place((section,)),
        )
    study = document.data.get("study")
    owner = study.get("id") if isinstance(study, dict) else None
    for id_, fields in found.items():
        if not isinstance(fields, dict | None):
            raise RecordError("has no fields", where=document.place((section, id_)))
        own = dict(fields or {})
        if owner is not None and section in _OF_THE_STUDY:
            own.setdefault("study", owner)
        yield id_, own


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
