"""Metrics: list, show, check."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from siltomo.cli.command import command, group
from siltomo.cli.reply import Reply, table

__all__ = ["app"]

app = group("metrics", "Metrics: what can be computed, with unit and definition.")

Accept = Annotated[
    bool, typer.Option("--accept-refactor", help="Take the code of siltomo's metrics as it is now.")
]
Names = Annotated[
    list[str] | None, typer.Argument(help="Names of metrics; all derived ones without.", show_default=False)
]
Picture = Annotated[
    Path | None, typer.Option("-o", "--output", help="Draw it as FILE.svg.", show_default=False)
]
Name = Annotated[str, typer.Argument(help="Name of a metric.", show_default=False)]


@command(app, "list", csv=True)
def list_() -> Reply:
    """List the metrics. Where <phase> stands, any phase can be named."""
    from siltomo.engine.compute.catalogue import metric_rows

    rows, broken = metric_rows()
    return Reply(rows, table(rows, ["name", "unit", "version", "package", "summary"]), rows, broken)


@command(app, "show")
def show(name: Name) -> Reply:
    """Show a metric: unit, formula, conventions, limits, parameters."""
    from siltomo.engine.compute.catalogue import describe_metric

    shown = describe_metric(name)
    parameters = table(shown["parameters"], ["name", "default", "takes"]) if shown["parameters"] else "(none)"
    inputs = table(shown["inputs"], ["name", "takes"]) if shown["inputs"] else ""
    text = (
        f"{shown['name']} [{shown['unit']}], version {shown['version']}, from {shown['package']}\n\n"
        f"{shown['description']}\n\nparameters (--set name=value):\n{parameters}"
        + (f"\n\ncomputed from:\n{inputs}" if inputs else "")
        + (f"\n\nassumes that {shown['assumption']}" if shown["assumption"] else "")
    )
    return Reply(shown, text)


@command(app, "graph")
def graph(names: Names = None, output: Picture = None) -> Reply:
    """Show what metrics are computed from, down to records and voxels."""
    from siltomo.engine.compute.graph import metric_graph, tree_lines

    found = metric_graph(names or ())
    data = [
        {**vars(node), "inputs": [{"name": n, "selects": how} for n, how in node.inputs]}
        for node in found.values()
    ]
    said = "\n".join(tree_lines(found))
    if output is not None:
        from siltomo.engine.export.results import check_output
        from siltomo.report.metric_graph import graph_svg

        check_output(output, (".svg",))
        output.write_text(graph_svg(found), "utf-8")
        said = f"wrote {output}"
    return Reply(data, said)


@command(app, "check", csv=True)
def check(accept_refactor: Accept = False) -> Reply:
    """Check all metrics: units, scaling with the voxel, code that changed without a new version.

    Exit code 5 when a check fails.
    """
    from siltomo.engine.compute.check import check_metrics, write_lock

    if accept_refactor:
        write_lock()
    rows = check_metrics()
    failed = [row for row in rows if not row["ok"]]
    text = table(failed, ["metric", "check", "reason"]) if failed else f"all {len(rows)} checks hold"
    return Reply(rows, text, rows, exit_code=5 if failed else 0)
