"""The tree of commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siltomo.cli import (
    alignment,
    compute,
    cycling,
    demo,
    export,
    figure,
    join,
    metrics,
    plot,
    records,
    report,
    schema,
    segment,
    segment_ilastik,
    segment_run,
    sheets,
    start,
    study,
    upkeep,
    video,
    view,
)
from siltomo.cli.command import CONTEXT, catalog_option

__all__ = ["app"]

_COMMANDS = (segment_run, segment_ilastik)  # they add to the group of segment

app = typer.Typer(
    name="siltomo",
    no_args_is_help=True,
    add_completion=False,
    context_settings=CONTEXT,
    rich_markup_mode=None,
)

Folder = Annotated[
    Path | None,
    typer.Option(
        "--catalog",
        help="The catalog's folder; else SILTOMO_CATALOG, else the nearest catalog upwards from here.",
        show_default=False,
    ),
]
Version = Annotated[bool, typer.Option("--version", help="Print the version and stop.")]


@app.callback(invoke_without_command=True)
def root(context: typer.Context, folder: Folder = None, version: Version = False) -> None:
    """Keep declared datasets and metrics, with units, for X-ray tomography of silicon battery anodes."""
    catalog_option.set(folder)
    if version:
        from importlib.metadata import version as installed

        typer.echo(f"siltomo {installed('siltomo')}")
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(context.get_help())
        raise typer.Exit


start.register(app)
demo.register(app)
upkeep.register(sheets.app)
app.add_typer(sheets.app)  # the catalog, with import and export
app.add_typer(records.cell_app)
app.add_typer(records.formulation_app)
app.add_typer(segment.app)
alignment.register(cycling.app)
app.add_typer(cycling.app)
app.add_typer(metrics.app)
app.add_typer(compute.app)
join.register(app)
app.add_typer(study.app)
app.add_typer(export.app)
video.register(plot.app)
app.add_typer(plot.app)
report.register(app)
app.add_typer(figure.app)
view.register(app)
app.add_typer(schema.app)
