"""Forty scans in one command: ids from names, the odd rows shown, what fails leaves the others whole."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

from siltomo.engine.intake.folders import NamePattern
from siltomo.errors import BadInputError

Cli = Callable[..., Any]
WORDS = ["--scale", "micro", "--mode", "operando", "--cycle", "1", "--half", "lithiation"]
LOG = (
    "FAST-TOMO scan of sample {0} started on Sat Nov 21 {1:02d}:{2:02d}:47 2015\nBeam energy [keV] : 20.0\n"
    "Actual pixel size [um] : {3}\nFile Prefix : {0}\n"
    "TOMOGRAPHIC SCAN FINISHED at Sat Nov 21 {1:02d}:{2:02d}:59 2015\n"
)


@pytest.fixture
def beamtime(cli: Cli, tmp_path: Path) -> Path:
    """Forty TOMCAT scans of two slices; one has a gap, one another size, one another voxel, one the log of another."""
    for words in (["init", "."], ["formulation", "add", "f"], ["cell", "add", "ref1", "--formulation", "f"]):
        assert cli(*words).code == 0
    folder = tmp_path / "e19001"
    for step in range(1, 42):
        if step == 20:
            continue
        name = f"ref1_op{step:02d}"
        slices = folder / name / "rec_8bit"
        slices.mkdir(parents=True)
        size = (9, 8) if step == 5 else (8, 8)
        for n in (1, 2, 3):
            if not (step == 17 and n == 2):
                tifffile.imwrite(slices / f"{name}{n:04d}.rec.8bit.tif", np.full(size, step, np.uint8))
        pixel = 0.65 if step == 7 else 0.1625
        sample = "ref1_op99" if step == 23 else name
        minute = 30 if step != 30 else 0
        (folder / name / f"{name}.log").write_text(
            LOG.format(sample, 1 + step // 2, minute * (step % 2), pixel)
        )
    (folder / "flats").mkdir()
    return folder


def test_a_dry_run_shows_forty_rows_and_the_odd_ones(cli: Cli, beamtime: Path) -> None:
    answer = cli("catalog", "add", beamtime, "--pattern", "{cell}_op{step:d}", *WORDS, "--dry-run", "--json")
    assert answer.code == 7, "one has a gap"
    rows = answer.envelope["data"]
    scans = [row for row in rows if row["outcome"] != "no match"]
    assert len(scans) == 40
    assert [row["name"] for row in rows if row["outcome"] == "no match"] == ["flats"]
    odd = {row["step"]: " ".join(row["odd"]) for row in scans if row["odd"]}
    assert set(odd) == {5, 7, 17, 21, 23}
    assert "shape 3×9×8, most have 3×8×8" in odd[5]
    assert "voxel_size 0.65 um, most have 0.1625 um" in odd[7]
    assert "SIL102" in odd[17]
    assert "0002 missing" in odd[17]
    assert "no step 20" in odd[21]
    assert "ref1_op99" in odd[23]
    assert scans[0]["id"] == "ref1_op01"
    assert scans[0]["start"] == "2015-11-21T01:30:47"
    assert cli("catalog", "list", "--json").data == []


def test_all_of_them_are_registered_and_again_unchanged(cli: Cli, beamtime: Path) -> None:
    words = ["catalog", "add", beamtime, "--pattern", "{cell}_op{step:d}", *WORDS, "--allow-gaps", "--json"]
    rows = cli(*words).data
    assert {row["outcome"] for row in rows} == {"added", "no match"}
    shown = cli("catalog", "show", "ref1_op18", "--json").data["record"]
    assert shown["voxel_size"]["z"] == "0.1625 um"
    assert shown["acquisition"]["energy"] == "20 keV"
    assert shown["acquisition"]["start"] == "2015-11-21T10:00:47"
    assert shown["title"] == "ref1_op18"
    assert len(cli("catalog", "list", "--json").data) == 40
    again = cli(*words).data
    assert {row["outcome"] for row in again} == {"unchanged", "no match"}
    text = cli(*[w for w in words if w != "--json"]).out
    assert "! ref1_op05" in text


def test_what_fails_leaves_the_others(cli: Cli, beamtime: Path) -> None:
    pattern = ["--pattern", "{cell}_op{step:d}/rec_8bit"]
    rows = cli("catalog", "add", beamtime, *pattern, *WORDS, "--json").envelope["data"]
    assert sum(row["outcome"] == "added" for row in rows) == 39
    assert [row["step"] for row in rows if row["outcome"] == "failed"] == [17]
    assert cli("catalog", "verify", "--full").code == 0


def test_several_reconstructions_ask_which(cli: Cli, beamtime: Path) -> None:
    (beamtime / "ref1_op01" / "rec_16bit").mkdir()
    tifffile.imwrite(beamtime / "ref1_op01" / "rec_16bit" / "s1.tif", np.zeros((4, 4), np.uint16))
    words = ["catalog", "add", beamtime, "--pattern", "{cell}_op{step:d}", *WORDS, "-n", "--json"]
    row = cli(*words).envelope["data"][0]
    assert row["outcome"] == "failed"
    assert "--pattern '{cell}_op{step:d}/rec_8bit'" in row["odd"][0]


def test_files_of_a_folder_and_unknown_cells(cli: Cli, beamtime: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("ref1_c1.npy", "zn9_c1.npy", "ref1_c2.npy"):
        np.save(folder / name, np.zeros((2, 3, 4), np.uint8))
    words = ["--scale", "nano", "--mode", "ex_situ", "--half", "delithiation", "--voxel-size", "50 nm"]
    rows = cli("catalog", "add", folder, "--pattern", "{cell}_c{cycle:d}", *words, "--json").envelope["data"]
    assert [(row["id"], row["outcome"]) for row in rows] == [
        ("ref1_c1", "added"),
        ("ref1_c2", "added"),
        ("zn9_c1", "failed"),
    ]
    assert "no cell 'zn9'" in rows[2]["odd"][-1]
    clash = cli(
        "catalog", "add", folder, "--pattern", "{cell}_c{cycle:d}", *words, "--cell", "ref1", "--json"
    )
    assert "its name says cell 'zn9', you say 'ref1'" in clash.envelope["data"][2]["odd"][0]


def test_names_that_give_one_id_are_not_registered(cli: Cli, beamtime: Path, tmp_path: Path) -> None:
    folder = tmp_path / "files"
    folder.mkdir()
    for name in ("REF1_c1.npy", "ref1_c1.npy"):
        np.save(folder / name, np.zeros((2, 3, 4), np.uint8))
    words = [
        "--cell",
        "ref1",
        "--scale",
        "nano",
        "--mode",
        "ex_situ",
        "--half",
        "rest",
        "--voxel-size",
        "50 nm",
    ]
    rows = cli("catalog", "add", folder, "--pattern", "{_}_c{cycle:d}", *words, "--json").envelope["data"]
    assert {row["outcome"] for row in rows} == {"failed"}
    assert "2 names give the id 'ref1_c1'" in rows[0]["odd"][0]


@pytest.mark.parametrize(
    "pattern",
    ["", "abc", "{cell", "cell}", "{who}", "{cell}_{cell}", "{step:x}", "{cell!r}", "{0}", "{cell.a}", "{}"],
)
def test_patterns_that_cannot_be_used(pattern: str) -> None:
    with pytest.raises(BadInputError, match="cannot use the pattern"):
        NamePattern(pattern)


def test_pattern_text_is_text() -> None:
    assert NamePattern("a.b(c)*{step:d}").match("aXb(c)*1") is None
    assert NamePattern("a.b(c)*{step:d}").match("a.b(c)*1") == {"step": 1}
    assert NamePattern("{cell}/{_}/x").match("a/b/x") == {"cell": "a"}


def test_nothing_that_matches_says_what_there_is(cli: Cli, beamtime: Path) -> None:
    error = cli("catalog", "add", beamtime, "--pattern", "{cell}_c{step:d}", *WORDS, "--json").error
    assert "no name matches" in error["message"]
    assert "ref1_op01" in error["message"]
    error = cli("catalog", "add", "nowhere", "--pattern", "{cell}_c{step:d}", *WORDS, "--json").error
    assert error["code"] == "SIL120"
    error = cli(
        "catalog", "add", beamtime, "--pattern", "{cell}_op{step:d}", *WORDS, "--id", "x", "--json"
    ).error
    assert "--id" not in error["fix"]
