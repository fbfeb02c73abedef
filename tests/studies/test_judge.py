"""Verdicts, flags and explanations, on studies of a few numbers."""

from __future__ import annotations

from typing import Any

import pytest

from siltomo.model import ReportedValue
from siltomo.studies import (
    Claim,
    Declared,
    Imaging,
    Population,
    Relation,
    Value,
    Verdict,
    check_declared,
    constant_value,
    parse,
    reported_value,
)
from siltomo.units import Quantity


def printed(id_: str, text: str, unit: str, **more: Any) -> Value:
    fields = {"study": "s", "quantity": id_, "place": "Fig. 1", "printed": text, "unit": unit, **more}
    return reported_value(ReportedValue.model_validate({"id": id_, **fields}))


def study(*values: Value, **more: Any) -> Declared:
    return Declared({value.name: value for value in values}, **more)


def judged(relation: dict[str, Any], *values: Value, **more: Any) -> Any:
    made = Relation.model_validate({"id": "r", "claim": "a claim", **relation})
    checked = check_declared(study(*values, relations=(made,), **more))
    return next(one.row for one in checked if one.row.id == "r")


A = printed("a", "2.00", "um")
B = printed("b", "0.50", "um")


@pytest.mark.parametrize(
    ("text", "verdict"),
    [
        ("1.50", Verdict.REPRODUCES),
        ("1.5", Verdict.REPRODUCES),
        ("1.51", Verdict.ROUNDING),
        ("1.52", Verdict.INCONSISTENT),
        ("0.9", Verdict.INCONSISTENT),
        ("2", Verdict.REPRODUCES),
    ],
)
def test_the_verdict_follows_from_the_intervals(text: str, verdict: Verdict) -> None:
    row = judged({"compute": "a - b", "reported": "c"}, A, B, printed("c", text, "um"))
    assert row.verdict == verdict
    assert (row.recomputed, row.low, row.high) == (1.5, pytest.approx(1.49), pytest.approx(1.51))
    assert row.ratio == pytest.approx(1.5 / float(text))


def test_an_assumption_makes_it_not_reproducible() -> None:
    c = printed("c", "9.00", "um")
    assert (
        judged({"compute": "a - b", "reported": "c", "assumes": ["x"]}, A, B, c).verdict == "not reproducible"
    )
    guess = constant_value("guess", Quantity(3.0, "um"), source="a guess", assumed=True)
    row = judged({"compute": "a - guess", "reported": "c"}, A, guess, c)
    assert (row.verdict, row.flags) == ("not reproducible", ("assumed",))


@pytest.mark.parametrize(
    ("text", "qualifier", "verdict"),
    [
        ("160", "about", "reproduces"),
        ("160", "exact", "rounding"),
        ("163", "exact", "inconsistent"),
        ("150", "above", "reproduces"),
        ("150", "below", "inconsistent"),
        ("157", "up_to", "reproduces"),
        ("170", "nearly", "inconsistent"),
        ("160", "nearly", "reproduces"),
        ("160", "set", "inconsistent"),
    ],
)
def test_qualifiers_open_the_interval(text: str, qualifier: str, verdict: str) -> None:
    exact = printed("x", "157", "nm", qualifier="set")
    c = printed("c", text, "nm", qualifier=qualifier)
    row = judged({"compute": "x", "reported": "c"}, exact, c)
    assert row.verdict == verdict
    assert ("trailing_zeros" in row.flags) == (text == "160" and qualifier == "exact")


def test_bounds() -> None:
    assert judged({"compute": "a", "at_most": "4 * b", "unit": "um"}, A, B).verdict == "reproduces"
    assert judged({"compute": "a", "at_most": "'1.998 um'", "unit": "um"}, A, B).verdict == "rounding"
    row = judged({"compute": "a", "at_least": "'1 um'", "at_most": "b", "unit": "nm"}, A, B)
    assert (row.verdict, row.reported) == ("inconsistent", "≥ 1000 and ≤ 500")
    assert row.explanation == "2000 is not ≤ 500 nm"


def test_a_misprinted_unit_is_named_and_the_digits_are_judged() -> None:
    share = printed("c", "25", "percent*g_Si/mAh", of="initial thickness")
    row = judged({"compute": "b / a", "reported": "c"}, A, B, share)
    assert (row.verdict, row.unit, row.flags) == ("reproduces", "percent", ("dimension",))
    lost = judged({"compute": "a * b", "reported": "c"}, A, B, printed("c", "1", "um"))
    assert (lost.verdict, lost.flags, lost.recomputed) == ("inconsistent", ("dimension",), None)


def test_units_that_do_not_work_out_are_a_finding_not_a_crash() -> None:
    row = judged({"compute": "a + m", "reported": "b"}, A, B, printed("m", "1", "mg"))
    assert (row.verdict, row.flags[0]) == ("inconsistent", "dimension")
    assert "cannot be added to" in row.explanation


def test_populations_are_never_spliced_silently() -> None:
    known = {
        "one": Population(id="one"),
        "two": Population(id="two", same_cells=False),
        "model": Population(id="model", measured=False),
    }
    one, two = printed("a", "2", "um", population="one"), printed("b", "1", "um", population="two", cycle=1)
    computed = printed("c", "1", "um", population="model")
    later = printed("d", "3", "um", population="two", cycle=5)
    relation = {"compute": "a - b", "unit": "um"}
    assert judged(relation, one, two, populations=known).flags == ("population",)
    assert judged({**relation, "compute": "a - c"}, one, computed, populations=known).flags == ()
    assert judged({**relation, "compute": "d - b"}, later, two, populations=known).flags == ("unpaired",)


def test_slips_are_found_and_counted() -> None:
    gas = printed("gas", "0.43", "cm^3/g_Si")
    molar = printed("molar_volume", "22.4", "L/mol")
    solid = printed("solid", "35.0", "cm^3/mol")
    values = (gas, molar, solid)
    relation = {"compute": "gas / molar_volume * solid", "reported": "c"}
    row = judged(relation, *values, printed("c", "0.672", "cm^3/g_Si"))
    assert row.flags == ("unit",)
    assert "a factor 1000 in the unit (it is 0.6719 mm^3/g_Si)" in row.explanation
    # five changes (none, two temperatures, two volumes exchanged) at five powers, each also truncated; "nothing
    # changed" is no candidate, and what fits is not truncated besides: 5 * 5 * 2 - 1 - 1
    assert "would fit: a factor 1000 (0.6719) (1 of 48 tried)" in row.explanation
    warm = judged(relation, *values, printed("c", "0.615", "mm^3/g_Si"))
    assert "would fit: molar volume at 25 °C (24.47 L/mol) (0.6152)" in warm.explanation
    lost = judged(relation, *values, printed("c", "0.123", "mm^3/g_Si"))
    assert "no slip fits" in lost.explanation


def test_truncation_is_a_slip() -> None:
    exact = printed("x", "28.69", "nm", qualifier="set")
    row = judged({"compute": "x", "reported": "c"}, exact, printed("c", "28.6", "nm"))
    assert row.verdict == "inconsistent"
    assert "truncated, not rounded (28.69)" in row.explanation


def test_the_numbers_of_another_formulation_are_tried() -> None:
    of = {"quantity": "density", "formulation": "a"}
    one, other = (
        printed("density_a", "2.00", "g/cm^3", of="solids", **of),
        printed("density_b", "3.00", "g/cm^3", of="solids", quantity="density", formulation="b"),
    )
    mass = printed("m", "6.00", "mg")
    relation = {"compute": "m / density_a", "reported": "c"}
    row = judged(relation, mass, one, other, printed("c", "2.00", "mm^3"), formulations=("a", "b"))
    assert "would fit: density_a of b (2)" in row.explanation


def test_shared_inputs_cancel_in_ratios() -> None:
    values = (
        printed("x_a", "4.00", "um"),
        printed("x_b", "2.00", "um"),
        printed("factor", "3", "1", of="x"),
        printed("y_a", "30.0", "um"),
    )
    relations = tuple(
        Relation(id=f"r_{f}", family="r", claim=f, compute=f"x_{f} * factor", reported=f"y_{f}") for f in "ab"
    )

    def ratio(text: str) -> Any:
        checked = check_declared(study(*values, printed("y_b", text, "um"), relations=relations))
        return next(one.row for one in checked if one.row.id == "lint:ratio:r_a:r_b")

    assert ratio("15.0").verdict == "reproduces"  # both wrong by one constant
    assert ratio("25.0").verdict == "inconsistent"  # no constant can save them
    assert "(factor)" in ratio("25.0").explanation


def test_half_cycles_and_pixels() -> None:
    cut = printed("cut", "10", "mAh/g_Si", complete=False)
    whole = printed("whole", "20", "mAh/g_Si")
    ce = printed("ce", "50", "percent", of="lithiation")
    made = Relation(id="ce_of", claim="x", compute="cut / whole", reported="ce")
    field, voxel = printed("field", "100.0", "um"), printed("voxel", "0.4000", "um")
    settings = (Imaging(id="s", voxel="voxel", fields=("field",)),)
    checked = check_declared(study(cut, whole, ce, field, voxel, relations=(made,), imaging=settings))
    found = {one.row.id for one in checked if one.row.verdict == "inconsistent"}
    assert found == {"lint:half_cycle", "lint:half_cycle:ce_of:cut"}
    odd = check_declared(
        study(printed("field", "100.10", "um"), printed("voxel", "0.40000", "um"), imaging=settings)
    )
    assert {one.row.id for one in odd if one.row.verdict == "inconsistent"} == {
        "lint:pixels",
        "lint:pixels:s:field",
    }


@pytest.mark.parametrize(
    ("says", "left", "right", "verdict"),
    [
        (">", "a", "b", "reproduces"),
        ("<", "a", "b", "inconsistent"),
        (">", "b", "0.499 * '1 um'", "rounding"),
        ("=", "4 * b", "a", "reproduces"),
        ("=", "b", "a", "inconsistent"),
    ],
)
def test_claims(says: str, left: str, right: str, verdict: str) -> None:
    claim = Claim.model_validate(
        {"id": "c", "claim": "x", "left": left, "says": says, "right": right, "unit": "um"}
    )
    (row,) = (one.row for one in check_declared(study(A, B, claims=(claim,))) if one.kind == "claim")
    assert row.verdict == verdict


def test_a_claim_that_another_measure_reverses_says_so() -> None:
    claim = Claim.model_validate(
        {
            "id": "c",
            "claim": "x",
            "left": "a",
            "says": ">",
            "right": "b",
            "unit": "um",
            "otherwise": [{"by": "the inverse", "left": "1 / a", "right": "1 / b", "unit": "1/um"}],
        }
    )
    rows = [one.row for one in check_declared(study(A, B, claims=(claim,))) if one.kind != "lint"]
    assert [(row.id, row.verdict, row.flags) for row in rows] == [
        ("claim:c", "reproduces", ("depends_on_measure",)),
        ("claim:c/1", "derived", ("does_not_hold",)),
    ]


def test_definitions_are_followed_to_the_values() -> None:
    made = study(A, B, definitions={"twice": parse("2 * a")})
    assert made.evaluate("twice - b").in_unit("um")[0] == 3.5


@pytest.mark.parametrize("expression", ["1 / (a - a)", "log(a - '3 um')", "sqrt(b - a)", "(1e300 * a) ** 9"])
def test_what_does_not_exist_is_never_said_to_reproduce(expression: str) -> None:
    row = judged({"compute": expression, "reported": "c"}, A, B, printed("c", "1", "um", qualifier="above"))
    assert row.verdict in ("inconsistent", "not reproducible")
    assert row.recomputed is None


def test_two_cells_may_differ_without_being_one_number_printed_twice() -> None:
    one = printed("x", "1.0", "um", quantity="w", cell="cell-1")
    other = printed("y", "2.0", "um", quantity="w", cell="cell-2")
    same = printed("z", "2.0", "um", quantity="w", cell="cell-1")

    def twice(*values: Value) -> Any:
        return next(o.row for o in check_declared(study(*values)) if o.row.id == "lint:printed_twice").verdict

    assert twice(one, other) == "reproduces"
    assert twice(one, same) == "inconsistent"
    percents = {"quantity": "f", "of": "electrode"}
    fifteen, sixteen = printed("x", "15", "percent", **percents), printed("y", "16", "percent", **percents)
    assert twice(fifteen, sixteen) == "inconsistent"  # they share an end, not a number
    assert twice(fifteen, printed("y", "15.4", "percent", **percents)) == "reproduces"
    assert twice(fifteen, printed("y", "0.15", "1", **percents)) == "reproduces"
