"""Slabs of a volume give exactly the counts of the whole."""

from __future__ import annotations

import functools
import itertools
import operator

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from siltomo.errors import BadInputError
from siltomo.kernels.distance import NoBackgroundError, squared_distance
from siltomo.kernels.thickness import thickness_counts
from siltomo.kernels.thickness_slabs import HaloTooLargeError, slab_thickness_counts, stream_thickness_counts

conventions = st.sampled_from(["open_ball", "closed_ball", "fiji"])


def random_medium(shape, sigma, share, seed):
    """Threshold smoothed noise."""
    noise = scipy.ndimage.gaussian_filter(np.random.default_rng(seed).standard_normal(shape), sigma)
    return noise > np.quantile(noise, 1 - share)


def assert_same(counts, expected):
    np.testing.assert_array_equal(counts.squared_radii, expected.squared_radii)
    np.testing.assert_array_equal(counts.counts, expected.counts)
    assert (counts.step, counts.convention) == (expected.step, expected.convention)


def sum_of_slabs(volume, edges, **options):
    parts = [
        slab_thickness_counts(lambda a, b: volume[a:b], start, stop, len(volume), **options)
        for start, stop in itertools.pairwise(edges)
    ]
    return functools.reduce(operator.add, parts)


@settings(max_examples=60, deadline=None)
@given(
    hnp.arrays(
        np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 7), st.integers(1, 7)), fill=st.just(True)
    ),
    conventions,
    st.sampled_from([(1, 1, 1), (1, 2, 3), (3, 1, 1)]),
    st.integers(0, 6),
    st.data(),
)
def test_any_slabs_add_up_to_the_whole(volume, convention, spacing, halo, data):
    volume.flat[data.draw(st.integers(0, volume.size - 1))] = False
    inner = data.draw(st.sets(st.integers(1, len(volume))))
    edges = sorted({0, len(volume)} | inner)
    whole = thickness_counts(volume, spacing, convention=convention)
    slabs = sum_of_slabs(volume, edges, convention=convention, spacing=spacing, halo=halo)
    assert_same(slabs, whole)


@pytest.mark.parametrize("convention", ["open_ball", "closed_ball", "fiji"])
@pytest.mark.parametrize(("sigma", "share"), [(2, 0.2), (3, 0.8), (1, 0.5)])
@pytest.mark.parametrize("planes", [1, 7, 20])
def test_slabs_of_a_random_medium(convention, sigma, share, planes):
    volume = random_medium((40, 36, 36), sigma, share, seed=planes)
    edges = [*range(0, 40, planes), 40]
    whole = thickness_counts(volume, convention=convention)
    assert_same(sum_of_slabs(volume, edges, convention=convention, halo=2), whole)


def test_the_halo_grows_only_as_far_as_needed():
    volume = np.ones((200, 8, 8), bool)
    volume[:, ::3] = False
    seen = []

    def planes(start, stop):
        seen.append((start, stop))
        return volume[start:stop]

    slab_thickness_counts(planes, 100, 110, 200, halo=4)
    assert (min(a for a, _ in seen), max(b for _, b in seen)) == (96, 114)
    assert sum(b - a for a, b in seen) == 18, "no plane is read twice"


def test_a_ball_from_far_away_is_found():
    # A narrow channel opens into a wide cavity far below the core, whose ball reaches into the core.
    volume = np.zeros((90, 41, 41), bool)
    volume[:, 20, 20] = True
    z, y, x = np.indices(volume.shape)
    volume |= (z - 60) ** 2 + (y - 20) ** 2 + (x - 20) ** 2 < 19**2
    for convention in ("open_ball", "closed_ball", "fiji"):
        whole = thickness_counts(volume, convention=convention, bins=np.arange(90))
        for start in (39, 40, 41, 42, 43, 44, 79, 80):
            slab = slab_thickness_counts(
                lambda a, b: volume[a:b], start, start + 1, 90, convention=convention, halo=1
            )
            expected = whole.of_bin(start)
            kept = expected.counts > 0
            np.testing.assert_array_equal(slab.squared_radii, expected.squared_radii[kept])
            np.testing.assert_array_equal(slab.counts, expected.counts[kept])


def test_a_limit_of_the_halo_is_kept():
    volume = np.ones((100, 5, 5), bool)
    volume[0] = False
    with pytest.raises(HaloTooLargeError, match="more than 10 planes"):
        slab_thickness_counts(lambda a, b: volume[a:b], 80, 90, 100, halo=4, max_halo=10)


def test_a_slab_without_background_in_a_volume_that_has_some():
    volume = np.ones((64, 5, 5), bool)
    volume[63, 2, 2] = False
    whole = thickness_counts(volume)
    assert_same(sum_of_slabs(volume, [0, 5, 30, 64], halo=2), whole)


def test_no_background_at_all_is_an_error():
    volume = np.ones((20, 5, 5), bool)
    with pytest.raises(NoBackgroundError):
        slab_thickness_counts(lambda a, b: volume[a:b], 5, 10, 20, halo=2)


def test_a_core_without_phase_reads_no_halo():
    volume = np.zeros((20, 5, 5), bool)
    volume[:3] = True
    seen = []
    counts = slab_thickness_counts(lambda a, b: seen.append((a, b)) or volume[a:b], 5, 10, 20)
    assert counts.total == 0
    assert seen == [(5, 10)]


@settings(max_examples=25, deadline=None)
@given(conventions, st.integers(1, 12), st.integers(0, 3))
def test_slabs_with_a_part_beyond_the_window(convention, planes, seed):
    medium = random_medium((24, 20, 20), 2, 0.6, seed)
    _, y, x = np.indices(medium.shape)
    outside = (y - 10) ** 2 + (x - 10) ** 2 > 81
    medium &= ~outside
    whole = thickness_counts(medium, convention=convention, outside=outside)
    edges = [*range(0, 24, planes), 24]
    parts = [
        slab_thickness_counts(
            lambda a, b: (medium[a:b], outside[a:b]), a, b, 24, convention=convention, halo=1
        )
        for a, b in itertools.pairwise(edges)
    ]
    assert_same(functools.reduce(operator.add, parts), whole)


def test_bad_planes_are_refused():
    volume = np.zeros((9, 4, 4), bool)
    with pytest.raises(BadInputError, match="not a range within"):
        slab_thickness_counts(lambda a, b: volume[a:b], 5, 10, 9)
    with pytest.raises(BadInputError, match=r"planes\(2, 4\) returned 9 planes"):
        slab_thickness_counts(lambda a, b: volume, 2, 4, 9)


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 7), st.integers(1, 7)), fill=st.just(True)
    ),
    conventions,
    st.integers(1, 9),
    st.integers(1, 6),
)
def test_a_stream_gives_the_counts_of_the_whole(volume, convention, slab, halo):
    volume.flat[0] = False
    bins = np.arange(len(volume)) // 3 - 1
    options = {"convention": convention, "bins": bins, "bin_count": 9}
    whole = thickness_counts(volume, **options)
    streamed = stream_thickness_counts(lambda a, b: volume[a:b], len(volume), slab=slab, halo=halo, **options)
    assert_same(streamed, whole)


def test_a_stream_reads_each_plane_once_and_in_order():
    volume = random_medium((60, 30, 30), 1, 0.3, seed=0)
    seen = []

    def planes(start, stop):
        seen.extend(range(start, stop))
        return volume[start:stop]

    counts = stream_thickness_counts(planes, 60, slab=10, halo=12)
    assert seen == list(range(60))
    assert_same(counts, thickness_counts(volume))


def test_a_stream_with_a_part_beyond_the_window():
    medium = random_medium((30, 20, 20), 2, 0.6, seed=0)
    outside = np.zeros_like(medium)
    outside[12:, 5:] = True
    medium &= ~outside
    streamed = stream_thickness_counts(lambda a, b: (medium[a:b], outside[a:b]), 30, slab=7, halo=2)
    assert_same(streamed, thickness_counts(medium, outside=outside))
    # The mask beyond the window may be left out where nothing is.
    streamed = stream_thickness_counts(
        lambda a, b: (medium[a:b], outside[a:b]) if b > 12 else medium[a:b], 30, slab=6, halo=1
    )
    assert_same(streamed, thickness_counts(medium, outside=outside))


@settings(max_examples=40, deadline=None)
@given(
    hnp.arrays(
        np.bool_, st.tuples(st.integers(1, 60), st.integers(1, 6), st.integers(1, 6)), fill=st.just(True)
    ),
    conventions,
    st.sampled_from([(1, 1, 1), (1, 2, 3), (3, 1, 1)]),
    st.data(),
)
def test_a_halo_of_the_largest_diameter_is_always_enough(volume, convention, spacing, data):
    for place in data.draw(st.lists(st.integers(0, volume.size - 1), min_size=1, max_size=9)):
        volume.flat[place] = False
    start = data.draw(st.integers(0, len(volume) - 1))
    largest = 2 * np.sqrt(squared_distance(volume, spacing).astype(float).max())
    halo = int((largest + np.hypot(*spacing[1:])) / spacing[0]) + 1
    slab_thickness_counts(
        lambda a, b: volume[a:b],
        start,
        start + 1,
        len(volume),
        convention=convention,
        spacing=spacing,
        halo=halo,
        max_halo=halo,
    )


def test_bad_slabs_are_refused():
    with pytest.raises(BadInputError, match="slab=0"):
        stream_thickness_counts(lambda a, b: np.zeros((b - a, 2, 2), bool), 5, slab=0)
    with pytest.raises(BadInputError, match="not a range within"):
        stream_thickness_counts(lambda a, b: np.zeros((b - a, 2, 2), bool), 0)
