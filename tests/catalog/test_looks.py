"""A whole change of another process between any two looks of one that verifies: nothing is called damaged."""

from __future__ import annotations

import shutil
from datetime import timedelta

import pytest

from siltomo.catalog import CatalogStore, FileSystem

pytestmark = pytest.mark.usefixtures("tiny_grid")


class LookingDisk(FileSystem):
    """Counts looks at the disk, and lets another process act before the n-th."""

    def __init__(self):
        self.looks, self.at, self.act = 0, None, None

    def _look(self):
        self.looks += 1
        if self.looks == self.at:
            self.act()

    def folders(self, path):
        """Yield as the disk does, with a look before each folder."""
        for name in self.names(path):
            self._look()
            yield from (found for found in super().folders(path) if found[0] == name)


def _looking(name):
    def look(self, *args):
        self._look()
        return getattr(FileSystem, name)(self, *args)

    return look


for _name in ("names", "tree", "exists", "is_folder", "size", "sha256", "read"):
    setattr(LookingDisk, _name, _looking(_name))

CHANGES = {
    "revise": lambda store, add: store.revise("scan", "s", {"by": "revise"}, of=1),
    "remove": lambda store, add: store.remove("scan", "s"),
    "collect": lambda store, add: (store.remove("scan", "s"), store.collect(timedelta(0))),
    "collect an older one": lambda store, add: store.collect(timedelta(0)),
    "add": lambda store, add: add(store, "new"),
    "add again": lambda store, add: add(store, "gone"),
    "put": lambda store, add: store.put("cell", "d", {"x": 1}),
    "put the first of a kind": lambda store, add: store.put("formulation", "f", {"x": 1}),
    "put a result": lambda store, add: store.put_result("12" * 32, {"value": 1}),
    "repair": lambda store, add: store.repair(),
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize("full", [False, True])
def test_a_change_between_any_two_looks_of_verify(quick_folder, add_scan, random_voxels, change, full):
    voxels = random_voxels(1)
    base, work = quick_folder / "base", quick_folder / "work"
    made = CatalogStore.create(base)
    add_scan(made, "s", voxels)
    add_scan(made, "gone", voxels)
    made.remove("scan", "gone")
    made.put("cell", "c", {"x": 1})
    made.put_result("34" * 32, {"value": 1})

    def act():
        CHANGES[change](CatalogStore.open(work), lambda store, id_: add_scan(store, id_, voxels))

    at, wrong = 0, {}
    while True:
        at += 1
        shutil.copytree(base, work)
        disk = LookingDisk()
        store = CatalogStore.open(work, fs=disk)
        disk.at, disk.act = disk.looks + at, act
        found = store.verify(full=full)
        if found:
            wrong[at] = found
        assert store.verify(full=True) == []
        shutil.rmtree(work)
        if disk.looks < disk.at:
            break
    assert at > 20
    assert not wrong, (len(wrong), next(iter(wrong.values())))
