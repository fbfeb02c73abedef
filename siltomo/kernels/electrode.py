"""The frame of an electrode: its depth axis, and its collector and separator surfaces as fitted planes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels.columns import ColumnExtents, Columns
from siltomo.kernels.depths import DatumPlane
from siltomo.kernels.planes import PlaneFit, fit_plane

__all__ = [
    "AXES",
    "COLLECTOR",
    "ELECTRODE",
    "SEPARATOR",
    "ElectrodeFrame",
    "FrameError",
    "Side",
    "Surface",
    "electrode_frame",
]

Floats = NDArray[np.float64]
Side = Literal["collector", "separator"]

COLLECTOR, SEPARATOR, ELECTRODE = 0, 1, 2
"""Classes of voxels, in the order in which `column_extents` takes them."""

AXES = "zyx"
LEAST_SHARE = 0.5
"""Share of the columns in which a surface must be seen."""
SOLID = 0.9
"""A separator that fills less of its extent than this is a mesh of fibres: its voxels do not show its face."""
RUN = 0.5
"""A column's voxels of one class that fill less of their extent than this are no layer."""
CLEAR = 0.7
"""The depth axis is clear where the next one has less than this share of it (a tilt of 35 degrees)."""


class FrameError(BadInputError):
    """The electrode's frame cannot be told from these voxels."""


@dataclass(frozen=True, eq=False)
class Surface:
    """One face of the electrode."""

    heights: Floats
    """Where it is in each column, along the depth axis from the centre of the first voxel, in the unit of the
    spacing; nan where it is not seen."""
    plane: PlaneFit
    """The plane through it."""
    seen: float
    """Share of the columns of the sample in which it is seen."""
    source: str
    """What shows it, such as "collector phase"."""


@dataclass(frozen=True, eq=False)
class ElectrodeFrame:
    """Depth axis, orientation and faces of an electrode."""

    axis: int
    """The depth axis: 0, 1, 2 for z, y, x."""
    upwards: int
    """+1 where the separator lies at the greater index, -1 where at the smaller; 0 where it cannot be told."""
    spacing: tuple[float, float, float]
    length: int
    """Voxels of the window along the depth axis."""
    declared: bool
    """Whether the depth axis was declared, rather than read off the voxels."""
    collector: Surface | str
    """The face to the collector, or why there is none."""
    separator: Surface | str
    """The face to the separator, or why there is none."""

    def surface(self, side: Side) -> Surface:
        """Return a face; raises ``FrameError`` with the reason where there is none."""
        found = self.collector if side == "collector" else self.separator
        if isinstance(found, str):
            raise FrameError(found)
        return found

    @property
    def axis_name(self) -> str:
        """The depth axis with its direction from collector to separator, such as ``+z``."""
        return {1: "+", -1: "-", 0: ""}[self.upwards] + AXES[self.axis]

    def datum(self, side: Side) -> DatumPlane:
        """Return a face's plane, with the normal into the electrode."""
        if self.upwards == 0:
            raise FrameError(
                "which side the collector is on cannot be told: neither a collector nor a separator phase is named; "
                "declare it: siltomo catalog set SCAN --depth-axis +z (from collector to separator)"
            )
        surface = self.surface(side)
        inwards = self.upwards if side == "collector" else -self.upwards
        normal = np.insert(-np.array(surface.plane.slopes), self.axis, 1.0) * inwards
        point = np.insert(np.zeros(2), self.axis, surface.plane.level)
        return DatumPlane(_three(normal), _three(point))

    def thickness_map(self) -> Floats:
        """Return the distance of the two faces along the collector's normal, column by column.

        Returns
        -------
        numpy.ndarray
            Shape of the map, in the unit of the spacing; nan where a face is not seen or was left out of its
            plane (a crack, a stray voxel).
        """
        low, high = self.surface("collector"), self.surface("separator")
        both = low.plane.inliers(low.heights) & high.plane.inliers(high.heights)
        rise = (high.heights - low.heights) * low.plane.cosine * (self.upwards or 1)
        return np.where(both, rise, np.nan)

    def thickness(self) -> float:
        """Return the mean distance of the two fitted planes along the collector's normal, over the window."""
        low, high = self.surface("collector"), self.surface("separator")
        rows, columns = low.heights.shape
        middle = ((rows - 1) / 2 * low.plane.steps[0], (columns - 1) / 2 * low.plane.steps[1])
        ends = [s.plane.level + float(np.dot(s.plane.slopes, middle)) for s in (low, high)]
        return float((ends[1] - ends[0]) * low.plane.cosine * (self.upwards or 1))

    def resolution(self, side: Side) -> float:
        """Return the standard uncertainty of a plane's place: voxels round the surface off.

        Notes
        -----
        A flat face lies anywhere within the step between two voxels: edge / sqrt(12). A plane that rises over
        n voxels across the window averages that out n times, down to a tenth of an edge.
        """
        surface, edge = self.surface(side), self.spacing[self.axis]
        spans = [
            abs(slope) * step * (n - 1)
            for slope, step, n in zip(
                surface.plane.slopes, surface.plane.steps, surface.heights.shape, strict=True
            )
        ]
        rise = max(1.0, float(sum(spans)) / edge)
        return edge * max(0.1, 1 / math.sqrt(12) / rise)


def electrode_frame(
    extents: ColumnExtents, spacing: Sequence[float], *, depth_axis: str = "", names: Sequence[str] = ()
) -> ElectrodeFrame:
    """Find depth axis, orientation and faces of an electrode.

    Parameters
    ----------
    extents
        Extents of the classes collector, separator and electrode, in this order, along all axes or along the
        declared one.
    spacing
        Voxel edges along z, y, x.
    depth_axis
        Declared axis: ``"z"``, or with the direction from collector to separator ``"+z"``, ``"-y"``; else the
        one along which the layers follow each other.
    names
        The phases that were named, for the reasons.

    Returns
    -------
    The frame; a face that cannot be seen is a reason.

    Raises
    ------
    FrameError
        The depth axis cannot be told.

    Notes
    -----
    A face towards a layer that is named (collector, solid separator) is where that layer ends in each column:
    its voxels are counted from its far end, so that a stray voxel moves it by one voxel and not to where it
    lies. Otherwise it is the outermost voxel of the electrode, where that does not touch the window. The plane
    through each face is fitted robustly.
    """
    edges = _three(np.asarray(spacing, np.float64))
    declared = depth_axis.lstrip("+-")
    sign = {"+": 1, "-": -1}.get(depth_axis[:1], 0)
    order = _order(extents, edges)
    axis = AXES.index(declared) if declared else _axis(extents, order)
    upwards = int(np.sign(order[axis])) if order is not None else 0
    if sign and upwards and sign != upwards:
        raise FrameError(
            f"the depth axis is declared as {depth_axis}, from collector to separator, but the labels have the "
            f"collector on the other side"
        )
    upwards = sign or upwards
    empty = ElectrodeFrame(axis, upwards, edges, extents.shape[axis], bool(declared), "", "")
    columns = extents.along(axis)
    return replace(
        empty,
        collector=_face(columns, empty, COLLECTOR, names),
        separator=_face(columns, empty, SEPARATOR, names),
    )


def _three(values: NDArray[np.float64]) -> tuple[float, float, float]:
    z, y, x = (float(v) for v in values)
    return z, y, x


def _order(extents: ColumnExtents, spacing: tuple[float, float, float]) -> Floats | None:
    """Return the vector from the collector's side to the separator's, or None where neither is there."""
    there = extents.voxels > 0
    centres = [extents.centre(one) * spacing for one in range(3)]
    if there[COLLECTOR] and there[ELECTRODE]:
        return np.asarray(centres[ELECTRODE] - centres[COLLECTOR])
    if there[COLLECTOR] and there[SEPARATOR]:
        return np.asarray(centres[SEPARATOR] - centres[COLLECTOR])
    if there[SEPARATOR] and there[ELECTRODE]:
        return np.asarray(centres[SEPARATOR] - centres[ELECTRODE])
    return None


def _axis(extents: ColumnExtents, order: Floats | None) -> int:
    """Return the axis along which the layers follow each other."""
    declare = "declare it: siltomo catalog set SCAN --depth-axis +z (from collector to separator)"
    if order is not None:
        along = np.argsort(-np.abs(order))
        if abs(order[along[1]]) > CLEAR * abs(order[along[0]]):
            raise FrameError(
                f"the depth axis is not clear: the layers follow each other along {AXES[along[0]]} and along "
                f"{AXES[along[1]]}; {declare}"
            )
        return int(along[0])
    if extents.voxels[ELECTRODE] == 0:
        raise FrameError(
            "no voxel of the electrode is in the field of view, nor both its collector and its separator"
        )
    bounded = [_bounded(extents.along(axis)) for axis in range(3)]
    seen = [axis for axis in range(3) if bounded[axis] >= LEAST_SHARE]
    if len(seen) == 1:
        return seen[0]
    ends = "along no axis" if not seen else "along " + " and ".join(AXES[a] for a in seen)
    raise FrameError(
        f"the depth axis cannot be told: the electrode ends inside the field of view {ends}, and neither a "
        f"collector nor a separator is there; {declare}"
    )


def _bounded(columns: Columns) -> float:
    """Return the share of the electrode's columns that end inside the window on both sides."""
    there = columns.count[ELECTRODE] > 0
    ends = (columns.first[ELECTRODE] > 0) & (columns.last[ELECTRODE] < columns.length - 1)
    return float(ends[there].mean()) if there.any() else 0.0


def _face(columns: Columns, frame: ElectrodeFrame, side: int, names: Sequence[str]) -> Surface | str:
    """Find one face of the electrode, or say why it is not to be had."""
    word = ("collector", "separator")[side]
    step = frame.upwards or 1
    if columns.count[side].any() and _is_layer(columns, side):
        source = f"{word} phase"
        # the layer lies below the collector's face, and above the separator's
        places, valid = _layer_end(columns, side, above=(step > 0) == (side == SEPARATOR))
    elif columns.count[ELECTRODE].any():
        what = "porous " + word if columns.count[side].any() else f"no {word} phase"
        source = f"outermost electrode voxel ({what})"
        places, valid = _outermost(columns, above=(step > 0) == (side == SEPARATOR))
    else:
        named = f" (named: {', '.join(names)})" if names else ""
        return f"neither the {word} nor the electrode has a voxel in the field of view{named}"
    sample = (columns.count > 0).any(axis=0)
    seen = float(valid[sample].mean())
    if seen < LEAST_SHARE:
        return (
            f"the {word} surface is in the field of view in {seen:.0%} of the columns along "
            f"{AXES[frame.axis]} only ({LEAST_SHARE:.0%} are needed)"
        )
    edge = frame.spacing[frame.axis]
    heights = np.where(valid, places * edge, np.nan)
    across = [frame.spacing[axis] for axis in range(3) if axis != frame.axis]
    plane = fit_plane(heights, (across[0], across[1]), resolution=edge)
    return Surface(heights, plane, seen, source)


def _is_layer(columns: Columns, side: int) -> bool:
    """Return whether the voxels of a class fill their extent."""
    if side == COLLECTOR:
        return True
    there = columns.count[side] > 0
    extent = columns.last[side][there] - columns.first[side][there] + 1
    return bool(columns.count[side][there].sum() >= SOLID * extent.sum())


def _layer_end(columns: Columns, side: int, *, above: bool) -> tuple[Floats, NDArray[np.bool_]]:
    """Return where a layer ends towards the electrode, and in which columns that is seen."""
    first, last, count = columns.first[side], columns.last[side], columns.count[side]
    extent = last - first + 1
    valid = (count > 0) & (count < columns.length) & (count >= RUN * extent)
    places = last - count + 0.5 if above else first + count - 0.5
    # where the layer fills all that is seen of a column there is no face in it
    valid &= (places > 0) if above else (places < columns.length - 1)
    return places.astype(np.float64), valid


def _outermost(columns: Columns, *, above: bool) -> tuple[Floats, NDArray[np.bool_]]:
    """Return where the electrode ends on one side, and in which columns that is inside the window."""
    there = columns.count[ELECTRODE] > 0
    if above:
        last = columns.last[ELECTRODE]
        return last + 0.5, there & (last < columns.length - 1)
    first = columns.first[ELECTRODE]
    return first - 0.5, there & (first > 0)
