"""OME-Zarr 0.4 and 0.5 made by zarr itself, and by others: read, or refused with the reason."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from zarr.codecs import BloscCodec, Crc32cCodec, GzipCodec, ZstdCodec

from siltomo.errors import FormatError
from siltomo.importers import ImportedVolume, Source, open_volume

SHAPE = (7, 12, 10)


def whole(volume: ImportedVolume, slab: int = 3) -> np.ndarray:
    starts = range(0, volume.shape[0], slab)
    return np.concatenate([volume.planes(i, min(i + slab, volume.shape[0])) for i in starts])


def multiscales(axes: str, scale: list[float], *, unit: str | None = "micrometer") -> dict[str, Any]:
    named = [{"name": a, "type": "space" if a in "zyx" else "channel"} for a in axes]
    for axis in named:
        if axis["name"] in "zyx" and unit:
            axis["unit"] = unit
    transforms = [
        {"type": "scale", "scale": scale},
        {"type": "translation", "translation": [0.0] * len(scale)},
    ]
    return {"axes": named, "datasets": [{"path": "0", "coordinateTransformations": transforms}]}


def store(
    path: Path,
    voxels: np.ndarray,
    *,
    version: str = "0.5",
    axes: str = "zyx",
    scale: list[float] | None = None,
    unit: str | None = "micrometer",
    **options: Any,
) -> Path:
    image = multiscales(axes, scale or [1.0] * (len(axes) - 3) + [0.3, 0.2, 0.1], unit=unit)
    if version == "0.4":
        attributes: dict[str, Any] = {"multiscales": [{**image, "version": "0.4"}]}
        options = {"compressors": None, **options}
    else:
        attributes = {"ome": {"version": version, "multiscales": [image]}}
    format_ = 2 if version == "0.4" else 3
    group = zarr.create_group(path, zarr_format=format_, attributes=attributes)
    shape = (1,) * (len(axes) - 3) + voxels.shape
    array = group.create_array(
        "0", shape=shape, dtype=voxels.dtype, **{"chunks": (1,) * (len(axes) - 3) + (4, 5, 6), **options}
    )
    array[...] = voxels.reshape(shape)
    return path


def voxels_of(kind: str) -> np.ndarray:
    return np.random.default_rng(2).integers(1, 100, SHAPE).astype(kind)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("kind", ["u1", "<i2", ">u2", "f4"])
def test_an_image_of_either_version(tmp_path: Path, version: str, kind: str) -> None:
    voxels = voxels_of(kind)
    found = open_volume(Source(store(tmp_path / "a.zarr", voxels, version=version)))
    assert (found.format, found.shape) == (f"OME-Zarr {version}", SHAPE)
    assert [str(edge) for edge in found.voxel_size] == ["0.3 um", "0.2 um", "0.1 um"]
    for slab in (3, 7, 1):
        assert np.array_equal(whole(found, slab), voxels)
    assert np.array_equal(pickle.loads(pickle.dumps(found.planes))(2, 6), voxels[2:6])


@pytest.mark.parametrize(
    "codecs",
    [
        {"compressors": ZstdCodec(level=1)},
        {"compressors": GzipCodec()},
        {"compressors": [BloscCodec(cname="zstd"), Crc32cCodec()]},
        {"shards": (8, 15, 12)},
    ],
)
def test_codecs_and_shards(tmp_path: Path, codecs: dict[str, Any]) -> None:
    voxels = voxels_of("u2")
    assert np.array_equal(whole(open_volume(Source(store(tmp_path / "a.zarr", voxels, **codecs)))), voxels)


def test_axes_of_size_one_are_left_out(tmp_path: Path) -> None:
    voxels = voxels_of("u1")
    found = open_volume(Source(store(tmp_path / "a.zarr", voxels, axes="tczyx")))
    assert np.array_equal(whole(found), voxels)
    assert [str(edge) for edge in found.voxel_size] == ["0.3 um", "0.2 um", "0.1 um"]


def test_other_orders_are_turned(tmp_path: Path) -> None:
    voxels = voxels_of("u1")
    turned = np.ascontiguousarray(voxels.transpose(2, 1, 0))
    path = store(tmp_path / "a.zarr", turned, axes="xyz", scale=[0.1, 0.2, 0.3], chunks=(5, 6, 2))
    found = open_volume(Source(path))
    assert found.shape == SHAPE
    assert np.array_equal(whole(found), voxels)
    assert [str(edge) for edge in found.voxel_size] == ["0.3 um", "0.2 um", "0.1 um"]


def test_axes_without_units_are_bare_numbers(tmp_path: Path) -> None:
    found = open_volume(Source(store(tmp_path / "a.zarr", voxels_of("u1"), unit=None)))
    assert found.voxel_size == (None, None, None)
    assert found.spacing == (0.3, 0.2, 0.1)


def test_missing_chunks_are_said(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", voxels_of("u1"))
    (path / "0" / "c" / "0" / "0" / "0").unlink()
    (warning,) = open_volume(Source(path)).warnings
    assert warning == "only 11 of 12 chunks are there; the others read as fill value"


def edit(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    meta = json.loads(path.read_text())
    change(meta)
    path.write_text(json.dumps(meta))


ARRAY = "0/zarr.json"
REFUSED: dict[str, tuple[str, Callable[[dict[str, Any]], object], str]] = {
    "version": (
        "zarr.json",
        lambda m: m["attributes"]["ome"].update(version="0.6.dev1"),
        "0.6.dev1; read are",
    ),
    "no version": ("zarr.json", lambda m: m["attributes"]["ome"].pop("version"), "read are 0.4 and 0.5"),
    "no image": ("zarr.json", lambda m: m["attributes"].clear(), "holds no image itself"),
    "two images": (
        "zarr.json",
        lambda m: m["attributes"]["ome"]["multiscales"].append({}),
        "2 multiscale images",
    ),
    "plate": ("zarr.json", lambda m: m["attributes"].update(ome={"plate": {}}), "plate"),
    "dots": ("zarr.json", lambda m: _dataset(m).update(path="../x"), "not inside the store"),
    "absolute": ("zarr.json", lambda m: _dataset(m).update(path="/etc"), "not inside the store"),
    "windows": ("zarr.json", lambda m: _dataset(m).update(path="C:\\x"), "not inside the store"),
    "number": ("zarr.json", lambda m: _dataset(m).update(path=7), "not inside the store"),
    "no array": ("zarr.json", lambda m: _dataset(m).update(path="1"), "no array"),
    "scale zero": ("zarr.json", lambda m: _scale(m, [0, 1, 1]), "its scale is"),
    "scale short": ("zarr.json", lambda m: _scale(m, [1, 1]), "2 numbers for 3 axes"),
    "scale text": ("zarr.json", lambda m: _scale(m, ["a", 1, 1]), "metadata"),
    "scale infinite": ("zarr.json", lambda m: _scale(m, [1e999, 1, 1]), "its scale is"),
    "affine": (
        "zarr.json",
        lambda m: _dataset(m)["coordinateTransformations"][0].update(type="affine"),
        "affine",
    ),
    "axes short": ("zarr.json", lambda m: _image(m)["axes"].pop(), "do not name the 3"),
    "axes twice": ("zarr.json", lambda m: _image(m)["axes"][0].update(name="x"), "do not name"),
    "axes text": ("zarr.json", lambda m: _image(m).update(axes=["z", "y", "x"]), "names no axes"),
    "shape huge": (ARRAY, lambda m: m.update(shape=[10**18] * 3), "no list of sizes"),
    "shape large": (ARRAY, lambda m: m.update(shape=[10**5] * 3), "holds 12 of its"),
    "shape negative": (ARRAY, lambda m: m.update(shape=[-1, 12, 10]), "no list of sizes"),
    "shape text": (ARRAY, lambda m: m.update(shape="777"), "no list of sizes"),
    "shape true": (ARRAY, lambda m: m.update(shape=[True, 12, 10]), "no list of sizes"),
    "shape zero": (ARRAY, lambda m: m.update(shape=[0, 12, 10]), "do not fit"),
    "chunk huge": (ARRAY, lambda m: _grid(m, [2**45, 1, 1]), "larger than 256 MB"),
    "chunk zero": (ARRAY, lambda m: _grid(m, [0, 1, 1]), "do not fit"),
    "chunk short": (ARRAY, lambda m: _grid(m, [4, 5]), "do not fit"),
    "complex": (ARRAY, lambda m: m.update(data_type="complex64"), "no real numbers"),
    "object": (ARRAY, lambda m: m.update(data_type={"name": "structured"}), "no real numbers"),
    "pickle": (ARRAY, lambda m: m.update(codecs=[{"name": "numcodecs.pickle"}]), "numcodecs.pickle"),
    "transformers": (ARRAY, lambda m: m.update(storage_transformers=[{}]), "storage transformers"),
    "grid": (ARRAY, lambda m: m["chunk_grid"].update(name="rectilinear"), "rectilinear"),
    "group": (ARRAY, lambda m: m.update(node_type="group"), "no array"),
}


def _image(meta: dict[str, Any]) -> dict[str, Any]:
    return meta["attributes"]["ome"]["multiscales"][0]


def _dataset(meta: dict[str, Any]) -> dict[str, Any]:
    return _image(meta)["datasets"][0]


def _scale(meta: dict[str, Any], scale: list[Any]) -> None:
    _dataset(meta)["coordinateTransformations"][0]["scale"] = scale


def _grid(meta: dict[str, Any], chunks: list[int]) -> None:
    meta["chunk_grid"]["configuration"]["chunk_shape"] = chunks


@pytest.mark.parametrize("name", REFUSED)
def test_stores_that_are_refused(tmp_path: Path, name: str) -> None:
    file, change, says = REFUSED[name]
    path = store(tmp_path / "a.zarr", voxels_of("u1"))
    edit(path / file, change)
    with pytest.raises(FormatError, match=says):
        open_volume(Source(path))


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (lambda m: m.update(compressor={"id": "pickle"}), "pickle"),
        (lambda m: m.update(filters=[{"id": "pickle"}]), "pickle"),
        (lambda m: m.update(dtype="|O"), "no real numbers"),
        (lambda m: m.update(dtype=[["a", "<i4"]]), "no real numbers"),
        (lambda m: m.update(dtype="<c8"), "no real numbers"),
        (lambda m: m.update(zarr_format=3), "Zarr format 3"),
    ],
)
def test_version_2_arrays_that_are_refused(tmp_path: Path, change: Any, says: str) -> None:
    path = store(tmp_path / "a.zarr", voxels_of("u1"), version="0.4")
    edit(path / "0" / ".zarray", change)
    with pytest.raises(FormatError, match=says):
        open_volume(Source(path))


def test_links_out_of_a_store(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", voxels_of("u1"))
    chunk = path / "0" / "c" / "0" / "0" / "0"
    (tmp_path / "outside").write_bytes(chunk.read_bytes())
    chunk.unlink()
    chunk.symlink_to(tmp_path / "outside")
    with pytest.raises(FormatError, match="link out of the store"):
        open_volume(Source(path))
    other = store(tmp_path / "b.zarr", voxels_of("u1"))
    (other / "0").rename(tmp_path / "moved")
    (other / "0").symlink_to(tmp_path / "moved")
    with pytest.raises(FormatError, match="link out of the store"):
        open_volume(Source(other))


def test_a_pipe_in_a_store(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", voxels_of("u1"))
    os.mkfifo(path / "0" / "c" / "pipe")
    with pytest.raises(FormatError, match="no plain file"):
        open_volume(Source(path))


def test_an_array_alone_says_what_is_missing(tmp_path: Path) -> None:
    path = store(tmp_path / "a.zarr", voxels_of("u1"))
    with pytest.raises(FormatError, match="without OME metadata"):
        open_volume(Source(path / "0"))


@pytest.mark.parametrize("codec", [BloscCodec(cname="lz4"), ZstdCodec(), GzipCodec()])
def test_damaged_chunks_do_not_end_this_process(tmp_path: Path, codec: Any) -> None:
    path = store(
        tmp_path / "a.zarr", np.zeros(SHAPE, "u2"), compressors=codec, config={"write_empty_chunks": True}
    )
    chunk = path / "0" / "c" / "0" / "0" / "0"
    data = bytearray(chunk.read_bytes())
    chunk.write_bytes(data[: len(data) // 2])
    with pytest.raises(FormatError, match="cannot be decoded"):
        whole(open_volume(Source(path)))


def test_a_chunk_that_unpacks_to_gigabytes(tmp_path: Path) -> None:
    """8 GB of zeros in a few kilobytes of zstd: the child may not have the memory, this process needs none."""
    from numcodecs import zstd

    path = store(tmp_path / "a.zarr", voxels_of("u1"), compressors=ZstdCodec())
    block = zstd.compress(bytes(128 << 20), 1)
    (path / "0" / "c" / "0" / "0" / "0").write_bytes(block * 64)
    with pytest.raises(FormatError, match="cannot be decoded"):
        whole(open_volume(Source(path)))


def test_a_child_that_dies_is_an_error_and_the_next_call_starts_another(tmp_path: Path) -> None:
    voxels = voxels_of("u1")
    found = open_volume(Source(store(tmp_path / "a.zarr", voxels)))
    reader: Any = found.planes.read
    assert np.array_equal(found.planes(0, 2), voxels[:2])
    reader._child.kill()
    reader._child.wait()
    with pytest.raises(FormatError, match=r"ended|crashed"):
        found.planes(2, 4)
    assert np.array_equal(found.planes(2, 4), voxels[2:4])


def test_a_child_that_takes_too_long_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("siltomo.importers.zarr_planes.SECONDS", 0.01)
    found = open_volume(Source(store(tmp_path / "a.zarr", voxels_of("u1"))))
    with pytest.raises(FormatError, match=r"took too long|ended"):
        found.planes(0, 2)


@pytest.mark.parametrize(("version", "codecs"), [("0.4", "blosc"), ("0.5", "bytes")])
def test_the_foreign_stores_are_read(shared: Any, version: str, codecs: str) -> None:
    path = shared(f"ome_zarr/neuroglancer/simple_{version}")
    found = open_volume(Source(path))
    assert (found.format, found.shape, found.dtype) == (f"OME-Zarr {version}", (1, 10, 10), np.uint16)
    assert [str(edge) for edge in found.voxel_size] == ["None", "0.004 um", "0.03 um"]
    assert found.facts["codecs"] == codecs
    expected = zarr.open_array(path / "scale0" / "image", mode="r")[...]
    assert np.array_equal(found.planes(0, 1)[0], expected)
    assert len(np.unique(expected)) > 1


def test_the_foreign_stores_that_are_refused(shared: Any) -> None:
    newer = shared("ome_zarr/neuroglancer/all_0.6/simple/anisotropic_rotation.zarr")
    with pytest.raises(FormatError, match=r"is OME-Zarr 0\.6\.dev1; read are 0\.4 and 0\.5"):
        open_volume(Source(newer))
    with pytest.raises(FormatError, match="zip archive") as caught:
        open_volume(Source(shared("ome_zarr/neuroglancer/simple_0.5.zip")))
    assert "unpack it" in caught.value.fix.advice
