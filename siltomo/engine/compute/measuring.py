"""One pass over a volume as a dask graph: blocks are measured, and merged in a chain.

Each task opens the catalog where it runs, so that the same graph runs on threads, processes and clusters.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import dask
import dask.array as da
import numpy as np
from dask.delayed import Delayed, delayed
from numpy.typing import NDArray

from siltomo.catalog import CatalogStore, voxel_faults
from siltomo.engine.compute.outcomes import Failure, Totals, why
from siltomo.engine.compute.passes import Pass, PlainPass
from siltomo.engine.compute.windows import window_of
from siltomo.metrics import Answer, Measure, Slab, labelled_array
from siltomo.model import VoxelBox

__all__ = ["measure_block", "pass_graph"]


def pass_graph(root: Path, one: Pass | PlainPass) -> Delayed:
    """Return the task that gives the totals of a pass, or a :class:`Failure`; nothing is read yet.

    Parameters
    ----------
    root
        The catalog's folder, as every worker sees it.
    one
        The pass.
    """
    if isinstance(one, PlainPass):
        answer: Delayed = delayed(_evaluate, pure=False)(str(root), one)
        return answer
    known: Any = {}
    whole = _as_it_is(one)
    for stage, measures in enumerate(map(_as_it_is, one.stages)):
        partials = [
            delayed(measure_block, pure=False)(str(root), whole, stage, start, known)
            for start in range(0, one.shape[0], one.slab)
        ]
        total = partials[0]
        # a chain, not a tree: the partial results of planes are freed as the run goes down the volume
        for partial in partials[1:]:
            total = delayed(_merge, pure=False)(measures, total, partial)
        known = delayed(_named, pure=False)(measures, total, known)
    graph: Delayed = known
    return graph


def _as_it_is(value: Any) -> Delayed:
    """Return an argument that dask does not search for tasks: it would walk through every field of every item."""
    kept: Delayed = delayed(value, pure=False, traverse=False)
    return kept


def measure_block(
    root: str, one: Pass, stage: int, start: int, known: Totals | Failure
) -> tuple[Any, ...] | Failure:
    """Read one block of a pass and return the partial result of each measure of a stage."""
    if isinstance(known, Failure):
        return known
    try:
        stored = one.subject.stored
        if stored is None:
            raise ValueError("a subject without labels cannot be measured")
        array = _open_array(root, stored.id, stored.seal)
        read = _StoredPlanes(array, f"segmentation {stored.id}", window_of(one.subject))
        depth, measures = one.shape[0], one.stages[stage]
        after = max(measure.after for measure in measures)
        stop = min(start + one.slab, depth)
        slab = Slab(read, start, stop, depth, after=after, max_halo=one.max_halo, known=known)
        return tuple(measure.measure(slab) for measure in measures)
    except Exception as error:  # a damaged volume, a full memory, a plug-in's mistake: the other passes go on
        return Failure(why(error))


def _evaluate(root: str, one: PlainPass) -> Answer | Failure:
    """Compute a metric in the plain form on the stored volume, a lazy array."""
    try:
        stored, (item,) = one.subject.stored, one.items
        if stored is None:
            raise ValueError("a subject without labels cannot be measured")
        array = _open_array(root, stored.id, stored.seal)
        with voxel_faults(f"segmentation {stored.id}"):
            lazy = da.from_array(array, chunks=(one.slab, *array.shape[1:]), asarray=False)  # type: ignore[no-untyped-call]
            if (window := window_of(one.subject)) is not None:
                lazy = lazy[tuple(slice(*side) for side in window)]
            sample = item.request.seen(one.subject.sample(item.request.phase))
            with dask.config.set(scheduler="threads", num_workers=one.workers):
                return item.request.evaluate(labelled_array(lazy, sample), sample)
    except Exception as error:
        return Failure(why(error))


@lru_cache(maxsize=8)
def _open_array(root: str, id_: str, seal: str) -> Any:
    """Open a label volume once in each process; a record never changes under its seal."""
    store = CatalogStore.open(Path(root))
    (stored,) = (record for record in store.history("segmentation", id_) if record.seal == seal)
    return store.open_volume(stored)


@dataclass(frozen=True)
class _StoredPlanes:
    """Reads planes of a stored volume; damage is an error that names the volume."""

    array: Any
    name: str
    window: VoxelBox | None = None
    """The voxels that are taken, where they are not all."""

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        with voxel_faults(self.name):
            if self.window is None:
                return np.asarray(self.array[start:stop])
            (first, _), y, x = self.window
            return np.asarray(self.array[first + start : first + stop, slice(*y), slice(*x)])


def _merge(measures: tuple[Measure[Any], ...], upper: Any, lower: Any) -> tuple[Any, ...] | Failure:
    for part in (upper, lower):
        if isinstance(part, Failure):
            return part
    try:
        return tuple(m.merge(a, b) for m, a, b in zip(measures, upper, lower, strict=True))
    except Exception as error:
        return Failure(why(error))


def _named(measures: tuple[Measure[Any], ...], totals: Any, known: Totals | Failure) -> Totals | Failure:
    if isinstance(known, Failure):
        return known
    if isinstance(totals, Failure):
        return totals
    return {**known, **dict(zip(measures, totals, strict=True))}
