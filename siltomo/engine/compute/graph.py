"""What is computed from what: the graph of metrics and of the fields of records."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from siltomo.metrics import From, registry

__all__ = ["GraphNode", "metric_graph", "tree_lines"]


@dataclass(frozen=True)
class GraphNode:
    """A metric or a field, with what it is computed from."""

    name: str
    kind: str
    """``derived``, ``base`` or ``field``."""
    unit: str
    inputs: tuple[tuple[str, str], ...] = ()
    """Name of each input, and how it is selected."""


def metric_graph(names: Iterable[str] = ()) -> dict[str, GraphNode]:
    """Return the metrics with all that they are computed from, inputs before what needs them.

    Parameters
    ----------
    names
        Names of metrics; without any, all derived ones.

    Raises
    ------
    NotFoundError
        When there is no such metric.
    """
    wanted = list(names) or [m.name for m in registry if m.kind == "derived"]
    made: dict[str, GraphNode] = {}
    for name in wanted:
        _visit(name, made)
    return made


def _visit(name: str, made: dict[str, GraphNode]) -> None:
    if name in made:
        return
    metric = registry.find(name)[0]
    inputs = []
    for query in metric.queries.values():
        if isinstance(query, From):
            _visit(query.metric, made)
            how = query.words.removeprefix(query.metric).strip(" ()")
            inputs.append((query.metric, how))
        else:
            made.setdefault(query.path, GraphNode(query.path, "field", query.unit))
            inputs.append((query.path, ""))
    made[name] = GraphNode(name, metric.kind, metric.unit, tuple(inputs))


def tree_lines(graph: dict[str, GraphNode]) -> list[str]:
    """Return the graph as trees in text, one for each metric that nothing else here is computed from."""
    needed = {name for node in graph.values() for name, _ in node.inputs}
    lines: list[str] = []
    for name, node in graph.items():
        if name not in needed and node.kind != "field":
            lines += [_said(node), *_branches(graph, node, "")]
    return lines


def _branches(graph: dict[str, GraphNode], node: GraphNode, indent: str) -> Iterable[str]:
    for number, (name, how) in enumerate(node.inputs, 1):
        last = number == len(node.inputs)
        inner = graph[name]
        selected = f"  ({how})" if how else ""
        yield f"{indent}{'└─ ' if last else '├─ '}{_said(inner)}{selected}"
        yield from _branches(graph, inner, indent + ("   " if last else "│  "))


def _said(node: GraphNode) -> str:
    return f"{node.name} [{node.unit}]"
