"""The recipe of an electrode."""

from __future__ import annotations

from typing import Annotated, ClassVar, Self

from pydantic import model_validator

from siltomo.model.base import Model, Record
from siltomo.model.fields import Id, In, Ref
from siltomo.model.words import Role
from siltomo.units import Quantity

__all__ = ["Component", "Formulation"]

_SUM_TOLERANCE = 0.005
"""Mass fractions are printed with two or three digits: 70.0 + 10.0 + 19.6 % is a recipe, not an error."""

MassFraction = Annotated[Quantity, In("1", ge=0, le=1, of="mass of the dry electrode")]
SiliconFraction = Annotated[Quantity, In("g_Si/g", ge=0, le=1, of="mass of the dry electrode")]


class Component(Model):
    """One material of the dry electrode."""

    material: str
    """Name or formula, such as "silicon" or "NaCMC"."""
    role: Role
    """What it does: active, conductive, binder or additive."""
    mass_fraction: MassFraction
    """Its mass per mass of dry electrode."""
    si_content: Annotated[Quantity, In("g_Si/g", ge=0, le=1, of="mass of the component")] | None = None
    """Silicon per mass of the component; 1 for silicon itself, needed for silicon-carbon composites."""

    @property
    def silicon(self) -> float:
        """Silicon that the component brings, in g_Si per gram of dry electrode."""
        if self.si_content is not None:
            return self.mass_fraction.value * self.si_content.value
        return self.mass_fraction.value if self.material.strip().lower() in ("si", "silicon") else 0.0


class Formulation(Record):
    """The recipe of the electrode: components with mass fractions, binder, additive, silicon fraction."""

    kind: ClassVar[str] = "formulation"

    study: Annotated[Id, Ref("study")] | None = None
    """The study it belongs to."""
    components: tuple[Component, ...] = ()
    """The dry electrode's materials; their mass fractions add up to 1."""
    si_fraction: SiliconFraction | None = None
    """Silicon per mass of dry electrode; must equal the sum over the components when these are given."""
    binder: str = ""
    """The binder in words, such as "NaCMC in citric acid / KOH"."""
    additive: str = ""
    """What was added to the binder, such as "ZnSO4"."""
    true_density: Annotated[Quantity, In("g/cm^3", gt=0, of="volume of the solids")] | None = None
    """Mass per volume of the solids of the dry electrode."""

    @model_validator(mode="after")
    def _components_add_up(self) -> Self:
        if not self.components:
            return self
        total = sum(c.mass_fraction.value for c in self.components)
        if abs(total - 1) > _SUM_TOLERANCE:
            raise ValueError(f"the mass fractions of the components add up to {total:.4g}, not 1")
        silicon = sum(c.silicon for c in self.components)
        if self.si_fraction is not None and abs(self.si_fraction.value - silicon) > _SUM_TOLERANCE:
            raise ValueError(
                f"si_fraction is {self.si_fraction}, but the components hold {silicon:.4g} g_Si/g "
                "(name silicon 'silicon', or give si_content for a composite)"
            )
        return self

    @property
    def silicon_fraction(self) -> Quantity | None:
        """Silicon per mass of dry electrode, declared or summed over the components."""
        if self.si_fraction is not None or not self.components:
            return self.si_fraction
        return Quantity(sum(c.silicon for c in self.components), "g_Si/g")
