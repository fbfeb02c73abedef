"""A thing registered again: the same is accepted, anything else under its id is refused."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pydantic import BaseModel

from siltomo.catalog import StoredRecord
from siltomo.errors import Amend, TakenError
from siltomo.model import Scan, Segmentation

__all__ = ["same_or_refused"]

V = TypeVar("V", Scan, Segmentation)

_NOT_COMPARED = {"volume", "source", "voxel_source", "registration"}
"""What follows from the voxels and the files, or was measured on them: the voxels themselves are compared."""


def same_or_refused(existing: StoredRecord, record: V, content: Callable[[], str]) -> V:
    """Return the record that is there, if it is the one that is to be registered.

    Parameters
    ----------
    existing
        What stands under the id.
    record
        What is to be registered, without its volume.
    content
        Reads the voxels to be registered and returns their content id; called only when all fields agree.

    Raises
    ------
    TakenError
        When a field or the voxels differ; names them, with both values.
    """
    known = type(record).from_body(dict(existing.body))
    differing = [
        f"{name} ({_words(known, name)} there, {_words(record, name)} here)"
        for name in type(record).model_fields
        if name not in _NOT_COMPARED and getattr(known, name) != getattr(record, name)
    ]
    if not differing and known.volume is not None:
        if content() == known.volume.content:
            return known
        differing = ["the voxels"]
    raise TakenError(
        f"the catalog already has a {record.kind} {record.id!r}, and it differs in {', '.join(differing)}; "
        "nothing was changed",
        code="SIL111",
        fix=Amend({"--id": f"{record.id[:60]}-2"}, advice="to keep both, give this one an id of its own"),
    )


def _words(record: Scan | Segmentation, name: str) -> str:
    return _plain(getattr(record, name)) or "nothing"


def _plain(value: object) -> str:
    """Write a field as people would: no names of types, nothing that is not set."""
    if isinstance(value, BaseModel):
        parts = ((name, getattr(value, name)) for name in type(value).model_fields)
        return ", ".join(f"{name} {_plain(part)}" for name, part in parts if part not in (None, "", ()))
    if isinstance(value, (tuple, list)):
        return "; ".join(_plain(one) for one in value)
    return "" if value is None else str(value)
