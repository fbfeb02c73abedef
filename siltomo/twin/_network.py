# ruff: noqa: PLR0917  kernels take plain arrays, by position
"""The crack network of one level: edges of a jittered-grid Voronoi diagram, each a strip about a wavy line.

Every edge is computed from the cell of the smaller of its two sites, so that it is the same number whatever
region is asked for. Its opening rank and its width are draws of the edge: an edge that is open at a share p is
open at every larger share, and keeps its id through all states.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from siltomo.twin._hash import again, draw, noise2, unit
from siltomo.twin._jit import kernel

Floats = NDArray[np.float64]
Ids = NDArray[np.uint64]

PIECES = 4
"""Straight pieces of an edge."""
COLUMNS = 11
"""Numbers that describe a piece; see `edges_in`."""
_WAVE = 0.08  # of the length of the edge
_LEAN = 1.5  # um, from mid-height to either face
_LEAN_SCALE = 30.0  # um


@kernel
def _site(seed: int, level: int, i: int, j: int, spacing: float, jitter: float) -> tuple[float, float]:
    x = draw(seed, 10 + level, i, j, 0)
    u = unit(x)
    v = unit(again(x))
    return (i + 0.5 + jitter * (u - 0.5)) * spacing, (j + 0.5 + jitter * (v - 0.5)) * spacing


@kernel
def _clip(
    polygon: Floats, tags: NDArray[np.int64], n: int, sx: float, sy: float, ox: float, oy: float, tag: int
) -> int:
    """Cut a convex polygon by the bisector of two sites; return how many corners are left."""
    nx, ny = ox - sx, oy - sy
    level = 0.5 * ((ox + sx) * nx + (oy + sy) * ny)
    made = np.empty((n + 2, 2))
    named = np.empty(n + 2, np.int64)
    m = 0
    for a in range(n):
        b = (a + 1) % n
        da = polygon[a, 0] * nx + polygon[a, 1] * ny - level
        db = polygon[b, 0] * nx + polygon[b, 1] * ny - level
        if da <= 0.0:
            made[m, 0], made[m, 1], named[m] = polygon[a, 0], polygon[a, 1], tags[a]
            m += 1
        if (da <= 0.0) != (db <= 0.0):
            t = da / (da - db)
            made[m, 0] = polygon[a, 0] + t * (polygon[b, 0] - polygon[a, 0])
            made[m, 1] = polygon[a, 1] + t * (polygon[b, 1] - polygon[a, 1])
            # what follows a corner keeps the tag of its side; on leaving, the new side begins
            named[m] = tag if da <= 0.0 else tags[a]
            m += 1
    for a in range(m):
        polygon[a, 0], polygon[a, 1], tags[a] = made[a, 0], made[a, 1], named[a]
    return m


@kernel
def _cell(
    seed: int,
    level: int,
    i: int,
    j: int,
    spacing: float,
    jitter: float,
    polygon: Floats,
    tags: NDArray[np.int64],
) -> int:
    """Fill in the Voronoi cell of a site; each side is tagged with the neighbour behind it, -1 for none."""
    sx, sy = _site(seed, level, i, j, spacing, jitter)
    reach = 2.0 * spacing
    corners = ((-1.0, -1.0), (1.0, -1.0), (1.0, 1.0), (-1.0, 1.0))
    for a in range(4):
        polygon[a, 0], polygon[a, 1], tags[a] = sx + corners[a][0] * reach, sy + corners[a][1] * reach, -1
    n = len(corners)
    # two rings suffice: with a jitter of 0.6 no point is farther than 1.13 spacings from its site
    for di in range(-2, 3):
        for dj in range(-2, 3):
            if di != 0 or dj != 0:
                ox, oy = _site(seed, level, i + di, j + dj, spacing, jitter)
                n = _clip(polygon, tags, n, sx, sy, ox, oy, (di + 2) * 5 + dj + 2)
    return n


@kernel
def _wave(line: Floats, x0: float, y0: float, x1: float, y1: float, chance: np.uint64) -> None:
    """Fill in the ends of the pieces of an edge: on it at its ends, beside it in between."""
    for m in range(PIECES + 1):
        t = m / PIECES
        bend = 0.0
        if 0 < m < PIECES:
            bend = _WAVE * (2.0 * unit(chance) - 1.0)
            chance = again(chance)
        line[m, 0] = x0 + t * (x1 - x0) - bend * (y1 - y0)
        line[m, 1] = y0 + t * (y1 - y0) + bend * (x1 - x0)


@kernel
def _place(row: Floats, line: Floats, m: int, seed: int, level: int) -> None:
    """Fill in where a piece runs, and how far its ends lean."""
    for e in range(2):
        x, y = line[m + e, 0], line[m + e, 1]
        row[2 * e], row[2 * e + 1] = x, y
        row[7 + 2 * e] = _LEAN * noise2(seed, 40 + level, x / _LEAN_SCALE, y / _LEAN_SCALE)
        row[8 + 2 * e] = _LEAN * noise2(seed, 50 + level, x / _LEAN_SCALE, y / _LEAN_SCALE)


@kernel
def edges_in(
    seed: int, level: int, spacing: float, jitter: float, box: Floats, widths: Floats, out: Floats, ids: Ids
) -> int:
    """List the pieces of all edges of the cells in and around a region.

    Parameters
    ----------
    box
        ``x0, y0, x1, y1`` in um.
    widths
        Quantiles of the width factor.
    out
        Filled with a row ``x0, y0, x1, y1, rank, factor, length, lean x0, lean y0, lean x1, lean y1`` for
        each piece: where it runs at mid-height, its opening rank in [0, 1), its width factor, the length of the
        whole edge, and how far its ends move from mid-height to the upper face.
    ids
        Filled with the 64-bit id of the edge of each piece.

    Returns
    -------
    int
        The number of pieces; when it exceeds the room in ``out``, nothing beyond it was written.
    """
    polygon = np.empty((40, 2))
    tags = np.empty(40, np.int64)
    line = np.empty((PIECES + 1, 2))
    total = 0
    for i in range(math.floor(box[0] / spacing) - 2, math.floor(box[2] / spacing) + 3):
        for j in range(math.floor(box[1] / spacing) - 2, math.floor(box[3] / spacing) + 3):
            n = _cell(seed, level, i, j, spacing, jitter, polygon, tags)
            for a in range(n):
                tag = tags[a]
                # (di, dj) > (0, 0): each edge once, from its smaller site
                if tag <= 12:
                    continue
                b = (a + 1) % n
                x0, y0, x1, y1 = polygon[a, 0], polygon[a, 1], polygon[b, 0], polygon[b, 1]
                name = draw(seed, 20 + level, i, j, tag)
                rank = unit(again(name))
                factor = widths[int(unit(again(again(name))) * widths.size)]
                length = math.sqrt((x1 - x0) * (x1 - x0) + (y1 - y0) * (y1 - y0))
                _wave(line, x0, y0, x1, y1, again(again(again(name))))
                for m in range(PIECES):
                    if total < out.shape[0]:
                        _place(out[total], line, m, seed, level)
                        out[total, 4], out[total, 5], out[total, 6] = rank, factor, length
                        ids[total] = name
                    total += 1
    return total


@kernel
def draw_strips(
    out: NDArray[np.uint8],
    pieces: Floats,
    values: NDArray[np.uint8],
    radii: Floats,
    taper: float,
    rise: float,
    voxel: float,
    k0: int,
    j0: int,
    i0: int,
    height: float,
    solid: int,
) -> None:
    """Write the value of each strip over the solid voxels that it holds.

    The half-width at the relative height Z is ``radii * (1 + taper * (2 Z - 1))``; ``rise`` is the height of
    the foot of the electrode in the volume.
    """
    for k in range(out.shape[0]):
        depth = ((k0 + k + 0.5) * voxel - rise) / height
        lean = 2.0 * depth - 1.0
        for s in range(pieces.shape[0]):
            r = radii[s] * (1.0 + taper * lean)
            if r <= 0.0:
                continue
            x0 = pieces[s, 0] + lean * pieces[s, 7]
            y0 = pieces[s, 1] + lean * pieces[s, 8]
            x1 = pieces[s, 2] + lean * pieces[s, 9]
            y1 = pieces[s, 3] + lean * pieces[s, 10]
            ja = max(0, math.floor((min(y0, y1) - r) / voxel - 0.5) - j0)
            jb = min(out.shape[1] - 1, math.ceil((max(y0, y1) + r) / voxel - 0.5) - j0)
            ia = max(0, math.floor((min(x0, x1) - r) / voxel - 0.5) - i0)
            ib = min(out.shape[2] - 1, math.ceil((max(x0, x1) + r) / voxel - 0.5) - i0)
            dx, dy = x1 - x0, y1 - y0
            norm = dx * dx + dy * dy
            inverse = 1.0 / norm if norm > 0.0 else 0.0
            rr = r * r
            for j in range(ja, jb + 1):
                py = (j0 + j + 0.5) * voxel - y0
                for i in range(ia, ib + 1):
                    px = (i0 + i + 0.5) * voxel - x0
                    t = min(1.0, max(0.0, (px * dx + py * dy) * inverse))
                    ex, ey = px - t * dx, py - t * dy
                    if ex * ex + ey * ey < rr and out[k, j, i] == solid:
                        out[k, j, i] = values[s]


@kernel
def draw_tracks(
    out: Ids,
    nearest: Floats,
    pieces: Floats,
    ids: Ids,
    radii: Floats,
    taper: float,
    rise: float,
    voxel: float,
    k0: int,
    j0: int,
    i0: int,
    height: float,
) -> None:
    """Write the id of the strip that holds each voxel deepest; of strips as deep, the smaller id."""
    for k in range(out.shape[0]):
        depth = ((k0 + k + 0.5) * voxel - rise) / height
        lean = 2.0 * depth - 1.0
        for s in range(pieces.shape[0]):
            r = radii[s] * (1.0 + taper * lean)
            if r <= 0.0:
                continue
            x0 = pieces[s, 0] + lean * pieces[s, 7]
            y0 = pieces[s, 1] + lean * pieces[s, 8]
            x1 = pieces[s, 2] + lean * pieces[s, 9]
            y1 = pieces[s, 3] + lean * pieces[s, 10]
            dx, dy = x1 - x0, y1 - y0
            norm = dx * dx + dy * dy
            inverse = 1.0 / norm if norm > 0.0 else 0.0
            ja = max(0, math.floor((min(y0, y1) - r) / voxel - 0.5) - j0)
            jb = min(out.shape[1] - 1, math.ceil((max(y0, y1) + r) / voxel - 0.5) - j0)
            ia = max(0, math.floor((min(x0, x1) - r) / voxel - 0.5) - i0)
            ib = min(out.shape[2] - 1, math.ceil((max(x0, x1) + r) / voxel - 0.5) - i0)
            for j in range(ja, jb + 1):
                py = (j0 + j + 0.5) * voxel - y0
                for i in range(ia, ib + 1):
                    px = (i0 + i + 0.5) * voxel - x0
                    t = min(1.0, max(0.0, (px * dx + py * dy) * inverse))
                    ex, ey = px - t * dx, py - t * dy
                    d = math.sqrt(ex * ex + ey * ey) - r
                    if d < 0.0 and (
                        d < nearest[k, j, i] or (d == nearest[k, j, i] and ids[s] < out[k, j, i])
                    ):
                        nearest[k, j, i] = d
                        out[k, j, i] = ids[s]


@kernel
def cell_sides(
    seed: int, level: int, i: int, j: int, spacing: float, jitter: float, widths: Floats, out: Floats
) -> int:
    """Fill in the corners ``x, y`` of the cell of a site, with the width factor of the side that begins there.

    Returns the number of corners. Sides are straight here: the waves of an edge take from one cell what they give
    to its neighbour.
    """
    polygon = np.empty((40, 2))
    tags = np.empty(40, np.int64)
    n = _cell(seed, level, i, j, spacing, jitter, polygon, tags)
    for a in range(n):
        tag, oi, oj = tags[a], i, j
        if tag <= 12:  # an edge has the name that its smaller site gives it, see `edges_in`
            oi, oj, tag = i + tag // 5 - 2, j + tag % 5 - 2, 24 - tag
        name = draw(seed, 20 + level, oi, oj, tag)
        out[a, 0], out[a, 1] = polygon[a, 0], polygon[a, 1]
        out[a, 2] = widths[int(unit(again(again(name))) * widths.size)]
    return n
