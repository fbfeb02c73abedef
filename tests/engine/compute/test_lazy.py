"""Metrics over a catalog as lazy xarray datasets, on threads and on a cluster of processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pint
import pytest
import xarray as xr
import zarr

import siltomo

Cli = Callable[..., Any]


@pytest.fixture
def catalog(cli: Cli, tmp_path: Path) -> siltomo.Catalog:
    """Cell zn1 in cycles 0 and 1, micro and nano; no nano scan of cell ref1."""
    cli("init", ".")
    for formulation, cell in (("zn", "zn1"), ("ref", "ref1")):
        cli("formulation", "add", formulation)
        cli("cell", "add", cell, "--formulation", formulation)
    for cell, scale, cycle, planes in (
        ("zn1", "micro", 0, 4),
        ("zn1", "nano", 0, 6),
        ("zn1", "micro", 1, 8),
        ("zn1", "nano", 1, 10),
        ("ref1", "micro", 1, 5),
    ):
        labels = np.full((20, 20, 20), 2, np.uint8)
        labels[:, 4 : 4 + planes] = 1
        np.save(tmp_path / "labels.npy", labels)
        half = "delithiation" if cycle else "pristine"
        words = ["--cell", cell, "--scale", scale, "--mode", "ex_situ", "--cycle", cycle, "--half", half]
        id_ = f"{cell}-c{cycle}-{scale}"
        size = ["--voxel-size", "0.16 um" if scale == "micro" else "25 nm", "--domain", "electrode"]
        assert cli("catalog", "add", "labels.npy", *words, *size, "--id", id_).code == 0
        phases = "1=crack,2=solid" if scale == "micro" else "1=pore,2=solid"
        assert cli("segment", "import", id_, "labels.npy", "--phases", phases).code == 0
    return siltomo.open_catalog(tmp_path)


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[object]:
    """Every indexing of a stored array."""
    seen: list[object] = []
    plain = zarr.Array.__getitem__

    def counted(array: Any, selection: Any) -> Any:
        seen.append(selection)
        return plain(array, selection)

    monkeypatch.setattr(zarr.Array, "__getitem__", counted)
    return seen


def test_nothing_is_read_until_it_is_computed(catalog: siltomo.Catalog, reads: list[object]) -> None:
    lazy = catalog.metric("electrode_porosity")
    assert reads == []
    assert lazy["electrode_porosity"].chunks is not None
    assert lazy["electrode_porosity"].attrs["units"] == "1"
    found = lazy.compute()
    assert reads
    row = found.sel(cell="zn1", cycle=1)
    assert row["electrode_porosity"].item() == pytest.approx(8 / 20 + 10 / 20)
    assert row["electrode_porosity_uncertainty"].item() > 0
    missing = found.sel(cell="ref1")
    assert np.isnan(missing["electrode_porosity"].item())
    assert missing["electrode_porosity_status"].item() == "missing"
    assert "nothing fits pore_volume_fraction (nano)" in missing["electrode_porosity_reason"].item()


def test_what_was_computed_is_kept(catalog: siltomo.Catalog, reads: list[object]) -> None:
    first = catalog.metric("electrode_porosity").compute()
    reads.clear()
    again = catalog.metric("electrode_porosity").compute()
    assert reads == []
    xr.testing.assert_identical(first, again)
    rows = catalog.compute("electrode_porosity")
    assert rows["value"].dropna().tolist() == first["electrode_porosity"].dropna("row").values.tolist()


def test_it_is_a_table_and_carries_units(catalog: siltomo.Catalog) -> None:
    lazy = catalog.metric("crack_width_mean", where="scale == 'micro'")
    table = lazy.compute().to_dataframe()
    assert list(table.index.names) == [
        "formulation", "cell", "cycle", "half", "scale", "scan", "segmentation"
    ]  # fmt: skip
    width = table.xs("zn1", level="cell").xs(1, level="cycle")["crack_width_mean"].item()
    assert width == pytest.approx(8 * 0.16)
    pytest.importorskip("pint_xarray", reason="pint-xarray is not installed")
    quantified = lazy.pint.quantify()["crack_width_mean"]
    assert quantified.pint.units == pint.get_application_registry()("micrometer").units
    nanometres = quantified.pint.to("nm").compute().sel(cell="zn1", cycle=1)
    assert nanometres.pint.magnitude.item() == pytest.approx(1280)


def test_silicon_is_a_unit_of_its_own_to_others_too(catalog: siltomo.Catalog) -> None:
    pytest.importorskip("pint_xarray", reason="pint-xarray is not installed")
    lazy = catalog.metric("crack_volume_fraction")
    assert str(lazy.pint.quantify()["capacity"].pint.units) == "milliampere_hour / gram_silicon"


def test_a_distribution_is_no_array(catalog: siltomo.Catalog) -> None:
    with pytest.raises(siltomo.SiltomoError, match="of lengths that differ") as caught:
        catalog.metric("crack_width_distribution")
    assert caught.value.fix == "siltomo compute metric crack_width_distribution"
    rows = catalog.compute("crack_width_distribution", where="scan == 'zn1-c1-micro'")
    assert rows["value"].sum() == pytest.approx(1)
    assert set(rows["coordinate_unit"]) == {"um"}


def test_no_scan_selected_gives_no_row(catalog: siltomo.Catalog) -> None:
    assert catalog.metric("crack_volume_fraction", where="cycle == 7").sizes == {"row": 0}


def test_a_broken_pass_is_a_status_not_an_exception(catalog: siltomo.Catalog, tmp_path: Path) -> None:
    stored = catalog.store.get("segmentation", next(iter(catalog.segmentations.index)))
    shards = [p for p in catalog.store.bag(stored).rglob("*") if p.is_file() and "/c/" in str(p)]
    for shard in shards:
        shard.chmod(0o644)
        shard.write_bytes(b"x" * shard.stat().st_size)
    found = catalog.metric("crack_volume_fraction", where=f"segmentation == '{stored.id}'").compute()
    assert found["crack_volume_fraction_status"].values.tolist() == ["failed"]
    assert stored.id in found["crack_volume_fraction_reason"].item()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::DeprecationWarning:distributed")
def test_a_cluster_of_processes_gives_the_same_numbers(cli: Cli, catalog: siltomo.Catalog) -> None:
    distributed = pytest.importorskip("distributed", reason="dask.distributed is not installed")
    lazy = catalog.metric("electrode_porosity")
    with (
        distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
    ):
        answer = cli(
            "compute", "metric", "electrode_porosity", "--scheduler", cluster.scheduler_address, "--json"
        )
        assert answer.code == 0, answer.out
        with distributed.Client(cluster):
            on_cluster = lazy.compute()
    assert [row["value"] for row in answer.data] == [
        None if np.isnan(v) else v for v in on_cluster["electrode_porosity"].values
    ]
    assert {row["reused"] for row in answer.data} == {False}
    xr.testing.assert_identical(on_cluster, catalog.metric("electrode_porosity").compute())


def test_a_scheduler_that_is_not_there(cli: Cli, catalog: siltomo.Catalog, monkeypatch: Any) -> None:
    pytest.importorskip("distributed", reason="dask.distributed is not installed")
    monkeypatch.setattr("siltomo.engine.compute.cluster._PATIENCE_S", 1)
    answer = cli("compute", "metric", "crack_volume_fraction", "--scheduler", "tcp://127.0.0.1:9", "--json")
    assert (answer.code, answer.error["code"]) == (4, "SIL168")
    assert "no dask scheduler answers at 'tcp://127.0.0.1:9'" in answer.error["message"]
