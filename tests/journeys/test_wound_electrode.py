"""The coating of a 21700 cell by the recipe of the documentation, against its authors' mask."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

Cli = Callable[..., Any]


def test_the_electrode_of_a_21700_cell_by_a_recipe(
    cli: Cli, real: Callable[[str], Path], tmp_path: Path
) -> None:
    image, mask = (real(f"volumes/ucl_battery_xct/{name}_1.tif") for name in ("im", "mask"))
    text = (Path(__file__).parents[2] / "docs" / "segmentation.md").read_text("utf-8")
    (recipe,) = [c for c in re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL) if "wound-electrode" in c]
    (tmp_path / "wound.yaml").write_text(recipe, "utf-8")
    cli("init", ".")
    cli("formulation", "add", "nmc")
    cli("cell", "add", "ucl", "--formulation", "nmc")
    # the edge of its voxels is not known: nothing below depends on it
    where = ("--cell", "ucl", "--scale", "micro", "--mode", "ex_situ", "--cycle", 0, "--half", "pristine")
    assert cli("catalog", "add", image, *where, "--voxel-size", "10 um", "--id", "slice").code == 0
    phases = (
        "--phases",
        "255=electrode,0=rest",
        "--id",
        "authors",
        "--domain",
        "cell",
        "--voxel-from",
        "scan",
    )
    assert cli("segment", "import", "slice", mask, *phases).code == 0
    (made,) = cli("segment", "run", "slice", "--recipe", "wound.yaml", "--json").data
    found = cli("segment", "check", made["id"], "authors", "--no-cuts", "--json").data
    scores = {row["phase"]: row["dice"] for row in found["phases"]}
    (said,) = re.findall(
        r"Dice coefficient of (0\.\d+) against its authors' mask of the electrode, and is called", text
    )
    assert scores["electrode"] == pytest.approx(float(said), abs=0.0006)
    assert scores["electrode"] > 0.95
    assert f"called\n{made['trust']}:" in text
