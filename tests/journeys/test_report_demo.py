"""The whole of it on the demo: every figure of the founding study from one file, the page, and what is said to type."""

from __future__ import annotations

import csv
import json
import re
import shlex
from pathlib import Path

import pytest
from PIL import Image

from siltomo.cli.demo import _text
from siltomo.engine.catalog import open_catalog
from siltomo.engine.demo.demo import Demo, run_demo
from siltomo.engine.demo.pictures import FIGURES, write_figures
from siltomo.engine.yaml import read_yaml
from siltomo.model import Cell
from siltomo.report.kinds import KINDS
from siltomo.twin import Preset

pytestmark = pytest.mark.slow
SMALL = Preset("small", 0.5, 40.0, None, 2.0, 100.0, 200.0, 0.05, 3.5, 2.0, 1)


@pytest.fixture(scope="module")
def done(tmp_path_factory) -> Demo:
    return run_demo(tmp_path_factory.mktemp("small") / "demo", preset=SMALL)


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_what_the_demo_says_to_type_draws_every_figure_and_writes_the_page(cli, done, monkeypatch):
    monkeypatch.chdir(done.folder)
    typed = [shlex.split(line)[1:] for line in _text(done, []).splitlines() if line.startswith("  siltomo ")]
    assert ["figure", "run", FIGURES.as_posix()] in typed
    assert ["report", "--all", "-o", "report.html"] in typed
    for words in typed:
        if words != ["demo", "--broken"]:  # a journey of its own
            answer = cli(*words)
            assert answer.code == 0, (words, answer.out, answer.err)
    rows = cli("figure", "run", FIGURES, "--json").data
    assert {row["outcome"] for row in rows} == {"current"}
    for row in rows:
        for file in row["files"]:
            assert Path(file).stat().st_size > 0
            if file.endswith((".png", ".gif")):
                with Image.open(file) as picture:
                    assert picture.width > 300
    page = Path("report.html").read_text("utf-8")
    assert len(page) < 10_000_000
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    assert len(data["stacks"]) == len(open_catalog(done.folder).scans)
    assert len(data["meshes"]) == 2
    assert data["formulations"] == ["reference", "with-zn"]


def test_the_demos_file_holds_every_kind_of_figure(done):
    declared = read_yaml(done.folder / FIGURES).data["figures"].values()
    kinds = [panel["kind"] for one in declared for panel in one.get("panels", [one])]
    assert set(kinds) == set(KINDS)


def test_a_changed_file_of_figures_is_left_alone(tmp_path):
    path = write_figures(tmp_path)
    path.write_text("mine", "utf-8")
    assert write_figures(tmp_path).read_text("utf-8") == "mine"


def test_figures_hold_what_the_catalog_holds(cli, done, monkeypatch):
    monkeypatch.chdir(done.folder)
    cli("figure", "run", FIGURES, "--only", "fig6", "--only", "fig8")
    catalog = open_catalog(done.folder)
    kept = {str(row["key"]): row for row in catalog.compute("crack_volume_fraction").to_dict("records")}
    drawn = [row for row in rows_of(Path("figures/fig6.csv")) if row["metric"] == "crack_volume_fraction"]
    assert drawn
    for row in drawn:
        assert float(row["value"]) == kept[row["key"]]["value"]
        assert row["scan"] == kept[row["key"]]["scan"]
    # contraction is the thickness lost since the top of the cycle, over the cell's initial one
    thick = catalog.compute("electrode_thickness", where="cell == 'zn-operando' and scale == 'micro'")
    known = thick[thick["status"] == "ok"].set_index("scan")["value"].astype(float).to_dict()
    shown = {
        row["scan"]: float(row["contraction"])
        for row in rows_of(Path("figures/fig8.csv"))
        if row["contraction"]
    }
    first = catalog.record(Cell, "zn-operando").initial_thickness.m_as("um")
    top = max(value for scan, value in known.items() if "-c1-" in scan)
    mine = {scan: value for scan, value in shown.items() if scan in known}
    assert mine
    for scan, contraction in mine.items():
        assert contraction == pytest.approx((top - known[scan]) / first)
