"""Local thickness against its definition, closed forms and laws."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from siltomo.errors import BadInputError
from siltomo.kernels.distance import NoBackgroundError, squared_distance
from siltomo.kernels.thickness import local_thickness, thickness_counts

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=10), fill=st.just(True))
balls = st.sampled_from(["open_ball", "closed_ball"])


def by_definition(mask, weights, convention, outside=None):
    """Largest squared radius of the balls that hold each voxel, by painting every ball."""
    outside = np.zeros_like(mask) if outside is None else outside
    background = np.argwhere(~mask & ~outside)
    squared = np.zeros(mask.shape, np.int64)
    grid = np.indices(mask.shape)
    for centre in np.argwhere(mask):
        radius = ((background - centre) ** 2 * np.array(weights)).sum(axis=1).min()
        away = sum(w * (grid[a] - centre[a]) ** 2 for a, w in enumerate(weights))
        held = away <= radius if convention == "closed_ball" else away < radius
        squared[held] = np.maximum(squared[held], radius)
    return squared


@settings(max_examples=80, deadline=None)
@given(masks, balls, st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 3, 2), (5, 4, 4)]))
def test_it_is_the_largest_ball_that_holds_the_voxel(mask, convention, spacing):
    mask.flat[0] = False
    squared = by_definition(mask, [edge**2 for edge in spacing], convention)
    expected = np.where(mask, 2 * np.sqrt(squared), np.nan).astype(np.float32)
    np.testing.assert_array_equal(local_thickness(mask, spacing, convention=convention), expected)
    counts = thickness_counts(mask, spacing, convention=convention)
    radii, numbers = np.unique(squared[mask], return_counts=True)
    np.testing.assert_array_equal(counts.squared_radii * counts.step**2, radii)
    np.testing.assert_array_equal(counts.counts, numbers)


@pytest.mark.parametrize("convention", ["open_ball", "closed_ball"])
@pytest.mark.parametrize("shape", [(15, 17, 31), (3, 3, 90), (50, 30, 3), (31, 1, 65)])
@pytest.mark.parametrize("holes", [1, 5, 60])
def test_wide_phases_match_the_definition(shape, convention, holes):
    mask = np.ones(shape, bool)
    mask.flat[np.random.default_rng(holes).integers(mask.size, size=holes)] = False
    squared = by_definition(mask, (1, 1, 1), convention)
    expected = np.where(mask, 2 * np.sqrt(squared), np.nan).astype(np.float32)
    np.testing.assert_array_equal(local_thickness(mask, convention=convention), expected)


@settings(max_examples=30, deadline=None)
@given(masks, balls, st.data())
def test_voxels_beyond_the_window_are_no_centres_and_no_background(mask, convention, data):
    outside = data.draw(hnp.arrays(np.bool_, mask.shape)) & ~mask
    outside.flat[0] = mask.flat[0] = False
    squared = by_definition(mask, (1, 1, 1), convention, outside)
    expected = np.where(mask, 2 * np.sqrt(squared), np.nan).astype(np.float32)
    np.testing.assert_array_equal(local_thickness(mask, convention=convention, outside=outside), expected)


@pytest.mark.parametrize("convention", ["open_ball", "closed_ball", "fiji"])
def test_radii_beyond_the_narrow_type(convention):
    mask = np.ones((3, 3, 500), bool)
    mask[1, 1, 0] = False
    # Every ball is a stretch of the rod shorter than its diameter; the longest is at the far end.
    thickness = local_thickness(mask, convention=convention)
    farthest = squared_distance(mask).astype(int).max()
    assert farthest == 499**2 + 2
    np.testing.assert_allclose(thickness[:, :, 4:], 2 * np.sqrt(farthest), rtol=1e-6)


def test_a_plane_beyond_the_narrow_type():
    mask = np.ones((1, 240, 240), bool)
    mask[0, 0, 0] = False
    thickness = local_thickness(mask)
    assert np.nanmax(thickness) == np.float32(2 * 239 * np.sqrt(2))
    assert np.isnan(thickness[0, 0, 0])
    assert thickness[0, 0, 1] == np.nanmax(thickness)  # 239**2 + 238**2 is within the far corner's open ball


def test_no_phase_has_no_thickness():
    mask = np.zeros((3, 4, 5), bool)
    assert np.isnan(local_thickness(mask)).all()
    counts = thickness_counts(mask)
    assert counts.total == 0
    assert counts.squared_radii.shape == counts.counts.shape == (0,)
    assert np.isnan([counts.mean(), counts.median(), counts.std(), counts.quantile(0.9)]).all()


@pytest.mark.parametrize("measure", [local_thickness, thickness_counts])
def test_no_background_is_an_error_not_a_number(measure):
    with pytest.raises(NoBackgroundError, match="no background voxel"):
        measure(np.ones((3, 4, 5), bool))


@pytest.mark.parametrize("convention", ["open_ball", "closed_ball", "fiji"])
def test_one_voxel_is_two_voxels_wide(convention):
    mask = np.zeros((5, 5, 5), bool)
    mask[2, 2, 2] = True
    counts = thickness_counts(mask, (0.5, 0.5, 0.5), convention=convention)
    assert (counts.total, counts.mean(), counts.std()) == (1, 1.0, 0.0)


def test_an_unknown_convention_is_refused():
    with pytest.raises(BadInputError, match="no thickness convention 'ball'; known: open_ball, closed_ball"):
        local_thickness(np.zeros((2, 2, 2), bool), convention="ball")
