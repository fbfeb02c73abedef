"""How likely a classifier takes each voxel to be of one class."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from siltomo.model.base import Record
from siltomo.model.fields import Id, Ref
from siltomo.model.scan import Volume

__all__ = ["Probability"]


class Probability(Record):
    """The probability of one class of a classifier, voxel by voxel, beside the labels that were made of it."""

    kind: ClassVar[str] = "probability"

    segmentation: Annotated[Id, Ref("segmentation")]
    """The labels that were made of it."""
    step: int = Field(ge=1)
    """Number of the classifier's step in the recipe of the labels."""
    class_number: int = Field(ge=1, le=255)
    """Which class of that step."""
    phase: str = ""
    """The phase that the class is named as; empty where further steps lie between the classes and the phases."""
    full_scale: int = Field(default=255, ge=1)
    """The voxel value that stands for certainty: probability = value / full_scale, rounded to the nearest. Voxels
    outside of the domain have 0 in all classes."""
    digest: str
    """Digest of the making of the labels: the same steps and inputs give the same probabilities."""
    volume: Volume | None = None
    """Its voxels."""
