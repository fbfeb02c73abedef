"""Rows of results as files: CSV for spreadsheets, JSON, Parquet."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from siltomo.errors import Amend, BadInputError, MissingPartError, NotFoundError

__all__ = ["check_output", "long_rows", "write_rows"]

_SUFFIXES = (".csv", ".json", ".parquet")


def check_output(path: Path, suffixes: Sequence[str] = _SUFFIXES) -> None:
    """Refuse an output file before anything is computed, if it cannot be written.

    Raises
    ------
    BadInputError
        When the suffix is not known.
    NotFoundError
        When its folder does not exist.
    MissingPartError
        When Parquet is asked for and pyarrow is not installed.
    """
    if path.suffix.lower() not in suffixes:
        raise BadInputError(
            f"cannot write {path.suffix or 'a file without suffix'}; known: {', '.join(suffixes)}",
            code="SIL165",
            where=str(path),
            fix=Amend({"-o": f"{path.stem}{suffixes[0]}"}, drop=("--output",)),
        )
    if not path.absolute().parent.is_dir():
        raise NotFoundError("the folder does not exist", where=str(path), fix=f"mkdir -p {path.parent}")
    if path.suffix.lower() == ".parquet":
        try:
            import pyarrow  # noqa: F401 -- only whether it is there
        except ImportError as error:
            raise MissingPartError("Parquet needs pyarrow", fix="pip install 'siltomo[parquet]'") from error


def long_rows(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Return rows with one number each: a profile or a distribution becomes a line for each of its values."""
    made: list[dict[str, Any]] = []
    for row in rows:
        if "values" not in row:
            made.append({**row, "coordinate": None, "coordinate_value": None, "coordinate_unit": None})
            continue
        coordinate = row["coordinate"]
        common = {k: v for k, v in row.items() if k not in ("values", "coordinate")}
        for at, value in zip(coordinate["values"], row["values"], strict=True):
            line = {**common, "value": value, "coordinate": coordinate["name"]}
            made.append({**line, "coordinate_value": at, "coordinate_unit": coordinate["unit"]})
    return made


def write_rows(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rows to a file whose suffix says how."""
    if path.suffix.lower() == ".json":
        path.write_text(json.dumps(list(rows), indent=2, ensure_ascii=False, allow_nan=False) + "\n", "utf-8")
        return
    import pandas as pd

    lines = [{k: _flat(v) for k, v in row.items()} for row in long_rows(rows)]
    table = pd.DataFrame(lines)
    if path.suffix.lower() == ".csv":
        table.to_csv(path, index=False)
    else:
        table.to_parquet(path, index=False)


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list)) else value
