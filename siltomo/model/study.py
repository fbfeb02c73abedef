"""A published or running piece of work, and the numbers that it printed."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import Field, model_validator

from siltomo.errors import UnitError
from siltomo.model.base import Model, Record
from siltomo.model.fields import Id, Ref, per_plain_gram
from siltomo.model.words import HalfCycle, Scale
from siltomo.units import same_dimension

__all__ = ["Author", "ReportedValue", "Study"]


class Author(Model):
    """One author of a study."""

    name: str
    """Name as printed."""
    orcid: str = Field(default="", pattern=r"^$|^\d{4}-\d{4}-\d{4}-\d{3}[\dX]$")
    """ORCID identifier."""


class Study(Record):
    """A published or running piece of work: who, where, under which licence."""

    kind: ClassVar[str] = "study"

    authors: tuple[Author, ...] = ()
    """Its authors."""
    doi: str = ""
    """DOI of the publication."""
    licence: str = ""
    """Licence of the data."""
    facility: str = ""
    """Where the scans were made."""
    beamtime: str = ""
    """Proposal or beamtime number."""


class ReportedValue(Record):
    """A number printed in a publication, with its unit as printed and its place."""

    kind: ClassVar[str] = "reported_value"

    study: Annotated[Id, Ref("study")]
    """The study that printed it."""
    quantity: str
    """What it is a value of: the name of a metric, or words."""
    printed: str
    """The number as printed: 0.90 is not 0.9."""
    value: float
    """The number."""
    uncertainty: float | None = Field(default=None, ge=0)
    """The uncertainty that was printed with it, in the same unit."""
    unit: str
    """The unit as printed, spelled so that it can be read."""
    of: str = ""
    """What a fraction is a fraction of, or per gram of what; needed where the unit does not say it."""
    statistic: str = ""
    """Mean, median, maximum, ... where it is a statistic."""
    place: str
    """Figure, equation, table or sentence where it stands."""
    formulation: Annotated[Id, Ref("formulation")] | None = None
    """The formulation it speaks of."""
    cell: Annotated[Id, Ref("cell")] | None = None
    """The cell it speaks of."""
    cycle: int | None = Field(default=None, ge=0)
    """The cycle it speaks of."""
    half: HalfCycle | None = None
    """The half-cycle it speaks of."""
    scale: Scale | None = None
    """The magnification it was measured at."""

    @model_validator(mode="after")
    def _says_of_what(self) -> Self:
        try:
            unsaid = same_dimension(self.unit, "1") or per_plain_gram(self.unit)
        except UnitError as error:
            raise ValueError(error.message) from error
        if unsaid and not self.of:
            what = "what it is a fraction of" if same_dimension(self.unit, "1") else "per gram of what"
            raise ValueError(f"a value in '{self.unit}' must say {what}: of: ...")
        return self
