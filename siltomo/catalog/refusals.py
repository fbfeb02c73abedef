"""What the catalog says when somebody else was there first."""

from __future__ import annotations

from siltomo.catalog.records import StoredRecord
from siltomo.errors import TakenError

__all__ = ["overtaken", "taken"]


def taken(kind: str, id_: str, newest: StoredRecord | None) -> TakenError:
    """Return the error that an id has another record."""
    since = f" (revision {newest.revision} of {newest.created})" if newest else ""
    return TakenError(
        f"{kind} {id_!r} is in the catalog already{since}, with other content",
        fix="choose another id, or change the record with the command `set`",
    )


def overtaken(current: StoredRecord | None, of: int) -> TakenError:
    """Return the error that a record was revised since it was read."""
    name = f"{current.kind} {current.id}" if current else "the record"
    now = f"revision {current.revision} of {current.created}" if current else "another revision"
    return TakenError(
        f"{name} was changed by somebody else since it was read: it is {now}, the change was made to "
        f"revision {of}",
        code="SIL112",
        fix="repeat the command",
    )
