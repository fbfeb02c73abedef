"""Evaluate an expression: its unit first, then its number, then the interval that its inputs leave open."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from siltomo.errors import ExpressionError, UnitError
from siltomo.studies.expressions import Call, Literal, Name, Node, Operation, Power, names
from siltomo.studies.values import Span, Value
from siltomo.units import Quantity

__all__ = ["Evaluated", "basis_of", "evaluate", "factor_between", "unit_dimension"]

_ALL_CORNERS = 8
"""Up to this many uncertain inputs every corner is computed: 256 evaluations."""

Dimension = Any
"""Pint's container of base dimensions with their powers; multiplies, divides, takes powers, compares."""


@dataclass(frozen=True)
class Evaluated:
    """What an expression comes to, in coherent base units."""

    nominal: float
    span: Span
    dimension: Dimension
    node: Node

    def in_unit(self, unit: str) -> tuple[float, Span]:
        """Return number and interval in a unit; raises ``UnitError`` for another dimension."""
        factor = factor_between(unit, self.dimension)
        return self.nominal / factor, Span(self.span.low / factor, self.span.high / factor)


@cache
def unit_dimension(unit: str) -> Dimension:
    """Return the dimension of a unit, for comparison and arithmetic."""
    return Quantity(1.0, unit).to_pint().dimensionality


def factor_between(unit: str, dimension: Dimension) -> float:
    """Return how many coherent base units one ``unit`` is, which must have the dimension."""
    if unit_dimension(unit) != dimension:
        raise UnitError(f"'{unit}' measures {unit_dimension(unit)}, the expression gives {_said(dimension)}")
    return _in_base(Quantity(1.0, unit))


def _said(dimension: Dimension) -> str:
    return str(dimension) or "a pure number"


@cache
def _in_base(quantity: Quantity) -> float:
    return float(quantity.to_pint().to_root_units().magnitude)


def _root_factor(value: Value, number: float) -> float:
    # degrees Celsius have an offset: each number is converted, not a factor applied
    return number if not math.isfinite(number) else _in_base(Quantity(number, value.unit))


def evaluate(node: Node, values: Mapping[str, Value], *, exact: frozenset[str] = frozenset()) -> Evaluated:
    """Evaluate an expression over values.

    Parameters
    ----------
    node
        The expression.
    values
        Each name's value.
    exact
        Names to take at their number, as if they had no interval.

    Returns
    -------
    Evaluated
        The number, and its interval: the extremes over the corners of the inputs' intervals. An input that
        occurs twice is one variable. The extremes are exact where the expression is monotone in each input.

    Raises
    ------
    UnitError
        When the units do not work out.
    ExpressionError
        When a name has no value, or the number does not exist.
    """
    dimension = _dimension(node, values)
    used = sorted(names(node))
    nominal_inputs = {name: _root_factor(values[name], values[name].nominal) for name in used}
    nominal = _number(node, nominal_inputs)
    ends = {
        name: (
            _root_factor(values[name], values[name].span.low),
            _root_factor(values[name], values[name].span.high),
        )
        for name in used
        if name not in exact
    }
    uncertain = [name for name, (low, high) in ends.items() if low != high]
    found = [
        nominal,
        *(_number(node, {**nominal_inputs, **c}) for c in _corners(node, uncertain, ends, nominal_inputs)),
    ]
    if not math.isfinite(nominal) or any(math.isnan(number) for number in found):
        raise ExpressionError(
            f"'{node}' cannot be bounded: it does not exist, an input is open on one side, or zero is divided by"
        )
    return Evaluated(nominal, Span(min(found), max(found)), dimension, node)


def _corners(
    node: Node, uncertain: list[str], ends: Mapping[str, tuple[float, float]], nominal: Mapping[str, float]
) -> Iterable[dict[str, float]]:
    if len(uncertain) <= _ALL_CORNERS:
        for choice in itertools.product((0, 1), repeat=len(uncertain)):
            yield {name: ends[name][end] for name, end in zip(uncertain, choice, strict=True)}
        return
    # too many for all corners: the two that the slope along each input points at
    rising = {
        name: _number(node, {**nominal, name: ends[name][1]})
        >= _number(node, {**nominal, name: ends[name][0]})
        for name in uncertain
    }
    yield {name: ends[name][0 if rising[name] else 1] for name in uncertain}
    yield {name: ends[name][1 if rising[name] else 0] for name in uncertain}


def _dimension(node: Node, values: Mapping[str, Value]) -> Dimension:
    match node:
        case Literal(quantity=quantity):
            return unit_dimension(quantity.unit)
        case Name(name=name):
            if name not in values:
                raise ExpressionError(f"there is no value {name!r}")
            return unit_dimension(values[name].unit)
        case Power(base=base, exponent=exponent):
            return _dimension(base, values) ** exponent
        case Operation(sign=sign, left=left, right=right):
            one, other = _dimension(left, values), _dimension(right, values)
            if sign in "+-" and one != other:
                what = "added to" if sign == "+" else "taken from"
                raise UnitError(f"'{right}' ({_said(other)}) cannot be {what} '{left}' ({_said(one)})")
            return one if sign in "+-" else one * other if sign == "*" else one / other
        case Call(function=function, arguments=arguments):
            return _called(function, [_dimension(argument, values) for argument in arguments], node)
    raise TypeError(node)


def _called(function: str, of: list[Dimension], node: Node) -> Dimension:
    if function in ("exp", "log"):
        if of[0] != unit_dimension("1"):
            raise UnitError(f"'{node}' takes a pure number, not {_said(of[0])}")
        return of[0]
    if any(dimension != of[0] for dimension in of):
        raise UnitError(f"'{node}' compares different quantities: {', '.join(_said(d) for d in of)}")
    return of[0] ** 0.5 if function == "sqrt" else of[0]


def _number(node: Node, at: Mapping[str, float]) -> float:
    """Compute an expression from plain numbers in base units; nan where it does not exist."""
    match node:
        case Literal(quantity=quantity):
            return _in_base(quantity)
        case Name(name=name):
            return at[name]
        case Power(base=base, exponent=exponent):
            return _safely(lambda: _number(base, at) ** exponent)
        case Operation(sign=sign, left=left, right=right):
            one, other = _number(left, at), _number(right, at)
            return _safely(
                lambda: {"+": one.__add__, "-": one.__sub__, "*": one.__mul__}.get(sign, one.__truediv__)(
                    other
                )
            )
        case Call(function=function, arguments=arguments):
            numbers = [_number(argument, at) for argument in arguments]
            return _safely(lambda: _FUNCTIONS[function](*numbers))
    raise TypeError(node)


_FUNCTIONS: dict[str, Any] = {
    "abs": abs,
    "exp": math.exp,
    "log": math.log,
    "max": max,
    "min": min,
    "sqrt": math.sqrt,
}


def _safely(compute: Any) -> float:
    try:
        made = compute()
    except (ArithmeticError, ValueError):
        return math.nan
    return float(made) if isinstance(made, int | float) else math.nan


def basis_of(node: Node, values: Mapping[str, Value]) -> tuple[str, list[str]]:
    """Return what the result is a fraction of, where that can be told, and the clashes inside.

    Sums and products with a written number carry a basis on: a product of a fraction with another value is a
    fraction of something new. A sum of fractions of different wholes is a clash.

    Examples
    --------
    >>> from siltomo.studies.expressions import parse
    >>> one, half = Span(1, 1), Span(0.5, 0.5)
    >>> values = {"a": Value("a", "1", 0.5, half, half, of="electrode"), "b": Value("b", "1", 1, one, one, of="islet")}
    >>> basis_of(parse("a + b"), values)
    ('electrode', ["'a' is of electrode, 'b' of islet"])
    """
    match node:
        case Name(name=name):
            return values[name].of, []
        case Operation(sign=sign, left=left, right=right):
            (one, clashes), (other, more) = basis_of(left, values), basis_of(right, values)
            found = [*clashes, *more]
            if sign not in "+-":
                scaled = (
                    one
                    if isinstance(right, Literal)
                    else other
                    if isinstance(left, Literal) and sign == "*"
                    else ""
                )
                return scaled, found
            if one and other and one != other:
                found.append(f"'{left}' is of {one}, '{right}' of {other}")
            return one or other, found
        case Power(base=base):
            return "", basis_of(base, values)[1]
        case Call(function=function, arguments=arguments):
            return _basis_of_call(node, function, [basis_of(argument, values) for argument in arguments])
    return "", []


def _basis_of_call(node: Node, function: str, each: list[tuple[str, list[str]]]) -> tuple[str, list[str]]:
    known = sorted({basis for basis, _ in each if basis})
    clashes = [clash for _, inner in each for clash in inner]
    if function not in ("min", "max", "abs"):
        return "", clashes
    if len(known) > 1:
        clashes.append(f"'{node}' compares fractions of {' and of '.join(known)}")
    return (known[0] if known else ""), clashes
