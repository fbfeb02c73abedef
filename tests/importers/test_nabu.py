"""HDF5 of nabu and ilastik: centimetres, and axes by name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest

from siltomo.importers import Source, open_volume

PLACE = "reconstruction/configuration/processing_options/reconstruction/voxel_size_cm"


def nabu(path: Path, voxels: np.ndarray, size: Any, entry: str = "entry0000") -> Path:
    with h5py.File(path, "w") as file:
        file[f"{entry}/reconstruction/results/data"] = voxels
        if size is not None:
            file[f"{entry}/{PLACE}"] = size
    return path


@pytest.mark.parametrize(
    ("size", "edges"),
    [
        (6.5e-5, ["0.65 um"] * 3),
        ([6.5e-5, 6.5e-5, 1.3e-4], ["1.3 um", "0.65 um", "0.65 um"]),
        ([1.0], ["10000 um"] * 3),
        (None, ["None"] * 3),
        (-1.0, ["None"] * 3),
        ([1.0, 2.0], ["None"] * 3),
        (np.nan, ["None"] * 3),
        (b"text", ["None"] * 3),
    ],
)
def test_the_voxel_size_of_nabu_is_in_centimetres(tmp_path: Path, size: Any, edges: list[str]) -> None:
    """Along x, y, z, as its readers take it."""
    found = open_volume(Source(nabu(tmp_path / "n.h5", np.zeros((3, 4, 5), np.float32), size)))
    assert [str(edge) for edge in found.voxel_size] == edges
    if "None" not in edges:
        assert "voxel_size_cm" in found.voxel_source
        assert "cm" in found.voxel_source


def test_a_link_in_place_of_the_size_is_not_followed_out(tmp_path: Path) -> None:
    path = nabu(tmp_path / "n.h5", np.zeros((3, 4, 5), np.float32), None)
    with h5py.File(path, "a") as file:
        file[f"entry0000/{PLACE}"] = h5py.ExternalLink("/etc/passwd", "/x")
    from siltomo.errors import FormatError

    with pytest.raises(FormatError, match="link into another file"):
        open_volume(Source(path))


def test_ilastik_axistags_turn_the_axes(tmp_path: Path) -> None:
    voxels = np.random.default_rng(1).integers(1, 4, (3, 4, 5)).astype(np.uint8)
    with h5py.File(tmp_path / "Simple Segmentation.h5", "w") as file:
        data = file.create_dataset("exported_data", data=voxels.transpose(2, 1, 0)[None, ..., None])
        axes = [{"key": k, "typeFlags": 2, "resolution": 0, "description": ""} for k in "txyzc"]
        data.attrs["axistags"] = json.dumps({"axes": axes})
    found = open_volume(Source(tmp_path / "Simple Segmentation.h5"))
    assert np.array_equal(found.planes(0, 3), voxels)
