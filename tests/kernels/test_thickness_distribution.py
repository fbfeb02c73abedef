"""Statistics of thickness counts are those of the voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siltomo.errors import BadInputError
from siltomo.kernels.thickness_distribution import ThicknessCounts

entries = st.dictionaries(st.integers(1, 400), st.integers(1, 30), min_size=1, max_size=12)


def counts_of(entries, step=0.5, convention="open_ball"):
    radii = np.array(sorted(entries), np.int64)
    return ThicknessCounts(radii, np.array([entries[r] for r in radii], np.int64), step, convention)


@given(entries)
def test_statistics_are_those_of_the_voxels(entries):
    counts = counts_of(entries)
    voxels = np.repeat(counts.diameters, counts.counts)
    assert counts.total == voxels.size
    assert counts.mean() == pytest.approx(voxels.mean(), rel=1e-13)
    assert counts.std() == pytest.approx(voxels.std(), rel=1e-9, abs=1e-12)
    assert counts.median() == pytest.approx(np.median(voxels), rel=1e-13)
    for fraction in (0, 0.1, 0.25, 0.9, 1):
        assert counts.quantile(fraction) == np.quantile(voxels, fraction, method="inverted_cdf")


@given(entries, entries)
def test_counts_of_parts_add_up(one, other):
    total = counts_of(one) + counts_of(other)
    both = {radius: one.get(radius, 0) + other.get(radius, 0) for radius in one.keys() | other.keys()}
    expected = counts_of(both)
    np.testing.assert_array_equal(total.squared_radii, expected.squared_radii)
    np.testing.assert_array_equal(total.counts, expected.counts)


def test_counts_beyond_32_bits_are_exact():
    counts = counts_of({1: 3 * 2**40, 4: 2**40})
    assert (counts + counts).total == 2**43
    assert counts.mean() == 1.25
    assert counts.median() == 1.0
    assert counts.std() == math.sqrt(3) / 4


def test_bins_are_told_apart():
    counts = ThicknessCounts(np.array([1, 4]), np.array([[2, 0], [0, 3], [0, 0]]), 1.0, "open_ball")
    assert counts.of_bin(0).mean() == 2
    assert counts.of_bin(1).mean() == 4
    assert math.isnan(counts.of_bin(2).mean())
    assert counts.mean() == counts.all_bins().mean() == pytest.approx(16 / 5)
    with pytest.raises(BadInputError, match="no depth bins"):
        counts.all_bins().of_bin(0)


@pytest.mark.parametrize("other", [counts_of({1: 1}, step=1.0), counts_of({1: 1}, convention="fiji")])
def test_counts_in_other_steps_or_conventions_do_not_add(other):
    with pytest.raises(BadInputError, match="do not add"):
        counts_of({1: 1}) + other


def test_bad_counts_are_refused():
    with pytest.raises(BadInputError, match="do not fit"):
        ThicknessCounts(np.array([1, 4]), np.array([1]), 1.0, "open_ball")
    with pytest.raises(BadInputError, match="between 0 and 1"):
        counts_of({1: 1}).quantile(50)
