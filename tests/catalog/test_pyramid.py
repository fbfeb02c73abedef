from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.catalog import CatalogStore, VolumeSpec
from siltomo.catalog.pyramid import halve
from siltomo.catalog.volumes import plan_levels


def mean_by_definition(voxels):
    """Average each 2 x 2 x 2 block over the voxels it has; integers to the nearest, halves up."""
    shape = tuple(-(-n // 2) for n in voxels.shape)
    out = np.empty(shape, voxels.dtype)
    for z, y, x in np.ndindex(shape):
        block = voxels[2 * z : 2 * z + 2, 2 * y : 2 * y + 2, 2 * x : 2 * x + 2].astype(np.float64)
        # an axis with one voxel left counts it twice: the mean over the block's existing voxels
        out[z, y, x] = block.mean() if voxels.dtype.kind == "f" else np.floor(block.mean() + 0.5)
    return out


def halved(voxels, *, labels=False):
    factors = tuple(2 if n > 1 else 1 for n in voxels.shape)
    step = factors[0]
    parts = [halve(voxels[z : z + step], factors, labels=labels) for z in range(0, len(voxels), step)]
    return np.concatenate(parts)


@settings(max_examples=40, deadline=None)
@given(
    st.tuples(st.integers(1, 5), st.integers(1, 5), st.integers(1, 5)),
    st.sampled_from(["uint8", "int8", "uint16", "int16", "uint32", "int32", "float32"]),
    st.integers(0, 2**32 - 1),
)
def test_greys_are_averaged_over_the_voxels_that_exist(shape, dtype, seed):
    rng = np.random.default_rng(seed)
    if dtype == "float32":
        voxels = rng.random(shape, dtype=np.float32)
    else:
        info = np.iinfo(dtype)
        voxels = rng.integers(info.min, info.max, shape, dtype=dtype, endpoint=True)
    np.testing.assert_allclose(halved(voxels), mean_by_definition(voxels), rtol=1e-6)


def test_extreme_greys_do_not_overflow():
    for dtype in ("uint8", "uint32", "int32", "float32"):
        top = np.iinfo(dtype).max if dtype != "float32" else np.finfo(dtype).max
        voxels = np.full((2, 2, 2), top, dtype)
        assert halved(voxels).item() == top


def test_labels_are_picked_and_never_mixed():
    voxels = np.random.default_rng(0).integers(0, 5, (5, 7, 4), dtype=np.uint64)
    np.testing.assert_array_equal(halved(voxels, labels=True), voxels[::2, ::2, ::2])


@pytest.mark.parametrize("shape", [(70, 300, 90), (1, 600, 3), (65, 20, 257), (3, 3, 3)])
@pytest.mark.parametrize("labels", [False, True])
def test_levels_are_stored_where_their_metadata_says(store, add_scan, shape, labels):
    """The level's voxel lies at scale * index + translation: labels on a voxel, greys amid their block."""
    ramp = np.indices(shape, dtype=np.int32)
    for axis in range(3):
        record = add_scan(store, f"axis-{axis}", ramp[axis], is_labels=labels)
        image = store.bag(record) / record.volume.path
        (scales,) = json.loads((image / "zarr.json").read_text())["attributes"]["ome"]["multiscales"]
        assert len(scales["datasets"]) == record.volume.levels
        for level, dataset in enumerate(scales["datasets"]):
            scale, offset = (t[t["type"]][axis] / 0.65 for t in dataset["coordinateTransformations"])
            array = store.open_volume(record, level=level)
            assert array.shape == tuple(_halved(n, level) for n in shape)
            line = np.moveaxis(array[:], axis, 0)[:, 0, 0]
            inside = line[: shape[axis] // round(scale)]  # the last may have lost its partner
            expected = np.arange(len(inside)) * scale + offset
            # integer means are rounded up by at most half a value per level
            assert np.all(inside >= expected - 1e-9)
            assert np.all(inside <= expected + (0 if labels else 0.5 * level) + 1e-9)
        assert max(array.shape) <= 256
        assert scales["type"] == ("stride" if labels else "mean")
        assert [a["unit"] for a in scales["axes"]] == ["micrometer"] * 3


def _halved(n, level):
    for _ in range(level):
        n = -(-n // 2)
    return n


def test_a_pyramid_does_not_depend_on_how_the_planes_come(store, add_scan, monkeypatch):
    voxels = np.random.default_rng(1).integers(0, 255, (150, 290, 33), dtype=np.uint8)
    one = add_scan(store, "one", voxels)
    monkeypatch.setattr("siltomo.catalog.content.BATCH_BYTES", 1)
    two = add_scan(store, "two", voxels)
    for level in range(one.volume.levels):
        np.testing.assert_array_equal(
            store.open_volume(one, level=level)[:], store.open_volume(two, level=level)[:]
        )
    assert one.volume.content == two.volume.content


@settings(max_examples=200, deadline=None)
@given(
    st.tuples(st.integers(1, 5000), st.integers(1, 5000), st.integers(1, 5000)),
    st.sampled_from([1, 2, 4, 8]),
)
def test_grids_are_bounded_and_whole(shape, itemsize):
    levels = plan_levels(shape, itemsize)
    assert levels[0].shape == shape
    for level in levels:
        assert all(s % c == 0 for s, c in zip(level.shards, level.chunks, strict=True))
        assert level.shards[0] == level.chunks[0], "a slab of planes must be a whole number of shards"
        assert np.prod(level.shards) * itemsize <= 64 << 20
        assert all(c <= 64 for c in level.chunks)
        slab = level.shards[0] * level.shape[1] * level.shape[2] * itemsize
        assert slab <= 256 << 20 or level.shards[0] <= 8
    assert max(levels[-1].shape) <= 256
    assert len(levels) == 1 or max(levels[-2].shape) > 256


def test_ordinary_volumes_have_cubic_chunks_and_wide_shards():
    first = plan_levels((2048, 2048, 2048), 1)[0]
    assert (first.chunks, first.shards) == ((64, 64, 64), (64, 1024, 1024))


def test_each_shard_is_written_once_and_never_read_back(tmp_path, tiny_grid, faulty_disk, add_scan):
    disk = faulty_disk()
    store = CatalogStore.create(tmp_path / "c", fs=disk)
    voxels = np.random.default_rng(0).integers(0, 9, (21, 37, 18), dtype=np.uint8)
    record = add_scan(store, "s", voxels)
    written = [args[0] for name, args in disk.log if name == "write"]
    assert len(written) == len(set(written))
    shards = list((store.bag(record) / "image.ome.zarr/0/c").rglob("*"))
    assert len([p for p in shards if p.is_file()]) == 3 * 3 * 2
    np.testing.assert_array_equal(store.open_volume(record)[:], voxels)


def test_a_shard_that_is_written_in_two_parts_is_refused(tmp_path):
    import zarr

    from siltomo.catalog import FileSystem
    from siltomo.catalog.zarr_stores import StagedStore

    store = StagedStore(tmp_path / "a", FileSystem())
    array = zarr.create_array(store, shape=(8, 8), shards=(8, 8), chunks=(4, 4), dtype="u1", fill_value=0)
    array[:4] = 1
    with pytest.raises(RuntimeError, match="written whole"):
        array[4:] = 1


@pytest.mark.parametrize("dtype", ["bool", "complex64", "float16", "datetime64[s]", "uint64"])
def test_types_that_viewers_cannot_show_are_refused(dtype):
    from siltomo.errors import BadInputError

    with pytest.raises(BadInputError, match="cannot be stored"):
        VolumeSpec((1, 1, 1), np.dtype(dtype), (1, 1, 1), "x")
