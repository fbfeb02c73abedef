"""The report: one page to send to co-authors."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from siltomo.cli.command import command, stages, the_catalog
from siltomo.cli.reply import Reply

__all__ = ["register"]

Scans = Annotated[
    list[str] | None,
    typer.Argument(help="Ids of scans; with --all, or without any, all.", show_default=False),
]
All = Annotated[bool, typer.Option("--all", help="The whole catalog.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="File to write.")]
StudyOption = Annotated[
    str | None,
    typer.Option(
        "--study", help="A study whose printed numbers to check: its name or file.", show_default=False
    ),
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "report")(report)


def report(
    scan: Scans = None, every: All = False, study: StudyOption = None, output: Output = Path("report.html")
) -> Reply:
    """Write one page that needs no network: slices, surface, plots of all metrics, tables, provenance.

    It shows what the catalog holds; what was not computed is named.
    """
    from siltomo.engine.export.results import check_output
    from siltomo.engine.figures.report import collect_report
    from siltomo.errors import Amend, UsageError
    from siltomo.report.page import write_report

    if scan and every:
        raise UsageError("--all and ids of scans exclude each other", fix=Amend(drop_flags=("--all",)))
    check_output(output, (".html",))
    catalog = the_catalog()
    words = [
        "siltomo",
        "report",
        *(scan or ["--all"]),
        *(["--study", study] if study else []),
        "-o",
        output.name,
    ]
    with stages() as (_, say):
        checked = None
        if study is not None:
            from siltomo.engine.study.check import check

            if say is not None:
                say(f"checking the numbers of {study}", 0, 1)
            checked = check(study, catalog=lambda: catalog)
        found = collect_report(catalog, scan or (), say=say)
        size = write_report(found, output, check=checked, command=shlex.join(words), say=say)
    data = {
        "file": str(output),
        "bytes": size,
        "scans": len(found.scans),
        "results": len(found.results),
        "not_computed": found.not_computed,
        "missing": found.missing,
    }
    return Reply(data, f"wrote {output} ({size / 1e6:.1f} MB)", None, found.warnings)
