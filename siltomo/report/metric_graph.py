"""The graph of metrics as a picture."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape

from siltomo.engine.compute.graph import GraphNode

__all__ = ["graph_svg"]

_WIDTH, _HEIGHT, _GAP, _ACROSS = 270, 34, 14, 96
_COLOURS = {"field": "#f2e6c9", "base": "#d3e4f1", "derived": "#d9ead3"}
_STYLE = (
    "text{font-family:sans-serif;font-size:12px;fill:#222}.unit{fill:#666;font-size:10px}"
    "path{fill:none;stroke:#8a8a8a}.how{fill:#666;font-size:9px}"
)


def graph_svg(graph: Mapping[str, GraphNode]) -> str:
    """Draw a graph of metrics from left (records and base metrics) to right (what is computed from them).

    Parameters
    ----------
    graph
        What :func:`siltomo.engine.compute.graph.metric_graph` gives.

    Returns
    -------
    str
        An SVG document of its own; text stays text.
    """
    columns: dict[int, list[str]] = {}
    depth: dict[str, int] = {}
    for name, node in graph.items():  # inputs come before what needs them
        depth[name] = 1 + max((depth[inner] for inner, _ in node.inputs), default=-1)
        columns.setdefault(depth[name], []).append(name)
    place = {
        name: (column * (_WIDTH + _ACROSS), row * (_HEIGHT + _GAP))
        for column, names in columns.items()
        for row, name in enumerate(_ordered(names, graph))
    }
    width = len(columns) * (_WIDTH + _ACROSS) - _ACROSS + 20
    height = max(map(len, columns.values()), default=0) * (_HEIGHT + _GAP) + 20
    edges = [_edge(place[inner], place[name], how) for name in graph for inner, how in graph[name].inputs]
    boxes = [_box(node, place[name]) for name, node in graph.items()]
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="-10 -10 {width} {height}" width="{width}" '
        f'height="{height}" role="img" aria-label="metrics and what they are computed from">'
        f"<style>{_STYLE}</style>{''.join(edges)}{''.join(boxes)}</svg>\n"
    )


def _ordered(names: list[str], graph: Mapping[str, GraphNode]) -> list[str]:
    return sorted(names, key=lambda name: (graph[name].kind, name))


def _box(node: GraphNode, place: tuple[int, int]) -> str:
    x, y = place
    return (
        f'<rect x="{x}" y="{y}" width="{_WIDTH}" height="{_HEIGHT}" rx="5" fill="{_COLOURS[node.kind]}" '
        f'stroke="#666"/><text x="{x + 8}" y="{y + 15}">{escape(node.name)}</text>'
        f'<text class="unit" x="{x + 8}" y="{y + 28}">{escape(node.unit)}, {node.kind}</text>'
    )


def _edge(start: tuple[int, int], end: tuple[int, int], how: str) -> str:
    (x0, y0), (x1, y1) = (start[0] + _WIDTH, start[1] + _HEIGHT // 2), (end[0], end[1] + _HEIGHT // 2)
    bend = _ACROSS // 2
    said = f'<text class="how" x="{x0 + 4}" y="{y0 - 4}">{escape(how)}</text>' if how else ""
    return f'<path d="M{x0} {y0}C{x0 + bend} {y0} {x1 - bend} {y1} {x1} {y1}"/>{said}'
