"""Datasets of HDF5 files."""

from __future__ import annotations

import json
import pickle
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from siltomo.errors import FormatError, MissingPartError, NotFoundError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.hdf5 import import_hdf5, recognises
from siltomo.units import Quantity


def read(path: Path, member: str | None = None) -> ImportedVolume:
    return import_hdf5(Source(path, member))


def whole(volume: ImportedVolume) -> np.ndarray:
    return volume.planes(0, volume.shape[0])


def axistags(keys: str) -> str:
    return json.dumps({"axes": [{"key": key, "typeFlags": 2, "resolution": 0} for key in keys]})


@pytest.fixture
def h5(tmp_path: Path) -> Path:
    return tmp_path / "scan_Simple Segmentation.h5"


@pytest.mark.parametrize(
    "options", [{}, {"chunks": (2, 5, 4)}, {"chunks": True, "compression": "gzip"}, {"shuffle": True}]
)
@pytest.mark.parametrize("dtype", ["u1", "i1", ">u2", "<i4", "f4", ">f8", "?", "f2"])
def test_voxels_come_back(h5: Path, dtype: str, options: dict[str, Any]) -> None:
    voxels = np.random.default_rng(1).integers(0, 2, (7, 8, 9)).astype(dtype)
    with h5py.File(h5, "w") as file:
        file.create_dataset("entry/data", data=voxels, **options)
        file["entry/angles"] = np.arange(9.0)
        file["entry/title"] = "scan"
    assert recognises(h5)
    found = read(h5)
    assert found.shape == (7, 8, 9)
    assert found.dtype == (np.uint8 if dtype == "?" else np.dtype(dtype).newbyteorder("="))
    assert found.dtype.isnative
    assert found.facts["dataset"] == "/entry/data"
    assert found.voxel_size == (None, None, None)
    assert np.array_equal(whole(found), voxels)
    assert np.array_equal(found.planes(3, 5), voxels[3:5])


def test_planes_may_be_read_by_threads_and_elsewhere(h5: Path, volume: np.ndarray) -> None:
    with h5py.File(h5, "w") as file:
        file["data"] = volume
    planes = pickle.loads(pickle.dumps(read(h5).planes))
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda i: planes(i % 7, i % 7 + 1)[0], range(70)))
    assert all(np.array_equal(plane, volume[i % 7]) for i, plane in enumerate(got))


def test_several_volumes_are_listed(h5: Path, volume: np.ndarray, refused: Any) -> None:
    with h5py.File(h5, "w") as file:
        file["b"], file["a/raw"] = volume, volume.astype("f4")
    with refused(
        FormatError,
        "SIL101",
        "holds 2 volumes: a/raw (7×12×10 float32), b (7×12×10 uint8).",
        fix="--dataset a/raw",
    ):
        read(h5)
    assert read(h5, "a/raw").dtype == np.float32
    assert np.array_equal(whole(read(h5, "/b")), volume)


def test_an_unknown_dataset_names_the_nearest(h5: Path, volume: np.ndarray, refused: Any) -> None:
    with h5py.File(h5, "w") as file:
        file["exported_data"], file["other"] = volume, volume
    with refused(
        NotFoundError,
        "SIL120",
        "no dataset 'exported'; there is exported_data",
        fix="--dataset exported_data",
    ):
        read(h5, "exported")


def test_two_names_for_one_dataset_are_one_volume(h5: Path, volume: np.ndarray) -> None:
    with h5py.File(h5, "w") as file:
        file["entry/data"] = volume
        file["again"] = file["entry/data"]
        file["entry/self"] = file["entry"]
        file["soft"] = h5py.SoftLink("/entry/data")
    assert np.array_equal(whole(read(h5)), volume)


def test_soft_links_are_followed_when_named(h5: Path, volume: np.ndarray) -> None:
    with h5py.File(h5, "w") as file:
        file["entry/data"] = volume
        file["entry/default"] = h5py.SoftLink("data")
        file["plot"] = h5py.SoftLink("/entry")
    assert np.array_equal(whole(read(h5, "plot/default")), volume)


@pytest.mark.parametrize(
    ("shape", "keys", "expected"),
    [
        ((7, 12, 10, 1), "zyxc", "zyx"),
        ((1, 7, 12, 10, 1), "tzyxc", "zyx"),
        ((10, 12, 7), "xyz", "turned"),
        ((1, 10, 12, 7, 1), "txyzc", "turned"),
        ((7, 12, 10), "zyx", "zyx"),
    ],
)
def test_ilastik_axes_come_as_zyx(
    h5: Path, volume: np.ndarray, shape: tuple[int, ...], keys: str, expected: str
) -> None:
    stored = (volume.T if expected == "turned" else volume).reshape(shape)
    with h5py.File(h5, "w") as file:
        file.create_dataset("exported_data", data=stored, chunks=True).attrs["axistags"] = axistags(keys)
    found = read(h5)
    assert found.shape == (7, 12, 10)
    assert np.array_equal(whole(found), volume)
    assert np.array_equal(found.planes(2, 3), volume[2:3])
    assert f"axes {keys}" in found.facts["axes"]
    assert ("left out" in found.facts["axes"]) == (len(keys) > 3)
    assert ("turned to zyx" in found.facts["axes"]) == (expected == "turned")


def test_dimension_labels_name_the_axes(h5: Path, volume: np.ndarray) -> None:
    with h5py.File(h5, "w") as file:
        file["data"] = volume.T
        for dim, label in zip(file["data"].dims, "xyz", strict=True):
            dim.label = label
    assert np.array_equal(whole(read(h5)), volume)


def test_one_plane_with_axes(h5: Path, volume: np.ndarray) -> None:
    with h5py.File(h5, "w") as file:
        file["data"] = volume[0].T[..., np.newaxis]
        file["data"].attrs["axistags"] = axistags("xyc")
    found = read(h5)
    assert found.shape == (1, 12, 10)
    assert np.array_equal(whole(found)[0], volume[0])
    assert any("one plane" in warning for warning in found.warnings)


def test_probabilities_are_refused(h5: Path, refused: Any) -> None:
    with h5py.File(h5, "w") as file:
        file["exported_data"] = np.zeros((7, 12, 10, 3), np.float32)
        file["exported_data"].attrs["axistags"] = axistags("zyxc")
    for member in ("exported_data", None):
        says = "3 channels (z=7, y=12, x=10, c=3)" if member else "exported_data (7×12×10×3 float32)"
        with refused(FormatError, "SIL103", says, fix="Segmentation" if member else "(z, y, x)"):
            read(h5, member)


@pytest.mark.parametrize(
    "tags", ["{}", "nonsense", '{"axes": 3}', axistags("zyx")[:-1], axistags("zy"), axistags("zzz")]
)
def test_axistags_that_lie_are_refused(h5: Path, volume: np.ndarray, tags: str, refused: Any) -> None:
    with h5py.File(h5, "w") as file:
        file["exported_data"] = volume
        file["exported_data"].attrs["axistags"] = tags
    with refused(FormatError, "SIL103", "exported_data", "axistags do not name its 3 axes", fix="ilastik"):
        read(h5)


@pytest.mark.parametrize(
    ("stored", "shape"),
    [
        ((1, 7, 12, 10), (7, 12, 10)),
        ((7, 12, 10, 1), (7, 12, 10)),
        ((1, 7, 12, 10, 1), (7, 12, 10)),
        ((7, 1, 12, 10), (7, 12, 10)),
        ((7, 12, 10), (7, 12, 10)),
        ((1, 84, 10), (1, 84, 10)),
    ],
)
def test_axes_of_size_one_are_left_out_and_said(
    h5: Path, volume: np.ndarray, stored: tuple[int, ...], shape: tuple[int, ...]
) -> None:
    with h5py.File(h5, "w") as file:
        file["data"] = volume.reshape(stored)
    found = read(h5)
    assert found.shape == shape
    assert np.array_equal(whole(found), volume.reshape(shape))
    assert ("axes" in found.facts) == (len(stored) > 3)


@pytest.mark.parametrize("shape", [(2, 7, 12, 10), (12,), ()])
def test_what_is_no_volume(h5: Path, shape: tuple[int, ...], refused: Any) -> None:
    with h5py.File(h5, "w") as file:
        file["data"] = np.zeros(shape)
    words = "×".join(map(str, shape)) or "scalar"
    with refused(FormatError, "SIL103", f"holds no volume; there is data ({words} float64)", fix="(z, y, x)"):
        read(h5)
    with refused(FormatError, "SIL103", "data: is no volume", fix="(z, y, x)"):
        read(h5, "data")


@pytest.mark.parametrize(
    ("dtype", "says"),
    [
        ("c8", "complex numbers"),
        ([("r", "f4"), ("i", "f4")], "complex|compound"),
        ([("a", "u1"), ("b", "f4")], "compound records"),
        ("S4", "text"),
        (h5py.string_dtype(), "objects"),
        (h5py.vlen_dtype(np.uint8), "objects"),
        (h5py.ref_dtype, "objects"),
    ],
)
def test_what_is_no_voxel(h5: Path, dtype: Any, says: str) -> None:
    with h5py.File(h5, "w") as file:
        file.create_dataset("data", (2, 2, 2), dtype)
    with pytest.raises(FormatError, match=says) as caught:
        read(h5, "data")
    assert caught.value.code == "SIL103"
    assert "float32" in caught.value.fix.advice  # type: ignore[union-attr]


def test_enumerated_labels_are_numbers(h5: Path) -> None:
    labels = np.random.default_rng(0).integers(0, 3, (4, 5, 6), dtype=np.uint8)
    with h5py.File(h5, "w") as file:
        file.create_dataset(
            "data", data=labels, dtype=h5py.enum_dtype({"pore": 0, "solid": 1, "sei": 2}, "u1")
        )
    found = read(h5)
    assert found.dtype == np.uint8
    assert np.array_equal(whole(found), labels)


UM = [Quantity(v, "um") for v in (1.3, 0.65, 0.325)]


@pytest.mark.parametrize(
    ("attributes", "sizes"),
    [
        ({"element_size_um": [1.3, 0.65, 0.325]}, UM),
        ({"element_size_um": np.float32(0.65)}, [UM[1]] * 3),
        ({"voxel_size_nm": [650.0, 650.0, 650.0]}, [UM[1]] * 3),
        ({"voxel_size": "0.65 um"}, [UM[1]] * 3),
        ({"voxel_size": 0.65, "voxel_size_units": "micron"}, [UM[1]] * 3),
        ({"pixel_size": 6.5e-7, "pixel_size_unit": "m"}, [UM[1]] * 3),
    ],
)
def test_voxel_size_with_a_unit_is_read(
    h5: Path, volume: np.ndarray, attributes: dict[str, Any], sizes: list[Quantity]
) -> None:
    with h5py.File(h5, "w") as file:
        file["data"] = volume
        file["data"].attrs.update(attributes)
    found = read(h5)
    for axis, (got, wanted) in enumerate(zip(found.voxel_size, sizes, strict=True)):
        assert got is not None, axis
        assert got.unit == wanted.unit
        assert got.value == pytest.approx(wanted.value, rel=1e-6)
    assert found.voxel_source == f"attribute {next(iter(attributes))}"
    assert found.warnings == ()


@pytest.mark.parametrize(
    ("attributes", "why"),
    [
        ({"voxel_size": 0.65}, "no unit"),
        ({"voxel_size": "0.65"}, "no unit"),
        ({"element_size_um": [0.0, 0.0, 0.0]}, "above zero"),
        ({"element_size_um": [0.65, 0.65]}, "one or three"),
        ({"element_size_um": [np.nan] * 3}, "finite"),
        ({"voxel_size_um": [1.3, 0.65, 0.65]}, "whether z or x comes first"),
        ({"voxel_size": 0.65, "voxel_size_unit": "s"}, "measures"),
    ],
)
def test_voxel_size_in_doubt_is_not_used_and_said(
    h5: Path, volume: np.ndarray, attributes: dict[str, Any], why: str
) -> None:
    with h5py.File(h5, "w") as file:
        file["data"] = volume
        file["data"].attrs.update(attributes)
    found = read(h5)
    assert found.voxel_size == (None, None, None)
    assert len(found.warnings) == 1
    assert "is not used" in found.warnings[0]
    assert why in found.warnings[0]


def test_external_links_are_refused(h5: Path, tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["data"] = volume
    with h5py.File(h5, "w") as file:
        file["away"] = h5py.ExternalLink("other.h5", "/data")
        file["step"] = h5py.SoftLink("/away")
    for member in ("away", "step"):
        with refused(
            FormatError, "SIL103", "link into another file, 'other.h5'", fix="give that file itself"
        ):
            read(h5, member)
    with refused(FormatError, "SIL103", "holds no volume; there is no dataset at all", fix="(z, y, x)"):
        read(h5)


def test_external_storage_is_refused(h5: Path, tmp_path: Path, refused: Any) -> None:
    (tmp_path / "secret").write_bytes(b"root:x:0:0" * 10)
    with h5py.File(h5, "w") as file:
        file.create_dataset("data", (4, 5, 5), "u1", external=[(str(tmp_path / "secret"), 0, 100)])
    with refused(FormatError, "SIL103", "keeps its voxels in another file", "secret", fix="one file"):
        read(h5)


def test_links_in_a_circle_are_refused(h5: Path, refused: Any) -> None:
    with h5py.File(h5, "w") as file:
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
    with refused(FormatError, "SIL103", "go in a circle", fix="copy"):
        read(h5, "a")


def virtual(h5: Path, source: Path, name: str, planes: int = 7) -> None:
    layout = h5py.VirtualLayout((7, 12, 10), "u1")
    layout[:planes] = h5py.VirtualSource(name, "data", (7, 12, 10))[:planes]
    with h5py.File(h5, "w") as file:
        file.create_virtual_dataset("data", layout)


def test_virtual_datasets_of_the_same_folder_are_read(h5: Path, tmp_path: Path, volume: np.ndarray) -> None:
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file["data"] = volume
    virtual(h5, tmp_path, "part.h5")
    found = read(h5)
    assert np.array_equal(whole(found), volume)
    assert found.files == (h5, tmp_path / "part.h5")


def test_virtual_datasets_from_elsewhere_are_refused(
    h5: Path, tmp_path: Path, volume: np.ndarray, refused: Any
) -> None:
    (tmp_path / "in").mkdir()
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file["data"] = volume
    for name in ("../part.h5", str(tmp_path / "part.h5"), "gone.h5"):
        virtual(tmp_path / "in" / "v.h5", tmp_path, name)
        with refused(FormatError, "SIL103", "v.h5", "virtual dataset", "not in the folder", fix="h5repack"):
            read(tmp_path / "in" / "v.h5")


def test_virtual_datasets_with_holes_are_refused(
    h5: Path, tmp_path: Path, volume: np.ndarray, refused: Any
) -> None:
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file["data"] = volume
    virtual(h5, tmp_path, "part.h5", planes=5)
    with refused(FormatError, "SIL103", "600 of 840 voxels", fix="h5repack"):
        read(h5)


def test_virtual_dataset_of_outside_storage_is_refused(h5: Path, tmp_path: Path, refused: Any) -> None:
    (tmp_path / "secret").write_bytes(b"x" * 840)
    with h5py.File(tmp_path / "part.h5", "w") as file:
        file.create_dataset("data", (7, 12, 10), "u1", external=[(str(tmp_path / "secret"), 0, 840)])
    virtual(h5, tmp_path, "part.h5")
    with refused(FormatError, "SIL103", "no plain dataset", fix="h5repack"):
        read(h5)


def test_a_dataset_that_was_never_written_is_refused(h5: Path, refused: Any) -> None:
    with h5py.File(h5, "w") as file:
        file.create_dataset("data", (20000, 20000, 20000), "u1", chunks=(64, 64, 64))
    with refused(FormatError, "SIL103", "no voxel: none was ever written", fix="copy"):
        read(h5)


def test_a_dataset_that_is_nearly_all_fill_is_refused(h5: Path, refused: Any) -> None:
    with h5py.File(h5, "w") as file:
        file.create_dataset("data", (20000, 20000, 20000), "u1", chunks=(64, 64, 64))[0, 0, 0] = 1
    with refused(FormatError, "SIL103", "8 TB of voxels", "262 kB", fix="copy"):
        read(h5)


def test_chunks_that_were_never_written_are_said(h5: Path, volume: np.ndarray) -> None:
    with h5py.File(h5, "w") as file:
        file.create_dataset("data", (8, 12, 10), "u1", chunks=(2, 12, 10), fillvalue=9)[:4] = volume[:4]
    assert read(h5).warnings == ("only 2 of 4 chunks were ever written; the others read as 9",)


def test_a_filter_that_is_missing_is_named(
    h5: Path, volume: np.ndarray, refused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    with h5py.File(h5, "w") as file:
        file.create_dataset("data", data=volume, compression="lzf")
    monkeypatch.setattr(h5py.h5z, "filter_avail", lambda code: False)
    with refused(
        MissingPartError, "SIL130", "filter 32000 (lzf)", "hdf5plugin", fix="pip install hdf5plugin"
    ):
        read(h5)


def test_matlab_order_is_said(h5: Path, volume: np.ndarray) -> None:
    with h5py.File(h5, "w") as file:
        file["image"] = volume
        file["image"].attrs["MATLAB_class"] = np.bytes_("uint8")
    assert "MATLAB" in read(h5).warnings[0]


def test_a_file_after_a_user_block_is_recognised(h5: Path, volume: np.ndarray) -> None:
    with h5py.File(h5, "w", userblock_size=1024) as file:
        file["data"] = volume
    assert h5.read_bytes()[:4] == b"\0" * 4
    assert recognises(h5)
    assert np.array_equal(whole(read(h5)), volume)


def test_a_cut_file_is_refused(h5: Path, volume: np.ndarray) -> None:
    with h5py.File(h5, "w") as file:
        file["data"] = volume
    data = h5.read_bytes()
    for end in (0, 8, 100, 800, 2048, len(data) - 1):
        h5.write_bytes(data[:end])
        with pytest.raises(FormatError, match="Segmentation") as caught:
            read(h5)
        assert caught.value.fix


def test_a_dataset_that_vanishes_names_the_planes(h5: Path, volume: np.ndarray, refused: Any) -> None:
    with h5py.File(h5, "w") as file:
        file["data"] = volume
    found = read(h5)
    with h5py.File(h5, "w") as file:
        file["other"] = volume
    with refused(FormatError, "SIL103", "planes 2 to 4 of /data", fix="copy"):
        found.planes(2, 5)
