"""Put back what is damaged from what proves to be the same bytes: spare copies, the files themselves, a backup.

Nothing is put back whose digest is not the one that was written, and nothing is ever guessed.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from siltomo.catalog.damage import Damage, relative
from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.histories import spare_copies
from siltomo.catalog.ids import is_kind
from siltomo.catalog.layout import MANIFEST, RECORD, SIZES, Layout, copied_revision, revision_of
from siltomo.catalog.manifest import FileFact, is_litter, manifest_texts, read_manifest
from siltomo.catalog.records import Shelf, StoredRecord, VolumeRef, decode_record, read_copy
from siltomo.catalog.transactions import Transaction
from siltomo.errors import DamagedError

__all__ = ["Mended", "Mender"]


@dataclass(frozen=True)
class Mended:
    """What became of one damage."""

    kind: str
    id: str
    path: str
    what: str
    """What was wrong."""
    outcome: Literal["mended", "left"]
    how: str
    """Where the bytes came from, or how else to get them back."""


class Mender:
    """Mends the damages of a catalog one by one, within a transaction.

    Parameters
    ----------
    transaction
        Under whose lock it happens.
    backup
        Folder and storage of another copy of the catalog, which may be damaged elsewhere.
    """

    def __init__(self, transaction: Transaction, backup: tuple[Path, FileSystem] | None = None) -> None:
        self._transaction, self._backup = transaction, backup
        self._layout, self._fs = transaction.layout, transaction.fs
        self._shelf = Shelf(self._layout, self._fs)
        self._count = 0

    def mend(self, damage: Damage) -> Mended:
        """Mend one damage where it can be mended."""
        parts = PurePosixPath(damage.path).parts
        how = ""
        if parts[0] == "records" and len(parts) == 4:
            how = self._mend_record(damage, parts)
        elif parts[0] == "copies" and len(parts) == 4:
            how = self._mend_copy(damage, parts)
        elif parts[0] == "objects" and len(parts) >= 3 and is_kind(parts[1]):
            how = self._mend_bag(parts[1], parts[2], "/".join(parts[3:]))
        place = (damage.kind, damage.id, damage.path, damage.what)
        return Mended(*place, "mended", how) if how else Mended(*place, "left", damage.restore)

    # ------------------------------------------------------------------ records and their copies

    def _mend_record(self, damage: Damage, parts: tuple[str, ...]) -> str:
        layout, fs = self._layout, self._fs
        target, revision = layout.root.joinpath(*parts), 1
        if damage.kind != "result":
            known = revision_of(parts[3])
            if known is None:
                return ""
            revision = known
        for path in spare_copies(layout, fs, damage.kind, damage.id, revision):
            data = fs.read(path)
            if self._follows(data, damage.kind, damage.id, revision):
                self._put(target, data)
                return f"from its spare copy {relative(layout, path)}"
        theirs = None if self._backup is None else self._of_backup(target)
        if theirs is not None and self._follows(theirs, damage.kind, damage.id, revision):
            self._put(target, theirs)
            return "from the backup"
        if damage.kind == "result" and fs.exists(target):
            fs.unlink(target)
            fs.fsync_dir(target.parent)
            return "dropped; it is computed again when it is asked for"
        return ""

    def _follows(self, data: bytes, kind: str, id_: str, revision: int) -> bool:
        """Return whether bytes are the revision that they should be, and fit those before and after it."""
        try:
            record = decode_record(data, where="")
        except DamagedError:
            return False
        if (record.kind, record.id, record.revision) != (kind, id_, revision):
            return False
        if kind == "result":
            return True
        before, after = self._read(kind, id_, revision - 1), self._read(kind, id_, revision + 1)
        return (before is None or record.prev == before.seal) and (after is None or after.prev == record.seal)

    def _read(self, kind: str, id_: str, revision: int) -> StoredRecord | None:
        if kind == "result":
            return read_copy(self._fs, self._layout.result(id_))
        return read_copy(self._fs, self._layout.record(kind, id_, revision))

    def _mend_copy(self, damage: Damage, parts: tuple[str, ...]) -> str:
        layout, fs = self._layout, self._fs
        target, revision = layout.root.joinpath(*parts), 1
        if damage.kind != "result":
            known = copied_revision(parts[3])
            if known is None:
                return ""
            revision = known[0]
        record = self._read(damage.kind, damage.id, revision)
        if record is None or (record.kind, record.id, record.revision) != (damage.kind, damage.id, revision):
            return ""
        self._put(target, fs.read(layout.home(damage.kind, damage.id, revision)))
        return "from the record"

    # ------------------------------------------------------------------ bags

    def _mend_bag(self, kind: str, name: str, path: str) -> str:
        layout, fs = self._layout, self._fs
        bag = layout.bag(kind, name)
        naming = self._naming(kind, name)
        if not naming or naming[0].volume is None:
            return ""
        volume = naming[0].volume
        if path == RECORD:
            first = naming[0].revision
            if first > 1 and self._read(kind, naming[0].id, first - 1) is None:
                return ""  # perhaps that one brought the bag
            self._put(bag / RECORD, fs.read(layout.record(kind, naming[0].id, naming[0].revision)))
            return "from the record"
        if path in (MANIFEST, SIZES) and self._rebuild_lists(bag, volume):
            return "from the files that it lists"
        return self._from_backup(kind, volume, naming[0], path)

    def _naming(self, kind: str, bag: str) -> list[StoredRecord]:
        """Return the revisions that name a bag, the one that brought it first."""
        id_ = bag.rpartition(".")[0]
        found = [self._read(kind, id_, n) for n in self._shelf.revisions(kind, id_)]
        return [record for record in found if record and record.volume and record.volume.bag == bag]

    def _rebuild_lists(self, bag: Path, volume: VolumeRef) -> bool:
        """Write a bag's lists anew, where its files are those whose list the record knows."""
        fs = self._fs
        names = {
            name for name in fs.tree(bag) if not is_litter(name.rpartition("/")[2])
        } - {MANIFEST, SIZES, RECORD}  # fmt: skip
        facts = {name: FileFact(fs.size(bag / name), fs.sha256(bag / name)) for name in names}
        sums, sizes = manifest_texts(facts)
        if hashlib.sha256(sums).hexdigest() != volume.manifest:
            return False
        self._put(bag / SIZES, sizes)
        self._put(bag / MANIFEST, sums)
        return True

    def _from_backup(self, kind: str, volume: VolumeRef, record: StoredRecord, path: str) -> str:
        """Copy files of a bag, or all of it, whose digests are those of the record."""
        layout, fs = self._layout, self._fs
        if self._backup is None:
            return ""
        root, theirs = self._backup
        bag = layout.bag(kind, volume.bag)
        try:
            files = read_manifest(theirs, Layout(root).bag(kind, volume.bag), volume.manifest)
        except (DamagedError, OSError):
            try:
                files = read_manifest(fs, bag, volume.manifest)
            except (DamagedError, OSError):
                return ""
        sums, sizes = manifest_texts(files)
        lists = {MANIFEST: sums, SIZES: sizes}
        wanted = [path] if path else [*files, SIZES, MANIFEST]
        for name in wanted:
            data = lists.get(name) or self._of_backup(bag / name)
            known = name in lists or (
                data is not None and name in files and hashlib.sha256(data).hexdigest() == files[name].sha256
            )
            if data is None or not known:
                return ""
            self._put(bag / name, data)
        if not path:
            self._put(bag / RECORD, fs.read(layout.record(kind, record.id, record.revision)))
        return "from the backup"

    def _of_backup(self, target: Path) -> bytes | None:
        """Return the bytes of the same file in the backup."""
        assert self._backup is not None
        try:
            root, theirs = self._backup
            return theirs.read(root / target.relative_to(self._layout.root))
        except (FileNotFoundError, NotADirectoryError):
            return None

    def _put(self, target: Path, data: bytes) -> None:
        """Put bytes in a place, whole at once, whether something damaged is there or nothing."""
        fs, transaction = self._fs, self._transaction
        self._count += 1
        staged = transaction.staging / f"mended-{self._count}"
        transaction.store(staged, data)
        above = [] if not fs.is_disk else target.relative_to(self._layout.root).parents
        new = [folder for name in above if not fs.exists(folder := self._layout.root / name)]
        fs.mkdir(target.parent)
        for folder in new:
            fs.fsync_dir(folder.parent)
        if fs.exists(target):
            fs.replace(staged, target)
        else:
            fs.link(staged, target)
        fs.fsync_dir(target.parent)
