"""Each founding metric against the truth of the twin, rung by rung."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from siltomo.engine.demo.ladder import LADDER, RUNGS, STEPS, Gate, climb, founding
from siltomo.engine.demo.ladder_measure import apart, derived
from siltomo.metrics import Distribution, registry
from siltomo.twin import Preset, Twin
from siltomo.twin.laws import LAWS
from siltomo.units import Quantity

PAGE = Path(__file__).parents[3] / "docs" / "validation.md"
SMALL = Preset("small", 0.25, 24.0, None, 1.0, 60.0, 120.0, 0.05, 5.0, 4.0, 1)


@pytest.fixture(scope="module")
def small():
    return {rung.metric: rung for rung in climb(Twin(2, "reference", SMALL))}


def page_rows() -> list[list[str]]:
    measured = PAGE.read_text("utf-8").split("<!-- measured")[1].split("<!-- end -->")[0]
    lines = [line for line in measured.splitlines() if line.startswith("| ")][1:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_no_founding_metric_is_missing():
    assert {step.metric for step in STEPS} == founding()


def test_the_page_has_a_row_for_each_and_a_word_where_there_is_no_value():
    rows = page_rows()
    for name in LAWS:
        short = {"reference": "ref-", "with-zn": "zn-"}[name]
        mine = [row for row in rows if row[1].startswith(short)]
        assert [row[0] for row in mine] == [step.key for step in STEPS]
    for row, step in zip(rows, STEPS * 2, strict=True):
        cells = dict(zip(RUNGS, row[3:], strict=False))
        assert all(cells.values())
        assert {rung: cells[rung] for rung in step.words} == dict(step.words)
        assert row[-1] == step.gate.words
        numbers = any(letter.isdigit() for letter in "".join(cells.values()))
        assert numbers == (set(step.words) != set(RUNGS))


def test_a_gate_can_fail():
    assert Gate(absolute=0.01).holds(0.169, 0.16, 1.0)
    assert not Gate(absolute=0.01).holds(0.171, 0.16, 1.0)
    assert not Gate(voxels=0.5).holds(2.2, 2.0, 0.2)
    assert Gate().holds(1e9, 0.0, 1.0)
    gates = (Gate(absolute=0.01), Gate(relative=0.03), Gate(voxels=0.5), Gate())
    assert [gate.words for gate in gates] == ["±0.01", "±3 %", "±0.5 voxel", "none"]


def test_distributions_are_as_far_apart_as_they_are_shifted():
    def shares(values, places, name="width"):
        return Distribution(values, places, name, "um")

    one = shares((0.25, 0.5, 0.25), (1.0, 2.0, 3.0))
    assert apart(one, one) == 0
    assert apart(one, shares((0.25, 0.5, 0.25), (1.5, 2.5, 3.5))) == pytest.approx(0.5)
    assert apart(one, shares((1.0,), (2.0,))) == pytest.approx(0.5)
    profile = shares((2.0, None, 4.0), (5.0, 15.0, 25.0), "depth")
    assert apart(profile, shares((2.5, 3.0, 4.5, 9.0), (5.0, 15.0, 25.0, 35.0), "depth")) == pytest.approx(
        0.5
    )


def test_a_derived_metric_is_the_frameworks_own():
    """Eq. 4 through Eq. 3: units of fields, parameters and nested queries are those of the declaration."""
    records = {"cell.silicon_loading": Quantity(1.75, "mg_Si/cm^2")}
    asked = []

    def base(query):
        asked.append(query.metric)
        return 7.525

    assert derived("gas_volume_per_si_mass", base, records) == pytest.approx(0.43)
    assert derived("gas_charge", base, records) == pytest.approx(1.0283, rel=1e-4)
    assert asked == ["gas_volume_per_area"] * 2
    assert derived("gas_charge", lambda query: "refused", records) == "refused"
    assert registry.request("gas_charge", {}).metric.kind == "derived"


# what voxels of a fourth of a micrometre, and fields of view of some ten cracks, do not hold
COARSE = {
    "crack_surface_to_volume_ratio": "13 directions read vertical walls 2 to 4 % low",
    "crack_surface_density": "as above",
    "crack_width_median": "jumps from the width of one crack to that of the next",
    "crack_width_distribution": "as above",
    "electrode_tilt": "a plane through a rough collector in 24 um",
    "sei_surface_to_volume_ratio": "slivers of two voxels",
    "pore_surface_to_volume_ratio": "slivers of two voxels",
}


@pytest.mark.slow
def test_voxels_lose_nothing_that_matters(small):
    beyond = {rung.metric for rung in small.values() if rung.within.get("voxels") is False}
    assert beyond <= set(COARSE)
    for name in ("crack_surface_to_volume_ratio", "crack_surface_density"):
        assert small[name].values["voxels"] == pytest.approx(small[name].values["geometry"], rel=0.05)
    assert all(rung.within["records"] for rung in small.values() if "records" in rung.within)
    assert sum("records" in rung.within for rung in small.values()) == 4


@pytest.mark.slow
def test_imaging_and_segmentation_keep_fraction_and_connection(small):
    for name in ("crack_volume_fraction", "crack_interconnectivity"):
        assert small[name].within["imaging"], small[name]
        assert small[name].within["segmentation"], small[name]


@pytest.mark.slow
def test_every_rung_has_a_value_or_a_word(small):
    assert set(small) == {step.key for step in STEPS}
    for rung in small.values():
        assert set(rung.values) == set(RUNGS)
        assert all((value is None) == bool(rung.why.get(name)) for name, value in rung.values.items()), rung
        assert all(value is None or np.isfinite(value) for value in rung.values.values())


@pytest.mark.slow
def test_the_page_is_what_is_measured():
    """Cheap rows of the page, computed again: a base metric, and a derived one with its equation."""
    steps = [step for step in STEPS if step.key in ("sei_volume_fraction", "pore_interconnectivity")]
    known = {(row[0], row[1]): row for row in page_rows()}
    for rung in climb(Twin(1, "with-zn", LADDER), steps=steps):
        row = known[rung.metric, rung.of]
        for name, cell in zip(RUNGS[:3], row[3:6], strict=True):
            value = rung.values[name]
            assert cell.strip("*") == (rung.why[name] if value is None else f"{value:.4g}")
