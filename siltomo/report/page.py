"""A report as one HTML page: no network, no library from elsewhere, nothing beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np

from siltomo.engine.figures.report import Report
from siltomo.engine.figures.tables import Said
from siltomo.engine.study.check import COLUMNS, StudyCheck
from siltomo.errors import StorageError
from siltomo.report.page_pixels import packed_mesh, packed_stack
from siltomo.report.page_tables import RESULTS, columns, doubt_rows, plots, profiles, result_rows
from siltomo.report.page_words import (
    DOUBTS,
    PLOTS,
    foot,
    head,
    pending,
    records,
    study,
    table_place,
    verdicts,
    viewers,
)

__all__ = ["report_page", "write_report"]

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def write_report(
    report: Report, path: Path, *, check: StudyCheck | None = None, command: str = "", say: Said | None = None
) -> int:
    """Write the page of a report and return its bytes.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    page = report_page(report, check=check, command=command, say=say)
    try:
        path.write_text(page, encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror or error}", where=str(path)) from error
    return len(page.encode())


def report_page(
    report: Report, *, check: StudyCheck | None = None, command: str = "", say: Said | None = None
) -> str:
    """Return the page: study, slices, surface, plots, results, doubts, records, provenance, study check.

    Parameters
    ----------
    check
        A checked study to show beside it.
    command
        The command that makes the page again, shown at its foot.
    say
        Told what is being packed.
    """
    data = page_data(report, check, say=say)
    sections = [
        ("study", "Study", study(report)),
        ("slices", "Slices and the largest crack", viewers(report)),
        ("metrics", "Metrics", PLOTS + pending(report)),
        ("results", "Results", table_place("results")),
        ("doubts", "Flags and missing values", DOUBTS + table_place("doubts")),
        ("records", "Formulations, cells and scans", records()),
        ("provenance", "Provenance", table_place("provenance")),
    ]
    if check is not None:
        sections.append(("check", "Study check", verdicts(check) + table_place("check")))
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
        f'<main id="main"><h1>{escape(report.title)}</h1>{head(report)}'
        "<noscript><p>This page needs JavaScript to draw; it loads nothing from anywhere.</p></noscript>"
        f"{body}<footer class='mut'><p>{foot(command)}</p></footer></main>"
        '<div id="tip" role="status" hidden></div>'
        f'<script type="application/json" id="data">{_json(data)}</script><script>{_part("page.js")}</script>'
        "</body></html>\n"
    )


def page_data(report: Report, check: StudyCheck | None = None, *, say: Said | None = None) -> dict[str, Any]:
    """Return what the page's script draws from."""
    names = [str(one["id"]) for one in report.formulations]
    tables = {
        "results": columns(result_rows(report.results), RESULTS),
        "doubts": columns(doubt_rows(report.results), ("metric", "of", "cycle", "half", "status", "doubt")),
        "formulations": columns(report.formulations),
        "cells": columns(report.cells),
        "scans": columns(report.scans),
        "provenance": columns(report.provenance),
    }
    if check is not None:
        tables["check"] = columns([{**row, "flags": ", ".join(row["flags"])} for row in check.rows], COLUMNS)
    drawn = plots(report.results, names)
    halves = [row[3] for plot in drawn for row in plot["rows"] if row[4] is not None]
    return {
        "file": "".join(c if c.isalnum() else "-" for c in report.title.lower())[:40].strip("-") or "report",
        "formulations": names,
        "axis": "delithiation" if halves.count("delithiation") > len(halves) / 3 else "cycle",
        "tables": tables,
        "stacks": _stacks(report, say),
        "meshes": [packed_mesh(mesh) for mesh in report.meshes],
        "plots": drawn,
        "profiles": profiles(report.results, names),
    }


def _stacks(report: Report, say: Said | None) -> list[dict[str, Any]]:
    made = []
    for n, stack in enumerate(report.stacks):
        if say is not None:
            say("packing planes into the page", n, len(report.stacks))
        made.append(packed_stack(stack, report.windows[stack.scale]))
    return made


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
