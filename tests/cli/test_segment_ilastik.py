"""Exports of ilastik at the command line, written here as ilastik writes them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

Cli = Callable[..., Any]
SHAPE = (40, 24, 20)


def export(path: Path, data: np.ndarray, axes: str) -> Path:
    with h5py.File(path, "w") as file:
        made = file.create_dataset("exported_data", data=data)
        made.attrs["axistags"] = json.dumps({"axes": [{"key": key, "typeFlags": 2} for key in axes]})
    return path


@pytest.fixture
def chances() -> np.ndarray:
    """Probabilities of three classes, shape (class, z, y, x)."""
    made = np.random.default_rng(0).dirichlet((1, 2, 3), SHAPE).astype(np.float32)
    return np.moveaxis(made, -1, 0)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    with h5py.File(tmp_path / "p.ilp", "w") as file:
        file["PixelClassification/LabelNames"] = np.array([b"Pore", b"SEI rich", b"Silicon"])
        file["PixelClassification/LabelColors"] = np.array([[1, 2, 3], [255, 0, 9], [0, 255, 0]])
    return tmp_path / "p.ilp"


@pytest.mark.parametrize("axes", ["zyxc", "czyx", "tzyxc", "xyzc"])
def test_probabilities_give_labels_and_shares(
    axes: str, cli: Cli, study: Path, tmp_path: Path, chances: np.ndarray, project: Path
) -> None:
    import siltomo

    order = ["czyx".index(key) for key in axes if key != "t"]
    data = chances.transpose(order)
    file = export(tmp_path / "a_Probabilities.h5", data[None] if "t" in axes else data, axes)
    words = ("segment", "import-ilastik", "op1", file, "--project", project, "--id", "sei", "--json")
    done = cli(*words).data
    expected = chances.argmax(axis=0) + 1
    catalog = siltomo.open_catalog(study)
    assert np.array_equal(catalog.scan("op1")["sei"].values, expected)
    assert [p["name"] for p in done["record"]["phases"]] == ["pore", "sei_rich", "silicon"]
    by_label = [row["share_by_label"] for row in done["values"]]
    by_chance = [row["share_by_probability"] for row in done["values"]]
    assert by_label == pytest.approx([(expected == n).mean() for n in (1, 2, 3)])
    assert by_chance == pytest.approx(chances.mean(axis=(1, 2, 3)), rel=1e-5)
    assert cli(*words).data["outcome"] == "unchanged"
    text = next((study / "objects").rglob("sei.*/labels.ome.zarr/zarr.json")).read_text("utf-8")
    colours = {
        c["label-value"]: c["rgba"] for c in json.loads(text)["attributes"]["ome"]["image-label"]["colors"]
    }
    assert colours[2] == [255, 0, 9, 255]


def test_probabilities_in_bytes(cli: Cli, study: Path, tmp_path: Path, chances: np.ndarray) -> None:
    data = np.rint(np.moveaxis(chances, 0, -1) * 255).astype(np.uint8)
    file = export(tmp_path / "b.h5", data, "zyxc")
    words = (
        "segment",
        "import-ilastik",
        "op1",
        file,
        "--phases",
        "1=pore,2=sei,3=solid",
        "--id",
        "b",
        "--json",
    )
    values = cli(*words).data["values"]
    assert [row["share_by_probability"] for row in values] == pytest.approx(
        chances.mean(axis=(1, 2, 3)), abs=2e-3
    )


def test_a_simple_segmentation(cli: Cli, study: Path, tmp_path: Path, project: Path) -> None:
    labels = np.random.default_rng(0).integers(1, 4, (*SHAPE, 1)).astype(np.uint8)
    file = export(tmp_path / "c_Simple Segmentation.h5", labels, "zyxc")
    done = cli("segment", "import-ilastik", "op1", file, "--project", project, "--id", "c", "--json").data
    assert {row["phase"]: row["voxels"] for row in done["values"]} == {
        name: int((labels == n).sum()) for n, name in enumerate(("pore", "sei_rich", "silicon"), 1)
    }


def test_what_is_wrong_with_an_export(cli: Cli, study: Path, tmp_path: Path, chances: np.ndarray) -> None:
    last = np.moveaxis(chances, 0, -1)
    good = export(tmp_path / "good.h5", last, "zyxc")
    import_ = ("segment", "import-ilastik", "op1")
    assert "--project PROJECT.ilp" in cli(*import_, good, "--json").error["fix"]
    error = cli(*import_, good, "--phases", "1=pore,2=sei", "--json").error
    assert "without a name: 3" in error["message"]
    named = ("--phases", "1=pore,2=sei,3=solid", "--json")
    wrong = export(tmp_path / "wrong.h5", last * 3, "zyxc")
    assert "no probabilities" in cli(*import_, wrong, *named).error["message"]
    small = export(tmp_path / "small.h5", last[:-1], "zyxc")
    assert cli(*import_, small, *named).error["code"] == "SIL110"
    with h5py.File(tmp_path / "bare.h5", "w") as file:
        file["exported_data"] = last
    assert "axistags" in cli(*import_, "bare.h5", *named).error["message"]
    assert cli(*import_, "none.h5", *named).code == 4
    np.save(tmp_path / "no.npy", last)
    assert "HDF5" in cli(*import_, "no.npy", *named).error["message"]


def test_the_command_that_runs_ilastik(cli: Cli, study: Path, project: Path) -> None:
    data = cli("segment", "ilastik-command", "op1", "--project", project, "-o", "out dir", "--json").data
    assert data["command"].startswith(f"run_ilastik.sh --headless --project={project} ")
    assert data["command"].endswith(str(study / "grey.npy"))
    assert " --export_source=Probabilities " in data["command"]
    words = ("segment", "ilastik-command", "op1", "--project", project, "-o", "out", "--source", "features")
    assert " --export_source=Features " in cli(*words, "--json").data["command"]
    assert "'--output_filename_format=out dir/{nickname}_{result_type}.h5'" in data["command"]
