"""The small file that makes a folder a catalog, and says by which rules it is written."""

from __future__ import annotations

import uuid
from dataclasses import dataclass

from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.layout import Layout
from siltomo.catalog.sealed import seal, unseal
from siltomo.catalog.transactions import Transaction
from siltomo.errors import BadInputError, DamagedError, MismatchError, NotFoundError, TakenError

__all__ = ["COPIES_SINCE", "VERSION", "Marker", "create_marker", "new_marker", "read_marker"]

FORMAT, VERSION = "siltomo-catalog", 2
COPIES_SINCE = 2
"""The version from which on every record has a spare copy."""


@dataclass(frozen=True)
class Marker:
    """What a catalog says of itself."""

    uuid: str
    """Its own id."""
    version: int
    """The rules it was written by."""


def new_marker(identity: str) -> bytes:
    """Return the marker of a catalog that this version writes."""
    return seal({"format": FORMAT, "version": VERSION, "uuid": identity, "features": []})[0]


def create_marker(layout: Layout, fs: FileSystem) -> None:
    """Make a folder a catalog with an id of its own.

    Raises
    ------
    TakenError
        When it is one already.
    BadInputError
        When it is a file.
    """
    taken = TakenError(
        f"{layout.root} is a catalog already", fix=f"siltomo --catalog {layout.root} catalog list"
    )
    if fs.exists(layout.root) and not fs.is_folder(layout.root):
        raise BadInputError(f"{layout.root} is a file; a catalog is a folder", fix="siltomo init FOLDER")
    if fs.exists(layout.marker):
        raise taken
    for folder in layout.folders():
        fs.mkdir(folder)
    with Transaction.begin(layout, fs) as transaction:
        try:
            transaction.commit_marker(new_marker(str(uuid.uuid4())))
        except FileExistsError:
            raise taken from None


def read_marker(layout: Layout, fs: FileSystem) -> Marker:
    """Return what a catalog that this version can read says of itself.

    Raises
    ------
    NotFoundError
        When the folder is no catalog.
    MismatchError
        When a newer siltomo made it.
    DamagedError
        When the file is not as it was written, or gone from among records and volumes.
    """
    try:
        data = fs.read(layout.marker)
    except (FileNotFoundError, NotADirectoryError):
        if fs.is_folder(layout.records) and fs.is_folder(layout.objects) and fs.names(layout.records):
            raise DamagedError(
                f"the file {layout.marker.name}, which makes a folder a catalog, is missing; records are there",
                where=str(layout.root),
                fix=f"siltomo --catalog {layout.root} catalog repair",
            ) from None
        raise NotFoundError(
            f"there is no catalog in {layout.root}", fix=f"siltomo init {layout.root}"
        ) from None
    try:
        marker, _ = unseal(data, where=str(layout.marker))
    except DamagedError as error:
        error.fix = f"siltomo --catalog {layout.root} catalog repair"
        raise
    version = marker.get("version")
    known = marker.get("format") == FORMAT and not marker.get("features")
    if not (known and isinstance(version, int) and 1 <= version <= VERSION):
        raise MismatchError(
            f"this catalog has format {marker.get('format')!r} version {version} with features "
            f"{marker.get('features')}; this siltomo reads versions 1 to {VERSION}",
            fix="install a newer siltomo",
            where=str(layout.marker),
        )
    return Marker(str(marker["uuid"]), version)
