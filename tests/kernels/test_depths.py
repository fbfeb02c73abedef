from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.errors import BadInputError
from siltomo.kernels.configurations import configuration_histogram, label_configurations
from siltomo.kernels.counts import label_counts
from siltomo.kernels.depths import DatumPlane, depth_bins
from siltomo.kernels.surfaces import surface_area

SPACING = (0.5, 0.4, 0.3)


def brute_bins(places, depth_of, edges):
    """The definition, point by point."""
    found = np.full(places.shape[1:], -1)
    for index in np.ndindex(*places.shape[1:]):
        depth = depth_of(*places[(slice(None), *index)])
        for number in range(len(edges) - 1):
            if edges[number] <= depth < edges[number + 1]:
                found[index] = number
    return found


def points(start, stop, shape, tiles):
    sides = (stop - start, shape[0] - tiles, shape[1] - tiles)
    grid = np.indices(sides).astype(float) + tiles / 2
    grid[0] += start
    return grid * np.array(SPACING)[:, None, None, None]


@pytest.mark.parametrize("tiles", [False, True])
@pytest.mark.parametrize("normal", [(1, 0, 0), (-2, 0, 0), (3, 1, 0), (3, 1, -2), (0, 0, 1)])
def test_tilted_planes(tiles, normal):
    plane = DatumPlane(normal, (1.13, 0.2, 0.1))
    edges = [-1, -0.3, 0.21, 0.77, 3]
    unit = np.array(normal) / np.linalg.norm(normal)
    expected = brute_bins(points(2, 7, (5, 6), tiles), lambda *p: unit @ (np.array(p) - plane.point), edges)
    found = depth_bins(2, 7, (5, 6), spacing=SPACING, datum=plane, edges=edges, tiles=tiles)
    assert np.array_equal(np.broadcast_to(found, expected.shape), expected)
    assert found.size == math.prod(n for n, part in zip(expected.shape, normal, strict=True) if part)


@pytest.mark.parametrize("tiles", [False, True])
def test_height_maps_and_levels(tiles):
    heights = np.random.default_rng(0).random((5, 6)) * 2
    heights[3, 3] = math.nan
    edges = [0, 0.31, 0.62, 1.5]
    found = depth_bins(1, 7, (5, 6), spacing=SPACING, datum=heights, edges=edges, tiles=tiles)
    columns = heights
    if tiles:
        columns = sum(heights[a : 4 + a, b : 5 + b] for a in (0, 1) for b in (0, 1)) / 4
    z = (np.arange(1, 7) + tiles / 2) * SPACING[0]
    for (y, x), height in np.ndenumerate(columns):
        expected = [
            np.searchsorted(edges, depth, "right") - 1 if 0 <= depth < 1.5 else -1 for depth in z - height
        ]
        assert found[:, y, x].tolist() == expected
    level = depth_bins(1, 7, (5, 6), spacing=SPACING, datum=0.9, edges=edges, tiles=tiles)
    flat = depth_bins(1, 7, (5, 6), spacing=SPACING, datum=np.full((5, 6), 0.9), edges=edges, tiles=tiles)
    assert level.shape == (6, 1, 1)
    assert np.array_equal(np.broadcast_to(level, flat.shape), flat)


@given(st.integers(0, 2**32 - 1), st.integers(1, 10))
@settings(deadline=None, max_examples=20)
def test_slabs_give_the_bins_of_the_volume(seed, place):
    generator = np.random.default_rng(seed)
    plane = DatumPlane(tuple(generator.normal(size=3)), tuple(generator.normal(size=3)))
    for datum in (plane, generator.random((4, 5)), 0.7):
        whole = depth_bins(0, 11, (4, 5), spacing=SPACING, datum=datum, edges=[-1, 0, 1, 2])
        parts = [
            depth_bins(a, b, (4, 5), spacing=SPACING, datum=datum, edges=[-1, 0, 1, 2])
            for a, b in ((0, place), (place, 11))
        ]
        assert np.array_equal(np.concatenate(parts), whole)


def test_a_staircase_of_walls_is_seen_in_its_depth():
    # Below a tilted surface: a wall in each second depth bin, none in the others, read in two slabs.
    normal = (4.0, 0.0, 1.0)
    plane = DatumPlane(normal, (2.0, 0.0, 0.0))
    z, _, x = np.indices((60, 20, 40))
    depth = (4 * z + x - 8) / math.sqrt(17)
    mask = (depth >= 10) & (depth < 14) | (depth >= 26) & (depth < 30) | (depth >= 42)
    edges = [9, 18, 22, 34, 38, 50]  # two walls, no wall, two walls, no wall, one wall
    found = np.zeros((5, 256), int)
    voxels = np.zeros((5, 1), int)
    for start, stop in ((0, 23), (23, 59)):
        bins = depth_bins(start, stop, (20, 40), spacing=(1, 1, 1), datum=plane, edges=edges, tiles=True)
        found += label_configurations(mask[start : stop + 1].view(np.uint8), [1], bins=bins, bin_count=5)[
            :, 0
        ]
        bins = depth_bins(start, stop, (20, 40), spacing=(1, 1, 1), datum=plane, edges=edges)
        voxels += label_counts(mask[start:stop].view(np.uint8), [1], bins=bins, bin_count=5)
    areas = [surface_area(histogram, (1, 1, 1)) for histogram in found]
    one_wall = 19 * 39 * math.sqrt(17) / 4
    assert areas == pytest.approx(
        [2 * one_wall, 0, 2 * one_wall, 0, one_wall], rel=0.07
    )  # Crofton on a plane
    assert sum(areas) == pytest.approx(
        surface_area(configuration_histogram(mask) - plain_rest(mask, plane, edges), (1, 1, 1))
    )
    assert voxels[1, 0] == voxels[3, 0] == 0
    assert voxels[0, 0] == ((depth >= 10) & (depth < 14)).sum()


def plain_rest(mask, plane, edges):
    """Histogram of the tiles that are in no bin."""
    bins = depth_bins(
        0, len(mask) - 1, mask.shape[1:], spacing=(1, 1, 1), datum=plane, edges=edges, tiles=True
    )
    outside = np.where(bins < 0, 0, -1)
    return label_configurations(mask.view(np.uint8), [1], bins=outside, bin_count=1)[0, 0]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (
            lambda: depth_bins(0, 3, (4, 4), spacing=SPACING, datum=0.0, edges=[1]),
            "at least two ascending depths",
        ),
        (
            lambda: depth_bins(0, 3, (4, 4), spacing=SPACING, datum=0.0, edges=[1, 1]),
            "at least two ascending depths",
        ),
        (
            lambda: depth_bins(0, 3, (4, 4), spacing=SPACING, datum=np.zeros((4, 5)), edges=[0, 1]),
            r"height map has shape \(4, 5\)",
        ),
        (
            lambda: depth_bins(
                0, 3, (4, 4), spacing=SPACING, datum=DatumPlane((0, 0, 0), (0, 0, 0)), edges=[0, 1]
            ),
            "has no direction",
        ),
    ],
)
def test_wrong_input_is_refused_with_a_reason(call, message):
    with pytest.raises(BadInputError, match=message):
        call()
