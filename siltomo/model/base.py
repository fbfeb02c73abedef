"""What all records share: frozen, closed, with a schema that says its version."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import Annotated, Any, ClassVar, Self, get_args, get_origin

from pydantic import BaseModel, ConfigDict

from siltomo.errors import RecordError
from siltomo.model.fields import Id, Ref

__all__ = ["Model", "Record"]


class Model(BaseModel):
    """A frozen value with named, typed, described parts and no others."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        use_attribute_docstrings=True,
        allow_inf_nan=False,
        validate_default=True,
    )


class Record(Model):
    """A thing that the catalog keeps under an id."""

    kind: ClassVar[str]
    """The word for this kind of record, as in ``siltomo schema show cell``."""
    version: ClassVar[int] = 1
    """Version of the schema; a change that old records do not fit makes a new one."""

    id: Id
    """Short name, chosen by the user: lower-case letters, digits, '-' and '_'."""
    title: str = ""
    """Name for people."""
    notes: str = ""
    """Free text."""

    @classmethod
    def schema_name(cls) -> str:
        """Return the tag of stored records, such as ``"siltomo/cell/1"``."""
        return f"siltomo/{cls.kind}/{cls.version}"

    @classmethod
    def references(cls) -> dict[str, str]:
        """Return the fields that point at other records, with the kind each points at."""
        return {
            name: mark.kind
            for name, field in cls.model_fields.items()
            for mark in (*field.metadata, *_marks(field.annotation))
            if isinstance(mark, Ref)
        }

    def _repr_html_(self) -> str:
        """Show the record in a notebook: its fields, quantities with their unit."""
        body = {name: value for name, value in self.body().items() if name != "schema"}
        rows = "".join(
            f"<tr><th style='text-align:left'>{escape(name)}</th><td style='text-align:left'>{_shown(value)}</td></tr>"
            for name, value in body.items()
            if value not in ("", [], {})
        )
        return f"<table><caption>{escape(self.kind)} {escape(self.id)}</caption>{rows}</table>"

    def body(self) -> dict[str, Any]:
        """Return the record as plain JSON values, quantities as text with their unit."""
        return {"schema": self.schema_name(), **self.model_dump(mode="json", exclude_none=True)}

    @classmethod
    def from_body(cls, body: dict[str, Any]) -> Self:
        """Build the record from what :meth:`body` gave; raises ``RecordError`` for another schema."""
        known = dict(body)
        schema = known.pop("schema", None)
        if schema != cls.schema_name():
            raise RecordError(
                f"the record says schema {schema!r}, this siltomo reads {cls.schema_name()!r}",
                where=f"{cls.kind} {body.get('id')}",
            )
        return cls.model_validate(known)


def _shown(value: Any) -> str:
    """Return a value of a record's body as HTML: parts on lines of their own."""
    if isinstance(value, dict):
        return "<br>".join(f"{escape(str(name))}: {_shown(part)}" for name, part in value.items())
    if isinstance(value, list):
        return "<br>".join(_shown(part) for part in value)
    return escape(str(value))


def _marks(annotation: object) -> Iterator[object]:
    """Yield what the members of a union are annotated with: ``Annotated[Id, Ref(...)] | None``."""
    if get_origin(annotation) is Annotated:
        yield from annotation.__metadata__  # type: ignore[attr-defined]
    for inner in get_args(annotation):
        yield from _marks(inner)
