"""``segment check`` at the command line."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage
from scipy.special import ndtr

Cli = Callable[..., Any]


@pytest.fixture
def checked(cli: Cli, study: Path, tmp_path: Path) -> np.ndarray:
    """A scan with slanted greys, so that a moved cut moves a known amount, and labels by a recipe."""
    rng = np.random.default_rng(0)
    mask = ndimage.gaussian_filter(rng.normal(size=(48, 48, 48)), 5) < -0.01
    np.save(
        tmp_path / "big.npy",
        np.rint(np.where(mask, 80, 150) + rng.normal(0, 14, mask.shape)).astype(np.uint8),
    )
    where = [
        "--cell",
        "zn1",
        "--scale",
        "micro",
        "--mode",
        "operando",
        "--cycle",
        "2",
        "--half",
        "delithiation",
    ]
    assert cli("catalog", "add", "big.npy", *where, "--voxel-size", "0.5 um", "--id", "big").code == 0
    (tmp_path / "cut.yaml").write_text(
        "recipe: cut\nsteps:\n  - threshold\n  - label: {1: crack, 2: solid}\n", "utf-8"
    )
    assert cli("segment", "run", "big", "--recipe", "cut.yaml").code == 0
    np.save(tmp_path / "truth.npy", np.where(mask, 1, 2).astype(np.uint8))
    assert (
        cli("segment", "import", "big", "truth.npy", "--phases", "1=crack,2=solid", "--id", "truth").code == 0
    )
    return mask


def test_two_segmentations(cli: Cli, checked: np.ndarray) -> None:
    data = cli("segment", "check", "big-cut", "truth", "--json").data
    crack, solid = data["phases"]
    wrong = ndtr(-2.5)  # noise 14, half the contrast 35
    share = checked.mean()
    assert data["agreement"] == pytest.approx(1 - wrong, abs=2e-3)
    assert crack["dice"] == pytest.approx(
        2 * share * (1 - wrong) / (share + share * (1 - wrong) + (1 - share) * wrong), abs=5e-3
    )
    assert crack["volume_second_um3"] == checked.sum() * 0.125
    assert crack["boundary_p95_um"] <= 2
    assert solid["volume_ratio"] == pytest.approx(1, abs=0.05)
    assert data["confusion"]["phases"] == ["crack", "solid"]
    assert np.sum(data["confusion"]["voxels"]) == checked.size


def test_what_the_metrics_owe_to_the_cut(cli: Cli, checked: np.ndarray) -> None:
    rows = cli("segment", "check", "big-cut", "--shift", "0.1", "--json").data["sensitivity"]
    by_name = {row["metric"]: row for row in rows}
    row = by_name["crack_volume_fraction"]
    share = checked.mean()
    for column, cut in (("darker_cuts", 108), ("value", 115), ("brighter_cuts", 122)):
        labelled = share * ndtr((cut - 80) / 14) + (1 - share) * ndtr((cut - 150) / 14)
        assert row[column] == pytest.approx(labelled, abs=0.01)
    assert row["half_range"] == pytest.approx((row["brighter_cuts"] - row["darker_cuts"]) / 2)
    assert row["darker_cuts"] < row["value"] < row["brighter_cuts"]
    (kept,) = cli(
        "compute", "metric", "crack_volume_fraction", "--where", "segmentation == 'big-cut'", "--json"
    ).data
    assert kept["value"] == row["value"]
    assert by_name["crack_surface_to_volume_ratio"]["unit"] == "1/um"
    assert by_name["crack_interconnectivity"]["half_range"] is not None


def test_what_cannot_be_compared_says_why(cli: Cli, checked: np.ndarray) -> None:
    assert cli("segment", "check", "big-cut", "op1-seg", "--json").error["code"] == "SIL110"
    assert cli("segment", "check", "truth", "--json").error["code"] == "SIL144"
    assert cli("segment", "check", "truth", "big-cut", "--json").data["sensitivity"] == []
    assert cli("segment", "check", "nothing", "truth", "--json").error["code"] == "SIL120"


def test_moved_cuts_are_kept_as_variants_that_the_metrics_use(cli: Cli, checked: np.ndarray) -> None:
    words = ("segment", "check", "big-cut", "--shift", "0.1", "--json")
    before = cli(*words).data["sensitivity"]
    assert [row["id"] for row in cli("segment", "list", "--scan", "big", "--json").data] == [
        "big-cut",
        "truth",
    ]
    assert cli(*words, "--store").data["sensitivity"] == before
    rows = {row["id"]: row for row in cli("segment", "list", "--scan", "big", "--json").data}
    assert {name for name, row in rows.items() if row["variant_of"] == "big-cut"} == {
        "big-cut-darker",
        "big-cut-brighter",
    }
    asked = ("compute", "metric", "crack_volume_fraction", "--where", "segmentation == 'big-cut'")
    (row,) = cli(*asked, "--sensitivity", "--json").data
    moved = {one["metric"]: one for one in before}["crack_volume_fraction"]
    away = [moved[side] - moved["value"] for side in ("darker_cuts", "brighter_cuts")]
    assert row["value"] == moved["value"]
    assert row["uncertainty_parts"]["segmentation"] == pytest.approx(np.sqrt(np.mean(np.square(away))))
    assert row["uncertainty_parts"]["segmentation"] > 0.005
    # again does nothing; another shift under the same names is refused
    assert cli(*words, "--store").data["sensitivity"] == before
    again = cli("segment", "check", "big-cut", "--shift", "0.2", "--store", "--json")
    assert again.error["code"] == "SIL111"
    variant = cli("segment", "check", "big-cut-darker", "--store", "--json")
    assert variant.code != 0


def test_a_segmentation_is_made_a_variant_and_its_own_again(cli: Cli, checked: np.ndarray) -> None:
    assert cli("segment", "set", "truth", "--variant-of", "big-cut").code == 0
    rows = {row["id"]: row["variant_of"] for row in cli("segment", "list", "--json").data}
    assert (rows["truth"], rows["big-cut"]) == ("big-cut", None)
    refused = cli("segment", "set", "big-cut", "--variant-of", "truth", "--json")
    assert "truth is a variant itself" in refused.error["message"]
    assert cli("segment", "set", "truth", "--variant-of", "op1-seg", "--json").error["code"] == "SIL115"
    assert cli("segment", "set", "truth", "--variant-of", "").code == 0
    rows = {row["id"]: row["variant_of"] for row in cli("segment", "list", "--json").data}
    assert rows["truth"] is None


def test_cuts_of_matched_greys_move_in_the_greys_of_the_first_scan(
    cli: Cli, checked: np.ndarray, tmp_path: Path
) -> None:
    other = np.load(tmp_path / "big.npy").astype(np.uint16) * 3 + 200
    np.save(tmp_path / "other.npy", other)
    where = [
        "--cell",
        "zn1",
        "--scale",
        "micro",
        "--mode",
        "operando",
        "--cycle",
        "3",
        "--half",
        "delithiation",
    ]
    assert cli("catalog", "add", "other.npy", *where, "--voxel-size", "0.5 um", "--id", "other").code == 0
    (tmp_path / "m.yaml").write_text(
        "recipe: m\nsteps:\n  - match\n  - threshold: {scope: series}\n  - label: {1: crack, 2: solid}\n",
        "utf-8",
    )
    assert cli("segment", "run", "big", "other", "--recipe", "m.yaml").code == 0
    found = [
        {row["metric"]: row for row in cli("segment", "check", name, "--json").data["sensitivity"]}
        for name in ("big-m", "other-m")
    ]
    for column in ("darker_cuts", "value", "brighter_cuts"):
        one, two = (rows["crack_volume_fraction"][column] for rows in found)
        assert two == pytest.approx(one, abs=2e-3)
