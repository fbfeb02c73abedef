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
from siltomo.studies.declared import Declared
from siltomo.studies.evaluate import evaluate, unit_dimension
from siltomo.studies.expressions import Node, Operation, inlined, names, parts, rebuilt, renamed
from siltomo.studies.expressions import Name as _Name
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


def explained(study: Declared, node: Node, reported: Value, unit: str) -> str:
    """Return the slips that would give the printed number, with how many were tried."""
    found, tried = candidates(study, node, reported, unit)
    if not found:
        return f"no slip fits ({tried} tried)"
    best = [f"{c.words} ({shown(c.number)}{'' if c.exact else ', within rounding'})" for c in found[:_SHOWN]]
    more = f" and {len(found) - _SHOWN} more" if len(found) > _SHOWN else ""
    return f"would fit: {'; '.join(best)}{more} ({len(found)} of {tried} tried)"


def candidates(study: Declared, node: Node, reported: Value, unit: str) -> tuple[list[Candidate], int]:
    """Return the candidates that fit a printed number, the closest kind first, and how many were tried."""
    single = list(_changes(study, node))
    found, tried = _fitting(study, [Change("", node, {}), *single], reported, unit)
    if not found:
        pairs = itertools.islice(_pairs(study, node, single), _MOST_PAIRS)
        found, more = _fitting(study, list(pairs), reported, unit)
        tried += more
    found.sort(key=lambda candidate: not candidate.exact)
    return found, tried


def _fitting(
    study: Declared, changes: list[Change], reported: Value, unit: str
) -> tuple[list[Candidate], int]:
    found, tried = [], 0
    for change in changes:
        try:
            number, span = evaluate(change.node, {**study.values, **change.values}).in_unit(unit)
        except (UnitError, ExpressionError):
            continue
        for power in _POWERS:
            factor = 10.0**power
            words = [change.words] if change.words else []
            if power:
                words.append(f"a factor {factor:g}")
            if words:
                tried += 1
                if reported.span.holds(number * factor):
                    found.append(Candidate(" and ".join(words), number * factor, exact=True))
                    continue
                if reported.span.meets(span.scaled(factor)):
                    found.append(Candidate(" and ".join(words), number * factor, exact=False))
                    continue
            tried += 1
            if _truncated(number * factor, reported):
                found.append(Candidate(" and ".join([*words, "truncated, not rounded"]), number * factor, exact=True))
    return found, tried


def _truncated(number: float, reported: Value) -> bool:
    if reported.record is None or reported.record.upper is not None or not math.isfinite(number):
        return False
    step = reported.span.high - reported.span.low
    if step <= 0 or not math.isfinite(step):
        return False
    kept = math.trunc(number / step + math.copysign(1e-9, number)) * step
    return abs(kept - reported.nominal) < step * 1e-6


def _changes(study: Declared, node: Node) -> Iterator[Change]:
    used = [study.values[name] for name in sorted(names(node))]
    yield from _other_temperatures(node, used)
    yield from _other_electrons(node, used)
    yield from _other_formulations(study, node, used)
    yield from _taken_for_another(node, used)
    yield from _left_out(node)


def _pairs(study: Declared, node: Node, single: list[Change]) -> Iterator[Change]:
    """Apply a second change on top of a first, each pair once."""
    for first in single:
        inner = Declared({**study.values, **first.values}, study.definitions, formulations=study.formulations)
        for second in _changes(inner, first.node):
            if second.words > first.words:
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
                changed = constant_value(value.name, Quantity(ideal, "L/mol"), source="ideal gas", assumed=True)
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
            changed = rebuilt(node, lambda n, g=group, c=counterparts: c[n.name] if n.name in g else n)
            yield Change(f"{' and '.join(group)} of {other}", changed, {})


def _counterpart(study: Declared, value: Value, other: str) -> Node | None:
    if not value.formulation or value.formulation == other or value.record is None:
        return None
    for candidate in study.values.values():
        if candidate.formulation == other and candidate.key == value.key and candidate.name != value.name:
            return _Name(candidate.name)
    computed = f"{other}.{value.record.quantity}"
    return inlined(_Name(computed), study.definitions) if computed in study.definitions else None


def _taken_for_another(node: Node, used: list[Value]) -> Iterator[Change]:
    """Put one input in the place of another of the same dimension, as when a column is misread."""
    for one, other in itertools.permutations(used, 2):
        alike = unit_dimension(one.unit) == unit_dimension(other.unit) != unit_dimension("1")
        if alike and one.nominal != other.nominal:
            yield Change(f"{other.name} in the place of {one.name}", renamed(node, {one.name: other.name}), {})


def _left_out(node: Node) -> Iterator[Change]:
    """Leave out one side of one sum."""
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
    elif len(parts(node)) == 1 and hasattr(node, "base"):
        for words, base in _without(parts(node)[0]):
            yield words, replace(node, base=base)
