"""One reading of a volume for many metrics: how deep its blocks are, what it reads, what memory it takes."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from siltomo.engine.compute.subjects import Item, Subject
from siltomo.engine.resources import in_words, memory_budget, threads
from siltomo.errors import Amend, TooLargeError
from siltomo.metrics import Measure, in_stages

__all__ = ["Pass", "PlainPass", "make_pass", "make_plain_pass"]

SHARD_PLANES = 64
"""Planes of a stored shard: slabs are whole multiples of it where memory allows, so that none is read twice."""
LARGEST_SLAB = 512


@dataclass(frozen=True)
class Pass:
    """One reading of a label volume that feeds several metrics; several where a measure needs another first."""

    subject: Subject
    items: tuple[Item, ...]
    stages: tuple[tuple[Measure[Any], ...], ...]
    """What each reading of the volume measures."""
    slab: int
    """Planes of a block."""
    workers: int
    """Blocks measured at once."""
    peak_bytes: int
    """Upper bound of the memory taken, with the halo that is tried first."""
    max_halo: int
    """Largest halo that the memory allows; a block that needs more fails, and says so."""

    @property
    def measures(self) -> tuple[Measure[Any], ...]:
        """All that is measured."""
        return tuple(m for stage in self.stages for m in stage)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Shape of the volume."""
        return self.subject.sample("").shape

    @property
    def blocks(self) -> int:
        """How many blocks are read."""
        return -(-self.shape[0] // self.slab)

    @property
    def read_bytes(self) -> int:
        """Bytes of voxels that are read, margins of the blocks included."""
        depth = self.shape[0]
        margins = [max(m.after + 2 * m.halo for m in stage) for stage in self.stages]
        planes = sum(depth + margin * (self.blocks - 1) for margin in margins)
        return planes * _stored_plane(self.subject) * _itemsize(self.subject)


@dataclass(frozen=True)
class PlainPass:
    """One reading of a label volume for a metric in the plain form, whose blocks are dask's own."""

    subject: Subject
    items: tuple[Item, ...]
    """The one that it is for."""
    workers: int
    stages: tuple[tuple[Measure[Any], ...], ...] = ((),)

    @property
    def slab(self) -> int:
        """Planes of a block."""
        return min(SHARD_PLANES, self.subject.sample("").shape[0])

    @property
    def blocks(self) -> int:
        """How many layers of blocks are read."""
        return -(-self.subject.sample("").shape[0] // self.slab)

    @property
    def read_bytes(self) -> int:
        """Bytes of voxels that are read, where each is read once."""
        return self.subject.sample("").shape[0] * _stored_plane(self.subject) * _itemsize(self.subject)

    @property
    def peak_bytes(self) -> int:
        """Bytes of the blocks that are held at once, as labels and twice as floats; the rest is the metric's."""
        plane = math.prod(self.subject.sample("").shape[1:])
        return self.slab * plane * (_itemsize(self.subject) + 16) * self.workers


def make_plain_pass(item: Item) -> PlainPass:
    """Plan the pass of a metric in the plain form.

    Raises
    ------
    TooLargeError
        When a single block with two copies as floats needs more memory than is allowed.
    """
    one = PlainPass(item.subject, (item,), 1)
    allowed = memory_budget()
    if one.peak_bytes > allowed:
        raise TooLargeError(
            f"{item.request.name} on {item.subject.columns['segmentation']} needs {in_words(one.peak_bytes)} "
            f"for a block of {one.slab} planes; allowed are {in_words(allowed)}",
            fix=Amend(environment={"SILTOMO_MEMORY": f"{-(-one.peak_bytes // 2**20)} MiB"}),
        )
    return replace(one, workers=max(1, min(threads(), one.blocks, allowed // one.peak_bytes)))


def make_pass(items: Iterable[Item]) -> Pass:
    """Plan the pass that several items of one segmentation share.

    Raises
    ------
    TooLargeError
        When the smallest block needs more memory than is allowed.
    """
    items = tuple(items)
    subject = items[0].subject
    stages = tuple(
        in_stages(
            m for item in items for m in item.request.measures(subject.sample(item.request.phase)).values()
        )
    )
    measures = tuple(m for stage in stages for m in stage)
    allowed, most = memory_budget(), threads()
    depth = subject.sample("").shape[0]
    first = max(m.halo for m in measures)
    for slab in _depths(depth, most):
        needed = _block_bytes(subject, measures, slab, first)
        workers = min(most, -(-depth // slab))
        # blocks of a shard or less are not made thinner to run more at once
        if needed * (1 if slab <= SHARD_PLANES else workers) <= allowed:
            workers = min(workers, allowed // needed)
            halo = _largest_halo(subject, measures, slab, allowed // workers)
            return Pass(subject, items, stages, slab, workers, needed * workers, halo)
    raise TooLargeError(
        f"measuring {subject.columns['segmentation']} needs {in_words(needed)} for its smallest block, one "
        f"plane of {' x '.join(map(str, subject.sample('').shape[1:]))} voxels with {first} planes on either "
        f"side; allowed are {in_words(allowed)}",
        fix=Amend(environment={"SILTOMO_MEMORY": f"{-(-needed // 2**20)} MiB"}),
    )


def _depths(depth: int, workers: int) -> Iterable[int]:
    """List the depths of blocks to try: whole shards first, and a block for each worker where there are enough."""
    shares = -(-depth // (workers * SHARD_PLANES)) * SHARD_PLANES
    return [*range(min(LARGEST_SLAB, shares), 0, -SHARD_PLANES), 32, 16, 8, 4, 2, 1]


def _largest_halo(subject: Subject, measures: tuple[Measure[Any], ...], slab: int, allowed: int) -> int:
    """Return how far the halo of a block may grow within the memory it has; beyond the volume it need not."""
    depth = subject.sample("").shape[0]
    halo = max(m.halo for m in measures)
    while 0 < halo < depth and _block_bytes(subject, measures, slab, halo * 2) <= allowed:
        halo *= 2
    return halo


def _block_bytes(subject: Subject, measures: tuple[Measure[Any], ...], slab: int, halo: int) -> int:
    """Bound the memory of one block: its labels, and the measure that takes most."""
    shape = subject.sample("").shape
    planes = min(shape[0], slab + max(m.after for m in measures))
    labels = planes * _stored_plane(subject) * _itemsize(subject)
    around = min(halo, shape[0])
    return labels + max(m.memory(min(slab, shape[0]), around) for m in measures)


def _stored_plane(subject: Subject) -> int:
    """Return the voxels of a plane that are read: the whole plane, whatever is measured of it."""
    volume = subject.segmentation.volume if subject.segmentation else None
    return math.prod((volume.shape if volume else subject.sample("").shape)[1:])


def _itemsize(subject: Subject) -> int:
    volume = subject.segmentation.volume if subject.segmentation else None
    return np.dtype(volume.dtype).itemsize if volume else 1
