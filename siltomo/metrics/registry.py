"""Declared metrics, by name.

A metric is a pure function with what is known of it without running it: name, unit, version, what it
measures, its parameters. ``{phase}`` in a name stands for any phase.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from importlib.metadata import entry_points
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin, get_type_hints

from siltomo.errors import BadInputError, NotFoundError, RegistrationError, UnitError
from siltomo.metrics.blocks import Measure, Sample
from siltomo.metrics.values import Answer
from siltomo.model.fields import In
from siltomo.units import Quantity, dimension

__all__ = ["ENTRY_POINTS", "Metric", "Parameter", "Registry", "Request", "metric", "registry"]

ENTRY_POINTS = "siltomo.metrics"
"""Group of entry points: each names a module whose import declares metrics."""

_PHASE = r"(?P<phase>[a-z][a-z0-9_]*)"

F = TypeVar("F", bound=Callable[..., Answer])
Setting = str | int | float | bool


@dataclass(frozen=True)
class Parameter:
    """A choice that changes the number, with its default."""

    name: str
    default: Setting | None
    choices: tuple[Setting, ...] = ()
    """The allowed values, where they are a closed list."""
    unit: str = ""
    """The unit, for a quantity."""
    bounds: In | None = None

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
    """A declared metric."""

    name: str
    """Its name, with ``{phase}`` where it serves every phase."""
    unit: str
    version: int
    function: Callable[..., Answer]
    inputs: Mapping[str, type[Measure[Any]]]
    """What it measures: argument of the function to the measure it takes."""
    parameters: tuple[Parameter, ...]
    """What the user may set."""
    fixed: Mapping[str, Setting]
    """What this declaration sets."""
    phases: tuple[str, ...]
    """The phases under which it is listed."""
    package: str

    @property
    def summary(self) -> str:
        """First sentence of its description."""
        return " ".join((inspect.getdoc(self.function) or "").split("\n\n")[0].split())

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


@dataclass(frozen=True)
class Request:
    """A metric as asked for: its phase and the value of every parameter."""

    metric: Metric
    name: str
    phase: str
    parameters: Mapping[str, Setting | None]

    def measures(self, sample: Sample) -> dict[str, Measure[Any]]:
        """Return the measures that the metric needs on a sample, by argument."""
        return {argument: self._measure(kind, sample) for argument, kind in self.metric.inputs.items()}

    def _measure(self, kind: type[Measure[Any]], sample: Sample) -> Measure[Any]:
        own = {k: v for k, v in self.parameters.items() if k in kind.__dataclass_fields__}
        return kind(sample, **own)

    def finish(self, totals: Mapping[str, Any], sample: Sample) -> Answer:
        """Compute the answer from the totals of the measures."""
        wanted = inspect.signature(self.metric.function).parameters
        settings = {**self.parameters, **self.metric.fixed}
        own = {name: value for name, value in settings.items() if name in wanted}
        return self.metric.function(**totals, sample=sample, **own)


def metric(
    name: str,
    *,
    unit: str,
    version: int,
    fixed: Mapping[str, Setting] | None = None,
    phases: Iterable[str] = (),
) -> Callable[[F], F]:
    """Declare a metric.

    The decorated function takes the totals of the measures that its annotations name
    (``Annotated[Total, MeasureClass]``), the sample, and keyword-only parameters; it returns the answer
    in the declared unit, with lengths in um. It may be decorated several times: each is a metric of its
    own, told apart by ``fixed``.

    Parameters
    ----------
    name
        The metric's name; ``{phase}`` stands for any phase.
    unit
        Unit of its values.
    version
        Number to raise whenever the same input may give another value.
    fixed
        Parameters that this declaration sets.
    phases
        Phases under which the metric is listed.

    Raises
    ------
    RegistrationError
        When the name is taken, the unit unknown, or the function has arguments nobody can fill.
    """

    def declare(function: F) -> F:
        registry.add(
            _declared(
                function, name, unit=unit, version=version, fixed=dict(fixed or {}), phases=tuple(phases)
            )
        )
        return function

    return declare


def _declared(
    function: Callable[..., Answer],
    name: str,
    *,
    unit: str,
    version: int,
    fixed: dict[str, Setting],
    phases: tuple[str, ...],
) -> Metric:
    try:
        dimension(unit)
    except UnitError as error:
        raise RegistrationError(f"metric {name!r}: {error.message}") from error
    hints = get_type_hints(function, include_extras=True)
    inputs: dict[str, type[Measure[Any]]] = {}
    parameters: list[Parameter] = []
    for argument in inspect.signature(function).parameters.values():
        measured = [m for m in get_args(hints.get(argument.name))[1:] if _is_measure(m)]
        if argument.kind is argument.KEYWORD_ONLY:
            if argument.name not in fixed:
                parameters.append(_parameter(name, argument, hints[argument.name]))
        elif measured:
            inputs[argument.name] = measured[0]
        elif argument.name != "sample":
            raise RegistrationError(
                f"metric {name!r}: nothing can fill the argument {argument.name!r}; annotate it with a "
                "measure, call it 'sample', or make it keyword-only"
            )
    package = function.__module__.split(".")[0]
    return Metric(name, unit, version, function, inputs, tuple(parameters), fixed, phases, package)


def _is_measure(mark: object) -> bool:
    return isinstance(mark, type) and issubclass(mark, Measure)


def _parameter(metric_name: str, argument: inspect.Parameter, hint: object) -> Parameter:
    default = argument.default
    if default is inspect.Parameter.empty:
        raise RegistrationError(f"metric {metric_name!r}: parameter {argument.name!r} has no default")
    if get_origin(hint) is Literal:
        return Parameter(argument.name, default, choices=get_args(hint))
    if get_origin(hint) is Annotated:
        for mark in get_args(hint)[1:]:
            if isinstance(mark, In):
                kept = mark.read(default).value if isinstance(default, (str, Quantity)) else default
                return Parameter(argument.name, kept, unit=mark.unit, bounds=mark)
    raise RegistrationError(
        f"metric {metric_name!r}: parameter {argument.name!r} must be a Literal or an Annotated quantity"
    )


class Registry:
    """All declared metrics; plug-ins are imported when a name is first looked up."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._broken: dict[str, str] = {}
        self._loaded = False

    def add(self, declared: Metric) -> None:
        """Register a metric; a taken name raises ``RegistrationError`` naming both packages."""
        other = self._metrics.get(declared.name)
        if other is not None:
            raise RegistrationError(
                f"metric {declared.name!r} is declared twice: in {other.function.__module__} "
                f"and in {declared.function.__module__}"
            )
        self._metrics[declared.name] = declared

    def load_plugins(self) -> None:
        """Import the modules that other packages name as entry points; a broken one is kept as a line."""
        if self._loaded:
            return
        self._loaded = True
        for point in entry_points(group=ENTRY_POINTS):
            try:
                point.load()
            except Exception as error:  # whatever a stranger's module raises must not take siltomo down
                self._broken[point.name] = f"{type(error).__name__}: {error}"

    @property
    def broken(self) -> Mapping[str, str]:
        """Plug-ins that could not be imported, with the reason."""
        return dict(self._broken)

    def __iter__(self) -> Iterator[Metric]:
        self.load_plugins()
        return iter(sorted(self._metrics.values(), key=lambda m: m.name))

    def find(self, name: str) -> tuple[Metric, str]:
        """Return the metric of a name and the phase it is asked for.

        Raises
        ------
        NotFoundError
            When no metric has that name; the nearest names are given.
        """
        found = [(m, phase) for m in self for phase in [m.matches(name)] if phase is not None]
        if found:
            # "sei_rich_volume_fraction": the declaration with the most letters of its own wins
            return max(found, key=lambda pair: len(pair[0].name))
        known = [listed for m in self for listed in m.names()]
        near = get_close_matches(name, known, n=3)
        hint = f"; did you mean {' or '.join(near)}?" if near else ""
        broken = "".join(f"; plug-in {n} is broken ({why})" for n, why in self._broken.items())
        raise NotFoundError(
            f"no metric is called {name!r}{hint}{broken}",
            code="SIL160",
            fix=f"siltomo metrics show {near[0]}" if near else "siltomo metrics list",
        )

    def request(self, name: str, settings: Mapping[str, object]) -> Request:
        """Return a metric as asked for, with every parameter set.

        Raises
        ------
        NotFoundError
            When there is no such metric.
        BadInputError
            When a setting has a wrong value. Settings of other metrics are left alone.
        """
        found, phase = self.find(name)
        parameters: dict[str, Setting | None] = {}
        for parameter in found.parameters:
            given = settings.get(parameter.name)
            parameters[parameter.name] = parameter.default if given is None else parameter.read(given)
        return Request(found, name, phase, parameters)

    def requests(self, names: Iterable[str], settings: Mapping[str, object]) -> list[Request]:
        """Return several metrics as asked for.

        Raises
        ------
        BadInputError
            Also when a setting is a parameter of none of them.
        """
        requests = [self.request(name, settings) for name in dict.fromkeys(names)]
        known = {p.name for request in requests for p in request.metric.parameters}
        for name in settings:
            if name not in known:
                near = get_close_matches(name, known, n=1)
                hint = f"; did you mean {near[0]!r}?" if near else ""
                has = f"they have: {', '.join(sorted(known))}" if known else "they have none"
                raise BadInputError(
                    f"no parameter {name!r} in {', '.join(r.name for r in requests)}{hint} ({has})",
                    code="SIL164",
                    fix=f"siltomo metrics show {requests[0].name}",
                )
        return requests


registry = Registry()
"""The registry of this process."""
