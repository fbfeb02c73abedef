"""Volume and surface of a phase in each cell of a lattice: from how cells differ follows what a window is worth.

Cells are boxes of tiles (see `siltomo.kernels.configurations`), anchored to the first voxel of the whole volume.
All sums are integers, so that slabs of a volume add up to the same cells however it is cut.
"""
# ruff: noqa: PLR0917 compiled functions take positional arguments

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numba import uint64
from numpy.typing import ArrayLike, NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._bits import low_bits, popcount, trailing_zeros
from siltomo.kernels._jit import inlined, kernel
from siltomo.kernels._tile_bits import drop_outside, pack_phases, transpose
from siltomo.kernels._volumes import Phase, as_label_values, as_phases, as_unsigned, as_voxels, map_slabs
from siltomo.kernels.counts import label_counts
from siltomo.kernels.surfaces import as_edges, surface_area

__all__ = ["CellCounts", "Lattice", "cell_configurations"]

Counts = NDArray[np.int64]

MOST_CELLS = 16
SMALLEST_EDGE = 8
UNITS = 1 << 20


@dataclass(frozen=True)
class Lattice:
    """Boxes of tiles that a volume is divided into, at most 16 along each axis.

    Examples
    --------
    >>> lattice = Lattice((64, 1000, 2000))
    >>> lattice.edges, lattice.cells
    ((8, 64, 128), (8, 16, 16))
    """

    shape: tuple[int, int, int]
    """Voxels of the whole volume along z, y, x."""

    @property
    def edges(self) -> tuple[int, int, int]:
        """Voxels along an edge of a cell: powers of two, from 8 on."""
        z, y, x = (_edge(n) for n in self.shape)
        return z, y, x

    @property
    def cells(self) -> tuple[int, int, int]:
        """Cells along z, y, x; those at the end may be smaller."""
        z, y, x = (-(-max(1, n - 1) // e) for n, e in zip(self.shape, self.edges, strict=True))
        return z, y, x


@dataclass(frozen=True)
class CellCounts:
    """Voxels of a volume, configurations of its tiles, and sums for each cell of its lattice; slabs add up."""

    voxels: int
    """Voxels of the phase."""
    outside: int
    """Voxels outside of the domain."""
    histogram: Counts
    """256 counts, as from `siltomo.kernels.label_configurations`."""
    tiles: Counts
    """Tiles of each cell that do not touch the outside, of shape (z, y, x)."""
    eighths: Counts
    """Volume of the phase in each cell, in eighths of a voxel."""
    units: Counts
    """Surface of the phase in each cell, in ``unit``."""
    unit: float
    """Area of a unit of surface, in the square of the spacing's unit."""

    def __add__(self, other: CellCounts) -> CellCounts:
        return CellCounts(
            self.voxels + other.voxels,
            self.outside + other.outside,
            self.histogram + other.histogram,
            self.tiles + other.tiles,
            self.eighths + other.eighths,
            self.units + other.units,
            self.unit,
        )

    def __eq__(self, other: object) -> bool:
        mine, theirs = vars(self), vars(other) if isinstance(other, CellCounts) else {}
        return bool(theirs) and all(np.array_equal(mine[name], theirs[name]) for name in mine)

    __hash__ = None  # type: ignore[assignment]


def _edge(voxels: int) -> int:
    edge = SMALLEST_EDGE
    while edge * MOST_CELLS < voxels - 1:
        edge *= 2
    return edge


def cell_configurations(
    labels: ArrayLike,
    value: Phase,
    spacing: Sequence[float],
    lattice: Lattice,
    *,
    start: int = 0,
    shared: bool = False,
    outside: Phase | None = None,
    threads: int | None = None,
) -> CellCounts:
    """Count the tiles of some planes of a volume by configuration, and their volume and surface by cell.

    Parameters
    ----------
    labels
        Integer label planes of shape (z, y, x); neighbouring slabs share one plane.
    value
        Label value (or values) of the phase.
    spacing
        Edges (z, y, x) of a voxel, in any unit of length.
    lattice
        The cells of the whole volume.
    start
        Number of the first plane in the whole volume.
    shared
        Whether the last plane is the first of the next slab, where its voxels are counted.
    outside
        Label value (or values) outside of the domain; tiles with such a voxel are left out.
    threads
        Threads to use; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    CellCounts
        Over the whole lattice; cells that the planes do not reach hold 0.

    Raises
    ------
    BadInputError
        The labels are no integer volume, a value does not fit their dtype, or the planes lie beyond the lattice.

    Notes
    -----
    The surface is that of Crofton's formula with 13 directions, in whole units of 1e-6 of the largest surface
    that a tile can hold, so that adding does not round.
    """
    voxels = as_voxels(labels, "labels")
    if voxels.shape[1:] != lattice.shape[1:] or not 0 <= start <= lattice.shape[0] - voxels.shape[0]:
        raise BadInputError(f"labels: planes {start} on of {voxels.shape} voxels are none of {lattice.shape}")
    request = _request(voxels.dtype, value, spacing, lattice, outside=outside)
    layers = max(0, voxels.shape[0] - 1) if min(voxels.shape[1:]) > 1 else 0

    def measure(low: int, high: int) -> CellCounts:
        return request.count_layers(voxels[low : high + 1], start + low)

    every = map_slabs(measure, layers, threads)
    # the kernel counts the voxels of the upper plane of each layer of tiles
    total = request.count_voxels(voxels[layers : voxels.shape[0] - int(shared)])
    for part in every:
        total += part
    return total


@dataclass(frozen=True, eq=False)
class _Request:
    """What is counted, whatever the planes."""

    lattice: Lattice
    phases: list[Phase]
    """The phase, and what is outside of the domain where something is."""
    members: NDArray[Any]
    first: NDArray[Any]
    weights: Counts
    unit: float

    def count_layers(self, voxels: NDArray[Any], start: int) -> CellCounts:
        """Count the tiles of some planes, and the voxels of all but the last, from a plane of the volume on."""
        held = np.zeros(2, np.int64)
        histogram, sums = np.zeros(256, np.int64), np.zeros((*self.lattice.cells, 3), np.int64)
        if voxels.shape[0] > 1:
            shifts = np.array([edge.bit_length() - 1 for edge in self.lattice.edges])
            table = np.zeros((*self.lattice.cells[1:], 256), np.int32)
            block = as_unsigned(voxels)
            _count_cells(
                block, self.members, self.first, self.weights, start, shifts, table, held, histogram, sums
            )
        return self._counts(held, histogram, sums)

    def count_voxels(self, voxels: NDArray[Any]) -> CellCounts:
        """Count the voxels of some planes, and no tile."""
        held = np.zeros(2, np.int64)
        if voxels.size:
            held[: len(self.phases)] = label_counts(voxels, self.phases, threads=1)
        return self._counts(held, np.zeros(256, np.int64), np.zeros((*self.lattice.cells, 3), np.int64))

    def _counts(self, held: Counts, histogram: Counts, sums: Counts) -> CellCounts:
        return CellCounts(
            int(held[0]), int(held[1]), histogram, sums[..., 0], sums[..., 1], sums[..., 2], self.unit
        )


def _request(
    dtype: np.dtype[Any],
    value: Phase,
    spacing: Sequence[float],
    lattice: Lattice,
    *,
    outside: Phase | None,
) -> _Request:
    """Check what is asked of labels of a dtype."""
    excluded = () if outside is None else (as_label_values(outside, dtype, "outside"),)
    members, first = as_phases([value], dtype, *excluded)
    weights, unit = _weights(as_edges(spacing))
    return _Request(lattice, [value] if outside is None else [value, outside], members, first, weights, unit)


@lru_cache(maxsize=64)
def _weights(spacing: tuple[float, float, float]) -> tuple[Counts, float]:
    """Return the voxels and the units of surface of each configuration, of shape (2, 256), and the unit's area."""
    areas = [surface_area(one, spacing) for one in np.eye(256, dtype=np.int64)]
    unit = max(areas) / UNITS
    voxels = np.bitwise_count(np.arange(256, dtype=np.uint8))
    weights = np.stack([voxels, np.rint(np.array(areas) / unit)]).astype(np.int64)
    weights.flags.writeable = False
    return weights, unit


@kernel
def _count_cells(
    voxels: Any,
    members: Any,
    first: Any,
    weights: Any,
    start: int,
    shifts: Any,
    table: Any,
    held: Any,
    histogram: Any,
    sums: Any,
) -> None:
    """Count the voxels of a block's upper planes, and its tiles: in all, and by cell.

    The sums of cells are of shape (z, y, x, tiles / eighths / units).
    The table holds a histogram for each cell of the layer of cells at hand; its first entry the tiles left out,
    since those without a voxel of the phase follow from the cell's size.
    """
    nz, ny, nx = voxels.shape
    packed = first.size - 1
    words = (nx + 63) // 64 + 1
    used = (nx + 62) // 64
    bits = np.zeros((2, packed, ny, words), np.uint64)
    flat_bits = bits.reshape(-1)
    flat_table = table.reshape(-1)
    valid = np.zeros(words, np.uint64)
    eight = np.zeros(8, np.uint64)
    deep = 0
    for w in range(used):
        valid[w] = low_bits(min(64, nx - 1 - 64 * w))
    pack_phases(voxels[0], members, first, bits[0])
    for z in range(nz - 1):
        near, far = z % 2, (z + 1) % 2
        pack_phases(voxels[z + 1], members, first, bits[far])
        for p in range(packed):
            ones = uint64(0)
            for y in range(ny):
                for w in range(words - 1):
                    ones += popcount(bits[near, p, y, w])
            held[p] += int(ones)
        for y in range(ny - 1):
            if packed > 1:
                for w in range(used):
                    valid[w] = low_bits(min(64, nx - 1 - 64 * w))
                drop_outside(bits, near, far, 1, y, 0, used, valid)
            place = (y >> shifts[1]) * table.shape[1] * 256
            if packed > 1:
                for w in range(used):
                    left_out = low_bits(min(64, nx - 1 - 64 * w)) & ~valid[w]
                    _add_ones(left_out, shifts[2], flat_table, place + (((64 * w) >> shifts[2]) << 8))
            low, high = (near * packed * ny + y) * words, (far * packed * ny + y) * words
            _count_row(flat_bits, low, high, words, valid, used, shifts[2], flat_table, place, eight)
        deep += 1
        layer = (start + z) >> shifts[0]
        if z + 1 == nz - 1 or (start + z + 1) >> shifts[0] != layer:
            _sum_up(table, weights, deep, ny - 1, nx - 1, shifts, histogram, sums[layer])
            deep = 0


@inlined
def _count_row(
    bits: Any,
    low: int,
    high: int,
    words: int,
    valid: Any,
    used: int,
    shift: int,
    table: Any,
    place: int,
    eight: Any,
) -> None:
    """Count the tiles between four rows of bits: two of the lower plane, two of the higher one."""
    one, last, seven, byte = uint64(1), uint64(63), uint64(7), uint64(255)
    within = uint64(min(shift, 6))
    a, b = bits[low], bits[low + words]
    c, d = bits[high], bits[high + words]
    for w in range(used):
        e, f = bits[low + w + 1], bits[low + words + w + 1]
        g, h = bits[high + w + 1], bits[high + words + w + 1]
        some, every = a | b | c | d, a & b & c & d
        some |= (some >> one) | ((e | f | g | h) << last)
        every &= (every >> one) | ((e & f & g & h) << last)
        here = place + (((64 * w) >> shift) << 8)
        _add_ones(valid[w] & every, shift, table, here + 255)
        active = valid[w] & some & ~every
        if active != 0:
            a1, b1 = (a >> one) | (e << last), (b >> one) | (f << last)
            c1, d1 = (c >> one) | (g << last), (d >> one) | (h << last)
            transpose(a, a1, b, b1, c, c1, d, d1, eight)
            first = uint64(here)
            while active != 0:
                x = trailing_zeros(active)
                tile = (eight[x & seven] >> (x & uint64(56))) & byte
                table[first + ((x >> within) << uint64(8)) + tile] += 1
                active &= active - one
        a, b, c, d = e, f, g, h


@inlined
def _add_ones(word: Any, shift: int, table: Any, here: int) -> None:
    """Add the ones of the word of 64 tiles to the histograms of the cells that these lie in."""
    if shift >= 6:
        table[here] += int(popcount(word))
        return
    edge = uint64(1 << shift)
    mask = low_bits(1 << shift)
    while word != 0:
        table[here] += int(popcount(word & mask))
        word >>= edge
        here += 256


@inlined
def _sum_up(
    table: Any, weights: Any, deep: int, ny: int, nx: int, shifts: Any, histogram: Any, sums: Any
) -> None:
    """Reduce the histograms of a layer of cells, so many tiles deep, and empty them."""
    for y in range(table.shape[0]):
        rows = min(ny, (y + 1) << shifts[1]) - (y << shifts[1])
        for x in range(table.shape[1]):
            tiles = deep * rows * (min(nx, (x + 1) << shifts[2]) - (x << shifts[2])) - table[y, x, 0]
            table[y, x, 0] = 0
            touching, eighths, units = 0, 0, 0
            for n in range(256):
                count = table[y, x, n]
                histogram[n] += count
                touching += count
                eighths += count * weights[0, n]
                units += count * weights[1, n]
                table[y, x, n] = 0
            histogram[0] += tiles - touching
            sums[y, x, 0] += tiles
            sums[y, x, 1] += eighths
            sums[y, x, 2] += units
