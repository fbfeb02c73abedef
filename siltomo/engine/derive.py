"""Derived metrics: find what each row is computed from, then compute it with its uncertainty.

A row stands for a state of a cell. Its inputs form a tree whose leaves are base results and fields of records;
a leaf that occurs twice is one variable, so that shared inputs are correlated: at cycle 0 the expansion is 0
with uncertainty 0.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from siltomo.engine.states import State, capacity_of
from siltomo.engine.subjects import Item, Subject, Subjects
from siltomo.metrics import Field, From, Request, coherent_factor, registry
from siltomo.metrics.inputs import Match
from siltomo.model import MetricResult, Status, Uncertainty
from siltomo.units import Quantity

__all__ = ["DerivedRow", "FieldLeaf", "Match", "Missing", "Node", "Resolver", "ResultLeaf", "derive"]


@dataclass(frozen=True)
class ResultLeaf:
    """A base result that a row is computed from."""

    item: Item
    match: str


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


@dataclass(frozen=True)
class Node:
    """A derived metric of a state, with what was found for each of its inputs."""

    request: Request
    inputs: Mapping[str, Node | ResultLeaf | FieldLeaf | Missing]

    def leaves(self) -> Iterator[tuple[str, ResultLeaf | FieldLeaf | Missing]]:
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
        return tuple(leaf.item for _, leaf in self.node.leaves() if isinstance(leaf, ResultLeaf))


@dataclass
class Resolver:
    """Finds inputs among all labelled scans of a catalog."""

    subjects: Subjects
    item: Callable[[Request, Subject], Item]
    """Makes the item of a base request on a subject."""
    settings: Mapping[str, object]
    match: Match = "cell"
    cycling: Callable[[Field, State], FieldLeaf | Missing] = field(
        default=lambda query, state: Missing(f"{query.path} of {state.cell} is not known")
    )
    """Looks a figure of a cycling run up."""
    _by_cell: dict[tuple[str, int], list[Subject]] = field(default_factory=lambda: defaultdict(list))

    def __post_init__(self) -> None:
        for subject in self.subjects.every_labelled:
            self._by_cell[self._owner(subject), subject.scan.state.cycle].append(subject)

    def _owner(self, subject: Subject) -> str:
        if self.match == "formulation" and subject.cell is not None:
            return subject.cell.formulation
        return subject.scan.cell

    def node(self, request: Request, state: State) -> Node:
        """Resolve a derived request at a state."""
        inner = registry.inputs(request, self.settings)
        inputs: dict[str, Node | ResultLeaf | FieldLeaf | Missing] = {}
        for name, query in request.metric.queries.items():
            if isinstance(query, Field):
                own = query.path.startswith("cycling.")
                inputs[name] = self.cycling(query, state) if own else _field(query, state)
            else:
                inputs[name] = self._query(query, inner[name], state)
        return Node(request, inputs)

    def _query(self, query: From, request: Request, state: State) -> Node | ResultLeaf | Missing:
        if request.metric.queries:
            return self.node(request, state)
        found = list(self._candidates(query, request, state))
        if len(found) == 1:
            own = found[0].scan.cell == state.cell
            return ResultLeaf(
                self.item(request, found[0]), "same cell" if own else "same formulation and cycle"
            )
        if found:
            named = ", ".join(str(s.columns["segmentation"]) for s in found)
            return Missing(f"{len(found)} results fit {query.words}: {named}", ambiguous=True)
        return Missing(f"nothing fits {query.words} for cell {state.cell} in cycle {_cycle(query, state)}")

    def _candidates(self, query: From, request: Request, state: State) -> Iterator[Subject]:
        cycle = _cycle(query, state)
        elsewhen = cycle != state.cycle
        half = query.half or (None if query.cycle is not None else state.half)
        owner = self._owner(state.subjects[0])
        for subject in self._by_cell.get((owner, cycle), ()):
            scan, labels = subject.scan, subject.segmentation
            if (
                labels is not None
                and request.phase in labels.phase_names
                and query.scale in (None, str(scan.scale))
                and query.mode in (None, str(scan.mode))
                and half in (None, str(scan.state.half))
                and (elsewhen or capacity_of(subject) in (None, state.capacity) or state.capacity is None)
                and _trusts(query, labels.min_feature)
            ):
                yield subject


def _cycle(query: From, state: State) -> int:
    return state.cycle + query.cycle_offset if query.cycle is None else query.cycle


def _trusts(query: From, min_feature: Quantity | None) -> bool:
    wanted = query.min_feature_um
    return wanted is None or (
        min_feature is not None and math.isclose(min_feature.value, wanted, rel_tol=1e-6)
    )


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
        option = {"silicon_fraction": "si-fraction"}.get(name, name.replace("_", "-"))
        return Missing(
            f"{query.path} of {owner} is not known: " + _COMMANDS[kind].format(id=owner, option=option)
        )
    return FieldLeaf(f"{record.kind}/{record.id}/{query.path}", value, query.unit)


# ---- evaluation ----------------------------------------------------------------------------------------------

_PARTS = ("sampling", "discretisation", "segmentation", "declared")


@dataclass(frozen=True)
class _Variable:
    """A leaf's value in coherent units, and its standard uncertainties by part."""

    value: float
    spread: Mapping[str, float]


def derive(row: DerivedRow, results: Mapping[str, MetricResult | str]) -> dict[str, Any]:
    """Compute a row of a derived metric from the results of its leaves.

    Returns
    -------
    dict
        Value, uncertainty with its parts, status, reason, inputs and key.
    """
    variables: dict[str, _Variable] = {}
    wrong: list[tuple[Status, str]] = []
    for path, leaf in row.node.leaves():
        found = _variable(leaf, results)
        if isinstance(found, _Variable):
            variables[_key(leaf)] = found
        else:
            wrong.append((found[0], f"{path}: {found[1]}"))
    made = {"inputs": [_named(path, leaf) for path, leaf in row.node.leaves()], "key": row_key(row)}
    refusal = _different_wholes(row)
    if refusal:
        wrong.append((Status.REFUSED, refusal))
    if wrong:
        status = next((s for s, _ in wrong if s == Status.FAILED), wrong[0][0])
        return {**made, "value": None, "status": str(status), "reason": "; ".join(why for _, why in wrong)}
    values = {key: variable.value for key, variable in variables.items()}
    value = _evaluate(row.node, values)
    if not math.isfinite(value):
        reason = "the formula has no finite value for these inputs"
        return {**made, "value": None, "status": str(Status.UNDEFINED), "reason": reason}
    parts = _propagate(row.node, values, variables)
    uncertainty = Uncertainty(**parts)
    return {
        **made,
        "value": value,
        "status": str(Status.OK),
        "reason": "",
        "uncertainty": uncertainty.combined,
        "uncertainty_parts": uncertainty.model_dump(exclude_none=True),
    }


def row_key(row: DerivedRow) -> str:
    """Return the content key of a row: metric, version, parameters, and the keys of its inputs."""
    material = {
        "metric": row.node.request.name,
        "version": row.node.request.metric.version,
        "parameters": dict(row.node.request.parameters),
        "inputs": [[path, _key(leaf), str(getattr(leaf, "value", ""))] for path, leaf in row.node.leaves()],
    }
    return hashlib.sha256(json.dumps(material, sort_keys=True, default=str).encode()).hexdigest()


def _key(leaf: ResultLeaf | FieldLeaf | Missing) -> str:
    if isinstance(leaf, ResultLeaf):
        return leaf.item.key
    return leaf.key if isinstance(leaf, FieldLeaf) else leaf.reason


def _named(path: str, leaf: ResultLeaf | FieldLeaf | Missing) -> dict[str, Any]:
    if isinstance(leaf, ResultLeaf):
        columns = leaf.item.subject.columns
        named = {
            "metric": leaf.item.request.name,
            "scan": columns["scan"],
            "segmentation": columns["segmentation"],
        }
        return {"input": path, **named, "match": leaf.match, "key": leaf.item.key}
    if isinstance(leaf, FieldLeaf):
        return {"input": path, "field": leaf.key, "value": str(leaf.value)}
    return {"input": path, "missing": leaf.reason}


def _variable(
    leaf: ResultLeaf | FieldLeaf | Missing, results: Mapping[str, MetricResult | str]
) -> _Variable | tuple[Status, str]:
    if isinstance(leaf, Missing):
        return Status.MISSING, leaf.reason
    if isinstance(leaf, FieldLeaf):
        factor = coherent_factor(leaf.unit)
        declared = leaf.value.to(leaf.unit)
        spread = {} if declared.uncertainty is None else {"declared": declared.uncertainty * factor}
        return _Variable(declared.value * factor, spread)
    found = leaf.item.kept or results.get(leaf.item.key)
    if found is None:
        return leaf.item.status, leaf.item.reason
    if isinstance(found, str):
        return Status.FAILED, found
    if found.value is None:
        return found.status, found.reason or f"{found.metric} is no single number"
    factor = coherent_factor(found.unit)
    parts = found.uncertainty.model_dump(exclude_none=True)
    return _Variable(found.value * factor, {part: u * factor for part, u in parts.items()})


def _different_wholes(row: DerivedRow) -> str:
    """Say why fractions of different wholes may not be combined, unless the metric states its assumption."""
    wholes = {
        leaf.item.request.name: leaf.item.subject.sample(leaf.item.request.phase).whole
        for _, leaf in row.node.leaves()
        if isinstance(leaf, ResultLeaf) and leaf.item.request.name.endswith("_fraction")
    }
    if len(set(wholes.values())) < 2 or row.node.request.metric.assume:
        return ""
    named = ", ".join(f"{name} of the {whole}" for name, whole in wholes.items())
    return f"fractions of different wholes ({named}) are combined, and the metric states no assumption"


def _evaluate(node: Node, values: Mapping[str, float]) -> float:
    """Evaluate a tree on floats in coherent units; the answer is in the metric's own unit."""
    request = node.request
    arguments = {}
    for name, found in node.inputs.items():
        if isinstance(found, Node):
            arguments[name] = _evaluate(found, values) * coherent_factor(found.request.metric.unit)
        else:
            arguments[name] = values[_key(found)]
    units = {p.name: p.unit for p in request.metric.parameters if p.unit}
    settings: dict[str, Any] = dict(request.settings)
    for name, unit in units.items():
        settings[name] = settings[name] * coherent_factor(unit)
    try:
        return float(request.metric.function(**arguments, **settings)) / coherent_factor(request.metric.unit)
    except (ArithmeticError, ValueError):
        return math.nan


def _propagate(
    node: Node, values: Mapping[str, float], variables: Mapping[str, _Variable]
) -> dict[str, float]:
    """Propagate each part of the uncertainty to first order, by central differences over the leaves."""
    variances: dict[str, float] = {}
    for key, variable in variables.items():
        largest = max(variable.spread.values(), default=0.0)
        if not variable.spread:
            continue
        slope = 0.0
        if largest > 0:
            step = 1e-3 * largest
            above = _evaluate(node, {**values, key: values[key] + step})
            below = _evaluate(node, {**values, key: values[key] - step})
            slope = (above - below) / (2 * step)
        for part, spread in variable.spread.items():
            variances[part] = variances.get(part, 0.0) + (slope * spread) ** 2
    return {part: math.sqrt(variance) for part, variance in variances.items() if math.isfinite(variance)}
