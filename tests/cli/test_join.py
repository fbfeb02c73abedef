"""The commands ``join`` and ``cycling align`` keep the contract: forms, exit codes, errors that mend themselves."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_a_catalog_without_cycling_joins_to_rows_with_reasons(cli: Cli, study: Path) -> None:
    answer = cli("join", "--json")
    (row,) = answer.data["rows"]
    assert (row["scan"], row["status"], row["cycle"], row["declared_cycle"]) == ("op1", "missing", None, 1)
    assert row["reason"] == "cell zn1 has no cycling run: siltomo cycling add FILE --cell zn1"
    assert answer.envelope["warnings"] == [f"1 of 1 scans have no state, such as op1: {row['reason']}"]
    said = cli("join")
    assert (said.code, row["reason"] in said.out) == (0, True)
    assert said.err.startswith("warning: 1 of 1 scans have no state")


def test_no_selected_scan_is_an_empty_table(cli: Cli, study: Path) -> None:
    answer = cli("join", "--where", "cell == 'nobody'", "--json")
    assert answer.data["rows"] == []
    assert answer.envelope["warnings"] == ["no scan is selected"]
    assert cli("join", "--where", "cell == 'nobody'").out == "(none)\n"


def test_units_stand_in_the_head_of_the_csv(cli: Cli, study: Path) -> None:
    (line,) = csv.DictReader(io.StringIO(cli("join", "--metric", "crack_volume_fraction", "--csv").out))
    assert {"capacity [mAh/g_Si]", "voltage [V]", "tolerance [s]", "crack_volume_fraction"} <= set(line)
    assert float(line["crack_volume_fraction"]) > 0
    assert line["capacity [mAh/g_Si]"] == "", "what is not known is empty"
    (long,) = csv.DictReader(io.StringIO(cli("join", "--long", "--metric", "crack_width_mean", "--csv").out))
    assert (long["metric"], long["unit"], long["segmentation"]) == ("crack_width_mean", "um", "op1-seg")


@pytest.mark.parametrize(
    ("words", "code", "exit_code", "fix"),
    [
        (["--tolerance", "30"], "SIL104", 3, "--tolerance '30 s'"),
        (["--tolerance", "30 mm"], "SIL104", 3, "--tolerance '30 s'"),
        (["--agree-within", "20 mAh"], "SIL104", 3, "--agree-within '20 mAh/g_Si'"),
        (["--metric", "crack_volum_fraction"], "SIL160", 4, "siltomo metrics show crack_volume_fraction"),
        (["--where", "cycle = 1"], "SIL161", 3, ""),
        (["-o", "table.xlsx"], "SIL165", 3, "-o table.csv"),
        (["-o", "nowhere/table.csv"], "SIL120", 4, "mkdir -p nowhere"),
    ],
)
def test_bad_options_of_join_are_errors_with_their_mending(
    cli: Cli, study: Path, words: list[str], code: str, exit_code: int, fix: str
) -> None:
    answer = cli("join", *words, "--json")
    assert (answer.error["code"], answer.code) == (code, exit_code)
    assert fix in answer.error["fix"]


@pytest.mark.parametrize(
    ("words", "code", "fix"),
    [
        (["nobody"], "SIL120", ""),
        (["zn1"], "SIL120", "siltomo cycling add FILE --cell zn1"),
    ],
)
def test_what_is_not_there_cannot_be_aligned(
    cli: Cli, study: Path, words: list[str], code: str, fix: str
) -> None:
    answer = cli("cycling", "align", *words, "--json")
    assert (answer.error["code"], answer.code) == (code, 4)
    assert fix in answer.error["fix"]
