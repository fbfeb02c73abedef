"""Expressions are arithmetic and nothing else."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.errors import ExpressionError
from siltomo.studies.evaluate import evaluate
from siltomo.studies.expressions import inlined, names, parse
from siltomo.studies.values import Span, Value


@pytest.mark.parametrize(
    "text",
    [
        "__import__('os').system('true')",
        "a.__class__",
        "a.b.c",
        "().__class__.__mro__",
        "lambda: 1",
        "[a for a in b]",
        "a[0]",
        "{a}",
        "f'{a}'",
        "a if b else c",
        "a and b",
        "a < b",
        "a := 1",
        "(a := 1)",
        "open('x')",
        "eval('1')",
        "sqrt.__globals__",
        "getattr(a, 'b')",
        "a @ b",
        "a // b",
        "a % b",
        "~a",
        "not a",
        "True",
        "None",
        "1j",
        "b'1'",
        "*a",
        "sqrt(*a)",
        "sqrt(x=a)",
        "9 ** 9 ** 9",
        "a ** b",
        "a ** 10",
        "a ** True",
        "'3 banana'",
        "'1; import os'",
        "1e999",
        "sqrt()",
        "min(a)",
        "sqrt(a, b)",
        "",
        "a b",
        "import os",
        "a\nb",
        "(" * 500 + "a" + ")" * 500,
        "a" * 2000,
        "-" * 200 + "a",
    ],
)
def test_everything_but_arithmetic_is_refused(text: str) -> None:
    with pytest.raises(ExpressionError, match="cannot read the expression"):
        parse(text)


def test_names_and_definitions() -> None:
    definitions = {"b": parse("c * 2"), "c": parse("d + 1")}
    node = inlined(parse("a / b + ref.density"), definitions)
    assert names(node) == {"a", "d", "ref.density"}
    with pytest.raises(ExpressionError, match="is defined by itself: x -> y -> x"):
        inlined(parse("x"), {"x": parse("y"), "y": parse("x + 1")})


def value(number: float) -> Value:
    span = Span(number, number)
    return Value("x", "1", number, span, span)


leaves = st.sampled_from(["a", "b", "c", "2", "0.5"])
trees = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.tuples(inner, st.sampled_from("+-*/"), inner).map(lambda t: f"({t[0]}) {t[1]} ({t[2]})"),
        inner.map(lambda t: f"-({t})"),
        inner.map(lambda t: f"({t}) ** 2"),
    ),
    max_leaves=8,
)


@settings(max_examples=80, deadline=None)
@given(trees)
def test_what_is_written_is_what_is_computed_and_printed_text_reads_back(text: str) -> None:
    values = {"a": value(1.5), "b": value(-2.25), "c": value(7.0)}
    try:
        expected = eval(text, {"a": 1.5, "b": -2.25, "c": 7.0})
    except ZeroDivisionError:
        return
    node = parse(text)
    assert evaluate(node, values).nominal == pytest.approx(expected, rel=1e-9)
    assert evaluate(parse(str(node)), values).nominal == pytest.approx(expected, rel=1e-9)
