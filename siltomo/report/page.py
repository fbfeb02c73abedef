"""A report as one HTML page: no network, no library from elsewhere, nothing beside it."""

from __future__ import annotations

import base64
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.metadata import PackageNotFoundError, version
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from siltomo.engine.figures.mesh import Mesh
from siltomo.engine.figures.report import Report, Stack, View
from siltomo.errors import StorageError
from siltomo.report.style import phase_colour, quantity_words, shown

if TYPE_CHECKING:
    from siltomo.engine.study.check import StudyCheck

__all__ = ["report_page", "write_report"]

_QUALITY = 55
_RESULTS = (
    "metric",
    "value",
    "unit",
    "uncertainty",
    "status",
    "formulation",
    "cell",
    "scan",
    "scale",
    "mode",
    "cycle",
    "half",
    "capacity",
    "segmentation",
    "key",
)
_CHECK = (
    "id",
    "claim",
    "recomputed",
    "low",
    "high",
    "reported",
    "unit",
    "ratio",
    "verdict",
    "flags",
    "explanation",
)
_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_report(report: Report, path: Path, *, check: StudyCheck | None = None, command: str = "") -> int:
    """Write the page of a report and return its bytes.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    page = report_page(report, check=check, command=command)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
    return len(page.encode())


def report_page(report: Report, *, check: StudyCheck | None = None, command: str = "") -> str:
    """Return the page: study, slices, surface, plots, results, doubts, records, provenance, study check.

    Parameters
    ----------
    check
        A checked study to show beside it.
    command
        The command that makes the page again, shown at its foot.
    """
    data = page_data(report, check)
    sections = [
        ("study", "Study", _study(report)),
        ("slices", "Slices and the largest crack", _viewers(report)),
        ("metrics", "Metrics", _PLOTS + _pending(report)),
        ("results", "Results", _table("results")),
        ("doubts", "Flags and missing values", _DOUBTS + _table("doubts")),
        ("records", "Formulations, cells and scans", _records()),
        ("provenance", "Provenance", _table("provenance")),
    ]
    if check is not None:
        sections.append(("check", "Study check", _verdicts(check) + _table("check")))
    links = "".join(f'<a href="#{name}">{name}</a>' for name, _, _ in sections)
    body = "".join(
        f'<section id="{name}" aria-labelledby="h-{name}"><h2 id="h-{name}">{escape(title)}</h2>{inner}</section>'
        for name, title, inner in sections
    )
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(report.title)}</title><style>{_part('page.css')}</style></head><body>"
        '<a class="skip" href="#main">to the content</a>'
        f'<nav aria-label="sections"><div>{links}<button type="button" id="theme">dark</button></div></nav>'
        f'<main id="main"><h1>{escape(report.title)}</h1>{_head(report)}'
        "<noscript><p>This page needs JavaScript to draw; it loads nothing from anywhere.</p></noscript>"
        f"{body}<footer class='mut'><p>{_foot(command)}</p></footer></main>"
        '<div id="tip" role="status" hidden></div>'
        f'<script type="application/json" id="data">{_json(data)}</script><script>{_part("page.js")}</script>'
        "</body></html>\n"
    )


def page_data(report: Report, check: StudyCheck | None = None) -> dict[str, Any]:
    """Return what the page's script draws from."""
    names = [str(one["id"]) for one in report.formulations]
    tables = {
        "results": _columns(_results(report.results), _RESULTS),
        "doubts": _columns(_doubts(report.results), ("metric", "of", "cycle", "half", "status", "doubt")),
        "formulations": _columns(report.formulations),
        "cells": _columns(report.cells),
        "scans": _columns(report.scans),
        "provenance": _columns(report.provenance),
    }
    if check is not None:
        tables["check"] = _columns([{**row, "flags": ", ".join(row["flags"])} for row in check.rows], _CHECK)
    plots = _plots(report.results, names)
    halves = [row[3] for plot in plots for row in plot["rows"] if row[4] is not None]
    return {
        "file": "".join(c if c.isalnum() else "-" for c in report.title.lower())[:40].strip("-") or "report",
        "formulations": names,
        "axis": "delithiation" if halves.count("delithiation") > len(halves) / 3 else "cycle",
        "tables": tables,
        "stacks": [_stack(stack, report.windows[stack.scale]) for stack in report.stacks],
        "meshes": [_mesh(mesh) for mesh in report.meshes],
        "plots": plots,
        "profiles": _profiles(report.results, names),
    }


def _part(name: str) -> str:
    return files("siltomo.report").joinpath(name).read_text("utf-8")


def _json(data: Any) -> str:
    """Return JSON that cannot end the script that holds it."""
    text = json.dumps(_plain(data), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(k): _plain(v) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, np.generic):
        value = value.item()
    return None if isinstance(value, float) and not math.isfinite(value) else value


# ---- words -----------------------------------------------------------------------------------------------------


def _head(report: Report) -> str:
    tiles = [
        (len(report.formulations), "formulations"),
        (len(report.cells), "cells"),
        (len(report.scans), "scans"),
        (len(report.results), "results"),
        (sum(bool(row["flags"]) for row in report.results), "results with flags"),
    ]
    made = "".join(f'<div class="tile"><b>{number}</b>{words}</div>' for number, words in tiles)
    return f'<div class="tiles">{made}</div>'


def _study(report: Report) -> str:
    said = report.study
    if not said:
        return "<p class='mut'>The catalog holds no one study that this belongs to.</p>"
    parts = [f"<p>{escape(str(said['notes']))}</p>"] if said.get("notes") else []
    authors = ", ".join(author["name"] for author in said.get("authors", ()))
    facts = [
        ("authors", authors),
        *((name, said.get(name, "")) for name in ("facility", "beamtime", "licence")),
    ]
    parts += [f"<p>{escape(name)}: {escape(str(value))}</p>" for name, value in facts if value]
    if said.get("doi"):
        parts.append(f'<p><a href="https://doi.org/{escape(said["doi"])}">doi:{escape(said["doi"])}</a></p>')
    return "".join(parts)


def _viewers(report: Report) -> str:
    planes = _SLICES if report.stacks else "<p class='mut'>No scan holds voxels.</p>"
    surface = _SURFACE if report.meshes else "<p class='mut'>No surface to show.</p>"
    warned = "".join(f"<p class='mut'>{escape(one)}</p>" for one in report.warnings)
    return f'<div class="pair"><div>{planes}</div><div>{surface}{warned}</div></div>'


_SLICES = """<canvas id="slice-canvas" role="img"></canvas>
<div class="bar"><label for="slice-range">plane</label><input type="range" id="slice-range" min="0" step="1"></div>
<p id="slice-at" class="mut" aria-live="polite"></p>
<div class="bar"><select id="slice-scan" aria-label="scan"></select>
<label class="on"><input type="radio" name="axes" value="xy" checked>in-plane</label>
<label class="on"><input type="radio" name="axes" value="xz">cross-section</label></div>
<div class="bar" id="slice-phases"></div>
<div class="bar"><label for="slice-low">grey window from</label>
<input type="range" id="slice-low" min="0" max="254" value="0">
<label for="slice-high">to</label><input type="range" id="slice-high" min="1" max="255" value="255"></div>
<p class="mut">One grey window for all scans of a scale. <span id="slice-about"></span></p>"""

_SURFACE = """<canvas id="mesh-canvas" role="img" tabindex="0"></canvas>
<div class="bar"><select id="mesh-scan" aria-label="scan of the surface"></select>
<button type="button" id="mesh-spin">pause</button></div>
<p id="mesh-about" class="mut"></p><p class="mut">Drag or arrow keys turn it; + and - zoom. Smoothed for looking.</p>"""

_PLOTS = """<div class="bar"><label>against <select id="plot-x"><option value="cycle">cycle number</option>
<option value="lithiation">lithiation capacity / mAh/g_Si</option>
<option value="delithiation">delithiation capacity / mAh/g_Si</option></select></label>
<span id="plot-key" class="bar"></span></div>
<p class="mut">Bars: standard uncertainty, as far as it is known. Lines join the states of one cell; values that are
missing are listed below and never drawn. Point at a value, or step through them with the arrow keys.</p>
<div class="cards" id="plot-cards"></div>"""

_DOUBTS = "<p class='mut'>Values that carry a flag, and values that do not exist, each with the reason.</p>"


def _pending(report: Report) -> str:
    lines = []
    if report.not_computed:
        named = ", ".join(f"{escape(name)} ({count})" for name, count in report.not_computed.items())
        lines.append(f"<p class='mut'>Not computed yet, they need voxels: {named}.</p>")
    return "".join(lines)


def _table(name: str) -> str:
    return f'<div id="table-{name}"></div>'


def _records() -> str:
    return "".join(f"<h3>{name}</h3>{_table(name)}" for name in ("formulations", "cells", "scans"))


def _verdicts(check: StudyCheck) -> str:
    tiles = "".join(
        f'<div class="tile"><b>{number}</b>{escape(verdict)}</div>'
        for verdict, number in check.counts("relation").items()
    )
    return f'<div class="tiles">{tiles}</div>'


def _foot(command: str) -> str:
    try:
        made = f"siltomo {version('siltomo')}"
    except PackageNotFoundError:  # run from its sources
        made = "siltomo"
    again = f"; make it again: <code>{escape(command)}</code>" if command else ""
    return f"Made by {escape(made)}{again}. Every number stands in the tables with its unit and its key in the catalog."


# ---- tables ----------------------------------------------------------------------------------------------------


def _columns(rows: Iterable[Mapping[str, Any]], names: Sequence[str] = ()) -> dict[str, Any]:
    every = list(rows)
    columns = list(names) or list(dict.fromkeys(name for row in every for name in row))
    return {"columns": columns, "rows": [[row.get(name) for name in columns] for row in every]}


def _results(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return the rows of the table; of a profile or a distribution, how many values it has."""
    return [
        {**row, "value": row.get("value") if "values" not in row else f"{len(row['values'])} values"}
        for row in rows
    ]


def _doubts(rows: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    made = []
    for row in rows:
        words = [row["reason"]] if row["reason"] else []
        for doubt in (*words, *row["flags"]):
            of = row["segmentation"] or row["scan"] or row["cell"]
            made.append({**row, "of": of, "doubt": doubt})
    return made


def _plots(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for row in rows:
        if "values" in row or row["value"] is None or row["formulation"] not in names:
            continue
        factor, unit = shown(row["metric"], row["unit"])
        plot = made.setdefault(
            row["metric"],
            {
                "metric": row["metric"],
                "words": quantity_words(row["metric"]),
                "factor": factor,
                "shown": "" if unit == "1" else unit,
                "rows": [],
            },
        )
        place = [
            row["cell"],
            row["cycle"],
            row["half"],
            row["capacity"],
            row["value"],
            row["uncertainty"],
            row["scan"],
        ]
        plot["rows"].append([names.index(row["formulation"]), *place])
    return list(made.values())


def _profiles(rows: Sequence[Mapping[str, Any]], names: Sequence[str]) -> list[dict[str, Any]]:
    made: dict[str, dict[str, Any]] = {}
    for row in rows:
        if "values" not in row or row["formulation"] not in names:
            continue
        factor, unit = shown(row["metric"], row["unit"])
        along = row["coordinate"]
        plot = made.setdefault(
            row["metric"],
            {
                "metric": row["metric"],
                "words": quantity_words(row["metric"]),
                "factor": factor,
                "shown": "" if unit == "1" else unit,
                "coordinate": f"{along['name']} / {along['unit']}",
                "rows": [],
            },
        )
        plot["rows"].append(
            {
                "f": names.index(row["formulation"]),
                "cycle": row["cycle"],
                "scan": f"{row['scan']}, cycle {row['cycle']}, {row['half']}",
                "x": [float(f"{x:.6g}") for x in along["values"]],
                "y": [None if y is None else float(f"{y:.6g}") for y in row["values"]],
            }
        )
    return list(made.values())


# ---- pixels and triangles --------------------------------------------------------------------------------------


def _stack(stack: Stack, window: tuple[float, float]) -> dict[str, Any]:
    return {
        "scan": stack.scan,
        "segmentation": stack.segmentation,
        "flip": stack.upside_down,
        "phases": [{"name": name, "colour": phase_colour(name)} for name in stack.phases],
        "window": list(window),
        "views": [_view(view, window) for view in stack.views],
    }


def _view(view: View, window: tuple[float, float]) -> dict[str, Any]:
    from PIL import Image

    low, high = window
    scaled = np.clip((view.greys.astype(np.float32) - low) * (255 / (high - low)), 0, 255)
    count, tall, wide = view.greys.shape
    sheet = np.nan_to_num(scaled).astype(np.uint8).reshape(count * tall, wide)
    marks = view.phases.reshape(count * tall, wide)
    return {
        "axes": view.axes,
        "n": count,
        "h": tall,
        "w": wide,
        "px": list(view.pixel_um),
        "pos": [round(p, 4) for p in view.positions_um],
        "grey": _picture(Image.fromarray(sheet), "jpeg", quality=_QUALITY),
        "marks": _picture(Image.fromarray(marks), "png", optimize=True),
    }


def _picture(image: Any, kind: str, **options: Any) -> str:
    made = io.BytesIO()
    image.save(made, kind, **options)
    return f"data:image/{kind};base64,{base64.b64encode(made.getvalue()).decode()}"


def _mesh(mesh: Mesh) -> dict[str, Any]:
    """Pack a surface: corners as 16-bit shares of the scan's box in the order x, y, z."""
    shares = np.clip(mesh.vertices[:, ::-1] / np.array(mesh.size_um[::-1]), 0, 1)
    wide = len(mesh.vertices) > 65535
    faces = mesh.faces.astype("<u4" if wide else "<u2")
    return {
        "scan": mesh.scan,
        "phase": mesh.phase,
        "colour": phase_colour(mesh.phase),
        "share": mesh.share,
        "edge": mesh.edge_um,
        "size": list(mesh.size_um),
        "triangles": len(mesh.faces),
        "wide": wide,
        "points": base64.b64encode(np.rint(shares * 65535).astype("<u2").tobytes()).decode(),
        "faces": base64.b64encode(faces.tobytes()).decode(),
    }
