"""Volumes to measure on: thresholded Gaussian fields, about a fifth of them phase."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

KINDS = ("crack", "porous", "rough", "noise")
COARSE = 4


def grey_field(n: int, correlation: float, noise: float = 0.0, seed: int = 0) -> NDArray[np.float32]:
    """Make a Gaussian field of n^3 voxels, mean 0 and standard deviation 1, on a coarse grid refined linearly."""
    generator = np.random.default_rng(seed)
    m = n // COARSE + 2
    coarse = gaussian_filter(
        generator.standard_normal((m, m, m), dtype=np.float32), correlation / COARSE, mode="wrap"
    )
    coarse = (coarse - coarse.mean()) / coarse.std()
    places = np.arange(n) / COARSE
    refine = np.maximum(0, 1 - np.abs(places[:, None] - np.arange(m))).astype(np.float32)
    field = np.empty((n, n, n), np.float32)
    for z in range(n):
        field[z] = refine @ np.tensordot(refine[z], coarse, 1) @ refine.T
        if noise:
            field[z] += generator.standard_normal((n, n), dtype=np.float32) * np.float32(noise)
    return field


def make_mask(n: int, kind: str, width: float = 10.0, seed: int = 0) -> NDArray[np.bool_]:
    """Make a mask of cracks (sheets), pores (blobs), rough cracks (with voxel noise) or independent voxels.

    The width is that of the features, in voxels.
    """
    if kind == "noise":
        return np.random.default_rng(seed).random((n, n, n), dtype=np.float32) < 0.2
    if kind == "porous":
        return grey_field(n, width, seed=seed) > 0.8416
    return np.abs(grey_field(n, width / 0.45, 0.05 if kind == "rough" else 0.0, seed)) < 0.253
