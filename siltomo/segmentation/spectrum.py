"""The histogram as thresholds look at it: few bins, occupied range, clipped ends apart; Otsu's criterion on it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels import GreyHistogram

__all__ = ["Spectrum", "otsu_cuts", "separability", "spectrum_of"]

Floats = NDArray[np.float64]

MOST_BINS = 512
_TAIL = 1e-5
"""Share of the voxels that may lie beyond either end of the range that is looked at."""


@dataclass(frozen=True, eq=False)
class Spectrum:
    """Shares of voxels in equal bins."""

    centres: Floats
    """Middle of each bin, in grey values."""
    shares: Floats
    """Share of the voxels in each bin; they add up to 1."""
    width: float
    """Width of a bin."""
    voxels: int
    """How many voxels it stands for, clipped ones left out."""
    clipped: tuple[float, float] = (0.0, 0.0)
    """Share of all voxels that sit at the lower and at the upper end of the grey scale, and are left out."""
    single: bool = False
    """Whether each bin is one grey value, as with 8-bit greys: a cut inside of it takes all of its voxels or none."""

    @property
    def edges(self) -> Floats:
        """The ends of the bins, one more than bins."""
        return np.append(self.centres - self.width / 2, self.centres[-1] + self.width / 2)

    @property
    def mean(self) -> float:
        """Mean grey value."""
        return float(self.shares @ self.centres)

    @property
    def variance(self) -> float:
        """Variance of the grey values."""
        return float(self.shares @ (self.centres - self.mean) ** 2)


def spectrum_of(histogram: GreyHistogram, *, most: int = MOST_BINS) -> Spectrum:
    """Condense a histogram to the range that is occupied.

    A pile of voxels in the first or last bin of the whole scale is clipped intensity, not a peak: where it is
    more than four times its neighbour and more than a hundred thousandth of all, it is left out and its share is
    stated.

    Raises
    ------
    BadInputError
        When all voxels have one value: there is nothing to part.
    """
    counts = histogram.counts.astype(np.float64)
    total = float(counts.sum())
    if total == 0:
        raise BadInputError("no voxel of the domain has a grey value", code="SIL140")
    low = _clipped(counts, total) if histogram.exact or histogram.below == 0 else 0.0
    high = _clipped(counts[::-1], total) if histogram.exact or histogram.above == 0 else 0.0
    if low:
        counts[0] = 0
    if high:
        counts[-1] = 0
    kept = counts.sum()
    if np.count_nonzero(counts) < 2:
        raise BadInputError("all voxels have one grey value: there is nothing to part", code="SIL140")
    reached = np.cumsum(counts) / kept
    first = int(np.searchsorted(reached, _TAIL))
    last = max(first + 1, int(np.searchsorted(reached, 1 - _TAIL)))
    margin = max(2, (last - first) // 50)
    first, last = max(0, first - margin), min(counts.size - 1, last + margin)
    group = -(-(last - first + 1) // most)
    size = -(-(last - first + 1) // group) * group
    piece = np.zeros(size)
    piece[: last - first + 1] = counts[first : last + 1]
    shares = piece.reshape(-1, group).sum(axis=1)
    values = histogram.values
    step = float(values[1] - values[0])
    centres = values[first] + (np.arange(shares.size) * group + (group - 1) / 2) * step
    return Spectrum(
        centres,
        shares / shares.sum(),
        group * step,
        int(shares.sum()),
        (low / total, high / total),
        single=histogram.exact and group == 1,
    )


def _clipped(counts: Floats, total: float) -> float:
    """Return the voxels of a first bin that is a pile of clipped intensity, else 0."""
    near = counts[1 : max(2, counts.size // 64)].max(initial=0)
    return float(counts[0]) if counts[0] > 4 * near and counts[0] > 1e-5 * total else 0.0


def otsu_cuts(spectrum: Spectrum, classes: int) -> tuple[float, ...]:
    """Return the cuts with the largest variance between classes.

    Parameters
    ----------
    spectrum
        The histogram.
    classes
        How many classes, at least 2.

    Returns
    -------
    tuple of float
        ``classes - 1`` ascending cuts at ends of bins, in grey values.

    Notes
    -----
    Otsu (1979), doi:10.1109/TSMC.1979.4310076; for several classes all cuts are found together, exactly for
    the bins, by dynamic programming.
    """
    edges = spectrum.edges
    weight = np.concatenate([[0.0], np.cumsum(spectrum.shares)])
    moment = np.concatenate([[0.0], np.cumsum(spectrum.shares * (spectrum.centres - spectrum.mean))])
    size = spectrum.shares.size
    mass = weight[None, :] - weight[:, None]
    first = moment[None, :] - moment[:, None]
    with np.errstate(divide="ignore", invalid="ignore"):
        gain = np.where(mass > 0, first**2 / mass, 0.0)
    gain[np.tril_indices(size + 1)] = -np.inf
    best = gain[0]
    back: list[NDArray[np.intp]] = []
    for _ in range(classes - 1):
        sums = best[:, None] + gain
        back.append(np.argmax(sums, axis=0))
        best = np.max(sums, axis=0)
    at, cuts = size, []
    for choice in reversed(back):
        at = int(choice[at])
        cuts.append(_middle_of_gap(spectrum, at, edges))
    return tuple(cuts[::-1])


def _middle_of_gap(spectrum: Spectrum, at: int, edges: Floats) -> float:
    """Return the middle of the empty bins around a cut: the criterion is the same in all of them."""
    low = high = at
    while low > 1 and spectrum.shares[low - 1] == 0:
        low -= 1
    while high < spectrum.shares.size - 1 and spectrum.shares[high] == 0:
        high += 1
    return float((edges[low] + edges[high]) / 2)


def separability(spectrum: Spectrum, cuts: tuple[float, ...]) -> float:
    """Return Otsu's measure: the variance between the classes as a part of the whole variance, 0 to 1."""
    total = spectrum.variance
    if total == 0:
        return 0.0
    place = np.searchsorted(np.asarray(cuts), spectrum.centres, side="right")
    between = 0.0
    for one in range(len(cuts) + 1):
        inside = place == one
        mass = spectrum.shares[inside].sum()
        if mass > 0:
            mean = spectrum.shares[inside] @ spectrum.centres[inside] / mass
            between += mass * (mean - spectrum.mean) ** 2
    return float(between / total)
