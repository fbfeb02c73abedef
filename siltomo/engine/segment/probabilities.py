"""The probabilities of a classifier's classes, kept in the catalog beside the labels, opened without reading."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from siltomo.catalog import VolumeFacts, VolumeSpec
from siltomo.engine.catalog import Catalog
from siltomo.errors import NotFoundError
from siltomo.model import Probability, Scan, Segmentation, Volume
from siltomo.segmentation import Classify, Label, Node, Recipe
from siltomo.segmentation.execute import PlaneReader

if TYPE_CHECKING:
    import xarray as xr

__all__ = ["lacking_probabilities", "open_probabilities", "store_probabilities", "wanted_probabilities"]

Told = Callable[[str, int, int], None]


@dataclass(frozen=True)
class _Wanted:
    """One class whose probability is to be kept."""

    id: str
    node: Node
    class_number: int
    phase: str


def wanted_probabilities(recipe: Recipe, segmentation: str) -> Iterator[_Wanted]:
    """Yield the classes whose probabilities a recipe keeps, for labels of some id."""
    nodes = recipe.nodes()
    last = nodes[-1]
    for node in nodes:
        if isinstance(node.step, Classify) and node.step.keep_probabilities:
            named = (
                dict(last.step.phases)
                if isinstance(last.step, Label) and last.inputs == (node.index,)
                else {}
            )
            for value in range(1, node.step.classes + 1):
                ending = f"-step{node.index + 1}-class{value}"
                yield _Wanted(segmentation[: 64 - len(ending)] + ending, node, value, named.get(value, ""))


def lacking_probabilities(catalog: Catalog, recipe: Recipe, labels: Segmentation) -> list[str]:
    """List the ids of probabilities that a recipe keeps and the catalog does not have of these labels."""
    lacking = []
    for one in wanted_probabilities(recipe, labels.id):
        stored = catalog.store.find(Probability.kind, one.id)
        known = None if stored is None else Probability.from_body(dict(stored.body))
        if known is None or labels.making is None or known.digest != labels.making.digest:
            lacking.append(one.id)
    return lacking


def store_probabilities(
    catalog: Catalog,
    recipe: Recipe,
    labels: Segmentation,
    readers: Mapping[int, tuple[PlaneReader, ...]],
    told: Told | None = None,
) -> None:
    """Keep the probabilities of labels that lack them, one record and volume for each class.

    Parameters
    ----------
    catalog
        The catalog.
    recipe
        The recipe that made the labels.
    labels
        The labels, in the catalog.
    readers
        For each classifier's step, readers of the probability of each class as uint8.
    told
        Told what is written, and how many planes of how many are done.

    Raises
    ------
    TakenError
        When an id is taken by probabilities of other labels.
    """
    scan = catalog.record(Scan, labels.scan)
    lacking = set(lacking_probabilities(catalog, recipe, labels))
    for one in wanted_probabilities(recipe, labels.id):
        if one.id not in lacking:
            continue
        assert labels.volume is not None
        assert labels.making is not None
        record = Probability(
            id=one.id,
            segmentation=labels.id,
            step=one.node.index + 1,
            class_number=one.class_number,
            phase=one.phase,
            digest=labels.making.digest,
        )
        spec = VolumeSpec(labels.volume.shape, np.dtype(np.uint8), scan.voxel_size.um, one.id)

        def body(facts: VolumeFacts, record: Probability = record) -> Mapping[str, Any]:
            volume = Volume(
                shape=facts.shape, dtype=str(facts.dtype), content=facts.content, levels=facts.levels
            )
            return record.model_copy(update={"volume": volume}).body()

        def step(done: int, total: int, name: str = one.id) -> None:
            if told is not None:
                told(f"writing {name}", done, total)

        read = readers[one.node.index][one.class_number - 1]
        catalog.store.add_volume(Probability.kind, one.id, spec, read, body, progress=step)


def open_probabilities(catalog: Catalog, segmentation: str) -> xr.DataArray:
    """Open what is kept; see :meth:`siltomo.Catalog.probabilities`."""
    import dask.array as da
    import xarray as xr

    from siltomo.engine.volumes import lazy_volume, voxel_centres

    labels = catalog.record(Segmentation, segmentation)
    kept = sorted(
        (one for one in catalog.records(Probability) if one.segmentation == segmentation),
        key=lambda one: (one.step, one.class_number),
    )
    if not kept:
        raise NotFoundError(
            f"the catalog keeps no probabilities of segmentation {segmentation!r}: only the step 'classify' with "
            "'keep_probabilities: true' keeps them; the same recipe with it, run again, adds them to these labels",
            fix=f"siltomo segment run {labels.scan} --recipe RECIPE",
        )
    parts = [
        lazy_volume(catalog, catalog.stored(Probability, one.id)) * np.float32(1 / one.full_scale)
        for one in kept
    ]
    shape = parts[0].shape
    centres = {
        axis: (axis, voxel_centres(size, edge, 0), {"units": "um", "long_name": axis})
        for axis, size, edge in zip(
            "zyx", shape, catalog.record(Scan, labels.scan).voxel_size.um, strict=True
        )
    }
    coordinates = {
        "class": ("class", [one.class_number for one in kept]),
        "phase": ("class", [one.phase for one in kept]),
        "step": ("class", [one.step for one in kept]),
        **centres,
    }
    return xr.DataArray(
        da.stack(parts),  # type: ignore[no-untyped-call]
        dims=("class", "z", "y", "x"),
        coords=coordinates,
        name="probability",
        attrs={"units": "1", "segmentation": segmentation, "rounded_to": 1 / kept[0].full_scale},
    )
