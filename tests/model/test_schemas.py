"""The JSON Schemas carry units, and the files in ``schemas/`` are those of the code."""

from __future__ import annotations

from pathlib import Path

import pytest

from siltomo.errors import NotFoundError
from siltomo.model import json_schema, kinds

ROOT = Path(__file__).parents[2]


def test_quantities_carry_unit_dimension_and_bounds() -> None:
    mass = json_schema("cell")["properties"]["si_mass"]["anyOf"][0]
    assert (mass["x-unit"], mass["x-dimension"], mass["x-exclusiveMinimum"]) == ("mg_Si", "[mass_Si]", 0)
    assert mass["anyOf"][0]["examples"] == ["1.5 mg_Si"]


def test_fractions_say_of_what_and_references_to_what() -> None:
    schema = json_schema("formulation")
    assert schema["properties"]["si_fraction"]["anyOf"][0]["x-of"] == "mass of the dry electrode"
    assert json_schema("scan")["properties"]["cell"]["x-refers-to"] == "cell"


def test_every_field_is_described() -> None:
    for kind in kinds():
        schema = json_schema(kind)
        for part in [schema, *schema.get("$defs", {}).values()]:
            for name, field in part.get("properties", {}).items():
                assert field.get("description"), f"{kind}: {part.get('title')}.{name} says nothing"


def test_unknown_kinds_are_refused() -> None:
    with pytest.raises(NotFoundError, match="no schema is called 'cel'"):
        json_schema("cel")
