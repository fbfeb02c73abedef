"""Pieces of a cell: declared with a scan, afterwards, in a sheet, in a study file; and asked for."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]


@pytest.fixture
def pieces(cli: Cli, tmp_path: Path) -> Path:
    """Make a cell with a micro scan of lamella a, and nano scans of lamellae a and b."""
    for name, planes in (("m", 4), ("na", 5), ("nb", 6)):
        labels = np.full((20, 20, 20), 2, np.uint8)
        labels[:, 4 : 4 + planes] = 1
        np.save(tmp_path / f"{name}.npy", labels)
    (tmp_path / "study.yaml").write_text(STUDY)
    assert cli("init", ".").code == 0
    return tmp_path


STUDY = """
formulations: {zn: {}}
cells: {zn1: {formulation: zn}}
scans:
  m: {file: m.npy, cell: zn1, scale: micro, mode: ex_situ, cycle: 0, half: pristine, voxel_size: 0.6 um, specimen: a}
  na: {file: na.npy, cell: zn1, scale: nano, mode: ex_situ, cycle: 0, half: pristine, voxel_size: 0.1 um, specimen: a}
segmentations:
  m-seg: {scan: m, file: m.npy, phases: {1: crack, 2: solid}, domain: electrode}
  na-seg: {scan: na, file: na.npy, phases: {1: pore, 2: solid}, domain: electrode}
"""


def porosity(cli: Cli, *words: str) -> dict[str, Any]:
    (row,) = cli("compute", "metric", "electrode_porosity", *words, "--json").data
    return row


def test_a_specimen_is_declared_and_asked_for(cli: Cli, pieces: Path) -> None:
    assert cli("catalog", "add", "study.yaml").code == 0
    row = porosity(cli, "--match", "specimen")
    assert (row["match"], row["specimen"]) == ("specimen", "a")
    assert row["value"] == pytest.approx(0.2 + 0.25)
    state = ["--cell", "zn1", "--scale", "nano", "--mode", "ex_situ", "--cycle", 0, "--half", "pristine"]
    words = [*state, "--id", "nb"]
    added = cli("catalog", "add", "nb.npy", *words, "--voxel-size", "0.1 um", "--specimen", "b", "--json")
    assert added.data["record"]["specimen"] == "b"
    assert (
        cli("segment", "import", "nb", "nb.npy", "--phases", "1=pore,2=solid", "--domain", "electrode").code
        == 0
    )
    assert porosity(cli)["value"] == pytest.approx(0.45), "the nano scan of the micro scan's lamella"
    listed = cli("catalog", "list", "--where", "specimen == 'b'", "--json").data
    assert [(row["id"], row["specimen"]) for row in listed] == [("nb", "b")]
    assert cli("catalog", "set", "m", "--specimen", "b").code == 0
    row = porosity(cli)
    assert (row["value"], row["match"], row["specimen"]) == (pytest.approx(0.2 + 0.3), "specimen", "b")
    (pieces / "scans.csv").write_text("id,specimen\nm,a\nnb,-\n")
    assert cli("catalog", "import", "scans.csv", "--kind", "scan").code == 0
    assert [cli("catalog", "show", id_, "--json").data["record"].get("specimen") for id_ in ("m", "nb")] == [
        "a",
        None,
    ]
    assert porosity(cli)["specimen"] == "a"


def test_a_specimen_is_an_id(cli: Cli, pieces: Path) -> None:
    assert cli("catalog", "add", "study.yaml").code == 0
    refused = cli("catalog", "set", "m", "--specimen", "Lamella 2", "--json")
    assert refused.code == 3
    assert "lamella-2" in refused.error["message"]
    refused = cli("compute", "metric", "electrode_porosity", "--match", "lamella", "--json")
    assert refused.code == 2
