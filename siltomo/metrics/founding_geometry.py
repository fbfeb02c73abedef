"""The base metrics that ask where in the electrode they are: its thickness, profiles by depth, its islets."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np

from siltomo.kernels.electrode import ElectrodeFrame, FrameError, Side, Surface
from siltomo.kernels.islets import Islets
from siltomo.kernels.thickness_distribution import ThicknessCounts
from siltomo.metrics.blocks import Sample
from siltomo.metrics.geometry_measures import (
    DepthThickness,
    ElectrodeSurfaces,
    Surfaces,
    ThicknessByDepth,
    round_step,
)
from siltomo.metrics.islet_measures import IsletSections, Sections
from siltomo.metrics.measures import ThicknessConvention
from siltomo.metrics.registry import metric
from siltomo.metrics.sampling import COLUMNS, NotRepresentative, Sampling, sampling_of_places
from siltomo.metrics.values import Answer, Distribution, Scalar, Undefined
from siltomo.metrics.verdicts import not_representative
from siltomo.model.fields import In
from siltomo.units import Quantity

__all__: list[str] = []

Faces = Annotated[ElectrodeSurfaces, Surfaces]
ByDepth = Annotated["ThicknessByDepth | str", DepthThickness]
Cut = Annotated["IsletSections | str", Sections]
BinWidth = Annotated[float | None, In("um", gt=0)]

CLOSED = 0.95
"""Share of the islets' borders that is crack in a closed network."""
FEW = 30
"""Islets below which their mean is no mean of the electrode."""

LEAST_VOXELS = 64
"""Voxels of the phase that a bin needs for a value: a cube of four."""


@metric(unit="um", version=1)
def electrode_thickness(surfaces: Faces) -> Answer:
    """Distance between the fitted collector and separator surfaces, along the collector's normal.

    In each column the collector ends where its layer does, and so does the separator; where one of them is not
    named (or is a mesh of fibres), the outermost voxel of the electrode stands for it, if it does not touch the
    window. A plane is fitted to each surface robustly: columns that end in a crack, at a stray voxel or in a
    delamination do not draw it. The value is the distance between the planes, averaged over the field of view.
    Tilt of the sample in the window takes no part in it.

    Notes
    -----
    Companions: the spread (standard deviation of the thickness over the columns that the planes are drawn
    through), the tilt of the collector against the grid, the wedge (angle between the two planes), and the
    share of columns used. The depth axis is the declared one of the scan, or the one along which the layers
    follow each other; where that is not clear the row is undefined. A surface must be seen in half of the
    columns. The discretisation uncertainty is that of faces that lie anywhere between two voxels,
    edge / sqrt(12) each, averaged out where a plane rises over several voxels, down to a tenth of an edge.
    """
    frame = _frame(surfaces)
    if isinstance(frame, str):
        return Undefined(frame)
    value = frame.thickness()
    if value <= 0:
        return Undefined(f"the fitted separator surface lies {-value:.3g} um below the collector's")
    shift = math.hypot(frame.resolution("collector"), frame.resolution("separator"))
    return Scalar(value, shift, _conventions(frame), _doubts(frame), companions=_companions(frame))


@metric(unit="um", version=1)
def electrode_thickness_spread(surfaces: Faces) -> Answer:
    """Spread of the electrode's thickness: its standard deviation over the columns of the field of view.

    Of the columns through which both fitted planes are drawn; see electrode_thickness.
    """
    frame = _frame(surfaces)
    if isinstance(frame, str):
        return Undefined(frame)
    return Scalar(float(np.nanstd(frame.thickness_map())), None, _conventions(frame), _doubts(frame))


@metric(unit="deg", version=1)
def electrode_tilt(surfaces: Faces) -> Answer:
    """Angle between the collector's normal and the depth axis of the grid; see electrode_thickness."""
    frame = _frame(surfaces, ("collector",))
    if isinstance(frame, str):
        return Undefined(frame)
    return Scalar(frame.surface("collector").plane.tilt_deg, None, _conventions(frame, ("collector",)))


@metric(unit="1", version=1)
def electrode_thickness_distribution(
    surfaces: Faces, sample: Sample, *, bin_width: BinWidth = None
) -> Distribution | Undefined:
    """Share of the columns by thickness of the electrode, in bins of equal width; the shares add up to 1.

    The thickness map of electrode_thickness, over the columns through which both planes are drawn. Without
    bin_width the bins are the first of 1, 2, 5 times a power of ten um that spans two voxels.
    """
    frame = _frame(surfaces)
    if isinstance(frame, str):
        return Undefined(frame)
    known = frame.thickness_map()
    known = known[np.isfinite(known)]
    if known.size == 0:
        return Undefined("in no column are both surfaces near their planes")
    width = bin_width or round_step(2 * sample.edge_um)
    bins = np.floor(known / width * (1 + 1e-12)).astype(np.int64)
    low = int(bins.min())
    shares = np.bincount(bins - low) / bins.size
    centres = (np.arange(shares.size) + low + 0.5) * width
    conventions = {**_conventions(frame), "per": "columns", "bins": str(Quantity(width, "um"))}
    return Distribution(
        tuple(shares.tolist()), tuple(centres.tolist()), "thickness", "um", conventions, _doubts(frame)
    )


@metric(
    "{phase}_thickness_median_depth_profile",
    unit="um",
    version=1,
    fixed={"statistic": "median"},
    phases=("sei",),
)
@metric(
    "{phase}_width_median_depth_profile",
    unit="um",
    version=1,
    fixed={"statistic": "median"},
    phases=("crack",),
)
@metric("{phase}_thickness_depth_profile", unit="um", version=1, fixed={"statistic": "mean"}, phases=("sei",))
@metric("{phase}_width_depth_profile", unit="um", version=1, fixed={"statistic": "mean"}, phases=("crack",))
def thickness_depth_profile(
    thickness: ByDepth,
    sample: Sample,
    *,
    statistic: Literal["mean", "median"] = "mean",
    datum: Side = "collector",
    convention: ThicknessConvention = "open_ball",
    bin_width: BinWidth = None,  # noqa: ARG001 -- the measure takes it
) -> Distribution | Undefined:
    """Local thickness of the phase, mean or median, against depth from the fitted collector (or separator) surface.

    Thickness is measured in three dimensions (see width_mean) and its voxels are then grouped by their distance
    from the fitted plane, along its normal; it is never computed again plane by plane. Each value is the mean
    (or, as the founding study shows it, the median) over the volume of the phase in its bin and stands at the
    bin's centre; bins reach from the datum to the opposite surface, or to the end of the window where that is
    not seen.

    Notes
    -----
    Without bin_width the bins are the first of 1, 2, 5 times a power of ten um that spans four voxels. A bin
    with fewer than 64 voxels of the phase has no value; a flag counts such bins. The volume is read twice: for
    the surfaces, and for the widths. Near the end of a crack, widths belong to the ball that holds the voxel:
    a step in width is smeared over half a width of depth.
    """
    if isinstance(thickness, str):
        return Undefined(thickness)
    conventions = {
        "thickness": f"diameter, {convention}",
        "statistic": f"{statistic}, by volume",
        "datum": f"fitted {datum} surface, along its normal",
        **_conventions(thickness.frame, (datum,)),
        "bins": str(Quantity(thickness.edges[1] - thickness.edges[0], "um")),
    }
    counts = thickness.counts
    if counts is None:
        return Undefined(
            f"phase {sample.phase!r} fills the window: no voxel bounds its thickness", conventions
        )
    if counts.total == 0:
        return Undefined(
            f"phase {sample.phase!r} has no voxel between the {datum} and the opposite end of the electrode",
            conventions,
        )
    bins = [counts.of_bin(n) for n in range(len(thickness.edges) - 1)]
    values = tuple(_middle(one, statistic) if one.total >= LEAST_VOXELS else None for one in bins)
    centres = tuple((a + b) / 2 for a, b in zip(thickness.edges, thickness.edges[1:], strict=False))
    empty = sum(value is None for value in values)
    flags = (f"empty_bins: {empty} of {len(bins)} hold fewer than {LEAST_VOXELS} voxels",) if empty else ()
    if empty == len(bins):
        return Undefined(f"no bin holds {LEAST_VOXELS} voxels of phase {sample.phase!r}", conventions)
    return Distribution(values, centres, "depth", "um", conventions, flags)


def _middle(counts: ThicknessCounts, statistic: str) -> float:
    return counts.median() if statistic == "median" else counts.mean()


@metric(unit="um", version=2)
def islet_size(
    sections: Cut,
    sample: Sample,
    *,
    weighting: Literal["number", "area"] = "number",
    least_crack: BinWidth = None,  # noqa: ARG001 -- the measure takes it
) -> Answer:
    """Mean size of the islets of solid between cracks, in sections parallel to the electrode's surfaces.

    The size of an islet is the edge of the square with its area, cracks left out. Eight sections lie at equal
    steps between the fitted collector and separator surfaces (across the declared depth axis where these are
    not in view). Their solid is split by watershed on the distance to the cracks; basins joined by a bridge of
    at least 0.9 of the smaller one's greatest width are one islet, narrower bridges are taken for cracks that
    are not open throughout.

    Notes
    -----
    Islets that the window cuts are left out, and the others count with the inverse of their chance to lie
    inside it (Miles and Lantuejoul), since large ones are cut more often. least_crack leaves out cracks narrower
    than it, such as those inside an islet; weighting=area gives each islet its area as weight. Pieces below four
    voxels, or below the smallest trusted feature, are specks and do not count. Companions: the spread, the
    number of islets, the mean chord of the solid from crack to crack, the share of the islets' borders that is
    crack. Below 0.95 of it the network is open: neighbours hang together, and the size is a lower bound (with
    an edge in five missing from a jittered grid the share is 0.93 to 0.98). One voxel is given as the
    discretisation uncertainty. The sampling uncertainty comes from the spread between columns through the
    sections; where the window holds too few of them there is none, and the flag "not_rve" says so. Weighted by
    area there is none: its intervals did not hold as often as they said (docs/uncertainty.md).
    """
    if isinstance(sections, str):
        return Undefined(sections)
    found, conventions = sections.islets, _islet_conventions(sections)
    if found.areas.size == 0:
        return Undefined(_no_islet(found), conventions)
    sizes, weights = found.sizes, found.weights * (found.areas if weighting == "area" else 1.0)
    mean = float(np.average(sizes, weights=weights))
    conventions["statistic"] = f"mean, by {weighting}"
    spread = math.sqrt(float(np.average((sizes - mean) ** 2, weights=weights)))
    companions = {
        "spread": str(Quantity(_short(spread), "um")),
        "islets": str(sizes.size),
        "mean_chord": str(Quantity(_short(found.chord), "um")),
        "open_share": f"{found.open_share:.3g}",
    }
    flags = _islet_flags(found, sample, mean)
    if weighting == "area":
        return Scalar(mean, sample.edge_um, conventions, flags, companions)
    sampled = sampling_of_places(sizes, weights, found.places, sections=len(sections.codes))
    if isinstance(sampled, NotRepresentative):
        return Scalar(mean, sample.edge_um, conventions, (*flags, *not_representative(sampled)), companions)
    companions["sub_volumes"] = _columns(sampled, sections)
    return Scalar(mean, sample.edge_um, conventions, flags, companions, sampled.uncertainty)


def _columns(sampled: Sampling, sections: IsletSections) -> str:
    """Name the columns whose spread gives the sampling uncertainty."""
    sides = [
        steps / COLUMNS * pixels * um
        for steps, pixels, um in zip(sampled.steps[1:], sections.codes.shape[1:], sections.steps, strict=True)
    ]
    return f"{sampled.count} of {' x '.join(f'{side:.3g}' for side in sides)} um"


@metric(unit="1", version=1)
def islet_size_distribution(
    sections: Cut,
    sample: Sample,
    *,
    bin_width: BinWidth = None,
    least_crack: BinWidth = None,  # noqa: ARG001 -- the measure takes it
) -> Distribution | Undefined:
    """Share of the islets by size, in bins of equal width; the shares add up to 1. See islet_size.

    Islets that the window cuts are left out, and the others weighted for it. Without bin_width the bins are the
    first of 1, 2, 5 times a power of ten um that spans eight voxels.
    """
    if isinstance(sections, str):
        return Undefined(sections)
    found, conventions = sections.islets, _islet_conventions(sections)
    if found.areas.size == 0:
        return Undefined(_no_islet(found), conventions)
    width = bin_width or round_step(8 * sample.edge_um)
    bins = np.floor(found.sizes / width * (1 + 1e-12)).astype(np.int64)
    shares = np.bincount(bins, weights=found.weights) / found.weights.sum()
    centres = (np.arange(shares.size) + 0.5) * width
    conventions |= {"per": "islets", "bins": str(Quantity(width, "um"))}
    mean = float(np.average(found.sizes, weights=found.weights))
    flags = _islet_flags(found, sample, mean)
    return Distribution(tuple(shares.tolist()), tuple(centres.tolist()), "size", "um", conventions, flags)


def _islet_conventions(sections: IsletSections) -> dict[str, str]:
    said = {
        "size": "edge of the square with the islet's area, cracks left out",
        "sections": sections.words,
        "border": "islets cut by the window left out, the others weighted (Miles-Lantuejoul)",
    }
    if sections.least_crack:
        said["cracks"] = f"those of at least {sections.least_crack:.4g} um"
    return said


def _no_islet(found: Islets) -> str:
    if found.chords == 0:
        return "no crack parts the solid in any section"
    return f"no islet lies inside the field of view: it cuts all {found.cut}"


def _islet_flags(found: Islets, sample: Sample, mean: float) -> tuple[str, ...]:
    flags = []
    if found.open_share < CLOSED:
        flags.append(f"open_network: {found.open_share:.0%} of the islets' borders is crack; a lower bound")
    if found.areas.size < FEW:
        flags.append(f"not_rve: {found.areas.size} islets inside the field of view")
    if sample.min_feature_um is not None and mean < sample.min_feature_um:
        flags.append(f"below_resolution: {mean:.3g} um is below the smallest trusted feature")
    return tuple(flags)


def _frame(
    surfaces: ElectrodeSurfaces, sides: tuple[Side, ...] = ("collector", "separator")
) -> ElectrodeFrame | str:
    """Return the frame with the surfaces that are asked for, or why there is none."""
    frame = surfaces.frame
    if isinstance(frame, str):
        return frame
    try:
        for side in sides:
            frame.surface(side)
    except FrameError as error:
        return error.message
    return frame


def _conventions(
    frame: ElectrodeFrame, sides: tuple[Side, ...] = ("collector", "separator")
) -> dict[str, str]:
    said = {"depth_axis": f"{frame.axis_name}, {'declared' if frame.declared else 'read off the labels'}"}
    for side in sides:
        surface = frame.surface(side)
        said[f"{side}_surface"] = f"robust plane through the {surface.source}"
    return said


def _companions(frame: ElectrodeFrame) -> dict[str, str]:
    columns = frame.thickness_map()
    faces = frame.surface("collector"), frame.surface("separator")
    return {
        "spread": str(Quantity(_short(float(np.nanstd(columns))), "um")),
        "tilt": str(Quantity(_short(faces[0].plane.tilt_deg), "deg")),
        "wedge": str(Quantity(_short(_angle(*faces)), "deg")),
        "columns_used": f"{_short(float(np.isfinite(columns).mean())):g}",
    }


def _angle(one: Surface, other: Surface) -> float:
    """Return the angle between two planes, in degrees."""
    a, b = (np.array([1.0, -s.plane.slopes[0], -s.plane.slopes[1]]) for s in (one, other))
    return math.degrees(math.atan2(float(np.linalg.norm(np.cross(a, b))), float(a @ b)))


def _doubts(frame: ElectrodeFrame) -> tuple[str, ...]:
    """Say where a surface is seen in part only."""
    doubts = []
    for side in ("collector", "separator"):
        surface = frame.collector if side == "collector" else frame.separator
        if isinstance(surface, Surface) and surface.seen * surface.plane.used < 0.9:
            doubts.append(
                f"edge_limited: the {side} plane is drawn through {surface.seen * surface.plane.used:.0%} of the "
                "columns"
            )
    return tuple(doubts)


def _short(number: float) -> float:
    return float(f"{number:.4g}")
