"""What follows from weighed ingredients, against hand arithmetic."""

from __future__ import annotations

import pytest

from siltomo.studies import Declared, Ingredient, components, recipe_definitions

PARTS = [
    Ingredient.model_validate(part)
    for part in (
        {
            "material": "silicon",
            "role": "active",
            "mass": "'80 mg'",
            "density": "'2.33 g/cm^3'",
            "si_content": "1 g_Si/g",
        },
        {"material": "carbon", "role": "conductive", "mass": "'10 mg'", "density": "'2 g/cm^3'"},
        {"material": "CMC", "role": "binder", "mass": "0.1 * '80 mg'", "density": "'1.6 g/cm^3'"},
        {"material": "ZnSO4", "role": "additive", "mass": "'2 mg'", "density": "'3.5 g/cm^3'"},
    )
]


@pytest.mark.parametrize(
    ("word", "unit", "expected"),
    [
        ("dry_mass", "mg", 100),
        ("si_fraction", "g_Si/g", 0.8),
        ("true_density", "g/cm^3", 100 / (80 / 2.33 + 10 / 2 + 8 / 1.6 + 2 / 3.5)),
        ("solid_volume", "cm^3/g_Si", (80 / 2.33 + 10 / 2 + 8 / 1.6 + 2 / 3.5) / 80),
        ("binder_volume", "cm^3/g_Si", (8 / 1.6 + 2 / 3.5) / 80),
        ("active_fraction", "percent", 80),
        ("conductive_fraction", "percent", 10),
        ("binder_fraction", "percent", 10),
    ],
)
def test_what_follows_from_the_masses(word: str, unit: str, expected: float) -> None:
    study = Declared({}, recipe_definitions("f", PARTS))
    assert study.evaluate(f"f.{word}").in_unit(unit)[0] == pytest.approx(expected)


def test_the_components_of_the_record() -> None:
    made = components(PARTS, {}, {})
    assert [part["mass_fraction"] for part in made] == ["0.8", "0.1", "0.08", "0.02"]
    assert [part.get("si_content") for part in made] == ["1 g_Si/g", None, None, None]


def test_a_formulation_without_silicon_has_no_silicon_fraction() -> None:
    assert "f.si_fraction" not in recipe_definitions("f", PARTS[1:])
