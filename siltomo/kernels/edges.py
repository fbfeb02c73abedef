"""Greys across a plane: the mean profile against signed distance, and the blurred step fitted to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels.depths import DatumPlane

__all__ = ["FWHM", "TEN_NINETY", "EdgeFit", "EdgeProfile", "edge_profile", "fit_edge"]

Floats = NDArray[np.float64]

FWHM = 2 * math.sqrt(2 * math.log(2))
"""Full width at half maximum of a Gaussian of standard deviation 1."""
TEN_NINETY = 2.5631031310892007
"""Distance over which a step blurred by that Gaussian rises from 10 % to 90 %."""


@dataclass(frozen=True, eq=False)
class EdgeProfile:
    """Greys by signed distance from a plane; adds up over parts of a volume."""

    edges: Floats
    """Distances between the bins, in the unit of the spacing."""
    counts: NDArray[np.int64]
    """Voxels of each bin."""
    sums: Floats
    """Sum of their greys."""
    places: Floats
    """Sum of their distances: a plane along the grid meets the voxels at one place in each bin."""

    def __add__(self, other: EdgeProfile) -> EdgeProfile:
        """Join the profiles of two parts."""
        return EdgeProfile(
            self.edges, self.counts + other.counts, self.sums + other.sums, self.places + other.places
        )

    @property
    def distances(self) -> Floats:
        """Mean distance of the voxels of each bin; nan in empty ones."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(self.counts > 0, self.places / np.maximum(self.counts, 1), np.nan))

    @property
    def means(self) -> Floats:
        """Mean grey of each bin; nan in empty ones."""
        with np.errstate(invalid="ignore"):
            return np.asarray(np.where(self.counts > 0, self.sums / np.maximum(self.counts, 1), np.nan))


@dataclass(frozen=True)
class EdgeFit:
    """A step between two greys, blurred by a Gaussian."""

    position: float
    """Signed distance of the step from the plane, in the unit of the spacing."""
    sigma: float
    """Standard deviation of the blur; 0 where it is below what the bins can tell."""
    before: float
    """Grey far before the plane."""
    after: float
    """Grey far behind it."""
    misfit: float
    """Root mean square of the residuals over the height of the step."""

    @property
    def fwhm(self) -> float:
        """Full width at half maximum of the blur."""
        return FWHM * self.sigma

    @property
    def ten_ninety(self) -> float:
        """Distance over which the profile rises from 10 % to 90 % of the step."""
        return TEN_NINETY * self.sigma


def edge_profile(
    greys: NDArray[Any],
    origin: tuple[int, int, int],
    *,
    spacing: tuple[float, float, float],
    plane: DatumPlane,
    reach: float,
    bin_width: float,
    keep: NDArray[np.bool_] | None = None,
) -> EdgeProfile:
    """Sum up greys by their signed distance from a plane.

    Parameters
    ----------
    greys
        Planes of shape (z, y, x).
    origin
        Index (z, y, x) of the first voxel in the volume.
    spacing
        Edges of a voxel along z, y, x.
    plane
        The plane; distance grows along its normal.
    reach
        Largest distance on either side.
    bin_width
        Width of a bin of distance.
    keep
        Which voxels count, of a shape that broadcasts to that of ``greys``.

    Returns
    -------
    The profile of these planes.

    Notes
    -----
    A plane that is tilted against the grid meets the voxels at all fractions of their edge: the profile is then
    sampled far finer than the voxels.
    """
    number = 2 * max(1, math.ceil(reach / bin_width))
    edges: Floats = (np.arange(number + 1, dtype=np.float64) - number / 2) * bin_width
    normal = np.array(plane.normal) / np.linalg.norm(plane.normal)
    along = [
        part * (np.arange(n) + first) * step
        for part, n, first, step in zip(normal, greys.shape, origin, spacing, strict=True)
    ]
    offset = float(normal @ np.array(plane.point))
    counts, sums, places = np.zeros(number, np.int64), np.zeros(number), np.zeros(number)
    in_plane = along[1][:, np.newaxis] + along[2] - offset
    for n in range(greys.shape[0]):
        distance = in_plane + along[0][n]
        near = np.abs(distance) < edges[-1]
        if keep is not None:
            near &= np.broadcast_to(keep, greys.shape)[n]
        if not near.any():
            continue
        bins = np.floor((distance[near] - edges[0]) / bin_width).astype(np.int64)
        values = greys[n][near].astype(np.float64)
        counts += np.bincount(bins, minlength=number)[:number]
        sums += np.bincount(bins, values, number)[:number]
        places += np.bincount(bins, distance[near], number)[:number]
    return EdgeProfile(edges, counts, sums, places)


def fit_edge(profile: EdgeProfile, *, voxel: float = 0.0) -> EdgeFit:
    """Fit a Gaussian-blurred step to a profile.

    Parameters
    ----------
    profile
        The profile.
    voxel
        Edge of a voxel along the normal, where each voxel is the mean of its volume: that width (edge / sqrt(12))
        is taken out of the blur. 0 leaves it in.

    Raises
    ------
    BadInputError
        The profile has too few bins, or shows no step.

    Examples
    --------
    >>> from scipy.special import ndtr
    >>> edges = np.linspace(-10, 10, 81)
    >>> x = (edges[1:] + edges[:-1]) / 2
    >>> counts = np.full(80, 100)
    >>> made = EdgeProfile(edges, counts, counts * (20 + 60 * ndtr((x - 1.5) / 2)), counts * x)
    >>> found = fit_edge(made)
    >>> round(found.position, 3), round(found.sigma, 3), round(found.before), round(found.after)
    (1.5, 2.0, 20, 80)
    """
    from scipy.optimize import least_squares
    from scipy.special import ndtr

    seen = profile.counts > 0
    x, y = profile.distances[seen], profile.means[seen]
    if x.size < 8:
        raise BadInputError(f"the profile across the surface has {x.size} bins; at least 8 are needed")
    weights = np.sqrt(profile.counts[seen] / profile.counts.max())
    ends = max(2, x.size // 8)
    before, after = float(np.median(y[:ends])), float(np.median(y[-ends:]))
    if before == after:
        raise BadInputError(
            "the greys on both sides of the surface are the same: there is no edge to measure"
        )
    middle = float(x[int(np.abs(y - (before + after) / 2).argmin())])
    scale = float(profile.edges[-1])

    def residuals(guess: Floats) -> Floats:
        place, log_sigma, low, high = guess
        model = low + (high - low) * ndtr((x - place) / math.exp(log_sigma))
        return np.asarray((model - y) * weights)

    start = np.array([middle, math.log(scale / 8), before, after])
    bounds = (
        [-scale, math.log(scale * 1e-4), -np.inf, -np.inf],
        [scale, math.log(scale * 2), np.inf, np.inf],
    )
    found = least_squares(residuals, start, bounds=bounds, x_scale="jac")
    place, log_sigma, low, high = (float(v) for v in found.x)
    sigma = math.sqrt(max(math.exp(2 * log_sigma) - voxel**2 / 12, 0.0))
    misfit = math.sqrt(float(np.mean(found.fun**2))) / abs(high - low) if high != low else math.inf
    return EdgeFit(place, sigma, low, high, misfit)
