"""Where a fitted histogram is cut, and what each cut does to the fractions."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.optimize import brentq

from siltomo.segmentation.mixture import Mixture
from siltomo.segmentation.spectrum import Spectrum
from siltomo.segmentation.steps import Cut

__all__ = ["class_fractions", "cut_between", "cuts_of", "labelled_fractions"]

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
        The histogram that was fitted.
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
            return _equal_error(mixture, k, spectrum)
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


def _equal_error(mixture: Mixture, k: int, spectrum: Spectrum) -> float | None:
    """Return where as many voxels are darker as belong to the darker classes: wrong ones cancel.

    The voxels are counted in the histogram itself, so that the labelled fraction is that of the components even
    where the fit is not perfect.
    """
    wanted = sum(mixture.fractions[: k + 1])
    low, high = mixture.means[k], mixture.means[k + 1]
    if not _share_below(spectrum, low) < wanted < _share_below(spectrum, high):
        return None
    return float(brentq(lambda x: _share_below(spectrum, x) - wanted, low, high))


def _valley(mixture: Mixture, spectrum: Spectrum, low: float, high: float) -> float | None:
    """Return the lowest point of the smoothed histogram between two means, if it is lower than both."""
    smooth = gaussian_filter1d(
        spectrum.shares, max(1.0, min(mixture.sds) / spectrum.width / 4), mode="nearest"
    )
    inside = np.flatnonzero((spectrum.centres >= low) & (spectrum.centres <= high))
    if inside.size < 3:
        return None
    lowest = inside[smooth[inside] == smooth[inside].min()]
    at = int(lowest[lowest.size // 2])
    if not smooth[at] < 0.98 * min(smooth[inside[0]], smooth[inside[-1]]):
        return None
    return float(spectrum.centres[at])


def class_fractions(spectrum: Spectrum, mixture: Mixture) -> tuple[float, ...]:
    """Return the threshold-free share of each class in all voxels; clipped ones belong to the class at their end."""
    dark, bright = spectrum.clipped
    found = [part * (1 - dark - bright) for part in mixture.fractions]
    found[0] += dark
    found[-1] += bright
    return tuple(found)


def labelled_fractions(
    spectrum: Spectrum, cuts: tuple[float, ...], *, smooth: bool = False
) -> tuple[float, ...]:
    """Return the share of the voxels between cuts, counted in the histogram; clipped voxels count at their end.

    Parameters
    ----------
    spectrum
        The histogram.
    cuts
        The cuts, ascending, in grey values; a voxel at a cut belongs to the brighter class.
    smooth
        Whether cuts part the voxels of one grey value, as if greys were not rounded; labels cannot.
    """
    dark, bright = spectrum.clipped
    inside = 1 - dark - bright
    below = _share_below if smooth or not spectrum.single else _share_labelled
    reached = [dark + inside * below(spectrum, cut) for cut in cuts]
    steps = [0.0, *reached, 1.0]
    return tuple(high - low for low, high in pairwise(steps))


def _share_labelled(spectrum: Spectrum, cut: float) -> float:
    """Return the share of the voxels whose grey value is below a cut."""
    return float(spectrum.shares[spectrum.centres < cut].sum())


def _share_below(spectrum: Spectrum, x: float) -> float:
    """Return the share of the voxels below a grey value, interpolated within its bin."""
    reached = np.concatenate([[0.0], np.cumsum(spectrum.shares)])
    return float(np.interp(x, spectrum.edges, reached))
