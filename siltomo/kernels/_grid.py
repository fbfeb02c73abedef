"""Checked masks, and voxel edges as whole multiples of a common step."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError

Mask = NDArray[np.bool_]

RATIO_TOLERANCE = 1e-6
"""How far, relatively, a voxel edge may lie from its whole multiple of the step."""

_LARGEST_MULTIPLE = 500_001  # at which rounding alone is within the tolerance


@dataclass(frozen=True)
class Lattice:
    """Squared distances as whole numbers: ``step**2 * (wz*dz**2 + wy*dy**2 + wx*dx**2)``.

    Cubic voxels have the weights (1, 1, 1) and the edge as step.
    """

    weights: tuple[int, int, int]
    step: float


def lattice(spacing: Sequence[float]) -> Lattice:
    """Write the voxel edges as the smallest whole multiples of a step that match within `RATIO_TOLERANCE`."""
    edges = tuple(float(edge) for edge in spacing)
    if len(edges) != 3 or not all(math.isfinite(edge) and edge > 0 for edge in edges):
        raise BadInputError(
            f"spacing must be three positive lengths (z, y, x), got {tuple(spacing)!r}",
            fix="give the voxel edges in one unit, such as spacing=(0.16, 0.16, 0.16)",
        )
    shortest = min(edges)
    ratios = np.array(edges) / shortest
    for low in range(1, _LARGEST_MULTIPLE + 1, 4096):
        divisors = np.arange(low, low + 4096)[:, np.newaxis]
        multiples = np.rint(divisors * ratios)
        close = (np.abs(multiples - divisors * ratios) <= RATIO_TOLERANCE * multiples).all(axis=1)
        if close.any():
            found = int(np.argmax(close))
            z, y, x = (int(multiple) ** 2 for multiple in multiples[found])
            return Lattice((z, y, x), shortest / float(divisors[found, 0]))
    raise AssertionError("rounding to the largest divisor is always within the tolerance")


def as_mask(mask: NDArray[np.bool_], name: str = "mask") -> Mask:
    """Return a boolean volume with contiguous rows; refuse labels and grey values."""
    volume = np.asarray(mask)
    if volume.ndim != 3:
        raise BadInputError(
            f"{name}: expected shape (z, y, x), got {volume.shape}",
            fix="give one plane as array[np.newaxis]" if volume.ndim == 2 else "",
        )
    if volume.dtype != np.bool_:
        raise BadInputError(
            f"{name}: expected booleans, got {volume.dtype}",
            fix="compare first, such as labels == 1 or grey > threshold",
        )
    volume = np.ascontiguousarray(volume).view()
    volume.flags.writeable = False  # always, so that kernels are compiled once
    return volume


def as_outside(outside: NDArray[np.bool_] | None, mask: Mask) -> Mask | None:
    """Return the mask of voxels beyond the window, or None where there are none."""
    if outside is None:
        return None
    beyond = as_mask(outside, "outside")
    if beyond.shape != mask.shape:
        raise BadInputError(f"outside has shape {beyond.shape}, the mask {mask.shape}")
    if (beyond & mask).any():
        raise BadInputError(
            "outside and mask share voxels; a voxel beyond the window is in no phase",
            fix="pass mask & ~outside",
        )
    return beyond if beyond.any() else None
