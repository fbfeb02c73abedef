"""Real volumes: a sandstone, in memory and by slabs."""

from __future__ import annotations

import io
import os
import zipfile
from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import tifffile

from siltomo.kernels.distance import squared_distance
from siltomo.kernels.thickness import thickness_counts
from siltomo.kernels.thickness_slabs import stream_thickness_counts

DATA = Path(os.environ.get("SILTOMO_TEST_DATA", Path(__file__).parents[3] / "shared" / "data"))
BEREA = DATA / "volumes" / "porousmediagan" / "berea.zip"


@pytest.fixture(scope="module")
def berea():
    """Grains (True) and pores of a Berea sandstone, 400 voxels a side."""
    if not BEREA.is_file():
        pytest.skip(f"{BEREA} is not there; set SILTOMO_TEST_DATA to the folder of test data")
    with zipfile.ZipFile(BEREA) as archive:
        name = next(name for name in archive.namelist() if name.endswith(".tif"))
        return tifffile.imread(io.BytesIO(archive.read(name))) > 0


def test_distances_in_grains_are_those_of_scipy(berea):
    grains = berea[:100, :120, :140]
    expected = np.rint(scipy.ndimage.distance_transform_edt(grains) ** 2)
    np.testing.assert_array_equal(squared_distance(grains), expected)


@pytest.mark.parametrize("convention", ["open_ball", "closed_ball", "fiji"])
@pytest.mark.parametrize("phase", ["pores", "grains"])
def test_a_stream_of_planes_is_the_whole(berea, phase, convention):
    part = berea[:150, :150, :150]
    mask = part if phase == "grains" else ~part
    whole = thickness_counts(mask, convention=convention)
    streamed = stream_thickness_counts(lambda a, b: mask[a:b], 150, convention=convention, slab=40, halo=8)
    np.testing.assert_array_equal(streamed.squared_radii, whole.squared_radii)
    np.testing.assert_array_equal(streamed.counts, whole.counts)
    assert whole.total == mask.sum()


@pytest.mark.slow
def test_the_conventions_differ_by_less_than_a_voxel_in_the_mean(berea):
    means = [
        thickness_counts(~berea, convention=name).mean() for name in ("open_ball", "closed_ball", "fiji")
    ]
    assert max(means) - min(means) < 1
    assert means[0] < means[1]
