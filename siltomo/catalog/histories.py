"""Compare each record with its seal, its place, the revision before it and its spare copy."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from pathlib import Path

from siltomo.catalog.damage import BACKUP, Damage, relative, stray, words
from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.ids import is_kind
from siltomo.catalog.layout import RECORD, Layout, copied_revision, revision_of
from siltomo.catalog.manifest import is_litter
from siltomo.catalog.records import StoredRecord, read_copy, read_record
from siltomo.errors import DamagedError
from siltomo.ids import is_id

__all__ = ["Histories", "spare_copies"]

_PART = re.compile(r"[0-9a-f]{2}")
_RESULT = re.compile(r"([0-9a-f]{64})\.json")
_RESULT_COPY = re.compile(r"([0-9a-f]{64})\.([0-9a-f]{22})\.json")
_COPY_LOST = "the spare copy of a record; nothing else"

Names = dict[str, list[str]]


class Histories:
    """The records of a catalog and their spare copies, as they are found.

    Parameters
    ----------
    layout, fs
        The catalog.
    bags
        Kind and name of the bags that were there before.
    copied
        Whether every record must have a spare copy.
    """

    def __init__(
        self, layout: Layout, fs: FileSystem, *, bags: Iterable[tuple[str, str]], copied: bool
    ) -> None:
        self._layout, self._fs, self._copied = layout, fs, copied
        self._bags: dict[tuple[str, str], list[str]] = {}
        for kind, name in bags:
            self._bags.setdefault((kind, name.rpartition(".")[0]), []).append(name)
        # a copy is made before its record: whoever lists the copies first finds no copy without a reason
        self._copies = {kind: dict(fs.folders(layout.copies / kind)) for kind in fs.names(layout.copies)}

    def check(self, found: list[Damage]) -> Iterator[tuple[str, str, list[StoredRecord]]]:
        """Yield kind, id and the sound revisions of each record; note what is wrong in ``found``."""
        layout, fs = self._layout, self._fs
        for folder in (layout.records, layout.copies):
            for kind in fs.names(folder):
                if not ((is_kind(kind) or kind == "result") and fs.is_folder(folder / kind)):
                    found += stray(layout, "", "", folder / kind)
        kinds = {*fs.names(layout.records), *self._copies, *(kind for kind, _ in self._bags)}
        for kind in sorted(filter(is_kind, kinds)):
            records, copies = dict(fs.folders(layout.records / kind)), self._copies.get(kind, {})
            found += self._strays(kind, records, copies)
            bagged = {id_ for bag_kind, id_ in self._bags if bag_kind == kind}
            for id_ in sorted(filter(is_id, {*records, *copies, *bagged})):
                names, spares = records.get(id_, []), copies.get(id_, [])
                one = _History(self, kind, id_, names=names, copies=spares, found=found)
                yield kind, id_, one.check()
        found += self._check_results()

    def _strays(self, kind: str, records: Names, copies: Names) -> Iterator[Damage]:
        layout, fs = self._layout, self._fs
        for folder, inner in ((layout.records / kind, records), (layout.copies / kind, copies)):
            for name in fs.names(folder):
                if not is_id(name) or (name not in inner and _is_file(fs, folder / name)):
                    yield from stray(layout, kind, "", folder / name)
        for id_, names in records.items():
            for name in names:
                if is_id(id_) and revision_of(name) is None:
                    yield from stray(layout, kind, id_, layout.records / kind / id_ / name)
        for id_, names in copies.items():
            for name in names:
                if is_id(id_) and copied_revision(name) is None:
                    yield from stray(layout, kind, id_, layout.copies / kind / id_ / name)

    def _check_results(self) -> Iterator[Damage]:
        """Compare each result with its seal and its copy."""
        layout, fs = self._layout, self._fs
        base, copied = layout.records / "result", self._copies.get("result", {})
        records = dict(fs.folders(base))
        for folder, inner in ((base, records), (layout.copies / "result", copied)):
            for name in fs.names(folder):
                if not _PART.fullmatch(name) or (name not in inner and _is_file(fs, folder / name)):
                    yield from stray(layout, "result", "", folder / name)
        for part in sorted(filter(_PART.fullmatch, {*records, *copied})):
            copies: dict[str, list[Path]] = {}
            for name in copied.get(part, []):
                path = layout.copies / "result" / part / name
                if known := _RESULT_COPY.fullmatch(name):
                    copies.setdefault(known[1], []).append(path)
                else:
                    yield from stray(layout, "result", "", path)
            keys = set(copies)
            for name in records.get(part, []):
                if known := _RESULT.fullmatch(name):
                    keys.add(known[1])
                else:
                    yield from stray(layout, "result", name, base / part / name)
            for key in sorted(keys):
                yield from self._check_result(base / part / f"{key}.json", key, copies.get(key, []))

    def _check_result(self, path: Path, key: str, copies: list[Path]) -> Iterator[Damage]:
        layout, fs = self._layout, self._fs
        record = None
        try:
            record = read_record(fs, path, kind="result", id_=key, revision=1)
            if layout.result(key) != path:
                raise DamagedError("it is not where its key belongs")
        except (FileNotFoundError, DamagedError) as error:
            if isinstance(error, DamagedError) or not self.under_way(copies, path):
                restore = _restore(layout, path, spare_copies(layout, fs, "result", key, 1))
                place = relative(layout, path)
                restore = restore or f"rm -f {place}, then compute the metric again"
                yield Damage("result", key, place, words(error), "a computed result", restore)
        yield from self.check_copies(record, "result", key, 1, copies)

    def under_way(self, copies: Iterable[Path], target: Path) -> bool:
        """Return whether a record that is missing belongs to a change that is being made, or just was."""
        made_by = [path.name.split(".")[-2] for path in copies]
        return any(self._fs.exists(self._layout.staging / tx) for tx in made_by) or self._fs.exists(target)

    def check_copies(
        self,
        record: StoredRecord | None,
        kind: str,
        id_: str,
        revision: int,
        copies: list[Path],
        *,
        in_bag: bool = False,
    ) -> Iterator[Damage]:
        """Compare the spare copies of a revision with it, where it is sound, and miss those that are gone."""
        layout, fs = self._layout, self._fs
        for path in copies:
            copy = read_copy(fs, path)
            if copy is None or (copy.kind, copy.id, copy.revision) != (kind, id_, revision):
                wrong = "its content does not match its sha256 seal, or it is another's"
            elif record is not None and copy.seal != record.seal:
                wrong = "it differs from the record"
            else:
                continue
            if fs.exists(path) and not self.under_way([path], path.with_name("none")):
                yield Damage(kind, id_, relative(layout, path), wrong, _COPY_LOST, "siltomo catalog repair")
        if record is None or copies or not self._copied or in_bag:
            return
        # the name that mending gives it: a transaction that never was
        missing = layout.copy(kind, id_, revision, "0" * 22)
        start = missing.name.partition(".")[0]
        if not any(name.startswith(start) for name in fs.names(missing.parent)):  # else it was made meanwhile
            what = "the spare copy is missing"
            yield Damage(kind, id_, relative(layout, missing), what, _COPY_LOST, "siltomo catalog repair")

    def bags_of(self, kind: str, id_: str) -> list[str]:
        """Return the bags of an id."""
        return self._bags.get((kind, id_), [])


class _History:
    """The revisions of one record, and their spare copies in the folder of copies and in its bags."""

    def __init__(
        self,
        above: Histories,
        kind: str,
        id_: str,
        *,
        names: list[str],
        copies: list[str],
        found: list[Damage],
    ) -> None:
        self._above, self._kind, self._id, self._found = above, kind, id_, found
        self._layout, self._fs = above._layout, above._fs
        self._revisions = [revision for name in names if (revision := revision_of(name)) is not None]
        self._copies: dict[int, list[Path]] = {}
        for name in copies:
            if known := copied_revision(name):
                path = self._layout.copies / kind / id_ / name
                self._copies.setdefault(known[0], []).append(path)
        self._last = max(self._revisions, default=0)

    def check(self) -> list[StoredRecord]:
        """Return the sound revisions, oldest first."""
        sound = [record for n in range(1, self._newest() + 1) if (record := self._check_revision(n))]
        sound = self._check_chain(sound)
        self._miss_records_of_bags(sound)
        brought: dict[str, int] = {}
        for record in sound:
            if record.volume:
                brought.setdefault(record.volume.bag, record.revision)
        by_revision = {record.revision: record for record in sound}
        for n in sorted({*by_revision, *self._copies}):
            record_or_none = by_revision.get(n)
            in_bag = record_or_none is not None and self._check_bag_copy(record_or_none, sound, brought)
            self._found += self._above.check_copies(
                record_or_none, self._kind, self._id, n, self._copies.get(n, []), in_bag=in_bag
            )
        return sound

    def _newest(self) -> int:
        """Return the last revision there was, as the records or the copies know it."""
        newest = self._last
        for revision, copies in self._copies.items():
            target = self._layout.record(self._kind, self._id, revision)
            if revision > newest and not self._above.under_way(copies, target):
                newest = revision
        return newest

    def _check_revision(self, revision: int) -> StoredRecord | None:
        path = self._layout.record(self._kind, self._id, revision)
        try:
            return read_record(self._fs, path, kind=self._kind, id_=self._id, revision=revision)
        except (FileNotFoundError, DamagedError) as error:
            self._report(revision, words(error))
            return None

    def _check_chain(self, sound: list[StoredRecord]) -> list[StoredRecord]:
        """Leave out what does not follow the revision before it."""
        kept: list[StoredRecord] = []
        for record in sound:
            before = kept[-1] if kept and kept[-1].revision == record.revision - 1 else None
            if before is not None and record.prev != before.seal:
                self._report(
                    record.revision, "it does not follow the revision before it: files were mixed up"
                )
            else:
                kept.append(record)
        return kept

    def _report(self, revision: int, what: str) -> None:
        path = self._layout.record(self._kind, self._id, revision)
        name = f"{self._kind} {self._id}"
        copies = spare_copies(self._layout, self._fs, self._kind, self._id, revision)
        lost = name if revision >= self._last else f"revision {revision} of {name}; a later one is there"
        if revision >= self._last and any(copy.name == RECORD for copy in copies):
            lost = f"{name}; its voxels are there"
        restore = _restore(self._layout, path, copies) or BACKUP
        place = relative(self._layout, path)
        self._found.append(Damage(self._kind, self._id, place, what, lost, restore))

    def _miss_records_of_bags(self, sound: list[StoredRecord]) -> None:
        """Report the record of a bag that no revision names, unless it is reported already."""
        named = {record.volume.bag for record in sound if record.volume}
        for name in self._above.bags_of(self._kind, self._id):
            bag = self._layout.bag(self._kind, name)
            if name in named or self._fs.exists(self._layout.staging / name.rpartition(".")[2]):
                continue
            if (copy := read_copy(self._fs, bag / RECORD)) is None:
                continue
            target = self._layout.record(self._kind, self._id, copy.revision)
            reported = any(self._layout.root / one.path == target for one in self._found)
            if copy.volume and copy.volume.bag == name and not reported and not self._fs.exists(target):
                self._report(copy.revision, "missing")

    def _check_bag_copy(
        self, record: StoredRecord, sound: list[StoredRecord], brought: dict[str, int]
    ) -> bool:
        """Return whether a revision has its copy in its bag; of a bag still in use that is looked at later."""
        if record.volume is None or brought[record.volume.bag] != record.revision:
            return False
        newest = sound[-1]
        if newest.volume and newest.volume.bag == record.volume.bag and not newest.removed:
            return True
        path = self._layout.bag(self._kind, record.volume.bag) / RECORD
        if not self._fs.is_folder(path.parent):
            return False
        if read_copy(self._fs, path) != record:
            copied = spare_copies(self._layout, self._fs, self._kind, self._id, record.revision)
            if copied and not self._fs.exists(path):
                return False  # the bag was collected while we looked, its copy kept elsewhere
            what, place = "missing or changed", relative(self._layout, path)
            self._found.append(
                Damage(self._kind, self._id, place, what, _COPY_LOST, "siltomo catalog repair")
            )
        return True


def _is_file(fs: FileSystem, path: Path) -> bool:
    """Return whether a file is where a folder should be; a folder may have come or gone since we listed."""
    return fs.exists(path) and not fs.is_folder(path)


def spare_copies(layout: Layout, fs: FileSystem, kind: str, id_: str, revision: int) -> list[Path]:
    """Return the sound copies of a revision, or of a result; those of changes under way left out."""
    parent = layout.copy(kind, id_, revision, "").parent
    start = f"{id_}." if kind == "result" else f"{revision:06d}."
    candidates = [(name.split(".")[-2], parent / name) for name in fs.names(parent) if name.startswith(start)]
    for name in fs.names(layout.objects / kind):
        made_for, _, transaction = name.rpartition(".")
        if made_for == id_:
            candidates.append((transaction, layout.bag(kind, name) / RECORD))
    return [
        path
        for transaction, path in candidates
        if not is_litter(path.name)
        and not fs.exists(layout.staging / transaction)
        and (copy := read_copy(fs, path)) is not None
        and (copy.kind, copy.id, copy.revision) == (kind, id_, revision)
    ]


def _restore(layout: Layout, path: Path, copies: list[Path]) -> str:
    """Return the command that puts a sound copy in the place of a record; works without siltomo."""
    if not copies:
        return ""
    place = relative(layout, path)
    return f"mkdir -p {Path(place).parent} && cp -f {relative(layout, copies[0])} {place}"
