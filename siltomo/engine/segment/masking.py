"""Masks that recipes find by themselves: other labels of the same scans, where a catalog has them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from siltomo.engine.catalog import Catalog
from siltomo.engine.segment.drafts import RecipeOrder
from siltomo.engine.segment.sources import mask_labels
from siltomo.errors import BadInputError
from siltomo.model import Parting, Scan, Trust, Verdict
from siltomo.segmentation import Mask, Recipe

__all__ = ["mask_advice", "mask_fix", "mask_partings", "masked_order"]

_LAYERS = "{scan}-electrode-layers"


def masked_order(catalog: Catalog, order: RecipeOrder) -> RecipeOrder:
    """Return the order inside of the labels that its recipe is meant for, where all of its scans have them.

    Raises
    ------
    BadInputError
        When only some of the scans have them: one threshold would be learnt from unlike things.
    """
    recipe = order.loaded.recipe
    if not recipe.inside_of or any(isinstance(step, Mask) and step.segmentation for step in recipe.steps):
        return order
    named = recipe.inside_of.partition(":")[0]
    lacking = [
        scan
        for scan in order.scans
        if catalog.store.find("segmentation", named.replace("{scan}", scan)) is None
    ]
    if not lacking:
        return replace(order, loaded=order.loaded.within(recipe.inside_of))
    if len(lacking) == len(order.scans):
        return order
    raise BadInputError(
        f"recipe {recipe.name} is meant for {recipe.inside_of}, and {len(order.scans) - len(lacking)} of the "
        f"{len(order.scans)} scans have these labels; {', '.join(lacking)} lack them (--within none leaves the mask "
        "out)",
        code="SIL172",
        fix=_command(recipe.inside_of, lacking),
    )


def mask_advice(order: RecipeOrder) -> str:
    """Return what may mend the labels of a recipe that was used without the mask it is meant for; empty for others."""
    inside_of = order.loaded.recipe.inside_of
    command, phases = _command(inside_of, order.scans), inside_of.partition(":")[2]
    return f"if more than the {phases} is in view, find it first: {command}" if command else ""


def mask_fix(catalog: Catalog, order: RecipeOrder) -> str:
    """Return the command that makes the mask, where some scan is declared to be of more than that."""
    inside_of = order.loaded.recipe.inside_of
    phases = inside_of.partition(":")[2]
    more = any(str(catalog.record(Scan, scan).domain) != phases for scan in order.scans)
    return _command(inside_of, order.scans) if more else ""


def _command(inside_of: str, scans: Sequence[str]) -> str:
    named = inside_of.partition(":")[0]
    return f"siltomo segment run {' '.join(scans)} --recipe electrode-layers" if named == _LAYERS else ""


def mask_partings(catalog: Catalog, recipe: Recipe, scan: str) -> tuple[Parting, ...]:
    """Return what is to be said of the masks of a recipe: labels are not better than the mask they lie in."""
    found = []
    for number, step in enumerate(recipe.steps, 1):
        if not (isinstance(step, Mask) and step.segmentation):
            continue
        labels = mask_labels(catalog, scan, step)
        trust = labels.making.trust if labels.making else Trust.UNJUDGED
        if trust in (Trust.DOUBTFUL, Trust.BAD):
            verdict = Verdict(
                check="labels of the mask",
                trust=trust,
                limits="as good as the labels that the mask is of",
                reason=f"the mask {labels.id} is called {trust}: what is counted may not be {', '.join(step.phase)}",
            )
            found.append(Parting(step=number, scans=(scan,), verdicts=(verdict,)))
    return tuple(found)
