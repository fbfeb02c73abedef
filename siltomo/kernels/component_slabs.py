"""The components of a slab of planes, merged with those of its neighbours.

A slab keeps its first and last plane, the components that reach these planes (open: they may go on), and of
the others (ended) only how many there are of each size. Merging neighbouring slabs is associative, so a volume
may be folded from slabs of any thickness, in any grouping, with the same result to the last voxel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._forest import new_ended, settle
from siltomo.kernels._runs import link_planes, mark_plane_contacts, rank_plane

Connectivity = Literal[6, 18, 26]
Ints = NDArray[np.int64]

REACHES = {6: (0, 0, -1), 18: (1, 1, 0), 26: (1, 1, 1)}
"""How runs meet those of the row before, and in the plane before those of the same row and the rows beside."""


@dataclass(frozen=True, eq=False)
class Tally:
    """How many components there are of each size."""

    sizes: Ints
    """Voxels of a component, ascending, each size once."""
    counts: Ints
    """Number of components of each size."""

    def __add__(self, other: Tally) -> Tally:
        sizes, places = np.unique(np.concatenate([self.sizes, other.sizes]), return_inverse=True)
        counts = np.zeros(sizes.size, np.int64)
        np.add.at(counts, places, np.concatenate([self.counts, other.counts]))
        return Tally(sizes, counts)

    @property
    def total(self) -> int:
        """Voxels of all components together."""
        return int(self.sizes @ self.counts)


@dataclass(frozen=True, eq=False)
class Ended:
    """Components that are complete; in the arrays, row 0 are isolated ones and row 1 touching ones."""

    isolated: Tally
    """Components that touch neither the window nor the outside."""
    touching: Tally
    """Components that touch the window or the outside."""
    totals: Ints
    """Voxels of all, by bin."""
    largest: Ints
    """Voxels of the largest; 0 where there is none, or no bins."""
    largest_profiles: Ints
    """Voxels of the largest, by bin."""

    @classmethod
    def read(cls, account: tuple[Ints, Ints, Ints, Ints, Ints]) -> Ended:
        """Read the account that the compiled part keeps."""
        small, large, totals, largest, profiles = account
        tallies = []
        for counts, listed in zip(small, (large[large > 0], -large[large < 0]), strict=True):
            sizes = np.flatnonzero(counts)
            tallies.append(Tally(sizes, counts[sizes]) + Tally(listed, np.ones_like(listed)))
        return cls(tallies[0], tallies[1], totals, largest, profiles)

    def __add__(self, other: Ended) -> Ended:
        kinds = range(2)
        mine = [(int(self.largest[k]), self.largest_profiles[k].tolist()) for k in kinds]
        theirs = [(int(other.largest[k]), other.largest_profiles[k].tolist()) for k in kinds]
        best = [max(pair) for pair in zip(mine, theirs, strict=True)]
        return Ended(
            self.isolated + other.isolated,
            self.touching + other.touching,
            self.totals + other.totals,
            np.array([size for size, _ in best], np.int64),
            np.array([profile for _, profile in best], np.int64),
        )


@dataclass(frozen=True, eq=False)
class Open:
    """Components that may go on beyond the slab."""

    sizes: Ints
    """Voxels so far."""
    touching: NDArray[np.bool_]
    """Whether each touches the sides of the window or the outside."""
    profiles: Ints
    """Voxels so far by bin, of shape (components, bins)."""

    @classmethod
    def read(cls, lists: tuple[Ints, NDArray[np.bool_], Ints, int]) -> Open:
        """Take the components from the longer lists of the compiled part."""
        sizes, touching, profiles, n = lists
        return cls(sizes[:n].copy(), touching[:n].copy(), profiles[:n].copy())


@dataclass(frozen=True, eq=False)
class Plane:
    """The phase in one plane, with the open component of each of its runs."""

    bits: NDArray[np.uint64]
    """Bits of the voxels in the phase, of shape (rows, words)."""
    labels: NDArray[np.int32]
    """Index of the open component of each run of ones, row by row."""
    outside: NDArray[np.uint64]
    """Bits of the voxels outside of the domain, of shape (rows, words); empty where there is no outside."""


@dataclass(frozen=True, eq=False)
class SlabComponents:
    """The components of a slab of whole planes, ready to be merged with its neighbours."""

    connectivity: Connectivity
    shape: tuple[int, int, int]
    """Planes, rows and columns of the slab."""
    ended: Ended
    """Components that reach neither the first nor the last plane."""
    open: Open
    """The others."""
    first: Plane
    last: Plane

    def merge(self, after: SlabComponents) -> SlabComponents:
        """Join this slab with the one that begins at the next plane.

        Raises
        ------
        BadInputError
            The slabs differ in their planes or in their options.
        """
        if self._kind != after._kind:
            raise BadInputError(
                f"slabs do not fit: (connectivity, rows, columns, bins, has an outside)"
                f" is {self._kind}, then {after._kind}",
                fix="label slabs of whole planes of one volume with the same options",
            )
        n = self.open.sizes.size
        parents = np.arange(n + after.open.sizes.size, dtype=np.int32)
        sizes = np.concatenate([self.open.sizes, after.open.sizes])
        touching = np.concatenate([self.open.touching, after.open.touching])
        profiles = np.concatenate([self.open.profiles, after.open.profiles])
        self._link(after, parents, touching)
        first = replace(self.first, labels=self.first.labels.copy())
        last = replace(after.last, labels=after.last.labels + np.int32(n))
        planes = (first.labels, first.labels.size, last.labels, last.labels.size)
        ended = new_ended(profiles.shape[1])
        kept, account = settle(parents, sizes, touching, profiles, parents.size, planes, ended)
        return SlabComponents(
            self.connectivity,
            (self.shape[0] + after.shape[0], *self.shape[1:]),
            self.ended + after.ended + Ended.read(account),
            Open.read((sizes, touching, profiles, kept)),
            first,
            last,
        )

    def _link(self, after: SlabComponents, parents: NDArray[np.int32], touching: NDArray[np.bool_]) -> None:
        """Join the runs of the two planes that meet, and mark what lies on the outside of the other slab."""
        lower, upper = self.last, after.first
        labels = upper.labels + np.int32(self.open.sizes.size)
        lower_ranks, upper_ranks = (np.zeros(plane.bits.shape, np.int32) for plane in (lower, upper))
        rank_plane(lower.bits, lower_ranks)
        rank_plane(upper.bits, upper_ranks)
        if upper.outside.size:
            mark_plane_contacts(lower.bits, lower_ranks, lower.labels, upper.outside, touching)
            mark_plane_contacts(upper.bits, upper_ranks, labels, lower.outside, touching)
        reaches = np.array(REACHES[self.connectivity], np.int64)
        link_planes(upper.bits, upper_ranks, labels, lower.bits, lower_ranks, lower.labels, reaches, parents)

    @property
    def _kind(self) -> tuple[int, int, int, int, bool]:
        bins = self.open.profiles.shape[1]
        return (self.connectivity, *self.shape[1:], bins, self.first.outside.size > 0)

    def finish(self) -> Components:
        """Take the slab for the whole volume: what reaches its first or last plane touches the window."""
        n, bins = self.open.profiles.shape
        parents, touching = np.arange(n, dtype=np.int32), np.ones(n, np.bool_)
        nothing = np.zeros(0, np.int32)
        sizes, profiles = self.open.sizes.copy(), self.open.profiles.copy()
        planes = (nothing, 0, nothing, 0)
        _, account = settle(parents, sizes, touching, profiles, n, planes, new_ended(bins))
        return Components(self.connectivity, self.ended + Ended.read(account))


@dataclass(frozen=True, eq=False)
class Components:
    """The components of a phase in a window."""

    connectivity: Connectivity
    ended: Ended

    @property
    def isolated(self) -> Tally:
        """Components that lie wholly inside the window and its domain."""
        return self.ended.isolated

    @property
    def touching(self) -> Tally:
        """Components with a voxel on the border of the window, or a face on the outside of the domain."""
        return self.ended.touching

    @property
    def count(self) -> int:
        """Number of components."""
        return int(self.isolated.counts.sum() + self.touching.counts.sum())

    @property
    def sizes(self) -> Ints:
        """Voxels of each component, descending."""
        everything = self.isolated + self.touching
        return np.repeat(everything.sizes[::-1], everything.counts[::-1])

    @property
    def total_voxels(self) -> int:
        """Voxels of the phase."""
        return self.isolated.total + self.touching.total

    @property
    def largest_voxels(self) -> int:
        """Voxels of the largest component; 0 where the phase is absent."""
        return max(int(tally.sizes.max(initial=0)) for tally in (self.isolated, self.touching))

    @property
    def largest_touches(self) -> bool:
        """Whether the largest component touches the window, as it is taken to where two are equal."""
        return 0 < self.largest_voxels == int(self.touching.sizes.max(initial=0))

    @property
    def unknown_voxels(self) -> int:
        """Voxels of the other components that touch the window: they may belong to the largest outside."""
        return self.touching.total - (self.largest_voxels if self.largest_touches else 0)

    @property
    def isolated_voxels(self) -> int:
        """Voxels of the other components that lie inside the window: they are cut off for certain."""
        return self.isolated.total - (0 if self.largest_touches else self.largest_voxels)

    @property
    def by_bin(self) -> Ints:
        """Voxels of the largest component, of unknown and of isolated ones in each bin, of shape (bins, 3).

        The components are those of the whole volume; only their voxels are counted bin by bin. No rows where
        the slabs were labelled without bins.
        """
        kind = int(self.largest_touches)
        largest = self.ended.largest_profiles[kind]
        isolated, unknown = self.ended.totals
        return np.stack(
            [largest, unknown - largest * kind, isolated - largest * (1 - kind)], axis=1, dtype=np.int64
        )
