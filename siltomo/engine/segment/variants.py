"""Labels by a recipe with its cuts moved: how far results move with the place of a threshold."""

from __future__ import annotations

import copy
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.sensitivity import check_variant
from siltomo.engine.segment.drafts import RecipeOrder, known_labels, making_of
from siltomo.engine.segment.recipes import LoadedRecipe
from siltomo.engine.segment.segmenting import learn_recipe, write_labels
from siltomo.engine.segment.training import recipe_as_made
from siltomo.errors import BadInputError
from siltomo.model import OUTSIDE, Phase, Segmentation, validated
from siltomo.segmentation import Recipe, parse_recipe
from siltomo.segmentation.prepare import Learnt, Told

__all__ = ["moved_labels", "require_cuts", "store_variants"]


def require_cuts(labels: Segmentation) -> None:
    """Refuse labels that were not made by a recipe with fitted thresholds: what has no cut does not depend on it."""
    if labels.making is None or not any(p.cuts and p.classes for p in labels.making.partings):
        raise BadInputError(
            f"segmentation {labels.id!r} was not made by a recipe with fitted thresholds: there is no cut to move",
            code="SIL144",
            fix=f"siltomo segment run {labels.scan} --recipe micro-cracks",
        )


@contextmanager
def moved_labels(
    catalog: Catalog, labels: Segmentation, shift: float, told: Told | None = None
) -> Iterator[Learnt]:
    """Give labels with all cuts moved, ready to be computed block by block; nothing is kept.

    Parameters
    ----------
    catalog
        The catalog.
    labels
        Labels made by a recipe with thresholds.
    shift
        How far each cut is moved, as part of the difference of the means of its two classes.
    told
        Told what is being done.
    """
    assert labels.making is not None
    recipe = _moved(labels, shift)
    # where greys were matched to those of another scan, they are again
    matched = any(step.word == "match" for step in recipe.steps)
    first = labels.making.inputs.get("first scan", labels.scan) if matched else labels.scan
    scans = tuple(dict.fromkeys((first, labels.scan)))
    loaded = recipe_as_made(catalog, labels, LoadedRecipe(recipe, Path("recipe.yaml")))
    order = RecipeOrder(loaded, scans)
    with tempfile.TemporaryDirectory(prefix="siltomo-") as folder:
        yield learn_recipe(catalog, order, scans, Path(folder), told)[-1]


def store_variants(
    catalog: Catalog, segmentation: str, *, shift: float = 0.05, told: Told | None = None
) -> dict[float, Segmentation]:
    """Keep labels with their cuts moved to either side, as variants of the labels.

    ``compute metric --sensitivity`` takes their distance for one standard uncertainty.

    Parameters
    ----------
    catalog
        The catalog.
    segmentation
        Labels made by a recipe with thresholds; they get the variants ``ID-darker`` and ``ID-brighter``.
    shift
        How far each cut is moved, as part of the difference of the means of its two classes.
    told
        Told what is being done.

    Returns
    -------
    The variants by how far their cuts were moved; those that were there already are left alone.

    Raises
    ------
    BadInputError
        When the labels have no cut to move.
    MismatchError
        When the labels are a variant themselves.
    TakenError
        When an id is taken, such as by variants with another shift.
    """
    labels = catalog.record(Segmentation, segmentation)
    require_cuts(labels)
    drafts = {way * shift: _draft(labels, way * shift) for way in (-1, 1)}
    known = {}
    for moved, draft in drafts.items():
        check_variant(catalog, draft)
        known[moved] = known_labels(catalog, draft)
    catalog.begin_writing()
    made = {}
    for moved, draft in drafts.items():
        kept = known[moved]
        if kept is None:
            with moved_labels(catalog, labels, moved, told) as learnt:
                kept = write_labels(catalog, draft, learnt, told)[0]
        made[moved] = kept
    return made


def _draft(labels: Segmentation, shift: float) -> Segmentation:
    """Return the variant to be, without its voxels."""
    assert labels.making is not None
    inputs = {**labels.making.inputs, "variant of": labels.making.digest}
    ending = "-darker" if shift < 0 else "-brighter"
    recipe = _moved(labels, shift)
    phases = [Phase(value=value, name=name) for value, name in recipe.phases]
    return validated(
        Segmentation,
        {
            "id": labels.id[: 64 - len(ending)] + ending,
            "scan": labels.scan,
            "variant_of": labels.id,
            "domain": labels.domain,
            "min_feature": labels.min_feature,
            "max_feature": labels.max_feature,
            "title": labels.title,
            "method": f"{labels.method}, cuts moved by {shift:+g} of the contrast",
            "making": making_of(recipe, inputs),
            "phases": [Phase(value=0, name=OUTSIDE), *phases],
        },
    )


def _moved(labels: Segmentation, shift: float) -> Recipe:
    """Return the recipe of labels with the cuts that were found, moved."""
    assert labels.making is not None
    content: dict[str, Any] = copy.deepcopy(labels.making.content)
    for parting in labels.making.partings:
        means = [c.mean for c in parting.classes]
        if not parting.cuts:
            continue
        cuts = list(parting.cuts)
        for k, cut in enumerate(cuts):
            low, high = (means[k], means[k + 1]) if len(means) == len(cuts) + 1 else (None, None)
            cuts[k] = cut + (shift * (high - low) if low is not None and high is not None else 0.0)
        step = content["steps"][parting.step - 1]["threshold"]
        kept = {key: step[key] for key in ("of", "named")}
        content["steps"][parting.step - 1] = {"threshold": {"method": "values", "values": cuts, **kept}}
    given = {"recipe": labels.making.recipe, "steps": content["steps"]}
    return parse_recipe(given, place=lambda _: f"segmentation {labels.id}")
