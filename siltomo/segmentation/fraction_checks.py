"""How far the fraction of a class may be off, and whether it is a class at all: what the histogram tells of it.

Several checks estimate the relative error of the smallest fraction by other means each, so their limits are what the
words promise (`GOOD_WITHIN`, `DOUBTFUL_WITHIN`): nothing is fitted to phantoms.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from siltomo.model import Verdict
from siltomo.segmentation.cuts import class_fractions, labelled_fractions
from siltomo.segmentation.grading import DOUBTFUL_WITHIN, GOOD_WITHIN, graded
from siltomo.segmentation.mixture import Mixture
from siltomo.segmentation.spectrum import Spectrum

__all__ = ["FRACTION_CHECKS", "class_verdict", "fraction_verdicts", "most_verdicts"]

_BIAS, _SPREAD = "bias of the labelled fractions", "fraction half way and by its component"
_PLACE, _MISFIT = "fraction as the cut is moved", "misfit over its class"
FRACTION_CHECKS = frozenset({_BIAS, _SPREAD, _PLACE, _MISFIT})
"""The checks that are about fractions only, and not about whether the classes are there."""

SHIFT = 0.1
"""Part of the contrast by which a cut may be misplaced: cupping, rings, fringes and drift of the greys within one scan
are of this order. The same that `siltomo segment check` moves it by."""
_FEW = 0.01
"""Share below which a class must be a peak of its own: some permille of dust, of a third material or of its blurred
edge are in every scan, and whatever is left over by the main peak is fitted by the next component."""


def fraction_verdicts(spectrum: Spectrum, mixture: Mixture, cuts: tuple[float, ...]) -> Iterator[Verdict]:
    """Judge the fractions of classes.

    Parameters
    ----------
    spectrum
        The histogram.
    mixture
        Its fit, with one component more than there are cuts.
    cuts
        The cuts, ascending, in grey values.
    """
    yield _bias(spectrum, mixture, cuts)
    yield _spread(spectrum, mixture)
    yield _place(spectrum, mixture, cuts)
    yield _misfit(mixture)
    yield _ambiguity(mixture)
    if mixture.shared:
        yield _mostly_shared(mixture)


def class_verdict(spectrum: Spectrum, mixture: Mixture) -> Verdict:
    """Judge whether neighbouring classes are two peaks of the histogram, or only of the fit.

    A peak is a peak where the histogram falls on both of its sides: between the means of two classes it must come
    down from either. A shoulder, however far out, is none.
    """
    smooth = gaussian_filter1d(
        spectrum.shares, max(1.0, min(mixture.sds) / spectrum.width / 2), mode="nearest"
    )
    grades = []
    for k in range(len(mixture.means) - 1):
        ratio = _valley(spectrum, mixture, smooth, k)
        share = min(mixture.fractions[k : k + 2])
        limits = (0.75, 0.95) if share >= _FEW else (0.25, 0.5)
        few = f", of which one has {share:.2%} of the voxels" if share < _FEW else ""
        reason = (
            f"{'no second class found: ' if ratio > limits[1] else ''}the histogram has no clear valley between two of "
            f"the classes{few}; that they are two is seen by the fit alone"
        )
        grades.append(graded("valley over the lower peak", ratio, limits, reason))
    return max(grades, key=lambda v: (("good", "doubtful", "bad").index(v.trust), v.value or 0.0))


def _valley(spectrum: Spectrum, mixture: Mixture, smooth: NDArray[np.float64], k: int) -> float:
    """Return the lowest point between two means over the lower of the peaks on its two sides; 1 where it has one."""
    low, high = (int(np.argmin(np.abs(spectrum.centres - mean))) for mean in mixture.means[k : k + 2])
    at = low + int(np.argmin(smooth[low : high + 1]))
    left, right = (max(1, round(sd / spectrum.width)) for sd in mixture.sds[k : k + 2])
    tops = (smooth[max(0, low - left) : at + 1].max(), smooth[at : high + right + 1].max())
    return float(smooth[at] / max(min(tops), 1e-300))


def _bias(spectrum: Spectrum, mixture: Mixture, cuts: tuple[float, ...]) -> Verdict:
    labelled, fractions = labelled_fractions(spectrum, cuts), class_fractions(spectrum, mixture)
    shift, k = _largest_change(fractions, labelled)
    return graded(
        _BIAS,
        shift,
        (0.03, 0.1),
        f"the cuts label {labelled[k]:.4g} of the voxels as class {k + 1}, whose component has "
        f"{fractions[k]:.4g}: {labelled[k] / fractions[k] - 1:+.1%}; the cut 'equal_error' has no such bias (where "
        "greys are not too coarse for it), and the fraction of the component needs no cut",
    )


def _spread(spectrum: Spectrum, mixture: Mixture) -> Verdict:
    """Compare two fractions that agree where the classes are apart, whatever cut is used."""
    half_way = tuple((low + high) / 2 for low, high in pairwise(mixture.means))
    by_cut, fractions = (
        labelled_fractions(spectrum, half_way, smooth=True),
        class_fractions(spectrum, mixture),
    )
    change, k = _largest_change(fractions, by_cut)
    return graded(
        _SPREAD,
        change,
        (GOOD_WITHIN, DOUBTFUL_WITHIN),
        f"the fraction of class {k + 1} is {by_cut[k]:.4g} by a cut half way between the means, and {fractions[k]:.4g} "
        "by its component: the peaks overlap, and how much is in each depends on their assumed shape",
    )


def _place(spectrum: Spectrum, mixture: Mixture, cuts: tuple[float, ...]) -> Verdict:
    """Move each cut by what greys are uneven by, and see what that does to the fractions on its two sides."""
    changes = []
    contrasts = [high - low for low, high in pairwise(mixture.means)]
    for k, contrast in enumerate(contrasts):
        moved = []
        for side in (-SHIFT, SHIFT):
            places = [cut + side * contrast * (n == k) for n, cut in enumerate(cuts)]
            moved.append(labelled_fractions(spectrum, tuple(places), smooth=True))
        half = abs(moved[1][k] - moved[0][k]) / 2
        changes.append(half / max(min(labelled_fractions(spectrum, cuts, smooth=True)[k : k + 2]), 1e-12))
    k = changes.index(max(changes))
    return graded(
        _PLACE,
        changes[k],
        (GOOD_WITHIN, DOUBTFUL_WITHIN),
        f"if cut {k + 1} is misplaced by {SHIFT:.0%} of the contrast, the smaller class beside it changes by "
        f"{changes[k]:.0%}: much of it is boundary, as where features are not much wider than the resolution",
    )


def _misfit(mixture: Mixture) -> Verdict:
    parts = [m / max(f, 1e-12) for m, f in zip(mixture.misfits, mixture.fractions, strict=True)]
    k = parts.index(max(parts))
    return graded(
        _MISFIT,
        parts[k],
        # a peak that is no Gaussian need not move voxels across a cut: half of a class may be misshapen
        (GOOD_WITHIN, 0.5),
        f"around class {k + 1} the fit puts {mixture.misfits[k]:.2%} of all voxels into wrong bins, and the class has "
        f"{mixture.fractions[k]:.2%}: the greys are not these Gaussian components (more classes, uneven "
        "background, partial volume)",
    )


def _ambiguity(mixture: Mixture) -> Verdict:
    spread = max((_largest_change(mixture.fractions, o.fractions)[0] for o in mixture.others), default=0.0)
    return graded(
        "spread of equally good fits",
        spread,
        (0.05, 0.2),
        f"other fits explain the histogram as well and differ by {spread:.0%} in the share of a class: "
        "the histogram does not say how much there is of it",
    )


def _mostly_shared(mixture: Mixture) -> Verdict:
    """Judge how much of a class is seen only as voxels that it shares with a neighbour."""
    parts = [1 - w / max(f, 1e-12) for w, f in zip(mixture.weights, mixture.fractions, strict=True)]
    k = parts.index(max(parts))
    return graded(
        "shared voxels in a class",
        parts[k],
        (0.5, 0.8),
        f"{parts[k]:.0%} of class {k + 1} is voxels on its boundary: its features are hardly wider than the blur, "
        "or what looks like shared voxels is an uneven background",
    )


def most_verdicts(labelled: Sequence[float], most: Sequence[tuple[int, float]]) -> Iterator[Verdict]:
    """Judge classes by the largest share that the recipe holds possible.

    Parameters
    ----------
    labelled
        Share of each class.
    most
        Pairs of class (from 1) and largest share.
    """
    for number, limit in most:
        share = labelled[number - 1]
        yield graded(
            f"share of class {number}",
            share,
            (limit, limit),
            f"no second class found: {share:.1%} of the voxels would be class {number}, for which the recipe holds at "
            f"most {limit:.0%} possible: they are one population, and what is split off is something else (other "
            "materials in view, noise)",
        )


def _largest_change(of: Sequence[float], to: Sequence[float]) -> tuple[float, int]:
    """Return the largest relative change of a fraction, and of which."""
    changes = [abs(b / max(a, 1e-12) - 1) for a, b in zip(of, to, strict=True)]
    k = changes.index(max(changes))
    return changes[k], k
