"""Writers that meet: threads here, processes that are killed in the slow part."""

from __future__ import annotations

import errno
import multiprocessing
import os
import signal
import threading
import time
from datetime import timedelta

import numpy as np
import pytest

from siltomo.catalog import CatalogStore, VolumeSpec
from siltomo.errors import MismatchError, TakenError


def race(count, act):
    """Run ``act(i)`` in threads that start together; return what each returned or raised."""
    gate, outcome = threading.Barrier(count), [None] * count

    def run(i):
        gate.wait()
        try:
            outcome[i] = act(i)
        except Exception as error:
            outcome[i] = error

    threads = [threading.Thread(target=run, args=(i,)) for i in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    return outcome


def test_one_of_many_wins_an_id(store):
    for turn in range(10):
        outcome = race(
            8, lambda i, turn=turn: CatalogStore.open(store.root).put("cell", f"c{turn}", {"by": i})
        )
        won = [i for i, got in enumerate(outcome) if not isinstance(got, Exception)]
        assert len(won) == 1
        assert all(isinstance(got, TakenError) for i, got in enumerate(outcome) if i != won[0]), outcome
        assert store.get("cell", f"c{turn}").body == {"by": won[0]}
    assert store.verify(full=True) == []


def test_one_of_many_makes_the_catalog(tmp_path):
    outcome = race(6, lambda i: CatalogStore.create(tmp_path / "c").uuid)
    (made,) = [got for got in outcome if not isinstance(got, Exception)]
    assert sum(isinstance(got, TakenError) for got in outcome) == 5
    assert CatalogStore.open(tmp_path / "c").uuid == made


def test_one_of_many_wins_where_the_disk_has_no_hard_links(store, monkeypatch, add_scan, random_voxels):
    def no_links(old, new):
        raise PermissionError(errno.EPERM, "Operation not permitted", str(old))

    monkeypatch.setattr(os, "link", no_links)
    test_one_of_many_wins_an_id(store)
    add_scan(store, "s", random_voxels(1))
    assert store.verify(full=True) == []
    assert store.recover() == []


def test_the_same_record_from_many_is_new_once(store):
    outcome = race(8, lambda i: store.put("cell", "c", {"x": 1}))
    assert sorted(new for _, new in outcome) == [False] * 7 + [True]


def test_one_of_many_wins_a_revision_and_the_others_know(store):
    store.put("cell", "c", {"by": -1})
    outcome = race(8, lambda i: store.revise("cell", "c", {"by": i}, of=1))
    won = [i for i, got in enumerate(outcome) if not isinstance(got, Exception)]
    assert len(won) == 1
    assert {got.code for i, got in enumerate(outcome) if i != won[0]} == {"SIL112"}
    assert [r.body for r in store.history("cell", "c")] == [{"by": -1}, {"by": won[0]}]


def test_a_result_that_differs_between_two_runs_is_noticed(store):
    key = "12" * 32
    outcome = race(6, lambda i: store.put_result(key, {"value": i % 2}))
    kept = store.find_result(key).body["value"]
    for i, got in enumerate(outcome):
        assert isinstance(got, MismatchError) == (i % 2 != kept)


def test_many_add_different_volumes_at_once(store, add_scan, random_voxels, tiny_grid):
    outcome = race(8, lambda i: add_scan(CatalogStore.open(store.root), f"s{i}", random_voxels(i)))
    assert not [got for got in outcome if isinstance(got, Exception)], outcome
    for i in range(8):
        np.testing.assert_array_equal(store.open_volume(store.get("scan", f"s{i}"))[:], random_voxels(i))
    assert store.verify(full=True) == []


def test_one_of_many_wins_the_id_of_a_volume(store, add_scan, random_voxels, tiny_grid):
    outcome = race(8, lambda i: add_scan(CatalogStore.open(store.root), "s", random_voxels(i)))
    won = [i for i, got in enumerate(outcome) if not isinstance(got, Exception)]
    assert len(won) == 1, outcome
    assert all(isinstance(got, TakenError) for i, got in enumerate(outcome) if i != won[0]), outcome
    np.testing.assert_array_equal(store.open_volume(store.get("scan", "s"))[:], random_voxels(won[0]))
    assert len(list((store.root / "objects" / "scan").iterdir())) == 1
    assert store.verify(full=True) == []


def test_eight_different_commands_at_once_with_readers(store, add_scan, random_voxels, tiny_grid):
    """Whatever meets whatever, a reader sees whole things and nothing is damaged."""
    for turn in range(4):
        gone, scan = f"gone{turn}", f"scan{turn}"
        add_scan(store, gone, random_voxels(1))
        store.remove("scan", gone)
        add_scan(store, scan, random_voxels(2))
        over, wrong = threading.Event(), []

        def read(scan=scan, over=over, wrong=wrong):
            reader = CatalogStore.open(store.root)
            while not over.is_set():
                try:
                    list(reader.all("cell"))
                    for record in reader.all("scan"):
                        if record.id == scan:
                            reader.open_volume(record)[:]
                    assert reader.verify() == []
                except Exception as error:
                    wrong.append(error)

        def act(i, turn=turn, gone=gone, scan=scan):
            own = CatalogStore.open(store.root)
            return [
                lambda: own.collect(timedelta(0)),
                lambda: own.collect(timedelta(0)),
                own.repair,
                lambda: add_scan(own, gone, random_voxels(3)),
                lambda: own.revise("scan", scan, {"by": "revise"}, of=1),
                lambda: own.remove("scan", scan),
                lambda: own.put("cell", f"c{turn}", {"x": 1}),
                own.recover,
            ][i]()

        readers = [threading.Thread(target=read) for _ in range(2)]
        for reader in readers:
            reader.start()
        outcome = race(8, act)
        over.set()
        for reader in readers:
            reader.join(60)
        assert not wrong, wrong[0]
        refused = [i for i, got in enumerate(outcome) if isinstance(got, Exception)]
        assert set(refused) < {4, 5}, outcome
        assert all(outcome[i].code in ("SIL112", "SIL120") for i in refused), outcome
        store.recover()
        assert store.verify(full=True) == []
        np.testing.assert_array_equal(store.open_volume(store.get("scan", gone))[:], random_voxels(3))
        for folder in ("staging", "trash", "locks"):
            assert list((store.root / folder).iterdir()) == []


def test_recovery_leaves_a_living_writer_alone(store, add_scan, random_voxels):
    voxels = random_voxels(1)

    def planes(start, stop):
        assert CatalogStore.open(store.root).recover() == []
        return voxels[start:stop]

    spec = VolumeSpec(voxels.shape, voxels.dtype, (1, 1, 1), "s")
    record = store.add_volume("scan", "s", spec, planes, lambda facts: {})
    np.testing.assert_array_equal(store.open_volume(record)[:], voxels)


def test_a_reader_sees_all_of_a_volume_or_nothing(store, add_scan, random_voxels, tiny_grid):
    voxels, seen, over = random_voxels(1), [], threading.Event()

    def read():
        while not over.is_set():
            record = store.find("scan", "s")
            if record is not None:
                seen.append(np.array_equal(store.open_volume(record)[:], voxels))

    reader = threading.Thread(target=read)
    reader.start()
    add_scan(CatalogStore.open(store.root), "s", voxels)
    time.sleep(0.1)
    over.set()
    reader.join(60)
    assert seen
    assert all(seen)


def _voxels(seed):
    return np.random.default_rng(seed).integers(0, 250, (130, 70, 70), dtype=np.uint8)


def _write_for_ever(root, seed, acknowledged):
    """Add volumes and records until killed, saying so after each."""
    store = CatalogStore.open(root)
    store.recover()
    for turn in range(10_000):
        id_ = f"s{turn}"
        if store.find("scan", id_) is None:
            voxels = _voxels(turn)
            spec = VolumeSpec(voxels.shape, voxels.dtype, (1, 1, 1), id_)
            try:
                store.add_volume("scan", id_, spec, lambda a, b, v=voxels: v[a:b], lambda facts: {"n": 1})
            except TakenError:
                continue
            acknowledged.put(("scan", id_, None))
        store.put("cell", f"c{seed}-{turn}", {"turn": turn})
        acknowledged.put(("cell", f"c{seed}-{turn}", turn))


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_two_processes_that_are_killed_again_and_again_lose_nothing(store):
    context, rng = multiprocessing.get_context("spawn"), np.random.default_rng(0)
    told = {}
    for turn in range(5):
        channels = [context.SimpleQueue() for _ in range(2)]
        writers = [
            context.Process(target=_write_for_ever, args=(store.root, 10 * turn + i, channel))
            for i, channel in enumerate(channels)
        ]
        for writer in writers:
            writer.start()
        assert all(channel._reader.poll(120) for channel in channels), "a writer does not get going"
        time.sleep(1.5 * rng.random())
        for writer in writers:
            os.kill(writer.pid, signal.SIGKILL)
            writer.join()
        for channel in channels:
            while channel._reader.poll():
                kind, id_, expected = channel.get()
                told[kind, id_] = expected
    store.recover()
    assert store.verify(full=True) == []
    for (kind, id_), turn in told.items():
        record = store.get(kind, id_)
        if kind == "scan":
            np.testing.assert_array_equal(store.open_volume(record)[:], _voxels(int(id_[1:])))
        else:
            assert record.body == {"turn": turn}
    for folder in ("staging", "trash", "locks"):
        assert list((store.root / folder).iterdir()) == []
    assert len(list((store.root / "objects" / "scan").iterdir())) == len(store.ids("scan"))
    print(f"{len(told)} acknowledged changes, 10 processes killed")  # noqa: T201
    assert len(told) >= 10
