"""Exported features: files of our own making, laid out as ilastik and Fiji lay out theirs (from their documentation
and sources; no file of these programs is at hand).
"""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from siltomo.errors import FormatError, MismatchError, NotFoundError, SiltomoError
from siltomo.importers.channels import Channels, files_digest, open_channels

SHAPE = (5, 6, 7)
COUNT = 3
Write = Callable[[Path, np.ndarray], Path]


@pytest.fixture
def data() -> np.ndarray:
    """Values of three channels, shape (c, z, y, x), no two alike."""
    return np.random.default_rng(0).permutation(COUNT * 5 * 6 * 7).reshape(COUNT, *SHAPE).astype(np.float32)


def ilastik_hdf5(path: Path, data: np.ndarray, axes: str = "zyxc", **more: object) -> Path:
    """Write a dataset ``exported_data`` with ``axistags``, as ilastik's export does."""
    spread = data[None] if "t" in axes else data
    order = ["tczyx".index(key) - ("t" not in axes) for key in axes]
    with h5py.File(path, "w") as file:
        made = file.create_dataset("exported_data", data=spread.transpose(order), **more)
        tags = [{"key": key, "typeFlags": 2, "resolution": 0, "description": ""} for key in axes]
        made.attrs["axistags"] = json.dumps({"axes": tags})
    return path


def ilastik_tiff(path: Path, data: np.ndarray) -> Path:
    """Write an OME-TIFF with the axes TZCYX, as ilastik's export of "multipage tiff" does."""
    pages = np.moveaxis(data, 0, 1)[None]
    tifffile.imwrite(path, pages, ome=True, metadata={"axes": "TZCYX"}, software="ilastik")
    return path


def imagej_hyperstack(path: Path, data: np.ndarray) -> Path:
    """Write a hyperstack with channels and slices, as Fiji saves one, with the names of features as labels."""
    names = [f"Gaussian_blur_{2**c}.0" for c in range(len(data))] * data.shape[1]
    tifffile.imwrite(path, np.moveaxis(data, 0, 1), imagej=True, metadata={"axes": "ZCYX", "Labels": names})
    return path


@pytest.mark.parametrize(
    "write",
    [
        ilastik_hdf5,
        lambda p, d: ilastik_hdf5(p, d, "czyx"),
        lambda p, d: ilastik_hdf5(p, d, "tzyxc", chunks=(1, 2, 3, 4, 1), compression="gzip"),
        lambda p, d: ilastik_hdf5(p, d, "xyzc"),
        ilastik_tiff,
        imagej_hyperstack,
    ],
)
def test_channels_of_files_that_name_their_axes(write: Write, tmp_path: Path, data: np.ndarray) -> None:
    path = write(tmp_path / "features", data)
    found = open_channels(path, SHAPE)
    assert (found.shape, len(found.names), found.dtype) == (SHAPE, COUNT, np.float32)
    for start, stop in ((0, 5), (0, 1), (2, 4), (4, 5)):
        assert np.array_equal(found.read(start, stop), data[:, start:stop])
        window = (slice(1, 4), slice(5, 7))
        assert np.array_equal(found.read(start, stop, window), data[:, start:stop, 1:4, 5:7])


def test_names_of_features(tmp_path: Path, data: np.ndarray) -> None:
    stack = open_channels(imagej_hyperstack(tmp_path / "a.tif", data), SHAPE)
    assert stack.names == ("Gaussian_blur_1.0", "Gaussian_blur_2.0", "Gaussian_blur_4.0")
    assert open_channels(ilastik_hdf5(tmp_path / "a.h5", data), SHAPE).names[0] == "channel 1"
    for n, labels in enumerate((["", "b", "c"], ["a", "a", "c"])):  # labels that do not tell channels apart
        pages = np.moveaxis(data, 0, 1)
        tifffile.imwrite(
            tmp_path / f"{n}.tif", pages, imagej=True, metadata={"axes": "ZCYX", "Labels": labels * 5}
        )
        assert open_channels(tmp_path / f"{n}.tif", SHAPE).names == ("channel 1", "channel 2", "channel 3")


@pytest.mark.parametrize("axes", ["zyxc", "czyx"])
def test_what_names_no_axes_is_not_guessed(axes: str, tmp_path: Path, data: np.ndarray) -> None:
    np.save(tmp_path / "a.npy", data.transpose(["czyx".index(key) for key in axes]))
    with pytest.raises(FormatError, match="which of its axes is which") as caught:
        open_channels(tmp_path / "a.npy", SHAPE)
    assert "axes: zyxc" in str(caught.value.fix)
    assert np.array_equal(open_channels(tmp_path / "a.npy", SHAPE, axes=axes).read(1, 4), data[:, 1:4])


@pytest.mark.parametrize("axes", ["zcyx", "czyx"])
def test_plain_pages_are_in_the_order_that_is_declared(axes: str, tmp_path: Path, data: np.ndarray) -> None:
    pages = (data if axes == "czyx" else np.moveaxis(data, 0, 1)).reshape(-1, 6, 7)
    with tifffile.TiffWriter(tmp_path / "a.tif") as file:
        for page in pages:
            file.write(page, metadata=None)
    with pytest.raises(FormatError, match="which of its axes"):
        open_channels(tmp_path / "a.tif", SHAPE)
    found = open_channels(tmp_path / "a.tif", SHAPE, axes=axes)
    assert np.array_equal(found.read(1, 4), data[:, 1:4])
    with pytest.raises(FormatError, match="15 pages, which with the axes"):
        open_channels(tmp_path / "a.tif", (4, 6, 7), axes=axes)


def test_a_file_for_each_channel(tmp_path: Path, data: np.ndarray) -> None:
    for n, name in enumerate(("2", "10", "blur")):
        tifffile.imwrite(tmp_path / f"f_{name}.tif", data[n], photometric="minisblack")
    found = open_channels(tmp_path / "f_*.tif", SHAPE)
    assert found.names == ("2", "10", "blur")
    assert np.array_equal(found.read(2, 5), data[:, 2:5])
    assert len(found.files) == COUNT
    tifffile.imwrite(tmp_path / "f_odd.tif", data[0, 1:], photometric="minisblack")
    with pytest.raises(MismatchError, match="channel 'odd' of"):
        open_channels(tmp_path / "f_*.tif", SHAPE)


def test_a_file_for_each_plane_as_weka_saves_them(tmp_path: Path, data: np.ndarray) -> None:
    names = ["original", "Hessian_1.0", "Variance_4.0"]
    for z in range(5):
        tifffile.imwrite(
            tmp_path / f"stack{z + 1}.tif", data[:, z], imagej=True, metadata={"axes": "ZYX", "Labels": names}
        )
    found = open_channels(tmp_path / "stack*.tif", SHAPE, axes="zcyx")
    assert found.names == tuple(names)
    assert np.array_equal(found.read(1, 4), data[:, 1:4])
    with pytest.raises(MismatchError, match="does not lie on the grid"):
        open_channels(tmp_path / "stack*.tif", SHAPE)
    tifffile.imwrite(tmp_path / "stack9.tif", data[:2, 0], imagej=True, metadata={"axes": "ZYX"})
    with pytest.raises(MismatchError, match="its 2 channels are not those of stack1"):
        open_channels(tmp_path / "stack*.tif", (6, 6, 7), axes="zcyx")


def test_what_does_not_fit_says_why(tmp_path: Path, data: np.ndarray) -> None:
    good = ilastik_hdf5(tmp_path / "a.h5", data)
    with pytest.raises(MismatchError, match=r"3 channels of \(5, 6, 7\) voxels") as caught:
        open_channels(good, (5, 6, 8))
    assert caught.value.code == "SIL110"
    with pytest.raises(MismatchError, match="its axes are zyxc; 'axes' says czyx"):
        open_channels(good, SHAPE, axes="czyx")
    with pytest.raises(NotFoundError, match="no dataset 'other'; there is /exported_data"):
        open_channels(good, SHAPE, dataset="other")
    with h5py.File(tmp_path / "two.h5", "w") as file:
        file["a"], file["b"] = data, data
    with pytest.raises(FormatError, match="holds 2 arrays with channels"):
        open_channels(tmp_path / "two.h5", SHAPE, axes="czyx")
    assert open_channels(tmp_path / "two.h5", SHAPE, axes="czyx", dataset="b").shape == SHAPE
    with pytest.raises(FormatError, match="nothing besides"):
        open_channels(ilastik_hdf5(tmp_path / "grey.h5", data[0, ...], "czy"), SHAPE, dataset="exported_data")
    with pytest.raises(NotFoundError, match="no such file"):
        open_channels(tmp_path / "none.h5", SHAPE)
    with pytest.raises(NotFoundError, match="fits the pattern"):
        open_channels(tmp_path / "none*.h5", SHAPE)
    (tmp_path / "text.h5").write_text("features", "utf-8")
    with pytest.raises(FormatError, match="neither HDF5, TIFF nor npy"):
        open_channels(tmp_path / "text.h5", SHAPE)
    with h5py.File(tmp_path / "part.h5", "w") as file:
        part = file.create_dataset("f", (3, 5, 6, 7), np.float32, chunks=(1, 5, 6, 7))
        part[0] = data[0]
    with pytest.raises(FormatError, match="only 1 of 3 chunks"):
        open_channels(tmp_path / "part.h5", SHAPE, axes="czyx")


def test_a_cut_file_is_an_error_not_a_guess(tmp_path: Path, data: np.ndarray) -> None:
    path = ilastik_tiff(tmp_path / "a.tif", data)
    path.write_bytes(path.read_bytes()[:-500])
    with pytest.raises(SiltomoError):
        open_channels(path, SHAPE).read(0, 5)


def test_the_digest_is_of_the_bytes(tmp_path: Path, data: np.ndarray) -> None:
    def digest(found: Channels) -> str:
        return files_digest(found.files)

    one = ilastik_hdf5(tmp_path / "a.h5", data)
    first = digest(open_channels(one, SHAPE))
    assert digest(open_channels(one, SHAPE)) == first
    data[0, 0, 0, 0] += 1
    assert digest(open_channels(ilastik_hdf5(one, data), SHAPE)) != first
