"""What every study is checked for without being told: each lint looks at all values or all relations."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

from siltomo.errors import SiltomoError
from siltomo.model import Qualifier
from siltomo.studies.declarations import Relation
from siltomo.studies.declared import Declared
from siltomo.studies.evaluate import basis_of, evaluate, unit_dimension
from siltomo.studies.expressions import Node, Operation, names
from siltomo.studies.judge import overlapping_windows, verdict_of
from siltomo.studies.rows import Checked, Row, Verdict, finite, shown
from siltomo.studies.values import Span, Value
from siltomo.units import unit_factor

__all__ = ["LINTS", "lint_rows"]

_SHARES = (
    "fraction",
    "efficiency",
    "interconnectivity",
    "porosity",
    "share",
    "fraction_of_separator_porosity",
)
"""Endings of the names of quantities that are parts of a whole: from 0 to 1."""

Found = Iterator[Row]


@dataclass(frozen=True)
class Seen:
    """What a lint looks at: the study, and its relations and claims as they were judged."""

    study: Declared
    checked: Sequence[Checked]


def lint_rows(study: Declared, checked: Sequence[Checked]) -> Iterator[Checked]:
    """Run every lint: a row for each thing found, and one that says what was looked at."""
    for name, (words, look) in LINTS.items():
        rows = list(look(Seen(study, checked)))
        bad = [row for row in rows if row.verdict == Verdict.INCONSISTENT]
        found = (
            f"{len(bad)} found: {', '.join(row.id.split(':', 2)[2] for row in bad)}" if bad else "none found"
        )
        told = sum(row.verdict == Verdict.DERIVED for row in rows)
        summary = Row(
            f"lint:{name}",
            words,
            verdict=Verdict.INCONSISTENT if bad else Verdict.REPRODUCES,
            flags=(name,),
            explanation=f"{told} named below" if told else found,
        )
        yield from (Checked(row, "lint") for row in [summary, *rows])


def _row(name: str, about: str, claim: str, explanation: str, **more: Any) -> Row:
    base = Row(
        f"lint:{name}:{about}", claim, verdict=Verdict.INCONSISTENT, flags=(name,), explanation=explanation
    )
    return replace(base, **more)


def _records(seen: Seen) -> list[Value]:
    return [value for value in seen.study.values.values() if value.record is not None]


def _dimensions(seen: Seen) -> Found:
    """Find quantities printed in units of different dimensions, and relations whose printed unit is another's."""
    groups: dict[str, list[Value]] = defaultdict(list)
    for value in _records(seen):
        assert value.record is not None
        groups[value.record.quantity].append(value)
    for quantity, values in groups.items():
        kinds: dict[str, list[Value]] = defaultdict(list)
        for value in values:
            kinds[str(unit_dimension(value.unit))].append(value)
        if len(kinds) > 1:
            each = "; ".join(
                f"{found[0].unit}: {', '.join(v.name for v in found)}" for found in kinds.values()
            )
            yield _row(
                "dimension",
                quantity,
                f"{quantity} is printed in one kind of unit",
                f"printed in different kinds: {each}",
            )
    for one in seen.checked:
        if one.kind == "relation" and "dimension" in one.row.flags:
            yield _row("dimension", one.row.id, f"the unit of: {one.row.claim}", one.row.explanation)


def _bases(seen: Seen) -> Found:
    """Find sums and comparisons of fractions of different wholes."""
    for relation, node in _nodes(seen):
        basis, clashes = basis_of(node, seen.study.values)
        reported = seen.study.values.get(relation.reported)
        if reported is not None and basis and reported.of and basis != reported.of:
            clashes = [*clashes, f"the sum is of {basis}, the printed value of {reported.of}"]
        if clashes:
            yield _row("basis", relation.id, f"one whole in: {relation.claim}", "; ".join(clashes))


def _windows(seen: Seen) -> Found:
    """Find sums of two scales whose windows of feature sizes overlap."""
    for relation, node in _nodes(seen):
        for one, other in overlapping_windows(node, seen.study.values):
            low = max(v.record.min_feature.value for v in (one, other) if v.record and v.record.min_feature)
            yield _row(
                "windows",
                relation.id,
                f"no feature is counted twice in: {relation.claim}",
                f"{one.name} and {other.name} both count features above {low:g} um",
            )


def _printed_twice(seen: Seen) -> Found:
    """Find one quantity printed twice with values that no rounding joins."""
    groups: dict[tuple[object, ...], list[Value]] = defaultdict(list)
    for value in _records(seen):
        assert value.record is not None
        if value.record.qualifier != Qualifier.SET:
            groups[value.identity].append(value)
    for values in groups.values():
        for one, other in combinations(values, 2):
            if unit_dimension(one.unit) != unit_dimension(other.unit):
                continue  # the lint of dimensions says so
            factor = unit_factor(other.unit, one.unit)
            if not one.span.overlaps(other.span.scaled(factor)) and not one.coarse.overlaps(
                other.coarse.scaled(factor)
            ):
                where = " and ".join(f"{v.printed} ({v.source})" for v in (one, other))
                yield _row(
                    "printed_twice",
                    f"{one.name}:{other.name}",
                    f"one value of {_about(one)}",
                    f"printed as {where}",
                    recomputed=finite(other.nominal * factor),
                    reported=one.nominal,
                    unit=one.unit,
                    ratio=finite(other.nominal * factor / one.nominal) if one.nominal else None,
                )


def _about(value: Value) -> str:
    r = value.record
    assert r is not None
    parts = [r.quantity, r.formulation, f"cycle {r.cycle}" if r.cycle is not None else "", r.half, r.at]
    return ", ".join(str(part) for part in parts if part)


def _bounds(seen: Seen) -> Found:
    """Find parts of a whole below 0 or above 1, and parts of one whole that add up to more."""
    wholes: dict[tuple[object, ...], list[Value]] = defaultdict(list)
    for value in _records(seen):
        r = value.record
        assert r is not None
        if unit_dimension(value.unit) != unit_dimension("1") or not r.quantity.endswith(_SHARES):
            continue
        span = value.span.scaled(unit_factor(value.unit, "1"))
        if span.low > 1 or span.high < 0:
            yield _row(
                "bounds", value.name, f"{_about(value)} is between 0 and 100 %", f"{value.printed} is printed"
            )
        if r.quantity.endswith("_volume_fraction") and r.of:
            key = (r.formulation, r.cycle, r.half, r.scale, r.population, r.at, value.of)
            wholes[key].append(value)
    for values in wholes.values():
        by_quantity = {v.record.quantity: v for v in values if v.record}
        total = sum(v.span.low * unit_factor(v.unit, "1") for v in by_quantity.values())
        if len(by_quantity) > 1 and total > 1 + 1e-9:
            listed = " + ".join(v.name for v in by_quantity.values())
            yield _row("bounds", listed.replace(" + ", "+"), f"parts of {values[0].of} fill it once",
                       f"{listed} add up to at least {total:.1%}")  # fmt: skip


def _half_cycles(seen: Seen) -> Found:
    """Find half-cycles that did not reach their cut-off and were used as if they had."""
    for relation, node in _nodes(seen):
        for value in seen.study.inputs(node) if relation.reported else ():
            if value.record is not None and not value.record.complete:
                yield _row("half_cycle", f"{relation.id}:{value.name}", f"whole half-cycles in: {relation.claim}",
                           f"{value.name} ({value.printed} {value.unit}) did not run to its cut-off")  # fmt: skip


def _pixels(seen: Seen) -> Found:
    """Find fields of view that are no whole number of voxels, and settings of one camera with different numbers."""
    counts: dict[tuple[str, int], list[tuple[str, Span]]] = defaultdict(list)
    for setting in seen.study.imaging:
        for edge, name in enumerate(setting.fields):
            expression = f"{name} / {setting.voxel}"
            try:
                number, span = seen.study.evaluate(expression).in_unit("1")
            except SiltomoError as error:
                yield _row(
                    "pixels", f"{setting.id}:{name}", f"{expression} is a number of pixels", error.message
                )
                continue
            if setting.camera:
                counts[setting.camera, edge].append((setting.id, span))
            declared = seen.study.evaluate(setting.pixels[edge]).span if edge < len(setting.pixels) else None
            whole = math.floor(span.high + 1e-9) >= math.ceil(span.low - 1e-9)
            if not whole or (declared is not None and not declared.meets(span)):
                wanted = "a whole number of" if declared is None else f"{declared.low:g}"
                yield _row("pixels", f"{setting.id}:{name}", f"{expression} is {wanted} pixels",
                           f"{shown(span.low)} to {shown(span.high)} pixels", recomputed=finite(number),
                           low=finite(span.low), high=finite(span.high), unit="1")  # fmt: skip
    for (camera, edge), settings in counts.items():
        for (one, span), (other, span_too) in combinations(settings, 2):
            if not span.meets(span_too):
                each = [f"{n} {shown(s.low)} to {shown(s.high)}" for n, s in ((one, span), (other, span_too))]
                claim = f"{one} and {other} of camera {camera} have as many pixels"
                words = f"pixels along edge {edge + 1}: {', '.join(each)}"
                yield _row("pixels", f"{one}:{other}:{edge}", claim, words)


def _ratios(seen: Seen) -> Found:
    """Compare ratios of relations of one form: what they share cancels, so no constant can be blamed.

    Only pairs of which one does not reproduce are shown.
    """
    by_id = {one.row.id: one for one in seen.checked if one.kind == "relation"}
    families: dict[str, list[Relation]] = defaultdict(list)
    for relation in seen.study.relations:
        if relation.reported and relation.family:
            families[relation.family].append(relation)
    for relations in families.values():
        for one, other in combinations(relations, 2):
            failed = {by_id[r.id].row.verdict for r in (one, other)} & {
                Verdict.INCONSISTENT,
                Verdict.NOT_REPRODUCIBLE,
            }
            if failed:
                yield from _ratio(seen, one, other)


def _ratio(seen: Seen, one: Relation, other: Relation) -> Found:
    nodes = seen.study.read(one.compute), seen.study.read(other.compute)
    common = names(nodes[0]) & names(nodes[1])
    printed = seen.study.values[one.reported], seen.study.values[other.reported]
    if not common or any(v.span.low <= 0 or not math.isfinite(v.span.high) for v in printed):
        return
    try:
        number, span = evaluate(Operation("/", *nodes), seen.study.values).in_unit("1")
        factor = unit_factor(printed[0].unit, printed[1].unit)
    except SiltomoError:
        return
    claimed = printed[0].nominal * factor / printed[1].nominal
    wide = [
        Span(a.low * factor / b.high, a.high * factor / b.low)
        for a, b in ((printed[0].span, printed[1].span), (printed[0].coarse, printed[1].coarse))
    ]
    # what is assumed cancels too, where it is shared
    assumed = any(seen.study.values[name].assumed for name in (names(nodes[0]) ^ names(nodes[1])))
    verdict, _ = verdict_of(number, span, wide[0], wide[1], assumed=assumed)
    shared = ", ".join(sorted(common))
    failed = verdict in (Verdict.INCONSISTENT, Verdict.NOT_REPRODUCIBLE)
    said = (
        f"no value of what they share ({shared}) gives both"
        if failed
        else f"({shared}) cancels: the ratio fits"
    )
    yield Row(f"lint:ratio:{one.id}:{other.id}", f"ratio of: {one.claim}; and {other.claim}", finite(number),
              finite(span.low), finite(span.high), finite(claimed), "1", finite(number / claimed), verdict, ("ratio",),
              said)  # fmt: skip


def _populations(seen: Seen) -> Found:
    """Say which printed comparisons splice values of different cells."""
    spliced = [
        one
        for one in seen.checked
        if one.kind == "relation" and "population" in one.row.flags and one.row.reported is not None
    ]
    for one in spliced:
        values = [*one.inputs, *([one.printed] if one.printed else [])]
        names_ = sorted({value.population for value in seen.study.measured(values)})
        yield Row(f"lint:population:{one.row.id}", f"one population in: {one.row.claim}", verdict=Verdict.DERIVED,
                  flags=("population",), explanation=f"values of {', '.join(names_)} are joined")  # fmt: skip


def _nodes(seen: Seen) -> Iterable[tuple[Relation, Node]]:
    for relation in seen.study.relations:
        yield relation, seen.study.read(relation.compute)


LINTS: dict[str, tuple[str, Callable[[Seen], Found]]] = {
    "dimension": ("every quantity has one kind of unit", _dimensions),
    "basis": ("fractions are summed and compared of one whole", _bases),
    "windows": ("windows of feature sizes that are summed are disjoint", _windows),
    "printed_twice": ("no quantity is printed twice with different values", _printed_twice),
    "bounds": ("parts of a whole lie between 0 and 100 %", _bounds),
    "half_cycle": ("incomplete half-cycles are not used as whole ones", _half_cycles),
    "pixels": ("fields of view are whole numbers of voxels", _pixels),
    "ratio": ("ratios of relations of one form hold, whatever their constants", _ratios),
    "population": ("values of different cells are not spliced silently", _populations),
}
"""Every lint: what should hold, and how it is looked for."""
