"""The whole of it on the demo: every kind of figure from one file, and the page, true to the catalog."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path

import pytest

from siltomo.engine.catalog import open_catalog
from siltomo.engine.demo.demo import run_demo
from siltomo.report.kinds import KINDS
from siltomo.twin import Preset

SMALL = Preset("small", 0.5, 40.0, None, 2.0, 100.0, 200.0, 0.05, 3.5, 2.0, 1)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.slow
def test_every_figure_and_the_report_of_the_demo(cli, tmp_path):
    home = tmp_path / "demo"
    run_demo(home, preset=SMALL)
    more = {"histogram": "scan: zn-c1-micro", "render3d": "own_renderer: true"}
    lines = [
        f"  {kind}: {{kind: {kind}, output: {kind}.png, {more.get(kind, 'width: double')}}}" for kind in KINDS
    ]
    (tmp_path / "all.yaml").write_text("\n".join(["figures:", *lines]) + "\n", "utf-8")
    rows = cli("--catalog", home, "figure", "run", "all.yaml", "--json").data
    assert {row["figure"]: row["outcome"] for row in rows} == dict.fromkeys(KINDS, "drawn")

    catalog = open_catalog(home)
    kept = {str(row["key"]): row for row in catalog.compute("crack_volume_fraction").to_dict("records")}
    drawn = [row for row in rows_of(tmp_path / "operando.csv") if row["metric"] == "crack_volume_fraction"]
    assert drawn
    for row in drawn:
        assert float(row["value"]) == kept[row["key"]]["value"]
        assert row["scan"] == kept[row["key"]]["scan"]

    found = cli("--catalog", home, "report", "--all", "-o", "report.html", "--json").data
    assert found["bytes"] < 10_000_000
    page = (tmp_path / "report.html").read_text("utf-8")
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert len(data["stacks"]) == len(catalog.scans)
    assert len(data["meshes"]) == 2
    assert data["formulations"] == ["reference", "with-zn"]
