"""Figures from the command line: files, the data beside them, and what is refused."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest
from PIL import Image


def rows_of(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_a_figures_csv_is_what_the_catalog_holds(cli, study):
    data = cli("plot", "operando", "-o", "f.png", "-o", "f.pdf", "--json").data
    assert data["files"] == ["f.png", "f.pdf", "f.csv"]
    computed = cli("compute", "metric", "crack_volume_fraction", "crack_width_median", "--json").data
    kept = {row["metric"]: row for row in computed}
    drawn = {row["metric"]: row for row in rows_of(study / "f.csv")}
    for name in ("crack_volume_fraction", "crack_width_median"):
        assert float(drawn[name]["value"]) == kept[name]["value"]
        assert drawn[name]["unit"] == kept[name]["unit"]
        assert drawn[name]["key"] == kept[name]["key"]
        assert float(drawn[name]["uncertainty"]) == kept[name]["uncertainty"]


def test_a_picture_is_a_picture(cli, study):
    assert cli("plot", "slices", "--where", "scale == 'micro'", "--scalebar", "2 um", "-o", "s.png").code == 0
    with Image.open(study / "s.png") as picture:
        assert picture.width == pytest.approx(183 / 25.4 * 300, abs=2)
    (row, over) = rows_of(study / "s.csv")
    assert row["scan"] == over["scan"] == "op1"
    # the middle plane is z = 20, where the lone block is not: 4 of 24 rows, in 18 of 20 columns, are crack
    assert float(over["overlay_share"]) == pytest.approx(4 * 18 / (24 * 20))


def test_histogram_counts_every_voxel_once(cli, study, labels):
    rows = rows_of(study / Path(cli("plot", "histogram", "op1", "--json").data["files"][1]))
    counts: dict[str, int] = {}
    for row in rows:
        if row["kind"] == "count":
            counts[row["phase"]] = counts.get(row["phase"], 0) + int(float(row["value"]))
    names = {1: "crack", 2: "solid", 3: "outside"}
    values, voxels = np.unique(labels, return_counts=True)
    assert counts.pop("all voxels") == labels.size
    assert counts == {names[int(v)]: int(n) for v, n in zip(values, voxels, strict=True)}
    cuts = [float(row["grey"]) for row in rows if row["kind"] == "cut"]
    # greys are 60, 120 and 180
    assert 60 <= cuts[0] < 120 <= cuts[1] < 180


def test_csv_on_stdout_is_the_table(cli, study):
    answer = cli("plot", "operando", "--metric", "crack_volume_fraction", "--csv")
    assert answer.code == 0
    header, line = answer.out.splitlines()
    assert header.split(",")[:3] == ["metric", "value", "unit"]
    assert line.startswith("crack_volume_fraction,0.")


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["operando", "-o", "f.gif"], 3, "known: .png, .svg, .pdf"),
        (["operando", "-o", "none/f.png"], 4, "the folder does not exist"),
        (["operando", "--where", "cycle == 9"], 4, "no scan is selected"),
        (["cycling"], 4, "no cell has a cycling run"),
        (["voltage"], 4, "no cycling run holds these cycles"),
        (["slices", "--plane", "zz"], 3, "cannot read the plane"),
        (["slices", "--plane", "xy@400 um", "--where", "cycle == 1"], 3, "lies outside of scan op1"),
        (["slices", "--plane", "xy@3 kg", "--where", "cycle == 1"], 3, "no place for a plane"),
        (["histogram", "nothing"], 4, "no scan 'nothing'"),
        (["histogram", "op1", "--segmentation", "none"], 4, "no segmentation 'none'"),
        (["operando", "--metric", "crack_widht_mean"], 4, "crack_width_mean"),
    ],
)
def test_what_cannot_be_drawn_is_said(cli, study, words, code, said):
    answer = cli("plot", *words, "--json")
    assert answer.code == code, answer.out
    assert said in answer.error["message"] + answer.error["fix"]
    assert answer.error["fix"]


def test_nothing_is_drawn_where_nothing_is_known(cli, study):
    answer = cli("plot", "gas", "--json")
    assert answer.code == 4
    assert "there is nothing to draw" in answer.error["message"]
    assert not (study / "gas.png").exists()


def test_a_surface_is_drawn_without_any_renderer(cli, study):
    words = ["--own-renderer", "--where", "scale == 'micro'", "-o", "r.png"]
    assert cli("plot", "render3d", *words, "--json").data["files"] == ["r.png", "r.csv"]
    (row,) = rows_of(study / "r.csv")
    assert float(row["value"]) == pytest.approx(40 * 4 * 18 / (40 * 4 * 18 + 4 * 2 * 4))
    with Image.open(study / "r.png") as picture:
        pixels = np.asarray(picture.convert("RGB")).astype(int)
    assert ((pixels[..., 2] - pixels[..., 0]) > 60).mean() > 0.02  # blue of cracks


def test_a_phase_that_is_nowhere_is_said(cli, study):
    answer = cli("plot", "render3d", "--phase", "gas", "--json")
    assert answer.code == 4
    assert "phase 'gas'" in answer.error["message"]


def test_a_film_has_a_frame_for_each_scan_in_the_order_of_states(cli, study):
    for half, capacity, name in (
        ("lithiation", "900 mAh/g_Si", "op0"),
        ("delithiation", "300 mAh/g_Si", "op2"),
    ):
        words = [
            "--cell",
            "zn1",
            "--scale",
            "micro",
            "--mode",
            "operando",
            "--domain",
            "electrode",
            "--cycle",
            1,
        ]
        words += ["--half", half, "--capacity", capacity, "--voxel-size", "0.5 um", "--id", name]
        assert cli("catalog", "add", "grey.npy", *words).code == 0
    data = cli("plot", "video", "--cell", "zn1", "-o", "film.gif", "--json").data
    assert data["frames"] == 3
    assert [row["scan"] for row in rows_of(study / "film.csv")] == ["op0", "op2", "op1"]
    with Image.open(study / "film.gif") as film:
        assert film.n_frames == 3
        assert film.info["duration"] == 600


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (["--cell", "zn1", "--cycle", "9"], 4, "no operando micro scan"),
        (["--cell", "zn9"], 4, "no cell 'zn9'"),
        (["--cell", "zn1", "-o", "film.avi"], 3, "known: .gif, .mp4"),
    ],
)
def test_a_film_that_cannot_be_is_said(cli, study, words, code, said):
    answer = cli("plot", "video", *words, "--json")
    assert answer.code == code
    assert said in answer.error["message"]
    assert answer.error["fix"]


def test_mp4_without_ffmpeg_names_what_works(cli, study, monkeypatch):
    monkeypatch.setattr("shutil.which", lambda _: None)
    answer = cli("plot", "video", "--cell", "zn1", "-o", "film.mp4", "--json")
    assert answer.code == 6
    assert answer.error["fix"].endswith("-o film.gif")
