# ruff: noqa: PLR0917  kernels take plain arrays, by position
"""Poisson points whose every point is known from its lattice cell alone."""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from siltomo.twin._hash import again, draw, unit
from siltomo.twin._jit import kernel

Floats = NDArray[np.float64]
MOST = 24
"""More points than any cell holds: cells are chosen so that they hold about one."""
ATTRIBUTES = 6
"""Draws in [0, 1) that each point carries."""


def poisson_table(mean: float) -> Floats:
    """Return the cumulative chances of 0, 1, ... points in a cell, rounded so that all machines agree."""
    term = math.exp(-mean)
    total, made = term, [term]
    for n in range(1, MOST):
        term *= mean / n
        total += term
        made.append(total)
    return np.array([round(min(t, 1.0), 12) for t in made])


def lognormal_table(sigma: float, size: int = 1024) -> Floats:
    """Return quantiles of a lognormal law of median 1, rounded so that all machines agree."""
    normal = NormalDist()
    return np.array([round(math.exp(sigma * normal.inv_cdf((k + 0.5) / size)), 9) for k in range(size)])


@kernel
def _count(seed: int, channel: int, low: NDArray[np.int64], high: NDArray[np.int64], table: Floats) -> int:
    total = 0
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            for k in range(low[2], high[2]):
                chance = unit(draw(seed, channel, i, j, k))
                n = 0
                while n < table.size and chance >= table[n]:
                    n += 1
                total += n
    return total


@kernel
def _fill(
    seed: int,
    channel: int,
    low: NDArray[np.int64],
    high: NDArray[np.int64],
    table: Floats,
    edge: float,
    out: Floats,
    ids: NDArray[np.uint64],
) -> None:
    at = 0
    for i in range(low[0], high[0]):
        for j in range(low[1], high[1]):
            for k in range(low[2], high[2]):
                x = draw(seed, channel, i, j, k)
                chance = unit(x)
                n = 0
                while n < table.size and chance >= table[n]:
                    n += 1
                for _ in range(n):
                    x = again(x)
                    ids[at] = x
                    for m in range(out.shape[1]):
                        x = again(x)
                        out[at, m] = unit(x)
                    out[at, 0] = (i + out[at, 0]) * edge
                    out[at, 1] = (j + out[at, 1]) * edge
                    out[at, 2] = (k + out[at, 2]) * edge
                    at += 1


def points_in(
    seed: int, channel: int, box: Floats, *, density: float, edge: float, even: bool = False
) -> tuple[Floats, NDArray[np.uint64]]:
    """Return the points of a Poisson process whose lattice cells touch a box.

    Parameters
    ----------
    seed, channel
        Which process.
    box
        ``[[x0, y0, z0], [x1, y1, z1]]``, in um.
    density
        Points per um^3.
    edge
        Edge of a lattice cell in um.
    even
        One point in each cell, rather than a Poisson number of them.

    Returns
    -------
    tuple
        Rows ``x, y, z`` and six draws in [0, 1); the 64-bit id of each point.
    """
    low = np.floor(box[0] / edge).astype(np.int64)
    high = np.floor(box[1] / edge).astype(np.int64) + 1
    table = np.array([0.0, 1.0]) if even else poisson_table(density * edge**3)
    n = _count(seed, channel, low, high, table)
    out = np.empty((n, 3 + ATTRIBUTES))
    ids = np.empty(n, np.uint64)
    _fill(seed, channel, low, high, table, edge, out, ids)
    return out, ids
