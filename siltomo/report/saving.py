"""Write figures for print, with their data as CSV beside them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siltomo.engine.export.results import check_output
from siltomo.engine.figures.tables import Said
from siltomo.errors import StorageError
from siltomo.report.style import siltomo_style

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

__all__ = ["PICTURES", "check_pictures", "save_figure", "write_table"]

PICTURES = (".png", ".svg", ".pdf")
_NO_DATE: dict[str, dict[str, Any]] = {
    ".pdf": {"CreationDate": None, "Producer": None, "Creator": "siltomo"},
    ".svg": {"Date": None, "Creator": "siltomo"},
    ".png": {"Software": "siltomo"},
}


def check_pictures(paths: Sequence[Path]) -> None:
    """Refuse outputs that cannot be written, before anything is computed.

    Raises
    ------
    BadInputError
        When a suffix is not known.
    NotFoundError
        When a folder does not exist.
    """
    for path in paths:
        check_output(path, PICTURES)


def save_figure(
    figure: Figure, paths: Sequence[Path], table: pd.DataFrame, *, progress: Said | None = None
) -> list[Path]:
    """Write a figure to each path, and its table once as CSV beside the first; equal figures give equal bytes.

    Raises
    ------
    StorageError
        When a file cannot be written.
    """
    check_pictures(paths)
    made = []
    for n, path in enumerate(paths):
        if progress is not None:
            progress("writing", n, len(paths))
        try:
            with siltomo_style():
                figure.savefig(path, metadata=_NO_DATE[path.suffix.lower()])
        except OSError as error:
            raise StorageError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
        made.append(path)
    return [*made, write_table(table, paths[0].with_suffix(".csv"))]


def write_table(table: pd.DataFrame, path: Path) -> Path:
    """Write a figure's table as CSV; values with parts are written as JSON.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    try:
        table.map(_flat).to_csv(path, index=False)
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
    return path


def _flat(value: Any) -> Any:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, (dict, list, tuple)) else value
