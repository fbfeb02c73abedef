"""The records of a catalog: read, checked against each other, added, changed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

from siltomo.catalog import CatalogStore, StoredRecord
from siltomo.errors import BadInputError, DamagedError, NotFoundError
from siltomo.model import Record, Segmentation, validated

__all__ = ["Change", "Records"]

R = TypeVar("R", bound=Record)

_HOW_TO_ADD = {
    "formulation": "siltomo formulation add {id}",
    "cell": "siltomo cell add {id} --formulation FORMULATION",
    "scan": "siltomo catalog list",
    "study": "siltomo catalog add STUDY.yaml",
}


@dataclass(frozen=True)
class Change:
    """What adding or setting a record did."""

    record: Record
    revision: int
    changed: bool
    """False when the same thing was already there."""


class Records:
    """What a catalog does with records; a part of :class:`~siltomo.engine.catalog.Catalog`."""

    def __init__(self, store: CatalogStore) -> None:
        self.store = store
        self._recovered: list[str] | None = None
        self._damaged: dict[str, DamagedError] = {}

    @property
    def path(self) -> Path:
        """The catalog's folder."""
        return self.store.root

    @property
    def absolute_path(self) -> Path:
        """The catalog's folder, for tasks that run elsewhere."""
        return self.store.absolute_root

    def begin_writing(self) -> tuple[str, ...]:
        """Settle, once, what killed commands left behind: what was whole is completed, the rest dropped.

        Returns
        -------
        tuple of str
            What was completed, in words.
        """
        if self._recovered is None:
            self._recovered = [
                f"{one.kind} {one.id}, left by a command that was killed, was whole and is now registered"
                for one in self.store.recover()
                if one.outcome == "completed"
            ]
        return tuple(self._recovered)

    # ---- records ---------------------------------------------------------------------------------------

    def record(self, model: type[R], id: str) -> R:  # noqa: A002 -- the word of the data model
        """Return a record.

        Raises
        ------
        NotFoundError
            When the catalog has no such record; the nearest ids are given.
        """
        stored = self.store.find(model.kind, id)
        if stored is None:
            raise self.unknown(model.kind, id)
        return model.from_body(dict(stored.body))

    def records(self, model: type[R]) -> Iterator[R]:
        """Return all records of a kind, in the order of their ids.

        Raises
        ------
        DamagedError
            After all others, when some cannot be read.
        """
        for stored in self.store.all(model.kind):
            yield model.from_body(dict(stored.body))

    def sound_records(self, model: type[R]) -> Iterator[R]:
        """Return all records of a kind that can be read; :attr:`damaged` says what is left out."""
        for stored in self.store.all(model.kind, damaged=self._note):
            yield model.from_body(dict(stored.body))

    def _note(self, error: DamagedError) -> None:
        self._damaged[error.where] = error

    @property
    def damaged(self) -> tuple[DamagedError, ...]:
        """What :meth:`sound_records` could not read so far, each with its place and the command that mends it."""
        return tuple(self._damaged.values())

    def unknown(self, kind: str, id: str, *, where: str = "") -> NotFoundError:  # noqa: A002
        """Return the error for an id that the catalog does not have."""
        near = get_close_matches(id, self.store.ids(kind), n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        return NotFoundError(
            f"the catalog has no {kind} {id!r}{hint}",
            code="SIL120",
            where=where,
            fix=_HOW_TO_ADD.get(kind, "siltomo catalog list").format(id=id),
        )

    def check_references(self, record: Record, *, where: str = "") -> None:
        """Check that what a record points at is in the catalog.

        Raises
        ------
        NotFoundError
            When it is not; the fix is the command that adds it.
        """
        for name, kind in record.references().items():
            target = getattr(record, name)
            if target is not None and self.store.find(kind, target) is None:
                raise self.unknown(kind, target, where=f"{where}.{name}" if where else "")

    def add(self, record: Record, *, where: str = "") -> Change:
        """Add a record; the same record again changes nothing.

        Raises
        ------
        TakenError
            When the id is taken by another record.
        NotFoundError
            When it points at something that is not in the catalog.
        """
        self.check_references(record, where=where)
        self.begin_writing()
        stored, added = self.store.put(record.kind, record.id, record.body())
        return Change(record, stored.revision, added)

    def set(self, model: type[R], id: str, changes: Mapping[str, Any]) -> Change:  # noqa: A002
        """Change fields of a record, as a new revision; the old one stays in its history.

        Parameters
        ----------
        changes
            New values by field, dotted for fields of a part (``"state.capacity"``); ``None`` clears.
        """
        self.begin_writing()
        stored = self.store.find(model.kind, id)
        if stored is None:
            raise self.unknown(model.kind, id)
        body = dict(stored.body)
        for field, value in changes.items():
            _put(body, field.split("."), value)
        body.pop("schema", None)
        record = validated(model, body, place=f"{model.kind} {id}")
        self.check_references(record)
        if record.body() == stored.body:
            return Change(record, stored.revision, False)
        revised = self.store.revise(model.kind, id, record.body(), of=stored.revision)
        return Change(record, revised.revision, True)

    def stored(self, model: type[Record], id: str) -> StoredRecord:  # noqa: A002
        """Return a record as the catalog keeps it, with its volume and its revision."""
        found = self.store.find(model.kind, id)
        if found is None:
            raise self.unknown(model.kind, id)
        return found

    def segmentations_of(self, scan: str) -> list[Segmentation]:
        """Return the segmentations that lie on a scan's grid."""
        return [s for s in self.records(Segmentation) if s.scan == scan]


def _put(body: dict[str, Any], path: list[str], value: Any) -> None:
    """Set a nested value, copying what it changes."""
    *parents, last = path
    for name in parents:
        inner = body.get(name)
        if inner is not None and not isinstance(inner, dict):
            raise BadInputError(f"{name!r} has no parts, so {'.'.join(path)!r} cannot be set")
        body[name] = dict(inner or {})
        body = body[name]
    if value is None:
        body.pop(last, None)
    else:
        body[last] = value
