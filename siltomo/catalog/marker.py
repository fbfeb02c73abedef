"""The small file that makes a folder a catalog, and says by which rules it is written."""

from __future__ import annotations

import uuid

from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.layout import Layout
from siltomo.catalog.sealed import seal, unseal
from siltomo.catalog.transactions import Transaction
from siltomo.errors import BadInputError, MismatchError, NotFoundError, TakenError

__all__ = ["create_marker", "read_marker"]

FORMAT, VERSION = "siltomo-catalog", 1


def create_marker(layout: Layout, fs: FileSystem) -> None:
    """Make a folder a catalog with an id of its own.

    Raises
    ------
    TakenError
        When it is one already.
    BadInputError
        When it is a file.
    """
    marker = {"format": FORMAT, "version": VERSION, "uuid": str(uuid.uuid4()), "features": []}
    taken = TakenError(
        f"{layout.root} is a catalog already", fix=f"siltomo --catalog {layout.root} catalog list"
    )
    if layout.root.exists() and not layout.root.is_dir():
        raise BadInputError(f"{layout.root} is a file; a catalog is a folder", fix="siltomo init FOLDER")
    if layout.marker.exists():
        raise taken
    for folder in layout.folders():
        fs.mkdir(folder)
    with Transaction.begin(layout, fs) as transaction:
        try:
            transaction.commit_marker(seal(marker)[0])
        except FileExistsError:
            raise taken from None


def read_marker(layout: Layout) -> str:
    """Return the id of a catalog that this version can read.

    Raises
    ------
    NotFoundError
        When the folder is no catalog.
    MismatchError
        When a newer siltomo made it.
    DamagedError
        When the file is not as it was written.
    """
    try:
        data = layout.marker.read_bytes()
    except (FileNotFoundError, NotADirectoryError):
        raise NotFoundError(
            f"there is no catalog in {layout.root}", fix=f"siltomo init {layout.root}"
        ) from None
    marker, _ = unseal(data, where=str(layout.marker))
    if marker.get("format") != FORMAT or marker.get("version") != VERSION or marker.get("features"):
        raise MismatchError(
            f"this catalog has format {marker.get('format')!r} version {marker.get('version')} with features "
            f"{marker.get('features')}; this siltomo reads version {VERSION}",
            fix="install a newer siltomo",
            where=str(layout.marker),
        )
    return str(marker["uuid"])
