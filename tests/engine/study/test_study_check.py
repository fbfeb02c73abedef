"""An invented study: every planted slip is found, nothing that is right is flagged."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from siltomo.engine.intake.study import read_study
from siltomo.engine.study.check import COLUMNS, StudyCheck, check, listed, show
from siltomo.engine.study.files import find_study
from siltomo.errors import NotFoundError, RecordError

INVENTED = Path(__file__).with_name("invented_study.yaml")

PLANTED = {
    # found by relations
    "ce_slip": "lith_b of a",
    "product_slip": "a factor 1000 in the unit (it is 0.7429 mm^3/g_Si)",
    "cold_slip": "molar volume at 0 °C",
    "charge_slip": "1 electron (",
    "third_slip": "truncated, not rounded",
    "bound_slip": "12 is not ≤ 0.6656 mm",
    # found by the ledger
    "claim:slip": "does not hold",
    "claim:slip_of_wholes": "the left side is of islet volume, the right of electrode volume",
    # found by lints, without being told
    "lint:dimension:slope_slip": "the printed unit, percent, is not what the relation gives",
    "lint:basis:total_slip": "'cracks' is of electrode volume, 'pores_islet' of islet volume",
    "lint:windows:total_slip": "both count features above 0.6 um",
    "lint:printed_twice:cracks:cracks_slip": "12 (Fig. 5) and 13.1 (Sec. 4)",
    "lint:printed_twice:cracks_again:cracks_slip": "12.4 (Sec. 3) and 13.1 (Sec. 4)",
    "lint:bounds:connected_slip": "104 is printed",
    "lint:bounds:solid_slip+cracks_b": "add up to at least",
    "lint:half_cycle:ce_of_a_cut_half_cycle:delith_cut": "did not run to its cut-off",
    "lint:pixels:slip:field_right": "1100 to 1119 pixels",
    "lint:ratio:scaled_a_slip:scaled_b_slip": "no value of what they share (unknown_yield) gives both",
}
"""What is wrong in the invented study, and a part of what must be said about it."""


@pytest.fixture(scope="module")
def invented() -> StudyCheck:
    return check(str(INVENTED))


def test_every_planted_slip_is_found_and_nothing_else(invented: StudyCheck) -> None:
    found = {r["id"]: r["explanation"] for r in invented.rows if r["verdict"] == "inconsistent"}
    summaries = {id_ for id_ in found if id_.count(":") == 1 and id_.startswith("lint:")}
    assert set(found) - summaries == set(PLANTED)
    for id_, words in PLANTED.items():
        assert words in found[id_], id_


def test_what_needs_an_assumption_is_not_called_inconsistent(invented: StudyCheck) -> None:
    open_ = {r["id"] for r in invented.rows if r["verdict"] == "not reproducible"}
    assert open_ == {"scaled_a_slip", "scaled_b_slip"}


def test_what_is_right_reproduces(invented: StudyCheck) -> None:
    verdicts = {r["id"]: r["verdict"] for r in invented.rows}
    right = [id_ for id_ in verdicts if ":" not in id_ and ("right" in id_ or id_.startswith("recipe"))]
    assert len(right) == 10
    assert {verdicts[id_] for id_ in right} <= {"reproduces", "rounding"}
    assert verdicts["retention"] == "derived"


def test_the_rows_have_the_promised_columns(invented: StudyCheck) -> None:
    assert all(tuple(row) == COLUMNS for row in invented.rows)
    assert all(row["claim"] and row["verdict"] for row in invented.rows)


def test_cells_and_recipes_are_values_too(invented: StudyCheck) -> None:
    assert invented.declared.evaluate("a_pouch.si_mass / si_weighed").in_unit("mg_Si/mg")[0] == pytest.approx(
        0.0015
    )
    assert invented.declared.evaluate("a.si_fraction").in_unit("g_Si/g")[0] == pytest.approx(0.8)


def test_a_catalog_takes_the_study_with_computed_components() -> None:
    records = {record.id: record for record in read_study(INVENTED).records}
    formulation = records["a"].body()
    assert [part["mass_fraction"] for part in formulation["components"]] == ["0.8", "0.2"]
    assert formulation["true_density"].startswith("2.0112")
    assert records["lith_a"].body()["study"] == "nordlys"


def broken(tmp_path: Path, text: str) -> str:
    path = tmp_path / "study.yaml"
    path.write_text("study: {id: s}\n" + text, "utf-8")
    return str(path)


MANY = str([*range(99)])
LAUGHS = ", ".join(f"x{n}: x{n + 1} + x{n + 1}" for n in range(40))


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("relations: {r: {claim: x, compute: a, unit: um}}", "no value 'a'"),
        ("relations: {r: {claim: x, compute: a(, unit: um}}", "cannot read the expression"),
        ("relations: {r: {claim: x, compute: '1', reported: b}}", "no reported value 'b'"),
        ("relations: {r: {claim: x, compute: '1'}}", "in which unit it is shown"),
        ("relations: {r: {claim: x, compute: '1', unit: '1', bogus: 2}}", "there is no field 'bogus'"),
        ("relations: {r: {claim: x, compute: '1', unit: '1', for: 3}}", "'for' is a mapping"),
        ("relations: {r: {claim: x, compute: '1', unit: '1', for: {f: [a, b]}}}", "made twice"),
        (f"relations: {{r: {{claim: x, compute: 1, unit: '1', for: {{f: {MANY}, g: {MANY}}}}}}}", "more than 2000"),
        (f"definitions: {{{LAUGHS}}}\nrelations: {{r: {{claim: x, compute: x0, unit: '1'}}}}", "more than 5000 values"),
        ("relations: [1]", "is a mapping from id to fields"),
        ("definitions: {a: b + 1, b: a}\nrelations: {r: {claim: x, compute: a, unit: um}}", "defined by itself"),
        ("constants: {c: {value: 3 bananas, source: x}}", "unknown unit"),
        ("constants: {c: {value: '3'}}", "source: is missing"),
        ("claims: {c: {claim: x, left: 1, says: close, right: 1, unit: '1'}}", "close says within what"),
        ("imaging: {i: {voxel: v, fields: [f]}}", "there is no value 'v'"),
        ("reported_values: {a: {quantity: q, printed: 1, unit: m, place: p, population: x}}", "no population 'x'"),
        ("parts: [../outside.yaml]", "is not beside this file"),
        ("parts: [missing.yaml]", "no such file"),
        ("formulations: {f: {ingredients: [{material: m, role: active, mass: a.b.c, density: '1'}]}}", "cannot read"),
    ],
)  # fmt: skip
def test_a_wrong_declaration_is_named(tmp_path: Path, text: str, why: str) -> None:
    with pytest.raises((RecordError, NotFoundError), match=why) as raised:
        check(broken(tmp_path, text))
    assert raised.value.where


def test_parts_are_read_as_one_study_and_errors_name_the_part(tmp_path: Path) -> None:
    (tmp_path / "values.yaml").write_text(
        "reported_values:\n  a: {quantity: q, printed: '2', unit: um, place: p}\n", "utf-8"
    )
    text = "parts: [values.yaml]\nrelations: {r: {claim: x, compute: 2 * a, unit: um}}"
    assert check(broken(tmp_path, text)).rows[0]["recomputed"] == 4
    (tmp_path / "values.yaml").write_text("reported_values:\n  a: {quantity: q, printed: '2'}\n", "utf-8")
    with pytest.raises(RecordError, match="is missing") as raised:
        check(broken(tmp_path, text))
    assert "values.yaml:2" in raised.value.where
    (tmp_path / "values.yaml").write_text("relations:\n  r: {claim: x, compute: 1, unit: um}\n", "utf-8")
    with pytest.raises(RecordError, match="'r' stands in two files"):
        check(broken(tmp_path, text))


def test_studies_are_found_by_name_file_and_folder() -> None:
    bundled = find_study("vanpeene2024")
    assert find_study(str(bundled)) == find_study(str(bundled.parent)) == bundled
    assert [row["study"] for row in listed()] == ["vanpeene2024"]
    with pytest.raises(NotFoundError, match="studies that come with siltomo: vanpeene2024"):
        find_study("vanpeen")


def test_show_says_what_follows_from_the_recipe() -> None:
    shown = show(str(INVENTED))
    assert shown["formulations"]["a"]["si_fraction"].startswith("0.8 g_Si/g")
    assert shown["populations"]["coin"] == "three coin cells of each formulation"
    assert shown["relations"] == 22


def test_the_example_of_the_documents_reproduces(tmp_path: Path) -> None:
    page = (Path(__file__).parents[3] / "docs" / "study-check.md").read_text("utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, flags=re.DOTALL)
    (tmp_path / "study.yaml").write_text(example, "utf-8")
    assert {row["verdict"] for row in check(str(tmp_path)).rows} == {"reproduces"}
