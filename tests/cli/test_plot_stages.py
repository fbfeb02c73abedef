"""Whoever waits sees what is being done, how far it is, how long it will take; and scripts see none of it."""

from __future__ import annotations

import re

import pytest

from siltomo.cli.command import stages
from siltomo.report.serving import LocalServer

FIGURES = "figures: {one: {kind: slices, output: one.png, width: single, where: \"scale == 'micro'\"}}\n"
MICRO = ["--where", "scale == 'micro'", "--width", "single"]
SAID = {
    "plot slices": (MICRO, ["reading planes", "drawing slices", "writing"]),
    "plot operando": (
        ["--metric", "crack_volume_fraction", "--width", "single"],
        ["measuring op1-seg", "drawing operando"],
    ),
    "plot histogram": (["op1"], ["counting greys"]),
    "plot render3d": (
        [*MICRO, "--own-renderer"],
        ["building surfaces", "drawing surfaces with siltomo's own"],
    ),
    "plot video": (["--cell", "zn1"], ["reading planes", "drawing frames", "encoding video.gif"]),
    "figure run": (
        ["figures.yaml"],
        ["drawing figures of figures.yaml", "one: reading planes", "one: writing"],
    ),
    "report": (["--all"], ["collecting results", "reading planes", "packing planes into the page"]),
    "view": (["op1"], ["reading the greys of op1"]),
}
"""What each command says while it works."""


@pytest.fixture
def stopped(monkeypatch):
    """Ctrl-C as soon as a server serves."""

    def serve_forever(self, poll_interval=0.5):
        raise KeyboardInterrupt

    monkeypatch.setattr(LocalServer, "serve_forever", serve_forever)


@pytest.mark.usefixtures("stopped")
def test_every_stage_has_its_name_and_json_stays_clean(cli, study, monkeypatch):
    (study / "figures.yaml").write_text(FIGURES, "utf-8")
    monkeypatch.setenv("FORCE_COLOR", "1")  # as at a terminal
    monkeypatch.setenv("COLUMNS", "200")
    for command, (more, said) in SAID.items():
        answer = cli(*command.split(), *more, "--json")
        assert answer.data, command
        seen = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", answer.err)
        for words in said:
            assert words in seen, command
        assert "left" in seen, command


def test_nothing_is_shown_where_nobody_looks(cli, study):
    answer = cli("report", "--all")
    assert answer.code == 0
    for words in SAID["report"][1]:
        assert words not in answer.err + answer.out


def test_a_stage_says_how_far_it_is_and_gives_way_to_the_next(capsys, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "200")
    with stages("all of it") as (whole, stage):
        whole("all of it", 1, 3)
        stage("first", 2, 5)
        stage("second", 4, 9)
    out, err = capsys.readouterr()
    assert out == ""
    shown = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", err).splitlines()
    assert any(re.search(r"all of it .* 1/3", line) for line in shown)
    assert any(re.search(r"first .* 2/5", line) for line in shown)
    after = max(n for n, line in enumerate(shown) if "first" in line)
    assert any(re.search(r"second .* 4/9", line) for line in shown[after + 1 :])


def test_neuroglancer_is_given_a_link_that_ends_with_ctrl_c(cli, study, stopped):
    answer = cli("view", "op1", "--in", "neuroglancer", "--no-open", "--json")
    assert answer.data["address"].startswith("https://neuroglancer-demo.appspot.com/#!")
    assert answer.data["address"] in answer.err
    assert "ssh -L" in answer.err
