"""Histograms of the greys by depth, tile by tile, and the depths at which they change."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels.electrode import AXES, CLEAR, FrameError

__all__ = [
    "PlaneReader",
    "TileMap",
    "changing_axis",
    "grey_bins",
    "histogram_bytes",
    "parted",
    "tile_histograms",
]

Floats = NDArray[np.float64]
PlaneReader = Callable[[int, int], NDArray[Any]]

SLAB = 8
_BINS, _SAMPLED = 48, 24
"""Bins of greys, half of them equally filled and half equally wide; planes that they are chosen from."""
_TILES = 8
"""A surface's map is cut into so many parts along either axis."""
_COARSE = 240
"""Groups of planes among which the layers are looked for first."""


def histogram_bytes(shape: Sequence[int], axes: Sequence[int]) -> int:
    """Return the bytes that the histograms of all tiles take, along the longest of some axes."""
    return 3 * 8 * _TILES**2 * (_BINS + 2) * max(shape[axis] for axis in axes)


@dataclass(frozen=True)
class TileMap:
    """The map of a surface, and its tiles."""

    shape: tuple[int, int]
    """Rows and columns."""
    steps: tuple[float, float]
    """Distance from row to row, and from column to column."""

    @property
    def tiles(self) -> tuple[int, int]:
        """How many there are along either axis."""
        return min(_TILES, self.shape[0]), min(_TILES, self.shape[1])

    def of(self, axis: int) -> NDArray[np.intp]:
        """Return the tile of each row or column."""
        size, count = self.shape[axis], self.tiles[axis]
        return np.arange(size) * count // size


def grey_bins(read: PlaneReader, shape: tuple[int, int, int]) -> Floats:
    """Return ends of bins for greys, from some planes: the same ones whatever the memory."""
    chosen = np.unique(np.linspace(0, shape[0] - 1, _SAMPLED).astype(int))
    values = np.concatenate([_known(read(int(z), int(z) + 1)) for z in chosen]).astype(np.float64)
    if values.size == 0 or values.min() == values.max():
        raise FrameError("all voxels have one grey value: no layers are seen")
    inner = np.quantile(values, np.linspace(0, 1, _BINS // 2 + 1))
    wide = np.linspace(values.min(), values.max(), _BINS // 2 + 1)
    found = np.unique(np.concatenate([inner, wide]))
    found[0], found[-1] = found[0] - 1, found[-1] + 1
    return found


def _known(values: NDArray[Any]) -> NDArray[Any]:
    return values[np.isfinite(values)] if values.dtype.kind == "f" else values.ravel()


def _codes(
    read: PlaneReader, shape: tuple[int, int, int], edges: Floats
) -> Iterator[tuple[int, NDArray[np.intp]]]:
    """Yield each plane as the bins of its voxels; one more than there are outside of the domain.

    Planes are coded one by one: whole slabs of indices would take far more memory than their greys.
    """
    table: NDArray[np.intp] | None = None
    for start in range(0, shape[0], SLAB):
        values = read(start, min(start + SLAB, shape[0]))
        if values.dtype.kind == "u" and values.dtype.itemsize <= 2 and table is None:
            table = _bin_of(np.arange(np.iinfo(values.dtype).max + 1), edges)
        for number, plane in enumerate(values):
            found = _bin_of(plane, edges) if table is None else table[plane]
            if plane.dtype.kind == "f":
                found[~np.isfinite(plane)] = edges.size - 1
            yield start + number, found


def _bin_of(values: NDArray[Any], edges: Floats) -> NDArray[np.intp]:
    return np.asarray(np.clip(np.searchsorted(edges, values, side="right") - 1, 0, edges.size - 2))


def changing_axis(read: PlaneReader, shape: tuple[int, int, int], edges: Floats, count: int) -> int:
    """Return the axis along which histograms that are parted at some depths explain most.

    Raises
    ------
    FrameError
        When two axes do as well.
    """
    bins = edges.size
    sums = [np.zeros((n, bins), np.int64) for n in shape]
    rows, columns = np.arange(shape[1])[:, None] * bins, np.arange(shape[2])[None, :] * bins
    for z, codes in _codes(read, shape, edges):
        sums[0][z] = np.bincount(codes.ravel(), minlength=bins)
        for axis, index in ((1, rows), (2, columns)):
            joint = np.bincount((codes + index).ravel(), minlength=shape[axis] * bins)
            sums[axis] += joint.reshape(-1, bins)
    gains = [_gain(counts[:, :-1], count + 1) for counts in sums]
    best, second = np.argsort(gains)[::-1][:2]
    if gains[second] > CLEAR * gains[best]:
        raise FrameError(
            f"the depth axis is not clear: the greys change along {AXES[best]} and along {AXES[second]}; declare it: "
            "siltomo catalog set SCAN --depth-axis +z (from collector to separator)"
        )
    return int(best)


def tile_histograms(
    read: PlaneReader, shape: tuple[int, int, int], edges: Floats, axis: int
) -> NDArray[np.int64]:
    """Return the histogram of each plane of each tile, shape (tiles, tiles, planes along the axis, bins)."""
    bins, depth = edges.size, shape[axis]
    across = [n for n in range(3) if n != axis]
    places = TileMap((shape[across[0]], shape[across[1]]), (1.0, 1.0))
    rows, columns = places.tiles
    found = np.zeros((rows, columns, depth, bins), np.int64)
    if axis == 0:
        index = (places.of(0)[:, None] * columns + places.of(1)[None, :]) * bins
    else:
        # the planes that are read lie across the map: each belongs to one row of tiles
        along, tile = np.arange(depth) * bins, places.of(1) * depth * bins
        index = along[:, None] + tile[None, :] if axis == 1 else tile[:, None] + along[None, :]
    for z, codes in _codes(read, shape, edges):
        if axis == 0:
            counts = np.bincount((codes + index).ravel(), minlength=rows * columns * bins)
            found[:, :, z] = counts.reshape(rows, columns, bins)
        else:
            counts = np.bincount((codes + index).ravel(), minlength=columns * depth * bins)
            found[places.of(0)[z]] += counts.reshape(columns, depth, bins)
    return found[..., :-1]


def _likelihoods(counts: NDArray[np.int64]) -> Floats:
    """Return the log-likelihood of the greys of depths a to b under their own histogram, for all a, b."""
    sums = np.concatenate([np.zeros((1, counts.shape[1])), np.cumsum(counts, axis=0)])
    found = np.zeros((len(sums), len(sums)))
    for start in range(len(sums)):
        part = sums[start:] - sums[start]
        total = part.sum(axis=1)
        found[start, start:] = (part * np.log(np.maximum(part, 1))).sum(axis=1) - total * np.log(
            np.maximum(total, 1)
        )
    return found


def _grouped(counts: NDArray[np.int64]) -> tuple[NDArray[np.int64], int]:
    size = -(-len(counts) // _COARSE)
    starts = np.arange(0, len(counts), size)
    return np.add.reduceat(counts, starts, axis=0), size


def _gain(counts: NDArray[np.int64], parts: int) -> float:
    grouped, _ = _grouped(counts)
    found = _likelihoods(grouped)
    return float(_best(found, parts)[0] - found[0, -1])


def parted(counts: NDArray[np.int64], parts: int) -> list[int]:
    """Return the planes at which the depths are best parted."""
    grouped, size = _grouped(counts)
    return [min(at * size, len(counts)) for at in _best(_likelihoods(grouped), parts)[1]]


def _best(likelihoods: Floats, parts: int) -> tuple[float, list[int]]:
    scores = np.where(np.tri(len(likelihoods), dtype=bool), -np.inf, likelihoods)
    reached, back = scores[0], []
    for _ in range(parts - 1):
        sums = reached[:, None] + scores
        back.append(np.argmax(sums, axis=0))
        reached = sums.max(axis=0)
    at, cuts = len(likelihoods) - 1, []
    for choice in reversed(back):
        at = int(choice[at])
        cuts.append(at)
    return float(reached[-1]), cuts[::-1]
