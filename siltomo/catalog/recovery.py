"""Finish or take back what a killed process left behind."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.ids import is_transaction
from siltomo.catalog.layout import RECORD, Layout
from siltomo.catalog.manifest import bag_problems, read_manifest
from siltomo.catalog.records import StoredRecord, decode_record
from siltomo.catalog.transactions import brings_bag, discard, drop_copy, finish_volume, holds
from siltomo.errors import DamagedError

__all__ = ["Recovered", "recover"]


@dataclass(frozen=True)
class Recovered:
    """A change that a killed process had begun."""

    transaction: str
    outcome: Literal["completed", "dropped"]
    kind: str = ""
    """Of the record, where it was written already."""
    id: str = ""
    why: str = ""
    """Why it was dropped."""


def recover(layout: Layout, fs: FileSystem) -> list[Recovered]:
    """Complete each dead change that is whole, drop each that is not, and sweep up.

    Changes of living processes hold their lock and are left alone. May itself be killed and repeated.
    """
    found: list[Recovered] = []
    fs.look(layout.staging)
    for name in filter(is_transaction, fs.names(layout.staging)):
        fs.look(layout.staging / name)
        lock = fs.lock(layout.locks / name)
        if lock is None:
            continue
        with lock:
            staging = layout.staging / name
            if fs.exists(staging):  # else its process ended well between the listing and the lock
                found.append(_settle(layout, fs, staging))
    for name in fs.names(layout.trash) if fs.is_disk else ():
        fs.rmtree(layout.trash / name)
    fs.look(layout.locks)
    for name in filter(is_transaction, fs.names(layout.locks)):
        lock = None if fs.exists(layout.staging / name) else fs.lock(layout.locks / name)
        if lock is not None:
            with lock:
                pass
    return found


def _settle(layout: Layout, fs: FileSystem, staging: Path) -> Recovered:
    """Roll one dead change forward where it is whole, else back."""
    try:
        data = fs.read(staging / RECORD)
        record = decode_record(data, where=str(staging / RECORD))
    except (FileNotFoundError, DamagedError):
        _discard_bag(layout, fs, staging)
        discard(layout, fs, staging)
        return Recovered(staging.name, "dropped", why="it was killed before everything was written")
    if not brings_bag(record, staging.name):
        return _settle_record(layout, fs, staging, record, data)
    assert record.volume is not None
    why = _obstacle(layout, fs, staging, record, data)
    if not why:
        try:
            finish_volume(layout, fs, staging, record, data)
        except FileExistsError:
            why = "another record took its name"
    if why:
        discard(layout, fs, layout.bag(record.kind, record.volume.bag))
    discard(layout, fs, staging)
    return Recovered(staging.name, "dropped" if why else "completed", record.kind, record.id, why)


def _discard_bag(layout: Layout, fs: FileSystem, staging: Path) -> None:
    """Drop what a dead change wrote of its bag where that is not in staging."""
    if fs.is_disk:
        return
    try:
        place = fs.read(layout.place(staging.name)).decode()
    except FileNotFoundError:
        return
    if place.startswith(f"{layout.objects.name}/") and place.endswith(f".{staging.name}"):
        discard(layout, fs, layout.root / place)


def _settle_record(
    layout: Layout, fs: FileSystem, staging: Path, record: StoredRecord, data: bytes
) -> Recovered:
    """Drop a dead change of a record alone, unless it had come through; nobody was promised it."""
    done = holds(fs, layout.home(record.kind, record.id, record.revision), data)
    if not done:
        drop_copy(fs, layout.copy(record.kind, record.id, record.revision, staging.name))
    discard(layout, fs, staging)
    if done:
        return Recovered(staging.name, "completed", record.kind, record.id)
    return Recovered(staging.name, "dropped", record.kind, record.id, "it was killed before it was done")


def _obstacle(layout: Layout, fs: FileSystem, staging: Path, record: StoredRecord, data: bytes) -> str:
    """Return why a change with a volume cannot be completed; empty when it can, or is already."""
    assert record.volume is not None
    target = layout.record(record.kind, record.id, record.revision)
    if holds(fs, target, data):
        return ""
    if fs.exists(target):
        return "another record took its name"
    published = layout.bag(record.kind, record.volume.bag)
    bag = published if fs.exists(published) else staging / "bag"
    try:
        files = read_manifest(fs, bag, record.volume.manifest)
    except DamagedError as error:
        return error.message
    for path, what in bag_problems(fs, bag, files, full=True):
        return f"{path}: {what}"
    return ""
