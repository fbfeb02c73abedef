"""The offset between two clocks, from scans that lie in rests: phantoms with a known clock, refusals, laws."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.cycling.align import align, check_clock, find_jump
from siltomo.cycling.align_answer import Alignment, Limits, Refusal
from siltomo.cycling.align_drift import clock_region
from siltomo.cycling.align_sweep import Intervals, plateaus
from siltomo.cycling.clock import SECONDS_PER_DAY, Clock

REST, LEAD = 420.0, 20.0
PAPER = [900.0] * 3 + [1800.0] * 23
IRREGULAR = [900.0, 900.0, 1800.0, 2400.0, 900.0, 3300.0, 1500.0, 2700.0]


def rests_after(spells: list[float], *, sampling: float = 10.0, seed: int = 0) -> Intervals:
    """Rests of seven minutes after spells of current, seen through a sampling."""
    ends = np.cumsum(np.array(spells) + REST)
    jitter = np.random.default_rng(seed).uniform(0, sampling, (2, len(spells)))
    return Intervals(ends - REST - jitter[0], ends + jitter[1])


def two_scans_a_stop(
    spells: list[float], *, offset: float, drift: float = 0.0, noise: float = 0.0, which: slice = slice(None)
) -> Intervals:
    """Two magnifications at each stop, three minutes each, on the beamline's clock."""
    starts = (np.cumsum(np.array(spells) + REST) - REST)[which]
    starts = starts + np.random.default_rng(1).normal(0, noise, len(starts))
    first = np.stack([starts + LEAD, starts + LEAD + 180.0], 1)
    second = np.stack([starts + REST - LEAD - 180.0, starts + REST - LEAD], 1)
    both = offset + (1 + drift) * np.stack([first, second], 1).reshape(-1, 2)
    return Intervals(both[:, 0], both[:, 1])


def found(answer: Alignment | Refusal) -> Alignment:
    assert isinstance(answer, Alignment), answer
    return answer


def refused(answer: Alignment | Refusal) -> Refusal:
    assert isinstance(answer, Refusal), answer
    return answer


def test_the_paper_s_timing_is_found_within_its_margin() -> None:
    scans = two_scans_a_stop(PAPER, offset=1234.0, noise=3.0)
    answer = found(align(scans, rests_after(PAPER)))
    assert answer.clock.offset_s == pytest.approx(1234.0, abs=15.0)
    assert answer.low_s <= 1234.0 <= answer.high_s
    assert abs(answer.clock.offset_s - 1234.0) < 3 * answer.clock.offset_uncertainty_s
    assert answer.rest_of == tuple(n // 2 for n in range(52))
    assert (answer.stops, answer.drift_is_estimated) == (26, False)
    assert answer.runner_up is not None
    assert (answer.runner_up.stops, abs(answer.runner_up.shift)) == (23, 1), "the three short stops tell it"


def test_the_margin_is_the_room_the_scans_have() -> None:
    rests = rests_after(IRREGULAR, sampling=0.0)
    answer = found(align(two_scans_a_stop(IRREGULAR, offset=77.0), rests, Limits(slack_s=0.0)))
    assert (answer.low_s, answer.high_s) == pytest.approx((77.0 - LEAD, 77.0 + LEAD))
    assert answer.margin_s == pytest.approx(LEAD)
    assert (
        check_clock(two_scans_a_stop(IRREGULAR, offset=77.0), rests, Clock(77.0 + LEAD + 5.0)).count(-1) == 8
    )


def test_the_sweep_counts_what_a_fine_grid_counts() -> None:
    rng = np.random.default_rng(3)
    rests = rests_after(IRREGULAR)
    starts = np.sort(rng.uniform(0, 14_000, 12))
    scans = Intervals(starts, starts + rng.uniform(60, 300, 12))
    swept = plateaus(scans, rests, search=(-9000.0, 9000.0), slack_s=0.0)
    for offset in rng.uniform(-9000, 9000, 300):
        brute = sum(
            any(r <= a - offset and b - offset <= s for r, s in zip(rests.start_s, rests.end_s, strict=True))
            for a, b in zip(scans.start_s, scans.end_s, strict=True)
        )
        assert brute == max((p.fits for p in swept if p.low_s <= offset <= p.high_s), default=0)


def test_equal_spacing_is_ambiguous_by_one_stop() -> None:
    even = [1800.0] * 10
    answer = refused(align(two_scans_a_stop(even, offset=60.0), rests_after(even)))
    assert answer.why == "ambiguous"
    assert answer.reason == "a shift by one stop fits 9 of 10 stops too"
    assert {other.shift for other in answer.candidates} == {0, -1, 1}
    assert answer.candidates[0].offset_s == pytest.approx(60.0, abs=15)


def test_equal_spacing_is_no_riddle_where_the_clocks_are_known_to_agree() -> None:
    even = [1800.0] * 10
    near = Limits(search_s=(-600.0, 600.0))
    assert found(align(two_scans_a_stop(even, offset=60.0), rests_after(even), near)).stops == 10


def test_scans_of_one_of_two_like_cycles_are_ambiguous() -> None:
    twice = [*IRREGULAR, 9000.0, *IRREGULAR[1:]]
    scans = two_scans_a_stop(twice, offset=0.0, which=slice(1, 8))
    far = Limits(search_s=(-50_000.0, 50_000.0))
    answer = refused(align(scans, rests_after(twice), far))
    assert (answer.why, answer.candidates[1].stops) == ("ambiguous", 7)
    assert answer.reason == "another order of stops in rests fits 7 of 7 stops too"
    assert isinstance(align(scans, rests_after(twice)), Alignment), (
        "the other cycle is out of reach of three hours"
    )


@pytest.mark.parametrize("stops", [1, 2])
def test_too_few_stops_tell_nothing(stops: int) -> None:
    scans = two_scans_a_stop(IRREGULAR, offset=0.0, which=slice(3, 3 + stops))
    assert refused(align(scans, rests_after(IRREGULAR))).why in {"ambiguous", "too_few"}
    alone = Limits(search_s=(-60.0, 60.0))
    answer = refused(align(scans, rests_after(IRREGULAR), alone))
    assert answer.why == "too_few"
    assert "3 are needed" in answer.reason


def test_a_scan_under_current_is_named() -> None:
    scans = two_scans_a_stop(IRREGULAR, offset=500.0)
    start, end = scans.start_s.copy(), scans.end_s.copy()
    start[5] += 600.0
    end[5] += 600.0
    answer = refused(align(Intervals(start, end), rests_after(IRREGULAR)))
    assert (answer.why, answer.misfits) == ("misfits", (5,))
    assert answer.reason == "at the best offset 1 of 16 scans lie in no rest"


def test_cycling_that_was_not_interrupted_is_refused() -> None:
    scans = two_scans_a_stop(IRREGULAR, offset=0.0)
    short = Intervals(np.array([1000.0]), np.array([1060.0]))
    assert "not interrupted for the scans" in refused(align(scans, short)).reason
    none = Intervals(np.empty(0), np.empty(0))
    assert refused(align(scans, none)).reason == "the record has no rest"
    assert refused(align(none, short)).reason == "there is no scan with a start and an end"


# ---- drift -----------------------------------------------------------------------------------------------------

LONG = [900.0, 900.0, 1800.0, 40_000.0, 900.0, 2700.0, 1800.0, 90_000.0, 1200.0, 900.0, 2400.0, 1800.0]


@pytest.mark.parametrize("per_day", [-60.0, 45.0, 80.0])
def test_a_drift_that_no_offset_explains_is_estimated(per_day: float) -> None:
    drift = per_day / SECONDS_PER_DAY
    scans = two_scans_a_stop(LONG, offset=300.0, drift=drift, noise=2.0)
    answer = found(align(scans, rests_after(LONG)))
    assert answer.drift_is_estimated
    assert answer.drift_low <= drift <= answer.drift_high
    assert abs(answer.clock.drift - drift) < 3 * answer.drift_uncertainty
    assert abs(answer.clock.offset_s - 300.0) < 3 * answer.clock.offset_uncertainty_s
    assert answer.rest_of == tuple(n // 2 for n in range(24))


def test_a_drift_that_is_given_is_taken() -> None:
    drift = 60.0 / SECONDS_PER_DAY
    scans = two_scans_a_stop(LONG, offset=300.0, drift=drift)
    answer = found(align(scans, rests_after(LONG), Limits(drift=drift)))
    assert (answer.clock.drift, answer.drift_is_estimated) == (pytest.approx(drift), False)
    assert answer.clock.offset_s == pytest.approx(300.0, abs=15.0)
    wrong = refused(align(scans, rests_after(LONG), Limits(drift=-drift)))
    assert wrong.why == "misfits"


def test_few_stops_do_not_tell_a_drift() -> None:
    spells = [900.0, 1800.0, 200_000.0, 1200.0]
    scans = two_scans_a_stop(spells, offset=300.0, drift=60.0 / SECONDS_PER_DAY)
    answer = refused(align(scans, rests_after(spells)))
    assert answer.why == "too_few"
    assert "cannot tell a drift: 6 are needed" in answer.reason


def test_the_region_of_clocks_is_the_polygon_that_brute_force_finds() -> None:
    scans = two_scans_a_stop(IRREGULAR, offset=50.0)
    stops = Intervals(scans.start_s[::2], scans.end_s[1::2])
    rests = rests_after(IRREGULAR)
    region = clock_region(stops, rests, search=(-1000.0, 1000.0), max_drift=0.02, slack_s=0.0)
    assert region is not None
    drifts, offsets = np.meshgrid(np.linspace(-0.005, 0.005, 801), np.linspace(0, 100, 801), indexing="ij")
    inside = np.ones_like(drifts, bool)
    for a, b, r, s in zip(stops.start_s, stops.end_s, rests.start_s, rests.end_s, strict=True):
        inside &= (offsets + (1 + drifts) * r <= a) & (offsets + (1 + drifts) * s >= b)
    assert region.drift == pytest.approx(drifts[inside].mean(), abs=2e-5)
    assert region.offset_s == pytest.approx(offsets[inside].mean(), abs=0.2)
    assert region.offset_uncertainty_s == pytest.approx(offsets[inside].std(), rel=0.02)
    assert region.drift_uncertainty == pytest.approx(drifts[inside].std(), rel=0.02)
    assert (region.drift_low, region.drift_high) == pytest.approx(
        (drifts[inside].min(), drifts[inside].max()), abs=3e-5
    )


# ---- daylight saving -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("jump", [-3600.0, 3600.0])
def test_a_wall_clock_that_jumps_is_recognised(jump: float) -> None:
    straight = two_scans_a_stop(PAPER, offset=1234.0)
    moved = np.where(np.arange(52) >= 20, jump, 0.0)
    scans = Intervals(straight.start_s + moved, straight.end_s + moved)
    assert refused(align(scans, rests_after(PAPER))).why == "misfits"
    assert find_jump(scans, rests_after(PAPER)) == (20, jump)
    assert find_jump(two_scans_a_stop(IRREGULAR, offset=0.0), rests_after(PAPER[3:])) is None


# ---- laws ------------------------------------------------------------------------------------------------------

laws = settings(max_examples=40, deadline=None)


@laws
@given(shift=st.floats(-5000, 5000))
def test_shifting_the_clock_shifts_the_offset(shift: float) -> None:
    scans = two_scans_a_stop(IRREGULAR, offset=0.0, noise=3.0)
    moved = Intervals(scans.start_s + shift, scans.end_s + shift)
    one = found(align(scans, rests_after(IRREGULAR)))
    other = found(align(moved, rests_after(IRREGULAR), Limits(search_s=(-10_800 + shift, 10_800 + shift))))
    assert other.clock.offset_s == pytest.approx(one.clock.offset_s + shift, abs=1e-6)
    assert (other.rest_of, other.stops) == (one.rest_of, one.stops)
    assert other.margin_s == pytest.approx(one.margin_s, abs=1e-6)


@laws
@given(order=st.permutations(range(16)), spacing=st.sampled_from([IRREGULAR, [1800.0] * 8]))
def test_the_order_of_the_scans_makes_no_difference(order: list[int], spacing: list[float]) -> None:
    scans = two_scans_a_stop(spacing, offset=900.0, noise=3.0)
    mixed = scans.taken(np.array(order))
    one, other = align(scans, rests_after(spacing)), align(mixed, rests_after(spacing))
    if isinstance(one, Refusal):
        assert refused(other).candidates == one.candidates
    else:
        assert found(other).clock == one.clock
        assert found(other).rest_of == tuple(one.rest_of[n] for n in order)


@laws
@given(
    spells=st.lists(st.floats(600, 4000), min_size=3, max_size=10),
    offset=st.floats(-3000, 3000),
    noise=st.floats(0, 3),
)
def test_an_offset_is_right_or_refused(spells: list[float], offset: float, noise: float) -> None:
    answer = align(two_scans_a_stop(spells, offset=offset, noise=noise), rests_after(spells))
    if isinstance(answer, Alignment):
        assert answer.low_s - 1e-6 <= offset <= answer.high_s + 1e-6
        assert -1 not in answer.rest_of
    else:
        assert answer.why in {"ambiguous", "too_few"}
        near = [c.offset_s for c in answer.candidates]
        assert any(abs(c - offset) < LEAD + 15 for c in near), "the truth is among the candidates"


@laws
@given(offset=st.floats(-1e5, 1e5), drift=st.floats(-1e-3, 1e-3), time=st.floats(0, 1e6))
def test_a_clock_goes_there_and_back(offset: float, drift: float, time: float) -> None:
    clock = Clock(offset, drift)
    assert clock.record_s(clock.beamline_s(time)) == pytest.approx(time, abs=1e-6)


def test_subsets_of_irregular_stops_agree() -> None:
    whole = two_scans_a_stop(IRREGULAR, offset=250.0)
    for left_out in itertools.combinations(range(8), 2):
        kept = np.array([n for n in range(16) if n // 2 not in left_out])
        answer = align(whole.taken(kept), rests_after(IRREGULAR))
        if isinstance(answer, Alignment):
            assert answer.clock.offset_s == pytest.approx(250.0, abs=15.0)
