"""Derived metrics over a catalog: inputs found by state and scale, missing and ambiguous ones, uncertainty."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import pytest
import zarr

from siltomo.metrics import From, metric, registry

Cli = Callable[..., Any]


@pytest.fixture
def two_scales(cli: Cli, tmp_path: Path) -> Path:
    """Cells ref1 and zn1 at cycles 0 and 1: micro scans of both, nano scans but for ref1 in cycle 1."""
    cli("init", ".")
    cli("formulation", "add", "zn", "--si-fraction", "0.699 g_Si/g", "--true-density", "2.22 g/cm^3")
    cli("formulation", "add", "ref")
    for cell, formulation in (("zn1", "zn"), ("ref1", "ref")):
        assert cli("cell", "add", cell, "--formulation", formulation).code == 0
        for cycle, half in ((0, "pristine"), (1, "delithiation")):
            add(cli, tmp_path, cell, "micro", cycle, half, crack=4 + 4 * cycle)
            if (cell, cycle) != ("ref1", 1):
                add(cli, tmp_path, cell, "nano", cycle, half, pore=6)
    return tmp_path


def add(
    cli: Cli,
    folder: Path,
    cell: str,
    scale: str,
    cycle: int,
    half: str,
    *,
    id_: str = "",
    capacity: str = "",
    **phase: int,
) -> None:
    """Register a scan whose phase is a plate of some planes of 20."""
    ((name, planes),) = phase.items()
    labels = np.full((20, 20, 20), 2, np.uint8)
    labels[:, 4 : 4 + planes] = 1
    np.save(folder / "labels.npy", labels)
    named = id_ or f"{cell}-c{cycle}-{scale}"
    words = [
        "--cell",
        cell,
        "--scale",
        scale,
        "--mode",
        "ex_situ",
        "--cycle",
        cycle,
        "--half",
        half,
        "--id",
        named,
    ]
    words += ["--voxel-size", "0.16 um" if scale == "micro" else "25 nm", "--domain", "electrode"]
    words += ["--capacity", capacity] if capacity else []
    assert cli("catalog", "add", "labels.npy", *words).code == 0
    phases = ["--phases", f"1={name},2=solid", "--id", f"{named}-seg"]
    assert cli("segment", "import", named, "labels.npy", *phases).code == 0


def rows(cli: Cli, *names: str, **options: str) -> dict[tuple[str, int], dict[str, Any]]:
    words = [w for k, v in options.items() for w in (f"--{k}", v)]
    answer = cli("compute", "metric", *names, *words, "--json")
    assert answer.code == 0, answer.out
    return {(row["cell"], row["cycle"]): row for row in answer.data}


def test_porosity_adds_the_scales_of_one_state(cli: Cli, two_scales: Path) -> None:
    found = rows(cli, "electrode_porosity")
    assert set(found) == {("zn1", 0), ("zn1", 1), ("ref1", 0), ("ref1", 1)}
    row = found["zn1", 1]
    assert row["value"] == pytest.approx(8 / 20 + 6 / 20)
    assert (row["kind"], row["status"], row["formulation"], row["half"]) == (
        "derived",
        "ok",
        "zn",
        "delithiation",
    )
    assert [i["segmentation"] for i in row["inputs"]] == ["zn1-c1-micro-seg", "zn1-c1-nano-seg"]
    assert {i["match"] for i in row["inputs"]} == {"same cell"}
    assert "as if both were fractions of one whole" in row["conventions"]["assumption"]
    nested = rows(cli, "electrode_porosity_nested")["zn1", 1]
    assert nested["value"] == pytest.approx(0.4 + 0.6 * 0.3)


def test_a_missing_scale_gives_a_row_with_the_reason(cli: Cli, two_scales: Path) -> None:
    row = rows(cli, "electrode_porosity")["ref1", 1]
    assert (row["status"], row["value"]) == ("missing", None)
    assert row["reason"] == "nano: nothing fits pore_volume_fraction (nano) for cell ref1 in cycle 1"


def test_another_cell_of_the_formulation_must_be_asked_for(cli: Cli, two_scales: Path) -> None:
    assert cli("cell", "add", "ref2", "--formulation", "ref").code == 0
    add(cli, two_scales, "ref2", "nano", 1, "delithiation", pore=2)
    assert rows(cli, "electrode_porosity")["ref1", 1]["status"] == "missing"
    row = rows(cli, "electrode_porosity", match="formulation")["ref1", 1]
    assert row["value"] == pytest.approx(0.4 + 0.1)
    assert [i["match"] for i in row["inputs"]] == ["same cell", "same formulation and cycle"]


def test_several_candidates_are_never_chosen_from(cli: Cli, two_scales: Path) -> None:
    add(cli, two_scales, "zn1", "nano", 1, "delithiation", id_="zn1-again", pore=3)
    row = rows(cli, "electrode_porosity", where="cycle == 1")["zn1", 1]
    assert row["status"] == "missing"
    assert "2 results fit pore_volume_fraction (nano): zn1-again-seg, zn1-c1-nano-seg" in row["reason"]


def test_states_are_told_apart_by_capacity(cli: Cli, two_scales: Path) -> None:
    for capacity, planes in (("500 mAh/g_Si", 2), ("1000 mAh/g_Si", 5)):
        ids = {"micro": f"m{planes}", "nano": f"n{planes}"}
        add(
            cli,
            two_scales,
            "zn1",
            "micro",
            3,
            "delithiation",
            id_=ids["micro"],
            capacity=capacity,
            crack=planes,
        )
        add(
            cli, two_scales, "zn1", "nano", 3, "delithiation", id_=ids["nano"], capacity=capacity, pore=planes
        )
    answer = cli("compute", "metric", "electrode_porosity", "--where", "cycle == 3", "--json").data
    assert {row["capacity"]: row["value"] for row in answer} == {
        500: pytest.approx(0.2),
        1000: pytest.approx(0.5),
    }


def test_fields_of_records_carry_their_unit(cli: Cli, two_scales: Path) -> None:
    add(cli, two_scales, "zn1", "micro", 2, "lithiation", capacity="3303 +/- 30 mAh/g_Si", crack=2)
    row = rows(cli, "theoretical_thickness_expansion", where="cycle == 2")["zn1", 2]
    expected = 0.699 * 2.22 / 2.33 * 0.000782 * 3303
    assert row["value"] == pytest.approx(expected, rel=1e-9)
    assert row["uncertainty_parts"]["declared"] == pytest.approx(expected * 30 / 3303, rel=1e-6)
    other = rows(cli, "theoretical_thickness_expansion", where="cycle == 2", set="si_density=2.4 g_Si/cm^3")
    assert other["zn1", 2]["value"] == pytest.approx(expected * 2.33 / 2.4)


def test_unknown_fields_name_the_command_that_sets_them(cli: Cli, two_scales: Path) -> None:
    row = rows(cli, "theoretical_thickness_expansion")["ref1", 1]
    assert row["status"] == "missing"
    assert "siltomo formulation set ref --si-fraction ..." in row["reason"]
    assert "siltomo catalog set ref1-c1-micro --capacity ..." in row["reason"]


@pytest.fixture
def expansion() -> Iterator[None]:
    """A metric that compares a state with the pristine cell."""
    known = dict(registry._metrics)

    @metric("width_change", unit="1", version=1)
    def width_change(
        now: Annotated[float, From("crack_width_mean", scale="micro")],
        first: Annotated[float, From("crack_width_mean", scale="micro", cycle=0)],
    ) -> float:
        """Change of the crack width."""
        return (now - first) / first

    @metric("twice_width_change", unit="1", version=1)
    def twice(width_change: float) -> float:
        """Twice the change."""
        return 2 * width_change

    yield
    registry._metrics.clear()
    registry._metrics.update(known)


@pytest.mark.usefixtures("expansion")
def test_shared_inputs_are_correlated(cli: Cli, two_scales: Path) -> None:
    found = rows(cli, "width_change")
    assert found["zn1", 0]["value"] == 0
    assert found["zn1", 0]["uncertainty"] == pytest.approx(0, abs=1e-9), (
        "a thing compared with itself is certain"
    )
    row = found["zn1", 1]
    assert row["value"] == pytest.approx(1.0)
    # h = 8 +/- 1, h0 = 4 +/- 1 voxels, each known for itself
    assert row["uncertainty_parts"]["discretisation"] == pytest.approx(
        ((1 / 4) ** 2 + (8 / 16) ** 2) ** 0.5, rel=1e-6
    )
    assert rows(cli, "twice_width_change")["zn1", 1]["uncertainty"] == pytest.approx(2 * row["uncertainty"])


@pytest.mark.usefixtures("expansion")
def test_explain_prints_the_tree_and_reads_nothing(
    cli: Cli, two_scales: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads: list[object] = []
    monkeypatch.setattr(zarr.Array, "__getitem__", lambda *given: reads.append(given))
    said = cli(
        "compute", "metric", "twice_width_change", "--where", "cell == 'zn1' and cycle == 1", "--explain"
    ).out
    assert reads == []
    assert "  zn1, cycle 1, delithiation:" in said
    assert "    width_change <- width_change" in said
    assert "      now <- crack_width_mean of zn1-c1-micro / zn1-c1-micro-seg (same cell): to compute" in said
    assert "      first <- crack_width_mean of zn1-c0-micro" in said


def test_one_pass_feeds_base_and_derived_metrics(cli: Cli, two_scales: Path) -> None:
    names = ["crack_volume_fraction", "electrode_porosity", "electrode_porosity_nested"]
    plan = cli("compute", "metric", *names, "--where", "cell == 'zn1'", "--dry-run", "--json").data
    assert plan["passes"] == 3, "both nano volumes hold the same labels: one content, one pass"
    answer = cli("compute", "metric", *names, "--where", "cell == 'zn1'", "--json").data
    assert {row["status"] for row in answer if row["kind"] == "derived"} == {"ok"}
    plan = cli("compute", "metric", *names, "--where", "cell == 'zn1'", "--dry-run", "--json").data
    assert (plan["passes"], plan["read_bytes"]) == (0, 0)


def test_the_sensitivity_to_a_fraction_s_uncertainty(cli: Cli, two_scales: Path) -> None:
    base = {row["metric"]: row for row in cli("compute", "metric", "crack_volume_fraction", "pore_volume_fraction",
            "--where", "cell == 'zn1' and cycle == 1", "--json").data if row["value"] is not None}  # fmt: skip
    row = rows(cli, "electrode_porosity", where="cell == 'zn1' and cycle == 1")["zn1", 1]
    expected = sum(b["uncertainty"] ** 2 for b in base.values()) ** 0.5
    assert row["uncertainty"] == pytest.approx(expected, rel=1e-6)


def test_fractions_of_different_wholes_need_an_assumption(cli: Cli, two_scales: Path) -> None:
    known = dict(registry._metrics)
    try:

        @metric("careless", unit="1", version=1)
        def careless(
            macro: Annotated[float, From("crack_volume_fraction", scale="micro")],
            nano: Annotated[float, From("pore_volume_fraction", scale="nano")],
        ) -> float:
            """Add two fractions without a word."""
            return macro + nano

        np.save(two_scales / "islet.npy", np.full((20, 20, 20), 1, np.uint8))
        words = ["--cell", "zn1", "--scale", "nano", "--mode", "ex_situ", "--cycle", 5, "--half", "rest"]
        cli("catalog", "add", "islet.npy", *words, "--voxel-size", "25 nm", "--domain", "islet", "--id", "i")
        cli("segment", "import", "i", "islet.npy", "--phases", "1=pore")
        add(cli, two_scales, "zn1", "micro", 5, "rest", crack=3)
        row = rows(cli, "careless", where="cycle == 5")["zn1", 5]
        assert row["status"] == "refused"
        assert "fractions of different wholes (crack_volume_fraction of the electrode" in row["reason"]
        assert rows(cli, "electrode_porosity", where="cycle == 5")["zn1", 5]["status"] == "ok"
    finally:
        registry._metrics.clear()
        registry._metrics.update(known)


def gas_scan(cli: Cli, folder: Path, *, outside: bool) -> None:
    """A separator of 20^3 voxels of 10 um: a bubble of 4^3, fibres (2), electrolyte (3); a corner outside."""
    labels = np.full((20, 20, 20), 3, np.uint8)
    labels[4:8, 4:8, 4:8] = 1
    labels[:, :, 15:] = 2
    if outside:
        labels[:, 10:, :10] = 9
    np.save(folder / "gas.npy", labels)
    words = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--cycle", 1, "--half", "lithiation"]
    cli("catalog", "add", "gas.npy", *words, "--voxel-size", "10 um", "--domain", "separator", "--id", "g")
    phases = "1=gas,2=separator,3=electrolyte,9=outside" if outside else "1=gas,2=separator,3=electrolyte"
    assert cli("segment", "import", "g", "gas.npy", "--phases", phases, "--id", "g-seg").code == 0


@pytest.mark.parametrize(("outside", "area"), [(False, 1.0), (True, 0.75)])
def test_gas_per_gram_takes_the_silicon_below_the_field_of_view(
    cli: Cli, two_scales: Path, outside: bool, area: float
) -> None:
    gas_scan(cli, two_scales, outside=outside)
    where = "half == 'lithiation'"
    row = rows(cli, "gas_volume_per_si_mass", where=where)["zn1", 1]
    assert row["status"] == "missing"
    assert "siltomo cell set zn1 --loading ..." in row["reason"]
    assert cli("cell", "set", "zn1", "--si-mass", "0.1237 mg_Si", "--diameter", "3 mm").code == 0
    volume = rows(cli, "gas_volume", where=where)["zn1", 1]
    assert (volume["value"], volume["unit"]) == (pytest.approx(64e-6), "mm^3")
    row = rows(cli, "gas_volume_per_si_mass", where=where)["zn1", 1]
    loading = 0.1237 / (np.pi * 0.15**2)  # mg_Si/cm^2
    field_of_view = area * 0.02**2  # cm^2
    assert row["value"] == pytest.approx(64e-9 / (loading * 1e-3 * field_of_view), rel=1e-9)
    assert row["unit"] == "cm^3/g_Si"
    assert "times the area of the field of view" in row["conventions"]["assumption"]
    solid = rows(cli, "sei_volume_from_gas", where=where)["zn1", 1]
    assert solid["value"] == pytest.approx(row["value"] / 22.414 * 73.89 / 2.11, rel=1e-4)
    circle = rows(cli, "gas_volume_per_si_mass", where=where, set="field_of_view=inscribed_circle")
    assert circle["zn1", 1]["value"] == pytest.approx(row["value"] * area / (np.pi / 4))
    share = rows(cli, "separator_gas_fraction", where=where)["zn1", 1]
    labels = 64 / (20 * 20 * 15) if not outside else 64 / (20 * 20 * 15 - 20 * 10 * 10)
    assert share["value"] == pytest.approx(labels)


def test_windows_of_sizes_that_overlap_are_doubted(cli: Cli, two_scales: Path) -> None:
    where = "cell == 'zn1' and cycle == 1"
    flags = rows(cli, "electrode_porosity", where=where)["zn1", 1]["flags"]
    assert "the smallest trusted feature of zn1-c1-micro-seg, zn1-c1-nano-seg is not stated" in flags[-1]
    cli("segment", "set", "zn1-c1-micro-seg", "--min-feature", "0.65 um")
    cli("segment", "set", "zn1-c1-nano-seg", "--min-feature", "0.1 um")
    flags = rows(cli, "electrode_porosity", where=where)["zn1", 1]["flags"]
    assert flags[-1] == "overlapping_windows: features from 0.65 um may be counted in both macro and nano"
    cli("segment", "set", "zn1-c1-nano-seg", "--max-feature", "0.65 um")
    flags = rows(cli, "electrode_porosity", where=where)["zn1", 1]["flags"]
    assert not any("windows" in flag for flag in flags)


def electrode(cli: Cli, folder: Path, cycle: int, half: str, thickness: int, capacity: str = "") -> None:
    """An electrode of so many planes with a crack, on a collector and below a separator."""
    labels = np.full((60, 20, 20), 3, np.uint8)
    labels[:5] = 2
    labels[5 : 5 + thickness] = 4
    labels[10:15, 8:12] = 1
    np.save(folder / "electrode.npy", labels)
    id_ = f"e{cycle}-{half}-{capacity.split(maxsplit=1)[0] if capacity else ''}".rstrip("-")
    words = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--cycle", cycle, "--half", half]
    words += ["--capacity", capacity] if capacity else []
    size = ["--voxel-size", "1 um", "--domain", "cell", "--id", id_]
    assert cli("catalog", "add", "electrode.npy", *words, *size).code == 0
    phases = "1=crack,2=collector,3=separator,4=solid"
    assert cli("segment", "import", id_, "electrode.npy", "--phases", phases).code == 0


@pytest.fixture
def breathing(cli: Cli, tmp_path: Path) -> Path:
    """An electrode of 20 um that swells to 40 um, and is left at 30, then 35 um."""
    cli("init", ".")
    cli("formulation", "add", "zn")
    cli("cell", "add", "zn1", "--formulation", "zn", "--initial-thickness", "19 um")
    electrode(cli, tmp_path, 0, "pristine", 20)
    electrode(cli, tmp_path, 1, "lithiation", 40, "3000 mAh/g_Si")
    electrode(cli, tmp_path, 1, "delithiation", 38, "500 mAh/g_Si")
    electrode(cli, tmp_path, 1, "delithiation", 30, "2500 mAh/g_Si")
    electrode(cli, tmp_path, 3, "delithiation", 35, "2600 mAh/g_Si")
    return tmp_path


@pytest.mark.usefixtures("breathing")
def test_expansions_from_volumes(cli: Cli) -> None:
    answer = cli("compute", "metric", "electrode_thickness_expansion", "--json").data
    found = {(row["cycle"], row["half"], row["capacity"]): row for row in answer}
    values = {key: row["value"] for key, row in found.items()}
    assert values == {
        (0, "pristine", None): 0,
        (1, "lithiation", 3000): pytest.approx(1.0),
        (1, "delithiation", 500): pytest.approx(0.9),
        (1, "delithiation", 2500): pytest.approx(0.5),
        (3, "delithiation", 2600): pytest.approx(0.75),
    }
    assert found[0, "pristine", None]["uncertainty"] == 0
    edge = found[1, "lithiation", 3000]["uncertainty_parts"]["discretisation"]
    assert 0 < edge < 0.1


@pytest.mark.usefixtures("breathing")
def test_a_formula_outside_its_range_gives_no_number(cli: Cli) -> None:
    answer = cli("compute", "metric", "normalized_thickness_expansion", "--json").data
    found = {(row["cycle"], row["capacity"]): row for row in answer}
    assert found[1, 3000]["value"] == pytest.approx(3579 / 3000)
    early = found[1, 500]
    assert (early["status"], early["value"]) == ("undefined", None)
    assert early["reason"] == "capacity is 500 mAh/g_Si; the formula holds for at least 716 mAh/g_Si"


@pytest.mark.usefixtures("breathing")
def test_residuals_stand_at_the_end_of_each_delithiation(cli: Cli) -> None:
    answer = cli(
        "compute", "metric", "residual_thickness_expansion", "cumulative_irreversible_expansion", "--json"
    ).data
    found = {(row["metric"], row["cycle"]): (row["capacity"], row["value"]) for row in answer}
    assert found == {
        ("residual_thickness_expansion", 1): (2500, pytest.approx(0.5)),
        ("residual_thickness_expansion", 3): (2600, pytest.approx(0.75)),
        ("cumulative_irreversible_expansion", 1): (2500, pytest.approx(11)),
        ("cumulative_irreversible_expansion", 3): (2600, pytest.approx(16)),
    }
