"""Look for the slip behind a number that does not reproduce, and say how many were tried.

A candidate is a hypothesis: one change of the relation (a molar volume at another temperature, another
number of electrons, the numbers of another formulation, one input in the place of another, a term left
out), alone or with a second one, at five powers of a thousand, and the same truncated instead of rounded.
With many candidates some fit by chance: the number tried stands beside those that fit.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

from siltomo.errors import ExpressionError, UnitError
from siltomo.model import Qualifier
from siltomo.studies.declared import Declared
from siltomo.studies.evaluate import evaluate, unit_dimension
from siltomo.studies.expressions import Name, Node, Operation, Power, inlined, names, parse, substituted
from siltomo.studies.rows import shown
from siltomo.studies.values import Span, Value, constant_value
from siltomo.units import Quantity

__all__ = ["Candidate", "candidates", "explained"]

_GAS_CONSTANT = 8.314462618
_ATMOSPHERE = 101325.0
_POWERS = (0, 3, -3, 6, -6)
_SHOWN = 3
_MOST_PAIRS = 400


@dataclass(frozen=True)
class Change:
    """One way in which the relation may have been evaluated otherwise."""

    words: str
    node: Node
    values: Mapping[str, Value]
    """Values that differ from the study's."""


@dataclass(frozen=True)
class Candidate:
    """A changed relation and what it gives."""

    words: str
    number: float
    exact: bool
    """Whether the number lies within the printed digits, and not only within its rounding."""
    power: int
    """Power of ten that it needs."""


def explained(study: Declared, expression: str | float, reported: Value, unit: str) -> tuple[str, bool]:
    """Return the slips that would give the printed number, with how many were tried, and whether all are of unit."""
    found, tried = candidates(study, expression, reported, unit)
    if not found:
        return f"no slip fits ({tried} tried)", False
    best = [f"{c.words} ({shown(c.number)}{'' if c.exact else ', within rounding'})" for c in found[:_SHOWN]]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    words = f"would fit: {'; '.join(best)}{more} ({len(found)} of {tried} tried)"
    return words, all(candidate.power for candidate in found)


def candidates(
    study: Declared, expression: str | float, reported: Value, unit: str
) -> tuple[list[Candidate], int]:
    """Return the candidates that fit a printed number, the closest kind first, and how many were tried."""
    node = study.read(expression)
    shorter = [
        Change(change.words, inlined(change.node, study.definitions), {})
        for change in _left_out(parse(expression))
    ]
    pool = study.inputs(node)
    single = [*_changes(study, node, pool), *shorter]
    found, tried = _fitting(study, [Change("", node, {}), *single], reported, unit)
    if not found:
        pairs = itertools.islice(
            _pairs(study, single, {change.words for change in shorter}, pool), _MOST_PAIRS
        )
        found, more = _fitting(study, list(pairs), reported, unit)
        tried += more
    found.sort(key=lambda candidate: not candidate.exact)
    return found, tried


def _fitting(
    study: Declared, changes: list[Change], reported: Value, unit: str
) -> tuple[list[Candidate], int]:
    found: dict[float, Candidate] = {}
    tried = 0
    for change in changes:
        try:
            number, span = evaluate(change.node, {**study.values, **change.values}).in_unit(unit)
        except (UnitError, ExpressionError):
            continue
        for power in _POWERS:
            factor = 10.0**power
            words = [change.words] if change.words else []
            words += [f"a factor {factor:g}"] if power else []
            for how, fits, exact in _readings(number * factor, span.scaled(factor), reported):
                said = " and ".join([*words, how] if how else words)
                tried += bool(said)
                if said and fits:
                    # the same number by another road is no further evidence
                    found.setdefault(
                        float(f"{number * factor:.9g}"), Candidate(said, number * factor, exact, power)
                    )
                    break
    return list(found.values()), tried


def _readings(number: float, span: Span, reported: Value) -> Iterator[tuple[str, bool, bool]]:
    """Go through the ways in which a number may have been printed: how, whether it fits, whether in its digits."""
    exact = reported.span.holds(number)
    # an interval as wide as the number meets everything and explains nothing
    told = span.high - span.low <= abs(reported.nominal)
    yield "", exact or (told and reported.span.meets(span)), exact
    yield "truncated, not rounded", _truncated(number, reported), True


def _truncated(number: float, reported: Value) -> bool:
    if reported.record is None or reported.record.upper is not None or not math.isfinite(number):
        return False
    step = reported.span.high - reported.span.low
    if step <= 0 or not math.isfinite(step):
        return False
    kept = math.trunc(number / step + math.copysign(1e-9, number)) * step
    return abs(kept - reported.nominal) < step * 1e-6


def _changes(study: Declared, node: Node, pool: list[Value]) -> Iterator[Change]:
    used = [study.values[name] for name in sorted(names(node))]
    yield from _other_temperatures(node, used)
    yield from _other_electrons(node, used)
    yield from _other_formulations(study, node, used)
    yield from _taken_for_another(node, used, pool)


def _pairs(study: Declared, single: list[Change], shorter: set[str], pool: list[Value]) -> Iterator[Change]:
    """Apply a second change on top of a first, each pair once."""
    for first in single:
        inner = Declared({**study.values, **first.values}, study.definitions, formulations=study.formulations)
        for second in _changes(inner, first.node, pool):
            if second.words > first.words or first.words in shorter:
                both = f"{first.words} and {second.words}"
                yield Change(both, second.node, {**first.values, **second.values})


def _other_temperatures(node: Node, used: list[Value]) -> Iterator[Change]:
    """Take a gas's molar volume at another temperature (1 atm)."""
    for value in used:
        if unit_dimension(value.unit) != unit_dimension("L/mol"):
            continue
        litres = Quantity(value.nominal, value.unit).m_as("L/mol")
        for celsius in (0, 20, 25):
            ideal = 1000 * _GAS_CONSTANT * (273.15 + celsius) / _ATMOSPHERE
            if 20 < litres < 30 and abs(ideal - litres) > 0.005 * litres:
                changed = constant_value(
                    value.name, Quantity(ideal, "L/mol"), source="ideal gas", assumed=True
                )
                yield Change(f"molar volume at {celsius} °C ({ideal:.2f} L/mol)", node, {value.name: changed})


def _other_electrons(node: Node, used: list[Value]) -> Iterator[Change]:
    for value in used:
        if "electron" in (value.record.quantity if value.record else value.name):
            for number in (1, 2, 4):
                if number != value.nominal:
                    changed = replace(value, nominal=float(number), span=Span(number, number))
                    yield Change(f"{number} electron{'s' * (number > 1)}", node, {value.name: changed})


def _other_formulations(study: Declared, node: Node, used: list[Value]) -> Iterator[Change]:
    """Put the numbers of another formulation in the place of some or all."""
    for other in study.formulations:
        counterparts: dict[str, Node] = {}
        for value in used:
            counterpart = _counterpart(study, value, other)
            if counterpart is not None:
                counterparts[value.name] = counterpart
        groups = [tuple(counterparts)] if counterparts else []
        groups += [(name,) for name in counterparts] if len(counterparts) > 1 else []
        for group in groups:
            chosen = {name: counterparts[name] for name in group}
            yield Change(f"{' and '.join(group)} of {other}", substituted(node, chosen), {})


def _counterpart(study: Declared, value: Value, other: str) -> Node | None:
    if not value.formulation or value.formulation == other or value.record is None:
        return None
    for candidate in study.values.values():
        if candidate.formulation == other and candidate.key == value.key and candidate.name != value.name:
            return Name(candidate.name)
    computed = f"{other}.{value.record.quantity}"
    return inlined(Name(computed), study.definitions) if computed in study.definitions else None


def _taken_for_another(node: Node, used: list[Value], pool: list[Value]) -> Iterator[Change]:
    """Put one input of the relation in the place of another of the same dimension, as when a column is misread."""
    for one, other in itertools.product(_measured(used), _measured(pool)):
        alike = unit_dimension(one.unit) == unit_dimension(other.unit) != unit_dimension("1")
        if alike and one.nominal != other.nominal:
            yield Change(
                f"{other.name} in the place of {one.name}",
                substituted(node, {one.name: Name(other.name)}),
                {},
            )


def _measured(values: list[Value]) -> list[Value]:
    return [value for value in values if value.record is not None and value.record.qualifier != Qualifier.SET]


def _left_out(node: Node) -> Iterator[Change]:
    """Leave out one side of one sum of the relation itself, not of what it is defined by."""
    for words, changed in _without(node):
        yield Change(f"without {words}", changed, {})


def _without(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node, Operation) and node.sign in "+-":
        yield str(node.right), node.left
        if node.sign == "+":
            yield str(node.left), node.right
    if isinstance(node, Operation):
        for words, left in _without(node.left):
            yield words, replace(node, left=left)
        for words, right in _without(node.right):
            yield words, replace(node, right=right)
    elif isinstance(node, Power):
        for words, base in _without(node.base):
            yield words, replace(node, base=base)
