"""How a metric sees a volume: slabs of whole planes, and the facts of the sample.

A *measure* runs over slabs. It maps a slab to a partial result and merges the partial results of
neighbouring slabs; merging is associative, so that the answer does not depend on how a volume was cut.
Measures are frozen and compare by value: metrics that need the same one share one pass.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable, Iterable, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, ClassVar, Generic, TypeVar

from numpy.typing import NDArray

__all__ = ["Labels", "Measure", "PlaneReader", "Sample", "Slab", "in_stages"]

PlaneReader = Callable[[int, int], NDArray[Any]]
"""Read the label planes ``start`` to ``stop`` (excluded), shape (stop - start, y, x)."""

Labels = NDArray[Any]
"""Label values, an integer array of shape (z, y, x)."""

S = TypeVar("S")
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
    phases: tuple[tuple[str, tuple[int, ...]], ...] = ()
    """All phases with their label values, for what asks where in the electrode it is; else left out."""
    depth_axis: str = ""
    """The declared depth axis, for what asks where in the electrode it is."""

    def values_of(self, name: str) -> tuple[int, ...]:
        """Return the label values of any phase; none when it is not named."""
        return dict(self.phases).get(name, ())

    def without_surroundings(self) -> Sample:
        """Return what is known of the phase alone."""
        return replace(self, phases=(), depth_axis="") if self.phases or self.depth_axis else self

    @property
    def phase_values(self) -> int | tuple[int, ...]:
        """The values of the phase as the kernels take them."""
        return self.values[0] if len(self.values) == 1 else self.values

    @property
    def plane(self) -> int:
        """Voxels of a plane."""
        return self.shape[1] * self.shape[2]

    @property
    def voxel_um3(self) -> float:
        """Volume of a voxel, in um^3."""
        z, y, x = self.spacing_um
        return z * y * x

    @property
    def edge_um(self) -> float:
        """Edge of the cube with the volume of a voxel, in um."""
        z, y, x = self.spacing_um
        return z if z == y == x else float(self.voxel_um3 ** (1 / 3))

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
    depth
        Planes of the whole volume.
    after
        Planes below the slab that will be asked for, and are read together with it.
    max_halo
        Planes on either side that a measure may read besides, by the memory it was given; None for any.
    known
        The totals of the measures that those of this slab need.
    """

    def __init__(
        self,
        read: PlaneReader,
        start: int,
        stop: int,
        depth: int,
        *,
        after: int = 0,
        max_halo: int | None = None,
        known: Mapping[Measure[Any], Any] | None = None,
    ) -> None:
        self._read = read
        self.known: Mapping[Measure[Any], Any] = known or {}
        self.start, self.stop, self.depth, self.max_halo = start, stop, depth, max_halo
        self._last = min(depth, stop + after)
        self._shared: dict[Hashable, Any] = {}

    @cached_property
    def _held(self) -> Labels:
        return self._read(self.start, self._last)

    def labels(self, *, after: int = 0) -> Labels:
        """Return the slab's planes with up to that many of the next ones, fewer at the end of the volume."""
        return self.planes(self.start, min(self.depth, self.stop + after))

    def shared(self, key: Hashable, make: Callable[[], S]) -> S:
        """Return what several measures of the slab need, made by the first that asks."""
        if key not in self._shared:
            self._shared[key] = make()
        made: S = self._shared[key]
        return made

    def planes(self, start: int, stop: int) -> Labels:
        """Return any planes of the volume; only those of the slab are held."""
        if self.start <= start and stop <= self._last:
            return self._held[start - self.start : stop - self.start]
        return self._read(start, stop)


@dataclass(frozen=True)
class Measure(ABC, Generic[T]):
    """A reduction of the voxels of one phase, slab by slab.

    Subclasses are frozen dataclasses; their further fields are parameters of the metrics that use them.
    """

    sample: Sample

    after: ClassVar[int] = 0
    """Planes below a slab that belong to its measurement."""
    halo: ClassVar[int] = 0
    """Planes on either side that are read besides; the first guess where the data decide."""
    surroundings: ClassVar[bool] = False
    """Whether it asks where in the electrode it is: for the other phases and the depth axis."""

    @property
    def needs(self) -> tuple[Measure[Any], ...]:
        """Measures whose totals must be known before; the volume is read once more after them."""
        return ()

    @classmethod
    def lacks(cls, sample: Sample) -> str:  # noqa: ARG003
        """Say why a sample cannot be measured, as far as its phases tell; empty when it can."""
        return ""

    @classmethod
    def is_fully_named(cls, sample: Sample) -> bool:  # noqa: ARG003
        """Return whether a sample names all that is measured, so that nothing stands for something else.

        Where several segmentations of a scan could answer a query, the only one that does is taken.
        """
        return True

    @abstractmethod
    def measure(self, slab: Slab) -> T:
        """Measure one slab."""

    @abstractmethod
    def merge(self, upper: T, lower: T) -> T:
        """Merge the results of a slab and of the next one; associative."""

    @abstractmethod
    def memory(self, planes: int, halo: int) -> int:
        """Return an upper bound of the bytes taken while planes with a halo are measured, labels left out."""


def in_stages(measures: Iterable[Measure[Any]]) -> list[tuple[Measure[Any], ...]]:
    """Sort measures, and those that they need, into readings of the volume: needed ones come before.

    Each reading holds every measure that can be taken in it, once.
    """
    stages: list[dict[Measure[Any], None]] = []

    def place(measure: Measure[Any]) -> int:
        at = max((place(needed) + 1 for needed in measure.needs), default=0)
        while len(stages) <= at:
            stages.append({})
        stages[at][measure] = None
        return at

    for measure in measures:
        place(measure)
    return [tuple(stage) for stage in stages]
