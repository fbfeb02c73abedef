"""Bytes changed anywhere: an error that names the file, or voxels of the shape that was promised."""

from __future__ import annotations

import random
import tracemalloc
from collections import Counter
from pathlib import Path

import h5py
import numpy as np
import pytest
import tifffile

from siltomo.errors import SiltomoError
from siltomo.importers import Source, open_volume


def seeds(folder: Path) -> dict[str, bytes]:
    """Small good files in each encoding."""
    voxels = np.random.default_rng(7).integers(0, 255, (7, 24, 20), dtype=np.uint8)
    tifffile.imwrite(folder / "plain.tif", voxels)
    tifffile.imwrite(folder / "tiles.tif", voxels, compression="zlib", tile=(16, 16))
    tifffile.imwrite(folder / "imagej.tif", voxels, imagej=True, metadata={"axes": "ZYX", "unit": "um"})
    tifffile.imwrite(folder / "big.tif", voxels, bigtiff=True, rowsperstrip=3, compression="zlib")
    tifffile.imwrite(folder / "ome.tif", voxels, ome=True, metadata={"axes": "ZYX"})
    tifffile.imwrite(folder / "one.tif", voxels, truncate=True)
    np.save(folder / "v.npy", voxels)
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_dataset("g/d", data=voxels, chunks=(2, 12, 10), compression="gzip")
        file["g/d"].attrs["element_size_um"] = [1.0, 2.0, 3.0]
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def damaged(data: bytes, rng: random.Random) -> bytes:
    out = bytearray(data)
    reach = min(len(out), 400) if rng.random() < 0.6 else len(out)  # headers matter most
    for _ in range(rng.choice([1, 1, 2, 4])):
        i = rng.randrange(reach)
        out[i] = rng.choice([0, 255, rng.randrange(256), out[i] ^ (1 << rng.randrange(8))])
    return bytes(out[: rng.randrange(len(out))] if rng.random() < 0.1 else out)


def attempt(path: Path) -> str:
    """Read a damaged file; only siltomo's own errors may come out."""
    try:
        volume = open_volume(Source(path))
        planes = volume.planes(0, min(volume.shape[0], 50))
    except SiltomoError as error:
        return "refused" if path.name in str(error) and error.fix else f"refused poorly: {error}"
    assert planes.shape[1:] == volume.shape[1:]
    assert planes.dtype == volume.dtype
    return "read"


def sweep(folder: Path, count: int, seed: int) -> Counter[str]:
    (folder / "good").mkdir()
    good = seeds(folder / "good")
    rng = random.Random(seed)
    outcomes: Counter[str] = Counter()
    for _ in range(count):
        name = rng.choice(sorted(good))
        path = folder / name
        path.write_bytes(damaged(good[name], rng))
        outcomes[attempt(path)] += 1
    return outcomes


def test_damage_is_refused_or_read_within_bounds(tmp_path: Path) -> None:
    tracemalloc.start()
    try:
        outcomes = sweep(tmp_path, 160, seed=1)
        assert tracemalloc.get_traced_memory()[1] < 200 * 2**20
    finally:
        tracemalloc.stop()
    assert set(outcomes) == {"refused", "read"}
    assert min(outcomes.values()) > 40


@pytest.mark.slow
def test_much_damage_is_refused_or_read(tmp_path: Path) -> None:
    outcomes = sweep(tmp_path, 3000, seed=2)
    assert set(outcomes) == {"refused", "read"}
    assert min(outcomes.values()) > 750
