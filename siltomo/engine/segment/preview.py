"""Look at what a recipe would do to a scan: histogram, fit, cuts, and labels over greys in three planes."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.engine.catalog import Catalog
from siltomo.engine.segment.masking import masked_order
from siltomo.engine.segment.segmenting import RecipeOrder, learn_recipe
from siltomo.engine.segment.sources import scan_source, whole_volume
from siltomo.model import Parting, Scan, Trust, Verdict
from siltomo.segmentation.prepare import Fit, NoCutError, Told

__all__ = ["Preview", "preview_recipe"]


@dataclass(frozen=True, eq=False)
class Preview:
    """What there is to see of a recipe on a scan; nothing of it is kept in the catalog."""

    scan: str
    recipe: str
    phases: tuple[tuple[int, str], ...]
    edge_um: float
    """Edge of a voxel in the plane, in um."""
    fits: tuple[Fit, ...]
    partings: tuple[Parting, ...]
    planes: tuple[int, ...]
    """Which planes are shown."""
    greys: tuple[NDArray[Any], ...]
    labels: tuple[NDArray[np.uint8], ...]
    """Labels of these planes; none where the recipe cannot part the greys, and its verdict says why."""
    trust: Trust
    """The worst of the verdicts that decide."""

    @property
    def shares(self) -> dict[str, float]:
        """Share of each phase in the planes that are shown, outside left out."""
        if not self.labels:
            return {}
        counts = np.bincount(np.concatenate([p.ravel() for p in self.labels]), minlength=256)
        total = max(1, int(counts[1:].sum()))
        shares: dict[str, float] = {}
        for value, name in self.phases:
            shares[name] = shares.get(name, 0.0) + float(counts[value]) / total
        return shares


def preview_recipe(catalog: Catalog, order: RecipeOrder, *, progress: Told | None = None) -> Preview:
    """Learn from a scan what a recipe needs, and label three of its planes.

    With several scans, a threshold of the series is learnt from all of them, and the first is shown.

    Raises
    ------
    NotFoundError
        When a scan is not in the catalog.
    BadInputError
        When the recipe cannot be carried out.
    """
    scan = catalog.record(Scan, order.scans[0])
    order = masked_order(catalog, order)
    depth = whole_volume(scan).shape[0]
    planes = tuple(dict.fromkeys(int(depth * part) for part in (0.25, 0.5, 0.75)))
    recipe = order.loaded.recipe
    together = order.scans if recipe.shares_thresholds else order.scans[:1]
    with tempfile.TemporaryDirectory(prefix="siltomo-") as folder:
        try:
            learnt = learn_recipe(catalog, order, together, Path(folder), progress)[0]
        except NoCutError as error:
            return _without_cut(catalog, scan, order, planes, error)
        last = len(recipe.steps) - 1
        labels = tuple(learnt.work.planes(last, z, z + 1).values[0] for z in planes)
    greys = tuple(np.asarray(learnt.work.source.read(z, z + 1)[0]) for z in planes)
    edge = scan.voxel_size.um[2]
    return Preview(
        scan.id,
        recipe.name,
        recipe.phases,
        edge,
        learnt.fits,
        learnt.partings,
        planes,
        greys,
        labels,
        learnt.trust,
    )


def _without_cut(
    catalog: Catalog, scan: Scan, order: RecipeOrder, planes: tuple[int, ...], error: NoCutError
) -> Preview:
    """Return what there is to see where a threshold does not exist: the histogram, its fit, the greys."""
    verdict = Verdict(check="cut", trust=Trust.BAD, reason=error.message)
    parting = Parting(step=error.fit.step, scans=error.scans, verdicts=(verdict,))
    recipe = order.loaded.recipe
    source = scan_source(catalog, recipe, scan.id)
    greys = tuple(np.asarray(source.read(z, z + 1)[0]) for z in planes)
    edge = scan.voxel_size.um[2]
    return Preview(
        scan.id, recipe.name, recipe.phases, edge, (error.fit,), (parting,), planes, greys, (), Trust.BAD
    )
