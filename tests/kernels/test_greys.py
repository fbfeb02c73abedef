from __future__ import annotations

import math

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from skimage.filters import threshold_otsu

from siltomo.errors import BadInputError
from siltomo.kernels.greys import grey_histogram

SHAPES = st.tuples(st.integers(0, 5), st.integers(1, 5), st.integers(0, 20))


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.uint16, np.int16, ">u2", "<i2"])
@given(seed=st.integers(0, 2**32 - 1), shape=SHAPES)
@settings(deadline=None, max_examples=10)
def test_each_value_is_counted(dtype, seed, shape):
    info = np.iinfo(dtype)
    values = np.random.default_rng(seed).integers(info.min, info.max, shape, endpoint=True).astype(dtype)
    found = grey_histogram(values)
    assert found.exact
    assert found.counts.dtype == np.int64
    assert (found.lower, found.upper) == (info.min, info.max)
    assert np.array_equal(np.repeat(found.values, found.counts), np.sort(values.ravel().astype(float)))


def test_booleans_and_views_are_counted():
    mask = np.random.default_rng(0).random((6, 7, 33)) < 0.3
    for view in (mask, mask[:, ::2], mask[..., ::-1], mask.T, np.broadcast_to(mask[:1], (4, 7, 33))):
        assert grey_histogram(view).counts[:2].tolist() == [view.size - view.sum(), view.sum()]


# Halves are exact in all of float16, float32, float64: bins of width 1 then have no rounding.
HALVES = (
    st.integers(-20, 60).map(lambda n: n / 2) | st.just(math.nan) | st.just(math.inf) | st.just(-math.inf)
)


@given(
    hnp.arrays(st.sampled_from([np.float16, np.float32, np.float64]), SHAPES, elements=HALVES),
    st.lists(st.integers(0, 5)),
)
@settings(deadline=None, max_examples=60)
def test_floats_are_counted_in_bins_and_blocks_do_not_matter(cut, values, places):
    whole = grey_histogram(values, lower=-1, upper=9, bins=10)
    finite = values[np.isfinite(values)].astype(float)
    assert np.array_equal(whole.counts, np.histogram(finite, 10, (-1, 9))[0])
    assert (whole.below, whole.above) == ((values < -1).sum(), (values > 9).sum())
    assert whole.undefined == np.isnan(values).sum()
    assert whole.total + whole.undefined == values.size
    if len(values):
        slabs = cut(len(values), places)
        parts = [grey_histogram(values[a:b], lower=-1, upper=9, bins=10, threads=1) for a, b in slabs]
        joined = sum(parts[1:], parts[0])
        assert np.array_equal(joined.counts, whole.counts)
        assert (joined.below, joined.above, joined.undefined) == (whole.below, whole.above, whole.undefined)


@given(
    seed=st.integers(0, 2**32 - 1), bins=st.integers(1, 700), dtype=st.sampled_from([np.float32, np.int32])
)
@settings(deadline=None, max_examples=30)
def test_bins_are_their_definition(seed, bins, dtype):
    values = (np.random.default_rng(seed).normal(100, 30, (3, 40, 41))).astype(dtype)
    found = grey_histogram(values, lower=20, upper=180, bins=bins)
    inside = values[(values >= 20) & (values <= 180)].astype(float)
    places = np.minimum(((inside - 20) * (bins / 160)).astype(int), bins - 1)
    assert np.array_equal(found.counts, np.bincount(places, minlength=bins))


@given(hnp.arrays(np.uint8, st.integers(1, 60)), st.floats(0, 1))
@settings(deadline=None, max_examples=80)
def test_quantiles_of_values_are_exact(values, fraction):
    rank = max(1, math.ceil(round(fraction * values.size, 9)))
    assert grey_histogram(values).quantile(fraction) == np.sort(values)[rank - 1]


@pytest.mark.parametrize("fraction", [0.0, 0.1, 0.25, 0.5, 0.9, 0.99, 1.0])
def test_quantiles_equal_those_of_numpy(fraction):
    values = np.random.default_rng(1).normal(30000, 4000, (10, 30, 30))
    exact = grey_histogram(values.astype(np.uint16)).quantile(fraction)
    assert exact == np.quantile(values.astype(np.uint16), fraction, method="inverted_cdf")
    binned = grey_histogram(values.astype(np.float32), lower=0, upper=60000, bins=6000).quantile(fraction)
    assert binned == pytest.approx(np.quantile(values, fraction, method="inverted_cdf"), abs=10)


def test_a_quantile_outside_of_the_range_is_refused():
    histogram = grey_histogram(np.arange(100.0), lower=20, upper=79, bins=59)
    assert histogram.quantile(0.5) == pytest.approx(49, abs=1)
    with pytest.raises(
        BadInputError, match=r"the 0.1 quantile lies below the range 20 to 79, with 20 of 100"
    ):
        histogram.quantile(0.1)
    with pytest.raises(
        BadInputError, match=r"the 0.9 quantile lies above the range 20 to 79, with 20 of 100"
    ):
        histogram.quantile(0.9)


def test_nothing_has_no_quantile():
    assert math.isnan(grey_histogram(np.zeros((0, 3, 3), np.uint8)).quantile(0.5))
    assert math.isnan(grey_histogram(np.full((2, 3, 3), math.nan), lower=0, upper=1, bins=4).quantile(0.5))


def test_otsu_from_the_histogram_equals_otsu_from_the_volume(data):
    path = data / "volumes" / "puma" / "100_fiberform.tif"
    if not path.exists():
        pytest.skip("no carbon fibres among the test data")
    volume = tifffile.imread(path)
    histogram = grey_histogram(volume[:40]) + grey_histogram(volume[40:])
    assert histogram.counts[90:].sum() / volume.size == pytest.approx(0.16714, abs=5e-6)
    # scikit-image starts at the lowest value that occurs, as a cut below it separates nothing.
    start = int(np.flatnonzero(histogram.counts)[0])
    assert threshold_otsu(hist=(histogram.counts[start:], histogram.values[start:])) == threshold_otsu(volume)


@pytest.mark.slow
def test_counts_above_two_to_the_31():
    plane = np.random.default_rng(2).integers(0, 256, (1024, 1024), dtype=np.uint8)
    volume = np.broadcast_to(plane, (2100, 1024, 1024))
    assert np.array_equal(grey_histogram(volume).counts, 2100 * grey_histogram(plane).counts)
    same = np.broadcast_to(np.uint8(7), (4200, 1024, 1024))  # one count above 2 ** 32
    assert grey_histogram(same).counts[7] == 4200 * 1024**2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: grey_histogram(np.zeros(3)), "float64 values need a range"),
        (lambda: grey_histogram(np.zeros(3), lower=0, upper=1), "float64 values need a range"),
        (lambda: grey_histogram(np.zeros(3), lower=1, upper=1, bins=3), "expected finite lower < upper"),
        (
            lambda: grey_histogram(np.zeros(3), lower=0, upper=math.inf, bins=3),
            "expected finite lower < upper",
        ),
        (lambda: grey_histogram(np.zeros(3, np.uint8), lower=0, upper=1, bins=3), "counted one by one"),
        (lambda: grey_histogram(np.zeros(3, complex)), "expected real numbers, got complex128"),
        (lambda: grey_histogram(np.zeros(3, np.uint8)).quantile(1.5), "a fraction from 0 to 1, got 1.5"),
        (
            lambda: grey_histogram(np.zeros(3, np.uint8)) + grey_histogram(np.zeros(3, np.uint16)),
            "histograms have different bins",
        ),
    ],
)
def test_wrong_input_is_refused_with_a_reason(call, message):
    with pytest.raises(BadInputError, match=message):
        call()
