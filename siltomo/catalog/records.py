"""Records as they stand on disk: sealed, numbered, each naming the seal of the one before it."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any

from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.ids import is_kind, new_transaction
from siltomo.catalog.layout import Layout, record_name, revision_of
from siltomo.catalog.sealed import MAX_BYTES, canonical, seal, unseal
from siltomo.errors import DamagedError
from siltomo.ids import is_id

__all__ = [
    "Shelf",
    "StoredRecord",
    "VolumeRef",
    "decode_record",
    "read_copy",
    "read_record",
    "seal_record",
    "utc_now",
]


@dataclass(frozen=True)
class VolumeRef:
    """What a record says about its volume, or about the plain files it keeps (then without levels)."""

    bag: str
    """The bag's folder below ``objects/<kind>/``."""
    path: str
    """The OME-Zarr inside the bag; empty for a bag of plain files."""
    manifest: str
    """sha256 of the bag's list of files, each with its sha256."""
    content: str
    """Content id of the full-resolution voxels."""
    shape: tuple[int, int, int]
    """Voxels along z, y, x."""
    dtype: str
    """The voxels' type, such as ``"uint16"``."""
    levels: int
    """How many resolutions there are."""
    bytes: int
    """What the bag takes on disk."""

    def to_json(self) -> dict[str, Any]:
        """Return the plain object that stands in the record."""
        return {**vars(self), "shape": list(self.shape)}

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> VolumeRef:
        """Read what :meth:`to_json` wrote."""
        z, y, x = given["shape"]
        return cls(**{**given, "shape": (int(z), int(y), int(x))})


@dataclass(frozen=True)
class StoredRecord:
    """One revision of a record; what it holds is parsed when it is looked at."""

    kind: str
    id: str
    revision: int
    text: bytes
    """The record itself, as the canonical JSON that was sealed."""
    created: str
    """When this revision was written, in UTC."""
    seal: str
    """sha256 of the record."""
    volume_text: str = "null"
    """What it says of its volume, as JSON."""
    removed: bool = False
    """Whether this revision says that the record is gone."""
    prev: str | None = None
    """The seal of the revision before."""

    @cached_property
    def body(self) -> Mapping[str, Any]:
        """The record itself, a JSON object."""
        made: dict[str, Any] = json.loads(self.text)
        return made

    @cached_property
    def volume(self) -> VolumeRef | None:
        """Its volume, or the plain files that it keeps."""
        given = json.loads(self.volume_text)
        return None if given is None else VolumeRef.from_json(given)


def utc_now() -> str:
    """Return the time in UTC to the second, as ISO 8601."""
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def seal_record(
    kind: str,
    id_: str,
    body: Mapping[str, Any],
    *,
    after: StoredRecord | None,
    volume: VolumeRef | None = None,
    removed: bool = False,
) -> tuple[bytes, StoredRecord]:
    """Return the bytes of the next revision, and the record they hold."""
    revision = 1 if after is None else after.revision + 1
    created, prev = utc_now(), None if after is None else after.seal
    envelope = {
        "kind": kind,
        "id": id_,
        "revision": revision,
        "prev": prev,
        "change": new_transaction(),  # two writers of one text in one second are two all the same
        "created": created,
        "removed": removed,
        "volume": None if volume is None else volume.to_json(),
        "body": body,
    }
    data, digest = seal(envelope)
    placed = _spelled(None if volume is None else volume.to_json())
    record = StoredRecord(kind, id_, revision, canonical(body), created, digest, placed, removed, prev)
    return data, record


def _spelled(volume: Mapping[str, Any] | None) -> str:
    return "null" if volume is None else canonical(volume).decode()


_START = b'{"body":'
_AFTER_BODY = b',"change":"'
_ENVELOPE = re.compile(
    r',"change":"[0-9a-f]{22}","created":"([0-9TZ:-]+)","id":"([0-9a-z_-]+)","kind":"([a-z_]+)",'
    r'"prev":(?:null|"([0-9a-f]{64})"),"removed":(true|false),"revision":([1-9][0-9]*),'
    r'("sha256":"([0-9a-f]{64})",)"volume":(null|\{.*\})\}\n'
)
"""What stands around the body of a record, in the one spelling that there is."""


def decode_record(data: bytes, *, where: str) -> StoredRecord:
    """Read a record and check its seal.

    Raises
    ------
    DamagedError
        When its bytes are not what was written.
    """
    return _sealed(data) or _parsed(data, where)


def _sealed(data: bytes) -> StoredRecord | None:
    """Read a record whose bytes without the seal have its digest, as they had when they were written.

    None when they have not, or are spelled otherwise. Nothing is parsed nor spelled anew: of ten thousand records
    most are looked at for a few of their fields.
    """
    # no text holds this spelling (its quotes have a backslash), and what follows the body has one "change"
    at = data.rfind(_AFTER_BODY)
    found = _ENVELOPE.fullmatch(data[at:].decode("ascii", "replace")) if at > 0 else None
    if found is None or not data.startswith(_START) or len(data) > MAX_BYTES:
        return None
    created, id_, kind, prev, removed, revision, _, digest, volume = found.groups()
    rest = data[: at + found.start(7)] + data[at + found.end(7) : -1]
    if hashlib.sha256(rest).hexdigest() != digest:
        return None
    text, gone = data[len(_START) : at], removed == "true"
    return StoredRecord(kind, id_, int(revision), text, created, digest, volume, gone, prev)


def _parsed(data: bytes, where: str) -> StoredRecord:
    value, digest = unseal(data, where=where)
    try:
        if value["volume"] is not None:
            VolumeRef.from_json(value["volume"])
        return StoredRecord(
            kind=value["kind"],
            id=value["id"],
            revision=value["revision"],
            text=canonical(value["body"]),
            created=value["created"],
            seal=digest,
            volume_text=_spelled(value["volume"]),
            removed=value["removed"],
            prev=value["prev"],
        )
    except (KeyError, TypeError, ValueError) as error:
        raise DamagedError(f"this is no record of a catalog: {error!r}", where=where) from error


def read_record(fs: FileSystem, path: Path | str, *, kind: str, id_: str, revision: int) -> StoredRecord:
    """Read a record file and check that it holds what its path promises.

    Raises
    ------
    FileNotFoundError
        When there is no such file.
    DamagedError
        When its bytes are not what was written.
    """
    return _in_its_place(fs.read(path), path, kind=kind, id_=id_, revision=revision)


def _in_its_place(data: bytes, path: Path | str, *, kind: str, id_: str, revision: int) -> StoredRecord:
    try:
        record = decode_record(data, where=str(path))
    except DamagedError as error:
        error.fix = "siltomo catalog repair"
        raise
    if (record.kind, record.id, record.revision) != (kind, id_, revision):
        raise DamagedError(
            f"this file holds {record.kind} {record.id} revision {record.revision}: files were mixed up",
            where=str(path),
            fix="siltomo catalog repair",
        )
    return record


class Shelf:
    """The reading side of ``records/``: names first, files only when they are asked for."""

    def __init__(self, layout: Layout, fs: FileSystem) -> None:
        self._layout, self._fs = layout, fs

    def kinds(self) -> list[str]:
        """Return the kinds that have a folder, results left out."""
        return [name for name in self._fs.names(self._layout.records) if is_kind(name)]

    def known(self, kind: str) -> list[str]:
        """Return every id that ever had a record of this kind."""
        return [name for name in self._fs.names(self._layout.records / kind) if is_id(name)]

    def revisions(self, kind: str, id_: str) -> list[int]:
        """Return the revisions that exist, ascending."""
        names = self._fs.names(self._layout.revisions(kind, id_))
        return [revision for name in names if (revision := revision_of(name)) is not None]

    def read(self, kind: str, id_: str, revision: int) -> StoredRecord:
        """Read one revision."""
        path = self._layout.record(kind, id_, revision)
        return read_record(self._fs, path, kind=kind, id_=id_, revision=revision)

    def newest(self, kind: str, id_: str) -> StoredRecord | None:
        """Read the last revision, which may say that the record is removed; None when there never was one."""
        revisions = self.revisions(kind, id_)
        return self.read(kind, id_, revisions[-1]) if revisions else None

    def live(self, kind: str) -> Iterator[str]:
        """Yield the ids that are not removed; only records with several revisions are read."""
        for id_, revisions in self.histories(kind):
            if len(revisions) == 1 or not self._removed(kind, id_, revisions[-1]):
                yield id_

    def histories(self, kind: str) -> Iterator[tuple[str, list[int]]]:
        """Yield every id that has a record of this kind with its revisions, both ascending."""
        first = [record_name(1)]
        for id_, names in self._fs.folders(self._layout.records / kind):
            revisions = [1] if names == first else [r for n in names if (r := revision_of(n)) is not None]
            if revisions and is_id(id_):
                yield id_, revisions

    def all(self, kind: str, damaged: list[DamagedError]) -> Iterator[StoredRecord]:
        """Yield the newest revision of every id, removed ones included; two calls of the disk for each.

        What cannot be read is left out and noted in ``damaged``.
        """
        folder = str(self._layout.records / kind)
        newest = [(id_, revisions[-1]) for id_, revisions in self.histories(kind)]
        paths = [f"{folder}/{id_}/{record_name(revision)}" for id_, revision in newest]
        found = zip(newest, paths, self._fs.read_each(paths), strict=True)
        for (id_, revision), path, data in found:
            try:
                yield _in_its_place(data, path, kind=kind, id_=id_, revision=revision)
            except DamagedError as error:
                damaged.append(error)

    def _removed(self, kind: str, id_: str, revision: int) -> bool:
        """Return whether a revision is a tombstone; a damaged one is not taken for one."""
        try:
            return self.read(kind, id_, revision).removed
        except DamagedError:
            return False


def read_copy(fs: FileSystem, path: Path) -> StoredRecord | None:
    """Return a spare copy of a record, where it is there and sound."""
    try:
        return decode_record(fs.read(path), where=str(path))
    except (FileNotFoundError, NotADirectoryError, DamagedError):
        return None
