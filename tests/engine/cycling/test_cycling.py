"""Cycling runs in a catalog: kept, read back, summed up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

import siltomo
from siltomo.catalog import CatalogStore
from siltomo.cycling import CyclingSource
from siltomo.engine.catalog import Catalog
from siltomo.engine.cycling.runs import RunOrder, add_run, read_run, runs_of, set_run
from siltomo.engine.cycling.summary import by_formulation, mass_of, summary_dataset, summary_of
from siltomo.errors import DamagedError, MismatchError, NotFoundError, TakenError
from siltomo.model import Cell, CyclingRun, Formulation

Write = Callable[..., Path]


@pytest.fixture
def table(tmp_path: Path) -> Write:
    """Write a BDF file of cycles: each 2 mAh in and a share of it out, at 1 mA, from 1 V to 0.8 V and back."""

    def write(name: str = "run.bdf.csv", shares: tuple[float, ...] = (0.9, 0.99), scale: float = 1.0) -> Path:
        lines, begin = ["Test Time / s,Current / mA,Voltage / V"], 0.0
        for share in shares:
            for current, hours, start, end in ((-scale, 2.0, 1.0, 0.8), (scale, 2.0 * share, 0.8, 1.0)):
                lines += [
                    f"{begin + part / 20 * hours * 3600!r},{current!r},{start + part / 20 * (end - start)!r}"
                    for part in range(21)
                ]
                begin += hours * 3600
        path = tmp_path / name
        path.write_text("\n".join(lines) + "\n")
        return path

    return write


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    catalog = Catalog(CatalogStore.create(tmp_path / "catalog"))
    catalog.add(Formulation(id="f"))
    for number, mass in enumerate(("0.5 mg_Si", "1.0 mg_Si", None, "0.4 mg_Si"), 1):
        catalog.add(Cell(id=f"c{number}", formulation="f", si_mass=mass))
    return catalog


def order(path: Path, cell: str = "c1", **fields: object) -> RunOrder:
    return RunOrder(CyclingSource(path), cell, fields)


def test_the_file_is_kept_as_it_is(catalog: Catalog, table: Write) -> None:
    path = table()
    done = add_run(catalog, order(path))
    assert (done.added, done.record.id) == (True, "c1-cycling")
    kept = catalog.store.file(catalog.stored(CyclingRun, "c1-cycling"), "record.csv")
    assert kept.read_bytes() == path.read_bytes()
    path.unlink()
    assert [h.capacity_Ah * 1e3 for h in read_run(catalog, "c1-cycling").half_cycles] == pytest.approx(
        [2.0, 1.8, 2.0, 1.98]
    )
    assert catalog.store.verify(full=True) == []


def test_a_changed_file_is_found(catalog: Catalog, table: Write) -> None:
    add_run(catalog, order(table()))
    kept = catalog.store.file(catalog.stored(CyclingRun, "c1-cycling"), "record.csv")
    data = kept.read_bytes()
    kept.chmod(0o644)
    kept.write_bytes(data.replace(b"0.8", b"0.7"))
    with pytest.raises(DamagedError, match="its bytes were changed"):
        read_run(catalog, "c1-cycling")
    assert [damage.path for damage in catalog.store.verify(full=True)]


def test_a_run_whose_adding_was_killed_is_whole_or_not_there(
    catalog: Catalog, table: Write, monkeypatch: pytest.MonkeyPatch
) -> None:
    from siltomo.catalog import transactions

    def killed(*_: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(transactions, "finish_volume", killed)
        patch.setattr(transactions, "_withdraw_bag", killed)
        with pytest.raises(KeyboardInterrupt):
            add_run(catalog, order(table()))
    assert catalog.store.ids(CyclingRun.kind) == []
    again = Catalog(CatalogStore.open(catalog.path))
    assert "cycling_run c1-cycling" in again.begin_writing()[0]
    assert len(read_run(again, "c1-cycling").cycles) == 2
    assert again.store.verify(full=True) == []


def test_a_run_read_by_an_outside_program_needs_it_once(
    catalog: Catalog, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "bin" / "mdb-export"
    program.parent.mkdir()
    rows = "".join(
        f"{t},{t},1,1,{i},{v},0\n" for t, i, v in ((0, -1e-3, 0.5), (3600, -1e-3, 0.3), (7200, 1e-3, 0.5))
    )
    header = "Test_Time,Step_Time,Step_Index,Cycle_Index,Current,Voltage,Charge_Capacity"
    program.write_text(f"#!/bin/sh\ncat <<END\n{header}\n{rows}END\n")
    program.chmod(0o755)
    path = tmp_path / "run.res"
    path.write_bytes(b"Standard Jet DB")
    with monkeypatch.context() as patch:
        patch.setenv("PATH", f"{program.parent}:/bin:/usr/bin")
        done = add_run(catalog, order(path, positive_current="delithiation"))
    monkeypatch.setenv("PATH", str(tmp_path))
    again = read_run(catalog, done.record.id)
    np.testing.assert_array_equal(again.points.current_A, done.understood.points.current_A)
    assert again.half_cycles == done.understood.half_cycles


def test_the_same_run_again_changes_nothing(catalog: Catalog, table: Write) -> None:
    path = table()
    add_run(catalog, order(path))
    again = add_run(catalog, order(path))
    assert (again.added, again.record.id) == (False, "c1-cycling")
    with pytest.raises(TakenError, match="differs in lower_cutoff"):
        add_run(catalog, order(path, lower_cutoff="5 mV"))
    with pytest.raises(TakenError, match="the file"):
        add_run(catalog, order(table("other.csv", (0.5,)), id="c1-cycling"))
    assert len(runs_of(catalog, "c1")) == 1


def test_nothing_is_changed_by_a_dry_run_or_an_error(catalog: Catalog, table: Write) -> None:
    assert add_run(catalog, order(table()), dry_run=True).added
    with pytest.raises(NotFoundError, match="no cell 'c9'"):
        add_run(catalog, order(table(), cell="c9"))
    with pytest.raises(MismatchError):
        add_run(catalog, order(table(), positive_current="lithiation"))
    assert catalog.store.ids(CyclingRun.kind) == []


def test_a_second_file_continues_the_first(catalog: Catalog, table: Write) -> None:
    add_run(catalog, order(table(shares=(0.9, 0.99))))
    more = table("more.csv", (0.98, 0.97))
    with pytest.raises(MismatchError, match="has cycles up to 2 already") as caught:
        add_run(catalog, order(more))
    assert caught.value.fix.options == {"--first-cycle": "3"}
    add_run(catalog, order(more, first_cycle=3))
    rows = summary_of(catalog, ["c1"]).rows
    assert [row["cycle"] for row in rows] == [1, 2, 3, 4]
    # of the first cycle of the cell, not of the file
    assert [row["retention"] for row in rows] == pytest.approx([1, 1.1, 0.98 / 0.9, 0.97 / 0.9])


def test_specific_capacities_need_a_mass_that_was_weighed(catalog: Catalog, table: Write) -> None:
    for cell in ("c1", "c2", "c3"):
        add_run(catalog, order(table(), cell=cell))
    rows = {row["cell"]: row for row in summary_of(catalog).rows if row["cycle"] == 1}
    assert rows["c1"]["specific_lithiation_capacity"] == pytest.approx(4000)
    assert rows["c1"]["specific_delithiation_capacity"] == pytest.approx(3600)
    for cell, words in (("c2", "what cyclers write where none was typed"), ("c3", "is not known")):
        assert rows[cell]["specific_lithiation_capacity"] is None
        assert words in rows[cell]["reason"]
        assert f"siltomo cell set {cell} --si-mass" in rows[cell]["reason"]
        assert rows[cell]["lithiation_capacity"] == pytest.approx(2.0)
    catalog.set(Cell, "c2", {"si_mass": "1.0 +/- 0.01 mg_Si"})
    assert mass_of(catalog.record(Cell, "c2")).mg == 1.0
    assert len(summary_of(catalog).warnings) == 1


@pytest.mark.parametrize("mass", ["1 mg_Si", "0.001 g_Si", "0.001 mg_Si"])
def test_placeholders(mass: str) -> None:
    assert mass_of(Cell(id="c", formulation="f", si_mass=mass)).mg is None


def test_a_mass_from_loading_and_diameter() -> None:
    cell = Cell(id="c", formulation="f", loading="1.75 mg_Si/cm^2", diameter="3 mm")
    assert mass_of(cell).mg == pytest.approx(1.75 * np.pi * 0.15**2)


def test_another_mass_gives_another_unit(catalog: Catalog, table: Write) -> None:
    add_run(catalog, order(table()))
    made = summary_of(catalog, ["c1"], mass="4 mg")
    assert made.units["specific_lithiation_capacity"] == "mAh/g"
    assert made.rows[0]["specific_lithiation_capacity"] == pytest.approx(500)
    assert made.rows[0]["lithiation_c_rate"] is None  # 1 C was said per gram of silicon


def test_c_rates_and_impossible_capacities(catalog: Catalog, table: Write) -> None:
    add_run(catalog, order(table(scale=3.579), cell="c1"))
    row = summary_of(catalog, ["c1"]).rows[0]
    assert row["lithiation_c_rate"] == pytest.approx(2.0)
    assert any("more than silicon takes" in flag for flag in row["flags"])


def test_mean_and_deviation_over_the_cells_of_a_formulation(catalog: Catalog, table: Write) -> None:
    add_run(catalog, order(table("a.csv", (0.9, 0.99)), cell="c1"))
    add_run(catalog, order(table("b.csv", (0.8, 0.99), 0.8), cell="c4"))
    made = by_formulation(summary_of(catalog))
    first = made.rows[0]
    assert (first["n"], first["cells"]) == (2, ["c1", "c4"])
    assert first["coulombic_efficiency"] == pytest.approx(0.85)
    assert first["coulombic_efficiency_sd"] == pytest.approx(np.std([0.9, 0.8], ddof=1))
    assert first["specific_lithiation_capacity"] == pytest.approx(4000)
    assert first["specific_lithiation_capacity_sd"] == pytest.approx(0, abs=1e-9)
    assert made.units["coulombic_efficiency_sd"] == "1"
    alone = by_formulation(summary_of(catalog, ["c1"])).rows[0]
    assert alone["coulombic_efficiency_sd"] is None


def test_the_summary_as_arrays(catalog: Catalog, table: Write) -> None:
    add_run(catalog, order(table("a.csv", (0.9, 0.99)), cell="c1"))
    add_run(catalog, order(table("b.csv", (0.8,)), cell="c3", upper_cutoff="1 V"))
    found = summary_dataset(summary_of(catalog))
    assert found.sizes == {"cell": 2, "cycle": 2}
    assert found.lithiation_capacity.attrs["units"] == "mAh"
    np.testing.assert_allclose(found.coulombic_efficiency, [[0.9, 0.99], [0.8, np.nan]])
    assert found.complete.values.tolist() == [[True, True], [True, False]]


def test_python_sees_the_same(catalog: Catalog, table: Write) -> None:
    add_run(catalog, order(table()))
    cycling = siltomo.open_catalog(catalog.path).cycling
    frame = cycling.summary("c1")
    assert frame.attrs["units"]["coulombic_efficiency"] == "1"
    assert frame["coulombic_efficiency"].tolist() == pytest.approx([0.9, 0.99])
    assert cycling.summary(by="formulation")["n"].tolist() == [1, 1]
    assert list(cycling.dataset().cell) == ["c1"]
    assert cycling.record("c1-cycling").points.time_s[0] == 0
    assert cycling.curve("c1-cycling", 1, dqdv="5 mV").attrs["units"]["differential_capacity"] == "mAh/V"
    assert list(cycling.runs.index) == ["c1-cycling"]
    with pytest.raises(NotFoundError, match="has no cycle 7; it has 1 to 2"):
        cycling.curve("c1-cycling", 7)
    with pytest.raises(NotFoundError, match="cell 'c2' has no cycling run"):
        cycling.summary("c2")


def test_what_is_said_of_a_run_may_change(catalog: Catalog, table: Write) -> None:
    add_run(catalog, order(table(shares=(0.9, 0.99))))
    assert set_run(catalog, "c1-cycling", {"first_cycle": 5}).understood.cycles[0].number == 5
    changed = set_run(catalog, "c1-cycling", {"upper_cutoff": "1.2 V"})
    assert not changed.understood.cycles[0].complete
    with pytest.raises(MismatchError, match="voltage rises"):
        set_run(catalog, "c1-cycling", {"positive_current": "lithiation"})
    full = set_run(catalog, "c1-cycling", {"positive_current": "lithiation"}, trust_sign=True)
    assert full.understood.half_cycles[0].kind == "delithiation"
    assert read_run(catalog, "c1-cycling").positive_current == "lithiation"


def test_derived_metrics_take_their_capacities_from_the_run(catalog: Catalog, table: Write) -> None:
    add_run(catalog, order(table(shares=(0.9, 0.5, 0.99))))
    lazy = catalog.metric("capacity_retention", where="cycle == 2")
    assert lazy["capacity_retention"].values.tolist() == pytest.approx([0.5 / 0.9])
    both = catalog.metric("specific_capacity", where="cycle == 1")
    assert both["specific_capacity"].values.tolist() == pytest.approx([4000, 3600])
