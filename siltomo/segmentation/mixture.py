"""Deconvolution of a histogram: Gaussian components, and voxels shared by two neighbouring ones."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import ndtr

from siltomo.segmentation.spectrum import Spectrum, otsu_cuts

__all__ = ["Mixture", "fit_mixture"]

Floats = NDArray[np.float64]

SHORT, LONG = 60, 3000
"""Iterations that each start has, and that the best few have."""
NEAR = 2e-4
"""Fits whose information per voxel differs by less (in nats) explain a real histogram equally well."""
_WIDEST = 6.0
"""How many times wider than another a component may be; a narrower one fits single bins."""


@dataclass(frozen=True)
class Mixture:
    """Components of a histogram, the darkest first."""

    weights: tuple[float, ...]
    """Share of the voxels that are pure in each component."""
    means: tuple[float, ...]
    """Mean grey value of each."""
    sds: tuple[float, ...]
    """Standard deviation of each: the noise."""
    shared: tuple[float, ...] = ()
    """Share of the voxels that lie across the boundary of each and the next; empty where not fitted."""
    information: float = 0.0
    """Mean log-likelihood per voxel, in nats."""
    misfits: tuple[float, ...] = ()
    """For each class, the share of all voxels that the fit puts into wrong bins there, chance left out."""
    others: tuple[Mixture, ...] = ()
    """Other fits that explain the histogram as well."""

    @cached_property
    def fractions(self) -> tuple[float, ...]:
        """Threshold-free share of each class: its weight, and half of what it shares with a neighbour."""
        half = [s / 2 for s in self.shared] or [0.0] * (len(self.weights) - 1)
        return tuple(
            w + low + high for w, low, high in zip(self.weights, [0.0, *half], [*half, 0.0], strict=True)
        )

    @property
    def noise_over_contrast(self) -> tuple[float, ...]:
        """For each two neighbours: the larger standard deviation over the difference of the means."""
        return tuple(
            max(self.sds[k : k + 2]) / max(self.means[k + 1] - self.means[k], 1e-300)
            for k in range(len(self.means) - 1)
        )

    def below(self, x: Floats) -> Floats:
        """Return the share of each component that is darker than a grey value.

        Returns
        -------
        numpy.ndarray
            Of shape (components, x), pure components first, then the shared ones.
        """
        rows = [w * ndtr((x - m) / s) for w, m, s in zip(self.weights, self.means, self.sds, strict=True)]
        for k, weight in enumerate(self.shared):
            low, high, sd = self.means[k], self.means[k + 1], (self.sds[k] + self.sds[k + 1]) / 2
            ramp = sd / (high - low) * (_ramp((x - low) / sd) - _ramp((x - high) / sd))
            rows.append(weight * ramp)
        return np.array(rows)

    def class_density(self, edges: Floats) -> Floats:
        """Return the share of each class in each bin; half of a shared one goes to either side."""
        bins = np.diff(self.below(edges), axis=1)
        count = len(self.weights)
        found = bins[:count].copy()
        for k, row in enumerate(bins[count:]):
            found[k] += row / 2
            found[k + 1] += row / 2
        return found


def _ramp(z: Floats) -> Floats:
    """Return the integral of the normal distribution function."""
    return np.asarray(z * ndtr(z) + np.exp(-0.5 * z * z) / np.sqrt(2 * np.pi))


def fit_mixture(spectrum: Spectrum, classes: int, *, partial_volume: bool = False) -> Mixture:
    """Fit Gaussian components to a histogram by expectation maximisation on its bins.

    Parameters
    ----------
    spectrum
        The histogram.
    classes
        How many components.
    partial_volume
        Whether to fit, besides, voxels that lie across the boundary of neighbouring classes: their greys are
        spread evenly between the two means.

    Returns
    -------
    Mixture
        The most likely fit from several starts (Otsu's classes, one component more than the best smaller fit), and
        those that explain the histogram as well.

    Notes
    -----
    Dempster, Laird and Rubin (1977). A minority class is out of Otsu's reach, so starts also come from what the
    fit with one component less leaves over. Shared voxels after Santago and Gage (1993), doi:10.1109/42.241880.
    """
    best = _single(spectrum)
    for count in range(2, classes + 1):
        starts = [_from_cuts(spectrum, otsu_cuts(spectrum, count)), *_grown(spectrum, best)]
        short = sorted((_em(spectrum, one, SHORT) for one in starts), key=lambda m: -m.information)
        final = sorted((_em(spectrum, one, LONG) for one in short[:4]), key=lambda m: -m.information)
        best = replace(
            final[0], others=tuple(m for m in final[1:] if m.information > final[0].information - NEAR)
        )
    return _with_shared(spectrum, best) if partial_volume and classes > 1 else best


def _single(spectrum: Spectrum) -> Mixture:
    sd = max(spectrum.variance**0.5, spectrum.width / 2)
    return _scored(spectrum, Mixture((1.0,), (spectrum.mean,), (sd,)))


def _scored(spectrum: Spectrum, mixture: Mixture) -> Mixture:
    """Return the fit with how well it explains the histogram."""
    density = mixture.class_density(spectrum.edges)
    bins = density.sum(axis=0)
    information = float(spectrum.shares @ np.log(np.maximum(bins, 1e-300)))
    # what chance alone puts into wrong bins (mean absolute deviation of counts) is no fault of the fit
    chance = np.sqrt(2 / np.pi * np.maximum(bins, 0) / max(spectrum.voxels, 1))
    wrong = (np.abs(bins - spectrum.shares) - chance) / 2
    belongs = density / np.maximum(bins, 1e-300)
    misfits = tuple(max(0.0, float(row @ wrong)) for row in belongs)
    return replace(mixture, information=information, misfits=misfits)


def _from_cuts(spectrum: Spectrum, cuts: tuple[float, ...]) -> Mixture:
    place = np.searchsorted(np.asarray(cuts), spectrum.centres, side="right")
    weights, means, sds = [], [], []
    for one in range(len(cuts) + 1):
        shares = np.where(place == one, spectrum.shares, 0.0)
        mass = max(float(shares.sum()), 1e-9)
        mean = float(shares @ spectrum.centres) / mass
        weights.append(mass)
        means.append(mean)
        sds.append(max(float(shares @ (spectrum.centres - mean) ** 2 / mass) ** 0.5, spectrum.width))
    return Mixture(tuple(weights), tuple(means), tuple(sds))


def _grown(spectrum: Spectrum, smaller: Mixture) -> Iterator[Mixture]:
    """Propose fits with one component more: split each, add one in each tail, add one where most is left over."""
    for k, (weight, mean, sd) in enumerate(zip(smaller.weights, smaller.means, smaller.sds, strict=True)):
        for share, shift in ((0.5, 0.7), (0.1, -2.0), (0.1, 2.0), (0.02, -3.5), (0.02, 3.5)):
            added = (weight * share, mean + shift * sd, sd * 0.7)
            moved = mean - shift * sd * share
            yield _replaced(smaller, k, (weight * (1 - share), moved, sd * 0.9), added)
    # the main peak, as narrow as its core, and what it does not explain on either side
    top = int(np.argmax(spectrum.shares))
    mode, core = float(spectrum.centres[top]), _core(spectrum, top)
    peak = np.diff(ndtr((spectrum.edges - mode) / core))
    peak *= float(spectrum.shares[top] / max(peak[top], 1e-12))
    over = np.maximum(spectrum.shares - peak, 0.0)
    for side in (spectrum.centres < mode - 2 * core, spectrum.centres > mode + 2 * core):
        rest = np.where(side, over, 0.0)
        mass = float(rest.sum())
        if mass > 1e-7 and len(smaller.weights) == 1:
            mean = float(rest @ spectrum.centres) / mass
            yield _ordered([(1 - mass, mode, core), (mass, mean, core)])


def _core(spectrum: Spectrum, top: int) -> float:
    """Return the standard deviation that the half width of a peak stands for, on its steeper side."""
    half = spectrum.shares[top] / 2
    right = int(np.argmax(spectrum.shares[top:] < half)) or spectrum.shares.size - top
    left = int(np.argmax(spectrum.shares[top::-1] < half)) or top + 1
    return max(min(left, right) * spectrum.width / 1.177, spectrum.width / 2)


Part = tuple[float, float, float]


def _replaced(mixture: Mixture, k: int, one: Part, two: Part) -> Mixture:
    parts = list(zip(mixture.weights, mixture.means, mixture.sds, strict=True))
    parts[k : k + 1] = [one, two]
    return _ordered(parts)


def _ordered(parts: list[Part]) -> Mixture:
    parts = sorted(parts, key=lambda p: p[1])
    total = sum(p[0] for p in parts)
    return Mixture(tuple(p[0] / total for p in parts), tuple(p[1] for p in parts), tuple(p[2] for p in parts))


def _em(spectrum: Spectrum, start: Mixture, iterations: int) -> Mixture:
    """Climb from a start until the information per voxel rests."""
    weight, mean, sd = (np.array(part) for part in (start.weights, start.means, start.sds))
    edges, centres, shares = spectrum.edges, spectrum.centres, spectrum.shares
    floor, last = spectrum.width / 2, -np.inf
    for _ in range(iterations):
        bins = weight[:, None] * np.diff(ndtr((edges - mean[:, None]) / sd[:, None]), axis=1)
        total = np.maximum(bins.sum(axis=0), 1e-300)
        information = float(shares @ np.log(total))
        if information - last < 1e-10:
            break
        last = information
        belongs = bins / total * shares
        weight = np.maximum(belongs.sum(axis=1), 1e-12)
        mean = belongs @ centres / weight
        # the spread of greys inside a bin is no noise (Sheppard's correction)
        variance = (belongs * (centres - mean[:, None]) ** 2).sum(axis=1) / weight - spectrum.width**2 / 12
        sd = np.sqrt(np.maximum(variance, floor**2))
        sd = np.maximum(sd, sd.max() / _WIDEST)
        weight = weight / weight.sum()
    return _scored(spectrum, _ordered(list(zip(weight.tolist(), mean.tolist(), sd.tolist(), strict=True))))


def _with_shared(spectrum: Spectrum, start: Mixture) -> Mixture:
    """Fit shared voxels too, by descent from the fit without them."""
    count = len(start.weights)
    low, high = float(spectrum.edges[0]), float(spectrum.edges[-1])
    span = high - low

    def build(p: Floats) -> Mixture:
        parts = np.exp(p[2 * count :] - p[2 * count :].max())
        parts /= parts.sum()
        # the descent tries steps far outside of the histogram; what lies there is nowhere better
        means = np.sort(np.clip(p[:count], low - span, high + span))
        means = np.maximum.accumulate(means + np.arange(count) * 1e-9)
        sds = np.exp(np.clip(p[count : 2 * count], np.log(spectrum.width / 2), np.log(span)))
        sds = np.maximum(sds, sds.max() / _WIDEST)
        return Mixture(
            tuple(parts[:count].tolist()),
            tuple(means.tolist()),
            tuple(sds.tolist()),
            tuple(parts[count:].tolist()),
        )

    scale = spectrum.variance**0.5

    def cost(q: Floats) -> float:
        p = q.copy()
        p[:count] *= scale
        bins = np.diff(build(p).below(spectrum.edges), axis=1).sum(axis=0)
        return -float(spectrum.shares @ np.log(np.maximum(bins, 1e-300)))

    best = _scored(spectrum, replace(start, shared=(0.0,) * (count - 1)))
    # without shared voxels a component is wide where they are many: the second start takes them out of it
    narrow = np.full(count, min(start.sds))
    for share, sds in ((0.05, np.array(start.sds)), (0.3, narrow)):
        weights = [*((1 - share) * np.array(start.weights)), *([share / (count - 1)] * (count - 1))]
        first = np.concatenate(
            [np.array(start.means) / scale, np.log(sds), np.log(np.maximum(weights, 1e-9))]
        )
        found = minimize(
            cost, first, method="L-BFGS-B", options={"maxiter": 200, "ftol": 1e-11, "gtol": 1e-8}
        )
        end = found.x.copy()
        end[:count] *= scale
        fitted = _scored(spectrum, build(end))
        best = fitted if fitted.information > best.information else best
    return best
