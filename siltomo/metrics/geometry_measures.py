"""What is measured with regard to the electrode's surfaces: where they are, and thickness by depth below them."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import product
from typing import Any, ClassVar

import numpy as np

from siltomo.kernels import NoBackgroundError, ThicknessCounts, depth_bins, slab_bytes, slab_thickness_counts
from siltomo.kernels.columns import NOT_A_CLASS, ColumnExtents, column_bytes, column_extents
from siltomo.kernels.electrode import AXES, ELECTRODE, ElectrodeFrame, FrameError, Side, electrode_frame
from siltomo.metrics.blocks import Measure, Sample, Slab
from siltomo.metrics.measures import ThicknessConvention

__all__ = [
    "LEAST_BIN",
    "NOT_ELECTRODE",
    "DepthThickness",
    "ElectrodeSurfaces",
    "Surfaces",
    "ThicknessByDepth",
    "electrode_values",
    "round_step",
]

NOT_ELECTRODE = frozenset(
    {"collector", "separator", "outside", "gas", "electrolyte", "counter", "lithium", "casing", "air"}
)
"""Phases that are no part of the electrode, where the domain does not say what is."""

PARTS = frozenset({"separator", "islet"})
"""Domains beside or within the electrode: their scans are of the same state, and show nothing of its thickness."""

LEAST_BIN = 4
"""Voxels of depth that a bin spans at least."""
_SMALL = 1 << 20
_SERIES = (1.0, 2.0, 5.0, 10.0)


def round_step(least: float) -> float:
    """Return the first of 1, 2, 5 times a power of ten that is not below.

    Examples
    --------
    >>> round_step(0.64), round_step(2.0)
    (1.0, 2.0)
    """
    power = 10.0 ** math.floor(math.log10(least))
    return next(s * power for s in _SERIES if s * power >= least * (1 - 1e-12))


def electrode_values(sample: Sample) -> tuple[int, ...] | None:
    """Return the label values that are the electrode; None for all that are of no other layer.

    A phase named "electrode" is it. Else, in the domain "electrode", every voxel not labelled outside or as
    collector or separator; in another domain, the phases that lie in electrodes only.
    """
    named = sample.values_of("electrode")
    if named:
        return named
    if sample.domain == "electrode":
        return None
    return tuple(v for name, values in sample.phases if name not in NOT_ELECTRODE for v in values)


@dataclass(frozen=True, eq=False)
class ElectrodeSurfaces:
    """Where collector, separator and electrode lie in each column of the volume."""

    sample: Sample
    extents: ColumnExtents

    @cached_property
    def frame(self) -> ElectrodeFrame | str:
        """The depth axis and the fitted surfaces, or why they cannot be told."""
        names = [name for name, _ in self.sample.phases]
        try:
            return electrode_frame(
                self.extents, self.sample.spacing_um, depth_axis=self.sample.depth_axis, names=names
            )
        except FrameError as error:
            return error.message


@dataclass(frozen=True)
class Surfaces(Measure[ElectrodeSurfaces]):
    """Find in each column where collector, separator and electrode begin and end.

    Without a declared depth axis, along all three: the fit tells later which one it is.
    """

    surroundings: ClassVar[bool] = True

    @classmethod
    def of(cls, sample: Sample) -> Surfaces:
        """Return the measure that all metrics of a segmentation share, whatever phase they are about."""
        return cls(replace(sample, phase="", values=()))

    @classmethod
    def lacks(cls, sample: Sample) -> str:
        if sample.domain in PARTS:
            return f"the domain of the labels is the {sample.domain}, which shows no whole electrode"
        there = {name for name, _ in sample.phases}
        if there & {"collector", "separator"} or (sample.domain == "electrode" and sample.outside):
            return ""
        return (
            "no phase 'collector' or 'separator' is named, and no electrode domain is declared (domain electrode, "
            f"voxels beyond it named outside); there: {', '.join(sorted(there)) or 'nothing'}"
        )

    @classmethod
    def is_fully_named(cls, sample: Sample) -> bool:
        return {"collector", "separator"} <= {name for name, _ in sample.phases}

    def measure(self, slab: Slab) -> ElectrodeSurfaces:
        sample = self.sample
        values = electrode_values(sample)
        extents = column_extents(
            slab.labels(),
            [sample.values_of("collector"), sample.values_of("separator"), values or ()],
            start=slab.start,
            depth=slab.depth,
            rest=ELECTRODE if values is None else NOT_A_CLASS,
            left_out=sample.outside,
            axes=self._axes,
        )
        return ElectrodeSurfaces(sample, extents)

    def merge(self, upper: ElectrodeSurfaces, lower: ElectrodeSurfaces) -> ElectrodeSurfaces:
        return ElectrodeSurfaces(upper.sample, upper.extents + lower.extents)

    def memory(self, planes: int, halo: int) -> int:  # noqa: ARG002
        # of a block, and of the whole while the blocks are merged
        own = column_bytes(self.sample.shape, 3, self._axes, planes)
        return _SMALL + own + 2 * column_bytes(self.sample.shape, 3, self._axes, self.sample.shape[0])

    @property
    def _axes(self) -> tuple[int, ...]:
        declared = self.sample.depth_axis.lstrip("+-")
        return (AXES.index(declared),) if declared else (0, 1, 2)


@dataclass(frozen=True, eq=False)
class ThicknessByDepth:
    """Voxels of a phase by local thickness, in bins of depth below a surface of the electrode."""

    frame: ElectrodeFrame
    edges: tuple[float, ...]
    """Depths between the bins, in um."""
    counts: ThicknessCounts | None
    """By bin; None where there is no background at all."""


@dataclass(frozen=True)
class DepthThickness(Measure["ThicknessByDepth | str"]):
    """Count the voxels of the phase by local thickness and depth; or say why there is no depth."""

    convention: ThicknessConvention
    datum: Side
    bin_width: float | None

    halo: ClassVar[int] = 32
    surroundings: ClassVar[bool] = True

    @property
    def needs(self) -> tuple[Measure[Any], ...]:
        return (Surfaces.of(self.sample),)

    @classmethod
    def lacks(cls, sample: Sample) -> str:
        return Surfaces.lacks(sample)

    def measure(self, slab: Slab) -> ThicknessByDepth | str:
        frame = slab.known[Surfaces.of(self.sample)].frame
        if isinstance(frame, str):
            return frame
        try:
            plane = frame.datum(self.datum)
        except FrameError as error:
            return error.message
        edges = self._edges(frame)
        bins = depth_bins(
            slab.start,
            slab.stop,
            self.sample.shape[1:],
            spacing=self.sample.spacing_um,
            datum=plane,
            edges=edges,
        )
        whole = (slab.stop - slab.start, *self.sample.shape[1:])
        try:
            counts = slab_thickness_counts(
                lambda start, stop: self._masks(slab.planes(start, stop)),
                slab.start,
                slab.stop,
                slab.depth,
                spacing=self.sample.spacing_um,
                convention=self.convention,
                bins=np.broadcast_to(bins, whole),
                bin_count=len(edges) - 1,
                halo=self.halo,
                max_halo=slab.max_halo,
                threads=1,
            )
        except NoBackgroundError:
            return ThicknessByDepth(frame, edges, None)
        return ThicknessByDepth(frame, edges, counts)

    def merge(self, upper: ThicknessByDepth | str, lower: ThicknessByDepth | str) -> ThicknessByDepth | str:
        if isinstance(upper, str) or isinstance(lower, str):
            return upper
        if upper.counts is None or lower.counts is None:
            return replace(upper, counts=None)
        return replace(upper, counts=upper.counts + lower.counts)

    def memory(self, planes: int, halo: int) -> int:
        thickness = slab_bytes(
            self.sample.shape[1:],
            planes,
            halo,
            convention=self.convention,
            outside=bool(self.sample.outside),
            threads=1,
        )
        bins = 4 * planes * self.sample.plane + 32 * self.sample.plane
        return thickness + bins + Surfaces.of(self.sample).memory(planes, 0)

    def _edges(self, frame: ElectrodeFrame) -> tuple[float, ...]:
        """Return the limits of the bins, from the datum to the other surface or to the end of the window."""
        width = self.bin_width or round_step(LEAST_BIN * max(self.sample.spacing_um))
        surfaces = (frame.collector, frame.separator)
        deepest = (
            _deepest(frame, self.datum) if any(isinstance(s, str) for s in surfaces) else frame.thickness()
        )
        # a last bin thinner than a quarter is joined to the one before
        number = max(1, math.ceil(deepest / width - 0.25))
        return (*(width * n for n in range(number)), max(width * number, deepest))

    def _masks(self, labels: Any) -> Any:
        own = np.isin(labels, self.sample.values)
        return (own, np.isin(labels, self.sample.outside)) if self.sample.outside else own


def _deepest(frame: ElectrodeFrame, side: Side) -> float:
    """Return the depth of the corner of the window that is furthest from a surface."""
    plane = frame.datum(side)
    normal = np.array(plane.normal) / np.linalg.norm(plane.normal)
    surface = frame.surface(side)
    shape = np.insert(np.array(surface.heights.shape), frame.axis, frame.length)
    ends = [(0.0, (n - 1) * step) for n, step in zip(shape, frame.spacing, strict=True)]
    return max(float(normal @ (np.array(corner) - plane.point)) for corner in product(*ends))
