"""EDF through fabio, and what is said without it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

from siltomo.errors import FormatError, MissingPartError
from siltomo.importers import Source, open_volume

fabio = pytest.importorskip("fabio", reason="the extra edf is not installed")


def write(path: Path, *planes: np.ndarray, **header: str) -> Path:
    from fabio.edfimage import EdfImage

    image = EdfImage(data=planes[0], header=dict(header))
    for plane in planes[1:]:
        image.append_frame(data=plane)
    image.write(str(path))
    return path


def planes(kind: str = "f4", n: int = 4) -> list[np.ndarray]:
    return list(np.random.default_rng(1).integers(0, 99, (n, 6, 5)).astype(kind))


@pytest.mark.parametrize("kind", ["f4", "u2", "i4", "u1"])
def test_a_folder_of_slices_and_a_file_of_frames(tmp_path: Path, kind: str) -> None:
    stack = planes(kind)
    folder = tmp_path / "rec"
    folder.mkdir()
    for n, plane in enumerate(stack):
        write(folder / f"slice_{n:04d}.edf", plane, pixel_size="0.65")
    found = open_volume(Source(folder))
    assert (found.format, found.shape, found.dtype) == ("EDF stack", (4, 6, 5), np.dtype(kind))
    assert np.array_equal(found.planes(1, 4), stack[1:])
    assert found.voxel_size == (None, None, None), "the key has no unit"
    assert found.facts["pixel_size"] == "0.65"
    many = open_volume(Source(write(tmp_path / "v.edf", *stack)))
    assert (many.format, many.shape) == ("EDF file", (4, 6, 5))
    assert np.array_equal(many.planes(0, 4), stack)


def test_gaps_and_odd_slices(tmp_path: Path) -> None:
    for n, plane in enumerate(planes()):
        write(tmp_path / f"s{n}.edf", plane)
    (tmp_path / "s1.edf").unlink()
    with pytest.raises(FormatError, match="missing"):
        open_volume(Source(tmp_path))
    found = open_volume(Source(tmp_path, allow_gaps=True))
    assert found.missing_planes == (1,)
    assert not found.planes(1, 2).any()
    write(tmp_path / "s1.edf", np.zeros((6, 4), np.float32))
    with pytest.raises(FormatError, match=r"is 6×4 float32, s0\.edf is 6×5 float32"):
        open_volume(Source(tmp_path))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (b"Dim_2 = 6 ", b"Dim_2 = 66"),
        (b"Dim_1 = 5 ", b"Dim_1 = x "),
        (b"Dim_1 = 5 ", b"Dim_1 = 0 "),
        (b"FloatValue", b"FancyValue"),
    ],
)
def test_headers_that_lie(tmp_path: Path, old: bytes, new: bytes) -> None:
    path = write(tmp_path / "v.edf", planes()[0])
    data = path.read_bytes()
    assert old in data
    path.write_bytes(data.replace(old, new))
    with pytest.raises(FormatError):
        open_volume(Source(path)).planes(0, 1)


def test_a_cut_file(tmp_path: Path) -> None:
    path = write(tmp_path / "v.edf", *planes())
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(FormatError, match=r"v\.edf"):
        open_volume(Source(path)).planes(0, 4)


def test_voxels_in_another_file_are_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "v.edf", planes()[0], EDF_BinaryFileName="/etc/passwd")
    with pytest.raises(FormatError):
        open_volume(Source(path))


def test_without_fabio_the_hint_is_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(tmp_path / "v.edf", planes()[0])
    monkeypatch.setitem(sys.modules, "fabio", None)
    monkeypatch.setitem(sys.modules, "fabio.edfimage", None)
    with pytest.raises(MissingPartError, match="needs the package fabio") as caught:
        open_volume(Source(path))
    assert caught.value.exit_code == 6
    assert caught.value.fix == "pip install 'siltomo[edf]'"
