"""Bring an older catalog to the rules of today, each step whole or not at all."""

from __future__ import annotations

from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.layout import Layout
from siltomo.catalog.marker import COPIES_SINCE, VERSION, Marker, new_marker
from siltomo.catalog.repair import Mender
from siltomo.catalog.transactions import Transaction
from siltomo.catalog.verify import verify
from siltomo.errors import DamagedError

__all__ = ["migrate", "write_marker"]


def migrate(layout: Layout, fs: FileSystem, marker: Marker) -> int:
    """Make the spare copies that version 2 asks for, then say so; may be killed and repeated.

    Returns
    -------
    int
        How many copies were made.

    Raises
    ------
    DamagedError
        When something else is wrong with the catalog: a damaged record would be copied as it is.
    """
    if marker.version == VERSION:
        return 0
    missing = verify(layout, fs, version=COPIES_SINCE)
    other = [damage for damage in missing if not damage.path.startswith(f"{layout.copies.name}/")]
    if other:
        raise DamagedError(
            f"{len(other)} files of the catalog are not as they were written, the first is {other[0].path}",
            fix="siltomo catalog repair",
            where=str(layout.root),
        )
    with Transaction.begin(layout, fs) as transaction:
        mender = Mender(transaction)
        left = [done for damage in missing if (done := mender.mend(damage)).outcome == "left"]
    if left:
        raise DamagedError(f"{left[0].path}: {left[0].what}", fix=left[0].how, where=str(layout.root))
    write_marker(layout, fs, marker.uuid)
    return len(missing)


def write_marker(layout: Layout, fs: FileSystem, identity: str) -> None:
    """Say that a folder is a catalog of today's rules, in the place of what it said before."""
    with Transaction.begin(layout, fs) as transaction:
        staged = transaction.staging / "marker"
        transaction.store(staged, new_marker(identity))
        fs.replace(staged, layout.marker)
        fs.fsync_dir(layout.root)
