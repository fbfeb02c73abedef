"""Resolution of volumes whose blur and noise are known."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import ndtr

from siltomo.errors import BadInputError
from siltomo.kernels.depths import DatumPlane
from siltomo.kernels.edges import edge_profile, fit_edge
from siltomo.segmentation.resolution import criterion_curve, shell_correlation, split_correlation

N = 64


def spectrum(sigma: float, n: int = N) -> np.ndarray:
    """Power of a signal with a Gaussian spectrum, by frequency in periods per voxel."""
    k = np.fft.fftfreq(n)
    radius = np.sqrt(k[:, None, None] ** 2 + k[None, :, None] ** 2 + k[None, None, :] ** 2)
    return np.exp(-((radius * sigma) ** 2))


def blurred(sigma: float, gain: float, seed: int, n: int = N) -> np.ndarray:
    """White noise with that spectrum times gain."""
    white = np.random.default_rng(seed).normal(size=(n, n, n))
    return np.fft.ifftn(np.fft.fftn(white) * np.sqrt(gain * spectrum(sigma, n))).real


@pytest.mark.parametrize("sigma", [6.0, 9.0])
def test_halves_with_white_noise_correlate_as_their_signal_to_noise(sigma: float) -> None:
    random = np.random.default_rng(7)
    gain = 20.0
    signal = blurred(sigma, gain, 1)
    one, other = (signal + random.normal(size=signal.shape) for _ in range(2))
    found = shell_correlation(one, other)
    ratio = gain * np.exp(-((found.frequencies * sigma) ** 2))
    expected = ratio / (1 + ratio)
    assert np.abs(found.values[4:] - expected[4:]).max() < 0.12
    limit = criterion_curve("half_bit", found.counts)
    at = found.frequencies[4:][np.nonzero(expected[4:] < limit[4:])[0][0]]
    assert found.crossing() == pytest.approx(at, abs=1.5 / N)
    assert found.resolution() == pytest.approx(1 / at, rel=0.15)
    assert not found.single


def test_criteria_are_not_the_same() -> None:
    random = np.random.default_rng(3)
    signal = blurred(5.0, 20.0, 2)
    one, other = (signal + random.normal(size=signal.shape) for _ in range(2))
    found = shell_correlation(one, other)
    one_bit, half_bit, fixed = (found.resolution(c) for c in ("one_bit", "half_bit", "0.143"))
    assert (one_bit or 0) > (half_bit or 0) > (fixed or 0) > 0


def test_lengths_follow_the_voxels() -> None:
    random = np.random.default_rng(3)
    signal = blurred(5.0, 20.0, 2)
    halves = [signal + random.normal(size=signal.shape) for _ in range(2)]
    small, large = (shell_correlation(*halves, (h, h, h)).resolution() for h in (0.1, 0.2))
    assert large == pytest.approx(2 * (small or 0))


def test_one_volume_split_in_two_is_said_to_be_single() -> None:
    random = np.random.default_rng(9)
    # blur well above four voxels, so that the split can see it
    sigma, gain = 12.0, 200.0
    volume = blurred(sigma, gain, 4, 96) + random.normal(size=(96, 96, 96))
    found = split_correlation(volume)
    assert found.single
    assert found.finest == pytest.approx(4, rel=0.1)
    # white noise folds eight-fold into the halves' band, and so is eight times as strong against the signal
    ratio = gain / 8 * np.exp(-((found.frequencies * sigma) ** 2))
    expected = ratio / (1 + ratio)
    assert np.abs(found.values[3:] - expected[3:]).max() < 0.15


def test_a_sharp_volume_is_finer_than_can_be_told() -> None:
    signal = np.random.default_rng(1).normal(size=(32, 32, 32))
    assert shell_correlation(signal, signal).resolution() is None


def test_what_cannot_be_correlated_is_refused() -> None:
    random = np.random.default_rng(2)
    one, other = random.normal(size=(2, 32, 32, 32))
    with pytest.raises(BadInputError, match="nothing in common"):
        shell_correlation(one, other).resolution()
    with pytest.raises(BadInputError, match="cannot be correlated"):
        shell_correlation(one, other[1:])
    with pytest.raises(BadInputError, match="constant"):
        shell_correlation(one * 0, other)
    with pytest.raises(BadInputError, match="too few"):
        split_correlation(one[:20])


@pytest.mark.parametrize("sigma", [0.8, 1.5, 3.0])
@pytest.mark.parametrize("tilt", [0.0, 0.12])
def test_a_blurred_edge_has_its_width(sigma: float, tilt: float) -> None:
    """10 to 90 % is 2.563 sigma and the full width 2.355 sigma, within 2 %."""
    z, y, x = np.meshgrid(*(np.arange(48.0),) * 3, indexing="ij", sparse=True)
    normal = np.array([1.0, 0.0, tilt]) / np.hypot(1, tilt)
    distance = normal[0] * (z - 23.7) + normal[2] * (x - 23.5) + 0 * y
    made = 40 + 100 * ndtr(distance / sigma) + np.random.default_rng(0).normal(0, 3, distance.shape)
    plane = DatumPlane((1.0, 0.0, tilt), (23.4, 0.0, 23.5))
    profile = edge_profile(
        made[:20], (0, 0, 0), spacing=(1, 1, 1), plane=plane, reach=12, bin_width=0.25
    ) + edge_profile(made[20:], (20, 0, 0), spacing=(1, 1, 1), plane=plane, reach=12, bin_width=0.25)
    found = fit_edge(profile)
    assert found.ten_ninety == pytest.approx(2.563 * sigma, rel=0.02)
    assert found.fwhm == pytest.approx(2.355 * sigma, rel=0.02)
    assert found.position == pytest.approx(0.3 * normal[0], abs=0.02)
    assert (found.before, found.after) == pytest.approx((40, 140), abs=1)


def test_no_edge_is_said() -> None:
    flat = np.full((20, 8, 8), 7.0)
    with pytest.raises(BadInputError, match="no edge"):
        fit_edge(
            edge_profile(
                flat,
                (0, 0, 0),
                spacing=(1, 1, 1),
                plane=DatumPlane((1, 0, 0), (10, 0, 0)),
                reach=8,
                bin_width=0.5,
            )
        )
