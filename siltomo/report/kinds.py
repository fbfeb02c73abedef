"""The kinds of figures by name: what each takes, how its table is collected, how it is drawn."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siltomo.engine.catalog import Catalog
from siltomo.engine.figures.tables import FigureTable, Said, refuse_empty
from siltomo.errors import BadInputError
from siltomo.report.style import Width

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["KINDS", "Drawing", "Film", "Kind", "draw_kind", "find_kind"]


@dataclass(frozen=True)
class Drawing:
    """A figure with its data, not yet in a file."""

    kind: str
    found: FigureTable
    draw: Callable[[], Figure]
    """Draws it; what it has to tell goes to ``told``."""
    told: list[str]

    def write(self, paths: Sequence[Path], *, progress: Said | None = None) -> list[Path]:
        """Draw it into files, and write its table beside the first."""
        from siltomo.report.saving import save_figure

        return save_figure(self.draw(), paths, self.found.table, progress=progress)


@dataclass(frozen=True)
class Film:
    """A film with its data, not yet in a file; it is no part of a sheet."""

    kind: str
    found: FigureTable
    seconds: float
    told: list[str]

    def write(self, paths: Sequence[Path], *, progress: Said | None = None) -> list[Path]:
        """Draw its frames into files, and write its table beside the first."""
        from siltomo.report.figure_video import save_video
        from siltomo.report.saving import write_table

        images = self.found.extra["images"]
        for path in paths:
            save_video(self.found.table, images, path, seconds=self.seconds, progress=progress)
        return [*paths, write_table(self.found.table, paths[0].with_suffix(".csv"))]


@dataclass(frozen=True)
class Kind:
    """How one kind of figure is made."""

    make: Callable[..., Drawing | Film]
    """Takes the catalog, ``progress``, ``width`` and the options below."""
    value: str = "value"
    """The column that must hold something, else there is nothing to draw."""
    film: bool = False
    """Whether it is a film: another kind of file, and no part of a sheet."""

    def check(self, paths: Sequence[Path]) -> None:
        """Refuse files that cannot be written, before anything is computed."""
        from siltomo.report.figure_video import check_video
        from siltomo.report.saving import check_pictures

        if not self.film:
            check_pictures(paths)
            return
        for path in paths:
            check_video(path)

    @property
    def options(self) -> tuple[str, ...]:
        """Names of what can be chosen."""
        every = inspect.signature(self.make).parameters
        return tuple(name for name in every if name not in ("catalog", "progress"))


def find_kind(kind: str) -> Kind:
    """Return a kind of figure by its name.

    Raises
    ------
    BadInputError
        When there is no such kind.
    """
    if kind not in KINDS:
        near = get_close_matches(kind, KINDS, n=1)
        hint = f"; did you mean {near[0]!r}?" if near else ""
        raise BadInputError(
            f"there is no kind of figure {kind!r}{hint}; kinds: {', '.join(KINDS)}", fix="siltomo plot --help"
        )
    return KINDS[kind]


def draw_kind(
    kind: str, catalog: Catalog, options: Mapping[str, Any], *, progress: Said | None = None
) -> Drawing | Film:
    """Collect the table of a figure; the figure is drawn when asked.

    Raises
    ------
    BadInputError
        When there is no such kind, or it has no such option.
    NotFoundError
        When there is nothing to draw.
    """
    known = find_kind(kind)
    given: dict[str, Any] = {}
    for name in options:
        if name not in known.options:
            raise BadInputError(
                f"a figure of kind {kind!r} has no option {name!r}; options: {', '.join(known.options)}",
                fix=f"siltomo plot {kind} --help",
            )
    for name, value in options.items():
        given[name] = _fitting(kind, name, value, inspect.signature(known.make).parameters[name].default)
    made = known.make(catalog, progress=progress, **given)
    refuse_empty(made.found, value=known.value)
    return made


def _fitting(kind: str, name: str, value: Any, default: Any) -> Any:
    """Return an option as its kind takes it: one of many may stand alone; refuse what is of another type."""
    taken = value
    if isinstance(default, tuple):
        taken = list(value) if isinstance(value, (list, tuple)) else [value]
        wanted = int if name == "cycle" else str
        right = all(isinstance(one, wanted) and not isinstance(one, bool) for one in taken)
        words = "a number, or a list of them" if name == "cycle" else "text, or a list of texts"
    elif isinstance(default, bool):
        right, words = isinstance(value, bool), "true or false"
    elif isinstance(default, float):
        right, words = isinstance(value, (int, float)) and not isinstance(value, bool), "a number"
    else:  # words, or an option that must be given
        right, words = value is None or isinstance(value, str), "text"
    if not right:
        raise BadInputError(
            f"option {name!r} of a figure of kind {kind!r} is {words}, not {value!r}",
            fix=f"siltomo plot {kind} --help",
        )
    return taken


def _cycling(
    catalog: Catalog, *, progress: Any, cell: Any = (), y: Any = ("capacity", "ce"), by: Any = "formulation",
    width: Width = "double",
) -> Drawing:  # fmt: skip
    del progress  # cycles are read from records, at once
    from siltomo.engine.figures.cycling import cycling_table
    from siltomo.report.figure_cycling import cycling_figure

    found = cycling_table(catalog, cell, quantities=y, by=by)
    return Drawing("cycling", found, lambda: cycling_figure(found.table, found.formulations, width=width), [])


def _voltage(
    catalog: Catalog, *, progress: Any, cell: Any = (), cycle: Any = (1, 5, 25), width: Width = "double"
) -> Drawing:
    del progress
    from siltomo.engine.figures.cycling import voltage_table
    from siltomo.report.figure_cycling import voltage_figure

    found = voltage_table(catalog, cell, cycles=cycle)
    return Drawing("voltage", found, lambda: voltage_figure(found.table, found.formulations, width=width), [])


def _operando(
    catalog: Catalog, *, progress: Any, metric: Any = (), half: str = "delithiation", where: str | None = None,
    width: Width = "double",
) -> Drawing:  # fmt: skip
    from siltomo.engine.figures.states import OPERANDO, operando_table
    from siltomo.report.figure_states import operando_figure

    found = operando_table(catalog, metric or OPERANDO, half=half, where=where, progress=progress)
    return Drawing(
        "operando",
        found,
        lambda: operando_figure(found.table, found.formulations, half=half, width=width),
        [],
    )


def _expansion(
    catalog: Catalog, *, progress: Any, cycle: Any = (), normalise: str = "initial", theory: bool = True,
    cumulated: bool = True, where: str | None = None, width: Width = "double",
) -> Drawing:  # fmt: skip
    from siltomo.engine.figures.states import expansion_table
    from siltomo.report.figure_states import cycle_figure

    found = expansion_table(
        catalog,
        cycles=cycle,
        normalised=normalise == "theoretical",
        cumulated=cumulated,
        where=where,
        progress=progress,
    )
    return Drawing(
        "expansion",
        found,
        lambda: cycle_figure(found.table, found.formulations, theory=theory, width=width),
        [],
    )


def _gas(
    catalog: Catalog, *, progress: Any, cycle: Any = (), where: str | None = None, width: Width = "double"
) -> Drawing:
    from siltomo.engine.figures.states import gas_table
    from siltomo.report.figure_states import cycle_figure

    found = gas_table(catalog, cycles=cycle, where=where, progress=progress)
    return Drawing("gas", found, lambda: cycle_figure(found.table, found.formulations, width=width), [])


def _cycles(
    catalog: Catalog, *, progress: Any, panel: Any = (), where: str | None = "mode != 'operando'",
    width: Width = "double",
) -> Drawing:  # fmt: skip
    from siltomo.engine.figures.cycles import CYCLES, cycles_table
    from siltomo.report.figure_cycles import cycles_figure

    found = cycles_table(catalog, panel or CYCLES, where=where, progress=progress)
    return Drawing("cycles", found, lambda: cycles_figure(found.table, found.formulations, width=width), [])


def _depth(
    catalog: Catalog, *, progress: Any, statistic: str = "median", by: str = "contraction",
    where: str | None = "cycle > 0", width: Width = "double",
) -> Drawing:  # fmt: skip
    from siltomo.engine.figures.cycles import depth_table
    from siltomo.report.figure_depth import check_order, depth_figure

    order = check_order(by)
    found = depth_table(catalog, statistic=statistic, where=where, progress=progress)
    return Drawing(
        "depth", found, lambda: depth_figure(found.table, found.formulations, by=order, width=width), []
    )


def _sei(catalog: Catalog, *, progress: Any, where: str | None = None, width: Width = "double") -> Drawing:
    from siltomo.engine.figures.cycles import sei_table
    from siltomo.report.figure_cycles import sei_figure

    found = sei_table(catalog, where=where, progress=progress)
    return Drawing("sei", found, lambda: sei_figure(found.table, found.formulations, width=width), [])


def _slices(
    catalog: Catalog, *, progress: Any, plane: Any = (), cycle: Any = (), where: str | None = "mode != 'operando'",
    scalebar: str | None = None, width: Width = "double",
) -> Drawing:  # fmt: skip
    from siltomo.engine.figures.slices import PLANES, slices_table
    from siltomo.model import In
    from siltomo.report.figure_slices import slices_figure

    bar = None if scalebar is None else In("um", gt=0).read(scalebar).value
    found = slices_table(catalog, plane or PLANES, where=where, cycles=cycle, progress=progress)
    images = found.extra["images"]
    return Drawing("slices", found, lambda: slices_figure(found.table, images, width=width, bar_um=bar), [])


def _histogram(
    catalog: Catalog, *, progress: Any, scan: str, segmentation: str | None = None, width: Width = "single"
) -> Drawing:
    from siltomo.engine.figures.histogram import histogram_table
    from siltomo.report.figure_histogram import histogram_figure

    found = histogram_table(catalog, scan, segmentation=segmentation, progress=progress)
    return Drawing("histogram", found, lambda: histogram_figure(found.table, width=width), [])


def _render3d(
    catalog: Catalog, *, progress: Any, phase: str = "crack", scale: Any = ("micro",), cycle: Any = (),
    where: str | None = "mode != 'operando' and cycle > 0", largest: bool = True, azimuth: float = 35.0,
    elevation: float = 25.0, own_renderer: bool = False, width: Width = "double",
) -> Drawing:  # fmt: skip
    from siltomo.engine.figures.render import render_table
    from siltomo.report.figure_render import render_figure
    from siltomo.report.render import Camera

    found = render_table(
        catalog, phase=phase, scales=scale, cycles=cycle, where=where, largest=largest, progress=progress
    )
    told: list[str] = []

    def draw() -> Figure:
        camera = Camera(azimuth, elevation)
        figure, words = render_figure(
            found.table,
            found.extra["meshes"],
            camera=camera,
            own=own_renderer,
            width=width,
            progress=progress,
        )
        told.extend([words] if words else [])
        return figure

    return Drawing("render3d", found, draw, told)


def _video(
    catalog: Catalog, *, progress: Any, cell: str, cycle: Any = (), plane: str = "xz+crack", seconds: float = 0.6,
    width: Width = "double",
) -> Film:  # fmt: skip
    del width  # a film has no columns
    from siltomo.engine.figures.video import video_table

    found = video_table(catalog, cell, cycles=cycle, plane=plane, progress=progress)
    return Film("video", found, seconds, [])


KINDS: dict[str, Kind] = {
    "cycling": Kind(_cycling),
    "voltage": Kind(_voltage, "voltage"),
    "slices": Kind(_slices, "scan"),
    "expansion": Kind(_expansion),
    "operando": Kind(_operando),
    "cycles": Kind(_cycles),
    "depth": Kind(_depth, "height"),
    "sei": Kind(_sei),
    "gas": Kind(_gas),
    "histogram": Kind(_histogram),
    "render3d": Kind(_render3d),
    "video": Kind(_video, "scan", film=True),
}
"""Every kind of figure; the names are those of ``siltomo plot``."""
