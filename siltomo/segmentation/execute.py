"""Run a recipe on some planes of a volume: each step gets the planes that it needs around them, and gives the same
voxels whatever block they are computed in.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.segmentation.operations import Block, Fact, Part, apply, grey_type, halo_of, working_bytes
from siltomo.segmentation.recipe import Node, Recipe
from siltomo.segmentation.sizes import Spacing
from siltomo.segmentation.steps import CLASSES, Mask

__all__ = ["PlaneReader", "ScanSource", "Work", "input_type", "needs_whole_volume"]

PlaneReader = Callable[[int, int], NDArray[Any]]
"""Read planes ``start`` to ``stop`` (excluded), shape (stop - start, y, x)."""


@dataclass(frozen=True)
class ScanSource:
    """A scan as recipes see it."""

    id: str
    shape: tuple[int, int, int]
    spacing: Spacing
    """Edges of a voxel along z, y, x in um."""
    dtype: np.dtype[Any]
    read: PlaneReader
    content: str = ""
    """Content id of its voxels."""
    masks: Mapping[int, PlaneReader] = field(default_factory=dict)
    """For each step that masks by another segmentation: reads which voxels stay."""
    depth_axis: str = ""
    """Declared axis from collector to separator, such as ``+z``; empty where none is declared."""

    @property
    def plane(self) -> int:
        """Voxels of a plane."""
        return self.shape[1] * self.shape[2]


def input_type(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type in which greys are worked on: 8- and 16-bit integers as they are, all others as float32."""
    return dtype.newbyteorder("=") if dtype.kind in "iu" and dtype.itemsize <= 2 else np.dtype(np.float32)


def needs_whole_volume(node: Node) -> bool:
    """Return whether the answer of a step is made once, for the whole volume, and kept on disk."""
    return node.step.word in {"remove_small", "fill", "classify"}


@dataclass(frozen=True)
class Work:
    """A recipe on one scan, with what was learnt of the whole volume so far.

    Parameters
    ----------
    recipe
        The recipe.
    source
        The scan.
    facts
        Matches and cuts, by step.
    kept
        Readers of what is kept on disk, by step.
    chances
        Readers of the probability of each class, in 8 bits, of classifiers that keep them.
    """

    recipe: Recipe
    source: ScanSource
    facts: dict[int, Fact] = field(default_factory=dict)
    kept: dict[int, PlaneReader] = field(default_factory=dict)
    chances: dict[int, tuple[PlaneReader, ...]] = field(default_factory=dict)

    @property
    def nodes(self) -> tuple[Node, ...]:
        """The steps."""
        return self.recipe.nodes()

    def planes(self, node: int, start: int, stop: int) -> Part:
        """Return planes of what a step gives; -1 for the greys of the scan.

        First it is settled which planes of every earlier step are needed, then each is computed once.
        """
        needed = self._ranges(node, start, stop)
        parts: dict[int, Part] = {}
        last_use = self._last_uses(needed)
        for index in sorted(needed):
            low, high = needed[index]
            if index < 0:
                parts[index] = self._greys(low, high)
            elif index in self.kept:
                parts[index] = Part(self.kept[index](low, high))
            else:
                parts[index] = self._run(self.nodes[index], low, high, needed, parts)
            for done in [n for n in parts if last_use.get(n, node) <= index and n not in (node, index)]:
                del parts[done]
        return parts[node]

    def _run(
        self, node: Node, low: int, high: int, needed: dict[int, tuple[int, int]], parts: dict[int, Part]
    ) -> Part:
        halo = halo_of(node.step, self.source.spacing)
        first, last = max(0, low - halo), min(self.source.shape[0], high + halo)
        taken = [_crop(parts[i], first - needed[i][0], last - needed[i][0]) for i in node.inputs]
        mask = None
        if isinstance(node.step, Mask) and node.step.segmentation:
            mask = self.source.masks[node.index](first, last)
        block = Block(self.source.spacing, self.facts.get(node.index), mask, node.gives == CLASSES, first)
        made = apply(node.step, taken, block)
        return _crop(made, low - first, high - first)

    def _greys(self, low: int, high: int) -> Part:
        values = self.source.read(low, high)
        values = values.astype(input_type(values.dtype), copy=False)
        if values.dtype.kind != "f":
            return Part(values)
        finite = np.isfinite(values)
        return Part(values) if finite.all() else Part(np.where(finite, values, np.float32(0)), finite)

    def _ranges(self, node: int, start: int, stop: int) -> dict[int, tuple[int, int]]:
        """Return the planes of each step that are needed for some planes of one."""
        needed = {node: (start, stop)}
        for index in range(node, -1, -1):
            if index not in needed or index in self.kept:
                continue
            one = self.nodes[index]
            halo = halo_of(one.step, self.source.spacing)
            low, high = needed[index]
            low, high = max(0, low - halo), min(self.source.shape[0], high + halo)
            for source in one.inputs:
                old = needed.get(source, (low, high))
                needed[source] = (min(low, old[0]), max(high, old[1]))
        return needed

    def _last_uses(self, needed: dict[int, tuple[int, int]]) -> dict[int, int]:
        return {
            source: index
            for index in sorted(needed)
            if index >= 0 and index not in self.kept
            for source in self.nodes[index].inputs
        }

    def block_bytes(self, node: int, planes: int) -> int:
        """Return an upper bound of the memory that some planes of a step take."""
        total = peak = 0
        depth = self.source.shape[0]
        middle = max(0, (depth - planes) // 2)
        needed = self._ranges(node, middle, min(depth, middle + planes))
        types = self.grey_types()
        for index, (low, high) in needed.items():
            voxels = (high - low) * self.source.plane
            if index < 0:
                size = types[-1].itemsize + self.source.dtype.itemsize
                total += voxels * (size + (2 if types[-1].kind == "f" else 0))
                continue
            one = self.nodes[index]
            gives = 1 if one.gives == CLASSES else types[index].itemsize + 1
            total += voxels * gives
            halo = 2 * halo_of(one.step, self.source.spacing)
            taken = types[one.inputs[0]].itemsize if one.inputs[0] in types else 1
            if index not in self.kept:
                peak = max(peak, (voxels + halo * self.source.plane) * working_bytes(one.step, taken))
        return total + peak

    def grey_types(self) -> dict[int, np.dtype[Any]]:
        """Return the type of the greys that each step with greys gives; -1 for the scan."""
        types = {-1: input_type(self.source.dtype)}
        for node in self.nodes:
            if node.gives != CLASSES:
                types[node.index] = grey_type(node.step, types[node.inputs[0]])
        return types

    def block_planes(self, node: int, memory: int) -> int:
        """Return how many planes may be computed at once within some bytes; 0 when not even one."""
        planes = 64
        while planes and self.block_bytes(node, min(planes, self.source.shape[0])) > memory:
            planes //= 2
        return planes


def _crop(part: Part, low: int, high: int) -> Part:
    if low == 0 and high == len(part.values):
        return part
    return Part(part.values[low:high], None if part.inside is None else part.inside[low:high])
