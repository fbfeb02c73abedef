"""How a metric sees a volume: slabs of whole planes, and the facts of the sample.

A *measure* runs over slabs. It maps a slab to a partial result and merges the partial results of
neighbouring slabs; merging is associative, so that the answer does not depend on how a volume was cut.
Measures are frozen and compare by value: metrics that need the same one share one pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

__all__ = ["Labels", "Measure", "PlaneReader", "Sample", "Slab"]

PlaneReader = Callable[[int, int], NDArray[Any]]
"""Read the label planes ``start`` to ``stop`` (excluded), shape (stop - start, y, x)."""

Labels = NDArray[Any]
"""Label values, an integer array of shape (z, y, x)."""

T = TypeVar("T")


@dataclass(frozen=True)
class Sample:
    """What a metric may know of its subject, besides the voxels."""

    phase: str
    """Name of the phase."""
    values: tuple[int, ...]
    """Label values of the phase."""
    outside: tuple[int, ...]
    """Label values outside the domain."""
    shape: tuple[int, int, int]
    """Voxels along z, y, x."""
    spacing_um: tuple[float, float, float]
    """Edges of a voxel along z, y, x, in um."""
    domain: str = "cell"
    """The whole of fractions."""
    min_feature_um: float | None = None
    """Smallest feature that can be trusted, in um."""

    @property
    def voxel_um3(self) -> float:
        """Volume of a voxel, in um^3."""
        z, y, x = self.spacing_um
        return z * y * x

    @property
    def edge_um(self) -> float:
        """Edge of the cube with the volume of a voxel, in um."""
        return float(self.voxel_um3 ** (1 / 3))

    @property
    def whole(self) -> str:
        """The whole of fractions, in words."""
        inside = " (voxels not labelled outside)" if self.outside else ""
        return f"{self.domain} in the field of view{inside}"


class Slab:
    """Some planes of a label volume, and on request the planes around them.

    Parameters
    ----------
    read
        Reads planes of the whole volume.
    start, stop
        The planes of this slab.
    shape
        Shape of the whole volume.
    """

    def __init__(self, read: PlaneReader, start: int, stop: int, shape: tuple[int, int, int]) -> None:
        self._read = read
        self.start, self.stop, self.shape = start, stop, shape
        self._held: tuple[int, int, Labels] | None = None

    @property
    def depth(self) -> int:
        """Planes of the whole volume."""
        return self.shape[0]

    def labels(self, *, before: int = 0, after: int = 0) -> Labels:
        """Return the slab's planes with up to that many neighbours, fewer at the ends of the volume."""
        return self.planes(max(0, self.start - before), min(self.depth, self.stop + after))

    def planes(self, start: int, stop: int) -> Labels:
        """Return some planes of the volume; those already read are not read again."""
        if self._held is None or start < self._held[0] or stop > self._held[1]:
            first = min(start, self.start if self._held is None else self._held[0])
            last = max(stop, self.stop if self._held is None else self._held[1])
            self._held = (first, last, self._read(first, last))
        return self._held[2][start - self._held[0] : stop - self._held[0]]


@dataclass(frozen=True)
class Measure(ABC, Generic[T]):
    """A reduction of the voxels of one phase, slab by slab.

    Subclasses are frozen dataclasses; their further fields are parameters of the metrics that use them.
    """

    values: tuple[int, ...]
    """Label values of the phase."""
    outside: tuple[int, ...]
    """Label values outside the domain."""

    bytes_per_voxel: ClassVar[float]
    """Peak memory while a slab is measured, per voxel of the slab with its margins, labels included."""
    margin: ClassVar[int] = 0
    """Planes around a slab that :meth:`measure` reads; the first guess where the data decide."""

    @abstractmethod
    def measure(self, slab: Slab) -> T:
        """Measure one slab."""

    @abstractmethod
    def merge(self, upper: T, lower: T) -> T:
        """Merge the results of a slab and of the next one; associative."""

    def _mask(self, labels: Labels) -> NDArray[np.bool_]:
        return _is_one_of(labels, self.values)

    def _outside(self, labels: Labels) -> NDArray[np.bool_] | None:
        return _is_one_of(labels, self.outside) if self.outside else None

    @cached_property
    def _key(self) -> str:
        return repr(self)


def _is_one_of(labels: Labels, values: tuple[int, ...]) -> NDArray[np.bool_]:
    if len(values) == 1:
        return np.asarray(labels == values[0])
    return np.isin(labels, values)
