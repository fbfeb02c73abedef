"""Files that hold a table: text, Excel, Parquet; each gives its headers, then its rows in pieces."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import islice
from pathlib import Path
from typing import Any, Protocol

from siltomo.cycling.columns import count_matches
from siltomo.cycling.source import CyclingSource, plain
from siltomo.errors import Amend, FormatError, MissingPartError

__all__ = ["ParquetTable", "Table", "TextTable", "Workbook"]

LINES_SEARCHED = 500
"""Headers of exports are at most so long."""
ROWS_AT_ONCE = 1 << 14
DELIMITERS = ("\t", ";", ",")

Piece = Sequence[Sequence[Any]]
"""Some rows of a table."""


class Table(Protocol):
    """A table whose headers are known and whose rows come in pieces."""

    @property
    def headers(self) -> Sequence[str]:
        """Names of the columns."""
        ...

    @property
    def first_row(self) -> int:
        """Number of the first row in the file."""
        ...

    def pieces(self) -> Iterator[tuple[int, Piece]]:
        """Yield the number of the first row of a piece, and its rows."""
        ...


class TextTable:
    """A CSV file, read as it comes."""

    def __init__(self, source: CyclingSource, stack: ExitStack) -> None:
        encoding = _encoding(source.path)
        self._source = source
        self._file = stack.enter_context(source.path.open(encoding=encoding, newline=""))
        lines = list(islice(self._file, LINES_SEARCHED))
        best = max(
            ((_matches(line, mark, source), -n, mark) for n, line in enumerate(lines) for mark in DELIMITERS),
            default=(0, 0, ","),
        )
        if best[0] < 2:
            begin = plain(lines[0], 60) if lines else ""
            raise FormatError(
                f"no row of column names with time, current and voltage was found (it begins with {begin!r})",
                code="SIL146",
                where=str(source.path),
                fix=Amend(
                    {"--columns": "time=HEADER [s],current=HEADER [A],voltage=HEADER [V]"},
                    advice="name the columns",
                ),
            )
        at, self._mark = -best[1], best[2]
        self.headers = [cell.strip() for cell in next(csv.reader([lines[at]], delimiter=self._mark))]
        self.first_row = at + 2
        self._begun = lines[at + 1 :]

    def pieces(self) -> Iterator[tuple[int, Piece]]:
        """Yield pieces of rows."""

        def lines() -> Iterator[str]:
            yield from self._begun
            yield from self._file

        rows = csv.reader(lines(), delimiter=self._mark)
        number = self.first_row
        while piece := list(islice(rows, ROWS_AT_ONCE)):
            yield number, piece
            number += len(piece)


def _matches(line: str, mark: str, source: CyclingSource) -> int:
    if mark not in line:
        return 0
    cells = next(csv.reader([line], delimiter=mark), [])
    return count_matches([cell.strip() for cell in cells], source) if len(cells) > 2 else 0


def _encoding(path: Path) -> str:
    with path.open("rb") as file:
        begin = file.read(1 << 16)
    if begin[:2] in (b"\xff\xfe", b"\xfe\xff"):
        return "utf-16"
    try:
        begin[: begin.rfind(b"\n") + 1].decode("utf-8")
    except UnicodeDecodeError:
        return "latin-1"
    return "utf-8-sig"


class Workbook:
    """An Excel workbook, read row by row."""

    def __init__(self, source: CyclingSource, stack: ExitStack) -> None:
        try:
            import openpyxl
        except ImportError as error:
            raise MissingPartError(
                "reading Excel needs openpyxl", where=str(source.path), fix="pip install 'siltomo[tables]'"
            ) from error
        book = openpyxl.load_workbook(source.path, read_only=True, data_only=True)
        stack.callback(book.close)
        best = (1, 0, 0)
        for n, sheet in enumerate(book.worksheets):
            for at, row in enumerate(sheet.iter_rows(max_row=LINES_SEARCHED, values_only=True)):
                score = count_matches([str(cell or "").strip() for cell in row], source)
                if score > best[0]:
                    best = (score, n, at)
                if score == 3:
                    break
        if best[0] < 2:
            raise FormatError(
                f"no sheet has a row of column names with time, current and voltage (sheets: "
                f"{', '.join(plain(s.title, 40) for s in book.worksheets)})",
                code="SIL146",
                where=str(source.path),
                fix=Amend({"--columns": "time=HEADER [s],current=HEADER [A],voltage=HEADER [V]"}),
            )
        self._rows = book.worksheets[best[1]].iter_rows(min_row=best[2] + 1, values_only=True)
        self.headers = [str(cell or "").strip() for cell in next(self._rows)]
        self.first_row = best[2] + 2

    def pieces(self) -> Iterator[tuple[int, Piece]]:
        """Yield pieces of rows; empty rows end nothing."""
        number = self.first_row
        while piece := list(islice(self._rows, ROWS_AT_ONCE)):
            yield number, [row for row in piece if any(cell is not None for cell in row)]
            number += len(piece)


class ParquetTable:
    """A Parquet file, read batch by batch."""

    first_row = 1

    def __init__(self, source: CyclingSource, stack: ExitStack) -> None:
        try:
            import pyarrow.parquet
        except ImportError as error:
            raise MissingPartError(
                "reading Parquet needs pyarrow", where=str(source.path), fix="pip install 'siltomo[parquet]'"
            ) from error
        self._file = stack.enter_context(pyarrow.parquet.ParquetFile(source.path))
        self.headers = list(self._file.schema_arrow.names)

    def pieces(self) -> Iterator[tuple[int, Piece]]:
        """Yield pieces of rows."""
        number = 1
        for batch in self._file.iter_batches(batch_size=ROWS_AT_ONCE):
            rows = list(zip(*(column.to_pylist() for column in batch.columns), strict=True))
            yield number, rows
            number += len(rows)
