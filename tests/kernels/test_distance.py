"""Squared distances against their definition, closed forms and laws."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from siltomo.errors import BadInputError
from siltomo.kernels.distance import NoBackgroundError, squared_distance

masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=9), fill=st.just(True))
spacings = st.sampled_from([(1, 1, 1), (2, 1, 1), (1, 3, 2)])


def by_definition(mask, weights, outside=None):
    """Least weighted squared distance over all background voxels, by comparing all pairs."""
    background = np.argwhere(~mask if outside is None else ~mask & ~outside)
    away = np.argwhere(mask)[:, np.newaxis] - background
    squared = np.zeros(mask.shape, np.int64)
    squared[mask] = (away**2 * np.array(weights)).sum(axis=-1).min(axis=1)
    return squared


@settings(max_examples=60, deadline=None)
@given(masks, spacings)
def test_it_is_the_least_distance_to_any_background_voxel(mask, spacing):
    mask.flat[0] = False
    weights = [edge**2 for edge in spacing]
    np.testing.assert_array_equal(squared_distance(mask, spacing), by_definition(mask, weights))


@settings(max_examples=30, deadline=None)
@given(masks, st.data())
def test_voxels_beyond_the_window_are_neither_background_nor_phase(mask, data):
    outside = data.draw(hnp.arrays(np.bool_, mask.shape)) & ~mask
    outside.flat[0] = mask.flat[0] = False
    expected = by_definition(mask, (1, 1, 1), outside)
    np.testing.assert_array_equal(squared_distance(mask, outside=outside), expected)


def test_a_border_shell_beyond_the_window_equals_cropping():
    mask = np.random.default_rng(3).random((14, 15, 16)) < 0.95
    outside = np.ones(mask.shape, bool)
    outside[2:-1, 3:-2, 1:-4] = False
    inner = squared_distance(mask & ~outside, outside=outside)[2:-1, 3:-2, 1:-4]
    np.testing.assert_array_equal(inner, squared_distance(mask[2:-1, 3:-2, 1:-4]))


@pytest.mark.parametrize(
    "shape", [(3, 3, 500), (500, 3, 3), (3, 500, 3), (1, 500, 500), (1, 1, 1), (2, 700, 33)]
)
def test_distances_beyond_the_narrow_type_are_exact(shape):
    mask = np.ones(shape, bool)
    mask[0, 0, 0] = False
    z, y, x = np.indices(shape)
    squared = squared_distance(mask)
    np.testing.assert_array_equal(squared, z**2 + y**2 + x**2)
    longest = sum((extent - 1) ** 2 for extent in shape)
    assert squared.dtype == (np.uint16 if longest < 65535 else np.uint32)


def test_the_narrow_type_is_left_exactly_where_it_ends():
    for length in (255, 256, 257):
        mask = np.ones((1, 1, length + 1), bool)
        mask[0, 0, 0] = False
        squared = squared_distance(mask)
        assert squared.max() == length**2
        assert squared.dtype == (np.uint16 if length < 256 else np.uint32)


def test_distances_beyond_32_bits_are_exact():
    mask = np.ones((1, 2, 70_000), bool)
    mask[0, 0, 0] = False
    squared = squared_distance(mask, threads=1)
    assert squared.dtype == np.uint64
    assert squared[0, 1, -1] == 69_999**2 + 1


@pytest.mark.parametrize(
    "spacing", [(0.16, 0.16, 0.16), (0.2, 0.16, 0.16), (1.3, 0.7, 1.1), (0.3217563, 0.1625, 0.1626)]
)
def test_physical_spacing_agrees_with_scipy(spacing):
    mask = np.random.default_rng(0).random((20, 30, 40)) < 0.97
    expected = scipy.ndimage.distance_transform_edt(mask, sampling=spacing) ** 2
    # Edges are matched to 1e-6, squares to twice that.
    np.testing.assert_allclose(squared_distance(mask, spacing), expected, rtol=2.1e-6)


def test_simple_ratios_of_edges_are_exact():
    mask = np.random.default_rng(0).random((9, 10, 11)) < 0.97
    steps = squared_distance(mask, (5, 4, 4))
    np.testing.assert_allclose(squared_distance(mask, (0.20, 0.16, 0.16)), steps * 0.04**2, rtol=1e-15)


def test_a_slit_between_two_walls():
    mask = np.ones((4, 9, 4), bool)
    mask[:, [0, 8]] = False
    assert squared_distance(mask)[2, :, 2].tolist() == [0, 1, 4, 9, 16, 9, 4, 1, 0]


def test_array_borders_are_not_background():
    mask = np.ones((5, 5, 5), bool)
    mask[0, 0, 0] = False
    assert squared_distance(mask)[4, 4, 4] == 48


@settings(max_examples=20, deadline=None)
@given(masks, st.permutations(range(3)), st.integers(0, 7))
def test_turning_the_volume_turns_the_distances(mask, axes, flips):
    mask.flat[-1] = False
    flipped = tuple(axis for axis in range(3) if flips >> axis & 1)
    turned = np.flip(mask.transpose(axes), flipped)
    np.testing.assert_array_equal(
        squared_distance(turned), np.flip(squared_distance(mask).transpose(axes), flipped)
    )


def test_threads_do_not_matter():
    mask = np.random.default_rng(5).random((37, 41, 43)) < 0.99
    np.testing.assert_array_equal(squared_distance(mask, threads=1), squared_distance(mask, threads=5))


def test_no_phase_is_all_zero():
    assert not squared_distance(np.zeros((2, 3, 4), bool)).any()
    assert squared_distance(np.zeros((0, 3, 4), bool)).shape == (0, 3, 4)


@pytest.mark.parametrize("shape", [(1, 1, 1), (4, 5, 6), (1, 300, 300)])
def test_no_background_is_an_error_not_a_number(shape):
    with pytest.raises(NoBackgroundError, match="no background voxel"):
        squared_distance(np.ones(shape, bool))


def test_no_background_beside_what_is_beyond_the_window():
    mask = np.ones((3, 3, 3), bool)
    mask[0] = False
    with pytest.raises(NoBackgroundError):
        squared_distance(mask, outside=~mask)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((np.ones((3, 3), bool),), r"expected shape \(z, y, x\)"),
        ((np.ones((3, 3, 3), np.uint8),), "expected booleans, got uint8"),
        ((np.zeros((3, 3, 3), bool), (1, 1)), "three positive lengths"),
        ((np.zeros((3, 3, 3), bool), (1, 0, 1)), "three positive lengths"),
        ((np.zeros((3, 3, 3), bool), (1, np.nan, 1)), "three positive lengths"),
    ],
)
def test_bad_input_is_refused(arguments, message):
    with pytest.raises(BadInputError, match=message):
        squared_distance(*arguments)


def test_outside_must_fit_the_mask():
    mask = np.zeros((3, 3, 3), bool)
    with pytest.raises(BadInputError, match=r"outside has shape"):
        squared_distance(mask, outside=np.zeros((3, 3, 4), bool))
    with pytest.raises(BadInputError, match="share voxels"):
        squared_distance(~mask, outside=~mask)


def test_threads_are_bounded_by_the_environment(monkeypatch):
    mask = np.random.default_rng(5).random((9, 9, 9)) < 0.9
    expected = squared_distance(mask)
    monkeypatch.setenv("SILTOMO_THREADS", "1")
    np.testing.assert_array_equal(squared_distance(mask), expected)
    monkeypatch.setenv("SILTOMO_THREADS", "many")
    with pytest.raises(BadInputError, match="SILTOMO_THREADS is 'many'"):
        squared_distance(mask)
    with pytest.raises(BadInputError, match="at least 1, got 0"):
        squared_distance(mask, threads=0)


def test_edges_that_overflow_are_refused():
    mask = np.zeros((2, 2, 3_000_000), bool)
    mask[0, 0, 0] = True
    with pytest.raises(BadInputError, match="overflows"):
        squared_distance(mask, (1.0000123, 1.2345671, 271.8281828))
