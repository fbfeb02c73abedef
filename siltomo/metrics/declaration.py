"""What is known of a metric without running it."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from siltomo.errors import BadInputError, RegistrationError, UnitError
from siltomo.metrics.blocks import Measure
from siltomo.metrics.inputs import Field, From
from siltomo.metrics.plain import Labels
from siltomo.metrics.values import Distribution, Scalar
from siltomo.model.fields import In
from siltomo.units import Quantity, dimension

__all__ = ["Metric", "Parameter", "Setting", "States", "declared"]

Setting = str | int | float | bool

States = Literal["every state", "end of lithiation", "end of delithiation"]
"""The states that get a row: every one that was scanned, or the last one of each such half-cycle."""

_PHASE = r"(?P<phase>[a-z][a-z0-9_]*)"


@dataclass(frozen=True)
class Parameter:
    """A choice that changes the number, with its default."""

    name: str
    default: Setting | None
    choices: tuple[Setting, ...] = ()
    """The allowed values, where they are a closed list."""
    bounds: In | None = None
    """Unit and bounds, for a quantity."""

    @property
    def unit(self) -> str:
        """The unit, for a quantity."""
        return self.bounds.unit if self.bounds else ""

    def read(self, given: object) -> Setting:
        """Read a value as typed by the user; raises ``BadInputError`` when it is not allowed."""
        if self.bounds is not None:
            try:
                return self.bounds.read(given).value
            except UnitError as error:
                raise BadInputError(error.message, where=f"parameter {self.name}") from error
        for choice in self.choices:
            if str(given) == str(choice):
                return choice
        allowed = ", ".join(str(choice) for choice in self.choices)
        raise BadInputError(f"{self.name} cannot be {given!r}; it is one of {allowed}", code="SIL164")


@dataclass(frozen=True)
class Metric:
    """A declared metric: base when it measures voxels, derived when it is computed from other results."""

    name: str
    """Its name, with ``{phase}`` where it serves every phase."""
    unit: str
    version: int
    function: Callable[..., Any]
    measures: Mapping[str, type[Measure[Any]]]
    """Of a base metric: argument of the function to the measure it takes."""
    queries: Mapping[str, From | Field]
    """Of a derived metric: argument of the function to what is asked for it."""
    parameters: tuple[Parameter, ...]
    """What the user may set."""
    fixed: Mapping[str, Setting]
    """What this declaration sets."""
    phases: tuple[str, ...]
    """The phases under which it is listed."""
    assume: str
    """What must hold for the formula, where that is more than its inputs."""
    package: str
    valid: Mapping[str, In]
    """Of a derived metric: argument of the function to the bounds within which its formula holds."""
    plain: str
    """Of a base metric in the plain form: its argument that takes the labels."""
    states: States
    """Of a derived metric: the states of a cell that get a row."""

    def _repr_html_(self) -> str:
        """Show the metric in a notebook: name, unit, definition, parameters."""
        rows = "".join(
            f"<tr><td style='text-align:left'><code>{escape(one.name)}</code></td>"
            f"<td style='text-align:left'>{escape(str(one.default))}</td></tr>"
            for one in self.parameters
        )
        table = f"<table><tr><th>parameter</th><th>default</th></tr>{rows}</table>" if rows else ""
        assumed = f"<p>assumes that {escape(self.assume)}</p>" if self.assume else ""
        return (
            f"<div><b>{escape(self.name)}</b> [{escape(self.unit)}], {escape(self.kind)}, version {self.version}"
            f"<pre style='white-space:pre-wrap'>{escape(self.description)}</pre>{assumed}{table}</div>"
        )

    @cached_property
    def arguments(self) -> frozenset[str]:
        """Names of the arguments of its function."""
        return frozenset(inspect.signature(self.function).parameters)

    @property
    def kind(self) -> str:
        """``base`` or ``derived``."""
        return "derived" if self.queries else "base"

    @property
    def gives(self) -> str:
        """``number``, or ``distribution`` for a metric that is declared to return one (or a profile)."""
        hint = get_type_hints(self.function).get("return")
        kinds = get_args(hint) or (hint,)
        return "distribution" if Distribution in kinds and Scalar not in kinds else "number"

    @cached_property
    def surroundings(self) -> bool:
        """Whether it asks where in the electrode it is: for all phases and the depth axis."""
        return bool(self.plain) or any(kind.surroundings for kind in self.measures.values())

    @property
    def summary(self) -> str:
        """First sentence of its description."""
        return " ".join(self.description.split("\n\n")[0].split())

    @property
    def description(self) -> str:
        """What it computes, with formula, conventions and limits."""
        return inspect.getdoc(self.function) or ""

    def matches(self, name: str) -> str | None:
        """Return the phase that a name asks this metric for; none when it is another metric's name."""
        if "{phase}" not in self.name:
            return "" if name == self.name else None
        found = re.fullmatch(self.name.replace("{phase}", _PHASE), name)
        return found["phase"] if found else None

    def names(self) -> Iterator[str]:
        """List the names under which it is shown."""
        if "{phase}" not in self.name:
            yield self.name
        for phase in self.phases:
            yield self.name.replace("{phase}", phase)


def declared(
    function: Callable[..., Any],
    name: str,
    *,
    unit: str,
    version: int,
    fixed: Mapping[str, Setting],
    phases: tuple[str, ...],
    assume: str,
    states: States = "every state",
) -> Metric:
    """Read a declaration; raises ``RegistrationError`` for a unit or an argument that cannot be."""
    try:
        dimension(unit)
    except UnitError as error:
        raise RegistrationError(f"metric {name!r}: {error.message}") from error
    asked = _asked(function, name, fixed)
    _check_one_kind(name, asked)
    package = function.__module__.split(".")[0]
    return Metric(
        name,
        unit,
        version,
        function,
        asked.measures,
        asked.queries,
        tuple(asked.parameters),
        dict(fixed),
        phases,
        assume,
        package,
        asked.valid,
        asked.plain,
        states,
    )


@dataclass
class _Asked:
    """What the arguments of a metric's function ask for."""

    measures: dict[str, type[Measure[Any]]] = field(default_factory=dict)
    queries: dict[str, From | Field] = field(default_factory=dict)
    valid: dict[str, In] = field(default_factory=dict)
    parameters: list[Parameter] = field(default_factory=list)
    plain: str = ""
    """The argument that takes the labels as an array."""


def _asked(function: Callable[..., Any], name: str, fixed: Mapping[str, Setting]) -> _Asked:
    """Read the arguments of a function, each by the mark in its type."""
    hints = get_type_hints(function, include_extras=True)
    asked = _Asked()
    for argument in inspect.signature(function).parameters.values():
        marks = get_args(hints.get(argument.name))[1:]
        if argument.kind is argument.KEYWORD_ONLY:
            if argument.name not in fixed:
                asked.parameters.append(_parameter(name, argument, hints[argument.name]))
        elif hints.get(argument.name) is Labels:
            asked.plain = argument.name
        elif found := [m for m in marks if isinstance(m, type) and issubclass(m, Measure)]:
            asked.measures[argument.name] = found[0]
        elif queries := [m for m in marks if isinstance(m, From | Field)]:
            asked.queries[argument.name] = queries[0]
            if bounds := [mark for mark in marks if isinstance(mark, In)]:
                asked.valid[argument.name] = bounds[0]
        elif argument.name != "sample":
            # an argument without a mark is the metric of that name
            asked.queries[argument.name] = From(argument.name)
    return asked


def _check_one_kind(name: str, asked: _Asked) -> None:
    """Refuse a metric that measures and combines, or that measures in two ways."""
    measures, plain = ", ".join(asked.measures), asked.plain
    if asked.queries and (measures or plain):
        raise RegistrationError(
            f"metric {name!r} mixes measures ({', '.join(filter(None, (measures, plain)))}) with results "
            f"({', '.join(asked.queries)}): measure in a base metric, and combine in a derived one"
        )
    if plain and measures:
        raise RegistrationError(
            f"metric {name!r} takes labels ({plain}) and measures ({measures}): one or the other"
        )


def _parameter(metric_name: str, argument: inspect.Parameter, hint: object) -> Parameter:
    default = argument.default
    if default is inspect.Parameter.empty:
        raise RegistrationError(f"metric {metric_name!r}: parameter {argument.name!r} has no default")
    if get_origin(hint) is Literal:
        return Parameter(argument.name, default, choices=get_args(hint))
    if get_origin(hint) is Annotated:
        for mark in get_args(hint)[1:]:
            if isinstance(mark, In):
                kept = mark.read(default).value if isinstance(default, str | Quantity) else default
                return Parameter(argument.name, kept, bounds=mark)
    raise RegistrationError(
        f"metric {metric_name!r}: parameter {argument.name!r} must be a Literal or an Annotated quantity"
    )
