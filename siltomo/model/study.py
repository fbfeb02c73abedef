"""A published or running piece of work, and the numbers that it printed."""

from __future__ import annotations

from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from siltomo.errors import UnitError
from siltomo.model.base import Model, Record
from siltomo.model.fields import Id, In, Ref, per_plain_gram
from siltomo.model.printed import Printed, read_printed
from siltomo.model.words import HalfCycle, Qualifier, Scale
from siltomo.units import Quantity, same_dimension

__all__ = ["Author", "ReportedValue", "Study"]

Length = Annotated[Quantity, In("um", gt=0)]


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
    """The number; of a range its lower end. Read from ``printed`` where it is left out."""
    upper: float | None = None
    """The upper end of a range."""
    qualifier: Qualifier = Qualifier.EXACT
    """How firmly it is said: exact, about, nearly, above, below, up_to, or set (chosen, not measured)."""
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
    locator: str = Field(default="", max_length=60)
    """A few characters of the text around the number, by which it is found again."""
    population: str = ""
    """Which cells or samples it was measured on; values of different ones are not one series."""
    at: str = ""
    """What the state and the cycle do not say: "crack onset", "near the collector"."""
    complete: bool = True
    """Whether the half-cycle that it stands for ran to its cut-off."""
    min_feature: Length | None = None
    """Smallest feature that it counts."""
    max_feature: Length | None = None
    """Largest feature that it counts."""
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

    @model_validator(mode="before")
    @classmethod
    def _read_printed(cls, given: Any) -> Any:
        if not isinstance(given, dict) or not isinstance(given.get("printed"), str | int | float):
            return given
        filled = {**given, "printed": str(given["printed"])}
        if "value" not in filled:
            try:
                read = read_printed(filled["printed"])
            except UnitError as error:
                raise ValueError(error.message) from error
            filled["value"] = read.value
            if read.upper is not None:
                filled.setdefault("upper", read.upper)
        return filled

    @property
    def digits(self) -> Printed:
        """What the printed string says: the number and the reach of its last digit."""
        return read_printed(self.printed)

    @model_validator(mode="after")
    def _is_what_was_printed(self) -> Self:
        try:
            read = read_printed(self.printed)
        except UnitError:
            return self  # words such as "a fifth": the number is the reader's
        if (read.value, read.upper) != (self.value, self.upper):
            raise ValueError(f"'{self.printed}' was printed, but the value is {self.value:g}")
        return self

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
