"""The step ``layers``: which voxels are collector, electrode and separator; nothing here computes."""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, PlainSerializer, model_validator

from siltomo.errors import BadInputError
from siltomo.model.fields import In
from siltomo.segmentation.greys import GreyRange, parse_greys
from siltomo.segmentation.step import CLASSES, GREY, Step
from siltomo.units import Quantity

__all__ = ["LAYERS", "Layers"]

LAYERS = ("collector", "electrode", "separator")
"""The layers, in the order of the classes that the step gives, from 1."""


def _read_layer(given: Any) -> Any:
    """Read greys from text, or one or more classes."""
    if isinstance(given, str):
        if given.strip().isdigit():
            return (int(given),)
        try:
            return parse_greys(given)
        except BadInputError as error:
            raise ValueError(f"{error.message}, or the number of a class") from error
    if isinstance(given, int) and not isinstance(given, bool):
        return (given,)
    return tuple(given) if isinstance(given, list) else given


def _say_layer(layer: GreyRange | tuple[int, ...] | None) -> Any:
    return str(layer) if isinstance(layer, GreyRange) else None if layer is None else list(layer)


Layer = Annotated[
    GreyRange | tuple[int, ...],
    BeforeValidator(_read_layer),
    PlainSerializer(_say_layer, when_used="json"),
]


class Layers(Step):
    """Part a scan into collector (1), electrode (2) and separator (3) by the electrode's two surfaces.

    Where layers are given the surfaces are found in their voxels and fitted by planes, as ``siltomo segment geometry``
    does. Where none is, they are found where the histogram of the greys changes along the depth axis, so that no layer
    needs a grey of its own; the collector is the brightest end. What lies between them is electrode, its cracks
    included, and what is beyond each is collector or separator. A surface that is not in view is an error.
    """

    word, main = "layers", "collector"
    takes, gives = (GREY, CLASSES), CLASSES
    collector: Layer | None = None
    """Greys of the collector, such as ``160..``, or the classes that are it."""
    electrode: Layer | None = None
    """Greys or classes of the electrode."""
    separator: Layer | None = None
    """Greys or classes of the separator."""
    surfaces: tuple[Literal["collector", "separator"], ...] = Field(
        default=("collector", "separator"), min_length=1
    )
    """The surfaces that must be in view; one that is not named here is not looked for, and what is beyond it is
    taken for electrode."""
    depth_axis: Literal["+z", "-z", "+y", "-y", "+x", "-x"] | None = None
    """Axis and direction from collector to separator; that of the scan without it, or as the layers follow."""
    follow: Literal["plane", "surface"] = "plane"
    """Whether the layers end at the fitted planes, or at the surfaces as they are seen."""
    bridge: Annotated[Quantity, In("um", gt=0)] | None = None
    """With ``follow: surface``: the surfaces are smoothed over this length, and carried over cracks."""
    refine: bool = False
    """Whether to move each plane onto the middle of the blurred step in the greys across it, fitted in small patches.
    Cracks below 30 % of a surface move it by a tenth of a voxel at most; below 45 %, by half a voxel."""

    @property
    def layers(self) -> dict[str, GreyRange | tuple[int, ...]]:
        """The layers that are given."""
        every = {name: getattr(self, name) for name in LAYERS}
        return {name: layer for name, layer in every.items() if layer is not None}

    @model_validator(mode="after")
    def _layers_are_of_one_kind(self) -> Self:
        if len({isinstance(layer, GreyRange) for layer in self.layers.values()}) > 1:
            raise ValueError("give all layers by greys, such as '160..', or all by classes")
        named = [value for layer in self.layers.values() if isinstance(layer, tuple) for value in layer]
        if len(set(named)) < len(named):
            raise ValueError("a class belongs to one layer")
        if self.bridge is not None and self.follow != "surface":
            raise ValueError("bridge belongs to 'follow: surface'")
        return self

    @property
    def class_count(self) -> int:
        """How many classes it gives."""
        return len(LAYERS)

    @property
    def by_greys(self) -> bool:
        """Whether layers are told by greys: their own, or how these change."""
        return not self.layers or any(isinstance(layer, GreyRange) for layer in self.layers.values())

    @property
    def named_classes(self) -> tuple[int, ...]:
        """The classes that are named as layers."""
        return tuple(v for layer in self.layers.values() if isinstance(layer, tuple) for v in layer)
