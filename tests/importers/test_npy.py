"""NumPy files."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siltomo.errors import FormatError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.npy import import_npy, recognises


def read(path: Path) -> ImportedVolume:
    return import_npy(Source(path))


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("dtype", ["u1", "i1", "<u2", ">u2", ">i4", "f2", "f4", ">f8", "u8", "?"])
def test_voxels_come_back(tmp_path: Path, dtype: str, order: str) -> None:
    voxels = (np.random.default_rng(1).normal(0, 60, (7, 8, 9)) > 0).astype(dtype, order=order)  # type: ignore[call-overload]
    if dtype != "?":
        voxels = (voxels * np.arange(9)).astype(dtype, order=order)
    np.save(tmp_path / "v.npy", voxels)
    assert recognises(tmp_path / "v.npy")
    found = read(tmp_path / "v.npy")
    native = np.dtype(dtype).newbyteorder("=")
    assert found.dtype == (np.uint8 if dtype == "?" else native)
    assert found.dtype.isnative
    planes = found.planes(0, 7)
    assert planes.dtype == found.dtype
    assert planes.flags.c_contiguous
    assert np.array_equal(planes, voxels)
    assert np.array_equal(found.planes(3, 5), voxels[3:5])
    assert found.voxel_size == (None, None, None)
    assert bool(found.warnings) == (order == "F")


def test_planes_are_a_copy(tmp_path: Path, volume: np.ndarray) -> None:
    np.save(tmp_path / "v.npy", volume)
    planes = read(tmp_path / "v.npy").planes(0, 7)
    planes[:] = 0
    assert np.array_equal(read(tmp_path / "v.npy").planes(0, 7), volume)


class Bomb:
    """Runs code when it is unpickled."""

    ran = False

    def __reduce__(self) -> tuple[Any, ...]:
        return setattr, (Bomb, "ran", True)


def test_objects_are_refused_and_not_unpickled(tmp_path: Path, refused: Any) -> None:
    array = np.empty((2, 2, 2), object)
    array[:] = [[[Bomb()] * 2] * 2] * 2
    np.save(tmp_path / "v.npy", array, allow_pickle=True)
    with refused(FormatError, "SIL103", "v.npy", "objects", fix="float32"):
        read(tmp_path / "v.npy")
    assert not Bomb.ran


def test_a_pickle_is_no_npy(tmp_path: Path, refused: Any) -> None:
    path = tmp_path / "v.npy"
    path.write_bytes(pickle.dumps(Bomb()))
    assert not recognises(path)
    with refused(FormatError, "SIL103", "v.npy", fix="copy"):
        read(path)
    assert not Bomb.ran


@pytest.mark.parametrize(
    ("array", "says"),
    [
        (np.zeros((2, 2, 2), "c8"), "complex numbers"),
        (np.zeros((2, 2, 2), "S4"), "text"),
        (np.zeros((2, 2, 2), [("a", "u1"), ("b", "f4")]), "compound records"),
        (np.zeros((2, 2, 2), "M8[s]"), "dates"),
        (np.zeros((2, 2, 2), np.longdouble), "128-bit floats"),
        (np.zeros((2, 2, 2, 3), "u1"), "shape is 2×2×2×3"),
        (np.zeros((2, 2), "u1"), "shape is 2×2"),
        (np.zeros((), "u1"), "a single number"),
        (np.zeros((0, 2, 2), "u1"), "shape is 0×2×2"),
    ],
)
def test_what_is_no_volume(tmp_path: Path, array: np.ndarray, says: str, refused: Any) -> None:
    if says == "128-bit floats" and np.dtype(np.longdouble).itemsize != 16:
        pytest.skip("long double is no longer than double here")
    np.save(tmp_path / "v.npy", array)
    with refused(FormatError, "SIL103", "v.npy", says, fix="export"):
        read(tmp_path / "v.npy")


def test_a_cut_file_is_refused(tmp_path: Path, volume: np.ndarray) -> None:
    np.save(tmp_path / "v.npy", volume)
    data = (tmp_path / "v.npy").read_bytes()
    for end in (6, 9, 40, 127, 128, 500, len(data) - 1):
        (tmp_path / "v.npy").write_bytes(data[:end])
        with pytest.raises(FormatError, match=r"v\.npy"):
            read(tmp_path / "v.npy")


def test_a_header_that_lies(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    np.save(tmp_path / "v.npy", volume)
    data = (tmp_path / "v.npy").read_bytes().replace(b"(7, 12, 10), ", b"(7, 12,9**9), ")
    (tmp_path / "v.npy").write_bytes(data)
    with refused(FormatError, "SIL103", "v.npy", fix="copy"):
        read(tmp_path / "v.npy")


def test_a_file_that_shrinks_names_the_planes(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    np.save(tmp_path / "v.npy", volume)
    found = read(tmp_path / "v.npy")
    (tmp_path / "v.npy").write_bytes((tmp_path / "v.npy").read_bytes()[:-1])
    with refused(FormatError, "SIL103", "v.npy", "planes 2 to 4", fix="copy"):
        found.planes(2, 5)
