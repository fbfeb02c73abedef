"""Every effect on the disk is made to fail once, by a crash, a full disk, a broken one and a power cut."""

from __future__ import annotations

import random
import shutil
from collections import Counter
from contextlib import suppress
from datetime import timedelta

import numpy as np
import pytest
import zarr

from siltomo.catalog import CatalogStore, Elsewhere, VolumeSpec
from siltomo.catalog.marker import VERSION
from siltomo.catalog.sealed import seal, unseal
from siltomo.errors import StorageError, TakenError

MODES = ("crash", "after", "torn", "enospc", "eio", "twice", "dying")
# where a mode is no other than `crash`, or than no fault at all
ONLY = {"torn": {"write"}, "enospc": {"mkdir", "write", "link", "rename", "replace", "fsync", "lock"}}
CODES = {"enospc": "SIL181", "eio": "SIL182", "twice": "SIL182", "dying": "SIL182"}
KEY = "0f" * 32

pytestmark = pytest.mark.usefixtures("tiny_grid")


class Change:
    """One writing call, how to see whether it was done, and how many bags more there are then.

    ``prepare`` does something to the catalog before; then it is not sound until the change is done.
    """

    def __init__(self, name, do, done, *, bags=0, prepare=None):
        self.name, self.do, self.done, self.bags, self.prepare = name, do, done, bags, prepare


@pytest.fixture
def old_voxels(random_voxels):
    return random_voxels(1)


class Bench:
    """A catalog with a scan, a cell in its second revision and a result; and what breaks copies of it."""

    def __init__(self, folder, old_voxels, add_scan, idle_disk, faulty_disk, power_model, crash):
        self.base, self.work, self.old_voxels = folder / "base", folder / "work", old_voxels
        self.idle_disk, self.faulty_disk, self.power_model, self.crash = (
            idle_disk, faulty_disk, power_model, crash,
        )  # fmt: skip
        store = CatalogStore.create(self.base, fs=idle_disk)
        add_scan(store, "old", old_voxels)
        store.put("cell", "old", {"x": 1})
        store.revise("cell", "old", {"x": 2}, of=1)
        store.put_result("aa" * 32, {"value": 1})
        small = old_voxels[:9, :9, :9]
        add_scan(store, "spare", small)
        add_scan(store, "gone", small)
        store.remove("scan", "gone")
        store.add_files("cycling_run", "old", {"run.mpt": b"0 1 2"}, {"cell": "old"})
        self.bags = len(list(self.base.glob("objects/*/*")))

    def fresh(self, change):
        """Return the folder of an untouched copy, prepared for a change."""
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.base, self.work)
        if change.prepare is not None:
            change.prepare(self.work)
        return self.work

    def effects_of(self, change):
        """Return the effects of a change that nothing disturbs, in a copy that has seen them."""
        disk = self.faulty_disk()
        change.do(CatalogStore.open(self.fresh(change), fs=disk))
        return disk.log

    def check(self, change, *, acked):
        """The old is there; the new is absent or whole; recovery and another try lead to a sound catalog."""
        store = CatalogStore.open(self.work, fs=self.idle_disk)
        if change.prepare is None:
            self.check_old(store)
        seen = change.done(store)
        if acked:
            assert seen, "an acknowledged change is gone"
        store.recover()
        if not change.done(store):
            assert not seen, "a change that was visible is gone"
            change.do(store)
            assert change.done(store)
        self.check_old(store)
        assert store.verify(full=True) == []
        assert store.recover() == []
        for folder in ("staging", "trash", "locks"):
            assert list((self.work / folder).iterdir()) == [], f"left over in {folder}"
        assert len(list(self.work.glob("objects/*/*"))) == self.bags + change.bags

    def check_old(self, store):
        """All that was there before is there and the same."""
        np.testing.assert_array_equal(store.open_volume(store.get("scan", "old"))[:], self.old_voxels)
        assert [r.body["x"] for r in store.history("cell", "old")][:2] == [1, 2]
        assert store.find_result("aa" * 32).body == {"value": 1}
        assert store.file(store.get("cycling_run", "old"), "run.mpt").read_bytes() == b"0 1 2"

    def break_at(self, n, mode, change):
        """Make effect n of a change fail, check what is left, and say whether there was such an effect."""
        disk = self.faulty_disk(n, mode)
        store = CatalogStore.open(self.fresh(change), fs=disk)
        acked = False
        try:
            change.do(store)
            acked = True
        except self.crash:
            assert mode in ("crash", "after", "torn")
        except StorageError as caught:
            said = (caught.code, bool(caught.fix))
            assert said == (CODES[mode], True)
        self.check(change, acked=acked)
        return disk.fired is not None

    def sweep(self, change, step=1):
        """Make every ``step``-th effect of a change fail in every way."""
        effects, points = [name for name, _ in self.effects_of(change)], Counter()
        for n in range(1, len(effects) + 1, step):
            for mode in MODES:
                if effects[n - 1] in ONLY.get(mode, effects):
                    assert self.break_at(n, mode, change), f"{change.name} made fewer than {n} effects"
                    points[mode] += 1
        print(f"{change.name}: {dict(points)} points, {len(effects)} effects")  # noqa: T201
        return points.total()

    def cut_power(self, change, step=1):
        """Cut the power before every ``step``-th effect and after the last, in every way."""
        log, rng, states = self.effects_of(change), random.Random(3), 0
        for n in sorted({*range(0, len(log), step), len(log)}):
            for variant in ("strict", "ahead", "random", "random"):
                model = self.power_model.of(self.fresh(change))
                for name, args in log[:n]:
                    model.apply(name, args)
                model.cut(self.work, variant, rng)
                self.check(change, acked=n == len(log))
                states += 1
        print(f"{change.name}: {states} states after a power cut")  # noqa: T201


@pytest.fixture
def bench(quick_folder, old_voxels, add_scan, idle_disk, faulty_disk, power_model, crash):
    return Bench(quick_folder, old_voxels, add_scan, idle_disk, faulty_disk, power_model, crash)


@pytest.fixture
def changes(add_scan, random_voxels, tmp_path):
    new = random_voxels(2)
    theirs = zarr.create_array(tmp_path / "theirs.zarr", name="0", data=new, chunks=(6, 12, 10))

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

    def set_scan(store):
        if not is_set(store):
            store.revise("scan", "old", {"note": "new"}, of=store.get("scan", "old").revision)

    def is_set(store):
        return store.get("scan", "old").body == {"note": "new"}

    def remove_scan(store):
        if store.find("scan", "spare") is not None:
            store.remove("scan", "spare")

    def damage(root):
        """Lose a record, its successor's copy and a result; spoil the list of a bag and a copy in one."""
        (root / "records/cell/old/000002.json").unlink()
        (copy,) = root.glob("copies/scan/gone/*")
        copy.unlink()
        (root / f"records/result/aa/{'aa' * 32}.json").unlink()
        for path in (
            *root.glob("objects/scan/old.*/manifest-size.txt"),
            *root.glob("objects/*/*/record.json"),
        ):
            path.chmod(0o644)
            path.write_bytes(b"rotten")

    def age(root):
        """Make the catalog one that an older siltomo wrote."""
        shutil.rmtree(root / "copies")
        marker = root / "siltomo-catalog.json"
        said, _ = unseal(marker.read_bytes(), where="")
        marker.chmod(0o644)
        marker.write_bytes(seal({**said, "version": 1})[0])

    def add_files(store):
        return store.add_files("cycling_run", "new", {"a/run.mpt": b"3 4", "b.npz": b"5"}, {"cell": "old"})

    def add_reference(store):
        root = tmp_path / "theirs.zarr"
        files = [path for path in sorted((root / "0").rglob("*")) if path.is_file()]
        return store.add_reference(
            "scan",
            "new",
            VolumeSpec(new.shape, new.dtype, (0.65, 0.65, 0.65), "new"),
            lambda start, stop: theirs[start:stop],
            lambda facts: {"content": facts.content},
            elsewhere=Elsewhere.of(root, ["0"], 0, files),
        )

    return {
        change.name: change
        for change in (
            Change("reference", add_reference, added("scan"), bags=1),
            Change("set scan", set_scan, is_set),
            Change("rm scan", remove_scan, lambda s: s.find("scan", "spare") is None),
            Change("files", add_files, lambda s: s.find("cycling_run", "new") is not None, bags=1),
            Change(
                "gc", lambda s: s.collect(timedelta(0)), lambda s: not s.collectable(timedelta(0)), bags=-1
            ),
            Change("repair", lambda s: s.repair(), lambda s: not s.verify(), prepare=damage),
            Change("migrate", lambda s: s.migrate(), lambda s: s.version == VERSION, prepare=age),
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


RECORD_CHANGES = ("put", "revise", "remove", "result")


@pytest.mark.parametrize("name", RECORD_CHANGES)
def test_a_fault_at_many_effects_of_a_record_change(name, bench, changes):
    bench.sweep(changes[name], step=3)


@pytest.mark.parametrize("name", RECORD_CHANGES)
def test_a_power_cut_at_many_moments_of_a_record_change(name, bench, changes):
    bench.cut_power(changes[name], step=3)


@pytest.mark.slow
@pytest.mark.parametrize("name", RECORD_CHANGES)
def test_a_power_cut_at_any_moment_of_a_record_change(name, bench, changes):
    bench.cut_power(changes[name])


def test_a_fault_at_some_effects_of_adding_a_volume(bench, changes):
    bench.sweep(changes["volume"], step=19)


def test_a_power_cut_at_some_moments_of_adding_a_volume(bench, changes):
    bench.cut_power(changes["volume"], step=19)


@pytest.mark.parametrize("mode", MODES)
def test_a_fault_at_any_effect_of_making_a_catalog(mode, quick_folder, faulty_disk, crash):
    """Making it again works, or says that it is there."""
    disk, n = None, 0
    while disk is None or disk.fired:
        n += 1
        root, disk = quick_folder / f"{mode}-{n}", faulty_disk(n, mode)
        try:
            CatalogStore.create(root, fs=disk)
        except (crash, StorageError):
            with suppress(TakenError):
                CatalogStore.create(root)
        store = CatalogStore.open(root)
        store.recover()
        store.put("cell", "a", {})
        assert store.verify(full=True) == []
        assert list((root / "staging").iterdir()) == list((root / "locks").iterdir()) == []
    assert n > 10


@pytest.mark.parametrize("effect", ["fsync_dir", "link"])
def test_a_dead_change_that_rotted_is_dropped(effect, bench, changes):
    """Killed with its bag in staging, or published and without its record; then a bit flips in it."""
    change = changes["volume"]
    log = bench.effects_of(change)
    record = max(i for i, (name, args) in enumerate(log) if name == "write" and "bag" not in args[0].parts)
    n = next(i for i, (name, _) in enumerate(log) if name == effect and i > record) + 1
    with pytest.raises(bench.crash):
        change.do(CatalogStore.open(bench.fresh(change), fs=bench.faulty_disk(n, "crash")))
    (shard,) = [
        p
        for p in bench.work.glob("*/**/image.ome.zarr/0/c/0/1/0")
        if not {"old", "spare", "gone"} & {part.partition(".")[0] for part in p.parts}
    ]
    assert ("staging" in shard.parts) == (effect == "fsync_dir")
    shard.chmod(0o644)
    shard.write_bytes(shard.read_bytes()[:-1] + b"x")
    (dropped,) = CatalogStore.open(bench.work).recover()
    assert (dropped.outcome, dropped.id) == ("dropped", "new")
    assert dropped.why == "image.ome.zarr/0/c/0/1/0: its bytes were changed"
    bench.check(change, acked=False)


@pytest.mark.parametrize("name", ["set scan", "files", "reference", "gc", "repair", "migrate"])
def test_a_fault_at_some_effects_of_every_other_change(name, bench, changes):
    bench.sweep(changes[name], step=11)


@pytest.mark.slow
def test_a_fault_at_any_effect_of_any_change(bench, changes):
    """Nothing that was there is lost, the change is there whole or not at all, and can be repeated."""
    points = sum(bench.sweep(change) for name, change in changes.items() if name != "labels")
    print(f"{points} distinct points of failure")  # noqa: T201
    assert points >= 1000


@pytest.mark.slow
@pytest.mark.parametrize("name", ["set scan", "rm scan", "files", "reference", "gc", "repair", "migrate"])
def test_a_power_cut_at_many_moments_of_every_other_change(name, bench, changes):
    bench.cut_power(changes[name], step=3)


@pytest.mark.slow
def test_a_power_cut_at_any_moment_of_adding_a_volume(bench, changes):
    bench.cut_power(changes["volume"])


@pytest.mark.slow
def test_faults_and_power_cuts_while_labels_are_added(bench, changes):
    bench.sweep(changes["labels"], step=11)
    bench.cut_power(changes["labels"], step=11)


class RecoveryOf:
    """Recovering from a change that was killed at its n-th effect, as a change that can itself fail."""

    def __init__(self, change, n, bench):
        self.name, self.bags, self.done = f"recovery of {change.name} at {n}", change.bags, change.done
        self.prepare = None
        self._change, self._n, self._bench = change, n, bench

    def do(self, store):
        if not self._change.done(store) or any((store.root / "staging").iterdir()):
            store.recover()
        if not self._change.done(store):
            self._change.do(store)


@pytest.mark.slow
def test_a_fault_at_any_effect_of_recovering(bench, changes):
    """Killed while it is added, and killed again while that is recovered from."""
    change = changes["volume"]
    log = bench.effects_of(change)
    commit = max(i for i, (name, _) in enumerate(log) if name == "link") + 1
    for n in (5, commit - 9, commit - 2, commit, commit + 3):
        disk = bench.faulty_disk(n, "crash")
        with pytest.raises(bench.crash):
            change.do(CatalogStore.open(bench.fresh(change), fs=disk))
        killed = bench.work.rename(bench.work.with_name(f"killed-{n}"))
        again = Bench.__new__(Bench)
        again.__dict__ |= {**bench.__dict__, "base": killed}
        again.sweep(RecoveryOf(change, n, bench), step=4)
