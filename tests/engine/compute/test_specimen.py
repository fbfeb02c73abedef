"""How closely the inputs of a row belong together: one specimen, one cell, one formulation; the nearest wins."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from siltomo.catalog import CatalogStore
from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.plan import make_plan
from siltomo.engine.compute.run import _result, run_plan
from siltomo.engine.select import parse_where
from siltomo.metrics import Scalar
from siltomo.model import Cell, Formulation, Scan, Segmentation

PHASES = {"micro": "crack", "nano": "pore"}


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    made = Catalog(CatalogStore.create(tmp_path))
    made.add(Formulation(id="zn"))
    made.add(Cell(id="zn1", formulation="zn"))
    made.add(Cell(id="zn2", formulation="zn"))
    return made


def add(
    catalog: Catalog, id_: str, scale: str, value: float, specimen: str | None = None, cell: str = "zn1"
) -> None:
    """Declare a scan with the volume fraction of its phase; there are no voxels."""
    volume = {"shape": [8, 8, 8], "dtype": "uint8", "content": f"sha256:{id_}"}
    scan = {
        "id": id_,
        "cell": cell,
        "specimen": specimen,
        "scale": scale,
        "mode": "ex_situ",
        "volume": volume,
    }
    scan |= {"state": {"cycle": 1, "half": "delithiation"}, "voxel_size": "0.16 um"}
    catalog.store.put("scan", id_, Scan.model_validate(scan).body())
    phases = [{"value": 1, "name": PHASES[scale]}, {"value": 2, "name": "solid"}]
    labels = {"id": f"{id_}-seg", "scan": id_, "domain": "electrode", "volume": volume, "phases": phases}
    catalog.store.put("segmentation", f"{id_}-seg", Segmentation.model_validate(labels).body())
    plan = make_plan(catalog, [f"{PHASES[scale]}_volume_fraction"], where=lambda row: row["scan"] == id_)
    (item,) = plan.items
    catalog.store.put_result(item.key, _result(item, Scalar(value, 0.01)).model_dump(mode="json"))


def row(catalog: Catalog, where: str | None = None, **options: Any) -> dict[str, Any]:
    plan = make_plan(catalog, ["electrode_porosity"], where=parse_where(where), **options)
    (made,) = [row for row in run_plan(catalog, plan) if row["cell"] == "zn1"]
    return made


def test_one_declared_specimen_is_the_nearest_match(catalog: Catalog) -> None:
    add(catalog, "m", "micro", 0.25, "lamella")
    add(catalog, "n", "nano", 0.5, "lamella")
    for match in ("specimen", "cell", "formulation"):
        made = row(catalog, match=match)
        assert (made["status"], made["value"]) == ("ok", 0.75)
        assert (made["match"], made["specimen"]) == ("specimen", "lamella")
        assert [found["match"] for found in made["inputs"]] == ["same specimen"] * 2
    assert "m / m-seg (same specimen): kept" in make_plan(catalog, ["electrode_porosity"]).explain()


@pytest.mark.parametrize("pieces", [(None, None), ("a", None), (None, "a"), ("a", "b")])
def test_scans_of_one_cell_match_by_the_cell(catalog: Catalog, pieces: tuple[str | None, ...]) -> None:
    add(catalog, "m", "micro", 0.25, pieces[0])
    add(catalog, "n", "nano", 0.5, pieces[1])
    made = row(catalog)
    assert (made["value"], made["match"], made["specimen"]) == (0.75, "cell", None)
    assert [found["match"] for found in made["inputs"]] == ["same cell"] * 2


def test_of_several_scans_the_one_of_the_specimen_is_taken(catalog: Catalog) -> None:
    add(catalog, "m", "micro", 0.25, "b")
    for piece, value in (("a", 0.1), ("b", 0.5), ("c", 0.2)):
        add(catalog, f"n-{piece}", "nano", value, piece)
    made = row(catalog)
    assert (made["value"], made["match"], made["specimen"]) == (0.75, "specimen", "b")
    assert [found["scan"] for found in made["inputs"]] == ["m", "n-b"]


def test_two_scans_of_the_specimen_are_never_chosen_from(catalog: Catalog) -> None:
    add(catalog, "m", "micro", 0.25, "b")
    for name, piece in (("n1", "b"), ("n2", "b"), ("n3", "a")):
        add(catalog, name, "nano", 0.5, piece)
    made = row(catalog)
    assert made["status"] == "missing"
    assert made["reason"] == "nano: 2 results fit pore_volume_fraction (nano): n1-seg, n2-seg"


def test_whole_specimens_are_told_apart_by_where(catalog: Catalog) -> None:
    for piece, value in (("a", 0.125), ("b", 0.25)):
        add(catalog, f"m-{piece}", "micro", value, piece)
        add(catalog, f"n-{piece}", "nano", 0.5, piece)
    made = row(catalog)
    assert made["status"] == "missing"
    assert "macro: 2 results fit crack_volume_fraction (micro): m-a-seg, m-b-seg" in made["reason"]
    asked = row(catalog, match="specimen")
    assert asked["status"] == "missing"
    assert (
        "macro: the scans of zn1, cycle 1, delithiation are of several specimens (a, b), choose one by --where "
        "\"specimen == 'a'\"; fitting crack_volume_fraction (micro): m-a-seg, m-b-seg" in asked["reason"]
    )
    for piece, value in (("a", 0.625), ("b", 0.75)):
        made = row(catalog, f"specimen == '{piece}'")
        assert (made["value"], made["match"], made["specimen"]) == (value, "specimen", piece)


@pytest.mark.parametrize(
    ("pieces", "said"),
    [
        (
            ("a", None),
            "nano: no scan of specimen a fits pore_volume_fraction (nano); of the cell there are: n-seg",
        ),
        (
            (None, None),
            "macro: the scans of zn1, cycle 1, delithiation name no specimen: siltomo catalog set m --specimen "
            "...; fitting crack_volume_fraction (micro): m-seg; nano: ",
        ),
        (
            ("a", "b"),
            "macro: the scans of zn1, cycle 1, delithiation are of several specimens (a, b), choose",
        ),
    ],
)
def test_only_the_same_specimen_if_so_asked(
    catalog: Catalog, pieces: tuple[str | None, ...], said: str
) -> None:
    add(catalog, "m", "micro", 0.25, pieces[0])
    add(catalog, "n", "nano", 0.5, pieces[1])
    made = row(catalog, match="specimen")
    assert (made["status"], made["value"], made["match"]) == ("missing", None, None)
    assert made["reason"].startswith(said)


def test_a_specimen_of_another_cell_is_another_one(catalog: Catalog) -> None:
    add(catalog, "m", "micro", 0.25, "lamella")
    add(catalog, "n2", "nano", 0.5, "lamella", cell="zn2")
    assert row(catalog)["status"] == "missing"
    assert row(catalog, match="specimen")["status"] == "missing"
    made = row(catalog, match="formulation")
    assert (made["value"], made["match"], made["specimen"]) == (0.75, "formulation", None)
    assert [found["match"] for found in made["inputs"]] == ["same cell", "same formulation and cycle"]


def test_the_own_cell_comes_before_others_of_its_formulation(catalog: Catalog) -> None:
    add(catalog, "m", "micro", 0.25)
    add(catalog, "n", "nano", 0.5)
    add(catalog, "n2", "nano", 0.125, cell="zn2")
    made = row(catalog, match="formulation")
    assert (made["value"], made["match"]) == (0.75, "cell")


def test_a_base_row_says_its_specimen_and_no_match(catalog: Catalog) -> None:
    add(catalog, "m", "micro", 0.25, "lamella")
    (made,) = run_plan(catalog, make_plan(catalog, ["crack_volume_fraction"]))
    assert (made["match"], made["specimen"], made["inputs"]) == (None, "lamella", [])
