"""From a cycler's file to capacities per gram of silicon, as a user would go, with real records."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]
Real = Callable[[str], Path]


def test_silicon_half_cell_from_placeholder_to_database_mass(cli: Cli, real: Real) -> None:
    file = real("echem/cellpy/20160805_test001_45_cc_v8.h5")
    cli("init", ".")
    cli("formulation", "add", "si")
    cli("cell", "add", "cc45", "--formulation", "si", "--si-mass", "1.0 mg_Si")
    added = cli("cycling", "add", file, "--cell", "cc45", "--json").data
    assert (added["cycles"], added["complete_cycles"]) == (18, 17)
    refused = cli("cycling", "summary", "cc45", "--json")
    assert refused.data["rows"][0]["specific_lithiation_capacity"] is None
    assert any("siltomo cell set cc45 --si-mass" in warning for warning in refused.envelope["warnings"])
    cli("cell", "set", "cc45", "--si-mass", "0.510262 mg_Si")
    rows = cli("cycling", "summary", "cc45", "--json").data["rows"]
    assert rows[0]["lithiation_capacity"] == pytest.approx(1.7551, rel=3e-4)
    assert rows[0]["delithiation_capacity"] == pytest.approx(1.6254, rel=3e-4)
    assert rows[0]["specific_lithiation_capacity"] == pytest.approx(3440, abs=1)
    assert rows[0]["specific_delithiation_capacity"] == pytest.approx(3185, abs=1)
    assert any("above 100 %" in flag for flag in rows[1]["flags"])
    assert rows[17]["coulombic_efficiency"] is None
    assert "not complete" in rows[17]["reason"]
    metric = cli("compute", "metric", "specific_capacity", "--where", "cycle == 1", "--json").data
    assert [row["value"] for row in metric] == pytest.approx([3440, 3185], abs=1)
    assert cli("catalog", "verify", "--json").code == 0


def test_graphite_by_its_own_mass(cli: Cli, real: Real) -> None:
    cli("init", ".")
    cli("formulation", "add", "graphite")
    cli("cell", "add", "gr", "--formulation", "graphite")
    cli("cycling", "add", real("echem/cellpy/20231115_rate_cc.h5"), "--cell", "gr")
    data = cli("cycling", "summary", "gr", "--mass", "15.4071 mg", "--json").data
    assert data["units"]["specific_delithiation_capacity"] == "mAh/g"
    assert data["rows"][0]["specific_delithiation_capacity"] == pytest.approx(350, abs=1)
    efficiency = [row["coulombic_efficiency"] for row in data["rows"]]
    assert efficiency[0] == pytest.approx(0.9451, abs=1e-4)
    assert all(0.99 < one < 1.001 for one in efficiency[1:])


def test_a_study_file_declares_its_runs(cli: Cli, real: Real, tmp_path: Path) -> None:
    cli("init", ".")
    (tmp_path / "study.yaml").write_text(
        "formulations: {f: {}}\n"
        "cells: {b: {formulation: f}}\n"
        "cycling_runs:\n"
        f"  b-run: {{cell: b, file: {real('echem/yadg/bcd.issue_241.mpt')}, timezone: Europe/Paris,\n"
        "          lower_cutoff: 10 mV, upper_cutoff: 1 V, positive_current: delithiation}\n"
    )
    outcomes = cli("catalog", "add", "study.yaml", "--json").data
    assert cli("catalog", "add", "study.yaml").code == 0
    assert "b-run" in str(outcomes)
    (row,) = cli("cycling", "summary", "b", "--json").data["rows"]
    assert row["complete"]
    assert row["lithiation_capacity"] == pytest.approx(5.4646, rel=4e-5)
    assert row["delithiation_capacity"] == pytest.approx(5.4521, rel=4e-5)
    record = cli("cycling", "show", "b-run", "--json").data["record"]
    assert record["start"].startswith("2024-11-28T01:29:21")
    text = (
        (tmp_path / "study.yaml")
        .read_text()
        .replace("positive_current: delithiation", "positive_current: up")
    )
    (tmp_path / "study.yaml").write_text(text)
    wrong = cli("catalog", "add", "study.yaml", "--json")
    assert wrong.code == 3
    assert "b-run.positive_current" in wrong.error["where"]


@pytest.mark.parametrize("name", ["missing_column", "missing_cycle", "nan_inf", "truncated"])
def test_broken_tables_change_nothing(cli: Cli, real: Real, name: str) -> None:
    cli("init", ".")
    cli("formulation", "add", "f")
    cli("cell", "add", "c", "--formulation", "f")
    columns = "time=test_time [s],current=current [mA],voltage=voltage [V]"
    file = real(f"echem/cellpy/custom_{name}.csv")
    answer = cli("cycling", "add", file, "--cell", "c", "--columns", columns, "--json")
    assert answer.code == 3
    assert answer.error["where"] == str(file)
    assert answer.error["fix"]
    assert cli("cycling", "list", "--json").data == []
