"""Where a fitted histogram is cut, and what each cut does to the fractions."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import brentq

from siltomo.segmentation.mixture import Mixture
from siltomo.segmentation.spectrum import Spectrum
from siltomo.segmentation.steps import Cut

__all__ = ["cut_between", "cuts_of", "expected_fractions"]

Floats = NDArray[np.float64]


def cuts_of(mixture: Mixture, cut: Cut, spectrum: Spectrum) -> tuple[float | None, ...]:
    """Return the cut between each two neighbouring components; None where there is none of that name.

    Parameters
    ----------
    mixture
        The fit.
    cut
        Which cut.
    spectrum
        The histogram that was fitted; only the valley looks at it.
    """
    return tuple(cut_between(mixture, k, cut, spectrum) for k in range(len(mixture.means) - 1))


def cut_between(mixture: Mixture, k: int, cut: Cut, spectrum: Spectrum) -> float | None:
    """Return the cut between component ``k`` and the next, in grey values; None where there is none."""
    low, high = mixture.means[k], mixture.means[k + 1]
    match cut:
        case Cut.OTSU:
            return (low + high) / 2
        case Cut.BAYES:
            return _bayes(mixture, k, low, high)
        case Cut.EQUAL_ERROR:
            return _equal_error(mixture, k, low, high)
        case Cut.VALLEY:
            return _valley(mixture, spectrum, low, high)


def _bayes(mixture: Mixture, k: int, low: float, high: float) -> float | None:
    """Return where the darker and the brighter classes are equally likely."""
    grid = np.linspace(low, high, 4001)
    density = mixture.class_density(grid)
    lead = density[: k + 1].sum(axis=0) - density[k + 1 :].sum(axis=0)
    if not (lead[0] > 0 > lead[-1]):
        return None
    first = int(np.argmax(lead <= 0))
    part = lead[first - 1] / (lead[first - 1] - lead[first])
    return float(grid[first - 1] + part * (grid[first] - grid[first - 1]))


def _equal_error(mixture: Mixture, k: int, low: float, high: float) -> float | None:
    """Return where as many voxels are darker as belong to the darker classes: wrong ones cancel."""
    wanted = sum(mixture.fractions[: k + 1])

    def surplus(x: float) -> float:
        return float(mixture.below(np.array([x])).sum()) - wanted

    if surplus(low) >= 0 or surplus(high) <= 0:
        return None
    return float(brentq(surplus, low, high))


def _valley(mixture: Mixture, spectrum: Spectrum, low: float, high: float) -> float | None:
    """Return the lowest point of the smoothed histogram between two means, if it is lower than both."""
    smooth = gaussian_filter1d(spectrum.shares, max(1.0, min(mixture.sds) / spectrum.width / 4), mode="nearest")
    inside = np.flatnonzero((spectrum.centres >= low) & (spectrum.centres <= high))
    if inside.size < 3:
        return None
    lowest = inside[smooth[inside] == smooth[inside].min()]
    at = int(lowest[lowest.size // 2])
    if not smooth[at] < 0.98 * min(smooth[inside[0]], smooth[inside[-1]]):
        return None
    return float(spectrum.centres[at])


def expected_fractions(mixture: Mixture, cuts: tuple[float, ...]) -> tuple[float, ...]:
    """Return the share of voxels between the cuts, by the fit."""
    reached = [0.0, *(mixture.below(np.array(cuts)).sum(axis=0).tolist()), 1.0]
    return tuple(high - low for low, high in zip(reached[:-1], reached[1:], strict=True))
