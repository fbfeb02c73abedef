"""The steps that maps, counts and slabs of local thickness share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._balls import Ridge, find_ridge, paint
from siltomo.kernels._field import Field, squared_field
from siltomo.kernels._fiji import clean_up
from siltomo.kernels._grid import Lattice, Mask
from siltomo.kernels.thickness_distribution import Convention

PLANES = 16
"""Planes painted at once by one thread."""

FIJI_CONTEXT = 2
"""Planes on either side that Fiji's clean-up looks at: the neighbours of neighbours."""


def check_convention(convention: str) -> None:
    """Refuse an unknown convention."""
    if convention not in get_args(Convention):
        raise BadInputError(
            f"no thickness convention {convention!r}; known: {', '.join(get_args(Convention))}"
        )


@dataclass(frozen=True)
class Window:
    """A block of voxels: the phase, what lies beyond the window, and the distances between voxels."""

    phase: Mask
    beyond: Mask | None
    grid: Lattice

    def distances(self, threads: int) -> tuple[Field, NDArray[np.int64] | None]:
        """Measure the squared distance to the background, also beyond the window, and its top per plane."""
        inside = self.phase if self.beyond is None else self.phase | self.beyond
        return squared_field(inside, self.grid.weights, threads=threads)


@dataclass(frozen=True)
class Balls:
    """The balls of a window, ready to be painted plane by plane."""

    window: Window
    field: Field
    ridge: Ridge
    convention: Convention

    @property
    def top(self) -> int:
        """The largest squared radius."""
        return int(self.ridge.highest.max(initial=0))

    def thickness(self, start: int, stop: int) -> NDArray[Any]:
        """Return for some planes the squared radius of each voxel, or for Fiji its diameter, both in steps.

        Voxels that are not in the phase hold a value without meaning.
        """
        weights = self.window.grid.weights
        if self.convention != "fiji":
            closed = self.convention == "closed_ball"
            return paint(self.field, self.ridge, (start, stop), weights, closed=closed).values
        below, above = max(start - FIJI_CONTEXT, 0), min(stop + FIJI_CONTEXT, self.field.shape[0])
        squared = paint(self.field, self.ridge, (below, above), weights, closed=True).values
        gone = np.zeros(squared.shape, np.bool_)
        if self.window.beyond is not None:
            gone |= self.window.beyond[below:above]
        cleaned = np.empty((stop - start, *squared.shape[1:]), np.float64)
        clean_up(squared, gone, (start - below, stop - below), cleaned)
        return cleaned


def balls(window: Window, field: Field, convention: Convention, threads: int) -> Balls:
    """Choose the balls to paint; the distances beyond the window are set to 0 in place."""
    if window.beyond is not None:
        field.values[window.beyond] = 0
    closed = convention != "open_ball"
    top = int(field.values.max(initial=0))
    ridge = find_ridge(field, window.grid.weights, top, closed=closed, threads=threads)
    return Balls(window, field, ridge, convention)
