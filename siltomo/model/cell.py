"""One built cell with its electrode."""

from __future__ import annotations

import math
from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from siltomo.model.base import Record
from siltomo.model.fields import Id, In, Ref
from siltomo.units import Quantity

__all__ = ["Cell"]

_LOADING_TOLERANCE = 0.1
"""A punch of 3.00 +/- 0.05 mm leaves 3 % in area; 10 % is a slip of unit or of cell."""


class Cell(Record):
    """One built cell with its electrode: formulation, diameter, silicon, thickness, separator."""

    kind: ClassVar[str] = "cell"

    formulation: Annotated[Id, Ref("formulation")]
    """The formulation of its electrode."""
    diameter: Annotated[Quantity, In("mm", gt=0)] | None = None
    """Diameter of the electrode."""
    si_mass: Annotated[Quantity, In("mg_Si", gt=0)] | None = None
    """Mass of silicon in the electrode."""
    loading: Annotated[Quantity, In("mg_Si/cm^2", gt=0)] | None = None
    """Mass of silicon per area of the electrode."""
    initial_thickness: Annotated[Quantity, In("um", gt=0)] | None = None
    """Thickness of the electrode before cycling, without the collector."""
    collector: str = ""
    """Current collector, such as "copper 25 um"."""
    separator: str = ""
    """Separator, such as "glass fibre GF/D"."""
    electrolyte: str = ""
    """Electrolyte, such as "1 M LiPF6 in EC:DMC 1:1 + 10 % FEC"."""
    counter: str = ""
    """Counter electrode, such as "lithium"."""

    @property
    def area(self) -> Quantity | None:
        """Area of the electrode in cm^2, from its diameter."""
        if self.diameter is None:
            return None
        return Quantity(math.pi * self.diameter.m_as("cm") ** 2 / 4, "cm^2")

    @property
    def silicon_loading(self) -> Quantity | None:
        """Silicon per area of the electrode in mg_Si/cm^2: as declared, else its mass over its area."""
        if self.loading is not None or self.si_mass is None or self.area is None or self.diameter is None:
            return self.loading
        value = self.si_mass.value / self.area.value
        shares = [
            (self.si_mass.uncertainty or 0.0) / self.si_mass.value,
            2 * (self.diameter.uncertainty or 0.0) / self.diameter.value,
        ]
        return Quantity(value, "mg_Si/cm^2", value * math.hypot(*shares) or None)

    @model_validator(mode="after")
    def _mass_and_loading_agree(self) -> Self:
        if self.si_mass is None or self.loading is None or self.area is None:
            return self
        computed = self.loading.value * self.area.value
        if abs(computed - self.si_mass.value) > _LOADING_TOLERANCE * self.si_mass.value:
            raise ValueError(
                f"loading {self.loading} on a disk of {self.diameter} is {computed:.3g} mg_Si, "
                f"but si_mass is {self.si_mass}"
            )
        return self
