"""Find what each row of a derived metric is computed from.

A row stands for a state of a cell. Its inputs form a tree whose leaves are base results and fields of records;
none or several that fit are never chosen from.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from siltomo.engine.compute.subjects import Item, MakeItem, Subject, Subjects, can_answer
from siltomo.engine.states import State
from siltomo.metrics import Field, From, Request, registry
from siltomo.metrics.inputs import Match
from siltomo.units import Quantity

__all__ = ["DerivedRow", "FieldLeaf", "Leaf", "Match", "Missing", "Node", "Resolver", "ResultLeaf"]


@dataclass(frozen=True)
class ResultLeaf:
    """A base result that a row is computed from."""

    item: Item
    own: bool
    """Whether it is of the row's own cell."""


@dataclass(frozen=True)
class FieldLeaf:
    """A field of a record that a row is computed from."""

    key: str
    value: Quantity
    unit: str


@dataclass(frozen=True)
class Missing:
    """An input that is not to be had, and why."""

    reason: str
    ambiguous: bool = False


Leaf = ResultLeaf | FieldLeaf | Missing


@dataclass(frozen=True)
class Node:
    """A derived metric of a state, with what was found for each of its inputs."""

    request: Request
    inputs: Mapping[str, Node | Leaf]

    def leaves(self) -> Iterator[tuple[str, Leaf]]:
        """List the leaves with the path of their argument."""
        for name, found in self.inputs.items():
            if isinstance(found, Node):
                yield from ((f"{name}.{inner}", leaf) for inner, leaf in found.leaves())
            else:
                yield name, found


@dataclass(frozen=True)
class DerivedRow:
    """One row to come of a derived metric."""

    state: State
    node: Node

    @property
    def request(self) -> Request:
        """The metric as asked for."""
        return self.node.request

    @property
    def items(self) -> tuple[Item, ...]:
        """The base results that it needs."""
        return tuple(leaf.item for leaf in self._results)

    @property
    def _results(self) -> Iterator[ResultLeaf]:
        return (leaf for _, leaf in self.node.leaves() if isinstance(leaf, ResultLeaf))

    @property
    def _lacks_input(self) -> bool:
        return any(isinstance(leaf, Missing) for _, leaf in self.node.leaves())

    @cached_property
    def specimen(self) -> str | None:
        """The declared specimen that all its results are of; None where there is not one, or an input is missing."""
        if self._lacks_input:
            return None
        found = {leaf.item.subject.outline.specimen if leaf.own else None for leaf in self._results}
        return found.pop() if len(found) == 1 else None

    @property
    def match(self) -> Match | None:
        """How closely the scans of its results belong together; None where there are none, or an input is missing."""
        own = [leaf.own for leaf in self._results]
        if not own or self._lacks_input:
            return None
        return "specimen" if self.specimen else "cell" if all(own) else "formulation"

    def match_of(self, leaf: ResultLeaf) -> str:
        """Return in words how closely a result belongs to the row."""
        if self.specimen:
            return "same specimen"
        return "same cell" if leaf.own else "same formulation and cycle"


@dataclass
class Resolver:
    """Finds inputs among all labelled scans of a catalog."""

    subjects: Subjects
    item: MakeItem
    """Makes the item of a base request on a subject."""
    settings: Mapping[str, object]
    match: Match = "cell"
    cycling: Callable[[Field, State], FieldLeaf | Missing] | None = None
    """Looks a figure of a cycling run up."""
    _inner: dict[str, Mapping[str, Request]] = field(default_factory=dict)
    _by_cell: dict[tuple[str, int], list[Subject]] = field(default_factory=lambda: defaultdict(list))

    _specimens: bool = False
    """Whether any scan names its specimen."""

    def __post_init__(self) -> None:
        self._specimens = any(s.outline.specimen for s in self.subjects.every_labelled)
        for subject in self.subjects.every_labelled:
            self._by_cell[self._owner(subject), subject.outline.cycle].append(subject)

    def _owner(self, subject: Subject) -> str:
        if self.match == "formulation" and subject.cell is not None:
            return subject.cell.formulation
        return subject.outline.cell

    def node(self, request: Request, state: State) -> Node:
        """Resolve a derived request at a state."""
        return self._node(request, state, self._specimen_of(request, state))

    def _node(self, request: Request, state: State, specimen: str | None) -> Node:
        inner = self._inputs_of(request)
        inputs: dict[str, Node | Leaf] = {}
        for name, query in request.metric.queries.items():
            if isinstance(query, Field):
                cycled = self.cycling if query.path.startswith("cycling.") else None
                inputs[name] = cycled(query, state) if cycled else _field(query, state)
            elif inner[name].metric.queries:
                inputs[name] = self._node(inner[name], state, specimen)
            else:
                inputs[name] = self._result(query, inner[name], state, specimen)
        return Node(request, inputs)

    def _inputs_of(self, request: Request) -> Mapping[str, Request]:
        inner = self._inner.get(request.name)
        if inner is None:
            inner = self._inner[request.name] = registry.inputs(request, self.settings)
        return inner

    def _specimen_of(self, request: Request, state: State) -> str | None:
        """Return the specimen that a row is of: that of its scans, else of those of its inputs that are one scan."""
        if not self._specimens:
            return None
        scanned = {s.outline.specimen for s in state.subjects} - {None}
        if len(scanned) > 1:
            every = [self._own(self._candidates(*one, state), state) for one in self._queries(request)]
            scanned = {found[0].outline.specimen for found in every if len(found) == 1} - {None}
        return scanned.pop() if len(scanned) == 1 else None

    def _queries(self, request: Request) -> Iterator[tuple[From, Request]]:
        """List the base results that a derived metric asks for, through the metrics between."""
        inner = self._inputs_of(request)
        for name, query in request.metric.queries.items():
            if isinstance(query, From):
                asked = inner[name]
                yield from self._queries(asked) if asked.metric.queries else [(query, asked)]

    def _result(
        self, query: From, request: Request, state: State, specimen: str | None
    ) -> ResultLeaf | Missing:
        every = list(self._candidates(query, request, state))
        alone = len(every) == 1 and self.match != "specimen"
        found = every if alone else self._nearest(every, state, specimen)
        if len(found) > 1:
            naming_all = [s for s in found if request.is_fully_named(s.sample(request.phase))]
            found = naming_all if len(naming_all) == 1 else found
        if len(found) == 1:
            return ResultLeaf(self.item(request, found[0]), found[0].outline.cell == state.cell)
        if found:
            return Missing(f"{len(found)} results fit {query.words}: {_named(found)}", ambiguous=True)
        if every:
            return Missing(_no_specimen(query, specimen, every, state))
        return Missing(f"nothing fits {query.words} for cell {state.cell} in cycle {_cycle(query, state)}")

    @staticmethod
    def _own(found: Iterable[Subject], state: State) -> list[Subject]:
        return [subject for subject in found if subject.outline.cell == state.cell]

    def _nearest(self, found: list[Subject], state: State, specimen: str | None) -> list[Subject]:
        """Keep those of the row's specimen, else of its cell, where there are; only the first if so asked."""
        own = self._own(found, state)
        same = [s for s in own if specimen is not None and s.outline.specimen == specimen]
        return same if self.match == "specimen" else same or own or found

    def _candidates(self, query: From, request: Request, state: State) -> Iterator[Subject]:
        cycle = _cycle(query, state)
        half = query.half or (None if query.cycle is not None else state.half)
        elsewhen = cycle != state.cycle or half != state.half
        owner = self._owner(state.subjects[0])
        for subject in self._by_cell.get((owner, cycle), ()):
            scan, labels = subject.outline, subject.labels
            if (
                labels is not None
                and query.scale in (None, scan.scale)
                and query.mode in (None, scan.mode)
                and query.domain in (None, labels.domain)
                and half in (None, scan.half)
                and (elsewhen or scan.capacity in (None, state.capacity) or state.capacity is None)
                and _trusts(query, labels.min_feature)
                and can_answer(request, subject)
            ):
                yield subject


def _named(subjects: list[Subject]) -> str:
    return ", ".join(subject.labels.id for subject in subjects if subject.labels)


def _no_specimen(query: From, specimen: str | None, found: list[Subject], state: State) -> str:
    """Say why no scan of the same specimen is there, and what is."""
    if specimen is not None:
        return f"no scan of specimen {specimen} fits {query.words}; of the cell there are: {_named(found)}"
    named = sorted({s.outline.specimen for s in state.subjects if s.outline.specimen})
    if named:
        return (
            f"the scans of {state.words} are of several specimens ({', '.join(named)}), choose one by "
            f"--where \"specimen == '{named[0]}'\"; fitting {query.words}: {_named(found)}"
        )
    return (
        f"the scans of {state.words} name no specimen: siltomo catalog set {found[0].outline.id} --specimen ...; "
        f"fitting {query.words}: {_named(found)}"
    )


def _cycle(query: From, state: State) -> int:
    return state.cycle + query.cycle_offset if query.cycle is None else query.cycle


def _trusts(query: From, min_feature: Quantity | None) -> bool:
    wanted = query.min_feature_um
    return wanted is None or (
        min_feature is not None and math.isclose(min_feature.value, wanted, rel_tol=1e-6)
    )


_OPTIONS = {"silicon_fraction": "si-fraction", "silicon_loading": "loading"}
"""Options that set what a computed field is computed from."""

_COMMANDS = {
    "formulation": "siltomo formulation set {id} --{option} ...",
    "cell": "siltomo cell set {id} --{option} ...",
    "state": "siltomo catalog set {id} --{option} ...",
}


def _field(query: Field, state: State) -> FieldLeaf | Missing:
    """Look a field up in the records of a state."""
    kind, name = query.path.split(".", 1)
    subject = state.subjects[0]
    if kind == "state":
        having = [s for s in state.subjects if getattr(s.scan.state, name) is not None]
        record: Any = (having or [subject])[0].scan
        value = getattr(record.state, name)
    else:
        record = subject.cell if kind == "cell" else subject.formulation
        value = None if record is None else getattr(record, name)
    if value is None:
        owner = record.id if record is not None else kind
        option = _OPTIONS.get(name, name.replace("_", "-"))
        return Missing(
            f"{query.path} of {owner} is not known: " + _COMMANDS[kind].format(id=owner, option=option)
        )
    return FieldLeaf(f"{record.kind}/{record.id}/{query.path}", value, query.unit)
