"""Which column of a table holds what, and in which unit: from maps that are data, from headers, from the user."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from siltomo.cycling.source import CyclingSource, plain
from siltomo.errors import Amend, BadInputError, FormatError, UnitError
from siltomo.units import unit_factor

__all__ = [
    "QUANTITIES",
    "Chosen",
    "Column",
    "ColumnMap",
    "choose",
    "columns_as_text",
    "load_map",
    "parse_columns",
]

UNITS = {"time": "s", "current": "A", "voltage": "V", "unix_time": "s", "step_time": "s", "counters": "Ah"}
"""Quantities with the unit in which they are kept."""
QUANTITIES = (*UNITS, "datetime", "step", "cycle")
NEEDED = ("time", "current", "voltage")
SHIPPED = ("bdf", "neware", "arbin", "generic")
CLOCK = "h:m:s"

_WITH_UNIT = re.compile(
    r"(?P<name>.*?\S)\s*(?:\((?P<round>[^()]*)\)|\[(?P<square>[^\[\]]*)\]|/\s*(?P<slash>[^/]+?))\s*"
)


@dataclass(frozen=True)
class Column:
    """A name that a column may have, with the unit that is meant where its header has none."""

    name: str
    unit: str = ""


@dataclass(frozen=True)
class ColumnMap:
    """The columns of one maker's tables."""

    name: str
    columns: Mapping[str, tuple[Column, ...]]
    needs: tuple[str, ...] = ()
    """Further names that must be there before it is taken for this maker's."""


@dataclass(frozen=True)
class Chosen:
    """A column that was found for a quantity."""

    quantity: str
    index: int
    header: str
    unit: str
    """The unit of its numbers; empty for counts and dates."""

    @property
    def factor(self) -> float:
        """What its numbers are multiplied by."""
        kept = UNITS.get(self.quantity)
        return 1.0 if kept is None or self.unit == CLOCK else unit_factor(self.unit, kept)


@cache
def load_map(name: str) -> ColumnMap:
    """Read one of siltomo's maps by its name, or a user's by its path.

    Raises
    ------
    BadInputError
        When there is none, or it is no map.
    """
    import yaml

    if name in SHIPPED:
        text, where = resources.files("siltomo.cycling").joinpath(f"maps/{name}.yaml").read_text(), name
    else:
        try:
            text, where = Path(name).read_text(encoding="utf-8"), name
        except OSError as error:
            raise BadInputError(
                f"there is no column map {name!r}; siltomo has {', '.join(SHIPPED)}, or give a YAML file",
                code="SIL148",
                fix=Amend({"--columns": "generic"}),
            ) from error
    try:
        return _parsed(yaml.safe_load(text))
    except (yaml.YAMLError, TypeError, KeyError, AttributeError, ValueError) as error:
        raise BadInputError(
            f"is no column map: {plain(error)}",
            code="SIL148",
            where=where,
            fix=Amend(advice="see docs/cycling.md: a map has a name and columns by quantity"),
        ) from error


def _parsed(data: Any) -> ColumnMap:
    unknown = set(data["columns"]) - set(QUANTITIES)
    if unknown:
        raise ValueError(
            f"unknown quantities {', '.join(sorted(unknown))}; known are {', '.join(QUANTITIES)}"
        )
    columns = {
        quantity: tuple(Column(one) if isinstance(one, str) else Column(**one) for one in names)
        for quantity, names in data["columns"].items()
    }
    return ColumnMap(str(data["name"]), columns, tuple(data.get("needs", ())))


def parse_columns(text: str) -> dict[str, str]:
    """Read ``"time=test_time [s],current=I [mA]"``; the name of a map or a path gives nothing.

    Examples
    --------
    >>> parse_columns("time=test_time [s],current=I [mA]")
    {'time': 'test_time [s]', 'current': 'I [mA]'}
    >>> parse_columns("neware")
    {}
    """
    if "=" not in text:
        return {}
    found: dict[str, str] = {}
    for part in re.split(r",(?=\s*\w+\s*=)", text):
        quantity, _, header = (one.strip() for one in part.partition("="))
        if quantity not in QUANTITIES or not header:
            raise BadInputError(
                f"cannot read {part.strip()!r}: write quantity=header [unit], with one of {', '.join(QUANTITIES)}",
                code="SIL148",
                fix=Amend({"--columns": "time=test_time [s],current=current [mA],voltage=voltage [V]"}),
            )
        found[quantity] = header
    return found


def columns_as_text(chosen: Iterable[Chosen]) -> str:
    """Return chosen columns as the user would write them."""
    return ",".join(f"{c.quantity}={c.header}" for c in chosen)


def split_header(header: str) -> tuple[str, str]:
    """Split a header into name and unit.

    Examples
    --------
    >>> split_header("Test Time / s"), split_header("Current(mA)"), split_header("voltage_volt")
    (('Test Time', 's'), ('Current', 'mA'), ('voltage_volt', ''))
    """
    found = _WITH_UNIT.fullmatch(header.strip())
    if found is None:
        return header.strip(), ""
    unit = found["round"] or found["square"] or found["slash"] or ""
    return found["name"].strip(), unit.strip()


def _same(name: str) -> str:
    return re.sub(r"[\s_\-.]+", " ", name).strip().lower()


def choose(headers: Sequence[str], source: CyclingSource) -> tuple[tuple[Chosen, ...], str]:
    """Find the columns of a table.

    Returns
    -------
    tuple of Chosen
        One for each quantity that was found, several for counters.
    str
        Whose columns they are.

    Raises
    ------
    FormatError
        When time, current or voltage is missing, or has no unit; names what is there.
    """
    given = _given(headers, source)
    # who names columns himself has a table of his own; only what he left out is looked for
    known = ("generic",) if given else SHIPPED
    maps = [load_map(name) for name in ((source.map,) if source.map else known)]
    tried = [(_match(headers, one, given), one) for one in maps]
    for found, one in tried:
        if _complete(found) and {_same(n) for n in one.needs} <= {_same(split_header(h)[0]) for h in headers}:
            # a counter without a unit is worth nothing; time, current and voltage were seen to have theirs
            return tuple(c for c in found if c.quantity not in UNITS or _readable(c)), one.name
    found = tried[-1][0]
    raise _incomplete(headers, found, source)


def count_matches(headers: Sequence[str], source: CyclingSource) -> int:
    """Count how many of time, current and voltage a row of headers names."""
    names = {_same(h) for h in headers} | {_same(split_header(h)[0]) for h in headers}
    own = [source.columns] if source.columns else []
    wanted: list[dict[str, tuple[str, ...]]] = [
        {q: (_same(h), _same(split_header(h)[0])) for q, h in columns.items()} for columns in own
    ]
    maps = [load_map(source.map)] if source.map else [load_map(name) for name in SHIPPED]
    wanted += [{q: tuple(_same(c.name) for c in m.columns.get(q, ())) for q in NEEDED} for m in maps]
    return max(sum(any(n in names for n in known.get(q, ())) for q in NEEDED) for known in wanted)


def _given(headers: Sequence[str], source: CyclingSource) -> dict[str, Chosen]:
    """Find the columns that the user named."""
    found: dict[str, Chosen] = {}
    for quantity, text in source.columns.items():
        exact = [n for n, header in enumerate(headers) if _same(header) == _same(text)]
        name, unit = split_header(text)
        named = exact or [
            n for n, h in enumerate(headers) if _same(name) in (_same(h), _same(split_header(h)[0]))
        ]
        if len(named) != 1:
            there = ", ".join(plain(h, 40) for h in headers if h)
            raise FormatError(
                f"{'no' if not named else 'more than one'} column is called {name!r}; it has: {there}",
                code="SIL146",
                where=str(source.path),
                fix=Amend({"--columns": f"{quantity}=HEADER [UNIT]"}, advice="with one of these headers"),
            )
        stated = split_header(headers[named[0]])[1]
        if unit and stated and quantity in UNITS and not _alike(unit, stated):
            raise FormatError(
                f"column {headers[named[0]]!r} states the unit {stated!r}, you say {unit!r}",
                code="SIL105",
                where=str(source.path),
                fix=Amend(advice="leave the unit out of --columns, or mend the header"),
            )
        found[quantity] = Chosen(quantity, named[0], text, unit or stated)
    return found


def _alike(one: str, other: str) -> bool:
    try:
        return one == other or unit_factor(one, other) == 1.0
    except UnitError:
        return False


def _match(headers: Sequence[str], one: ColumnMap, given: Mapping[str, Chosen]) -> tuple[Chosen, ...]:
    """Find the columns of a map; a header's own unit comes before the map's."""
    split = [split_header(header) for header in headers]
    found: list[Chosen] = list(given.values())
    for quantity, names in one.columns.items():
        if quantity in given:
            continue
        for column in names:
            hits = [n for n, (name, _) in enumerate(split) if _same(name) == _same(column.name)]
            hits += [
                n for n, header in enumerate(headers) if _same(header) == _same(column.name) and n not in hits
            ]
            if hits:
                unit = split[hits[0]][1] or column.unit
                found.append(Chosen(quantity, hits[0], headers[hits[0]], unit))
                if quantity != "counters":
                    break
    return tuple(found)


def _complete(found: Iterable[Chosen]) -> bool:
    usable = {c.quantity for c in found if c.quantity not in UNITS or _readable(c)}
    return {"current", "voltage"} <= usable and bool({"time", "unix_time"} & usable)


def _readable(chosen: Chosen) -> bool:
    if chosen.unit == CLOCK:
        return chosen.quantity in ("time", "step_time")
    try:
        return bool(chosen.unit) and chosen.factor > 0
    except UnitError:
        return False


def _incomplete(headers: Sequence[str], found: Iterable[Chosen], source: CyclingSource) -> FormatError:
    """Say which column is missing or lacks its unit."""
    have = {c.quantity: c for c in found}
    missing = [q for q in NEEDED if q not in have]
    unitless = [have[q] for q in NEEDED if q in have and not _readable(have[q])]
    there = ", ".join(plain(h, 40) for h in headers if h)
    if missing:
        return FormatError(
            f"no column of {' or '.join(missing)} was found; it has: {there}",
            code="SIL146",
            where=str(source.path),
            fix=Amend(
                {"--columns": ",".join(f"{q}=HEADER [{UNITS[q]}]" for q in missing)},
                advice="name the column, if it is there",
            ),
        )
    shown = ", ".join(f"{plain(c.header, 40)!r}" for c in unitless)
    said = [f" (it says {c.unit!r})" for c in unitless if c.unit]
    return FormatError(
        f"the columns {shown} state no unit that is known{''.join(said)}",
        code="SIL147",
        where=str(source.path),
        fix=Amend(
            {
                "--columns": ",".join(
                    f"{c.quantity}={split_header(c.header)[0]} [{UNITS[c.quantity]}]" for c in unitless
                )
            },
            advice="with the right units",
        ),
    )
