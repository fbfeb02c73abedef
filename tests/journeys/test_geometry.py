"""From labels to the electrode's thickness, profiles and islets, through the command line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

Cli = Callable[..., Any]


@pytest.fixture
def electrode(cli: Cli, study: Path) -> Path:
    """A scan tilted by 5 degrees with collector, cracked electrode of 20 um, and separator; voxels of 0.5 um."""
    z, y, x = np.ogrid[:80, :64, :64]
    depth = np.cos(np.radians(5)) * (z - 16.3) + np.sin(np.radians(5)) * (x - 31.5) + 0.0 * y
    made = np.full((80, 64, 64), 2, np.uint8)
    made[((y % 16 < 2) | (x % 16 < 2)) & (depth > 0)] = 1
    made[depth < 0], made[depth > 40] = 4, 5
    np.save(study / "tilted.npy", made)
    where = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--cycle", 2, "--half", "lithiation"]
    assert cli("catalog", "add", "tilted.npy", *where, "--voxel-size", "0.5 um", "--id", "op2").code == 0
    phases = "1=crack,2=solid,4=collector,5=separator"
    assert cli("segment", "import", "op2", "tilted.npy", "--phases", phases, "--id", "op2-seg").code == 0
    return study


def test_thickness_profile_and_islets_of_a_tilted_electrode(cli: Cli, electrode: Path) -> None:
    names = ["electrode_thickness", "electrode_tilt", "crack_width_depth_profile", "islet_size"]
    rows = cli("compute", "metric", *names, "--where", "scan == 'op2'", "--json").data
    thickness, tilt, profile, islets = rows
    assert thickness["value"] == pytest.approx(20, abs=0.05)
    assert (thickness["unit"], thickness["status"]) == ("um", "ok")
    assert set(thickness["companions"]) == {"spread", "tilt", "wedge", "columns_used"}
    assert tilt["value"] == pytest.approx(5, abs=0.1)
    assert tilt["unit"] == "deg"
    assert profile["coordinate"]["name"] == "depth"
    assert (profile["unit"], profile["coordinate"]["unit"]) == ("um", "um")
    assert len(profile["values"]) == len(profile["coordinate"]["values"]) == 10
    assert all(1.0 <= value <= 2**0.5 for value in profile["values"]), "from a crack to a joint of two"
    assert islets["value"] == pytest.approx(7, rel=0.02)
    again = cli("compute", "metric", *names, "--where", "scan == 'op2'", "--json").data
    assert all(row["reused"] for row in again)


def test_the_plan_says_that_the_volume_is_read_twice(cli: Cli, electrode: Path) -> None:
    said = cli("compute", "metric", "crack_width_depth_profile", "--where", "scan == 'op2'", "--explain").out
    assert "reads op2-seg twice" in said


def test_a_segmentation_without_surfaces_has_an_undefined_row(cli: Cli, study: Path) -> None:
    (row,) = cli("compute", "metric", "electrode_tilt", "--json").data
    assert row["status"] == "undefined"
    # an electrode domain is declared, but it ends inside the window along x only on one side
    assert "the depth axis cannot be told" in row["reason"]
    assert "--depth-axis" in row["reason"]


def test_a_declared_axis_is_kept_with_the_scan(cli: Cli, study: Path) -> None:
    assert cli("catalog", "set", "op1", "--depth-axis", "+x").code == 0
    shown = json.loads(cli("catalog", "show", "op1", "--json").out)["data"]["record"]
    assert shown["depth_axis"] == "+x"
    (row,) = cli("compute", "metric", "electrode_thickness", "--json").data
    assert "collector surface is in the field of view in 0%" in row["reason"]
    refused = cli("catalog", "set", "op1", "--depth-axis", "up", "--json")
    assert refused.code == 3
    assert "depth_axis" in refused.error["message"] + refused.error["where"]


def test_profiles_with_empty_bins_are_written(cli: Cli, electrode: Path) -> None:
    made = np.load("tilted.npy")
    made[30:40][made[30:40] == 1] = 2
    np.save("gap.npy", made)
    phases = "1=crack,2=solid,4=collector,5=separator"
    assert cli("segment", "import", "op2", "gap.npy", "--phases", phases, "--id", "gap").code == 0
    asked = ["compute", "metric", "crack_width_depth_profile", "--set", "bin_width=0.5 um"]
    (row,) = cli(*asked, "--where", "segmentation == 'gap'", "--json", "-o", "out.csv").data
    assert None in row["values"]
    assert any(flag.startswith("empty_bins") for flag in row["flags"])
    assert Path("out.csv").read_text().count("\n") == len(row["values"]) + 1
