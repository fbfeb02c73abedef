"""The last rung of the ladder: greys of the twin through the recipes that come with siltomo."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from numpy.typing import NDArray

from siltomo.engine.demo.greys import operando_cracks
from siltomo.engine.resources import memory_budget
from siltomo.engine.segment.recipes import load_recipe
from siltomo.engine.segment.segmenting import LabelPlanes
from siltomo.errors import BadInputError
from siltomo.segmentation import Mask, Recipe, parse_recipe
from siltomo.segmentation.execute import ScanSource
from siltomo.segmentation.prepare import Means, learn
from siltomo.segmentation.verdicts import worst

__all__ = ["ByRecipe", "by_recipe"]

Volume = NDArray[np.uint8]


@dataclass(frozen=True)
class ByRecipe:
    """What a recipe made of greys."""

    labels: Volume | None
    """None where it refused."""
    phases: dict[int, str]
    """Phase of each value; 0 is outside."""
    verdict: str


def by_recipe(
    greys: Volume, domain: NDArray[np.bool_], voxel_um: float, *, kind: str, blur_um: float
) -> ByRecipe:
    """Segment greys by the recipe of the demo for this kind of scan: ``micro``, ``nano`` or ``wide``.

    Parameters
    ----------
    greys, domain
        Shape (z, y, x); which voxels belong to the domain is looked at by recipes with a mask.
    blur_um
        Full width of the point-spread function.
    """
    recipe = _recipe(kind, blur_um)
    masks = {
        n: lambda start, stop: domain[start:stop]
        for n, step in enumerate(recipe.steps)
        if isinstance(step, Mask) and step.segmentation
    }
    z, y, x = greys.shape
    source = ScanSource(
        "twin", (z, y, x), (voxel_um,) * 3, greys.dtype, lambda a, b: greys[a:b], "twin", masks
    )
    phases = {0: "outside", **dict(recipe.phases)}
    memory = memory_budget() // 2
    with tempfile.TemporaryDirectory(prefix="siltomo-ladder-") as scratch:
        try:
            (learnt,) = learn(recipe, [source], Means(memory, Path(scratch)))
        except BadInputError:  # no cut between the classes: the recipe's answer for these greys
            return ByRecipe(None, phases, "refused")
        labels = np.asarray(LabelPlanes(learnt, memory)(0, z))
    return ByRecipe(labels, phases, str(worst(v for p in learnt.partings for v in p.verdicts)))


def _recipe(kind: str, blur_um: float) -> Recipe:
    if kind == "nano":
        return load_recipe("nano-sei").recipe
    if kind == "wide":
        gas: dict[str, Any] = yaml.safe_load(load_recipe("separator-gas").place.read_text("utf-8"))
        # only the separator is in the field of view that the recipe is made for
        gas["steps"].insert(0, {"mask": {"segmentation": "{scan}-separator", "phase": ["separator"]}})
        return parse_recipe(gas, place=lambda _: "the ladder")
    made: dict[str, Any] = operando_cracks(f"{blur_um:.6g} um")
    return parse_recipe(made, place=lambda _: "the ladder")
