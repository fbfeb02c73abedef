"""Bad input: every error says what, where and why, and prints a command that mends it."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from typer.main import get_command

from siltomo.cli.app import app
from siltomo.cli.reply import Reply

Cli = Callable[..., Any]
STATE = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--cycle", "1", "--half", "delithiation"]
VOXEL = ["--voxel-size", "0.5 um"]


def parses(fix: str) -> bool:
    """Whether a printed fix is a siltomo command that the command line accepts."""
    words = [word for word in shlex.split(fix) if not word.startswith("SILTOMO_")]
    assert words[0] == "siltomo", fix

    def silence(command: Any) -> None:
        for inner in getattr(command, "commands", {}).values():
            silence(inner)
        if not getattr(command, "commands", None):
            command.callback = lambda **_: Reply(None)

    root = get_command(app)
    silence(root)
    root.main(args=words[1:], prog_name="siltomo", standalone_mode=False)
    return True


def check(answer: Any, *, code: str, exit_code: int, says: tuple[str, ...], fix: str) -> None:
    assert answer.code == exit_code, answer.out + answer.err
    error = answer.error
    assert error["code"] == code
    for words in says:
        assert words in error["where"] + " " + error["message"], error
    assert fix in error["fix"], error
    assert parses(error["fix"])


def stack(folder: Path, prefix: str, numbers: range, shape: tuple[int, int] = (6, 5)) -> None:
    folder.mkdir(exist_ok=True)
    for number in numbers:
        tifffile.imwrite(folder / f"{prefix}{number:04}.rec.8bit.tif", np.full(shape, number, np.uint8))


def test_two_stacks_in_one_folder(cli: Cli, study: Path) -> None:
    stack(study / "rec_8bit", "ref1_op01_", range(1, 6))
    stack(study / "rec_8bit", "ref1_op01_lowres_", range(1, 4))
    answer = cli("catalog", "add", "rec_8bit", *STATE, *VOXEL, "--json")
    check(
        answer,
        code="SIL101",
        exit_code=3,
        says=("rec_8bit", "2 stacks", "ref1_op01", "5 slices", "lowres", "3"),
        fix="siltomo catalog add rec_8bit --cell zn1",
    )
    assert cli(*shlex.split(answer.error["fix"])[1:]).code == 0


def test_missing_slices(cli: Cli, study: Path) -> None:
    stack(study / "rec", "op07_", range(1, 4))
    stack(study / "rec", "op07_", range(7, 11))
    answer = cli("catalog", "add", "rec", *STATE, *VOXEL, "--id", "op7", "--json")
    check(answer, code="SIL102", exit_code=3, says=("0004", "0006", "missing", "7 of 10"), fix="--allow-gaps")
    assert cli(*shlex.split(answer.error["fix"])[1:]).code == 0
    labels = np.ones((10, 6, 5), np.uint8)
    np.save(study / "l.npy", labels)
    assert cli("segment", "import", "op7", "l.npy", "--phases", "1=crack").code == 0
    (row,) = cli("compute", "metric", "crack_volume_fraction", "--where", "scan == 'op7'", "--json").data
    assert (row["status"], row["value"]) == ("refused", None)
    assert "3 planes" in row["reason"]


@pytest.mark.parametrize(
    "given", ["0.16", "0.16 furlongish", "2 um + 3 um", "nan", "0.16 V", "1,5 um", "-1 um"]
)
def test_voxel_sizes_without_a_unit_or_with_a_wrong_one(cli: Cli, study: Path, given: str) -> None:
    answer = cli("catalog", "add", "grey.npy", *STATE, "--voxel-size", given, "--id", "x", "--json")
    check(answer, code="SIL104", exit_code=3, says=("",), fix="siltomo catalog add grey.npy")


def test_the_fix_of_a_missing_unit_works(cli: Cli, study: Path) -> None:
    answer = cli("catalog", "add", "grey.npy", *STATE, "--voxel-size", "0.16", "--id", "x", "--json")
    assert "did you mean '0.16 um'" in answer.error["message"]
    assert cli(*shlex.split(answer.error["fix"])[1:]).code == 0


@pytest.mark.parametrize(
    ("words", "fix"),
    [
        (["cell", "set", "zn1", "--si-mass", "0.13 mg"], "--si-mass '0.13 mg_Si'"),
        (["cell", "add", "zn2", "--formulation", "zn", "--diameter", "3"], "--diameter '3 mm'"),
        (["formulation", "add", "f2", "--si-fraction", "0.7"], "--si-fraction '0.7 g_Si/g'"),
        (["catalog", "set", "op1", "--capacity", "1200 mAh/g"], "--capacity '1200 mAh/g_Si'"),
        (["catalog", "set", "op1", "--resolution", "0.65"], "--resolution '0.65 um'"),
    ],
)
def test_a_forgotten_unit_is_mended_by_the_printed_command(
    cli: Cli, study: Path, words: list[str], fix: str
) -> None:
    answer = cli(*words, "--json")
    check(answer, code="SIL190", exit_code=3, says=("",), fix=fix)
    assert cli(*shlex.split(answer.error["fix"])[1:]).code == 0


def test_nobody_says_the_voxel_size(cli: Cli, study: Path) -> None:
    answer = cli("catalog", "add", "grey.npy", *STATE, "--id", "x", "--json")
    check(
        answer,
        code="SIL107",
        exit_code=3,
        says=("grey.npy", "does not say the voxel size along z, y, x"),
        fix="--voxel-size 'EDGE um'",
    )
    # the placeholder cannot slip through when it is pasted as it is
    assert cli(*shlex.split(answer.error["fix"])[1:]).code == 3


def test_file_and_user_disagree_about_the_voxel(cli: Cli, study: Path) -> None:
    tifffile.imwrite(
        study / "fiji.tif",
        np.zeros((4, 6, 5), np.uint8),
        imagej=True,
        resolution=(1 / 0.1625, 1 / 0.1625),
        metadata={"spacing": 0.1625, "unit": "um", "axes": "ZYX"},
    )
    words = ["catalog", "add", "fiji.tif", *STATE, "--voxel-size", "0.16 um", "--id", "x", "--json"]
    answer = cli(*words)
    check(
        answer,
        code="SIL105",
        exit_code=3,
        says=("fiji.tif", "0.1625 um", "0.16 um", "z: file", "ImageJ"),
        fix="--voxel-from user",
    )
    kept = cli(*shlex.split(answer.error["fix"])[1:], "--json").data["record"]
    assert (kept["voxel_size"]["x"], kept["voxel_source"]) == ("0.16 um", "user")
    other = cli(*words[:-3], "--id", "y", "--voxel-from", "file", "--json").data["record"]
    assert other["voxel_size"]["z"] == "0.1625 um"


def test_pixels_are_no_calibration(cli: Cli, study: Path) -> None:
    tifffile.imwrite(
        study / "pixels.tif",
        np.zeros((4, 6, 5), np.uint8),
        imagej=True,
        metadata={"unit": "pixel", "axes": "ZYX"},
    )
    answer = cli("catalog", "add", "pixels.tif", *STATE, *VOXEL, "--id", "x", "--json")
    assert answer.code == 0
    assert any("SIL106" in w and "not calibrated" in w for w in answer.envelope["warnings"])


def test_unknown_cell(cli: Cli, study: Path) -> None:
    words = ["catalog", "add", "grey.npy", *VOXEL, "--scale", "micro", "--mode", "operando", "--cycle", "1"]
    answer = cli(*words, "--half", "lithiation", "--cell", "zn2", "--json")
    check(
        answer,
        code="SIL120",
        exit_code=4,
        says=("no cell 'zn2'", "did you mean zn1"),
        fix="siltomo cell add zn2 --formulation",
    )
    assert (
        cli("cell", "add", "zn3", "--formulation", "zn9", "--json").error["fix"]
        == "siltomo formulation add zn9"
    )


def test_a_scan_without_its_state(cli: Cli, study: Path) -> None:
    answer = cli("catalog", "add", "grey.npy", "--cell", "zn1", "--json")
    check(answer, code="SIL002", exit_code=2, says=("--scale, --mode, --cycle, --half",), fix="--scale micro")


def test_other_words_for_the_half_cycle(cli: Cli, study: Path) -> None:
    words = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--cycle", "1", "--half", "charge"]
    answer = cli("catalog", "add", "grey.npy", *words, *VOXEL, "--json")
    check(
        answer,
        code="SIL190",
        exit_code=3,
        says=("state.half", "'charge'", "lithiation"),
        fix="siltomo schema show scan",
    )


def test_labels_of_another_shape(cli: Cli, study: Path, labels: np.ndarray) -> None:
    np.save(study / "short.npy", labels[:-1])
    words = [
        "segment",
        "import",
        "op1",
        "short.npy",
        "--phases",
        "1=crack,2=solid,3=outside",
        "--id",
        "s2",
        "--json",
    ]
    answer = cli(*words)
    check(
        answer,
        code="SIL110",
        exit_code=3,
        says=("short.npy", "op1", "z: labels 39, image 40 (1 fewer)"),
        fix="--pad z-end",
    )
    padded = cli(*shlex.split(answer.error["fix"])[1:], "--json").data
    assert padded["record"]["volume"]["shape"] == [40, 24, 20]
    np.save(study / "wide.npy", np.zeros((40, 24, 22), np.uint8))
    check(
        cli("segment", "import", "op1", "wide.npy", "--phases", "1=crack", "--json"),
        code="SIL110",
        exit_code=3,
        says=("x: labels 22, image 20 (2 more)",),
        fix="siltomo catalog show op1",
    )


def test_labels_of_another_voxel_size(cli: Cli, study: Path, labels: np.ndarray) -> None:
    with h5py.File(study / "labels.h5", "w") as made:
        made["exported_data"] = labels
        made["exported_data"].attrs["element_size_um"] = (0.52, 0.5, 0.5)
    answer = cli(
        "segment",
        "import",
        "op1",
        "labels.h5",
        "--phases",
        "1=crack,2=solid,3=outside",
        "--id",
        "s2",
        "--json",
    )
    check(
        answer,
        code="SIL105",
        exit_code=3,
        says=("z: labels 0.52 um, image 0.5 um (+4.0%)",),
        fix="--voxel-from scan",
    )
    assert cli(*shlex.split(answer.error["fix"])[1:]).code == 0


def test_label_values_without_a_name(cli: Cli, study: Path) -> None:
    answer = cli("segment", "import", "op1", "labels.npy", "--phases", "1=crack", "--id", "s2", "--json")
    check(
        answer,
        code="SIL121",
        exit_code=3,
        says=("labels.npy", "1, 2, 3", "without a name: 2, 3"),
        fix="--phases 1=crack,2=phase2,3=phase3",
    )


@pytest.mark.parametrize("given", ["crack", "1=crack,1=solid", "1=crack;2=solid", "a=1", ""])
def test_phases_that_cannot_be_read(cli: Cli, study: Path, given: str) -> None:
    answer = cli("segment", "import", "op1", "labels.npy", "--phases", given, "--json")
    check(answer, code="SIL122", exit_code=3, says=("",), fix="--phases 1=crack,2=solid")


def test_greys_are_no_labels(cli: Cli, study: Path) -> None:
    np.save(study / "float.npy", np.random.default_rng(0).random((40, 24, 20)))
    answer = cli("segment", "import", "op1", "float.npy", "--phases", "1=crack", "--json")
    assert (answer.code, answer.error["code"]) == (3, "SIL124")
    assert "not a label volume" in answer.error["message"]


def test_unknown_metric(cli: Cli, study: Path) -> None:
    check(
        cli("compute", "metric", "crack_interconectivity", "--json"),
        code="SIL160",
        exit_code=4,
        says=("'crack_interconectivity'", "did you mean crack_interconnectivity"),
        fix="siltomo metrics show crack_interconnectivity",
    )


@pytest.mark.parametrize(
    "expression", ["cycle = 1", "cycl == 1", "__import__('os').system('x')", "cycle in 3", "("]
)
def test_selections_that_cannot_be_read(cli: Cli, study: Path, expression: str) -> None:
    answer = cli("compute", "metric", "crack_volume_fraction", "--where", expression, "--json")
    assert (answer.code, answer.error["code"]) == (3, "SIL161")
    assert "scale == 'micro'" in answer.error["message"]


@pytest.mark.parametrize("setting", ["connectivity=7", "conectivity=6", "connectivity"])
def test_wrong_parameters(cli: Cli, study: Path, setting: str) -> None:
    answer = cli("compute", "metric", "crack_interconnectivity", "--set", setting, "--json")
    assert (answer.code, answer.error["code"]) == (3, "SIL164")


def test_a_damaged_volume_fails_its_rows_and_keeps_the_others(
    cli: Cli, study: Path, labels: np.ndarray
) -> None:
    assert (
        cli(
            "segment", "import", "op1", "labels.npy", "--phases", "1=pore,2=solid,3=outside", "--id", "s2"
        ).code
        == 0
    )
    shown = cli("catalog", "show", "op1-seg", "--json").data
    for shard in (Path(shown["path"])).rglob("c/0/0/0"):
        data = bytearray(shard.read_bytes())
        data[len(data) // 2] ^= 1
        shard.chmod(0o644)
        shard.write_bytes(data)
    answer = cli("compute", "metric", "crack_volume_fraction", "pore_volume_fraction", "--json")
    assert answer.code == 7
    envelope = answer.envelope
    assert envelope["ok"] is False
    by_segmentation = {row["segmentation"]: row for row in envelope["data"]}
    assert by_segmentation["op1-seg"]["status"] == "failed"
    assert "segmentation op1-seg" in by_segmentation["op1-seg"]["reason"]
    assert "siltomo catalog verify" in by_segmentation["op1-seg"]["reason"]
    assert by_segmentation["s2"]["status"] == "ok"
    assert "1 of 2 rows failed" in envelope["warnings"][0]
    verified = cli("catalog", "verify", "--full", "--json")
    assert verified.code == 5
    assert verified.envelope["data"]["damage"][0]["id"] == "op1-seg"


def test_study_files_name_line_path_value_and_fix(cli: Cli, study: Path) -> None:
    (study / "zn.yaml").write_text(
        "formulations:\n  zn9: {}\ncells:\n  zn1:\n    formulation: zn9\n    si_mass: 0.13\n"
    )
    check(
        cli("catalog", "add", "zn.yaml", "--json"),
        code="SIL190",
        exit_code=3,
        says=("zn.yaml:6 cells.zn1.si_mass", "'0.13' has no unit: did you mean '0.13 mg_Si'"),
        fix="siltomo schema show cell",
    )
    assert cli("formulation", "show", "zn9", "--json").code == 4, "nothing was added"


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("cells: [1, 2]", "mapping from id"),
        ("cels: {}", "no section 'cels'"),
        ("a: &x 1\nb: *x", "aliases"),
        ("a: !!python/object/apply:os.system ['x']", "tags"),
        ("cells:\n  a: {}\n  a: {}", "given twice"),
        ("cells: {", "is not YAML"),
        ("- 1", "no sections"),
        ("", "no sections"),
        ("cells:\n  zn5: {formulation: nope}", "no formulation 'nope'"),
        ("scans:\n  s:\n    file: nowhere.tif", "cell"),
        ("segmentations:\n  s: {scan: op1, file: labels.npy}", "names no phases"),
    ],
)
def test_study_files_that_cannot_be_read(cli: Cli, study: Path, text: str, says: str) -> None:
    (study / "bad.yaml").write_text(text)
    answer = cli("schema", "validate", "bad.yaml", "--json")
    assert answer.code in (3, 4)
    assert says in answer.error["where"] + " " + answer.error["message"], answer.error


def test_a_study_keeps_what_can_be_added(cli: Cli, study: Path) -> None:
    (study / "part.yaml").write_text(
        "cells: {zn5: {formulation: zn}}\n"
        "scans:\n"
        "  good: {file: grey.npy, cell: zn5, scale: micro, mode: operando, cycle: 1, half: rest, voxel_size: 1 um}\n"
        "  gone: {file: gone.npy, cell: zn5, scale: micro, mode: operando, cycle: 1, half: rest, voxel_size: 1 um}\n"
    )
    answer = cli("catalog", "add", "part.yaml", "--json")
    assert answer.code == 7
    outcomes = {row["id"]: row["outcome"] for row in answer.envelope["data"]}
    assert outcomes == {"zn5": "added", "good": "added", "gone": "failed"}
    assert "gone.npy" in next(row["reason"] for row in answer.envelope["data"] if row["id"] == "gone")


@pytest.mark.parametrize(
    "words",
    [
        ["catlog", "list"],
        ["catalog", "ad"],
        ["catalog", "add"],
        ["catalog", "list", "--nope"],
        ["catalog", "add", "x.npy", "--cycle", "one"],
        ["segment", "import", "op1", "labels.npy"],
        ["compute", "metric"],
    ],
)
def test_usage_errors(cli: Cli, study: Path, words: list[str]) -> None:
    answer = cli(*words, "--json")
    assert answer.code == 2
    assert answer.error["code"] == "SIL001"
    assert parses(answer.error["fix"])


def test_no_catalog_anywhere(cli: Cli, tmp_path: Path) -> None:
    check(
        cli("catalog", "list", "--json"),
        code="SIL123",
        exit_code=4,
        says=(str(tmp_path),),
        fix="siltomo init .",
    )
    answer = cli("--catalog", "nowhere", "catalog", "list", "--json")
    assert answer.code == 4
    assert parses(answer.error["fix"])


def test_missing_files(cli: Cli, study: Path) -> None:
    answer = cli("catalog", "add", "gray.npy", *STATE, *VOXEL, "--json")
    assert answer.code == 4
    assert "grey.npy" in json.dumps(answer.error), "the nearest name is given"
    assert cli("info", "gray.npy", "--json").code == 4


def test_errors_for_people_go_to_stderr(cli: Cli, study: Path) -> None:
    answer = cli("catalog", "add", "grey.npy", *STATE, "--voxel-size", "0.16")
    assert answer.out == ""
    assert answer.err.startswith("error[SIL104]")
    assert "fix: siltomo catalog add grey.npy" in answer.err
    assert "Traceback" not in answer.err


def test_control_characters_do_not_reach_the_terminal(cli: Cli, study: Path) -> None:
    assert cli("cell", "add", "zn7", "--formulation", "zn", "--title", "a\x1b[31mred").code == 0
    assert "\x1b" not in cli("cell", "list").out


def test_labels_for_a_scan_that_was_declared_without_voxels(cli: Cli, study: Path) -> None:
    scan = {"cell": "zn1", "scale": "micro", "mode": "operando", "cycle": 1, "half": "delithiation"}
    declared = {"scans": {"bare": {**scan, "voxel_size": "0.5 um"}}}
    (study / "bare.yaml").write_text(json.dumps(declared), "utf-8")
    assert cli("catalog", "add", "bare.yaml").code == 0
    answer = cli("segment", "import", "bare", "labels.npy", "--phases", "1=crack,2=solid,3=outside", "--json")
    check(
        answer,
        code="SIL100",
        exit_code=3,
        says=("without voxels", "labels.npy"),
        fix="siltomo catalog show bare",
    )


def test_another_scan_of_an_id_is_told_in_words(cli: Cli, study: Path) -> None:
    words = ["catalog", "add", "grey.npy", *STATE, *VOXEL, "--domain", "electrode", "--id", "op1", "--json"]
    message = cli(*words).error["message"]
    assert "cycle 1, half delithiation, capacity 1200 mAh/g_Si there" in message
    assert "<" not in message
