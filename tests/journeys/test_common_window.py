"""Operando fractions of the same material: a specimen that drifts through the field of view."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import siltomo

Cli = Callable[..., Any]
WHERE = ("--cell", "zn1", "--scale", "micro", "--mode", "operando", "--half", "lithiation")
SHIFTS = {"a": (0, 0, 0), "b": (2, -5, 1), "c": (-3, 4, 6)}
SIZE = 40


def specimen() -> tuple[np.ndarray, np.ndarray]:
    """Greys of blobs, and the phase: far richer at one end, so that a drift changes the fraction."""
    random = np.random.default_rng(0)
    n = SIZE + 24
    grid = np.arange(n, dtype=float)
    grey = np.zeros((n, n, n))
    for place in random.uniform(0, n, (600, 3)):
        z, y, x = (np.exp(-((grid - p) ** 2) / 6) for p in place)
        grey += z[:, None, None] * y[:, None] * x
    phase = random.random((n, n, n)) < (grid / n)[:, None] ** 3 * 0.9
    return grey, phase


def seen(whole: np.ndarray, shift: tuple[int, int, int]) -> np.ndarray:
    """Return what a scan shows: what lies at p in the reference lies at p + shift."""
    return whole[tuple(slice(12 - s, 12 - s + SIZE) for s in shift)]


@pytest.fixture
def series(cli: Cli, study: Path) -> np.ndarray:
    """Three scans of the specimen, each drifted, with labels made elsewhere; returns the phase that all show."""
    grey, phase = specimen()
    for cycle, (name, shift) in enumerate(SHIFTS.items(), 1):
        np.save(f"{name}.npy", (seen(grey, shift) * 5000).astype(np.uint16))
        np.save(f"{name}-labels.npy", np.where(seen(phase, shift), 1, 2).astype(np.uint8))
        more = ("--cycle", cycle, "--voxel-size", "0.5 um", "--id", name)
        assert cli("catalog", "add", f"{name}.npy", *WHERE, *more).code == 0
        done = cli(
            "segment",
            "import",
            name,
            f"{name}-labels.npy",
            "--phases",
            "1=crack,2=solid",
            "--id",
            f"{name}-seg",
        )
        assert done.code == 0
    low = np.max([np.negative(s) for s in SHIFTS.values()], axis=0)
    high = np.min([SIZE - np.array(s) for s in SHIFTS.values()], axis=0)
    return seen(phase, (0, 0, 0))[tuple(slice(a, b) for a, b in zip(low, high, strict=True))]


def rows(cli: Cli, *names: str, **more: str) -> dict[str, dict[str, Any]]:
    words = [part for key, value in more.items() for part in (f"--{key}", value)]
    found = cli("compute", "metric", *names, "--where", "scan in ('a', 'b', 'c')", *words, "--json").data
    return {row["scan"]: row for row in found}


def test_fractions_within_the_common_window_are_of_the_same_voxels(cli: Cli, series: np.ndarray) -> None:
    assert cli("segment", "register", "a", "b", "c").code == 0
    whole = rows(cli, "crack_volume_fraction")
    within = rows(cli, "crack_volume_fraction", within="common")
    assert series.shape == (35, 31, 34)
    for name, shift in SHIFTS.items():
        assert within[name]["value"] == series.mean()  # to the voxel
        assert whole[name]["value"] == seen(specimen()[1], shift).mean()
        assert abs(whole[name]["value"] - series.mean()) > 0.005
        assert within[name]["key"] != whole[name]["key"]
        first = [f"{axis} {s + m}" for axis, s, m in zip("zyx", shift, (3, 5, 0), strict=True)]
        said = within[name]["conventions"]["within"]
        assert said.endswith("the field of view common to a, b, c")
        assert all(part in said for part in first)
        assert "within" not in whole[name]["conventions"]
    again = rows(cli, "crack_volume_fraction", within="common")
    assert all(row["reused"] for row in again.values())
    assert {name: row["value"] for name, row in rows(cli, "crack_volume_fraction").items()} == {
        name: row["value"] for name, row in whole.items()
    }


@pytest.mark.parametrize(
    "metric",
    [
        "crack_surface_density",
        "crack_interconnectivity",
        pytest.param("crack_width_mean", marks=pytest.mark.slow),
    ],
)
def test_other_metrics_are_those_of_the_window_alone(metric: str, cli: Cli, series: np.ndarray) -> None:
    assert cli("segment", "register", "a", "b", "c").code == 0
    np.save("cut.npy", np.where(series, 1, 2).astype(np.uint8))
    np.save("cut-grey.npy", series.astype(np.uint8))
    more = ("--cycle", 9, "--voxel-size", "0.5 um", "--id", "cut")
    assert cli("catalog", "add", "cut-grey.npy", *WHERE, *more).code == 0
    labels = ("cut.npy", "--phases", "1=crack,2=solid", "--id", "cut-seg")
    assert cli("segment", "import", "cut", *labels).code == 0
    (alone,) = cli("compute", "metric", metric, "--where", "scan == 'cut'", "--json").data
    found = [row["value"] for row in rows(cli, metric, within="common").values()]
    assert alone["value"] is not None
    assert found == [alone["value"]] * 3


def test_a_scan_without_a_window_says_so(cli: Cli, series: np.ndarray) -> None:
    found = rows(cli, "crack_volume_fraction", within="common")
    assert {row["status"] for row in found.values()} == {"missing"}
    assert "siltomo segment register REFERENCE b" in found["b"]["reason"]
    assert cli("segment", "register", "a", "b").code == 0
    assert cli("segment", "register", "a", "c").code == 0
    found = rows(cli, "crack_volume_fraction", within="common")
    # a and c share a window now; b's was shared with a, which has another one
    assert {name: row["status"] for name, row in found.items()} == {"a": "ok", "b": "missing", "c": "ok"}
    assert "a is now registered with a, c: siltomo segment register a b" in found["b"]["reason"]


def test_in_python_and_explained(cli: Cli, series: np.ndarray, study: Path) -> None:
    assert cli("segment", "register", "a", "b", "c").code == 0
    words = ("compute", "metric", "crack_volume_fraction", "--within", "common", "--json")
    plan = cli(*words, "--explain").data
    assert plan["to_compute"] == 3
    catalog = siltomo.open_catalog(study)
    lazy = catalog.metric("crack_volume_fraction", where="scan in ('a', 'b')", within="common")
    assert set(lazy["crack_volume_fraction"].values) == {series.mean()}
    frame = catalog.compute("crack_volume_fraction", where="scan == 'c'", within="common")
    assert list(frame["value"]) == [series.mean()]


def test_the_window_is_of_the_record(cli: Cli, series: np.ndarray) -> None:
    made = cli("segment", "register", "a", "b", "c", "--json").data
    for row in made:
        kept = cli("catalog", "show", row["scan"], "--json").data["record"]["registration"]
        assert kept["series"] == ["a", "b", "c"]
        assert kept["window"] == row["common_window"]
    sizes = [[b - a for a, b in row["common_window"]] for row in made]
    assert all(one == other for one, other in pairwise(sizes))


def test_variants_are_measured_within_the_window_too(cli: Cli, series: np.ndarray) -> None:
    assert cli("segment", "register", "a", "b", "c").code == 0
    labels = np.load("b-labels.npy")
    thinner = np.where((labels == 1) & (np.indices(labels.shape)[1] % 2 == 0), 2, labels).astype(np.uint8)
    np.save("thinner.npy", thinner)
    words = ("thinner.npy", "--phases", "1=crack,2=solid", "--id", "b-thinner", "--variant-of", "b-seg")
    assert cli("segment", "import", "b", *words).code == 0
    asked = ("--where", "scan == 'b'", "--within", "common", "--sensitivity", "--json")
    (row,) = cli("compute", "metric", "crack_volume_fraction", *asked).data
    (window,) = [r for r in cli("segment", "register", "a", "b", "c", "--json").data if r["scan"] == "b"]
    cut = thinner[tuple(slice(*side) for side in window["common_window"])]
    assert row["value"] == series.mean()
    assert row["uncertainty_parts"]["segmentation"] == pytest.approx(series.mean() - (cut == 1).mean())
