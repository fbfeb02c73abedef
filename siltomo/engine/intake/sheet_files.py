"""Spreadsheets as grids of plain values: CSV always, Excel with openpyxl."""

from __future__ import annotations

import csv
import io
import zipfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from siltomo.engine.export.files import whole
from siltomo.errors import Amend, BadInputError, FormatError, MissingPartError, NotFoundError

__all__ = ["Grid", "check_suffix", "column_letters", "read_grids", "write_grids"]

Value = str | int | float | bool | None
MAX_BYTES = 50_000_000
MAX_UNPACKED = 200_000_000
MAX_ROWS, MAX_COLUMNS = 100_000, 500
MAX_TEXT = 32_767
SUFFIXES = (".xlsx", ".csv")


@dataclass(frozen=True)
class Grid:
    """One sheet: a header row, and rows below it."""

    name: str
    header: tuple[str, ...]
    rows: tuple[tuple[Value, ...], ...]
    first_row: int = 2
    """Number of the first row below the header, as the spreadsheet counts."""


def column_letters(index: int) -> str:
    """Return the letters of a column, the first being 0.

    Examples
    --------
    >>> column_letters(0), column_letters(25), column_letters(26), column_letters(701)
    ('A', 'Z', 'AA', 'ZZ')
    """
    letters = ""
    while index >= 0:
        index, rest = divmod(index, 26)
        letters = chr(65 + rest) + letters
        index -= 1
    return letters


def check_suffix(path: Path) -> None:
    """Refuse what is neither a .xlsx nor a .csv, and a .xlsx without openpyxl."""
    if path.suffix.lower() not in SUFFIXES:
        raise BadInputError(
            f"is no sheet that is read or written: {', '.join(SUFFIXES)} are",
            code="SIL165",
            where=str(path),
            fix=Amend(advice=f"save it as {path.stem}.xlsx or {path.stem}.csv"),
        )
    if path.suffix.lower() == ".xlsx":
        try:
            import openpyxl  # noqa: F401 -- only whether it is there
        except ImportError as error:
            raise MissingPartError(
                "Excel sheets need openpyxl", fix="pip install 'siltomo[tables]'"
            ) from error


def read_grids(path: Path) -> list[Grid]:
    """Read all sheets of a file; a CSV is one, named like the file.

    Raises
    ------
    NotFoundError
        When there is no such file.
    FormatError
        When it is no sheet, unpacks to too much, or holds a formula whose value is not stored.
    """
    check_suffix(path)
    if not path.is_file():
        raise NotFoundError("no such file", where=str(path), fix=f"ls '{path.parent}'")
    if path.stat().st_size > MAX_BYTES:
        raise FormatError(
            f"is larger than {MAX_BYTES:,} bytes; sheets of cells and scans are small", where=str(path)
        )
    try:
        return _read_xlsx(path) if path.suffix.lower() == ".xlsx" else [_read_csv(path)]
    except FormatError:
        raise
    except Exception as error:  # openpyxl and the XML below it raise anything on damaged files
        raise FormatError(
            f"cannot be read as a sheet: {str(error)[:200]} ({type(error).__name__})",
            where=str(path),
            fix=Amend(advice="open it in a spreadsheet program and save it again"),
        ) from error


def _grid(name: str, lines: Sequence[Sequence[Value]], where: str) -> Grid:
    """Cut off empty ends; the first line that is not empty is the header."""
    first = next((n for n, line in enumerate(lines) if any(v not in (None, "") for v in line)), None)
    if first is None:
        return Grid(name, (), ())
    width = max((n + 1 for n, v in enumerate(lines[first]) if v not in (None, "")), default=0)
    beyond = next((n for n, line in enumerate(lines) if any(v not in (None, "") for v in line[width:])), None)
    if beyond is not None and beyond > first:
        raise FormatError(f"row {beyond + 1} has values beyond the last header", where=where)
    rows = [(*line[:width], *[None] * (width - len(line))) for line in lines[first + 1 :]]
    while rows and all(v in (None, "") for v in rows[-1]):
        rows.pop()
    return Grid(name, tuple(str(v or "").strip() for v in lines[first][:width]), tuple(rows), first + 2)


def _read_csv(path: Path) -> Grid:
    """Read a CSV; the separator is the one of its header, and every value is text."""
    text = path.read_text(encoding="utf-8-sig", errors="strict")
    if "\0" in text:
        raise FormatError("is no text: it holds null bytes", where=str(path))
    head = text.lstrip("\r\n").partition("\n")[0]
    separator = max(",;\t", key=head.count)
    lines = []
    for line in csv.reader(io.StringIO(text, newline=""), delimiter=separator, strict=True):
        lines.append(line)
        if len(lines) > MAX_ROWS or len(line) > MAX_COLUMNS:
            raise FormatError(f"has more than {MAX_ROWS} rows or {MAX_COLUMNS} columns", where=str(path))
    return _grid(path.stem, [[value.strip() or None for value in line] for line in lines], str(path))


def _read_xlsx(path: Path) -> list[Grid]:
    """Read an Excel file: values only, of formulas the ones that were stored with them."""
    import openpyxl

    _check_zip(path)
    stored = openpyxl.load_workbook(path, read_only=True, data_only=True)
    formulas = openpyxl.load_workbook(path, read_only=True, data_only=False)
    try:
        return [_sheet(stored[name], formulas[name], f"{path}: sheet {name}") for name in stored.sheetnames]
    finally:
        stored.close()
        formulas.close()


def _sheet(stored: Any, formulas: Any, where: str) -> Grid:
    lines: list[list[Value]] = []
    for row, (values, texts) in enumerate(
        zip(stored.iter_rows(values_only=True), formulas.iter_rows(values_only=True), strict=False), 1
    ):
        if row > MAX_ROWS or len(values) > MAX_COLUMNS:
            raise FormatError(f"has more than {MAX_ROWS} rows or {MAX_COLUMNS} columns", where=where)
        line = []
        for column, (value, text) in enumerate(zip(values, texts, strict=True)):
            at = f"{where}, cell {column_letters(column)}{row}"
            if value is None and isinstance(text, str) and text.startswith("="):
                raise FormatError(
                    "holds a formula whose value is not stored",
                    where=at,
                    fix=Amend(advice="open and save it in a spreadsheet program, or write the value"),
                )
            line.append(_plain(value, at))
        lines.append(line)
    return _grid(stored.title, lines, where)


def _plain(value: Any, where: str) -> Value:
    if isinstance(value, (datetime, date)):
        return value.isoformat()
    if isinstance(value, str):
        text = value.strip()
        if text.startswith("#") and text.endswith(("!", "?", "/A")):
            raise FormatError(f"holds the error {text[:20]}", where=where)
        return text or None
    if value is None or isinstance(value, (bool, int, float)):
        return value
    return str(value)


def _check_zip(path: Path) -> None:
    """Refuse archives that unpack to too much, or whose XML declares entities, before they are parsed."""
    with zipfile.ZipFile(path) as archive:
        parts = archive.infolist()
        if sum(part.file_size for part in parts) > MAX_UNPACKED or len(parts) > 10_000:
            raise FormatError(f"unpacks to more than {MAX_UNPACKED:,} bytes", where=str(path))
        for part in parts:
            if part.filename.lower().endswith((".xml", ".rels")):
                with archive.open(part) as opened:
                    begins = opened.read(4096).lower()
                if b"<!doctype" in begins or b"<!entity" in begins:
                    raise FormatError("declares XML entities, which are not read", where=str(path))


def write_grids(path: Path, grids: Sequence[Grid], *, force: bool) -> None:
    """Write sheets: all into one .xlsx, or the only one as a .csv."""
    check_suffix(path)
    with whole(path, force=force) as made:
        if path.suffix.lower() == ".csv":
            with made.open(
                "w", encoding="utf-8-sig", newline=""
            ) as file:  # the mark tells Excel that it is UTF-8
                writer = csv.writer(file, lineterminator="\r\n")
                writer.writerow(grids[0].header)
                writer.writerows(["" if v is None else v for v in row] for row in grids[0].rows)
        else:
            _write_xlsx(made, grids)


def _write_xlsx(path: Path, grids: Sequence[Grid]) -> None:
    from openpyxl import Workbook
    from openpyxl.styles import Font

    book = Workbook()
    book.remove(book.active)
    for grid in grids:
        sheet = book.create_sheet(grid.name)
        for y, row in enumerate((grid.header, *grid.rows), 1):
            for x, value in enumerate(row, 1):
                if value is None:
                    continue
                cell = sheet.cell(y, x)
                cell.value = value[:MAX_TEXT] if isinstance(value, str) else value
                if isinstance(value, str):
                    cell.data_type = "s"  # text that begins with "=" is no formula
                if y == 1:
                    cell.font = Font(bold=True)
        sheet.freeze_panes = "B2"
        for x, name in enumerate(grid.header):
            sheet.column_dimensions[column_letters(x)].width = min(max(len(name) + 2, 10), 40)
    with path.open("wb") as file:
        book.save(file)


def kinds_of(grids: Sequence[Grid], kinds: Mapping[str, str]) -> dict[str, Grid]:
    """Return the grids whose names are known, by kind of record."""
    return {kinds[grid.name.lower()]: grid for grid in grids if grid.name.lower() in kinds}
