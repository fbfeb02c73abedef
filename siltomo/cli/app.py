"""The tree of commands."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siltomo.cli import catalog, compute, cycling, metrics, records, schema, segment, start, upkeep
from siltomo.cli.command import CONTEXT, catalog_option

__all__ = ["app"]

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
upkeep.register(catalog.app)
app.add_typer(catalog.app)
app.add_typer(records.cell_app)
app.add_typer(records.formulation_app)
app.add_typer(segment.app)
app.add_typer(cycling.app)
app.add_typer(metrics.app)
app.add_typer(compute.app)
app.add_typer(schema.app)
