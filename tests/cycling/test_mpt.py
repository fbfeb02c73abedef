"""BioLogic's text export: line ends, decimal signs, headers, dates, masses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from siltomo.cycling import CyclingSource, analyse, read_points
from siltomo.errors import FormatError

Write = Callable[..., Path]

ROWS = [(0.0, 0.5, -1.0, 0.0), (1800.0, 0.4, -1.0, -0.5), (3600.0, 0.3, -1.0, -0.5), (3600.1, 0.35, 1.0, 0.0)]
ROWS += [(5400.0, 0.5, 1.0, 0.5)]


@pytest.fixture
def mpt(tmp_path: Path) -> Write:
    """Write a small .mpt file."""

    def write(
        header: tuple[str, ...] = (),
        names: str = "time/s\tEwe/V\tI/mA\tdq/mA.h",
        *,
        comma: bool = False,
        end: str = "\r\n",
        rows: list[tuple[float, ...]] = ROWS,
        tail: str = "",
    ) -> Path:
        lines = [
            "EC-Lab ASCII FILE",
            f"Nb header lines : {3 + len(header)}                ",
            *header,
            names + "\t",
        ]
        lines += ["\t".join(f"{value:.7E}" for value in row) for row in rows]
        text = end.join(lines) + end
        head, table = text.split(names)
        text = head + names + (table.replace(".", ",") if comma else table) + tail
        path = tmp_path / "run.mpt"
        path.write_bytes(text.encode("latin-1"))
        return path

    return write


@pytest.mark.parametrize("comma", [False, True])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_ends_and_decimal_signs_make_no_difference(mpt: Write, comma: bool, end: str) -> None:
    points = read_points(CyclingSource(mpt(comma=comma, end=end)))
    np.testing.assert_allclose(points.time_s, [row[0] for row in ROWS])
    np.testing.assert_allclose(points.current_A * 1e3, [row[2] for row in ROWS])
    assert analyse(points).half_cycles[0].capacity_Ah == pytest.approx(1e-3)


def test_letters_beyond_ascii_are_read(mpt: Write) -> None:
    points = read_points(CyclingSource(mpt(("Electrolyte : LP30 à 25 °C", "Comments : µ-anode"))))
    assert points.facts["electrolyte"] == "LP30 à 25 °C"
    assert points.facts["comments"] == "µ-anode"


def test_a_missing_current_is_taken_from_the_charge(mpt: Write) -> None:
    names = "time/s\tEwe/V\tdq/mA.h"
    points = read_points(CyclingSource(mpt(names=names, rows=[(t, v, q) for t, v, _, q in ROWS])))
    assert points.current_is_mean
    assert "no column of current" in points.warnings[0]
    assert [h.capacity_Ah * 1e3 for h in analyse(points).half_cycles] == pytest.approx([1.0, 0.5])


@pytest.mark.parametrize(
    ("names", "missing"),
    [
        ("time/s\tI/mA\tx", "Ewe/V or Ecell/V"),
        ("Ewe/V\tI/mA\tx", "time/s"),
        ("time/s\tEwe/V\tx", "I/mA, <I>/mA or dq"),
    ],
)
def test_a_missing_column_is_named_with_those_there(mpt: Write, names: str, missing: str) -> None:
    with pytest.raises(FormatError, match=missing) as caught:
        read_points(CyclingSource(mpt(names=names, rows=[(0.0, 1.0, 2.0)])))
    assert "I/mA" in caught.value.message or "x" in caught.value.message
    assert caught.value.code == "SIL146"


@pytest.mark.parametrize(
    ("text", "day", "words"),
    [
        ("11/19/2024 15:14:45.925", datetime(2024, 11, 19, 15, 14, 45, 925000), ""),
        ("19/11/2024 15:14:45.925", datetime(2024, 11, 19, 15, 14, 45, 925000), ""),
        ("05/05/2025 01:02:03", datetime(2025, 5, 5, 1, 2, 3), ""),
        ("05/06/2025 01:02:03", datetime(2025, 5, 6, 1, 2, 3), "read as 6 May 2025; if it was 5 June 2025"),
    ],
)
def test_the_start_and_what_is_unsure_of_it(mpt: Write, text: str, day: datetime, words: str) -> None:
    points = read_points(CyclingSource(mpt((f"Acquisition started on : {text}",))))
    assert points.local_start == day
    assert points.start is None
    assert [words in w for w in points.warnings] == ([True] if words else [])


def test_the_order_of_day_and_month_may_be_said(mpt: Write) -> None:
    path = mpt(("Acquisition started on : 05/06/2025 01:02:03",))
    points = read_points(CyclingSource(path, date_order="day-first", timezone="Europe/Zurich"))
    assert points.start == datetime(2025, 6, 4, 23, 2, 3, tzinfo=UTC)
    assert not points.warnings


def test_the_start_is_that_of_the_first_point(mpt: Write) -> None:
    # exported from the middle of an experiment: time/s goes on counting from the start of the acquisition,
    # here across the end of summer time
    rows = [(t + 2 * 86400, *rest) for t, *rest in ROWS]
    path = mpt(("Acquisition started on : 10/25/2024 12:00:00",), rows=rows)
    points = read_points(CyclingSource(path, timezone="Europe/Zurich"))
    assert points.time_s[0] == 0
    assert points.start == datetime(2024, 10, 27, 10, 0, tzinfo=UTC)
    assert points.local_start == datetime(2024, 10, 27, 11, 0)


@pytest.mark.parametrize(
    ("mass", "reported"),
    [
        ("0.001 g", False),
        ("1.000 mg", False),
        ("7000.000 mg", False),
        ("0,001 mg", False),
        ("0.00052 g", True),
    ],
)
def test_masses_of_the_header_are_reported_unless_default(mpt: Write, mass: str, reported: bool) -> None:
    points = read_points(CyclingSource(mpt((f"Characteristic mass : {mass}",))))
    assert any("characteristic mass" in w for w in points.warnings) is reported


def test_a_cut_line_is_refused_or_left_out(mpt: Write) -> None:
    path = mpt(tail="7.2E+003\t0.")
    with pytest.raises(FormatError, match="line 9 is cut off") as caught:
        read_points(CyclingSource(path))
    assert caught.value.code == "SIL143"
    points = read_points(CyclingSource(path, allow_gaps=True))
    assert len(points) == len(ROWS)
    assert "left out" in points.warnings[0]


def test_a_cut_header_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cut.mpt"
    path.write_bytes(b"EC-Lab ASCII FILE\r\nNb header lines : 90\r\n\r\nGCPL\r\n")
    with pytest.raises(FormatError, match="should have 90 lines, and has 4"):
        read_points(CyclingSource(path))


def test_a_header_without_points_is_refused(mpt: Write) -> None:
    with pytest.raises(FormatError, match="holds 0 points"):
        read_points(CyclingSource(mpt(rows=[])))


def test_time_that_runs_backwards_is_refused(mpt: Write) -> None:
    rows = [*ROWS, (100.0, 0.5, 1.0, 0.5)]
    with pytest.raises(
        FormatError, match="time axis cannot be true: it goes from 5400 s back to 100 s at row 9"
    ):
        read_points(CyclingSource(mpt(rows=rows)))


def test_a_time_zone_that_is_none(mpt: Write) -> None:
    with pytest.raises(Exception, match="no time zone 'Zurich/Europe'"):
        read_points(
            CyclingSource(mpt(("Acquisition started on : 10/25/2024 12:00:00",)), timezone="Zurich/Europe")
        )
