"""Sizes in recipes: in voxels, or as physical lengths and volumes that each scan turns into its own voxels."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import GetJsonSchemaHandler
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema

from siltomo.errors import UnitError
from siltomo.model.fields import QuantityField
from siltomo.units import Quantity, dimension, same_dimension

__all__ = ["Length", "Size", "Spacing", "Volume", "odd_window", "voxels_along", "voxels_of"]

Spacing = tuple[float, float, float]
"""Edges of a voxel along z, y, x in um."""


@dataclass(frozen=True)
class Size(QuantityField):
    """Make a field a size in voxels or in a physical unit.

    Parameters
    ----------
    unit
        The physical unit that it is kept in: ``um`` or ``um^3``.
    """

    unit: str

    @property
    def example(self) -> str:
        """Two values that the field would take."""
        return "'3 voxel' or '0.5 um'" if self.unit == "um" else "'27 voxel' or '0.5 um^3'"

    def read(self, given: object) -> Quantity:
        """Read a value; raises ``UnitError`` when it is no positive size."""
        read = Quantity.parse(given, example="3 voxel")
        kept = next((u for u in ("voxel", self.unit) if same_dimension(read.unit, u)), None)
        if kept is None:
            raise UnitError(f"'{given}' measures {dimension(read.unit)}; write {self.example}")
        if not read.value > 0:
            raise UnitError(f"'{given}' is out of bounds: a size is more than 0")
        return read.to(kept)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"type": "string", "x-unit": f"voxel or {self.unit}"}


Length = Annotated[Quantity, Size("um")]
Volume = Annotated[Quantity, Size("um^3")]


def voxels_along(size: Quantity, spacing: Spacing) -> tuple[float, float, float]:
    """Return a length in voxels along z, y, x.

    Examples
    --------
    >>> voxels_along(Quantity(1.0, "um"), (0.5, 0.25, 0.25))
    (2.0, 4.0, 4.0)
    >>> voxels_along(Quantity(3.0, "voxel"), (0.5, 0.25, 0.25))
    (3.0, 3.0, 3.0)
    """
    if size.unit == "voxel":
        return (size.value,) * 3
    z, y, x = (size.value / edge for edge in spacing)
    return z, y, x


def odd_window(size: Quantity, spacing: Spacing) -> tuple[int, int, int]:
    """Return the odd number of voxels along each axis that is nearest to a length, at least 1.

    Examples
    --------
    >>> odd_window(Quantity(0.5, "um"), (0.3, 0.16, 0.16))
    (1, 3, 3)
    """
    z, y, x = (2 * round((n - 1) / 2) + 1 if n > 1 else 1 for n in voxels_along(size, spacing))
    return z, y, x


def voxels_of(size: Quantity, spacing: Spacing) -> int:
    """Return a volume as a number of voxels, rounded up.

    Examples
    --------
    >>> voxels_of(Quantity(1.0, "um^3"), (0.5, 0.5, 0.5))
    8
    """
    exact = size.value if size.unit == "voxel" else size.value / (spacing[0] * spacing[1] * spacing[2])
    nearest = round(exact)
    return nearest if abs(exact - nearest) < 1e-9 * exact else int(exact) + 1
