"""What scripts rely on: envelopes, rows, exit codes, stdout and stderr, speed of the help."""

from __future__ import annotations

import csv
import io
import json
import resource
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from siltomo.cli.app import app

Cli = Callable[..., Any]

ROW = {
    *(
        "metric",
        "value",
        "unit",
        "uncertainty",
        "status",
        "reason",
        "formulation",
        "cell",
        "scan",
        "scale",
        "mode",
    ),
    *("cycle", "half", "capacity", "segmentation", "conventions", "key"),
}
COMMANDS = [
    ["doctor"],
    ["info", "grey.npy"],
    ["catalog", "list"],
    ["catalog", "show", "op1"],
    ["catalog", "verify"],
    ["cell", "list"],
    ["cell", "show", "zn1"],
    ["formulation", "list"],
    ["formulation", "show", "zn"],
    ["segment", "list"],
    ["metrics", "list"],
    ["metrics", "show", "crack_width_mean"],
    ["schema", "list"],
    ["schema", "show", "scan"],
    ["compute", "metric", "crack_volume_fraction"],
]


def leaves(command: Any, words: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, inner in getattr(command, "commands", {}).items():
        yield from leaves(inner, (*words, name))
    if not getattr(command, "commands", None):
        yield words, command


def test_every_command_takes_json_and_explains_itself() -> None:
    for words, command in leaves(get_command(app)):
        options = {option for parameter in command.params for option in parameter.opts}
        assert "--json" in options, words
        assert command.help, words
        for parameter in command.params:
            assert getattr(parameter, "help", None), f"{words}: {parameter.name} says nothing"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_answer_is_one_envelope(cli: Cli, study: Path, words: list[str]) -> None:
    answer = cli(*words, "--json")
    assert answer.code == 0
    envelope = answer.envelope
    assert set(envelope) == {"siltomo", "command", "ok", "data", "warnings"}
    assert envelope["ok"] is True
    assert envelope["command"] == " ".join(words[: 1 if words[0] in ("doctor", "info") else 2])
    assert answer.err == "", "words go to stderr only when there are any"


@pytest.mark.parametrize("words", COMMANDS, ids=" ".join)
def test_every_answer_has_a_form_for_people(cli: Cli, study: Path, words: list[str]) -> None:
    answer = cli(*words)
    assert answer.code == 0
    assert answer.out.strip()


def test_rows_of_results(cli: Cli, study: Path) -> None:
    rows = cli("compute", "metric", "crack_volume_fraction", "crack_width_distribution", "--json").data
    scalar, distribution = rows
    assert set(scalar) >= ROW
    assert set(distribution) >= (ROW - {"value"}) | {"values", "coordinate"}
    assert "value" not in distribution
    assert scalar["formulation"] == "zn"
    assert (scalar["cell"], scalar["scan"], scalar["segmentation"]) == ("zn1", "op1", "op1-seg")
    assert (scalar["scale"], scalar["mode"], scalar["cycle"], scalar["half"]) == (
        "micro",
        "operando",
        1,
        "delithiation",
    )
    assert (scalar["capacity"], scalar["capacity_unit"]) == (1200, "mAh/g_Si")
    assert scalar["value"] == pytest.approx((40 * 4 * 18 + 4 * 2 * 4) / (40 * 24 * 18))
    assert scalar["conventions"]["whole"].startswith("electrode")
    assert len(scalar["key"]) == 64
    coordinate = distribution["coordinate"]
    assert (coordinate["name"], coordinate["unit"]) == ("width", "um")
    assert len(coordinate["values"]) == len(distribution["values"])


def test_tables_as_csv(cli: Cli, study: Path) -> None:
    answer = cli("compute", "metric", "crack_volume_fraction", "crack_width_distribution", "--csv")
    rows = list(csv.DictReader(io.StringIO(answer.out)))
    assert float(rows[0]["value"]) == pytest.approx(0.16852, abs=1e-4)
    widths = [row for row in rows if row["metric"] == "crack_width_distribution"]
    assert {row["coordinate_unit"] for row in widths} == {"um"}
    assert sum(float(row["value"]) for row in widths) == pytest.approx(1)
    (cell,) = csv.DictReader(io.StringIO(cli("cell", "list", "--csv").out))
    assert cell["si_mass"] == "0.13 mg_Si"


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_results_in_a_file(cli: Cli, study: Path, suffix: str) -> None:
    assert cli("compute", "metric", "crack_volume_fraction", "-o", f"out.{suffix}").code == 0
    text = (study / f"out.{suffix}").read_text("utf-8")
    rows = json.loads(text) if suffix == "json" else list(csv.DictReader(io.StringIO(text)))
    assert rows[0]["metric"] == "crack_volume_fraction"


def test_output_files_are_checked_before_anything_is_computed(cli: Cli, study: Path) -> None:
    assert cli("compute", "metric", "crack_volume_fraction", "-o", "out.xls", "--json").code == 3
    assert cli("compute", "metric", "crack_volume_fraction", "-o", "no/out.csv", "--json").code == 4
    plan = cli("compute", "metric", "crack_volume_fraction", "--dry-run", "--json").data
    assert plan["to_compute"] == 1


def test_dry_run_and_explain_compute_nothing(cli: Cli, study: Path) -> None:
    said = cli("compute", "metric", "crack_volume_fraction", "crack_width_mean", "--explain").out
    assert "to compute on crack = 1" in said
    assert "pass 1: reads op1-seg once" in said
    assert "crack_volume_fraction, crack_width_mean" in said, "one pass feeds both"
    plan = cli("compute", "metric", "crack_volume_fraction", "--dry-run", "--json").data
    assert (plan["to_compute"], plan["kept"], plan["passes"]) == (1, 0, 1)
    assert cli("compute", "metric", "crack_volume_fraction").code == 0
    plan = cli("compute", "metric", "crack_volume_fraction", "--dry-run", "--json").data
    assert (plan["to_compute"], plan["kept"], plan["read_bytes"]) == (0, 1, 0)


def test_selections(cli: Cli, study: Path) -> None:
    words = ["compute", "metric", "crack_volume_fraction", "--json", "--where"]
    assert len(cli(*words, "scale == 'micro' and cycle in (1, 3)").data) == 1
    assert cli(*words, "scale == 'nano'").data == []
    assert len(cli(*words, "segmentation == 'op1-seg'").data) == 1
    assert len(cli(*words, "capacity > '1 Ah/g_Si'").data) == 1


def test_a_phase_that_nobody_segmented_gives_a_row_with_the_reason(cli: Cli, study: Path) -> None:
    (row,) = cli("compute", "metric", "sei_volume_fraction", "--json").data
    assert (row["status"], row["value"]) == ("missing", None)
    assert "siltomo segment import op1 FILE --phases 1=sei" in row["reason"]
    assert "crack, solid" in row["reason"]


def test_adding_twice_says_so_and_changes_nothing(cli: Cli, study: Path) -> None:
    words = [
        "catalog",
        "add",
        "grey.npy",
        "--cell",
        "zn1",
        "--scale",
        "micro",
        "--mode",
        "operando",
        "--cycle",
        "1",
    ]
    words += ["--half", "delithiation", "--voxel-size", "0.5 um", "--capacity", "1200 mAh/g_Si"]
    words += ["--domain", "electrode", "--id", "op1"]
    before = sorted(path for path in study.rglob("*") if path.is_file())
    assert cli(*words, "--json").data["added"] is False
    assert (
        cli("cell", "add", "zn1", "--formulation", "zn", "--si-mass", "0.13 mg_Si", "--diameter", "3 mm").code
        == 0
    )
    words = [
        "segment",
        "import",
        "op1",
        "labels.npy",
        "--phases",
        "1=crack,2=solid,3=outside",
        "--id",
        "op1-seg",
    ]
    assert "unchanged" in cli(*words).out
    assert sorted(path for path in study.rglob("*") if path.is_file()) == before


def test_other_bytes_under_a_taken_id_are_refused(cli: Cli, study: Path) -> None:
    words = [
        "--cell",
        "zn1",
        "--scale",
        "micro",
        "--mode",
        "operando",
        "--cycle",
        "1",
        "--half",
        "delithiation",
    ]
    words += ["--voxel-size", "0.5 um", "--capacity", "1200 mAh/g_Si", "--domain", "electrode", "--id", "op1"]
    answer = cli("catalog", "add", "labels.npy", *words, "--json")
    assert (answer.code, answer.error["code"]) == (3, "SIL111")
    assert "the voxels" in answer.error["message"]
    assert "--id op1-2" in answer.error["fix"]
    other = cli("catalog", "add", "grey.npy", *[w.replace("1200", "1300") for w in words], "--json")
    assert "state" in other.error["message"]


def test_set_keeps_the_history(cli: Cli, study: Path) -> None:
    assert cli("catalog", "set", "op1", "--capacity", "1300 mAh/g_Si", "--json").data["revision"] == 2
    assert cli("catalog", "show", "op1", "--json").data["record"]["state"]["capacity"] == "1300 mAh/g_Si"
    assert cli("catalog", "set", "op1", "--capacity", "1300 mAh/g_Si", "--json").data["changed"] is False
    assert cli("cell", "set", "zn1", "--si-mass", "0.14 mg_Si", "--json").data["revision"] == 2
    (row,) = cli("compute", "metric", "crack_volume_fraction", "--json").data
    assert row["capacity"] == 1300


def test_a_corrected_voxel_size_makes_new_results(cli: Cli, study: Path) -> None:
    (before,) = cli("compute", "metric", "crack_width_mean", "--json").data
    assert cli("catalog", "set", "op1", "--voxel-size", "0.25 um").code == 0
    (after,) = cli("compute", "metric", "crack_width_mean", "--json").data
    assert after["value"] == pytest.approx(before["value"] / 2)
    assert after["key"] != before["key"]


def test_remove_asks_for_the_order(cli: Cli, study: Path) -> None:
    answer = cli("catalog", "rm", "op1", "--json")
    assert (answer.code, answer.error["code"]) == (3, "SIL126")
    assert answer.error["fix"] == "siltomo catalog rm op1-seg --kind segmentation"
    assert cli("catalog", "rm", "op1-seg").code == 0
    assert cli("catalog", "rm", "op1").code == 0
    assert cli("catalog", "list", "--json").data == []
    assert cli("catalog", "rm", "op1", "--json").code == 4
    assert cli("catalog", "verify", "--full").code == 0


def test_the_catalog_is_the_one_named_else_the_nearest(
    cli: Cli, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (study / "deep" / "er").mkdir(parents=True)
    monkeypatch.chdir(study / "deep" / "er")
    assert len(cli("catalog", "list", "--json").data) == 1
    assert cli("init", study / "other").code == 0
    assert cli("--catalog", study / "other", "catalog", "list", "--json").data == []
    monkeypatch.setenv("SILTOMO_CATALOG", str(study / "other"))
    assert cli("catalog", "list", "--json").data == []
    assert len(cli("--catalog", study, "catalog", "list", "--json").data) == 1


def test_init_refuses_a_catalog_and_keeps_other_files(cli: Cli, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("x")
    assert cli("init", tmp_path).code == 0
    assert (tmp_path / "mine.txt").read_text() == "x"
    assert cli("init", tmp_path, "--json").code == 3


def test_info_reads_headers(cli: Cli, study: Path) -> None:
    (row,) = cli("info", "grey.npy", "--json").data
    assert (row["shape"], row["dtype"], row["voxel_size_z"]) == ([40, 24, 20], "uint8", None)


def _child(*words: str) -> tuple[float, subprocess.CompletedProcess[str]]:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [sys.executable, "-m", "siltomo.cli.main", *words], capture_output=True, text=True, check=False
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done


def test_help_is_quick() -> None:
    assert min(_child("-h")[0] for _ in range(3)) < 0.3


def test_help_imports_nothing_heavy() -> None:
    code = (
        "import sys; from siltomo.cli.main import run; run(['-h']); run(['catalog', 'add', '-h']);"
        "heavy = {'numpy', 'pandas', 'xarray', 'zarr', 'dask', 'pint', 'numba', 'scipy', 'tifffile'};"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_version_and_exit_codes_from_a_shell(tmp_path: Path) -> None:
    assert _child("--version")[1].stdout.startswith("siltomo ")
    assert _child("catalog", "nope")[1].returncode == 2
    assert _child("--catalog", str(tmp_path), "catalog", "list")[1].returncode == 4
    assert "Traceback" not in _child("--catalog", str(tmp_path), "catalog", "list")[1].stderr


def test_a_bug_is_reported_as_one(cli: Cli, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object, **__: object) -> None:
        raise ZeroDivisionError("oops")

    monkeypatch.setattr("siltomo.engine.upkeep.list_scans", broken)
    answer = cli("catalog", "list", "--json")
    assert answer.code == 1
    assert "bug" in answer.error["message"]
    assert "ZeroDivisionError: oops" in answer.error["message"]


def test_an_interruption_says_what_stays(cli: Cli, study: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("siltomo.engine.upkeep.list_scans", interrupted)
    answer = cli("catalog", "list", "--json")
    assert answer.code == 130
    assert "stays" in answer.error["message"]
