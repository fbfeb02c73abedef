"""``catalog add FOLDER --pattern``: many scans in one command."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

from siltomo.cli.command import progress_bar, the_catalog
from siltomo.cli.reply import Reply, table

__all__ = ["add_scans_of"]

COLUMNS = ("name", "id", "cell", "cycle", "half", "step", "shape", "dtype", "voxel_size", "start", "outcome")


def add_scans_of(
    folder: Path,
    pattern: str,
    fields: Mapping[str, Any],
    *,
    voxel_size: str | None,
    voxel_from: str | None,
    member: str | None,
    allow_gaps: bool,
    by_reference: bool,
    dry_run: bool,
) -> Reply:
    """Register all scans of a folder; the odd ones are told below the table."""
    from siltomo.engine.intake.folders import FolderOrder, NamePattern, add_folder
    from siltomo.engine.intake.study import read_voxel_size

    order = FolderOrder(
        folder=folder,
        pattern=NamePattern(pattern),
        fields=fields,
        voxel_size=None if voxel_size is None else read_voxel_size(voxel_size),
        trust_voxel=voxel_from,
        member=member,
        allow_gaps=allow_gaps,
        by_reference=by_reference,
    )
    with progress_bar(f"registering {folder.name}") as progress:
        found = add_folder(the_catalog(), order, dry_run=dry_run, progress=progress)
    rows = [{**asdict(row), "odd": list(row.odd)} for row in found]
    scans = [row for row in rows if row["outcome"] != "no match"]
    failed = [row for row in scans if row["outcome"] == "failed"]
    shown = [
        {**row, "shape": "×".join(map(str, row["shape"] or ())) or None, "!": "!" if row["odd"] else ""}
        for row in scans
    ]
    text = [table(shown, ["!", *COLUMNS])]
    text += [f"! {row['name']}: {words}" for row in scans for words in row["odd"]]
    others = [row["name"] for row in rows if row["outcome"] == "no match"]
    warnings = []
    if others:
        more = f" and {len(others) - 8} more" if len(others) > 8 else ""
        warnings.append(f"{len(others)} names do not match the pattern: {', '.join(others[:8])}{more}")
    if failed:
        warnings.append(
            f"{len(failed)} of {len(scans)} failed; the others stay. Mend them and repeat the command"
        )
    return Reply(rows, "\n".join(text), rows, warnings, exit_code=7 if failed else 0)


def fields_of(pattern: str) -> set[str]:
    """Return the fields that a pattern gives, so that they need not be typed."""
    from siltomo.engine.intake.folders import NamePattern

    return set(NamePattern(pattern).fields)
