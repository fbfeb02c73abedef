"""The demo: a newcomer without data sees the whole chain, and an expert the true values beside it."""

from __future__ import annotations

import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from siltomo.engine.catalog import open_catalog
from siltomo.engine.demo.checks import GATES, Check, Gate
from siltomo.engine.demo.demo import run_demo
from siltomo.model import Segmentation
from siltomo.twin import Preset

Cli = Callable[..., Any]

# the voxels of preset S, in smaller fields of view
SMALL = Preset("small", 0.5, 40.0, None, 2.0, 100.0, 200.0, 0.05, 3.5, 2.0, 2)


@pytest.fixture(scope="module")
def done(tmp_path_factory):
    return run_demo(tmp_path_factory.mktemp("demo") / "study", preset=SMALL)


@pytest.mark.slow
def test_every_value_is_within_its_gate(done):
    on_true_labels = [check for check in done.checks if check.labels == "twin"]
    assert not [check for check in on_true_labels if not check.within]
    assert {check.metric for check in on_true_labels} == set(GATES)
    assert done.counts == {"formulation": 2, "cell": 10, "scan": 48, "segmentation": 48, "cycling_run": 8}


@pytest.mark.slow
def test_the_truth_is_not_what_was_measured(done):
    """A check that compares a number with itself would prove nothing."""
    apart = [c for c in done.checks if c.metric == "crack_volume_fraction" and c.true > 0]
    assert len(apart) > 8
    assert all(c.measured != c.true for c in apart)


def test_a_gate_can_fail():
    gate = Gate(0.05, relative=True)
    assert gate.width(2.0, 1.0) == pytest.approx(0.1)
    assert gate.words == "±5 %"
    assert Gate(0, voxels=0.25).width(50.0, 0.5) == 0.125
    assert Gate(0, voxels=0.25).words == "±0.25 voxel"
    assert Gate(0.01).words == "±0.01"
    assert Gate(0.02, relative=True, least=0.5).width(1.0, 1.0) == 0.5


@pytest.mark.slow
def test_the_tables_hold_all_that_was_measured(done):
    metrics, cycling, _, truth = done.tables
    with truth.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == len(done.checks)
    assert {row["within"] for row in rows if row["labels"] == "twin"} == {"True"}
    assert {row["verdict"] for row in rows if row["labels"] != "twin"} <= {"good", "doubtful", "bad"}
    with cycling.open(encoding="utf-8") as file:
        assert sum(row["cell"] == "zn-c25" for row in csv.DictReader(file)) == 25
    with metrics.open(encoding="utf-8") as file:
        named = {row["metric"] for row in csv.DictReader(file)}
    assert {"crack_width_median", "crack_interconnectivity", "electrode_porosity", "gas_charge"} <= named


@pytest.mark.slow
def test_recipes_see_greys_and_no_true_labels(done):
    """In the catalog of greys, no segmentation but the mask comes from elsewhere than a recipe."""
    catalog = open_catalog(done.folder / "from-greys")
    made = [catalog.record(Segmentation, name) for name in catalog.store.ids("segmentation")]
    elsewhere = [one for one in made if one.making is None]
    assert {name for one in elsewhere for name in one.phase_names} == {"electrode"}
    assert {one.segmentation for one in done.segmented if one.segmentation} == {
        one.id for one in made if one.making
    }
    assert len(done.segmented) == 6


@pytest.mark.parametrize(
    ("metric", "labels", "verdict", "wrong"),
    [
        ("crack_volume_fraction", "twin", "", True),
        ("crack_volume_fraction", "operando-cracks", "good", True),
        ("crack_volume_fraction", "operando-cracks", "doubtful", False),
        ("crack_surface_to_volume_ratio", "operando-cracks", "good", False),
    ],
)
def test_a_difference_counts_where_siltomo_vouched_for_the_value(metric, labels, verdict, wrong):
    check = Check(metric, "a", 0.3, 0.2, "1", "±0.01", False, labels, verdict)
    assert check.is_wrong is wrong


@pytest.mark.slow
def test_the_same_folder_again_changes_nothing(done):
    again = run_demo(done.folder, preset=SMALL)
    assert again.counts == done.counts
    assert again.checks == done.checks
    assert again.segmented == done.segmented


def test_a_folder_with_other_files_is_left_alone(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    error = cli("demo", ".", "--json").error
    assert "holds other files" in error["message"]
    assert error["fix"] == "siltomo demo siltomo-demo"
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_broken_makes_real_mistakes_and_mends_them(cli: Cli) -> None:
    rows = cli("demo", "--broken", "--json").data
    assert len(rows) >= 8
    for row in rows:
        assert row["mended"], row
        assert row["code"].startswith("SIL")
        assert row["message"]
    codes = {row["code"] for row in rows}
    assert len(codes) >= 6
    unit = next(row for row in rows if "without its unit" in row["mistake"])
    assert unit["mended_by"].endswith("--voxel-size '0.5 um'")


@pytest.mark.slow
def test_the_command_on_preset_s(cli: Cli, tmp_path: Path) -> None:
    answer = cli("demo", "made", "--json")
    assert answer.data["records"]["scan"] == 48
    checks = answer.data["checks"]
    assert all(check["within"] for check in checks if check["labels"] == "twin")
    shares = [
        c for c in checks if c["labels"] == "operando-cracks" and c["metric"] == "crack_volume_fraction"
    ]
    assert {c["of"]: c["verdict"] for c in shares}["ref-operando-c1-d2238-micro"] == "doubtful"
    # nothing to see at full lithiation: the table shows it, and the recipe says so
    blind = next(c for c in shares if "-l" in c["of"])
    assert (blind["within"], blind["verdict"]) == (False, "bad")
    assert all(c["within"] for c in shares if c is not blind)
    assert answer.data["figures"] == ["made/figures/fig2.png", "made/figures/fig6.png"]
    assert all((tmp_path / file).stat().st_size > 10_000 for file in answer.data["figures"])
    text = cli("--catalog", "made", "compute", "metric", "electrode_porosity", "--where", "cell == 'zn-c1'")
    assert text.code == 0
