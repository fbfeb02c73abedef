"""A checked study as one HTML page: no network, no library, nothing beside it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from typing import Any

from siltomo.engine.study.check import StudyCheck, composition
from siltomo.errors import StorageError
from siltomo.studies import Checked, Value, Verdict

__all__ = ["study_page", "write_page"]

_DOUBTFUL = (Verdict.INCONSISTENT, Verdict.NOT_REPRODUCIBLE)
_WIDTH, _HEIGHT = 190, 30
_UNITS = re.compile(r"\^(-?\d+)")
_RAISED = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
_CLOSE = 4.0
"""Numbers whose ratio lies beyond this are not drawn on one axis."""


def write_page(study: StudyCheck, path: Path) -> None:
    """Write the page of a checked study.

    Raises
    ------
    StorageError
        When the file cannot be written.
    """
    try:
        path.write_text(study_page(study), encoding="utf-8")
    except OSError as error:
        raise StorageError(f"cannot be written: {error.strerror or error}", where=str(path)) from error


def study_page(study: StudyCheck) -> str:
    """Return the page: what does not hold, the claims, the lints, all relations, the formulations."""
    head = study.study
    title = escape(head.title or head.id)
    source = f' · <a href="https://doi.org/{escape(head.doi)}">doi:{escape(head.doi)}</a>' if head.doi else ""
    style = files("siltomo.report").joinpath("study_page.css").read_text("utf-8")
    script = files("siltomo.report").joinpath("study_page.js").read_text("utf-8")
    body = [
        f"<header><h1>{title}</h1><p>{_authors(study)}{source}</p></header>",
        _tiles(study),
        _section("doubtful", "What does not hold", "".join(_card(one) for one in _doubtful(study))),
        _section("claims", "Claims", _claims(study)),
        _section("lints", "Lints", _lints(study)),
        _section("relations", "All relations", _filters() + _relations(study)),
        _section("recipes", "Computed from the recipes", _recipes(study)),
        f"<footer>{_reading()}</footer>",
    ]
    policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'"
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">'
        '<meta name="viewport" content="width=device-width,initial-scale=1">'
        f"<title>{escape(head.id)}: checked numbers</title><style>{style}</style></head>"
        f"<body><main>{''.join(part for part in body)}</main><script>{script}</script></body></html>\n"
    )


def _section(id_: str, title: str, inner: str) -> str:
    return f'<section id="{id_}"><h2>{escape(title)}</h2>{inner or "<p>Nothing.</p>"}</section>'


def _authors(study: StudyCheck) -> str:
    return escape(", ".join(author.name for author in study.study.authors))


def _tiles(study: StudyCheck) -> str:
    counts = study.counts("relation")
    tiles = "".join(
        f'<div class="tile {_class(verdict)}"><b>{number}</b>{escape(verdict)}</div>'
        for verdict, number in counts.items()
    )
    return f'<div class="tiles"><div class="tile"><b>{sum(counts.values())}</b>relations</div>{tiles}</div>'


def _doubtful(study: StudyCheck) -> list[Checked]:
    found = [one for one in study.checked if one.kind == "relation" and one.row.verdict in _DOUBTFUL]
    return sorted(found, key=lambda one: one.row.verdict != Verdict.INCONSISTENT)


def _card(one: Checked) -> str:
    row, against = one.row, "limit" if one.printed is None else "printed"
    return (
        f'<article class="card"><h3>{_badge(row.verdict)} {escape(row.claim)}</h3>'
        f'<div class="sides"><div><small>recomputed</small><b>{_number(row.recomputed)}</b> {_unit(row.unit)}</div>'
        f"<div><small>{against}</small><b>{_number(row.reported)}</b> {_unit(row.unit)}</div>"
        f"<div><small>ratio</small><b>{_number(row.ratio)}</b></div>{_drawing(one)}</div>"
        f"<p>{_flags(row.flags)} {escape(row.explanation)}</p>{_inputs(one)}</article>"
    )


def _inputs(one: Checked) -> str:
    if not one.expression:
        return ""
    rows = "".join(
        f"<tr><td><code>{escape(v.name)}</code></td><td>{escape(v.printed) or _number(v.nominal)}</td>"
        f"<td>{_unit(v.unit)}</td><td>{escape(v.of)}</td><td>{escape(_from(v))}</td></tr>"
        for v in (*one.inputs, *([one.printed] if one.printed else []))
    )
    table = f"<table><tr><th>input<th>printed<th>unit<th>of<th>from</tr>{rows}</table>" if rows else ""
    return f"<details><summary><code>{escape(one.expression)}</code></summary>{table}</details>"


def _from(value: Value) -> str:
    return f"{value.source}{' (assumed)' if value.assumed else ''}{f', {value.population}' if value.population else ''}"


def _claims(study: StudyCheck) -> str:
    rows = []
    for one in study.checked:
        if one.kind not in ("claim", "alternative"):
            continue
        row, inner = one.row, one.kind == "alternative"
        words = escape(row.claim.split("; by ", 1)[1] if inner else row.claim)
        verdict = _flags(row.flags[:1]) if inner else _badge(row.verdict)
        rest = row.flags[1:] if inner else row.flags
        rows.append(
            f'<tr class="{"inner" if inner else "outer"}"><td>{"by " if inner else ""}{words}</td>'
            f"<td>{_number(row.recomputed)}</td><td>{_number(row.reported)}</td><td>{_unit(row.unit)}</td>"
            f"<td>{_number(row.ratio)}</td><td>{verdict} {_flags(rest)}</td></tr>"
        )
    head = "<tr><th>claim<th>left<th>right<th>unit<th>ratio<th>holds</tr>"
    return f"<table>{head}{''.join(rows)}</table>" if rows else ""


def _lints(study: StudyCheck) -> str:
    made = []
    for one in study.checked:
        row = one.row
        if one.kind == "lint":
            summary = row.id.count(":") == 1
            made.append(
                f'<tr class="{"outer" if summary else "inner"}"><td>{escape(row.claim)}</td>'
                f"<td>{_badge(row.verdict)}</td><td>{escape(row.explanation)}</td></tr>"
            )
    return f"<table><tr><th>what should hold<th><th>what was found</tr>{''.join(made)}</table>"


def _filters() -> str:
    buttons = "".join(
        f'<button type="button" data-verdict="{_class(verdict)}">{escape(verdict)}</button>'
        for verdict in Verdict
    )
    search = '<input type="search" id="find" placeholder="find" aria-label="find in relations">'
    return f'<p class="filters">{search}<button type="button" data-verdict="">all</button>{buttons}</p>'


def _relations(study: StudyCheck) -> str:
    rows = "".join(
        f'<tr class="relation {_class(one.row.verdict)}"><td>{escape(one.row.claim)}<br>'
        f"<code>{escape(one.expression)}</code></td><td>{_number(one.row.recomputed)}{_interval(one)}</td>"
        f"<td>{_number(one.row.reported)}</td><td>{_unit(one.row.unit)}</td><td>{_badge(one.row.verdict)} "
        f"{_flags(one.row.flags)}</td><td>{_drawing(one)}</td></tr>"
        for one in study.checked
        if one.kind == "relation"
    )
    head = "<tr><th>relation<th>recomputed<th>printed<th>unit<th>verdict<th></tr>"
    return f"<table>{head}{rows}</table>"


def _recipes(study: StudyCheck) -> str:
    rows = [
        f"<tr><td>{escape(name)}</td><td>{escape(word)}</td><td>{escape(number)}</td></tr>"
        for name in study.declared.formulations
        for word, number in composition(study.declared, name).items()
    ]
    return (
        f"<table><tr><th>formulation<th>quantity<th>value (interval)</tr>{''.join(rows)}</table>"
        if rows
        else ""
    )


def _reading() -> str:
    return (
        "A number printed without more is known to half a unit of its last digit. "
        "<b>reproduces</b>: the recomputed number lies within the printed digits. <b>rounding</b>: the intervals meet. "
        "<b>inconsistent</b>: they do not, and only published numbers enter. <b>not reproducible</b>: they do not, and "
        "something unpublished enters. <b>derived</b>: nothing was printed. Slips that would fit are hypotheses; how "
        "many were tried stands beside them."
    )


def _drawing(one: Checked) -> str:
    """Draw the printed interval as a band and the recomputed one as a bar with its number."""
    row = one.row
    if row.recomputed is None or one.printed is None or row.ratio is None:
        return ""
    if not 1 / _CLOSE < abs(row.ratio) < _CLOSE or one.printed.unit != row.unit:
        return '<span class="far">not on one axis</span>' if row.ratio > 0 else ""
    low = row.low if row.low is not None else row.recomputed
    high = row.high if row.high is not None else row.recomputed
    band = one.printed.span
    ends = [end for end in (low, high, band.low, band.high) if abs(end) < float("inf")]
    start, stop = min(ends), max(ends)
    pad = 0.08 * (stop - start) or abs(start) * 0.01 or 1.0

    def at(number: float) -> float:
        clipped = min(max(number, start - pad), stop + pad)
        return round((clipped - start + pad) / (stop - start + 2 * pad) * _WIDTH, 1)

    width = max(at(band.high) - at(band.low), 1.5)
    words = f"printed {band.low:.5g} to {band.high:.5g}, recomputed {low:.5g} to {high:.5g}"
    return (
        f'<svg width="{_WIDTH}" height="{_HEIGHT}" role="img"><title>{escape(words)}</title>'
        f'<rect class="band" x="{at(band.low)}" y="4" width="{width:.1f}" height="{_HEIGHT - 8}"/>'
        f'<line class="bar" x1="{at(low)}" x2="{at(high)}" y1="{_HEIGHT / 2}" y2="{_HEIGHT / 2}"/>'
        f'<circle class="dot" cx="{at(row.recomputed)}" cy="{_HEIGHT / 2}" r="4"/></svg>'
    )


def _interval(one: Checked) -> str:
    low, high = one.row.low, one.row.high
    if low is None or high is None or low == high:
        return ""
    return f"<br><small>{low:.4g} to {high:.4g}</small>"


def _number(value: Any) -> str:
    if value is None:
        return "–"
    return escape(value) if isinstance(value, str) else f"{value:.5g}"


def _unit(unit: str) -> str:
    return "" if unit == "1" else f"<small>{escape(_UNITS.sub(_power, unit))}</small>"


def _power(found: re.Match[str]) -> str:
    return found[1].translate(_RAISED)


def _class(verdict: str) -> str:
    return str(verdict).replace(" ", "-")


def _badge(verdict: str) -> str:
    return f'<span class="badge {_class(verdict)}">{escape(str(verdict))}</span>'


def _flags(flags: Sequence[str] | Iterable[str]) -> str:
    return " ".join(f'<span class="flag">{escape(flag.replace("_", " "))}</span>' for flag in flags)
