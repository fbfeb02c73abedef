"""Whether a threshold may be believed: checks with figures, limits and reasons."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

import numpy as np
from scipy.ndimage import gaussian_filter1d

from siltomo.model import Trust, Verdict
from siltomo.segmentation.cuts import class_fractions, labelled_fractions
from siltomo.segmentation.mixture import Mixture
from siltomo.segmentation.spectrum import Spectrum, separability

__all__ = ["series_verdicts", "threshold_verdicts", "worst"]

_ORDER = (Trust.UNJUDGED, Trust.GOOD, Trust.DOUBTFUL, Trust.BAD)

OTSU_COLLAPSE = 0.8
"""Otsu's cut leaves the gap between two classes when p (1 - p) < 0.8 (noise over contrast)^2; found over a table of
shares and noise, not derived."""


FRACTION_BIAS = "bias of the labelled fractions"
"""The check that is about fractions only, and not about whether the classes are there."""


def worst(verdicts: Iterable[Verdict]) -> Trust:
    """Return the worst of some verdicts; unjudged when there is none.

    Examples
    --------
    >>> worst([Verdict(check="a", trust="good"), Verdict(check="b", trust="doubtful")])
    <Trust.DOUBTFUL: 'doubtful'>
    """
    return max((v.trust for v in verdicts), key=_ORDER.index, default=Trust.UNJUDGED)


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
        _valley(spectrum, mixture),
        _bias(spectrum, mixture, cuts),
        _misfit(mixture),
        _ambiguity(mixture),
        *_mostly_shared(mixture),
        *_clipped(spectrum),
        *_coarse(spectrum, mixture),
    ]
    if by_otsu:
        found += [_collapse(mixture), _separability(spectrum, cuts)]
    return tuple(found)


def _graded(
    check: str, value: float, good: float, bad: float, reason: str, *, of: str = "", rising: bool = True
) -> Verdict:
    """Judge a figure by two limits; ``rising``: larger is worse."""
    worse = value if rising else -value
    limits = (good, bad) if rising else (-good, -bad)
    trust = Trust.GOOD if worse <= limits[0] else Trust.DOUBTFUL if worse <= limits[1] else Trust.BAD
    signs = ("<=", ">") if rising else (">=", "<")
    words = f"good {signs[0]} {good:g}, bad {signs[1]} {bad:g}{of}"
    said = "" if trust == Trust.GOOD else reason
    return Verdict(check=check, trust=trust, value=float(value), limits=words, reason=said)


def _noise(mixture: Mixture) -> Verdict:
    worst_pair = max(mixture.noise_over_contrast)
    k = mixture.noise_over_contrast.index(worst_pair)
    return _graded(
        "noise over contrast",
        worst_pair,
        0.25,
        0.4,
        f"the noise of classes {k + 1} and {k + 2} is {worst_pair:.2f} of the difference of their means: their greys "
        "overlap, and a cut of single voxels misplaces many; filter first (median, gaussian) or use a classifier",
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


def _valley(spectrum: Spectrum, mixture: Mixture) -> Verdict:
    """Judge whether neighbouring classes are two peaks in the histogram, or only in the fit."""
    smooth = gaussian_filter1d(
        spectrum.shares, max(1.0, min(mixture.sds) / spectrum.width / 2), mode="nearest"
    )
    ratios = []
    for k in range(len(mixture.means) - 1):
        tops = []
        for mean, sd in zip(mixture.means[k : k + 2], mixture.sds[k : k + 2], strict=True):
            near = np.abs(spectrum.centres - mean) <= max(sd, spectrum.width)
            tops.append(float(smooth[near].max(initial=0.0)))
        between = (spectrum.centres >= mixture.means[k]) & (spectrum.centres <= mixture.means[k + 1])
        lowest = float(smooth[between].min()) if between.any() else min(tops)
        ratios.append(lowest / max(min(tops), 1e-300))
    return _graded(
        "valley over the lower peak",
        max(ratios),
        0.75,
        0.95,
        "the histogram has no clear valley between two of the classes: that they are two is seen by the fit alone",
    )


def _bias(spectrum: Spectrum, mixture: Mixture, cuts: tuple[float, ...]) -> Verdict:
    labelled, fractions = labelled_fractions(spectrum, cuts), class_fractions(spectrum, mixture)
    shifts = [have / want - 1 for have, want in zip(labelled, fractions, strict=True)]
    k = max(range(len(shifts)), key=lambda n: abs(shifts[n]))
    return _graded(
        FRACTION_BIAS,
        abs(shifts[k]),
        0.03,
        0.1,
        f"the cuts label {labelled[k]:.4g} of the voxels as class {k + 1}, whose component has "
        f"{fractions[k]:.4g}: {shifts[k]:+.1%}; the cut 'equal_error' has no such bias, and the fraction of "
        "the component needs no cut",
    )


def _misfit(mixture: Mixture) -> Verdict:
    parts = [m / max(f, 1e-12) for m, f in zip(mixture.misfits, mixture.fractions, strict=True)]
    k = parts.index(max(parts))
    return _graded(
        "misfit over its class",
        parts[k],
        0.2,
        0.5,
        f"around class {k + 1} the fit puts {mixture.misfits[k]:.2%} of all voxels into wrong bins, and the class has "
        f"{mixture.fractions[k]:.2%}: the greys are not these Gaussian components (more classes, uneven "
        "background, partial volume)",
    )


def _ambiguity(mixture: Mixture) -> Verdict:
    spread = 0.0
    for other in mixture.others:
        shifts = (abs(a / max(b, 1e-12) - 1) for a, b in zip(other.fractions, mixture.fractions, strict=True))
        spread = max(spread, *shifts)
    return _graded(
        "spread of equally good fits",
        spread,
        0.05,
        0.2,
        f"other fits explain the histogram as well and differ by {spread:.0%} in the share of a class: "
        "the histogram does not say how much there is of it",
    )


def _mostly_shared(mixture: Mixture) -> Iterator[Verdict]:
    """Judge how much of a class is seen only as voxels that it shares with a neighbour."""
    if mixture.shared:
        parts = [1 - w / max(f, 1e-12) for w, f in zip(mixture.weights, mixture.fractions, strict=True)]
        k = parts.index(max(parts))
        yield _graded(
            "shared voxels in a class",
            parts[k],
            0.5,
            0.8,
            f"{parts[k]:.0%} of class {k + 1} is voxels on its boundary: its features are hardly wider than the blur, "
            "or what looks like shared voxels is an uneven background",
        )


def _clipped(spectrum: Spectrum) -> Iterator[Verdict]:
    for share, end in zip(spectrum.clipped, ("dark", "bright"), strict=True):
        if share:
            yield _graded(
                f"voxels clipped at the {end} end",
                share,
                0.001,
                0.1,
                f"{share:.2%} of the voxels have the {'lowest' if end == 'dark' else 'highest'} value of the scale: "
                "the window of the conversion cuts them off (convert again with a wider one), "
                "or they hold nothing (mask them)",
            )


def _coarse(spectrum: Spectrum, mixture: Mixture) -> Iterator[Verdict]:
    narrowest = min(mixture.sds)
    levels = narrowest / spectrum.width
    if levels < 1.5:
        yield _graded(
            "noise in grey steps",
            levels,
            0.8,
            0.3,
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
    return _graded(
        "room for Otsu",
        min(ratios),
        2.0,
        OTSU_COLLAPSE,
        f"p (1 - p) over (noise over contrast)^2 is {min(ratios):.2g}: below {OTSU_COLLAPSE} Otsu's cut leaves the gap "
        "and halves the large class; use method 'mixture'",
        rising=False,
    )


def _separability(spectrum: Spectrum, cuts: tuple[float, ...]) -> Verdict:
    # one Gaussian has 2/pi = 0.64 by its own Otsu cut, and 0.81 by two
    alone = {1: 0.637, 2: 0.810, 3: 0.883}.get(len(cuts), 0.92)
    return _graded(
        "separability",
        separability(spectrum, cuts),
        alone + 0.1 * (1 - alone) + 0.05,
        alone + 0.02,
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
        _graded(
            "shift of peaks inside the series",
            shifts[far],
            0.05,
            0.15,
            f"a peak of {names[far]} lies {shifts[far]:.0%} of the contrast away from that of {names[0]}: {advice}",
        ),
        _graded(
            "contrast inside the series",
            gains[other],
            0.1,
            0.3,
            f"the contrast of {names[other]} differs by {gains[other]:.0%} from that of {names[0]}, as with another "
            f"window of the 8-bit conversion: {advice}",
        ),
    )
