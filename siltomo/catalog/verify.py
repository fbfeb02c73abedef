"""Compare every file of a catalog with what was written. Nothing is ever repaired here."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path

from siltomo.catalog.damage import BACKUP, Damage, relative, stray, words
from siltomo.catalog.elsewhere import Elsewhere, problems_elsewhere
from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.histories import Histories
from siltomo.catalog.ids import is_kind
from siltomo.catalog.layout import ELSEWHERE, RECORD, Layout
from siltomo.catalog.manifest import bag_problems, is_litter, read_manifest
from siltomo.catalog.marker import COPIES_SINCE
from siltomo.catalog.records import Shelf, StoredRecord, read_copy
from siltomo.catalog.sealed import unseal
from siltomo.errors import DamagedError

__all__ = ["verify"]

_SHARD = re.compile(r"[^/]+\.ome\.zarr/(?P<level>\d+)/c/(?P<z>\d+)/(?P<y>\d+)/(?P<x>\d+)")


def verify(
    layout: Layout,
    fs: FileSystem,
    *,
    version: int,
    full: bool = False,
    progress: Callable[[int, int], None] | None = None,
) -> list[Damage]:
    """Check the catalog, in the order of its files.

    Parameters
    ----------
    layout
        The catalog.
    fs
        Its storage.
    version
        By which rules it is written: the older ones know no spare copies.
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
    bags = [
        (kind, bag) for kind in filter(is_kind, fs.names(layout.objects)) for bag in _bags(layout, fs, kind)
    ]
    found = [*_check_marker(layout, fs), *_check_objects(layout, fs)]
    histories = Histories(layout, fs, bags=bags, copied=version >= COPIES_SINCE)
    volumes: list[tuple[StoredRecord, list[StoredRecord]]] = []
    named: set[tuple[str, str]] = set()
    for kind, _, history in histories.check(found):
        named |= {(kind, record.volume.bag) for record in history if record.volume}
        if history and history[-1].volume and not history[-1].removed:
            volumes.append((history[-1], history))
    total = sum(record.volume.bytes for record, _ in volumes if record.volume)
    done = 0
    for record, history in volumes:
        assert record.volume is not None
        problems = list(_check_bag(layout, fs, record, history, full=full))
        if problems and not _removed_since(layout, fs, record):
            found += problems
        done += record.volume.bytes
        if progress is not None:
            progress(done, total)
    for kind, bag in bags:
        if (kind, bag) not in named:
            found += _check_nameless(layout, fs, kind, bag)
    return found


def _check_marker(layout: Layout, fs: FileSystem) -> Iterator[Damage]:
    try:
        unseal(fs.read(layout.marker), where="")
    except (FileNotFoundError, DamagedError) as error:
        lost = "the catalog's own id and format; no record and no volume"
        yield Damage("catalog", "", layout.marker.name, words(error), lost, "siltomo catalog repair")


def _check_objects(layout: Layout, fs: FileSystem) -> Iterator[Damage]:
    """Report what lies among the bags and is none."""
    for kind in fs.names(layout.objects):
        if not (is_kind(kind) and fs.is_folder(layout.objects / kind)):
            yield from stray(layout, "", "", layout.objects / kind)


def _removed_since(layout: Layout, fs: FileSystem, record: StoredRecord) -> bool:
    """Return whether the record was removed while we looked, after which its voxels may go."""
    newest = Shelf(layout, fs).revisions(record.kind, record.id)[-1]
    path = layout.record(record.kind, record.id, newest)
    return newest > record.revision and bool((last := read_copy(fs, path)) and last.removed)


def _check_bag(
    layout: Layout, fs: FileSystem, record: StoredRecord, history: list[StoredRecord], *, full: bool
) -> Iterator[Damage]:
    assert record.volume is not None
    bag = layout.bag(record.kind, record.volume.bag)
    again = f"remove {record.kind} {record.id} and add it again from its source, or {BACKUP}"

    def damage(path: Path, what: str, lost: str, restore: str = again) -> Damage:
        return Damage(record.kind, record.id, relative(layout, path), what, lost, restore)

    if not fs.is_folder(bag):
        yield damage(bag, "missing", "all voxels" if record.volume.levels else "the files kept with it")
        return
    copy = read_copy(fs, bag / RECORD)
    known = None if copy is None else next((r for r in history if r.revision == copy.revision), copy)
    if copy is None or copy != known or not copy.volume or copy.volume.bag != record.volume.bag:
        first = next(r for r in history if r.volume and r.volume.bag == record.volume.bag)
        source = relative(layout, layout.record(first.kind, first.id, first.revision))
        lost = "the spare copy of the record; nothing else"
        restore = f"cp -f {source} {relative(layout, bag / RECORD)}"
        yield damage(bag / RECORD, "missing or changed", lost, restore)
    try:
        files = read_manifest(fs, bag, record.volume.manifest)
    except DamagedError as error:
        lost = "the proof of the voxels; perhaps nothing else"
        yield damage(Path(error.where), error.message, lost, "siltomo catalog repair")
        return
    # plain files carry no checksums of their own, and are small
    plain = record.volume.path in ("", ELSEWHERE)
    for path, what in bag_problems(fs, bag, files, full=full or plain):
        if path in files:
            yield damage(bag / path, what, _what_is_lost(fs, bag, path))
        else:
            yield damage(bag / path, what, "nothing", f"move {relative(layout, bag / path)} away")
    if record.volume.path == ELSEWHERE:
        yield from _check_elsewhere(fs, record, bag, full=full)


def _check_elsewhere(fs: FileSystem, record: StoredRecord, bag: Path, *, full: bool) -> Iterator[Damage]:
    """Report what is no longer as it was of a volume that is read where it lies."""
    try:
        volume = Elsewhere.from_bytes(fs.read(bag / ELSEWHERE))
    except (OSError, ValueError, KeyError, TypeError):
        return  # reported as a file of the bag
    lost = "voxels that are not in this catalog, which keeps their digests only"
    restore = f"put the files of {volume.root} back as they were, or remove {record.kind} {record.id} and add it again"
    for path, what in problems_elsewhere(volume, full=full):
        yield Damage(record.kind, record.id, str(path), what, lost, restore)


def _what_is_lost(fs: FileSystem, bag: Path, path: str) -> str:
    """Return which voxels a file of a bag holds, in words."""
    found = _SHARD.fullmatch(path)
    if not found:
        return "how the voxels are to be read" if path.endswith("zarr.json") else f"the file {path}"
    if found["level"] != "0":
        return (
            f"a part of the {2 ** int(found['level'])}-fold reduced view; the full resolution is not touched"
        )
    try:
        level = json.loads(fs.read(bag / path.partition("/c/")[0] / "zarr.json"))
        edges = level["chunk_grid"]["configuration"]["chunk_shape"]
        spans = [
            f"{axis} {int(found[axis]) * edge} to {min((int(found[axis]) + 1) * edge, size) - 1}"
            for axis, edge, size in zip("zyx", edges, level["shape"], strict=True)
        ]
    except (OSError, ValueError, KeyError, TypeError):
        return "a part of the voxels"
    return f"voxels {', '.join(spans)}, or some of them"


def _check_nameless(layout: Layout, fs: FileSystem, kind: str, name: str) -> Iterator[Damage]:
    """Report a bag that no record names: it lost its record, for a dead writer's bag has a staging folder."""
    bag = layout.bag(kind, name)
    id_, _, transaction = name.rpartition(".")
    if fs.exists(layout.staging / transaction) or not fs.exists(bag):
        return
    copy = read_copy(fs, bag / RECORD)
    if copy is None or copy.volume is None or copy.volume.bag != name or copy.kind != kind:
        yield from stray(layout, kind, id_, bag)
    # else its record is missing or damaged, and reported with the others


def _bags(layout: Layout, fs: FileSystem, kind: str) -> list[str]:
    """Return the names of the bags of a kind."""
    return [name for name in fs.names(layout.objects / kind) if not is_litter(name)]
