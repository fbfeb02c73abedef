"""Figures declared in a file: laid out as they should be, drawn again only when something changed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from siltomo.errors import BadInputError, RecordError
from siltomo.report.figure_file import read_figures
from siltomo.report.kinds import draw_kind

SHEET = """
figures:
  sheet:
    output: [out/sheet.png, out/sheet.pdf]
    panels:
      - {kind: operando, metric: [crack_volume_fraction, crack_interconnectivity]}
      - {kind: slices, plane: [xy+crack], where: "cycle == 1"}
  one: {kind: histogram, scan: op1, output: out/one.svg, width: single}
"""


@pytest.fixture
def sheet(cli, study) -> Path:
    (study / "out").mkdir()
    path = study / "figures.yaml"
    path.write_text(SHEET, "utf-8")
    return path


def outcomes(cli, *words):
    return {
        row["figure"]: row["outcome"] for row in cli("figure", "run", "figures.yaml", *words, "--json").data
    }


def test_only_what_changed_is_drawn_again(cli, sheet):
    assert outcomes(cli) == {"sheet": "drawn", "one": "drawn"}
    first = {p.name: p.stat().st_mtime_ns for p in (sheet.parent / "out").iterdir()}
    assert set(first) == {"sheet.png", "sheet.pdf", "sheet.csv", "one.svg", "one.csv"}
    assert outcomes(cli) == {"sheet": "current", "one": "current"}
    assert {p.name: p.stat().st_mtime_ns for p in (sheet.parent / "out").iterdir()} == first

    sheet.write_text(SHEET.replace("xy+crack", "xz"), "utf-8")  # the declaration
    assert outcomes(cli) == {"sheet": "drawn", "one": "current"}
    (sheet.parent / "out" / "one.svg").unlink()  # the file
    assert outcomes(cli) == {"sheet": "current", "one": "drawn"}
    # the data
    assert cli("segment", "set", "op1-seg", "--min-feature", "0.5 um").code == 0
    assert outcomes(cli)["sheet"] == "drawn"
    assert outcomes(cli, "--force", "--only", "one") == {"one": "drawn"}


def test_panels_are_lettered_through(cli, sheet):
    assert outcomes(cli)["sheet"] == "drawn"
    svg = sheet.read_text("utf-8").replace("sheet.pdf", "sheet.svg")
    sheet.write_text(svg, "utf-8")
    assert outcomes(cli)["sheet"] == "drawn"
    text = (sheet.parent / "out" / "sheet.svg").read_text("utf-8")
    assert ">a)<" in text
    assert ">b)<" in text
    parts = (sheet.parent / "out" / "sheet.csv").read_text("utf-8")
    assert "1 operando" in parts
    assert "2 slices" in parts


def test_one_figure_that_fails_leaves_the_others(cli, sheet):
    sheet.write_text(SHEET.replace("scan: op1", "scan: op9"), "utf-8")
    answer = cli("figure", "run", "figures.yaml", "--json")
    assert answer.code == 7
    rows = {row["figure"]: row for row in answer.envelope["data"]}
    assert (rows["sheet"]["outcome"], rows["one"]["outcome"]) == ("drawn", "failed")
    assert "op9" in rows["one"]["reason"]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("figures: []", "holds 'figures:'"),
        ("figures: {f: 3}", "has a kind, or panels"),
        ("figures: {f: {kind: gas, panels: [{kind: gas}]}}", "either a kind or panels"),
        ("figures: {f: {panels: [{}]}}", "each panel has a kind"),
        ("figures: {f: {panels: [{kind: gas}], cycle: 1}}", "beside panels stand only"),
        ("figures: {f: {kind: gas, width: wide}}", "single or double"),
    ],
)
def test_a_file_that_is_laid_out_wrongly_is_refused(tmp_path, text, said):
    (tmp_path / "f.yaml").write_text(text, "utf-8")
    with pytest.raises(RecordError, match=said):
        read_figures(tmp_path / "f.yaml")


@pytest.mark.parametrize(
    ("figure", "said"),
    [
        ("{kind: gass}", "did you mean 'gas'"),
        ("{kind: gas, colour: red}", "no option 'colour'"),
        ("{kind: gas, output: f.gif}", "known: .png"),
    ],
)
def test_a_figure_that_cannot_be_is_refused(cli, study, figure, said):
    (study / "f.yaml").write_text(f"figures: {{one: {figure}}}", "utf-8")
    answer = cli("figure", "run", "f.yaml", "--json")
    assert answer.code in (3, 7)
    assert said in answer.out


def test_a_film_stands_alone(tmp_path):
    file = tmp_path / "figures.yaml"
    file.write_text("figures: {film: {kind: video, cell: zn1}}\n", "utf-8")
    (film,) = read_figures(file)
    assert film.output == (tmp_path / "film.gif",)
    file.write_text("figures: {film: {panels: [{kind: video, cell: zn1}, {kind: gas}]}}\n", "utf-8")
    with pytest.raises(RecordError, match="no panel of a sheet"):
        read_figures(file)
    file.write_text("figures: {film: {kind: video, cell: zn1, output: film.pdf}}\n", "utf-8")
    with pytest.raises(BadInputError, match=r"known: \.gif, \.mp4"):
        read_figures(file)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("cycle: one", "'cycle' of a figure of kind 'slices' is a number, or a list of them, not 'one'"),
        ("cycle: [1, true]", "is a number"),
        ("plane: 3", "'plane' of a figure of kind 'slices' is text, or a list of texts, not 3"),
        ("where: [a]", "is text, not"),
    ],
)
def test_an_option_of_another_type_is_said(option, words):
    with pytest.raises(BadInputError, match=re.escape(words)):
        draw_kind("slices", None, yaml.safe_load(option))


@pytest.mark.parametrize(
    ("kind", "option", "words"),
    [
        ("render3d", {"largest": "yes"}, "true or false"),
        ("render3d", {"azimuth": "north"}, "a number"),
        ("depth", {"statistic": "mode"}, "known: median, mean"),
        ("depth", {"by": "colour"}, "contraction or cycle"),
    ],
)
def test_an_option_that_cannot_be_is_said(kind, option, words):
    with pytest.raises(BadInputError, match=words):
        draw_kind(kind, None, option)


def test_one_of_many_may_stand_alone(cli, study):
    (study / "figures.yaml").write_text(
        'figures: {one: {kind: slices, cycle: 1, plane: xy, where: "cycle == 1", output: one.png}}\n', "utf-8"
    )
    assert outcomes(cli) == {"one": "drawn"}
