"""What a classifier sees of a voxel: its neighbourhood at several scales, in three dimensions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from siltomo.segmentation.operations import TRUNCATE
from siltomo.segmentation.sizes import Spacing, voxels_along
from siltomo.units import Quantity

__all__ = ["FEATURES_OF_A_SCALE", "FeatureReader", "feature_halo", "feature_names", "features"]

FEATURES_OF_A_SCALE = (
    "gaussian",
    "gradient magnitude",
    "laplacian",
    "hessian largest",
    "hessian middle",
    "hessian smallest",
    "structure largest",
    "structure middle",
    "structure smallest",
)
_INTEGRATION = 1.6
"""The structure tensor is averaged over this many times its own scale."""


class FeatureReader(Protocol):
    """Features of a scan that were computed elsewhere, read tile by tile."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features, in their order."""
        ...

    @property
    def tile(self) -> tuple[int, int, int]:
        """How many voxels along z, y, x are read at once, by the memory allowed and what the file keeps together."""
        ...

    @property
    def voxel_bytes(self) -> int:
        """Bytes that reading takes for each voxel, all features together."""
        ...

    def __call__(self, start: int, stop: int, window: tuple[slice, slice], /) -> NDArray[np.float32]:
        """Return a part of planes ``start`` to ``stop`` (excluded), float32 of shape (features, planes, y, x)."""
        ...


Sigmas = tuple[float, float, float]


def feature_names(scales: Sequence[Quantity]) -> list[str]:
    """Return the names of the features, in their order.

    Examples
    --------
    >>> feature_names([Quantity(1.0, "voxel")])[:3]
    ['grey', 'gaussian 1 voxel', 'gradient magnitude 1 voxel']
    """
    return ["grey", *(f"{name} {scale}" for scale in scales for name in FEATURES_OF_A_SCALE)]


def feature_halo(scales: Sequence[Quantity], spacing: Spacing) -> tuple[int, int, int]:
    """Return how many voxels around it decide on the features of a voxel, along z, y, x."""
    reach = [0, 0, 0]
    for scale in scales:
        for axis, sigma in enumerate(voxels_along(scale, spacing)):
            inner = int(TRUNCATE * sigma + 0.5)
            outer = int(TRUNCATE * sigma * _INTEGRATION + 0.5)
            reach[axis] = max(reach[axis], inner + outer)
    return reach[0], reach[1], reach[2]


def features(values: NDArray[Any], scales: Sequence[Quantity], spacing: Spacing) -> NDArray[np.float32]:
    """Return the features of each voxel of a block.

    Parameters
    ----------
    values
        Greys of shape (z, y, x), with the halo around the voxels that are wanted.
    scales
        Standard deviations of the Gaussians.
    spacing
        Edges of a voxel, in um.

    Returns
    -------
    numpy.ndarray
        float32 of shape (features, z, y, x), named by :func:`feature_names`: the grey itself and, at each scale,
        the smoothed grey, the length of its gradient, its Laplacian, the eigenvalues of its Hessian and of its
        structure tensor. Derivatives are per standard deviation, so that scales compare and the voxel's edges
        cancel.
    """
    grey = values.astype(np.float32, copy=False)
    found = [grey]
    for scale in scales:
        sigma = voxels_along(scale, spacing)
        gradient = [_derivative(grey, sigma, axis) for axis in range(3)]
        hessian = {(a, b): _derivative(grey, sigma, a, b) for a in range(3) for b in range(a, 3)}
        found.append(_smooth(grey, sigma))
        found.append(np.sqrt(sum(g * g for g in gradient)))
        found.append(hessian[0, 0] + hessian[1, 1] + hessian[2, 2])
        found += _eigenvalues(hessian)
        wide = (sigma[0] * _INTEGRATION, sigma[1] * _INTEGRATION, sigma[2] * _INTEGRATION)
        tensor = {(a, b): _smooth(gradient[a] * gradient[b], wide) for a in range(3) for b in range(a, 3)}
        found += _eigenvalues(tensor)
    return np.stack(found)


def _smooth(values: NDArray[np.float32], sigma: Sigmas) -> NDArray[np.float32]:
    return np.asarray(ndimage.gaussian_filter(values, sigma, mode="reflect", truncate=TRUNCATE))


def _derivative(values: NDArray[np.float32], sigma: Sigmas, *axes: int) -> NDArray[np.float32]:
    """Return a Gaussian derivative, in units of the standard deviation."""
    order = [axes.count(axis) for axis in range(3)]
    scale = np.float32(np.prod([s**n for s, n in zip(sigma, order, strict=True)]))
    found = ndimage.gaussian_filter(values, sigma, order=order, mode="reflect", truncate=TRUNCATE)
    return np.asarray(found * scale)


def _eigenvalues(matrix: dict[tuple[int, int], NDArray[np.float32]]) -> list[NDArray[np.float32]]:
    """Return the eigenvalues of symmetric 3 x 3 matrices, the largest first.

    Closed form after Smith (1961), doi:10.1145/355578.366316.
    """
    xx, yy, zz = (matrix[k, k].astype(np.float64) for k in range(3))
    xy, xz, yz = (
        matrix[0, 1].astype(np.float64),
        matrix[0, 2].astype(np.float64),
        matrix[1, 2].astype(np.float64),
    )
    mean = (xx + yy + zz) / 3
    a, b, c = xx - mean, yy - mean, zz - mean
    size = np.sqrt((a * a + b * b + c * c + 2 * (xy * xy + xz * xz + yz * yz)) / 6)
    safe = np.where(size > 0, size, 1.0)
    half = (a * (b * c - yz * yz) - xy * (xy * c - yz * xz) + xz * (xy * yz - b * xz)) / (2 * safe**3)
    angle = np.arccos(np.clip(half, -1, 1)) / 3
    first = mean + 2 * size * np.cos(angle)
    last = mean + 2 * size * np.cos(angle + 2 * np.pi / 3)
    return [part.astype(np.float32) for part in (first, 3 * mean - first - last, last)]
