"""A whole declared study, ready to be checked: values, definitions, relations, claims."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches

from siltomo.errors import ExpressionError
from siltomo.studies.declarations import Claim, Imaging, Population, Relation
from siltomo.studies.evaluate import Evaluated, evaluate
from siltomo.studies.expressions import Node, inlined, names, parse
from siltomo.studies.values import Value

__all__ = ["Declared"]


@dataclass(frozen=True)
class Declared:
    """What the checks of a study look at."""

    values: Mapping[str, Value]
    definitions: Mapping[str, Node] = field(default_factory=dict)
    relations: tuple[Relation, ...] = ()
    claims: tuple[Claim, ...] = ()
    populations: Mapping[str, Population] = field(default_factory=dict)
    imaging: tuple[Imaging, ...] = ()
    formulations: tuple[str, ...] = ()
    missing: Mapping[str, str] = field(default_factory=dict)
    """Names that have no value, with the reason."""

    def read(self, expression: str | float) -> Node:
        """Read an expression down to values.

        Raises
        ------
        ExpressionError
            When it cannot be read, or uses a name that the study does not have.
        """
        node = inlined(parse(expression), self.definitions)
        for name in sorted(names(node)):
            if name not in self.values:
                known = [*self.values, *self.definitions, *self.missing]
                near = get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                raise ExpressionError(f"the study has no value {name!r}, which '{expression}' uses{hint}")
        return node

    def lacking(self, *expressions: str | float) -> str:
        """Return why expressions cannot be evaluated, where a name they use has no value; else nothing."""
        used = frozenset().union(*(names(inlined(parse(text), self.definitions)) for text in expressions))
        return "; ".join(f"{name}: {self.missing[name]}" for name in sorted(used & set(self.missing)))

    def evaluate(self, expression: str | float) -> Evaluated:
        """Evaluate an expression; raises ``UnitError`` and ``ExpressionError``."""
        return evaluate(self.read(expression), self.values)

    def inputs(self, node: Node) -> list[Value]:
        """Return the values that an expression comes down to, in order of name."""
        return [self.values[name] for name in sorted(names(node))]

    def measured(self, values: list[Value]) -> list[Value]:
        """Return those that were measured on a population."""
        known = self.populations
        return [
            v for v in values if v.population and (v.population not in known or known[v.population].measured)
        ]
