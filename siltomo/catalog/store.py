"""The catalog as its callers see it: records by kind and id, volumes behind them, results by content key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from siltomo.catalog.buckets import check_conditions, storage_of
from siltomo.catalog.faults import storage_faults
from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.holdings import Holdings
from siltomo.catalog.ids import check_key, check_kind, nearest
from siltomo.catalog.layout import Layout
from siltomo.catalog.marker import Marker, create_marker, read_marker
from siltomo.catalog.records import Shelf, StoredRecord, read_record, seal_record
from siltomo.catalog.refusals import overtaken, taken
from siltomo.catalog.sealed import checked_body
from siltomo.catalog.transactions import Transaction
from siltomo.errors import DamagedError, MismatchError, NotFoundError
from siltomo.ids import check_id

__all__ = ["CatalogStore"]


class CatalogStore(Holdings):
    """A folder of immutable records and volumes.

    Every change is one transaction that ends with the exclusive creation of a small sealed record. A crash,
    a full disk or a racing writer leaves what was there before as it was. Open one with :meth:`create` or
    :meth:`open`.

    Parameters
    ----------
    root
        The catalog's folder.
    marker
        What the catalog says of itself.
    fs
        The disk.
    """

    def __init__(self, root: Path, marker: Marker, fs: FileSystem) -> None:
        self.root, self.uuid, self.version = root, marker.uuid, marker.version
        self._fs = fs
        self._layout = Layout(root)
        self._shelf = Shelf(self._layout, fs)

    # ------------------------------------------------------------------ opening

    @classmethod
    def create(cls, root: Path | str, *, fs: FileSystem | None = None) -> CatalogStore:
        """Make a folder a catalog; other files in it are left alone.

        Raises
        ------
        TakenError
            When it is one already.
        StorageError
            When it cannot be written.
        """
        place, storage = storage_of(root)
        layout, fs = Layout(place), fs or storage
        with storage_faults(layout.root):
            if not fs.is_disk:
                check_conditions(layout, fs)
            create_marker(layout, fs)
        return cls.open(layout.root, fs=fs)

    @classmethod
    def open(cls, root: Path | str, *, fs: FileSystem | None = None) -> CatalogStore:
        """Open a catalog for reading and writing.

        Raises
        ------
        NotFoundError
            When the folder is no catalog.
        MismatchError
            When a newer siltomo made it.
        DamagedError
            When the file that makes it a catalog was changed.
        """
        place, storage = storage_of(root)
        layout, fs = Layout(place), fs or storage
        with storage_faults(layout.root):
            return cls(layout.root, read_marker(layout, fs), fs)

    @staticmethod
    def is_catalog(root: Path) -> bool:
        """Return whether a folder is a catalog, of any version."""
        return Layout(root).marker.is_file()

    @property
    def absolute_root(self) -> Path:
        """The catalog's folder from the root of the disk; a bucket's is the same everywhere."""
        return self.root.resolve() if self._fs.is_disk else self.root

    # ------------------------------------------------------------------ reading records

    def ids(self, kind: str) -> list[str]:
        """Return the ids of a kind, sorted, removed ones left out. Reads names, and few files."""
        with storage_faults(self.root):
            return list(self._shelf.live(check_kind(kind)))

    def find(self, kind: str, id: str) -> StoredRecord | None:  # noqa: A002
        """Return the newest revision of a record; None when there is none or it is removed."""
        with storage_faults(self.root):
            record = self._shelf.newest(check_kind(kind), check_id(id))
        return None if record is None or record.removed else record

    def get(self, kind: str, id: str) -> StoredRecord:  # noqa: A002
        """Return the newest revision of a record.

        Raises
        ------
        NotFoundError
            When there is none; the message names those with similar ids.
        DamagedError
            When its bytes are not what was written.
        """
        record = self.find(kind, id)
        if record is None:
            known = self.ids(kind)
            near = nearest(id, known)
            hint = f"did you mean {' or '.join(near)}?" if near else f"there are {len(known)} of this kind"
            raise NotFoundError(f"no {kind} {id!r} in the catalog: {hint}", where=str(self.root))
        return record

    def all(
        self, kind: str, *, damaged: Callable[[DamagedError], None] | None = None
    ) -> Iterator[StoredRecord]:
        """Yield the newest revision of every record of a kind, sorted by id.

        Parameters
        ----------
        kind
            Which kind.
        damaged
            Told of each record that cannot be read, after the others.

        Raises
        ------
        DamagedError
            After all others, when some cannot be read and ``damaged`` is not given.
        """
        check_kind(kind)
        unreadable: list[DamagedError] = []
        with storage_faults(self.root):
            for record in self._shelf.all(kind, unreadable):
                if not record.removed:
                    yield record
        for error in unreadable:
            if damaged is None:
                raise error
            damaged(error)

    def history(self, kind: str, id: str) -> list[StoredRecord]:  # noqa: A002
        """Return every revision of a record, oldest first, removals included."""
        check_kind(kind), check_id(id)
        with storage_faults(self.root):
            return [self._shelf.read(kind, id, revision) for revision in self._shelf.revisions(kind, id)]

    # ------------------------------------------------------------------ writing records

    def put(self, kind: str, id: str, body: Mapping[str, Any]) -> tuple[StoredRecord, bool]:  # noqa: A002
        """Add a record.

        Returns
        -------
        StoredRecord
            The record as it stands in the catalog.
        bool
            Whether it is new; False when the same record was there already.

        Raises
        ------
        TakenError
            When the id has another record.
        """
        check_kind(kind), check_id(id)
        made = checked_body(body)
        with storage_faults(self.root):
            newest = self._shelf.newest(kind, id)
            if newest is None or newest.removed:
                data, record = seal_record(kind, id, made, after=newest)
                try:
                    with Transaction.begin(self._layout, self._fs) as transaction:
                        transaction.commit_record(record, data)
                except FileExistsError:
                    newest = self._shelf.newest(kind, id)
                else:
                    return record, True
        if newest is not None and not newest.removed and newest.body == made:
            return newest, False
        raise taken(kind, id, newest)

    def revise(self, kind: str, id: str, body: Mapping[str, Any], *, of: int) -> StoredRecord:  # noqa: A002
        """Replace a record by its next revision; a body that says the same changes nothing.

        Parameters
        ----------
        kind, id
            Which record.
        body
            All of it.
        of
            The revision that was read before the change was made.

        Raises
        ------
        TakenError
            With code SIL112 when somebody else revised it since.
        """
        current = self.get(kind, id)
        made = checked_body(body)
        if current.revision != of:
            raise overtaken(current, of)
        return current if current.body == made else self._append(current, made, removed=False)

    def remove(self, kind: str, id: str) -> StoredRecord:  # noqa: A002
        """Mark a record as removed; its history and its volume stay on disk, and the id may be added again.

        Raises
        ------
        NotFoundError
            When there is none.
        TakenError
            With code SIL112 when somebody revised it at the same moment.
        """
        current = self.get(kind, id)
        return self._append(current, current.body, removed=True)

    def _append(self, current: StoredRecord, body: Mapping[str, Any], *, removed: bool) -> StoredRecord:
        data, record = seal_record(
            current.kind, current.id, body, after=current, volume=current.volume, removed=removed
        )
        with storage_faults(self.root):
            try:
                with Transaction.begin(self._layout, self._fs) as transaction:
                    transaction.commit_record(record, data)
            except FileExistsError:
                raise overtaken(self._shelf.newest(current.kind, current.id), current.revision) from None
        return record

    # ------------------------------------------------------------------ results

    def find_result(self, key: str) -> StoredRecord | None:
        """Return the result kept under a content key, or None.

        Raises
        ------
        DamagedError
            When its bytes are not what was written.
        """
        with storage_faults(self.root):
            try:
                path = self._layout.result_path(check_key(key))
                return read_record(self._fs, path, kind="result", id_=key, revision=1)
            except FileNotFoundError:
                return None

    def put_result(self, key: str, body: Mapping[str, Any]) -> StoredRecord:
        """Keep a result under its content key; the same result again changes nothing.

        Raises
        ------
        MismatchError
            With code SIL113 when another result stands there: the metric is not deterministic, or its code
            changed and its version did not.
        """
        made = checked_body(body)
        found = self.find_result(key)
        if found is None:
            data, record = seal_record("result", key, made, after=None)
            with storage_faults(self.root):
                try:
                    with Transaction.begin(self._layout, self._fs) as transaction:
                        transaction.commit_record(record, data)
                except FileExistsError:
                    found = self.find_result(key)
                else:
                    return record
        if found is None or found.body != made:
            raise MismatchError(
                f"the result {key} is in the catalog already, with other numbers: the metric gives another "
                f"answer for the same input each time, or its code was changed without a new version",
                code="SIL113",
                fix="raise the version of the metric",
                where=str(self._layout.result(key)),
            )
        return found
