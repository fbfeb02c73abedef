"""Base metrics in the plain form: a lazy labelled array in, a lazy array out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import xarray as xr

import siltomo
from siltomo import Labels, metric
from siltomo.errors import CheckFailedError, RegistrationError
from siltomo.metrics import From, phase_values, prove_scaling, registry
from siltomo.metrics.measures import VoxelCount, Voxels

Cli = Callable[..., Any]


@pytest.fixture(autouse=True)
def own_metrics() -> Iterator[None]:
    """Take back what a test declares."""
    known = dict(registry._metrics)
    yield
    registry._metrics.clear()
    registry._metrics.update(known)


def test_it_is_computed_kept_and_explained_like_any_other(cli: Cli, study: Path) -> None:
    seen: list[Any] = []

    @metric(unit="um", version=1)
    def crack_height(labels: Labels) -> xr.DataArray:
        """Height of the crack's voxels above the first plane, on average."""
        seen.append(labels)
        crack = labels.isin(phase_values(labels, "crack"))
        return (crack * labels["z"]).sum() / crack.sum()

    explained = cli("compute", "metric", "crack_height", "--explain").out
    assert seen == [], "planning runs nothing"
    assert "to compute on all its phases" in explained
    (row,) = cli("compute", "metric", "crack_height", "--json").data
    stored = np.load(study / "labels.npy")
    assert row["value"] == pytest.approx(np.nonzero(stored == 1)[0].mean() * 0.5)
    assert (row["unit"], row["status"], row["kind"]) == ("um", "ok", "base")
    (labels,) = seen
    assert labels.chunks is not None, "the volume is lazy"
    assert labels.attrs["flag_meanings"] == "crack solid outside"
    (again,) = cli("compute", "metric", "crack_height", "--json").data
    assert again["reused"]
    assert len(seen) == 1
    lazy = siltomo.open_catalog(study).metric("crack_height")
    assert lazy["crack_height"].compute().item() == pytest.approx(row["value"])


def test_a_profile_comes_with_its_coordinate_and_its_units_are_converted(cli: Cli, study: Path) -> None:
    @metric(unit="um^2", version=1)
    def crack_area_profile(labels: Labels) -> xr.DataArray:
        """Area of the crack in each plane."""
        crack = labels.isin(phase_values(labels, "crack"))
        face = float(labels["y"][1] - labels["y"][0]) * float(labels["x"][1] - labels["x"][0])
        return (crack.sum(("y", "x")) * face * 1e-6).assign_attrs(units="mm^2")

    (row,) = cli("compute", "metric", "crack_area_profile", "--json").data
    stored = np.load(study / "labels.npy")
    assert row["values"] == pytest.approx(((stored == 1).sum((1, 2)) * 0.25).tolist())
    assert (row["coordinate"]["name"], row["coordinate"]["unit"]) == ("z", "um")


def test_wrong_units_are_a_failed_row_that_names_both(cli: Cli, study: Path) -> None:
    @metric(unit="um", version=1)
    def crack_length(labels: Labels) -> xr.DataArray:
        """Number of voxels, said to be seconds."""
        return (labels == 1).sum().assign_attrs(units="s")

    answer = cli("compute", "metric", "crack_length", "--json")
    assert answer.code == 7
    (row,) = answer.envelope["data"]
    assert "the metric returned units 's', declared is 'um'" in row["reason"]


def test_the_voxel_probe_catches_a_forgotten_voxel_size() -> None:
    @metric(unit="um", version=1)
    def planes_with_phase(labels: Labels) -> xr.DataArray:
        """Number of planes, said to be a length."""
        return labels.any(("y", "x")).sum().astype(float)

    with pytest.raises(CheckFailedError, match="to the power 1, measured is 0: is the voxel size left out"):
        prove_scaling(registry.request("planes_with_phase", {}))


def test_labels_do_not_mix_with_measures_or_results() -> None:
    with pytest.raises(RegistrationError, match=r"takes labels \(labels\) and measures \(voxels\)"):

        @metric(unit="1", version=1)
        def both(labels: Labels, voxels: Annotated[VoxelCount, Voxels]) -> float:
            return 1.0

    with pytest.raises(RegistrationError, match=r"mixes measures \(labels\) with results \(crack\)"):

        @metric(unit="1", version=1)
        def mixed(labels: Labels, crack: Annotated[float, From("crack_volume_fraction")]) -> float:
            return crack


def test_a_block_that_exceeds_the_memory_is_refused_before_a_voxel_is_read(
    cli: Cli, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    @metric(unit="1", version=1)
    def share(labels: Labels) -> xr.DataArray:
        """Share of cracks."""
        return (labels == 1).mean()

    monkeypatch.setenv("SILTOMO_MEMORY", "100 kB")
    answer = cli("compute", "metric", "share", "--json")
    assert answer.code == 3
    assert "allowed are 97.7 KiB" in answer.error["message"]
