"""Whether a threshold may be believed: checks with figures, limits and reasons."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import pairwise

from siltomo.model import Trust, Verdict
from siltomo.segmentation.fraction_checks import class_verdict, fraction_verdicts, most_verdicts
from siltomo.segmentation.grading import graded, worst
from siltomo.segmentation.mixture import Mixture
from siltomo.segmentation.spectrum import Spectrum, separability

__all__ = ["most_verdicts", "series_verdicts", "threshold_verdicts", "worst"]

OTSU_COLLAPSE = 0.8
"""Otsu's cut leaves the gap between two classes when p (1 - p) < 0.8 (noise over contrast)^2; found over a table of
shares and noise, not derived."""


def threshold_verdicts(
    spectrum: Spectrum, mixture: Mixture, cuts: tuple[float, ...], *, by_otsu: bool = False
) -> tuple[Verdict, ...]:
    """Judge cuts of a histogram by the mixture that was fitted to it.

    Parameters
    ----------
    spectrum
        The histogram.
    mixture
        Its fit, with one component more than there are cuts.
    cuts
        The cuts, ascending, in grey values.
    by_otsu
        Whether they come from Otsu's criterion on the histogram itself.

    Returns
    -------
    tuple of Verdict
        One for each check that applies.
    """
    found = [
        _noise(mixture),
        _between(mixture, cuts),
        class_verdict(spectrum, mixture),
        _widths(mixture),
        *fraction_verdicts(spectrum, mixture, cuts),
        *_clipped(spectrum),
        *_coarse(spectrum, mixture),
    ]
    if by_otsu:
        found += [_collapse(mixture), _separability(spectrum, cuts)]
    return tuple(found)


def _noise(mixture: Mixture) -> Verdict:
    worst_pair = max(mixture.noise_over_contrast)
    k = mixture.noise_over_contrast.index(worst_pair)
    return graded(
        "noise over contrast",
        worst_pair,
        (0.25, 0.4),
        f"the noise of classes {k + 1} and {k + 2} is {worst_pair:.2f} of the difference of their means: their greys "
        "overlap, and a cut of single voxels misplaces many; filter first (median, gaussian) or use a classifier",
    )


def _widths(mixture: Mixture) -> Verdict:
    """Judge whether the classes are as wide as each other: the noise of a scan is the same in all of its materials."""
    ratios = [max(a, b) / min(a, b) for a, b in pairwise(mixture.sds)]
    k = ratios.index(max(ratios))
    wide = k + 1 + (mixture.sds[k + 1] > mixture.sds[k])
    return graded(
        "widths of neighbouring peaks",
        ratios[k],
        (1.5, 3.0),
        f"class {wide} is {ratios[k]:.1f} times as wide as its neighbour, and noise is not: it holds several "
        "materials, or what is left over by the other",
    )


def _between(mixture: Mixture, cuts: tuple[float, ...]) -> Verdict:
    outside = [
        f"cut {k + 1} at {cut:.6g} is not between the means {mixture.means[k]:.6g} and {mixture.means[k + 1]:.6g}"
        for k, cut in enumerate(cuts)
        if not mixture.means[k] < cut < mixture.means[k + 1]
    ]
    return Verdict(
        check="cut between the means",
        trust=Trust.BAD if outside else Trust.GOOD,
        limits="bad when a cut is not between the fitted means of its classes",
        reason="; ".join(outside),
    )


def _clipped(spectrum: Spectrum) -> Iterator[Verdict]:
    for share, end in zip(spectrum.clipped, ("dark", "bright"), strict=True):
        if share:
            yield graded(
                f"voxels clipped at the {end} end",
                share,
                (0.001, 0.1),
                f"{share:.2%} of the voxels have the {'lowest' if end == 'dark' else 'highest'} value of the scale: "
                "the window of the conversion cuts them off (convert again with a wider one), "
                "or they hold nothing (mask them)",
            )


def _coarse(spectrum: Spectrum, mixture: Mixture) -> Iterator[Verdict]:
    narrowest = min(mixture.sds)
    levels = narrowest / spectrum.width
    if levels < 1.5:
        yield graded(
            "noise in grey steps",
            levels,
            (0.8, 0.3),
            f"the noise is {levels:.1f} steps of the grey scale: the scale is too coarse for the shape of the peaks",
            rising=False,
        )


def _collapse(mixture: Mixture) -> Verdict:
    shares = mixture.fractions
    ratios = []
    for k, noise in enumerate(mixture.noise_over_contrast):
        both = shares[k] + shares[k + 1]
        p = shares[k] / both
        ratios.append(p * (1 - p) / noise**2)
    return graded(
        "room for Otsu",
        min(ratios),
        (2.0, OTSU_COLLAPSE),
        f"p (1 - p) over (noise over contrast)^2 is {min(ratios):.2g}: below {OTSU_COLLAPSE} Otsu's cut leaves the gap "
        "and halves the large class; use method 'mixture'",
        rising=False,
    )


def _separability(spectrum: Spectrum, cuts: tuple[float, ...]) -> Verdict:
    # one Gaussian has 2/pi = 0.64 by its own Otsu cut, and 0.81 by two
    alone = {1: 0.637, 2: 0.810, 3: 0.883}.get(len(cuts), 0.92)
    return graded(
        "separability",
        separability(spectrum, cuts),
        (alone + 0.1 * (1 - alone) + 0.05, alone + 0.02),
        f"a single Gaussian peak would have {alone:.2f}: this is hardly more",
        rising=False,
    )


def series_verdicts(names: Sequence[str], fits: Sequence[Mixture]) -> tuple[Verdict, ...]:
    """Judge whether one threshold can serve several scans.

    Parameters
    ----------
    names
        Ids of the scans.
    fits
        The fit of each, all with the same number of classes.

    Returns
    -------
    tuple of Verdict
        The largest shift of a peak as part of the contrast, and the largest change of the contrast (another 8-bit
        window, another dose). Empty for one scan.
    """
    if len(fits) < 2:
        return ()
    first, contrast = fits[0], fits[0].means[-1] - fits[0].means[0]
    shifts = [max(abs(a - b) for a, b in zip(f.means, first.means, strict=True)) / contrast for f in fits]
    gains = [abs((f.means[-1] - f.means[0]) / contrast - 1) for f in fits]
    far, other = shifts.index(max(shifts)), gains.index(max(gains))
    advice = "match the greys first (step 'match'), or give each scan its own threshold (scope: scan)"
    return (
        graded(
            "shift of peaks inside the series",
            shifts[far],
            (0.05, 0.15),
            f"a peak of {names[far]} lies {shifts[far]:.0%} of the contrast away from that of {names[0]}: {advice}",
        ),
        graded(
            "contrast inside the series",
            gains[other],
            (0.1, 0.3),
            f"the contrast of {names[other]} differs by {gains[other]:.0%} from that of {names[0]}, as with another "
            f"window of the 8-bit conversion: {advice}",
        ),
    )
