"""The report's page: complete in itself, safe against what records say, and true to the catalog."""

from __future__ import annotations

import base64
import io
import json
import re

import numpy as np
import pytest
from PIL import Image

from siltomo.engine.catalog import open_catalog
from siltomo.engine.figures.mesh import component_mesh
from siltomo.engine.figures.report import collect_report
from siltomo.errors import NotFoundError
from siltomo.report.page import report_page


def data_of(page: str) -> dict:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    assert found
    return json.loads(found[1])


@pytest.fixture
def computed(cli, study):
    assert cli("compute", "metric", "crack_volume_fraction", "crack_width_distribution").code == 0
    return open_catalog(study)


def test_the_page_loads_nothing_from_anywhere(computed):
    page = report_page(collect_report(computed))
    assert "default-src 'none'" in page
    assert not re.search(r'(?:src|href)="(?!#|data:)', page)
    assert "@import" not in page
    assert "url(" not in page


def test_the_page_holds_the_results_of_the_catalog(cli, computed):
    data = data_of(report_page(collect_report(computed)))
    (kept,) = cli("compute", "metric", "crack_volume_fraction", "--json").data
    table = data["tables"]["results"]
    rows = [dict(zip(table["columns"], row, strict=True)) for row in table["rows"]]
    (row,) = [row for row in rows if row["metric"] == "crack_volume_fraction"]
    assert {name: row[name] for name in ("value", "uncertainty", "unit", "key", "scan")} == {
        name: kept[name] for name in ("value", "uncertainty", "unit", "key", "scan")
    }
    (plot,) = [plot for plot in data["plots"] if plot["metric"] == "crack_volume_fraction"]
    assert plot["rows"][0][5] == kept["value"]
    (profile,) = data["profiles"]
    assert sum(profile["rows"][0]["y"]) == pytest.approx(1, abs=1e-4)


def test_what_was_not_computed_is_named_and_not_computed(computed):
    report = collect_report(computed)
    assert report.not_computed["crack_interconnectivity"] == 1
    assert "crack_volume_fraction" not in report.not_computed
    assert "crack_interconnectivity (1)" in report_page(report)
    assert collect_report(computed).not_computed == report.not_computed


def test_a_record_cannot_write_into_the_page(cli, computed):
    evil = "</script><script>alert(1)</script><b>"
    assert cli("cell", "set", "zn1", "--notes", evil, "--title", evil).code == 0
    page = report_page(collect_report(computed))
    assert "<script>alert" not in page
    table = data_of(page)["tables"]["cells"]
    assert evil in table["rows"][0]


def test_planes_are_those_of_the_scan(computed, labels):
    report = collect_report(computed)
    (stack,) = report.stacks
    view = stack.views[0]
    assert stack.phases == ("crack", "solid")
    for plane, at in zip(view.phases, view.positions_um, strict=True):
        z = round(at / 0.5 - 0.5)
        assert np.array_equal(plane == 1, labels[z] == 1)
        assert np.array_equal(plane == 0, labels[z] == 3)
    packed = data_of(report_page(report))["stacks"][0]["views"][0]
    with Image.open(io.BytesIO(base64.b64decode(packed["marks"].split(",")[1]))) as sheet:
        assert np.array_equal(np.asarray(sheet).reshape(view.phases.shape), view.phases)


def test_the_surface_is_that_of_the_largest_crack(computed):
    mesh = component_mesh(computed, "op1")
    # the plate of 40 x 4 x 18 voxels; the lone block has 4 x 2 x 4
    assert mesh.share == pytest.approx(40 * 4 * 18 / (40 * 4 * 18 + 4 * 2 * 4))
    low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
    assert low == pytest.approx([0, 4, 0], abs=0.3)
    assert high == pytest.approx([20, 6, 9], abs=0.3)
    edges = np.sort(
        np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]], mesh.faces[:, [2, 0]]]), axis=1
    )
    _, times = np.unique(edges, axis=0, return_counts=True)
    assert set(times) == {2}  # closed


def test_a_surface_keeps_to_its_triangles(computed):
    fine, coarse = component_mesh(computed, "op1"), component_mesh(computed, "op1", most_triangles=600)
    assert len(coarse.faces) <= 600 < len(fine.faces)
    assert coarse.vertices.max(axis=0) == pytest.approx(fine.vertices.max(axis=0), abs=1.5)


def test_a_scan_that_is_not_there_is_refused(computed):
    with pytest.raises(NotFoundError, match="op9"):
        collect_report(computed, ["op9"])


def test_numbers_that_are_none_stay_valid_json(computed):
    text = report_page(collect_report(computed))
    assert "NaN" not in re.search(r'id="data">(.*?)</script>', text, re.DOTALL)[1]
