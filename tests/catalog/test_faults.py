"""Every effect on the disk is made to fail once, by a crash, a full disk, a broken one and a power cut."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from siltomo.catalog import CatalogStore, StorageError
from siltomo.errors import TakenError

MODES = ("crash", "after", "torn", "enospc", "eio")
KEY = "0f" * 32

pytestmark = pytest.mark.usefixtures("tiny_grid")


class Change:
    """One writing call, how to see whether it was done, and how often its new bag may be there."""

    def __init__(self, name, do, done, *, bags=0):
        self.name, self.do, self.done, self.bags = name, do, done, bags


@pytest.fixture
def old_voxels(random_voxels):
    return random_voxels(1)


@pytest.fixture
def base(tmp_path, add_scan, old_voxels):
    """A catalog that holds a scan, a cell in its second revision and a result."""
    store = CatalogStore.create(tmp_path / "base")
    add_scan(store, "old", old_voxels)
    store.put("cell", "old", {"x": 1})
    store.revise("cell", "old", {"x": 2}, of=1)
    store.put_result("aa" * 32, {"value": 1})
    return store.root


@pytest.fixture
def changes(add_scan, random_voxels):
    new = random_voxels(2)

    def is_removed(store):
        return store.find("cell", "old") is None

    def revise(store):
        store.revise("cell", "old", {"x": 3}, of=store.get("cell", "old").revision)

    def remove(store):
        if not is_removed(store):
            store.remove("cell", "old")

    def added(kind):
        def done(store):
            record = store.find(kind, "new")
            if record is None:
                return False
            np.testing.assert_array_equal(store.open_volume(record)[:], new)
            return True

        return done

    def add_labels(store):
        return add_scan(
            store, "new", new, kind="segmentation", is_labels=True, source=store.get("scan", "old")
        )

    return {
        change.name: change
        for change in (
            Change(
                "put", lambda s: s.put("cell", "new", {"y": 1}), lambda s: s.find("cell", "new") is not None
            ),
            Change("revise", revise, lambda s: s.get("cell", "old").body == {"x": 3}),
            Change("remove", remove, is_removed),
            Change("result", lambda s: s.put_result(KEY, {"v": 2}), lambda s: s.find_result(KEY) is not None),
            Change("volume", lambda s: add_scan(s, "new", new), added("scan"), bags=1),
            Change("labels", add_labels, added("segmentation"), bags=1),
        )
    }


def effects_of(base, change, faulty_disk, tmp_path):
    """Return the effects of a change that nothing disturbs."""
    root = tmp_path / "clean"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(base, root)
    disk = faulty_disk()
    change.do(CatalogStore.open(root, fs=disk))
    return disk.log


def check(root, change, old_voxels, *, acked):
    """What was there is there; the new is absent or whole; recovery and another try lead to a sound catalog."""
    store = CatalogStore.open(root)
    np.testing.assert_array_equal(store.open_volume(store.get("scan", "old"))[:], old_voxels)
    assert [r.body["x"] for r in store.history("cell", "old")][:2] == [1, 2]
    assert store.find_result("aa" * 32).body == {"value": 1}
    seen = change.done(store)
    if acked:
        assert seen, "an acknowledged change is gone"
    store.recover()
    if not change.done(store):
        assert not seen, "a change that was visible is gone"
        change.do(store)
        assert change.done(store)
    assert store.verify(full=True) == []
    assert store.recover() == []
    for folder in ("staging", "trash", "locks"):
        assert list((root / folder).iterdir()) == [], f"left over in {folder}"
    assert len(list(root.glob("objects/*/*"))) == 1 + change.bags


def break_once(base, change, n, mode, *, faulty_disk, crash, tmp_path, old_voxels):
    """Make effect n fail, and return what it was."""
    root = tmp_path / "work"
    shutil.rmtree(root, ignore_errors=True)
    shutil.copytree(base, root)
    disk = faulty_disk(n, mode)
    acked = False
    try:
        change.do(CatalogStore.open(root, fs=disk))
        acked = True
    except crash:
        assert mode in ("crash", "after", "torn")
    except StorageError as error:
        assert mode in ("enospc", "eio")
        assert error.code == {"enospc": "SIL181", "eio": "SIL182"}[mode]
        assert error.fix
    check(root, change, old_voxels, acked=acked)
    return disk.fired


def sweep(name, step, request, base, changes, old_voxels, tmp_path, faulty_disk, crash):
    change = changes[name]
    count = len(effects_of(base, change, faulty_disk, tmp_path))
    points = Counter()
    for mode in MODES:
        for n in range(1, count + 1, step):
            fired = break_once(
                base, change, n, mode,
                faulty_disk=faulty_disk, crash=crash, tmp_path=tmp_path, old_voxels=old_voxels,
            )  # fmt: skip
            assert fired is not None, f"{name} made fewer than {n} effects"
            points[mode] += 1
    print(f"{name}: {dict(points)} points, {count} effects")


@pytest.mark.parametrize("name", ["put", "revise", "remove", "result"])
def test_a_fault_at_any_effect_of_a_record_change(
    name, request, base, changes, old_voxels, tmp_path, faulty_disk, crash
):
    sweep(name, 1, request, base, changes, old_voxels, tmp_path, faulty_disk, crash)


def test_a_fault_at_some_effects_of_adding_a_volume(
    request, base, changes, old_voxels, tmp_path, faulty_disk, crash
):
    sweep("volume", 11, request, base, changes, old_voxels, tmp_path, faulty_disk, crash)


@pytest.mark.slow
@pytest.mark.parametrize("name", ["volume", "labels"])
def test_a_fault_at_any_effect_of_adding_a_volume(
    name, request, base, changes, old_voxels, tmp_path, faulty_disk, crash
):
    sweep(name, 1, request, base, changes, old_voxels, tmp_path, faulty_disk, crash)


def power_cuts(base, change, n_cuts, rng, *, faulty_disk, power_model, tmp_path, old_voxels):
    """Cut the power after every n-th effect, in every way, and check each state."""
    # replay on the tree where it happened: the model's paths are those of the log
    log = effects_of(base, change, faulty_disk, tmp_path)
    root = tmp_path / "clean"
    cut = tmp_path / "work"
    states = 0
    for n in sorted({*range(0, len(log), max(1, len(log) // n_cuts)), len(log)}):
        for variant, repeats in (("strict", 1), ("ahead", 1), ("random", 2)):
            for _ in range(repeats):
                shutil.rmtree(root, ignore_errors=True)
                shutil.copytree(base, root)
                model = power_model.of(root)
                for name, args in log[:n]:
                    model.apply(name, args)
                model.cut(cut, variant, rng)
                # the call returns after its last effect that counts; what follows only sweeps up
                check(cut, change, old_voxels, acked=n == len(log))
                states += 1
    print(f"{change.name}: {states} states after a power cut")


@pytest.mark.parametrize("name", ["put", "revise", "remove", "result"])
def test_a_power_cut_at_any_moment_of_a_record_change(
    name, base, changes, old_voxels, tmp_path, faulty_disk, power_model
):
    power_cuts(
        base, changes[name], 99, random.Random(3),
        faulty_disk=faulty_disk, power_model=power_model, tmp_path=tmp_path, old_voxels=old_voxels,
    )  # fmt: skip


def test_a_power_cut_at_some_moments_of_adding_a_volume(
    base, changes, old_voxels, tmp_path, faulty_disk, power_model
):
    power_cuts(
        base, changes["volume"], 12, random.Random(4),
        faulty_disk=faulty_disk, power_model=power_model, tmp_path=tmp_path, old_voxels=old_voxels,
    )  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["volume", "labels"])
def test_a_power_cut_at_any_moment_of_adding_a_volume(
    name, base, changes, old_voxels, tmp_path, faulty_disk, power_model
):
    power_cuts(
        base, changes[name], 9999, random.Random(5),
        faulty_disk=faulty_disk, power_model=power_model, tmp_path=tmp_path, old_voxels=old_voxels,
    )  # fmt: skip
