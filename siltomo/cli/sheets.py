"""``catalog import`` and ``catalog export``: cells and scans as an Excel or CSV sheet."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from siltomo.cli.catalog import app
from siltomo.cli.command import command, progress_bar, the_catalog
from siltomo.cli.options import DryRun
from siltomo.cli.reply import Reply, table

__all__ = ["app", "export_", "import_"]


class SheetKind(StrEnum):
    """What the rows of a CSV are."""

    FORMULATION = "formulation"
    CELL = "cell"
    SCAN = "scan"


Sheet = Annotated[Path, typer.Argument(help="The sheet, .xlsx or .csv.", show_default=False)]
Kind = Annotated[
    SheetKind, typer.Option("--kind", help="What the rows of a CSV are; an .xlsx holds all three.")
]
Force = Annotated[bool, typer.Option("--force", help="Replace a file that is there.")]


@command(app, "import", csv=True)
def import_(sheet: Sheet, kind: Kind = SheetKind.CELL, dry_run: DryRun = False) -> Reply:
    """Take formulations, cells and scans from a sheet: new ids are added, known ones set.

    Units stand in the headers, as "si_mass (mg_Si)". Every cell is checked before anything is changed. An
    empty cell leaves its field as it is; one with "-" empties it. A new scan needs its file in the column
    "file".
    """
    from siltomo.engine.intake.sheets import import_sheet

    with progress_bar(f"taking {sheet.name}") as progress:
        done = import_sheet(the_catalog(), sheet, kind=str(kind), dry_run=dry_run, progress=progress)
    rows = [{k: v for k, v in asdict(row).items() if k != "warnings"} for row in done]
    failed = [row for row in rows if row["outcome"] == "failed"]
    warnings = [f"{row.kind} {row.id}: {warning}" for row in done for warning in row.warnings]
    if failed:
        warnings.append(
            f"{len(failed)} of {len(rows)} failed; the others stay. Mend {sheet} and repeat the command"
        )
    return Reply(rows, table(rows), rows, warnings, exit_code=7 if failed else 0)


@command(app, "export")
def export_(sheet: Sheet, kind: Kind = SheetKind.CELL, force: Force = False) -> Reply:
    """Write formulations, cells and scans as a sheet that `catalog import` takes back."""
    from siltomo.engine.intake.sheets import export_sheet

    counts = export_sheet(the_catalog(), sheet, kind=str(kind), force=force)
    said = ", ".join(f"{n} {name}" for name, n in counts.items())
    return Reply({"file": str(sheet), "rows": counts}, f"wrote {sheet}: {said}")
