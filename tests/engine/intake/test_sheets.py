"""Sheets of cells and scans: out and in again, and every cell that is wrong is named."""

from __future__ import annotations

import csv
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siltomo.engine.intake.sheet_files import column_letters

openpyxl = pytest.importorskip("openpyxl", reason="the extra tables is not installed")
Cli = Callable[..., Any]


def book(path: Path, **sheets: list[list[Any]]) -> Path:
    made = openpyxl.Workbook()
    made.remove(made.active)
    for name, rows in sheets.items():
        sheet = made.create_sheet(name)
        for row in rows:
            sheet.append(row)
    made.save(path)
    return path


def cells(path: Path, sheet: str = "cells") -> list[dict[str, Any]]:
    rows = list(openpyxl.load_workbook(path)[sheet].iter_rows(values_only=True))
    return [dict(zip(rows[0], row, strict=True)) for row in rows[1:]]


def test_out_and_in_again_changes_nothing(cli: Cli, study: Path) -> None:
    assert cli("cell", "set", "zn1", "--loading", "1.8392 +/- 0.05 mg_Si/cm^2", "--notes", "=1+1").code == 0
    assert (
        cli(
            "formulation",
            "set",
            "zn",
            "--component",
            "silicon:active:69.9 %",
            "--component",
            "NaCMC:binder:30.1 %",
        ).code
        == 0
    )
    assert cli("catalog", "export", "all.xlsx", "--json").data["rows"] == {
        "formulations": 1,
        "cells": 1,
        "scans": 1,
    }
    (row,) = cells(study / "all.xlsx")
    assert (row["id"], row["si_mass (mg_Si)"], row["diameter (mm)"]) == ("zn1", 0.13, 3)
    assert (row["loading (mg_Si/cm^2)"], row["loading +/- (mg_Si/cm^2)"]) == (1.8392, 0.05)
    assert row["notes"] == "=1+1", "text, not a formula"
    (scan,) = cells(study / "all.xlsx", "scans")
    assert (scan["capacity (mAh/g_Si)"], scan["voxel_size z (um)"], scan["shape"]) == (1200, 0.5, "40×24×20")
    rows = cli("catalog", "import", "all.xlsx", "--json").data
    assert [(r["kind"], r["id"], r["outcome"]) for r in rows] == [
        ("formulation", "zn", "unchanged"),
        ("cell", "zn1", "unchanged"),
        ("scan", "op1", "unchanged"),
    ]


def test_an_edited_sheet_sets_and_adds(cli: Cli, study: Path) -> None:
    np.save(study / "new.npy", np.ones((3, 4, 5), np.uint8))
    path = book(
        study / "edit.xlsx",
        cells=[
            ["id", "formulation", "si_mass (ug_Si)", "diameter (mm)", "separator"],
            ["zn1", None, 140, None, "-"],
            ["zn2", "zn", "0.15 mg_Si", 3, "GF/D"],
        ],
        scans=[
            ["id", "file", "cell", "scale", "mode", "cycle", "half", "capacity (Ah/g_Si)", "voxel_size (nm)"],
            ["op1", None, None, None, None, None, None, 1.3, None],
            ["zn2-a", "new.npy", "zn2", "nano", "ex_situ", 2, "lithiation", 0.5, 65],
        ],
        other=[["what", "ever"]],
    )
    dry = cli("catalog", "import", path, "--dry-run", "--json").data
    assert [r["outcome"] for r in dry] == ["would be set", "would be added", "would be set", "would be added"]
    assert dry[0]["changes"] == "si_mass: 0.13 mg_Si -> 0.14 mg_Si"
    assert cli("cell", "show", "zn1", "--json").data["si_mass"] == "0.13 mg_Si"
    rows = cli("catalog", "import", path, "--json").data
    assert [r["outcome"] for r in rows] == ["set", "added", "set", "added"]
    assert cli("cell", "show", "zn1", "--json").data["si_mass"] == "0.14 mg_Si"
    assert cli("cell", "show", "zn2", "--json").data["separator"] == "GF/D"
    made = cli("catalog", "show", "zn2-a", "--json").data["record"]
    assert made["volume"]["shape"] == [3, 4, 5]
    assert made["voxel_size"]["z"] == "0.065 um"
    assert cli("catalog", "show", "op1", "--json").data["record"]["state"]["capacity"] == "1300 mAh/g_Si"
    assert [r["outcome"] for r in cli("catalog", "import", path, "--json").data] == ["unchanged"] * 4


HEAD = ["id", "formulation", "si_mass (mg_Si)", "diameter (mm)", "notes"]


@pytest.mark.parametrize(
    ("header", "row", "cell", "says"),
    [
        (HEAD, ["zn1", "zn", "0,13", 3, None], "cell C2", "decimals take a point"),
        (HEAD, ["zn1", "zn", "0.13 mg", 3, None], "cell C2", "mass_Si"),
        (HEAD, ["zn1", "zn", -1, 3, None], "cell C2", "out of bounds"),
        (HEAD, ["zn1", "zn", True, 3, None], "cell C2", "holds True"),
        (HEAD, ["zn1", "nope", 0.13, 3, None], "cell B2", "no formulation 'nope'"),
        (HEAD, [7, "zn", 0.13, 3, None], "cell A2", "write it as text"),
        (HEAD, ["Zn 1", "zn", 0.13, 3, None], "cell A2", "id"),
        (HEAD, [None, "zn", 0.13, 3, None], "row 2", "has no id"),
        (HEAD, ["zn1", "zn", "nan", 3, None], "cell C2", "finite"),
        (["id", "si_mass"], ["zn1", 0.13], "cell B2", "write the unit into the header"),
        (["id", "si_mass (um)"], ["zn1", 0.13], "cell B1", "mg_Si or the like, not in um"),
        (["id", "si_mass (x**9)"], ["zn1", 0.13], "cell B1", "x**9"),
        (["id", "si_mas (mg_Si)"], ["zn1", 0.13], "cell B1", "did you mean 'si_mass (mg_Si)'"),
        (["id", "notes (um)"], ["zn1", "a"], "cell B1", "has no unit"),
        (["id", "notes", "Notes"], ["zn1", "a", "b"], "cell C1", "there twice"),
        (["name", "notes"], ["zn1", "a"], "cell A1", "no column 'name'"),
        (["notes"], ["a"], "row 1", "no column 'id'"),
        (["id", "loading +/- (mg_Si/cm^2)"], ["zn1", 0.1], "cell B2", "without a number"),
        (["id", "notes"], ["zn1", "=1/0"], "cell B2", "formula whose value is not stored"),
        (["id", "notes"], ["zn1", "a", "beyond"], "row 2", "beyond the last header"),
    ],
)
def test_cells_that_are_wrong_are_named_and_nothing_is_changed(
    cli: Cli, study: Path, header: list[str], row: list[Any], cell: str, says: str
) -> None:
    before = cli("cell", "show", "zn1", "--json").data
    path = book(study / "bad.xlsx", cells=[header, row, ["zn9", "zn"][: len(header)]])
    error = cli("catalog", "import", path, "--json").error
    assert cell in error["where"] + error["message"]
    assert says in error["message"]
    assert cli("cell", "show", "zn1", "--json").data == before
    assert cli("cell", "show", "zn9", "--json").code == 4


def test_all_wrong_cells_are_listed_at_once(cli: Cli, study: Path) -> None:
    path = book(study / "bad.xlsx", cells=[HEAD, ["zn1", "zn", "x", "y", None], ["zn1", "zn", 1, 2, None]])
    error = cli("catalog", "import", path, "--json").error
    for words in ("cell C2", "cell D2", "is in row 2 too", "nothing was changed"):
        assert words in error["where"] + error["message"]


@pytest.mark.parametrize(
    ("header", "values", "edges"),
    [
        (["voxel_size (nm)"], [65], ["0.065 um"] * 3),
        (
            ["voxel_size z (um)", "voxel_size y (um)", "voxel_size x (nm)"],
            [0.2, 0.1, 50],
            ["0.2 um", "0.1 um", "0.05 um"],
        ),
    ],
)
def test_the_voxel_size_of_a_scan(
    cli: Cli, study: Path, header: list[str], values: list[Any], edges: list[str]
) -> None:
    path = book(study / "v.xlsx", scans=[["id", *header], ["op1", *values]])
    (row,) = cli("catalog", "import", path, "--json").data
    assert row["outcome"] == "set"
    record = cli("catalog", "show", "op1", "--json").data["record"]
    assert [record["voxel_size"][axis] for axis in "zyx"] == edges
    assert record["voxel_source"] == "user"


@pytest.mark.parametrize(
    ("header", "values", "cell"),
    [
        (["half"], ["charge"], "cell B2"),
        (["half"], ["pristine"], "row 2"),
        (["cycle"], [1.5], "cell B2"),
        (["cycle"], [10**30], "cell B2"),
        (["start"], ["yesterday"], "cell B2"),
        (["energy (keV)"], [-1], "cell B2"),
        (["voxel_size z (um)"], [1], "cell B2"),
        (["cell"], ["nope"], "cell B2"),
        (["cell"], [12], "cell B2"),
    ],
)
def test_wrong_cells_of_scans(cli: Cli, study: Path, header: list[str], values: list[Any], cell: str) -> None:
    path = book(study / "v.xlsx", scans=[["id", *header], ["op1", *values]])
    error = cli("catalog", "import", path, "--json").error
    assert cell in error["where"] + error["message"], error


@pytest.mark.parametrize(
    "text",
    [
        "id,si_mass (mg_Si)\nzn1," + "9" * 400,
        "id,si_mass (mg_Si)\nzn1,1e999",
        "id,si_mass (mg_Si)\nzn1,9**9**9",
        "id,si_mass (9**9**9**9 mg_Si)\nzn1,1",
        "id,diameter (mm)\n../x,1",
        "id,notes\nCON,1",
        'id,notes\nzn1,"unclosed',
        "id," + ",".join(f"c{n}" for n in range(600)) + "\nzn1",
        "id,__class__\nzn1,x",
        "id,kind\nzn1,x",
        "id,id\nzn1,zn1",
        "\n\n",
        "zn1\n",
        "id\n" + "a" * 70,
        "id,formulation\nzn7,\x1b[31m",
    ],
)
def test_hostile_sheets(cli: Cli, study: Path, text: str) -> None:
    before = cli("cell", "list", "--json").data
    (study / "h.csv").write_text(text)
    answer = cli("catalog", "import", "h.csv", "--json")
    if text.strip():
        assert answer.code == 3, answer.out
        assert answer.error["code"] != "SIL000"
        assert "\x1b" not in answer.error["message"] + answer.error["where"]
    assert cli("cell", "list", "--json").data == before


def test_csv_of_a_german_spreadsheet(cli: Cli, study: Path) -> None:
    (study / "c.csv").write_bytes("\ufeffid;si_mass (mg_Si);title\r\nzn1;0.15;Größe\r\n".encode())
    (row,) = cli("catalog", "import", "c.csv", "--json").data
    assert row["outcome"] == "set"
    assert cli("catalog", "export", "out.csv", "--kind", "cell").code == 0
    with (study / "out.csv").open(encoding="utf-8-sig") as file:
        (found,) = csv.DictReader(file)
    assert (found["title"], found["si_mass (mg_Si)"]) == ("Größe", "0.15")
    assert [r["outcome"] for r in cli("catalog", "import", "out.csv", "--json").data] == ["unchanged"]
    assert cli("catalog", "export", "s.csv", "--kind", "scan").code == 0
    assert [r["outcome"] for r in cli("catalog", "import", "s.csv", "--kind", "scan", "--json").data] == [
        "unchanged"
    ]


def test_a_file_that_is_there_is_not_replaced_unasked(cli: Cli, study: Path) -> None:
    (study / "out.xlsx").write_text("mine")
    error = cli("catalog", "export", "out.xlsx", "--json").error
    assert error["code"] == "SIL166"
    assert "--force" in error["fix"]
    assert (study / "out.xlsx").read_text() == "mine"
    assert cli("catalog", "export", "out.xlsx", "--force").code == 0
    assert [p.name for p in study.iterdir() if p.name.endswith(".part")] == []


def test_sheets_that_are_none(cli: Cli, study: Path) -> None:
    (study / "a.xlsx").write_bytes(b"PK\x03\x04 nonsense")
    assert "cannot be read as a sheet" in cli("catalog", "import", "a.xlsx", "--json").error["message"]
    (study / "a.csv").write_bytes(b"id\0\n")
    assert "null bytes" in cli("catalog", "import", "a.csv", "--json").error["message"]
    (study / "b.csv").write_bytes(b"id\n\xff\xfe\n")
    assert "cannot be read as a sheet" in cli("catalog", "import", "b.csv", "--json").error["message"]
    assert cli("catalog", "import", "no.csv", "--json").error["code"] == "SIL120"
    assert cli("catalog", "import", "no.ods", "--json").error["code"] == "SIL165"
    path = book(study / "c.xlsx", Tabelle1=[["id"], ["a"]])
    assert "no sheet named" in cli("catalog", "import", path, "--json").error["message"]


def test_an_archive_that_unpacks_to_gigabytes_or_declares_entities(cli: Cli, study: Path) -> None:
    path = book(study / "c.xlsx", cells=[["id"], ["a"]])
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/media/x.bin", bytes(210_000_000))
    assert "unpacks to more" in cli("catalog", "import", path, "--json").error["message"]
    path = book(study / "d.xlsx", cells=[["id"], ["a"]])
    with zipfile.ZipFile(path, "a") as archive:
        archive.writestr("xl/evil.xml", '<!DOCTYPE x [<!ENTITY a "b">]><x>&a;</x>')
    assert "declares XML entities" in cli("catalog", "import", path, "--json").error["message"]


def test_a_new_scan_whose_file_fails_leaves_the_others(cli: Cli, study: Path) -> None:
    head = ["id", "file", "cell", "scale", "mode", "cycle", "half", "voxel_size (um)"]
    state = ["zn1", "micro", "operando", 1, "rest", 0.5]
    np.save(study / "ok.npy", np.ones((3, 4, 5), np.uint8))
    path = book(study / "s.xlsx", scans=[head, ["a", "gone.npy", *state], ["b", "ok.npy", *state]])
    answer = cli("catalog", "import", path, "--json")
    assert answer.code == 7
    assert [(r["id"], r["outcome"]) for r in answer.envelope["data"]] == [("a", "failed"), ("b", "added")]


def test_without_openpyxl_the_hint_is_the_command(
    cli: Cli, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    answer = cli("catalog", "export", "a.xlsx", "--json")
    assert answer.code == 6
    assert answer.error["fix"] == "pip install 'siltomo[tables]'"
    assert cli("catalog", "export", "a.csv").code == 0


def test_column_letters() -> None:
    expected = [openpyxl.utils.get_column_letter(n) for n in range(1, 800)]
    assert [column_letters(n) for n in range(799)] == expected
