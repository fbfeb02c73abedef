"""What a volume is before and after it is stored, and the levels, shards and chunks it is stored in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from siltomo.catalog.records import StoredRecord
from siltomo.errors import BadInputError

__all__ = ["LabelClass", "LevelPlan", "VolumeFacts", "VolumeSpec", "plan_levels", "space_needed"]

Shape = tuple[int, int, int]

CHUNK, SHARD, SMALLEST_LEVEL = 64, 1024, 256
# What one row of shards, and one shard, may take in memory
SLAB_BYTES, SHARD_BYTES = 256 << 20, 64 << 20
_GREYS = {"uint8", "int8", "uint16", "int16", "uint32", "int32", "float32", "float64"}
_LABELS = {"uint8", "int8", "uint16", "int16", "uint32", "int32", "uint64", "int64"}


@dataclass(frozen=True)
class LabelClass:
    """One value of a label volume."""

    value: int
    name: str
    rgba: tuple[int, int, int, int]
    """Colour for viewers, 0 to 255."""


@dataclass(frozen=True)
class VolumeSpec:
    """A volume as it is to be stored; no voxel has been read."""

    shape: Shape
    """Voxels along z, y, x."""
    dtype: np.dtype[Any]
    """The voxels' type: integers up to 32 bits or floats for greys, any integers for labels."""
    voxel_size_um: tuple[float, float, float]
    """Voxel edges along z, y, x in micrometres."""
    name: str
    """What viewers call it."""
    labels: tuple[LabelClass, ...] = ()
    """The classes of a label volume."""
    is_labels: bool = False
    """Whether the voxels are labels even where no classes are named."""
    source: StoredRecord | None = None
    """The record of the volume that the labels belong to."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "dtype", np.dtype(self.dtype).newbyteorder("="))
        object.__setattr__(self, "voxel_size_um", tuple(float(edge) for edge in self.voxel_size_um))
        object.__setattr__(self, "is_labels", self.is_labels or bool(self.labels))
        if len(self.shape) != 3 or min(self.shape) < 1:
            raise BadInputError(f"a volume has three sides of at least one voxel, not the shape {self.shape}")
        allowed = _LABELS if self.is_labels else _GREYS
        if self.dtype.name not in allowed:
            what = "label" if self.is_labels else "grey"
            raise BadInputError(
                f"{what} voxels of type {self.dtype} cannot be stored; allowed: {', '.join(sorted(allowed))}",
                code="SIL103",
                fix="convert the voxels to one of these types",
            )
        if not all(np.isfinite(edge) and edge > 0 for edge in self.voxel_size_um):
            raise BadInputError(f"voxel edges are positive lengths, not {self.voxel_size_um} um")

    @property
    def nbytes(self) -> int:
        """What the voxels take uncompressed."""
        return int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize


@dataclass(frozen=True)
class VolumeFacts:
    """What became known while the voxels streamed by."""

    shape: Shape
    dtype: np.dtype[Any]
    content: str
    """Content id of the full-resolution voxels, independent of file format and chunks."""
    levels: int
    """How many resolutions are stored."""
    value_range: tuple[float, float] | None
    """Smallest and largest finite value; None when there is none."""
    nonfinite: int = 0
    """How many voxels are NaN or infinite."""
    counts: Mapping[int, int] | None = None
    """Voxels per value of a label volume."""


@dataclass(frozen=True)
class LevelPlan:
    """The grid of one resolution."""

    index: int
    shape: Shape
    chunks: Shape
    shards: Shape
    scale: tuple[int, int, int]
    """Full-resolution voxels per voxel along each axis."""


def plan_levels(shape: Shape, itemsize: int) -> tuple[LevelPlan, ...]:
    """Return the resolutions of a volume, each half the one before, until no side is above 256.

    Chunks are cubes of 64, in shards one chunk deep and up to 1024 wide, so that a slab of planes is a
    whole number of shards and no shard is ever read back. Where a slab of 64 planes would take more than
    256 MiB the chunks are flatter, and shards are at most 64 MiB: this bounds the memory of writing and of
    reading.

    Examples
    --------
    >>> [level.shape for level in plan_levels((700, 700, 3), 1)]
    [(700, 700, 3), (350, 350, 2), (175, 175, 1)]
    >>> plan_levels((2048, 2048, 2048), 4)[0].shards
    (16, 1024, 1024)
    """
    depth = CHUNK
    while depth > 8 and depth * shape[1] * shape[2] * itemsize > SLAB_BYTES:
        depth //= 2
    plans: list[LevelPlan] = []
    scale = (1, 1, 1)
    while True:
        chunks = (min(depth, _pow2(shape[0])), min(CHUNK, _pow2(shape[1])), min(CHUNK, _pow2(shape[2])))
        plans.append(LevelPlan(len(plans), shape, chunks, _shards(shape, chunks, itemsize), scale))
        if max(shape) <= SMALLEST_LEVEL:
            return tuple(plans)
        scale = _triple(s * (2 if n > 1 else 1) for s, n in zip(scale, shape, strict=True))
        shape = _triple(-(-n // 2) for n in shape)


def space_needed(spec: VolumeSpec) -> int:
    """Return the bytes that must be free before a volume is written: it may not compress at all."""
    return int(1.15 * spec.nbytes) + (256 << 20)


def _shards(shape: Shape, chunks: Shape, itemsize: int) -> Shape:
    """Return the widest shards that stay within the limit."""
    widest = SHARD
    while widest > CHUNK and chunks[0] * widest * widest * itemsize > SHARD_BYTES:
        widest //= 2
    y, x = (min(max(widest, c), -(-n // c) * c) for n, c in zip(shape[1:], chunks[1:], strict=True))
    return (chunks[0], y, x)


def _pow2(n: int) -> int:
    """Return the smallest power of two that is not below n."""
    return 1 << (n - 1).bit_length()


def _triple(numbers: Any) -> Shape:
    z, y, x = numbers
    return (z, y, x)
