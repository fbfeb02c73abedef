"""Shifts that are known to a fraction of a voxel."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.errors import BadInputError
from siltomo.segmentation.registration import common_windows, find_drift


def specimen(shift: tuple[float, float, float], *, seed: int = 0, n: int = 32) -> np.ndarray:
    """Gaussian blobs at known places of a larger field, sampled on a window: a shift is exact, and not periodic."""
    random = np.random.default_rng(seed)
    places = random.uniform(-8, n + 8, (250, 3)) + shift
    widths, heights = random.uniform(1.2, 2.5, 250), random.uniform(0.3, 1, 250)
    grid = np.arange(n, dtype=float)
    made = np.zeros((n, n, n))
    for place, width, height in zip(places, widths, heights, strict=True):
        z, y, x = (np.exp(-((grid - p) ** 2) / (2 * width**2)) for p in place)
        made += height * z[:, None, None] * y[:, None] * x
    return made


@settings(max_examples=6, deadline=None)
@given(shift=st.tuples(*[st.floats(-4, 4)] * 3), seed=st.integers(0, 50))
def test_drifts_are_found_to_a_tenth_of_a_voxel(shift: tuple[float, float, float], seed: int) -> None:
    found = find_drift(specimen((0, 0, 0), seed=seed), specimen(shift, seed=seed))
    assert found.shift == pytest.approx(shift, abs=0.1)
    assert found.correlation > 0.95


def test_noise_and_other_greys_do_not_matter() -> None:
    random = np.random.default_rng(1)
    one = specimen((0, 0, 0))
    other = 50 + 3 * specimen((1.3, -2.45, 0.6))
    noisy = [v + random.normal(0, v.std(), v.shape) for v in (one, other)]
    assert find_drift(*noisy).shift == pytest.approx((1.3, -2.45, 0.6), abs=0.2)


def test_a_shift_and_its_reverse_cancel() -> None:
    one, other = specimen((0, 0, 0)), specimen((0.4, 1.6, -0.7))
    there, back = find_drift(one, other).shift, find_drift(other, one).shift
    assert np.add(there, back) == pytest.approx(0, abs=0.1)


def test_unlike_volumes_do_not_correlate() -> None:
    assert find_drift(specimen((0, 0, 0)), specimen((0, 0, 0), seed=9)).correlation < 0.5


def test_what_cannot_be_registered_is_refused() -> None:
    one = specimen((0, 0, 0), n=16)
    with pytest.raises(BadInputError, match="cannot be registered"):
        find_drift(one, one[1:])
    with pytest.raises(BadInputError, match="constant"):
        find_drift(one, one * 0)


def test_common_windows_show_the_same_specimen() -> None:
    shifts = [(0.0, 0.0, 0.0), (2.0, -3.0, 1.0), (-1.0, 2.0, 0.0)]
    scans = [specimen((s[0], s[1], s[2]), n=32) for s in shifts]
    windows = common_windows([v.shape for v in scans], shifts)
    parts = [scan[window] for scan, window in zip(scans, windows, strict=True)]
    assert parts[0].shape == (29, 27, 31)
    assert np.allclose(parts[0], parts[1])
    assert np.allclose(parts[0], parts[2])
    with pytest.raises(BadInputError, match="in common along y"):
        common_windows([(8, 8, 8)] * 2, [(0, 0, 0), (0, 9, 0)])
