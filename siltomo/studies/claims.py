"""The ledger of claims: sentences that compare two quantities, and the same by other measures."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

from siltomo.errors import ExpressionError, UnitError
from siltomo.studies.declarations import Claim, Otherwise
from siltomo.studies.declared import Declared
from siltomo.studies.evaluate import basis_of, evaluate
from siltomo.studies.expressions import Node, Operation
from siltomo.studies.judge import context_flags
from siltomo.studies.rows import Checked, Row, Verdict, finite, shown
from siltomo.studies.values import Span, Value

__all__ = ["ledger"]

_WORDS = {">": "is larger than", "<": "is smaller than", "=": "equals", "close": "is close to"}


@dataclass(frozen=True)
class _Sides:
    left: float
    right: float
    left_span: Span
    difference: Span
    ratio: float | None
    flags: tuple[str, ...]
    basis: str
    """Words when the two sides are fractions of different wholes."""
    nodes: tuple[Node, Node]

    def inputs(self, study: Declared) -> tuple[Value, ...]:
        """Return what the two sides come down to."""
        return tuple(study.inputs(Operation("-", *self.nodes)))


def ledger(study: Declared, claim: Claim) -> Iterator[Checked]:
    """Judge a claim as it was made, then by the other measures it names.

    Raises
    ------
    ExpressionError
        When a side cannot be read or names what the study does not have.
    """
    stated = _weigh(study, claim.left, claim.right, claim.unit)
    others = [(o, _weigh(study, o.left, o.right, o.unit or claim.unit)) for o in claim.otherwise]
    outcomes = [_holds(claim, sides) for _, sides in others if isinstance(sides, _Sides)]
    yield _row(study, claim, stated, differs=False in outcomes)
    for n, (other, sides) in enumerate(others, start=1):
        yield _alternative(study, claim, n, other, sides)


def _weigh(study: Declared, left: str | float, right: str | float, unit: str) -> _Sides | str:
    """Evaluate both sides together, so that what they share cancels; words where the units do not work out."""
    one, other = study.read(left), study.read(right)
    try:
        number, span = evaluate(one, study.values).in_unit(unit)
        against = evaluate(other, study.values).in_unit(unit)[0]
        difference = evaluate(Operation("-", one, other), study.values).in_unit(unit)[1]
    except UnitError as error:
        return error.message
    except ExpressionError as error:
        return error.message
    values = study.inputs(Operation("-", one, other))
    (basis, clashes), (basis_too, more) = basis_of(one, study.values), basis_of(other, study.values)
    words = "; ".join([*clashes, *more])
    if basis and basis_too and basis != basis_too:
        words = f"the left side is of {basis}, the right of {basis_too}"
    flags = [flag for flag in context_flags(study, values, Operation("-", one, other)) if flag != "basis"]
    ratio = number / against if against else None
    return _Sides(number, against, span, difference, ratio, tuple(flags), words, (one, other))


def _holds(claim: Claim, sides: _Sides) -> bool | None:
    """Return whether the claim holds: for certain, certainly not, or undecided within rounding."""
    match claim.says:
        case ">":
            return True if sides.difference.low > 0 else False if sides.difference.high <= 0 else None
        case "<":
            return True if sides.difference.high < 0 else False if sides.difference.low >= 0 else None
        case "=":
            return sides.difference.holds(0)
    within = claim.within.value if claim.within else 0.0
    return abs(sides.left - sides.right) <= within * abs(sides.right)


def _row(study: Declared, claim: Claim, sides: _Sides | str, *, differs: bool) -> Checked:
    id_, expression = f"claim:{claim.id}", f"{claim.left} {claim.says} {claim.right}"
    if isinstance(sides, str):
        row = _broken(id_, claim.claim, claim.unit, sides)
        return Checked(row, "claim", expression, family=claim.family)
    holds = _holds(claim, sides)
    flags = list(sides.flags)
    said = [_sentence(claim, sides, claim.unit, holds)]
    verdict = {True: Verdict.REPRODUCES, None: Verdict.ROUNDING, False: Verdict.INCONSISTENT}[holds]
    if holds is False and "assumed" in flags:
        verdict = Verdict.NOT_REPRODUCIBLE
    if sides.basis:
        verdict = Verdict.INCONSISTENT
        flags.insert(0, "basis")
        said.append(f"unlike wholes are compared: {sides.basis}")
    if differs:
        flags.append("depends_on_measure")
        said.append("by another measure it does not hold")
    row = replace(
        _numbers(id_, claim.claim, claim.unit, sides),
        verdict=verdict,
        flags=tuple(flags),
        explanation="; ".join(said),
    )
    return Checked(row, "claim", expression, sides.inputs(study), claim.family)


def _alternative(
    study: Declared, claim: Claim, number: int, other: Otherwise, sides: _Sides | str
) -> Checked:
    id_, unit = f"claim:{claim.id}/{number}", other.unit or claim.unit
    words = f"{claim.claim}; by {other.by}"
    expression = f"{other.left} {claim.says} {other.right}"
    if isinstance(sides, str):
        return Checked(_broken(id_, words, unit, sides), "alternative", expression, family=claim.family)
    holds = _holds(claim, sides)
    flags = [{True: "holds", None: "undecided", False: "does_not_hold"}[holds], *sides.flags]
    said = [_sentence(claim, sides, unit, holds)]
    if sides.basis:
        flags.append("basis")
        said.append(f"unlike wholes are compared: {sides.basis}")
    row = replace(_numbers(id_, words, unit, sides), flags=tuple(flags), explanation="; ".join(said))
    return Checked(row, "alternative", expression, sides.inputs(study), claim.family)


def _broken(id_: str, words: str, unit: str, why: str) -> Row:
    return Row(id_, words, unit=unit, verdict=Verdict.INCONSISTENT, flags=("dimension",), explanation=why)


def _sentence(claim: Claim, sides: _Sides, unit: str, holds: bool | None) -> str:
    word = {True: "holds", None: "cannot be decided within rounding", False: "does not hold"}[holds]
    within = f" within {claim.within.value:.0%}" if claim.within else ""
    left, right = shown(sides.left), shown(sides.right)
    return f"{left} {_WORDS[claim.says]} {right}{'' if unit == '1' else f' {unit}'}{within}: {word}"


def _numbers(id_: str, words: str, unit: str, sides: _Sides) -> Row:
    return Row(
        id_,
        words,
        finite(sides.left),
        finite(sides.left_span.low),
        finite(sides.left_span.high),
        finite(sides.right),
        unit,
        None if sides.ratio is None else finite(sides.ratio),
    )
