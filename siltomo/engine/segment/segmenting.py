"""Make segmentations by recipes: learn from whole volumes, write labels, keep how they were made."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.catalog import VolumeFacts, VolumeSpec
from siltomo.catalog.filesystem import FileSystem
from siltomo.engine.catalog import Catalog
from siltomo.engine.intake.labels import label_classes
from siltomo.engine.resources import memory_budget
from siltomo.engine.segment.classifier import Classifier
from siltomo.engine.segment.drafts import RecipeOrder, check_order, draft_labels, known_labels
from siltomo.engine.segment.masking import mask_advice, mask_fix, mask_partings, masked_order
from siltomo.engine.segment.probabilities import lacking_probabilities, store_probabilities
from siltomo.engine.segment.sources import scan_source
from siltomo.engine.segment.training import check_features_of_scans, kept_files
from siltomo.errors import SiltomoError, StorageError
from siltomo.model import Parting, Scan, Segmentation, Trust, Verdict, Volume
from siltomo.segmentation import Classify
from siltomo.segmentation.grading import worst
from siltomo.segmentation.prepare import Learnt, Means, NoCutError, Told, learn, planes_at_once

__all__ = ["LabelPlanes", "RecipeOrder", "Segmented", "learn_recipe", "run_recipe", "write_labels"]

_SHARE = 0.6
"""Share of the memory allowed that blocks of a recipe take; writing takes the rest."""


@dataclass(frozen=True)
class Segmented:
    """What became of one scan."""

    scan: str
    outcome: str
    """``added``, ``unchanged``, ``completed`` (labels were there, their probabilities were added), ``would be added``
    or ``failed``."""
    record: Segmentation | None = None
    voxels: Mapping[int, int] = field(default_factory=dict)
    """Voxels of each label value, where they were counted."""
    reason: str = ""
    within: str = ""
    """The mask that was found by itself and used, as ``ID:PHASE``."""
    advice: str = ""
    """What may mend labels that are bad."""


def run_recipe(
    catalog: Catalog, order: RecipeOrder, *, dry_run: bool = False, progress: Told | None = None
) -> list[Segmented]:
    """Segment scans by a recipe.

    Scans that share a threshold are learnt from together; the others are independent, and one that fails leaves the
    rest alone. What is there already, made by the same steps from the same voxels, is not made again. A recipe that is
    meant for a part of the scans (``inside_of``) is masked to it where all of them have labels of it.

    Raises
    ------
    NotFoundError
        When a scan is not in the catalog.
    TakenError
        When an id is taken by other labels.
    BadInputError
        When the recipe cannot be carried out on a series.
    """
    check_order(order)
    meant = order.loaded.recipe.inside_of
    order = masked_order(catalog, order)
    if order.loaded.recipe.inside_of != meant:
        return [
            replace(one, within=meant.replace("{scan}", one.scan))
            for one in _run(catalog, order, dry_run=dry_run, progress=progress)
        ]
    advice = mask_advice(order)
    try:
        made = _run(catalog, order, dry_run=dry_run, progress=progress)
    except NoCutError as error:
        again = NoCutError("; ".join(filter(None, (error.message, advice))), error.scans, error.fit)
        again.fix = error.fix or mask_fix(catalog, order)
        raise again from error
    return [replace(one, advice=advice) if _is_bad(one) else one for one in made]


def _is_bad(one: Segmented) -> bool:
    return bool(one.record and one.record.making and one.record.making.trust == Trust.BAD)


def _run(catalog: Catalog, order: RecipeOrder, *, dry_run: bool, progress: Told | None) -> list[Segmented]:
    """Segment scans by a recipe whose masks are settled."""
    recipe = order.loaded.recipe
    drafts = [draft_labels(catalog, order, scan) for scan in order.scans]
    known = [known_labels(catalog, draft) for draft in drafts]
    whole = [k is not None and not lacking_probabilities(catalog, recipe, k) for k in known]
    if dry_run or all(whole):
        return [_foreseen(*one) for one in zip(drafts, known, whole, strict=True)]
    catalog.begin_writing()
    if recipe.shares_thresholds:
        return _run_together(catalog, order, drafts, known, progress)
    made = []
    for draft, kept, ready in zip(drafts, known, whole, strict=True):
        try:
            made += (
                [_unchanged(draft, kept)]
                if kept is not None and ready
                else _run_together(catalog, order, [draft], [kept], progress)
            )
        except SiltomoError as error:
            if len(drafts) == 1:
                raise
            made.append(Segmented(draft.scan, "failed", reason=str(error)))
    return made


def _run_together(
    catalog: Catalog,
    order: RecipeOrder,
    drafts: Sequence[Segmentation],
    known: Sequence[Segmentation | None],
    progress: Told | None,
) -> list[Segmented]:
    """Learn from some scans together, then write the labels of each that lacks them."""
    with _scratch(catalog, drafts) as folder:
        scans = [d.scan for d in drafts]
        learnt = learn_recipe(catalog, order, scans, folder, progress, keep_probabilities=True)
        made = []
        for draft, kept, one in zip(drafts, known, learnt, strict=True):
            done = _unchanged(draft, kept) if kept else _added(catalog, order, draft, one, progress)
            made.append(_with_probabilities(catalog, order, done, one, progress))
        return made


def _added(
    catalog: Catalog, order: RecipeOrder, draft: Segmentation, learnt: Learnt, progress: Told | None
) -> Segmented:
    kept = kept_files(catalog, order.loaded, draft.scan)
    return Segmented(draft.scan, "added", *write_labels(catalog, draft, learnt, progress, kept=kept))


def _with_probabilities(
    catalog: Catalog, order: RecipeOrder, done: Segmented, learnt: Learnt, progress: Told | None
) -> Segmented:
    """Keep the probabilities that the recipe keeps; a killed run, or one that did not keep them, left them out."""
    recipe, labels = order.loaded.recipe, done.record
    if labels is None or not lacking_probabilities(catalog, recipe, labels):
        return done
    store_probabilities(catalog, recipe, labels, learnt.work.chances, progress)
    return replace(done, outcome="completed") if done.outcome == "unchanged" else done


def learn_recipe(
    catalog: Catalog,
    order: RecipeOrder,
    scans: Sequence[str],
    folder: Path,
    progress: Told | None = None,
    *,
    keep_probabilities: bool = False,
) -> list[Learnt]:
    """Learn what a recipe needs of some scans; nothing is written to the catalog.

    Probabilities that the recipe keeps are put into the folder, where they are asked for.
    """
    check_features_of_scans(order.loaded, tuple(scans))
    memory = int(memory_budget() * _SHARE)
    classifier = None
    if any(isinstance(step, Classify) for step in order.loaded.recipe.steps):
        classifier = Classifier(catalog, order.loaded, memory, keep_probabilities)
    means = Means(memory, folder, progress, classifier)
    sources = [scan_source(catalog, order.loaded.recipe, scan) for scan in scans]
    return learn(order.loaded.recipe, sources, means)


def _unchanged(draft: Segmentation, known: Segmentation) -> Segmented:
    return Segmented(draft.scan, "unchanged", known)


def _foreseen(draft: Segmentation, known: Segmentation | None, whole: bool) -> Segmented:
    if known is None:
        return Segmented(draft.scan, "would be added", draft)
    return _unchanged(draft, known) if whole else Segmented(draft.scan, "would be completed", known)


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
        """Return planes ``start`` to ``stop`` (excluded)."""
        cuts = [(z, min(z + self._most, stop)) for z in range(start, stop, self._most)]
        found = [self._work.planes(self._node, low, high).values for low, high in cuts]
        return found[0] if len(found) == 1 else np.concatenate(found)


def write_labels(
    catalog: Catalog,
    draft: Segmentation,
    learnt: Learnt,
    progress: Told | None = None,
    *,
    kept: Mapping[str, bytes] | None = None,
) -> tuple[Segmentation, dict[int, int]]:
    """Store labels and their record, as one change; returns the record and the voxels of each label value.

    Small files in ``kept``, such as training labels, stand beside the labels.
    """
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
    masks = mask_partings(catalog, learnt.work.recipe, draft.scan)

    def body(facts: VolumeFacts) -> Mapping[str, Any]:
        counted.update(facts.counts or {})
        return _finished(draft, learnt, facts, masks).body()

    step = None if progress is None else lambda done, total: progress(f"writing {draft.id}", done, total)
    planes = LabelPlanes(learnt, int(memory_budget() * _SHARE))
    stored = catalog.store.add_volume("segmentation", draft.id, spec, planes, body, extra=kept, progress=step)
    return Segmentation.from_body(dict(stored.body)), counted


def _finished(
    draft: Segmentation, learnt: Learnt, facts: VolumeFacts, masks: Sequence[Parting]
) -> Segmentation:
    assert draft.making is not None
    said = [
        Verdict(check="the steps themselves", trust=learnt.trust),
        *(v for p in masks for v in p.verdicts),
    ]
    found = {"partings": (*masks, *learnt.partings), "trust": worst(said)}
    making = draft.making.model_copy(update=found)
    volume = Volume(shape=facts.shape, dtype=str(facts.dtype), content=facts.content, levels=facts.levels)
    phases = draft.phases if 0 in (facts.counts or {}) else draft.phases[1:]
    return draft.model_copy(update={"making": making, "volume": volume, "phases": phases})


@contextmanager
def _scratch(catalog: Catalog, drafts: Sequence[Segmentation]) -> Iterator[Path]:
    """Give a folder beside what is being written; it stays when the run is broken off, and the next goes on there."""
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
