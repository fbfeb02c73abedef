"""Volumes that others made: read as they are, plane by plane."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tifffile

from siltomo.importers import ImportedVolume, Source, open_volume

Find = Callable[[str], Path]


def whole(volume: ImportedVolume, slab: int = 7) -> np.ndarray:
    """Read all planes as a registration does, a few at a time."""
    starts = range(0, volume.shape[0], slab)
    return np.concatenate([volume.planes(i, min(i + slab, volume.shape[0])) for i in starts])


def fractions(voxels: np.ndarray) -> dict[int, float]:
    values, counts = np.unique(voxels, return_counts=True)
    return {int(v): round(float(n) / voxels.size, 6) for v, n in zip(values, counts, strict=True)}


@pytest.mark.parametrize(
    ("name", "shape", "dtype", "expected"),
    [
        (
            "matbox/nmc-1-cal_generatedCBD_bridge.tif",
            (251, 301, 301),
            "u1",
            {0: 0.400549, 1: 0.499451, 2: 0.1},
        ),
        ("superres/NMC_lr_input.tif", (128, 128, 128), "i1", {0: 0.57967, 1: 0.42033}),
        ("superres/Separator_lr_input.tif", (156, 75, 75), "i1", {0: 0.62081, 1: 0.37919}),
        ("taufactor/electrode.tiff", (256, 256, 256), "u1", {0: 0.449917, 85: 0.400466, 170: 0.149616}),
        ("openimpala/SampleData_2Phase_stack_3d_1bit.tif", (100, 100, 100), "u1", {0: 0.601691, 1: 0.398309}),
    ],
)
def test_fractions_of_labels(
    shared: Find, name: str, shape: tuple[int, int, int], dtype: str, expected: dict[int, float]
) -> None:
    found = open_volume(Source(shared(f"volumes/{name}")))
    assert (found.shape, found.dtype) == (shape, np.dtype(dtype))
    assert found.voxel_size == (None, None, None)
    assert fractions(whole(found)) == pytest.approx(expected, abs=6e-6)


@pytest.mark.parametrize(
    "name",
    [
        "matbox/nmc-1-cal_generatedCBD_bridge.tif",
        "superres/Separator_lr_input.tif",
        "puma/100_fiberform.tif",
        "puma/100_sphere_r40.tif",
        "openimpala/spheres.tif",
        "ucl_battery_xct/cell_vol.tif",
        "ucl_battery_xct/im_1.tif",
        "ucl_battery_xct/mask_1.tif",
    ],
)
def test_planes_equal_those_of_tifffile(shared: Find, name: str) -> None:
    path = shared(f"volumes/{name}")
    expected = tifffile.imread(path)
    assert np.array_equal(whole(open_volume(Source(path)), 31).squeeze(), expected)


def test_raw_hdf5_and_npy_agree_voxel_for_voxel(shared: Find, tmp_path: Path) -> None:
    """The HDF5 file and the raw file are one volume (1: .399553); the 1-bit TIFF is another one (.398309)."""
    raw = np.fromfile(shared("volumes/openimpala/SampleData_2Phase_stack_3d_uint8.raw"), np.uint8)
    raw = raw.reshape(100, 100, 100)
    np.save(tmp_path / "raw.npy", raw)
    hdf5 = open_volume(Source(shared("volumes/openimpala/SampleData_2Phase_3d.hdf5")))
    assert hdf5.facts["dataset"] == "/image"
    assert np.array_equal(whole(hdf5), raw)
    assert np.array_equal(whole(open_volume(Source(tmp_path / "raw.npy"))), raw)


def test_one_bit_tiff_is_its_bits(shared: Find) -> None:
    """Against the packed bytes themselves: 13 bytes a row for 100 voxels, rows one after the other."""
    path = shared("volumes/openimpala/SampleData_2Phase_stack_3d_1bit.tif")
    data = path.read_bytes()
    with tifffile.TiffFile(path) as tif:
        starts = [page.dataoffsets[0] for page in tif.pages]
    packed = np.array([np.frombuffer(data, np.uint8, 1300, start).reshape(100, 13) for start in starts])
    found = open_volume(Source(path))
    assert found.facts["1 means"] == "white"
    assert np.array_equal(whole(found), np.unpackbits(packed, axis=2)[:, :, :100])


def test_printing_resolutions_are_no_voxel_sizes(shared: Find) -> None:
    """FiberForm has voxels of 1.3 um; its header says 100 dpi, which would be 254 um."""
    for name, dpi in (("puma/100_fiberform.tif", 100), ("matbox/nmc-1-cal_generatedCBD_bridge.tif", 72)):
        found = open_volume(Source(shared(f"volumes/{name}")))
        assert found.voxel_size == (None, None, None)
        assert f"{dpi} dpi" in found.warnings[0]
        assert found.warnings[0].startswith("[SIL106]")


def test_all_pages_of_a_file_that_disagrees_on_white(shared: Find) -> None:
    """The cylinder's pages say in turn that zero is black and is white; tifffile gives half of them."""
    path = shared("volumes/puma/100_cylinder_r40.tif")
    found = open_volume(Source(path))
    with tifffile.TiffFile(path) as tif:
        pages = np.array([page.asarray() for page in tif.pages])
    assert found.shape == (100, 100, 100)
    assert np.array_equal(whole(found), pages)
    assert any("50 of 100 pages say that zero is white" in warning for warning in found.warnings)


def test_berea_out_of_its_archive(shared: Find, tmp_path: Path) -> None:
    with zipfile.ZipFile(shared("volumes/porousmediagan/berea.zip")) as archive:
        path = Path(archive.extract("berea.tif", tmp_path))
    found = open_volume(Source(path))
    assert (found.shape, found.dtype) == ((400, 400, 400), np.uint8)
    assert fractions(whole(found, 50)) == pytest.approx({0: 0.196453, 255: 0.803547}, abs=1e-6)
