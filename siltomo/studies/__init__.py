"""Relations between the numbers of a study: declared, evaluated with units and intervals, judged."""

from siltomo.studies.check import check_declared
from siltomo.studies.declarations import (
    Claim,
    Constant,
    Imaging,
    Ingredient,
    Measured,
    Otherwise,
    Population,
    Protocol,
    Relation,
    expanded,
)
from siltomo.studies.declared import Declared
from siltomo.studies.evaluate import Evaluated, evaluate
from siltomo.studies.expressions import Node, parse
from siltomo.studies.recipes import components, recipe_definitions
from siltomo.studies.rows import Checked, Row, Verdict
from siltomo.studies.values import Span, Value, constant_value, measured_value, reported_value

__all__ = [
    "Checked",
    "Claim",
    "Constant",
    "Declared",
    "Evaluated",
    "Imaging",
    "Ingredient",
    "Measured",
    "Node",
    "Otherwise",
    "Population",
    "Protocol",
    "Relation",
    "Row",
    "Span",
    "Value",
    "Verdict",
    "check_declared",
    "components",
    "constant_value",
    "evaluate",
    "expanded",
    "measured_value",
    "parse",
    "recipe_definitions",
    "reported_value",
]
