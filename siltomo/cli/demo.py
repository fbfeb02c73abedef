"""The demo: the whole chain on a synthetic study, and what the common mistakes look like."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siltomo.cli.command import command, tell
from siltomo.cli.reply import Reply, table

if TYPE_CHECKING:
    from siltomo.engine.demo.checks import Check
    from siltomo.engine.demo.demo import Demo

__all__ = ["register"]

GREYS = "from-greys"
"""Folder of the catalog of greys, inside of the demo's."""


FROM_GREYS = ["scan", "recipe", "its verdict", "metric", "measured", "true labels", "unit", "gate", "within"]


class Size(StrEnum):
    """How large the scans are."""

    S = "S"
    M = "M"
    L = "L"


Folder = Annotated[Path, typer.Argument(help="Folder to make; it becomes a catalog.")]
PresetOption = Annotated[
    Size,
    typer.Option(
        "--preset",
        help="Size of the scans: S is a minute and 0.3 GB, L is the published size.",
        case_sensitive=False,
    ),
]
Seed = Annotated[int, typer.Option("--seed", min=0, help="Another seed gives other electrodes.")]
Broken = Annotated[
    bool, typer.Option("--broken", help="Show the common mistakes, their errors, and what mends them.")
]


def register(app: typer.Typer) -> None:
    """Add the command."""
    command(app, "demo", csv=True)(demo)


def demo(
    directory: Folder = Path("siltomo-demo"),
    preset: PresetOption = Size.S,
    seed: Seed = 1,
    broken: Broken = False,
) -> Reply:
    """Build a synthetic study whose true values are known, and run the whole chain on it.

    Two formulations, scanned operando and after 0, 1, 5 and 25 cycles, micro and nano; no data are needed.
    Every measured value stands beside the true one: on true labels, and on what recipes make of the greys. Exit
    code 5 when one is beyond its limit though its labels are true, or a volume fraction though the recipe calls
    its labels good; what else is beyond is shown as such.
    """
    if broken:
        return _broken()
    from siltomo.engine.demo.demo import run_demo
    from siltomo.engine.resources import kernels_are_compiled

    if not kernels_are_compiled():
        tell("first use on this machine: compiling the kernels takes some 20 s of a second core, once")
    done = run_demo(directory, preset=preset.value, seed=seed, say=tell)
    figures = _draw(done)
    rows = [asdict(check) for check in done.checks]
    beyond = [check for check in done.checks if check.is_wrong]
    warnings = [
        f"{check.metric} of {check.of}: {check.measured:.4g} is beyond {check.gate} of {check.true:.4g} {check.unit}"
        for check in beyond
    ] + list(done.warnings)
    data = {
        "catalog": str(done.folder),
        "records": dict(done.counts),
        "tables": [str(path) for path in done.tables],
        "figures": figures,
        "segmented": [asdict(one) for one in done.segmented],
        "checks": rows,
    }
    return Reply(data, _text(done, figures), rows, warnings, exit_code=5 if beyond else 0)


def _draw(done: Demo) -> list[str]:
    """Draw what needs nothing but kept results, and return the pictures; the others take a command of their own."""
    from siltomo.engine.catalog import open_catalog
    from siltomo.engine.demo.pictures import AT_ONCE, FIGURES
    from siltomo.report.figure_file import run_figures

    tell("drawing the first figures")
    drawn = run_figures(open_catalog(done.folder), done.folder / FIGURES, names=AT_ONCE)
    for one in drawn:
        if one.outcome == "failed":
            tell(f"{one.name} was not drawn: {one.reason}")
    return [file for one in drawn for file in one.files if not file.endswith(".csv")]


def _text(done: Demo, figures: list[str]) -> str:
    from siltomo.engine.demo.pictures import FIGURES

    by_metric: dict[str, list[Check]] = {}
    for check in done.checks:
        if check.labels == "twin":
            by_metric.setdefault(check.metric, []).append(check)
    summary = [_worst(name, checks) for name, checks in by_metric.items()]
    counts = ", ".join(f"{n} {kind.replace('_', ' ')}s" for kind, n in done.counts.items())
    here = done.folder
    return "\n".join(
        [
            "on the true labels, against the truth:",
            table(summary),
            "",
            "from the greys, segmented by recipes, against the true labels:",
            table(_from_greys(done), FROM_GREYS),
            "",
            f"{here} is a catalog with {counts}; all values: {', '.join(map(str, done.tables))}",
            f"capacities, and cracks through a delithiation: {', '.join(figures)}",
            "what to type next:",
            f"  cd {here}",
            "  siltomo catalog list --where \"mode == 'operando'\"",
            "  siltomo compute metric crack_volume_fraction crack_width_median --where \"formulation == 'with-zn'\"",
            "  siltomo compute metric electrode_porosity --explain",
            "  siltomo cycling summary",
            f"  siltomo figure run {FIGURES.as_posix()}",
            "  siltomo report --all -o report.html",
            "  siltomo plot operando -o operando.png",
            f"  siltomo --catalog {GREYS} report -o from-greys.html",
            *_checked(done),
            "  siltomo demo --broken",
        ]
    )


def _checked(done: Demo) -> list[str]:
    """Return the command that moves the cuts of the first segmentation that came about."""
    made = [
        one.segmentation for one in done.segmented if one.segmentation and one.verdict in ("good", "doubtful")
    ]
    return [f"  siltomo --catalog {GREYS} segment check {made[0]}"] if made else []


def _worst(name: str, checks: list[Check]) -> dict[str, Any]:
    """Summarise the checks of a metric by the one that is furthest off."""
    worst = max(checks, key=lambda c: abs(c.measured - c.true))
    return {
        "metric": name,
        "values": len(checks),
        "within": sum(check.within for check in checks),
        "gate": worst.gate,
        "furthest off": worst.of,
        "measured": worst.measured,
        "true": worst.true,
        "unit": worst.unit,
    }


def _from_greys(done: Demo) -> list[dict[str, Any]]:
    """One row for each metric of each segmentation; a scan that a recipe refused has one that says so."""
    rows: list[dict[str, Any]] = []
    for one in done.segmented:
        base = {"scan": one.scan, "recipe": one.recipe, "its verdict": one.verdict}
        checks = [c for c in done.checks if c.of == one.scan and c.labels == one.recipe]
        rows += [{**base, **_compared(check)} for check in checks] or [base]
    return rows


def _compared(check: Check) -> dict[str, Any]:
    return {
        "metric": check.metric,
        "measured": check.measured,
        "true labels": check.true,
        "unit": check.unit,
        "gate": check.gate,
        "within": "yes" if check.within else "NO",
    }


def _broken() -> Reply:
    from siltomo.cli.mistakes import make_mistakes

    with tempfile.TemporaryDirectory(prefix="siltomo-demo-") as folder:
        shown = make_mistakes(Path(folder))
    rows = [asdict(one) for one in shown]
    text = "\n\n".join(one.text for one in shown)
    return Reply(rows, text, rows, exit_code=0 if all(one.mended for one in shown) else 5)
