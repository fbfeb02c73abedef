"""BioLogic's text export, .mpt of EC-Lab and BT-Lab: latin-1, a counted header, a table with tabs."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from itertools import islice
from pathlib import Path

import numpy as np

from siltomo.cycling.record import Floats, Points
from siltomo.cycling.source import CyclingSource, DateOrder, border, checked, plain, started
from siltomo.errors import Amend, FormatError

__all__ = ["read_mpt", "recognises"]

FIRST_LINES = (b"EC-Lab ASCII FILE", b"BT-Lab ASCII FILE")
ROWS_AT_ONCE = 1 << 14

CURRENTS = ("I/mA", "<I>/mA")
VOLTAGES = ("Ewe/V", "Ecell/V", "<Ewe>/V", "Ewe-Ece/V")
COUNTERS = ("(Q-Qo)/mA.h", "Q charge/discharge/mA.h")
DEFAULT_MASSES_MG = (1.0, 0.001, 7000.0)
"""What EC-Lab and BT-Lab write where nobody typed a mass."""
WANTED = ("time/s", "step time/s", "Ns", "cycle number", "dq/mA.h", *CURRENTS, *VOLTAGES, *COUNTERS)
_FACTS = {
    "Device": "device",
    "Run on channel": "channel",
    "User": "user",
    "Comments": "comments",
    "Electrode material": "electrode material",
    "Electrolyte": "electrolyte",
    "Acquisition started on": "acquisition started on",
    "Characteristic mass": "characteristic mass",
    "Mass of active material": "mass of active material",
}


def recognises(path: Path) -> bool:
    """Return whether a file begins as EC-Lab's and BT-Lab's text exports do."""
    with path.open("rb") as file:
        return file.read(17) in FIRST_LINES


def read_mpt(source: CyclingSource, /) -> Points:
    """Read a BioLogic .mpt file, in pieces.

    Line ends and decimal signs are found out. Masses of the header are reported and never used: the silicon
    of a cell stands in its record.

    Raises
    ------
    FormatError
        When it is cut off or lacks a column; names what is there.
    """
    with border(source.path), source.path.open(encoding="latin-1", newline=None) as file:
        header, names = _header(file, source)
        chosen = _choose(names, source)
        values, warnings = _table(file, names, chosen, source, first_line=len(header) + 1)
        facts = _facts(header)
        acquisition, how, unsure = _start(facts, source)
        points = _points(values, facts)
        points = replace(
            points, start_source=how, warnings=(*warnings, *unsure, *_masses(facts), *points.warnings)
        )
        # time/s counts from the start of the acquisition, and an exported technique may begin days later
        return checked(started(points, acquisition, source), source, first_row=len(header) + 1)


def _header(file: Iterable[str], source: CyclingSource) -> tuple[list[str], list[str]]:
    """Read the header, as many lines as it says; the last one names the columns."""
    lines = [line.rstrip("\n") for line in islice(file, 2)]
    found = re.search(r"Nb header lines\s*:\s*(\d+)", lines[1] if len(lines) > 1 else "")
    if found is None:
        raise FormatError(
            "the second line does not say 'Nb header lines'", where=str(source.path), fix=_AGAIN
        )
    count = int(found[1])
    lines += [line.rstrip("\n") for line in islice(file, max(count - 2, 0))]
    if len(lines) < count or count < 3:
        raise FormatError(
            f"is cut off: its header should have {count} lines, and has {len(lines)}",
            where=str(source.path),
            fix=_AGAIN,
        )
    return lines, [name.strip() for name in lines[-1].split("\t")]


_AGAIN = Amend(advice="in EC-Lab: Experiment > Export as Text, and copy the file again")


@dataclass(frozen=True)
class _Columns:
    """Which columns are read."""

    current: str
    """Empty where the current must come from the charge of each point."""
    voltage: str
    indices: Mapping[str, int]


def _choose(names: list[str], source: CyclingSource) -> _Columns:
    indices = {name: names.index(name) for name in WANTED if name in names}
    voltage = next((name for name in VOLTAGES if name in indices), "")
    current = next((name for name in CURRENTS if name in indices), "")
    missing = [
        what for what, name in (("time/s", "time/s" in indices), ("Ewe/V or Ecell/V", voltage)) if not name
    ]
    if not current and "dq/mA.h" not in indices:
        missing.append("I/mA, <I>/mA or dq/mA.h")
    if missing:
        there = ", ".join(plain(name, 40) for name in names if name)
        raise FormatError(
            f"has no column {' and no '.join(missing)}; it has: {there}",
            code="SIL146",
            where=str(source.path),
            fix=Amend(advice="export it again from EC-Lab with these variables"),
        )
    return _Columns(current, voltage, indices)


def _table(
    file: Iterable[str], names: list[str], chosen: _Columns, source: CyclingSource, *, first_line: int
) -> tuple[dict[str, Floats], list[str]]:
    """Read the wanted columns, piece by piece; say which lines are no rows."""
    needed = {"time/s", chosen.voltage, chosen.current or "dq/mA.h"}
    wanted = [
        n for n in chosen.indices if n in needed or n in (*COUNTERS, "step time/s", "Ns", "cycle number")
    ]
    parts: dict[str, list[Floats]] = {name: [] for name in wanted}
    last = max(chosen.indices[name] for name in wanted)
    lost: list[int] = []
    for number, lines in _pieces(file, first_line):
        rows = []
        for offset, line in enumerate(lines):
            row = line.rstrip("\r\n").replace(",", ".").split("\t")
            if len(row) > last:
                rows.append(row)
            elif line.strip():
                lost.append(number + offset)
        for name in wanted:
            index = chosen.indices[name]
            parts[name].append(_floats([row[index] for row in rows]))
    if lost and not source.allow_gaps:
        raise FormatError(
            f"line {lost[0]} is cut off ({len(lost)} such lines): it has fewer fields than the {len(names)} columns",
            code="SIL143",
            where=str(source.path),
            fix=Amend({"--allow-gaps": ""}, advice="export the file again; or leave the cut lines out"),
        )
    said = [f"{len(lost)} lines that are cut off were left out, the first is line {lost[0]}"] if lost else []
    return {name: np.concatenate(part) if part else np.empty(0) for name, part in parts.items()}, said


def _pieces(file: Iterable[str], first: int) -> Iterator[tuple[int, list[str]]]:
    lines = iter(file)
    number = first
    while piece := list(islice(lines, ROWS_AT_ONCE)):
        yield number, piece
        number += len(piece)


def _floats(texts: list[str]) -> Floats:
    try:
        return np.array(texts, dtype=np.float64)
    except ValueError:  # one of them is no number: it becomes nan, and the check of the points names its row
        return np.array([_float(text) for text in texts])


def _float(text: str) -> float:
    try:
        return float(text)
    except ValueError:
        return float("nan")


def _points(values: dict[str, Floats], facts: Mapping[str, str]) -> Points:
    time = values["time/s"]
    voltage = next(values[name] for name in VOLTAGES if name in values)
    warnings: list[str] = []
    mean = "I/mA" not in values
    if "I/mA" in values:
        current = values["I/mA"] / 1e3
    elif "<I>/mA" in values:
        current = values["<I>/mA"] / 1e3
    else:
        seconds = np.diff(time, prepend=time[:1])
        charge = values["dq/mA.h"] * 3.6
        current = np.divide(charge, seconds, out=np.zeros_like(charge), where=seconds > 0)
        warnings.append("has no column of current: it was taken from the charge between points (dq/mA.h)")
    return Points(
        time_s=time,
        current_A=current,
        voltage_V=voltage,
        format="BioLogic .mpt",
        step=_integers(values.get("Ns")),
        cycle=_integers(values.get("cycle number")),
        counters_Ah={name: values[name] / 1e3 for name in COUNTERS if name in values},
        step_time_s=values.get("step time/s"),
        current_is_mean=mean,
        facts=facts,
        warnings=tuple(warnings),
    )


def _integers(values: Floats | None) -> np.ndarray | None:
    if values is None or not np.isfinite(values).all():
        return None
    return values.astype(np.int64)


def _facts(header: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for line in header:
        name, colon, value = line.partition(" : ")
        known = _FACTS.get(name.strip())
        if colon and known and value.strip():
            found[known] = plain(value)
    return found


_DATE = re.compile(r"(\d{1,2})[/.-](\d{1,2})[/.-](\d{4})\s+(\d{1,2}):(\d{2}):(\d{2})(?:[.,](\d{1,6}))?")


def _start(facts: Mapping[str, str], source: CyclingSource) -> tuple[datetime | None, str, list[str]]:
    """Read when the acquisition started; a date that can be read in two ways is said in words."""
    text = facts.get("acquisition started on", "")
    found = _DATE.fullmatch(text.strip())
    if found is None:
        return None, "", [f"the start {text!r} cannot be read as a date"] if text else []
    first, second, year, hour, minute, second_ = (int(found[n]) for n in range(1, 7))
    micro = int((found[7] or "0").ljust(6, "0"))
    order, unsure = _date_order(first, second, source.date_order)
    month, day = (first, second) if order == "month-first" else (second, first)
    try:
        local = datetime(year, month, day, hour, minute, second_, micro)
    except ValueError:
        return None, "", [f"the start {text!r} is no date with the {order.replace('-', ' ')}"]
    words = f"{local.day} {local:%B} {local.year}, {local:%H:%M:%S}"
    if not unsure:
        return local, f"'Acquisition started on' of the header: {words}", []
    other = datetime(year, day, month)
    return (
        local,
        f"'Acquisition started on' of the header, {order.replace('-', ' ')}: {words}",
        [
            f"the start {text.split()[0]} was read as {local.day} {local:%B} {local.year}; if it was {other.day} "
            f"{other:%B} {other.year}, say --date-order day-first"
        ],
    )


def _date_order(first: int, second: int, given: DateOrder | None) -> tuple[DateOrder, bool]:
    """Return which part is the month, and whether that was not to be known."""
    if first > 12:
        return "day-first", False
    if second > 12:
        return "month-first", False
    if given is not None:
        return given, False
    return "month-first", first != second  # EC-Lab writes the month first wherever it can be told


def _masses(facts: Mapping[str, str]) -> list[str]:
    """Report masses of the header; the instrument's defaults are passed over."""
    said = []
    for name in ("characteristic mass", "mass of active material"):
        found = re.fullmatch(r"([\d.,]+)\s*(mg|g|kg)", facts.get(name, ""))
        if found is None:
            continue
        mg = float(found[1].replace(",", ".")) * {"mg": 1.0, "g": 1e3, "kg": 1e6}[found[2]]
        if mg and not any(abs(mg - default) < 1e-9 * default for default in DEFAULT_MASSES_MG):
            said.append(
                f"the header states a {name} of {facts[name]}; it is not used: the silicon of the cell stands in "
                'its record (siltomo cell set CELL --si-mass "... mg_Si")'
            )
    return said
