"""Plan a computation without reading a voxel: what exists, what is missing, what the rest costs."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Any

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.passes import Pass, PlainPass, make_pass, make_plain_pass
from siltomo.engine.compute.resolve import DerivedRow, Match, Missing, Node, Resolver, ResultLeaf
from siltomo.engine.compute.sensitivity import find_variants
from siltomo.engine.compute.subjects import (
    Item,
    MakeItem,
    Subject,
    Subjects,
    base_item,
    base_items,
    find_subjects,
)
from siltomo.engine.compute.windows import Within, WithinCommon
from siltomo.engine.cycling.fields import CyclingFields, with_cycles
from siltomo.engine.resources import collector_paused, in_words
from siltomo.engine.select import Selection, everything
from siltomo.engine.states import ends_of, states_of
from siltomo.metrics import Request, registry
from siltomo.model import Status

__all__ = ["Plan", "make_plan"]


@dataclass(frozen=True)
class Plan:
    """What a computation will do; nothing has been read."""

    rows: tuple[Item | DerivedRow, ...]
    """The rows to come, in the order in which they were asked for."""
    passes: tuple[Pass | PlainPass, ...]
    """The readings of voxels that they need."""
    variants: Mapping[str, tuple[Item, ...]] = field(default_factory=dict)
    """For the key of an item, the same metric on variants of its segmentation; empty unless asked for."""

    @cached_property
    def items(self) -> tuple[Item, ...]:
        """The base results of the plan, asked for or needed, each once."""
        every = (item for row in self.rows for item in (row.items if isinstance(row, DerivedRow) else (row,)))
        varied = (item for items in self.variants.values() for item in items)
        return tuple({(item.key or id(item)): item for item in (*every, *varied)}.values())

    @property
    def read_bytes(self) -> int:
        """Bytes of voxels that the run will read."""
        return sum(p.read_bytes for p in self.passes)

    @property
    def peak_bytes(self) -> int:
        """Upper bound of the memory that the run will take for voxels."""
        return max((p.peak_bytes for p in self.passes), default=0)

    def summary(self) -> dict[str, Any]:
        """Return the plan's figures."""
        items = self.items
        return {
            "rows": len(self.rows),
            "kept": sum(item.found is not None for item in items),
            "to_compute": sum(item.to_compute for item in items),
            "without_value": sum(item.status != Status.OK for item in items),
            "passes": len(self.passes),
            "read_bytes": self.read_bytes,
            "peak_bytes": self.peak_bytes,
        }

    def explain(self) -> str:
        """Return the plan as a tree in words."""
        lines: list[str] = []
        by_name: dict[str, list[Item | DerivedRow]] = defaultdict(list)
        for row in self.rows:
            by_name[row.request.name].append(row)
        for name, rows in by_name.items():
            lines.append(_heading(name, rows[0].request))
            for row in rows:
                lines += _explain_row(row)
        for item in (item for items in self.variants.values() for item in items):
            lines.append(
                f"variant {item.subject.columns['segmentation']} of {item.request.name}: {_fate(item)}"
            )
        for number, one in enumerate(self.passes, 1):
            named = ", ".join(dict.fromkeys(item.request.name for item in one.items))
            lines.append(
                f"pass {number}: reads {one.subject.columns['segmentation']} {_times(len(one.stages))} "
                f"({in_words(one.read_bytes)} in {one.blocks} blocks of {one.slab} planes, "
                f"{in_words(one.peak_bytes)} of memory at once) for {named}"
            )
        if not self.passes:
            lines.append("no voxel needs to be read")
        return "\n".join(lines)


def _times(number: int) -> str:
    return {1: "once", 2: "twice"}.get(number, f"{number} times")


def _heading(name: str, request: Request) -> str:
    settings = ", ".join(f"{k} = {v}" for k, v in request.parameters.items())
    return f"{name} [{request.metric.unit}] v{request.metric.version}" + (
        f" ({settings})" if settings else ""
    )


def _explain_row(row: Item | DerivedRow) -> Iterator[str]:
    if isinstance(row, Item):
        columns = row.subject.columns
        yield f"  {columns['scan']} / {columns['segmentation'] or '-'}: {_fate(row)}"
        return
    yield f"  {row.state.words}:"
    yield from _explain_node(row, row.node, "    ")


def _explain_node(row: DerivedRow, node: Node, indent: str) -> Iterator[str]:
    for name, found in node.inputs.items():
        if isinstance(found, Node):
            yield f"{indent}{name} <- {found.request.name}"
            yield from _explain_node(row, found, indent + "  ")
        elif isinstance(found, ResultLeaf):
            columns = found.item.subject.columns
            place = f"{columns['scan']} / {columns['segmentation']}"
            yield (
                f"{indent}{name} <- {found.item.request.name} of {place} ({row.match_of(found)}): "
                f"{_fate(found.item)}"
            )
        elif isinstance(found, Missing):
            yield f"{indent}{name} <- missing: {found.reason}"
        else:
            yield f"{indent}{name} <- {found.key} = {found.value}"


def _fate(item: Item) -> str:
    if item.found is not None:
        return f"kept, result {item.key[:12]}"
    if not item.to_compute:
        return f"{item.status}: {item.reason}"
    labels = item.subject.labels
    if not item.request.phase:
        return "to compute on all its phases"
    values = () if labels is None else labels.named[item.request.phase]
    return f"to compute on {item.request.phase} = {', '.join(map(str, values))}"


def make_plan(
    catalog: Catalog,
    names: Iterable[str],
    *,
    where: Selection = everything,
    settings: Mapping[str, object] | None = None,
    match: Match = "cell",
    sensitivity: bool = False,
    within: Within | None = None,
) -> Plan:
    """Plan the computation of metrics.

    Parameters
    ----------
    names
        Names of metrics.
    where
        Which scans and segmentations; for a derived metric, which scans name the states that get a row (its
        inputs are looked for among all).
    settings
        Values of parameters.
    match
        Whether the inputs of a derived metric come from scans of one specimen, of the same cell, or may come from
        any cell of the same formulation in the same cycle and half-cycle. Nearer ones win.
    sensitivity
        Whether to measure the variants of segmentations as well.
    within
        ``common``: measure only what all scans of a registered series show.

    Raises
    ------
    NotFoundError
        When there is no such metric.
    TooLargeError
        When the smallest block needs more memory than is allowed.
    """
    with collector_paused():
        place = WithinCommon(catalog) if within == "common" else _as_it_is
        return _make_plan(catalog, names, where, settings or {}, match, sensitivity=sensitivity, place=place)


def _as_it_is(item: Item) -> Item:
    return item


def _make_plan(
    catalog: Catalog,
    names: Iterable[str],
    where: Selection,
    given: Mapping[str, object],
    match: Match,
    *,
    sensitivity: bool,
    place: Callable[[Item], Item],
) -> Plan:
    requests = registry.requests(names, given)
    subjects = find_subjects(catalog, where)
    make = _each_once(lambda request, subject: place(base_item(catalog, request, subject)))
    resolver = Resolver(subjects, make, given, match, CyclingFields(catalog))
    rows = tuple(row for request in requests for row in _rows(catalog, request, subjects, resolver, where))
    waiting: dict[str, list[Item]] = defaultdict(list)
    plan = Plan(rows, ())
    if sensitivity:
        found = find_variants(catalog, plan.items)
        plan = replace(plan, variants={key: tuple(map(place, varied)) for key, varied in found.items()})
    needed = [item for item in plan.items if item.to_compute]
    for item in needed:
        if not item.request.metric.plain:
            waiting[str(item.subject.columns["segmentation"])].append(item)
    plain = [make_plain_pass(item) for item in needed if item.request.metric.plain]
    return replace(plan, passes=(*(make_pass(group) for group in waiting.values()), *plain))


def _each_once(make: MakeItem) -> MakeItem:
    """Make the item of a metric on a segmentation once, though many rows need it."""
    made: dict[tuple[str, str], Item] = {}

    def item(request: Request, subject: Subject) -> Item:
        named = request.name, subject.labels.id if subject.labels else ""
        found = made.get(named)
        if found is None:
            found = made[named] = make(request, subject)
        return found

    return item


def _rows(
    catalog: Catalog, request: Request, subjects: Subjects, resolver: Resolver, where: Selection
) -> Iterable[Item | DerivedRow]:
    if not request.metric.queries:
        return base_items(resolver.item, request, subjects)
    states = states_of(subjects.scans)
    if request.metric.states != "every state":
        states = ends_of(states, request.metric.states.removeprefix("end of "))
    every = with_cycles(catalog, request, states, where)
    return (DerivedRow(state, resolver.node(request, state)) for state in every)
