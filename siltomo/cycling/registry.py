"""Which reader reads what: by content, and by the ending of the name where content does not tell."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path

from siltomo.cycling import cellpy_hdf5, mpt, outside, tables
from siltomo.cycling.record import Points
from siltomo.cycling.source import CyclingReader, CyclingSource, border, not_there, plain
from siltomo.errors import Amend, FormatError, MissingPartError, NotFoundError

__all__ = ["FORMATS", "Format", "read_points"]


@dataclass(frozen=True)
class Format:
    """One row of the table: a format, how to recognise it, what reads it."""

    name: str
    recognises: Callable[[Path], bool]
    reader: CyclingReader


def _is_outside(path: Path) -> bool:
    return path.suffix.lower() in outside.OUTSIDE


FORMATS = (
    Format("BioLogic .mpt", mpt.recognises, mpt.read_mpt),
    Format("cellpy HDF5", cellpy_hdf5.recognises, cellpy_hdf5.read_cellpy),
    Format("Parquet (Battery Data Format)", tables.recognises_parquet, tables.read_parquet),
    Format("Excel (.xlsx)", tables.recognises_xlsx, tables.read_xlsx),
    Format("BioLogic .mpr through yadg, Arbin .res through mdbtools", _is_outside, outside.read_outside),
    Format("CSV (Battery Data Format, Neware, Arbin, any declared)", tables.recognises_csv, tables.read_csv),
)

NOT_READ = {
    ".nda": ("Neware .nda file", "pip install NewareNDA, make CSV with it (NewareNDA-cli), and give that"),
    ".ndax": ("Neware .ndax file", "pip install NewareNDA, make CSV with it (NewareNDA-cli), and give that"),
    ".xls": ("old Excel workbook", "save it as .xlsx"),
}


def read_points(source: CyclingSource, /) -> Points:
    """Read the points of a cycling file with the reader that recognises it.

    Parameters
    ----------
    source
        The file, and what it does not say itself.

    Raises
    ------
    NotFoundError
        When there is no such file; the nearest names are given.
    FormatError
        When no reader recognises it, or the one that does cannot read it.
    MissingPartError
        When reading needs a package or a program that is not installed.
    """
    path = source.path
    with border(path):
        if not path.exists():
            raise _nearest(path)
        if not stat.S_ISREG(path.stat().st_mode):
            raise FormatError("is no plain file", where=str(path), fix=Amend(advice="give one file"))
        if path.stat().st_size == 0:
            raise FormatError("is empty (0 bytes)", where=str(path), fix=Amend(advice="copy the file again"))
        for entry in FORMATS:
            if entry.recognises(path):
                return entry.reader(source)
    raise _unknown(path)


def _nearest(path: Path) -> NotFoundError:
    names = [p.name for p in path.parent.iterdir()] if path.parent.is_dir() else []
    near = get_close_matches(path.name, names, 3, 0.6)
    error = not_there(path)
    if near:
        error.message = f"no such file; did you mean {' or '.join(repr(plain(n)) for n in near)}?"
    return error


def _unknown(path: Path) -> FormatError | MissingPartError:
    known = "; ".join(entry.name for entry in FORMATS)
    if path.suffix.lower() in NOT_READ:
        name, advice = NOT_READ[path.suffix.lower()]
        return MissingPartError(
            f"is a {name}, which siltomo does not read", where=str(path), fix=Amend(advice=advice)
        )
    with path.open("rb") as file:
        begin = plain(file.read(16).decode("latin-1"))
    return FormatError(
        f"is in no known format (it begins with {begin!r}); read are: {known}",
        where=str(path),
        fix=Amend(advice="export it as CSV, and name its columns with --columns"),
    )
