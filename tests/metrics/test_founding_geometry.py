"""Thickness, profiles by depth and islets of electrodes whose geometry is known."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.metrics import Answer, Distribution, Scalar, Undefined

Compute = Callable[..., Answer]

LAYERS = {1: "crack", 2: "solid", 4: "collector", 5: "separator"}


def layers(
    shape: tuple[int, int, int],
    low: float,
    thickness: float,
    *,
    tilt_deg: float = 0.0,
    towards: float = 0.0,
    spacing: tuple[float, float, float] = (1.0, 1.0, 1.0),
) -> np.ndarray:
    """Collector, solid and separator, stacked along a normal that is tilted from z; lengths as the spacing."""
    z, y, x = (np.arange(n) * step for n, step in zip(shape, spacing, strict=True))
    angle, way = math.radians(tilt_deg), math.radians(towards)
    normal = (math.cos(angle), math.sin(angle) * math.sin(way), math.sin(angle) * math.cos(way))
    middle = [(n - 1) / 2 * step for n, step in zip(shape[1:], spacing[1:], strict=True)]
    depth = (
        normal[0] * (z[:, None, None] - low)
        + normal[1] * (y[None, :, None] - middle[0])
        + normal[2] * (x[None, None, :] - middle[1])
    )
    made = np.full(shape, 2, np.uint8)
    made[depth < 0] = 4
    made[depth >= thickness] = 5
    return made


def scalar(answer: Answer) -> Scalar:
    assert isinstance(answer, Scalar), answer
    return answer


def reason(answer: Answer) -> str:
    assert isinstance(answer, Undefined), answer
    return answer.reason


def test_the_thickness_of_a_slab_is_exact(compute: Compute) -> None:
    made = np.full((40, 12, 14), 2, np.uint8)
    made[:7], made[30:] = 4, 5
    found = scalar(compute("electrode_thickness", made, phases=LAYERS, spacing=(0.5, 0.5, 0.5)))
    assert found.value == pytest.approx(11.5)
    assert found.companions["spread"] == "0 um"
    assert found.companions["tilt"] == "0 deg"
    assert found.discretisation == pytest.approx(0.5 * math.sqrt(2 / 12))
    assert found.conventions["depth_axis"] == "+z, read off the labels"


@pytest.mark.parametrize("tilt", [1.0, 3.0, 12.0])
@pytest.mark.parametrize("towards", [0.0, 35.0, 250.0])
def test_a_tilted_electrode_has_its_thickness_along_the_normal(
    compute: Compute, tilt: float, towards: float
) -> None:
    made = layers((110, 80, 70), 30.3, 40.5, tilt_deg=tilt, towards=towards)
    found = scalar(compute("electrode_thickness", made, phases=LAYERS))
    # a degree is a voxel over this window: the labels do not know more
    assert found.value == pytest.approx(40.5, abs=0.25 if tilt == 1 else 0.1)
    assert abs(found.value - 40.5) < 2 * (found.discretisation or 0)
    assert scalar(compute("electrode_tilt", made, phases=LAYERS)).value == pytest.approx(tilt, abs=0.1)


def test_unequal_voxel_edges(compute: Compute) -> None:
    spacing = (0.65, 0.16, 0.32)
    made = layers((120, 160, 90), 22.0, 30.0, tilt_deg=8, towards=60, spacing=spacing)
    found = scalar(compute("electrode_thickness", made, phases=LAYERS, spacing=spacing))
    assert found.value == pytest.approx(30.0, abs=0.1 * 0.65)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("flip", [False, True])
def test_any_axis_may_be_the_depth(compute: Compute, axis: int, flip: bool) -> None:
    made = np.moveaxis(layers((70, 40, 36), 20.2, 27.0, tilt_deg=6, towards=20), 0, axis)
    made = np.ascontiguousarray(np.flip(made, axis) if flip else made)
    found = scalar(compute("electrode_thickness", made, phases=LAYERS, cuts=(9, 20)))
    assert found.value == pytest.approx(27.0, abs=0.15)
    assert found.conventions["depth_axis"].startswith(("-" if flip else "+") + "zyx"[axis])


def test_cracks_through_a_quarter_of_the_electrode_do_not_thin_it(compute: Compute) -> None:
    """Cracks filled with what fills the separator are no electrode: 24 % of the columns end at the collector."""
    made = layers((80, 90, 90), 15.3, 40.0, tilt_deg=2, towards=40)
    x = np.arange(90)
    cracked = (x % 25 < 6)[None, None, :] & (made != 4)
    made[cracked] = 5
    found = scalar(compute("electrode_thickness", made, phases=LAYERS))
    assert found.value == pytest.approx(40.0, abs=0.25)


def test_stray_voxels_do_not_move_the_planes(compute: Compute) -> None:
    random = np.random.default_rng(3)
    made = layers((70, 60, 60), 15.0, 35.0, tilt_deg=3, towards=10)
    clean = scalar(compute("electrode_thickness", made, phases=LAYERS)).value
    made[random.random(made.shape) < 0.002] = 4
    made[random.random(made.shape) < 0.002] = 5
    found = scalar(compute("electrode_thickness", made, phases=LAYERS)).value
    assert found == pytest.approx(clean, abs=0.25)


def test_a_wavy_top_has_its_mean_and_its_spread(compute: Compute) -> None:
    made = np.full((70, 64, 64), 2, np.uint8)
    made[:10] = 4
    top = 50 + 4 * np.sin(2 * np.pi * np.arange(64) / 16)
    made[np.arange(70)[:, None, None] >= top[None, None, :] + np.zeros((1, 64, 1))] = 5
    found = scalar(compute("electrode_thickness", made, phases=LAYERS))
    assert found.value == pytest.approx(40.0, abs=0.6)
    spread = scalar(compute("electrode_thickness_spread", made, phases=LAYERS))
    assert spread.value == pytest.approx(4 / math.sqrt(2), rel=0.05)
    shares = compute("electrode_thickness_distribution", made, phases=LAYERS)
    assert isinstance(shares, Distribution)
    assert math.fsum(v for v in shares.values if v) == pytest.approx(1)
    mean = sum(v * c for v, c in zip(shares.values, shares.coordinate, strict=True) if v)
    assert mean == pytest.approx(40.5, abs=1)


def test_a_separator_of_fibres_leaves_the_electrodes_own_face(compute: Compute) -> None:
    random = np.random.default_rng(5)
    made = layers((80, 50, 50), 15.0, 35.0)
    made[(made == 5) & (random.random(made.shape) < 0.8)] = 6
    found = scalar(compute("electrode_thickness", made, phases={**LAYERS, 6: "electrolyte"}, domain="cell"))
    assert found.value == pytest.approx(35.0)
    assert "porous separator" in found.conventions["separator_surface"]


def test_an_electrode_domain_is_enough(compute: Compute) -> None:
    made = layers((60, 30, 30), 15.0, 30.0, tilt_deg=4)
    made[made >= 4] = 9
    made[20:30, 5:9, :] = 1
    found = scalar(compute("electrode_thickness", made, phases={1: "crack", 2: "solid", 9: "outside"}))
    assert found.value == pytest.approx(30.0, abs=0.15)
    assert found.conventions["depth_axis"] == "z, read off the labels"


def test_what_is_not_named_is_said(compute: Compute) -> None:
    made = np.full((20, 20, 20), 2, np.uint8)
    said = reason(compute("electrode_thickness", made, phases={1: "crack", 2: "solid"}))
    assert "'collector' or 'separator'" in said
    assert "crack, solid" in said


def test_a_surface_out_of_view_is_said(compute: Compute) -> None:
    made = np.full((40, 20, 20), 2, np.uint8)
    made[:8] = 4
    said = reason(compute("electrode_thickness", made, phases=LAYERS))
    assert "separator surface is in the field of view in 0%" in said
    tilted = layers((40, 60, 60), -2.0, 30.0, tilt_deg=3)
    assert "collector surface is in the field of view in" in reason(
        compute("electrode_thickness", tilted, phases=LAYERS)
    )


def test_a_depth_axis_that_cannot_be_told_is_not_guessed(compute: Compute) -> None:
    made = np.full((40, 40, 40), 2, np.uint8)
    z, y = np.ogrid[:40, :40]
    made[(z + y < 20)[:, :] & np.ones((40, 40), bool)] = 4
    made[(z + y > 60)[:, :] & np.ones((40, 40), bool)] = 5
    assert "depth axis is not clear" in reason(compute("electrode_thickness", made, phases=LAYERS))
    inside = np.full((40, 40, 40), 9, np.uint8)
    inside[5:30, 5:30, :] = 2
    said = reason(compute("electrode_thickness", inside, phases={2: "solid", 9: "outside"}))
    assert "along z and y" in said
    assert "--depth-axis" in said
    found = compute("electrode_thickness", inside, phases={2: "solid", 9: "outside"}, depth_axis="+z")
    assert scalar(found).value == pytest.approx(25)


def test_a_declared_direction_that_contradicts_the_labels_is_refused(compute: Compute) -> None:
    made = layers((40, 20, 20), 8, 20)
    assert "other side" in reason(compute("electrode_thickness", made, phases=LAYERS, depth_axis="-z"))


@settings(max_examples=15, deadline=None)
@given(
    tilt=st.floats(0, 15),
    towards=st.floats(0, 360),
    thick=st.floats(12, 30),
    cuts=st.lists(st.integers(1, 59)),
)
def test_the_thickness_does_not_depend_on_the_blocks(
    compute: Compute, tilt: float, towards: float, thick: float, cuts: list[int]
) -> None:
    made = layers((60, 30, 28), 16.0, thick, tilt_deg=tilt, towards=towards)
    whole = compute("electrode_thickness", made, phases=LAYERS)
    assert compute("electrode_thickness", made, phases=LAYERS, cuts=cuts) == whole


# ---- profiles by depth -------------------------------------------------------------------------------------


def profile(answer: Answer) -> Distribution:
    assert isinstance(answer, Distribution), answer
    return answer


def stairs(widths: tuple[int, ...], step: int, *, plane: int = 60) -> np.ndarray:
    """Collector, steps of a crack whose width changes from step to step, separator."""
    made = np.full((8 + step * len(widths) + 8, plane, 20), 2, np.uint8)
    made[:8], made[-8:] = 4, 5
    for n, width in enumerate(widths):
        made[8 + n * step : 8 + (n + 1) * step, 20 : 20 + width] = 1
    return made


def test_a_stair_of_cracks_has_its_width_in_each_step(compute: Compute) -> None:
    """Even widths read exactly in the open-ball convention, but within half a width of a step."""
    made = stairs((4, 8, 4, 6), 20)
    found = profile(compute("crack_width_depth_profile", made, phases=LAYERS, bin_width="5 um"))
    assert found.coordinate[:4] == (2.5, 7.5, 12.5, 17.5)
    assert len(found.values) == 16
    assert (found.coordinate_name, found.coordinate_unit) == ("depth", "um")
    by_step = [found.values[4 * n + 1 : 4 * n + 3] for n in range(4)]
    for width, values in zip((4, 8, 4, 6), by_step, strict=True):
        assert values == pytest.approx((width, width))


def test_the_median_of_a_bin_is_the_width_of_most_of_its_volume(compute: Compute) -> None:
    """Cracks of 4 and 12 um side by side: 3/4 of the volume is in the wide one."""
    made = np.full((56, 60, 20), 2, np.uint8)
    made[:8], made[-8:] = 4, 5
    made[8:-8, 6:10] = made[8:-8, 30:42] = 1
    asked = {"phases": LAYERS, "bin_width": "20 um"}
    median = profile(compute("crack_width_median_depth_profile", made, **asked))
    mean = profile(compute("crack_width_depth_profile", made, **asked))
    assert median.values == pytest.approx((12, 12))
    assert mean.values == pytest.approx((10, 10), abs=0.2)  # the corners of a crack hold smaller balls
    assert median.coordinate == mean.coordinate
    assert (median.conventions["statistic"], mean.conventions["statistic"]) == (
        "median, by volume",
        "mean, by volume",
    )


def test_depth_runs_along_the_normal_from_either_surface(compute: Compute) -> None:
    """A wedge-shaped crack in a tilted electrode: its width grows from the collector on, in both conventions."""
    made = layers((110, 60, 90), 25.0, 60.0, tilt_deg=10, towards=0)
    z, x = np.arange(110.0)[:, None, None], np.arange(90.0)[None, None, :] - 44.5
    angle = math.radians(10)
    depth = math.cos(angle) * (z - 25) + math.sin(angle) * x
    width = 4 + depth * 8 / 60
    y = np.arange(60.0)[None, :, None]
    made[(np.abs(y - 29.5) * 2 < width) & (made == 2)] = 1  # even widths, which the convention reads exactly
    found = profile(
        compute("crack_width_depth_profile", made, phases=LAYERS, bin_width="10 um", cuts=(13, 50))
    )
    expected = 4 + np.array(found.coordinate) * 8 / 60
    assert np.array(found.values, float)[:6] == pytest.approx(expected[:6], abs=1.0)
    slope = np.polyfit(found.coordinate[:6], np.array(found.values[:6], float), 1)[0]
    assert slope == pytest.approx(8 / 60, rel=0.1)
    back = profile(
        compute("crack_width_depth_profile", made, phases=LAYERS, bin_width="10 um", datum="separator")
    )
    assert np.array(back.values[:6], float) == pytest.approx(np.array(found.values[:6], float)[::-1], abs=0.3)
    assert "separator surface" in back.conventions["datum"]


def test_a_bin_without_enough_voxels_has_no_value(compute: Compute) -> None:
    made = stairs((6, 6, 6), 20)
    made[28:48][made[28:48] == 1] = 2
    found = profile(compute("crack_width_depth_profile", made, phases=LAYERS, bin_width="20 um"))
    assert found.values[1] is None
    assert None not in (found.values[0], found.values[2])
    assert found.flags == ("empty_bins: 1 of 3 hold fewer than 64 voxels",)


def test_a_profile_without_a_datum_says_why(compute: Compute) -> None:
    made = stairs((6,), 20)
    assert "no phase 'collector'" in reason(
        compute(
            "crack_width_depth_profile", made, phases={1: "crack", 2: "solid", 4: "a", 5: "b"}, domain="cell"
        )
    )
    made[made >= 4] = 9
    names = {1: "crack", 2: "solid", 9: "outside"}
    assert "which side the collector is on" in reason(
        compute("crack_width_depth_profile", made, phases=names)
    )
    declared = compute("crack_width_depth_profile", made, phases=names, depth_axis="+z", bin_width="10 um")
    assert profile(declared).values == pytest.approx((6.0, 6.0))


def test_a_profile_of_an_absent_phase_says_so(compute: Compute) -> None:
    made = layers((40, 10, 10), 8.5, 24)
    assert "has no voxel between the collector" in reason(
        compute("crack_width_depth_profile", made, phases=LAYERS)
    )


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 99), tilt=st.floats(0, 10), cuts=st.lists(st.integers(1, 47)))
def test_a_profile_does_not_depend_on_the_blocks(
    compute: Compute, seed: int, tilt: float, cuts: list[int]
) -> None:
    made = layers((48, 24, 22), 10.0, 26.0, tilt_deg=tilt, towards=30)
    random = np.random.default_rng(seed)
    made[(random.random(made.shape) < 0.6) & (made == 2)] = 1
    whole = compute("crack_width_depth_profile", made, phases=LAYERS)
    assert compute("crack_width_depth_profile", made, phases=LAYERS, cuts=cuts) == whole
