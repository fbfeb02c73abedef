"""Judge relations: recompute, compare with what was printed, say what that means."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from siltomo.errors import ExpressionError, UnitError
from siltomo.model import Qualifier, ReportedValue
from siltomo.studies.declarations import Relation
from siltomo.studies.declared import Declared
from siltomo.studies.evaluate import Evaluated, basis_of, evaluate, unit_dimension
from siltomo.studies.explain import explained
from siltomo.studies.expressions import Node, names, terms
from siltomo.studies.rows import Checked, Row, Verdict, finite, shown
from siltomo.studies.values import Span, Value
from siltomo.units import unit_factor

__all__ = ["context_flags", "judge", "unit_slip", "verdict_of"]

_SIGNS = {
    Qualifier.ABOUT: "≈",
    Qualifier.NEARLY: "nearly ",
    Qualifier.ABOVE: ">",
    Qualifier.BELOW: "<",
    Qualifier.UP_TO: "up to ",
}


@dataclass
class _Judgement:
    """A relation on its way to a row: what is doubtful, what there is to say."""

    relation: Relation
    flags: list[str]
    said: list[str]

    def row(self, verdict: Verdict, **columns: Any) -> Row:
        """Return the row; the columns that are not given stay empty."""
        flags, said = tuple(dict.fromkeys(self.flags)), "; ".join(part for part in self.said if part)
        given = {"unit": self.relation.unit, **columns}
        return Row(
            self.relation.id, self.relation.claim, verdict=verdict, flags=flags, explanation=said, **given
        )

    def misfit(self, error: UnitError, **columns: Any) -> Row:
        """Return the row of a relation whose units do not work out."""
        self.flags.insert(0, "dimension")
        self.said.insert(0, error.message)
        return self.row(Verdict.INCONSISTENT, **columns)


def judge(study: Declared, relation: Relation) -> Checked:
    """Evaluate one relation and judge it.

    Raises
    ------
    ExpressionError
        When an expression cannot be read or names what the study does not have.
    """
    node = study.read(relation.compute)
    reported = _reported(study, relation)
    inputs = study.inputs(node)
    flags = context_flags(study, [*inputs, *([reported] if reported else [])], node)
    if relation.assumes and "assumed" not in flags:
        flags.append("assumed")
    about = f"assumes that {'; '.join(relation.assumes)}" if relation.assumes else ""
    made = _Judgement(relation, flags, [about, relation.notes])
    row = _judged(study, made, node, reported)
    return Checked(row, "relation", str(relation.compute), tuple(inputs), relation.family, reported)


def _judged(study: Declared, made: _Judgement, node: Node, reported: Value | None) -> Row:
    try:
        found = evaluate(node, study.values)
        if made.relation.bounded:
            return _bounded(study, made, found)
        if reported is None:
            return made.row(Verdict.DERIVED, **_numbers(*found.in_unit(made.relation.unit)))
        return _compared(study, made, found, reported)
    except UnitError as error:
        return made.misfit(error, reported=reported_text(reported))
    except ExpressionError as error:
        made.said.insert(0, error.message)
        return made.row(Verdict.NOT_REPRODUCIBLE, reported=reported_text(reported))


def _numbers(number: float, span: Span) -> dict[str, float | None]:
    return {"recomputed": finite(number), "low": finite(span.low), "high": finite(span.high)}


def _reported(study: Declared, relation: Relation) -> Value | None:
    if not relation.reported:
        return None
    return study.inputs(study.read(relation.reported))[0]


def reported_text(value: Value | None) -> float | str | None:
    """Return a printed number as the rows show it: the number, or text for a range or a bound."""
    if value is None or value.record is None:
        return None if value is None else value.nominal
    sign = _SIGNS.get(value.record.qualifier, "")
    ranged = value.record.upper is not None
    return f"{sign}{value.printed}" if sign or ranged else value.nominal


def context_flags(study: Declared, values: list[Value], node: Node) -> list[str]:
    """Return the doubts that an expression's inputs bring with them."""
    flags = []
    if any(value.assumed for value in values):
        flags.append("assumed")
    measured = study.measured(values)
    populations = {value.population for value in measured}
    if len(populations) > 1:
        flags.append("population")
    for name in sorted(populations):
        known = study.populations.get(name)
        cycles = {v.record.cycle for v in measured if v.population == name and v.record is not None}
        if known is not None and not known.same_cells and len(cycles - {None}) > 1:
            flags.append("unpaired")
    if any(v.record is not None and not v.record.complete for v in values):
        flags.append("incomplete_half_cycle")
    if basis_of(node, study.values)[1]:
        flags.append("basis")
    if overlapping_windows(node, study.values):
        flags.append("windows")
    return flags


def overlapping_windows(node: Node, values: Mapping[str, Value]) -> list[tuple[Value, Value]]:
    """Return pairs of summed values whose windows of feature sizes overlap: what both see counts twice."""
    summed: list[tuple[Value, ReportedValue, float]] = []
    for term in terms(node):
        used = names(term)
        if len(used) == 1:
            value = values[next(iter(used))]
            if value.record is not None and value.record.min_feature is not None:
                summed.append((value, value.record, value.record.min_feature.value))
    pairs = []
    for n, (one, record, least) in enumerate(summed):
        for other, second, least_too in summed[n + 1 :]:
            tops = [r.max_feature.value for r in (record, second) if r.max_feature is not None]
            scales = record.scale != second.scale
            if (
                scales
                and record.cycle == second.cycle
                and max(least, least_too) < min(tops, default=math.inf)
            ):
                pairs.append((one, other))
    return pairs


@dataclass(frozen=True)
class _Bound:
    word: str
    number: float
    span: Span


def _bounded(study: Declared, made: _Judgement, found: Evaluated) -> Row:
    relation = made.relation
    number, span = found.in_unit(relation.unit)
    bounds = []
    for word, expression in (("≥", relation.at_least), ("≤", relation.at_most)):
        if expression is not None:
            limit = study.read(expression)
            bounds.append(_Bound(word, *evaluate(limit, study.values).in_unit(relation.unit)))
            made.flags += context_flags(study, [*study.inputs(found.node), *study.inputs(limit)], limit)
    broken = next((bound for bound in bounds if not _may_be_kept(span, bound)), None)
    if all(_kept(number, bound) for bound in bounds):
        verdict = Verdict.REPRODUCES
    elif broken is None:
        verdict = Verdict.ROUNDING
    else:
        verdict = Verdict.NOT_REPRODUCIBLE if "assumed" in made.flags else Verdict.INCONSISTENT
        limits = f"{shown(number)} is not {broken.word} {shown(broken.number)} {relation.unit}"
        made.said.insert(0, limits.removesuffix(" 1"))
    nearest = min(bounds, key=lambda bound: abs(bound.number - number))
    ratio = finite(number / nearest.number) if nearest.number else None
    return made.row(verdict, reported=_limits(bounds), ratio=ratio, **_numbers(number, span))


def _limits(bounds: list[_Bound]) -> str:
    each = {shown(bound.number) for bound in bounds}
    if len(bounds) == 2 and len(each) == 1:
        return f"= {each.pop()}"
    return " and ".join(f"{bound.word} {shown(bound.number)}" for bound in bounds)


def _kept(number: float, bound: _Bound) -> bool:
    reach = Span(bound.number, math.inf) if bound.word == "≥" else Span(-math.inf, bound.number)
    return reach.holds(number)


def _may_be_kept(span: Span, bound: _Bound) -> bool:
    reach = Span(bound.span.low, math.inf) if bound.word == "≥" else Span(-math.inf, bound.span.high)
    return reach.meets(span)


def verdict_of(
    number: float, span: Span, printed: Span, coarse: Span, *, assumed: bool
) -> tuple[Verdict, bool]:
    """Return the verdict on a recomputed number, and whether trailing zeros were needed for it.

    Examples
    --------
    >>> verdict_of(83.68, Span(83.66, 83.7), Span(83.65, 83.75), Span(83.65, 83.75), assumed=False)[0]
    <Verdict.REPRODUCES: 'reproduces'>
    """
    if printed.holds(number):
        return Verdict.REPRODUCES, False
    if printed.meets(span):
        return Verdict.ROUNDING, False
    if coarse.meets(span):
        return Verdict.ROUNDING, True
    return (Verdict.NOT_REPRODUCIBLE if assumed else Verdict.INCONSISTENT), False


def comparison_unit(relation: Relation, found: Evaluated, reported: Value) -> tuple[str, bool]:
    """Return the unit in which the digits are compared, and whether the printed unit is a wrong one."""
    if unit_dimension(reported.unit) == found.dimension:
        return reported.unit, False
    if relation.unit and unit_dimension(relation.unit) == found.dimension:
        return relation.unit, True
    if found.dimension == unit_dimension("1"):
        return ("percent" if "percent" in reported.unit or "%" in reported.unit else "1"), True
    raise UnitError(f"'{reported.unit}' is printed, but the relation gives {found.dimension}")


def _compared(study: Declared, made: _Judgement, found: Evaluated, reported: Value) -> Row:
    text = reported_text(reported)
    try:
        unit, misprinted = comparison_unit(made.relation, found, reported)
    except UnitError as error:
        return made.misfit(error, reported=text, unit=reported.unit)
    number, span = found.in_unit(unit)
    if misprinted:
        made.flags.insert(0, "dimension")
        said = f"the printed unit, {reported.unit}, is not what the relation gives; digits compared in {unit}"
        made.said.insert(0, said)
    basis = basis_of(found.node, study.values)[0]
    if basis and reported.of and basis != reported.of:
        made.flags.append("basis")
        made.said.insert(0, f"recomputed is of {basis}, printed of {reported.of}")
    assumed = "assumed" in made.flags
    verdict, zeros = verdict_of(number, span, reported.span, reported.coarse, assumed=assumed)
    if zeros:
        made.flags.append("trailing_zeros")
    ratio = number / reported.nominal if reported.nominal else math.nan
    if verdict in (Verdict.INCONSISTENT, Verdict.NOT_REPRODUCIBLE):
        slip = unit_slip(ratio) and f"{unit_slip(ratio)}{_as_smaller(number, unit, ratio)}"
        explanation, of_unit = explained(study, made.relation.compute, reported, unit)
        if slip or of_unit:
            made.flags.insert(0, "unit")
        made.said = [slip, *made.said, explanation]
    return made.row(verdict, reported=text, unit=unit, ratio=finite(ratio), **_numbers(number, span))


def unit_slip(ratio: float) -> str:
    """Return words when a ratio lies within a quarter of a power of a thousand other than one.

    Examples
    --------
    >>> unit_slip(0.0011)
    'recomputed is 0.0011 of what is printed: a factor 1000 in the unit, and 10 % besides'
    >>> unit_slip(1.03)
    ''
    """
    if not math.isfinite(ratio) or ratio <= 0:
        return ""
    power = 3 * round(math.log10(ratio) / 3)
    rest = ratio / 10.0**power
    if power == 0 or not 0.75 <= rest <= 1.25:
        return ""
    besides = abs(rest - 1)
    more = f", and {100 * besides:.0f} % besides" if besides > 0.005 else ""
    return f"recomputed is {ratio:.2g} of what is printed: a factor {10 ** abs(power):g} in the unit{more}"


_SMALLER = {
    "cm^3": "mm^3",
    "m^3": "L",
    "L": "mL",
    "mL": "uL",
    "mm": "um",
    "um": "nm",
    "g": "mg",
    "mg": "ug",
    "Ah": "mAh",
}
"""Units that a thousand times as many of make the one before."""


def _as_smaller(number: float, unit: str, ratio: float) -> str:
    """Say a number that is a thousand times too small in the unit that was probably meant."""
    first, _, rest = unit.partition("/")
    if ratio > 0.1 or first not in _SMALLER:
        return ""
    meant = "/".join([_SMALLER[first], rest]) if rest else _SMALLER[first]
    return f" (it is {shown(number * unit_factor(unit, meant))} {meant})"
