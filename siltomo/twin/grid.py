"""A volume of the twin whose blocks are computed, never stored."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels import thread_count
from siltomo.kernels._workers import over, ranges

__all__ = ["Floats", "Grid", "Labels", "Window", "writable"]

Labels = NDArray[np.uint8]
Floats = NDArray[np.float64]
Drawing = Callable[[Labels, int], None]


@dataclass(frozen=True)
class Window:
    """A block of voxels, ``[low, high)`` along z, y, x; indices may lie beyond the volume."""

    z: tuple[int, int]
    y: tuple[int, int]
    x: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int, int]:
        """Voxels along z, y, x."""
        return (self.z[1] - self.z[0], self.y[1] - self.y[0], self.x[1] - self.x[0])

    def grown(self, by: int) -> Window:
        """Return the block with a margin on all sides."""
        z, y, x = ((low - by, high + by) for low, high in (self.z, self.y, self.x))
        return Window(z, y, x)

    def box(self, voxel_um: float) -> Floats:
        """Return its corners ``[[x0, y0, z0], [x1, y1, z1]]`` in um."""
        return np.array([[ends[side] * voxel_um for ends in (self.x, self.y, self.z)] for side in (0, 1)])


@dataclass(frozen=True)
class Grid(ABC):
    """A scan of the twin.

    Every block is computed from its place alone: any blocks, in any order, on any number of threads, give the
    same voxels.
    """

    voxel_um: float
    """Edge of a voxel."""
    shape: tuple[int, int, int]
    """Voxels along z, y, x."""

    @abstractmethod
    def _drawing(self, window: Window) -> Drawing:
        """Gather what a block may hold; return what draws planes of it, given an array and its first plane."""

    def labels(self, z0: int = 0, z1: int | None = None) -> Labels:
        """Return the true labels of planes ``[z0, z1)``, uint8 of shape (z, y, x).

        Raises
        ------
        BadInputError
            When the planes are not in the volume.
        """
        return self.block(self.planes(z0, z1))

    def block(self, window: Window, *, threads: int | None = None) -> Labels:
        """Return the labels of any block, within the volume or beyond it."""
        out = np.empty(window.shape, np.uint8)
        workers = thread_count(threads)
        step = max(1, -(-window.shape[0] // (workers * 4)))
        draw = self._drawing(window)
        over(lambda r: draw(out[r[0] : r[1]], window.z[0] + r[0]), ranges(0, window.shape[0], step), workers)
        return out

    def planes(self, z0: int, z1: int | None) -> Window:
        """Return whole planes as a block."""
        stop = self.shape[0] if z1 is None else z1
        if not 0 <= z0 < stop <= self.shape[0]:
            raise BadInputError(f"planes {z0} to {stop} are not in a volume of {self.shape[0]} planes")
        return Window((z0, stop), (0, self.shape[1]), (0, self.shape[2]))


def writable(*values: int) -> NDArray[np.bool_]:
    """Return a table of the label values that a shape may write over."""
    table = np.zeros(256, bool)
    table[list(values)] = True
    return table
