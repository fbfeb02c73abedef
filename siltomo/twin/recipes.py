"""The two inks of the study that the twin imitates, from what was weighed."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

__all__ = ["INKS", "Ink", "Material"]


@dataclass(frozen=True)
class Material:
    """A dry component of the ink."""

    name: str
    role: str
    mass_mg: float
    """What 0.8 mL of binder solution and the weighed powders bring."""
    density: float
    """Of the solid, in g/cm^3."""


@dataclass(frozen=True)
class Ink:
    """Materials of a formulation, and what follows from them."""

    id: str
    title: str
    additive: str
    materials: tuple[Material, ...]

    @cached_property
    def mass_mg(self) -> float:
        """Mass of the dry ink."""
        return sum(m.mass_mg for m in self.materials)

    @property
    def fractions(self) -> dict[str, float]:
        """Mass fraction of each material, rounded to 6 digits; the binder's are rounded so that all add up to 1."""
        made = {m.name: round(m.mass_mg / self.mass_mg, 6) for m in self.materials}
        last = self.materials[-1].name
        made[last] = round(made[last] + 1.0 - sum(made.values()), 6)
        return made

    @property
    def si_fraction(self) -> float:
        """Silicon per mass of dry electrode."""
        return self.fractions["silicon"]

    @property
    def true_density(self) -> float:
        """Mass per volume of the solids in g/cm^3, rounded to 4 digits."""
        return round(self.mass_mg / sum(m.mass_mg / m.density for m in self.materials), 4)

    @property
    def binder_volume(self) -> float:
        """Volume of binder and additive per mass of silicon, in cm^3/g_Si."""
        silicon = next(m.mass_mg for m in self.materials if m.name == "silicon")
        return (
            sum(m.mass_mg / m.density for m in self.materials if m.role in ("binder", "additive")) / silicon
        )


# Vanpeene et al. (2024), experimental section: 160 mg Si, 24 mg graphene, 0.8 mL of a solution that holds, in
# 8.2 mL, 160 mg NaCMC and 5 mL of 0.171 M citric acid and 0.084 M KOH. Densities are not printed there.
_SHARE = 0.8 / 8.2
_CITRIC_MMOL = 5 * 0.171 * _SHARE
_CMC_MG = 160 * _SHARE
_CARBOXYLATES_MMOL = 3 * _CITRIC_MMOL + 0.9 * _CMC_MG / 234.2
_COMMON = (
    Material("silicon", "active", 160.0, 2.33),
    Material("graphene", "conductive", 24.0, 2.2),
    Material("NaCMC", "binder", _CMC_MG, 1.59),
    Material("citric acid", "binder", _CITRIC_MMOL * 192.12, 1.665),
    Material("KOH", "binder", 5 * 0.084 * _SHARE * 56.11, 2.04),
)

INKS = {
    "reference": Ink("reference", "NaCMC binder in a citric buffer", "", _COMMON),
    "with-zn": Ink(
        "with-zn",
        "The same binder, coordinated by Zn(II): 0.22 Zn per carboxylate",
        "ZnSO4",
        (*_COMMON, Material("ZnSO4", "additive", 0.22 * _CARBOXYLATES_MMOL * 161.47, 3.54)),
    ),
}
"""The formulations by id."""
