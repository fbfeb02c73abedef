# ruff: noqa: PLR0912  the loops of a kernel stay in one piece
"""Fiji's clean-up of a thickness map (Dougherty and Kunzelmann 2007, doi:10.1017/S1431927607074430)."""

from __future__ import annotations

from typing import Any

import numpy as np

from siltomo.kernels._jit import kernel

CONTEXT = 2
"""Voxels on every side that the clean-up looks at: the neighbours of neighbours."""

FRACTIONS = 1024
"""Cleaned diameters are counted in this fraction of the step."""


@kernel
def _touches_zero(diameters: Any, gone: Any, z: int, y: int, x: int) -> bool:
    """Tell whether one of the 26 neighbours within the window is in no ball."""
    nz, ny, nx = diameters.shape
    for zz in range(max(z - 1, 0), min(z + 2, nz)):
        for yy in range(max(y - 1, 0), min(y + 2, ny)):
            for xx in range(max(x - 1, 0), min(x + 2, nx)):
                if diameters[zz, yy, xx] == 0 and not gone[zz, yy, xx]:
                    return True
    return False


@kernel
def clean_up(diameters: Any, gone: Any, first_plane: int, first_row: int, cleaned: Any) -> None:
    """Write the cleaned diameters of the part that starts at a plane and a row.

    ``diameters`` are those of closed balls, unmasked, with `CONTEXT` around the part where the volume has it,
    and ``gone`` tells what is beyond the window. A voxel that touches one in no ball gets the mean of those
    of its 26 neighbours that are in a ball and touch none; where there is no such neighbour it keeps its own.
    """
    nz, ny, nx = diameters.shape
    planes, rows, _ = cleaned.shape
    edge = np.zeros(diameters.shape, np.bool_)
    for z in range(max(first_plane - 1, 0), min(first_plane + planes + 1, nz)):
        for y in range(max(first_row - 1, 0), min(first_row + rows + 1, ny)):
            for x in range(nx):
                if diameters[z, y, x] > 0:
                    edge[z, y, x] = _touches_zero(diameters, gone, z, y, x)
    for z in range(first_plane, first_plane + planes):
        for y in range(first_row, first_row + rows):
            for x in range(nx):
                value = np.float64(diameters[z, y, x])
                if edge[z, y, x]:
                    total = np.float64(0)
                    number = 0
                    for zz in range(max(z - 1, 0), min(z + 2, nz)):
                        for yy in range(max(y - 1, 0), min(y + 2, ny)):
                            for xx in range(max(x - 1, 0), min(x + 2, nx)):
                                if diameters[zz, yy, xx] > 0 and not edge[zz, yy, xx]:
                                    total += diameters[zz, yy, xx]
                                    number += 1
                    if number:
                        value = total / number
                cleaned[z - first_plane, y - first_row, x] = value
