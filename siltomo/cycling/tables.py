"""Tables: CSV, Excel and Parquet, of any maker whose columns are declared."""

from __future__ import annotations

import re
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from siltomo.cycling.columns import CLOCK, Chosen, choose
from siltomo.cycling.record import Floats, Points
from siltomo.cycling.sheets import ParquetTable, Table, TextTable, Workbook
from siltomo.cycling.source import CyclingSource, border, checked, clock_beside, clocks_differ, plain, started
from siltomo.errors import Amend, FormatError

__all__ = ["read_csv", "read_parquet", "read_xlsx", "recognises_csv", "recognises_parquet", "recognises_xlsx"]

COARSE = 0.01
"""Rounding of the current, as a share of the typical one, from which on it is worth a word."""
TEXT = (".csv", ".txt", ".tsv", ".dat")


def recognises_csv(path: Path) -> bool:
    """Return whether a file is text with rows; what is in it is seen when it is read."""
    with path.open("rb") as file:
        begin = file.read(4096)
    text = begin[:2] in (b"\xff\xfe", b"\xfe\xff") or b"\0" not in begin
    return text and path.suffix.lower() in TEXT


def recognises_xlsx(path: Path) -> bool:
    """Return whether a file is an Excel workbook."""
    with path.open("rb") as file:
        return file.read(4) == b"PK\x03\x04" and path.suffix.lower() in (".xlsx", ".xlsm")


def recognises_parquet(path: Path) -> bool:
    """Return whether a file is Parquet."""
    with path.open("rb") as file:
        return file.read(4) == b"PAR1"


def read_csv(source: CyclingSource, /) -> Points:
    """Read a table of text: delimiter, decimal sign and the row of headers are found out."""
    with border(source.path), ExitStack() as stack:
        return _read(TextTable(source, stack), source)


def read_xlsx(source: CyclingSource, /) -> Points:
    """Read the first sheet of a workbook that has the columns; needs openpyxl."""
    with border(source.path), ExitStack() as stack:
        return _read(Workbook(source, stack), source)


def read_parquet(source: CyclingSource, /) -> Points:
    """Read a Parquet table; needs pyarrow."""
    with border(source.path), ExitStack() as stack:
        return _read(ParquetTable(source, stack), source)


def _read(table: Table, source: CyclingSource) -> Points:
    chosen, maker = choose(table.headers, source)
    values: dict[int, list[Any]] = {c.index: [] for c in chosen}
    dates: dict[int, Any] = {}
    last = max(values)
    lost: list[int] = []
    rounding: float | None = None
    for number, rows in table.pieces():
        kept = []
        for offset, row in enumerate(rows):
            if len(row) > last:
                kept.append(row)
            elif any(cell not in ("", None) for cell in row):
                lost.append(number + offset)
        if not kept:
            continue
        for one in chosen:
            column = [row[one.index] for row in kept]
            if one.quantity == "current" and rounding is None:
                rounding = _rounding(column) * one.factor
            if one.quantity == "datetime":
                dates.setdefault(one.index, column[0])
            else:
                values[one.index].append(_numbers(column, one))
    said = _cut_off(lost, source, len(table.headers))
    arrays = {
        index: np.concatenate(parts) if parts else np.empty(0)
        for index, parts in values.items()
        if index not in dates
    }
    points = _points(chosen, arrays, f"{maker} ({source.path.suffix.lower().lstrip('.') or 'text'})")
    points = replace(points, warnings=(*said, *points.warnings, *_coarse(points.current_A, rounding or 0.0)))
    date = next((dates[c.index] for c in chosen if c.index in dates), None)
    return checked(_dated(points, date, source), source, first_row=table.first_row)


def _rounding(column: Sequence[Any]) -> float:
    """Return half a unit of the last digit, where all cells are written with one number of decimals; else 0."""
    found = {re.fullmatch(r"\s*[+-]?\d+(?:[.,](\d+))?\s*", cell) for cell in column if isinstance(cell, str)}
    decimals = {len(one[1] or "") if one else None for one in found}
    only = decimals.pop() if len(decimals) == 1 else None
    return 0.0 if only is None else 0.5 * 10.0**-only


def _coarse(current: Floats, rounding: float) -> tuple[str, ...]:
    """Say when the current was written with so few digits that its charge is a rough one."""
    flowing = np.abs(current)[np.isfinite(current) & (np.abs(current) > rounding)]
    if not rounding or not flowing.size or rounding < COARSE * float(np.median(flowing)):
        return ()
    typical = float(np.median(flowing))
    return (
        f"the current is written to +/- {rounding * 1e3:.3g} mA, at a typical {typical * 1e3:.3g} mA: capacities from "
        f"it are unsure by up to {rounding / typical:.0%}",
    )


def _cut_off(lost: list[int], source: CyclingSource, width: int) -> tuple[str, ...]:
    if not lost:
        return ()
    if not source.allow_gaps:
        raise FormatError(
            f"row {lost[0]} is cut off ({len(lost)} such rows): it has fewer fields than the {width} columns",
            code="SIL143",
            where=str(source.path),
            fix=Amend({"--allow-gaps": ""}, advice="export the file again; or leave the cut rows out"),
        )
    return (f"{len(lost)} rows that are cut off were left out, the first is row {lost[0]}",)


def _numbers(column: Sequence[Any], chosen: Chosen) -> Floats:
    if chosen.unit == CLOCK:
        return np.array([_seconds(cell) for cell in column])
    try:
        found = np.array(column, dtype=np.float64)
    except (ValueError, TypeError):
        found = np.array([_number(cell) for cell in column])
    return found * chosen.factor


def _number(cell: Any) -> float:
    """Read one cell, with a decimal comma or point; nan where it is no number."""
    try:
        return float(str(cell).strip().replace(",", "."))
    except ValueError:
        return float("nan")


def _seconds(cell: Any) -> float:
    """Read a duration such as 26:03:10.5 or 1-02:03:10; nan where it is none."""
    found = re.fullmatch(r"\s*(?:(\d+)[- d]+)?(\d+):(\d{1,2}):(\d{1,2}(?:[.,]\d+)?)\s*", str(cell))
    if found is None:
        return _number(cell)
    days, hours, minutes = (float(found[n] or 0) for n in (1, 2, 3))
    return days * 86400 + hours * 3600 + minutes * 60 + float(found[4].replace(",", "."))


def _points(chosen: Sequence[Chosen], arrays: dict[int, Floats], name: str) -> Points:
    by_quantity = {
        c.quantity: arrays[c.index] for c in chosen if c.quantity != "counters" and c.index in arrays
    }
    unix = by_quantity.get("unix_time")
    time = by_quantity.get("time", unix)
    assert time is not None
    warnings: tuple[str, ...] = ()
    start = None
    if unix is not None and unix.size and np.isfinite(unix[0]):
        start = datetime.fromtimestamp(float(unix[0]), UTC)
        warnings = clocks_differ(unix, time)
    return Points(
        time_s=time,
        current_A=by_quantity["current"],
        voltage_V=by_quantity["voltage"],
        format=name,
        step=_integers(by_quantity.get("step")),
        cycle=_integers(by_quantity.get("cycle")),
        counters_Ah={
            c.header: arrays[c.index]
            for c in chosen
            if c.quantity == "counters" and c.unit and np.isfinite(arrays[c.index]).all()
        },
        step_time_s=by_quantity.get("step_time"),
        clock_s=None if unix is None or start is None else clock_beside(unix, time),
        start=start,
        start_source="its column of Unix time" if start else "",
        facts={"columns": ", ".join(f"{c.quantity}: {plain(c.header, 60)}" for c in chosen)},
        warnings=warnings,
    )


def _integers(values: Floats | None) -> Any:
    return None if values is None or not np.isfinite(values).all() else values.astype(np.int64)


_DATES = ("%Y-%m-%d %H:%M:%S.%f", "%Y-%m-%d %H:%M:%S", "%Y/%m/%d %H:%M:%S.%f", "%Y/%m/%d %H:%M:%S")


def _dated(points: Points, cell: Any, source: CyclingSource) -> Points:
    """Take the start from a column of dates, where they can be read in one way only."""
    if cell is None or points.start is not None or not len(points):
        return points
    when = cell if isinstance(cell, datetime) else _date(str(cell).strip())
    if when is None:
        said = f"the first date {plain(cell, 60)!r} is not written year-month-day; the start is not known"
        return replace(points, warnings=(*points.warnings, said))
    origin = replace(points, time_s=points.time_s - points.time_s[0])
    if when.tzinfo is not None:
        return replace(
            points, start=when, local_start=when.replace(tzinfo=None), start_source="its column of dates"
        )
    return replace(started(origin, when, source), time_s=points.time_s, start_source="its column of dates")


def _date(text: str) -> datetime | None:
    for pattern in _DATES:
        try:
            return datetime.strptime(text, pattern)
        except ValueError:
            continue
    return None
