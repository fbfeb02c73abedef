"""What is measured of islets: sections of the electrode along its surfaces."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels.electrode import AXES, ElectrodeFrame, FrameError
from siltomo.kernels.islets import BEYOND, CRACK, SOLID, UNSEEN, Islets, find_islets, join_islets
from siltomo.metrics.blocks import Measure, Sample, Slab
from siltomo.metrics.geometry_measures import LEAST_BIN, Surfaces

__all__ = ["IN_CRACKS", "SECTIONS", "IsletSections", "Sections"]

IN_CRACKS = ("crack", "gas", "electrolyte")
"""Phases that part islets: cracks, and what fills them."""

SECTIONS = 8
"""Sections through an electrode in which islets are looked for."""

_SMALL = 1 << 20


@dataclass(frozen=True, eq=False)
class IsletSections:
    """Sections of an electrode parallel to its surfaces, and the islets in them."""

    sample: Sample
    codes: NDArray[np.uint8]
    """What each pixel is, shape (sections, rows, columns); see `siltomo.kernels.islets`."""
    steps: tuple[float, float]
    """Distance from row to row and from column to column, in um."""
    least_crack: float | None
    words: str
    """How the sections lie."""
    axis: int

    @cached_property
    def islets(self) -> Islets:
        """The islets of all sections."""
        least = max(LEAST_BIN * max(self.steps), self.sample.min_feature_um or 0.0)
        return join_islets(
            [
                find_islets(section, self.steps, least_crack=self.least_crack or 0.0, least_size=least)
                for section in self.codes
            ]
        )


@dataclass(frozen=True)
class Sections(Measure["IsletSections | str"]):
    """Take sections of the electrode at equal steps between its surfaces; or say why there are none."""

    least_crack: float | None

    surroundings: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[Measure[Any], ...]:
        return (Surfaces.of(self.sample),)

    @classmethod
    def lacks(cls, sample: Sample) -> str:
        if not sample.values_of("crack"):
            there = ", ".join(name for name, _ in sample.phases)
            return f"no phase 'crack' is named, which parts the islets (there: {there or 'nothing'})"
        # with a declared axis, sections across the window do without surfaces
        return "" if sample.depth_axis else Surfaces.lacks(sample)

    def measure(self, slab: Slab) -> IsletSections | str:
        placed = self._placed(slab.known[Surfaces.of(self.sample)].frame)
        if isinstance(placed, str):
            return placed
        axis, words = placed.axis, placed.words
        codes = self._codes(slab.labels())
        taken = np.stack([_section(codes, placed, number, slab) for number in range(SECTIONS)])
        steps = [edge for n, edge in enumerate(self.sample.spacing_um) if n != axis]
        return IsletSections(self.sample, taken, (steps[0], steps[1]), self.least_crack, words, axis)

    def merge(self, upper: IsletSections | str, lower: IsletSections | str) -> IsletSections | str:
        if isinstance(upper, str) or isinstance(lower, str):
            return upper
        joined = (
            np.maximum(upper.codes, lower.codes)
            if upper.axis == 0
            else np.concatenate([upper.codes, lower.codes], axis=1)
        )
        return replace(upper, codes=joined)

    def memory(self, planes: int, halo: int) -> int:  # noqa: ARG002
        z, y, x = self.sample.shape
        largest = max(y * x, z * x, z * y)
        own = 3 * SECTIONS * largest + 64 * largest + 3 * planes * y * x
        return _SMALL + own + Surfaces.of(self.sample).memory(planes, 0)

    def _placed(self, frame: ElectrodeFrame | str) -> _Placed | str:
        """Return how the sections lie; or why there are none."""
        try:
            if isinstance(frame, str):
                raise FrameError(frame)
            low, high = frame.surface("collector"), frame.surface("separator")
        except FrameError as error:
            declared = self.sample.depth_axis.lstrip("+-")
            if not declared:
                return error.message
            axis = AXES.index(declared)
            flat = np.zeros([n for a, n in enumerate(self.sample.shape) if a != axis])
            words = f"{SECTIONS} across {declared}, through the field of view"
            return _Placed(axis, flat - 0.5, flat + self.sample.shape[axis] - 0.5, words)
        edge, shape = frame.spacing[frame.axis], low.heights.shape
        bottom, top = (surface.plane.heights((shape[0], shape[1])) / edge for surface in (low, high))
        return _Placed(frame.axis, bottom, top, f"{SECTIONS} at equal steps between the fitted surfaces")

    def _codes(self, labels: Any) -> NDArray[np.uint8]:
        """Return what each voxel is in a section."""
        cracks = [v for name in IN_CRACKS for v in self.sample.values_of(name)]
        layers = [v for name in ("collector", "separator") for v in self.sample.values_of(name)]
        codes = np.full(labels.shape, SOLID, np.uint8)
        codes[np.isin(labels, cracks)] = CRACK
        codes[np.isin(labels, [*layers, *self.sample.outside])] = BEYOND
        return codes


@dataclass(frozen=True, eq=False)
class _Placed:
    """How the sections lie: at equal steps between two surfaces, whose places are in voxels."""

    axis: int
    bottom: NDArray[np.float64]
    top: NDArray[np.float64]
    words: str

    def level(self, number: int) -> NDArray[np.int64]:
        """Return the index along the axis of each pixel of a section."""
        share = (number + 0.5) / SECTIONS
        return np.asarray(np.rint(self.bottom + share * (self.top - self.bottom)), np.int64)


def _section(codes: NDArray[np.uint8], placed: _Placed, number: int, slab: Slab) -> NDArray[np.uint8]:
    """Return what a slab shows of a section: all its pixels across z, else the rows that are the slab's planes."""
    level = placed.level(number)
    if placed.axis == 0:
        taken = np.zeros(level.shape, np.uint8)
        row, column = np.nonzero((level >= slab.start) & (level < slab.stop))
        taken[row, column] = codes[level[row, column] - slab.start, row, column]
        return taken
    level = level[slab.start : slab.stop]
    length = codes.shape[placed.axis]
    z, other = np.ogrid[: level.shape[0], : level.shape[1]]
    at = np.clip(level, 0, length - 1)
    taken = codes[(z, at, other) if placed.axis == 1 else (z, other, at)]
    return np.where((level >= 0) & (level < length), taken, UNSEEN).astype(np.uint8)
