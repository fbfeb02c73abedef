"""Expressions of a study's relations: arithmetic over named values and quantities, parsed, never run as code.

``delithiated / lithiated``, ``0.5 * '3 mm'``, ``min(a, b)``: names stand for values, quoted text for a
quantity with its unit. What is read becomes a small tree of the five node types below; nothing of Python
but its arithmetic can be written.
"""

from __future__ import annotations

import ast
import itertools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

from siltomo.errors import ExpressionError, UnitError
from siltomo.units import Quantity

__all__ = [
    "Call",
    "Literal",
    "Name",
    "Node",
    "Operation",
    "Power",
    "inlined",
    "names",
    "parse",
    "substituted",
    "terms",
]

_MAX_LENGTH = 1000
_MAX_DEPTH = 60
_MAX_POWER = 9
_MAX_NAMES = 5000
FUNCTIONS = ("abs", "exp", "log", "max", "min", "sqrt")
"""Functions that an expression may call."""
_OPERATORS: dict[type[ast.operator], str] = {ast.Add: "+", ast.Sub: "-", ast.Mult: "*", ast.Div: "/"}


@dataclass(frozen=True)
class Literal:
    """A number, or a quantity written in quotes."""

    quantity: Quantity

    def __str__(self) -> str:
        return str(self.quantity)


@dataclass(frozen=True)
class Name:
    """A value of the study: ``ce_c1``, ``ref.true_density``."""

    name: str

    def __str__(self) -> str:
        return self.name


@dataclass(frozen=True)
class Operation:
    """``left + right``, and the three others."""

    sign: str
    left: Node
    right: Node

    def __str__(self) -> str:
        left, right = (
            _bracketed(self.left, self.sign, last=False),
            _bracketed(self.right, self.sign, last=True),
        )
        return f"{left} {self.sign} {right}"


@dataclass(frozen=True)
class Power:
    """``base ** exponent`` with a plain number as exponent."""

    base: Node
    exponent: float

    def __str__(self) -> str:
        base = str(self.base) if isinstance(self.base, Name | Call) else f"({self.base})"
        return f"{base}**{self.exponent:g}"


@dataclass(frozen=True)
class Call:
    """A function of one or more expressions."""

    function: str
    arguments: tuple[Node, ...]

    def __str__(self) -> str:
        return f"{self.function}({', '.join(map(str, self.arguments))})"


Node = Literal | Name | Operation | Power | Call


def parse(text: str | float) -> Node:
    """Read an expression.

    Raises
    ------
    ExpressionError
        When it is more than arithmetic over names, numbers and quoted quantities; names the part.

    Examples
    --------
    >>> str(parse("(103 - a) / '2 mAh/g_Si'"))
    '(103 - a) / 2 mAh/g_Si'
    >>> sorted(names(parse("ref.true_density * b ** 2")))
    ['b', 'ref.true_density']
    """
    said = str(text)
    if len(said) > _MAX_LENGTH:
        raise _refused(said, f"it is longer than {_MAX_LENGTH} characters")
    try:
        tree = ast.parse(said.strip(), mode="eval").body
        return _node(said, tree, 0)
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        if isinstance(error, ExpressionError):
            raise
        raise _refused(said, getattr(error, "msg", None) or "it cannot be parsed") from error


def _refused(text: str, why: str) -> ExpressionError:
    return ExpressionError(
        f"cannot read the expression {text[:120]!r}: {why}. Write arithmetic over values of the study, such as "
        f'"delithiated / lithiated" or "0.5 * \'3 mm\'"; functions: {", ".join(FUNCTIONS)}'
    )


def _node(text: str, tree: ast.expr, depth: int) -> Node:  # noqa: PLR0911 -- a kind of node, a return
    if depth > _MAX_DEPTH:
        raise _refused(text, f"it is nested more than {_MAX_DEPTH} deep")
    match tree:
        case ast.Constant(value=bool()):
            raise _refused(text, f"{tree.value!r} is no number")
        case ast.Constant(value=int() | float() as number):
            return _number(text, float(number))
        case ast.Constant(value=str() as quoted):
            return _quoted(text, quoted)
        case ast.Name(id=name):
            return Name(name)
        case ast.Attribute(value=ast.Name(id=owner), attr=part) if not part.startswith("_"):
            return Name(f"{owner}.{part}")
        case ast.UnaryOp(op=ast.USub(), operand=inner):
            return Operation("*", Literal(Quantity(-1.0, "1")), _node(text, inner, depth + 1))
        case ast.UnaryOp(op=ast.UAdd(), operand=inner):
            return _node(text, inner, depth + 1)
        case ast.BinOp(op=ast.Pow()):
            return Power(_node(text, tree.left, depth + 1), _exponent(text, tree.right))
        case ast.BinOp() if type(tree.op) in _OPERATORS:
            left, right = _node(text, tree.left, depth + 1), _node(text, tree.right, depth + 1)
            return Operation(_OPERATORS[type(tree.op)], left, right)
        case ast.Call(func=ast.Name(id=function), keywords=[]) if function in FUNCTIONS:
            return _call(text, function, tree.args, depth)
    raise _refused(text, f"{ast.unparse(tree)[:60]!r} is no arithmetic")


def _number(text: str, number: float) -> Literal:
    try:
        return Literal(Quantity(number, "1"))
    except UnitError as error:
        raise _refused(text, error.message) from error


def _quoted(text: str, quoted: str) -> Literal:
    try:
        return Literal(Quantity.parse(quoted, example="3 mm", unitless=True))
    except UnitError as error:
        raise _refused(text, error.message) from error


def _exponent(text: str, tree: ast.expr) -> float:
    sign = 1.0
    if isinstance(tree, ast.UnaryOp) and isinstance(tree.op, ast.USub):
        sign, tree = -1.0, tree.operand
    plain = isinstance(tree, ast.Constant) and type(tree.value) in (int, float)
    if not plain or abs(tree.value) > _MAX_POWER:  # type: ignore[attr-defined]
        raise _refused(text, f"an exponent is a plain number from -{_MAX_POWER} to {_MAX_POWER}")
    return sign * float(tree.value)  # type: ignore[attr-defined]


def _call(text: str, function: str, given: list[ast.expr], depth: int) -> Call:
    many = function in ("min", "max")
    if (many and len(given) < 2) or (not many and len(given) != 1):
        raise _refused(text, f"{function} takes {'two or more values' if many else 'one value'}")
    return Call(function, tuple(_node(text, argument, depth + 1) for argument in given))


def names(node: Node) -> frozenset[str]:
    """Return the names that an expression uses."""
    if isinstance(node, Name):
        return frozenset([node.name])
    return frozenset().union(*(names(part) for part in parts(node)))


def parts(node: Node) -> tuple[Node, ...]:
    """Return what a node is made of."""
    match node:
        case Operation(left=left, right=right):
            return (left, right)
        case Power(base=base):
            return (base,)
        case Call(arguments=arguments):
            return arguments
    return ()


def rebuilt(node: Node, change: Callable[[Name], Node]) -> Node:
    """Return the expression with each name changed."""
    match node:
        case Name():
            return change(node)
        case Operation():
            return replace(node, left=rebuilt(node.left, change), right=rebuilt(node.right, change))
        case Power():
            return replace(node, base=rebuilt(node.base, change))
        case Call():
            return replace(node, arguments=tuple(rebuilt(a, change) for a in node.arguments))
    return node


def substituted(node: Node, new: Mapping[str, Node]) -> Node:
    """Return the expression with something else in the place of some names.

    Examples
    --------
    >>> str(substituted(parse("a / (a + b)"), {"a": parse("c")}))
    'c / (c + b)'
    """
    return rebuilt(node, lambda name: new.get(name.name, name))


def inlined(node: Node, definitions: Mapping[str, Node]) -> Node:
    """Return the expression with defined names replaced by what they stand for.

    Raises
    ------
    ExpressionError
        When a definition needs itself, or the whole grows beyond all reason.
    """
    visited = itertools.count(1)

    def opened(part: Node, inside: tuple[str, ...]) -> Node:
        def change(name: Name) -> Node:
            if next(visited) > _MAX_NAMES:
                raise ExpressionError(f"an expression comes down to more than {_MAX_NAMES} values")
            if name.name not in definitions:
                return name
            if name.name in inside:
                raise ExpressionError(
                    f"{name.name!r} is defined by itself: {' -> '.join([*inside, name.name])}"
                )
            return opened(definitions[name.name], (*inside, name.name))

        return rebuilt(part, change)

    return opened(node, ())


def terms(node: Node) -> list[Node]:
    """Return what is added up at the top of an expression; one node where nothing is.

    Examples
    --------
    >>> [str(term) for term in terms(parse("a + b * c - d"))]
    ['a', 'b * c', 'd']
    """
    if isinstance(node, Operation) and node.sign in "+-":
        return [*terms(node.left), *terms(node.right)]
    return [node]


def _bracketed(node: Node, sign: str, *, last: bool) -> str:
    inner = isinstance(node, Operation) and (
        (sign in "*/" and node.sign in "+-")
        or (last and sign in "-/" and node.sign != "*")
        or (last and sign == "/")
    )
    return f"({node})" if inner else str(node)
