"""Resolution and drift of scans, through the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.special import ndtr

import siltomo
from siltomo.engine.segment.registering import common_domain
from siltomo.errors import BadInputError

Cli = Callable[..., Any]
WHERE = [
    "--cell",
    "zn1",
    "--scale",
    "micro",
    "--mode",
    "operando",
    "--half",
    "lithiation",
    "--voxel-size",
    "0.5 um",
]


def add(cli: Cli, name: str, greys: np.ndarray, *, cycle: int = 3) -> None:
    np.save(f"{name}.npy", greys)
    answer = cli("catalog", "add", f"{name}.npy", *WHERE, "--cycle", cycle, "--id", name)
    assert answer.code == 0, answer.err


@pytest.fixture
def halves(cli: Cli, study: Path) -> None:
    random = np.random.default_rng(0)
    signal = gaussian_filter(random.normal(size=(64, 64, 64)), 2.0)
    signal *= 1000 / signal.std()
    for name in ("even", "odd"):
        add(cli, name, (20000 + signal + random.normal(0, 600, signal.shape)).astype(np.uint16))


@pytest.mark.usefixtures("halves")
def test_two_halves_give_the_resolution_and_apply_it(cli: Cli) -> None:
    np.save("l.npy", np.ones((64, 64, 64), np.uint8))
    assert cli("segment", "import", "even", "l.npy", "--phases", "1=crack", "--id", "even-seg").code == 0
    found = cli("segment", "resolution", "even", "--half", "odd", "--json").data
    assert (found["method"], found["unit"], found["criterion"]) == ("two halves", "um", "half_bit")
    # the signal's power is 1000^2 (4 pi s^2)^(3/2) exp(-(2 pi s f)^2), with s of two voxels of 0.5 um; that of the
    # noise is 600^2; a correlation of 0.1716 is a ratio of 0.207
    ratio = 1000**2 * (4 * np.pi * 4) ** 1.5 / (600**2 * 0.207)
    assert found["resolution"] == pytest.approx(0.5 * 4 * np.pi / np.sqrt(np.log(ratio)), rel=0.08)
    assert found["applied_to"] == []
    applied = cli("segment", "resolution", "even", "--half", "odd", "--apply", "--json").data
    assert applied["applied_to"] == ["even-seg"]
    shown = cli("catalog", "show", "even-seg", "--json").data["record"]
    assert float(shown["min_feature"].split()[0]) == pytest.approx(found["resolution"], rel=1e-3)
    assert "resolution" in cli("catalog", "show", "even", "--json").data["record"]


@pytest.mark.usefixtures("halves")
def test_one_volume_is_called_single(cli: Cli) -> None:
    answer = cli("segment", "resolution", "even", "--json")
    assert answer.data["method"] == "single-volume"
    assert answer.data["resolution"] > 2.0
    assert any("single-volume" in warning for warning in answer.envelope["warnings"])
    wrong = cli("segment", "resolution", "even", "--half", "op1", "--json")
    assert (wrong.code, "no halves of one" in wrong.error["message"]) == (3, True)


def test_an_edge_gives_the_blur_of_the_surface(cli: Cli, study: Path) -> None:
    z = np.arange(60.0)[:, None, None] + np.zeros((1, 24, 24)) + 0.05 * np.arange(24)[None, None, :]
    greys = 200 - 120 * ndtr((z - 15.2) / 1.5) - 40 * ndtr((z - 44.1) / 1.5)
    add(cli, "foil", (greys * 100).astype(np.uint16))
    labels = np.where(z < 15.2, 4, np.where(z < 44.1, 2, 5)).astype(np.uint8)
    np.save("foil-l.npy", labels)
    phases = "2=solid,4=collector,5=separator"
    assert cli("segment", "import", "foil", "foil-l.npy", "--phases", phases, "--id", "foil-seg").code == 0
    asked = ["segment", "resolution", "foil", "--edge", "collector", "--segmentation"]
    found = cli(*asked, "foil-seg", "--json").data
    assert found["ten_ninety"] == pytest.approx(2.563 * 1.5 * 0.5, rel=0.02)
    assert found["resolution"] == pytest.approx(2.928 * 1.5 * 0.5, rel=0.02)
    assert found["status"] == "ok"
    assert cli(*asked, "op1-seg", "--json").code == 2, "labels of another scan"
    assert cli("segment", "resolution", "foil", "--edge", "collector", "--json").code == 2


def test_the_geometry_is_told_from_labels_and_from_greys(cli: Cli, study: Path) -> None:
    z = np.arange(60.0)[:, None, None] + np.zeros((1, 24, 24)) + 0.05 * np.arange(24)[None, None, :]
    add(
        cli,
        "foil",
        ((200 - 120 * ndtr((z - 15.2) / 1.0) - 40 * ndtr((z - 44.1) / 1.0)) * 100).astype(np.uint16),
    )
    np.save("foil-l.npy", np.where(z < 15.2, 4, np.where(z < 44.1, 2, 5)).astype(np.uint8))
    phases = "2=solid,4=collector,5=separator"
    assert cli("segment", "import", "foil", "foil-l.npy", "--phases", phases, "--id", "foil-seg").code == 0
    by_labels = cli("segment", "geometry", "foil", "--segmentation", "foil-seg", "--json").data
    layers = ["--collector", "14000..", "--separator", "..6000"]
    by_greys = cli("segment", "geometry", "foil", *layers, "--apply", "--json").data
    # the collector rises by one voxel over this window: labels see a single step of it, greys the slope
    for found, sure in ((by_labels, 1.0), (by_greys, 0.1)):
        assert found["depth_axis"] == "+z"
        assert found["thickness"] == pytest.approx(28.9 * 0.5 / np.hypot(1, 0.05), abs=0.05)
        assert found["collector"]["tilt"] == pytest.approx(np.degrees(np.arctan(0.05)), abs=sure)
    assert cli("catalog", "show", "foil", "--json").data["record"]["depth_axis"] == "+z"
    assert cli("segment", "geometry", "foil", "--json").code == 3
    assert cli("segment", "geometry", "foil", "--collector", "bright", "--json").code == 3
    assert cli("segment", "geometry", "foil", "--segmentation", "op1-seg", "--json").code == 2
    hidden = cli("segment", "geometry", "foil", "--collector", "30000..", "--json")
    assert "neither the collector nor the electrode has a voxel" in hidden.error["message"]


def blobs(shift: tuple[float, float, float], seed: int = 0) -> np.ndarray:
    random = np.random.default_rng(seed)
    places = random.uniform(-6, 46, (300, 3)) + shift
    grid = np.arange(40.0)
    made = np.zeros((40, 40, 40))
    for place in places:
        z, y, x = (np.exp(-((grid - p) ** 2) / 6) for p in place)
        made += z[:, None, None] * y[:, None] * x
    return (made * 5000).astype(np.uint16)


def test_the_drift_of_a_series_is_recorded_and_gives_a_common_domain(cli: Cli, study: Path) -> None:
    shifts = {"a": (0.0, 0.0, 0.0), "b": (1.3, -2.6, 0.4), "c": (-0.8, 3.2, 1.5)}
    for cycle, (name, shift) in enumerate(shifts.items(), 1):
        add(cli, name, blobs(shift), cycle=cycle)
    dry = cli("segment", "register", "a", "b", "c", "--dry-run", "--json").data
    assert "registration" not in cli("catalog", "show", "b", "--json").data["record"]
    rows = cli("segment", "register", "a", "b", "c", "--json").data
    assert rows == dry
    for row in rows:
        found = [row["shift_z"], row["shift_y"], row["shift_x"]]
        assert found == pytest.approx(np.array(shifts[row["scan"]]) * 0.5, abs=0.05)
    kept = cli("catalog", "show", "b", "--json").data["record"]["registration"]
    assert kept["reference"] == "a"
    assert float(kept["y"].split()[0]) == pytest.approx(-1.3, abs=0.05)
    windows = common_domain(siltomo.open_catalog(study), ["a", "b", "c"])
    assert {name: [[w.start, w.stop] for w in window] for name, window in windows.items()} == {
        row["scan"]: row["common_window"] for row in rows
    }
    assert windows["b"][1].stop - windows["b"][1].start == 40 - 6
    # registering the same file again still changes nothing
    assert cli("catalog", "add", "b.npy", *WHERE, "--cycle", 2, "--id", "b", "--json").data["added"] is False


def test_scans_that_are_not_alike_are_refused(cli: Cli, study: Path) -> None:
    add(cli, "a", blobs((0, 0, 0)))
    add(cli, "z", blobs((0, 0, 0), seed=5), cycle=4)
    answer = cli("segment", "register", "a", "z", "--json")
    assert answer.code == 7
    rows = answer.envelope["data"]
    assert [row["status"] for row in rows] == ["ok", "refused"]
    assert "not alike" in rows[1]["reason"]
    assert "registration" not in cli("catalog", "show", "z", "--json").data["record"]
    with pytest.raises(BadInputError, match="not registered"):
        common_domain(siltomo.open_catalog(study), ["a", "z"])
    assert cli("segment", "register", "a", "--json").code == 3
