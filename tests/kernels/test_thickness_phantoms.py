"""Bodies whose thickness is known, and the rules that BoneJ publishes for Fiji's thickness.

The rules of BoneJ are those of its ThicknessHelperTest (BSD-2-Clause, Michael Doube and the BoneJ
developers): bricks of t voxels read t, or t + 1 where t is odd, within 5 %; rods of diameter d read d within
1.5 voxels; balls of radius r read 1.944 r - 1.219 within 10 %. Discs are drawn here by their voxel centres.
"""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from siltomo.kernels.distance import squared_distance
from siltomo.kernels.thickness import local_thickness, thickness_counts
from siltomo.kernels.thickness_distribution import ThicknessCounts

CONVENTIONS = ["open_ball", "closed_ball", "fiji"]
conventions = st.sampled_from(CONVENTIONS)
masks = hnp.arrays(np.bool_, hnp.array_shapes(min_dims=3, max_dims=3, max_side=12), fill=st.just(True))


def ball(shape, centre, radius):
    return sum((axis - c) ** 2 for axis, c in zip(np.indices(shape), centre, strict=True)) < radius**2


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("voxels", [1, 2, 3, 4, 7, 8, 15, 16])
@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_plate_reads_its_voxels_or_one_more_if_odd(convention, voxels, axis):
    plate = np.zeros((40, 40, 40), bool)
    np.moveaxis(plate, axis, 0)[9 : 9 + voxels] = True
    counts = thickness_counts(plate, convention=convention)
    assert counts.diameters.tolist() == [voxels + voxels % 2]
    assert counts.total == voxels * 1600


@pytest.mark.parametrize("thickness", range(1, 21))
def test_bonej_bricks(thickness):
    brick = np.zeros((thickness + 2, 130, 130), bool)
    brick[1:-1, 1:-1, 1:-1] = True
    mean = thickness_counts(brick, convention="fiji").mean()
    assert mean == pytest.approx(thickness + thickness % 2, rel=0.05)


def disc(side, diameter):
    """Draw a disc in the middle of a square."""
    y, x = np.indices((side, side)) + 0.5 - side / 2
    return y**2 + x**2 < max(diameter / 2, 0.75 * (diameter == 1)) ** 2


@pytest.mark.parametrize("diameter", range(1, 25))
def test_bonej_rods(diameter):
    section = disc(2 * diameter + diameter % 2, diameter)
    rod = np.broadcast_to(section, (min(100 * diameter, 300), *section.shape))
    assert thickness_counts(rod, convention="fiji").mean() == pytest.approx(diameter, abs=1.5)


@pytest.mark.parametrize("radius", range(2, 25))
def test_bonej_balls(radius):
    heights = np.arange(-radius, radius + 1)
    widths = np.rint(np.sqrt(radius**2 - heights**2))
    body = np.pad([disc(2 * radius + 2, 2 * width) for width in widths], [(1, 1), (0, 0), (0, 0)])
    mean = thickness_counts(body, convention="fiji").mean()
    assert mean == pytest.approx(1.9441872882 * radius - 1.218936, rel=0.1)


@pytest.mark.parametrize("convention", CONVENTIONS)
@pytest.mark.parametrize("diameter", [8, 16, 24])
def test_a_ball_reads_its_diameter_within_a_voxel_and_a_half(convention, diameter):
    rng = np.random.default_rng(diameter)
    for _ in range(3):
        centre = diameter / 2 + 3 + rng.random(3)
        body = ball([diameter + 8] * 3, centre, diameter / 2)
        assert thickness_counts(body, convention=convention).median() == pytest.approx(diameter, abs=1.5)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_two_balls_are_two_atoms(convention):
    small = ball((60, 60, 120), (30, 30, 20), 10.2)
    large = ball((60, 60, 120), (30, 30, 80), 20.2)
    counts = thickness_counts(small | large, convention=convention)
    if convention == "fiji":  # the clean-up mixes, within each ball
        split = counts.counts[counts.diameters < 30].sum(), counts.counts[counts.diameters >= 30].sum()
        assert split == (small.sum(), large.sum())
        return
    # The last voxels of a digital ball may be beyond its largest open ball, in a slightly smaller one.
    weights = {d: n / counts.total for d, n in zip(counts.diameters, counts.counts, strict=True)}
    atoms = sorted(weights, key=weights.__getitem__)[-2:]
    assert sorted(atoms) == pytest.approx([2 * 10.2, 2 * 20.2], abs=1)
    assert sum(weights[atom] for atom in atoms) > 0.97


def test_a_staircase_crack_by_depth():
    widths = [4, 10, 6]
    volume = np.zeros((3 * 40, 24, 30), bool)
    for step, width in enumerate(widths):
        volume[40 * step : 40 * (step + 1), 12 - width // 2 : 12 + width // 2] = True
    counts = thickness_counts(volume, bins=np.arange(120) // 40)
    assert counts.counts.shape == (3, counts.squared_radii.size)
    assert counts.profile(ThicknessCounts.median).tolist() == widths
    np.testing.assert_array_equal(counts.all_bins().counts, thickness_counts(volume).counts)


def test_depth_from_a_tilted_datum():
    rng = np.random.default_rng(0)
    volume = rng.random((20, 21, 22)) < 0.8
    _, y, _ = np.indices(volume.shape)
    depth = np.arange(20)[:, np.newaxis, np.newaxis] - y // 4
    for convention in CONVENTIONS[:2]:
        thickness = local_thickness(volume, convention=convention)
        counts = thickness_counts(volume, convention=convention, bins=depth, bin_count=30)
        assert counts.counts.shape[0] == 30
        assert counts.total == (volume & (depth >= 0)).sum()
        for bin_ in range(20):
            expected = thickness[volume & (depth == bin_)].astype(float).mean()
            assert counts.of_bin(bin_).mean() == pytest.approx(expected, rel=1e-6)
        assert np.isnan(counts.of_bin(29).mean())


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_planes_in_no_bin_are_not_counted(convention):
    volume = np.random.default_rng(0).random((20, 21, 22)) < 0.8
    bins = np.array([-1] * 5 + [0] * 5 + [2] * 10)
    counts = thickness_counts(volume, convention=convention, bins=bins)
    assert [counts.of_bin(i).total for i in range(3)] == [volume[5:10].sum(), 0, volume[10:].sum()]


# Laws


@settings(max_examples=40, deadline=None)
@given(masks, conventions, st.permutations(range(3)), st.integers(0, 7))
def test_turning_the_volume_turns_the_thickness(mask, convention, axes, flips):
    mask.flat[-1] = False
    flipped = tuple(axis for axis in range(3) if flips >> axis & 1)
    turned = local_thickness(np.flip(mask.transpose(axes), flipped), convention=convention)
    expected = np.flip(local_thickness(mask, convention=convention).transpose(axes), flipped)
    np.testing.assert_allclose(turned, expected, rtol=1e-6)  # Fiji's means are summed in another order


@settings(max_examples=30, deadline=None)
@given(masks, conventions, st.sampled_from([0.16, 2.0, 650.0]))
def test_thickness_scales_with_the_voxel(mask, convention, edge):
    mask.flat[0] = False
    scaled = local_thickness(mask, (edge, edge, edge), convention=convention)
    np.testing.assert_allclose(scaled, edge * local_thickness(mask, convention=convention), rtol=1e-6)
    counts = thickness_counts(mask, (edge, edge, edge), convention=convention)
    np.testing.assert_array_equal(counts.counts, thickness_counts(mask, convention=convention).counts)


@settings(max_examples=30, deadline=None)
@given(masks, masks, conventions)
def test_bodies_far_apart_do_not_see_each_other(one, other, convention):
    one.flat[0] = other.flat[0] = False
    shape = np.maximum(one.shape, other.shape)
    pads = [
        [(3, 3 + grown - extent) for grown, extent in zip(shape, mask.shape, strict=True)]
        for mask in (one, other)
    ]
    one, other = (np.pad(mask, pad) for mask, pad in zip((one, other), pads, strict=True))
    # Closed balls overshoot by one voxel, and the clean-up of Fiji looks two voxels further.
    together = local_thickness(np.concatenate([one, other]), convention=convention)
    np.testing.assert_array_equal(together[: len(one)], local_thickness(one, convention=convention))
    np.testing.assert_array_equal(together[-len(other) :], local_thickness(other, convention=convention))


@settings(max_examples=40, deadline=None)
@given(masks)
def test_a_closed_ball_holds_the_open_one(mask):
    mask.flat[0] = False
    opened = local_thickness(mask)
    closed = local_thickness(mask, convention="closed_ball")
    assert (closed[mask] >= opened[mask]).all()
    own = 2 * np.sqrt(squared_distance(mask).astype(float))
    assert (opened[mask] >= own[mask].astype(np.float32)).all()
    assert np.nanmax(closed, initial=0) == np.nanmax(opened, initial=0) == own.max().astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(masks, conventions)
def test_counts_are_those_of_the_map(mask, convention):
    mask.flat[0] = False
    diameters = local_thickness(mask, convention=convention)[mask].astype(float)
    counts = thickness_counts(mask, convention=convention)
    assert counts.total == mask.sum()
    if mask.any():
        tolerance = 1 / 2048 + 1e-5  # of the fractions in which Fiji's diameters are counted
        assert counts.mean() == pytest.approx(diameters.mean(), abs=tolerance)
        assert counts.median() == pytest.approx(np.median(diameters), abs=tolerance)
        assert counts.std() == pytest.approx(diameters.std(), abs=2 * tolerance)


def fiji_by_definition(mask):
    """Closed balls, the clean-up of the voxels that touch zero, and the mask, voxel by voxel."""
    raw = np.zeros(mask.shape)
    squared = squared_distance(mask).astype(int)
    grid = np.indices(mask.shape)
    for centre in np.argwhere(mask):
        held = sum((grid[a] - centre[a]) ** 2 for a in range(3)) <= squared[tuple(centre)]
        raw[held] = np.maximum(raw[held], 2 * np.sqrt(squared[tuple(centre)]))
    edge = np.zeros(mask.shape, bool)
    for place in np.argwhere(raw > 0):
        around = tuple(slice(max(c - 1, 0), c + 2) for c in place)
        edge[tuple(place)] = (raw[around] == 0).any()
    cleaned = raw.copy()
    for place in np.argwhere(edge):
        around = tuple(slice(max(c - 1, 0), c + 2) for c in place)
        inner = raw[around][(raw[around] > 0) & ~edge[around]]
        if inner.size:
            cleaned[tuple(place)] = inner.mean()
    return np.where(mask, cleaned, np.nan)


@settings(max_examples=50, deadline=None)
@given(masks)
def test_fiji_cleans_up_as_described(mask):
    mask.flat[0] = False
    np.testing.assert_allclose(local_thickness(mask, convention="fiji"), fiji_by_definition(mask), rtol=1e-6)


@pytest.mark.parametrize("share", [0.3, 0.7, 0.95])
def test_fiji_cleans_up_a_noisy_volume_as_described(share):
    mask = np.random.default_rng(0).random((14, 15, 16)) < share
    np.testing.assert_allclose(local_thickness(mask, convention="fiji"), fiji_by_definition(mask), rtol=1e-6)


@pytest.mark.parametrize("convention", CONVENTIONS)
def test_a_border_shell_beyond_the_window_equals_cropping(convention):
    mask = np.random.default_rng(3).random((14, 15, 16)) < 0.95
    outside = np.ones(mask.shape, bool)
    inner = (slice(2, -1), slice(3, -2), slice(1, -4))
    outside[inner] = False
    found = local_thickness(mask & ~outside, convention=convention, outside=outside)
    assert np.isnan(found[outside]).all()
    np.testing.assert_array_equal(found[inner], local_thickness(mask[inner], convention=convention))
