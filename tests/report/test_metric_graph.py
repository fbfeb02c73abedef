"""The graph of metrics, as text and as a picture."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from collections.abc import Callable
from pathlib import Path
from typing import Any

from siltomo.engine.compute.graph import metric_graph
from siltomo.metrics import registry

Cli = Callable[..., Any]
_SVG = "{http://www.w3.org/2000/svg}"


def test_a_tree_goes_down_to_records_and_voxels(cli: Cli) -> None:
    said = cli("metrics", "graph", "sei_volume_from_gas").out
    assert said.splitlines() == [
        "sei_volume_from_gas [mm^3/g_Si]",
        "└─ gas_volume_per_si_mass [cm^3/g_Si]",
        "   ├─ gas_volume_per_area [um]  (micro)",
        "   └─ cell.silicon_loading [mg_Si/cm^2]",
    ]


def test_every_derived_metric_is_in_the_graph_once_and_after_its_inputs() -> None:
    graph = metric_graph()
    assert {m.name for m in registry if m.kind == "derived"} <= set(graph)
    seen: set[str] = set()
    for name, node in graph.items():
        assert {inner for inner, _ in node.inputs} <= seen
        seen.add(name)


def test_the_picture_holds_every_metric_as_text(cli: Cli, tmp_path: Path) -> None:
    answer = cli("metrics", "graph", "-o", "graph.svg")
    assert answer.code == 0
    drawn = ET.parse(tmp_path / "graph.svg")
    texts = {t.text for t in drawn.iter(f"{_SVG}text")}
    graph = metric_graph()
    assert set(graph) <= texts
    assert len(list(drawn.iter(f"{_SVG}path"))) == sum(len(n.inputs) for n in graph.values())
    boxes = [(r.get("x"), r.get("y")) for r in drawn.iter(f"{_SVG}rect")]
    assert len(set(boxes)) == len(graph), "no box hides another"


def test_a_picture_of_another_kind_is_refused(cli: Cli) -> None:
    answer = cli("metrics", "graph", "-o", "graph.bmp", "--json")
    assert (answer.code, answer.error["code"]) == (3, "SIL165")
    assert answer.error["fix"] == "siltomo metrics graph --json -o graph.svg"
