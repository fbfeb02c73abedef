"""The join of scans with cycling: states found, compared and refused; metrics beside them; tables and arrays."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from operando_phantom import OPEN, START, Operando

from siltomo.cycling.record import Points, Record
from siltomo.cycling.steps import Understanding, analyse
from siltomo.engine.catalog import Catalog, open_catalog
from siltomo.engine.cycling.alignment import AlignmentOrder, apply_alignment, propose_alignment
from siltomo.engine.join.join import Join, join
from siltomo.errors import BadInputError, NotFoundError, UnitError
from siltomo.model import CyclingRun, Scan, validated
from siltomo.units import Quantity

Cli = Callable[..., Any]
Read = Callable[[CyclingRun], Record]

RUN = Operando()


def reader(run: Operando = RUN) -> Read:
    time, current, voltage = run.table.T
    record = analyse(
        Points(time, current, voltage, format="phantom"), Understanding(positive_current="delithiation")
    )
    return lambda _: record


@pytest.fixture
def catalog(cli: Cli, tmp_path: Path) -> Catalog:
    for words in (
        ["init", "."],
        ["formulation", "add", "zn"],
        ["cell", "add", "zn1", "--formulation", "zn", "--si-mass", "0.13 mg_Si"],
    ):
        assert cli(*words).code == 0
    made = open_catalog(tmp_path)
    made.add(validated(CyclingRun, {"id": "zn1-run", "cell": "zn1", "start": START.isoformat()}))
    return made


def add_scans(catalog: Catalog, run: Operando = RUN, **changed: Any) -> list[dict[str, Any]]:
    """Declare the scans of a run, without voxels, as half-cycles without capacities."""
    for scan in run.scans:
        add_scan(catalog, scan, **changed)
    return run.scans


def add_scan(catalog: Catalog, scan: dict[str, Any], *, zone: str = "", **changed: Any) -> None:
    state = {"cycle": 1, "half": scan["half"], **changed.get("state", {})}
    body = {
        "id": scan["id"],
        "cell": "zn1",
        "scale": scan["scale"],
        "mode": changed.get("mode", "operando"),
        "voxel_size": "0.16 um",
        "state": state,
        "acquisition": {k: scan[k].isoformat() + zone for k in ("start", "end") if scan.get(k)},
    }
    catalog.add(validated(Scan, body))


def scan_at(id_: str, seconds: float, length: float = 180.0, **more: Any) -> dict[str, Any]:
    start = START + timedelta(seconds=seconds)
    return {
        "id": id_,
        "half": "lithiation",
        "scale": "micro",
        "start": start,
        "end": start + timedelta(seconds=length),
        **more,
    }


def aligned(catalog: Catalog, run: Operando = RUN, **given: Any) -> None:
    proposal = propose_alignment(catalog, AlignmentOrder("zn1", **given), read=reader(run))
    apply_alignment(catalog, proposal)


def joined(catalog: Catalog, run: Operando = RUN, **given: Any) -> Join:
    return join(catalog, read=reader(run), **given)


def by_scan(made: Join) -> dict[str, Any]:
    return {row["scan"]: row for row in made.rows()}


# ---- the paper's timing ----------------------------------------------------------------------------------------


def test_every_scan_of_the_paper_s_run_lands_on_its_state(catalog: Catalog) -> None:
    scans = add_scans(catalog)
    proposal = propose_alignment(catalog, AlignmentOrder("zn1"), read=reader())
    assert proposal.clock.offset_s == pytest.approx(1234.0, abs=15.0)
    assert proposal.data["stops"] == 26
    assert all(row["in_rest"] for row in proposal.rows)
    assert catalog.record(CyclingRun, "zn1-run").clock_offset is None, (
        "nothing is changed without being asked"
    )
    change = apply_alignment(catalog, proposal)
    assert (change.changed, change.revision) == (True, 2)
    rows = by_scan(joined(catalog))
    assert len(rows) == 52
    for scan in scans:
        row = rows[scan["id"]]
        assert (row["status"], row["cycle"], row["half"]) == ("ok", 1, scan["half"])
        assert row["capacity"] == pytest.approx(scan["capacity"], abs=1.0)
        assert (row["at_rest"], row["agrees"]) == (True, True)
        assert row["capacity_uncertainty"] < 0.1, "in a rest neither the interval nor the clocks matter"


def test_a_clock_that_is_ignored_would_have_cost_a_hundred_mAh_per_gram(catalog: Catalog) -> None:
    scans = add_scans(catalog)
    aligned(catalog, offset=Quantity(0.0, "s"))
    rows = by_scan(joined(catalog))
    errors = [
        abs(rows[s["id"]]["capacity"] - s["capacity"]) for s in scans if rows[s["id"]]["half"] == s["half"]
    ]
    assert max(errors) > 100, "so the join refuses to suppose that the clocks agree"


def test_an_unaligned_run_is_said_with_the_command_that_aligns_it(catalog: Catalog) -> None:
    add_scans(catalog)
    row = joined(catalog).rows()[0]
    assert (row["status"], row["cycle"], row["capacity"]) == ("missing", None, None)
    assert row["reason"].endswith("not aligned with the beamline's: siltomo cycling align zn1-run")


# ---- states that are not to be had -----------------------------------------------------------------------------


def test_scans_without_a_state_are_rows_with_a_reason(catalog: Catalog, cli: Cli) -> None:
    cli("cell", "add", "bare", "--formulation", "zn")
    aligned_at_zero(catalog)
    add_scan(catalog, scan_at("before", -7200))
    add_scan(catalog, scan_at("after", 90_000))
    add_scan(catalog, {"id": "timeless", "half": "lithiation", "scale": "micro"})
    add_scan(catalog, scan_at("inside", OPEN + 300))
    body = {**catalog.record(Scan, "inside").body(), "id": "elsewhere", "cell": "bare"}
    catalog.add(Scan.from_body(body))
    made = joined(catalog)
    rows = by_scan(made)
    assert rows["before"]["reason"] == "run zn1-run: it is 118 min before the first point of the record"
    assert rows["after"]["status"] == "missing"
    assert "siltomo catalog set timeless --start" in rows["timeless"]["reason"]
    assert rows["elsewhere"]["reason"] == "cell bare has no cycling run: siltomo cycling add FILE --cell bare"
    assert rows["inside"]["status"] == "ok"
    assert made.warnings[0].startswith("4 of 5 scans have no state, such as after: run zn1-run: it is")


def aligned_at_zero(catalog: Catalog) -> None:
    catalog.set(CyclingRun, "zn1-run", {"clock_offset": "0 s"})


def test_a_scan_in_two_runs_is_refused(catalog: Catalog) -> None:
    aligned_at_zero(catalog)
    body = {**catalog.record(CyclingRun, "zn1-run").body(), "id": "zn1-again"}
    catalog.add(CyclingRun.from_body(body))
    add_scan(catalog, scan_at("one", OPEN + 300))
    row = joined(catalog).rows()[0]
    assert (row["status"], row["reason"]) == ("refused", "it lies in 2 runs: zn1-again, zn1-run")


def test_a_run_that_cannot_be_read_leaves_the_others_whole(catalog: Catalog) -> None:
    aligned_at_zero(catalog)
    add_scan(catalog, scan_at("one", OPEN + 300))

    def damaged(run: CyclingRun) -> Record:
        raise NotFoundError("the file is gone")

    row = join(catalog, read=damaged).rows()[0]
    assert (row["status"], row["reason"]) == ("missing", "run zn1-run cannot be read: the file is gone")


def test_the_tolerance_is_stated_whoever_gave_it(catalog: Catalog) -> None:
    aligned_at_zero(catalog)
    add_scan(catalog, scan_at("one", OPEN + 300))
    row = joined(catalog).rows()[0]
    assert 10 < row["tolerance"] < 20
    assert row["tolerance_from"] == "longest sampling gap inside a step"
    row = joined(catalog, tolerance="1 s").rows()[0]
    assert (row["status"], row["tolerance"], row["tolerance_from"]) == ("missing", 1.0, "given")
    assert "more than the tolerance of 1 s" in row["reason"]
    with pytest.raises(UnitError, match="no unit"):
        joined(catalog, tolerance="30")


# ---- operando that is not interrupted --------------------------------------------------------------------------


def test_a_moving_cell_has_the_interval_as_uncertainty(catalog: Catalog) -> None:
    run = Operando(interrupted=False)
    catalog.set(CyclingRun, "zn1-run", {"clock_offset": "0 +/- 10 s"})
    add_scan(catalog, scan_at("one", OPEN + 3600, 300.0))
    row = joined(catalog, run).rows()[0]
    assert row["capacity"] == pytest.approx(477 * 3750 / 3600, abs=0.1)
    assert row["capacity_start"] == pytest.approx(477.0, abs=0.1)
    assert row["capacity_end"] == pytest.approx(477 * 3900 / 3600, abs=0.1)
    parts = row["capacity_uncertainty_parts"]
    assert parts["interval"] == pytest.approx(477 * 300 / 3600 / 12**0.5, abs=0.1)
    assert parts["clock"] == pytest.approx(477 * 10 / 3600, abs=0.1)
    assert row["capacity_uncertainty"] == pytest.approx(
        (parts["interval"] ** 2 + parts["clock"] ** 2) ** 0.5, rel=1e-4
    )
    assert (row["at_rest"], row["rest_share"]) == (False, 0.0)
    assert row["flags"] == ["current_flowed"]
    assert "mass" not in parts, "a mass without an uncertainty is not one that is certain"
    aligned_at_zero(catalog)
    row = joined(catalog, run).rows()[0]
    assert "clock" not in row["capacity_uncertainty_parts"]
    assert row["flags"] == ["current_flowed", "clock_uncertainty_not_known"]


def test_an_instant_is_flagged(catalog: Catalog) -> None:
    aligned_at_zero(catalog)
    add_scan(catalog, {**scan_at("one", OPEN + 300), "end": None})
    row = joined(catalog).rows()[0]
    assert (row["status"], row["duration"]) == ("ok", 0.0)
    assert "no_end_time" in row["flags"]


def test_the_mass_s_uncertainty_is_carried(catalog: Catalog, cli: Cli) -> None:
    aligned_at_zero(catalog)
    add_scan(catalog, scan_at("one", OPEN + 300))
    assert cli("cell", "set", "zn1", "--si-mass", "0.13 +/- 0.0013 mg_Si").code == 0
    row = joined(catalog).rows()[0]
    assert row["capacity_uncertainty_parts"]["mass"] == pytest.approx(0.01 * row["capacity"])


def test_without_a_silicon_mass_there_is_a_charge_but_no_capacity(catalog: Catalog, cli: Cli) -> None:
    cli("cell", "add", "unweighed", "--formulation", "zn")
    aligned_at_zero(catalog)
    catalog.set(CyclingRun, "zn1-run", {"cell": "unweighed"})
    add_scan(catalog, scan_at("one", OPEN + 300))
    catalog.set(Scan, "one", {"cell": "unweighed"})
    row = joined(catalog).rows()[0]
    assert (row["status"], row["cycle"], row["capacity"]) == ("ok", 1, None)
    assert row["charge"] == pytest.approx(390 * 477 * 0.13e-3 / 3600, rel=1e-3)
    assert "siltomo cell set unweighed --si-mass" in row["reason"]


# ---- declared and found ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ({"cycle": 2}, "cycle 2 declared, 1 found"),
        ({"half": "delithiation"}, "delithiation declared, lithiation found"),
        ({"capacity": "400 mAh/g_Si"}, "400 mAh/g_Si declared, 119.25 found"),
        ({"voltage": "1.2 V"}, "1.2 V declared, 0.6"),
        ({"half": "rest"}, ""),
        ({"capacity": "130 mAh/g_Si", "voltage": "0.61 V"}, ""),
    ],
)
def test_declared_and_found_states_are_compared(catalog: Catalog, state: dict[str, Any], said: str) -> None:
    aligned_at_zero(catalog)
    add_scan(catalog, scan_at("one", OPEN + 900 + 20), state=state)
    made = joined(catalog)
    row = made.rows()[0]
    assert row["agrees"] is not bool(said)
    assert row["disagreement"].startswith(said)
    assert bool(made.warnings) == bool(said)
    assert row["declared_cycle"] == state.get("cycle", 1)


def test_a_pristine_scan_before_the_current_agrees(catalog: Catalog) -> None:
    aligned_at_zero(catalog)
    add_scan(catalog, scan_at("fresh", 600.0), state={"cycle": 0, "half": "pristine"})
    row = joined(catalog).rows()[0]
    assert (row["cycle"], row["half"], row["capacity"], row["agrees"]) == (0, "pristine", 0.0, True)


# ---- as tables and arrays --------------------------------------------------------------------------------------


def test_the_join_is_a_table_and_a_dataset_with_units(catalog: Catalog) -> None:
    add_scans(catalog)
    aligned(catalog)
    add_scan(catalog, scan_at("after", 90_000))
    made = joined(catalog, where="scale == 'micro'")
    table = made.to_pandas()
    assert table.shape[0] == 27
    assert table.attrs["units"]["capacity"] == "mAh/g_Si"
    data = made.to_xarray()
    assert data.sizes == {"scan": 27}
    assert data.capacity.attrs["units"] == "mAh/g_Si"
    assert data.capacity.attrs["ancillary_variables"] == "capacity_uncertainty"
    assert data.voltage.attrs["units"] == "V"
    assert np.isnan(data.capacity.sel(scan="after"))
    assert data.half.sel(scan="after") == ""
    assert float(data.capacity.sel(scan="op03-micro")) == pytest.approx(477 * 4500 / 3600, abs=1.0)


def test_an_empty_join_is_empty(catalog: Catalog) -> None:
    made = joined(catalog)
    assert made.rows() == []
    assert made.to_pandas().empty
    assert made.to_xarray().sizes == {"scan": 0}


def test_unknown_metrics_are_refused_before_anything_is_read(catalog: Catalog) -> None:
    with pytest.raises(NotFoundError, match="no metric is called"):
        join(catalog, metrics=["crack_volum_fraction"], read=lambda _: pytest.fail("read"))


# ---- clocks and zones ------------------------------------------------------------------------------------------


def propose(catalog: Catalog, run: Operando = RUN, **given: Any) -> Any:
    return propose_alignment(catalog, AlignmentOrder("zn1", **given), read=reader(run))


def test_zones_tell_daylight_saving_from_a_wrong_clock(catalog: Catalog) -> None:
    """The cycler's computer keeps winter time all year, the beamline's goes with the law."""
    run = Operando(offset=3600.0 + 12.0)
    add_scans(catalog, run)
    plain = propose(catalog, run)
    assert plain.warnings[0].startswith("the offset is 1 h and ")
    assert "daylight-saving" in plain.warnings[0]
    zoned = propose(catalog, run, timezone="Etc/GMT-1", scan_timezone="Europe/Zurich")
    assert zoned.clock.offset_s == pytest.approx(12.0, abs=15.0)
    assert zoned.warnings == ()
    apply_alignment(catalog, zoned)
    stored = catalog.record(CyclingRun, "zn1-run")
    assert stored.start is not None
    assert stored.start.isoformat() == "2021-06-14T08:00:00+01:00"
    assert stored.scan_timezone == "Europe/Zurich"
    rows = by_scan(joined(catalog, run))
    assert all(rows[s["id"]]["capacity"] == pytest.approx(s["capacity"], abs=1.0) for s in run.scans)


def test_the_night_the_clocks_go_back_needs_zones(catalog: Catalog) -> None:
    """The beamline's wall clock is put back at 3 o'clock on 31 October 2021; the run began the evening before."""
    start = START.replace(month=10, day=30, hour=20)
    catalog.set(CyclingRun, "zn1-run", {"start": start.isoformat()})
    for scan in RUN.scans:
        moved = {k: wall_clock(scan[k] - START + start) for k in ("start", "end")}  # type: ignore[operator]
        add_scan(catalog, {**scan, **moved})
    with pytest.raises(BadInputError, match="was put back by an hour, for daylight saving") as error:
        propose(catalog)
    assert "--scan-timezone" in error.value.fix.options  # type: ignore[union-attr]
    walls = {s["id"]: [wall_clock(s[k] - START + start) for k in ("start", "end")] for s in RUN.scans}  # type: ignore[operator]
    twice = [id_ for id_, times in walls.items() if any(time.hour == 2 for time in times)]
    assert twice
    with pytest.raises(BadInputError, match="came twice in Europe/Zurich"):
        propose(catalog, timezone="Europe/Zurich", scan_timezone="Europe/Zurich")
    for scan in twice:
        true = next(s for s in RUN.scans if s["id"] == scan)
        exact = {
            k: (true[k] - START + start - timedelta(hours=2)).isoformat() + "+00:00" for k in ("start", "end")
        }  # type: ignore[operator]
        catalog.set(Scan, scan, {f"acquisition.{k}": v for k, v in exact.items()})
    found = propose(catalog, timezone="Europe/Zurich", scan_timezone="Europe/Zurich")
    assert found.clock.offset_s == pytest.approx(1234.0, abs=15.0)
    assert found.data["stops"] == 26


def wall_clock(summer_time: Any) -> Any:
    back = summer_time.replace(month=10, day=31, hour=3, minute=0, second=0)
    return summer_time - timedelta(hours=1) if summer_time >= back else summer_time


def test_a_time_with_a_zone_is_not_compared_with_one_without(catalog: Catalog) -> None:
    add_scans(catalog, zone="+02:00")
    with pytest.raises(BadInputError, match=r"the record's start .* names none") as error:
        propose(catalog)
    assert error.value.fix.options == {"--timezone": "Europe/Zurich"}  # type: ignore[union-attr]
    assert propose(catalog, timezone="Europe/Zurich").clock.offset_s == pytest.approx(1234.0, abs=15.0)
    catalog.set(CyclingRun, "zn1-run", {"clock_offset": "1234 s"})
    row = joined(catalog).rows()[0]
    assert row["status"] == "missing"
    assert row["reason"].endswith("siltomo cycling align zn1-run")


def test_another_time_zone_is_found_further_out_and_only_proposed(catalog: Catalog) -> None:
    add_scans(catalog, Operando(offset=9 * 3600.0 + 40))
    with pytest.raises(BadInputError, match=r"no offset within 3 h fits; one of 324.. s does .9 h") as error:
        propose(catalog)
    assert error.value.fix.options == {"--search": "10 h"}  # type: ignore[union-attr]


def test_a_drift_is_stored_and_used(catalog: Catalog) -> None:
    spells = {
        "lithiation": (900.0, 900.0, 1800.0, 30_000.0, 1800.0, 900.0),
        "delithiation": (50_000.0, 900.0, 2700.0, 1800.0),
    }
    run = Operando(drift=60 / 86_400, **spells)  # type: ignore[arg-type]
    scans = add_scans(catalog, run)
    found = propose(catalog, run)
    assert found.data["drift_estimated"]
    assert found.data["drift_low"] <= 60 <= found.data["drift_high"]
    apply_alignment(catalog, found)
    assert catalog.record(CyclingRun, "zn1-run").clock_drift is not None
    rows = by_scan(joined(catalog, run))
    assert all(rows[s["id"]]["capacity"] == pytest.approx(s["capacity"], abs=1.0) for s in scans)
    aligned(catalog, run, offset=Quantity(1234.0, "s"))
    assert catalog.record(CyclingRun, "zn1-run").clock_drift is None, (
        "an offset that is given replaces the clock"
    )


# ---- what cannot be aligned ------------------------------------------------------------------------------------


def test_equal_spacing_names_the_offsets_and_what_to_give(catalog: Catalog) -> None:
    run = Operando(offset=60.0, lithiation=(1800.0,) * 8, delithiation=())
    for scan in run.scans[:8]:
        add_scan(catalog, scan)
    with pytest.raises(BadInputError, match=r"fits \d of 4 stops too; offsets that fit: ") as error:
        propose(catalog, run)
    assert error.value.code == "SIL140"
    assert error.value.fix.options == {"--search": "131 s"} or "--offset" in error.value.fix.options  # type: ignore[union-attr]


def test_a_scan_that_was_mistimed_is_named(catalog: Catalog) -> None:
    add_scans(catalog)
    wrong = RUN.scans[10]
    times = {f"acquisition.{k}": (wrong[k] + timedelta(minutes=15)).isoformat() for k in ("start", "end")}  # type: ignore[operator]
    catalog.set(Scan, str(wrong["id"]), times)
    with pytest.raises(BadInputError, match=f"1 of 52 scans lie in no rest: {wrong['id']}") as error:
        propose(catalog)
    fix = error.value.fix.options["--where"]  # type: ignore[union-attr]
    from siltomo.engine.select import parse_where

    assert propose(catalog, where=parse_where(fix)).data["stops"] == 26


def test_runs_without_scans_or_times_say_what_is_missing(catalog: Catalog) -> None:
    with pytest.raises(BadInputError, match="cell zn1 has no operando scan that is selected"):
        propose(catalog)
    add_scan(catalog, {"id": "timeless", "half": "lithiation", "scale": "micro"})
    with pytest.raises(
        BadInputError, match="none of the 1 operando scans of cell zn1 has a start and an end"
    ) as error:
        propose(catalog)
    assert "siltomo catalog set timeless --start" in str(error.value.fix)
    catalog.set(CyclingRun, "zn1-run", {"start": None})
    with pytest.raises(BadInputError, match="has no start time") as error:
        propose(catalog)
    with pytest.raises(NotFoundError, match="no cycling_run 'nobody'"):
        propose_alignment(catalog, AlignmentOrder("nobody"), read=reader())


def test_a_given_offset_is_checked_against_the_rests(catalog: Catalog) -> None:
    add_scans(catalog)
    given = propose(catalog, offset=Quantity(300.0, "s", 5.0))
    assert (given.alignment, given.data["how"]) == (None, "given")
    assert "scans do not lie in a rest" in given.warnings[0]
    apply_alignment(catalog, given)
    assert catalog.record(CyclingRun, "zn1-run").clock_offset == Quantity(300.0, "s", 5.0)


def test_operando_without_interruption_asks_for_the_offset(catalog: Catalog) -> None:
    run = Operando(interrupted=False)
    add_scans(catalog, run)
    with pytest.raises(BadInputError, match="scans lie in no rest") as error:
        propose(catalog, run)
    assert error.value.fix.options == {"--offset": "0 s"}  # type: ignore[union-attr]
    assert "not interrupted" in error.value.fix.advice  # type: ignore[union-attr]
    aligned(catalog, run, offset=Quantity(1234.0, "s", 5.0))
    rows = by_scan(joined(catalog, run))
    for scan in run.scans[:20]:
        row = rows[scan["id"]]
        since = (scan["start"] - START).total_seconds() + 90 - 1234 - OPEN  # type: ignore[operator]
        assert row["capacity"] == pytest.approx(477 * since / 3600, abs=1.0)
        assert row["capacity_start"] < row["capacity"] < row["capacity_end"]


def test_the_order_and_the_company_of_scans_make_no_difference(catalog: Catalog) -> None:
    add_scans(catalog)
    whole = propose(catalog).clock
    from siltomo.engine.select import parse_where

    half = propose(catalog, where=parse_where("scale == 'nano'"))
    assert half.clock.offset_s == pytest.approx(whole.offset_s, abs=half.alignment.margin_s)
    assert half.data["stops"] == 26
