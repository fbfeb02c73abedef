"""Stream planes into a sharded OME-Zarr pyramid, and learn what they hold on the way."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.catalog.content import ContentHasher, Planes, checked_planes, plane_batches
from siltomo.catalog.filesystem import FileSystem
from siltomo.catalog.manifest import FileFact
from siltomo.catalog.ome import group_json
from siltomo.catalog.pyramid import halve
from siltomo.catalog.volumes import LevelPlan, VolumeFacts, VolumeSpec, plan_levels
from siltomo.errors import DamagedError

__all__ = ["Progress", "compare_with_source", "survey_volume", "write_volume"]

Progress = Callable[[int, int], None]
"""Called with the planes done and all planes."""


def write_volume(
    root: Path,
    spec: VolumeSpec,
    planes: Planes,
    *,
    fs: FileSystem,
    progress: Progress | None = None,
) -> tuple[VolumeFacts, dict[str, FileFact]]:
    """Write an OME-Zarr 0.5 image, its group last, so that a half-written one is none for any viewer.

    Parameters
    ----------
    root
        The folder of the image; it does not exist yet.
    spec
        The volume.
    planes
        Gives its planes; called in ascending order, each plane once.
    fs
        The disk.
    progress
        Told after each batch of planes.

    Returns
    -------
    VolumeFacts
        Content id, range and counts of the voxels.
    dict
        The files written, each synced, by their path below ``root``.

    Raises
    ------
    BadInputError
        When the source does not give what the spec states.
    OSError
        When the disk fails; what was written is of no use then.
    """
    from siltomo.catalog.zarr_stores import StagedStore

    levels = plan_levels(spec.shape, spec.dtype.itemsize)
    # a store of its own for each level: zarr would write the group at once, and it must come last
    stores = {f"{level.index}/": StagedStore(root / str(level.index), fs) for level in levels}
    writer: _LevelWriter | None = None
    for level in reversed(levels):
        array = _create(stores[f"{level.index}/"], spec, level)
        writer = _LevelWriter(array, level, spec, writer)
    assert writer is not None
    survey = _Survey(spec)
    for start, stop in plane_batches(spec.shape, spec.dtype, most=levels[0].shards[0]):
        batch = checked_planes(planes, start, stop, spec.shape, spec.dtype)
        survey.update(batch)
        writer.push(batch)
        if progress is not None:
            progress(stop, spec.shape[0])
    facts = survey.facts(levels=len(levels))
    stores[""] = group = StagedStore(root, fs)
    group.put("zarr.json", group_json(spec, levels, content=facts.content))
    return facts, {
        f"{start}{key}": fact for start, one in stores.items() for key, fact in one.written.items()
    }


def survey_volume(
    spec: VolumeSpec, planes: Planes, *, levels: int, progress: Progress | None = None
) -> VolumeFacts:
    """Read all planes of a volume that is stored already, and return what they hold.

    Raises
    ------
    BadInputError
        When the source does not give what the spec states.
    """
    survey = _Survey(spec)
    for start, stop in plane_batches(spec.shape, spec.dtype):
        survey.update(checked_planes(planes, start, stop, spec.shape, spec.dtype))
        if progress is not None:
            progress(stop, spec.shape[0])
    return survey.facts(levels=levels)


def compare_with_source(array: Any, content: str) -> None:
    """Decode a stored volume and compare its content id with the one of the planes as they came.

    Parameters
    ----------
    array
        The full-resolution zarr array.
    content
        The id computed from the source.

    Raises
    ------
    DamagedError
        When they differ.
    """
    hasher = ContentHasher(array.shape, array.dtype)
    depth, high, wide = array.shards
    slab = np.empty((min(depth, array.shape[0]), *array.shape[1:]), dtype=array.dtype)
    for z in range(0, array.shape[0], depth):
        count = min(depth, array.shape[0] - z)
        for y, x in _tiles(array.shape, high, wide):
            slab[:count, y, x] = array[z : z + count, y, x]
        hasher.update(slab[:count])
    if hasher.content() != content:
        raise DamagedError(
            "the stored voxels differ from those of the source: memory or disk of this computer is at fault",
            fix="repeat the command; if it happens again, test the memory of this computer",
        )


class _LevelWriter:
    """Collects planes until a slab of whole shards is full, writes it, and hands halved planes down."""

    def __init__(self, array: Any, plan: LevelPlan, spec: VolumeSpec, below: _LevelWriter | None) -> None:
        self._array, self._plan, self._below, self._labels = array, plan, below, spec.is_labels
        depth = min(plan.shards[0], plan.shape[0])
        self._slab = np.empty((depth, *plan.shape[1:]), dtype=spec.dtype)
        self._filled = self._done = 0

    def push(self, planes: NDArray[Any]) -> None:
        """Take the next planes."""
        taken = 0
        while taken < len(planes):
            count = min(len(self._slab) - self._filled, len(planes) - taken)
            self._slab[self._filled : self._filled + count] = planes[taken : taken + count]
            self._filled += count
            taken += count
            if self._filled == len(self._slab) or self._done + self._filled == self._plan.shape[0]:
                self._flush()

    def _flush(self) -> None:
        slab = self._slab[: self._filled]
        stop = self._done + self._filled
        _, high, wide = self._plan.shards
        for y, x in _tiles(slab.shape, high, wide):
            self._array[self._done : stop, y, x] = slab[:, y, x]
        self._hand_down(slab)
        self._done, self._filled = stop, 0

    def _hand_down(self, slab: NDArray[Any]) -> None:
        if self._below is None:
            return
        dz, dy, dx = (2 if n > 1 else 1 for n in self._plan.shape)
        for z in range(0, len(slab), dz):
            self._below.push(halve(slab[z : z + dz], (dz, dy, dx), labels=self._labels))


class _Survey:
    """What is learnt from each plane as it passes."""

    def __init__(self, spec: VolumeSpec) -> None:
        self._spec = spec
        self._hasher = ContentHasher(spec.shape, spec.dtype)
        self._range: tuple[float, float] | None = None
        self._nonfinite = 0
        self._counts: dict[int, int] = {}

    def update(self, planes: NDArray[Any]) -> None:
        """Take the next planes."""
        self._hasher.update(planes)
        if self._spec.is_labels:
            for value, count in zip(*_value_counts(planes), strict=True):
                self._counts[int(value)] = self._counts.get(int(value), 0) + int(count)
            return
        if planes.dtype.kind == "f":
            finite = np.isfinite(planes)
            bad = planes.size - int(np.count_nonzero(finite))
            self._nonfinite += bad
            planes = planes[finite] if bad else planes
        if planes.size:
            low, high = planes.min().item(), planes.max().item()
            old = self._range or (low, high)
            self._range = (min(low, old[0]), max(high, old[1]))

    def facts(self, *, levels: int) -> VolumeFacts:
        """Return everything, once all planes are in."""
        counts = dict(sorted(self._counts.items()))
        values = self._range if not counts else (min(counts), max(counts))
        return VolumeFacts(
            shape=self._spec.shape,
            dtype=self._spec.dtype,
            content=self._hasher.content(),
            levels=levels,
            value_range=values,
            nonfinite=self._nonfinite,
            counts=counts if self._spec.is_labels else None,
        )


def _tiles(shape: tuple[int, ...], high: int, wide: int) -> Iterator[tuple[slice, slice]]:
    """Yield the parts of a plane that shards cover, to be taken one by one: zarr holds a shard twice."""
    for y in range(0, shape[1], high):
        for x in range(0, shape[2], wide):
            yield slice(y, y + high), slice(x, x + wide)


def _value_counts(planes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the values of integer planes and how often each occurs."""
    if planes.dtype.itemsize == 1 or planes.dtype == np.uint16:
        plain = np.ascontiguousarray(planes).ravel()
        signed = planes.dtype == np.int8
        counts = np.bincount(plain.view(np.uint8) if signed else plain)
        values = np.flatnonzero(counts)
        return (values.astype(np.uint8).view(np.int8) if signed else values), counts[values]
    return np.unique(planes, return_counts=True)


def _create(store: Any, spec: VolumeSpec, level: LevelPlan) -> Any:
    """Create the array of one level; every chunk is written, so that a missing one is a lost one."""
    import zarr

    return zarr.create_array(
        store,
        shape=level.shape,
        dtype=spec.dtype,
        chunks=level.chunks,
        shards=level.shards,
        compressors=_codecs(spec),
        fill_value=0,
        dimension_names=("z", "y", "x"),
        config={"write_empty_chunks": True},
    )


def _codecs(spec: VolumeSpec) -> list[Any]:
    """Return the codecs of a chunk.

    crc32c comes last, so it is checked before anything is decoded: damaged bytes crash blosc otherwise. The
    zstd frame has a checksum of its own for viewers that skip crc32c.
    """
    from zarr.codecs import BloscCodec, Crc32cCodec, ZstdCodec

    if spec.is_labels or spec.dtype.itemsize == 1:
        return [ZstdCodec(level=1, checksum=True), Crc32cCodec()]
    blosc = BloscCodec(typesize=spec.dtype.itemsize, cname="zstd", clevel=1, shuffle="shuffle")
    return [blosc, Crc32cCodec()]
