# ruff: noqa: PLR0917  kernels take plain arrays, by position
"""Draw layers, balls, discs and fibres into label blocks.

Each function takes the place of the block (first voxel ``k0, j0, i0`` and the voxel's edge in um) and writes
where a shape holds the centre of a voxel. A shape writes only over labels of lower rank, so that the order in
which shapes come makes no difference.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from siltomo.twin._hash import noise2
from siltomo.twin._jit import kernel

Labels = NDArray[np.uint8]
Floats = NDArray[np.float64]


@kernel
def height_map(
    seed: int,
    channel: int,
    j0: int,
    i0: int,
    out: Floats,
    voxel: float,
    scale: float,
    mean: float,
    rough: float,
) -> None:
    """Fill in a smooth surface: ``mean + rough * noise``, in um."""
    for j in range(out.shape[0]):
        for i in range(out.shape[1]):
            x, y = (i0 + i + 0.5) * voxel / scale, (j0 + j + 0.5) * voxel / scale
            out[j, i] = mean + rough * noise2(seed, channel, x, y)


@kernel
def draw_layers(
    out: Labels, foot: Floats, top: Floats, voxel: float, k0: int, below: int, between: int, above: int
) -> None:
    """Write what lies below, between and above two surfaces."""
    for k in range(out.shape[0]):
        z = (k0 + k + 0.5) * voxel
        for j in range(out.shape[1]):
            for i in range(out.shape[2]):
                out[k, j, i] = below if z < foot[j, i] else (between if z < top[j, i] else above)


@kernel
def _span(low: float, high: float, voxel: float, first: int, size: int) -> tuple[int, int]:
    """Return the voxels of an axis that an interval may hold."""
    start = max(0, math.floor(low / voxel - 0.5) - first)
    stop = min(size, math.ceil(high / voxel - 0.5) - first + 1)
    return start, stop


@kernel
def draw_balls(
    out: Labels,
    balls: Floats,
    voxel: float,
    k0: int,
    j0: int,
    i0: int,
    value: int,
    writable: NDArray[np.bool_],
) -> None:
    """Write balls, rows of ``x, y, z, radius``."""
    for s in range(balls.shape[0]):
        x, y, z, r = balls[s, 0], balls[s, 1], balls[s, 2], balls[s, 3]
        ka, kb = _span(z - r, z + r, voxel, k0, out.shape[0])
        ja, jb = _span(y - r, y + r, voxel, j0, out.shape[1])
        ia, ib = _span(x - r, x + r, voxel, i0, out.shape[2])
        for k in range(ka, kb):
            dz = (k0 + k + 0.5) * voxel - z
            for j in range(ja, jb):
                dy = (j0 + j + 0.5) * voxel - y
                left = r * r - dz * dz - dy * dy
                if left <= 0.0:
                    continue
                for i in range(ia, ib):
                    dx = (i0 + i + 0.5) * voxel - x
                    if dx * dx < left and writable[out[k, j, i]]:
                        out[k, j, i] = value


@kernel
def draw_discs(
    out: Labels,
    discs: Floats,
    voxel: float,
    k0: int,
    j0: int,
    i0: int,
    value: int,
    writable: NDArray[np.bool_],
) -> None:
    """Write flat cylinders, rows of ``x, y, z, nx, ny, nz, radius, thickness`` with a unit normal."""
    for s in range(discs.shape[0]):
        x, y, z = discs[s, 0], discs[s, 1], discs[s, 2]
        nx, ny, nz = discs[s, 3], discs[s, 4], discs[s, 5]
        r, half = discs[s, 6], 0.5 * discs[s, 7]
        ka, kb = _span(z - r - half, z + r + half, voxel, k0, out.shape[0])
        ja, jb = _span(y - r - half, y + r + half, voxel, j0, out.shape[1])
        ia, ib = _span(x - r - half, x + r + half, voxel, i0, out.shape[2])
        reach = r * r
        for k in range(ka, kb):
            dz = (k0 + k + 0.5) * voxel - z
            for j in range(ja, jb):
                dy = (j0 + j + 0.5) * voxel - y
                fixed = dz * nz + dy * ny
                first, last = ia, ib
                if nx * nx > 1e-6:
                    # only the voxels of the row that lie within the sheet's thickness
                    a, b = x + (-half - fixed) / nx, x + (half - fixed) / nx
                    first, last = _span(min(a, b), max(a, b), voxel, i0, out.shape[2])
                    first, last = max(first, ia), min(last, ib)
                for i in range(first, last):
                    dx = (i0 + i + 0.5) * voxel - x
                    along = fixed + dx * nx
                    across = dx * dx + dy * dy + dz * dz - along * along
                    if -half < along < half and across < reach and writable[out[k, j, i]]:
                        out[k, j, i] = value


@kernel
def draw_fibres(
    out: Labels,
    fibres: Floats,
    voxel: float,
    k0: int,
    j0: int,
    i0: int,
    value: int,
    writable: NDArray[np.bool_],
) -> None:
    """Write capsules that lie in a plane z = const, rows of ``x, y, z, ux, uy, half length, radius``."""
    for s in range(fibres.shape[0]):
        x, y, z = fibres[s, 0], fibres[s, 1], fibres[s, 2]
        ux, uy, half, r = fibres[s, 3], fibres[s, 4], fibres[s, 5], fibres[s, 6]
        ka, kb = _span(z - r, z + r, voxel, k0, out.shape[0])
        tall, wide = abs(uy) * half + r, abs(ux) * half + r
        ja, jb = _span(y - tall, y + tall, voxel, j0, out.shape[1])
        ia, ib = _span(x - wide, x + wide, voxel, i0, out.shape[2])
        for k in range(ka, kb):
            dz = (k0 + k + 0.5) * voxel - z
            left = r * r - dz * dz
            if left <= 0.0:
                continue
            for j in range(ja, jb):
                dy = (j0 + j + 0.5) * voxel - y
                first, last = ia, ib
                if uy * uy > 0.01:
                    # |dx uy - dy ux| < r bounds the row
                    a, b = x + (dy * ux - r) / uy, x + (dy * ux + r) / uy
                    first, last = _span(min(a, b), max(a, b), voxel, i0, out.shape[2])
                    first, last = max(first, ia), min(last, ib)
                for i in range(first, last):
                    dx = (i0 + i + 0.5) * voxel - x
                    t = min(half, max(-half, dx * ux + dy * uy))
                    ex, ey = dx - t * ux, dy - t * uy
                    if ex * ex + ey * ey < left and writable[out[k, j, i]]:
                        out[k, j, i] = value
