"""Where everything lies in a catalog's folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

__all__ = ["IMAGE", "LABELS", "MANIFEST", "RECORD", "SIZES", "Layout", "revision_of"]

IMAGE, LABELS = "image.ome.zarr", "labels.ome.zarr"
MANIFEST, SIZES, RECORD = "manifest-sha256.txt", "manifest-size.txt", "record.json"
_REVISION = re.compile(r"([0-9]{6})\.json")


def revision_of(name: str) -> int | None:
    """Return the revision that a record file's name states; None for any other file."""
    found = _REVISION.fullmatch(name)
    return int(found[1]) if found else None


def record_name(revision: int) -> str:
    """Return the name of a record's file."""
    return f"{revision:06d}.json"


@dataclass(frozen=True)
class Layout:
    """The paths of a catalog, all made from checked names."""

    root: Path

    @property
    def marker(self) -> Path:
        """The file that makes a folder a catalog."""
        return self.root / "siltomo-catalog.json"

    @property
    def records(self) -> Path:
        """``records/<kind>/<id>/000001.json`` and ``records/result/<k2>/<key>.json``."""
        return self.root / "records"

    @property
    def objects(self) -> Path:
        """``objects/<kind>/<id>.<transaction>/``: the bags."""
        return self.root / "objects"

    @property
    def staging(self) -> Path:
        """``staging/<transaction>/``: what is being written; no reader looks here."""
        return self.root / "staging"

    @property
    def locks(self) -> Path:
        """``locks/<transaction>``: held as long as the writer lives."""
        return self.root / "locks"

    @property
    def trash(self) -> Path:
        """``trash/<transaction>``: what is being removed."""
        return self.root / "trash"

    def folders(self) -> tuple[Path, ...]:
        """Return the folders that a new catalog starts with."""
        return (self.records, self.objects, *self.private())

    def private(self) -> tuple[Path, ...]:
        """Return the folders that only writers look into; mostly empty, so a copy may lack them."""
        return (self.staging, self.locks, self.trash)

    def revisions(self, kind: str, id_: str) -> Path:
        """Return the folder of a record's revisions."""
        return self.records / kind / id_

    def record(self, kind: str, id_: str, revision: int) -> Path:
        """Return the file of one revision."""
        return self.revisions(kind, id_) / record_name(revision)

    def result(self, key: str) -> Path:
        """Return the file of a metric result."""
        return self.records / "result" / key[:2] / f"{key}.json"

    def bag(self, kind: str, name: str) -> Path:
        """Return the folder of a bag."""
        return self.objects / kind / name
