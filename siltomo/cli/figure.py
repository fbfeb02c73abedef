"""Figures declared in files: run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siltomo.cli.command import command, group, stages, the_catalog
from siltomo.cli.reply import Reply, table

__all__ = ["app"]

app = group("figure", "Figures declared in files, drawn again where something changed.")

File = Annotated[Path, typer.Argument(help="YAML file that declares figures.", show_default=False)]
Names = Annotated[
    list[str] | None,
    typer.Option("--only", help="Name of a figure; repeat. All without it.", show_default=False),
]
Force = Annotated[bool, typer.Option("--force", help="Draw those too that have not changed.")]


@command(app, "run", csv=True)
def run(file: File, only: Names = None, force: Force = False) -> Reply:
    """Draw the figures of a file whose data or declaration changed; exit code 7 when some failed."""
    from siltomo.report.figure_file import run_figures

    with stages(f"reading {file.name}") as (say, stage):
        done = run_figures(the_catalog(), file, names=only or (), force=force, say=say, stage=stage)
    rows = [
        {"figure": one.name, "outcome": one.outcome, "files": list(one.files), "reason": one.reason}
        for one in done
    ]
    warnings = [f"{one.name}: {words}" for one in done if one.outcome == "drawn" for words in one.warnings]
    failed = any(one.outcome == "failed" for one in done)
    return Reply(rows, table(rows), rows, warnings, exit_code=7 if failed else 0)
