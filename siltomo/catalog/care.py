"""What is done to look after a catalog as a whole: recover, verify, repair, collect, migrate."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Container
from datetime import timedelta
from pathlib import Path

from siltomo.catalog.buckets import storage_of
from siltomo.catalog.collect import Collected, collect, collectable
from siltomo.catalog.damage import Damage
from siltomo.catalog.faults import storage_faults
from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.layout import Layout
from siltomo.catalog.marker import VERSION, Marker, read_marker
from siltomo.catalog.migrate import migrate, write_marker
from siltomo.catalog.recovery import Recovered, recover
from siltomo.catalog.repair import Mended, Mender
from siltomo.catalog.transactions import Transaction
from siltomo.catalog.verify import verify
from siltomo.errors import DamagedError

__all__ = ["Care"]


class Care:
    """The part of a store that looks after what is there; :class:`CatalogStore` is the whole."""

    root: Path
    uuid: str
    version: int
    _fs: FileSystem
    _layout: Layout

    def recover(self) -> list[Recovered]:
        """Complete or drop what killed processes left; every writing command begins with it."""
        with storage_faults(self.root):
            return recover(self._layout, self._fs)

    def verify(
        self, *, full: bool = False, progress: Callable[[int, int], None] | None = None
    ) -> list[Damage]:
        """Compare the catalog with what was written; repairs nothing.

        Parameters
        ----------
        full
            Read every byte. Else all records, lists and metadata are checked, and of voxels that each file
            is there in its size.
        progress
            Called with the bytes of the volumes done and of all.
        """
        with storage_faults(self.root):
            return verify(self._layout, self._fs, version=self.version, full=full, progress=progress)

    def repair(
        self, *, backup: Path | str | None = None, full: bool = False, dry_run: bool = False
    ) -> list[Mended]:
        """Put back what is damaged from spare copies, from the files themselves, or from a backup.

        Parameters
        ----------
        backup
            Another copy of this catalog; only bytes with the digests that were written are taken.
        full
            Look at every byte for damage, as :meth:`verify` does.
        dry_run
            Mend nothing: every damage is given as left.

        Returns
        -------
        list of Mended
            One for each damage; what is left says how else to get it back.
        """
        done: dict[str, Mended] = {}
        with storage_faults(self.root):
            while damages := verify(self._layout, self._fs, version=self.version, full=full):
                if dry_run:
                    return [Mended(d.kind, d.id, d.path, d.what, "left", d.restore) for d in damages]
                with Transaction.begin(self._layout, self._fs) as transaction:
                    mender = Mender(transaction, None if backup is None else storage_of(backup))
                    now = [mender.mend(damage) for damage in damages]
                new = {one.path: one for one in now if one.outcome == "mended" and one.path not in done}
                # a record that is back may show what else is missing
                if not new:
                    return [*done.values(), *(one for one in now if one.outcome == "left")]
                done |= new
        return list(done.values())

    @classmethod
    def restore_marker(cls, root: Path | str, *, fs: FileSystem | None = None) -> bool:
        """Write the file that makes a folder a catalog anew, where it is lost or damaged.

        The catalog gets a new id of its own; nothing in it depends on the old one.

        Returns
        -------
        bool
            Whether there was need.

        Raises
        ------
        NotFoundError
            When the folder holds no records of a catalog.
        """
        place, storage = storage_of(root)
        layout, fs = Layout(place), fs or storage
        with storage_faults(layout.root):
            try:
                read_marker(layout, fs)
            except DamagedError:
                if not (fs.is_folder(layout.records) and fs.is_folder(layout.objects)):
                    raise
                write_marker(layout, fs, str(uuid.uuid4()))
                return True
        return False

    def collectable(self, grace: timedelta, *, keep: Container[tuple[str, str]] = ()) -> list[Collected]:
        """Return the volumes of records that were removed longer ago than ``grace``; changes nothing.

        Parameters
        ----------
        grace
            How long the bytes of a removed record are kept.
        keep
            Kind and id of records whose volumes stay all the same.
        """
        with storage_faults(self.root):
            return list(collectable(self._layout, self._fs, grace=grace, keep=keep))

    def collect(self, grace: timedelta, *, keep: Container[tuple[str, str]] = ()) -> list[Collected]:
        """Remove the volumes that :meth:`collectable` names, for ever; their records stay."""
        found = self.collectable(grace, keep=keep)
        with storage_faults(self.root):
            for one in found:
                collect(self._layout, self._fs, one)
        return found

    def migrate(self) -> int:
        """Bring a catalog of an older siltomo to today's rules.

        Returns
        -------
        int
            How many spare copies were made for it; 0 when it was up to date.

        Raises
        ------
        DamagedError
            When it is damaged.
        """
        with storage_faults(self.root):
            made = migrate(self._layout, self._fs, Marker(self.uuid, self.version))
        self.version = VERSION
        return made
