"""Each verdict on a phantom where it holds, and on one where it does not."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from siltomo.engine.compute.crosscheck import doubt_inconsistent
from siltomo.metrics import Answer, Scalar, Undefined

Compute = Callable[..., Answer]
WIDTHS = ("crack_width_mean", "crack_width_median")


def flags(answer: Answer, name: str) -> list[str]:
    assert isinstance(answer, Scalar), answer
    return [flag for flag in answer.flags if flag.startswith(f"{name}:")]


def boxes(size: int, edge: int, count: int, seed: int = 0) -> np.ndarray:
    """A volume with many small boxes of the phase."""
    rng = np.random.default_rng(seed)
    labels = np.zeros((size,) * 3, np.uint8)
    for z, y, x in rng.integers(1, size - edge, (count, 3)):
        labels[z : z + edge, y : y + edge, x : x + edge] = 1
    return labels


def plates(*planes: int) -> np.ndarray:
    """Plates of so many planes, 8 apart, that reach through the window."""
    labels = np.zeros((24, 8 + sum(8 + n for n in planes), 24), np.uint8)
    at = 8
    for n in planes:
        labels[:, at : at + n] = 1
        at += 8 + n
    return labels


# ---- below resolution ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WIDTHS)
def test_a_width_below_the_trusted_feature(compute: Compute, name: str) -> None:
    thin = compute(name, plates(6), spacing=(0.1, 0.1, 0.1), min_feature=0.65)
    assert flags(thin, "below_resolution") == [
        "below_resolution: 0.6 um is below the smallest trusted feature"
    ]
    assert not flags(compute(name, plates(8), spacing=(0.1, 0.1, 0.1), min_feature=0.65), "below_resolution")


def test_four_voxels_are_the_least_where_nothing_is_stated(compute: Compute) -> None:
    thin = compute("crack_width_mean", plates(2), spacing=(0.1, 0.1, 0.1))
    assert flags(thin, "below_resolution") == ["below_resolution: 0.2 um is below 4 voxels"]
    assert not flags(compute("crack_width_mean", plates(4), spacing=(0.1, 0.1, 0.1)), "below_resolution")


@pytest.mark.parametrize("name", WIDTHS)
def test_the_share_of_features_below_the_trusted_one(compute: Compute, name: str) -> None:
    mixed = compute(name, plates(12, 6), spacing=(0.1, 0.1, 0.1), min_feature=0.65)
    assert flags(mixed, "below_resolution") == [
        "below_resolution: 0.33 of the phase's volume is thinner than the smallest trusted feature (0.65 um)"
    ]
    assert not flags(
        compute(name, plates(12, 10), spacing=(0.1, 0.1, 0.1), min_feature=0.65), "below_resolution"
    )


# ---- touches the window --------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", WIDTHS)
def test_a_width_of_what_the_window_cuts(compute: Compute, name: str) -> None:
    cut = compute(name, plates(8))
    # half a width, 4 voxels, on either side along z and x of 24
    assert flags(cut, "touches_window")
    free = np.zeros((30, 30, 30), np.uint8)
    free[10:20, 10:20, 10:20] = 1
    assert not flags(compute(name, free), "touches_window")


def test_a_component_that_may_go_on_outside(compute: Compute) -> None:
    labels = np.zeros((12, 12, 12), np.uint8)
    labels[3:8, 3:8, 3:8] = 1
    assert not flags(compute("crack_interconnectivity", labels), "touches_window")
    labels[0, 11, 11] = 1
    assert flags(compute("crack_interconnectivity", labels), "touches_window")


# ---- no background, phase absent -----------------------------------------------------------------------------


@pytest.mark.parametrize("name", WIDTHS)
def test_no_background_no_width(compute: Compute, name: str) -> None:
    full = compute(name, np.ones((9, 9, 9), np.uint8))
    assert isinstance(full, Undefined)
    assert "fills the window" in full.reason
    assert isinstance(compute(name, plates(6)), Scalar)


@pytest.mark.parametrize("name", ["crack_volume_fraction", "crack_surface_density"])
def test_an_absent_phase_is_said_where_zero_is_an_answer(compute: Compute, name: str) -> None:
    absent = compute(name, np.zeros((40, 40, 40), np.uint8))
    assert isinstance(absent, Scalar)
    assert (absent.value, absent.sampling) == (0, None)
    assert flags(absent, "phase_absent")
    assert not flags(compute(name, boxes(64, 5, 400)), "phase_absent")


@pytest.mark.parametrize("name", [*WIDTHS, "crack_surface_to_volume_ratio", "crack_interconnectivity"])
def test_an_absent_phase_has_no_value_elsewhere(compute: Compute, name: str) -> None:
    absent = compute(name, np.zeros((9, 9, 9), np.uint8))
    assert isinstance(absent, Undefined)
    assert "has no voxel" in absent.reason


# ---- window too small ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["crack_volume_fraction", "crack_surface_density",
                                  "crack_surface_to_volume_ratio"])  # fmt: skip
def test_a_window_that_is_too_small(compute: Compute, name: str) -> None:
    few = compute(name, boxes(48, 30, 2))
    assert isinstance(few, Scalar)
    assert few.sampling is None
    assert flags(few, "not_rve")[0].startswith("not_rve: window too small for a representative value: its ")
    many = compute(name, boxes(96, 6, 900))
    assert isinstance(many, Scalar)
    assert many.sampling is not None
    assert not flags(many, "not_rve")


def test_a_width_in_a_window_that_is_too_small(compute: Compute) -> None:
    assert flags(compute("crack_width_mean", boxes(40, 24, 1)), "not_rve")
    assert not flags(compute("crack_width_mean", boxes(80, 5, 700)), "not_rve")


def test_interconnectivity_is_never_representative_by_itself(compute: Compute) -> None:
    answer = compute("crack_interconnectivity", boxes(64, 5, 400))
    assert isinstance(answer, Scalar)
    assert answer.sampling is None
    assert "does not average out" in flags(answer, "not_rve")[0]


# ---- thickness and surface -----------------------------------------------------------------------------------


def row(metric: str, value: float | None, segmentation: str | None = "seg") -> dict[str, object]:
    return {"metric": metric, "value": value, "segmentation": segmentation, "flags": []}


@pytest.mark.parametrize(("width", "ratio", "doubted"), [
    (0.9, 1.6, True), (2.4, 0.67, True), (1.9, 0.9, True), (1.61, 1.8, False), (2.0, 0.927, False),
])  # fmt: skip
def test_width_and_surface_that_no_body_has(width: float, ratio: float, doubted: bool) -> None:
    # the first four pairs are those printed in the founding paper, the last a plate along the grid
    rows = [row("crack_width_mean", width), row("crack_surface_to_volume_ratio", ratio)]
    doubt_inconsistent(rows)
    assert all(bool(r["flags"]) == doubted for r in rows)
    if doubted:
        assert f"is {width * ratio:.3g}; no body has less than 2" in rows[0]["flags"][0]  # type: ignore[index]


def test_only_rows_that_belong_together_are_compared() -> None:
    rows = [
        row("crack_width_mean", 0.9),
        row("crack_surface_to_volume_ratio", 1.6, "other"),
        row("pore_surface_to_volume_ratio", 1.6),
        row("crack_width_median", 0.5),
        row("crack_width_mean", None),
        row("electrode_porosity", 0.5, None),
    ]
    doubt_inconsistent(rows)
    assert not any(r["flags"] for r in rows)


@pytest.mark.parametrize(
    "phantom", [plates(4), plates(7, 3), boxes(40, 6, 30)], ids=["plate", "plates", "boxes"]
)
def test_what_is_measured_on_one_volume_belongs_together(compute: Compute, phantom: np.ndarray) -> None:
    rows = []
    for name in ("crack_width_mean", "crack_surface_to_volume_ratio"):
        answer = compute(name, phantom, spacing=(0.3, 0.3, 0.3))
        assert isinstance(answer, Scalar)
        rows.append(row(name, answer.value))
    doubt_inconsistent(rows)
    assert not any(r["flags"] for r in rows)


def test_a_mesh_that_wipes_out_thin_features_is_doubted(compute: Compute) -> None:
    specks = np.zeros((24, 24, 24), np.uint8)
    specks[2::4, 2::4, 2::4] = 1  # single voxels: the smoothed field stays below one half
    width = compute("crack_width_mean", specks)
    ratio = compute("crack_surface_to_volume_ratio", specks, estimator="smoothed_mesh")
    assert isinstance(width, Scalar)
    assert isinstance(ratio, Scalar)
    rows = [row("crack_width_mean", width.value), row("crack_surface_to_volume_ratio", ratio.value)]
    doubt_inconsistent(rows)
    assert all(r["flags"] for r in rows)
