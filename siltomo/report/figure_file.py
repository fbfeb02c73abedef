"""Figures declared in a file: several kinds on one sheet, drawn again only where something changed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

from siltomo.engine.catalog import Catalog
from siltomo.engine.figures.tables import Said
from siltomo.engine.yaml import read_yaml
from siltomo.errors import BadInputError, RecordError, StorageError
from siltomo.report.kinds import KINDS, Drawing, Film, draw_kind
from siltomo.report.saving import check_pictures, save_figure
from siltomo.report.style import WIDTHS, Width, drawn_into, siltomo_style

if TYPE_CHECKING:
    from matplotlib.figure import Figure

__all__ = ["STATE", "Declared", "Outcome", "read_figures", "run_figures"]

STATE = ".siltomo-figures.json"
"""File beside the declarations that remembers what each figure was drawn from."""


@dataclass(frozen=True)
class Declared:
    """A figure as declared: where it goes, and its panels."""

    name: str
    output: tuple[Path, ...]
    width: Width
    panels: tuple[Mapping[str, Any], ...]
    """Each with its kind and options."""


@dataclass(frozen=True)
class Outcome:
    """What became of a figure."""

    name: str
    outcome: str
    """``drawn``, ``current`` (nothing has changed), or ``failed``."""
    files: tuple[str, ...]
    reason: str = ""
    warnings: tuple[str, ...] = ()


def read_figures(path: Path) -> list[Declared]:
    """Read a file of figures.

    Raises
    ------
    RecordError
        When it is not laid out as it should; the place is named.
    """
    document = read_yaml(path)
    body = document.data
    figures = body.get("figures") if isinstance(body, dict) else None
    if not isinstance(figures, dict) or not figures:
        raise RecordError(
            "a file of figures holds 'figures:' with a name and a kind for each, such as "
            "'figures: {fig6: {kind: operando, output: fig6.pdf}}'",
            where=str(path),
        )
    return [_declared(path, str(name), one) for name, one in figures.items()]


def _declared(path: Path, name: str, body: Any) -> Declared:
    place = f"{path}: figures.{name}"
    if not isinstance(body, dict):
        raise RecordError("a figure has a kind, or panels that have one", where=place)
    rest = dict(body)
    film = _is_film(rest.get("kind"))
    output, width = rest.pop("output", f"{name}.gif" if film else f"{name}.pdf"), rest.pop("width", "double")
    if width not in WIDTHS:
        raise RecordError(f"width is single or double, not {width!r}", where=place)
    panels = rest.pop("panels", None)
    if (panels is None) == ("kind" not in rest):
        raise RecordError("a figure has either a kind or panels", where=place)
    every = [rest] if panels is None else panels
    if panels is not None and rest:
        raise RecordError(f"beside panels stand only output and width, not {', '.join(rest)}", where=place)
    if (
        not isinstance(every, list)
        or not every
        or not all(isinstance(p, dict) and "kind" in p for p in every)
    ):
        raise RecordError("each panel has a kind", where=place)
    if panels is not None and any(_is_film(panel["kind"]) for panel in every):
        raise RecordError("a film has a file of its own: it is no panel of a sheet", where=place)
    files = tuple(path.parent / str(one) for one in (output if isinstance(output, list) else [output]))
    if film:
        KINDS[str(rest["kind"])].check(files)
    else:
        check_pictures(files)
    return Declared(name, files, width, tuple(every))


def _of(name: str, stage: Said | None) -> Said | None:
    return None if stage is None else lambda words, done, total: stage(f"{name}: {words}", done, total)


def _is_film(kind: Any) -> bool:
    return str(kind) in KINDS and KINDS[str(kind)].film


def run_figures(
    catalog: Catalog,
    path: Path,
    *,
    names: Sequence[str] = (),
    force: bool = False,
    say: Said | None = None,
    stage: Said | None = None,
) -> list[Outcome]:
    """Draw the figures of a file whose data, declaration or program changed since they were drawn.

    A figure that fails leaves the others whole.

    Parameters
    ----------
    names
        Which figures; all without any.
    force
        Whether to draw those too that have not changed.
    say
        Told which figure is drawn, how many are done, and how many there are.
    stage
        Told what is done for the figure at hand.

    Raises
    ------
    BadInputError
        When a name is not in the file.
    """
    declared = read_figures(path)
    known = [one.name for one in declared]
    for name in names:
        if name not in known:
            raise BadInputError(
                f"{path} declares no figure {name!r}; it has {', '.join(known)}",
                fix=f"siltomo figure run {path}",
            )
    state = _state(path)
    made: list[Outcome] = []
    chosen = [one for one in declared if not names or one.name in names]
    for n, one in enumerate(chosen):
        if say is not None:
            say(f"drawing figures of {path.name}", n, len(chosen))
        try:
            outcome, digest = _run(
                catalog, one, "" if force else state.get(one.name, ""), _of(one.name, stage)
            )
        except BadInputError as error:
            outcome, digest = Outcome(one.name, "failed", (), str(error)), ""
        except LookupError as error:
            outcome, digest = Outcome(one.name, "failed", (), str(error)), ""
        made.append(outcome)
        state[one.name] = digest
        _keep(path, {name: digest for name, digest in state.items() if digest and name in known})
    return made


def _run(catalog: Catalog, one: Declared, before: str, stage: Said | None) -> tuple[Outcome, str]:
    drawings = [_drawing(catalog, panel, one.width, stage) for panel in one.panels]
    digest = _digest(one, drawings)
    table = _table(drawings)
    files = tuple(str(path) for path in (*one.output, one.output[0].with_suffix(".csv")))
    said = tuple(words for drawing in drawings for words in drawing.found.warnings)
    if digest == before and all(Path(file).is_file() for file in files):
        return Outcome(one.name, "current", files, warnings=said), digest
    if len(drawings) == 1:
        drawings[0].write(one.output, progress=stage)
    else:
        sheet = _sheet([drawing for drawing in drawings if isinstance(drawing, Drawing)], one.width)
        save_figure(sheet, one.output, table, progress=stage)
    told = tuple(words for drawing in drawings for words in drawing.told)
    return Outcome(one.name, "drawn", files, warnings=(*said, *dict.fromkeys(told))), digest


def _drawing(catalog: Catalog, panel: Mapping[str, Any], width: Width, stage: Said | None) -> Drawing | Film:
    options = {name: value for name, value in panel.items() if name != "kind"}
    return draw_kind(str(panel["kind"]), catalog, {"width": width, **options}, progress=stage)


def _table(drawings: Sequence[Drawing | Film]) -> pd.DataFrame:
    if len(drawings) == 1:
        return drawings[0].found.table
    parts = [d.found.table.assign(figure_part=f"{n + 1} {d.kind}") for n, d in enumerate(drawings)]
    return pd.DataFrame([row for part in parts for row in part.to_dict("records")])


def _sheet(drawings: Sequence[Drawing], width: Width) -> Figure:
    """Draw several figures below each other on one sheet, their panels lettered through."""
    from matplotlib.figure import Figure

    sizes = [tuple(drawing.draw().get_size_inches()) for drawing in drawings]
    with siltomo_style():
        sheet = Figure(figsize=(WIDTHS[width], sum(high for _, high in sizes)), layout="constrained")
        parts = sheet.subfigures(
            len(drawings), 1, height_ratios=[high for _, high in sizes], squeeze=False
        ).ravel()
        first = 0
        for part, drawing in zip(parts, drawings, strict=True):
            with drawn_into(part, first) as last:
                drawing.draw()
            first = max(first, last[-1] + 1)
    return sheet


def _digest(one: Declared, drawings: Sequence[Drawing | Film]) -> str:
    """Return a digest of all that the figure depends on: declaration, data, pixels, version."""
    try:
        program = version("siltomo")
    except PackageNotFoundError:  # run from its sources
        program = "unknown"
    told = [program, one.width, [str(p.name) for p in one.output], [dict(panel) for panel in one.panels]]
    found = hashlib.sha256(json.dumps(told, sort_keys=True, default=str).encode())
    for drawing in drawings:
        found.update(drawing.found.table.to_csv(index=False).encode())
        found.update(repr(drawing.found.formulations).encode())
        images = drawing.found.extra.get("images", {})
        for image in images.values() if isinstance(images, Mapping) else images:
            found.update(np.ascontiguousarray(image.grey).tobytes())
            for name, mask in image.phases.items():
                found.update(name.encode() + np.packbits(mask).tobytes())
        for mesh in drawing.found.extra.get("meshes", {}).values():
            found.update(mesh.vertices.tobytes() + mesh.faces.tobytes())
    return found.hexdigest()


def _state(path: Path) -> dict[str, str]:
    file = path.parent / STATE
    try:
        every = json.loads(file.read_text("utf-8"))
    except (OSError, ValueError):  # never run here, or not ours: all figures are drawn
        return {}
    mine = every.get(path.name, {}) if isinstance(every, dict) else {}
    return {str(k): str(v) for k, v in mine.items()} if isinstance(mine, dict) else {}


def _keep(path: Path, state: Mapping[str, str]) -> None:
    file = path.parent / STATE
    try:
        every = json.loads(file.read_text("utf-8")) if file.is_file() else {}
    except ValueError:
        every = {}
    try:
        file.write_text(json.dumps({**every, path.name: dict(state)}, indent=1) + "\n", "utf-8")
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror or error}", where=str(file)) from error
