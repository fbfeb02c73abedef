"""Where everything lies in a catalog's folder."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

__all__ = [
    "COPY",
    "ELSEWHERE",
    "IMAGE",
    "LABELS",
    "MANIFEST",
    "RECORD",
    "SIZES",
    "Layout",
    "copied_revision",
    "revision_of",
]

IMAGE, LABELS = "image.ome.zarr", "labels.ome.zarr"
ELSEWHERE = "elsewhere.json"
"""The file of a bag that says where a volume lies that was not copied, and what its files were."""
MANIFEST, SIZES, RECORD, COPY = "manifest-sha256.txt", "manifest-size.txt", "record.json", "copy.json"
_REVISION = re.compile(r"([0-9]{6})\.json")
_COPY = re.compile(r"([0-9]{6})\.([0-9a-f]{22})\.json")


def revision_of(name: str) -> int | None:
    """Return the revision that a record file's name states; None for any other file."""
    found = _REVISION.fullmatch(name)
    return int(found[1]) if found else None


def copied_revision(name: str) -> tuple[int, str] | None:
    """Return the revision and the transaction that a spare copy's name states; None for any other file."""
    found = _COPY.fullmatch(name)
    return (int(found[1]), found[2]) if found else None


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
    def copies(self) -> Path:
        """``copies/<kind>/<id>/000001.<transaction>.json`` and ``copies/result/<k2>/<key>.<transaction>.json``.

        A second copy of each record that has none in a bag: what it says can be restored, and a record that
        is deleted is missed.
        """
        return self.root / "copies"

    def place(self, transaction: str) -> Path:
        """Return the file in which a change says where its bag is, when that is not in staging."""
        return self.staging / transaction / "place"

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
        return (self.records, self.copies, self.objects, *self.private())

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
        return Path(self.result_path(key))

    def result_path(self, key: str) -> str:
        """Return the file of a metric result as text: results are looked up by the ten thousand."""
        return f"{self._results}/{key[:2]}/{key}.json"

    @cached_property
    def _results(self) -> str:
        return str(self.records / "result")

    def copy(self, kind: str, id_: str, revision: int, transaction: str) -> Path:
        """Return the spare copy of a revision, or of a result, that a transaction made."""
        if kind == "result":
            return self.copies / kind / id_[:2] / f"{id_}.{transaction}.json"
        return self.copies / kind / id_ / f"{revision:06d}.{transaction}.json"

    def home(self, kind: str, id_: str, revision: int) -> Path:
        """Return the file of one revision, or of a result."""
        return self.result(id_) if kind == "result" else self.record(kind, id_, revision)

    def bag(self, kind: str, name: str) -> Path:
        """Return the folder of a bag."""
        return self.objects / kind / name
