"""The twin's study registers with the commands that exist, and its truth comes back."""

from __future__ import annotations

import numpy as np
import pytest
import yaml

from siltomo.twin import Preset, Twin, scans_of, write_study

TINY = Preset("tiny", 1.0, 40.0, None, 8.0, 160.0, 120.0, 0.1, 3.0, 2.0, 1)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    made = tmp_path_factory.mktemp("twin")
    write_study([Twin(1, "reference", TINY), Twin(1, "with-zn", TINY)], made)
    return made


def test_the_study_registers_whole(cli, folder, tmp_path):
    assert cli("init", ".").code == 0
    rows = cli("catalog", "add", folder / "study.yaml", "--json").data
    assert {row["outcome"] for row in rows} == {"added"}
    assert {row["outcome"] for row in cli("catalog", "add", folder / "study.yaml", "--json").data} == {
        "unchanged"
    }
    computed = cli(
        "compute", "metric", "crack_volume_fraction", "--where", "cell in ('ref-c0', 'zn-c1')", "--json"
    )
    found = {row["scan"]: row for row in computed.data if row["status"] == "ok"}
    assert found["ref-c0-micro"]["value"] == 0
    twin = Twin(1, "with-zn", TINY)
    labels = twin.micro(twin.at("zn-c1")).labels()
    electrode = np.isin(labels, (1, 2, 7, 8)).sum()
    assert found["zn-c1-micro"]["value"] == pytest.approx(
        np.isin(labels, (1, 7)).sum() / electrode, abs=1e-12
    )
    porosity = cli("compute", "metric", "electrode_porosity", "--where", "cell == 'zn-c1'", "--json").data[0]
    assert porosity["status"] == "ok"


def test_every_scan_of_the_study_is_a_scan_of_the_twin(folder):
    study = yaml.safe_load((folder / "study.yaml").read_text("utf-8"))
    for formulation in ("reference", "with-zn"):
        twin = Twin(1, formulation, TINY)
        for scan in scans_of(twin):
            declared = study["scans"].pop(scan.id)
            greys, labels = (np.load(folder / part / f"{scan.id}.npy") for part in ("greys", "labels"))
            assert greys.shape == labels.shape == scan.volume.shape
            np.testing.assert_array_equal(labels, scan.volume.labels())
            np.testing.assert_array_equal(greys, twin.greys(scan.moment, scan.kind).planes())
            assert declared["cycle"] == scan.moment.cycle
    assert not study["scans"]


def test_without_greys_the_labels_are_the_volumes(tmp_path):
    path = write_study(Twin(1, "reference", TINY), tmp_path, greys=False, cycling=False, kinds=("nano",))
    study = yaml.safe_load(path.read_text("utf-8"))
    assert {s["file"] for s in study["scans"].values()} == {
        f"labels/ref-c{c}-nano.npy" for c in (0, 1, 5, 25)
    }
    assert not list((tmp_path / "greys").iterdir())
    assert not list((tmp_path / "cycling").iterdir())
