"""Every spelling of a quantity that is accepted, and every one that is refused."""

from __future__ import annotations

import pickle
import subprocess
import sys

import pint
import pytest
from hypothesis import given
from hypothesis import strategies as st

from siltomo.errors import UnitError
from siltomo.units import Quantity, dimension, registry, same_dimension, tidy_unit, unit_factor


@pytest.mark.parametrize(
    "text",
    [
        "0.16 um",
        "0.16um",
        "0.16 µm",  # micro sign
        "0.16 μm",  # Greek mu
        "0.16 \\u00B5m",  # what Fiji writes into its files
        "0.16 micron",
        "0.16 microns",
        "0.16 micrometer",
        "0.16 micrometre",
        "160 nm",
        "1.6e-4 mm",
        ".16 um",
        "+0.16 um",
        " 0.16   um ",
    ],
)
def test_every_micrometre_is_the_same(text: str) -> None:
    assert Quantity.parse(text).to("um") == Quantity(0.16, "um")


@pytest.mark.parametrize(
    ("text", "unit", "value"),
    [
        ("1200 mAh/g_Si", "mAh/g_Si", 1200),
        ("1.2 Ah/g_Si", "mAh/g_Si", 1200),
        ("1200 mAh/gSi", "mAh/g_Si", 1200),
        ("1200 mAh g_Si^-1", "mAh/g_Si", 1200),
        ("1200 mAh·g_Si⁻¹", "mAh/g_Si", 1200),
        ("1.75 mg_Si/cm²", "mg_Si/cm^2", 1.75),
        ("0.13 mg_Si", "g_Si", 0.00013),
        ("35 %", "1", 0.35),
        ("20 keV", "eV", 20000),
        ("3 um^-1", "1/um", 3),
        ("3 1/um", "1/um", 3),
        ("2.17 g/cm^3", "kg/m^3", 2170),
    ],
)
def test_units_of_the_field(text: str, unit: str, value: float) -> None:
    assert Quantity.parse(text).m_as(unit) == pytest.approx(value, rel=1e-12)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("0.65", "did you mean '0.65 um'"),
        ("", "no quantity"),
        ("um", "no quantity"),
        ("nan um", "no quantity"),
        ("nan", "no quantity"),
        ("inf um", "no quantity"),
        ("1e400 um", "not a finite number"),
        ("2 um + 3 um", "not a unit"),
        ("2*3 um", "not a unit"),
        ("9**9**9**9 m", "not a unit"),
        ("1 m**9**9", "not a unit"),
        ("1 m^99", "not a unit"),
        ("1 __import__", "not a unit"),
        ("1 um; import os", "not a unit"),
        ("__import__('os').system('x')", "no quantity"),
        ("1 furlongish", "unknown unit"),
        ("1,5 um", "point"),
        ("0.16 um 3", "unit"),
        ("0.5 um*", "not a unit"),
        ("1 " + "m" * 200, "no quantity"),
        ("1.75 +/- nan um", "not a unit|no quantity"),
    ],
)
def test_what_is_no_quantity_is_refused_in_words(text: str, says: str) -> None:
    with pytest.raises(UnitError, match=says):
        Quantity.parse(text)


@pytest.mark.parametrize(
    "given_", [True, None, [1, "um"], {"value": 1, "units": "um"}, {"unit": "um"}, b"1 um"]
)
def test_other_types_are_refused(given_: object) -> None:
    with pytest.raises(UnitError, match="no quantity"):
        Quantity.parse(given_)


def test_a_bare_number_is_refused_with_the_fix() -> None:
    with pytest.raises(UnitError, match=r"did you mean '0.65 um'\?"):
        Quantity.parse(0.65)


def test_mappings_are_read() -> None:
    assert Quantity.parse({"value": 0.16, "unit": "µm", "uncertainty": 0.01}) == Quantity(0.16, "um", 0.01)


@pytest.mark.parametrize(
    "text", ["1.75 +/- 0.05 mg_Si/cm^2", "1.75 ± 0.05 mg_Si/cm²", "(1.75 ± 0.05) mg_Si/cm^2"]
)
def test_uncertainty_is_kept_and_converted(text: str) -> None:
    read = Quantity.parse(text)
    assert (read.value, read.uncertainty) == (1.75, 0.05)
    assert read.to("g_Si/m^2") == Quantity(17.5, "g_Si/m^2", 0.5)


def test_grams_of_silicon_are_not_grams() -> None:
    assert not same_dimension("mAh/g", "mAh/g_Si")
    with pytest.raises(UnitError, match="mass_Si"):
        Quantity.parse("1200 mAh/g").to("mAh/g_Si")
    assert dimension("g_Si/g") != dimension("1")


def test_equation_2_needs_silicon_per_gram_and_comes_out_dimensionless() -> None:
    one = registry().Quantity
    slope = one(0.732, "g_Si/g") * one(2.17, "g/cm^3") / one(2.33, "g_Si/cm^3") * one(0.000782, "g_Si/mAh")
    expansion = slope * one(2779, "mAh/g_Si")
    assert expansion.check("[]")
    assert expansion.m_as("") == pytest.approx(1.4816, abs=5e-4)


def test_wrong_dimension_shows_both() -> None:
    with pytest.raises(UnitError, match=r"'3 V' measures .*; needed is \[length\]"):
        Quantity.parse("3 V").to("um")


def test_quantities_and_pint_quantities_pickle() -> None:
    read = Quantity.parse("1.75 +/- 0.05 mg_Si/cm^2")
    assert pickle.loads(pickle.dumps(read)) == read
    ours = registry().Quantity(3.0, "mg_Si/cm^2")
    assert pickle.loads(pickle.dumps(ours)).to("g_Si/m^2").magnitude == pytest.approx(30)


def test_a_quantity_unpickles_in_another_process() -> None:
    packed = pickle.dumps(registry().Quantity(3.0, "mAh/g_Si"))
    code = f"import pickle; print(pickle.loads({packed!r}).to('Ah/g_Si').magnitude)"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(found.stdout) == pytest.approx(0.003)


def test_another_package_may_swap_the_application_registry() -> None:
    before = Quantity.parse("2 um").to_pint()
    other = pint.UnitRegistry()
    known = pint.get_application_registry()
    pint.set_application_registry(other)
    try:
        after = registry().Quantity(3, "um")
        assert (before + after).m_as("um") == 5
        assert pickle.loads(pickle.dumps(before)) == before
        assert Quantity.parse(other.Quantity(160, "nm")).to("um") == Quantity(0.16, "um")
    finally:
        pint.set_application_registry(known)


@given(st.floats(1e-9, 1e9), st.sampled_from(["um", "nm", "mm", "mg_Si", "mAh/g_Si", "1/um", "keV"]))
def test_text_round_trips_to_twelve_digits(value: float, unit: str) -> None:
    written = Quantity.parse(str(Quantity(value, unit)))
    assert written.unit == unit
    assert written.value == pytest.approx(value, rel=1e-11)


@given(st.text(max_size=30))
def test_no_text_brings_it_down(text: str) -> None:
    try:
        read = Quantity.parse(text)
    except UnitError:
        return
    assert read.unit


def test_tidy_units_and_factors() -> None:
    assert tidy_unit("\\u00B5m") == "um"
    assert unit_factor("nm", "um") == pytest.approx(1e-3)
    with pytest.raises(UnitError, match="measures"):
        unit_factor("nm", "V")
