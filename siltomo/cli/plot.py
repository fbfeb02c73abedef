"""Figures: from the catalog to a file for print, the data as CSV beside it."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from siltomo.cli.command import command, group, stages, the_catalog
from siltomo.cli.options import Where
from siltomo.cli.reply import Reply

__all__ = ["app", "draw"]

app = group("plot", "Figures: PNG, SVG or PDF, with their data as CSV beside them.")


class Column(StrEnum):
    """How wide a figure is."""

    SINGLE = "single"
    DOUBLE = "double"


class By(StrEnum):
    """What has a line of its own."""

    FORMULATION = "formulation"
    CELL = "cell"


class Half(StrEnum):
    """Which half-cycle."""

    LITHIATION = "lithiation"
    DELITHIATION = "delithiation"


class Statistic(StrEnum):
    """What stands for the widths at a depth."""

    MEDIAN = "median"
    MEAN = "mean"


class Order(StrEnum):
    """What states along the depth are ordered and shaded by."""

    CONTRACTION = "contraction"
    CYCLE = "cycle"


class Normalise(StrEnum):
    """What an expansion is related to."""

    INITIAL = "initial"
    THEORETICAL = "theoretical"


Output = Annotated[
    list[Path] | None,
    typer.Option(
        "-o",
        "--output",
        help="File to write, FILE.png, .svg or .pdf; repeat for several. KIND.png without it.",
        show_default=False,
    ),
]
WidthOption = Annotated[Column, typer.Option("--width", help="Columns of a journal: 89 or 183 mm.")]
Cells = Annotated[
    list[str] | None, typer.Option("--cell", help="Id of a cell; repeat. All without it.", show_default=False)
]
Cycles = Annotated[
    list[int] | None, typer.Option("--cycle", help="Number of a cycle; repeat.", show_default=False)
]
Metrics = Annotated[
    list[str] | None, typer.Option("--metric", help="What to draw; repeat.", show_default=False)
]
Panels = Annotated[
    list[str] | None,
    typer.Option(
        "--panel",
        help="What a panel draws, METRIC@SCALE, joined by + where stacked; repeat.",
        show_default=False,
    ),
]
Planes = Annotated[
    list[str] | None,
    typer.Option(
        "--plane",
        help="Plane to show: xz, xy@mid, 'xy@12.5 um', nano:xy, with +crack for a phase on top; repeat.",
        show_default=False,
    ),
]
Quantities = Annotated[
    list[str] | None,
    typer.Option(
        "--y", help="capacity, lithiation, ce, irreversible, retention; repeat.", show_default=False
    ),
]
Bar = Annotated[
    str | None,
    typer.Option("--scalebar", help='Length of the scale bars, such as "25 um".', show_default=False),
]
OfScan = Annotated[str, typer.Argument(help="Id of the scan.", show_default=False)]
Labels = Annotated[
    str | None,
    typer.Option("--segmentation", help="Whose phases to count; the scan's first.", show_default=False),
]
ByOption = Annotated[By, typer.Option("--by", help="Mean over the cells of a formulation, or each cell.")]
StatisticOption = Annotated[Statistic, typer.Option("--statistic", help="Of the widths at a depth.")]
OrderOption = Annotated[Order, typer.Option("--by", help="What orders and shades the states.")]
HalfOption = Annotated[Half, typer.Option("--half", help="Which half-cycle.")]
NormaliseOption = Annotated[
    Normalise,
    typer.Option("--normalise", help="Per initial thickness, or as at the theoretical capacity (Eq. 1)."),
]
Cumulated = Annotated[
    bool, typer.Option("--cumulated/--no-cumulated", help="A panel of what stays after each delithiation.")
]
Theory = Annotated[
    bool, typer.Option("--theory/--no-theory", help="The swelling of silicon (Eq. 2) beside it.")
]


Phase = Annotated[str, typer.Option("--phase", help="Phase whose surface is shown.")]
Scales = Annotated[
    list[str] | None, typer.Option("--scale", help="micro or nano; repeat for both.", show_default=False)
]
Largest = Annotated[bool, typer.Option("--largest/--whole", help="Its largest connected part, or all of it.")]
Azimuth = Annotated[float, typer.Option("--azimuth", help="Degrees around the electrode's normal.")]
Elevation = Annotated[float, typer.Option("--elevation", help="Degrees above the electrode's plane.")]
OwnRenderer = Annotated[
    bool, typer.Option("--own-renderer", help="Use siltomo's slower renderer even where pyvista is there.")
]


@command(app, "cycling", csv=True)
def cycling(
    cell: Cells = None,
    y: Quantities = None,
    by: ByOption = By.FORMULATION,
    output: Output = None,
    width: WidthOption = Column.DOUBLE,
) -> Reply:
    """Draw capacity and coulombic efficiency against the cycle number, mean and spread over cells."""
    return draw("cycling", output, {"cell": cell, "y": y, "by": by.value, "width": width.value})


@command(app, "voltage", csv=True)
def voltage(
    cell: Cells = None, cycle: Cycles = None, output: Output = None, width: WidthOption = Column.DOUBLE
) -> Reply:
    """Draw voltage against capacity of chosen cycles (1, 5 and 25), a panel for each cell."""
    return draw("voltage", output, {"cell": cell, "cycle": cycle, "width": width.value})


@command(app, "operando", csv=True)
def operando(
    metric: Metrics = None,
    half: HalfOption = Half.DELITHIATION,
    where: Where = None,
    output: Output = None,
    width: WidthOption = Column.DOUBLE,
) -> Reply:
    """Draw cracks against capacity: fraction, surface to volume, width, interconnectivity of operando scans."""
    options = {"metric": metric, "half": half.value, "where": where, "width": width.value}
    return draw("operando", output, options)


@command(app, "expansion", csv=True)
def expansion(
    cycle: Cycles = None,
    normalise: NormaliseOption = Normalise.INITIAL,
    theory: Theory = True,
    cumulated: Cumulated = True,
    where: Where = None,
    output: Output = None,
    width: WidthOption = Column.DOUBLE,
) -> Reply:
    """Draw the electrode's thickness through half-cycles, what silicon predicts, and what stays."""
    options = {"cycle": cycle, "normalise": normalise.value, "theory": theory, "cumulated": cumulated}
    return draw("expansion", output, {**options, "where": where, "width": width.value})


@command(app, "gas", csv=True)
def gas(
    cycle: Cycles = None, where: Where = None, output: Output = None, width: WidthOption = Column.DOUBLE
) -> Reply:
    """Draw the volume of gas per mass of silicon through half-cycles."""
    return draw("gas", output, {"cycle": cycle, "where": where, "width": width.value})


@command(app, "cycles", csv=True)
def cycles(
    panel: Panels = None, where: Where = None, output: Output = None, width: WidthOption = Column.DOUBLE
) -> Reply:
    """Draw metrics by cycle and formulation, the micro scan's and the nano scan's stacked.

    Without --where: of all scans that were not taken operando.
    """
    return draw("cycles", output, {"panel": panel, "where": where, "width": width.value})


@command(app, "depth", csv=True)
def depth(
    statistic: StatisticOption = Statistic.MEDIAN,
    by: OrderOption = Order.CONTRACTION,
    where: Where = None,
    output: Output = None,
    width: WidthOption = Column.DOUBLE,
) -> Reply:
    """Draw the width of cracks along the electrode's height, state by state; without --where, of all cycles.

    States are ordered and shaded by the contraction of the electrode where that is known, else by cycle.
    """
    options = {"statistic": statistic.value, "by": by.value, "where": where, "width": width.value}
    return draw("depth", output, options)


@command(app, "sei", csv=True)
def sei(where: Where = None, output: Output = None, width: WidthOption = Column.DOUBLE) -> Reply:
    """Draw the SEI-rich phase by cycle: volume per gram of silicon, mean thickness, distribution."""
    return draw("sei", output, {"where": where, "width": width.value})


@command(app, "slices", csv=True)
def slices(
    plane: Planes = None,
    cycle: Cycles = None,
    where: Where = None,
    scalebar: Bar = None,
    output: Output = None,
    width: WidthOption = Column.DOUBLE,
) -> Reply:
    """Draw planes through scans by formulation and cycle, with phases on top; one grey window for all.

    Without --where: of all scans that were not taken operando.
    """
    options = {"plane": plane, "cycle": cycle, "where": where, "scalebar": scalebar, "width": width.value}
    return draw("slices", output, options)


@command(app, "histogram", csv=True)
def histogram(
    scan: OfScan, segmentation: Labels = None, output: Output = None, width: WidthOption = Column.SINGLE
) -> Reply:
    """Draw the greys of a scan: in all, by phase with their fits, and Otsu's cuts."""
    return draw("histogram", output, {"scan": scan, "segmentation": segmentation, "width": width.value})


@command(app, "render3d", csv=True)
def render3d(
    phase: Phase = "crack",
    scale: Scales = None,
    cycle: Cycles = None,
    where: Where = None,
    largest: Largest = True,
    azimuth: Azimuth = 35.0,
    elevation: Elevation = 25.0,
    own_renderer: OwnRenderer = False,
    output: Output = None,
    width: WidthOption = Column.DOUBLE,
) -> Reply:
    """Draw the largest connected crack (or another phase) in three dimensions, one camera for all panels.

    With pyvista where it is installed and works, else with a slower renderer of siltomo's own. Without --where:
    of all cycles that were not scanned operando.
    """
    options: dict[str, Any] = {
        "phase": phase,
        "scale": scale,
        "cycle": cycle,
        "where": where,
        "largest": largest,
    }
    options |= {
        "azimuth": azimuth,
        "elevation": elevation,
        "own_renderer": own_renderer,
        "width": width.value,
    }
    return draw("render3d", output, options)


# ---- what they share -----------------------------------------------------------------------------------------


def draw(kind: str, output: Sequence[Path] | None, options: dict[str, Any]) -> Reply:
    """Draw one kind of figure into files; options that were not given keep their defaults."""
    from siltomo.engine.figures.tables import plain_rows
    from siltomo.report.kinds import draw_kind, find_kind

    paths = list(output or [Path(f"{kind}.png")])
    find_kind(kind).check(paths)
    given = {name: value for name, value in options.items() if value is not None}
    with stages() as (_, tell):
        drawing = draw_kind(kind, the_catalog(), given, progress=tell)
        if tell is not None:
            tell(f"drawing {kind}", 0, 1)
        files = drawing.write(paths, progress=tell)
    rows = plain_rows(drawing.found.table)
    data = {"files": [str(path) for path in files], "rows": len(rows)}
    words = f"wrote {', '.join(map(str, files))}"
    return Reply(data, words, rows, [*drawing.found.warnings, *drawing.told])
