"""Check a declared study: its relations, its claims, the lints."""

from __future__ import annotations

from siltomo.errors import ExpressionError, RecordError
from siltomo.studies.claims import ledger
from siltomo.studies.declared import Declared
from siltomo.studies.judge import judge
from siltomo.studies.lints import lint_rows
from siltomo.studies.rows import Checked

__all__ = ["check_declared"]


def check_declared(study: Declared) -> list[Checked]:
    """Evaluate every relation, weigh every claim, run every lint.

    Raises
    ------
    RecordError
        When a relation or a claim cannot be read; names it.
    """
    made: list[Checked] = []
    for relation in study.relations:
        try:
            made.append(judge(study, relation))
        except ExpressionError as error:
            raise RecordError(error.message, where=f"relations.{relation.id}") from error
    for claim in study.claims:
        try:
            made += ledger(study, claim)
        except ExpressionError as error:
            raise RecordError(error.message, where=f"claims.{claim.id}") from error
    return [*made, *lint_rows(study, made)]
