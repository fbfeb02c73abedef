"""Notebooks: what Jupyter shows of a catalog and its parts, and the example of the documentation."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from siltomo.engine.catalog import open_catalog
from siltomo.metrics import registry
from siltomo.model import Cell, Scan, Segmentation

ROOT = Path(__file__).parents[2]


def test_a_catalog_shows_cells_scans_and_pictures(study):
    shown = open_catalog(study)._repr_html_()
    assert "1 scans" in shown
    assert "zn1" in shown
    assert "1: 1" in shown
    assert "data:image/png;base64," in shown


def test_records_and_metrics_show_their_units(study):
    catalog = open_catalog(study)
    assert "0.13 mg_Si" in catalog.record(Cell, "zn1")._repr_html_()
    assert "0.5 um" in catalog.record(Scan, "op1")._repr_html_()
    assert "crack" in catalog.record(Segmentation, "op1-seg")._repr_html_()
    shown = registry.find("crack_width_mean")[0]._repr_html_()
    assert "[um]" in shown
    assert "convention" in shown


def test_what_a_record_says_stays_text(cli, study):
    assert cli("cell", "set", "zn1", "--notes", "<img src=x onerror=alert(1)>").code == 0
    assert "<img" not in open_catalog(study).record(Cell, "zn1")._repr_html_()


@pytest.mark.slow
def test_the_example_notebook_runs(tmp_path, monkeypatch):
    from siltomo.engine.demo.demo import run_demo
    from siltomo.twin import Preset

    small = Preset("small", 0.5, 40.0, None, 2.0, 100.0, 200.0, 0.05, 3.5, 2.0, 1)
    run_demo(tmp_path / "siltomo-demo", preset=small)
    monkeypatch.chdir(tmp_path)
    notebook = json.loads((ROOT / "docs" / "notebook.ipynb").read_text("utf-8"))
    known: dict[str, object] = {}
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            assert not cell["outputs"]
            exec("".join(cell["source"]), known)
    table = known["table"]
    assert len(table) > 4
    assert set(table["status"]) <= {"ok", "undefined"}
