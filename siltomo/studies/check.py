"""Check a declared study: its relations, its claims, the lints."""

from __future__ import annotations

from dataclasses import replace

from siltomo.errors import ExpressionError, RecordError
from siltomo.studies.claims import ledger
from siltomo.studies.declarations import Claim, Relation
from siltomo.studies.declared import Declared
from siltomo.studies.judge import judge
from siltomo.studies.lints import lint_rows
from siltomo.studies.rows import Checked, Row, Verdict

__all__ = ["check_declared"]


def check_declared(study: Declared) -> list[Checked]:
    """Evaluate every relation, weigh every claim, run every lint.

    Raises
    ------
    RecordError
        When a relation or a claim cannot be read; names it.
    """
    made: list[Checked] = []
    there = study
    for relation in study.relations:
        try:
            why = study.lacking(*_texts(relation))
            made.append(_unavailable(relation.id, relation, why) if why else judge(study, relation))
        except ExpressionError as error:
            raise RecordError(error.message, where=f"relations.{relation.id}") from error
        if why:
            there = replace(there, relations=tuple(r for r in there.relations if r is not relation))
    for claim in study.claims:
        try:
            why = study.lacking(
                claim.left, claim.right, *(s for o in claim.otherwise for s in (o.left, o.right))
            )
            made += [_unavailable(f"claim:{claim.id}", claim, why)] if why else ledger(study, claim)
        except ExpressionError as error:
            raise RecordError(error.message, where=f"claims.{claim.id}") from error
    return [*made, *lint_rows(there, made)]


def _texts(relation: Relation) -> list[str | float]:
    given = (relation.compute, relation.at_most, relation.at_least)
    return [text for text in given if text is not None]


def _unavailable(id_: str, declared: Relation | Claim, why: str) -> Checked:
    """Return the row of what cannot be evaluated here, because a measurement is not at hand."""
    row = Row(
        id_,
        declared.claim,
        unit=declared.unit,
        verdict=Verdict.NOT_REPRODUCIBLE,
        flags=("missing",),
        explanation=why,
    )
    return Checked(row, "relation" if isinstance(declared, Relation) else "claim", family=declared.family)
