"""What a recipe is to make of a scan: the record without its voxels, and whether it is there already."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.run import siltomo_version
from siltomo.engine.segment.recipes import LoadedRecipe
from siltomo.engine.segment.sources import mask_labels, whole_volume
from siltomo.engine.segment.training import check_features_of_scans, feature_inputs, training_inputs
from siltomo.errors import Amend, BadInputError, TakenError
from siltomo.model import OUTSIDE, Making, Phase, Scan, Segmentation, validated
from siltomo.segmentation import Classify, Layers, Mask, Recipe

__all__ = ["RecipeOrder", "check_order", "draft_labels", "known_labels", "making_of"]


@dataclass(frozen=True)
class RecipeOrder:
    """What the user asks for: a recipe, on scans."""

    loaded: LoadedRecipe
    scans: tuple[str, ...]
    id: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the segmentations."""


def check_order(order: RecipeOrder) -> None:
    """Refuse ids that cannot name all labels, and scans that are given twice."""
    if order.id is not None and len(order.scans) > 1 and "{scan}" not in order.id:
        raise BadInputError(
            f"one id {order.id!r} cannot name the labels of {len(order.scans)} scans",
            fix=Amend({"--id": f"{{scan}}-{order.id}"}, advice="{scan} stands for the id of each scan"),
        )
    repeated = {scan for scan in order.scans if order.scans.count(scan) > 1}
    if repeated:
        raise BadInputError(f"scans are given twice: {', '.join(sorted(repeated))}")
    check_features_of_scans(order.loaded, order.scans)


def draft_labels(catalog: Catalog, order: RecipeOrder, scan_id: str) -> Segmentation:
    """Return the segmentation to be, without voxels and without what is to be found."""
    recipe = order.loaded.recipe
    scan = catalog.record(Scan, scan_id)
    whole_volume(scan)
    place = str(order.loaded.place.absolute()) if any(isinstance(s, Classify) for s in recipe.steps) else ""
    making = making_of(recipe, _inputs(catalog, order, scan_id), place=place)
    phases = [Phase(value=value, name=name) for value, name in recipe.phases]
    name = (order.id or f"{{scan}}-{recipe.name}").replace("{scan}", scan_id[: 63 - len(recipe.name)])
    fields = {
        "id": name,
        "domain": recipe.domain or scan.domain,
        "min_feature": recipe.min_feature,
        "title": recipe.title,
        "method": f"recipe {recipe.name}",
        **order.fields,
    }
    return validated(
        Segmentation,
        {**fields, "scan": scan_id, "making": making, "phases": [Phase(value=0, name=OUTSIDE), *phases]},
    )


def making_of(recipe: Recipe, inputs: Mapping[str, str], *, place: str = "") -> Making:
    """Return how a recipe makes labels of some inputs, before it is known what will be found."""
    material = {"recipe": recipe.content(), "inputs": dict(inputs)}
    text = json.dumps(material, sort_keys=True, separators=(",", ":"))
    return Making(
        recipe=recipe.name,
        digest=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
        content=recipe.content(),
        inputs=dict(inputs),
        place=place,
        siltomo=siltomo_version(),
    )


def _inputs(catalog: Catalog, order: RecipeOrder, scan_id: str) -> dict[str, str]:
    """Return the content ids of all volumes that decide on the labels of a scan."""
    recipe = order.loaded.recipe
    together = order.scans if recipe.shares_thresholds else (scan_id,)
    found = {f"scan {one}": whole_volume(catalog.record(Scan, one)).content for one in sorted(together)}
    if recipe.shares_thresholds:
        # a match is to the first scan; the others may come in any order
        found["first scan"] = order.scans[0]
    for step in recipe.steps:
        if isinstance(step, Mask) and step.segmentation:
            for one in together:
                labels = mask_labels(catalog, one, step)
                found[f"segmentation {labels.id}"] = labels.volume.content if labels.volume else ""
    if any(isinstance(step, Layers) and step.depth_axis is None for step in recipe.steps):
        for one in sorted(together):
            found[f"depth axis of scan {one}"] = catalog.record(Scan, one).depth_axis or "not declared"
    if any(isinstance(step, Classify) for step in recipe.steps):
        found |= training_inputs(catalog, order.loaded, scan_id)
        for one in together:
            found |= feature_inputs(catalog, order.loaded, one)
    return found


def known_labels(catalog: Catalog, draft: Segmentation) -> Segmentation | None:
    """Return the segmentation that stands under the id, if the same steps made it from the same voxels.

    Raises
    ------
    TakenError
        When it was made otherwise.
    """
    stored = catalog.store.find("segmentation", draft.id)
    if stored is None:
        return None
    known = Segmentation.from_body(dict(stored.body))
    if (
        known.making
        and draft.making
        and known.making.digest == draft.making.digest
        and known.scan == draft.scan
    ):
        return known
    how = f"by recipe {known.making.recipe!r} with other steps or inputs" if known.making else "elsewhere"
    raise TakenError(
        f"the catalog already has a segmentation {draft.id!r} of scan {known.scan!r}, made {how}; nothing was changed",
        code="SIL111",
        fix=Amend(
            {"--id": "{scan}-" + f"{draft.making.recipe if draft.making else 'seg'}-2"}, advice="to keep both"
        ),
    )
