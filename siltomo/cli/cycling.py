"""Cycling runs: add, list, show, set, summary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from siltomo.cli.command import command, group, mending, the_catalog
from siltomo.cli.options import DryRun, IdOption, Notes, Title
from siltomo.cli.reply import Reply, table

__all__ = ["app"]

app = group("cycling", "Cycling runs: electrochemical records of cells.")


class Half(StrEnum):
    """What a current does to the silicon."""

    LITHIATION = "lithiation"
    DELITHIATION = "delithiation"


class DateOrder(StrEnum):
    """How 05/06/2025 is meant."""

    MONTH_FIRST = "month-first"
    DAY_FIRST = "day-first"


class SignFrom(StrEnum):
    """Whom to believe about the sign of the current."""

    VOLTAGE = "voltage"
    USER = "user"


class By(StrEnum):
    """What is summed up."""

    CELL = "cell"
    FORMULATION = "formulation"


def _option(name: str, text: str) -> Any:
    return typer.Option(name, help=text, show_default=False)


File = Annotated[Path, typer.Argument(help="File of the cycler.", show_default=False)]
Run = Annotated[str, typer.Argument(help="Id of the cycling run.", show_default=False)]
CellOption = Annotated[str, _option("--cell", "Id of the cell that was cycled.")]
OfCell = Annotated[str | None, _option("--cell", "Only those of this cell.")]
Cells = Annotated[list[str] | None, typer.Argument(help="Ids of cells; all without it.", show_default=False)]
Positive = Annotated[
    Half | None,
    _option("--positive-current", "What a positive current does to the silicon; else the voltage tells."),
]
SignFromOption = Annotated[
    SignFrom | None, _option("--sign-from", "Whom to believe where --positive-current and voltage disagree.")
]
Columns = Annotated[
    str | None,
    _option(
        "--columns",
        "For tables: what is where, as time=HEADER [s],current=HEADER [mA],voltage=HEADER [V]; or the name of a map "
        "(bdf, neware, arbin, generic), or a YAML file.",
    ),
]
Zone = Annotated[str | None, _option("--timezone", "Time zone of the cycler's clock, such as Europe/Zurich.")]
DateOrderOption = Annotated[DateOrder | None, _option("--date-order", "How a date like 05/06/2025 is meant.")]
AllowGaps = Annotated[
    bool, typer.Option("--allow-gaps", help="Leave out rows that are cut off or hold no numbers, and say so.")
]
FirstCycle = Annotated[
    int | None, _option("--first-cycle", "Number of the file's first cycle, where it continues another file.")
]
Lower = Annotated[str | None, _option("--lower-cutoff", 'Where lithiation is meant to end, such as "5 mV".')]
Upper = Annotated[str | None, _option("--upper-cutoff", 'Where delithiation is meant to end, such as "1 V".')]
Rest = Annotated[
    str | None, _option("--rest-current", 'Currents up to this count as rest, such as "1 uA"; else found.')
]
ByOption = Annotated[
    By, typer.Option("--by", help="One row per cell, or mean and deviation per formulation.")
]
MassOption = Annotated[
    str | None,
    _option("--mass", 'Mass to use in place of the silicon of the cell, such as "15.4 mg" of graphite.'),
]
Nominal = Annotated[str, typer.Option("--nominal-capacity", help="What 1 C means.")]
CycleNumber = Annotated[
    int | None, _option("--cycle", "Give the curve of this cycle, voltage against capacity.")
]
Differential = Annotated[
    str | None, _option("--dqdv", 'With --cycle: dQ/dV in bins of this width, such as "5 mV".')
]


@command(app, "add")
def add(
    file: File,
    cell: CellOption,
    positive_current: Positive = None,
    sign_from: SignFromOption = None,
    columns: Columns = None,
    timezone: Zone = None,
    date_order: DateOrderOption = None,
    allow_gaps: AllowGaps = False,
    first_cycle: FirstCycle = None,
    lower_cutoff: Lower = None,
    upper_cutoff: Upper = None,
    rest_current: Rest = None,
    id: IdOption = None,  # noqa: A002
    title: Title = None,
    notes: Notes = None,
    dry_run: DryRun = False,
) -> Reply:
    """Register the file of a cycler: BioLogic, Battery Data Format, cellpy, Neware, Arbin, any table."""
    from siltomo.cycling import CyclingSource, parse_columns
    from siltomo.engine.cycling.runs import RunOrder, add_run

    named = parse_columns(columns or "")
    source = CyclingSource(
        file,
        columns=named,
        map="" if named else columns or "",
        timezone=timezone or "",
        date_order=None if date_order is None else date_order.value,
        allow_gaps=allow_gaps,
    )
    fields = {
        "id": id,
        "title": title,
        "notes": notes,
        "positive_current": None if positive_current is None else positive_current.value,
        "first_cycle": first_cycle,
        "lower_cutoff": lower_cutoff,
        "upper_cutoff": upper_cutoff,
        "rest_current": rest_current,
    }
    order = RunOrder(
        source, cell, {k: v for k, v in fields.items() if v is not None}, sign_from == SignFrom.USER
    )
    with mending():
        done = add_run(the_catalog(), order, dry_run=dry_run)
    return _said(
        done, "unchanged" if not done.added else "would be added" if dry_run else "added", dry_run=dry_run
    )


def _said(done: Any, outcome: str, *, dry_run: bool = False) -> Reply:
    """Tell what was found in a run."""
    run, record = done.record, done.understood
    complete = sum(cycle.complete for cycle in record.cycles)
    data = {
        "id": run.id,
        "outcome": outcome,
        "added": done.added and not dry_run,
        "record": run.body(),
        "points": len(record.points),
        "cycles": len(record.cycles),
        "complete_cycles": complete,
        "positive_current": record.positive_current,
        "positive_current_source": record.basis["positive_current"],
        "start": None if run.start is None else run.start.isoformat(),
    }
    text = (
        f"{outcome}: cycling run {run.id} of cell {run.cell} ({record.points.format}, {len(record.points)} points, "
        f"{len(record.cycles)} cycles, {complete} of them complete)\n"
        f"positive current is {record.positive_current} ({record.basis['positive_current']})"
    )
    if run.start is not None:
        zone = "" if run.start.tzinfo else ", time zone not known (--timezone)"
        text += f"\nstarted on {run.start:%d %B %Y at %H:%M:%S}{zone}"
    return Reply(data, text, None, done.warnings)


@command(app, "set")
def set_(
    run: Run,
    positive_current: Positive = None,
    sign_from: SignFromOption = None,
    timezone: Zone = None,
    date_order: DateOrderOption = None,
    first_cycle: FirstCycle = None,
    lower_cutoff: Lower = None,
    upper_cutoff: Upper = None,
    rest_current: Rest = None,
    title: Title = None,
    notes: Notes = None,
) -> Reply:
    """Change what is said of a run; its file is understood again."""
    from siltomo.engine.cycling.runs import set_run

    changes = {
        "positive_current": None if positive_current is None else positive_current.value,
        "timezone": timezone,
        "date_order": None if date_order is None else date_order.value,
        "first_cycle": first_cycle,
        "lower_cutoff": lower_cutoff,
        "upper_cutoff": upper_cutoff,
        "rest_current": rest_current,
        "title": title,
        "notes": notes,
    }
    given = {name: value for name, value in changes.items() if value is not None}
    with mending():
        done = set_run(the_catalog(), run, given, trust_sign=sign_from == SignFrom.USER)
    return _said(done, "changed" if done.added else "unchanged")


@command(app, "list", csv=True)
def list_(cell: OfCell = None) -> Reply:
    """List the cycling runs."""
    from siltomo.engine.cycling.show import list_runs

    rows = list_runs(the_catalog(), cell)
    return Reply(rows, table(rows), rows)


@command(app, "show", csv=True)
def show(run: Run, cycle: CycleNumber = None, dqdv: Differential = None) -> Reply:
    """Show a run and its half-cycles; with --cycle, the curve of a cycle."""
    from siltomo.engine.cycling.show import curve_rows, show_run
    from siltomo.errors import Amend, UsageError
    from siltomo.model import In

    if dqdv is not None and cycle is None:
        raise UsageError("--dqdv needs --cycle", fix=Amend({"--cycle": "1"}))
    if cycle is not None:
        step = None if dqdv is None else In("V", gt=0).read(dqdv).value
        rows, units = curve_rows(the_catalog(), run, cycle, differential_V=step)
        return Reply({"rows": rows, "units": units}, table(_with_units(rows, units)), rows)
    shown = show_run(the_catalog(), run)
    fields = [
        {"field": k, "value": v} for k, v in shown["record"].items() if v and k not in ("schema", "source")
    ]
    text = f"{table(fields)}\n\n{table(_with_units(shown['half_cycles'], shown['units']))}"
    return Reply(shown, text, shown["half_cycles"], shown["warnings"])


@command(app, "summary", csv=True)
def summary(
    cells: Cells = None,
    by: ByOption = By.CELL,
    mass: MassOption = None,
    nominal_capacity: Nominal = "3579 mAh/g_Si",
) -> Reply:
    """Sum up cycles: capacities, coulombic efficiency, retention, end voltages, C-rates."""
    from siltomo.engine.cycling.summary import by_formulation, summary_of
    from siltomo.units import Quantity

    made = summary_of(the_catalog(), cells or None, mass=mass, nominal=Quantity.parse(nominal_capacity))
    if by == By.FORMULATION:
        made = by_formulation(made)
    rows = list(made.rows)
    columns = [
        name for name in (rows[0] if rows else ()) if any(row[name] not in (None, "", []) for row in rows)
    ]
    hidden = (
        {"start", "end", "run", "reason", "formulation", "irreversible_capacity"} if by == By.CELL else set()
    )
    short = [
        name for name in columns if name not in hidden and not name.endswith(("_current", "_current_sd"))
    ]
    shown = _with_units([{name: row[name] for name in short} for row in rows], made.units)
    reasons = [f"cycle {row['cycle']} of {row['cell']}: {row['reason']}" for row in rows if row.get("reason")]
    text = "\n".join([table(shown), *(r for r in reasons if "complete" in r or "no lithiation" in r)])
    return Reply({"rows": rows, "units": dict(made.units)}, text, rows, made.warnings)


def _with_units(rows: Iterable[Mapping[str, Any]], units: Mapping[str, str]) -> list[dict[str, Any]]:
    """Return rows whose columns say their unit."""
    return [{f"{k} [{units[k]}]" if k in units else k: v for k, v in row.items()} for row in rows]
