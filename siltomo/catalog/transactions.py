"""The steps by which something becomes part of a catalog, so that a reader sees all of it or nothing.

What is being written lies in ``staging/<transaction>/`` under a lock that dies with its process. A volume's
bag, or the spare copy of a record without one, gets its name first; then the sealed record is linked to its
name in ``records/``, which is the one moment that counts: it fails when the name is taken. Each step is synced
before the next begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.ids import new_transaction
from siltomo.catalog.layout import COPY, RECORD, Layout
from siltomo.catalog.records import StoredRecord

__all__ = [
    "Transaction",
    "brings_bag",
    "discard",
    "drop_copy",
    "finish_volume",
    "holds",
    "publish_copy",
    "sync_folders",
]


class Transaction:
    """One change that is being made, under a lock."""

    def __init__(self, name: str, layout: Layout, fs: FileSystem) -> None:
        self.name, self.layout, self.fs = name, layout, fs
        self._left_to_recovery = False
        self._bag = layout.staging / name / "bag"
        self._unpublished: Path | None = None

    @classmethod
    @contextmanager
    def begin(cls, layout: Layout, fs: FileSystem) -> Iterator[Transaction]:
        """Open a transaction; at the end of the block its staging folder is gone, whatever happened."""
        if fs.is_disk:
            _make_folders(layout, fs)
        name = new_transaction()
        # the lock comes first: a folder without a lock is a dead one and may be dropped at any time
        while (lock := fs.lock(layout.locks / name)) is None:
            name = new_transaction()
        with lock:
            transaction = cls(name, layout, fs)
            try:
                fs.look(transaction.staging)
                fs.mkdir(transaction.staging)
                yield transaction
            finally:
                if not transaction._left_to_recovery:
                    with suppress(OSError):  # recovery sweeps what cannot be removed now
                        if transaction._unpublished is not None:
                            discard(layout, fs, transaction._unpublished)
                        discard(layout, fs, transaction.staging)

    @property
    def staging(self) -> Path:
        """The transaction's own folder."""
        return self.layout.staging / self.name

    @property
    def bag(self) -> Path:
        """The bag while it is being filled."""
        return self._bag

    def open_bag(self, kind: str, id_: str) -> None:
        """Begin a bag: in staging, or under its final name where nothing can be renamed."""
        if not self.fs.is_disk:
            self._bag = self.layout.bag(kind, self.bag_name(id_))
            place = self._bag.relative_to(self.layout.root).as_posix()
            self.store(self.layout.place(self.name), place.encode())
            self._unpublished = self._bag

    def bag_name(self, id_: str) -> str:
        """Return the name of the bag once it is published; no other bag ever has it."""
        return f"{id_}.{self.name}"

    def store(self, path: Path, data: bytes) -> None:
        """Write a file of the transaction, durably up to its name, and never again."""
        self.fs.mkdir(path.parent)
        self.fs.write(path, data)
        self.fs.protect(path)
        self.fs.fsync(path)

    def commit_marker(self, data: bytes) -> None:
        """Make the folder a catalog."""
        self.store(self.staging / RECORD, data)
        self.fs.fsync_dir(self.layout.root)  # the folders, before the marker says that they are there
        _link(self.fs, self.staging / RECORD, self.layout.marker, data)
        with suppress(PermissionError):  # a folder above may be closed to us
            self.fs.fsync_dir(self.layout.root.absolute().parent)

    def commit_record(self, record: StoredRecord, data: bytes) -> None:
        """Make a record without a bag of its own, or a metric result, part of the catalog."""
        layout, fs = self.layout, self.fs
        target = layout.home(record.kind, record.id, record.revision)
        copy = layout.copy(record.kind, record.id, record.revision, self.name)
        self.store(self.staging / RECORD, data)
        self.store(self.staging / COPY, data)
        # a copy without a record is damage unless the change that made it is known
        fs.fsync_dir(self.staging)
        fs.fsync_dir(layout.staging)
        try:
            publish_copy(layout, fs, self.staging / COPY, copy, data)
            link_record(layout, fs, self.staging / RECORD, record, data)
        except BaseException:
            self._left_to_recovery = True
            with suppress(OSError):
                if not holds(fs, target, data):
                    drop_copy(fs, copy)
                self._left_to_recovery = False
            raise

    def commit_volume(self, record: StoredRecord, data: bytes) -> None:
        """Make a record and its bag, complete and read back, part of the catalog."""
        self.store(self.bag / RECORD, data)
        sync_folders(self.fs, self.bag)
        self.store(self.staging / RECORD, data)
        # from here on recovery finishes what we began; before, it rolls back
        self.fs.fsync_dir(self.staging)
        self.fs.fsync_dir(self.layout.staging)
        try:
            finish_volume(self.layout, self.fs, self.staging, record, data)
            self._unpublished = None
        except BaseException:
            # a bag that cannot be taken back keeps its transaction, by which recovery knows what it is
            self._left_to_recovery = True
            with suppress(OSError):
                _withdraw_bag(self.layout, self.fs, record, data)
                self._left_to_recovery = False
            raise


def finish_volume(layout: Layout, fs: FileSystem, staging: Path, record: StoredRecord, data: bytes) -> None:
    """Publish a bag and link its record; may be repeated after a crash at any point.

    Raises
    ------
    FileExistsError
        When another record took the name.
    """
    assert record.volume is not None
    bag, published = staging / "bag", layout.bag(record.kind, record.volume.bag)
    fs.mkdir(published.parent)
    fs.fsync_dir(layout.objects)
    if fs.is_disk and fs.exists(bag) and not fs.exists(published):
        fs.rename(bag, published)
    fs.fsync_dir(published.parent)  # should the old name come back with the power, recovery drops it
    link_record(layout, fs, staging / RECORD, record, data)


def link_record(layout: Layout, fs: FileSystem, source: Path, record: StoredRecord, data: bytes) -> None:
    """Give a synced record its name in the catalog: the moment of commitment.

    Raises
    ------
    FileExistsError
        When another record took the name.
    """
    target = layout.home(record.kind, record.id, record.revision)
    fs.mkdir(target.parent)
    if record.revision == 1:  # a later revision stands in a folder whose name is durable already
        fs.fsync_dir(target.parent.parent)
        fs.fsync_dir(layout.records)
    _link(fs, source, target, data)


def publish_copy(layout: Layout, fs: FileSystem, source: Path, copy: Path, data: bytes) -> None:
    """Give a synced spare copy its name, which no other change ever has."""
    fs.mkdir(copy.parent)
    fs.fsync_dir(copy.parent.parent)
    fs.fsync_dir(layout.copies)
    _link(fs, source, copy, data)


def drop_copy(fs: FileSystem, copy: Path) -> None:
    """Take back the spare copy of a change that did not happen."""
    if fs.exists(copy):
        fs.unlink(copy)
        fs.fsync_dir(copy.parent)


def brings_bag(record: StoredRecord, transaction: str) -> bool:
    """Return whether a change brings a bag of its own; a later revision names the one that is there."""
    return record.volume is not None and record.volume.bag == f"{record.id}.{transaction}"


def _link(fs: FileSystem, source: Path, target: Path, data: bytes) -> None:
    try:
        fs.link(source, target)
    except OSError:
        # an earlier try of ours may have come through: a network can lose the reply
        if not holds(fs, target, data):
            raise
    fs.fsync_dir(target.parent)


def _withdraw_bag(layout: Layout, fs: FileSystem, record: StoredRecord, data: bytes) -> None:
    """Take back a published bag whose record could not be linked."""
    assert record.volume is not None
    if not holds(fs, layout.record(record.kind, record.id, record.revision), data):
        discard(layout, fs, layout.bag(record.kind, record.volume.bag))


def discard(layout: Layout, fs: FileSystem, path: Path) -> None:
    """Remove a folder: out of sight by one rename, then file by file."""
    if not fs.is_disk:
        fs.rmtree(path)
        return
    away = layout.trash / f"{path.name}.{new_transaction()}"
    try:
        fs.rename(path, away)
    except FileNotFoundError:  # never made, or moved on
        return
    fs.rmtree(away)


def sync_folders(fs: FileSystem, top: Path) -> None:
    """Make the names in a folder tree durable, innermost first."""
    if not fs.is_disk:
        return
    folders = {top, *(folder for path in fs.tree(top) for folder in (top / path).parents)}
    inside = [folder for folder in folders if folder.is_relative_to(top)]
    for folder in sorted(inside, key=lambda one: (-len(one.parts), one)):
        fs.fsync_dir(folder)


def _make_folders(layout: Layout, fs: FileSystem) -> None:
    for folder in layout.private():
        if not fs.is_folder(folder):
            fs.mkdir(folder)
    if not fs.is_folder(layout.copies):  # made by an older siltomo
        fs.mkdir(layout.copies)
        fs.fsync_dir(layout.root)


def holds(fs: FileSystem, path: Path, data: bytes) -> bool:
    """Return whether a file exists with exactly these bytes."""
    try:
        return fs.read(path) == data
    except FileNotFoundError:
        return False
