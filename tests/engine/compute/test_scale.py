"""Planning many scans: every record is opened once, no voxel is read, and the rest grows with the rows."""

from __future__ import annotations

import builtins
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import zarr

from siltomo.catalog import CatalogStore
from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.plan import make_plan
from siltomo.engine.compute.run import _result, run_plan
from siltomo.metrics import Scalar, registry
from siltomo.model import Cell, Formulation, Scan, Segmentation

CYCLES = 20


def fill(root: Path, cells: int) -> Catalog:
    """Declare micro and nano scans of cells through their cycles; the records say voxels that nobody reads."""
    catalog = Catalog(CatalogStore.create(root))
    catalog.add(Formulation(id="zn"))
    for number in range(cells):
        cell = f"zn{number}"
        catalog.add(Cell(id=cell, formulation="zn"))
        for cycle in range(CYCLES):
            for scale, phase in (("micro", "crack"), ("nano", "pore")):
                id_ = f"{cell}-c{cycle}-{scale}"
                volume = {"shape": [8, 8, 8], "dtype": "uint8", "content": f"sha256:{id_}"}
                half = "delithiation" if cycle else "pristine"
                scan = {"id": id_, "cell": cell, "state": {"cycle": cycle, "half": half}, "scale": scale}
                scan |= {"mode": "ex_situ", "voxel_size": "0.16 um", "volume": volume}
                catalog.store.put("scan", id_, Scan.model_validate(scan).body())
                labels = {"id": f"{id_}-seg", "scan": id_, "domain": "electrode", "volume": volume}
                labels["phases"] = [{"value": 1, "name": phase}, {"value": 2, "name": "solid"}]
                catalog.store.put("segmentation", labels["id"], Segmentation.model_validate(labels).body())
    return catalog


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files of records that are opened, while nothing may touch a voxel."""
    seen: list[str] = []

    def counting(plain: Callable[..., Any]) -> Callable[..., Any]:
        def counted(path: Any, *given: Any, **options: Any) -> Any:
            seen.append(str(path))
            return plain(path, *given, **options)

        return counted

    monkeypatch.setattr("builtins.open", counting(builtins.open))
    monkeypatch.setattr("os.open", counting(os.open))
    monkeypatch.setattr(CatalogStore, "open_volume", lambda *_, **__: pytest.fail("a volume was opened"))
    monkeypatch.setattr(zarr.Array, "__getitem__", lambda *_: pytest.fail("a voxel was read"))
    return seen


def test_many_scans_are_planned_from_their_records_and_computed_from_results(
    tmp_path: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    cells = 5
    catalog = fill(tmp_path, cells)
    states = cells * CYCLES
    opened.clear()
    plan = make_plan(catalog, ["electrode_porosity"])
    records = [path for path in opened if "/records/" in path and "/result/" not in path]
    assert len(records) == len(set(records)) == 4 * states + cells + 1, "each record once"
    assert plan.summary()["to_compute"] == 2 * states
    for number, item in enumerate(plan.items):
        result = _result(item, Scalar(0.1 + 0.001 * number, 0.01))
        catalog.store.put_result(item.key, result.model_dump(mode="json"))
    opened.clear()
    plan = make_plan(catalog, ["electrode_porosity"])
    results = [path for path in opened if "/result/" in path]
    assert len(results) == len(set(results)) == 2 * states, "each result once"
    formula = registry.find("electrode_porosity")[0].function
    opened.clear()
    rows = run_plan(catalog, plan)
    assert opened == [], "rows come from what was planned"
    assert [row["status"] for row in rows] == ["ok"] * states
    first = rows[0]
    values = [item.kept.value for item in plan.rows[0].items if item.kept]  # type: ignore[union-attr]
    assert first["value"] == pytest.approx(formula(*values))
    assert first["uncertainty"] == pytest.approx(0.01 * 2**0.5, rel=1e-6)


def test_a_result_that_many_rows_need_is_opened_once(tmp_path: Path, opened: list[str]) -> None:
    catalog = fill(tmp_path, 1)
    for number, item in enumerate(make_plan(catalog, ["electrode_porosity"]).items):
        result = _result(item, Scalar(0.1 + 0.001 * number, 0.01))
        catalog.store.put_result(item.key, result.model_dump(mode="json"))
    opened.clear()
    names = ("electrode_porosity", "electrode_porosity_nested", "crack_volume_fraction")
    plan = make_plan(catalog, names)
    results = [path for path in opened if "/result/" in path]
    assert len(results) == len(set(results)) == plan.summary()["kept"] == 2 * CYCLES
