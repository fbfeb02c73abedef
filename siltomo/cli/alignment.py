"""Align the clock of a cycling run with the beamline's: ``cycling align``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from siltomo.cli.command import command, the_catalog
from siltomo.cli.options import Where
from siltomo.cli.reply import Reply, table

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["register"]


def _option(name: str, text: str) -> Any:
    return typer.Option(name, help=text, show_default=False)


Target = Annotated[str, typer.Argument(help="Id of a run, or of a cell with one run.", show_default=False)]
Offset = Annotated[
    str | None, _option("--offset", 'Beamline minus cycler, where it is known, such as "1234 s".')
]
Drift = Annotated[
    str | None, _option("--drift", "What the beamline's clock gains on the cycler's, such as \"2 s/d\".")
]
Search = Annotated[str, typer.Option("--search", help="How far from zero the offset is looked for.")]
Slack = Annotated[str, typer.Option("--slack", help="By how much a logged time may be off.")]
Start = Annotated[
    str | None, _option("--start", "First point of the run, such as 2021-06-14T10:12:33+02:00.")
]
Zone = Annotated[
    str | None,
    _option("--timezone", "Time zone of the run's start, such as Europe/Zurich, if it names none."),
]
ScanZone = Annotated[
    str | None, _option("--scan-timezone", "Time zone of the scans' times, if they name none.")
]
Apply = Annotated[bool, typer.Option("--apply", help="Store the clock in the run.")]


def register(app: typer.Typer) -> None:
    """Add ``align`` to the group of cycling commands."""
    command(app, "align", csv=True)(align)


def align(
    target: Target,
    offset: Offset = None,
    drift: Drift = None,
    search: Search = "3 h",
    slack: Slack = "1 s",
    start: Start = None,
    timezone: Zone = None,
    scan_timezone: ScanZone = None,
    where: Where = None,
    apply: Apply = False,
) -> Reply:
    """Find the offset between the clocks of the cycler and the beamline; changes nothing without --apply.

    In interrupted operando every scan lies in a rest: the offset is accepted where all do and no other way of
    laying them into rests comes near. Otherwise the error says what to give.
    """
    from siltomo.engine.cycling.alignment import AlignmentOrder, apply_alignment, propose_alignment
    from siltomo.engine.select import parse_where

    order = AlignmentOrder(
        target=target,
        offset=_quantity(offset, "s", "--offset"),
        drift=_quantity(drift, "s/d", "--drift"),
        search=_quantity(search, "s", "--search", least=0.0),
        slack=_quantity(slack, "s", "--slack", least=0.0),
        start=_time(start),
        timezone=timezone or "",
        scan_timezone=scan_timezone or "",
        where=parse_where(where),
    )
    catalog = the_catalog()
    proposal = propose_alignment(catalog, order)
    data = dict(proposal.data)
    if apply:
        change = apply_alignment(catalog, proposal)
        data |= {"stored": True, "changed": change.changed, "revision": change.revision}
    return Reply(data, _text(data), data["scans"], proposal.warnings)


def _quantity(given: str | None, unit: str, option: str, *, least: float | None = None) -> Any:
    """Read an option as a quantity; the error repeats the command with one that can be read."""
    from siltomo.errors import Amend, UnitError
    from siltomo.model import In

    if given is None:
        return None
    field = In(unit, ge=least, of="time on the cycler's clock" if unit == "s/d" else "")
    try:
        if unit == "s/d" and not any(letter.isalpha() for letter in given):
            raise UnitError(f"'{given}' has no unit")
        return field.read(given)
    except UnitError as error:
        error.where = option
        bare = given.strip().replace(".", "", 1).lstrip("+-").isdigit()
        error.fix = Amend({option: error.instead or (f"{given.strip()} {unit}" if bare else f"10 {unit}")})
        raise


def _time(given: str | None) -> Any:
    from datetime import datetime

    from siltomo.errors import Amend, BadInputError

    if given is None:
        return None
    try:
        return datetime.fromisoformat(given)
    except ValueError as error:
        raise BadInputError(
            f"{given!r} is no time: write year-month-day, such as 2021-06-14T10:12:33+02:00",
            code="SIL142",
            where="--start",
            fix=Amend({"--start": "2021-06-14T10:12:33+02:00"}),
        ) from error


def _text(data: Mapping[str, Any]) -> str:
    scans = data["scans"]
    inside = sum(row["in_rest"] for row in scans)
    lines = [
        f"run {data['run']} of cell {data['cell']}: {inside} of {len(scans)} scans lie in a rest"
        + (f", at {data['stops']} stops" if data["stops"] else "")
        + (f" ({data['left_out']} further scans have no time near the record)" if data["left_out"] else ""),
        f"offset  {data['offset']:.1f}{_spread(data['offset_uncertainty'])} s, {data['how']} "
        "(add it to the cycler's clock to get the beamline's)",
    ]
    if data["margin"] is not None:
        lines += [
            f"margin  {data['margin']:.1f} s: from {data['offset_low']:.1f} to {data['offset_high']:.1f} s every "
            "scan stays in its rest",
            _drift_text(data),
            _runner_up_text(data),
            f"looked  within {data['searched'] / 3600:.3g} h of zero, with {data['rests']} rests",
        ]
    if data["stored"]:
        done = f"is stored, in revision {data['revision']}" if data["changed"] else "was stored already"
        lines.append(f"the clock of run {data['run']} {done}")
    else:
        lines.append("nothing was changed; --apply stores this clock")
    shown = [{k: v for k, v in row.items() if k != "unit"} for row in scans]
    units = ("start", "end", "rest_start", "rest_end")
    named = [{f"{k} [s]" if k in units else k: v for k, v in row.items()} for row in shown]
    return "\n".join(lines) + "\n" + table(named)


def _spread(uncertainty: float | None) -> str:
    return "" if uncertainty is None else f" +/- {uncertainty:.1f}"


def _drift_text(data: Mapping[str, Any]) -> str:
    low, high = data["drift_low"], data["drift_high"]
    if data["drift_estimated"]:
        return f"drift   {data['drift']:.3g} s/d, estimated: {low:.3g} to {high:.3g} s/d would fit"
    if low == high:
        return f"drift   {data['drift']:.3g} s/d, given"
    return f"drift   none is needed; {low:.3g} to {high:.3g} s/d would fit as well"


def _runner_up_text(data: Mapping[str, Any]) -> str:
    other = data["runner_up"]
    if other is None:
        return "others  no other offset puts a stop into another rest"
    return f"others  the next best, {other['offset']:.0f} s, fits {other['stops']} of {data['stops']} stops"
