"""The volumes and files that stand behind records: stored, opened, found again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siltomo.catalog.care import Care
from siltomo.catalog.content import Planes
from siltomo.catalog.elsewhere import Elsewhere, open_elsewhere
from siltomo.catalog.faults import storage_faults
from siltomo.catalog.ids import check_kind
from siltomo.catalog.layout import ELSEWHERE
from siltomo.catalog.manifest import bag_problems, read_manifest, volume_files
from siltomo.catalog.records import Shelf, StoredRecord, VolumeRef, seal_record
from siltomo.catalog.refusals import taken
from siltomo.catalog.sealed import checked_body
from siltomo.catalog.served import VolumeFiles
from siltomo.catalog.transactions import Transaction
from siltomo.catalog.volumes import VolumeFacts, VolumeSpec, space_needed
from siltomo.errors import BadInputError, DamagedError, NotFoundError, StorageError
from siltomo.ids import check_id

if TYPE_CHECKING:
    import zarr

    from siltomo.catalog.volume_writer import Progress

__all__ = ["Holdings"]


class Holdings(Care):
    """What the store does with volumes; a part of :class:`~siltomo.catalog.CatalogStore`."""

    _shelf: Shelf

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

        def fill(transaction: Transaction) -> tuple[VolumeRef, Mapping[str, Any]]:
            self._check_space(spec)
            volume, facts = fill_bag(transaction, id, spec, planes, extra=extra or {}, progress=progress)
            return volume, body(facts)

        return self._add_with_bag(kind, id, fill)

    def add_reference(
        self,
        kind: str,
        id: str,  # noqa: A002
        spec: VolumeSpec,
        planes: Planes,
        body: Callable[[VolumeFacts], Mapping[str, Any]],
        *,
        elsewhere: Elsewhere,
        progress: Progress | None = None,
    ) -> StoredRecord:
        """Store the record of a volume that stays where it is, once all of it was read.

        The catalog keeps the digests of its files, not its voxels: it finds every change, and can mend none.

        Parameters
        ----------
        kind, id, spec, planes, body, progress
            As in :meth:`add_volume`.
        elsewhere
            Where the volume lies, and its files.

        Raises
        ------
        TakenError
            When the id has a record.
        BadInputError
            When the volume is not what the spec states, or the catalog is in a bucket, where others could
            not follow the reference.
        """
        from siltomo.catalog.bags import fill_reference_bag

        if not self._fs.is_disk:
            raise BadInputError(
                "a catalog in a bucket takes no volumes by reference: a path of this computer says nothing "
                "to others",
                fix="leave --by-reference out: the volume is copied into the bucket",
            )

        def fill(transaction: Transaction) -> tuple[VolumeRef, Mapping[str, Any]]:
            volume, facts = fill_reference_bag(transaction, id, spec, planes, elsewhere, progress=progress)
            return volume, body(facts)

        return self._add_with_bag(kind, id, fill)

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

        return self._add_with_bag(kind, id, lambda transaction: (fill_file_bag(transaction, id, files), body))

    def _add_with_bag(
        self,
        kind: str,
        id_: str,
        fill: Callable[[Transaction], tuple[VolumeRef, Mapping[str, Any]]],
    ) -> StoredRecord:
        """Store a record and its bag, which ``fill`` writes into the transaction, as one change."""
        check_kind(kind), check_id(id_)
        with storage_faults(self.root):
            newest = self._shelf.newest(kind, id_)
            if newest is not None and not newest.removed:
                raise taken(kind, id_, newest)
            try:
                with Transaction.begin(self._layout, self._fs) as transaction:
                    transaction.open_bag(kind, id_)
                    volume, body = fill(transaction)
                    data, record = seal_record(kind, id_, checked_body(body), after=newest, volume=volume)
                    transaction.commit_volume(record, data)
            except FileExistsError:
                raise taken(kind, id_, self._shelf.newest(kind, id_)) from None
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
        if record.volume.path == ELSEWHERE:
            return str(self._elsewhere(record).root)
        return self._fs.address(self.bag(record) / record.volume.path)

    def volume_files(self, record: StoredRecord) -> VolumeFiles:
        """Return the files of a record's volume, for programs that read OME-Zarr by themselves.

        Raises
        ------
        NotFoundError
            When the record has no volume.
        BadInputError
            When the volume lies elsewhere: the catalog knows its arrays, and not what belongs to its image.
        """
        bag = self.bag(record)
        assert record.volume is not None
        if record.volume.path == ELSEWHERE:
            raise BadInputError(
                f"the volume of {record.kind} {record.id} was registered by reference and lies at "
                f"{self.address(record)}: open it there, or export it",
                fix=f"siltomo export ome-zarr {record.id} -o {record.id}.ome.zarr",
            )
        with storage_faults(self.root):
            files = read_manifest(self._fs, bag, record.volume.manifest)
        return VolumeFiles(bag / record.volume.path, volume_files(files, record.volume.path), self._fs)

    @property
    def is_local(self) -> bool:
        """Whether other programs find the catalog's files on this computer."""
        return self._fs.is_disk

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
        if record.volume.path == ELSEWHERE:
            elsewhere: zarr.Array[Any] = open_elsewhere(self._elsewhere(record), level)
            return elsewhere
        with storage_faults(self.root):
            files = read_manifest(self._fs, bag, record.volume.manifest)
            inner = volume_files(files, record.volume.path)
            array: zarr.Array[Any] = open_level(self._fs, bag / record.volume.path, inner, level)
        return array

    def _elsewhere(self, record: StoredRecord) -> Elsewhere:
        """Return where a volume lies that was registered by reference."""
        return Elsewhere.from_bytes(self._fs.read(self.file(record, ELSEWHERE)))

    def _check_space(self, spec: VolumeSpec) -> None:
        needed, free = space_needed(spec), self._fs.free_bytes(self.root)
        if free < needed:
            raise StorageError(
                f"the volume needs up to {needed / 1e9:.1f} GB and the disk has {free / 1e9:.1f} GB left",
                code="SIL181",
                fix=f"free space on the disk of {self.root}, then repeat the command",
                where=str(self.root),
            )
