"""Register all scans of a folder at once: their names say which is which, and the odd ones are shown."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from siltomo.engine.catalog import Catalog
from siltomo.engine.intake.scans import Progress, ScanOrder, add_scan
from siltomo.errors import Amend, BadInputError, NotFoundError, SiltomoError
from siltomo.ids import slug
from siltomo.importers import FORMATS, ImportedVolume, Source, open_volume
from siltomo.importers.slices import natural_key
from siltomo.model import Scan, VoxelSize

__all__ = ["FolderOrder", "FolderRow", "NamePattern", "add_folder", "find_scans"]

FIELDS = {"cell": "", "cycle": "d", "half": "", "step": "d", "scale": "", "mode": "", "domain": "", "_": ""}
"""What a pattern may name, with the type that is right for it."""
STATE = ("cycle", "half")
_FIELD = re.compile(r"\{(\w*)(?::(\w*))?\}")
_KINDS = {"": r"[^/]+?", "d": r"\d{1,9}"}
MAX_SCANS = 10_000


class NamePattern:
    """A pattern such as ``"{cell}_op{step:d}"``, matched against the names in a folder.

    Parameters
    ----------
    text
        Plain text with fields in braces: cell, cycle, half, step, scale, mode, domain, and ``{_}`` for
        what does not matter; ``:d`` means digits. With slashes it is matched against paths.

    Raises
    ------
    BadInputError
        When a field is not known, or given twice.

    Examples
    --------
    >>> NamePattern("{cell}_op{step:d}").match("ref1_op07")
    {'cell': 'ref1', 'step': 7}
    >>> NamePattern("{cell}_op{step:d}").match("dark_01") is None
    True
    """

    def __init__(self, text: str) -> None:
        self.text = text
        self.fields: list[str] = []
        made, at = "", 0
        for found in _FIELD.finditer(text):
            made += re.escape(text[at : found.start()]) + self._group(found[1], found[2] or "")
            at = found.end()
        rest = text[at:]
        if "{" in rest or "}" in rest or not self.fields:
            raise self._refused("it has no fields in braces, or a brace too many")
        self._regex = re.compile(made + re.escape(rest))

    def _group(self, name: str, kind: str) -> str:
        if name not in FIELDS or kind not in _KINDS:
            raise self._refused(f"'{{{name}{':' + kind if kind else ''}}}' is not known")
        if name == "_":
            self.fields.append(name)
            return _KINDS[kind]
        if name in self.fields:
            raise self._refused(f"'{name}' is there twice")
        self.fields.append(name)
        return f"(?P<{name}>{_KINDS[kind or FIELDS[name]]})"

    def _refused(self, why: str) -> BadInputError:
        return BadInputError(
            f"cannot use the pattern {self.text[:120]!r}: {why}; fields are "
            + ", ".join(f"{{{name}{':' + kind if kind else ''}}}" for name, kind in FIELDS.items()),
            code="SIL112",
            fix=Amend({"--pattern": "{cell}_op{step:d}"}),
        )

    @property
    def depth(self) -> int:
        """Folders that a path has which may match."""
        return self.text.count("/") + 1

    def match(self, name: str) -> dict[str, Any] | None:
        """Return the fields of a name, None when it does not match."""
        found = self._regex.fullmatch(name)
        if found is None:
            return None
        return {k: int(v) if FIELDS[k] == "d" else v for k, v in found.groupdict().items()}


@dataclass(frozen=True)
class FolderOrder:
    """What the user asks to register: a folder, the pattern of its names, what holds for all scans."""

    folder: Path
    pattern: NamePattern
    fields: Mapping[str, Any]
    """Fields of all scans, with ``state`` and ``acquisition`` as parts."""
    voxel_size: VoxelSize | None = None
    trust_voxel: str | None = None
    member: str | None = None
    allow_gaps: bool = False
    by_reference: bool = False


@dataclass(frozen=True)
class FolderRow:
    """One name of the folder and what becomes of it."""

    name: str
    outcome: str
    """``added``, ``would be added``, ``unchanged``, ``failed`` or ``no match``."""
    id: str = ""
    cell: str = ""
    cycle: int | None = None
    half: str = ""
    step: int | None = None
    shape: tuple[int, int, int] | None = None
    dtype: str = ""
    voxel_size: str = ""
    energy: str = ""
    start: str = ""
    odd: tuple[str, ...] = field(default=())
    """Why the row stands out, or why it failed."""


def find_scans(order: FolderOrder) -> tuple[list[tuple[str, Path, dict[str, Any]]], list[str]]:
    """Return name, path and fields of what matches, and the names of what does not.

    Raises
    ------
    NotFoundError
        When there is no such folder.
    BadInputError
        When nothing matches; says what there is.
    """
    if not order.folder.is_dir():
        raise NotFoundError(
            "there is no such folder", where=str(order.folder), fix=f"ls '{order.folder.parent}'"
        )
    matched, others = [], []
    for path in _entries(order.folder, order.pattern.depth):
        name = path.relative_to(order.folder).as_posix()
        fields = next((f for n in _spellings(path, name) if (f := order.pattern.match(n)) is not None), None)
        if fields is None:
            others.append(name)
        else:
            matched.append((name, path, fields))
        if len(matched) > MAX_SCANS:
            raise BadInputError(f"more than {MAX_SCANS} names match", where=str(order.folder))
    if not matched:
        shown = ", ".join(others[:5]) or "nothing"
        raise BadInputError(
            f"no name matches {order.pattern.text!r}; there is {shown}",
            code="SIL112",
            where=str(order.folder),
            fix=Amend({"--pattern": "{cell}_op{step:d}"}, advice="fit the pattern to the names"),
        )
    return matched, others


def _entries(folder: Path, depth: int) -> list[Path]:
    """List what lies some folders deep; hidden things are left out, links to folders not followed."""
    here = sorted(
        (p for p in folder.iterdir() if not p.name.startswith(".")), key=lambda p: natural_key(p.name)
    )
    if depth == 1:
        return here
    return [p for sub in here if sub.is_dir() and not sub.is_symlink() for p in _entries(sub, depth - 1)]


def _spellings(path: Path, name: str) -> Iterator[str]:
    """Give a name as it is, and without its suffixes where it is a file's."""
    yield name
    if path.is_file():
        while "." in name.rpartition("/")[2].lstrip("."):
            name = name.rpartition(".")[0]
            yield name


def add_folder(
    catalog: Catalog, order: FolderOrder, *, dry_run: bool = False, progress: Progress | None = None
) -> list[FolderRow]:
    """Register all scans of a folder whose names match; what fails leaves the others whole.

    Headers of all scans are read before any is registered, so that the odd ones are known first.

    Returns
    -------
    list of FolderRow
        In the natural order of the names, then the names that do not match.
    """
    matched, others = find_scans(order)
    planned = [_plan(order, *one) for one in matched]
    rows = _marked([row for row, _, _ in planned])
    done = [
        row
        if scan is None or opened is None
        else _register(catalog, scan, opened, row, dry_run=dry_run, progress=progress)
        for row, (_, scan, opened) in zip(rows, planned, strict=True)
    ]
    return [*done, *(FolderRow(name, "no match") for name in others)]


def _plan(
    order: FolderOrder, name: str, path: Path, fields: Mapping[str, Any]
) -> tuple[FolderRow, ScanOrder | None, ImportedVolume | None]:
    """Read the headers of one scan."""
    common = dict(order.fields)
    state = {**common.pop("state", {}), **{k: fields[k] for k in STATE if k in fields}}
    plain = {k: v for k, v in fields.items() if k not in (*STATE, "step", "_")}
    row = FolderRow(name, "failed", step=fields.get("step"))
    clashing = [k for k, v in plain.items() if common.get(k) not in (None, v)]
    if clashing:
        k = clashing[0]
        return replace(row, odd=(f"its name says {k} {plain[k]!r}, you say {common[k]!r}",)), None, None
    merged = {**common, **plain, "state": state, "id": _id(name)}
    merged.setdefault("title", name)
    row = replace(
        row,
        id=merged["id"],
        cell=str(merged.get("cell", "")),
        cycle=state.get("cycle"),
        half=str(state.get("half", "")),
    )
    try:
        source = Source(_volume_in(path, order), member=order.member, allow_gaps=order.allow_gaps)
        opened = open_volume(source)
    except SiltomoError as error:
        return replace(row, odd=(_words(error),)), None, None
    scan = ScanOrder(
        source,
        merged,
        order.voxel_size,
        order.trust_voxel,
        by_reference=order.by_reference,
        where=name,
    )
    return replace(row, **_facts(opened), odd=opened.warnings), scan, opened


def _id(name: str) -> str:
    """Make an id of a name: of its first part, up to the first point."""
    return slug(name.partition("/")[0].partition(".")[0])


def _volume_in(path: Path, order: FolderOrder) -> Path:
    """Return the volume that a matching name stands for: itself, or the only one in it."""
    if not path.is_dir() or any(entry.recognises(path) for entry in FORMATS):
        return path
    inside = sorted((p for p in path.iterdir() if p.is_dir()), key=lambda p: natural_key(p.name))
    volumes = [p for p in inside if any(entry.recognises(p) for entry in FORMATS)]
    if len(volumes) == 1:
        return volumes[0]
    if volumes:
        names = ", ".join(p.name for p in volumes)
        raise BadInputError(
            f"holds {len(volumes)} volumes ({names}): write one of them into the pattern, as "
            f"--pattern '{order.pattern.text}/{volumes[0].name}'",
            code="SIL101",
        )
    return path


def _facts(opened: ImportedVolume) -> dict[str, Any]:
    edges = [str(edge) for edge in opened.voxel_size if edge is not None]
    return {
        "shape": opened.shape,
        "dtype": str(opened.dtype),
        "voxel_size": ", ".join(dict.fromkeys(edges)),
        "energy": opened.acquisition.get("energy", ""),
        "start": opened.acquisition.get("start", ""),
    }


def _words(error: SiltomoError) -> str:
    return f"[{error.code}] {error}"


def _marked(rows: Sequence[FolderRow]) -> list[FolderRow]:
    """Say of each row how it differs from most others, and of its place in the series."""
    marked = []
    usual = {
        name: Counter(getattr(r, name) for r in rows if getattr(r, name)).most_common(1)
        for name in ("shape", "dtype", "voxel_size", "energy")
    }
    ids = Counter(row.id for row in rows if row.id)
    before: FolderRow | None = None
    for row in sorted(rows, key=lambda r: (r.cell, r.cycle or 0, -1 if r.step is None else r.step)):
        odd = list(row.odd)
        for name, most in usual.items():
            value = getattr(row, name)
            if value and most and most[0][1] > 1 and value != most[0][0]:
                odd.append(f"{name} {_plain(value)}, most have {_plain(most[0][0])}")
        if ids[row.id] > 1:
            odd.append(f"{ids[row.id]} names give the id {row.id!r}")
        odd += _place(before, row)
        before = row
        marked.append(replace(row, odd=tuple(odd)))
    order = {row.name: n for n, row in enumerate(rows)}
    return sorted(marked, key=lambda r: order[r.name])


def _place(before: FolderRow | None, row: FolderRow) -> list[str]:
    """Compare a row with the one before it in the same series."""
    if before is None or (before.cell, before.cycle) != (row.cell, row.cycle):
        return []
    odd = []
    if row.step is not None and before.step is not None and row.step - before.step > 1:
        odd.append(
            f"no step {before.step + 1}" + (f" to {row.step - 1}" if row.step - before.step > 2 else "")
        )
    if row.start and before.start and row.start < before.start:
        odd.append(f"starts before {before.name}")
    return odd


def _plain(value: object) -> str:
    return "×".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _register(
    catalog: Catalog,
    scan: ScanOrder,
    opened: ImportedVolume,
    row: FolderRow,
    *,
    dry_run: bool,
    progress: Progress | None,
) -> FolderRow:
    """Register one scan; an error is the row's."""
    if any("names give the id" in words for words in row.odd):
        return row
    try:
        done = add_scan(catalog, scan, dry_run=dry_run, progress=progress, opened=opened)
    except SiltomoError as error:
        return replace(row, outcome="failed", odd=(*row.odd, _words(error)))
    said: Scan = done.record
    outcome = "unchanged" if not done.added else "would be added" if dry_run else "added"
    return replace(row, outcome=outcome, voxel_size=str(said.voxel_size))
