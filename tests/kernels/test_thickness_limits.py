"""The limits at which the computation takes another path do not show in the answer."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.ndimage

from siltomo.kernels import _paint, _ridge, _tally, _tiles
from siltomo.kernels.thickness import local_thickness, thickness_counts


def random_medium(shape, sigma, share, seed):
    noise = scipy.ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), sigma)
    return noise > np.quantile(noise, 1 - share)


@pytest.fixture(params=["medium", "noise", "few holes", "wide"])
def mask(request):
    shape = (21, 35, 70)
    if request.param == "medium":
        return random_medium(shape, 3, 0.5, 1)
    if request.param == "wide":
        return random_medium((3, 50, 170), 40, 0.9, 1)
    return np.random.default_rng(2).random(shape) < (0.6 if request.param == "noise" else 0.9995)


@pytest.fixture(params=["open_ball", "closed_ball", "fiji"])
def convention(request):
    return request.param


@pytest.mark.parametrize(
    ("module", "limit", "value"),
    [
        (_tiles, "BALLS_AT_ONCE", 5),
        (_tiles, "TILE_BYTES", 2000),
        (_tiles, "TILE_PLANES", 3),
        (_tiles, "KEY_BITS", 20),
        (_tiles, "ROOTS", 3),
        (_ridge, "TABLE_LIMIT", 3),
        (_tally, "DENSE_LIMIT", 40),
    ],
)
def test_limits_do_not_matter(mask, convention, module, limit, value, monkeypatch):
    expected = local_thickness(mask, convention=convention)
    counts = thickness_counts(mask, convention=convention)
    monkeypatch.setattr(module, limit, value)
    np.testing.assert_array_equal(local_thickness(mask, convention=convention), expected)
    again = thickness_counts(mask, convention=convention)
    np.testing.assert_array_equal(again.squared_radii, counts.squared_radii)
    np.testing.assert_array_equal(again.counts, counts.counts)


def test_threads_do_not_matter(mask, convention):
    expected = local_thickness(mask, convention=convention, threads=1)
    np.testing.assert_array_equal(local_thickness(mask, convention=convention, threads=7), expected)


@pytest.mark.parametrize("shape", [(1, 120, 130), (140, 1, 90), (85, 90, 2)])
@pytest.mark.parametrize("closed", [False, True])
def test_balls_wider_than_a_stencil(shape, closed):
    mask = np.ones(shape, bool)
    mask[0, 0, 0] = False
    mask[-1, -1, -1] = False
    points = np.argwhere(mask)
    squared = scipy.ndimage.distance_transform_edt(mask) ** 2
    radii = np.rint(squared[mask]).astype(np.int64)
    order = np.argsort(-radii)
    largest = np.zeros(len(points), np.int64)
    for centre, radius in zip(points[order], radii[order], strict=True):
        away = ((points - centre) ** 2).sum(axis=1)
        held = (away <= radius if closed else away < radius) & (largest == 0)
        largest[held] = radius
        if largest.all():
            break
    assert radii.max() > _paint.WIDEST**2
    found = local_thickness(mask, convention="closed_ball" if closed else "open_ball")
    np.testing.assert_array_equal(found[mask], (2 * np.sqrt(largest)).astype(np.float32))
