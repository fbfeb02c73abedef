# ruff: noqa: PLR0917  kernels take plain arrays, by position
"""Area and outline of a union of strips in a rectangle, without voxels.

A strip is a capsule: the points within a radius of a segment. Its chord on a line is one interval, so that the area
of a union is the length of a union of intervals, summed over lines; its outline is made of two straight sides and
two half circles, of which the points that lie in no other strip are counted.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from siltomo.twin._jit import kernel

Floats = NDArray[np.float64]
_TIE = 1e-9


@kernel
def _chord(strip: Floats, r: float, y: float) -> tuple[float, float]:
    """Return the interval of a horizontal line within a capsule; empty where low > high."""
    x0, y0, x1, y1 = strip[0], strip[1], strip[2], strip[3]
    low, high = 1e300, -1e300
    for e in range(2):
        cx, cy = (x0, y0) if e == 0 else (x1, y1)
        left = r * r - (y - cy) * (y - cy)
        if left > 0:
            half = math.sqrt(left)
            low, high = min(low, cx - half), max(high, cx + half)
    length = math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2)
    if length > 0:
        # the four corners of the rectangle, side by side
        ox, oy = -(y1 - y0) / length * r, (x1 - x0) / length * r
        px = (x0 + ox, x1 + ox, x1 - ox, x0 - ox)
        py = (y0 + oy, y1 + oy, y1 - oy, y0 - oy)
        for a in range(4):
            b = (a + 1) % 4
            if (py[a] - y) * (py[b] - y) < 0:
                x = px[a] + (y - py[a]) / (py[b] - py[a]) * (px[b] - px[a])
                low, high = min(low, x), max(high, x)
    return low, high


@kernel
def _insert(lows: Floats, highs: Floats, n: int, low: float, high: float) -> int:
    """Put an interval among ``n`` that are in order; a line meets few, and numba's sort takes 2 s to compile."""
    m = n
    while m > 0 and lows[m - 1] > low:
        lows[m], highs[m] = lows[m - 1], highs[m - 1]
        m -= 1
    lows[m], highs[m] = low, high
    return n + 1


@kernel
def union_area(strips: Floats, radii: Floats, box: Floats, step: float) -> float:
    """Return the area of the union inside ``x0, y0, x1, y1``, from lines ``step`` apart."""
    lines = math.ceil((box[3] - box[1]) / step)
    step = (box[3] - box[1]) / lines
    total = 0.0
    lows, highs = np.empty(strips.shape[0]), np.empty(strips.shape[0])
    for line in range(lines):
        y = box[1] + (line + 0.5) * step
        n = 0
        for s in range(strips.shape[0]):
            r = radii[s]
            if min(strips[s, 1], strips[s, 3]) - r < y < max(strips[s, 1], strips[s, 3]) + r:
                low, high = _chord(strips[s], r, y)
                low, high = max(low, box[0]), min(high, box[2])
                if low < high:
                    n = _insert(lows, highs, n, low, high)
        reached = box[0]
        for m in range(n):
            low, high = max(lows[m], reached), highs[m]
            if high > low:
                total += (high - low) * step
                reached = high
    return total


@kernel
def _inside(
    strips: Floats, radii: Floats, near: NDArray[np.int64], n: int, own: int, x: float, y: float
) -> bool:
    """Whether another strip holds a point; the end caps that two pieces share belong to the first of them."""
    for m in range(n):
        s = near[m]
        dx, dy = strips[s, 2] - strips[s, 0], strips[s, 3] - strips[s, 1]
        px, py = x - strips[s, 0], y - strips[s, 1]
        norm = dx * dx + dy * dy
        t = min(1.0, max(0.0, (px * dx + py * dy) / norm)) if norm > 0 else 0.0
        ex, ey = px - t * dx, py - t * dy
        r = radii[s] * (1 + _TIE if s < own else 1 - _TIE)
        if ex * ex + ey * ey < r * r:
            return True
    return False


@kernel
def union_outline(strips: Floats, radii: Floats, box: Floats, step: float) -> float:
    """Return the length of the union's outline inside a rectangle, from points ``step`` apart.

    The sides of the rectangle are no outline.
    """
    near = np.empty(strips.shape[0], np.int64)
    total = 0.0
    for s in range(strips.shape[0]):
        r = radii[s]
        x0, y0, x1, y1 = strips[s, 0], strips[s, 1], strips[s, 2], strips[s, 3]
        left, right = min(x0, x1) - r, max(x0, x1) + r
        low, high = min(y0, y1) - r, max(y0, y1) + r
        n = 0
        for o in range(strips.shape[0]):
            q = radii[o]
            apart = (
                min(strips[o, 0], strips[o, 2]) - q > right
                or max(strips[o, 0], strips[o, 2]) + q < left
                or min(strips[o, 1], strips[o, 3]) - q > high
                or max(strips[o, 1], strips[o, 3]) + q < low
            )
            if o != s and not apart:
                near[n] = o
                n += 1
        length = math.sqrt((x1 - x0) ** 2 + (y1 - y0) ** 2)
        around = 2 * length + 2 * math.pi * r
        points = max(8, math.ceil(around / step))
        ux, uy = ((x1 - x0) / length, (y1 - y0) / length) if length > 0 else (1.0, 0.0)
        for p in range(points):
            at = (p + 0.5) * around / points
            if at < length:
                x, y = x0 + ux * at - uy * r, y0 + uy * at + ux * r
            elif at < length + math.pi * r:
                turn = (at - length) / r
                # from the left of the far end clockwise to its right
                c, d = math.cos(turn), math.sin(turn)
                x, y = x1 + r * (-uy * c + ux * d), y1 + r * (ux * c + uy * d)
            elif at < 2 * length + math.pi * r:
                back = at - length - math.pi * r
                x, y = x1 - ux * back + uy * r, y1 - uy * back - ux * r
            else:
                turn = (at - 2 * length - math.pi * r) / r
                c, d = math.cos(turn), math.sin(turn)
                x, y = x0 + r * (uy * c - ux * d), y0 + r * (-ux * c - uy * d)
            if (
                box[0] <= x <= box[2]
                and box[1] <= y <= box[3]
                and not _inside(strips, radii, near, n, s, x, y)
            ):
                total += around / points
    return total
