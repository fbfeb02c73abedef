"""The step ``classify``: training labels from files, a forest, classes block by block that a broken run keeps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from siltomo.engine.catalog import Catalog
from siltomo.engine.segment.recipes import LoadedRecipe
from siltomo.engine.segment.sources import scan_source
from siltomo.engine.segment.training import ReadFeatures, open_features, training_labels
from siltomo.errors import Amend, BadInputError, MismatchError, TooLargeError
from siltomo.model import FoundClass, Parting
from siltomo.segmentation import Classify, Match, Node
from siltomo.segmentation.execute import Work
from siltomo.segmentation.forest import Forest, predict_block, prediction_bytes, train
from siltomo.segmentation.scratch import Slabs

__all__ = ["Classifier"]


def _eight_bits(chances: NDArray[np.float32], inside: NDArray[np.bool_]) -> NDArray[np.uint8]:
    """Return probabilities as 0 to 255, 0 outside of the domain."""
    return np.where(inside, np.rint(chances * 255), 0).astype(np.uint8)


@dataclass
class Classifier:
    """Carries out ``classify`` on scans; a forest that is trained on one scan serves them all."""

    catalog: Catalog
    loaded: LoadedRecipe
    memory: int
    keeps: bool = False
    """Whether probabilities are kept where a step says so; else they are used and forgotten."""
    _forests: dict[tuple[int, str], Forest] | None = None

    def __call__(self, node: Node, work: Work, slabs: Slabs, told: Callable[[], None]) -> Parting:
        """Write the classes of a scan into slabs; those that an earlier, broken run left are kept."""
        step = node.step
        assert isinstance(step, Classify)
        forest = self._forest(node, step, work)
        source = node.inputs[0]
        read = self._features(step, work.source.id)
        self._check_features(forest, read, step, work)
        self._check_memory(step, work, source, slabs.depth, read)
        kept = self._chances(step, slabs)
        for start, stop in slabs.ranges:
            if not all(one.has(start) for one in (*kept, slabs)):
                classes, chances = predict_block(step, forest, work, source, (start, stop), read=read)
                for one, chance in zip(kept, chances, strict=bool(kept)):
                    one.write(start, _eight_bits(chance, classes > 0))
                inside = classes > 0
                sums = [float(one[inside].sum(dtype=np.float64)) for one in chances]
                counts = np.bincount(classes.ravel(), minlength=forest.classes + 1)[1:]
                facts = {"sums": sums, "counts": [int(n) for n in counts]}
                slabs.write(start, classes, facts)
            told()
        if kept:
            work.chances[node.index] = tuple(one.read for one in kept)
        every = [slabs.facts(start) for start, _ in slabs.ranges]
        sums, counts = (np.sum([one[name] for one in every], axis=0) for name in ("sums", "counts"))
        total = max(1, int(counts.sum()))
        found = tuple(
            FoundClass(fraction=float(s) / total, labelled=int(n) / total)
            for s, n in zip(sums, counts, strict=True)
        )
        scans = (step.scan or work.source.id,)
        return Parting(
            step=node.index + 1, scans=scans, classes=found, facts=forest.facts, verdicts=forest.verdicts
        )

    def _chances(self, step: Classify, slabs: Slabs) -> tuple[Slabs, ...]:
        """Return where the probabilities of each class are kept until they are written to the catalog."""
        if not (self.keeps and step.keep_probabilities):
            return ()
        return tuple(
            Slabs(slabs.folder.with_name(f"{slabs.folder.name}-class{value}"), slabs.shape, slabs.depth)
            for value in range(1, step.classes + 1)
        )

    def _forest(self, node: Node, step: Classify, work: Work) -> Forest:
        on = step.scan or work.source.id
        if self._forests is None:
            self._forests = {}
        if (node.index, on) not in self._forests:
            training = training_labels(self.catalog, self.loaded, node.index + 1, step, on)
            if on != work.source.id:
                if any(isinstance(one, Match) for one in self.loaded.recipe.steps[: node.index]):
                    raise BadInputError(
                        f"{node.words}: greys are matched before, so labels drawn on scan {on!r} serve no other scan; "
                        "take the step 'match' out, or the field 'scan'"
                    )
                work = Work(
                    self.loaded.recipe, scan_source(self.catalog, self.loaded.recipe, on), dict(work.facts)
                )
            read = self._features(step, on)
            self._forests[node.index, on] = train(step, work, node.inputs[0], training, read)
        return self._forests[node.index, on]

    def _features(self, step: Classify, scan: str) -> ReadFeatures | None:
        read = open_features(self.catalog, self.loaded, step, scan)
        return None if read is None else read.within(self.memory // 2)

    def _check_features(self, forest: Forest, read: ReadFeatures | None, step: Classify, work: Work) -> None:
        """Refuse features that are not those of the training."""
        if read is None or read.names == forest.features:
            return
        odd = [*dict.fromkeys((*read.names, *forest.features))]
        odd = [name for name in odd if (name in read.names) != (name in forest.features)] or list(read.names)
        raise MismatchError(
            f"scan {work.source.id!r} has {len(read.names)} features, the forest was trained on those of scan "
            f"{step.scan or work.source.id!r}, {len(forest.features)}; they differ in {', '.join(odd[:5])}",
            where=str(read.channels.files[0]),
        )

    def _check_memory(
        self, step: Classify, work: Work, source: int, planes: int, read: ReadFeatures | None
    ) -> None:
        shape, spacing = work.source.shape, work.source.spacing
        needed = prediction_bytes(step, shape, spacing, planes, read) + work.block_bytes(
            source, min(planes * 3, shape[0])
        )
        if needed > self.memory:
            raise TooLargeError(
                f"classifying {planes} planes of scan {work.source.id} takes {needed / 2**20:.0f} MiB; allowed are "
                f"{self.memory / 2**20:.0f} MiB",
                fix=Amend(environment={"SILTOMO_MEMORY": f"{-(-needed * 2 // 2**20)} MiB"}),
            )
