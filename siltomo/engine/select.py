"""The selection expressions of ``--where``: comparisons of columns, joined by and, or, not.

The expression is parsed, never evaluated as code: names are columns, values are numbers, text, lists.
"""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from typing import Any

from siltomo.errors import Amend, ExpressionError, UnitError
from siltomo.units import Quantity

__all__ = ["COLUMNS", "Selection", "everything", "parse_where"]

COLUMNS: dict[str, str] = {
    "study": "",
    "formulation": "",
    "cell": "",
    "specimen": "",
    "scan": "",
    "segmentation": "",
    "scale": "",
    "mode": "",
    "domain": "",
    "cycle": "",
    "half": "",
    "capacity": "mAh/g_Si",
    "voltage": "V",
    "voxel_size": "um",
}
"""Columns that a selection may use, with their unit where they have one."""

Selection = Callable[[Mapping[str, Any]], bool]
"""Whether a row is selected."""

_MAX_LENGTH = 2000

Truth = Callable[[Mapping[str, Any]], bool | None]
"""Like a selection, but None where the row does not know: "not unknown" is unknown too."""

_COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}


def everything(row: Mapping[str, Any]) -> bool:  # noqa: ARG001 -- a selection that looks at nothing
    """Select every row."""
    return True


def parse_where(text: str | None) -> Selection:
    """Read a selection expression.

    Parameters
    ----------
    text
        Such as ``"scale == 'micro' and cycle in (1, 3)"`` or ``"capacity > '1000 mAh/g_Si'"``.

    Raises
    ------
    ExpressionError
        When it is more than comparisons of known columns; the message points at the part.

    Examples
    --------
    >>> selected = parse_where("scale == 'micro' and cycle in (1, 3)")
    >>> selected({"scale": "micro", "cycle": 3}), selected({"scale": "nano", "cycle": 3})
    (True, False)
    """
    if text is None or not text.strip():
        return everything
    if len(text) > _MAX_LENGTH:
        raise _refused(text, f"it is longer than {_MAX_LENGTH} characters")
    try:
        tree = ast.parse(text.strip(), mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise _refused(text, getattr(error, "msg", "it cannot be parsed")) from error
    try:
        truth = _condition(text, tree)
    except RecursionError as error:
        raise _refused(text, "it is nested too deeply") from error
    return lambda row: truth(row) is True


def _refused(text: str, why: str) -> ExpressionError:
    return ExpressionError(
        f"cannot read the selection {text[:120]!r}: {why}. Write comparisons of columns, such as "
        f"\"scale == 'micro' and cycle in (1, 3)\"; columns: {', '.join(COLUMNS)}",
        fix=Amend({"--where": "scale == 'micro' and cycle in (1, 3)"}, advice="with your own comparisons"),
    )


def _condition(text: str, node: ast.expr) -> Truth:
    if isinstance(node, ast.BoolOp):
        parts = [_condition(text, value) for value in node.values]
        decisive = isinstance(node.op, ast.Or)
        return lambda row: _joined([part(row) for part in parts], decisive)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _condition(text, node.operand)
        return lambda row: None if (known := inner(row)) is None else not known
    if isinstance(node, ast.Compare):
        return _comparison(text, node)
    raise _refused(text, f"{_source(node)!r} is not a comparison")


def _joined(truths: list[bool | None], decisive: bool) -> bool | None:
    """Join by or (decided by one True) or by and (decided by one False); Kleene's logic."""
    if decisive in truths:
        return decisive
    return None if None in truths else not decisive


def _comparison(text: str, node: ast.Compare) -> Truth:
    terms = [node.left, *node.comparators]
    unit = next((COLUMNS.get(t.id, "") for t in terms if isinstance(t, ast.Name)), "")
    if not any(isinstance(term, ast.Name) for term in terms):
        raise _refused(text, f"{_source(node)!r} names no column")
    readers = [_term(text, term, unit) for term in terms]
    tests = [_test(text, op) for op in node.ops]
    for op, term in zip(node.ops, node.comparators, strict=True):
        if isinstance(op, (ast.In, ast.NotIn)) != isinstance(term, (ast.Tuple, ast.List)):
            raise _refused(
                text, f"'in' takes a list, such as (1, 3), and nothing else does: {_source(node)!r}"
            )

    def holds(row: Mapping[str, Any]) -> bool | None:
        values = [read(row) for read in readers]
        if any(value is None for value in values):
            return None
        try:
            return all(test(values[n], values[n + 1]) for n, test in enumerate(tests))
        except TypeError as error:
            raise _refused(text, f"{_source(node)!r} compares a number with text") from error

    return holds


def _test(text: str, op: ast.cmpop) -> Callable[[Any, Any], bool]:
    if type(op) not in _COMPARISONS:
        raise _refused(text, "'is' is not known; write ==")
    return _COMPARISONS[type(op)]


def _term(text: str, node: ast.expr, unit: str) -> Callable[[Mapping[str, Any]], Any]:
    if isinstance(node, ast.Name):
        if node.id not in COLUMNS:
            near = get_close_matches(node.id, COLUMNS, n=1)
            raise _refused(
                text, f"there is no column {node.id!r}" + (f", did you mean {near[0]!r}?" if near else "")
            )
        name = node.id
        return lambda row: row.get(name)
    value = _constant(text, node, unit)
    return lambda _: value


def _constant(text: str, node: ast.expr, unit: str) -> Any:
    if isinstance(node, (ast.Tuple, ast.List)):
        return tuple(_constant(text, item, unit) for item in node.elts)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        value = _constant(text, node.operand, unit)
        if isinstance(value, (int, float)):
            return -value
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, int, float)):
        return _in_unit(text, node.value, unit)
    raise _refused(text, f"{_source(node)!r} is neither a column nor a value")


def _in_unit(text: str, value: str | float, unit: str) -> str | float:
    """Convert "1 Ah/g_Si" to the unit of the column it is compared with."""
    if not unit or not isinstance(value, str):
        return value
    try:
        return Quantity.parse(value, example=f"1000 {unit}").m_as(unit)
    except UnitError as error:
        raise _refused(text, error.message) from error


def _source(node: ast.AST) -> str:
    return ast.unparse(node)[:60]
