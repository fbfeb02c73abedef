"""What files say against what the user says, through the command line: both are shown, nothing is guessed."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]
STATE = ["--cell", "c", "--scale", "micro", "--mode", "ex_situ", "--cycle", "0", "--half", "pristine"]
LOG = (
    "FAST-TOMO scan of sample rec started on Sat Nov 21 09:36:47 2015\nBeam energy [keV] : 18.001\n"
    "Actual pixel size [um] : 0.325\nFile Prefix : rec\nTOMOGRAPHIC SCAN FINISHED at Sat Nov 21 09:43:00 2015\n"
)


@pytest.fixture
def cell(cli: Cli, tmp_path: Path) -> Path:
    for words in (["init", "."], ["formulation", "add", "f"], ["cell", "add", "c", "--formulation", "f"]):
        assert cli(*words).code == 0
    return tmp_path


@pytest.fixture
def bare(cell: Path) -> Path:
    """A MetaImage whose spacing of 0.65 has no unit."""
    head = "ObjectType = Image\nNDims = 3\nDimSize = 5 4 3\nElementSpacing = 0.65 0.65 1.3\nElementType = MET_UCHAR\n"
    (cell / "v.mha").write_bytes(head.encode() + b"ElementDataFile = LOCAL\n" + bytes(range(60)))
    return cell / "v.mha"


def test_numbers_without_unit_ask_for_one(cli: Cli, bare: Path) -> None:
    error = cli("catalog", "add", bare, *STATE, "--json").error
    assert error["code"] == "SIL107"
    assert "ElementSpacing = 1.3, 0.65, 0.65 (z, y, x)" in error["message"]
    assert "--voxel-size '1.3,0.65,0.65 um'" in error["fix"]
    assert "mm" in error["advice"]


@pytest.mark.parametrize(
    ("size", "unit"), [("1.3,0.65,0.65 um", "um"), ("1300,650,650 um", "mm"), ("1.3,0.65,0.65 nm", "nm")]
)
def test_the_user_says_the_unit(cli: Cli, bare: Path, size: str, unit: str) -> None:
    record = cli("catalog", "add", bare, *STATE, "--voxel-size", size, "--json").data["record"]
    assert record["voxel_source"] == f"user and ElementSpacing (in {unit})"


def test_numbers_that_are_the_same_in_no_unit_are_a_conflict(cli: Cli, bare: Path) -> None:
    error = cli("catalog", "add", bare, *STATE, "--voxel-size", "0.65 um", "--json").error
    assert error["code"] == "SIL105"
    assert "1.3, 0.65, 0.65" in error["message"]
    assert "you 0.65 um" in error["message"]
    words = ["--voxel-size", "0.65 um", "--voxel-from", "user", "--json"]
    assert cli("catalog", "add", bare, *STATE, *words).data["record"]["voxel_source"] == "user"


@pytest.fixture
def tomcat(cell: Path) -> Path:
    import tifffile

    (cell / "rec").mkdir()
    for n in (1, 2):
        tifffile.imwrite(cell / "rec" / f"rec{n:04d}.tif", np.full((4, 5), n, np.uint8))
    (cell / "rec" / "rec.log").write_text(LOG)
    return cell / "rec"


def test_nothing_need_be_typed_that_the_log_says(cli: Cli, tomcat: Path) -> None:
    envelope = cli("catalog", "add", tomcat, *STATE, "--json").envelope
    record = envelope["data"]["record"]
    assert record["voxel_size"]["x"] == "0.325 um"
    assert record["acquisition"] == {
        "beamline": "TOMCAT",
        "technique": "",
        "energy": "18.001 keV",
        "start": "2015-11-21T09:36:47",
        "end": "2015-11-21T09:43:00",
    }
    assert "from the file: beamline TOMCAT, energy 18.001 keV" in envelope["warnings"][0]


@pytest.mark.parametrize(
    ("option", "value"),
    [("--energy", "20 keV"), ("--start", "2015-11-21T10:36:47"), ("--end", "2015-11-21T09:43:01")],
)
def test_conflicts_show_both(cli: Cli, tomcat: Path, option: str, value: str) -> None:
    error = cli("catalog", "add", tomcat, *STATE, option, value, "--json").error
    assert error["code"] == "SIL105"
    assert value in error["message"]
    assert "file " in error["message"]
    assert option not in error["fix"]


def test_what_agrees_is_no_conflict_and_a_zone_is_kept(cli: Cli, tomcat: Path) -> None:
    words = ["--energy", "18 keV", "--start", "2015-11-21T09:36:47+01:00", "--beamline", "X02DA"]
    record = cli("catalog", "add", tomcat, *STATE, *words, "--json").data["record"]
    acquisition = record["acquisition"]
    assert acquisition["energy"] == "18 keV"
    assert acquisition["start"] == "2015-11-21T09:36:47+01:00"
    assert acquisition["beamline"] == "X02DA"
    assert acquisition["end"] == "2015-11-21T09:43:00+01:00", "read off the same clock"


def test_headers_and_log_that_disagree_leave_it_to_the_user(cli: Cli, tomcat: Path) -> None:
    import tifffile

    for n in (1, 2):
        plane = np.full((4, 5), n, np.uint8)
        tifffile.imwrite(
            tomcat / f"rec{n:04d}.tif", plane, resolution=(62500, 62500), resolutionunit="CENTIMETER"
        )
    error = cli("catalog", "add", tomcat, *STATE, "--json").error
    assert error["code"] == "SIL107"
    assert "0.16 um" in error["message"]
    assert "0.325 um" in error["message"]
    assert cli("catalog", "add", tomcat, *STATE, "--voxel-size", "0.325 um").code == 0


def test_info_says_what_stands_without_a_unit(cli: Cli, bare: Path, tomcat: Path) -> None:
    (row,) = cli("info", bare, "--json").data
    assert row["spacing_without_unit"] == [1.3, 0.65, 0.65]
    (row,) = cli("info", tomcat, "--json").data
    assert (row["energy"], row["start"]) == ("18.001 keV", "2015-11-21T09:36:47")


READABLE = [
    "matbox/nmc-1-cal_generatedCBD_bridge.tif",
    "ucl_battery_xct/cell_vol.tif",
    "ucl_battery_xct/im_1.tif",
    "ucl_battery_xct/mask_1.tif",
    "superres/NMC_lr_input.tif",
    "superres/Separator_lr_input.tif",
    "taufactor/electrode.tiff",
    "openimpala/SampleData_2Phase_3d.hdf5",
    "openimpala/SampleData_2Phase_stack_3d_1bit.tif",
    "openimpala/spheres.tif",
    "puma/100_fiberform.tif",
    "puma/100_cylinder_r40.tif",
    "puma/100_sphere_r40.tif",
]


@pytest.mark.slow
def test_every_readable_volume_registers_and_verifies(cli: Cli, cell: Path, shared: Any) -> None:
    """Also the raw file through a header of our own, berea out of its archive, and the foreign OME-Zarr stores."""
    paths = [shared(f"volumes/{name}") for name in READABLE]
    raw = shared("volumes/openimpala/SampleData_2Phase_stack_3d_uint8.raw")
    (cell / raw.name).write_bytes(raw.read_bytes())
    head = "ObjectType = Image\nNDims = 3\nDimSize = 100 100 100\nElementType = MET_UCHAR\n"
    (cell / "raw.mhd").write_text(f"{head}ElementDataFile = {raw.name}\n")
    with zipfile.ZipFile(shared("volumes/porousmediagan/berea.zip")) as archive:
        paths.append(Path(archive.extract("berea.tif", cell)))
    paths += [
        cell / "raw.mhd",
        shared("ome_zarr/neuroglancer/simple_0.4"),
        shared("ome_zarr/neuroglancer/simple_0.5"),
    ]
    contents = {}
    for n, path in enumerate(paths):
        words = ["--voxel-size", "1 um", "--voxel-from", "user", "--id", f"v{n}", "--json"]
        contents[path.name] = cli("catalog", "add", path, *STATE, *words).data["record"]["volume"]["content"]
    assert contents["raw.mhd"] == contents["SampleData_2Phase_3d.hdf5"], (
        "one volume in two formats has one id"
    )
    assert contents["simple_0.4"] == contents["simple_0.5"]
    assert cli("catalog", "verify", "--full", "--json").data["damage"] == []
    newer = shared("ome_zarr/neuroglancer/all_0.6/simple/anisotropic_rotation.zarr")
    error = cli("catalog", "add", newer, *STATE, "--voxel-size", "1 um", "--json").error
    assert "0.6.dev1; read are 0.4 and 0.5" in error["message"]
