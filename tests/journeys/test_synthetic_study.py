"""A synthetic study of two formulations over four cycles, micro and nano: from YAML to table by two commands.

Every volume is built so that its answers are whole numbers of voxels, which are the truth of the test.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import yaml

Cli = Callable[..., Any]

CYCLES = (0, 1, 5, 25)
EDGE_MICRO, EDGE_NANO = 0.5, 0.05  # um
SI_FRACTION = {"ref": 0.732, "zn": 0.699}
DENSITY = {"ref": 2.17, "zn": 2.22}  # g/cm^3
LOADING = {"ref": 1.75, "zn": 1.85}  # mg_Si/cm^2
CAPACITY = {"ref": {1: 2238, 5: 2100, 25: 1500}, "zn": {1: 2764, 5: 2700, 25: 2500}}  # mAh/g_Si
SIDE = 24


@dataclass(frozen=True)
class Truth:
    """What is true of a formulation in a cycle, in voxels of its volumes."""

    thickness: int
    """Planes of the electrode."""
    crack: int
    """Rows of a plane that are crack, of 24."""
    pore: int
    """Planes of the nano volume that are pore, of 24."""
    sei: int
    """Planes of the nano volume that are SEI, of 24."""
    gas: int
    """Edge of the cube of gas in the separator."""

    @property
    def porosity(self) -> float:
        return self.crack / SIDE + self.pore / SIDE


TRUTH = {
    ("ref", 0): Truth(40, 0, 8, 0, 0),
    ("ref", 1): Truth(57, 6, 6, 4, 6),
    ("ref", 5): Truth(68, 5, 5, 6, 5),
    ("ref", 25): Truth(80, 4, 4, 9, 4),
    ("zn", 0): Truth(40, 0, 9, 0, 0),
    ("zn", 1): Truth(50, 5, 7, 2, 5),
    ("zn", 5): Truth(56, 4, 7, 4, 4),
    ("zn", 25): Truth(75, 3, 6, 7, 3),
}


def micro_labels(true: Truth) -> np.ndarray:
    """Collector (2), electrode (solid 4, crack 1), separator (3) with gas (5), from below."""
    labels = np.full((110, SIDE, SIDE), 3, np.uint8)
    labels[:6] = 2
    labels[6 : 6 + true.thickness] = 4
    labels[6 : 6 + true.thickness, 6 : 6 + true.crack] = 1
    top = 6 + true.thickness + 6
    labels[top : top + true.gas, 9 : 9 + true.gas, 9 : 9 + true.gas] = 5
    return labels


def electrode_labels(true: Truth) -> np.ndarray:
    """The same voxels with the electrode as the whole: what is not electrode is outside (9)."""
    labels = micro_labels(true)
    labels[np.isin(labels, (2, 3, 5))] = 9
    return labels


def nano_labels(true: Truth) -> np.ndarray:
    labels = np.full((SIDE, SIDE, SIDE), 3, np.uint8)
    labels[: true.pore] = 1
    labels[SIDE - true.sei :] = 2
    return labels


@pytest.fixture
def study_file(tmp_path: Path) -> Path:
    """The study as its owner would hand it over: a YAML file, and labels beside it."""
    formulations = {
        name: {"si_fraction": f"{SI_FRACTION[name]} g_Si/g", "true_density": f"{DENSITY[name]} g/cm^3"}
        for name in ("ref", "zn")
    }
    cells = {
        f"{name}1": {
            "formulation": name,
            "loading": f"{LOADING[name]} mg_Si/cm^2",
            "initial_thickness": "20 um",
        }
        for name in formulations
    }
    scans, segmentations = {}, {}
    for (name, cycle), true in TRUTH.items():
        state = {"cycle": cycle, "half": "delithiation" if cycle else "pristine"}
        if cycle:
            state["capacity"] = f"{CAPACITY[name][cycle]} mAh/g_Si"
        for scale, edge in (("micro", EDGE_MICRO), ("nano", EDGE_NANO)):
            id_ = f"{name}-c{cycle}-{scale}"
            whole = micro_labels(true) if scale == "micro" else nano_labels(true)
            np.save(tmp_path / f"{id_}.npy", whole)
            common = {"cell": f"{name}1", "scale": scale, "mode": "in_situ", "voxel_size": f"{edge} um"}
            domain = "cell" if scale == "micro" else "electrode"
            scans[id_] = {"file": f"{id_}.npy", "domain": domain, **common, **state}
            if scale == "nano":
                phases = {1: "pore", 2: "sei", 3: "solid"}
                windows = {"min_feature": "0.1 um", "max_feature": "1 um"}
                entry = {"scan": id_, "file": f"{id_}.npy", "domain": "electrode", "phases": phases}
                segmentations[f"{id_}-seg"] = {**entry, **windows}
                continue
            np.save(tmp_path / f"{id_}-electrode.npy", electrode_labels(true))
            segmentations[f"{id_}-stack"] = {
                "scan": id_, "file": f"{id_}.npy", "domain": "cell",
                "phases": {2: "collector", 3: "separator", 4: "solid", 5: "gas", 1: "void"},
            }  # fmt: skip
            segmentations[f"{id_}-cracks"] = {
                "scan": id_, "file": f"{id_}-electrode.npy", "domain": "electrode",
                "phases": {1: "crack", 4: "solid", 9: "outside"}, "min_feature": "1 um",
            }  # fmt: skip
    declared = {
        "study": {"id": "made-up", "title": "A synthetic study"},
        "formulations": formulations,
        "cells": cells,
        "scans": scans,
        "segmentations": segmentations,
    }
    path = tmp_path / "study.yaml"
    path.write_text(yaml.safe_dump(declared, sort_keys=False), "utf-8")
    return path


NAMES = [
    "crack_volume_fraction",
    "electrode_porosity",
    "electrode_thickness",
    "electrode_thickness_expansion",
    "residual_thickness_expansion",
    "normalized_thickness_expansion",
    "cumulative_irreversible_expansion",
    "theoretical_thickness_expansion",
    "sei_volume_per_si_mass",
    "gas_volume_per_si_mass",
    "sei_volume_from_gas",
    "gas_charge",
]


@pytest.fixture
def table(cli: Cli, study_file: Path, tmp_path: Path) -> dict[tuple[str, str, int], pd.Series]:
    """The two commands, and the table that they leave."""
    assert cli("init", ".").code == 0
    added = cli("catalog", "add", "study.yaml")
    assert added.code == 0, added.err
    computed = cli("compute", "metric", *NAMES, "-o", "table.csv")
    assert computed.code == 0, computed.err
    rows = pd.read_csv(tmp_path / "table.csv")
    answered = rows[rows["status"] == "ok"]
    # the thickness is measured on the outlined electrode too; what names both surfaces is what others take
    twice = (rows["metric"] == "electrode_thickness") & rows["segmentation"].fillna("").str.endswith(
        "-cracks"
    )
    answered = answered[~twice[answered.index]]
    found = {(row.metric, row.formulation, int(row.cycle)): row for _, row in answered.iterrows()}
    assert len(found) == len(answered), "one number for each metric, formulation and cycle"
    return found


def test_every_number_is_the_true_one(table: dict[tuple[str, str, int], pd.Series]) -> None:
    for (name, cycle), true in TRUTH.items():

        def value(metric: str, name: str = name, cycle: int = cycle) -> Any:
            return table[metric, name, cycle]["value"]

        pristine = TRUTH[name, 0]
        expansion = true.thickness / pristine.thickness - 1
        assert value("electrode_porosity") == pytest.approx(true.porosity)
        assert value("electrode_thickness") == pytest.approx(
            true.thickness * EDGE_MICRO, abs=0.02 * EDGE_MICRO
        ), "planes are fitted robustly: gas in a few columns moves them by hundredths of a voxel"
        assert value("electrode_thickness_expansion") == pytest.approx(expansion, abs=1e-3)
        sei = true.sei / SIDE * true.thickness * EDGE_MICRO * 1e-4 / (LOADING[name] * 1e-3)
        assert value("sei_volume_per_si_mass") == pytest.approx(sei, rel=1e-3)
        gas = true.gas**3 * EDGE_MICRO / SIDE**2 * 1e-4 / (LOADING[name] * 1e-3)
        assert value("gas_volume_per_si_mass") == pytest.approx(gas)
        assert value("sei_volume_from_gas") == pytest.approx(gas * 1000 / 22414 * 73.89 / 2.11 * 1, rel=1e-4)
        if cycle:
            capacity = CAPACITY[name][cycle]
            assert value("residual_thickness_expansion") == pytest.approx(expansion, abs=1e-3)
            assert value("normalized_thickness_expansion") == pytest.approx(
                expansion * 3579 / capacity, abs=2e-3
            )
            increase = (true.thickness - pristine.thickness) * EDGE_MICRO
            assert value("cumulative_irreversible_expansion") == pytest.approx(increase, abs=0.02)
            slope = SI_FRACTION[name] * DENSITY[name] / 2.33 * 0.000782
            assert value("theoretical_thickness_expansion") == pytest.approx(slope * capacity)


def test_every_number_has_its_unit_and_none_is_certain_without_reason(
    table: dict[tuple[str, str, int], pd.Series],
) -> None:
    assert {row["unit"] for row in table.values()} >= {"1", "um", "cm^3/g_Si", "mm^3/g_Si", "mAh/g_Si"}
    for (metric, _, cycle), row in table.items():
        if metric in ("electrode_thickness", "electrode_porosity"):
            assert row["uncertainty"] > 0
        if metric == "electrode_thickness_expansion":
            assert (row["uncertainty"] == 0) == (cycle == 0)


def test_the_second_run_reads_nothing_and_says_the_same(
    cli: Cli, table: dict[tuple[str, str, int], pd.Series]
) -> None:
    plan = cli("compute", "metric", *NAMES, "--dry-run", "--json").data
    assert (plan["passes"], plan["read_bytes"], plan["to_compute"]) == (0, 0, 0)
    again = cli("catalog", "add", "study.yaml")
    assert again.code == 0
    assert "unchanged" in again.out
