"""The cycler's files hold the capacities of the law, with the pauses in which scans were made."""

from __future__ import annotations

import itertools
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from siltomo.twin import Twin
from siltomo.twin.cycling import CLOCK_OFFSET_S, CyclerRun, write_mpt


def table(path: Path) -> dict[str, np.ndarray]:
    """Read an .mpt file by the book: the second line counts the header, decimals may be commas."""
    lines = path.read_bytes().decode("latin-1").splitlines()
    count = int(lines[1].split(":")[1])
    names = lines[count - 1].rstrip("\t").split("\t")
    rows = [[float(v.replace(",", ".")) for v in line.rstrip("\t").split("\t")] for line in lines[count:]]
    return dict(zip(names, np.array(rows).T, strict=True))


def run_of(formulation: str, cell: int) -> CyclerRun:
    twin = Twin(1, formulation)
    return CyclerRun(twin, twin.cells[cell])


@pytest.mark.parametrize(("formulation", "comma"), [("reference", False), ("with-zn", True)])
def test_capacities_are_those_of_the_law(tmp_path, formulation, comma):
    run = run_of(formulation, 0)
    write_mpt(run, tmp_path / "run.mpt", comma=comma, line_end="\r\n" if comma else "\n")
    points = table(tmp_path / "run.mpt")
    charge = points["dq/mA.h"] / (run.mass_mg / 1000)
    for number, (cycle, half, full, current, _) in enumerate(run.halves()):
        own = (points["half cycle"] == number) & (points["<I>/mA"] != 0)
        assert abs(charge[own].sum()) == pytest.approx(full, rel=1e-8)
        assert np.sign(charge[own]).min() == np.sign(charge[own]).max() == (-1 if half == "lithiation" else 1)
        assert np.abs(points["<I>/mA"][own]) == pytest.approx(current * run.mass_mg / 1000, rel=1e-6)
        end = points["Ewe/V"][own][-1]
        if run.twin.law.cycles[cycle].complete or half == "lithiation":
            assert end == pytest.approx(0.005 if half == "lithiation" else 1.0, abs=1e-6)
        else:
            assert end < 0.9
    assert (np.diff(points["time/s"]) > 0).all()
    # the mean current of a row is its charge over the time since the row before
    seconds = np.diff(points["time/s"], prepend=0)
    np.testing.assert_allclose(points["<I>/mA"] * seconds / 3600, points["dq/mA.h"], atol=1e-8)


def test_decimal_commas_and_line_ends_change_nothing(tmp_path):
    run = run_of("with-zn", 2)
    write_mpt(run, tmp_path / "comma.mpt", comma=True, line_end="\r\n")
    write_mpt(run, tmp_path / "point.mpt")
    assert b"\r\n" in (tmp_path / "comma.mpt").read_bytes()
    assert b"\xb5" in (tmp_path / "point.mpt").read_bytes()
    comma, point = table(tmp_path / "comma.mpt"), table(tmp_path / "point.mpt")
    for name, values in point.items():
        np.testing.assert_array_equal(comma[name], values)


def test_aged_cells_run_as_often_as_they_should():
    for index, cycles in ((2, 1), (3, 5), (4, 25)):
        run = run_of("reference", index)
        halves = list(run.halves())
        assert len(halves) == 2 * cycles
        assert halves[-1][2] == pytest.approx(run.twin.law.aged_delithiation(cycles))
        rates = {c: round(3579 / current) for c, _, _, current, _ in halves}
        assert rates == {c: 40 if c == 1 else 20 if c <= 6 else 10 for c in range(1, cycles + 1)}


@pytest.mark.parametrize("formulation", ["reference", "with-zn"])
def test_every_scan_lies_in_a_rest_once_the_clocks_agree(formulation):
    run = run_of(formulation, 0)
    rests = [(p.start_s, p.end_s) for p in run.phases if p.kind == "rest"]
    offset = timedelta(seconds=CLOCK_OFFSET_S)
    intervals = []
    for moment in run.twin.operando:
        for kind in ("micro", "wide"):
            begin, end = ((t - offset - run.start).total_seconds() for t in run.scan_time(moment, kind))
            assert sum(a <= begin and end <= b for a, b in rests) == 1, moment
            intervals.append((begin, end))
    assert intervals == sorted(intervals)
    assert all(a[1] < b[0] for a, b in itertools.pairwise(intervals))


def test_stops_are_every_quarter_of_an_hour_and_then_every_half():
    twin = Twin(1, "reference")
    stops = np.array(twin.stops(1, "lithiation"))
    assert stops[:4] * 60 / 477 == pytest.approx([15, 30, 45, 75])
    assert np.diff(stops[2:-1]) == pytest.approx(238.5)
    assert stops[-1] == 2779
