"""The parts of a report's page that hold words: headings, controls, places for what the script draws."""

from __future__ import annotations

from html import escape
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING

from siltomo.engine.figures.report import Report

if TYPE_CHECKING:
    from siltomo.engine.study.check import StudyCheck

__all__ = [
    "DOUBTS",
    "PLOTS",
    "foot",
    "head",
    "pending",
    "records",
    "study",
    "table_place",
    "verdicts",
    "viewers",
]


def head(report: Report) -> str:
    """Return HTML: how many of each there is."""
    tiles = [
        (len(report.formulations), "formulations"),
        (len(report.cells), "cells"),
        (len(report.scans), "scans"),
        (len(report.results), "results"),
        (sum(bool(row["flags"]) for row in report.results), "results with flags"),
    ]
    made = "".join(f'<div class="tile"><b>{number}</b>{words}</div>' for number, words in tiles)
    return f'<div class="tiles">{made}</div>'


def study(report: Report) -> str:
    """Return HTML: what the study says of itself."""
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


def viewers(report: Report) -> str:
    """Return HTML: the slice browser and the turning surface."""
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

PLOTS = """<div class="bar"><label>against <select id="plot-x"><option value="cycle">cycle number</option>
<option value="lithiation">lithiation capacity / mAh/g_Si</option>
<option value="delithiation">delithiation capacity / mAh/g_Si</option></select></label>
<span id="plot-key" class="bar"></span></div>
<p class="mut">Bars: standard uncertainty, as far as it is known. Lines join the states of one cell; values that are
missing are listed below and never drawn. Point at a value, or step through them with the arrow keys.</p>
<div class="cards" id="plot-cards"></div>"""

DOUBTS = "<p class='mut'>Values that carry a flag, and values that do not exist, each with the reason.</p>"


def pending(report: Report) -> str:
    """Return HTML: the metrics that would need voxels."""
    lines = []
    if report.not_computed:
        named = ", ".join(f"{escape(name)} ({count})" for name, count in report.not_computed.items())
        lines.append(f"<p class='mut'>Not computed yet, they need voxels: {named}.</p>")
    return "".join(lines)


def table_place(name: str) -> str:
    """Return HTML: where a table goes."""
    return f'<div id="table-{name}"></div>'


def records() -> str:
    """Return HTML: where the tables of records go."""
    return "".join(f"<h3>{name}</h3>{table_place(name)}" for name in ("formulations", "cells", "scans"))


def verdicts(check: StudyCheck) -> str:
    """Return HTML: how many claims of a study have which verdict."""
    tiles = "".join(
        f'<div class="tile"><b>{number}</b>{escape(verdict)}</div>'
        for verdict, number in check.counts("relation").items()
    )
    return f'<div class="tiles">{tiles}</div>'


def foot(command: str) -> str:
    """Return HTML: what made the page, and how to make it again."""
    try:
        made = f"siltomo {version('siltomo')}"
    except PackageNotFoundError:  # run from its sources
        made = "siltomo"
    again = f"; make it again: <code>{escape(command)}</code>" if command else ""
    return f"Made by {escape(made)}{again}. Every number stands in the tables with its unit and its key in the catalog."
