"""A label volume on the grid of a scan."""

from __future__ import annotations

from functools import cached_property
from typing import Annotated, Any, ClassVar, Self

from pydantic import Field, model_validator

from siltomo.model.base import Model, Record
from siltomo.model.fields import Id, In, PhaseName, Ref
from siltomo.model.scan import SourceFiles, Volume
from siltomo.model.words import OUTSIDE, Domain, Trust
from siltomo.units import Quantity

__all__ = ["FoundClass", "Making", "Parting", "Phase", "Segmentation", "Verdict"]


class Phase(Model):
    """A value of the label volume and the name of what it marks."""

    value: int = Field(ge=0, le=2**32 - 1)
    """The label value."""
    name: PhaseName
    """Its phase, such as "crack"; "outside" for voxels that belong to no domain."""


class Verdict(Model):
    """What one check says of how far labels may be believed."""

    check: str
    """What was checked, such as "noise over contrast"."""
    trust: Trust
    """What it says."""
    value: float | None = None
    """The figure that was judged; absent where there is none."""
    limits: str = ""
    """Up to where it is good, and from where it is bad."""
    reason: str = ""
    """What it means, in words."""


class FoundClass(Model):
    """A class as it was found in the grey values or by a classifier."""

    mean: float | None = None
    """Mean grey value of its fitted component."""
    sd: float | None = None
    """Standard deviation of that component: the noise."""
    fraction: float | None = None
    """Its share of the voxels of the domain without a threshold: the weight of the component, or the mean
    probability."""
    labelled: float | None = None
    """Its share as labelled: by the cuts on the fit, or by the most likely class."""


class Parting(Model):
    """How a step parted greys into classes."""

    step: int = Field(ge=1)
    """Number of the step in its recipe."""
    scans: tuple[str, ...]
    """The scans whose greys decided."""
    cuts: tuple[float, ...] = ()
    """Grey values between the classes, ascending; none for a classifier."""
    classes: tuple[FoundClass, ...] = ()
    """The classes, from 1."""
    facts: dict[str, Any] = Field(default_factory=dict)
    """Further figures: separability, training voxels, out-of-bag score, confusion."""
    verdicts: tuple[Verdict, ...] = ()
    """What the checks say."""


class Making(Model):
    """How labels were made by a recipe: enough to make them again."""

    recipe: Id
    """Name of the recipe."""
    digest: str
    """Digest of its content and of what it used besides the scan (training, other labels, scans of the series)."""
    content: dict[str, Any]
    """Its steps, with nothing left out."""
    inputs: dict[str, str]
    """Content ids of the volumes and files that decided on the labels."""
    place: str = ""
    """Where the recipe's file was, for recipes that read further files: their paths start at its folder."""
    siltomo: str
    """Version of siltomo."""
    partings: tuple[Parting, ...] = ()
    """The cuts and classes that were found."""
    trust: Trust = Trust.UNJUDGED
    """The worst of all verdicts."""


class Segmentation(Record):
    """A label volume on a scan's grid: phases, domain, smallest trusted feature, how it was made."""

    kind: ClassVar[str] = "segmentation"

    scan: Annotated[Id, Ref("scan")]
    """The scan whose grid it lies on."""
    variant_of: Annotated[Id | None, Ref("segmentation")] = None
    """The segmentation that this one varies, such as with a lower threshold; it tells how far results move."""
    phases: tuple[Phase, ...] = Field(min_length=1)
    """What each label value means; a phase may have several values."""
    domain: Domain
    """The whole that fractions are fractions of; voxels named "outside" are not part of it."""
    min_feature: Annotated[Quantity, In("um", gt=0)] | None = None
    """Smallest feature that can be trusted."""
    max_feature: Annotated[Quantity, In("um", gt=0)] | None = None
    """Largest feature that is counted, where larger ones were left out or left to a coarser scan."""
    method: str = ""
    """How the labels were made, such as "ilastik 1.4 pixel classification"."""
    making: Making | None = None
    """The recipe that made them, and what it found; absent for labels made elsewhere."""
    volume: Volume | None = None
    """Its voxels."""
    source: SourceFiles | None = None
    """The files that the labels were read from."""

    @model_validator(mode="after")
    def _a_value_means_one_thing(self) -> Self:
        values = [phase.value for phase in self.phases]
        for value in values:
            if values.count(value) > 1:
                names = ", ".join(p.name for p in self.phases if p.value == value)
                raise ValueError(f"label value {value} is given {values.count(value)} names: {names}")
        if self.phase_names == ():
            raise ValueError("every label value is 'outside': name at least one phase")
        return self

    @model_validator(mode="after")
    def _sizes_make_a_window(self) -> Self:
        smallest, largest = self.min_feature, self.max_feature
        if smallest is not None and largest is not None and largest.value <= smallest.value:
            raise ValueError(f"max_feature ({largest}) is not larger than min_feature ({smallest})")
        return self

    @cached_property
    def phase_names(self) -> tuple[str, ...]:
        """The phases, each once, in the order of their values."""
        names = [p.name for p in sorted(self.phases, key=lambda p: p.value) if p.name != OUTSIDE]
        return tuple(dict.fromkeys(names))

    def values_of(self, name: str) -> tuple[int, ...]:
        """Return the label values of a phase, ascending; none when the phase is not here."""
        return tuple(sorted(p.value for p in self.phases if p.name == name))
