"""The derived metrics on numbers printed in their founding study, and on the numbers it should have printed."""

from __future__ import annotations

from typing import Any

import pytest

from siltomo.metrics import From, coherent_factor, registry
from siltomo.units import Quantity


def value(name: str, *, settings: dict[str, str] | None = None, **inputs: str) -> float:
    """Evaluate a formula on quantities, as floats in coherent units; the answer is in the metric's unit."""
    request = registry.request(name, settings or {})
    arguments: dict[str, Any] = {}
    for argument, query in request.metric.queries.items():
        unit = registry.find(query.metric)[0].unit if isinstance(query, From) else query.unit
        arguments[argument] = Quantity.parse(inputs[argument], unitless=True).m_as(unit) * coherent_factor(
            unit
        )
    units = {p.name: p.unit for p in request.metric.parameters if p.unit}
    for parameter, kept in request.settings.items():
        arguments[parameter] = kept * coherent_factor(units[parameter]) if parameter in units else kept
    return float(request.metric.function(**arguments)) / coherent_factor(request.metric.unit)


@pytest.mark.parametrize(("gas", "printed"), [("0.43 cm^3/g_Si", 0.672), ("0.32 cm^3/g_Si", 0.500)])
def test_lithium_carbonate_from_gas_is_cubic_millimetres(gas: str, printed: float) -> None:
    # the study prints 0.61 and 0.42 cm^3: a thousand times what its Eq. 5 gives
    assert value("sei_volume_from_gas", gas=gas) == pytest.approx(printed, abs=5e-4)


def test_the_molar_volume_follows_temperature_and_pressure() -> None:
    warm = value("sei_volume_from_gas", gas="0.43 cm^3/g_Si", settings={"temperature": "298.15 K"})
    assert warm == pytest.approx(0.615, abs=5e-4)
    cold = value("sei_volume_from_gas", gas="0.43 cm^3/g_Si")
    assert warm / cold == pytest.approx(273.15 / 298.15)
    assert value(
        "sei_volume_from_gas", gas="0.43 cm^3/g_Si", settings={"pressure": "2 atm"}
    ) == pytest.approx(2 * cold)


@pytest.mark.parametrize(("gas", "charge"), [("0.43 cm^3/g_Si", 1.03), ("0.32 cm^3/g_Si", 0.765)])
def test_gas_stands_for_a_milliampere_hour(gas: str, charge: float) -> None:
    assert value("gas_charge", gas=gas) == pytest.approx(charge, abs=5e-3)
    assert value("gas_charge", gas=gas, settings={"electrons": "1"}) == pytest.approx(charge / 2, abs=5e-3)


def test_gas_per_silicon_is_gas_per_area_over_loading() -> None:
    # 0.014 mm^3 under a circle of 1.54 mm with 1.75 mg_Si/cm^2 are 0.43 cm^3/g_Si
    height = 0.014 / (3.14159265 / 4 * 1.54**2) * 1000
    found = value("gas_volume_per_si_mass", gas=f"{height} um", loading="1.75 mg_Si/cm^2")
    assert found == pytest.approx(0.43, abs=5e-3)


def test_gas_fills_a_share_of_the_pores_not_of_the_separator() -> None:
    assert value("separator_gas_fraction", gas="0.02", electrolyte="0.88") == pytest.approx(0.02 / 0.90)


def test_the_slope_of_eq_2() -> None:
    given = {"si_fraction": "0.732 g_Si/g", "true_density": "2.17 g/cm^3"}
    slope = value("theoretical_thickness_expansion", capacity="1 mAh/g_Si", **given)
    assert slope == pytest.approx(0.0533 / 100, abs=5e-7)
    assert value("theoretical_thickness_expansion", capacity="2779 mAh/g_Si", **given) == pytest.approx(
        1.48, abs=5e-3
    )


def test_eq_3_nested_is_less_than_the_plain_sum() -> None:
    given = {"macro": "24 %", "nano": "23 %"}
    assert value("electrode_porosity", **given) == pytest.approx(0.47)
    assert value("electrode_porosity_nested", **given) == pytest.approx(0.4148)


@pytest.mark.parametrize(
    ("expansion", "capacity", "printed"),
    [
        ("103 %", "2779 mAh/g_Si", 1.33),
        ("97 %", "3303 mAh/g_Si", 1.05),
        ("42 %", "2238 mAh/g_Si", 0.67),
        ("25 %", "2764 mAh/g_Si", 0.32),
        ("108 %", "2818 mAh/g_Si", 1.37),
    ],
)
def test_eq_1_on_the_printed_expansions(expansion: str, capacity: str, printed: float) -> None:
    found = value(
        "normalized_thickness_expansion", electrode_thickness_expansion=expansion, capacity=capacity
    )
    assert found == pytest.approx(printed, abs=5e-3)


def test_expansions_of_one_electrode_through_its_first_cycle() -> None:
    # 40.5 -> 82.2 -> 57.5 um
    assert value("electrode_thickness_expansion", thickness="82.2 um", pristine="40.5 um") == pytest.approx(
        1.03, abs=5e-3
    )
    assert value("residual_thickness_expansion", thickness="57.5 um", pristine="40.5 um") == pytest.approx(
        0.42, abs=5e-3
    )
    assert value(
        "cumulative_irreversible_expansion", thickness="57.5 um", initial="40.5 um"
    ) == pytest.approx(17)


def test_sei_per_silicon_does_not_know_the_shape_of_the_sub_volume() -> None:
    # a cylinder of area A and height d: SEI 0.2 A d, silicon m_A A d / h
    area, height, loading, thickness = 3.2e-5, 54e-4, 1.8e-3, 80e-4  # cm^2, cm, g/cm^2, cm
    expected = 0.2 * area * height / (loading * area * height / thickness)
    given = {"sei": "20 %", "thickness": "80 um", "loading": "1.8 mg_Si/cm^2"}
    assert value("sei_volume_per_si_mass", **given) == pytest.approx(expected)
    assert value("sei_volume_per_si_mass_nested", macro="25 %", **given) == pytest.approx(0.75 * expected)
