"""A catalog in a temporary folder, and the disks that fail on it."""

from __future__ import annotations

import errno
import os
import random
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from siltomo.catalog import CatalogStore, FileSystem, StoredRecord, VolumeSpec

AddScan = Callable[..., StoredRecord]
EFFECTS = (
    "mkdir", "write", "fsync", "fsync_dir", "protect", "rename", "replace", "link", "unlink", "rmtree", "lock",
)  # fmt: skip


@pytest.fixture
def store(tmp_path: Path) -> CatalogStore:
    return CatalogStore.create(tmp_path / "catalog")


@pytest.fixture
def quick_folder(tmp_path):
    """A folder in memory where there is one: a sweep copies a catalog thousands of times."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


@pytest.fixture(scope="session")
def add_scan() -> AddScan:
    """Add an array as the volume of a record whose body is its content id."""

    def add(
        store: CatalogStore, id_: str, voxels: NDArray[Any], *, kind: str = "scan", **options: Any
    ) -> StoredRecord:
        spec = VolumeSpec(voxels.shape, voxels.dtype, (0.65, 0.65, 0.65), id_, **options)
        return store.add_volume(
            kind, id_, spec, lambda start, stop: voxels[start:stop], lambda facts: {"content": facts.content}
        )

    return add


@pytest.fixture
def tiny_grid(monkeypatch):
    """Make shards so small that a few thousand voxels have several, on two levels."""
    monkeypatch.setattr("siltomo.catalog.volumes.CHUNK", 8)
    monkeypatch.setattr("siltomo.catalog.volumes.SHARD", 16)
    monkeypatch.setattr("siltomo.catalog.volumes.SMALLEST_LEVEL", 16)


@pytest.fixture(scope="session")
def random_voxels() -> Callable[..., NDArray[Any]]:
    def make(seed: int, shape: tuple[int, int, int] = (12, 24, 10), dtype: str = "uint8") -> NDArray[Any]:
        return np.random.default_rng(seed).integers(1, 250, shape).astype(dtype)

    return make


class Crash(BaseException):
    """The process is gone; nothing that it does after this reaches the disk."""


class IdleDisk(FileSystem):
    """Does not wait for the medium; what syncing is for is the power model's affair."""

    def fsync(self, path: Path) -> None:
        path.stat()

    def fsync_dir(self, path: Path) -> None:
        path.stat()


class FaultyDisk(IdleDisk):
    """Counts effects, and at the n-th one fails.

    ``crash`` before it, ``after`` it, ``torn`` half-way through a write; ``enospc`` and ``eio`` are errors
    that the process survives, ``twice`` also hits the next effect, ``dying`` all that follow. After a crash
    every effect raises, so that no clean-up can help, as with ``kill -9``.
    """

    def __init__(self, n: int | None = None, mode: str = "crash") -> None:
        self.n, self.mode = n, mode
        self.count = 0
        self.dead = False
        self.fired: tuple[str, str] | None = None
        self.log: list[tuple[str, tuple[Any, ...]]] = []

    def _effect(self, name: str, *args: Any) -> Any:
        if self.dead:
            raise Crash
        self.count += 1
        act = getattr(super(), name)
        last = {"twice": 1, "dying": 10**6}.get(self.mode, 0)
        if self.n is not None and self.n <= self.count <= self.n + last:
            self.fired = (name, str(args[0]))
            self._fail(name, act, args)
        self.log.append((name, tuple(bytes(a) if isinstance(a, memoryview) else a for a in args)))
        return act(*args)

    def _fail(self, name: str, act: Callable[..., Any], args: tuple[Any, ...]) -> None:
        if self.mode in ("torn", "enospc") and name == "write":
            act(args[0], bytes(args[1])[: len(args[1]) // 2])
        if self.mode == "after":
            done = act(*args)
            if name == "lock" and done is not None:  # the kernel lets go of a dead process's locks
                os.close(done._descriptor)
        if self.mode in ("crash", "after", "torn"):
            self.dead = True
            raise Crash
        if self.mode == "enospc" and name in ("mkdir", "write", "link", "rename", "replace", "fsync", "lock"):
            raise OSError(errno.ENOSPC, "No space left on device", str(args[0]))
        if self.mode in ("eio", "twice", "dying"):
            raise OSError(errno.EIO, "Input/output error", str(args[0]))


def _counted(name: str) -> Callable[..., Any]:
    return lambda self, *args: self._effect(name, *args)


for _name in EFFECTS:
    setattr(FaultyDisk, _name, _counted(_name))


class Node:
    """A file or folder as the kernel sees it, and as it is on the medium."""

    def __init__(self, folder: bool) -> None:
        self.folder = folder
        self.seen: Any = {} if folder else b""
        self.durable: Any = {} if folder else None


class PowerModel:
    """Replays effects and cuts the power: bytes last after ``fsync``, names after ``fsync_dir``.

    ``strict`` keeps only what was synced. ``ahead`` keeps all names and only synced bytes (ext4's delayed
    allocation). ``random`` tosses a coin for each name and each unsynced file.
    """

    def __init__(self, root: Path) -> None:
        self.root, self.top = root, Node(folder=True)

    @classmethod
    def of(cls, root: Path) -> PowerModel:
        """Take what is in a folder as durable."""
        model = cls(root)
        for path in sorted(root.rglob("*")):
            name, data = ("mkdir", ()) if path.is_dir() else ("write", (path.read_bytes(),))
            model.apply(name, (path, *data))
            if not path.is_dir():
                model.apply("fsync", (path,))
        for path in [root, *root.rglob("*")]:
            if path.is_dir():
                model.apply("fsync_dir", (path,))
        return model

    def _node(self, path: Path) -> Node:
        node = self.top
        for part in path.relative_to(self.root).parts:
            node = node.seen[part]
        return node

    def apply(self, name: str, args: tuple[Any, ...]) -> None:
        path = args[0]
        if not path.is_relative_to(self.root) or name == "protect":
            return
        parent = None if path == self.root or name == "mkdir" else self._node(path.parent).seen
        if name == "mkdir":
            node = self.top
            for part in path.relative_to(self.root).parts:
                node = node.seen.setdefault(part, Node(folder=True))
        elif name == "write":
            parent[path.name] = Node(folder=False)
            parent[path.name].seen = args[1]
        elif name == "lock":
            parent.setdefault(path.name, Node(folder=False))
        elif name in ("fsync", "fsync_dir"):
            node = self._node(path)
            node.durable = dict(node.seen) if node.folder else node.seen
        elif name == "rename":
            if path.name in parent:
                self._node(args[1].parent).seen[args[1].name] = parent.pop(path.name)
        elif name == "replace":
            self._node(args[1].parent).seen[args[1].name] = parent.pop(path.name)
        elif name == "link":
            self._node(args[1].parent).seen.setdefault(args[1].name, parent[path.name])
        elif name in ("unlink", "rmtree"):
            parent.pop(path.name, None)
        else:
            raise AssertionError(name)

    def cut(self, target: Path, variant: str, rng: random.Random) -> None:
        """Write what is left after the cut."""
        shutil.rmtree(target, ignore_errors=True)
        self._write(self.top, target, variant, rng)

    def _write(self, node: Node, path: Path, variant: str, rng: random.Random) -> None:
        if not node.folder:
            path.write_bytes(_bytes_left(node, variant, rng))
            return
        path.mkdir()
        names = {"strict": node.durable, "ahead": node.seen}.get(variant)
        if names is None:
            names = {}
            for name in sorted({*node.seen, *node.durable}):
                kept = rng.choice([node.seen.get(name), node.durable.get(name)])
                names |= {} if kept is None else {name: kept}
        for name, inner in names.items():
            self._write(inner, path / name, variant, rng)


def _bytes_left(node: Node, variant: str, rng: random.Random) -> bytes:
    synced = node.durable or b""
    if node.durable == node.seen or variant in ("strict", "ahead"):
        return synced
    return rng.choice([synced, node.seen[: len(node.seen) // 2], node.seen])


@pytest.fixture(scope="session")
def crash() -> type[Crash]:
    return Crash


@pytest.fixture(scope="session")
def faulty_disk() -> type[FaultyDisk]:
    return FaultyDisk


@pytest.fixture(scope="session")
def idle_disk() -> IdleDisk:
    return IdleDisk()


@pytest.fixture(scope="session")
def power_model() -> type[PowerModel]:
    return PowerModel
