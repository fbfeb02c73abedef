"""Volumes larger than memory allows are read slab by slab."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from siltomo.importers import Source, open_volume

SHAPE = (96, 512, 512)
SLAB = 4


def plane(i: int) -> np.ndarray:
    """A plane of 256 KiB that compresses a little and is unlike the others."""
    return (np.add.outer(np.arange(512), np.arange(512) * (i + 1)) % 251).astype(np.uint8)


def write_pages(path: Path, **options: object) -> Path:
    with tifffile.TiffWriter(path) as tif:
        for i in range(SHAPE[0]):
            tif.write(plane(i), metadata=None, **options)  # type: ignore[arg-type]
    return path


def write_one_page(path: Path) -> Path:
    tifffile.imwrite(path, (plane(i) for i in range(SHAPE[0])), shape=SHAPE, dtype=np.uint8, truncate=True)
    return path


def write_stack(path: Path) -> Path:
    path.mkdir()
    for i in range(SHAPE[0]):
        tifffile.imwrite(path / f"s{i}.tif", plane(i))
    return path


def write_hdf5(path: Path) -> Path:
    with h5py.File(path, "w") as file:
        data = file.create_dataset(
            "data", SHAPE, "u1", chunks=(4, 64, 64), compression="gzip", compression_opts=1
        )
        for i in range(SHAPE[0]):
            data[i] = plane(i)
    return path


def write_npy(path: Path) -> Path:
    mapped = np.lib.format.open_memmap(path, "w+", np.uint8, SHAPE)
    for i in range(SHAPE[0]):
        mapped[i] = plane(i)
    mapped.flush()
    return path


WRITERS: dict[str, Callable[[Path], Path]] = {
    "pages.tif": write_pages,
    "deflate.tif": lambda path: write_pages(path, compression="zlib"),
    "one.tif": write_one_page,
    "stack": write_stack,
    "data.h5": write_hdf5,
    "data.npy": write_npy,
}


@pytest.mark.parametrize("name", WRITERS)
def test_reading_slabs_needs_the_memory_of_a_few(tmp_path: Path, name: str) -> None:
    path = WRITERS[name](tmp_path / name)
    slab_bytes = SLAB * SHAPE[1] * SHAPE[2]
    open_volume(Source(path)).planes(0, SLAB)  # imports and caches of libraries are not the volume
    tracemalloc.start()
    try:
        volume = open_volume(Source(path))
        assert volume.shape == SHAPE
        for start in range(0, SHAPE[0], SLAB):
            slab = volume.planes(start, start + SLAB)
            assert np.array_equal(slab[-1], plane(start + SLAB - 1))
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # the slab, its copy, the expected plane with its 64-bit sums: 24 slabs are in the file
    assert peak < 2.5 * slab_bytes + 6 * 2**20


def test_an_imagej_volume_beyond_4_gb(tmp_path: Path) -> None:
    """One page, all planes behind it; offsets beyond 32 bits. The file is sparse on disk."""
    path = tmp_path / "big.tif"
    planes, side = 1100, 2048
    text = f"ImageJ=1.54f\nimages={planes}\nslices={planes}\nunit=um\nspacing=0.5\n"
    with tifffile.TiffWriter(path, byteorder=">") as tif:
        tif.write(np.zeros((side, side), np.uint8), description=text, metadata=None, resolution=(2, 2))
    with tifffile.TiffFile(path) as tif:
        start = tif.pages.first.dataoffsets[0]
    last = np.random.default_rng(0).integers(0, 255, (side, side), dtype=np.uint8)
    with path.open("r+b") as file:
        file.truncate(start + planes * side * side)
        file.seek(start + (planes - 1) * side * side)
        file.write(last.tobytes())
    assert path.stat().st_size > 2**32
    volume = open_volume(Source(path))
    assert volume.shape == (planes, side, side)
    assert np.array_equal(volume.planes(planes - 1, planes)[0], last)
    assert not volume.planes(planes - 2, planes - 1).any()


@pytest.mark.slow
def test_two_thousand_headers_are_read_in_seconds(tmp_path: Path) -> None:
    """Not a speed test: a guard against reading pixels, or a second look at every file, when opening."""
    import time

    for i in range(2160):
        tifffile.imwrite(tmp_path / f"ref1_op01{i:04d}.rec.8bit.tif", np.full((16, 16), i % 251, np.uint8))
    began = time.perf_counter()
    volume = open_volume(Source(tmp_path))
    assert time.perf_counter() - began < 20
    assert volume.shape == (2160, 16, 16)
    assert np.array_equal(volume.planes(0, 2160)[:, 0, 0], np.arange(2160) % 251)
