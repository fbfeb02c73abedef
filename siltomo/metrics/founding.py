"""The base metrics: fraction, surface, interconnectivity and width of a phase."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels import (
    SlabComponents,
    ThicknessCounts,
    euler_number,
    phase_volume,
    surface_area,
    window_volume,
)
from siltomo.metrics.blocks import Sample
from siltomo.metrics.measures import (
    Components,
    Connectivity,
    Estimator,
    MeshArea,
    Thickness,
    ThicknessConvention,
    Tiles,
    VoxelCount,
    Voxels,
)
from siltomo.metrics.registry import metric
from siltomo.metrics.values import Answer, Distribution, Scalar, Undefined
from siltomo.model.fields import In
from siltomo.units import Quantity

__all__: list[str] = []

Counted = Annotated[VoxelCount, Voxels]
Tiled = Annotated[NDArray[np.int64], Tiles]
Connected = Annotated[SlabComponents, Components]
Thick = Annotated[ThicknessCounts | None, Thickness]
Meshed = Annotated[float, MeshArea]
BinWidth = Annotated[float | None, In("um", gt=0)]

_SERIES = (1.0, 2.0, 5.0)


def _absent(sample: Sample) -> str:
    return f"phase {sample.phase!r} has no voxel in the {sample.whole}"


@metric("{phase}_volume_fraction", unit="1", version=1, phases=("crack", "pore", "sei"))
def volume_fraction(voxels: Counted, tiles: Tiled, sample: Sample) -> Answer:
    """Share of the domain's volume that is the phase.

    The number of its voxels over the number of voxels of the domain; voxels labelled "outside" count in
    neither. A phase without voxels has the fraction 0.

    Notes
    -----
    Counting points is unbiased at any voxel size. The discretisation uncertainty is that of a boundary
    that lies anywhere within its voxel: the surface per volume of the domain (Crofton, 13 directions) times
    half a voxel edge. Features below the resolution are lost; see min_feature of the segmentation.
    """
    if voxels.whole == 0:
        return Undefined("every voxel is labelled outside")
    window = window_volume(tiles, sample.spacing_um)
    shift = None
    if window > 0:
        shift = surface_area(tiles, sample.spacing_um) / window * sample.edge_um / 2
    return Scalar(voxels.phase / voxels.whole, shift, {"whole": sample.whole})


@metric("{phase}_surface_to_volume_ratio", unit="1/um", version=1, phases=("crack", "pore", "sei"))
def surface_to_volume_ratio(
    tiles: Tiled, mesh: Meshed, sample: Sample, *, estimator: Estimator = "crofton13"
) -> Answer:
    """Surface of the phase divided by its own volume.

    Surface and volume are those inside the interior tiles: the window's own faces are no surface of the
    phase. The surface comes from the crossings of 13 (or 3) directions of the grid (Crofton), each weighted
    by its share of the sphere, recomputed for unequal voxel edges.

    Notes
    -----
    crofton13 is within 0.3 % for balls of 8 voxels and more, and 7.34 % low for a plane along the grid;
    crofton3 is unbiased for random orientations and 33 % low for that plane. Their difference is given as
    the discretisation uncertainty. smoothed_mesh (marching cubes on the mask smoothed by one voxel) is within
    1 % for plane walls of two voxels and more, 3.3 % low for balls of 8 voxels, and slower. Marching cubes on
    a mask as it is reads about 8 % more than crofton13.
    """
    conventions = {"surface": estimator, "per": "volume of the phase", "window": "interior tiles"}
    volume = phase_volume(tiles, sample.spacing_um)
    if volume == 0:
        return Undefined(_absent(sample), conventions)
    areas = _areas(tiles, mesh, sample)
    spread = abs(areas["crofton13"] - areas["crofton3"]) / volume
    return Scalar(areas[estimator] / volume, spread, conventions)


@metric("{phase}_surface_density", unit="1/um", version=1, phases=("crack",))
def surface_density(
    tiles: Tiled, mesh: Meshed, sample: Sample, *, estimator: Estimator = "crofton13"
) -> Answer:
    """Surface of the phase divided by the volume of the domain.

    It is the surface to volume ratio times the volume fraction; see there for the estimators.
    """
    conventions = {"surface": estimator, "per": f"volume of the {sample.whole}", "window": "interior tiles"}
    window = window_volume(tiles, sample.spacing_um)
    if window == 0:
        return Undefined("the domain is thinner than two voxels everywhere", conventions)
    areas = _areas(tiles, mesh, sample)
    spread = abs(areas["crofton13"] - areas["crofton3"]) / window
    return Scalar(areas[estimator] / window, spread, conventions)


def _areas(tiles: NDArray[np.int64], mesh: float, sample: Sample) -> dict[str, float]:
    return {
        "smoothed_mesh": mesh,
        "crofton13": surface_area(tiles, sample.spacing_um, estimator="crofton13"),
        "crofton3": surface_area(tiles, sample.spacing_um, estimator="crofton3"),
    }


@metric("{phase}_interconnectivity", unit="1", version=1, phases=("crack", "pore"))
def interconnectivity(components: Connected, sample: Sample, *, connectivity: Connectivity = 26) -> Answer:
    """Share of the phase's volume that is its largest connected component.

    Connectivity 26 joins voxels by faces, edges and corners, 18 by faces and edges, 6 by faces only.

    Notes
    -----
    A thin oblique crack can fall apart with connectivity 6 and hang together with 26: name the connectivity
    with the number. A component that touches the window may go on outside; where such components other
    than the largest exist, the flag "touches_window" says so, and the share that they hold.
    """
    found = components.finish()
    conventions = {"connectivity": str(connectivity), "per": "volume of the phase"}
    if found.total_voxels == 0:
        return Undefined(_absent(sample), conventions)
    unknown = found.unknown_voxels / found.total_voxels
    flags = (f"touches_window: {unknown:.3g} of the phase may join it outside",) if unknown > 0 else ()
    return Scalar(found.largest_voxels / found.total_voxels, None, conventions, flags)


@metric("{phase}_euler_number", unit="1", version=1, phases=("crack",))
def euler(tiles: Tiled, sample: Sample, *, connectivity: Literal[26, 6] = 26) -> Answer:
    """Euler number of the phase: components minus tunnels plus cavities.

    Notes
    -----
    Counted over the interior tiles; where the window cuts the phase, what the cut leaves open is not
    corrected for, and the number may be a fraction.
    """
    conventions = {"connectivity": str(connectivity), "window": "interior tiles"}
    if phase_volume(tiles, sample.spacing_um) == 0:
        return Undefined(_absent(sample), conventions)
    return Scalar(float(euler_number(tiles, connectivity=connectivity)), None, conventions)


@metric("{phase}_thickness_median", unit="um", version=1, fixed={"statistic": "median"}, phases=("sei",))
@metric("{phase}_thickness_mean", unit="um", version=1, fixed={"statistic": "mean"}, phases=("sei",))
@metric("{phase}_width_median", unit="um", version=1, fixed={"statistic": "median"}, phases=("crack",))
@metric("{phase}_width_mean", unit="um", version=1, fixed={"statistic": "mean"}, phases=("crack",))
def local_thickness_statistic(
    thickness: Thick,
    sample: Sample,
    *,
    statistic: Literal["mean", "median"] = "mean",
    convention: ThicknessConvention = "open_ball",
) -> Answer:
    """Local thickness of the phase: diameter of the largest ball in it that holds a point, over its volume.

    Exact for the voxels: distances between voxel centres, no rounding of radii. ``open_ball`` takes the
    voxels nearer to a ball's centre than the background, ``closed_ball`` also those as near (Fiji's raw
    map), ``fiji`` adds Fiji's clean-up of the border voxels.

    Notes
    -----
    The conventions differ by up to a voxel in bodies a few voxels thick: one voxel is given as the
    discretisation uncertainty. The window's border is not background: what it cuts reads too thick.
    Hildebrand and Rüegsegger (1997), doi:10.1046/j.1365-2818.1997.1340694.x.
    """
    conventions = {"thickness": f"diameter, {convention}", "statistic": f"{statistic}, by volume"}
    known = _known(thickness, sample)
    if isinstance(known, str):
        return Undefined(known, conventions)
    value = known.mean() if statistic == "mean" else known.median()
    return Scalar(value, sample.edge_um, conventions, _resolved(value, sample))


@metric("{phase}_thickness_distribution", unit="1", version=1, fixed={"named": "thickness"}, phases=("sei",))
@metric("{phase}_width_distribution", unit="1", version=1, fixed={"named": "width"}, phases=("crack",))
def local_thickness_distribution(
    thickness: Thick,
    sample: Sample,
    *,
    named: Literal["width", "thickness"] = "width",
    convention: ThicknessConvention = "open_ball",
    bin_width: BinWidth = None,
) -> Distribution | Undefined:
    """Share of the phase's volume by local thickness, in bins of equal width; the shares add up to 1.

    Each value stands at the centre of its bin; a bin holds its lower edge. Without bin_width the bins are
    the first of 1, 2, 5 times a power of ten um that spans two voxels: thinner bins show the grid, since
    diameters between voxel centres come in steps.
    """
    conventions = {"thickness": f"diameter, {convention}", "per": "volume of the phase"}
    known = _known(thickness, sample)
    if isinstance(known, str):
        return Undefined(known, conventions)
    width = bin_width or _round_bin(2 * sample.edge_um)
    bins = np.floor(known.diameters / width * (1 + 1e-12)).astype(np.int64)
    shares = np.bincount(bins, weights=known.counts) / known.total
    centres = (np.arange(shares.size) + 0.5) * width
    conventions["bins"] = str(Quantity(width, "um"))
    return Distribution(tuple(shares.tolist()), tuple(centres.tolist()), named, "um", conventions)


def _known(thickness: ThicknessCounts | None, sample: Sample) -> ThicknessCounts | str:
    """Return the distribution, or why there is none."""
    if thickness is None:
        return f"phase {sample.phase!r} fills the window: no voxel bounds its thickness"
    return _absent(sample) if thickness.total == 0 else thickness


def _resolved(value: float, sample: Sample) -> tuple[str, ...]:
    if sample.min_feature_um is not None and value < sample.min_feature_um:
        return (f"below_resolution: {value:.3g} um is below the smallest trusted feature",)
    return ()


def _round_bin(least: float) -> float:
    """Return the first of 1, 2, 5 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(s * power for s in (*_SERIES, 10.0) if s * power >= least * (1 - 1e-12))
