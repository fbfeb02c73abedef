"""A join as an xarray dataset over its scans, and as rows for files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import xarray as xr

if TYPE_CHECKING:
    from siltomo.engine.join.join import Join

__all__ = ["labelled_rows", "to_dataset"]

_PARTS = ("capacity_uncertainty_parts",)


def to_dataset(joined: Join) -> xr.Dataset:
    """Return a join as a dataset over ``scan``; see ``Join.to_xarray``."""
    rows, units = joined.rows(), joined.units()
    scans = [row["scan"] for row in rows]
    made = xr.Dataset(coords={"scan": ("scan", np.array(scans, dtype=object).astype(str))})
    left_out = []
    for name in [name for name in (rows[0] if rows else {}) if name not in (*_PARTS, "scan")]:
        values = [row[name] for row in rows]
        if name in joined.metrics and any(isinstance(value, list) for value in values):
            if not _add_profile(made, joined, name, scans):
                left_out.append(name)
            continue
        made[name] = ("scan", _array(values, number=name in units))
        if name in units:
            made[name].attrs["units"] = units[name]
        if f"{name}_uncertainty" in rows[0]:
            made[name].attrs["ancillary_variables"] = f"{name}_uncertainty"
    if left_out:
        made.attrs["left_out"] = left_out
    return made


def _array(values: list[Any], *, number: bool) -> np.ndarray[Any, Any]:
    """Return a column as an array: nan and "" stand for what is missing, as numpy has no other word."""
    present = [value for value in values if value is not None]
    if present and all(isinstance(value, bool) for value in present) and len(present) == len(values):
        return np.array(values, dtype=bool)
    if number or (present and all(isinstance(value, (int, float)) for value in present)):
        return np.array([np.nan if value is None else float(value) for value in values])
    return np.array([_text(value) for value in values], dtype=object).astype(str)


def _text(value: Any) -> str:
    if isinstance(value, (list, tuple)):
        return ", ".join(str(part) for part in value)
    return "" if value is None else str(value)


def _add_profile(made: xr.Dataset, joined: Join, name: str, scans: list[str]) -> bool:
    """Add a metric with values along a coordinate; False where the scans do not share one."""
    profiles: dict[str, Mapping[str, Any]] = {}
    for scan in scans:
        own = [m for m in joined.measured.get(scan, ()) if m["metric"] == name]
        if len(own) == 1 and "values" in own[0]:
            profiles[scan] = own[0]
    coordinates = {tuple(m["coordinate"]["values"]) for m in profiles.values()}
    if len(coordinates) != 1:
        return False
    (points,) = coordinates
    coordinate = next(iter(profiles.values()))["coordinate"]
    along = f"{name}_{coordinate['name']}"
    values = np.full((len(scans), len(points)), np.nan)
    for n, scan in enumerate(scans):
        if scan in profiles:
            values[n] = [np.nan if v is None else v for v in profiles[scan]["values"]]
    made.coords[along] = (along, np.array(points, dtype=float), {"units": coordinate["unit"]})
    made[name] = (("scan", along), values, {"units": joined.units()[name]})
    return True


def labelled_rows(rows: Iterable[Mapping[str, Any]], units: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return rows for a spreadsheet: the unit of a column stands in its name, as in ``capacity [mAh/g_Si]``."""
    made = []
    for row in rows:
        line = {}
        for name, value in row.items():
            if name not in _PARTS:
                unit = units.get(name, "")
                line[f"{name} [{unit}]" if unit not in ("", "1") else name] = value
        made.append(line)
    return made
