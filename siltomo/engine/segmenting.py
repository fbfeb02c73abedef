"""Make segmentations by recipes: learn from whole volumes, write labels, keep how they were made."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.catalog import VolumeFacts, VolumeSpec, voxel_faults
from siltomo.catalog.filesystem import FileSystem
from siltomo.engine.catalog import Catalog
from siltomo.engine.compute import siltomo_version
from siltomo.engine.labels import label_classes
from siltomo.engine.recipes import LoadedRecipe
from siltomo.engine.resources import memory_budget
from siltomo.errors import Amend, BadInputError, SiltomoError, StorageError, TakenError
from siltomo.model import OUTSIDE, Making, Phase, Scan, Segmentation, Volume, validated
from siltomo.segmentation import Classify, Mask, Recipe
from siltomo.segmentation.execute import ScanSource
from siltomo.segmentation.prepare import Learnt, Means, Told, learn, planes_at_once
from siltomo.segmentation.verdicts import worst

__all__ = ["RecipeOrder", "Segmented", "learn_recipe", "run_recipe"]

_SHARE = 0.6
"""Share of the memory allowed that blocks of a recipe take; writing takes the rest."""


@dataclass(frozen=True)
class RecipeOrder:
    """What the user asks for: a recipe, on scans."""

    loaded: LoadedRecipe
    scans: tuple[str, ...]
    id: str | None = None
    fields: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the segmentations."""


@dataclass(frozen=True)
class Segmented:
    """What became of one scan."""

    scan: str
    outcome: str
    """``added``, ``unchanged``, ``would be added`` or ``failed``."""
    record: Segmentation | None = None
    voxels: Mapping[int, int] = field(default_factory=dict)
    """Voxels of each label value, where they were counted."""
    reason: str = ""


def run_recipe(
    catalog: Catalog, order: RecipeOrder, *, dry_run: bool = False, progress: Told | None = None
) -> list[Segmented]:
    """Segment scans by a recipe.

    Scans that share a threshold are learnt from together; the others are independent, and one that fails leaves the
    rest alone. What is there already, made by the same steps from the same voxels, is not made again.

    Raises
    ------
    NotFoundError
        When a scan is not in the catalog.
    TakenError
        When an id is taken by other labels.
    BadInputError
        When the recipe cannot be carried out on a series.
    """
    recipe = order.loaded.recipe
    _check(order)
    drafts = [_draft(catalog, order, scan) for scan in order.scans]
    known = [_known(catalog, draft) for draft in drafts]
    if dry_run or all(known):
        return [
            _unchanged(d, k) if k else Segmented(d.scan, "would be added", d)
            for d, k in zip(drafts, known, strict=True)
        ]
    catalog.begin_writing()
    if recipe.shares_thresholds:
        return _run_together(catalog, order, drafts, known, progress)
    made = []
    for draft, kept in zip(drafts, known, strict=True):
        try:
            made += (
                [_unchanged(draft, kept)]
                if kept
                else _run_together(catalog, order, [draft], [None], progress)
            )
        except SiltomoError as error:
            if len(drafts) == 1:
                raise
            made.append(Segmented(draft.scan, "failed", reason=str(error)))
    return made


def _check(order: RecipeOrder) -> None:
    if order.id is not None and len(order.scans) > 1 and "{scan}" not in order.id:
        raise BadInputError(
            f"one id {order.id!r} cannot name the labels of {len(order.scans)} scans",
            fix=Amend({"--id": f"{{scan}}-{order.id}"}, advice="{scan} stands for the id of each scan"),
        )
    repeated = {scan for scan in order.scans if order.scans.count(scan) > 1}
    if repeated:
        raise BadInputError(f"scans are given twice: {', '.join(sorted(repeated))}")


def _run_together(
    catalog: Catalog,
    order: RecipeOrder,
    drafts: Sequence[Segmentation],
    known: Sequence[Segmentation | None],
    progress: Told | None,
) -> list[Segmented]:
    """Learn from some scans together, then write the labels of each that lacks them."""
    with _scratch(catalog, drafts) as folder:
        learnt = learn_recipe(catalog, order, [d.scan for d in drafts], folder, progress)
        made = []
        for draft, kept, one in zip(drafts, known, learnt, strict=True):
            made.append(_unchanged(draft, kept) if kept else _write(catalog, draft, one, progress))
        return made


def learn_recipe(
    catalog: Catalog, order: RecipeOrder, scans: Sequence[str], folder: Path, progress: Told | None = None
) -> list[Learnt]:
    """Learn what a recipe needs of some scans; nothing is written to the catalog."""
    memory = int(memory_budget() * _SHARE)
    classifier = None
    if any(isinstance(step, Classify) for step in order.loaded.recipe.steps):
        from siltomo.engine.segmenting_classifier import Classifier

        classifier = Classifier(catalog, order.loaded, memory)
    means = Means(memory, folder, progress, classifier)
    sources = [scan_source(catalog, order.loaded.recipe, scan) for scan in scans]
    return learn(order.loaded.recipe, sources, means)


def scan_source(catalog: Catalog, recipe: Recipe, id: str) -> ScanSource:  # noqa: A002
    """Return a scan as recipes see it; reads records, no voxel.

    Raises
    ------
    BadInputError
        When the scan has no voxels, or lacks planes.
    """
    scan = catalog.record(Scan, id)
    volume = whole_volume(scan)
    array = catalog.store.open_volume(catalog.stored(Scan, id))
    masks = {
        n: _mask_reader(catalog, id, step)
        for n, step in enumerate(recipe.steps)
        if isinstance(step, Mask) and step.segmentation
    }
    read = Stored(array, f"scan {id}")
    return ScanSource(
        id, volume.shape, scan.voxel_size.um, np.dtype(volume.dtype), read, volume.content, masks
    )


def whole_volume(scan: Scan) -> Volume:
    """Return the volume of a scan, refusing one that is absent or lacks planes."""
    if scan.volume is None:
        raise BadInputError(
            f"scan {scan.id!r} is declared without voxels", fix=f"siltomo catalog show {scan.id}"
        )
    missing = len(scan.volume.missing_planes)
    if missing:
        raise BadInputError(
            f"scan {scan.id!r} lacks {missing} planes: they read as zero and would be taken for a dark phase",
            code="SIL102",
            fix=f"siltomo catalog show {scan.id}",
        )
    return scan.volume


@dataclass(frozen=True)
class Stored:
    """Reads planes of a stored volume; damage is an error that names the volume."""

    array: Any
    name: str

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        with voxel_faults(self.name):
            return np.asarray(self.array[start:stop])


def _mask_labels(catalog: Catalog, scan: str, step: Mask) -> Segmentation:
    """Return the other segmentation that a mask names."""
    named = str(step.segmentation).replace("{scan}", scan)
    labels = catalog.record(Segmentation, named)
    if labels.scan != scan:
        raise BadInputError(f"segmentation {named!r} is of scan {labels.scan!r}, not of {scan!r}")
    lacking = [name for name in step.phase if name not in labels.phase_names]
    if lacking or labels.volume is None:
        raise BadInputError(
            f"segmentation {named!r} has no phase {', '.join(lacking)!r}; it has: {', '.join(labels.phase_names)}"
        )
    return labels


def _mask_reader(catalog: Catalog, scan: str, step: Mask) -> Callable[[int, int], NDArray[Any]]:
    labels = _mask_labels(catalog, scan, step)
    stored = Stored(
        catalog.store.open_volume(catalog.stored(Segmentation, labels.id)), f"segmentation {labels.id}"
    )
    values = [value for name in step.phase for value in labels.values_of(name)]
    return lambda start, stop: np.isin(stored(start, stop), values)


# ---- what is made -----------------------------------------------------------------------------------------


def _draft(catalog: Catalog, order: RecipeOrder, scan_id: str) -> Segmentation:
    """Return the segmentation to be, without voxels and without what is to be found."""
    recipe = order.loaded.recipe
    scan = catalog.record(Scan, scan_id)
    whole_volume(scan)
    inputs = _inputs(catalog, order, scan_id)
    material = {"recipe": recipe.content(), "inputs": inputs}
    text = json.dumps(material, sort_keys=True, separators=(",", ":"))
    making = Making(
        recipe=recipe.name,
        digest=f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
        content=recipe.content(),
        inputs=inputs,
        siltomo=siltomo_version(),
    )
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
                labels = _mask_labels(catalog, one, step)
                found[f"segmentation {labels.id}"] = labels.volume.content if labels.volume else ""
    if any(isinstance(step, Classify) for step in recipe.steps):
        from siltomo.engine.segmenting_classifier import training_inputs

        found |= training_inputs(catalog, order.loaded, scan_id)
    return found


def _known(catalog: Catalog, draft: Segmentation) -> Segmentation | None:
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


def _unchanged(draft: Segmentation, known: Segmentation) -> Segmented:
    return Segmented(draft.scan, "unchanged", known)


class LabelPlanes:
    """Gives label planes of a recipe on a scan, computed in blocks that fit into the memory.

    Parameters
    ----------
    learnt
        The recipe, ready.
    memory
        Bytes allowed.
    """

    def __init__(self, learnt: Learnt, memory: int) -> None:
        self._work = learnt.work
        self._node = len(learnt.work.nodes) - 1
        self._most = planes_at_once(self._work, self._node, memory)

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        cuts = [(z, min(z + self._most, stop)) for z in range(start, stop, self._most)]
        found = [self._work.planes(self._node, low, high).values for low, high in cuts]
        return found[0] if len(found) == 1 else np.concatenate(found)


def _write(catalog: Catalog, draft: Segmentation, learnt: Learnt, progress: Told | None) -> Segmented:
    """Store the labels and their record, as one change."""
    scan = catalog.stored(Scan, draft.scan)
    source = learnt.work.source
    spec = VolumeSpec(
        shape=source.shape,
        dtype=np.dtype(np.uint8),
        voxel_size_um=source.spacing,
        name=draft.id,
        labels=label_classes(draft),
        source=scan,
    )
    counted: dict[int, int] = {}

    def body(facts: VolumeFacts) -> Mapping[str, Any]:
        counted.update(facts.counts or {})
        return _finished(draft, learnt, facts).body()

    step = None if progress is None else lambda done, total: progress(f"writing {draft.id}", done, total)
    planes = LabelPlanes(learnt, int(memory_budget() * _SHARE))
    stored = catalog.store.add_volume("segmentation", draft.id, spec, planes, body, progress=step)
    return Segmented(draft.scan, "added", Segmentation.from_body(dict(stored.body)), counted)


def _finished(draft: Segmentation, learnt: Learnt, facts: VolumeFacts) -> Segmentation:
    assert draft.making is not None
    trust = worst(v for p in learnt.partings for v in p.verdicts)
    making = draft.making.model_copy(update={"partings": learnt.partings, "trust": trust})
    volume = Volume(shape=facts.shape, dtype=str(facts.dtype), content=facts.content, levels=facts.levels)
    phases = draft.phases if 0 in (facts.counts or {}) else draft.phases[1:]
    return draft.model_copy(update={"making": making, "volume": volume, "phases": phases})


@contextmanager
def _scratch(catalog: Catalog, drafts: Sequence[Segmentation]) -> Iterator[Path]:
    """Give a folder beside what is being written; it stays when the run is broken off, and the next goes on there."""
    import shutil

    digests = "".join(d.making.digest for d in drafts if d.making)
    name = f"segment-{hashlib.sha256(digests.encode()).hexdigest()[:16]}"
    folder = catalog.path / "staging" / name
    folder.mkdir(parents=True, exist_ok=True)
    lock = FileSystem().lock(folder / "lock")
    if lock is None:
        raise StorageError(
            "another command is making these labels right now", where=str(folder), fix="siltomo segment list"
        )
    with lock:
        try:
            yield folder
        except SiltomoError:  # would come again: nothing to go on from
            shutil.rmtree(folder, ignore_errors=True)
            raise
        shutil.rmtree(folder, ignore_errors=True)
