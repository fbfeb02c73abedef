"""Tables of any maker: columns, units, delimiters, what is lost in them."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest

from siltomo.cycling import CyclingSource, analyse, parse_columns, read_points
from siltomo.cycling.columns import load_map, split_header
from siltomo.errors import BadInputError, FormatError, MissingPartError

TIME = [0.0, 1800.0, 3600.0, 3600.0, 5400.0]
CURRENT = [-1.0, -1.0, -1.0, 1.0, 1.0]
VOLTAGE = [0.5, 0.4, 0.3, 0.35, 0.5]


def write(path: Path, header: list[str], *columns: list[object], mark: str = ",", before: str = "") -> Path:
    rows = [mark.join(str(cell) for cell in row) for row in zip(*columns, strict=True)]
    path.write_text(before + "\n".join([mark.join(header), *rows]) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("header", "factor"),
    [
        (["Test Time / s", "Current / A", "Voltage / V"], 1e-3),
        (["test_time_second", "current_ampere", "voltage_volt"], 1e-3),
        (["Test_Time(s)", "Current(mA)", "Voltage(V)"], 1),
        (["time/s", "I/mA", "Ewe/V"], 1),
        (["Time [s]", "Current [uA]", "Potential [V]"], 1e3),
        (["Elapsed Time (s)", "current (mA)", "voltage (V)"], 1),
    ],
)
def test_headers_of_many_makers(tmp_path: Path, header: list[str], factor: float) -> None:
    path = write(tmp_path / "run.csv", header, TIME, [i * factor for i in CURRENT], VOLTAGE)
    points = read_points(CyclingSource(path))
    np.testing.assert_allclose(points.current_A, np.array(CURRENT) / 1e3)
    np.testing.assert_allclose(points.voltage_V, VOLTAGE)
    assert [h.capacity_Ah * 1e3 for h in analyse(points).half_cycles] == pytest.approx([1.0, 0.5])


@pytest.mark.parametrize("mark", [";", "\t"])
def test_decimal_commas_and_lines_before_the_table(tmp_path: Path, mark: str) -> None:
    def comma(values: list[float]) -> list[object]:
        return [str(v).replace(".", ",") for v in values]

    header = ["Time [s]", "Current [mA]", "Voltage [V]"]
    path = write(
        tmp_path / "run.txt",
        header,
        comma(TIME),
        comma(CURRENT),
        comma(VOLTAGE),
        mark=mark,
        before="a\nb;c\n\n",
    )
    np.testing.assert_allclose(read_points(CyclingSource(path)).voltage_V, VOLTAGE)


def test_neware_counts_the_whole_test_and_not_the_step(tmp_path: Path) -> None:
    header = ["Cycle Index", "Step Index", "Time", "Total Time", "Current(mA)", "Voltage(V)", "Date"]
    clock = ["0:00:00", "0:30:00", "1:00:00", "0:00:00", "0:30:00"]
    total = ["0:00:00", "0:30:00", "1:00:00", "1:00:00", "1:30:00.5"]
    date = ["2024-05-06 10:00:00"] * 5
    path = write(tmp_path / "n.csv", header, [1] * 5, [1, 1, 1, 2, 2], clock, total, CURRENT, VOLTAGE, date)
    points = read_points(CyclingSource(path, timezone="Europe/Zurich"))
    assert points.format == "Neware (csv)"
    np.testing.assert_allclose(points.time_s, [0, 1800, 3600, 3600, 5400.5])
    np.testing.assert_allclose(points.step_time_s, [0, 1800, 3600, 0, 1800])
    assert points.start == datetime(2024, 5, 6, 8, tzinfo=UTC)


def test_unix_time_is_a_start_with_its_zone(tmp_path: Path) -> None:
    header = ["Test Time / s", "Current / mA", "Voltage / V", "Unix Time / s"]
    path = write(tmp_path / "run.bdf.csv", header, TIME, CURRENT, VOLTAGE, [1.7e9 + t for t in TIME])
    assert read_points(CyclingSource(path)).start == datetime.fromtimestamp(1.7e9, UTC)
    paused = [1.7e9 + t + (9000 if t > 1800 else 0) for t in TIME]
    path = write(tmp_path / "run.bdf.csv", header, TIME, CURRENT, VOLTAGE, paused)
    assert any("test was paused" in w for w in read_points(CyclingSource(path)).warnings)


def test_columns_may_be_named(tmp_path: Path) -> None:
    path = write(tmp_path / "run.csv", ["a", "b", "c", "d"], [9] * 5, TIME, CURRENT, VOLTAGE)
    with pytest.raises(FormatError, match="no row of column names"):
        read_points(CyclingSource(path))
    points = read_points(
        CyclingSource(path, columns=parse_columns("time=b [s], current=c [mA], voltage=d [V]"))
    )
    np.testing.assert_allclose(points.current_A, np.array(CURRENT) / 1e3)
    with pytest.raises(FormatError, match="no column is called 'e'"):
        read_points(CyclingSource(path, columns=parse_columns("time=b [s],current=c [mA],voltage=e [V]")))


def test_a_map_of_ones_own(tmp_path: Path) -> None:
    path = write(tmp_path / "run.csv", ["zeit", "strom (mA)", "spannung (V)"], TIME, CURRENT, VOLTAGE)
    own = tmp_path / "lab.yaml"
    own.write_text(
        "name: our lab\ncolumns:\n  time: [{name: zeit, unit: s}]\n  current: [strom]\n  voltage: [spannung]\n"
    )
    points = read_points(CyclingSource(path, map=str(own)))
    assert points.format == "our lab (csv)"
    own.write_text("name: our lab\ncolumns: {zeit: [time]}\n")
    load_map.cache_clear()
    with pytest.raises(BadInputError, match="unknown quantities zeit"):
        read_points(CyclingSource(path, map=str(own)))
    with pytest.raises(BadInputError, match="no column map 'landt'"):
        read_points(CyclingSource(path, map="landt"))


def test_a_header_without_unit_is_asked_for(tmp_path: Path) -> None:
    path = write(tmp_path / "run.csv", ["time", "current", "voltage (V)"], TIME, CURRENT, VOLTAGE)
    with pytest.raises(FormatError, match="columns 'time', 'current' state no unit") as caught:
        read_points(CyclingSource(path))
    assert caught.value.fix.options == {"--columns": "time=time [s],current=current [A]"}


def test_a_unit_against_the_header_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "run.csv", ["time (s)", "current (mA)", "voltage (V)"], TIME, CURRENT, VOLTAGE)
    with pytest.raises(FormatError, match="states the unit 'mA', you say 'A'"):
        read_points(CyclingSource(path, columns={"current": "current [A]"}))


def test_time_within_steps_is_found_out(tmp_path: Path) -> None:
    path = write(
        tmp_path / "run.csv",
        ["time (s)", "current (mA)", "voltage (V)"],
        [0, 1800, 3600, 0, 1800],
        CURRENT,
        VOLTAGE,
    )
    with pytest.raises(FormatError, match=r"time axis cannot be true.*time within steps"):
        read_points(CyclingSource(path))


def test_a_current_with_few_digits_is_said(tmp_path: Path) -> None:
    header = ["Test Time / s", "Current / A", "Voltage / V"]
    rough = ["-0.0010", "-0.0010", "-0.0010", "0.0010", "0.0010"]
    path = write(tmp_path / "run.csv", header, TIME, rough, VOLTAGE)
    assert any("written to +/- 0.05 mA" in w for w in read_points(CyclingSource(path)).warnings)
    path = write(tmp_path / "run.csv", header, TIME, [i / 1e3 for i in CURRENT[:-1]] + [0.0], VOLTAGE)
    assert not read_points(CyclingSource(path)).warnings  # 0.001 and 0.0: no fixed number of digits


def test_excel_and_parquet_say_the_same_as_csv(tmp_path: Path) -> None:
    openpyxl = pytest.importorskip("openpyxl")
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    header = ["Test Time / s", "Current / mA", "Voltage / V", "Cycle Count / 1"]
    columns = [TIME, CURRENT, VOLTAGE, [1, 1, 1, 2, 2]]
    csv = read_points(CyclingSource(write(tmp_path / "run.csv", header, *columns)))
    book = openpyxl.Workbook()
    book.active.append(["nothing of interest"])
    sheet = book.create_sheet("record")
    for row in [["made by hand"], header, *zip(*columns, strict=True)]:
        sheet.append(list(row))
    book.save(tmp_path / "run.xlsx")
    parquet.write_table(pyarrow.table(dict(zip(header, columns, strict=True))), tmp_path / "run.bdf.parquet")
    for name in ("run.xlsx", "run.bdf.parquet"):
        found = read_points(CyclingSource(tmp_path / name))
        for field in ("time_s", "current_A", "voltage_V", "cycle"):
            np.testing.assert_array_equal(getattr(found, field), getattr(csv, field))


def test_without_pyarrow_the_way_to_get_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "run.parquet"
    path.write_bytes(b"PAR1....")
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow.parquet", None)
    with pytest.raises(MissingPartError, match="needs pyarrow") as caught:
        read_points(CyclingSource(path))
    assert caught.value.fix == "pip install 'siltomo[parquet]'"
    assert caught.value.exit_code == 6


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("Q charge/discharge/mA.h", ("Q charge/discharge", "mA.h")),
        ("Time", ("Time", "")),
        ("V (V)", ("V", "V")),
    ],
)
def test_headers_are_split(header: str, expected: tuple[str, str]) -> None:
    assert split_header(header) == expected


def test_a_quantity_that_is_none() -> None:
    with pytest.raises(BadInputError, match="cannot read 'temperature=T'"):
        parse_columns("time=t [s],temperature=T")


@pytest.mark.parametrize("content", [b"", b"\x00\x01\x02", b"just words\nand more\n", b"a,b,c\n1,2,3\n"])
@pytest.mark.parametrize("name", ["x.csv", "x.txt", "x.bin", "x.h5", "x.xlsx", "x.parquet", "x.mpt"])
def test_what_is_no_record_is_refused_by_name(tmp_path: Path, name: str, content: bytes) -> None:
    path = tmp_path / name
    path.write_bytes(content)
    with pytest.raises(FormatError) as caught:
        read_points(CyclingSource(path))
    assert caught.value.where == str(path)
    assert caught.value.fix
