"""Connected components of a phase: exact sizes and contacts, slab by slab.

A slab keeps the runs of its first and last plane, the sizes of the components that reach these planes (open:
they may go on), and of the others only how many there are of each size. Merging neighbouring slabs is
associative, so a volume may be folded from slabs of any thickness, in any grouping, with the same result
to the last voxel.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import reduce
from typing import Any, Literal

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siltomo.errors import BadInputError
from siltomo.kernels import _runs
from siltomo.kernels._bits import pack_plane, words_per_row
from siltomo.kernels._volumes import Phase, as_label_values, as_unsigned, as_voxels, map_slabs

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
        return _tally(np.concatenate([self.sizes, other.sizes]), np.concatenate([self.counts, other.counts]))

    @property
    def total(self) -> int:
        """Voxels of all components together."""
        return int(self.sizes @ self.counts)


@dataclass(frozen=True, eq=False)
class PlaneRuns:
    """The runs of a phase in one plane, with the open component of each."""

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
    isolated: Tally
    """Components that end inside the slab and touch neither the sides of the window nor the outside."""
    touching: Tally
    """Components that end inside the slab and touch the sides of the window or the outside."""
    open_sizes: Ints
    """Voxels so far of the components that reach the first or the last plane."""
    open_touching: NDArray[np.bool_]
    """Whether each of them touches the sides of the window or the outside."""
    first: PlaneRuns
    last: PlaneRuns

    def merge(self, after: SlabComponents) -> SlabComponents:
        """Join this slab with the one that begins at the next plane.

        Raises
        ------
        BadInputError
            The slabs differ in their planes or in their connectivity.
        """
        mine, theirs = self._kind, after._kind
        if mine != theirs:
            raise BadInputError(
                f"slabs do not fit: (connectivity, rows, columns, has an outside) is {mine}, then {theirs}",
                fix="label slabs of whole planes of one volume with the same options",
            )
        n = self.open_sizes.size
        parents = np.arange(n + after.open_sizes.size, dtype=np.int32)
        sizes = np.concatenate([self.open_sizes, after.open_sizes])
        touching = np.concatenate([self.open_touching, after.open_touching])
        upper, lower = after.first, self.last
        upper_labels, upper_ranks = upper.labels + np.int32(n), _runs.rank_plane(upper.bits)
        lower_ranks = _runs.rank_plane(lower.bits)
        if upper.outside.size:
            _runs.mark_plane_contacts(lower.bits, lower_ranks, lower.labels, upper.outside, touching)
            _runs.mark_plane_contacts(upper.bits, upper_ranks, upper_labels, lower.outside, touching)
        _runs.link_planes(
            parents,
            upper.bits,
            upper_ranks,
            upper_labels,
            lower.bits,
            lower_ranks,
            lower.labels,
            _reaches(self.connectivity),
        )
        first = replace(self.first, labels=self.first.labels.copy())
        last = replace(after.last, labels=after.last.labels + np.int32(n))
        shape = (self.shape[0] + after.shape[0], *self.shape[1:])
        small, large = np.zeros((2, _runs.SMALL), np.int64), np.zeros(0, np.int64)
        n, large = _runs.settle(
            parents, sizes, touching, parents.size, first.labels, last.labels, small, large
        )
        isolated, touched = _tallies(small, large)
        return SlabComponents(
            self.connectivity,
            shape,
            self.isolated + after.isolated + isolated,
            self.touching + after.touching + touched,
            sizes[:n].copy(),
            touching[:n].copy(),
            first,
            last,
        )

    @property
    def _kind(self) -> tuple[int, int, int, bool]:
        return (self.connectivity, *self.shape[1:], self.first.outside.size > 0)

    def finish(self) -> Components:
        """Take the slab for the whole volume: what reaches its first or last plane touches the window."""
        everything = _tally(self.open_sizes, np.ones_like(self.open_sizes))
        return Components(self.connectivity, self.isolated, self.touching + everything)


@dataclass(frozen=True, eq=False)
class Components:
    """The components of a phase in a window."""

    connectivity: Connectivity
    isolated: Tally
    """Components that lie wholly inside the window and its domain."""
    touching: Tally
    """Components with a voxel on the border of the window, or a face on the outside of the domain."""

    @property
    def count(self) -> int:
        """Number of components."""
        return int(self.isolated.counts.sum() + self.touching.counts.sum())

    @property
    def sizes(self) -> Ints:
        """Voxels of each component, descending."""
        everything = self.isolated + self.touching
        return np.repeat(everything.sizes, everything.counts)[::-1].copy()

    @property
    def total_voxels(self) -> int:
        """Voxels of the phase."""
        return self.isolated.total + self.touching.total

    @property
    def largest_voxels(self) -> int:
        """Voxels of the largest component; 0 where the phase is absent."""
        return max(
            int(tally.sizes[-1]) if tally.sizes.size else 0 for tally in (self.isolated, self.touching)
        )

    @property
    def largest_touches(self) -> bool:
        """Whether the largest component touches the window, as it is taken to where two are equal."""
        return bool(self.touching.sizes.size) and int(self.touching.sizes[-1]) == self.largest_voxels

    @property
    def unknown_voxels(self) -> int:
        """Voxels of the other components that touch the window: they may belong to the largest outside."""
        return self.touching.total - (self.largest_voxels if self.largest_touches else 0)

    @property
    def isolated_voxels(self) -> int:
        """Voxels of the other components that lie inside the window: they are cut off for certain."""
        return self.isolated.total - (0 if self.largest_touches else self.largest_voxels)


def component_sizes(mask: ArrayLike, connectivity: Connectivity = 6, *, threads: int | None = None) -> Ints:
    """Return the sizes of the connected components of a mask.

    Parameters
    ----------
    mask
        Volume of shape (z, y, x); booleans, or integers of which all but 0 are the phase.
    connectivity
        6: voxels hang together by faces; 18: by faces and edges; 26: by faces, edges and corners.
    threads
        Threads to use; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    numpy.ndarray
        int64 numbers of voxels, descending; empty for an empty mask.

    Raises
    ------
    BadInputError
        The mask is no volume of booleans or integers, or the connectivity is none of 6, 18, 26.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.zeros((2, 2, 4), dtype=bool)
    >>> mask[0, 0, :2] = mask[1, 1, 2] = True
    >>> component_sizes(mask, 6), component_sizes(mask, 26)
    (array([2, 1]), array([3]))
    """
    return label_slab(mask, connectivity=connectivity, threads=threads).finish().sizes


def label_slab(
    labels: ArrayLike,
    *,
    connectivity: Connectivity = 6,
    value: Phase | None = None,
    outside: Phase | None = None,
    threads: int | None = None,
) -> SlabComponents:
    """Find the components of a phase in a slab of whole planes.

    Parameters
    ----------
    labels
        Slab of shape (z, y, x) with at least one plane: a mask, or integer labels.
    connectivity
        6: voxels hang together by faces; 18: by faces and edges; 26: by faces, edges and corners.
    value
        Label value, or values, of the phase; by default all but 0.
    outside
        Label value, or values, outside of the domain; components with a face on such a voxel touch.
    threads
        Threads to use; by default ``SILTOMO_THREADS``, else one per core.

    Returns
    -------
    SlabComponents
        To be merged with neighbouring slabs, then finished: ``reduce(SlabComponents.merge, slabs).finish()``.

    Raises
    ------
    BadInputError
        The labels are no slab of booleans or integers, or the connectivity is none of 6, 18, 26.

    Examples
    --------
    >>> import numpy as np
    >>> mask = np.ones((4, 3, 3), dtype=bool)
    >>> label_slab(mask[:1]).merge(label_slab(mask[1:])).finish().sizes
    array([36])
    """
    voxels = as_voxels(labels, "labels")
    if connectivity not in REACHES:
        raise BadInputError(f"unknown connectivity {connectivity!r}; known: 6, 18, 26")
    if voxels.shape[0] == 0:
        raise BadInputError(f"labels: a slab needs at least one plane, got shape {voxels.shape}")
    members = as_label_values(0 if value is None else value, voxels.dtype, "value")
    excluded = as_label_values(() if outside is None else outside, voxels.dtype, "outside")
    slabs = map_slabs(
        lambda start, stop: _label(voxels[start:stop], members, value is None, excluded, connectivity),
        voxels.shape[0],
        threads,
    )
    return reduce(SlabComponents.merge, slabs)


def _label(
    voxels: NDArray[Any],
    members: NDArray[Any],
    invert: bool,
    excluded: NDArray[Any],
    connectivity: Connectivity,
) -> SlabComponents:
    open_sizes, open_touching, small, large, first, last = _runs.label_planes(
        as_unsigned(voxels), members, invert, excluded, _reaches(connectivity)
    )
    isolated, touching = _tallies(small, large)
    return SlabComponents(
        connectivity,
        (voxels.shape[0], voxels.shape[1], voxels.shape[2]),
        isolated,
        touching,
        open_sizes,
        open_touching,
        PlaneRuns(first[0], first[1], _outside_bits(voxels[0], excluded)),
        PlaneRuns(last[0], last[1], _outside_bits(voxels[-1], excluded)),
    )


def _tallies(small: Ints, large: Ints) -> tuple[Tally, Tally]:
    """Read what `settle` has tallied: the isolated and the touching components."""
    found = []
    for counts, listed in zip(small, (large[large > 0], -large[large < 0]), strict=True):
        sizes = np.flatnonzero(counts)
        found.append(Tally(sizes, counts[sizes]) + _tally(listed))
    return found[0], found[1]


def _tally(sizes: Ints, counts: Ints | None = None) -> Tally:
    values, places = np.unique(sizes, return_inverse=True)
    totals = np.zeros(values.size, np.int64)
    np.add.at(totals, places, 1 if counts is None else counts)
    return Tally(values, totals)


def _outside_bits(plane: NDArray[Any], excluded: NDArray[Any]) -> NDArray[np.uint64]:
    if not excluded.size:
        return np.zeros((0, 0), np.uint64)
    bits = np.zeros((plane.shape[0], words_per_row(plane.shape[1])), np.uint64)
    pack_plane(as_unsigned(plane), excluded, False, bits)
    return bits


def _reaches(connectivity: Connectivity) -> NDArray[np.int64]:
    return np.array(REACHES[connectivity], np.int64)
