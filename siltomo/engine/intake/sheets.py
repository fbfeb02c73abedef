"""Cells and scans as a sheet: out of the catalog, and in again, every cell checked before any is taken."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from siltomo.engine.catalog import Catalog
from siltomo.engine.intake.scans import Progress, ScanOrder, add_scan
from siltomo.engine.intake.sheet_columns import Column, columns_of, read_value, record_row, sheet_columns
from siltomo.engine.intake.sheet_files import (
    Grid,
    check_suffix,
    column_letters,
    kinds_of,
    read_grids,
    write_grids,
)
from siltomo.errors import RecordError, SiltomoError
from siltomo.importers import Source
from siltomo.model import Cell, Formulation, Record, Scan, VoxelSize, validated

__all__ = ["KINDS", "SheetRow", "export_sheet", "import_sheet"]

MODELS: dict[str, type[Record]] = {"formulation": Formulation, "cell": Cell, "scan": Scan}
KINDS = {"formulations": "formulation", "cells": "cell", "scans": "scan"}
"""Names of sheets, in the order in which their rows are taken."""
CLEAR = "-"
"""What a cell holds that empties its field; an empty cell leaves the field as it is."""


@dataclass(frozen=True)
class SheetRow:
    """One row of a sheet and what becomes of it."""

    kind: str
    id: str
    row: int
    outcome: str
    """``added``, ``set``, ``unchanged``, ``failed``, or ``would be ...``."""
    changes: str = ""
    reason: str = ""
    warnings: tuple[str, ...] = ()


@dataclass
class _Row:
    """A row as it was read."""

    kind: str
    number: int
    where: str
    fields: dict[tuple[str, ...], Any] = field(default_factory=dict)
    places: dict[tuple[str, ...], str] = field(default_factory=dict)

    @property
    def id(self) -> str:
        return str(self.fields.get(("id",), ""))

    def place(self, path: tuple[str | int, ...]) -> str:
        """Name the cell of a field."""
        for length in range(len(path), 0, -1):
            found = self.places.get(tuple(str(p) for p in path[:length]))
            if found:
                return f"{found} ({'.'.join(map(str, path))})"
        return f"{self.where}, row {self.number} {'.'.join(map(str, path))}".rstrip()


def export_sheet(catalog: Catalog, path: Path, *, kind: str = "cell", force: bool = False) -> dict[str, int]:
    """Write formulations, cells and scans as sheets of an Excel file, or one kind as CSV.

    Columns in which no record has a value are written too where a user may want to fill them.

    Returns
    -------
    dict
        Rows of each sheet.

    Raises
    ------
    BadInputError
        When the file is there and ``force`` is not given, or is neither .xlsx nor .csv.
    """
    check_suffix(path)
    kinds = KINDS if path.suffix.lower() == ".xlsx" else {s: k for s, k in KINDS.items() if k == kind}
    grids = []
    for name, each in kinds.items():
        columns = columns_of(MODELS[each])
        rows = [tuple(record_row(r, columns)) for r in catalog.records(MODELS[each])]
        kept = [n for n, c in enumerate(columns) if _is_kept(c) or any(row[n] is not None for row in rows)]
        header = tuple(columns[n].header for n in kept)
        grids.append(Grid(name, header, tuple(tuple(row[n] for n in kept) for row in rows)))
    write_grids(path, grids, force=force)
    return {grid.name: len(grid.rows) for grid in grids}


def _is_kept(column: Column) -> bool:
    """Return whether a column is written even when it is empty: its uncertainty and sole edge are not."""
    return column.kind != "spread" and column.name != "voxel_size"


def import_sheet(
    catalog: Catalog,
    path: Path,
    *,
    kind: str = "cell",
    dry_run: bool = False,
    progress: Progress | None = None,
) -> list[SheetRow]:
    """Take the rows of a sheet: new ids are added, known ones are set to what the row says.

    Every cell is checked first; when any is wrong, nothing is taken. A cell that is empty leaves its field
    as it is, one with ``-`` empties it.

    Raises
    ------
    RecordError
        Names every cell that is wrong.
    """
    grids = read_grids(path)
    named = kinds_of(grids, KINDS) if path.suffix.lower() == ".xlsx" else {kind: grids[0]}
    if not named:
        names = ", ".join(grid.name for grid in grids) or "none"
        raise RecordError(f"has no sheet named {', '.join(KINDS)}; its sheets are: {names}", where=str(path))
    rows, problems = [], []
    for name, each in KINDS.items():
        if each in named:
            where = f"{path}: sheet {name}" if path.suffix.lower() == ".xlsx" else str(path)
            read, wrong = _read_rows(each, named[each], where)
            rows += read
            problems += wrong
    problems += _wrong_ids(rows)
    orders: list[tuple[_Row, _Order]] = []
    if not problems:
        orders, problems = _checked(catalog, rows, path.parent)
    if problems:
        (where, why), *others = problems
        more = "".join(f"\n  {at}: {words}" for at, words in others[:50])
        error = RecordError(
            f"{why}{more}",
            code="SIL191",
            where=where,
            fix=f"siltomo schema show {rows[0].kind if rows else 'cell'}",
        )
        error.message += "\n  nothing was changed"
        raise error
    return [_take(catalog, row, order, dry_run=dry_run, progress=progress) for row, order in orders]


Problem = tuple[str, str]


def _read_rows(kind: str, grid: Grid, where: str) -> tuple[list[_Row], list[Problem]]:
    """Read the cells of a sheet."""
    if not grid.header:
        return [], []
    columns = sheet_columns(MODELS[kind], grid, where)
    rows, problems = [], []
    for n, values in enumerate(grid.rows, grid.first_row):
        if all(value is None for value in values):
            continue
        row = _Row(kind, n, where)
        for x, (column, value) in enumerate(zip(columns, values, strict=True)):
            if column is None or value is None or column.kind == "shown":
                continue
            at = f"{where}, cell {column_letters(x)}{n}"
            try:
                made = None if value == CLEAR else read_value(column, value)
            except (ValueError, OverflowError) as error:
                problems.append((f"{at} ({column.name})", str(error)))
                continue
            _put(row, column, made, at, problems)
        if not row.id:
            problems.append((f"{where}, row {n}", "has no id"))
        rows.append(row)
    return rows, problems


def _put(row: _Row, column: Column, made: Any, at: str, problems: list[Problem]) -> None:
    """Keep a value; an uncertainty joins the value of its quantity."""
    if column.kind == "spread":
        value = row.fields.get(column.path)
        if isinstance(value, Mapping) and value.get("unit") == column.unit and made is not None:
            row.fields[column.path] = {**value, "uncertainty": made}
        elif made is not None:
            problems.append((f"{at} ({column.name})", "stands without a number in the same unit before it"))
        return
    row.fields[column.path] = made
    row.places[column.path] = at


def _wrong_ids(rows: Sequence[_Row]) -> list[Problem]:
    seen: dict[tuple[str, str], int] = {}
    wrong = []
    for row in rows:
        if (row.kind, row.id) in seen:
            wrong.append((row.place(("id",)), f"{row.id!r} is in row {seen[row.kind, row.id]} too"))
        seen.setdefault((row.kind, row.id), row.number)
    return wrong


@dataclass(frozen=True)
class _Order:
    """What is to be done with a row."""

    record: Record
    known: bool
    changes: dict[str, Any]
    said: str
    scan: ScanOrder | None = None


def _checked(
    catalog: Catalog, rows: Sequence[_Row], folder: Path
) -> tuple[list[tuple[_Row, _Order]], list[Problem]]:
    """Make and check the record of every row, against the catalog and the rows before it."""
    coming = {(row.kind, row.id) for row in rows}
    orders, problems = [], []
    for row in rows:
        try:
            order = _order(catalog, row, folder)
            for name, kind in order.record.references().items():
                target = getattr(order.record, name)
                if target and (kind, target) not in coming and catalog.store.find(kind, target) is None:
                    raise catalog.unknown(kind, target, where=row.place((name,)))
            orders.append((row, order))
        except SiltomoError as error:
            problems.append((error.where or f"{row.where}, row {row.number}", error.message))
    return orders, problems


def _order(catalog: Catalog, row: _Row, folder: Path) -> _Order:
    model = MODELS[row.kind]
    stored = catalog.store.find(row.kind, row.id) if _may_be_id(row.id) else None
    fields = _tidy(row)
    body = {k: v for k, v in (stored.body.items() if stored else ()) if k != "schema"}
    made = _merged(body, {p: v for p, v in fields.items() if p[0] not in ("file", "dataset")})
    file = fields.get(("file",))
    if stored is None and model is Scan and file:
        stand_in = {"voxel_size": "1 um", **made}
        scan = validated(Scan, stand_in, place=row.place)
        return _Order(scan, False, {}, "", _scan_order(row, made, str(file), fields, folder))
    record: Record = validated(model, made, place=row.place)
    if stored is None:
        return _Order(record, False, {}, "")
    old, new = model.from_body(dict(stored.body)).body(), record.body()
    changed = [p for p in fields if p[0] not in ("id", "file", "dataset") and _get(old, p) != _get(new, p)]
    said = "; ".join(f"{'.'.join(p)}: {_words(_get(old, p))} -> {_words(_get(new, p))}" for p in changed)
    changes = {".".join(p): _get(new, p) for p in changed}
    if any(p[0] == "voxel_size" for p in changed):
        changes["voxel_source"] = "user"
    return _Order(record, True, changes, said)


def _may_be_id(text: str) -> bool:
    from siltomo.ids import is_id

    return is_id(text)


def _tidy(row: _Row) -> dict[tuple[str, ...], Any]:
    """Check that a voxel size is one edge or three."""
    fields = dict(row.fields)
    axes = [p for p in fields if p[0] == "voxel_size" and len(p) == 2 and fields[p] is not None]
    if axes and (len(axes) != 3 or fields.get(("voxel_size",))):
        raise RecordError("a voxel size is one edge, or z, y and x", where=row.place(axes[0]))
    return {p: v for p, v in fields.items() if not (p[0] == "voxel_size" and v is None)}


def _merged(body: Mapping[str, Any], fields: Mapping[tuple[str, ...], Any]) -> dict[str, Any]:
    made: dict[str, Any] = dict(body)
    for path, value in fields.items():
        inner = made
        for name in path[:-1]:
            below = inner.get(name)
            inner[name] = dict(below) if isinstance(below, dict) else {}
            inner = inner[name]
        if value is None:
            inner.pop(path[-1], None)
        else:
            inner[path[-1]] = value
    return made


def _get(body: Mapping[str, Any], path: tuple[str, ...]) -> Any:
    value: Any = body
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _words(value: Any) -> str:
    return "nothing" if value in (None, "", []) else str(value)[:60]


def _scan_order(
    row: _Row, made: dict[str, Any], file: str, fields: Mapping[tuple[str, ...], Any], folder: Path
) -> ScanOrder:
    size = made.pop("voxel_size", None)
    path = Path(file).expanduser()
    member = fields.get(("dataset",))
    return ScanOrder(
        source=Source(
            path if path.is_absolute() else folder / path, member=None if member is None else str(member)
        ),
        fields=made,
        voxel_size=None if size is None else VoxelSize.model_validate(size),
        where=row.place(("file",)),
    )


def _take(
    catalog: Catalog, row: _Row, order: _Order, *, dry_run: bool, progress: Progress | None
) -> SheetRow:
    """Add or set one record; what fails leaves the others."""
    warnings: tuple[str, ...] = ()
    try:
        if order.scan is not None:
            done = (
                add_scan(catalog, order.scan, dry_run=dry_run, progress=progress)
                if _can_add(catalog, order, dry_run)
                else None
            )
            outcome = "added" if done is None or done.added else "unchanged"
            warnings = done.warnings if done else ()
        elif not order.known:
            outcome = "added" if dry_run or catalog.add(order.record).changed else "unchanged"
        elif not order.changes:
            outcome = "unchanged"
        else:
            outcome = "set"
            if not dry_run:
                catalog.set(type(order.record), row.id, order.changes)
    except SiltomoError as error:
        return SheetRow(row.kind, row.id, row.number, "failed", order.said, f"[{error.code}] {error}")
    said = f"would be {outcome}" if dry_run and outcome != "unchanged" else outcome
    return SheetRow(row.kind, row.id, row.number, said, order.said, warnings=warnings)


def _can_add(catalog: Catalog, order: _Order, dry_run: bool) -> bool:
    """Return whether a dry run may look at the scan: its cell may only be in the sheet so far."""
    cell = getattr(order.record, "cell", "")
    return not dry_run or catalog.store.find("cell", cell) is not None
