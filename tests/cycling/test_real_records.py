"""Records made by others: their capacities are known from elsewhere."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from siltomo.cycling import (
    Cutoffs,
    CyclingSource,
    Understanding,
    analyse,
    figures_of,
    parse_columns,
    read_points,
)
from siltomo.errors import FormatError

Real = Callable[[str], Path]

CUSTOM = parse_columns("time=test_time [s],current=current [mA],voltage=voltage [V]")


def test_the_silicon_half_cell(real: Real) -> None:
    record = analyse(read_points(CyclingSource(real("echem/cellpy/20160805_test001_45_cc_v8.h5"))))
    first = record.cycles[0]
    # cellpy takes the cycler's counters, which are 1.5e-4 off the current
    assert first.lithiation.capacity_Ah * 1e3 == pytest.approx(1.7551, rel=3e-4)
    assert first.delithiation.capacity_Ah * 1e3 == pytest.approx(1.6254, rel=3e-4)
    assert len(record.cycles) == 18
    assert sum(cycle.complete for cycle in record.cycles) == 17
    assert record.positive_current == "delithiation"
    assert all(figure.coulombic_efficiency > 1 for figure in figures_of(record)[1:17])
    assert not any("disagrees" in warning for warning in record.warnings)


def test_the_silicon_half_cell_against_cellpys_own_summary(real: Real) -> None:
    pytest.importorskip("pyarrow")
    import pandas as pd

    record = analyse(read_points(CyclingSource(real("echem/cellpy/20160805_test001_45_cc_v8.h5"))))
    theirs = pd.read_parquet(real("reference/cellpy/pipeline_smoke/summary.parquet"))
    lithiation = [cycle.lithiation.capacity_Ah * 1e3 for cycle in record.cycles]
    np.testing.assert_allclose(theirs["discharge_capacity"].to_numpy() * 1e3, lithiation, rtol=3e-4)
    delithiation = [cycle.delithiation.capacity_Ah * 1e3 for cycle in record.cycles[:17]]
    np.testing.assert_allclose(theirs["charge_capacity"].to_numpy()[:17] * 1e3, delithiation, rtol=3e-4)


def test_the_graphite_rate_test(real: Real) -> None:
    record = analyse(read_points(CyclingSource(real("echem/cellpy/20231115_rate_cc.h5"))))
    figures = figures_of(record)
    assert len(figures) == 20
    assert all(one.complete for one in figures)
    assert figures[0].delithiation_mAh / 15.4071e-3 == pytest.approx(350, abs=1)
    assert figures[0].coulombic_efficiency == pytest.approx(0.9451, abs=1e-4)
    assert all(one.coulombic_efficiency > 0.99 for one in figures[1:])
    assert {round(one.delithiation_end_V, 2) for one in figures} == {1.5}
    assert any("test was paused" in warning for warning in record.warnings)


def test_nine_half_cycles_of_a_gcpl(real: Real) -> None:
    record = analyse(read_points(CyclingSource(real("echem/yadg/gcpl.pr_182.1.mpt"))))
    # the file's own column 'Q charge/discharge' at the end of each 'half cycle'; its number 1 holds no points
    stated = [3.25196, 2.61607, 2.25243, 2.09263, 2.11951, 1.98816, 2.08828, 1.97890]
    assert [h.capacity_Ah * 1e3 for h in record.half_cycles] == pytest.approx(stated, abs=6e-6)
    assert record.points.current_is_mean


def test_half_cycles_of_a_bcd(real: Real) -> None:
    points = read_points(CyclingSource(real("echem/yadg/bcd.issue_241.mpt"), timezone="Europe/Zurich"))
    record = analyse(points, Understanding(cutoffs=Cutoffs(0.01, 1.0)))
    assert [h.capacity_Ah * 1e3 for h in record.half_cycles] == pytest.approx([5.4646, 5.4521], rel=4e-5)
    assert record.cycles[0].complete
    assert not any("mass" in warning for warning in record.warnings)
    # 19 November 15:14:45.925 and 728075.529 s
    assert str(points.local_start) == "2024-11-28 01:29:21.453681"


def test_decimal_commas_equal_their_twin(real: Real) -> None:
    comma, point = (read_points(CyclingSource(real(f"echem/yadg/mb.issue_95{n}.mpt"))) for n in (".de", ""))
    for name in ("time_s", "current_A", "voltage_V", "step", "cycle"):
        np.testing.assert_array_equal(getattr(comma, name), getattr(point, name))
    assert comma.local_start == point.local_start
    assert "12/08/2022 was read as 8 December 2022; if it was 12 August 2022" in comma.warnings[0]


def test_battery_data_format(real: Real) -> None:
    name = "echem/bdf/SINTEF__LiGrR2032__2024-04-30__25degC__Landt.bdf.csv"
    record = analyse(read_points(CyclingSource(real(name))))
    assert len(record.points) == 25162
    assert record.points.time_s[-1] / 3600 == pytest.approx(72.96, abs=0.01)
    assert (record.points.voltage_V.min(), record.points.voltage_V.max()) == pytest.approx(
        (0.01, 2.92), abs=0.005
    )
    assert any("written to +/- 0.05 mA" in warning for warning in record.warnings)
    assert any("counter disagrees" in warning for warning in record.warnings)


def test_the_good_small_table(real: Real) -> None:
    points = read_points(CyclingSource(real("echem/cellpy/custom_good_small.csv"), columns=CUSTOM))
    assert len(points) == 60
    assert points.voltage_V[-1] == 1.54


@pytest.mark.parametrize(
    ("name", "words", "code"),
    [
        ("missing_column", "no column is called 'voltage'", "SIL146"),
        ("missing_cycle", "go from 1 to 3, and of cycle 2 there is no point", "SIL145"),
        ("nan_inf", "row 24 has no number for the voltage", "SIL143"),
        ("truncated", "row 80 is cut off", "SIL143"),
    ],
)
def test_broken_tables_are_clear_errors(real: Real, name: str, words: str, code: str) -> None:
    source = CyclingSource(real(f"echem/cellpy/custom_{name}.csv"), columns=CUSTOM)
    with pytest.raises(FormatError, match=words) as caught:
        read_points(source)
    assert caught.value.code == code
    assert caught.value.fix
    assert caught.value.where.endswith(f"custom_{name}.csv")


@pytest.mark.parametrize(("name", "rows"), [("missing_cycle", 40), ("nan_inf", 57), ("truncated", 59)])
def test_what_is_left_of_broken_tables_may_be_asked_for(real: Real, name: str, rows: int) -> None:
    source = CyclingSource(real(f"echem/cellpy/custom_{name}.csv"), columns=CUSTOM, allow_gaps=True)
    assert len(read_points(source)) == rows
