"""Folders of slices."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import pytest
import tifffile

from siltomo.errors import FormatError, NotFoundError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.tiff_stack import import_tiff_stack, recognises
from siltomo.units import Quantity


def fill(
    folder: Path, planes: Iterable[np.ndarray], name: str = "ref1_op07{:04d}.rec.8bit.tif", start: int = 1
) -> Path:
    folder.mkdir(exist_ok=True)
    for i, plane in enumerate(planes, start):
        tifffile.imwrite(folder / name.format(i), plane, metadata=None)
    return folder


def read(folder: Path, member: str | None = None, *, allow_gaps: bool = False) -> ImportedVolume:
    return import_tiff_stack(Source(folder, member, allow_gaps))


def whole(volume: ImportedVolume) -> np.ndarray:
    return volume.planes(0, volume.shape[0])


@pytest.mark.parametrize("dtype", ["u1", "u2", ">u2", "f4", "i1"])
@pytest.mark.parametrize(
    "name", ["{}.tif", "s_{:03d}.TIFF", "ref1_op01{:04d}.rec.8bit.tif", "a-{:05d}-x2.tif"]
)
def test_slices_come_back_in_order(tmp_path: Path, name: str, dtype: str) -> None:
    voxels = (np.random.default_rng(1).normal(0, 60, (23, 8, 9)) + 60).astype(dtype)
    found = read(fill(tmp_path / "rec", voxels, name, start=0))
    assert found.format == "TIFF stack"
    assert found.shape == (23, 8, 9)
    assert found.dtype == np.dtype(dtype).newbyteorder("=")
    assert [p.name for p in found.files] == [name.format(i) for i in range(23)]
    assert np.array_equal(whole(found), voxels)
    assert np.array_equal(found.planes(9, 12), voxels[9:12])
    assert found.missing_planes == ()


def test_compressed_slices(tmp_path: Path, volume: np.ndarray) -> None:
    for i, plane in enumerate(volume):
        tifffile.imwrite(tmp_path / f"s{i}.tif", plane, compression="zlib", tile=(16, 16))
    assert np.array_equal(whole(read(tmp_path)), volume)


def test_other_files_are_left_alone(tmp_path: Path, volume: np.ndarray) -> None:
    folder = fill(tmp_path / "rec", volume)
    for name in ("._ref1_op070001.rec.8bit.tif", ".hidden.tif", "Thumbs.db", "notes.txt", "rec.log"):
        (folder / name).write_bytes(b"not a slice")
    assert np.array_equal(whole(read(folder)), volume)


def test_two_stacks_are_told_apart(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    folder = fill(tmp_path / "rec_8bit", volume, "ref1_op01{:04d}.rec.8bit.tif")
    fill(folder, volume[:5, :6, :5], "ref1_op01_lowres{:04d}.rec.8bit.tif")
    says = "'rec_8bit/' holds 2 stacks: ref1_op01 (7 slices), ref1_op01_lowres (5)."
    with refused(FormatError, "SIL101", says, fix="--prefix ref1_op01"):
        read(folder)
    assert np.array_equal(whole(read(folder, "ref1_op01")), volume)
    assert np.array_equal(whole(read(folder, "ref1_op01_lowres")), volume[:5, :6, :5])


def test_each_stack_that_is_named_can_be_asked_for(tmp_path: Path, volume: np.ndarray) -> None:
    """Same prefix, other suffix: the names that the error gives still tell them apart."""
    folder = fill(tmp_path / "rec", volume, "a_{:04d}.rec.8bit.tif")
    fill(folder, volume.astype("u2")[:5], "a_{:04d}.rec.16bit.tif")
    with pytest.raises(FormatError) as caught:
        read(folder)
    named = caught.value.message.split("stacks: ")[1].rstrip(".").split(", ")
    members = [words.rsplit(" (", 1)[0] for words in named]
    assert [read(folder, member).shape[0] for member in members] == [7, 5]
    assert caught.value.fix.options == {"--prefix": members[0]}  # type: ignore[union-attr]


def test_an_unknown_stack_names_the_nearest(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    folder = fill(tmp_path / "rec", volume)
    with refused(
        NotFoundError,
        "SIL120",
        "no stack 'ref1_op7'; there is ref1_op07 (7 slices)",
        fix="--prefix ref1_op07",
    ):
        read(folder, "ref1_op7")


def gappy(tmp_path: Path, volume: np.ndarray) -> Path:
    folder = fill(tmp_path / "ref1_op07", volume)
    for i in (3, 4, 6):
        (folder / f"ref1_op07{i:04d}.rec.8bit.tif").unlink()
    return folder


def test_gaps_are_refused_by_range(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    says = "ref1_op07: slices 0003–0004, 0006 missing (4 of 7)."
    with refused(FormatError, "SIL102", says, fix="--allow-gaps copy the missing slices again, or"):
        read(gappy(tmp_path, volume))


def test_allowed_gaps_are_zero_and_listed(tmp_path: Path, volume: np.ndarray) -> None:
    found = read(gappy(tmp_path, volume), allow_gaps=True)
    expected = volume.copy()
    expected[[2, 3, 5]] = 0
    assert found.shape == (7, 12, 10)
    assert found.missing_planes == (2, 3, 5)
    assert len(found.files) == 4
    assert np.array_equal(whole(found), expected)
    assert np.array_equal(found.planes(2, 4), expected[2:4])
    assert any("0003–0004, 0006" in warning for warning in found.warnings)


def test_two_far_numbers_are_no_stack(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    """With or without allowed gaps: nobody asked for a volume of a billion planes."""
    folder = fill(tmp_path / "rec", volume[:1], "s{}.tif")
    fill(folder, volume[:1], "s{}.tif", start=999_999_999)
    for allow_gaps in (False, True):
        with refused(FormatError, "SIL102", "2 slices are numbered 1 to 999999999", fix="renumber"):
            read(folder, allow_gaps=allow_gaps)


def test_a_slice_number_twice_is_refused(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    folder = fill(tmp_path / "rec", volume, "s{}.tif")
    fill(folder, volume[:1], "s{:04d}.tif")
    with refused(
        FormatError, "SIL103", "slice 1 is there 2 times: s0001.tif, s1.tif", fix="remove or rename"
    ):
        read(folder)


@pytest.mark.parametrize(
    ("odd", "says"),
    [(np.zeros((12, 11), np.uint8), "12×11 uint8"), (np.zeros((12, 10), np.uint16), "12×10 uint16")],
)
def test_the_first_odd_slice_is_named(
    tmp_path: Path, volume: np.ndarray, odd: np.ndarray, says: str, refused: Any
) -> None:
    folder = fill(tmp_path / "rec", volume, "s{}.tif")
    tifffile.imwrite(folder / "s3.tif", odd)
    with refused(
        FormatError, "SIL103", f"slice s3.tif is {says}, s1.tif is 12×10 uint8", fix="export the whole stack"
    ):
        read(folder)


def test_a_slice_of_several_pages_is_refused(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    folder = fill(tmp_path / "rec", volume, "s{}.tif")
    tifffile.imwrite(folder / "s3.tif", volume, metadata=None)
    with refused(FormatError, "SIL103", "s3.tif has several pages", fix="one multi-page file"):
        read(folder)


def test_a_folder_with_one_volume_in_a_file(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    tifffile.imwrite(tmp_path / "volume.tif", volume, metadata=None)
    with refused(
        FormatError, "SIL103", "volume.tif has several pages", fix=f"give the file itself: {tmp_path}"
    ):
        read(tmp_path)


def test_a_folder_of_unlike_files_is_no_stack(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    for name in ("cell.tif", "mask.tif"):
        tifffile.imwrite(tmp_path / name, volume)
    with refused(
        FormatError, "SIL101", "holds 2 single TIFF files", "cell.tif, mask.tif", fix="give one of the files"
    ):
        read(tmp_path)


def test_a_damaged_slice_is_named(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    folder = fill(tmp_path / "rec", volume, "s{}.tif")
    (folder / "s5.tif").write_bytes((folder / "s5.tif").read_bytes()[:150])
    with refused(FormatError, "SIL103", "s5.tif", fix="copy the file again"):
        read(folder)


def test_an_empty_slice_is_named(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    folder = fill(tmp_path / "rec", volume, "s{}.tif")
    (folder / "s5.tif").write_bytes(b"")
    with refused(FormatError, "SIL103", "s5.tif", fix="copy the file again"):
        read(folder)


def test_a_slice_that_vanishes_is_named_with_its_plane(
    tmp_path: Path, volume: np.ndarray, refused: Any
) -> None:
    folder = fill(tmp_path / "rec", volume, "s{}.tif")
    found = read(folder)
    (folder / "s5.tif").unlink()
    assert np.array_equal(found.planes(0, 4), volume[:4])
    with refused(NotFoundError, "SIL120", "s5.tif", fix="check the path"):
        found.planes(0, 7)


def test_a_slice_that_is_cut_later_is_named_with_its_plane(
    tmp_path: Path, volume: np.ndarray, refused: Any
) -> None:
    folder = fill(tmp_path / "rec", volume, "s{}.tif")
    found = read(folder)
    (folder / "s5.tif").write_bytes((folder / "s5.tif").read_bytes()[:250])
    with refused(FormatError, "SIL103", "s5.tif", "plane 4", fix="copy the file again"):
        found.planes(0, 7)


def test_links_out_of_the_folder_are_refused(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    outside = fill(tmp_path / "outside", volume, "t{}.tif")
    folder = fill(tmp_path / "rec", volume, "s{}.tif")
    (folder / "s3.tif").unlink()
    (folder / "s3.tif").symlink_to(outside / "t3.tif")
    with refused(FormatError, "SIL103", "s3.tif", "a link out of its folder", fix="copy the file itself"):
        read(folder)


def test_links_within_the_folder_are_followed(tmp_path: Path, volume: np.ndarray) -> None:
    folder = fill(tmp_path / "rec", volume, "s{}.tif")
    (folder / "data").mkdir()
    shutil.move(folder / "s3.tif", folder / "data" / "x.bin")
    (folder / "s3.tif").symlink_to(Path("data") / "x.bin")
    assert np.array_equal(whole(read(folder)), volume)


def test_a_pipe_among_the_slices_is_refused_not_waited_for(
    tmp_path: Path, volume: np.ndarray, refused: Any
) -> None:
    folder = fill(tmp_path / "rec", volume, "s{}.tif")
    os.mkfifo(folder / "s8.tif")
    with refused(FormatError, "SIL103", "s8.tif", "no plain file", fix="remove it"):
        read(folder)


def test_pixel_size_comes_from_the_first_slice_and_z_is_silent(tmp_path: Path, volume: np.ndarray) -> None:
    for i, plane in enumerate(volume):
        tifffile.imwrite(
            tmp_path / f"s{i}.tif", plane, imagej=True, resolution=(4, 4), metadata={"unit": "\\u00B5m"}
        )
    found = read(tmp_path)
    assert found.voxel_size == (None, Quantity(0.25, "um"), Quantity(0.25, "um"))
    assert found.voxel_source == "ImageJ header of s0.tif"


def test_one_slice_is_a_volume_of_one_plane(tmp_path: Path, volume: np.ndarray) -> None:
    found = read(fill(tmp_path / "rec", volume[:1]))
    assert found.shape == (1, 12, 10)
    assert any("one plane" in warning for warning in found.warnings)


def test_a_folder_without_slices(tmp_path: Path, refused: Any) -> None:
    assert not recognises(tmp_path)
    with refused(FormatError, "SIL103", "holds no TIFF slices", fix="give the folder of slices"):
        read(tmp_path)


def test_no_file_stays_open(tmp_path: Path, volume: np.ndarray) -> None:
    folder = fill(tmp_path / "rec", np.repeat(volume, 10, axis=0), "s{}.tif")
    process = psutil.Process()
    before = process.num_fds()
    found = read(folder)
    found.planes(0, 70)
    assert process.num_fds() == before


def test_white_is_zero_is_said(tmp_path: Path, volume: np.ndarray, write_tiff: Callable[..., Path]) -> None:
    for i, plane in enumerate(volume):
        write_tiff(tmp_path / f"s{i}.tif", [plane.tobytes()], 10, 12, tags={262: ("H", [0])})
    found = read(tmp_path)
    assert np.array_equal(whole(found), volume)
    assert "zero is white" in found.warnings[0]
