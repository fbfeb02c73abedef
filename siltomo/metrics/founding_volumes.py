"""Base metrics of volumes as such: how much of a phase there is, and how much per area of the electrode."""

from __future__ import annotations

import math
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels import surface_area
from siltomo.metrics.blocks import Sample
from siltomo.metrics.measures import Footprint, Tiles, VoxelCount, Voxels
from siltomo.metrics.registry import metric
from siltomo.metrics.values import Answer, Scalar, Undefined

__all__: list[str] = []

Counted = Annotated[VoxelCount, Voxels]
Tiled = Annotated[NDArray[np.int64], Tiles]
Seen = Annotated[NDArray[np.bool_], Footprint]
FieldOfView = Literal["labelled", "inscribed_circle"]

_UM3_PER_MM3 = 1e9


@metric("{phase}_volume", unit="mm^3", version=1, phases=("gas",))
def volume(voxels: Counted, tiles: Tiled, sample: Sample) -> Answer:
    """Volume of the phase in the field of view.

    The number of its voxels times the volume of a voxel. A phase without voxels has the volume 0.

    Notes
    -----
    The discretisation uncertainty is that of a boundary that lies anywhere within its voxel: surface
    (Crofton, 13 directions) times half a voxel edge. What lies outside the field of view is not counted, and
    gas dissolved in the electrolyte is no volume.
    """
    shift = surface_area(tiles, sample.spacing_um) * sample.edge_um / 2
    found = voxels.phase * sample.voxel_um3
    conventions = {"within": sample.whole}
    return Scalar(found / _UM3_PER_MM3, shift / _UM3_PER_MM3, conventions)


@metric("{phase}_volume_per_area", unit="um", version=1, phases=("gas",))
def volume_per_area(
    voxels: Counted, tiles: Tiled, seen: Seen, sample: Sample, *, field_of_view: FieldOfView = "labelled"
) -> Answer:
    """Volume of the phase divided by the area of the electrode in the field of view.

    The electrode lies in the planes of the volume (its normal is z). ``labelled`` counts the columns along z
    with a voxel that is not labelled "outside"; ``inscribed_circle`` takes the circle in a plane, pi d^2 / 4,
    for a reconstruction that is a cylinder and was not labelled so.

    Notes
    -----
    Divided by the silicon per area it is a volume per mass of silicon: the mass of silicon in the field of
    view is the loading times that area. In the founding study only the circle reproduces the printed masses.
    """
    _, y, x = sample.spacing_um
    area = float(seen.sum()) * y * x
    if field_of_view == "inscribed_circle":
        area = math.pi / 4 * min(sample.shape[1] * y, sample.shape[2] * x) ** 2
    conventions = {"area": f"{field_of_view}, normal to z", "within": sample.whole}
    if area == 0:
        return Undefined("every voxel is labelled outside", conventions)
    shift = surface_area(tiles, sample.spacing_um) * sample.edge_um / 2
    return Scalar(voxels.phase * sample.voxel_um3 / area, shift / area, conventions)
