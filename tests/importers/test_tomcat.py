"""TOMCAT folders and their logs: what need not be typed, and what does not fit."""

from __future__ import annotations

import struct
from pathlib import Path

import numpy as np
import pytest
import tifffile

from siltomo.errors import FormatError
from siltomo.importers import Source, open_volume

LOG = """User ID : e11114
FAST-TOMO scan of sample {sample} started on {start}
--------------------Beamline Settings-------------------------
Ring current [mA]           : 400.231
Beam energy [keV]           : {energy}
--------------------Detector Settings-------------------------
Camera                      : PCO.Edge 5.5
Magnification               : 20.0
X-ROI                       : 1 - {width}
Y-ROI                       : 1 - 2160
Actual pixel size [um]      : {pixel}
------------------------Scan Settings-------------------------
Sample folder               : /sls/X02DA/data/e11114/Data10/disk12/{sample}/
File Prefix                 : {sample}
Number of projections       : 1501
--------------------------------------------------------------
TOMOGRAPHIC SCAN STARTED!!!
TOMOGRAPHIC SCAN FINISHED at {end}
Original rotation center      : 1283.75
"""


def log(sample: str = "ref1_op01", **other: object) -> str:
    words = {"start": "Sat Nov 21 09:36:47 2015", "end": "Sat Nov 21 09:43:00 2015", "energy": 18.001}
    return LOG.format(sample=sample, **{**words, "pixel": 0.325, "width": 10, **other})


def scan(root: Path, name: str = "ref1_op01", *, kind: str = "tif", planes: int = 4, **tags: object) -> Path:
    folder = root / name / ("rec_8bit" if kind == "tif" else "rec_DMP")
    folder.mkdir(parents=True)
    for n in range(1, planes + 1):
        if kind == "tif":
            tifffile.imwrite(folder / f"{name}{n:04d}.rec.8bit.tif", np.full((12, 10), n, np.uint8), **tags)
        else:
            dmp(folder / f"{name}{n:04d}.rec.DMP", np.full((12, 10), n, np.float32))
    return folder


def dmp(path: Path, plane: np.ndarray) -> None:
    y, x = plane.shape
    path.write_bytes(struct.pack("<3H", x, y, 1) + plane.astype("<f4").tobytes())


@pytest.mark.parametrize("place", ["ref1_op01.log", "tif/ref1_op01.log", "rec_8bit/ref1_op01.log"])
def test_the_log_says_voxel_size_energy_and_times(tmp_path: Path, place: str) -> None:
    folder = scan(tmp_path)
    path = tmp_path / "ref1_op01" / place
    path.parent.mkdir(exist_ok=True)
    path.write_text(log())
    found = open_volume(Source(folder))
    assert found.format == "TOMCAT TIFF stack"
    assert [str(edge) for edge in found.voxel_size] == ["0.325 um"] * 3
    assert found.voxel_source == "log ref1_op01.log"
    assert found.acquisition == {
        "beamline": "TOMCAT X02DA",
        "energy": "18.001 keV",
        "start": "2015-11-21T09:36:47",
        "end": "2015-11-21T09:43:00",
    }
    assert found.facts["magnification"] == "20.0"
    assert found.warnings == ()


@pytest.mark.parametrize("log_name", ["r01_.log", "r01.log"])
def test_the_newer_names_with_a_reconstruction_in_the_folder(tmp_path: Path, log_name: str) -> None:
    folder = tmp_path / "r01_" / "rec_16bit_Paganin_0"
    folder.mkdir(parents=True)
    for n in (121, 122, 123):
        tifffile.imwrite(folder / f"r01_{n:04d}.rec.16bit.tif", np.full((12, 10), n, np.uint16))
    (tmp_path / "r01_" / log_name).write_text(log("r01_"))
    (tmp_path / "r01_" / "other.log").write_text(log("other"))
    found = open_volume(Source(folder))
    assert found.shape == (3, 12, 10)
    assert str(found.voxel_size[0]) == "0.325 um"
    assert found.warnings == ()


def test_logs_of_many_scans_in_one_folder(tmp_path: Path) -> None:
    for name in ("ref1_op01", "ref1_op02"):
        (tmp_path / name).mkdir()
        for n in (1, 2):
            tifffile.imwrite(tmp_path / name / f"{name}{n:04d}.tif", np.full((12, 10), n, np.uint8))
        (tmp_path / f"{name}.log").write_text(log(name, pixel=0.1 if name == "ref1_op01" else 0.2))
    assert str(open_volume(Source(tmp_path / "ref1_op01")).voxel_size[0]) == "0.1 um"
    assert str(open_volume(Source(tmp_path / "ref1_op02")).voxel_size[0]) == "0.2 um"


def test_dmp_slices(tmp_path: Path) -> None:
    folder = scan(tmp_path, kind="DMP")
    (tmp_path / "ref1_op01" / "ref1_op01.log").write_text(log())
    found = open_volume(Source(folder))
    assert (found.format, found.shape, found.dtype) == ("TOMCAT DMP stack", (4, 12, 10), np.float32)
    assert found.planes(1, 3)[:, 0, 0].tolist() == [2, 3]
    assert str(found.voxel_size[0]) == "0.325 um"
    single = open_volume(Source(folder / "ref1_op010002.rec.DMP"))
    assert single.shape == (1, 12, 10)
    assert single.voxel_size == (None, None, None)


def test_dmp_gaps_and_damage(tmp_path: Path) -> None:
    folder = scan(tmp_path, kind="DMP")
    (folder / "ref1_op010003.rec.DMP").unlink()
    with pytest.raises(FormatError, match="0003 missing"):
        open_volume(Source(folder))
    found = open_volume(Source(folder, allow_gaps=True))
    assert found.missing_planes == (2,)
    assert found.planes(0, 4)[:, 0, 0].tolist() == [1, 2, 0, 4]
    path = folder / "ref1_op010002.rec.DMP"
    for data in (path.read_bytes()[:-1], b"12", struct.pack("<3H", 0, 12, 1), path.read_bytes() + b"x"):
        path.write_bytes(data)
        with pytest.raises(FormatError, match=r"no DMP slice|no header"):
            open_volume(Source(folder, allow_gaps=True))
    dmp(path, np.zeros((12, 11), np.float32))
    with pytest.raises(FormatError, match=r"is 12×11, ref1_op010001\.rec\.DMP is 12×10"):
        open_volume(Source(folder, allow_gaps=True))


def test_a_restart_counts_from_the_last_start(tmp_path: Path) -> None:
    folder = scan(tmp_path)
    first = log(start="Sat Nov 21 08:00:00 2015", pixel=0.65).replace("TOMOGRAPHIC SCAN FINISHED", "ABORTED")
    (tmp_path / "ref1_op01" / "ref1_op01.log").write_text(first + log())
    found = open_volume(Source(folder))
    assert found.acquisition["start"] == "2015-11-21T09:36:47"
    assert str(found.voxel_size[0]) == "0.325 um"
    assert any("2 starts" in w for w in found.warnings)
    assert any("differ in pixel size: 0.325, 0.65 um" in w for w in found.warnings)


def test_an_unfinished_scan_without_energy_says_so(tmp_path: Path) -> None:
    folder = scan(tmp_path)
    text = "\n".join(line for line in log().splitlines() if "FINISHED" not in line and "energy" not in line)
    (tmp_path / "ref1_op01" / "ref1_op01.log").write_text(text)
    found = open_volume(Source(folder))
    assert "end" not in found.acquisition
    assert "energy" not in found.acquisition
    assert any("finished" in w for w in found.warnings)
    assert any("energy" in w for w in found.warnings)


def test_the_log_of_another_sample_is_a_warning(tmp_path: Path) -> None:
    folder = scan(tmp_path)
    (tmp_path / "ref1_op01" / "x.log").write_text(log("zn2_op07"))
    (warning,) = open_volume(Source(folder)).warnings
    assert "zn2_op07" in warning
    assert "ref1_op01" in warning


def test_several_logs_of_which_none_fits_are_left_alone(tmp_path: Path) -> None:
    folder = scan(tmp_path)
    for name in ("a", "b"):
        (tmp_path / "ref1_op01" / f"{name}.log").write_text(log(name))
    found = open_volume(Source(folder))
    assert found.voxel_size == (None, None, None)
    assert any("2 logs" in w and "not used" in w for w in found.warnings)
    (tmp_path / "ref1_op01" / "ref1_op01.log").write_text(log())
    assert str(open_volume(Source(folder)).voxel_size[0]) == "0.325 um"


def test_headers_and_log_that_disagree_are_both_shown(tmp_path: Path) -> None:
    tags = {"resolution": (62500.0, 62500.0), "resolutionunit": "CENTIMETER"}
    folder = scan(tmp_path, **tags)  # 0.16 um
    (tmp_path / "ref1_op01" / "ref1_op01.log").write_text(log(pixel=0.1625))
    found = open_volume(Source(folder))
    assert found.voxel_size == (None, None, None)
    assert "0.16 um" in found.voxel_note
    assert "0.1625 um" in found.voxel_note


def test_binned_slices_are_a_warning(tmp_path: Path) -> None:
    folder = scan(tmp_path)
    (tmp_path / "ref1_op01" / "ref1_op01.log").write_text(log(width=20))
    (warning,) = open_volume(Source(folder)).warnings
    assert "binned 2 times, a voxel is 0.65 um" in warning


@pytest.mark.parametrize("value", ["nan", "-1", "0.3.2", "9" * 400, "1e999", "0", "abc"])
def test_numbers_of_a_log_that_cannot_be(tmp_path: Path, value: str) -> None:
    folder = scan(tmp_path)
    (tmp_path / "ref1_op01" / "ref1_op01.log").write_text(log(pixel=value))
    found = open_volume(Source(folder))
    assert found.voxel_size == (None, None, None)
    assert any("is not used" in w for w in found.warnings)
