"""The catalog as its callers see it: records by kind and id, volumes behind them, results by content key."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siltomo.catalog.buckets import check_conditions, storage_of
from siltomo.catalog.care import Care
from siltomo.catalog.content import Planes
from siltomo.catalog.faults import storage_faults
from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.ids import check_key, check_kind, nearest
from siltomo.catalog.layout import Layout
from siltomo.catalog.manifest import bag_problems, read_manifest, volume_files
from siltomo.catalog.marker import Marker, create_marker, read_marker
from siltomo.catalog.records import Shelf, StoredRecord, read_record, seal_record
from siltomo.catalog.refusals import overtaken, taken
from siltomo.catalog.sealed import checked_body
from siltomo.catalog.transactions import Transaction
from siltomo.catalog.volumes import VolumeFacts, VolumeSpec, space_needed
from siltomo.errors import DamagedError, MismatchError, NotFoundError, StorageError
from siltomo.ids import check_id

if TYPE_CHECKING:
    import zarr

    from siltomo.catalog.volume_writer import Progress

__all__ = ["CatalogStore"]


class CatalogStore(Care):
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

    # ------------------------------------------------------------------ volumes

    def add_volume(
        self,
        kind: str,
        id: str,  # noqa: A002
        spec: VolumeSpec,
        planes: Planes,
        body: Callable[[VolumeFacts], Mapping[str, Any]],
        *,
        extra: Mapping[str, bytes] | None = None,
        progress: Progress | None = None,
    ) -> StoredRecord:
        """Store a volume and its record, as one change.

        Parameters
        ----------
        kind, id
            The record's.
        spec
            The volume.
        planes
            Gives the planes ``start`` to ``stop`` (excluded), shape (stop - start, y, x); called in
            ascending order, each plane once.
        body
            Makes the record once the voxels' content and range are known.
        extra
            Small files to keep beside the volume, by their path in the bag, such as the scanner's log.
        progress
            Called with the planes done and all planes.

        Raises
        ------
        TakenError
            When the id has a record.
        BadInputError
            When the source does not give what the spec states.
        StorageError
            When the disk is full or fails; nothing has changed then.
        """
        from siltomo.catalog.bags import fill_bag

        check_kind(kind), check_id(id)
        with storage_faults(self.root):
            newest = self._shelf.newest(kind, id)
            if newest is not None and not newest.removed:
                raise taken(kind, id, newest)
            self._check_space(spec)
            try:
                with Transaction.begin(self._layout, self._fs) as transaction:
                    transaction.open_bag(kind, id)
                    volume, facts = fill_bag(
                        transaction, id, spec, planes, extra=extra or {}, progress=progress
                    )
                    made = checked_body(body(facts))
                    data, record = seal_record(kind, id, made, after=newest, volume=volume)
                    transaction.commit_volume(record, data)
            except FileExistsError:
                raise taken(kind, id, self._shelf.newest(kind, id)) from None
        return record

    def add_files(
        self,
        kind: str,
        id: str,  # noqa: A002
        files: Mapping[str, bytes],
        body: Mapping[str, Any],
    ) -> StoredRecord:
        """Store a record and the plain files that it rests on, as one change.

        Parameters
        ----------
        kind, id
            The record's.
        files
            The files by their path in the bag.
        body
            The record.

        Raises
        ------
        TakenError
            When the id has a record.
        StorageError
            When the disk is full or fails; nothing has changed then.
        """
        from siltomo.catalog.bags import fill_file_bag

        check_kind(kind), check_id(id)
        made = checked_body(body)
        with storage_faults(self.root):
            newest = self._shelf.newest(kind, id)
            if newest is not None and not newest.removed:
                raise taken(kind, id, newest)
            try:
                with Transaction.begin(self._layout, self._fs) as transaction:
                    transaction.open_bag(kind, id)
                    kept = fill_file_bag(transaction, id, files)
                    data, record = seal_record(kind, id, made, after=newest, volume=kept)
                    transaction.commit_volume(record, data)
            except FileExistsError:
                raise taken(kind, id, self._shelf.newest(kind, id)) from None
        return record

    def file(self, record: StoredRecord, name: str) -> Path:
        """Return a file that is kept with a record, after comparing it with what was written.

        Raises
        ------
        NotFoundError
            When the record keeps no such file.
        DamagedError
            When its bytes are not what was written.
        """
        bag = self.bag(record)
        assert record.volume is not None
        with storage_faults(self.root):
            files = read_manifest(self._fs, bag, record.volume.manifest)
            if name not in files:
                raise NotFoundError(
                    f"{record.kind} {record.id} keeps no file {name!r}; it keeps {', '.join(files)}"
                )
            for path, what in bag_problems(self._fs, bag, {name: files[name]}, full=True):
                if path == name:
                    raise DamagedError(
                        f"it is not what was written: {what}",
                        where=str(bag / name),
                        fix="siltomo catalog verify",
                    )
            return self._fs.local(bag / name)

    def bag(self, record: StoredRecord) -> Path:
        """Return the folder that holds a record's volume and its list of files.

        Raises
        ------
        NotFoundError
            When the record has no volume.
        """
        if record.volume is None:
            raise NotFoundError(f"{record.kind} {record.id} has no volume")
        return self._layout.bag(record.kind, record.volume.bag)

    def address(self, record: StoredRecord) -> str:
        """Return the path or URL of a record's volume, or of the folder of its files, for other programs."""
        assert record.volume is not None
        return self._fs.address(self.bag(record) / record.volume.path)

    def open_volume(self, record: StoredRecord, *, level: int = 0) -> zarr.Array[Any]:
        """Open one resolution of a record's volume; reads its metadata and no voxel.

        Parameters
        ----------
        record
            A record that has a volume.
        level
            0 for full resolution, each next one half of it.

        Returns
        -------
        zarr.Array
            Read-only. A lost, cut or changed file raises ``DamagedError`` where plain zarr reads zeros.
        """
        from siltomo.catalog.zarr_stores import open_level

        bag = self.bag(record)
        assert record.volume is not None
        if not 0 <= level < record.volume.levels:
            raise NotFoundError(
                f"{record.kind} {record.id} has the levels 0 to {record.volume.levels - 1}, not {level}"
            )
        with storage_faults(self.root):
            files = read_manifest(self._fs, bag, record.volume.manifest)
            inner = volume_files(files, record.volume.path)
            array: zarr.Array[Any] = open_level(self._fs, bag / record.volume.path, inner, level)
        return array

    def _check_space(self, spec: VolumeSpec) -> None:
        needed, free = space_needed(spec), self._fs.free_bytes(self.root)
        if free < needed:
            raise StorageError(
                f"the volume needs up to {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB left",
                code="SIL181",
                fix=f"free space on the disk of {self.root}, then repeat the command",
                where=str(self.root),
            )
