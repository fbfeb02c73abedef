"""The electrochemical record of a cell."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from siltomo.model.base import Record
from siltomo.model.fields import Id, In, Ref
from siltomo.model.scan import SourceFiles
from siltomo.units import Quantity

__all__ = ["CyclingRun"]


class CyclingRun(Record):
    """The electrochemical record of a cell: its file, the sign of its current, its clock."""

    kind: ClassVar[str] = "cycling_run"

    cell: Annotated[Id, Ref("cell")]
    """The cell that was cycled."""
    positive_current: Literal["lithiation", "delithiation"] | None = None
    """What a positive current does to the silicon."""
    positive_current_source: str = ""
    """Who said so: the user, or the voltage."""
    start: datetime | None = None
    """First point of the record, on the cycler's clock; without a time zone where none is known."""
    timezone: str = ""
    """Time zone of the cycler's clock, such as "Europe/Zurich"."""
    date_order: Literal["month-first", "day-first"] | None = None
    """How a date like 05/06/2025 in the file is meant, where the file does not tell."""
    clock_offset: Annotated[Quantity, In("s")] | None = None
    """Seconds to add to the cycler's clock to get the beamline's."""
    clock_drift: Annotated[Quantity, In("s/d", of="time on the cycler's clock")] | None = None
    """What the beamline's clock gains on the cycler's from the start of the record on."""
    scan_timezone: str = ""
    """Time zone, such as Europe/Zurich, of the times of scans that name none."""
    first_cycle: int = Field(default=1, ge=1, le=100_000)
    """Number of the first cycle of the file, where it continues another one."""
    lower_cutoff: Annotated[Quantity, In("V")] | None = None
    """Voltage at which lithiation is meant to end."""
    upper_cutoff: Annotated[Quantity, In("V")] | None = None
    """Voltage at which delithiation is meant to end."""
    rest_current: Annotated[Quantity, In("mA", ge=0)] | None = None
    """Currents up to this one count as rest; a thousandth of the typical one where it is not given."""
    columns: dict[str, str] = Field(default_factory=dict)
    """For tables: what is in which column, such as {current: "I [mA]"}."""
    column_map: str = ""
    """For tables: name of the column map."""
    allow_gaps: bool = False
    """Whether rows that are cut off or hold no numbers are left out."""
    source: SourceFiles | None = None
    """The file of the cycler, kept as it is."""
