"""Phantoms with known fractions, and recipes run on arrays."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from siltomo.segmentation import Recipe
from siltomo.segmentation.execute import ScanSource
from siltomo.segmentation.prepare import Learnt, Means, learn

Make = Callable[..., Any]


@pytest.fixture(scope="session")
def blobs() -> Make:
    """Make a mask of round blobs with exactly this share of the voxels (to a voxel)."""

    def make(share: float, *, shape: Any = (64, 64, 64), size: float = 5, seed: int = 0) -> np.ndarray:
        field = ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=shape), size, mode="wrap")
        made = np.zeros(field.size, bool)
        made[np.argsort(field, axis=None)[: round(share * field.size)]] = True
        return made.reshape(shape)

    return make


@pytest.fixture(scope="session")
def greys() -> Make:
    """Make greys of a mask, dark where it is; noise as part of the contrast, blur in voxels."""

    def make(
        mask: np.ndarray, noise: float, *, blur: float = 0, seed: int = 1, dtype: Any = np.uint16
    ) -> np.ndarray:
        clean = np.where(mask, 0.0, 1.0)
        clean = ndimage.gaussian_filter(clean, blur, mode="wrap") if blur else clean
        noisy = clean + np.random.default_rng(seed).normal(0, noise, mask.shape)
        middle, step = (90, 70) if dtype is np.uint8 else (30000, 3000)
        values = middle + step * noisy
        if dtype is np.float32:
            return values.astype(np.float32)
        return np.rint(values).clip(0, np.iinfo(dtype).max).astype(dtype)

    return make


@pytest.fixture(scope="session")
def source() -> Make:
    """Make a scan of an array."""

    def make(
        volume: np.ndarray, *, name: str = "scan", spacing: Any = (0.5, 0.5, 0.5), **more: Any
    ) -> ScanSource:
        return ScanSource(name, volume.shape, spacing, volume.dtype, lambda a, b: volume[a:b].copy(), **more)

    return make


@pytest.fixture
def learnt(source: Make, tmp_path: Path) -> Make:
    """Learn a recipe from arrays."""

    def run(recipe: Recipe, *volumes: np.ndarray, memory: int = 1 << 28, **more: Any) -> list[Learnt]:
        scans = [source(volume, name=f"scan{n}", **more) for n, volume in enumerate(volumes)]
        return learn(recipe, scans, Means(memory, tmp_path / f"scratch{memory}"))

    return run


@pytest.fixture(scope="session")
def labels() -> Make:
    """Return all labels of what was learnt, computed in blocks of so many planes."""

    def run(one: Learnt, planes: int = 1000) -> np.ndarray:
        depth = one.work.source.shape[0]
        last = len(one.work.nodes) - 1
        cuts = range(0, depth, planes)
        return np.concatenate([one.work.planes(last, z, min(z + planes, depth)).values for z in cuts])

    return run
