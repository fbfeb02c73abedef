"""The electrochemical record of a cell."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, ClassVar, Literal

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
    start: datetime | None = None
    """First point of the record, on the cycler's clock."""
    clock_offset: Annotated[Quantity, In("s")] | None = None
    """Seconds to add to the cycler's clock to get the beamline's."""
    clock_drift: Annotated[Quantity, In("s/d", of="time on the cycler's clock")] | None = None
    """What the beamline's clock gains on the cycler's from the start of the record on."""
    scan_timezone: str = ""
    """Time zone, such as Europe/Zurich, of the times of scans that name none."""
    source: SourceFiles | None = None
    """The file of the cycler, kept as it is."""
