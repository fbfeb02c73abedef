"""Units and intervals of expressions, against brute force."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.errors import ExpressionError, UnitError
from siltomo.studies.evaluate import basis_of, evaluate
from siltomo.studies.expressions import parse
from siltomo.studies.values import Span, Value


def value(name: str, low: float, high: float, unit: str = "1", of: str = "") -> Value:
    return Value(name, unit, (low + high) / 2, Span(low, high), Span(low, high), of=of)


def test_units_are_carried_through() -> None:
    values = {"v": value("v", 0.43, 0.43, "cm^3/g_Si"), "vm": value("vm", 22.4, 22.4, "L/mol")}
    found = evaluate(parse("v / vm * '73.89 g/mol' / '2.11 g/cm^3'"), values)
    assert found.in_unit("mm^3/g_Si")[0] == pytest.approx(430 / 22400 / 2.11 * 73.89)
    with pytest.raises(UnitError, match="measures"):
        found.in_unit("cm^3/g")


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("length + mass", "cannot be added to"),
        ("length - 1", "cannot be taken from"),
        ("max(length, mass)", "compares different quantities"),
        ("log(length)", "takes a pure number"),
    ],
)
def test_units_that_do_not_work_out(text: str, why: str) -> None:
    values = {"length": value("length", 1, 1, "um"), "mass": value("mass", 1, 1, "g")}
    with pytest.raises(UnitError, match=why):
        evaluate(parse(text), values)


def test_degrees_celsius_are_not_a_factor() -> None:
    values = {"t": value("t", 25, 25, "degC")}
    assert evaluate(parse("t"), values).nominal == pytest.approx(298.15)


def test_an_input_that_occurs_twice_is_one_variable() -> None:
    values = {"a": value("a", 1, 3), "b": value("b", 1, 2)}
    assert evaluate(parse("a / a"), values).span == Span(1, 1)
    assert evaluate(parse("a / (a + b)"), values).span == Span(1 / 3, 3 / 4)
    assert evaluate(parse("a - a"), values, exact=frozenset("a")).span == Span(0, 0)


ends = st.floats(0.5, 5).flatmap(lambda low: st.tuples(st.just(low), st.floats(low, low + 3)))


@settings(max_examples=30, deadline=None)
@given(st.lists(ends, min_size=3, max_size=3), st.randoms(use_true_random=False))
def test_the_interval_holds_every_point_and_no_more(
    given_ends: list[tuple[float, float]], chance: random.Random
) -> None:
    edges = dict(zip("abc", given_ends, strict=True))
    node = parse("a ** 2 * sqrt(b) / (b + c)")  # rises along a, falls along c
    values = {n: value(n, *e) for n, e in edges.items()}
    values["b"] = value("b", edges["b"][0], edges["b"][0])
    span = evaluate(node, values).span

    def at(**numbers: float) -> float:
        return evaluate(node, {n: value(n, x, x) for n, x in numbers.items()}).nominal

    b = edges["b"][0]
    for _ in range(40):
        assert span.holds(at(a=chance.uniform(*edges["a"]), b=b, c=chance.uniform(*edges["c"])))
    assert span.low == pytest.approx(at(a=edges["a"][0], b=b, c=edges["c"][1]))
    assert span.high == pytest.approx(at(a=edges["a"][1], b=b, c=edges["c"][0]))


def test_every_corner_of_a_few_inputs_counts() -> None:
    values = {"a": value("a", -1, 2), "b": value("b", -3, 1)}  # the slope along each turns with the other
    assert evaluate(parse("a * b"), values).span == Span(-6, 3)


def test_many_inputs_give_the_same_extremes_as_all_corners() -> None:
    names = [f"x{n}" for n in range(10)]
    values = {n: value(n, 1 + i / 10, 1.5 + i / 5) for i, n in enumerate(names)}
    half = " + ".join(names[:5])
    found = evaluate(parse(f"({half}) / ({' * '.join(names[5:])})"), values).span
    low = sum(values[n].span.low for n in names[:5])
    high = sum(values[n].span.high for n in names[:5])
    least = most = 1.0
    for n in names[5:]:
        least, most = least * values[n].span.low, most * values[n].span.high
    assert (found.low, found.high) == (pytest.approx(low / most), pytest.approx(high / least))


def test_what_cannot_be_bounded_is_said() -> None:
    above = Value("open", "1", 1, Span(1, float("inf")), Span(1, float("inf")))
    values = {"a": value("a", -1, 1), "b": value("b", 1, 1), "open": above}
    with pytest.raises(ExpressionError, match="cannot be bounded"):
        evaluate(parse("b / a"), values)
    with pytest.raises(ExpressionError, match="cannot be bounded"):
        evaluate(parse("open - open"), values)
    assert evaluate(parse("open + b"), values).span.low == 2


def test_sums_keep_a_basis_and_products_make_a_new_one() -> None:
    values = {"e": value("e", 0.2, 0.2, of="electrode"), "i": value("i", 0.3, 0.3, of="islet")}
    assert basis_of(parse("e + '1 %'"), values) == ("electrode", [])
    assert basis_of(parse("2 * e"), values) == ("electrode", [])
    assert basis_of(parse("e + (1 - e) * i"), values) == ("electrode", [])
    assert basis_of(parse("e * i"), values) == ("", [])
    assert basis_of(parse("1 - (e + i)"), values)[1] == ["'e' is of electrode, 'i' of islet"]
    assert basis_of(parse("max(e, i)"), values)[1] == [
        "'max(e, i)' compares fractions of electrode and of islet"
    ]
