"""Remove the volumes of records that were removed long ago; the only way by which bytes ever go."""

from __future__ import annotations

from collections.abc import Container, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.histories import spare_copies
from siltomo.catalog.ids import is_kind, is_transaction
from siltomo.catalog.layout import COPY, Layout
from siltomo.catalog.records import Shelf, StoredRecord
from siltomo.catalog.transactions import Transaction, discard, publish_copy
from siltomo.errors import DamagedError

__all__ = ["Collected", "collect", "collectable"]


@dataclass(frozen=True)
class Collected:
    """A bag that no record uses any more."""

    kind: str
    id: str
    bag: str
    """Its folder below ``objects/<kind>/``."""
    bytes: int
    """What it takes on disk."""
    removed: str
    """When its record was removed, in UTC."""


def collectable(
    layout: Layout, fs: FileSystem, *, grace: timedelta, keep: Container[tuple[str, str]] = ()
) -> Iterator[Collected]:
    """Yield the bags whose records were removed longer ago than the grace period.

    A bag that no record names is never among them: it is data whose record was lost. Nor is one whose
    history cannot be read in full.
    """
    shelf = Shelf(layout, fs)
    # names first, then whether a writer is at work, then the records: the other way round a bag that is
    # being published would be taken for one that nobody wants
    for kind in filter(is_kind, fs.names(layout.objects)):
        for name in fs.names(layout.objects / kind):
            id_, _, transaction = name.rpartition(".")
            if not is_transaction(transaction) or (kind, id_) in keep:
                continue
            fs.look(layout.staging / transaction)
            if fs.exists(layout.staging / transaction):
                continue
            try:
                history = [shelf.read(kind, id_, n) for n in shelf.revisions(kind, id_)]
            except DamagedError:
                continue
            found = _unused(history, name)
            if found and _age(found.removed) >= grace:
                yield found


def collect(layout: Layout, fs: FileSystem, found: Collected) -> None:
    """Remove one bag; the records stay, and that which lay in the bag is copied first."""
    with Transaction.begin(layout, fs) as transaction:
        shelf = Shelf(layout, fs)
        for revision in shelf.revisions(found.kind, found.id):
            record = shelf.read(found.kind, found.id, revision)
            if record.volume and record.volume.bag == found.bag:
                _keep_copy(transaction, record)
        bag = layout.bag(found.kind, found.bag)
        discard(layout, fs, bag)
        fs.fsync_dir(bag.parent)


def _keep_copy(transaction: Transaction, record: StoredRecord) -> None:
    """Make the spare copy that a record has in its bag one among the others."""
    layout, fs = transaction.layout, transaction.fs
    copies = spare_copies(layout, fs, record.kind, record.id, record.revision)
    if any(path.is_relative_to(layout.copies) for path in copies):
        return
    data = fs.read(layout.record(record.kind, record.id, record.revision))
    staged = transaction.staging / f"{record.revision}-{COPY}"
    transaction.store(staged, data)
    copy = layout.copy(record.kind, record.id, record.revision, transaction.name)
    publish_copy(layout, fs, staged, copy, data)


def _unused(history: list[StoredRecord], bag: str) -> Collected | None:
    """Return a bag whose last record is a removal."""
    naming = [record for record in history if record.volume and record.volume.bag == bag]
    complete = [record.revision for record in history] == list(range(1, len(history) + 1))
    if not (naming and complete and naming[-1].removed):
        return None
    last = naming[-1]
    assert last.volume is not None
    return Collected(last.kind, last.id, bag, last.volume.bytes, last.created)


def _age(created: str) -> timedelta:
    return datetime.now(UTC) - datetime.strptime(created, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
