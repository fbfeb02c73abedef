"""The base metrics: fraction, surface, interconnectivity and width of a phase."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels import (
    CellCounts,
    Lattice,
    SlabComponents,
    ThicknessCounts,
    euler_number,
    phase_volume,
    surface_area,
    window_volume,
)
from siltomo.metrics.blocks import Sample
from siltomo.metrics.measures import (
    Cells,
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
from siltomo.metrics.sampling import NotRepresentative, Sampling
from siltomo.metrics.values import Answer, Distribution, Scalar, Undefined
from siltomo.metrics.verdicts import (
    below_resolution,
    fraction_sampling,
    not_representative,
    phase_absent,
    ratio_sampling,
    surface_sampling,
    thickness_away_from_border,
    thickness_sampling,
    touches_window,
)
from siltomo.model.fields import In
from siltomo.units import Quantity

__all__: list[str] = []

Counted = Annotated[VoxelCount, Voxels]
Celled = Annotated[CellCounts, Cells]
Tiled = Annotated[NDArray[np.int64], Tiles]
Connected = Annotated[SlabComponents, Components]
Thick = Annotated[ThicknessCounts | None, Thickness]
Meshed = Annotated[float, MeshArea]
BinWidth = Annotated[float | None, In("um", gt=0)]

_SERIES = (1.0, 2.0, 5.0)
_NOT_SELF_AVERAGING = (
    "not_rve: interconnectivity does not average out within a window: compare several fields of view"
)


def _absent(sample: Sample) -> str:
    return f"phase {sample.phase!r} has no voxel in the {sample.whole}"


@metric("{phase}_volume_fraction", unit="1", version=2, phases=("crack", "pore", "sei"))
def volume_fraction(voxels: Counted, cells: Celled, sample: Sample) -> Answer:
    """Share of the domain's volume that is the phase.

    The number of its voxels over the number of voxels of the domain; voxels labelled "outside" count in
    neither. A phase without voxels has the fraction 0.

    Notes
    -----
    Counting points is unbiased at any voxel size. The discretisation uncertainty is that of a boundary
    that lies anywhere within its voxel: the surface per volume of the domain (Crofton, 13 directions) times
    half a voxel edge. Features below the resolution are lost; see min_feature of the segmentation. The
    sampling uncertainty comes from the spread between sub-volumes, as large as the phase's own structure
    asks for; where the window holds too few of them there is none, and the flag "not_rve" says so.
    """
    if voxels.whole == 0:
        return Undefined("every voxel is labelled outside")
    window = window_volume(cells.histogram, sample.spacing_um)
    shift = None
    if window > 0:
        shift = surface_area(cells.histogram, sample.spacing_um) / window * sample.edge_um / 2
    found = fraction_sampling(cells)
    return Scalar(
        voxels.phase / voxels.whole,
        shift,
        {"whole": sample.whole},
        _doubts(found, sample, absent=voxels.phase == 0),
        _sub_volumes(found, sample),
        _uncertainty(found),
    )


def _uncertainty(found: Sampling | NotRepresentative, scale: float = 1.0) -> float | None:
    return found.uncertainty * scale if isinstance(found, Sampling) else None


def _sub_volumes(found: Sampling | NotRepresentative, sample: Sample) -> dict[str, str]:
    """Name the sub-volumes whose spread gives the sampling uncertainty."""
    if isinstance(found, NotRepresentative):
        return {}
    voxels = [s * e for s, e in zip(found.steps, Lattice(sample.shape).edges, strict=True)]
    edges = [v * um for v, um in zip(voxels, sample.spacing_um, strict=True)]
    return {"sub_volumes": f"{found.count} of {' x '.join(f'{e:.3g}' for e in edges)} um"}


def _doubts(found: Sampling | NotRepresentative, sample: Sample, *, absent: bool) -> tuple[str, ...]:
    if absent:
        return (f"phase_absent: {phase_absent(sample)}; how much there is elsewhere is not known",)
    return tuple(not_representative(found))


@metric("{phase}_surface_to_volume_ratio", unit="1/um", version=2, phases=("crack", "pore", "sei"))
def surface_to_volume_ratio(
    cells: Celled, mesh: Meshed, sample: Sample, *, estimator: Estimator = "crofton13"
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
    volume = phase_volume(cells.histogram, sample.spacing_um)
    if volume == 0:
        return Undefined(phase_absent(sample), conventions)
    areas = _areas(cells.histogram, mesh, sample)
    spread = abs(areas["crofton13"] - areas["crofton3"]) / volume
    found = ratio_sampling(cells, sample)
    basis = _sub_volumes(found, sample)
    doubts = _doubts(found, sample, absent=False)
    sampled = _uncertainty(found, _relative(areas, estimator))
    return Scalar(areas[estimator] / volume, spread, conventions, doubts, basis, sampled)


@metric("{phase}_surface_density", unit="1/um", version=2, phases=("crack",))
def surface_density(
    cells: Celled, mesh: Meshed, sample: Sample, *, estimator: Estimator = "crofton13"
) -> Answer:
    """Surface of the phase divided by the volume of the domain.

    It is the surface to volume ratio times the volume fraction; see there for the estimators.
    """
    conventions = {"surface": estimator, "per": f"volume of the {sample.whole}", "window": "interior tiles"}
    window = window_volume(cells.histogram, sample.spacing_um)
    if window == 0:
        return Undefined("the domain is thinner than two voxels everywhere", conventions)
    areas = _areas(cells.histogram, mesh, sample)
    spread = abs(areas["crofton13"] - areas["crofton3"]) / window
    found = surface_sampling(cells, sample)
    basis = _sub_volumes(found, sample)
    doubts = _doubts(found, sample, absent=phase_volume(cells.histogram, sample.spacing_um) == 0)
    sampled = _uncertainty(found, _relative(areas, estimator))
    return Scalar(areas[estimator] / window, spread, conventions, doubts, basis, sampled)


def _relative(areas: dict[str, float], estimator: Estimator) -> float:
    """Return the surface relative to that of the sub-volumes, which is always that of 13 directions."""
    return areas[estimator] / areas["crofton13"] if areas["crofton13"] else 1.0


def _areas(tiles: NDArray[np.int64], mesh: float, sample: Sample) -> dict[str, float]:
    return {
        "smoothed_mesh": mesh,
        "crofton13": surface_area(tiles, sample.spacing_um, estimator="crofton13"),
        "crofton3": surface_area(tiles, sample.spacing_um, estimator="crofton3"),
    }


@metric("{phase}_interconnectivity", unit="1", version=2, phases=("crack", "pore"))
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
        return Undefined(phase_absent(sample), conventions)
    unknown = found.unknown_voxels / found.total_voxels
    flags = [_NOT_SELF_AVERAGING]
    if unknown > 0:
        flags.append(f"touches_window: {unknown:.3g} of the phase may join it outside")
    return Scalar(found.largest_voxels / found.total_voxels, None, conventions, tuple(flags))


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
        return Undefined(phase_absent(sample), conventions)
    return Scalar(float(euler_number(tiles, connectivity=connectivity)), None, conventions)


@metric("{phase}_thickness_median", unit="um", version=3, fixed={"statistic": "median"}, phases=("sei",))
@metric("{phase}_thickness_mean", unit="um", version=3, fixed={"statistic": "mean"}, phases=("sei",))
@metric("{phase}_width_median", unit="um", version=3, fixed={"statistic": "median"}, phases=("crack",))
@metric("{phase}_width_mean", unit="um", version=3, fixed={"statistic": "mean"}, phases=("crack",))
def local_thickness_statistic(
    thickness: Thick,
    voxels: Counted,
    cells: Celled,
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
    discretisation uncertainty. The window's border is not background: what it cuts may read too thick, or
    too thin. The companion "away_from_border" is the mean without the outer part of the window, at least
    half a width deep. The sampling uncertainty comes from the spread between sub-volumes, of the mean or of
    the share below the median; where the window holds too few of them there is none, and the flag "not_rve"
    says so.
    Hildebrand and Rüegsegger (1997), doi:10.1046/j.1365-2818.1997.1340694.x.
    """
    conventions = {"thickness": f"diameter, {convention}", "statistic": f"{statistic}, by volume"}
    known = _known(thickness, sample)
    if isinstance(known, str):
        return Undefined(known, conventions)
    value = known.mean() if statistic == "mean" else known.median()
    found = thickness_sampling(known, cells, statistic)
    doubts = [
        *below_resolution(value, known, sample),
        *touches_window(value, voxels, cells, sample),
        *not_representative(found),
    ]
    companions = _sub_volumes(found, sample)
    inner = thickness_away_from_border(known, sample)
    if statistic == "mean" and inner is not None:
        companions["away_from_border"] = str(Quantity(float(f"{inner:.4g}"), "um"))
    return Scalar(value, sample.edge_um, conventions, tuple(doubts), companions, _uncertainty(found))


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
    return phase_absent(sample) if thickness.total == 0 else thickness


def _round_bin(least: float) -> float:
    """Return the first of 1, 2, 5 times a power of ten that is not below."""
    power = 10.0 ** math.floor(math.log10(least))
    return next(s * power for s in (*_SERIES, 10.0) if s * power >= least * (1 - 1e-12))
