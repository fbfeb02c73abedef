"""Formats that other people's programs read: called as programs, so that nothing of theirs is in siltomo."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from siltomo.cycling.record import Points
from siltomo.cycling.source import CyclingSource, border, checked, plain
from siltomo.cycling.tables import read_csv
from siltomo.errors import Amend, FormatError, MissingPartError
from siltomo.units import unit_factor

__all__ = ["OUTSIDE", "Outside", "read_outside"]

SECONDS = 600


@dataclass(frozen=True)
class Outside:
    """A program that reads a format."""

    name: str
    """The format, in words."""
    program: str
    advice: str
    """How to get the program, or do without."""
    command: Callable[[Path, Path, CyclingSource], list[str]]
    """The call, given the file, the file to be made, and what the user says."""
    read: Callable[[CyclingSource, Path], Points]
    """Reads what the program made."""
    stdout: bool = False
    """Whether the program writes to its standard output."""


def read_outside(source: CyclingSource, /) -> Points:
    """Read a file through the program that knows its format.

    Raises
    ------
    MissingPartError
        When the program is not installed; says how to get it, and what to export instead.
    FormatError
        When the program cannot read the file.
    """
    known = OUTSIDE[source.path.suffix.lower()]
    program = shutil.which(known.program)
    if program is None:
        raise MissingPartError(
            f"is a {known.name}: reading it needs the program {known.program}, which is not installed",
            where=str(source.path),
            fix=Amend(advice=known.advice),
        )
    with tempfile.TemporaryDirectory() as folder, border(source.path):
        made = Path(folder) / f"made{'.csv' if known.stdout else '.nc'}"
        _run([program, *known.command(source.path, made, source)], known, source, made)
        points = known.read(source, made)
    return replace(points, format=f"{known.name} (through {known.program})")


def _run(call: list[str], known: Outside, source: CyclingSource, made: Path) -> None:
    try:
        done = subprocess.run(call, capture_output=True, timeout=SECONDS, check=False)
    except subprocess.TimeoutExpired as error:
        raise FormatError(
            f"{known.program} did not end within {SECONDS} s",
            where=str(source.path),
            fix=Amend(advice=known.advice),
        ) from error
    if known.stdout:
        made.write_bytes(done.stdout)
    if done.returncode or not made.exists() or not made.stat().st_size:
        said = done.stderr.decode(errors="replace").strip().splitlines()
        reason = plain(said[-1]) if said else f"it ended with code {done.returncode} and made nothing"
        raise FormatError(
            f"{known.program} cannot read it: {reason}",
            where=str(source.path),
            fix=Amend(advice=known.advice),
        )


def _yadg(path: Path, made: Path, source: CyclingSource) -> list[str]:
    return ["extract", "eclab.mpr", str(path), str(made), "--timezone", source.timezone or "UTC"]


def _netcdf(source: CyclingSource, made: Path) -> Points:
    """Read the NetCDF file of yadg: one variable per column, each with its unit."""
    import h5py

    with h5py.File(made, "r") as file:
        names = set(file)
        columns = {name: file[name][:] for name in names if getattr(file[name], "shape", ())}
        units = {name: _text(file[name].attrs.get("units", "")) for name in columns}
    voltage = next((name for name in ("Ewe", "Ecell", "<Ewe>") if name in columns), "")
    current = next((name for name in ("I", "<I>") if name in columns), "")
    missing = [
        n
        for n, there in (
            ("time", "time" in columns),
            ("Ewe", voltage),
            ("I or dq", current or "dq" in columns),
        )
        if not there
    ]
    if missing:
        raise FormatError(
            f"what yadg made of it has no {', '.join(missing)}; it has: {', '.join(sorted(columns))}",
            code="SIL146",
            where=str(source.path),
            fix=Amend(advice=_EXPORT_MPT),
        )

    def kept(name: str, unit: str) -> Any:
        return columns[name].astype(np.float64) * unit_factor(units[name], unit)

    time = kept("time", "s")
    warnings: tuple[str, ...] = ()
    if current:
        amperes = kept(current, "A")
    else:
        seconds = np.diff(time, prepend=time[:1])
        charge = kept("dq", "Ah") * 3600
        amperes = np.divide(charge, seconds, out=np.zeros_like(charge), where=seconds > 0)
        warnings = ("has no column of current: it was taken from the charge between points (dq)",)
    points = Points(
        time_s=time,
        current_A=amperes,
        voltage_V=kept(voltage, "V"),
        format="",
        step=columns["Ns"].astype(np.int64) if "Ns" in columns else None,
        counters_Ah={"(Q-Qo)": kept("(Q-Qo)", "Ah")} if "(Q-Qo)" in columns else {},
        current_is_mean=current != "I",
        facts={"read by": "yadg"},
        warnings=warnings,
    )
    return checked(_with_start(points, columns, source), source)


def _with_start(points: Points, columns: Mapping[str, Any], source: CyclingSource) -> Points:
    """Take the start from yadg's Unix times, which rest on the time zone that it was given."""
    uts = columns.get("uts")
    if uts is None or uts[0] < 1e8:  # seconds from the begin, where the file has no log of its start
        return points
    first = datetime.fromtimestamp(float(uts[0]), UTC)
    if not source.timezone:
        return replace(points, local_start=first.replace(tzinfo=None), start_source="the log of the file")
    from zoneinfo import ZoneInfo

    aware = first.astimezone(ZoneInfo(source.timezone))
    return replace(
        points, start=aware, local_start=aware.replace(tzinfo=None), start_source="the log of the file"
    )


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _mdb(path: Path, made: Path, source: CyclingSource) -> list[str]:
    del made, source
    return [str(path), "Channel_Normal_Table"]


def _arbin(source: CyclingSource, made: Path) -> Points:
    return read_csv(replace(source, path=made, map="arbin"))


_EXPORT_MPT = "in EC-Lab: Experiment > Export as Text, and give the .mpt file"
OUTSIDE = {
    ".mpr": Outside(
        "BioLogic .mpr file",
        "yadg",
        f"pip install yadg (GPL-3, a program of its own); or {_EXPORT_MPT}",
        _yadg,
        _netcdf,
    ),
    ".res": Outside(
        "Arbin .res file",
        "mdb-export",
        "install mdbtools (Debian: apt install mdbtools; macOS: brew install mdbtools); or export CSV in Arbin's MITS",
        _mdb,
        _arbin,
        stdout=True,
    ),
}
"""Formats by the ending of their files: neither says at its begin what it is in a way that tells more."""
