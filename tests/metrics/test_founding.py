"""The base metrics on bodies whose answer is known, and the law that blocks do not matter."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from siltomo.metrics import Answer, Distribution, Scalar, Undefined

Compute = Callable[..., Answer]

NAMES = (
    "crack_volume_fraction",
    "crack_surface_to_volume_ratio",
    "crack_surface_density",
    "crack_interconnectivity",
    "crack_euler_number",
    "crack_width_mean",
    "crack_width_median",
    "crack_width_distribution",
)


def ball(radius: float, size: int, centre: float | None = None) -> np.ndarray:
    middle = (size - 1) / 2 if centre is None else centre
    z, y, x = np.ogrid[:size, :size, :size]
    inside = (z - middle) ** 2 + (y - middle) ** 2 + (x - middle) ** 2 < radius**2
    return inside.astype(np.uint8)


def value(answer: Answer) -> float:
    assert isinstance(answer, Scalar), answer
    return answer.value


def test_a_fraction_is_that_of_the_domain(compute: Compute) -> None:
    labels = np.zeros((4, 4, 10), np.uint8)
    labels[:, :, :2] = 1
    labels[:, :, 5:] = 9
    whole = compute("crack_volume_fraction", labels)
    domain = compute("crack_volume_fraction", labels, phases={1: "crack", 9: "outside"})
    assert value(whole) == pytest.approx(0.2)
    assert value(domain) == pytest.approx(0.4)
    assert isinstance(domain, Scalar)
    assert domain.conventions["whole"] == "electrode in the field of view (voxels not labelled outside)"


def test_a_phase_may_have_several_values(compute: Compute) -> None:
    labels = np.arange(64, dtype=np.uint8).reshape(4, 4, 4) % 4
    assert value(compute("crack_volume_fraction", labels, phases={1: "crack", 3: "crack"})) == 0.5


def test_the_uncertainty_of_a_fraction_is_half_a_voxel_of_its_surface(compute: Compute) -> None:
    labels = np.zeros((32, 32, 32), np.uint8)
    labels[:, 10:20] = 1
    answer = compute("crack_volume_fraction", labels, spacing=(0.5, 0.5, 0.5))
    assert isinstance(answer, Scalar)
    # two walls, each read 7.34 % low by 13 directions, in a window of 31 tiles
    assert answer.discretisation == pytest.approx(2 / (31 * 0.5) * 0.25 * (1 - 0.0734), rel=1e-3)


@pytest.mark.parametrize("radius", [8, 14.3, 20])
def test_surface_of_balls(compute: Compute, radius: float) -> None:
    labels = ball(radius, 48, centre=23.37)
    ratio = value(compute("crack_surface_to_volume_ratio", labels, spacing=(0.16, 0.16, 0.16)))
    assert ratio == pytest.approx(3 / (radius * 0.16), rel=0.02)


def test_surface_of_a_plate_has_the_published_bias(compute: Compute) -> None:
    labels = np.zeros((20, 30, 20), np.uint8)
    labels[:, 10:18] = 1
    answer = compute("crack_surface_to_volume_ratio", labels, spacing=(0.5, 0.5, 0.5))
    assert value(answer) == pytest.approx(2 / 4.0 * (1 - 0.0734), rel=1e-3)
    assert value(compute("crack_surface_density", labels, spacing=(0.5, 0.5, 0.5))) == pytest.approx(
        2 / 14.5 * (1 - 0.0734), rel=1e-3
    )


def test_the_smoothed_mesh_is_right_on_plates_and_additive_over_blocks(compute: Compute) -> None:
    labels = np.full((40, 30, 20), 2, np.uint8)
    labels[:, 10:18] = 1
    settings = {"estimator": "smoothed_mesh", "spacing": (0.5, 0.5, 0.5)}
    whole = compute("crack_surface_to_volume_ratio", labels, **settings)
    assert value(whole) == pytest.approx(2 / 4.0, rel=1e-3)
    assert value(
        compute("crack_surface_to_volume_ratio", labels, cuts=[1, 17, 30], **settings)
    ) == pytest.approx(value(whole), rel=1e-6)
    assert isinstance(whole, Scalar)
    assert whole.conventions["surface"] == "smoothed_mesh"


def test_interconnectivity_depends_on_the_connectivity_that_is_named(compute: Compute) -> None:
    labels = np.zeros((6, 6, 6), np.uint8)
    labels[1, 1, 1:4] = 1
    labels[2, 2, 4] = 1  # by a corner
    for connectivity, expected in ((6, 0.75), (18, 0.75), (26, 1.0)):
        answer = compute("crack_interconnectivity", labels, connectivity=connectivity)
        assert isinstance(answer, Scalar)
        assert answer.value == expected
        assert answer.conventions["connectivity"] == str(connectivity)


def test_components_that_may_join_outside_are_flagged(compute: Compute) -> None:
    labels = np.zeros((8, 8, 8), np.uint8)
    labels[2:5, 2:5, 2:5] = 1
    inside = compute("crack_interconnectivity", labels)
    labels[0, 7, 7] = 1
    touching = compute("crack_interconnectivity", labels)
    assert isinstance(inside, Scalar)
    assert isinstance(touching, Scalar)
    assert not any(flag.startswith("touches_window") for flag in inside.flags)
    assert any(flag.startswith("touches_window: 0.0357") for flag in touching.flags)


def test_euler_numbers(compute: Compute) -> None:
    solid = np.zeros((9, 9, 9), np.uint8)
    solid[1:8, 1:8, 1:8] = 1
    assert value(compute("crack_euler_number", solid)) == 1
    solid[1:8, 4, 4] = 0  # a tunnel
    assert value(compute("crack_euler_number", solid)) == 0
    solid[1:8, 4, 4] = 1
    solid[4, 4, 4] = 0  # a cavity
    assert value(compute("crack_euler_number", solid)) == 2


@pytest.mark.parametrize(("planes", "closed"), [(4, 4), (6, 6), (5, 6), (7, 8)])
def test_width_of_plates(compute: Compute, planes: int, closed: int) -> None:
    labels = np.zeros((30, 40, 30), np.uint8)
    labels[:, 10 : 10 + planes] = 1
    for name in ("crack_width_mean", "crack_width_median"):
        for convention in ("open_ball", "fiji"):
            answer = compute(name, labels, spacing=(0.16, 0.16, 0.16), convention=convention)
            assert value(answer) == pytest.approx(closed * 0.16, rel=1e-6)
            assert isinstance(answer, Scalar)
            assert answer.discretisation == pytest.approx(0.16)


def test_width_of_a_mixture_and_its_distribution(compute: Compute) -> None:
    labels = np.zeros((20, 80, 20), np.uint8)
    labels[:, 10:20] = 1
    labels[:, 40:44] = 1
    spacing = (0.5, 0.5, 0.5)
    assert value(compute("crack_width_mean", labels, spacing=spacing)) == pytest.approx((10 * 5 + 4 * 2) / 14)
    assert value(compute("crack_width_median", labels, spacing=spacing)) == pytest.approx(5.0)
    shares = compute("crack_width_distribution", labels, spacing=spacing)
    assert isinstance(shares, Distribution)
    assert math.fsum(shares.values) == pytest.approx(1)
    assert shares.conventions["bins"] == "1 um"
    found = {at: share for at, share in zip(shares.coordinate, shares.values, strict=True) if share}
    assert found == {2.5: pytest.approx(4 / 14), 5.5: pytest.approx(10 / 14)}
    narrow = compute("crack_width_distribution", labels, spacing=spacing, bin_width="250 nm")
    assert isinstance(narrow, Distribution)
    assert narrow.coordinate[0] == pytest.approx(0.125)


def test_thickness_is_the_same_quantity_as_width(compute: Compute) -> None:
    labels = ball(9, 24)
    assert compute("sei_thickness_mean", labels) == compute("sei_width_mean", labels)


def test_values_below_the_trusted_feature_are_flagged(compute: Compute) -> None:
    labels = np.zeros((20, 20, 20), np.uint8)
    labels[:, 8:12] = 1
    answer = compute("crack_width_mean", labels, spacing=(0.1, 0.1, 0.1), min_feature=0.65)
    assert isinstance(answer, Scalar)
    assert answer.flags[0] == "below_resolution: 0.4 um is below the smallest trusted feature"


@pytest.mark.parametrize("name", [n for n in NAMES if n != "crack_volume_fraction"])
def test_an_absent_phase_has_no_value_but_a_reason(compute: Compute, name: str) -> None:
    answer = compute(name, np.zeros((6, 6, 6), np.uint8))
    if name == "crack_surface_density":
        assert value(answer) == 0
    else:
        assert isinstance(answer, Undefined)
        assert "has no voxel" in answer.reason


def test_an_absent_phase_has_the_fraction_zero(compute: Compute) -> None:
    assert value(compute("crack_volume_fraction", np.zeros((6, 6, 6), np.uint8))) == 0


def test_a_phase_without_background_has_no_width(compute: Compute) -> None:
    answer = compute("crack_width_mean", np.ones((6, 6, 6), np.uint8), cuts=[2])
    assert isinstance(answer, Undefined)
    assert "fills the window" in answer.reason


def test_a_volume_that_is_all_outside_has_no_fraction(compute: Compute) -> None:
    answer = compute(
        "crack_volume_fraction", np.full((4, 4, 4), 7, np.uint8), phases={1: "crack", 7: "outside"}
    )
    assert answer == Undefined("every voxel is labelled outside")


@given(
    arrays(
        np.uint8,
        st.tuples(st.integers(1, 14), st.integers(1, 6), st.integers(1, 6)),
        elements=st.integers(0, 3),
    ),
    st.lists(st.integers(1, 13), max_size=4),
)
@settings(max_examples=30, deadline=None)
def test_no_metric_depends_on_the_blocks(compute: Compute, labels: np.ndarray, cuts: list[int]) -> None:
    phases = {1: "crack", 2: "crack", 3: "outside"}
    for name in NAMES:
        whole = compute(name, labels, phases=phases, spacing=(0.3, 0.2, 0.2))
        assert compute(name, labels, phases=phases, spacing=(0.3, 0.2, 0.2), cuts=cuts) == whole


@pytest.mark.parametrize(("name", "power"), [
    ("crack_volume_fraction", 0), ("crack_interconnectivity", 0), ("crack_euler_number", 0),
    ("crack_surface_to_volume_ratio", -1), ("crack_surface_density", -1),
    ("crack_width_mean", 1), ("crack_width_median", 1),
])  # fmt: skip
def test_metrics_scale_with_the_voxel_as_their_unit_says(compute: Compute, name: str, power: int) -> None:
    rng = np.random.default_rng(3)
    labels = (rng.random((12, 12, 12)) < 0.4).astype(np.uint8)
    small = value(compute(name, labels, spacing=(0.2, 0.2, 0.2)))
    large = value(compute(name, labels, spacing=(0.4, 0.4, 0.4)))
    assert large == pytest.approx(small * 2.0**power, rel=1e-9)
