"""Bits are flipped, files cut, lost, swapped and added: `verify` finds each, and reading never lies."""

from __future__ import annotations

import itertools
import random
import shutil
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from siltomo.catalog import CatalogStore, LabelClass, voxel_faults
from siltomo.errors import DamagedError, SiltomoError

pytestmark = pytest.mark.usefixtures("tiny_grid")


@pytest.fixture
def full(tmp_path, add_scan, random_voxels):
    """A catalog with every kind of file."""
    store = CatalogStore.create(tmp_path / "full")
    scan = add_scan(store, "s", random_voxels(1))
    add_scan(
        store, "l", random_voxels(2, dtype="uint16"), kind="segmentation",
        labels=(LabelClass(1, "crack", (1, 2, 3, 4)),), source=scan,
    )  # fmt: skip
    add_scan(store, "f", random_voxels(3, dtype="float32"))
    store.put("cell", "c", {"x": 0.65})
    store.revise("cell", "c", {"x": 0.66}, of=1)
    store.put_result("ab" * 32, {"value": 1.5})
    store.add_files("cycling_run", "r", {"run.mpt": b"time/s\tcontrol/V\n0\t0.1\n" * 9}, {"cell": "c"})
    return store


def kind_of(path: Path) -> str:
    if "copies" in path.parts:
        return "spare copy"
    if "records" in path.parts:
        return "result" if "result" in path.parts else "record"
    if path.suffix == ".mpt":
        return "plain file"
    return path.name if path.suffix in (".json", ".txt") else "shard"


def files_of(store):
    return sorted(p for p in store.root.rglob("*") if p.is_file())


def overwrite(path, data):
    path.chmod(0o644)
    path.write_bytes(data)


def everything(store):
    """Return all that a reader can see."""
    scans = [*store.all("scan"), *store.all("segmentation")]
    return (
        [(r.id, r.body, store.open_volume(r)[:].tobytes()) for r in scans],
        [r.body for r in store.all("cell")],
        store.find_result("ab" * 32).body,
        [store.file(r, "run.mpt").read_bytes() for r in store.all("cycling_run")],
    )


def finds(store, *, full=True):
    try:
        return bool(CatalogStore.open(store.root).verify(full=full))
    except DamagedError:  # of the file that makes the folder a catalog
        return True


def names(store, path, *, full=True):
    """Whether the damage of a file is found, and the file named."""
    try:
        found = CatalogStore.open(store.root).verify(full=full)
    except DamagedError as error:
        return error.where == str(path)
    return path.relative_to(store.root).as_posix() in {one.path for one in found}


def sweep_flips(store, per_kind):
    rng, truth = random.Random(1), everything(store)
    kinds: dict[str, list[Path]] = {}
    for path in files_of(store):
        kinds.setdefault(kind_of(path), []).append(path)
    assert set(kinds) == {
        "record", "result", "spare copy", "shard", "zarr.json", "record.json", "plain file",
        "manifest-sha256.txt", "manifest-size.txt", "siltomo-catalog.json",
    }  # fmt: skip
    told = Counter()
    for kind, paths in kinds.items():
        for _ in range(per_kind):
            path = rng.choice(paths)
            data = path.read_bytes()
            bit = rng.randrange(8 * len(data))
            flipped = bytearray(data)
            flipped[bit // 8] ^= 1 << bit % 8
            overwrite(path, flipped)
            assert names(store, path), f"bit {bit} of {path}"
            if kind != "shard":
                assert names(store, path, full=False), f"bit {bit} of {path}, quickly"
            try:
                seen = everything(CatalogStore.open(store.root))
            except (SiltomoError, ValueError, RuntimeError):
                told[kind, "raised"] += 1
            else:
                assert seen == truth, f"bit {bit} of {path} reads wrong silently"
                told[kind, "harmless"] += 1
            overwrite(path, data)
    assert not finds(store)
    print(dict(told))  # noqa: T201


def test_a_flipped_bit_is_found_and_never_read_silently(full):
    sweep_flips(full, 8)


@pytest.mark.slow
def test_many_flipped_bits_are_found_and_never_read_silently(full):
    sweep_flips(full, 125)


DAMAGES = {
    "emptied": lambda data: b"",
    "cut": lambda data: data[:-1],
    "halved": lambda data: data[: len(data) // 2],
    "grown": lambda data: data + b"x",
    "zeroed": lambda data: data[:-16] + bytes(min(16, len(data))),
}


@pytest.mark.parametrize("damage", [*DAMAGES, "deleted"])
def test_each_file_damaged_as_a_whole_is_found(full, damage):
    for path in files_of(full):
        data = path.read_bytes()
        if damage == "deleted":
            path.unlink()
        else:
            overwrite(path, DAMAGES[damage](data))
        assert finds(full), path
        if damage != "zeroed":
            assert finds(full, full=False), path
        path.write_bytes(data) if damage == "deleted" else overwrite(path, data)
    assert not finds(full)


def test_swapped_shards_are_found(full):
    shards = [p for p in files_of(full) if kind_of(p) == "shard" and "/s." in str(p)]
    for one, other in itertools.pairwise(shards):
        a, b = one.read_bytes(), other.read_bytes()
        overwrite(one, b)
        overwrite(other, a)
        assert finds(full)
        overwrite(one, a)
        overwrite(other, b)


def test_swapped_records_are_found(full):
    one, other = full.root / "records/scan/s/000001.json", full.root / "records/scan/f/000001.json"
    a, b = one.read_bytes(), other.read_bytes()
    overwrite(one, b)
    overwrite(other, a)
    assert {d.id for d in full.verify()} == {"s", "f"}
    with pytest.raises(DamagedError, match="mixed up"):
        full.get("scan", "s")


def test_a_revision_from_another_catalog_is_found(full, tmp_path):
    other = CatalogStore.create(tmp_path / "other")
    other.put("cell", "c", {"x": 0.65})
    other.revise("cell", "c", {"x": 99}, of=1)
    overwrite(
        full.root / "records/cell/c/000002.json", (other.root / "records/cell/c/000002.json").read_bytes()
    )
    (found,) = full.verify()
    assert (found.id, found.path) == ("c", "records/cell/c/000002.json")
    assert "does not follow the revision before it" in found.what


def test_a_lost_shard_raises_where_plain_zarr_reads_zeros(full):
    import zarr

    record = full.get("scan", "s")
    shard = full.bag(record) / "image.ome.zarr/0/c/0/0/0"
    shard.unlink()
    assert zarr.open_group(full.bag(record) / "image.ome.zarr", mode="r")["0"][0, 0, 0] == 0
    with pytest.raises(DamagedError, match="missing"):
        full.open_volume(record)[0, 0, 0]
    (found,) = full.verify()
    assert (found.kind, found.id, found.what) == ("scan", "s", "missing")
    assert found.lost == "voxels z 0 to 7, y 0 to 15, x 0 to 9, or some of them"


@pytest.mark.parametrize("size", [0, 3, -1])
def test_a_cut_shard_raises(full, size):
    record = full.get("scan", "s")
    shard = full.bag(record) / "image.ome.zarr/0/c/0/0/0"
    overwrite(shard, shard.read_bytes()[:size])
    with pytest.raises(DamagedError, match="bytes instead of"):
        full.open_volume(record)[0, 0, 0]


def test_a_changed_description_of_the_voxels_raises(full):
    record = full.get("scan", "s")
    path = full.bag(record) / "image.ome.zarr/0/zarr.json"
    overwrite(path, path.read_bytes().replace(b'"uint8"', b'"int8" '))
    with pytest.raises(DamagedError, match="description of the volume was changed"):
        full.open_volume(record)


def test_a_chunk_that_fails_its_checksum_is_damage_of_its_scan(full):
    record = full.get("scan", "s")
    shard = full.bag(record) / "image.ome.zarr/0/c/0/0/0"
    data = bytearray(shard.read_bytes())
    data[5] ^= 1
    overwrite(shard, data)
    with pytest.raises(DamagedError, match="voxels of scan s are damaged"), voxel_faults("scan s"):
        full.open_volume(record)[:]
    with pytest.raises(ValueError, match="something else"), voxel_faults("scan s"):
        raise ValueError("something else")


def test_damage_to_a_reduced_view_says_that_the_voxels_are_sound(full):
    shard = next((full.bag(full.get("scan", "s")) / "image.ome.zarr/1/c").rglob("0/0/0"))
    overwrite(shard, b"")
    (found,) = full.verify()
    assert found.lost == "a part of the 2-fold reduced view; the full resolution is not touched"


@pytest.mark.parametrize("lost", ["records/scan/s/000001.json", "objects/scan/s.*/record.json"])
def test_the_two_copies_of_a_record_restore_each_other(full, lost):
    """The advice is followed to the letter."""
    truth = everything(full)
    (path,) = full.root.glob(lost)
    for harm in (lambda: overwrite(path, b"{}"), path.unlink):
        harm()
        (found,) = full.verify()
        assert (found.kind, found.id) == ("scan", "s")
        assert shutil.which("sh"), "needs a shell"
        subprocess.run(["sh", "-c", found.restore], cwd=full.root, check=True)
        assert full.verify(full=True) == []
        assert everything(full) == truth


def test_a_lost_record_folder_is_found_by_its_volume(full):
    shutil.rmtree(full.root / "records/scan/s")
    (found,) = full.verify()
    assert found.lost == "scan s; its voxels are there"
    subprocess.run(["sh", "-c", found.restore], cwd=full.root, check=True)
    assert full.verify(full=True) == []


def test_a_lost_volume_is_found(full):
    bag = full.bag(full.get("scan", "s"))
    bag.rename(full.root / "elsewhere")
    (found,) = full.verify()
    assert (found.what, found.lost) == ("missing", "all voxels")
    with pytest.raises(DamagedError, match="missing"):
        full.open_volume(full.get("scan", "s"))


def test_a_removed_volume_is_no_damage(full):
    full.remove("scan", "s")
    assert full.verify(full=True) == []


def test_strangers_are_found_and_what_desktops_leave_is_not(full):
    bag = full.bag(full.get("scan", "s"))
    for folder in [p for p in full.root.rglob("*") if p.is_dir()]:
        (folder / ".DS_Store").write_bytes(b"x")
    assert full.verify(full=True) == []
    assert full.recover() == []
    assert (full.ids("scan"), full.ids("cell")) == (["f", "s"], ["c"])
    assert [r.id for r in full.all("cell")] == ["c"]
    full.put("cell", "d", {})
    strangers = [
        bag / "notes.txt",
        *(full.root / "records" / place for place in ("x", "cell/x.txt", "cell/c/backup.json", "result/x")),
        *(full.root / "objects" / place for place in ("x", "scan/x")),
    ]
    for path in strangers:
        path.write_bytes(b"x")
    assert {full.root / d.path for d in full.verify()} == set(strangers)
    assert {d.lost for d in full.verify()} == {"nothing"}


def test_the_list_of_files_is_one_that_sha256sum_checks(full):
    if shutil.which("sha256sum") is None:
        pytest.skip("sha256sum is not there")
    bag = full.bag(full.get("scan", "s"))
    command = ["sha256sum", "--strict", "--quiet", "-c", "manifest-sha256.txt"]
    assert subprocess.run(command, cwd=bag, check=False).returncode == 0
    overwrite(bag / "image.ome.zarr/zarr.json", b"{}")
    assert subprocess.run(command, cwd=bag, check=False, capture_output=True).returncode == 1


def test_published_files_cannot_be_written_by_accident(full):
    bag = full.bag(full.get("scan", "s"))
    assert {p.stat().st_mode & 0o777 for p in bag.rglob("*") if p.is_file()} == {0o444}


def test_progress_counts_the_bytes_of_all_volumes(full):
    seen = []
    full.verify(progress=lambda done, total: seen.append((done, total)))
    assert [total for _, total in seen] == [seen[-1][0]] * 4
    assert [done for done, _ in seen] == sorted({done for done, _ in seen})
