"""Robust planes through height maps with steps, holes and outliers."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.errors import BadInputError
from siltomo.kernels.planes import fit_plane


def plane(level: float, slopes: tuple[float, float], shape: tuple[int, int] = (40, 50)) -> np.ndarray:
    rows, columns = np.ogrid[: shape[0], : shape[1]]
    return level + slopes[0] * rows + slopes[1] * columns


@settings(max_examples=25, deadline=None)
@given(
    level=st.floats(-50, 50),
    slopes=st.tuples(st.floats(-0.5, 0.5), st.floats(-0.5, 0.5)),
    share=st.floats(0, 0.35),
    seed=st.integers(0, 999),
)
def test_outliers_on_one_side_do_not_move_an_exact_plane(
    level: float, slopes: tuple[float, float], share: float, seed: int
) -> None:
    random = np.random.default_rng(seed)
    heights = plane(level, slopes)
    heights[random.random(heights.shape) < share] -= random.uniform(5, 60)
    found = fit_plane(heights)
    assert found.level == pytest.approx(level, abs=1e-6)
    assert found.slopes == pytest.approx(slopes, abs=1e-7)


def test_noise_is_averaged_and_its_scatter_told() -> None:
    random = np.random.default_rng(1)
    found = fit_plane(plane(3, (0.1, -0.2), (200, 200)) + random.normal(0, 2, (200, 200)))
    assert found.heights((200, 200)).mean() == pytest.approx(
        plane(3, (0.1, -0.2), (200, 200)).mean(), abs=0.05
    )
    assert found.scatter == pytest.approx(2, rel=0.1)
    assert found.used > 0.99


def test_steps_between_voxels_average_out() -> None:
    rows = np.arange(60)[:, None] * 0.05 + np.arange(80)[None, :] * 0.03
    found = fit_plane(np.rint(10.2 + rows))
    assert found.level == pytest.approx(10.2, abs=0.05)
    assert found.tilt_deg == pytest.approx(math.degrees(math.atan(math.hypot(0.05, 0.03))), abs=0.05)


def test_holes_and_unequal_steps() -> None:
    heights = plane(1, (0.2, 0.4))
    heights[::3] = np.nan
    found = fit_plane(heights, (2.0, 0.5))
    assert found.slopes == pytest.approx((0.1, 0.8))
    assert np.allclose(found.heights((40, 50)), plane(1, (0.2, 0.4)))
    assert found.inliers(heights).sum() == np.isfinite(heights).sum()


def test_a_single_row_has_no_slope_across() -> None:
    found = fit_plane(plane(2, (0.0, 0.25), (1, 30)))
    assert found.slopes == pytest.approx((0, 0.25))


def test_large_maps_are_thinned_out() -> None:
    found = fit_plane(plane(5, (0.01, -0.02), (1500, 1200)))
    assert found.level == pytest.approx(5)
    assert found.slopes == pytest.approx((0.01, -0.02))


def test_what_is_no_map_is_refused() -> None:
    with pytest.raises(BadInputError, match="three columns"):
        fit_plane(np.full((4, 4), np.nan))
    with pytest.raises(BadInputError, match="rows and columns"):
        fit_plane(np.zeros(5))
