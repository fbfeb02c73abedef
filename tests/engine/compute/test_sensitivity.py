"""Variants of a segmentation: no rows of their own, and the segmentation part of their nominal's uncertainty."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siltomo import open_catalog

Cli = Callable[..., Any]
WORDS = ("--phases", "1=crack,2=solid")


def plate(folder: Path, planes: int, phase: int = 1) -> str:
    """Write labels of a plate of so many planes of 20."""
    labels = np.full((20, 20, 20), 2, np.uint8)
    labels[:, 4 : 4 + planes] = phase
    np.save(folder / f"plate{planes}.npy", labels)
    return f"plate{planes}.npy"


@pytest.fixture
def scanned(cli: Cli, tmp_path: Path) -> Path:
    """A micro scan with a crack of 8 planes, and variants of 6 and 12; a nano scan with pores and no variant."""
    cli("init", ".")
    cli("formulation", "add", "zn")
    cli("cell", "add", "zn1", "--formulation", "zn")
    for scale, voxel in (("micro", "0.16 um"), ("nano", "25 nm")):
        state = [
            "--cell",
            "zn1",
            "--scale",
            scale,
            "--mode",
            "ex_situ",
            "--cycle",
            1,
            "--half",
            "delithiation",
        ]
        more = ["--voxel-size", voxel, "--domain", "electrode", "--id", scale]
        assert cli("catalog", "add", plate(tmp_path, 8), *state, *more).code == 0
    assert cli("segment", "import", "micro", plate(tmp_path, 8), *WORDS, "--id", "mid").code == 0
    for id_, planes in (("lower", 6), ("upper", 12)):
        words = [*WORDS, "--id", id_, "--variant-of", "mid"]
        assert cli("segment", "import", "micro", plate(tmp_path, planes), *words).code == 0
    pores = ["--phases", "1=pore,2=solid", "--id", "pores"]
    assert cli("segment", "import", "nano", plate(tmp_path, 6), *pores).code == 0
    return tmp_path


def compute(cli: Cli, *words: str) -> dict[str, dict[str, Any]]:
    return {
        row["metric"]: row for row in cli("compute", "metric", *words, "--json").data if row["status"] == "ok"
    }


@pytest.mark.usefixtures("scanned")
def test_the_spread_of_variants_is_the_segmentation_part(cli: Cli) -> None:
    answer = cli("compute", "metric", "crack_volume_fraction", "--sensitivity", "--json")
    found = [row for row in answer.data if row["status"] == "ok"]
    assert [row["segmentation"] for row in found] == ["mid"]
    expected = math.sqrt((0.1**2 + 0.2**2) / 2)
    assert found[0]["value"] == pytest.approx(0.4)
    assert found[0]["uncertainty_parts"]["segmentation"] == pytest.approx(expected)
    assert found[0]["companions"]["variants"] == "0.3 (lower), 0.6 (upper)"
    combined = math.sqrt(sum(part**2 for part in found[0]["uncertainty_parts"].values()))
    assert found[0]["uncertainty"] == pytest.approx(combined)


@pytest.mark.usefixtures("scanned")
def test_without_being_asked_variants_are_not_measured(cli: Cli) -> None:
    found = compute(cli, "crack_volume_fraction")["crack_volume_fraction"]
    assert "segmentation" not in found["uncertainty_parts"]
    assert "variants" not in found["companions"]
    plan = cli("compute", "metric", "crack_volume_fraction", "--dry-run", "--json").data
    assert plan["passes"] == 0


@pytest.mark.usefixtures("scanned")
def test_variants_are_planned_and_kept_like_all_results(cli: Cli) -> None:
    words = ["compute", "metric", "crack_volume_fraction", "--sensitivity"]
    before = cli(*words, "--dry-run", "--json").data
    assert sorted(one["segmentation"] for one in before["pass_list"]) == ["lower", "mid", "upper"]
    assert "variant upper of crack_volume_fraction: to compute" in before["explanation"]
    first = compute(cli, "crack_volume_fraction", "--sensitivity")["crack_volume_fraction"]
    assert cli(*words, "--dry-run", "--json").data["passes"] == 0
    again = compute(cli, "crack_volume_fraction", "--sensitivity")["crack_volume_fraction"]
    assert (first.pop("reused"), again.pop("reused")) == (False, True)
    assert first == again


@pytest.mark.usefixtures("scanned")
@pytest.mark.parametrize("computed_before", [False, True])
def test_derived_metrics_inherit_it(cli: Cli, computed_before: bool) -> None:
    if computed_before:
        compute(cli, "crack_volume_fraction", "--sensitivity")
    names = ("electrode_porosity", "electrode_porosity_nested")
    found = compute(cli, *names, "--sensitivity")
    spread = math.sqrt((0.1**2 + 0.2**2) / 2)
    assert found["electrode_porosity"]["uncertainty_parts"]["segmentation"] == pytest.approx(spread)
    nested = found["electrode_porosity_nested"]["uncertainty_parts"]["segmentation"]
    assert nested == pytest.approx(spread * (1 - 0.3))


@pytest.mark.usefixtures("scanned")
def test_segmentations_without_variants_are_named(cli: Cli) -> None:
    said = cli("compute", "metric", "electrode_porosity", "--sensitivity")
    assert "no variant of pores" in said.err
    assert "mid" not in said.err


def test_shared_inputs_cancel(cli: Cli, tmp_path: Path) -> None:
    cli("init", ".")
    cli("formulation", "add", "zn")
    cli("cell", "add", "zn1", "--formulation", "zn")
    for cycle, half in ((0, "pristine"), (1, "lithiation")):
        for id_, planes in (("mid", 20 + 10 * cycle), ("thick", 22 + 10 * cycle)):
            labels = np.full((60, 20, 20), 3, np.uint8)
            labels[:5] = 2
            labels[5 : 5 + planes] = 4
            np.save(tmp_path / f"{id_}.npy", labels)
        scan = f"c{cycle}"
        state = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--cycle", cycle, "--half", half]
        more = ["--voxel-size", "1 um", "--domain", "cell", "--id", scan]
        assert cli("catalog", "add", "mid.npy", *state, *more).code == 0
        words = ["--phases", "2=collector,3=separator,4=solid"]
        assert cli("segment", "import", scan, "mid.npy", *words, "--id", f"{scan}-mid").code == 0
        varied = [*words, "--id", f"{scan}-thick", "--variant-of", f"{scan}-mid"]
        assert cli("segment", "import", scan, "thick.npy", *varied).code == 0
    rows = cli("compute", "metric", "electrode_thickness_expansion", "--sensitivity", "--json").data
    found = {row["cycle"]: row for row in rows}
    assert (found[0]["value"], found[0]["uncertainty_parts"]["segmentation"]) == (0, 0)
    assert found[1]["value"] == pytest.approx(30 / 20 - 1)
    # both thicknesses may be 2 um off, each on its own
    off = math.hypot(2 / 20, 30 / 20**2 * 2)
    assert found[1]["uncertainty_parts"]["segmentation"] == pytest.approx(off, rel=1e-3)


@pytest.mark.usefixtures("scanned")
def test_a_variant_without_a_value_is_said(cli: Cli, scanned: Path) -> None:
    words = [*WORDS, "--id", "none", "--variant-of", "mid"]
    assert cli("segment", "import", "micro", plate(scanned, 0), *words).code == 0
    row = compute(cli, "crack_surface_to_volume_ratio", "--sensitivity")["crack_surface_to_volume_ratio"]
    assert any(
        flag.startswith("variant_without_value: none: phase 'crack' has no voxel") for flag in row["flags"]
    )
    assert row["uncertainty_parts"]["segmentation"] > 0


@pytest.mark.parametrize(("words", "said"), [
    (["micro", "--phases", "1=crack,2=solid", "--variant-of", "nobody"], "no segmentation 'nobody'"),
    (["micro", "--phases", "1=crack,2=solid", "--variant-of", "lower"], "lower is a variant itself, of mid"),
    (["nano", "--phases", "1=crack,2=solid", "--variant-of", "mid"], "mid lies on scan micro, not on nano"),
    (["micro", "--phases", "1=pore,2=solid", "--variant-of", "mid"], "mid names the phases crack, solid"),
    (["micro", "--phases", "1=crack,2=solid", "--domain", "cell", "--variant-of", "mid"], "domain of mid"),
])  # fmt: skip
def test_what_is_no_variant_is_refused(cli: Cli, scanned: Path, words: list[str], said: str) -> None:
    scan, *options = words
    answer = cli("segment", "import", scan, plate(scanned, 7), *options, "--id", "other", "--json")
    assert said in answer.error["message"]
    assert cli("segment", "list", "--json").data[0]["variant_of"] in (None, "mid")
    assert "other" not in [row["id"] for row in cli("segment", "list", "--json").data]


@pytest.mark.usefixtures("scanned")
def test_a_nominal_with_variants_is_not_removed(cli: Cli) -> None:
    answer = cli("catalog", "rm", "mid", "--json")
    assert answer.code != 0
    assert "lower" in answer.error["message"]


@pytest.mark.usefixtures("scanned")
@pytest.mark.parametrize("computed_before", [False, True])
def test_the_lazy_metric_has_it_too(cli: Cli, tmp_path: Path, computed_before: bool) -> None:
    if computed_before:
        compute(cli, "crack_volume_fraction", "--sensitivity")
    catalog = open_catalog(tmp_path)
    spread = math.sqrt((0.1**2 + 0.2**2) / 2)
    for name, slope in (("crack_volume_fraction", 1.0), ("electrode_porosity_nested", 0.7)):
        lazy = catalog.metric(name, sensitivity=True, where="scan == 'micro'")
        found = lazy[f"{name}_uncertainty_segmentation"].compute()
        assert found.values == pytest.approx([spread * slope])
        plain = catalog.metric(name, where="scan == 'micro'")
        assert np.isnan(plain[f"{name}_uncertainty_segmentation"].compute().values).all()
    table = catalog.compute("crack_volume_fraction", sensitivity=True, where="scan == 'micro'")
    assert [parts["segmentation"] for parts in table["uncertainty_parts"]] == pytest.approx([spread])
