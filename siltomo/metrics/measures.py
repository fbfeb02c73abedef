"""What is measured on slabs: voxels, tiles, components, thickness. The kernels do the counting."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels import (
    SMOOTHED_MESH_HALO,
    CellCounts,
    Lattice,
    NoBackgroundError,
    SlabComponents,
    ThicknessCounts,
    cell_configurations,
    component_bytes,
    label_slab,
    slab_bytes,
    slab_thickness_counts,
    smoothed_mesh_area,
)
from siltomo.metrics.blocks import Labels, Measure, Sample, Slab

__all__ = [
    "Cells",
    "Components",
    "Connectivity",
    "Estimator",
    "Footprint",
    "MeshArea",
    "Thickness",
    "ThicknessConvention",
    "Tiles",
    "VoxelCount",
    "Voxels",
]

Connectivity = Literal[26, 18, 6]
Estimator = Literal["crofton13", "crofton3", "smoothed_mesh"]
ThicknessConvention = Literal["open_ball", "closed_ball", "fiji"]

# One slab runs on one thread: the slabs of a volume run side by side.
_ONE = 1
_SMALL = 2 << 20


@dataclass(frozen=True)
class VoxelCount:
    """Voxels of a phase and of its whole."""

    phase: int
    whole: int


@dataclass(frozen=True)
class Voxels(Measure[VoxelCount]):
    """Count the voxels of the phase and of the domain."""

    # with the plane below, one count of the voxels serves `Cells` too
    after: ClassVar[int] = 1

    def measure(self, slab: Slab) -> VoxelCount:
        counts = _cells(self.sample, slab)
        planes = slab.stop - slab.start
        return VoxelCount(counts.voxels, planes * self.sample.plane - counts.outside)

    def merge(self, upper: VoxelCount, lower: VoxelCount) -> VoxelCount:
        return VoxelCount(upper.phase + lower.phase, upper.whole + lower.whole)

    def memory(self, planes: int, halo: int) -> int:  # noqa: ARG002
        return _SMALL


@dataclass(frozen=True)
class Footprint(Measure[NDArray[np.bool_]]):
    """Find the columns along z that hold a voxel of the domain, as an array of shape (y, x)."""

    def measure(self, slab: Slab) -> NDArray[np.bool_]:
        if not self.sample.outside:
            return np.ones(self.sample.shape[1:], np.bool_)
        seen = np.zeros(self.sample.shape[1:], np.bool_)
        for plane in slab.labels():
            seen |= ~np.isin(plane, self.sample.outside)
        return seen

    def merge(self, upper: NDArray[np.bool_], lower: NDArray[np.bool_]) -> NDArray[np.bool_]:
        return upper | lower

    def memory(self, planes: int, halo: int) -> int:  # noqa: ARG002
        return _SMALL + 4 * self.sample.plane


@dataclass(frozen=True)
class Cells(Measure[CellCounts]):
    """Count the configurations of 2 x 2 x 2 voxels, and add up volume and surface by cell of a lattice.

    Configurations that touch the outside are left out. The cells tell how representative the volume is.
    """

    after: ClassVar[int] = 1

    def measure(self, slab: Slab) -> CellCounts:
        return _cells(self.sample, slab)

    def merge(self, upper: CellCounts, lower: CellCounts) -> CellCounts:
        return upper + lower

    def memory(self, planes: int, halo: int) -> int:  # noqa: ARG002
        return _SMALL + self.sample.plane


@dataclass(frozen=True)
class Tiles(Measure[NDArray[np.int64]]):
    """Count the configurations of 2 x 2 x 2 voxels, those that touch the outside left out."""

    after: ClassVar[int] = 1

    def measure(self, slab: Slab) -> NDArray[np.int64]:
        return _cells(self.sample, slab).histogram

    def merge(self, upper: NDArray[np.int64], lower: NDArray[np.int64]) -> NDArray[np.int64]:
        return upper + lower

    def memory(self, planes: int, halo: int) -> int:  # noqa: ARG002
        return _SMALL + self.sample.plane


def _cells(sample: Sample, slab: Slab) -> CellCounts:
    """Count once what `Cells` and `Tiles` share."""
    return slab.shared(
        ("cells", sample),
        lambda: cell_configurations(
            slab.labels(after=Cells.after),
            sample.phase_values,
            sample.spacing_um,
            Lattice(sample.shape),
            start=slab.start,
            shared=slab.stop < slab.depth,
            outside=sample.outside or None,
            threads=_ONE,
        ),
    )


@dataclass(frozen=True)
class Components(Measure[SlabComponents]):
    """Find the connected components."""

    connectivity: Connectivity

    def measure(self, slab: Slab) -> SlabComponents:
        return label_slab(
            slab.labels(),
            connectivity=self.connectivity,
            value=self.sample.phase_values,
            outside=self.sample.outside or None,
            threads=_ONE,
        )

    def merge(self, upper: SlabComponents, lower: SlabComponents) -> SlabComponents:
        return upper.merge(lower)

    def memory(self, planes: int, halo: int) -> int:  # noqa: ARG002
        return _SMALL + component_bytes(*self.sample.shape[1:])


@dataclass(frozen=True)
class MeshArea(Measure[float]):
    """Add up the area of the smoothed mesh, in um^2, where that estimator is asked for; else measure nothing."""

    estimator: Estimator

    after: ClassVar[int] = 1

    @property
    def wanted(self) -> bool:
        """Whether the mesh is asked for."""
        return self.estimator == "smoothed_mesh"

    def measure(self, slab: Slab) -> float:
        if not self.wanted:
            return 0.0
        first, last = slab.start, min(slab.depth, slab.stop + self.after)
        low, high = max(0, first - SMOOTHED_MESH_HALO), min(slab.depth, last + SMOOTHED_MESH_HALO)
        labels = slab.planes(low, high)
        outside = np.isin(labels, self.sample.outside) if self.sample.outside else None
        return smoothed_mesh_area(
            np.isin(labels, self.sample.values),
            self.sample.spacing_um,
            outside=outside,
            before=first - low,
            after=high - last,
        )

    def merge(self, upper: float, lower: float) -> float:
        return upper + lower

    def memory(self, planes: int, halo: int) -> int:  # noqa: ARG002
        # masks of the slab, and the field and mesh of some 40 planes at a time
        return _SMALL + self.sample.plane * (3 * (planes + 9) + 40 * 60) if self.wanted else 0


@dataclass(frozen=True)
class Thickness(Measure["ThicknessCounts | None"]):
    """Count the voxels of the phase by local thickness, also by cell of the lattice that `Cells` has.

    None where there is no background at all. The cells tell how representative the volume is.
    """

    convention: ThicknessConvention

    halo: ClassVar[int] = 32

    def measure(self, slab: Slab) -> ThicknessCounts | None:
        try:
            return slab_thickness_counts(
                lambda start, stop: self._masks(slab.planes(start, stop)),
                slab.start,
                slab.stop,
                slab.depth,
                spacing=self.sample.spacing_um,
                convention=self.convention,
                halo=self.halo,
                max_halo=slab.max_halo,
                cells=Lattice(self.sample.shape),
                threads=_ONE,
            )
        except NoBackgroundError:
            return None

    def merge(self, upper: ThicknessCounts | None, lower: ThicknessCounts | None) -> ThicknessCounts | None:
        return None if upper is None or lower is None else upper + lower

    def memory(self, planes: int, halo: int) -> int:
        return slab_bytes(
            self.sample.shape[1:],
            planes,
            halo,
            convention=self.convention,
            outside=bool(self.sample.outside),
            cells=Lattice(self.sample.shape),
            threads=_ONE,
        )

    def _masks(self, labels: Labels) -> Any:
        own = np.isin(labels, self.sample.values)
        return (own, np.isin(labels, self.sample.outside)) if self.sample.outside else own
