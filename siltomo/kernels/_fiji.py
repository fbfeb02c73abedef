# ruff: noqa: PLR0912  the loops of a kernel stay in one piece
"""Fiji's clean-up of a thickness map, after its description by Dougherty and Kunzelmann (2007)."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from siltomo.kernels._jit import kernel

FRACTIONS = 1024
"""Cleaned diameters are counted in this fraction of the step."""


@kernel
def _touches_zero(values: Any, gone: Any, z: int, y: int, x: int) -> bool:
    """Tell whether one of the 26 neighbours within the window is zero."""
    nz, ny, nx = values.shape
    for zz in range(max(z - 1, 0), min(z + 2, nz)):
        for yy in range(max(y - 1, 0), min(y + 2, ny)):
            for xx in range(max(x - 1, 0), min(x + 2, nx)):
                if values[zz, yy, xx] == 0 and not gone[zz, yy, xx]:
                    return True
    return False


@kernel
def clean_up(squared: Any, gone: Any, planes: Any, cleaned: Any) -> None:
    """Write the cleaned diameters of some planes, in steps.

    ``squared`` are the squared radii of closed balls, unmasked, with two planes of context where the volume
    has them; ``gone`` marks voxels beyond the window. A voxel that touches a zero gets the mean diameter of
    those of its 26 neighbours that are neither zero nor touch one; where there are none it keeps its own.
    """
    nz, ny, nx = squared.shape
    edge = np.zeros(squared.shape, np.bool_)
    for z in range(max(planes[0] - 1, 0), min(planes[1] + 1, nz)):
        for y in range(ny):
            for x in range(nx):
                if squared[z, y, x] > 0:
                    edge[z, y, x] = _touches_zero(squared, gone, z, y, x)
    for z in range(planes[0], planes[1]):
        for y in range(ny):
            for x in range(nx):
                value = 2 * math.sqrt(squared[z, y, x])
                if edge[z, y, x]:
                    total = 0.0
                    number = 0
                    for zz in range(max(z - 1, 0), min(z + 2, nz)):
                        for yy in range(max(y - 1, 0), min(y + 2, ny)):
                            for xx in range(max(x - 1, 0), min(x + 2, nx)):
                                if squared[zz, yy, xx] > 0 and not edge[zz, yy, xx] and not gone[zz, yy, xx]:
                                    total += 2 * math.sqrt(squared[zz, yy, xx])
                                    number += 1
                    if number:
                        value = total / number
                cleaned[z - planes[0], y, x] = value
