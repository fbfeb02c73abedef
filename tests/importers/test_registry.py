"""Picking the importer by content, and saying what is wrong when none fits."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

from siltomo.errors import FormatError, NotFoundError
from siltomo.importers import FORMATS, Source, open_volume
from siltomo.importers.registry import NOT_YET


def test_content_decides_not_the_name(tmp_path: Path, volume: np.ndarray) -> None:
    stack = tmp_path / "slices.h5"
    stack.mkdir()
    for i, plane in enumerate(volume):
        tifffile.imwrite(stack / f"{i}.tif", plane)
    tifffile.imwrite(tmp_path / "a.npy", volume)
    np.save(tmp_path / "tmp.npy", volume)
    (tmp_path / "tmp.npy").rename(tmp_path / "b.tif")
    with h5py.File(tmp_path / "c.dat", "w") as file:
        file["x"] = volume
    formats = {}
    for name in ("slices.h5", "a.npy", "b.tif", "c.dat"):
        found = open_volume(Source(tmp_path / name))
        assert np.array_equal(found.planes(0, 7), volume)
        formats[name] = found.format
    assert formats == {
        "slices.h5": "TIFF stack",
        "a.npy": "multi-page TIFF",
        "b.tif": "NumPy array",
        "c.dat": "HDF5 dataset",
    }


def test_each_file_is_recognised_by_one_format_only(tmp_path: Path, volume: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "a.tif", volume)
    np.save(tmp_path / "b.npy", volume)
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["x"] = volume
    for path in (tmp_path, *tmp_path.iterdir()):
        assert sum(entry.recognises(path) for entry in FORMATS) == 1


def test_the_part_that_is_meant_is_passed_on(tmp_path: Path, volume: np.ndarray) -> None:
    with h5py.File(tmp_path / "c.h5", "w") as file:
        file["a"], file["b"] = volume, volume[:2]
    assert open_volume(Source(tmp_path / "c.h5", "b")).shape == (2, 12, 10)


def test_a_missing_file_names_the_nearest(tmp_path: Path, refused: Any) -> None:
    for name in ("ref1_op01.tif", "ref1_op02.tif", "zebra.txt"):
        (tmp_path / name).touch()
    with refused(
        NotFoundError,
        "SIL120",
        "ref1_op1.tif",
        "did you mean 'ref1_op01.tif'",
        fix=str(tmp_path / "ref1_op01.tif"),
    ):
        open_volume(Source(tmp_path / "ref1_op1.tif"))


def test_a_missing_folder_names_what_is_there(tmp_path: Path, refused: Any) -> None:
    for i in range(7):
        (tmp_path / f"disk{i}").mkdir()
    says = f"'{tmp_path}' holds 'disk0', 'disk1', 'disk2', 'disk3', 'disk4' and 2 more"
    with refused(NotFoundError, "SIL120", says, fix=f"ls '{tmp_path}'"):
        open_volume(Source(tmp_path / "xyz" / "rec" / "a.tif"))


def test_a_missing_file_in_an_empty_folder(tmp_path: Path, refused: Any) -> None:
    with refused(NotFoundError, "SIL120", "is there but empty", fix="mounted"):
        open_volume(Source(tmp_path / "a.tif"))


@pytest.mark.parametrize("suffix", sorted(NOT_YET))
def test_known_formats_that_are_not_read_yet_say_how_to_convert(
    tmp_path: Path, suffix: str, refused: Any
) -> None:
    path = tmp_path / f"scan{suffix.upper()}"
    path.write_bytes(b"# something")
    name, advice = NOT_YET[suffix]
    with refused(FormatError, "SIL103", path.name, name, "not read yet", "HDF5; NumPy .npy", fix=advice):
        open_volume(Source(path))


def test_an_unknown_format_lists_the_known(tmp_path: Path, refused: Any) -> None:
    (tmp_path / "a.xyz").write_bytes(b"\x1b[31mabc")
    with refused(
        FormatError, "SIL103", "no known format", "[31mabc", "a folder of TIFF slices", fix="Tiff"
    ) as _:
        open_volume(Source(tmp_path / "a.xyz"))


def test_text_from_files_cannot_drive_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "a.xyz").write_bytes(b"\x1b[31mabc")
    with pytest.raises(FormatError, match="no known format") as caught:
        open_volume(Source(tmp_path / "a.xyz"))
    assert "\x1b" not in str(caught.value)


def test_an_empty_file(tmp_path: Path, refused: Any) -> None:
    (tmp_path / "a.tif").touch()
    with refused(FormatError, "SIL103", "a.tif", "empty (0 bytes)", fix="copy the file again"):
        open_volume(Source(tmp_path / "a.tif"))


def test_an_empty_folder(tmp_path: Path, refused: Any) -> None:
    with refused(FormatError, "SIL103", "empty folder", fix="did the copy finish?"):
        open_volume(Source(tmp_path))


def test_a_folder_above_the_slices_names_them(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    for name in ("rec_8bit", "rec_16bit"):
        (tmp_path / name).mkdir()
        tifffile.imwrite(tmp_path / name / "s1.tif", volume[0])
    with refused(FormatError, "SIL103", "'rec_8bit/', 'rec_16bit/' in it do", fix=str(tmp_path / "rec_8bit")):
        open_volume(Source(tmp_path))


def test_a_folder_around_a_volume_names_it(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    np.save(tmp_path / "v.npy", volume)
    with refused(FormatError, "SIL103", "without TIFF slices; it holds 'v.npy'", fix=str(tmp_path / "v.npy")):
        open_volume(Source(tmp_path))


def test_a_folder_of_slices_in_another_format(tmp_path: Path, refused: Any) -> None:
    (tmp_path / "s1.png").write_bytes(b"\x89PNG")
    with refused(FormatError, "SIL103", "holds .png files (PNG image)", fix="TIFF"):
        open_volume(Source(tmp_path))


def test_a_folder_of_nothing_known(tmp_path: Path, refused: Any) -> None:
    (tmp_path / "notes.txt").write_text("x")
    with refused(FormatError, "SIL103", "holds no TIFF slices; read are", fix="give the folder"):
        open_volume(Source(tmp_path))


def test_a_pipe_is_refused_not_waited_for(tmp_path: Path, refused: Any) -> None:
    os.mkfifo(tmp_path / "a.tif")
    with refused(FormatError, "SIL103", "no plain file", fix="give a file or a folder"):
        open_volume(Source(tmp_path / "a.tif"))


def test_a_file_that_may_not_be_read(tmp_path: Path, refused: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.tif").write_bytes(b"II*\0")

    def denied(*args: object, **kwargs: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", denied)
    with refused(FormatError, "SIL103", "a.tif", "permission denied", fix="chmod u+r"):
        open_volume(Source(tmp_path / "a.tif"))
