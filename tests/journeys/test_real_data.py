"""Whole journeys on volumes that others made: register, import labels, compute, compare with what is known."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile

import siltomo

Real = Callable[[str], Path]


@pytest.fixture
def cell(cli: Callable[..., Any]) -> None:
    """A catalog here, with a cell."""
    for words in (["init", "."], ["formulation", "add", "f"], ["cell", "add", "c", "--formulation", "f"]):
        assert cli(*words).code == 0


STATE = ["--cell", "c", "--scale", "micro", "--mode", "ex_situ", "--cycle", "0", "--half", "pristine"]


@pytest.mark.usefixtures("cell")
def test_nmc_cathode(cli: Callable[..., Any], real: Real) -> None:
    file = real("volumes/matbox/nmc-1-cal_generatedCBD_bridge.tif")
    added = cli("catalog", "add", file, *STATE, "--voxel-size", "0.4 um", "--id", "nmc", "--json").data
    assert added["record"]["volume"]["shape"] == [251, 301, 301]
    imported = cli("segment", "import", "nmc", file, "--phases", "0=pore,1=nmc,2=cbd", "--json").data
    assert {v["value"]: v["voxels"] for v in imported["values"]} == {0: 9108821, 1: 11357945, 2: 2274085}
    names = [
        f"{phase}_{what}"
        for phase in ("pore", "nmc", "cbd")
        for what in ("volume_fraction", "interconnectivity")
    ]
    rows = cli("compute", "metric", *names, "--set", "connectivity=6", "--json").data
    found = {row["metric"]: row["value"] for row in rows}
    voxels = tifffile.imread(file)
    for phase, number, largest in (("pore", 0, 0.9950), ("nmc", 1, 0.9981), ("cbd", 2, 0.6596)):
        assert found[f"{phase}_volume_fraction"] == pytest.approx(np.mean(voxels == number), abs=1e-12)
        assert found[f"{phase}_interconnectivity"] == pytest.approx(largest, abs=5e-5)
    assert [round(found[f"{p}_volume_fraction"], 6) for p in ("pore", "nmc", "cbd")] == [
        0.400549,
        0.499451,
        0.1,
    ]
    again = cli("compute", "metric", *names, "--set", "connectivity=6", "--json").data
    assert all(row["reused"] for row in again)


@pytest.mark.usefixtures("cell")
def test_nmc_components_agree_with_an_independent_labelling(cli: Callable[..., Any], real: Real) -> None:
    from scipy import ndimage

    file = real("volumes/matbox/nmc-1-cal_generatedCBD_bridge.tif")
    cli("catalog", "add", file, *STATE, "--voxel-size", "0.4 um", "--id", "nmc")
    cli("segment", "import", "nmc", file, "--phases", "0=pore,1=nmc,2=cbd")
    (row,) = cli("compute", "metric", "cbd_interconnectivity", "--set", "connectivity=6", "--json").data
    labelled, count = ndimage.label(tifffile.imread(file) == 2)
    sizes = np.bincount(labelled.ravel())[1:]
    assert count == 64441
    assert row["value"] == pytest.approx(sizes.max() / sizes.sum(), abs=1e-12)


@pytest.mark.usefixtures("cell")
def test_berea(cli: Callable[..., Any], real: Real, tmp_path: Path) -> None:
    with zipfile.ZipFile(real("volumes/porousmediagan/berea.zip")) as archive:
        (name,) = [n for n in archive.namelist() if n.endswith(".tif") and not n.startswith("__")]
        archive.extract(name, tmp_path)
    file = tmp_path / name
    cli("catalog", "add", file, *STATE, "--voxel-size", "1 um", "--voxel-from", "user", "--id", "berea")
    answer = cli(
        "segment", "import", "berea", file, "--phases", "0=pore,255=grain", "--voxel-from", "scan", "--json"
    )
    assert answer.data["record"]["volume"]["shape"] == [400, 400, 400]
    rows = cli(
        "compute",
        "metric",
        "pore_volume_fraction",
        "grain_volume_fraction",
        "pore_interconnectivity",
        "--json",
    )
    found = {row["metric"]: row["value"] for row in rows.data}
    assert found["pore_volume_fraction"] == pytest.approx(0.196453, abs=1e-6)
    assert found["grain_volume_fraction"] == pytest.approx(0.803547, abs=1e-6)
    assert 0.9 < found["pore_interconnectivity"] < 1


@pytest.mark.usefixtures("cell")
def test_encodings_of_one_volume_have_one_content(
    cli: Callable[..., Any], real: Real, tmp_path: Path
) -> None:
    """The raw file and the HDF5 file hold one volume; the 1-bit TIFF another (0.60169 of zeros, not 0.600447)."""
    raw = np.fromfile(real("volumes/openimpala/SampleData_2Phase_stack_3d_uint8.raw"), np.uint8)
    np.save(tmp_path / "raw.npy", raw.reshape(100, 100, 100))
    one_bit = real("volumes/openimpala/SampleData_2Phase_stack_3d_1bit.tif")
    voxels = tifffile.imread(one_bit).astype(np.uint8)
    np.save(tmp_path / "bits.npy", voxels)
    with h5py.File(tmp_path / "bits.h5", "w") as made:
        made["data"] = voxels
    groups = (
        [real("volumes/openimpala/SampleData_2Phase_3d.hdf5"), tmp_path / "raw.npy"],
        [one_bit, tmp_path / "bits.npy", tmp_path / "bits.h5"],
    )
    contents: list[set[str]] = [set(), set()]
    for number, group in enumerate(groups):
        for file in group:
            words = [
                "--voxel-size",
                "1 um",
                "--voxel-from",
                "user",
                "--id",
                file.name.lower().replace(".", "-"),
            ]
            added = cli("catalog", "add", file, *STATE, *words, "--json").data
            contents[number].add(added["record"]["volume"]["content"])
    assert [len(found) for found in contents] == [1, 1]
    assert contents[0] != contents[1]
    assert np.mean(raw == 0) == pytest.approx(0.600447)
    assert np.mean(voxels == 0) == pytest.approx(0.601691)


@pytest.mark.usefixtures("cell")
def test_greyscale_cell_with_anisotropic_voxels(cli: Callable[..., Any], real: Real, tmp_path: Path) -> None:
    file = real("volumes/ucl_battery_xct/cell_vol.tif")
    size = "67.94,33.97,33.97 um"
    added = cli(
        *[
            "catalog",
            "add",
            file,
            *STATE,
            "--voxel-size",
            size,
            "--voxel-from",
            "user",
            "--id",
            "can",
            "--json",
        ]
    ).data
    assert added["record"]["voxel_size"] == {"z": "67.94 um", "y": "33.97 um", "x": "33.97 um"}
    opened = siltomo.open_catalog(tmp_path).scan("can")
    assert opened.grey.shape == (100, 728, 728)
    assert type(opened.grey.data).__module__.startswith("dask")
    assert opened.z.attrs["units"] == "um"
    assert float(opened.z[1] - opened.z[0]) == pytest.approx(67.94)
    assert float(opened.x[1] - opened.x[0]) == pytest.approx(33.97)
    # the can's outer diameter, by thresholding slice 75 above 100
    bright = (opened.grey[75] > 100).compute()
    columns = np.flatnonzero(bright.any("y").values)
    diameter = (columns[-1] - columns[0] + 1) * 33.97 / 1000
    assert diameter == pytest.approx(21.2, abs=0.1)


@pytest.mark.usefixtures("cell")
@pytest.mark.parametrize(
    ("name", "fractions"),
    [
        ("superres/NMC_lr_input.tif", {0: 0.57967, 1: 0.42033}),
        ("superres/Separator_lr_input.tif", {0: 0.62081, 1: 0.37919}),
        ("taufactor/electrode.tiff", {0: 0.449917, 85: 0.400466, 170: 0.149616}),
    ],
)
def test_other_label_volumes(
    cli: Callable[..., Any], real: Real, name: str, fractions: dict[int, float]
) -> None:
    file = real(f"volumes/{name}")
    words = ["--voxel-size", "0.39 um", "--voxel-from", "user", "--id", "v"]
    assert cli("catalog", "add", file, *STATE, *words).code == 0
    phases = ",".join(f"{value}=p{value}" for value in fractions)
    assert cli("segment", "import", "v", file, "--phases", phases, "--voxel-from", "scan").code == 0
    rows = cli("compute", "metric", *[f"p{value}_volume_fraction" for value in fractions], "--json").data
    for row, expected in zip(rows, fractions.values(), strict=True):
        assert row["value"] == pytest.approx(expected, abs=1e-5)


@pytest.mark.usefixtures("cell")
def test_a_declared_study_of_real_files(cli: Callable[..., Any], real: Real, tmp_path: Path) -> None:
    file = real("volumes/openimpala/SampleData_2Phase_stack_3d_1bit.tif")
    with h5py.File(tmp_path / "labels.h5", "w") as made:
        made["exported_data"] = tifffile.imread(file).astype(np.uint8) + 1
    (tmp_path / "study.yaml").write_text(
        f"""
study: {{id: sample, title: A two-phase sample}}
formulations:
  f2: {{study: sample, si_fraction: 0.7 g_Si/g}}
cells:
  c2: {{formulation: f2, si_mass: 0.13 mg_Si}}
scans:
  s2:
    file: {json.dumps(str(file))}
    cell: c2
    scale: micro
    mode: ex_situ
    cycle: 1
    half: delithiation
    capacity: 1.2 Ah/g_Si
    voxel_size: 0.65 um
    voxel_from: user
segmentations:
  s2-labels: {{scan: s2, file: labels.h5, phases: {{1: pore, 2: solid}}, domain: electrode}}
""",
        "utf-8",
    )
    assert cli("schema", "validate", "study.yaml", "--json").data["counts"]["scans"] == 1
    rows = cli("catalog", "add", "study.yaml", "--json").data
    assert [(row["kind"], row["outcome"]) for row in rows] == [
        (kind, "added") for kind in ("study", "formulation", "cell", "scan", "segmentation")
    ]
    assert {row["outcome"] for row in cli("catalog", "add", "study.yaml", "--json").data} == {"unchanged"}
    (row,) = cli(
        "compute", "metric", "pore_volume_fraction", "--where", "capacity == '1200 mAh/g_Si'", "--json"
    ).data
    assert row["value"] == pytest.approx(0.601691, abs=1e-6)
    assert (row["formulation"], row["cell"], row["capacity"]) == ("f2", "c2", 1200)
