"""Derived metrics: relations between results, records and constants, across scales and states.

Each constant is a parameter with its unit, so that a row says which value was taken and a user can take
another: molar volumes have a temperature, and printed constants have misprints.
"""

from __future__ import annotations

from typing import Annotated

from siltomo.metrics import founding as _founding  # noqa: F401 -- what is asked for must be declared
from siltomo.metrics.inputs import Field, From
from siltomo.metrics.registry import metric
from siltomo.model.fields import In

__all__: list[str] = []

_ISLETS = (
    "Eq. 3 as printed adds a fraction of the nano field of view to a fraction of the micro one, as if both were "
    "fractions of one whole"
)

Capacity = Annotated[float, Field("state.capacity", "mAh/g_Si")]
SiliconFraction = Annotated[float, Field("formulation.silicon_fraction", "g_Si/g")]
TrueDensity = Annotated[float, Field("formulation.true_density", "g/cm^3")]
Lithiation = Annotated[float, Field("cycling.lithiation_capacity", "mAh")]
Delithiation = Annotated[float, Field("cycling.delithiation_capacity", "mAh")]
SpecificCapacity = Annotated[float, In("mAh/g_Si", gt=0)]


@metric(unit="1", version=1, assume=_ISLETS)
def electrode_porosity(
    macro: Annotated[float, From("crack_volume_fraction", scale="micro")],
    nano: Annotated[float, From("pore_volume_fraction", scale="nano")],
) -> float:
    """Porosity of the electrode: macro-cracks of the micro scan plus pores and cracks of the nano scan.

    Notes
    -----
    Eq. 3 of Vanpeene et al. (2024), doi:10.1002/aenm.202403741. The plain sum counts the nano fraction as if
    it held in the cracks too; electrode_porosity_nested does not. The windows of sizes of the two scans
    should not overlap: what both see is counted twice.
    """
    return macro + nano


@metric(unit="1", version=1, assume="the nano scan stands for the solid between the macro-cracks")
def electrode_porosity_nested(
    macro: Annotated[float, From("crack_volume_fraction", scale="micro")],
    nano: Annotated[float, From("pore_volume_fraction", scale="nano")],
) -> float:
    """Porosity of the electrode: macro-cracks, and the nano fraction of what lies between them.

    Notes
    -----
    ``macro + (1 - macro) nano``: the nano field of view lies inside an islet, so its fraction is one of the
    islets' volume. 24 % and 23 % make 41 %, not 47 %.
    """
    return macro + (1 - macro) * nano


@metric(unit="1", version=1, assume="the electrode swells along its thickness only, at constant porosity")
def theoretical_thickness_expansion(
    si_fraction: SiliconFraction,
    true_density: TrueDensity,
    capacity: Capacity,
    *,
    si_density: Annotated[float, In("g_Si/cm^3", gt=0)] = "2.33 g_Si/cm^3",  # type: ignore[assignment]
    si_expansion: Annotated[float, In("g_Si/mAh", gt=0)] = "0.000782 g_Si/mAh",  # type: ignore[assignment]
) -> float:
    """Expansion of the electrode's thickness, per initial thickness, that the swelling of its silicon predicts.

    Notes
    -----
    Eq. 2 of Vanpeene et al. (2024): silicon fraction times true density over the density of silicon, times
    the expansion of silicon per capacity (280 % at 3579 mAh/g_Si), times the capacity.
    """
    return si_fraction * true_density / si_density * si_expansion * capacity


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
