"""Metrics of cycling alone: capacity per gram, efficiency, retention, from the current of the cycling run."""

from __future__ import annotations

from typing import Annotated

from siltomo.metrics.inputs import Field
from siltomo.metrics.registry import metric

__all__: list[str] = []

Lithiation = Annotated[float, Field("cycling.lithiation_capacity", "mAh")]
Delithiation = Annotated[float, Field("cycling.delithiation_capacity", "mAh")]


@metric(unit="mAh/g_Si", version=1)
def specific_capacity(
    capacity: Annotated[float, Field("cycling.half_capacity", "mAh")],
    si_mass: Annotated[float, Field("cycling.si_mass", "mg_Si")],
) -> float:
    """Capacity of the row's half-cycle, per mass of silicon, from the current of the cycling run.

    Notes
    -----
    Only of half-cycles that are complete. The mass is the cell's own, or its loading times its area; a mass
    of 1 mg or 0.001 g without an uncertainty is what cyclers write by themselves, and is refused.
    """
    return capacity / si_mass


@metric(unit="1", version=1)
def coulombic_efficiency(lithiation: Lithiation, delithiation: Delithiation) -> float:
    """Delithiation over lithiation of one cycle, from the current of the cycling run.

    Notes
    -----
    Only of complete cycles: a delithiation that was stopped half-way is no loss of lithium.
    """
    return delithiation / lithiation


@metric(unit="1", version=1)
def capacity_retention(
    delithiation: Delithiation,
    first: Annotated[float, Field("cycling.first_delithiation_capacity", "mAh")],
) -> float:
    """Delithiation over that of the first complete cycle of the cell.

    Notes
    -----
    Compare only cycles at one rate: a faster cycle gives back less for another reason than ageing.
    """
    return delithiation / first
