"""Collecting, repairing and migrating: what was removed long ago goes, what is damaged comes back."""

from __future__ import annotations

import json
import shutil
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from siltomo.catalog import CatalogStore
from siltomo.catalog.sealed import seal, unseal
from siltomo.errors import DamagedError

pytestmark = pytest.mark.usefixtures("tiny_grid")
NOW, MONTH = timedelta(0), timedelta(days=30)
KEY = "ab" * 32


@pytest.fixture
def filled(tmp_path, add_scan, random_voxels):
    store = CatalogStore.create(tmp_path / "filled")
    add_scan(store, "s", random_voxels(1))
    store.put("cell", "c", {"x": 1})
    store.revise("cell", "c", {"x": 2}, of=1)
    store.put_result(KEY, {"value": 1.5})
    store.add_files("cycling_run", "r", {"run.mpt": b"0 1 2"}, {"cell": "c"})
    scan = store.get("scan", "s")
    store.revise("scan", "s", {**scan.body, "note": "x"}, of=1)
    return store


def overwrite(path: Path, data: bytes) -> None:
    path.chmod(0o644)
    path.write_bytes(data)


def tree(root: Path) -> dict[str, bytes]:
    return {p.relative_to(root).as_posix(): p.read_bytes() for p in sorted(root.rglob("*")) if p.is_file()}


# ------------------------------------------------------------------ what is damaged beside what is sound


def test_a_damaged_record_does_not_hide_the_others(store):
    for id_ in "abc":
        store.put("cell", id_, {"x": id_})
    overwrite(store.root / "records/cell/b/000001.json", b"{}")
    told, seen = [], []
    assert [r.id for r in store.all("cell", damaged=told.append)] == ["a", "c"]
    (error,) = told
    assert (error.where.endswith("records/cell/b/000001.json"), error.fix) == (True, "siltomo catalog repair")
    with pytest.raises(DamagedError, match="does not match its sha256 seal"):
        seen.extend(r.id for r in store.all("cell"))
    assert seen == ["a", "c"], "the others come before the error"


# ------------------------------------------------------------------ deletions


@pytest.mark.parametrize(
    "place",
    [
        "records/cell/c/000002.json", "records/cell/c/000001.json", "records/cell/c", "records/cell",
        f"records/result/ab/{KEY}.json", "records/result/ab", "records/scan/s/000002.json",
        "records/scan/s", "records/cycling_run", "copies/cell/c", "copies/scan", "copies/result",
    ],
)  # fmt: skip
def test_whatever_is_deleted_of_the_records_is_missed_and_mended(filled, place):
    before = {r.id: r.body for kind in ("cell", "scan", "cycling_run") for r in filled.all(kind)}
    path = filled.root / place
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    found = filled.verify()
    assert found
    assert {(d.kind, d.id) for d in found} <= {
        ("cell", "c"), ("scan", "s"), ("result", KEY), ("cycling_run", "r"),
    }  # fmt: skip
    mended = filled.repair()
    assert {one.outcome for one in mended} == {"mended"}
    assert filled.verify(full=True) == []
    assert {r.id: r.body for kind in ("cell", "scan", "cycling_run") for r in filled.all(kind)} == before
    assert filled.find_result(KEY).body == {"value": 1.5}


def test_all_records_come_back_from_their_copies(filled):
    want = tree(filled.root / "records")
    shutil.rmtree(filled.root / "records")
    (filled.root / "records").mkdir()
    assert filled.verify()
    filled.repair()
    assert tree(filled.root / "records") == want
    assert filled.verify(full=True) == []


def test_a_lost_or_damaged_marker_is_written_anew(filled):
    marker = filled.root / "siltomo-catalog.json"
    for harm in (marker.unlink, lambda: overwrite(marker, b"{}")):
        harm()
        with pytest.raises(DamagedError) as caught:
            CatalogStore.open(filled.root)
        assert caught.value.fix == f"siltomo --catalog {filled.root} catalog repair"
        assert CatalogStore.restore_marker(filled.root)
        assert CatalogStore.open(filled.root).verify(full=True) == []
    assert not CatalogStore.restore_marker(filled.root)


# ------------------------------------------------------------------ repair


def test_each_small_file_that_is_damaged_is_mended_to_its_bytes(filled):
    want = tree(filled.root)
    mendable = [p for p in want if not p.endswith((".mpt", "zarr.json", "siltomo-catalog.json"))]
    mendable = [p for p in mendable if "/c/" not in p or p.startswith(("records", "copies"))]
    assert len(mendable) > 12
    for place in mendable:
        for harm in (lambda path: overwrite(path, b"rotten"), lambda path: path.unlink()):
            harm(filled.root / place)
            assert [one.outcome for one in filled.repair()] == ["mended"], place
            # a spare copy that was lost comes back under another name
            assert sorted(tree(filled.root).values()) == sorted(want.values()), place
            assert filled.verify(full=True) == []


def test_voxels_come_back_from_a_backup_and_from_nothing_else(filled, tmp_path, random_voxels):
    shutil.copytree(filled.root, tmp_path / "backup")
    scan = filled.get("scan", "s")
    bag = filled.bag(scan)
    want = tree(filled.root)
    overwrite(bag / "image.ome.zarr/0/c/0/0/0", b"x")
    (bag / "image.ome.zarr/zarr.json").unlink()
    overwrite(filled.bag(filled.get("cycling_run", "r")) / "run.mpt", b"0 1 3")
    left = filled.repair()
    assert {one.outcome for one in left} == {"left"}
    assert all("--from BACKUP" in one.how for one in left)
    assert {one.how for one in filled.repair(backup=tmp_path / "backup")} == {"from the backup"}
    assert tree(filled.root) == want
    np.testing.assert_array_equal(filled.open_volume(scan)[:], random_voxels(1))


def test_a_backup_that_is_damaged_too_is_not_believed(filled, tmp_path):
    shutil.copytree(filled.root, tmp_path / "backup")
    place = filled.bag(filled.get("scan", "s")).relative_to(filled.root) / "image.ome.zarr/0/c/0/0/0"
    for root in (filled.root, tmp_path / "backup"):
        data = bytearray((root / place).read_bytes())
        data[3] ^= 4
        overwrite(root / place, bytes(data))
    (left,) = filled.repair(backup=tmp_path / "backup", full=True)
    assert left.outcome == "left"


def test_a_whole_volume_comes_back_from_a_backup(filled, tmp_path, random_voxels):
    shutil.copytree(filled.root, tmp_path / "backup")
    scan = filled.get("scan", "s")
    shutil.rmtree(filled.bag(scan))
    (mended,) = filled.repair(backup=tmp_path / "backup")
    assert mended.outcome == "mended"
    assert filled.verify(full=True) == []
    np.testing.assert_array_equal(filled.open_volume(scan)[:], random_voxels(1))


def test_a_result_whose_both_copies_are_lost_is_dropped_to_be_computed_again(filled):
    for path in [filled.root / f"records/result/ab/{KEY}.json", *filled.root.glob("copies/result/ab/*")]:
        overwrite(path, b"{}")
    done = filled.repair()
    assert "computed again" in done[0].how
    assert filled.find_result(KEY) is None
    filled.put_result(KEY, {"value": 1.5})


def test_a_dry_run_mends_nothing(filled):
    (filled.root / "records/cell/c/000002.json").unlink()
    before = tree(filled.root)
    (one,) = filled.repair(dry_run=True)
    assert (one.outcome, one.path) == ("left", "records/cell/c/000002.json")
    assert tree(filled.root) == before


# ------------------------------------------------------------------ collecting


def test_only_what_was_removed_long_ago_is_collected(filled, add_scan, random_voxels):
    assert filled.collect(NOW) == []
    filled.remove("scan", "s")
    bag = filled.root / "objects/scan" / filled.history("scan", "s")[-1].volume.bag
    assert filled.collectable(MONTH) == []
    (found,) = filled.collectable(NOW)
    assert (found.kind, found.id, found.bag) == ("scan", "s", bag.name)
    assert bag.is_dir(), "looking removes nothing"
    assert filled.collect(NOW, keep={("scan", "s")}) == []
    add_scan(filled, "s", random_voxels(2))
    assert filled.collect(NOW) == [found]
    assert not bag.exists()
    assert filled.verify(full=True) == []
    assert [r.revision for r in filled.history("scan", "s")] == [1, 2, 3, 4]
    np.testing.assert_array_equal(filled.open_volume(filled.get("scan", "s"))[:], random_voxels(2))
    (filled.root / "records/scan/s/000001.json").unlink()
    filled.repair()
    assert filled.verify(full=True) == [], "the record that lay in the bag has a copy still"


def test_a_volume_whose_record_was_lost_is_never_collected(filled):
    shutil.rmtree(filled.root / "records/scan")
    shutil.rmtree(filled.root / "copies/scan")
    assert filled.collect(NOW) == []
    filled.repair()
    assert filled.ids("scan") == ["s"]


def test_a_volume_whose_history_is_damaged_is_never_collected(filled):
    filled.remove("scan", "s")
    overwrite(filled.root / "records/scan/s/000002.json", b"")
    assert filled.collectable(NOW) == []
    (filled.root / "records/scan/s/000002.json").unlink()
    assert filled.collectable(NOW) == []


def test_a_volume_that_is_being_written_is_never_collected(filled, random_voxels, add_scan, monkeypatch):
    from siltomo.catalog import transactions

    link = transactions.link_record

    def look_first(*given):
        assert CatalogStore.open(filled.root).collect(NOW) == []
        link(*given)

    monkeypatch.setattr(transactions, "link_record", look_first)
    add_scan(filled, "new", random_voxels(3))
    assert filled.verify(full=True) == []


# ------------------------------------------------------------------ a revision that was killed


def test_recovering_a_revision_that_lost_its_race_keeps_the_volume(filled, faulty_disk, crash, random_voxels):
    """A dead revision of a scan names the volume of the living one."""
    scan = filled.get("scan", "s")
    log = faulty_disk()
    shutil.copytree(filled.root, filled.root.with_name("dry"))
    CatalogStore.open(filled.root.with_name("dry"), fs=log).revise("scan", "s", {"by": "dead"}, of=2)
    link = max(i for i, (name, _) in enumerate(log.log) if name == "link") + 1
    dying = CatalogStore.open(filled.root, fs=faulty_disk(link, "crash"))
    with pytest.raises(crash):
        dying.revise("scan", "s", {"by": "dead"}, of=2)
    filled.revise("scan", "s", {"by": "living"}, of=2)
    (dead,) = filled.recover()
    assert dead.outcome == "dropped"
    assert filled.get("scan", "s").body == {"by": "living"}
    np.testing.assert_array_equal(filled.open_volume(scan)[:], random_voxels(1))
    assert filled.verify(full=True) == []


# ------------------------------------------------------------------ migrating


def make_old(store: CatalogStore) -> CatalogStore:
    """Turn a catalog into one as siltomo 0.1.0 wrote it: without spare copies."""
    shutil.rmtree(store.root / "copies")
    marker = store.root / "siltomo-catalog.json"
    said, _ = unseal(marker.read_bytes(), where="")
    overwrite(marker, seal({**said, "version": 1})[0])
    return CatalogStore.open(store.root)


def test_an_older_catalog_is_read_written_and_migrated(filled):
    old = make_old(filled)
    assert (old.version, old.uuid) == (1, filled.uuid)
    assert old.verify(full=True) == []
    old.put("cell", "new", {"x": 3})
    assert old.verify(full=True) == []
    records = tree(old.root / "records")
    made = old.migrate()
    assert made == 4, "two revisions of c, the second one of s, the result"
    new = CatalogStore.open(old.root)
    assert (new.version, new.uuid) == (2, filled.uuid)
    assert new.verify(full=True) == []
    assert tree(new.root / "records") == records
    assert new.migrate() == 0
    (new.root / "records/cell/c/000002.json").unlink()
    assert new.verify() != []


def test_a_damaged_catalog_is_not_migrated(filled):
    old = make_old(filled)
    overwrite(old.root / "records/cell/c/000002.json", b"{}")
    before = tree(old.root)
    with pytest.raises(DamagedError, match=r"records/cell/c/000002\.json") as caught:
        old.migrate()
    assert caught.value.fix == "siltomo catalog repair"
    assert tree(old.root) == before


def test_migrating_may_be_killed_and_repeated(filled, tmp_path, faulty_disk, crash):
    """At every fourth effect; at each of them in the slow part of test_faults.py."""
    old, n = make_old(filled), 0
    disk = None
    while disk is None or disk.fired:
        n += 4
        for mode in ("crash", "after", "torn"):
            work = tmp_path / "work"
            shutil.rmtree(work, ignore_errors=True)
            shutil.copytree(old.root, work)
            disk = faulty_disk(n, mode)
            try:
                CatalogStore.open(work, fs=disk).migrate()
            except crash:
                store = CatalogStore.open(work)
                assert [r.body for r in store.history("cell", "c")] == [{"x": 1}, {"x": 2}]
                store.recover()
                store.migrate()
            store = CatalogStore.open(work)
            assert store.verify(full=True) == []
            assert json.loads((work / "siltomo-catalog.json").read_text())["version"] == 2
    assert n > 30
