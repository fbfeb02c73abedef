"""Join scans with the cycling of their cells, and with metrics: one row for each scan, as a table or as arrays."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.run import BlocksDone
from siltomo.engine.compute.subjects import find_subjects
from siltomo.engine.join.metrics import measured_rows, one_value, with_contraction
from siltomo.engine.join.states import UNITS, Joining, ReadRun, found_rows
from siltomo.engine.select import Selection, parse_where
from siltomo.errors import Amend, UnitError
from siltomo.metrics import registry
from siltomo.model import In, Scan, Status
from siltomo.units import Quantity

if TYPE_CHECKING:
    import pandas as pd
    import xarray as xr

__all__ = ["Form", "Join", "carry", "join"]

Form = Literal["wide", "long"]

_TOLERANCE = In("s", ge=0)
_AGREEMENT = In("mAh/g_Si", ge=0)
_OF_METRICS = (
    "metric",
    "version",
    "value",
    "values",
    "coordinate",
    "unit",
    "uncertainty",
    "segmentation",
    "key",
)


@dataclass(frozen=True)
class Join:
    """Scans with the states found for them, and metrics beside them."""

    states: tuple[Mapping[str, Any], ...]
    """One row for each scan."""
    measured: Mapping[str, Sequence[Mapping[str, Any]]]
    """The rows of the metrics, by scan."""
    metrics: tuple[str, ...] = ()
    """The metrics that were asked for."""

    @property
    def warnings(self) -> tuple[str, ...]:
        """What should be looked at: scans without a state, states that are not as declared."""
        said = []
        lost = [row for row in self.states if row["status"] != Status.OK]
        if lost:
            said.append(
                f"{len(lost)} of {len(self.states)} scans have no state, such as {lost[0]['scan']}: {lost[0]['reason']}"
            )
        said += [f"scan {row['scan']}: {row['disagreement']}" for row in self.states if row["disagreement"]]
        return tuple(said)

    def units(self, form: Form = "wide") -> dict[str, str]:
        """Return the units of the columns that have one; in the long form each row says that of its value."""
        made = dict(UNITS)
        if form == "wide":
            for name in self.metrics:
                unit = registry.requests([name], {})[0].metric.unit
                made |= {name: unit, f"{name}_uncertainty": unit}
        return made

    def rows(self, form: Form = "wide") -> list[dict[str, Any]]:
        """Return the rows.

        Parameters
        ----------
        form
            ``"wide"``: one row for each scan, with columns ``<metric>``, ``<metric>_uncertainty``,
            ``<metric>_status`` and ``<metric>_reason``. ``"long"``: one row for each scan and result, with columns
            ``metric``, ``value``, ``unit``, ``uncertainty``, ``metric_status``, ``metric_reason``.
        """
        return self._wide() if form == "wide" or not self.metrics else self._long()

    def _wide(self) -> list[dict[str, Any]]:
        made = []
        for state in self.states:
            row = dict(state)
            for name in self.metrics:
                own = [m for m in self.measured.get(state["scan"], ()) if m["metric"] == name]
                row.update(one_value(own, name))
            made.append(row)
        return made

    def _long(self) -> list[dict[str, Any]]:
        made = []
        for state in self.states:
            for measured in self.measured.get(state["scan"], ()):
                own = {name: measured[name] for name in _OF_METRICS if name in measured}
                judged = {"metric_status": measured["status"], "metric_reason": measured["reason"]}
                made.append({**state, **own, **judged})
        return made

    @property
    def carried(self) -> dict[str, dict[str, str]]:
        """What the scans do not declare and was found, by scan and field; only where nothing disagrees."""
        made = {}
        for row in self.states:
            if row["status"] != Status.OK or not row["agrees"] or row["half"] == "pristine":
                continue
            found = {name: _as_text(row, name) for name in ("capacity", "voltage")}
            new = {f"state.{k}": v for k, v in found.items() if v and row[f"declared_{k}"] is None}
            if new:
                made[str(row["scan"])] = new
        return made

    def to_pandas(self, form: Form = "wide") -> pd.DataFrame:
        """Return a table, indexed by scan; the units of its columns stand in ``.attrs["units"]``."""
        import pandas as pd

        rows = self.rows(form)
        table = (
            pd.DataFrame(rows).set_index("scan") if rows else pd.DataFrame(index=pd.Index([], name="scan"))
        )
        table.attrs["units"] = self.units(form)
        return table

    def to_xarray(self) -> xr.Dataset:
        """Return a dataset over ``scan``: numbers with ``units``, nan where there is none.

        A metric with values along a coordinate (a profile, a distribution) has a second dimension; where its
        coordinate differs between scans it is left out, and named in ``.attrs["left_out"]``.
        """
        from siltomo.engine.join.arrays import to_dataset

        return to_dataset(self)


def join(
    catalog: Catalog,
    *,
    where: str | Selection | None = None,
    metrics: Sequence[str] = (),
    tolerance: str | Quantity | None = None,
    agree_within: str | Quantity = "20 mAh/g_Si",
    read: ReadRun | None = None,
    progress: BlocksDone | None = None,
) -> Join:
    """Find the state of each scan in the cycling of its cell.

    Parameters
    ----------
    where
        Which scans, by what they declare, such as ``"mode == 'operando'"``.
    metrics
        Metrics to put beside the states; what is missing is computed.
    tolerance
        The longest time between two points of a record within which a value may be taken, such as ``"30 s"``.
        Without one it is the longest sampling gap inside a step of that record, at most 300 s; each row says it.
    agree_within
        Difference up to which a declared and a found capacity agree.
    read
        Reads the record of a run; the catalog's own file without it.

    Returns
    -------
    Join
        One row for each scan, those without a state with the reason.

    Raises
    ------
    ExpressionError
        When the selection cannot be read.
    NotFoundError
        When there is no such metric.
    """
    selected = parse_where(where) if where is None or isinstance(where, str) else where
    names = tuple(dict.fromkeys(metrics))
    if names:
        registry.requests(names, {})
    joining = Joining(
        None if tolerance is None else _number(tolerance, _TOLERANCE, "tolerance"),
        _number(agree_within, _AGREEMENT, "agree_within"),
    )
    wanted = [subject.scan.id for subject in find_subjects(catalog, selected).scans]
    states = _states(catalog, set(wanted), read or _reader(catalog), joining)
    measured = measured_rows(catalog, names, where=selected, progress=progress)
    return Join(tuple(states[scan] for scan in wanted), measured, names)


def carry(catalog: Catalog, joined: Join) -> list[str]:
    """Store what was found in the scans that do not declare it; what was declared is never overwritten.

    Returns
    -------
    list of str
        The scans that have a new revision.
    """
    return [scan for scan, changes in joined.carried.items() if catalog.set(Scan, scan, changes).changed]


def _as_text(row: Mapping[str, Any], name: str) -> str:
    """Return a found value as it stands in a record: to a hundredth of a mAh/g_Si, to a tenth of a millivolt."""
    value = row[name]
    if value is None:
        return ""
    if name == "voltage":
        return str(Quantity(round(value, 4), "V"))
    spread = row["capacity_uncertainty"]
    return str(Quantity(round(value, 2), "mAh/g_Si", None if spread is None else round(spread, 2)))


def _states(
    catalog: Catalog, wanted: set[str], read: ReadRun, joining: Joining
) -> dict[str, Mapping[str, Any]]:
    """Return the states of all scans of the cells: contraction is told from scans that were not asked for, too."""
    every = find_subjects(catalog).scans
    cells = {subject.scan.cell for subject in every if subject.scan.id in wanted}
    rows = found_rows(catalog, (s for s in every if s.scan.cell in cells), read=read, joining=joining)
    return {row["scan"]: row for row in with_contraction(catalog, rows)}


def _reader(catalog: Catalog) -> ReadRun:
    from siltomo.engine.cycling.runs import read_run

    return lambda run: read_run(catalog, run)


def _number(given: str | Quantity, field: In, name: str) -> float:
    """Return a quantity as a number in the unit of its field."""
    try:
        return field.read(given).value
    except UnitError as error:
        option = f"--{name.replace('_', '-')}"
        error.where = error.where or name
        error.fix = error.fix or Amend({option: error.instead or field.example})
        raise
