"""Tables and plots of a report, as plain values for the page's script."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from siltomo.report.style import quantity_words, shown

__all__ = ["RESULTS", "columns", "doubt_rows", "plots", "profiles", "result_rows"]

RESULTS = (
    "metric",
    "value",
    "unit",
    "uncertainty",
    "status",
    "formulation",
    "cell",
    "scan",
    "scale",
    "mode",
    "cycle",
    "half",
    "capacity",
    "segmentation",
    "key",
)


def columns(rows: Iterable[Mapping[str, Any]], names: Sequence[str] = ()) -> dict[str, Any]:
    """Return rows as a table of some columns, or of all that occur."""
    every = list(rows)
    named = list(names) or list(dict.fromkeys(name for row in every for name in row))
    return {"columns": named, "rows": [[row.get(name) for name in named] for row in every]}


def result_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of the table; of a profile or a distribution, how many values it has."""
    return [
        {**row, "value": row.get("value") if "values" not in row else f"{len(row['values'])} values"}
        for row in rows
    ]


def doubt_rows(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return one row for each flag and each reason of a missing value."""
    made = []
    for row in rows:
        words = [row["reason"]] if row["reason"] else []
        for doubt in (*words, *row["flags"]):
            of = row["segmentation"] or row["scan"] or row["cell"]
            made.append({**row, "of": of, "doubt": doubt})
    return made


def plots(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return the values of each metric, with the place of their formulation among the names."""
    made: dict[str, dict[str, Any]] = {}
    for row in rows:
        if "values" in row or row["value"] is None or row["formulation"] not in names:
            continue
        factor, unit = shown(row["metric"], row["unit"])
        plot = made.setdefault(
            row["metric"],
            {
                "metric": row["metric"],
                "words": quantity_words(row["metric"]),
                "factor": factor,
                "shown": "" if unit == "1" else unit,
                "rows": [],
            },
        )
        place = [
            row["cell"],
            row["cycle"],
            row["half"],
            row["capacity"],
            row["value"],
            row["uncertainty"],
            row["scan"],
        ]
        plot["rows"].append([names.index(row["formulation"]), *place])
    return list(made.values())


def profiles(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    """Return profiles and distributions of each metric, with the place of their formulation among the names."""
    made: dict[str, dict[str, Any]] = {}
    for row in rows:
        if "values" not in row or row["formulation"] not in names:
            continue
        factor, unit = shown(row["metric"], row["unit"])
        along = row["coordinate"]
        plot = made.setdefault(
            row["metric"],
            {
                "metric": row["metric"],
                "words": quantity_words(row["metric"]),
                "factor": factor,
                "shown": "" if unit == "1" else unit,
                "coordinate": f"{along['name']} / {along['unit']}",
                "rows": [],
            },
        )
        plot["rows"].append(
            {
                "f": names.index(row["formulation"]),
                "cycle": row["cycle"],
                "scan": f"{row['scan']}, cycle {row['cycle']}, {row['half']}",
                "x": [float(f"{x:.6g}") for x in along["values"]],
                "y": [None if y is None else float(f"{y:.6g}") for y in row["values"]],
            }
        )
    return list(made.values())
