"""Declared metrics, by name.

A metric is a pure function with what is known of it without running it: name, unit, version, what it
measures or is computed from, its parameters. ``{phase}`` in a name stands for any phase.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import cached_property
from importlib.metadata import entry_points
from typing import Any, TypeVar

from siltomo.errors import BadInputError, NotFoundError, RegistrationError
from siltomo.metrics.blocks import Measure, Sample
from siltomo.metrics.declaration import Metric, Setting, States, declared
from siltomo.metrics.inputs import From
from siltomo.metrics.plain import Labels, answer_of
from siltomo.metrics.probes import coherent_factor, prove_units
from siltomo.metrics.values import Answer
from siltomo.units import dimension, same_dimension

__all__ = ["ENTRY_POINTS", "Registry", "Request", "metric", "registry"]

ENTRY_POINTS = "siltomo.metrics"
"""Group of entry points: each names a module whose import declares metrics."""

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True)
class Request:
    """A metric as asked for: its phase and the value of every parameter."""

    metric: Metric
    name: str
    phase: str
    parameters: Mapping[str, Setting | None]

    @cached_property
    def spelled(self) -> str:
        """The parameters as JSON with sorted keys."""
        return json.dumps(dict(self.parameters), sort_keys=True, separators=(",", ":"), default=str)

    def seen(self, sample: Sample) -> Sample:
        """Return what the metric may know of a sample: its result depends on no more."""
        return sample if self.metric.surroundings else sample.without_surroundings()

    def lacks(self, sample: Sample) -> str:
        """Say why a sample has no value, as far as its phases tell; empty when it may have one."""
        if not self.metric.surroundings:
            return ""
        return next(filter(None, (kind.lacks(sample) for kind in self.metric.measures.values())), "")

    def is_fully_named(self, sample: Sample) -> bool:
        """Return whether a sample names all that the metric measures."""
        return all(kind.is_fully_named(sample) for kind in self.metric.measures.values())

    def measures(self, sample: Sample) -> dict[str, Measure[Any]]:
        """Return the measures that a base metric needs on a sample, by argument."""
        sample = self.seen(sample)
        return {argument: self._measure(kind, sample) for argument, kind in self.metric.measures.items()}

    def _measure(self, kind: type[Measure[Any]], sample: Sample) -> Measure[Any]:
        own = {k: v for k, v in self.parameters.items() if k in kind.__dataclass_fields__}
        return kind(sample, **own)

    @property
    def settings(self) -> dict[str, Setting | None]:
        """What the function takes besides its inputs."""
        every = {**self.parameters, **self.metric.fixed}
        return {name: value for name, value in every.items() if name in self.metric.arguments}

    def evaluate(self, labels: Labels, sample: Sample) -> Answer:
        """Compute the answer of a plain metric on a label volume, on the threads of this process."""
        about = {"sample": self.seen(sample)} if "sample" in self.metric.arguments else {}
        found = self.metric.function(**{self.metric.plain: labels}, **about, **self.settings)
        return answer_of(found.compute() if hasattr(found, "compute") else found, self.metric.unit)

    def combine(self, inputs: Mapping[str, float]) -> float:
        """Return a derived metric in its own unit, from its inputs as floats in coherent units."""
        settings: dict[str, Any] = dict(self.settings)
        for parameter in self.metric.parameters:
            if parameter.unit:
                settings[parameter.name] *= coherent_factor(parameter.unit)
        return float(self.metric.function(**inputs, **settings)) / coherent_factor(self.metric.unit)

    def finish(self, totals: Mapping[str, Any], sample: Sample) -> Answer:
        """Compute the answer of a base metric from the totals of its measures."""
        about = {"sample": self.seen(sample)} if "sample" in self.metric.arguments else {}
        answer: Answer = self.metric.function(**totals, **about, **self.settings)
        return answer


def metric(
    name: str = "",
    *,
    unit: str,
    version: int,
    fixed: Mapping[str, Setting] | None = None,
    phases: Iterable[str] = (),
    assume: str = "",
    states: States = "every state",
) -> Callable[[F], F]:
    """Declare a metric.

    A base metric in the plain form takes ``labels: Labels``, a lazy xarray array, and returns one: a number, or
    a profile over its coordinate. In the block form it takes the totals of the measures that its annotations name
    (``Annotated[Total, MeasureClass]``), the sample, and returns an answer in the declared unit with lengths
    in um. A derived metric takes the results and fields that its annotations name
    (``Annotated[float, From(...)]``, ``Annotated[float, Field(...)]``; an argument without a mark is the
    metric of that name) as floats in coherent units and returns a float; ``In(...)`` beside a query bounds
    the values for which the formula holds, and outside them a row says so. Keyword-only arguments are
    parameters. A function may be decorated several times: each is a metric of its own.

    Parameters
    ----------
    name
        The metric's name, else that of the function; ``{phase}`` stands for any phase.
    unit
        Unit of its values.
    version
        Number to raise whenever the same input may give another value.
    fixed
        Parameters that this declaration sets.
    phases
        Phases under which the metric is listed.
    assume
        What must hold for the formula, where that is more than its inputs; stands in every row.
    states
        Of a derived metric: which states of a cell get a row.

    Raises
    ------
    RegistrationError
        When the name is taken, an input unknown, or the units of a derived formula do not work out.
    """

    def declare(function: F) -> F:
        made = declared(
            function,
            name or function.__name__,
            unit=unit,
            version=version,
            fixed=fixed or {},
            phases=tuple(phases),
            assume=assume,
            states=states,
        )
        registry.add(made)
        return function

    return declare


class Registry:
    """All declared metrics; plug-ins are imported when a name is first looked up."""

    def __init__(self) -> None:
        self._metrics: dict[str, Metric] = {}
        self._broken: dict[str, str] = {}
        self._loaded = False

    def add(self, made: Metric) -> None:
        """Register a metric; the units of a derived formula are proved first.

        Raises
        ------
        RegistrationError
            When the name is taken (both modules are named), an input names no metric (the nearest are
            given), or the formula is not in the declared unit.
        """
        other = self._metrics.get(made.name)
        if other is not None:
            raise RegistrationError(
                f"metric {made.name!r} is declared twice: in {other.function.__module__} "
                f"and in {made.function.__module__}"
            )
        if made.queries:
            prove_units(made, self._units(made))
        self._metrics[made.name] = made

    def _units(self, made: Metric) -> dict[str, str]:
        """Return the unit of each input of a derived metric."""
        units = {}
        for argument, query in made.queries.items():
            if not isinstance(query, From):
                units[argument] = query.unit
                continue
            found = self._matching(query.metric)
            if found is None:
                near = get_close_matches(query.metric, self._known(), n=3)
                hint = f"; nearest: {', '.join(near)}" if near else ""
                raise RegistrationError(
                    f"metric {made.name!r}: its input {argument!r} asks for {query.metric!r}, which names no "
                    f"metric{hint}"
                )
            units[argument] = found[0].unit
            if query.unit and not same_dimension(query.unit, found[0].unit):
                raise RegistrationError(
                    f"metric {made.name!r}: its input {argument!r} asks for {query.unit} "
                    f"({dimension(query.unit)}), but {query.metric} is in {found[0].unit} "
                    f"({dimension(found[0].unit)})"
                )
        return units

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

    def _known(self) -> list[str]:
        return [listed for made in self._metrics.values() for listed in made.names()]

    def _matching(self, name: str) -> tuple[Metric, str] | None:
        every = self._metrics.values()
        found = [(m, phase) for m in every for phase in [m.matches(name)] if phase is not None]
        # "sei_rich_volume_fraction": the declaration with the most letters of its own wins
        return max(found, key=lambda pair: len(pair[0].name), default=None)

    def find(self, name: str) -> tuple[Metric, str]:
        """Return the metric of a name and the phase it is asked for.

        Raises
        ------
        NotFoundError
            When no metric has that name; the nearest names are given.
        """
        self.load_plugins()
        found = self._matching(name)
        if found is not None:
            return found
        near = get_close_matches(name, self._known(), n=3)
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

    def inputs(self, request: Request, settings: Mapping[str, object]) -> dict[str, Request]:
        """Return the metrics that a derived one asks for, by argument, with the same settings."""
        return {
            argument: self.request(query.metric, settings)
            for argument, query in request.metric.queries.items()
            if isinstance(query, From)
        }

    def requests(self, names: Iterable[str], settings: Mapping[str, object]) -> list[Request]:
        """Return several metrics as asked for.

        Raises
        ------
        BadInputError
            Also when a setting is a parameter of none of them, nor of what they are computed from.
        """
        requests = [self.request(name, settings) for name in dict.fromkeys(names)]
        known = {p for request in requests for p in self._parameters(request, settings)}
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

    def _parameters(self, request: Request, settings: Mapping[str, object]) -> Iterator[str]:
        yield from (p.name for p in request.metric.parameters)
        for inner in self.inputs(request, settings).values():
            yield from self._parameters(inner, settings)


registry = Registry()
"""The registry of this process."""
