"""What `verify` says of a file that is not as it was written."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from siltomo.catalog.layout import Layout
from siltomo.catalog.manifest import is_litter
from siltomo.errors import DamagedError

__all__ = ["BACKUP", "Damage", "relative", "stray", "words"]

BACKUP = "siltomo catalog repair --from BACKUP, where BACKUP is another copy of this catalog"


@dataclass(frozen=True)
class Damage:
    """One thing that is not as it was written."""

    kind: str
    """Kind of the record concerned."""
    id: str
    path: str
    """The file or folder, relative to the catalog."""
    what: str
    """What is wrong with it."""
    lost: str
    """What is lost by it."""
    restore: str
    """How to get it back."""


def stray(layout: Layout, kind: str, id_: str, path: Path) -> Iterator[Damage]:
    """Report a file that is none of the catalog's, unless desktop systems left it."""
    if not is_litter(path.name):
        place = relative(layout, path)
        yield Damage(kind, id_, place, "a file that does not belong there", "nothing", f"move {place} away")


def relative(layout: Layout, path: Path) -> str:
    """Return a path below the catalog's folder, with ``/``."""
    return path.relative_to(layout.root).as_posix()


def words(error: Exception) -> str:
    """Return what is wrong with a file that could not be read."""
    return error.message if isinstance(error, DamagedError) else "missing"
