"""Metrics: list, show."""

from __future__ import annotations

from typing import Annotated

import typer

from siltomo.cli.command import command, group
from siltomo.cli.reply import Reply, table

__all__ = ["app"]

app = group("metrics", "Metrics: what can be computed, with unit and definition.")

Name = Annotated[str, typer.Argument(help="Name of a metric.", show_default=False)]


@command(app, "list", csv=True)
def list_() -> Reply:
    """List the metrics. Where <phase> stands, any phase can be named."""
    from siltomo.engine.catalogue import metric_rows

    rows, broken = metric_rows()
    return Reply(rows, table(rows, ["name", "unit", "version", "package", "summary"]), rows, broken)


@command(app, "show")
def show(name: Name) -> Reply:
    """Show a metric: unit, formula, conventions, limits, parameters."""
    from siltomo.engine.catalogue import describe_metric

    shown = describe_metric(name)
    parameters = table(shown["parameters"], ["name", "default", "takes"]) if shown["parameters"] else "(none)"
    text = (
        f"{shown['name']} [{shown['unit']}], version {shown['version']}, from {shown['package']}\n\n"
        f"{shown['description']}\n\nparameters (--set name=value):\n{parameters}"
    )
    return Reply(shown, text)
