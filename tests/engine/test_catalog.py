"""The catalog from Python: tables, lazy volumes, plans that read nothing, passes that do not depend on blocks."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import zarr

import siltomo
from siltomo.engine.compute import passes
from siltomo.engine.compute.plan import Plan, make_plan
from siltomo.engine.compute.run import run_plan
from siltomo.engine.select import parse_where
from siltomo.errors import BadInputError, NotFoundError, TooLargeError
from siltomo.model import Cell, VoxelSize

NAMES = (
    "crack_volume_fraction",
    "crack_interconnectivity",
    "crack_surface_to_volume_ratio",
    "crack_width_mean",
    "crack_width_median",
    "crack_width_distribution",
)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every reading of voxels through zarr."""
    seen: list[object] = []
    get = zarr.Array.__getitem__

    def counted(self: zarr.Array, selection: object) -> object:
        seen.append(selection)
        return get(self, selection)  # type: ignore[index]

    monkeypatch.setattr(zarr.Array, "__getitem__", counted)
    return seen


def test_records_are_tables_with_units(study: Path) -> None:
    catalog = siltomo.open_catalog(study)
    assert list(catalog.scans.index) == ["op1"]
    scan = catalog.scans.loc["op1"]
    assert (scan["state.cycle"], scan["state.capacity"], scan["voxel_size.z"]) == (1, 1200, 0.5)
    assert catalog.scans.attrs["units"]["state.capacity"] == "mAh/g_Si"
    assert catalog.cells.loc["zn1", "si_mass"] == 0.13
    assert catalog.cells.attrs["units"]["si_mass"] == "mg_Si"
    assert list(catalog.formulations.index) == ["zn"]
    assert catalog.segmentations.loc["op1-seg", "phases"] == "1=crack, 2=solid, 3=outside"
    assert "1 scans" in repr(catalog)


def test_a_scan_opens_lazily_with_labels_beside_greys(
    study: Path, labels: np.ndarray, reads: list[object]
) -> None:
    opened = siltomo.open_catalog(study).scan("op1")
    assert reads == []
    assert set(opened.data_vars) == {"grey", "op1-seg"}
    assert opened.grey.chunks is not None
    np.testing.assert_allclose(opened.z.values, np.arange(40) * 0.5)
    assert {opened[axis].attrs["units"] for axis in "zyx"} == {"um"}
    attrs = opened["op1-seg"].attrs
    assert (attrs["flag_values"], attrs["flag_meanings"]) == ([1, 2, 3], "crack solid outside")
    assert opened.attrs["capacity"] == "1200 mAh/g_Si"
    np.testing.assert_array_equal(opened["op1-seg"].values, labels)
    assert reads != []


def test_planning_reads_no_voxel(study: Path, reads: list[object]) -> None:
    plan = make_plan(siltomo.open_catalog(study), NAMES)
    plan.explain()
    assert reads == []
    assert plan.summary()["to_compute"] == len(NAMES)
    assert len(plan.passes) == 1


def test_asking_again_reads_nothing(study: Path, reads: list[object]) -> None:
    catalog = siltomo.open_catalog(study)
    first = run_plan(catalog, make_plan(catalog, NAMES))
    assert reads != []
    reads.clear()
    again = run_plan(catalog, make_plan(catalog, NAMES))
    assert reads == []
    assert [{**row, "reused": True} for row in first] == again


def _rows(catalog: siltomo.Catalog, plan: Plan) -> list[object]:
    return [row.get("value", row.get("values")) for row in run_plan(catalog, plan)]


@pytest.mark.parametrize("slab", [1, 7, 16, 40])
def test_results_do_not_depend_on_the_blocks(
    study: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, slab: int
) -> None:
    import shutil

    other = tmp_path_factory.mktemp("other") / "catalog"
    shutil.copytree(study, other)
    catalog = siltomo.open_catalog(study)
    expected = _rows(catalog, make_plan(catalog, NAMES))
    monkeypatch.setattr("siltomo.engine.compute.passes._depths", lambda *_: [slab])
    copy = siltomo.open_catalog(other)
    plan = make_plan(copy, NAMES)
    assert plan.passes[0].blocks == -(-40 // slab)
    assert _rows(copy, plan) == expected


def test_a_plan_over_the_budget_is_refused_with_the_three_numbers(
    study: Path, monkeypatch: pytest.MonkeyPatch, reads: list[object]
) -> None:
    monkeypatch.setenv("SILTOMO_MEMORY", "1 MB")
    with pytest.raises(TooLargeError, match=r"needs .* MiB for its smallest block.*allowed are 976.6 KiB"):
        make_plan(siltomo.open_catalog(study), ["crack_width_mean"])
    assert reads == []


def test_a_small_budget_makes_thin_blocks(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalog = siltomo.open_catalog(study)
    (ample,) = make_plan(catalog, ["crack_width_mean"]).passes
    thin = passes._block_bytes(ample.subject, ample.measures, 8, 32)
    monkeypatch.setenv("SILTOMO_MEMORY", f"{thin} B")
    (tight,) = make_plan(catalog, ["crack_width_mean"]).passes
    assert (tight.slab, tight.workers, tight.max_halo) == (8, 1, 32)
    assert tight.peak_bytes <= thin < ample.peak_bytes


def test_levels_and_unknown_scans(study: Path) -> None:
    catalog = siltomo.open_catalog(study)
    with pytest.raises(BadInputError, match="levels 0 to 0"):
        catalog.scan("op1", level=1)
    with pytest.raises(NotFoundError, match="did you mean op1"):
        catalog.scan("op2")


def test_records_can_be_added_and_changed_from_python(study: Path) -> None:
    catalog = siltomo.open_catalog(study)
    assert catalog.add(Cell(id="zn2", formulation="zn")).changed
    assert not catalog.add(Cell(id="zn2", formulation="zn")).changed
    change = catalog.set(Cell, "zn2", {"diameter": "3 mm"})
    assert (change.revision, str(catalog.record(Cell, "zn2").diameter)) == (2, "3 mm")
    assert catalog.set(Cell, "zn2", {"diameter": None}).revision == 3
    with pytest.raises(NotFoundError, match="no formulation 'zx'"):
        catalog.set(Cell, "zn2", {"formulation": "zx"})


def test_an_interrupted_run_goes_on_where_it_stopped(
    study: Path, monkeypatch: pytest.MonkeyPatch, reads: list[object]
) -> None:
    from siltomo.engine.compute import run as compute
    from siltomo.engine.intake.labels import LabelsOrder, import_labels
    from siltomo.importers import Source

    catalog = siltomo.open_catalog(study)
    order = LabelsOrder(
        Source(study / "labels.npy"), "op1", {1: "crack", 2: "solid", 3: "rest"}, {"id": "s2"}
    )
    import_labels(catalog, order)
    measure, calls = compute.measure_volume, []

    def interrupted(*arguments: object, **options: object) -> object:
        calls.append(1)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return measure(*arguments, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(compute, "measure_volume", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_plan(catalog, make_plan(catalog, ["crack_volume_fraction"]))
    plan = make_plan(catalog, ["crack_volume_fraction"])
    assert (plan.summary()["kept"], plan.summary()["to_compute"]) == (1, 1)


def test_a_halo_that_does_not_fit_the_memory_fails_with_the_reason(
    study: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """A crack of 120 planes needs a halo of its own thickness; the memory allowed has room for 32."""
    from siltomo.engine.intake.labels import LabelsOrder, import_labels
    from siltomo.engine.intake.scans import ScanOrder, add_scan
    from siltomo.importers import Source

    labels = np.full((300, 40, 40), 2, np.uint8)
    labels[60:180] = 1
    np.save(study / "thick.npy", labels)
    catalog = siltomo.open_catalog(study)
    state = {"cycle": 1, "half": "rest"}
    fields = {"id": "thick", "cell": "zn1", "state": state, "scale": "micro", "mode": "ex_situ"}
    size = VoxelSize.model_validate("1 um")
    add_scan(catalog, ScanOrder(Source(study / "thick.npy"), fields, voxel_size=size))
    import_labels(catalog, LabelsOrder(Source(study / "thick.npy"), "thick", {1: "crack", 2: "solid"}, {}))
    where = parse_where("scan == 'thick'")
    monkeypatch.setattr("siltomo.engine.compute.passes._depths", lambda *_: [16])
    monkeypatch.setattr("siltomo.engine.compute.passes._largest_halo", lambda *_: 32)
    (row,) = run_plan(catalog, make_plan(catalog, ["crack_width_mean"], where=where))
    assert row["status"] == "failed"
    assert "more than 32 planes on either side" in row["reason"]
    monkeypatch.undo()
    (row,) = run_plan(catalog, make_plan(catalog, ["crack_width_mean"], where=where))
    assert row["value"] == pytest.approx(120)


def test_writing_begins_with_settling_what_was_killed(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from siltomo.catalog import Recovered

    left = [Recovered("0" * 22, "completed", "scan", "op9"), Recovered("1" * 22, "dropped")]
    catalog = siltomo.open_catalog(study)
    monkeypatch.setattr(catalog.store, "recover", lambda: left)
    assert catalog.begin_writing() == (
        "scan op9, left by a command that was killed, was whole and is now registered",
    )
    monkeypatch.setattr(catalog.store, "recover", lambda: pytest.fail("once is enough"))
    catalog.add(Cell(id="zn2", formulation="zn"))


def test_a_metric_that_breaks_leaves_the_others_whole(study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from siltomo.metrics import registry

    found = registry.find("crack_interconnectivity")[0]

    def broken(**_: object) -> None:
        raise KeyError("oops")

    monkeypatch.setitem(registry._metrics, found.name, replace(found, function=broken))
    catalog = siltomo.open_catalog(study)
    plan = make_plan(catalog, ["crack_volume_fraction", "crack_interconnectivity"])
    rows = {row["metric"]: row for row in run_plan(catalog, plan)}
    assert rows["crack_volume_fraction"]["status"] == "ok"
    assert rows["crack_interconnectivity"]["status"] == "failed"
    assert "KeyError: 'oops'" in rows["crack_interconnectivity"]["reason"]
