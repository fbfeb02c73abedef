"""Three metrics of our own, one in each form."""

from __future__ import annotations

from typing import Annotated, Literal

import xarray as xr

from siltomo import From, Labels, metric
from siltomo.kernels import SlabComponents
from siltomo.metrics import Answer, Sample, Scalar, Undefined, phase_values
from siltomo.metrics.measures import Components


@metric(unit="1", version=1)
def solid_contact_fraction(labels: Labels) -> xr.DataArray:
    """Share of the solid's voxels that stand on solid: the next voxel along z is solid too."""
    solid = labels.isin(phase_values(labels, "solid"))
    below = solid.shift(z=-1, fill_value=False)
    return (solid & below).sum() / solid.sum()


@metric("{phase}_isolated_fraction", unit="1", version=1, phases=("crack",))
def isolated_fraction(
    components: Annotated[SlabComponents, Components],
    sample: Sample,
    *,
    connectivity: Literal[26, 18, 6] = 26,
) -> Answer:
    """Share of the phase's volume in components that touch neither the largest one nor the window."""
    found = components.finish()
    if found.total_voxels == 0:
        return Undefined(f"phase {sample.phase!r} has no voxel")
    return Scalar(found.isolated_voxels / found.total_voxels, conventions={"connectivity": str(connectivity)})


@metric(unit="1", version=1)
def crack_change(
    now: Annotated[float, From("crack_volume_fraction", scale="micro")],
    pristine: Annotated[float, From("crack_volume_fraction", scale="micro", cycle=0)],
) -> float:
    """Change of the crack fraction since before cycling."""
    return now - pristine
