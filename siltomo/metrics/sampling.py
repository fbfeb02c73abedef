"""How far a window's mean may lie from that of the electrode: standard errors from sub-volumes.

The window is cut into sub-volumes. Sub-volumes that lie side by side resemble each other, the less the larger
they are; their size is raised, along each axis, until neighbours correlate by no more than a quarter, within what
chance allows. The variance of the mean is then the variance between sub-volumes over their number, times
1 + 2 r for each axis, where r is the correlation that is left: the integral range, estimated. With too few
sub-volumes of that size there is no estimate, and the reason is said.

Lantuejoul, Ergodicity and integral range, J. Microsc. 161 (1991) 387; Cochran, Sampling Techniques (1977), on
ratios; Woodruff, Confidence intervals for medians, J. Am. Stat. Assoc. 47 (1952) 635.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["NotRepresentative", "Sampling", "sampling_of_median", "sampling_of_places", "sampling_of_ratio"]

Floats = NDArray[np.float64]
Steps = tuple[int, int, int]

CORRELATED = 0.25
"""Neighbouring sub-volumes that correlate more are merged into larger ones."""
CHANCE = 1.0
"""Standard errors by which an estimated correlation may exceed what is allowed: to refuse each that does would
keep the windows that happen to look less variable than they are."""
FEWEST = 27
"""Fewer sub-volumes say nothing of their spread."""
FEWEST_DEGREES = 10.0
"""The estimate of the variance must be worth so many degrees of freedom."""
COLUMNS = 16
"""Columns along either side of sections."""
FEATURES = 2
"""Features of a section that a sub-volume holds at least, on the average."""
_ROUNDS = 40
_NORMAL_95 = 1.959964


@dataclass(frozen=True)
class Sampling:
    """A standard uncertainty of a window's mean, and what it rests on."""

    uncertainty: float
    """Standard uncertainty in the unit of the ratio, such that 1.96 of it are the 95 % interval of Student."""
    steps: Steps
    """Cells along an edge of a sub-volume."""
    count: int
    """Sub-volumes in the window."""
    degrees: float
    """Degrees of freedom that the estimate of the variance is worth."""


@dataclass(frozen=True)
class NotRepresentative:
    """Why the window tells no sampling uncertainty."""

    reason: str


@dataclass(frozen=True)
class _Spread:
    """The variance of a sum over sub-volumes."""

    variance: float
    count: int
    correlations: tuple[float, float, float]
    pairs: tuple[int, int, int]
    """Neighbours along each axis."""
    degrees: float

    def correlated(self) -> list[int]:
        """List the axes along which neighbours correlate by more than is allowed."""
        return [
            axis
            for axis, (r, pairs) in enumerate(zip(self.correlations, self.pairs, strict=True))
            if pairs and r - CHANCE / math.sqrt(pairs) > CORRELATED
        ]

    @property
    def mean_correlation(self) -> float:
        """Correlation of neighbours along any axis, less what it may be by chance."""
        every = sum(self.pairs)
        if not every:
            return 0.0
        mean = sum(r * n for r, n in zip(self.correlations, self.pairs, strict=True)) / every
        return mean - CHANCE / math.sqrt(every)


def sampling_of_ratio(
    numerators: NDArray[Any], denominators: NDArray[Any], *, at_least: Steps = (1, 1, 1)
) -> Sampling | NotRepresentative:
    """Estimate the sampling uncertainty of ``sum(numerators) / sum(denominators)``.

    Parameters
    ----------
    numerators, denominators
        Sums over the cells of a lattice, of shape (z, y, x), such as the surface and the volume of a phase.
    at_least
        Cells along an edge of the smallest sub-volume to try.

    Returns
    -------
    Sampling or NotRepresentative
        The uncertainty in the unit of the ratio, or why there is none.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> found = sampling_of_ratio(rng.normal(5, 1, (10, 10, 10)), np.ones((10, 10, 10)))
    >>> found.steps, 0.028 < found.uncertainty < 0.036
    ((1, 1, 1), True)
    """
    whole = float(denominators.sum())
    if whole <= 0:
        return NotRepresentative("the window is empty")
    ratio = float(numerators.sum()) / whole
    residuals = numerators - ratio * denominators.astype(np.float64)
    if np.abs(residuals).max() <= 1e-9 * float(np.abs(numerators).mean()):
        return NotRepresentative("its sub-volumes do not differ")
    steps, spread = _choose(residuals, denominators > 0, at_least)
    if spread.count < FEWEST or spread.degrees < FEWEST_DEGREES:
        return NotRepresentative(_too_few(spread))
    student = _student_95(spread.degrees) / _NORMAL_95
    return Sampling(student * math.sqrt(spread.variance) / whole, steps, spread.count, spread.degrees)


def sampling_of_median(
    lower_halves: NDArray[Any],
    numbers: NDArray[Any],
    values: NDArray[Any],
    counts: NDArray[Any],
    *,
    at_least: Steps = (1, 1, 1),
) -> Sampling | NotRepresentative:
    """Estimate the sampling uncertainty of the median of what lies in the cells of a lattice.

    The share below the median is a ratio with a sampling uncertainty. Its 95 % interval about 1/2 is read off the
    distribution, as the one of the median (Woodruff); the farther of its ends counts, as between two sizes of
    features the other may be near. Values come in steps, and the median is one of them: the larger step to its
    neighbours is added, in quadrature.

    Parameters
    ----------
    lower_halves
        How many of the lower half of all lie in each cell, of shape (z, y, x).
    numbers
        How many lie in each cell.
    values, counts
        The distribution of all: values that occur, ascending, and how often.
    at_least
        Cells along an edge of the smallest sub-volume to try.

    Returns
    -------
    Sampling or NotRepresentative
        The uncertainty in the unit of the values, or why there is none.

    Examples
    --------
    >>> import numpy as np
    >>> cells = np.random.default_rng(1).normal(5, 1, (10, 10, 10, 50))
    >>> values = np.sort(cells.ravel())
    >>> lower = (cells < np.median(values)).sum(axis=-1)
    >>> found = sampling_of_median(lower, np.full(lower.shape, 50), values, np.ones(values.size))
    >>> expected = 1.2533 / 50_000**0.5  # of a Gaussian's median
    >>> 0.7 < found.uncertainty / expected < 1.3
    True
    """
    found = sampling_of_ratio(lower_halves, numbers, at_least=at_least)
    if isinstance(found, NotRepresentative):
        return found
    margin = _NORMAL_95 * found.uncertainty
    if margin >= 0.5:
        return NotRepresentative("its sub-volumes do not tell where the median lies")
    up_to = np.cumsum(counts)
    middles = (up_to - np.asarray(counts) / 2) / up_to[-1]
    low, middle, high = np.interp([0.5 - margin, 0.5, 0.5 + margin], middles, values)
    farther = float(max(high - middle, middle - low)) / _NORMAL_95
    median = int(np.searchsorted(up_to, up_to[-1] / 2))
    step = float(np.diff(values[max(0, median - 1) : median + 2]).max(initial=0.0))
    return replace(found, uncertainty=math.hypot(farther, step))


def sampling_of_places(
    values: Floats, weights: Floats, places: Floats, *, sections: int = 1
) -> Sampling | NotRepresentative:
    """Estimate the sampling uncertainty of the weighted mean of features that lie in sections one above the other.

    The window is divided into columns through all sections, 16 along either side of a section: what sections see of
    the same feature is in one of them, or in its neighbours. Sub-volumes hold two features of each section at
    least: the mean size goes with how many there are, which smaller ones do not see.

    Parameters
    ----------
    values, weights
        Of each feature, shape (n,).
    places
        Where it lies, in shares of the section's sides, shape (n, 2).
    sections
        How many sections the features lie in.

    Returns
    -------
    Sampling or NotRepresentative
        The uncertainty in the unit of the values, or why there is none; its steps along the first axis are 1.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(1)
    >>> found = sampling_of_places(rng.normal(5, 1, 4000), np.ones(4000), rng.random((4000, 2)))
    >>> 0.012 < found.uncertainty < 0.02
    True
    """
    if values.size == 0:
        return NotRepresentative("it holds no feature")
    columns = np.minimum((places * COLUMNS).astype(np.int64), COLUMNS - 1)
    numbers = columns[:, 0] * COLUMNS + columns[:, 1]
    sums = [
        np.bincount(numbers, one, COLUMNS * COLUMNS).reshape(1, COLUMNS, COLUMNS)
        for one in (values * weights, weights)
    ]
    edge = math.ceil(COLUMNS * math.sqrt(FEATURES * sections / values.size))
    return sampling_of_ratio(sums[0], sums[1], at_least=(1, edge, edge))


def _choose(residuals: Floats, counted: NDArray[np.bool_], at_least: Steps) -> tuple[Steps, _Spread]:
    """Enlarge sub-volumes along the axes on which neighbours correlate, until they hardly do.

    Small sub-volumes may hide under their own noise that large ones resemble each other (as the surface of
    features larger than they are): those of twice and three times the size must not correlate either.
    """

    def spread(steps: list[int], times: int = 1) -> _Spread:
        larger = [min(times * step, size) for step, size in zip(steps, residuals.shape, strict=True)]
        return _spread(_merged(residuals, larger), _merged(counted.astype(np.int64), larger) > 0)

    steps = [min(step, size) for step, size in zip(at_least, residuals.shape, strict=True)]
    while True:
        found = spread(steps)
        tight = found.correlated()
        if not tight:
            larger = [one for one in (spread(steps, 2), spread(steps, 3)) if one.count >= FEWEST]
            if any(one.mean_correlation > CORRELATED for one in larger):
                tight = [axis for axis in range(3) if found.pairs[axis]]
        if not tight or found.count < FEWEST:
            z, y, x = steps
            return (z, y, x), found
        for axis in tight:
            steps[axis] += 1


def _merged(cells: NDArray[Any], steps: list[int]) -> NDArray[Any]:
    for axis, step in enumerate(steps):
        if step > 1:
            cells = np.add.reduceat(cells, np.arange(0, cells.shape[axis], step), axis=axis)
    return cells


def _spread(sums: Floats, within: NDArray[np.bool_]) -> _Spread:
    """Estimate the variance of the total of sub-volumes whose residuals add up to 0."""
    count = int(within.sum())
    squares = float(np.sum(sums**2)) / count
    if squares == 0:
        return _Spread(0.0, count, (0.0, 0.0, 0.0), (0, 0, 0), 0.0)
    pairs = [_neighbours(sums, within, axis) for axis in range(3)]
    share = [2 * n / count for _, n in pairs]
    # Residuals from the window's own mean vary less, and correlate less, than those from the true one: by the
    # variance of that mean, which is what is looked for.
    variance, correlations, factors = squares, [0.0] * 3, [1.0] * 3
    for _ in range(_ROUNDS):
        missing = variance / count
        own = squares + missing
        correlations = [
            min(0.95, max(-0.45, (product + missing) / own)) if n else 0.0 for product, n in pairs
        ]
        factors = [1 + s * r for s, r in zip(share, correlations, strict=True)]
        variance = min(own * math.prod(factors), squares * count)
    fourth = float(np.sum(sums**4)) / count
    kurtosis = max(3.0, fourth / squares**2)
    relative = (kurtosis - 1) * (1 + 2 * sum(r * r for r in correlations)) + sum(
        (s / f) ** 2 for s, f in zip(share, factors, strict=True)
    )
    z, y, x = correlations
    of_z, of_y, of_x = (n for _, n in pairs)
    return _Spread(variance * count, count, (z, y, x), (of_z, of_y, of_x), 2 * count / relative)


def _neighbours(sums: Floats, within: NDArray[np.bool_], axis: int) -> tuple[float, int]:
    """Return the mean product of neighbours along an axis, and how many pairs there are."""
    size = sums.shape[axis]
    first, second = (np.moveaxis(sums, axis, 0)[s] for s in (slice(0, size - 1), slice(1, size)))
    both = (np.moveaxis(within, axis, 0)[:-1] & np.moveaxis(within, axis, 0)[1:]) if size > 1 else None
    pairs = 0 if both is None else int(both.sum())
    return (float(np.sum(first * second)) / pairs if pairs else 0.0), pairs


def _student_95(degrees: float) -> float:
    from scipy.special import stdtrit

    return float(stdtrit(degrees, 0.975))


def _too_few(spread: _Spread) -> str:
    if spread.correlated():
        return f"its {spread.count} largest sub-volumes are not independent yet"
    return f"it holds {spread.count} independent sub-volumes, worth {spread.degrees:.2g} degrees of freedom"
