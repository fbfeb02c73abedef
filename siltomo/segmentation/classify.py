"""The step ``classify``: what a random forest is trained on, and what it looks at; nothing here computes."""

from __future__ import annotations

from typing import Any, Self

from pydantic import Field, model_validator

from siltomo.model import Model
from siltomo.model.fields import Id
from siltomo.segmentation.sizes import Length
from siltomo.segmentation.step import CLASSES, Step
from siltomo.units import Quantity

__all__ = ["Classify", "FeatureFiles"]

DEFAULT_SCALES = tuple(Quantity(sigma, "voxel") for sigma in (0.7, 1.0, 1.6, 3.5))


class FeatureFiles(Model):
    """Features that another program computed and exported, on the grid of the scan."""

    file: str = Field(min_length=1)
    """HDF5 or TIFF with channels, npy; or a pattern with one ``*``: a file for each channel. ``{scan}`` stands for the
    id of the scan."""
    axes: str | None = None
    """Order of the axes, such as ``zyxc``, where the file does not name them. With a pattern, ``zcyx`` says that each
    file is a plane and its pages are the channels."""
    dataset: str | None = None
    """The dataset of an HDF5 file that holds several."""

    @model_validator(mode="before")
    @classmethod
    def _file_alone(cls, given: Any) -> Any:
        return {"file": given} if isinstance(given, str) else given

    @model_validator(mode="after")
    def _axes_are_those_of_features(self) -> Self:
        if self.axes is not None and sorted(self.axes.replace("t", "")) != sorted("czyx"):
            raise ValueError(f"the axes {self.axes!r} are not c, z, y and x in some order, such as 'zyxc'")
        return self


class Classify(Step):
    """Part voxels into classes by a random forest over features of the neighbourhood, trained on sparse labels."""

    word, main = "classify", "training"
    gives = CLASSES
    training: str
    """File of sparse labels (0 is unlabelled): TIFF, npy, HDF5 or an ilastik project (.ilp)."""
    scan: Id | None = None
    """The scan the labels were drawn on; each scan of the command without it."""
    features: FeatureFiles | None = None
    """Features from a file in place of those that are computed of the greys."""
    scales: tuple[Length, ...] = Field(default=DEFAULT_SCALES, min_length=1, max_length=8)
    """Standard deviations of the Gaussians of the features that are computed."""
    trees: int = Field(default=100, ge=10, le=2000)
    """Trees of the forest."""
    seed: int = Field(default=0, ge=0, le=2**31 - 1)
    """Seed of the forest: the same training gives the same labels."""
    classes: int = Field(default=2, ge=2, le=20)
    """How many classes the labels have: values 1 to this."""
    keep_probabilities: bool = False
    """Whether the catalog keeps the probability of each class beside the labels, voxel by voxel, in 8 bits."""

    @model_validator(mode="after")
    def _scales_are_of_computed_features(self) -> Self:
        if self.features is not None and "scales" in self.model_fields_set:
            raise ValueError("scales belong to features that are computed, not to those of a file")
        return self

    def content(self) -> dict[str, Any]:
        """Return what decides on the classes: whether probabilities are kept does not."""
        unused = {"keep_probabilities", "features" if self.features is None else "scales"}
        return {self.word: self.model_dump(mode="json", exclude=unused)}
