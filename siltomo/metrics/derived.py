"""Derived metrics: relations between results, records and constants, across scales and states.

Each constant is a parameter with its unit, so that a row says which value was taken and a user can take
another: molar volumes have a temperature, and printed constants have misprints.
"""

from __future__ import annotations

from typing import Annotated

from siltomo.metrics import founding as _founding  # noqa: F401 -- what is asked for must be declared
from siltomo.metrics import founding_geometry as _geometry  # noqa: F401
from siltomo.metrics import founding_volumes as _volumes  # noqa: F401
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


# ---- thickness -----------------------------------------------------------------------------------------------

Thickness = Annotated[float, From("electrode_thickness", scale="micro")]
Pristine = Annotated[float, From("electrode_thickness", scale="micro", cycle=0)]
_ENDS = "the scan of the largest capacity stands for the end of the delithiation"


@metric(unit="1", version=1)
def electrode_thickness_expansion(thickness: Thickness, pristine: Pristine) -> float:
    """Expansion of the electrode's thickness, per thickness of the same cell before cycling.

    Notes
    -----
    ``h / h0 - 1`` along the collector's normal; 0 with no uncertainty at cycle 0. It includes what earlier
    cycles left behind.
    """
    return (thickness - pristine) / pristine


@metric(
    unit="1",
    version=1,
    assume="expansion is proportional to capacity; from the second cycle on it holds what earlier cycles left",
)
def normalized_thickness_expansion(
    electrode_thickness_expansion: float,
    capacity: Annotated[float, Field("state.capacity", "mAh/g_Si"), In("mAh/g_Si", ge=716)],
    *,
    theoretical_capacity: SpecificCapacity = "3579 mAh/g_Si",  # type: ignore[assignment]
) -> float:
    """Expansion of the electrode's thickness, as it would be at the theoretical capacity.

    Notes
    -----
    Eq. 1 of Vanpeene et al. (2024), ``E C_th / C``, with the capacity passed in the row's half-cycle: that of
    lithiation for a maximum, the reversible one for a residual. Below a fifth of the theoretical capacity
    the quotient says little and is not given. Its basis is the initial thickness at the theoretical
    capacity: compare it only with its like.
    """
    return electrode_thickness_expansion * theoretical_capacity / capacity


@metric(unit="1", version=1, states="end of delithiation", assume=_ENDS)
def residual_thickness_expansion(thickness: Thickness, pristine: Pristine) -> float:
    """Expansion of the electrode's thickness that remains at the end of a delithiation.

    Notes
    -----
    ``h_end / h0 - 1`` of one cell: one row for each cycle with a scan in its delithiation. Whether that scan
    lies at the cut-off voltage is for its state to say.
    """
    return (thickness - pristine) / pristine


@metric(unit="um", version=1, states="end of delithiation", assume=_ENDS)
def cumulative_irreversible_expansion(
    thickness: Thickness, initial: Annotated[float, Field("cell.initial_thickness", "um")]
) -> float:
    """Increase of the electrode's thickness since before cycling, at the end of a delithiation.

    Notes
    -----
    ``h_end - h_initial`` with the thickness that was measured on the electrode before the cell was built:
    for cells that were not scanned pristine.
    """
    return thickness - initial


# ---- per mass of silicon -------------------------------------------------------------------------------------

Loading = Annotated[float, Field("cell.silicon_loading", "mg_Si/cm^2")]
_MASS_IN_VIEW = (
    "the silicon in the field of view weighs the cell's silicon per area times the area of the field of view"
)


@metric(unit="cm^3/g_Si", version=1, assume=_MASS_IN_VIEW)
def gas_volume_per_si_mass(
    gas: Annotated[float, From("gas_volume_per_area", scale="micro")], loading: Loading
) -> float:
    """Volume of gas in the field of view per mass of silicon below it.

    Notes
    -----
    ``V / (m_A A)`` with the silicon per area ``m_A`` and the area ``A`` of the field of view; see
    gas_volume_per_area for how the area is counted. A lower bound: gas dissolved in the electrolyte, and
    gas outside the field of view, are not seen.
    """
    return gas / loading


_EVEN_DEPTH = (
    "the nano volume stands for the whole electrode, and silicon is spread evenly through its thickness"
)
_EVEN_ISLETS = "the nano volume stands for the solid between the macro-cracks"


@metric(unit="cm^3/g_Si", version=1, assume=_EVEN_DEPTH)
def sei_volume_per_si_mass(
    sei: Annotated[float, From("sei_volume_fraction", scale="nano")], thickness: Thickness, loading: Loading
) -> float:
    """Volume of the SEI-rich phase per mass of silicon.

    Notes
    -----
    A sub-volume of area A and height d holds the silicon ``m_A A d / h``, with the silicon per area ``m_A``
    and the electrode's thickness ``h`` in this state, and the SEI ``phi A d``: the volume per mass is
    ``phi h / m_A``, whatever the sub-volume's shape. The phase is what was labelled so: SEI with binder and
    pores below the resolution.
    """
    return sei * thickness / loading


@metric(unit="cm^3/g_Si", version=1, assume=_EVEN_ISLETS)
def sei_volume_per_si_mass_nested(
    sei: Annotated[float, From("sei_volume_fraction", scale="nano")],
    macro: Annotated[float, From("crack_volume_fraction", scale="micro")],
    thickness: Thickness,
    loading: Loading,
) -> float:
    """Volume of the SEI-rich phase per mass of silicon, for a nano volume inside an islet.

    Notes
    -----
    As sei_volume_per_si_mass, ``(1 - macro) phi h / m_A``: macro-cracks hold neither silicon nor SEI.
    """
    return (1 - macro) * sei * thickness / loading


@metric(unit="1", version=1)
def separator_gas_fraction(
    gas: Annotated[float, From("gas_volume_fraction", scale="micro", domain="separator")],
    electrolyte: Annotated[float, From("electrolyte_volume_fraction", scale="micro", domain="separator")],
) -> float:
    """Share of the separator's pores that is gas.

    Notes
    -----
    ``gas / (gas + electrolyte)``, both fractions of the separator: its pores are what is not fibre.
    """
    return gas / (gas + electrolyte)


# ---- from gas to charge and to solid products ----------------------------------------------------------------

GasPerMass = Annotated[float, From("gas_volume_per_si_mass")]
Temperature = Annotated[float, In("K", gt=0)]
Pressure = Annotated[float, In("Pa", gt=0)]
GasConstant = Annotated[float, In("J/mol/K", gt=0)]


@metric(unit="mAh/g_Si", version=1, assume="all gas stays in bubbles, as a perfect gas")
def gas_charge(
    gas: GasPerMass,
    *,
    electrons: Annotated[float, In("1", gt=0, of="electrons per molecule of gas")] = 2.0,
    temperature: Temperature = "273.15 K",  # type: ignore[assignment]
    pressure: Pressure = "101325 Pa",  # type: ignore[assignment]
    faraday: Annotated[float, In("C/mol", gt=0)] = "96485.33212 C/mol",  # type: ignore[assignment]
    gas_constant: GasConstant = "8.31446261815324 J/mol/K",  # type: ignore[assignment]
) -> float:
    """Charge that the seen gas stands for, per mass of silicon.

    Notes
    -----
    Eq. 4 of Vanpeene et al. (2024), ``z F V / V_M`` with ``V_M = R T / p``. As printed, the molar volume is
    22.4 L/mol, which is that of 0 degC and 1 atm; at 25 degC it is 24.5 L/mol (``--set
    temperature="298.15 K"``) and the charge is 8 % less. The printed Faraday constant, 96438 C/mol, is a
    misprint of 96485. A lower bound: dissolved gas is not seen.
    """
    return electrons * faraday * gas * pressure / (gas_constant * temperature)


@metric(unit="mm^3/g_Si", version=1, assume="each molecule of gas leaves one formula unit of the product")
def sei_volume_from_gas(
    gas: GasPerMass,
    *,
    molar_mass: Annotated[float, In("g/mol", gt=0, of="mass of the product")] = "73.89 g/mol",  # type: ignore[assignment]
    density: Annotated[float, In("g/cm^3", gt=0, of="volume of the product")] = "2.11 g/cm^3",  # type: ignore[assignment]
    temperature: Temperature = "273.15 K",  # type: ignore[assignment]
    pressure: Pressure = "101325 Pa",  # type: ignore[assignment]
    gas_constant: GasConstant = "8.31446261815324 J/mol/K",  # type: ignore[assignment]
) -> float:
    """Volume of the solid product that the seen gas stands for, per mass of silicon; lithium carbonate.

    Notes
    -----
    Eq. 5 of Vanpeene et al. (2024), ``V / V_M M / rho`` with ``V_M = R T / p``; see gas_charge for the
    temperature. A gas shrinks some 640 times when it becomes lithium carbonate: 0.43 cm^3/g_Si of gas are
    0.67 mm^3/g_Si of solid. For another product set its molar_mass and density.
    """
    return gas * pressure / (gas_constant * temperature) * molar_mass / density
