"""The HDF5 file that cellpy keeps of a test; read with h5py, without cellpy and without unpickling anything."""

from __future__ import annotations

import pickletools
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from siltomo.cycling.record import Floats, Points
from siltomo.cycling.source import CyclingSource, border, checked, clock_beside, clocks_differ, plain, started
from siltomo.errors import Amend, FormatError, UnitError
from siltomo.units import Quantity, same_dimension, unit_factor

__all__ = ["read_cellpy", "recognises"]

TABLE = "CellpyData/raw/table"
NEEDED = {"test_time": "s", "current": "A", "voltage": "V"}
COUNTERS = ("charge_capacity", "discharge_capacity")


def recognises(path: Path) -> bool:
    """Return whether a file is an HDF5 file with cellpy's table of raw points."""
    import h5py

    if not h5py.is_hdf5(path):
        return False
    with h5py.File(path, "r") as file:
        return TABLE in file


def read_cellpy(source: CyclingSource, /) -> Points:
    """Read the raw points of a cellpy file.

    Raises
    ------
    FormatError
        When a column or a unit is missing.
    """
    import h5py

    with border(source.path), h5py.File(source.path, "r") as file:
        columns = _columns(file[TABLE])
        missing = [name for name in NEEDED if name not in columns]
        if missing:
            raise FormatError(
                f"its raw table has no column {', '.join(missing)}; it has: {', '.join(columns)}",
                code="SIL146",
                where=str(source.path),
                fix=Amend(advice="make the file again with cellpy from the cycler's own"),
            )
        strings = _info_strings(file)
        factors = {name: _factor(name, unit, strings, source) for name, unit in NEEDED.items()}
        counter = _factor("charge_capacity", "Ah", strings, source)
        values = {name: columns[name].astype(np.float64) * factor for name, factor in factors.items()}
        clock = _clock(columns)
        facts = _facts(file)
    drift = () if clock is None else clocks_differ(clock, values["test_time"])
    points = Points(
        time_s=values["test_time"] - values["test_time"][0],
        current_A=values["current"],
        voltage_V=values["voltage"],
        format="cellpy HDF5",
        step=_integers(columns.get("step_index")),
        cycle=_integers(columns.get("cycle_index")),
        counters_Ah={name: columns[name] * counter for name in COUNTERS if name in columns},
        step_time_s=columns["step_time"] * factors["test_time"] if "step_time" in columns else None,
        clock_s=None if clock is None else clock_beside(clock, values["test_time"]),
        start_source="" if clock is None else "its column date_time, taken as the cycler's wall clock",
        facts=facts,
        warnings=drift,
    )
    local = None if clock is None else datetime.fromtimestamp(clock[0], UTC).replace(tzinfo=None)
    return checked(started(points, local, source), source)


def _columns(table: Any) -> dict[str, Any]:
    """Return the columns of a pandas table by name: each block of the table names its own."""
    rows = table[:]
    found = {}
    for block in rows.dtype.names:
        kind = table.attrs.get(f"{block}_kind")
        if kind is not None and rows[block].ndim == 2:  # the index has a kind too, and no columns
            for n, name in enumerate(_strings(bytes(kind))):
                found[name] = rows[block][:, n]
    return found


def _strings(pickled: bytes) -> list[str]:
    """List the texts in a pickle by reading its opcodes; nothing of it is run."""
    return [
        arg for op, arg, _ in pickletools.genops(pickled) if isinstance(arg, str) and "UNICODE" in op.name
    ]


def _info_strings(file: Any) -> list[str]:
    """List the texts among the file's facts, where cellpy writes its units."""
    found: list[str] = []
    group = file.get("CellpyData/info")
    for name in group or ():
        if name.endswith("_values") and group[name].dtype == object:
            found += _strings(group[name][0].tobytes())
    return found


def _factor(name: str, wanted: str, strings: list[str], source: CyclingSource) -> float:
    """Return the factor of a column from the one unit of its dimension that the file states."""
    found = {text: factor for text in strings if (factor := _as_unit(text, wanted)) is not None}
    if len(set(found.values())) != 1:
        stated = ", ".join(found) or "none"
        raise FormatError(
            f"does not say the unit of {name} (units of that kind in the file: {stated})",
            code="SIL147",
            where=str(source.path),
            fix=Amend(advice="make the file again with cellpy 0.4.1 or later, or export its raw data as CSV"),
        )
    return next(iter(found.values()))


def _as_unit(text: str, wanted: str) -> float | None:
    """Return the factor of "1.0 ampere", "A" or "sec" to a unit; None for anything else."""
    text = {"sec": "s"}.get(text, text)
    if text in ("C", "1.0 coulomb") or not text.isascii():  # cellpy's slip for degrees Celsius, no charge
        return None
    try:
        if text[:1].isdigit():
            quantity = Quantity.parse(text)
            return quantity.value * unit_factor(quantity.unit, wanted)
        return unit_factor(text, wanted) if same_dimension(text, wanted) else None
    except UnitError:
        return None


def _clock(columns: dict[str, Any]) -> Floats | None:
    """Return the clock in seconds, where the file has one in nanoseconds."""
    clock = columns.get("date_time")
    if clock is None or clock.dtype.kind != "i" or not (clock > 0).all():
        return None
    seconds: Floats = clock / 1e9
    return seconds


def _integers(values: Any) -> Any:
    return None if values is None else values.astype(np.int64)


def _facts(file: Any) -> dict[str, str]:
    """Return the mass that the file states; it is shown and never used."""
    group = file.get("CellpyData/info")
    for name in group or ():
        if name.endswith("_items"):
            names = [item.decode() for item in group[name][:]]
            values = group[name.replace("_items", "_values")]
            if "mass" in names and values.dtype.kind == "f":
                return {"mass in the file": plain(f"{values[0][names.index('mass')]:g}")}
    return {}
