"""Every interleaving of writers and recovery with up to two switches, a reader looking in between."""

from __future__ import annotations

import itertools
import shutil
import threading
from pathlib import Path

import numpy as np
import pytest

from siltomo.catalog import CatalogStore, FileSystem
from siltomo.errors import TakenError

pytestmark = pytest.mark.usefixtures("tiny_grid")

SHARED = ("mkdir", "rename", "link", "unlink", "rmtree", "lock", "look")


class Turns:
    """Lets one thread run at a time; at the given steps the next in line takes over."""

    def __init__(self, order, switches, between):
        self.order, self.switches, self.between = list(order), set(switches), between
        self.alive, self.waiting = set(order), set()
        self.granted, self.steps = None, 0
        self.condition = threading.Condition()

    def take(self, me):
        with self.condition:
            self.waiting.add(me)
            self._grant()
            assert self.condition.wait_for(lambda: self.granted == me, 60), "nobody moves"
            self.granted = None
            self.waiting.discard(me)

    def leave(self, me):
        with self.condition:
            self.alive.discard(me)
            self.waiting.discard(me)
            self.order.remove(me)
            self._grant()

    def _grant(self):
        if self.alive and self.granted is None and self.waiting == self.alive:
            self.steps += 1
            if self.steps in self.switches:
                self.order.append(self.order.pop(0))
            self.between()
            self.granted = self.order[0]
            self.condition.notify_all()


class ScheduledDisk(FileSystem):
    """Waits for its turn before every effect that another process could see, and every look at one."""

    def __init__(self, turns, me):
        self.turns, self.me = turns, me

    def fsync(self, path):
        pass

    def fsync_dir(self, path):
        pass

    def _turn(self, name, *args):
        # zarr writes private files from a thread of its own
        private = name == "mkdir" and "bag" in Path(args[0]).parts
        if threading.current_thread().name == self.me and not private:
            self.turns.take(self.me)
        return getattr(super(), name)(*args)


for _name in SHARED:
    setattr(ScheduledDisk, _name, lambda self, *args, _name=_name: self._turn(_name, *args))


class Play:
    """Writers ``a`` and ``b`` of one id, and ``z`` who recovers, in one interleaving."""

    def __init__(self, base, work, write, read):
        self.base, self.work, self.write, self.read = base, work, write, read

    def run(self, order, switches):
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.base, self.work)
        outcome, wrong = {}, []

        def look():
            try:
                self.read(CatalogStore.open(self.work))
            except Exception as error:
                wrong.append(error)

        turns = Turns(order, switches, look)

        def act(me):
            store = CatalogStore.open(self.work, fs=ScheduledDisk(turns, me))
            try:
                if me == "z":
                    for _ in range(3):
                        store.recover()
                else:
                    self.write(store, me)
                outcome[me] = "done"
            except TakenError:
                outcome[me] = "taken"
            except Exception as error:
                outcome[me] = repr(error)
            finally:
                turns.leave(me)

        threads = [threading.Thread(target=act, args=(me,), name=me) for me in order]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        self.check(outcome, wrong)
        return turns.steps

    def check(self, outcome, wrong):
        writers = [me for me in outcome if me != "z"]
        won = [me for me in writers if outcome[me] == "done"]
        assert not wrong, wrong[0]
        assert len(won) == 1, outcome
        assert all(outcome[me] == "taken" for me in writers if me not in won), outcome
        assert outcome.get("z", "done") == "done", outcome
        store = CatalogStore.open(self.work)
        assert self.read(store) == won[0]
        store.recover()
        assert store.verify(full=True) == []
        for folder in ("staging", "trash", "locks"):
            assert list((self.work / folder).iterdir()) == [], folder
        assert len(list(self.work.glob("objects/*/*"))) <= 1

    def all(self, actors, switches):
        """Run every order of the actors with every choice of up to so many switches."""
        runs = 0
        for order in itertools.permutations(actors):
            steps = self.run(order, ())
            for count in range(1, switches + 1):
                for chosen in itertools.combinations(range(1, steps + 4), count):
                    self.run(order, chosen)
                    runs += 1
        print(f"{runs} interleavings of {actors}")  # noqa: T201


@pytest.fixture
def records(quick_folder):
    def read(store):
        record = store.find("cell", "x")
        assert record is None or record.body["by"] in ("a", "b")
        return record and record.body["by"]

    CatalogStore.create(quick_folder / "base").put("cell", "other", {})
    return Play(
        quick_folder / "base", quick_folder / "work", lambda s, me: s.put("cell", "x", {"by": me}), read
    )


@pytest.fixture
def volumes(quick_folder, add_scan, random_voxels):
    voxels = {"a": random_voxels(1, (9, 10, 11)), "b": random_voxels(2, (9, 10, 11))}

    def read(store):
        record = store.find("scan", "x")
        if record is None:
            return None
        found = store.open_volume(record)[:]
        (writer,) = [me for me, made in voxels.items() if np.array_equal(made, found)]
        return writer

    CatalogStore.create(quick_folder / "base")
    return Play(
        quick_folder / "base", quick_folder / "work", lambda s, me: add_scan(s, "x", voxels[me]), read
    )


def test_the_same_record_from_two_is_new_once(records):
    """Even where both are written within one second."""
    new = []
    records.write = lambda store, me: new.append(store.put("cell", "x", {"by": "a"})[1])
    records.check = lambda outcome, wrong: None
    for switch in range(1, 20):
        new.clear()
        records.run("ab", [switch])
        assert sorted(new) == [False, True]


@pytest.mark.parametrize("actors", ["ab", "az"])
def test_any_interleaving_of_records_with_one_switch(records, actors):
    records.all(actors, 1)


def test_any_interleaving_of_adding_and_recovering_with_one_switch(volumes):
    volumes.all("az", 1)


@pytest.mark.slow
@pytest.mark.parametrize("actors", ["ab", "az"])
def test_any_interleaving_of_records_with_two_switches(records, actors):
    records.all(actors, 2)


@pytest.mark.slow
@pytest.mark.parametrize(("actors", "switches"), [("ab", 1), ("az", 2)])
def test_any_interleaving_of_volumes(volumes, actors, switches):
    volumes.all(actors, switches)
