"""Steps, half-cycles and cycles of records whose charge is known."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.cycling import (
    Cutoffs,
    Points,
    Understanding,
    analyse,
    differential_capacity,
    figures_of,
    voltage_curve,
)
from siltomo.errors import BadInputError, MismatchError

CYCLE = [(0.0, 0.5), (-2.0, 2.0), (0.0, 0.5), (2.0, 1.5), (0.0, 0.5)]


def test_one_cycle_with_rests(make_points) -> None:
    record = analyse(make_points([*CYCLE, *CYCLE[1:]]))
    assert [s.kind for s in record.steps[:5]] == ["rest", "lithiation", "rest", "delithiation", "rest"]
    assert record.positive_current == "delithiation"
    first = record.cycles[0]
    assert first.lithiation.capacity_Ah == pytest.approx(4e-3, rel=1e-12)
    assert first.delithiation.capacity_Ah == pytest.approx(3e-3, rel=1e-12)
    assert first.lithiation.mean_current_A == pytest.approx(2e-3, rel=1e-12)
    assert first.lithiation.end_voltage_V == pytest.approx(0.6)
    assert first.complete
    assert figures_of(record)[0].coulombic_efficiency == pytest.approx(0.75, rel=1e-12)
    assert figures_of(record)[0].irreversible_mAh == pytest.approx(1.0, rel=1e-12)


def test_a_pause_does_not_end_a_half_cycle(make_points) -> None:
    stops = [(-2.0, 0.25), (0.0, 7 / 60)] * 26
    record = analyse(make_points([*stops, (2.0, 6.0), (-2.0, 1.0)]))
    lithiation = record.half_cycles[0]
    assert len(record.half_cycles) == 3
    assert lithiation.capacity_Ah == pytest.approx(26 * 0.5e-3, rel=1e-9)
    assert sum(record.steps[n].kind == "rest" for n in lithiation.steps) == 25
    rests = [step for step in record.steps if step.kind == "rest"]
    assert [r.capacity_before_Ah for r in rests] == pytest.approx(
        [0.5e-3 * n for n in range(1, 27)], rel=1e-9
    )
    # the last pause is outside the half-cycle and belongs to its end
    assert rests[-1].half_cycle == 0
    assert rests[-1].cycle == 1


def test_capacity_at_each_point_is_that_of_the_half_cycle(make_points) -> None:
    points = make_points(CYCLE)
    record = analyse(points)
    first, last = record.steps[1].first, record.steps[1].last
    expected = 2e-3 * (points.time_s[first : last + 1] - points.time_s[first]) / 3600
    np.testing.assert_allclose(record.capacity_Ah[first : last + 1], expected, atol=1e-15)
    assert np.isnan(record.capacity_Ah[: record.steps[0].last + 1]).all()
    rest = record.steps[2]
    np.testing.assert_allclose(record.capacity_Ah[rest.first : rest.last + 1], 4e-3)
    assert (
        record.step_of
        == np.searchsorted([s.first for s in record.steps], np.arange(len(points)), "right") - 1
    ).all()


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.tuples(
            st.floats(0.1, 5.0), st.integers(1, 8), st.floats(0.1, 5.0), st.integers(1, 8), st.integers(0, 3)
        ),
        min_size=2,
        max_size=6,
    )
)
def test_charge_is_exact_whatever_the_protocol(cycles) -> None:
    segments, expected = [], []
    for down, hours_down, up, hours_up, rest in cycles:
        segments += (
            [(-down, hours_down), (0.0, rest), (up, hours_up)]
            if rest
            else [(-down, hours_down), (up, hours_up)]
        )
        expected += [down * hours_down, up * hours_up]
    time = np.concatenate([[0], np.cumsum([h for _, h in segments])]) * 3600
    moments = np.concatenate([np.linspace(a, b, 9) for a, b in pairwise(time)])
    current = np.repeat([i / 1e3 for i, _ in segments], 9)
    record = analyse(Points(moments, current, np.zeros(len(moments)), "x"), Understanding("delithiation"))
    assert [h.capacity_Ah * 1e3 for h in record.half_cycles] == pytest.approx(expected, rel=1e-9)


def test_a_logger_on_a_fixed_grid_is_right_on_average(make_points) -> None:
    # switching lies between two points: what one border loses the next one gives back
    stops = [(-2.0, 0.25), (0.0, 0.1)] * 20
    record = analyse(make_points([*stops, (2.0, 4.0)], every=10.0, events=False))
    assert record.half_cycles[0].capacity_Ah == pytest.approx(20 * 0.5e-3, abs=2e-3 * 10 / 3600)
    assert record.half_cycles[0].unsure_Ah > 0


def test_step_time_says_when_the_current_was_switched(make_points) -> None:
    # points every 600 s that miss the switch by 200 s, and a cycler that says so
    time = np.array([0.0, 600, 800 + 200, 1600, 2200, 2400 + 300, 3300])
    step_time = np.array([0.0, 600, 200, 800, 1400, 300, 900])
    current = np.array([0.0, 0, -1e-3, -1e-3, -1e-3, 1e-3, 1e-3])
    points = Points(time, current, np.array([3, 3, 1, 0.9, 0.8, 0.9, 1.0]), "x", step_time_s=step_time)
    record = analyse(points)
    assert record.half_cycles[0].capacity_Ah == pytest.approx(1e-3 * 1600 / 3600, rel=1e-12)
    assert (record.steps[1].start_s, record.steps[1].end_s) == (800, 2400)
    assert record.half_cycles[0].unsure_Ah == 0


def test_mean_currents_are_taken_as_they_are() -> None:
    time = np.array([0.0, 100, 400, 500, 700])
    current = np.array([0.0, -1e-3, -3e-3, 2e-3, 2e-3])
    voltage = np.array([1.0, 0.8, 0.4, 0.5, 0.7])
    record = analyse(Points(time, current, voltage, "x", current_is_mean=True))
    assert [h.capacity_Ah * 3600 for h in record.half_cycles] == pytest.approx([0.1 + 0.9, 0.6], rel=1e-12)
    assert record.steps[1].start_s == 0


def test_a_lone_point_of_switching_starts_no_half_cycle(make_points) -> None:
    points = make_points([(0.0, 0.5), (-2.0, 2.0), (0.0, 0.5), (2.0, 1.5), (0.0, 0.1)])
    blip = int(np.searchsorted(points.time_s, 2.5 * 3600, side="right"))
    current = points.current_A.copy()
    current[blip] = 1e-4
    record = analyse(replace(points, current_A=current))
    assert len(record.half_cycles) == 2
    assert record.half_cycles[1].start_s == pytest.approx(3.0 * 3600)
    pause = next(s for s in record.steps if s.kind == "rest" and s.start_s > 2.5 * 3600)
    assert pause.half_cycle == 0


def test_noise_at_rest_is_rest(make_points) -> None:
    points = make_points([*CYCLE, *CYCLE[1:]])
    noisy = points.current_A + np.random.default_rng(1).normal(0, 1e-7, len(points))
    record = analyse(replace(points, current_A=noisy))
    assert len(record.half_cycles) == 4
    assert record.half_cycles[0].capacity_Ah == pytest.approx(4e-3, rel=1e-5)


def test_rest_current_may_be_said(make_points) -> None:
    points = make_points([(-2.0, 2.0), (-0.1, 1.0), (2.0, 1.5), (0.0, 0.1)])
    assert analyse(points).half_cycles[0].capacity_Ah == pytest.approx(4.1e-3)
    cut = analyse(points, Understanding(rest_current_A=2e-4))
    assert cut.half_cycles[0].capacity_Ah == pytest.approx(4.0e-3)


@pytest.mark.parametrize(("flip", "expected"), [(1, "delithiation"), (-1, "lithiation")])
def test_the_voltage_tells_the_sign(make_points, flip, expected) -> None:
    points = make_points(CYCLE)
    points = replace(points, current_A=flip * points.current_A)
    record = analyse(points)
    assert record.positive_current == expected
    assert [h.kind for h in record.half_cycles] == ["lithiation", "delithiation"]


def test_a_wrong_sign_is_refused_with_the_right_one(make_points) -> None:
    with pytest.raises(MismatchError, match="voltage rises under it") as caught:
        analyse(make_points(CYCLE), Understanding("lithiation"))
    assert caught.value.fix.options == {"--positive-current": "delithiation"}
    record = analyse(make_points(CYCLE), Understanding("lithiation", trust_sign=True))
    assert record.half_cycles[0].kind == "delithiation"


def test_a_flat_voltage_does_not_tell_the_sign(make_points) -> None:
    points = make_points(CYCLE)
    with pytest.raises(BadInputError, match="does not tell"):
        analyse(replace(points, voltage_V=np.full(len(points), 1.0)))


def test_a_half_cycle_cut_by_the_end_of_the_file_is_incomplete(make_points) -> None:
    record = analyse(make_points([*CYCLE, (-2.0, 1.5), (0.0, 0.1), (2.0, 0.2)]))
    second = record.cycles[1]
    assert second.lithiation.complete
    assert not second.delithiation.complete
    assert "record ends with it" in second.delithiation.reason
    figures = figures_of(record)[1]
    assert figures.coulombic_efficiency is None
    assert "not complete" in figures.reasons[0]
    assert figures.delithiation_mAh == pytest.approx(0.4)


def test_a_cut_off_decides_where_it_is_given(make_points) -> None:
    points = make_points(
        [*CYCLE, *CYCLE[1:]]
    )  # lithiation to 0.6 V then 0.5 V, delithiation to 0.9 V then 0.8 V
    reached = analyse(points, Understanding(cutoffs=Cutoffs(lower_V=0.602, upper_V=0.897)))
    assert [c.complete for c in reached.cycles] == [True, False]
    assert "before its cut-off of 0.897 V" in reached.cycles[1].delithiation.reason
    missed = analyse(points, Understanding(cutoffs=Cutoffs(lower_V=0.55)))
    assert not missed.cycles[0].lithiation.complete


def test_efficiency_above_one_is_flagged(make_points) -> None:
    record = analyse(make_points([(-2.0, 1.0), (2.0, 1.5), (-2.0, 1.5), (2.0, 1.5)]))
    assert figures_of(record)[0].coulombic_efficiency == pytest.approx(1.5)
    assert "above 100 %" in figures_of(record)[0].flags[0]


def test_a_record_that_begins_with_delithiation(make_points) -> None:
    record = analyse(
        make_points([(2.0, 1.0), (-2.0, 1.0), (2.0, 1.0), (-2.0, 0.5)]), Understanding(first_cycle=7)
    )
    assert [c.number for c in record.cycles] == [7, 8, 9]
    assert record.cycles[0].lithiation is None
    assert "no lithiation" in record.cycles[0].reason


def test_counters_that_disagree_are_reported_and_not_used(make_points) -> None:
    points = make_points(CYCLE)
    charge = np.concatenate([[0], np.cumsum(np.abs(points.current_A[1:]) * np.diff(points.time_s) / 3600)])
    same = analyse(replace(points, counters_Ah={"Q": charge}))
    assert not same.warnings
    off = analyse(replace(points, counters_Ah={"Q": 1.05 * charge}))
    assert "disagrees" in off.warnings[0]
    assert "+5.0%" in off.warnings[0]
    assert off.half_cycles[0].capacity_Ah == same.half_cycles[0].capacity_Ah


def test_cycle_numbers_that_disagree_are_reported(make_points) -> None:
    points = make_points([*CYCLE, *CYCLE[1:]])
    numbers = (np.arange(len(points)) * 3 // len(points)).astype(np.int64)
    assert any("counts 3 cycles" in w for w in analyse(replace(points, cycle=numbers)).warnings)


def test_a_hole_in_the_record_is_said(make_points) -> None:
    points = make_points([(-2.0, 2.0), (2.0, 2.0)])
    keep = (points.time_s < 1800) | (points.time_s > 5400)
    thin = replace(
        points, time_s=points.time_s[keep], current_A=points.current_A[keep], voltage_V=points.voltage_V[keep]
    )
    assert any("no points for 3620 s" in w and "2.01 mAh" in w for w in analyse(thin).warnings)


def test_no_current_at_all(make_points) -> None:
    record = analyse(make_points([(0.0, 1.0)]))
    assert record.cycles == ()
    assert len(record.steps) == 1


@pytest.mark.parametrize("step", [0.001, 0.005, 0.0333])
def test_differential_capacity_conserves_charge(make_points, step) -> None:
    record = analyse(make_points([(-2.0, 1.0), (0.0, 0.2), (-2.0, 1.0), (2.0, 1.5)]))
    lithiation = record.half_cycles[0]
    found = differential_capacity(record, lithiation, step_V=step)
    assert found.y.sum() * step == pytest.approx(4.0, rel=1e-9)
    inside = (found.x > 0.6 + step) & (found.x < 1.0 - step)
    np.testing.assert_allclose(found.y[inside], 10.0, rtol=1e-9)  # the phantom has 10 mAh per volt
    curve = voltage_curve(record, lithiation)
    np.testing.assert_allclose(curve.y, 1.0 - 0.1 * curve.x, atol=1e-12)
