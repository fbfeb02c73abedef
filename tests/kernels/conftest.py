from __future__ import annotations

import os
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

Mask = NDArray[np.bool_]


@pytest.fixture(scope="session")
def make_ball() -> Callable[..., Mask]:
    """Make a ball with a margin of background around it; lengths in the unit of the spacing."""

    def make(radius: float, *, offset: Any = (0, 0, 0), spacing: Any = (1, 1, 1)) -> Mask:
        edges = np.asarray(spacing, float)
        shape = (2 * (radius + 3 * edges.max()) / edges).astype(int) + 1
        centre = (shape - 1) / 2 * edges + np.asarray(offset, float) * edges
        grid = np.indices(shape) * edges[:, None, None, None] - centre[:, None, None, None]
        return np.asarray((grid**2).sum(axis=0) <= radius**2)

    return make


@pytest.fixture(scope="session")
def cut() -> Callable[..., list[tuple[int, int]]]:
    """Cut planes at the given places into neighbouring slabs ``[start, stop)``, none of them empty."""

    def slabs(planes: int, places: Any) -> list[tuple[int, int]]:
        return list(pairwise(sorted({0, planes, *(place for place in places if 0 < place < planes)})))

    return slabs


@pytest.fixture(scope="session")
def data() -> Path:
    """Folder of real data made by others; tests skip where it is absent."""
    folder = Path(os.environ.get("SILTOMO_TEST_DATA") or Path(__file__).parents[3] / "shared" / "data")
    if not folder.is_dir():
        pytest.skip(f"no test data at {folder}; set SILTOMO_TEST_DATA")
    return folder
