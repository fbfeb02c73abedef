"""Two label volumes of one grid against each other: overlap, volumes, distance of boundaries, confusion."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels import NoBackgroundError, squared_distance

__all__ = ["BOUNDARY_REACH", "Comparison", "PhaseComparison", "compare_labels"]

Bools = NDArray[np.bool_]
Codes = NDArray[np.intp]
Spacing = tuple[float, float, float]
BOUNDARY_REACH = 16
"""Planes on either side in which the other boundary is looked for; farther ones are only counted."""


@dataclass
class PhaseComparison:
    """One phase in two segmentations."""

    name: str
    voxels: tuple[int, int] = (0, 0)
    """Voxels of the phase in the first and in the second."""
    both: int = 0
    """Voxels that both call so."""
    squared: Counter[float] = field(default_factory=Counter)
    """How many boundary voxels lie at each squared distance from the other boundary, in um^2, both ways."""
    far: int = 0
    """Boundary voxels with no boundary of the other within reach."""

    @property
    def dice(self) -> float | None:
        """Twice the voxels in common over the voxels of both; None where neither has the phase."""
        total = sum(self.voxels)
        return 2 * self.both / total if total else None

    @property
    def boundary_mean_um(self) -> float | None:
        """Mean distance of a boundary voxel from the other boundary; None where some have none within reach."""
        count = sum(self.squared.values())
        if self.far or not count:
            return None
        return float(sum(np.sqrt(d) * n for d, n in self.squared.items()) / count)

    def boundary_quantile_um(self, part: float) -> float | None:
        """Return the distance that a part of the boundary voxels does not exceed; None where it is out of reach."""
        count = sum(self.squared.values()) + self.far
        if not count:
            return None
        reached = 0
        for squared in sorted(self.squared):
            reached += self.squared[squared]
            if reached >= part * count - 1e-9:
                return float(np.sqrt(squared))
        return None


@dataclass
class Comparison:
    """Two segmentations of one grid."""

    names: tuple[str, ...]
    """The phases of either, "outside" and "unnamed" where there are such voxels."""
    confusion: NDArray[np.int64]
    """Voxels by phase in the first (rows) and in the second (columns)."""
    phases: dict[str, PhaseComparison]

    @property
    def agreement(self) -> float:
        """Share of the voxels that both call the same."""
        return float(np.trace(self.confusion) / max(1, self.confusion.sum()))


Read = Callable[[int, int], NDArray[Any]]


def compare_labels(
    first: tuple[Read, Mapping[int, str]],
    second: tuple[Read, Mapping[int, str]],
    *,
    shape: tuple[int, int, int],
    spacing: Spacing,
    phases: Sequence[str],
    slab: int = 32,
    told: Callable[[int, int], None] | None = None,
) -> Comparison:
    """Compare two label volumes, slab by slab.

    Parameters
    ----------
    first, second
        Reader of planes, and the name of each label value; values without a name are "unnamed".
    shape
        Voxels along z, y, x.
    spacing
        Edges of a voxel, in um.
    phases
        The phases whose boundaries are compared.
    slab
        Planes at a time.
    told
        Called with slabs done and slabs in all.

    Returns
    -------
    Comparison
        It does not depend on the slabs. Boundary voxels are those of a phase with a face on another phase; the border
        of the volume is none.
    """
    names = tuple(dict.fromkeys([*phases, *first[1].values(), *second[1].values(), "unnamed"]))
    place = {name: n for n, name in enumerate(names)}
    confusion = np.zeros((len(names), len(names)), np.int64)
    found = {name: PhaseComparison(name) for name in phases}
    starts = range(0, shape[0], slab)
    for done, start in enumerate(starts, 1):
        stop = min(start + slab, shape[0])
        # one plane more on either side: a boundary voxel is known by its neighbours
        low, high = max(0, start - BOUNDARY_REACH - 1), min(shape[0], stop + BOUNDARY_REACH + 1)
        one, two = (_codes(read(low, high), values, place) for read, values in (first, second))
        core = slice(start - low, stop - low)
        pairs = one[core].ravel() * len(names) + two[core].ravel()
        confusion += np.bincount(pairs, minlength=confusion.size).reshape(confusion.shape)
        for name in phases:
            _boundaries(found[name], one == place[name], two == place[name], core, spacing)
        if told is not None:
            told(done, len(starts))
    for name, phase in found.items():
        n = place[name]
        phase.voxels = (int(confusion[n].sum()), int(confusion[:, n].sum()))
        phase.both = int(confusion[n, n])
    kept = [
        n for n, name in enumerate(names) if name in phases or confusion[n].any() or confusion[:, n].any()
    ]
    return Comparison(tuple(names[n] for n in kept), confusion[np.ix_(kept, kept)], found)


def _codes(labels: NDArray[Any], values: Mapping[int, str], place: Mapping[str, int]) -> Codes:
    """Return the number of the phase of each voxel."""
    found = np.full(labels.shape, place["unnamed"], np.intp)
    for value, name in values.items():
        found[labels == value] = place[name]
    return found


def _boundary(mask: Bools) -> Bools:
    """Return the voxels of a mask with a face on a voxel that is not of it."""
    inner = mask.copy()
    for axis in range(3):
        low: list[slice] = [slice(None)] * 3
        high: list[slice] = [slice(None)] * 3
        low[axis], high[axis] = slice(None, -1), slice(1, None)
        inner[tuple(low)] &= mask[tuple(high)]
        inner[tuple(high)] &= mask[tuple(low)]
    return np.asarray(mask & ~inner)


def _boundaries(phase: PhaseComparison, one: Bools, two: Bools, core: slice, spacing: Spacing) -> None:
    """Measure from each boundary to the other, for the boundary voxels of the slab."""
    edges = (_boundary(one), _boundary(two))
    reach = (BOUNDARY_REACH * spacing[0]) ** 2
    for here, there in (edges, edges[::-1]):
        wanted = here[core]
        if not wanted.any():
            continue
        try:
            squared = np.asarray(squared_distance(~there, spacing)[core][wanted], np.float64)
        except NoBackgroundError:  # the other has no boundary in reach
            phase.far += int(wanted.sum())
            continue
        near = squared <= reach * (1 + 1e-9)
        values, counts = np.unique(np.round(squared[near], 9), return_counts=True)
        phase.squared.update({float(v): int(n) for v, n in zip(values, counts, strict=True)})
        phase.far += int((~near).sum())
