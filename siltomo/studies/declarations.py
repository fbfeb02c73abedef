"""What a study declares besides its records: populations, constants, relations, claims."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, Literal, Self

from pydantic import Field, model_validator

from siltomo.errors import RecordError
from siltomo.model import In, Model, Role
from siltomo.model.fields import Id
from siltomo.units import Quantity

__all__ = [
    "Claim",
    "Constant",
    "Imaging",
    "Ingredient",
    "Measured",
    "Otherwise",
    "Population",
    "Protocol",
    "Relation",
    "expanded",
]

_MOST = 2000
"""Entries that one template may make."""

Expression = str | float
"""Arithmetic over values of the study; see :mod:`siltomo.studies.expressions`."""


class Population(Model):
    """The cells or samples that a set of values was measured on."""

    id: Id
    title: str = ""
    """In words: how many cells, cycled how, looked at how."""
    measured: bool = True
    """Whether anything was measured; false for what the authors computed."""
    same_cells: bool = True
    """Whether the same cells were followed; false where each state is another cell."""
    place: str = ""
    """Where the publication says so."""


class Constant(Model):
    """A number that the publication does not give."""

    value: str
    """Number, unit, uncertainty: "2.20 +/- 0.06 g/cm^3"."""
    source: str = Field(min_length=1)
    """Where it comes from."""
    assumed: bool = True
    """Whether another value could be defended; false for what is exact by definition."""


class Measured(Model):
    """A number that the catalog computes: a metric on the one row that is selected."""

    metric: str
    """Name of the metric."""
    where: str = ""
    """Which row, such as "cell == 'zn1' and cycle == 1 and half == 'delithiation'"."""
    of: str = ""
    """What it is a fraction of, or per gram of what, in the words of the reported values."""


class Ingredient(Model):
    """What goes into the dry electrode: how much of it, how dense."""

    material: str
    role: Role
    mass: Expression
    """Its mass, as arithmetic over printed amounts."""
    density: Expression
    """Its density."""
    si_content: Annotated[Quantity, In("g_Si/g", ge=0, le=1, of="mass of the component")] | None = None
    """Silicon per mass of it; 1 for silicon itself."""


class Imaging(Model):
    """One setting of a scanner: the values that its voxel and its field of view were printed as."""

    id: Id
    voxel: str
    """The value that is the voxel's edge."""
    fields: tuple[str, ...] = Field(min_length=1)
    """The values that are edges of the field of view."""
    pixels: tuple[str, ...] = ()
    """The values that are the detector's numbers of pixels, one for each edge."""
    camera: str = ""
    """A name that settings with one camera share: their fields then have the same number of pixels."""


class Protocol(Model):
    """How cells of a population were cycled."""

    id: Id
    title: str = ""
    population: str = ""
    steps: tuple[str, ...] = ()
    """In order, such as "cycle 1 at C/40"."""
    window: Annotated[str, Field(max_length=60)] = ""
    """Cut-offs."""
    place: str = ""


class Relation(Model):
    """A number that follows from others, or a bound that it keeps."""

    id: str
    family: str = ""
    """The template that it was made from."""
    claim: str = Field(min_length=1)
    """In words."""
    compute: Expression
    """How it follows."""
    reported: str = ""
    """The value that was printed for it; nothing was where it is empty."""
    unit: str = ""
    """Unit to show; that of the printed value where it is left out."""
    at_most: Expression | None = None
    at_least: Expression | None = None
    """Bounds that it must keep."""
    assumes: tuple[str, ...] = ()
    """What must be believed besides the published numbers."""
    notes: str = ""

    @model_validator(mode="after")
    def _says_what_is_compared(self) -> Self:
        bounds = [self.at_most, self.at_least]
        if self.reported and any(bound is not None for bound in bounds):
            raise ValueError("a relation is compared with a printed value or with bounds, not with both")
        if not self.reported and not self.unit:
            raise ValueError("a relation without a printed value says in which unit it is shown: unit: ...")
        return self

    @property
    def bounded(self) -> bool:
        """Whether it is compared with bounds."""
        return self.at_most is not None or self.at_least is not None


class Otherwise(Model):
    """The same comparison by another measure."""

    by: str
    """The measure, in words."""
    left: Expression
    right: Expression
    unit: str = ""


class Claim(Model):
    """A sentence that compares two quantities."""

    id: str
    family: str = ""
    claim: str = Field(min_length=1)
    """In words."""
    place: str = ""
    left: Expression
    says: Literal[">", "<", "=", "close"]
    right: Expression
    within: Annotated[Quantity, In("1", gt=0, le=1, of="the right side")] | None = None
    """How far apart two close numbers may be."""
    unit: str
    """Unit to show."""
    otherwise: tuple[Otherwise, ...] = ()
    """The same by other measures."""

    @model_validator(mode="after")
    def _close_says_how_close(self) -> Self:
        if (self.says == "close") != (self.within is not None):
            raise ValueError(
                "a claim that two numbers are close says within what, and only such a claim: within: 10 %"
            )
        return self


def expanded(id_: str, fields: Mapping[str, Any], *, where: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Make one entry for each combination that its ``for`` names.

    ``for`` is a mapping from a word to its values (all combinations), or a list of mappings (those only).
    ``{word}`` in the id and in any text is replaced.

    Raises
    ------
    RecordError
        When ``for`` is neither, or two entries would have one id.

    Examples
    --------
    >>> [id for id, _ in expanded("ce_{f}_c{c}", {"for": {"f": ["ref", "zn"], "c": [1, 3]}, "claim": "{f}"})]
    ['ce_ref_c1', 'ce_ref_c3', 'ce_zn_c1', 'ce_zn_c3']
    """
    own = {key: value for key, value in fields.items() if key != "for"}
    seen: set[str] = set()
    for choice in _choices(fields.get("for"), where):
        made = _filled(id_, choice)
        if made in seen:
            raise RecordError(f"{made!r} is made twice: the id must name what 'for' changes", where=where)
        seen.add(made)
        yield made, {key: _filled(value, choice) for key, value in own.items()} | {"family": id_}


def _choices(given: Any, where: str) -> list[dict[str, Any]]:
    if given is None:
        return [{}]
    if isinstance(given, dict) and all(isinstance(values, list) for values in given.values()):
        if math.prod(len(values) for values in given.values()) > _MOST:
            raise RecordError(f"'for' makes more than {_MOST} entries", where=where)
        return [
            dict(zip(given, combination, strict=True)) for combination in itertools.product(*given.values())
        ]
    if isinstance(given, list) and all(isinstance(choice, dict) for choice in given):
        return given
    raise RecordError("'for' is a mapping from words to lists, or a list of mappings", where=where)


def _filled(value: Any, choice: Mapping[str, Any]) -> Any:
    if isinstance(value, str):
        for word, said in choice.items():
            value = value.replace("{" + word + "}", str(said))
        return value
    if isinstance(value, list):
        return [_filled(item, choice) for item in value]
    if isinstance(value, dict):
        return {key: _filled(item, choice) for key, item in value.items()}
    return value
