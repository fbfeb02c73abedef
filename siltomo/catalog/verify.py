"""Compare every file of a catalog with what was written. Nothing is ever repaired here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from siltomo.catalog.filesystem import listing
from siltomo.catalog.ids import is_kind
from siltomo.catalog.layout import RECORD, Layout, revision_of
from siltomo.catalog.manifest import bag_problems, is_litter, read_manifest
from siltomo.catalog.records import Shelf, StoredRecord, decode_record, read_record
from siltomo.catalog.sealed import unseal
from siltomo.errors import DamagedError
from siltomo.ids import is_id

__all__ = ["Damage", "verify"]

_SHARD = re.compile(r"[^/]+\.ome\.zarr/(?P<level>\d+)/c/(?P<z>\d+)/(?P<y>\d+)/(?P<x>\d+)")
_BACKUP = "copy this file back from a backup"


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


def verify(
    layout: Layout, *, full: bool = False, progress: Callable[[int, int], None] | None = None
) -> list[Damage]:
    """Check the catalog, in the order of its files.

    Parameters
    ----------
    layout
        The catalog.
    full
        Read every byte. Else all records, lists and metadata are checked, and of voxels that each file is
        there in its size.
    progress
        Called with the bytes of the volumes done and of all.

    Returns
    -------
    list of Damage
        Empty when everything is as it was written.
    """
    # a folder may appear while we look: bags are listed before the records that are to name them
    bags = [(kind, bag) for kind in filter(is_kind, listing(layout.objects)) for bag in _bags(layout, kind)]
    found = [*_check_marker(layout), *_check_strays(layout)]
    volumes: list[tuple[StoredRecord, list[StoredRecord]]] = []
    named: set[tuple[str, str]] = set()
    shelf = Shelf(layout)
    for kind in shelf.kinds():
        for id_ in shelf.known(kind):
            history = list(_check_history(layout, kind, id_, found))
            named |= {(kind, record.volume.bag) for record in history if record.volume}
            if history and history[-1].volume and not history[-1].removed:
                volumes.append((history[-1], history))
    found += _check_results(layout)
    total = sum(record.volume.bytes for record, _ in volumes if record.volume)
    done = 0
    for record, history in volumes:
        assert record.volume is not None
        found += _check_bag(layout, record, history, full=full)
        done += record.volume.bytes
        if progress is not None:
            progress(done, total)
    for kind, bag in bags:
        if (kind, bag) not in named:
            found += _check_nameless(layout, kind, bag)
    return found


def _check_marker(layout: Layout) -> Iterator[Damage]:
    try:
        unseal(layout.marker.read_bytes(), where="")
    except (FileNotFoundError, DamagedError) as error:
        lost = "the catalog's own id and format; no record and no volume"
        yield Damage("catalog", "", layout.marker.name, _words(error), lost, _BACKUP)


def _check_strays(layout: Layout) -> Iterator[Damage]:
    """Report what lies among the records and is none."""
    for kind in listing(layout.records):
        folder = layout.records / kind
        inner = _is_part if kind == "result" else is_id
        if not (folder.is_dir() and (is_kind(kind) or kind == "result")):
            yield from _stray(layout, "", "", folder)
            continue
        for id_ in listing(folder):
            if not (inner(id_) and (folder / id_).is_dir()):
                yield from _stray(layout, kind, "", folder / id_)
            elif kind != "result":
                for name in listing(folder / id_):
                    if revision_of(name) is None:
                        yield from _stray(layout, kind, id_, folder / id_ / name)
    for kind in listing(layout.objects):
        if not (is_kind(kind) and (layout.objects / kind).is_dir()):
            yield from _stray(layout, "", "", layout.objects / kind)


def _is_part(name: str) -> bool:
    """Return whether a name is a folder of results."""
    return re.fullmatch("[0-9a-f]{2}", name) is not None


def _check_history(layout: Layout, kind: str, id_: str, found: list[Damage]) -> Iterator[StoredRecord]:
    """Yield the readable revisions of a record, and note what is wrong with the others and with the chain."""
    folder = layout.revisions(kind, id_)
    names = listing(folder)
    revisions = [revision for name in names if (revision := revision_of(name)) is not None]
    before: StoredRecord | None = None
    for expected in range(1, max(revisions, default=0) + 1):
        path = layout.record(kind, id_, expected)
        newest = expected == revisions[-1]
        lost = f"{kind} {id_}" if newest else f"revision {expected} of {kind} {id_}; a later one is there"
        try:
            record = read_record(path, kind=kind, id_=id_, revision=expected)
            if expected > 1 and before is not None and record.prev != before.seal:
                raise DamagedError("it does not follow the revision before it: files were mixed up")
        except (FileNotFoundError, DamagedError) as error:
            restore = _restore_record(layout, kind, id_, expected)
            found.append(Damage(kind, id_, _relative(layout, path), _words(error), lost, restore))
            before = None
            continue
        before = record
        yield record


def _restore_record(layout: Layout, kind: str, id_: str, revision: int) -> str:
    """Return how to get a record back: volumes keep a copy of theirs."""
    for bag in listing(layout.objects / kind):
        copy = layout.bag(kind, bag) / RECORD
        if bag.rpartition(".")[0] == id_ and (record := _read_copy(copy)) and record.revision == revision:
            target = layout.record(kind, id_, revision)
            return f"cp -f {_relative(layout, copy)} {_relative(layout, target)}"
    return _BACKUP


def _check_results(layout: Layout) -> Iterator[Damage]:
    base = layout.records / "result"
    for part in filter(_is_part, listing(base)):
        for name in listing(base / part):
            path, key = base / part / name, name.removesuffix(".json")
            if is_litter(name):
                continue
            try:
                read_record(path, kind="result", id_=key, revision=1)
                if layout.result(key) != path:
                    raise DamagedError("it is not where its key belongs")
            except DamagedError as error:
                restore = f"rm -f {_relative(layout, path)}, then compute the metric again"
                yield Damage(
                    "result", key, _relative(layout, path), _words(error), "a computed result", restore
                )


def _check_bag(
    layout: Layout, record: StoredRecord, history: list[StoredRecord], *, full: bool
) -> Iterator[Damage]:
    assert record.volume is not None
    bag = layout.bag(record.kind, record.volume.bag)
    again = f"remove {record.kind} {record.id} and add it again from its source, or {_BACKUP}"

    def damage(path: Path, what: str, lost: str, restore: str = again) -> Damage:
        return Damage(record.kind, record.id, _relative(layout, path), what, lost, restore)

    if not bag.is_dir():
        yield damage(bag, "missing", "all voxels" if record.volume.levels else "the files kept with it")
        return
    if (copy := _read_copy(bag / RECORD)) is None or copy not in history:
        first = next(r for r in history if r.volume and r.volume.bag == record.volume.bag)
        source = _relative(layout, layout.record(first.kind, first.id, first.revision))
        lost = "the spare copy of the record; nothing else"
        yield damage(
            bag / RECORD, "missing or changed", lost, f"cp -f {source} {_relative(layout, bag / RECORD)}"
        )
    try:
        files = read_manifest(bag, record.volume.manifest)
    except DamagedError as error:
        yield damage(Path(error.where), error.message, "the proof of the voxels; perhaps nothing else")
        return
    for path, what in bag_problems(bag, files, full=full):
        if path in files:
            yield damage(bag / path, what, _what_is_lost(bag, path))
        else:
            yield damage(bag / path, what, "nothing", f"move {_relative(layout, bag / path)} away")


def _what_is_lost(bag: Path, path: str) -> str:
    """Return which voxels a file of a bag holds, in words."""
    found = _SHARD.fullmatch(path)
    if not found:
        return "how the voxels are to be read" if path.endswith("zarr.json") else f"the file {path}"
    if found["level"] != "0":
        return (
            f"a part of the {2 ** int(found['level'])}-fold reduced view; the full resolution is not touched"
        )
    try:
        level = json.loads((bag / path.partition("/c/")[0] / "zarr.json").read_text())
        edges = level["chunk_grid"]["configuration"]["chunk_shape"]
        spans = [
            f"{axis} {int(found[axis]) * edge} to {min((int(found[axis]) + 1) * edge, size) - 1}"
            for axis, edge, size in zip("zyx", edges, level["shape"], strict=True)
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return "a part of the voxels"
    return f"voxels {', '.join(spans)}, or some of them"


def _check_nameless(layout: Layout, kind: str, name: str) -> Iterator[Damage]:
    """Report a bag that no record names: it lost its record, for a dead writer's bag has a staging folder."""
    bag = layout.bag(kind, name)
    id_, _, transaction = name.rpartition(".")
    if (layout.staging / transaction).exists() or not bag.exists():
        return
    copy = _read_copy(bag / RECORD)
    if copy is None or copy.volume is None or copy.volume.bag != name or copy.kind != kind:
        yield from _stray(layout, kind, id_, bag)
        return
    target = layout.record(kind, copy.id, copy.revision)
    if not target.exists():
        path = _relative(layout, target)
        restore = f"mkdir -p {Path(path).parent} && cp {_relative(layout, bag / RECORD)} {path}"
        yield Damage(kind, copy.id, path, "missing", f"{kind} {copy.id}; its voxels are there", restore)
    # a file that is there is sound and names its bag, or its damage is reported already


def _stray(layout: Layout, kind: str, id_: str, path: Path) -> Iterator[Damage]:
    if not is_litter(path.name):
        place = _relative(layout, path)
        yield Damage(kind, id_, place, "a file that does not belong there", "nothing", f"move {place} away")


def _read_copy(path: Path) -> StoredRecord | None:
    """Return the spare copy of a record in its bag, where it is sound."""
    try:
        return decode_record(path.read_bytes(), where=str(path))
    except (FileNotFoundError, NotADirectoryError, DamagedError):
        return None


def _bags(layout: Layout, kind: str) -> list[str]:
    """Return the names of the bags of a kind."""
    return [name for name in listing(layout.objects / kind) if not is_litter(name)]


def _relative(layout: Layout, path: Path) -> str:
    return path.relative_to(layout.root).as_posix()


def _words(error: Exception) -> str:
    return error.message if isinstance(error, DamagedError) else "missing"
