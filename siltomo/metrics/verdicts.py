"""What a number is worth: doubts that are said with it, each with its reason."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Literal

import numpy as np

from siltomo.kernels import CellCounts, Lattice, ThicknessCells, ThicknessCounts
from siltomo.metrics.blocks import Sample
from siltomo.metrics.measures import VoxelCount
from siltomo.metrics.sampling import NotRepresentative, Sampling, sampling_of_median, sampling_of_ratio

__all__ = [
    "below_resolution",
    "fraction_sampling",
    "not_representative",
    "phase_absent",
    "ratio_sampling",
    "surface_sampling",
    "thickness_away_from_border",
    "thickness_sampling",
    "touches_window",
]

FEWEST_VOXELS = 4
"""Fewer voxels across resolve no feature."""
NOTABLE = 0.05
"""Smaller shares of the phase are not worth a word."""


def fraction_sampling(cells: CellCounts) -> Sampling | NotRepresentative:
    """Return the sampling uncertainty of the phase's volume per volume of the domain, without unit."""
    return sampling_of_ratio(cells.eighths / 8, cells.tiles)


def surface_sampling(cells: CellCounts, sample: Sample) -> Sampling | NotRepresentative:
    """Return the sampling uncertainty of the phase's surface per volume of the domain, in 1/um.

    A window that is too small for the volume of features is so for their surface, though small sub-volumes of
    the surface resemble each other less.
    """
    volume = fraction_sampling(cells)
    if isinstance(volume, NotRepresentative):
        return volume
    areas = cells.units * cells.unit
    return sampling_of_ratio(areas, cells.tiles * sample.voxel_um3, at_least=volume.steps)


def ratio_sampling(cells: CellCounts, sample: Sample) -> Sampling | NotRepresentative:
    """Return the sampling uncertainty of the phase's surface per its own volume, in 1/um.

    A sub-volume must be large enough for both: where it cuts features, it parts their surface from their
    volume.
    """
    surface = surface_sampling(cells, sample)
    if isinstance(surface, NotRepresentative):
        return surface
    areas, volumes = cells.units * cells.unit, cells.eighths / 8 * sample.voxel_um3
    return sampling_of_ratio(areas, volumes, at_least=surface.steps)


def thickness_sampling(
    thickness: ThicknessCounts, cells: CellCounts, statistic: Literal["mean", "median"]
) -> Sampling | NotRepresentative:
    """Return the sampling uncertainty of the mean or median thickness over the phase's voxels, in um.

    A window that is too small for the volume of features is so for their thickness.
    """
    volume = fraction_sampling(cells)
    if isinstance(volume, NotRepresentative):
        return volume
    mine = _thickness_cells(thickness)
    if statistic == "mean":
        return sampling_of_ratio(mine.widths * mine.unit, mine.voxels, at_least=volume.steps)
    return sampling_of_median(
        mine.thinner(0.5), mine.voxels, thickness.diameters, thickness.counts, at_least=volume.steps
    )


def thickness_away_from_border(thickness: ThicknessCounts, sample: Sample) -> float | None:
    """Return the mean thickness, in um, in the cells that are half of it away from the window's border.

    None where the window is too small to have such cells.
    """
    mine, lattice = _thickness_cells(thickness), Lattice(sample.shape)
    half = thickness.mean() / 2
    layers = [math.ceil(half / (e * um)) for e, um in zip(lattice.edges, sample.spacing_um, strict=True)]
    inner = tuple(slice(n, max(n, size - n)) for n, size in zip(layers, mine.widths.shape, strict=True))
    number = int(mine.voxels[inner].sum())
    return float(mine.widths[inner].sum()) * mine.unit / number if number else None


def _thickness_cells(thickness: ThicknessCounts) -> ThicknessCells:
    if thickness.cells is None:
        raise ValueError("the measure of thickness counts by cell")
    return thickness.cells


def not_representative(found: Sampling | NotRepresentative) -> Iterator[str]:
    """Say why a window gives no sampling uncertainty, where it gives none."""
    if isinstance(found, NotRepresentative):
        yield f"not_rve: window too small for a representative value: {found.reason}"


def phase_absent(sample: Sample) -> str:
    """Say that there is nothing of the phase to measure."""
    return f"phase {sample.phase!r} has no voxel in the {sample.whole}"


def below_resolution(value: float, thickness: ThicknessCounts, sample: Sample) -> Iterator[str]:
    """Say that a thickness is too small to be trusted, or how much of the phase is.

    The smallest trusted feature is that of the segmentation, else four voxels.
    """
    least, words = sample.min_feature_um, "the smallest trusted feature"
    if least is None:
        least, words = FEWEST_VOXELS * max(sample.spacing_um), f"{FEWEST_VOXELS} voxels"
    if value < least:
        yield f"below_resolution: {value:.3g} um is below {words}"
        return
    share = float(thickness.counts[np.asarray(thickness.diameters) < least].sum()) / thickness.total
    if share > NOTABLE:
        yield f"below_resolution: {share:.2g} of the phase's volume is thinner than {words} ({least:.3g} um)"


def touches_window(width_um: float, voxels: VoxelCount, cells: CellCounts, sample: Sample) -> Iterator[str]:
    """Say how much of the phase lies so near to the window's border that it may read too thick or too thin."""
    # a voxel on a face of the window lies in four of eight tiles: half of it is not counted by tiles
    on_border = 2 * (voxels.phase - float(cells.eighths.sum()) / 8)
    share = on_border * width_um / 2 / sample.edge_um / voxels.phase if voxels.phase else 0.0
    if share > NOTABLE:
        yield (
            f"touches_window: about {min(1.0, share):.2g} of the phase lies within half its width of the "
            "window's border and may read too thick or too thin"
        )
