"""``siltomo study list | show | check`` as scripts and people meet them."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

COLUMNS = "id,claim,recomputed,low,high,reported,unit,ratio,verdict,flags,explanation"
INVENTED = Path(__file__).parents[1] / "engine" / "study" / "invented_study.yaml"
Cli = Callable[..., Any]

RIGHT = """
study: {id: right}
reported_values:
  a: {quantity: a, printed: "2.0", unit: um, place: p}
  b: {quantity: b, printed: "4.0", unit: um, place: p}
relations:
  double: {claim: twice as long, compute: 2 * a, reported: b}
"""


def test_list(cli: Cli) -> None:
    (row,) = cli("study", "list", "--json").data
    assert (row["study"], row["doi"]) == ("vanpeene2024", "10.1002/aenm.202403741")
    assert row["relations"] >= 150
    assert "vanpeene2024" in cli("study", "list").out


def test_show(cli: Cli) -> None:
    answer = cli("study", "show", INVENTED)
    assert answer.code == 0
    assert "si_fraction: 0.8 g_Si/g" in answer.out
    assert cli("study", "show", INVENTED, "--json").data["relations"] == 22


def test_check_gives_rows_with_the_promised_columns(cli: Cli) -> None:
    rows = cli("study", "check", "vanpeene2024", "--json").data
    assert ",".join(rows[0]) == COLUMNS
    found = {row["id"]: row for row in rows}
    assert found["coulombic_efficiency_c1_ref"]["verdict"] == "reproduces"
    assert found["eq5_ref"]["flags"] == ["unit"]
    assert isinstance(found["eq5_ref"]["reported"], float)


def test_check_as_csv(cli: Cli) -> None:
    answer = cli("study", "check", INVENTED, "--csv")
    assert answer.out.splitlines()[0] == COLUMNS
    rows = {row["id"]: row for row in csv.DictReader(io.StringIO(answer.out))}
    assert json.loads(rows["product_slip"]["flags"]) == ["unit"]


def test_check_for_people(cli: Cli) -> None:
    answer = cli("study", "check", INVENTED)
    assert answer.code == 0
    assert "22 relations: " in answer.out
    assert "would fit: molar volume at 0 °C" in answer.out


def test_only_one_verdict(cli: Cli) -> None:
    rows = cli("study", "check", INVENTED, "--verdict", "inconsistent", "--json").data
    assert {row["verdict"] for row in rows} == {"inconsistent"}


def test_fail_on_exits_with_5_when_something_is_found_and_only_then(cli: Cli, tmp_path: Path) -> None:
    assert cli("study", "check", INVENTED, "--fail-on", "inconsistent").code == 5
    assert cli("study", "check", INVENTED).code == 0
    (tmp_path / "right.yaml").write_text(RIGHT, "utf-8")
    answer = cli("study", "check", "right.yaml", "--fail-on", "inconsistent", "--json")
    assert answer.code == 0
    assert answer.data[0]["verdict"] == "reproduces"
    strict = cli("study", "check", INVENTED, "--fail-on", "inconsistent", "--json")
    assert strict.code == 5
    assert strict.envelope["ok"] is False
    assert strict.envelope["data"]


def test_the_page_is_written_and_named(cli: Cli, tmp_path: Path) -> None:
    answer = cli("study", "check", INVENTED, "--html", "page.html")
    assert answer.code == 0
    assert "wrote page.html" in answer.out
    assert (tmp_path / "page.html").read_text("utf-8").startswith("<!doctype html>")
    lost = cli("study", "check", INVENTED, "--html", "nowhere/page.html", "--json")
    assert (lost.code, lost.error["code"]) == (3, "SIL182")


def test_errors_say_what_where_and_what_to_type(cli: Cli, tmp_path: Path) -> None:
    unknown = cli("study", "check", "vanpene", "--json")
    assert (unknown.code, unknown.error["fix"]) == (4, "siltomo study list")
    (tmp_path / "broken.yaml").write_text(RIGHT.replace("2 * a", "2 * c"), "utf-8")
    broken = cli("study", "check", "broken.yaml", "--json")
    assert broken.code == 3
    assert broken.error["where"].startswith("relations.double")
    assert "no value 'c'" in broken.error["message"]
    (tmp_path / "empty.yaml").write_text("", "utf-8")
    assert cli("study", "check", "empty.yaml").code == 3
    assert cli("study", "check", INVENTED, "--fail-on", "everything").code == 2


MEASURED = """
study: {id: held-against}
reported_values:
  printed: {quantity: crack_volume_fraction, printed: "16.9", unit: percent, of: electrode volume, place: Fig. 1}
  wrong: {quantity: crack_volume_fraction, printed: "30.3", unit: percent, of: electrode volume, at: x, place: Fig. 2}
measured:
  fraction: {metric: crack_volume_fraction, where: "scan == 'op1'", of: electrode volume}
  nothing: {metric: crack_volume_fraction, where: "scan == 'op9'"}
relations:
  right: {claim: cracks, compute: fraction, reported: printed}
  wrong: {claim: cracks, compute: fraction, reported: wrong}
  nothing: {claim: no such scan, compute: nothing * 2, unit: percent}
  in_bound: {claim: less than half, compute: printed, at_most: 2 * nothing, unit: percent}
claims:
  more: {claim: more, left: nothing, says: ">", right: printed, unit: percent}
"""


def test_printed_numbers_are_held_against_the_volumes_of_a_catalog(cli: Cli, study: Path) -> None:
    (study / "measured.yaml").write_text(MEASURED, "utf-8")
    found = {row["id"]: row for row in cli("study", "check", "measured.yaml", "--json").data}
    crack = 40 * 4 * 20 + 4 * 2 * 4  # voxels of the plate and of the lone block, of those inside
    expected = 100 * (crack - 40 * 4 * 2) / (40 * 24 * 18)
    assert found["right"]["recomputed"] == pytest.approx(expected)
    assert found["right"]["verdict"] == "reproduces"
    assert found["right"]["low"] <= expected <= found["right"]["high"]
    assert found["wrong"]["verdict"] == "inconsistent"
    for id_ in ("nothing", "in_bound", "claim:more"):
        assert (found[id_]["verdict"], found[id_]["flags"]) == ("not reproducible", ["missing"])
        assert "0 rows of crack_volume_fraction are selected" in found[id_]["explanation"]


def test_without_a_catalog_measured_numbers_are_missing_not_guessed(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "measured.yaml").write_text(MEASURED, "utf-8")
    found = {row["id"]: row for row in cli("study", "check", "measured.yaml", "--json").data}
    assert found["right"]["flags"] == ["missing"]
    assert "siltomo --catalog DIR study check" in found["right"]["explanation"]


def test_a_catalog_keeps_the_founding_study(cli: Cli) -> None:
    from siltomo.engine.study.files import find_study

    assert cli("init", ".").code == 0
    answer = cli("catalog", "add", find_study("vanpeene2024"), "--dry-run", "--json")
    assert answer.code == 0, answer.err
