"""Figures: from the catalog to a file for print, the data as CSV beside it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from siltomo.cli.command import command, group, progress_bar, the_catalog
from siltomo.cli.options import Where
from siltomo.cli.reply import Reply

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from siltomo.engine.figures import FigureTable

__all__ = ["app"]

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


@command(app, "cycling", csv=True)
def cycling(
    cell: Cells = None,
    y: Quantities = None,
    by: ByOption = By.FORMULATION,
    output: Output = None,
    width: WidthOption = Column.DOUBLE,
) -> Reply:
    """Draw capacity and coulombic efficiency against the cycle number, mean and spread over cells."""
    from siltomo.engine.figure_cycling import cycling_table
    from siltomo.report.figure_cycling import cycling_figure

    paths = _paths(output, "cycling")
    found = cycling_table(the_catalog(), cell or (), quantities=y or ("capacity", "ce"), by=by.value)
    return _written(found, paths, lambda: cycling_figure(found.table, found.formulations, width=width.value))


@command(app, "voltage", csv=True)
def voltage(
    cell: Cells = None, cycle: Cycles = None, output: Output = None, width: WidthOption = Column.DOUBLE
) -> Reply:
    """Draw voltage against capacity of chosen cycles (1, 5 and 25), a panel for each cell."""
    from siltomo.engine.figure_cycling import voltage_table
    from siltomo.report.figure_cycling import voltage_figure

    paths = _paths(output, "voltage")
    found = voltage_table(the_catalog(), cell or (), cycles=cycle or (1, 5, 25))
    return _written(
        found,
        paths,
        lambda: voltage_figure(found.table, found.formulations, width=width.value),
        value="voltage",
    )


@command(app, "operando", csv=True)
def operando(
    metric: Metrics = None,
    half: HalfOption = Half.DELITHIATION,
    where: Where = None,
    output: Output = None,
    width: WidthOption = Column.DOUBLE,
) -> Reply:
    """Draw cracks against capacity: fraction, surface to volume, width, interconnectivity of operando scans."""
    from siltomo.engine.figure_states import OPERANDO, operando_table
    from siltomo.report.figure_states import operando_figure

    paths = _paths(output, "operando")
    with _computing() as step:
        found = operando_table(the_catalog(), metric or OPERANDO, half=half.value, where=where, progress=step)
    return _written(
        found,
        paths,
        lambda: operando_figure(found.table, found.formulations, half=half.value, width=width.value),
    )


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
    from siltomo.engine.figure_states import expansion_table
    from siltomo.report.figure_states import cycle_figure

    paths = _paths(output, "expansion")
    with _computing() as step:
        found = expansion_table(
            the_catalog(),
            cycles=cycle or (),
            normalised=normalise is Normalise.THEORETICAL,
            cumulated=cumulated,
            where=where,
            progress=step,
        )
    return _written(
        found, paths, lambda: cycle_figure(found.table, found.formulations, theory=theory, width=width.value)
    )


@command(app, "gas", csv=True)
def gas(
    cycle: Cycles = None, where: Where = None, output: Output = None, width: WidthOption = Column.DOUBLE
) -> Reply:
    """Draw the volume of gas per mass of silicon through half-cycles."""
    from siltomo.engine.figure_states import gas_table
    from siltomo.report.figure_states import cycle_figure

    paths = _paths(output, "gas")
    with _computing() as step:
        found = gas_table(the_catalog(), cycles=cycle or (), where=where, progress=step)
    return _written(found, paths, lambda: cycle_figure(found.table, found.formulations, width=width.value))


@command(app, "cycles", csv=True)
def cycles(
    panel: Panels = None,
    where: Where = "mode != 'operando'",
    output: Output = None,
    width: WidthOption = Column.DOUBLE,
) -> Reply:
    """Draw metrics by cycle and formulation, the micro scan's and the nano scan's stacked."""
    from siltomo.engine.figure_cycles import CYCLES, cycles_table
    from siltomo.report.figure_cycles import cycles_figure

    paths = _paths(output, "cycles")
    with _computing() as step:
        found = cycles_table(the_catalog(), panel or CYCLES, where=where, progress=step)
    return _written(found, paths, lambda: cycles_figure(found.table, found.formulations, width=width.value))


@command(app, "depth", csv=True)
def depth(where: Where = "cycle > 0", output: Output = None, width: WidthOption = Column.DOUBLE) -> Reply:
    """Draw the width of cracks along the electrode's height, state by state."""
    from siltomo.engine.figure_cycles import depth_table
    from siltomo.report.figure_depth import depth_figure

    paths = _paths(output, "depth")
    with _computing() as step:
        found = depth_table(the_catalog(), where=where, progress=step)
    return _written(
        found, paths, lambda: depth_figure(found.table, found.formulations, width=width.value), value="height"
    )


@command(app, "sei", csv=True)
def sei(where: Where = None, output: Output = None, width: WidthOption = Column.DOUBLE) -> Reply:
    """Draw the SEI-rich phase by cycle: volume per gram of silicon, mean thickness, distribution."""
    from siltomo.engine.figure_cycles import sei_table
    from siltomo.report.figure_cycles import sei_figure

    paths = _paths(output, "sei")
    with _computing() as step:
        found = sei_table(the_catalog(), where=where, progress=step)
    return _written(found, paths, lambda: sei_figure(found.table, found.formulations, width=width.value))


@command(app, "slices", csv=True)
def slices(
    plane: Planes = None,
    cycle: Cycles = None,
    where: Where = "mode != 'operando'",
    scalebar: Bar = None,
    output: Output = None,
    width: WidthOption = Column.DOUBLE,
) -> Reply:
    """Draw planes through scans by formulation and cycle, with phases on top; one grey window for all."""
    from siltomo.engine.figure_slices import PLANES, slices_table
    from siltomo.model import In
    from siltomo.report.figure_slices import slices_figure

    paths = _paths(output, "slices")
    bar = None if scalebar is None else In("um", gt=0).read(scalebar).value
    found = slices_table(the_catalog(), plane or PLANES, where=where, cycles=cycle or ())
    images = found.extra["images"]
    return _written(
        found, paths, lambda: slices_figure(found.table, images, width=width.value, bar_um=bar), value="scan"
    )


@command(app, "histogram", csv=True)
def histogram(
    scan: OfScan,
    segmentation: Labels = None,
    output: Output = None,
    width: WidthOption = Column.SINGLE,
) -> Reply:
    """Draw the greys of a scan: in all, by phase with their fits, and Otsu's cuts."""
    from siltomo.engine.figure_histogram import histogram_table
    from siltomo.report.figure_histogram import histogram_figure

    paths = _paths(output, "histogram")
    with progress_bar(f"counting {scan}") as progress:
        found = histogram_table(the_catalog(), scan, segmentation=segmentation, progress=progress)
    return _written(found, paths, lambda: histogram_figure(found.table, width=width.value))


# ---- what they share -----------------------------------------------------------------------------------------


def _paths(given: Sequence[Path] | None, kind: str) -> list[Path]:
    """Return where to write, refused before anything is computed if that cannot be."""
    from siltomo.report.saving import check_pictures

    paths = list(given or [Path(f"{kind}.png")])
    check_pictures(paths)
    return paths


def _computing() -> Any:
    from contextlib import contextmanager

    @contextmanager
    def bar() -> Any:
        with progress_bar("computing") as progress:
            yield None if progress is None else lambda _, done, total: progress(done, total)

    return bar()


def _written(
    found: FigureTable, paths: Sequence[Path], draw: Callable[[], Figure], *, value: str = "value"
) -> Reply:
    from siltomo.engine.figures import plain_rows, refuse_empty
    from siltomo.report.saving import save_figure

    refuse_empty(found, value=value)
    files = save_figure(draw(), paths, found.table)
    rows = plain_rows(found.table)
    data = {"files": [str(path) for path in files], "rows": len(rows)}
    return Reply(data, f"wrote {', '.join(map(str, files))}", rows, found.warnings)
