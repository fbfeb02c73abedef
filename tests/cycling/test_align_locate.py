"""The state at a time of a record: interpolated inside a step, held between steps, or lost for a reason."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from operando_phantom import CURRENT_MA_G, OPEN, SI_MG, START, STOP, Operando

from siltomo.cycling.align import align
from siltomo.cycling.align_answer import Alignment
from siltomo.cycling.align_sweep import Intervals, rest_windows
from siltomo.cycling.locate import Found, Lost, locate, longest_gap
from siltomo.cycling.record import Points, Record
from siltomo.cycling.steps import Understanding, analyse

PER_S = CURRENT_MA_G / 3600
"""mAh/g_Si in each second under current."""


def record_of(run: Operando) -> Record:
    time, current, voltage = run.table.T
    points = Points(time, current, voltage, format="phantom")
    return analyse(points, Understanding(positive_current="delithiation"))


@pytest.fixture(scope="module")
def run() -> Operando:
    return Operando()


@pytest.fixture(scope="module")
def record(run: Operando) -> Record:
    return record_of(run)


def per_g(charge_Ah: float) -> float:
    return charge_Ah * 1e6 / SI_MG


def found(answer: Found | Lost) -> Found:
    assert isinstance(answer, Found), answer
    return answer


def lost(answer: Found | Lost) -> Lost:
    assert isinstance(answer, Lost), answer
    return answer


def at(
    record: Record, start: float, end: float | None = None, *, tolerance: float = 30.0, clock: float = 0.0
):
    return locate(record, start, start if end is None else end, tolerance_s=tolerance, clock_s=clock)


def test_a_scan_in_a_stop_has_the_capacity_of_the_stop(run: Operando, record: Record) -> None:
    for half, begin, capacity in run.stops:
        state = found(at(record, begin + 20, begin + 200))
        assert (state.middle.cycle, state.middle.half) == (1, half)
        assert per_g(state.middle.capacity_Ah) == pytest.approx(capacity, abs=0.1)
        assert state.rest_share == pytest.approx(1.0)
        assert (state.interval_Ah, state.middle.current_A) == (0.0, 0.0)


def test_rests_are_found_with_room_for_the_sampling(run: Operando, record: Record) -> None:
    rests = rest_windows(record)
    assert len(rests) == 1 + 26 + 1 + 1, "before, at the stops, between the half-cycles, after"
    for (_, begin, _), start, end in zip(run.stops[:14], rests.start_s[1:15], rests.end_s[1:15], strict=True):
        assert begin - 15 < start <= begin
        assert begin + STOP <= end < begin + STOP + 15


def test_the_paper_s_run_aligns_within_15_s(run: Operando, record: Record) -> None:
    times = [[(s[k] - START).total_seconds() for k in ("start", "end")] for s in run.scans]  # type: ignore[operator]
    scans = Intervals(*np.array(times).T)
    answer = align(scans, rest_windows(record))
    assert isinstance(answer, Alignment)
    assert answer.clock.offset_s == pytest.approx(1234.0, abs=15.0)
    assert (answer.stops, set(answer.rest_of) & {-1}) == (26, set())
    for scan, (start, end) in zip(run.scans, times, strict=True):
        state = found(at(record, answer.clock.record_s(start), answer.clock.record_s(end)))
        assert per_g(state.middle.capacity_Ah) == pytest.approx(scan["capacity"], abs=1.0)


def test_under_current_capacity_and_voltage_are_linear_in_time(record: Record) -> None:
    begin = OPEN + 300.0
    state = found(at(record, begin, begin + 180.0))
    assert per_g(state.first.capacity_Ah) == pytest.approx(300 * PER_S, abs=0.05)
    assert per_g(state.middle.capacity_Ah) == pytest.approx(390 * PER_S, abs=0.05)
    assert per_g(state.last.capacity_Ah) == pytest.approx(480 * PER_S, abs=0.05)
    assert state.rest_share == 0
    assert per_g(state.interval_Ah) == pytest.approx(180 * PER_S / 12**0.5, abs=0.05), "a uniform density"
    whole = 900 * 3 + 1800 * 11 + 600
    assert state.middle.voltage_V == pytest.approx(0.6 + (0.005 - 0.6) * 390 / whole, abs=1e-5)


def test_the_clock_s_uncertainty_counts_only_under_current(run: Operando, record: Record) -> None:
    moving = found(at(record, OPEN + 300, OPEN + 480, clock=20.0))
    assert per_g(moving.clock_Ah or 0.0) == pytest.approx(20 * PER_S, abs=0.05)
    _, begin, _ = run.stops[3]
    assert found(at(record, begin + 100, begin + 280, clock=20.0)).clock_Ah == 0


def test_nothing_is_interpolated_across_steps(run: Operando, record: Record) -> None:
    _, begin, _ = run.stops[5]
    edge = begin + STOP
    time, voltage = record.points.time_s, record.points.voltage_V
    last = int(np.searchsorted(time, edge + 5e-4, side="right")) - 1
    assert record.steps[record.step_of[last]].kind == "rest"
    assert time[last + 1] > edge + 5e-4 > time[last]
    middle = found(at(record, (time[last] + time[last + 1]) / 2)).middle
    assert middle.voltage_V == voltage[last], "the last point of the step before holds"
    assert voltage[last + 1] != voltage[last]


def test_before_the_first_current_a_cell_is_pristine(record: Record) -> None:
    middle = found(at(record, OPEN / 2)).middle
    assert (middle.cycle, middle.half, middle.capacity_Ah) == (0, "pristine", 0.0)


def test_after_a_half_cycle_its_state_holds(run: Operando, record: Record) -> None:
    end_of_lithiation = record.half_cycles[0].end_s
    middle = found(at(record, end_of_lithiation + 5)).middle
    assert (middle.cycle, middle.half) == (1, "lithiation")
    assert middle.capacity_Ah == pytest.approx(record.half_cycles[0].capacity_Ah, rel=1e-6)


def test_an_interval_over_two_half_cycles_has_no_state(record: Record) -> None:
    turn = record.half_cycles[0].end_s
    answer = lost(at(record, turn - 60, turn + 120))
    assert answer.refused
    assert answer.reason == "it spans two half-cycles: lithiation of cycle 1 and delithiation of cycle 1"


def test_outside_of_the_record_there_is_no_state(record: Record) -> None:
    end = float(record.points.time_s[-1])
    assert lost(at(record, -3600.0, -3500.0)).reason == "it is 59.2 min before the first point of the record"
    assert "2 h after the last point" in lost(at(record, end + 7200, end + 7200)).reason
    assert isinstance(at(record, end + 10.0, end + 20.0), Found), "within the tolerance"


def test_a_silence_longer_than_the_tolerance_is_not_bridged(record: Record) -> None:
    points = record.points
    silent = (points.time_s < OPEN + 200) | (points.time_s > OPEN + 600)
    sparse = Points(
        points.time_s[silent], points.current_A[silent], points.voltage_V[silent], format="phantom"
    )
    gappy = analyse(sparse, Understanding(positive_current="delithiation"))
    answer = lost(at(gappy, OPEN + 300, OPEN + 480))
    assert "the record has no point for" in answer.reason
    assert answer.reason.endswith("more than the tolerance of 30 s")
    assert not answer.refused
    assert isinstance(at(gappy, OPEN + 300, OPEN + 480, tolerance=500.0), Found)
    assert longest_gap(gappy) > 400 > longest_gap(record)


@settings(max_examples=60, deadline=None)
@given(time=st.floats(0, 58_000), length=st.floats(0, 400))
def test_the_middle_lies_between_the_ends(time: float, length: float) -> None:
    state = at(RECORD, time, time + length)
    if isinstance(state, Found):
        assert state.first.capacity_Ah <= state.middle.capacity_Ah <= state.last.capacity_Ah
        assert 0 <= state.rest_share <= 1 + 1e-12
        assert state.voltage_low_V <= state.middle.voltage_V <= state.voltage_high_V
    else:
        assert "spans two half-cycles" in state.reason or "after the last point" in state.reason


RECORD = record_of(Operando())


def test_charge_that_passed_unseen_at_switches_is_part_of_the_uncertainty() -> None:
    """A logger on no grid that writes nothing when it switches: each border may be off by half a gap."""
    whole = Operando()
    kept = np.ones(len(whole.table), bool)
    kept[1:-1] = np.minimum(np.diff(whole.table[:, 0])[:-1], np.diff(whole.table[:, 0])[1:]) > 0.1
    whole.table = whole.table[kept]
    record = record_of(whole)
    _, begin, capacity = whole.stops[10]
    state = found(at(record, begin + 100, begin + 200))
    assert record.half_cycles[0].unsure_Ah > 0
    spread = per_g(state.switching_Ah)
    assert spread == pytest.approx(
        per_g(record.half_cycles[0].unsure_Ah) * capacity / (477 * 23_100 / 3600) / 3**0.5, rel=0.02
    )
    assert abs(per_g(state.middle.capacity_Ah) - capacity) < 3 * spread


def test_a_pause_of_the_test_counts_on_the_clock(tmp_path) -> None:
    """The test was paused for two hours in a stop: the test time stood still, the cycler's clock did not."""
    from siltomo.cycling import CyclingSource, read_points

    run = Operando()
    _, begin, _ = run.stops[6]
    pause_from, pause = begin + 210.0, 7200.0
    path = run.write(tmp_path / "paused.bdf.csv", start=START, pause=(pause_from, pause))
    paused = analyse(read_points(CyclingSource(path)), Understanding(positive_current="delithiation"))
    assert paused.points.elapsed_s[-1] == pytest.approx(paused.points.time_s[-1] + pause)
    assert any("paused" in warning for warning in paused.warnings)
    for _, later, capacity in run.stops[7:10]:
        state = found(at(paused, later + pause + 20, later + pause + 200))
        assert per_g(state.middle.capacity_Ah) == pytest.approx(capacity, abs=0.1)
        assert state.rest_share == pytest.approx(1.0)
    assert "the record has no point for 2" in lost(at(paused, pause_from + 3600, pause_from + 3700)).reason
    times = np.array([[(s[k] - START).total_seconds() for k in ("start", "end")] for s in run.scans])  # type: ignore[operator]
    times += np.where(times[:, :1] - 1234 > pause_from, pause, 0.0)
    answer = align(Intervals(*times.T), rest_windows(paused))
    assert isinstance(answer, Alignment)
    assert answer.clock.offset_s == pytest.approx(1234.0, abs=15.0)
    assert answer.stops == 26
