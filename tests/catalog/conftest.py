from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from siltomo.catalog import CatalogStore, StoredRecord, VolumeSpec

AddScan = Callable[..., StoredRecord]


@pytest.fixture
def store(tmp_path: Path) -> CatalogStore:
    return CatalogStore.create(tmp_path / "catalog")


@pytest.fixture
def add_scan() -> AddScan:
    """Add an array as the volume of a record whose body is its content id."""

    def add(
        store: CatalogStore, id_: str, voxels: NDArray[Any], *, kind: str = "scan", **options: Any
    ) -> StoredRecord:
        spec = VolumeSpec(voxels.shape, voxels.dtype, (0.65, 0.65, 0.65), id_, **options)
        return store.add_volume(
            kind, id_, spec, lambda start, stop: voxels[start:stop], lambda facts: {"content": facts.content}
        )

    return add


def voxels(seed: int, shape: tuple[int, int, int] = (20, 24, 28), dtype: str = "uint8") -> NDArray[Any]:
    return np.random.default_rng(seed).integers(1, 250, shape).astype(dtype)
