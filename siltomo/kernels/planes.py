"""Robust planes through height maps."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siltomo.errors import BadInputError

__all__ = ["PlaneFit", "fit_plane"]

Floats = NDArray[np.float64]

_TUNING = 4.685
"""Tukey's constant: 95 % efficient for normal residuals, blind beyond so many standard deviations."""
_NORMAL_HALF = 0.6745
"""Half of a normal distribution lies within so many standard deviations of its centre."""
_STEPS = 50
_FLAT = 1e-6
"""A rise over the whole map below this share of the resolution is none."""
_MOST = 1 << 20
"""Columns that a fit takes; of larger maps every second, third ... row and column."""


@dataclass(frozen=True, eq=False)
class PlaneFit:
    """A plane through a height map: height = level + slopes . (row, column)."""

    level: float
    """Height at the first row and column, in the unit of the heights."""
    slopes: tuple[float, float]
    """Rise per length along the rows' axis and the columns' axis."""
    steps: tuple[float, float]
    """Distance from row to row, and from column to column."""
    scatter: float
    """Robust standard deviation of the heights about the plane, along the height."""
    limit: float
    """Heights further from the plane than this were left out."""
    used: float
    """Share of the columns with a height that were not left out."""

    @property
    def cosine(self) -> float:
        """Cosine of the angle between the normal and the direction of height."""
        return 1 / math.sqrt(1 + self.slopes[0] ** 2 + self.slopes[1] ** 2)

    @property
    def tilt_deg(self) -> float:
        """Angle between the normal and the direction of height, in degrees."""
        return math.degrees(math.atan(math.hypot(*self.slopes)))

    def heights(self, shape: tuple[int, int]) -> Floats:
        """Return the plane's height in each column of a map of that shape."""
        rows, columns = (
            np.arange(n) * step * slope for n, step, slope in zip(shape, self.steps, self.slopes, strict=True)
        )
        return np.asarray(self.level + rows[:, np.newaxis] + columns)

    def inliers(self, heights: Floats) -> NDArray[np.bool_]:
        """Return which columns have a height that the plane is drawn through."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.abs(heights - self.heights(_shape(heights))) <= self.limit)


def fit_plane(
    heights: ArrayLike, steps: tuple[float, float] = (1.0, 1.0), *, resolution: float = 1.0
) -> PlaneFit:
    """Fit a plane to a height map, blind to columns that are far off.

    Parameters
    ----------
    heights
        Height of each column, shape (rows, columns); nan where there is none.
    steps
        Distance from row to row and from column to column, in the unit of the heights.
    resolution
        Step between heights that can be told apart, such as the voxel edge: residuals below it are no outliers.

    Returns
    -------
    The plane.

    Raises
    ------
    BadInputError
        The map is no map, or fewer than three columns have a height.

    Notes
    -----
    Slopes start from medians of the rise over half the map (as Theil and Sen), the level from the middle of
    the shortest interval that holds half of the heights (least median of squares): neither minds up to half
    of the columns lying off on one side, as those that end in a crack do. Then reweighted least squares with
    Tukey's biweight.

    Examples
    --------
    >>> import numpy as np
    >>> heights = 5 + 0.1 * np.arange(40.0)[:, np.newaxis] + np.zeros(30)
    >>> heights[::5] = 0
    >>> found = fit_plane(heights)
    >>> round(found.level, 6), round(found.slopes[0], 6), round(found.used, 3)
    (5.0, 0.1, 0.8)
    """
    whole = np.asarray(heights, np.float64)
    if whole.ndim != 2:
        raise BadInputError(f"a height map has rows and columns, not the shape {whole.shape}")
    stride = max(1, math.ceil(math.sqrt(whole.size / _MOST)))
    part = whole[::stride, ::stride]
    if np.isfinite(part).sum() < 3:
        raise BadInputError("a plane needs at least three columns with a height")
    near = (steps[0] * stride, steps[1] * stride)
    slopes = np.array([_rise(part, near[0]), _rise(part.T, near[1])])
    rows, columns = np.nonzero(np.isfinite(part))
    known = part[rows, columns]
    places = np.stack([rows * near[0], columns * near[1]])
    free = [n for n, values in enumerate((rows, columns)) if np.ptp(values) > 0]
    level = _shortest_half(known - slopes @ places)[0]
    for _ in range(_STEPS):
        residuals = known - level - slopes @ places
        limit = _TUNING * max(_shortest_half(residuals)[1], resolution)
        weights = np.clip(1 - (residuals / limit) ** 2, 0, None) ** 2
        before = (level, *slopes)
        level, slopes = _weighted(places, known, weights, free)
        if np.allclose(before, (level, *slopes), rtol=1e-10, atol=1e-9 * resolution):
            break
    slopes[np.abs(slopes) * np.ptp(places, axis=1) < _FLAT * resolution] = (
        0.0  # rounding of the least squares
    )
    residuals = np.abs(known - level - slopes @ places)
    scatter = _shortest_half(known - level - slopes @ places)[1]
    limit = _TUNING * max(scatter, resolution)
    return PlaneFit(
        float(level),
        (float(slopes[0]), float(slopes[1])),
        steps,
        max(scatter, 0.0),
        limit,
        float((residuals <= limit).mean()),
    )


def _shape(heights: Floats) -> tuple[int, int]:
    return heights.shape[0], heights.shape[1]


def _rise(heights: Floats, step: float) -> float:
    """Return the median rise per length from row to row, over half the rows; 0 for a single row."""
    rows = np.nonzero(np.isfinite(heights).any(axis=1))[0]
    if rows.size < 2:
        return 0.0
    apart = max(1, int(np.ptp(rows)) // 2)
    rises = (heights[apart:] - heights[:-apart]) / (apart * step)
    rises = rises[np.isfinite(rises)]
    return float(np.median(rises)) if rises.size else 0.0


def _shortest_half(values: Floats) -> tuple[float, float]:
    """Return the middle of the shortest interval with half of the values, and the deviation it tells."""
    ordered = np.sort(values)
    half = ordered.size // 2 + 1
    widths = ordered[half - 1 :] - ordered[: ordered.size - half + 1]
    at = int(widths.argmin())
    # of equally short intervals the middle one: whole voxels tie often
    ties = np.nonzero(widths <= widths[at] + 1e-12)[0]
    at = int(ties[ties.size // 2])
    return float(ordered[at] + ordered[at + half - 1]) / 2, float(widths[at]) / 2 / _NORMAL_HALF


def _weighted(places: Floats, known: Floats, weights: Floats, free: list[int]) -> tuple[float, Floats]:
    """Return level and slopes of the weighted least squares; the slope along a single row is 0."""
    design = np.stack([np.ones(known.size), *places[free]])
    weighted = design * weights
    solution = np.linalg.lstsq(weighted @ design.T, weighted @ known, rcond=None)[0]
    slopes = np.zeros(2)
    slopes[free] = solution[1:]
    return float(solution[0]), slopes
