"""The cycling commands: what they print, what they refuse, with which code."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]

ROWS = [
    (0, -1.0, 1.0),
    (3600, -1.0, 0.9),
    (7200, -1.0, 0.8),
    (7200, 1.0, 0.8),
    (10800, 1.0, 0.9),
    (13680, 1.0, 1.0),
]


@pytest.fixture
def run(cli: Cli, tmp_path: Path) -> Path:
    """A catalog with a cell, and a file with one cycle of 2 mAh in and 1.8 mAh out; the folder is the working one."""
    lines = ["Test Time / s,Current / mA,Voltage / V", *(f"{t},{i},{v}" for t, i, v in ROWS)]
    (tmp_path / "run.bdf.csv").write_text("\n".join(lines) + "\n")
    for words in (
        ["init", "."],
        ["formulation", "add", "f"],
        ["cell", "add", "c1", "--formulation", "f", "--si-mass", "0.5 mg_Si"],
    ):
        assert cli(*words).code == 0
    return tmp_path


def test_add_list_show_summary(cli: Cli, run: Path) -> None:
    added = cli("cycling", "add", "run.bdf.csv", "--cell", "c1", "--upper-cutoff", "1 V", "--json").data
    assert (added["id"], added["cycles"], added["complete_cycles"]) == ("c1-cycling", 1, 1)
    assert added["positive_current"] == "delithiation"
    assert [row["id"] for row in cli("cycling", "list", "--json").data] == ["c1-cycling"]
    shown = cli("cycling", "show", "c1-cycling", "--json").data
    assert [half["capacity"] for half in shown["half_cycles"]] == pytest.approx([2.0, 1.8])
    data = cli("cycling", "summary", "--json").data
    (row,) = data["rows"]
    promised = [
        "cell",
        "cycle",
        "lithiation_capacity",
        "delithiation_capacity",
        "specific_lithiation_capacity",
    ]
    promised += ["specific_delithiation_capacity", "coulombic_efficiency", "complete"]
    assert list(row)[:8] == promised
    assert row["coulombic_efficiency"] == pytest.approx(0.9)
    assert data["units"]["specific_lithiation_capacity"] == "mAh/g_Si"
    text = cli("cycling", "summary", "c1").out
    assert "lithiation_capacity [mAh]" in text
    assert "4000" in text


def test_csv(cli: Cli, run: Path) -> None:
    cli("cycling", "add", "run.bdf.csv", "--cell", "c1")
    (row,) = csv.DictReader(io.StringIO(cli("cycling", "summary", "--csv").out))
    assert float(row["lithiation_capacity"]) == pytest.approx(2.0)
    assert row["coulombic_efficiency"] == ""
    assert "nothing says where it should end" in row["reason"]
    curve = list(csv.DictReader(io.StringIO(cli("cycling", "show", "c1-cycling", "--cycle", 1, "--csv").out)))
    assert (curve[2]["capacity"], curve[2]["voltage"]) == ("2.0", "0.8")
    assert cli("cycling", "summary", "--by", "formulation", "--json").data["rows"] == []


def test_set(cli: Cli, run: Path) -> None:
    cli("cycling", "add", "run.bdf.csv", "--cell", "c1")
    assert cli("cycling", "set", "c1-cycling", "--upper-cutoff", "1 V", "--json").data["complete_cycles"] == 1
    assert cli("cycling", "summary", "--by", "formulation", "--json").data["rows"][0]["n"] == 1


@pytest.mark.parametrize(
    ("words", "code", "error", "fix"),
    [
        (["add", "none.csv", "--cell", "c1"], 4, "no such file", ""),
        (
            ["add", "run.bdf.csv", "--cell", "c2"],
            4,
            "no cell 'c2'",
            "siltomo cell add c2 --formulation FORMULATION",
        ),
        (
            ["add", "run.bdf.csv", "--cell", "c1", "--positive-current", "lithiation"],
            3,
            "voltage rises",
            "delithiation",
        ),
        (
            ["add", "run.bdf.csv", "--cell", "c1", "--columns", "landt"],
            3,
            "no column map 'landt'",
            "--columns generic",
        ),
        (["add", "run.bdf.csv", "--cell", "c1", "--upper-cutoff", "1"], 3, "unit", "--upper-cutoff"),
        (["show", "c1-cycling"], 4, "no cycling_run 'c1-cycling'", "siltomo"),
        (["summary", "c1"], 4, "has no cycling run", "siltomo cycling add FILE --cell c1"),
        (["summary", "--mass", "3"], 3, "is no mass", "--mass '15.4 mg'"),
        (["summary", "--nominal-capacity", "3 V"], 3, "no capacity per mass", "3579 mAh/g_Si"),
        (["show", "c1-cycling", "--dqdv", "5 mV"], 2, "needs --cycle", "--cycle 1"),
        (["add", "x.ndax", "--cell", "c1"], 6, "which siltomo does not read", ""),
    ],
)
def test_errors_say_what_to_do(
    cli: Cli, run: Path, words: list[str], code: int, error: str, fix: str
) -> None:
    (run / "x.ndax").write_bytes(b"PK..")
    answer = cli("cycling", *words, "--json")
    assert answer.code == code, answer.out
    assert error in answer.error["message"]
    assert fix in answer.error["fix"]
    assert "Traceback" not in answer.err


def test_the_fix_for_missing_units_works(cli: Cli, run: Path) -> None:
    text = (run / "run.bdf.csv").read_text().replace(" / mA", "").replace(" / V", "").replace(" / s", "")
    (run / "bare.csv").write_text(text)
    answer = cli("cycling", "add", "bare.csv", "--cell", "c1", "--json")
    assert "state no unit" in answer.error["message"]
    named = "time=Test Time [s],current=Current [mA],voltage=Voltage [V]"
    assert cli("cycling", "add", "bare.csv", "--cell", "c1", "--columns", named).code == 0


def test_metrics_of_the_run(cli: Cli, run: Path) -> None:
    cli("cycling", "add", "run.bdf.csv", "--cell", "c1", "--upper-cutoff", "1 V")
    rows = cli(
        "compute", "metric", "specific_capacity", "coulombic_efficiency", "capacity_retention", "--json"
    ).data
    found = {(row["metric"], row["half"]): (row["value"], row["unit"], row["formulation"]) for row in rows}
    assert found == {
        ("specific_capacity", "lithiation"): (pytest.approx(4000), "mAh/g_Si", "f"),
        ("specific_capacity", "delithiation"): (pytest.approx(3600), "mAh/g_Si", "f"),
        ("coulombic_efficiency", "delithiation"): (pytest.approx(0.9), "1", "f"),
        ("capacity_retention", "delithiation"): (pytest.approx(1.0), "1", "f"),
    }
    cli("cell", "set", "c1", "--si-mass", "1 mg_Si")
    refused = cli("compute", "metric", "specific_capacity", "--json").data[0]
    assert refused["value"] is None
    assert "siltomo cell set c1 --si-mass" in refused["reason"]
