"""From a beamtime to a table: a run and its scans are registered, their clocks aligned, and every scan has its state.

The run has the paper's timing (26 stops, two magnifications, a clock that is 1234 s ahead) and a known answer.
"""

from __future__ import annotations

import csv
import io
import json
import shutil
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from operando_phantom import START, Operando

import siltomo
from siltomo.cli import main

Cli = Callable[..., Any]

RUN = Operando()
ZURICH = timedelta(hours=2)


def study_text(run: Operando, *, zone: str = "+02:00", **changed: dict[str, str]) -> str:
    """Declare the formulation, the cell and the scans; their voxels stay at home."""
    lines = ["formulations:", "  zn: {}", "cells:", "  zn1: {formulation: zn, si_mass: 0.13 mg_Si}", "scans:"]
    for scan in run.scans:
        fields = {
            "cell": "zn1",
            "scale": scan["scale"],
            "mode": "operando",
            "voxel_size": "0.16 um" if scan["scale"] == "micro" else "25 nm",
            "cycle": 1,
            "half": scan["half"],
            **{k: f'"{(scan[k] + ZURICH).isoformat()}{zone}"' for k in ("start", "end")},  # type: ignore[operator]
            **changed.get(str(scan["id"]).replace("-", "_"), {}),
        }
        lines.append(f"  {scan['id']}: {{{', '.join(f'{k}: {v}' for k, v in fields.items())}}}")
    return "\n".join(lines) + "\n"


def times_of(scan: dict[str, Any]) -> list[str]:
    """Return the options that say when a scan was made."""
    return [word for k in ("start", "end") for word in (f"--{k}", f"{(scan[k] + ZURICH).isoformat()}+02:00")]


@pytest.fixture(scope="module")
def registered(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A catalog with the run and its 52 scans, not aligned."""
    folder = tmp_path_factory.mktemp("beamtime")
    (folder / "study.yaml").write_text(study_text(RUN))
    RUN.write(folder / "zn1.bdf.csv", start=START.replace(tzinfo=UTC))
    own = ["--catalog", str(folder)]
    assert main.run(["init", str(folder), "--json"]) == 0
    assert main.run([*own, "catalog", "add", str(folder / "study.yaml"), "--json"]) == 0
    file = str(folder / "zn1.bdf.csv")
    assert main.run([*own, "cycling", "add", file, "--cell", "zn1", "--id", "zn1-run", "--json"]) == 0
    return folder


@pytest.fixture
def beamtime(cli: Cli, registered: Path, tmp_path: Path) -> Path:
    """A copy of it that a test may change; the working folder."""
    shutil.copytree(registered, tmp_path, dirs_exist_ok=True)
    return tmp_path


def test_every_tomogram_lands_on_its_cell_s_electrochemistry(cli: Cli, beamtime: Path) -> None:
    unaligned = cli("join", "--json")
    assert {row["status"] for row in unaligned.data["rows"]} == {"missing"}
    assert "52 of 52 scans have no state" in unaligned.envelope["warnings"][0]

    shown = cli("cycling", "align", "zn1")
    assert shown.code == 0, shown.err
    assert "52 of 52 scans lie in a rest, at 26 stops" in shown.out
    assert "nothing was changed; --apply stores this clock" in shown.out
    found = cli("cycling", "align", "zn1", "--json").data
    assert found["offset"] == pytest.approx(1234, abs=15)
    assert found["offset_low"] <= 1234 <= found["offset_high"]
    assert found["units"]["offset"] == "s"
    assert (found["stops"], found["runner_up"]["stops"], found["stored"]) == (26, 23, False)
    assert all(row["in_rest"] for row in found["scans"])

    stored = cli("cycling", "align", "zn1", "--apply", "--json").data
    assert (stored["stored"], stored["changed"], stored["revision"]) == (True, True, 2)
    again = cli("cycling", "align", "zn1", "--apply", "--json").data
    assert (again["changed"], again["revision"]) == (False, 2)

    answer = cli("join", "--json")
    data = answer.data
    assert answer.envelope["warnings"] == []
    assert data["units"]["capacity"] == "mAh/g_Si"
    rows = {row["scan"]: row for row in data["rows"]}
    assert len(rows) == 52
    for scan in RUN.scans:
        row = rows[scan["id"]]
        assert (row["status"], row["cycle"], row["half"]) == ("ok", 1, scan["half"])
        assert row["capacity"] == pytest.approx(scan["capacity"], abs=1.0)
        assert (row["at_rest"], row["agrees"]) == (True, True)
        assert row["tolerance"] > 0


def test_a_run_goes_on_being_shown_and_summed_up_after_its_clock_was_set(cli: Cli, beamtime: Path) -> None:
    before = cli("cycling", "summary", "--json").data
    assert cli("cycling", "align", "zn1-run", "--apply").code == 0
    assert cli("cycling", "summary", "--json").data == before
    record = cli("cycling", "show", "zn1-run", "--json").data["record"]
    assert record["clock_offset"].startswith("123")
    added = cli("cycling", "add", "zn1.bdf.csv", "--cell", "zn1", "--id", "zn1-run", "--json").data
    assert added["outcome"] == "unchanged"
    assert cli("catalog", "verify", "--json").code == 0


def test_the_join_is_written_with_units_in_its_head(cli: Cli, beamtime: Path) -> None:
    cli("cycling", "align", "zn1", "--apply")
    assert cli("join", "--where", "scale == 'micro'", "-o", "operando.csv").code == 0
    with (beamtime / "operando.csv").open() as file:
        lines = list(csv.DictReader(file))
    assert len(lines) == 26
    by_id = {line["scan"]: line for line in lines}
    scan = next(s for s in RUN.scans if s["id"] == "op20-micro")
    assert float(by_id["op20-micro"]["capacity [mAh/g_Si]"]) == pytest.approx(scan["capacity"], abs=1.0)
    printed = list(csv.DictReader(io.StringIO(cli("join", "--where", "scale == 'micro'", "--csv").out)))
    assert [line["scan"] for line in printed] == [line["scan"] for line in lines]
    cli("join", "-o", "operando.json")
    assert len(json.loads((beamtime / "operando.json").read_text())) == 52
    assert cli("join", "-o", "operando.xls", "--json").error["code"] == "SIL165"


def test_a_declared_state_that_cannot_be_is_reported(cli: Cli, beamtime: Path) -> None:
    cli("cycling", "align", "zn1", "--apply")
    assert cli("catalog", "set", "op20-micro", "--half", "lithiation").code == 0
    assert cli("catalog", "set", "op03-nano", "--capacity", "900 mAh/g_Si").code == 0
    answer = cli("join", "--json")
    rows = {row["scan"]: row for row in answer.data["rows"]}
    assert rows["op20-micro"]["disagreement"] == "lithiation declared, delithiation found"
    assert rows["op03-nano"]["disagreement"].startswith("900 mAh/g_Si declared, 596.")
    assert len(answer.envelope["warnings"]) == 2
    assert cli("join", "--agree-within", "400 mAh/g_Si", "--json").envelope["warnings"] == [
        "scan op20-micro: lithiation declared, delithiation found"
    ]


def test_what_was_found_is_carried_into_scans_that_do_not_say_it(cli: Cli, beamtime: Path) -> None:
    cli("cycling", "align", "zn1", "--apply")
    assert cli("catalog", "set", "op20-micro", "--half", "lithiation").code == 0
    assert cli("catalog", "set", "op03-nano", "--capacity", "600 mAh/g_Si").code == 0
    assert cli("join", "--json").data["stored"] == []
    answer = cli("join", "--apply", "--json")
    assert len(answer.data["stored"]) == 51
    scans = siltomo.open_catalog(beamtime).scans
    assert scans.loc["op03-micro", "state.capacity"] == pytest.approx(596.25, abs=0.01)
    assert scans.loc["op03-nano", "state.capacity"] == 600.0, "what was declared stays"
    assert scans.loc["op03-nano", "state.voltage"] == pytest.approx(0.54, abs=0.02)
    assert np.isnan(scans.loc["op20-micro", "state.capacity"]), "it disagrees about its half-cycle"
    assert scans.loc["op21-micro", "state.capacity"] == scans.loc["op21-nano", "state.capacity"], (
        "one stop, one state"
    )
    again = cli("join", "--apply", "--json")
    assert again.data["stored"] == []
    assert [row["disagreement"] for row in again.data["rows"] if row["disagreement"]] == [
        "lithiation declared, delithiation found"
    ]
    chosen = cli("join", "--where", "capacity > 2600 and half == 'delithiation'", "--json").data["rows"]
    assert [row["scan"] for row in chosen] == ["op24-micro", "op24-nano", "op25-micro", "op25-nano"]


def test_micro_and_nano_of_one_stop_meet_once_their_capacity_is_carried(cli: Cli, beamtime: Path) -> None:
    """Two stops with both magnifications: one half-cycle of one cell, two states, told apart by what was found."""
    cli("cycling", "align", "zn1", "--apply")
    for stop, cracks, pores in ((18, 2, 4), (22, 5, 3)):
        for scale, phase, planes in (("micro", "crack", cracks), ("nano", "pore", pores)):
            true = next(s for s in RUN.scans if s["id"] == f"op{stop}-{scale}")
            labels = np.full((16, 16, 16), 2, np.uint8)
            labels[:, 4 : 4 + planes] = 1
            np.save(beamtime / "labels.npy", labels)
            words = [
                "--cell",
                "zn1",
                "--scale",
                scale,
                "--mode",
                "operando",
                "--domain",
                "electrode",
                *times_of(true),
            ]
            words += [
                "--cycle",
                1,
                "--half",
                "delithiation",
                "--voxel-size",
                "0.16 um",
                "--id",
                f"v{stop}-{scale}",
            ]
            assert cli("catalog", "add", "labels.npy", *words).code == 0
            named = ["--phases", f"1={phase},2=solid"]
            assert cli("segment", "import", f"v{stop}-{scale}", "labels.npy", *named).code == 0
    porosity = ["compute", "metric", "electrode_porosity", "--where", "half == 'delithiation'", "--json"]
    (row,) = cli(*porosity).data
    assert (row["value"], row["status"]) == (None, "missing")
    assert "2 results fit" in row["reason"]
    assert cli("join", "--apply").code == 0
    rows = {row["capacity"]: row["value"] for row in cli(*porosity).data if row["value"] is not None}
    assert sorted(rows) == pytest.approx([477 * 5 / 2, 477 * 9 / 2], abs=0.1)
    assert [rows[capacity] for capacity in sorted(rows)] == pytest.approx([6 / 16, 8 / 16])
    joined = cli(
        "join", "--metric", "electrode_porosity", "--where", "scan in ('v18-micro', 'v22-nano')", "--json"
    )
    assert [row["electrode_porosity"] for row in joined.data["rows"]] == pytest.approx([6 / 16, 8 / 16])


def test_times_without_a_zone_ask_for_it(cli: Cli, beamtime: Path) -> None:
    wall = (RUN.scans[0]["start"] + ZURICH).isoformat(), (RUN.scans[0]["end"] + ZURICH).isoformat()  # type: ignore[operator]
    assert cli("catalog", "set", "op00-micro", "--start", wall[0], "--end", wall[1]).code == 0
    error = cli("cycling", "align", "zn1", "--json").error
    assert error["code"] == "SIL141"
    assert error["where"] == "scan op00-micro"
    assert error["fix"] == "siltomo cycling align zn1 --json --scan-timezone Europe/Zurich"
    assert cli("cycling", "align", "zn1", "--scan-timezone", "Europe/Zurich", "--apply").code == 0
    rows = {row["scan"]: row for row in cli("join", "--json").data["rows"]}
    assert rows["op00-micro"]["capacity"] == pytest.approx(RUN.scans[0]["capacity"], abs=1.0)
    wrong = cli("cycling", "align", "zn1", "--scan-timezone", "Europe/Zurch", "--json").error
    assert (
        wrong["message"]
        == "there is no time zone 'Europe/Zurch'; write its name, such as Europe/Zurich or UTC"
    )


@pytest.mark.parametrize(
    ("options", "code", "fix"),
    [
        (["--offset", "1234"], "SIL104", "--offset '1234 s'"),
        (["--offset", "12 mA"], "SIL104", "--offset"),
        (["--drift", "2"], "SIL104", "--drift '2 s/d'"),
        (["--search", "-1 h"], "SIL104", "--search"),
        (["--start", "yesterday"], "SIL142", "--start 2021-06-14"),
        (["--start", "2021-06-14T09:00:00+00:00"], "SIL142", "siltomo cycling align zn1 --json"),
        (["--timezone", "Europe/Zurich"], "SIL141", "siltomo cycling set zn1-run --timezone Europe/Zurich"),
        (["--where", "colour == 'red'"], "SIL161", ""),
        (["--search", "1000 s"], "SIL140", "--search '"),
    ],
)
def test_bad_options_of_align_are_errors_with_their_mending(
    cli: Cli, beamtime: Path, options: list[str], code: str, fix: str
) -> None:
    error = cli("cycling", "align", "zn1", *options, "--json").error
    assert error["code"] == code
    assert fix in error["fix"]


def test_scans_with_voxels_have_their_metrics_beside_their_state(cli: Cli, beamtime: Path) -> None:
    cli("cycling", "align", "zn1", "--apply")
    cracks = {"op15-micro": 2, "op20-micro": 5}
    for scan, planes in cracks.items():
        labels = np.full((20, 16, 16), 2, np.uint8)
        labels[:, 4 : 4 + planes] = 1
        np.save(beamtime / "labels.npy", labels)
        true = next(s for s in RUN.scans if s["id"] == scan)
        words = [
            "--cell",
            "zn1",
            "--scale",
            "micro",
            "--mode",
            "operando",
            "--domain",
            "electrode",
            *times_of(true),
        ]
        words += ["--cycle", 1, "--half", "delithiation", "--voxel-size", "0.16 um", "--id", f"{scan}-v"]
        assert cli("catalog", "add", "labels.npy", *words).code == 0
        phases = ["--phases", "1=crack,2=solid", "--id", f"{scan}-seg"]
        assert cli("segment", "import", f"{scan}-v", "labels.npy", *phases).code == 0
    where = ["--where", "scan in ('op15-micro-v', 'op20-micro-v', 'op20-nano')"]
    answer = cli("join", "--metric", "crack_volume_fraction", *where, "--json")
    rows = {row["scan"]: row for row in answer.data["rows"]}
    assert answer.data["units"]["crack_volume_fraction"] == "1"
    assert rows["op15-micro-v"]["crack_volume_fraction"] == pytest.approx(2 / 16)
    assert rows["op20-micro-v"]["crack_volume_fraction"] == pytest.approx(5 / 16)
    assert rows["op20-micro-v"]["capacity"] == pytest.approx(477 * 7 * 0.5, abs=1.0)
    assert rows["op20-nano"]["crack_volume_fraction_status"] == "missing"
    assert "has no segmentation" in rows["op20-nano"]["crack_volume_fraction_reason"]

    long = cli(
        "join",
        "--long",
        "--metric",
        "crack_volume_fraction",
        "--metric",
        "crack_width_distribution",
        *where,
        "--json",
    )
    kinds = {(row["scan"], row["metric"]): row for row in long.data["rows"]}
    assert len(kinds) == 6
    assert kinds["op15-micro-v", "crack_volume_fraction"]["value"] == pytest.approx(2 / 16)
    profile = kinds["op20-micro-v", "crack_width_distribution"]
    assert len(profile["values"]) == len(profile["coordinate"]["values"])
    assert kinds["op20-nano", "crack_volume_fraction"]["metric_status"] == "missing"

    catalog = siltomo.open_catalog(beamtime)
    data = catalog.join(
        metrics=["crack_volume_fraction", "crack_width_distribution"], where="scan in ('op15-micro-v',)"
    ).to_xarray()
    assert data.crack_volume_fraction.item() == pytest.approx(2 / 16)
    assert data.crack_width_distribution.dims[0] == "scan"
    assert data.crack_width_distribution.sizes[data.crack_width_distribution.dims[1]] == len(
        data[data.crack_width_distribution.dims[1]]
    )
    table = catalog.join(metrics=["crack_volume_fraction"]).to_pandas("long")
    assert table.loc["op15-micro-v", "unit"] == "1"


def add_electrode(cli: Cli, folder: Path, scan: str, planes: int, *words: object) -> None:
    """Register a scan of an electrode of some planes of 0.5 um between collector and separator."""
    labels = np.full((32, 16, 16), 3, np.uint8)
    labels[:4] = 1
    labels[4 : 4 + planes] = 2
    np.save(folder / "labels.npy", labels)
    where = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--domain", "cell"]
    assert (
        cli("catalog", "add", "labels.npy", *where, *words, "--voxel-size", "0.5 um", "--id", scan).code == 0
    )
    phases = ["--phases", "1=collector,2=solid,3=separator"]
    assert cli("segment", "import", scan, "labels.npy", *phases).code == 0


def test_contraction_is_what_the_thickness_lost_over_the_initial_one(cli: Cli, beamtime: Path) -> None:
    """Electrodes of 10, 8 and 5 um in one cycle, 4 um before it."""
    cli("cycling", "align", "zn1", "--apply")
    for scan, planes in (("op13-micro", 20), ("op20-micro", 16), ("op25-micro", 10)):
        true = next(s for s in RUN.scans if s["id"] == scan)
        half = ["--cycle", 1, "--half", true["half"]]
        add_electrode(cli, beamtime, f"{scan}-v", planes, *half, *times_of(true))
    add_electrode(cli, beamtime, "fresh-v", 8, "--cycle", 0, "--half", "pristine")
    where = ["--where", "scan in ('op13-micro-v', 'op20-micro-v', 'op25-micro-v')", "--json"]
    rows = {row["scan"]: row for row in cli("join", *where).data["rows"]}
    assert rows["op20-micro-v"]["contraction"] is None
    assert rows["op20-micro-v"]["contraction_reason"] == (
        "no thickness is known: siltomo compute metric electrode_thickness"
    )
    thick = {
        row["scan"]: (row["value"], row["uncertainty"])
        for row in cli(
            "compute", "metric", "electrode_thickness", "--where", "voxel_size == 0.5", "--json"
        ).data
    }
    assert {scan: value for scan, (value, _) in thick.items()} == pytest.approx(
        {"op13-micro-v": 10, "op20-micro-v": 8, "op25-micro-v": 5, "fresh-v": 4}
    )
    answer = cli("join", *where)
    rows = {row["scan"]: row for row in answer.data["rows"]}
    assert answer.data["units"]["contraction"] == "1"
    assert rows["op13-micro-v"]["contraction"] is None, "lithiation does not contract"
    assert rows["op20-micro-v"]["contraction"] == pytest.approx((10 - 8) / 4)
    assert rows["op25-micro-v"]["contraction"] == pytest.approx((10 - 5) / 4)
    (own, peak, first), c = (thick[s][1] for s in ("op20-micro-v", "op13-micro-v", "fresh-v")), (10 - 8) / 4
    expected = ((own**2 + peak**2) / 16 + (c * first / 4) ** 2) ** 0.5
    assert rows["op20-micro-v"]["contraction_uncertainty"] == pytest.approx(expected)
    only = cli("join", "--where", "scan == 'op20-micro-v'", "--json").data["rows"]
    assert only[0]["contraction"] == pytest.approx(0.5), "the thickest scan counts, selected or not"
    assert cli("cell", "set", "zn1", "--initial-thickness", "5 um").code == 0
    rows = {row["scan"]: row for row in cli("join", *where).data["rows"]}
    assert rows["op25-micro-v"]["contraction"] == pytest.approx((10 - 5) / 5), "what was declared goes first"
    assert rows["op20-micro-v"]["contraction_uncertainty"] is not None


def test_two_segmentations_of_a_scan_are_not_chosen_from(cli: Cli, study: Path) -> None:
    phases = ["--phases", "1=crack,2=solid,3=outside"]
    assert (
        cli("segment", "import", "op1", "labels.npy", *phases, "--id", "second", "--min-feature", "1 um").code
        == 0
    )
    row = cli("join", "--metric", "crack_volume_fraction", "--json").data["rows"][0]
    assert (row["crack_volume_fraction"], row["crack_volume_fraction_status"]) == (None, "refused")
    assert "2 segmentations" in row["crack_volume_fraction_reason"]
    one = cli(
        "join", "--metric", "crack_volume_fraction", "--where", "segmentation == 'second'", "--json"
    ).data["rows"][0]
    assert one["crack_volume_fraction_status"] == "ok"
    assert len(cli("join", "--long", "--metric", "crack_volume_fraction", "--json").data["rows"]) == 2


def test_a_start_that_the_file_does_not_state_is_given(cli: Cli, tmp_path: Path) -> None:
    short = Operando(lithiation=(900.0, 900.0, 1800.0, 2400.0), delithiation=())
    (tmp_path / "study.yaml").write_text(study_text(short))
    short.write(tmp_path / "run.bdf.csv")
    for words in (
        ["init", "."],
        ["catalog", "add", "study.yaml"],
        ["cycling", "add", "run.bdf.csv", "--cell", "zn1"],
    ):
        assert cli(*words).code == 0
    error = cli("cycling", "align", "zn1", "--json").error
    assert error["code"] == "SIL142"
    assert "has no start time" in error["message"]
    assert "has no start time" in cli("join", "--json").data["rows"][0]["reason"]
    given = ["--start", "2021-06-14T08:00:00+00:00", "--search", "30 min"]
    assert cli("cycling", "align", "zn1", *given, "--apply", "--json").data["offset"] == pytest.approx(
        1234, abs=25
    )
    assert {row["status"] for row in cli("join", "--json").data["rows"]} == {"ok"}
    assert cli("cycling", "add", "run.bdf.csv", "--cell", "zn1", "--json").data["outcome"] == "unchanged"
    run = siltomo.open_catalog(tmp_path).join().states[0]["run"]
    assert cli("cycling", "set", str(run), "--notes", "checked").code == 0
    assert {row["status"] for row in cli("join", "--json").data["rows"]} == {"ok"}, "what was given is kept"


def test_the_fixture_s_clock_is_where_it_says() -> None:
    first = RUN.scans[0]["start"]
    assert isinstance(first, datetime)
    assert first - START == timedelta(seconds=1234 + 7200 + 900 + 20 + 1), (
        "one second of jitter, with this seed"
    )
