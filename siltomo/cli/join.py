"""Join scans with the cycling of their cells."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siltomo.cli.command import command, progress_bar, the_catalog
from siltomo.cli.options import Where
from siltomo.cli.reply import Reply, table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from siltomo.engine.join.join import Form

__all__ = ["register"]

Metrics = Annotated[
    list[str] | None,
    typer.Option(
        "--metric", help="Metric to put beside the states; computed if missing; repeat.", show_default=False
    ),
]
Tolerance = Annotated[
    str | None,
    typer.Option(
        "--tolerance",
        help='Longest time between two points of the record that a scan may fall into, such as "30 s"; without it '
        "the longest sampling gap inside a step, at most 300 s.",
        show_default=False,
    ),
]
Agree = Annotated[
    str, typer.Option("--agree-within", help="Difference up to which declared and found capacity agree.")
]
Long = Annotated[
    bool,
    typer.Option("--long/--wide", help="One row for each result, or one for each scan with all its metrics."),
]
Output = Annotated[
    Path | None,
    typer.Option(
        "-o", "--output", help="Also write the rows to FILE.csv, .json or .parquet.", show_default=False
    ),
]


Apply = Annotated[
    bool,
    typer.Option(
        "--apply", help="Store found capacity and voltage in the scans that declare none and agree."
    ),
]


def register(app: typer.Typer) -> None:
    """Add ``join`` to the commands."""
    command(app, "join", csv=True)(join)


def join(
    where: Where = None,
    metric: Metrics = None,
    tolerance: Tolerance = None,
    agree_within: Agree = "20 mAh/g_Si",
    long: Long = False,
    output: Output = None,
    apply: Apply = False,
) -> Reply:
    """Find for each scan the cycle, half-cycle, capacity and voltage of its cell, from the cycling record.

    A scan without a state has a row that says why; a state that is not as declared is reported. Selections speak of
    what is declared. Exit code 7 when metrics of some rows failed.
    """
    from siltomo.engine.export.results import check_output, long_rows, write_rows
    from siltomo.engine.join.arrays import labelled_rows
    from siltomo.engine.join.join import carry
    from siltomo.engine.join.join import join as join_scans

    if output is not None:
        check_output(output)
    catalog = the_catalog()
    with progress_bar("computing") as progress:
        step = None if progress is None else lambda _, done, total: progress(done, total)
        joined = join_scans(
            catalog,
            where=where,
            metrics=tuple(metric or ()),
            tolerance=tolerance,
            agree_within=agree_within,
            progress=step,
        )
    form: Form = "long" if long else "wide"
    rows, units = joined.rows(form), joined.units(form)
    flat = labelled_rows(long_rows(rows) if long else rows, units)
    if output is not None:
        write_rows(labelled_rows(rows, units) if output.suffix.lower() == ".json" else flat, output)
    warnings = [*joined.warnings, *([] if rows else ["no scan is selected"])]
    broken = sum(m["status"] == "failed" for own in joined.measured.values() for m in own)
    if broken:
        warnings.append(f"{broken} results failed; the others are kept")
    stored = carry(catalog, joined) if apply else []
    shown = _shown(rows, () if long else joined.metrics, units)
    if apply:
        shown += f"\nstored what was found in {len(stored)} scans"
    return Reply(
        {"rows": rows, "units": units, "stored": stored}, shown, flat, warnings, exit_code=7 if broken else 0
    )


def _shown(rows: Sequence[Mapping[str, Any]], metrics: Sequence[str], units: Mapping[str, str]) -> str:
    lines = []
    contracts = any(row["contraction"] is not None for row in rows)
    for row in rows:
        line = {
            "scan": row["scan"],
            "cycle": row["cycle"],
            "half": row["half"],
            "capacity [mAh/g_Si]": _with_spread(row["capacity"], row["capacity_uncertainty"]),
            "voltage [V]": row["voltage"],
            "at rest": None if row["at_rest"] is None else "yes" if row["at_rest"] else "no",
            **({"contraction": row["contraction"]} if contracts else {}),
            **{f"{name} [{units[name]}]": _with_spread(row[name], None) for name in metrics},
        }
        if "metric" in row:
            value = f"{len(row['values'])} values" if "values" in row else row["value"]
            line |= {"metric": row["metric"], "value": value, "unit": row["unit"]}
        said = (row["reason"], row["disagreement"], row.get("metric_reason", ""))
        lines.append({**line, "remarks": "; ".join(part for part in said if part)})
    tolerances = {
        f"{r['tolerance']:.3g} s ({r['tolerance_from']})" for r in rows if r["tolerance"] is not None
    }
    foot = f"\ntolerance: {', '.join(sorted(tolerances))}" if tolerances else ""
    return table(lines) + foot


def _with_spread(value: Any, spread: float | None) -> Any:
    if isinstance(value, list):
        return f"{len(value)} values"
    if value is None or not spread:
        return value
    return f"{value:.5g} +/- {spread:.2g}"
