from __future__ import annotations

import json

import numpy as np
import pytest
import zarr

from siltomo.catalog import CatalogStore, FileSystem, LabelClass, VolumeSpec, content_of
from siltomo.errors import BadInputError, DamagedError, TakenError


def planes_of(voxels):
    return lambda start, stop: voxels[start:stop]


def test_voxels_come_back_bit_equal_by_us_and_by_plain_zarr(store, add_scan):
    for dtype in ("u1", "i1", "u2", "i2", "u4", "f4", "f8"):
        voxels = (np.random.default_rng(1).random((70, 130, 65)) * 90).astype(dtype)
        record = add_scan(store, f"s-{dtype}", voxels)
        array = store.open_volume(record)
        assert array.dtype == voxels.dtype
        np.testing.assert_array_equal(array[:], voxels)
        plain = zarr.open_group(store.bag(record) / "image.ome.zarr", mode="r")["0"]
        np.testing.assert_array_equal(plain[:], voxels)


def test_the_content_id_is_that_of_the_source(store, add_scan):
    voxels = np.arange(70 * 6 * 5, dtype=np.uint16).reshape(70, 6, 5)
    record = add_scan(store, "a", voxels)
    assert record.body["content"] == content_of(planes_of(voxels), voxels.shape, ">u2")
    assert record.body["content"] != content_of(planes_of(voxels.T), voxels.T.shape, "u2")


def test_labels_carry_names_colours_and_the_way_to_their_scan(store, add_scan):
    scan = add_scan(store, "a", np.ones((9, 9, 9), np.uint8))
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[3:] = 2
    record = add_scan(
        store,
        "l",
        labels,
        kind="segmentation",
        labels=(LabelClass(2, "crack", (255, 0, 0, 255)),),
        source=scan,
    )
    image = store.bag(record) / "labels.ome.zarr"
    ome = json.loads((image / "zarr.json").read_text())["attributes"]["ome"]
    assert ome["image-label"]["properties"] == [{"label-value": 2, "class": "crack"}]
    assert (image / ome["image-label"]["source"]["image"]).resolve() == store.bag(scan) / "image.ome.zarr"


def test_facts_count_labels_and_bound_greys(store):
    labels = np.array([-3, 0, 0, 7], np.int16).reshape(1, 2, 2)
    greys = np.array([np.nan, 1.5, -2.0, np.inf], np.float32).reshape(1, 2, 2)
    seen = {}
    for name, voxels, is_labels in (("labels", labels, True), ("greys", greys, False)):
        spec = VolumeSpec(voxels.shape, voxels.dtype, (1, 1, 1), name, is_labels=is_labels)
        store.add_volume(
            "scan", name, spec, planes_of(voxels), lambda facts, name=name: seen.update({name: facts}) or {}
        )
    assert seen["labels"].counts == {-3: 1, 0: 2, 7: 1}
    assert seen["labels"].value_range == (-3, 7)
    assert (seen["greys"].value_range, seen["greys"].nonfinite, seen["greys"].counts) == (
        (-2.0, 1.5),
        2,
        None,
    )


def test_small_files_beside_a_volume_are_kept_and_checked(store):
    voxels = np.ones((4, 4, 4), np.uint8)
    spec = VolumeSpec(voxels.shape, voxels.dtype, (1, 1, 1), "a")
    extra = {"source/scan.log": b"energy 20 keV\n"}
    record = store.add_volume("scan", "a", spec, planes_of(voxels), lambda facts: {}, extra=extra)
    log = store.bag(record) / "source/scan.log"
    assert log.read_bytes() == extra["source/scan.log"]
    assert store.verify(full=True) == []
    log.chmod(0o644)
    log.write_bytes(b"energy 21 keV\n")
    assert [d.path.split("/", 3)[-1] for d in store.verify(full=True)] == ["source/scan.log"]


@pytest.mark.parametrize(
    "name", ["../x", "/x", "a/../../x", "./x", "", "record.json", "image.ome.zarr/x", "a\\b", "a\nb", "a//b"]
)
def test_small_files_cannot_leave_the_bag_or_hide_in_it(store, name):
    spec = VolumeSpec((1, 1, 1), np.uint8, (1, 1, 1), "a")
    with pytest.raises(ValueError, match="cannot be the name"):
        store.add_volume("scan", "a", spec, lambda a, b: pytest.fail("read"), lambda f: {}, extra={name: b""})


def test_a_taken_id_is_refused_before_a_voxel_is_read(store, add_scan):
    voxels = np.ones((4, 4, 4), np.uint8)
    add_scan(store, "a", voxels)
    spec = VolumeSpec(voxels.shape, voxels.dtype, (1, 1, 1), "a")
    with pytest.raises(TakenError, match="already"):
        store.add_volume("scan", "a", spec, lambda start, stop: pytest.fail("read"), lambda facts: {})


def test_planes_of_another_shape_are_refused_and_leave_nothing(store):
    spec = VolumeSpec((4, 4, 4), np.uint8, (1, 1, 1), "a")
    with pytest.raises(BadInputError, match="promised uint8 of shape"):
        store.add_volume("scan", "a", spec, lambda a, b: np.ones((b - a, 4, 5), np.uint8), lambda facts: {})
    assert store.ids("scan") == []
    assert not list((store.root / "staging").iterdir())
    assert not list((store.root / "objects").rglob("*.json"))


def test_a_disk_that_gives_back_other_bytes_is_noticed_before_anything_is_kept(tmp_path, add_scan):
    class Liar(FileSystem):
        def write(self, path, data):
            worse = bytearray(data)
            if "image.ome.zarr/0/c/" in path.as_posix():
                worse[len(worse) // 2] ^= 1
            super().write(path, worse)

    store = CatalogStore.create(tmp_path / "c", fs=Liar())
    with pytest.raises(DamagedError, match="does not give back what was written"):
        add_scan(store, "a", np.ones((4, 4, 4), np.uint8))
    assert store.ids("scan") == []
    assert not list((store.root / "objects").iterdir())


def test_a_voxel_that_changes_between_source_and_disk_is_noticed(store, add_scan, monkeypatch):
    from siltomo.catalog.volume_writer import _LevelWriter

    honest = _LevelWriter.push

    def push(self, planes):
        planes = planes.copy()
        planes[0, 0, 0] += 1
        honest(self, planes)

    monkeypatch.setattr(_LevelWriter, "push", push)
    with pytest.raises(DamagedError, match="stored voxels differ from those of the source"):
        add_scan(store, "a", np.ones((4, 4, 4), np.uint8))
    assert store.ids("scan") == []


def test_the_group_is_written_last_so_that_a_half_written_volume_is_none(tmp_path, add_scan, faulty_disk):
    disk = faulty_disk()
    store = CatalogStore.create(tmp_path / "c", fs=disk)
    add_scan(store, "a", np.ones((70, 300, 70), np.uint8))
    image = [args[0] for name, args in disk.log if name == "write" and "image.ome.zarr" in args[0].parts]
    assert [path.parent.name for path in image if path.name == "zarr.json"][-1] == "image.ome.zarr"
    assert image[-1].parent.name == "image.ome.zarr"
