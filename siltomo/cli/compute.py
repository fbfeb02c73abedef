"""Compute metrics."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siltomo.cli.command import command, group, progress_bar, tell, the_catalog
from siltomo.cli.options import DryRun, Where
from siltomo.cli.reply import Reply, table

if TYPE_CHECKING:
    from siltomo.engine.compute.plan import Plan

__all__ = ["app"]

app = group("compute", "Compute metrics.")


class Place(StrEnum):
    """Where metrics are measured."""

    COMMON = "common"


class Matching(StrEnum):
    """Where the inputs of a derived metric may come from."""

    SPECIMEN = "specimen"
    CELL = "cell"
    FORMULATION = "formulation"


Names = Annotated[list[str], typer.Argument(help="Names of metrics.", show_default=False)]
Settings = Annotated[
    list[str] | None,
    typer.Option(
        "--set", help="Parameter as name=value, such as connectivity=6; repeat.", show_default=False
    ),
]
Explain = Annotated[bool, typer.Option("--explain", help="Print what would be done, and from what.")]
MatchOption = Annotated[
    Matching,
    typer.Option(
        "--match",
        help="Take the inputs of derived metrics from the same specimen only, from the same cell (its specimen "
        "first), or from any cell of its formulation (its own first).",
    ),
]
WithinOption = Annotated[
    Place | None,
    typer.Option(
        "--within",
        help="common: only what all scans of a series show, after segment register.",
        show_default=False,
    ),
]
Scheduler = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        help="Measure on a dask cluster: address of its scheduler, such as tcp://10.0.0.5:8786.",
        show_default=False,
    ),
]
Sensitivity = Annotated[
    bool,
    typer.Option(
        "--sensitivity", help="Measure the variants of segmentations too: how far results move with them."
    ),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="Also write the rows to FILE.csv, .json or .parquet.", show_default=False
    ),
]


@command(app, "metric", csv=True)
def metric(
    names: Names,
    where: Where = None,
    settings: Settings = None,
    explain: Explain = False,
    dry_run: DryRun = False,
    match: MatchOption = Matching.CELL,
    sensitivity: Sensitivity = False,
    within: WithinOption = None,
    scheduler: Scheduler = None,
    output: Output = None,
) -> Reply:
    """Compute metrics on the segmentations of the catalog.

    What was computed before is not computed again. Rows without a value say why. Exit code 7 when some
    rows failed.
    """
    from siltomo.engine.compute.cluster import cluster
    from siltomo.engine.compute.plan import make_plan
    from siltomo.engine.compute.rows import failed
    from siltomo.engine.compute.run import run_plan
    from siltomo.engine.export.results import check_output, long_rows, write_rows
    from siltomo.engine.resources import kernels_are_compiled
    from siltomo.engine.select import parse_where

    if output is not None:
        check_output(output)
    catalog = the_catalog()
    plan = make_plan(
        catalog,
        names,
        where=parse_where(where),
        settings=_settings(settings),
        match=match.value,
        sensitivity=sensitivity,
        within="common" if within is Place.COMMON else None,
    )
    if explain or dry_run:
        return _plan_reply(plan)
    if plan.passes and not kernels_are_compiled():
        tell("first use on this machine: compiling the kernels takes some 20 s, once")
    with cluster(scheduler), progress_bar("computing") as progress:
        step = None if progress is None else lambda _, done, total: progress(done, total)
        rows = run_plan(catalog, plan, progress=step)
    if output is not None:
        write_rows(rows, output)
    broken = failed(rows)
    warnings = []
    if broken:
        said = f"{len(broken)} of {len(rows)} rows failed; the others are kept"
        warnings.append(f"{said}. Repeat the command: only these are computed again")
    if sensitivity:
        warnings += _without_variants(plan)
    if not rows:
        warnings.append("no scan is selected")
    return Reply(rows, _text(rows), long_rows(rows), warnings, exit_code=7 if broken else 0)


def _without_variants(plan: Plan) -> list[str]:
    from siltomo.engine.compute.sensitivity import without_variants

    alone = without_variants(plan.rows, plan.variants)
    if not alone:
        return []
    named = ", ".join(alone[:3]) + (f" and {len(alone) - 3} more" if len(alone) > 3 else "")
    return [
        f"no variant of {named}: its results have no segmentation part; add one: siltomo segment import SCAN "
        "FILE --phases ... --variant-of SEGMENTATION"
    ]


def _settings(given: list[str] | None) -> dict[str, object]:
    from siltomo.errors import Amend, BadInputError

    made: dict[str, object] = {}
    for text in given or []:
        name, equals, value = text.partition("=")
        if not equals or not name.strip():
            raise BadInputError(
                f"--set takes name=value, not {text!r}",
                code="SIL164",
                fix=Amend({"--set": "connectivity=26"}),
            )
        made[name.strip()] = value.strip()
    return made


def _plan_reply(plan: Plan) -> Reply:
    items: list[dict[str, Any]] = [
        {
            "metric": item.request.name,
            **item.subject.columns,
            "fate": "kept" if item.found else "to compute" if item.to_compute else str(item.status),
            "reason": item.reason,
            "key": item.key,
        }
        for item in plan.items
    ]
    summary = plan.summary()
    passes = [
        {
            "segmentation": one.subject.columns["segmentation"],
            "metrics": list(dict.fromkeys(item.request.name for item in one.items)),
            "blocks": one.blocks,
            "planes_per_block": one.slab,
            "workers": one.workers,
            "read_bytes": one.read_bytes,
            "peak_bytes": one.peak_bytes,
        }
        for one in plan.passes
    ]
    return Reply(
        {**summary, "items": items, "pass_list": passes, "explanation": plan.explain()}, plan.explain(), items
    )


def _text(rows: list[dict[str, Any]]) -> str:
    shown = [
        {
            "metric": row["metric"],
            "of": _subject(row),
            "value": _value(row),
            "unit": row["unit"],
            "uncertainty": row["uncertainty"],
            "status": row["status"],
            "reason": row["reason"] or "; ".join(row["flags"]),
        }
        for row in rows
    ]
    return table(shown)


def _subject(row: dict[str, Any]) -> str:
    """Name what a row is about: a segmentation of a scan, or a state of a cell."""
    if row["scan"] is not None:
        return f"{row['scan']} / {row['segmentation'] or '-'}"
    reached = "" if row["capacity"] is None else f" {row['capacity']:g} mAh/g_Si"
    return f"{row['cell']} cycle {row['cycle']} {row['half']}{reached}"


def _value(row: dict[str, Any]) -> Any:
    if "values" in row:
        return f"{len(row['values'])} values"
    return row["value"]
