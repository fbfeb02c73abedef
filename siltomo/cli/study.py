"""Studies: list, show, check their printed numbers."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from siltomo.cli.command import command, group, the_catalog
from siltomo.cli.reply import Reply, table

__all__ = ["app"]

app = group("study", "Studies: the numbers that they printed, recomputed with units.")


class Shown(StrEnum):
    """Verdicts that rows can be chosen by."""

    REPRODUCES = "reproduces"
    ROUNDING = "rounding"
    INCONSISTENT = "inconsistent"
    NOT_REPRODUCIBLE = "not reproducible"
    DERIVED = "derived"


class FailOn(StrEnum):
    """Verdicts that can make the command fail."""

    INCONSISTENT = "inconsistent"
    NOT_REPRODUCIBLE = "not reproducible"
    ROUNDING = "rounding"


Name = Annotated[
    str,
    typer.Argument(help="A study file, its folder, or a study that comes with siltomo.", show_default=False),
]
Fail = Annotated[
    FailOn | None,
    typer.Option("--fail-on", help="Exit with 5 when a row gets this verdict.", show_default=False),
]
Only = Annotated[
    str | None,
    typer.Option(
        "--verdict", help="Show only rows with this verdict, such as inconsistent.", show_default=False
    ),
]
Html = Annotated[
    Path | None, typer.Option("--html", help="Write a page that needs no network.", show_default=False)
]


@command(app, "list", csv=True)
def list_() -> Reply:
    """List the studies that come with siltomo."""
    from siltomo.engine.study.check import listed

    rows = listed()
    return Reply(rows, table(rows), rows)


@command(app, "show")
def show(name: Name) -> Reply:
    """Show what a study declares: formulations with what follows from their recipe, cells, scans, values."""
    from siltomo.engine.study.check import show as shown

    found = shown(name)
    return Reply(found, _shown(found))


@command(app, "check", csv=True)
def check(name: Name, verdict: Only = None, html: Html = None, fail_on: Fail = None) -> Reply:
    """Recompute the printed numbers of a study from each other, and judge them.

    Every relation and claim that the study declares is evaluated with units and rounding intervals; lints look
    for slips of unit, basis, population and more. Exit code 5 with --fail-on inconsistent when one is found.
    """
    from siltomo.engine.study.check import check as checked

    done = checked(name, catalog=the_catalog)
    if html is not None:
        from siltomo.report.study_page import write_page

        write_page(done, html)
    rows = [row for row in done.rows if verdict is None or row["verdict"] == verdict]
    failed = fail_on is not None and done.has(str(fail_on))
    return Reply(rows, _checked(done, rows, html), rows, exit_code=5 if failed else 0)


def _checked(done: Any, rows: list[dict[str, Any]], html: Path | None) -> str:
    shown = [{**row, "flags": row["flags"]} for row in rows]
    columns = ["id", "recomputed", "reported", "unit", "ratio", "verdict", "flags"]
    doubtful = [
        row for row in rows if row["verdict"] in ("inconsistent", "not reproducible") and row["explanation"]
    ]
    words = [f"\n{row['id']}: {row['claim']}\n  {row['explanation']}" for row in doubtful]
    counts = [f"{number} {name}" for name, number in done.counts("relation").items()]
    total = sum(done.counts("relation").values())
    ending = f"\n{total} relations: {', '.join(counts)}" + (f"\nwrote {html}" if html else "")
    return "\n".join([table(shown, columns), *words, ending])


def _shown(found: dict[str, Any]) -> str:
    study = found["study"]
    lines = [f"{study['id']}: {study.get('title', '')}", study.get("doi", ""), "", "populations:"]
    lines += [f"  {name}: {title}" for name, title in found["populations"].items()]
    lines += ["", "formulations, computed from their ingredients (interval from the inputs):"]
    for name, made in found["formulations"].items():
        lines += [f"  {name}"] + [f"    {word}: {number}" for word, number in made.items()]
    lines += ["", "protocols:"]
    for name, protocol in found["protocols"].items():
        lines += [f"  {name}: {protocol['title']}"] + [f"    {step}" for step in protocol["steps"]]
    if found["scans"]:
        lines += ["", table(found["scans"])]
    columns = ["id", "printed", "unit", "of", "formulation", "cycle", "half", "population", "place"]
    lines += ["", table(found["reported_values"], columns)]
    lines += [
        "",
        f"{found['relations']} relations, {found['claims']} claims: siltomo study check {study['id']}",
    ]
    return "\n".join(lines)
