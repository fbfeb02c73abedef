"""What the counting kernels share: checked input, and slabs of planes spread over bounded threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siltomo.errors import BadInputError

Partial = TypeVar("Partial")

Phase = int | tuple[int, ...]
"""A phase in integer labels: one label value, or several for their union."""


def as_voxels(array: ArrayLike, name: str) -> NDArray[Any]:
    """Return a volume of integers as a read-only array in native byte order, its rows contiguous.

    Booleans become 0 and 1 without a copy; only reversed or strided rows and foreign bytes are copied.
    """
    volume = np.asarray(array)
    if volume.ndim != 3:
        raise BadInputError(
            f"{name}: expected a volume of shape (z, y, x), got shape {volume.shape}",
            fix="give one plane as array[np.newaxis]" if volume.ndim == 2 else "",
        )
    if volume.dtype == np.bool_:
        volume = volume.view(np.uint8)
    if volume.dtype.kind not in "iu":
        raise BadInputError(
            f"{name}: expected booleans or integers, got {volume.dtype}",
            fix="compare the volume with a threshold or cast its labels to integers",
        )
    return _readable(volume)


def _readable(volume: NDArray[Any]) -> NDArray[Any]:
    if not volume.dtype.isnative:
        volume = volume.astype(volume.dtype.newbyteorder("="))
    if volume.shape[2] > 1 and volume.strides[2] != volume.itemsize:
        volume = np.ascontiguousarray(volume)
    # Always read-only: the kernels never write, and numba compiles one version in place of two.
    volume = volume.view()
    volume.flags.writeable = False
    return volume


def as_label_values(values: Phase, dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Return the label values of a phase in the dtype of the labels; refuse what that cannot hold."""
    group = values if isinstance(values, tuple) else (values,)
    info = np.iinfo(dtype)
    for value in group:
        if not isinstance(value, int | np.integer) or isinstance(value, bool):
            raise BadInputError(f"{name}: {value!r} is no integer label value")
        if not info.min <= value <= info.max:
            raise BadInputError(
                f"{name}: label {value} cannot occur in {dtype} labels ({info.min} to {info.max})"
            )
    return np.unique(np.array(group, dtype=dtype))


def as_phases(
    values: Sequence[Phase], dtype: np.dtype[Any], *more: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Lay the label values of all phases end to end, and tell where each phase starts."""
    phases = [*(as_label_values(value, dtype, "values") for value in values), *more]
    first = np.cumsum([0, *(phase.size for phase in phases)], dtype=np.int64)
    return np.concatenate([np.zeros(0, dtype), *phases]), first


def as_bins(
    bins: ArrayLike | None, n_bins: int | None, shape: tuple[int, ...]
) -> tuple[NDArray[np.int32], int]:
    """Check bins and spread them over a shape without a copy; also return how many there are."""
    if bins is None:
        if n_bins is not None:
            raise BadInputError(f"n_bins = {n_bins} was given without bins")
        return np.broadcast_to(np.zeros((1, 1, 1), np.int32), shape), 1
    if n_bins is None or n_bins < 1:
        raise BadInputError(f"n_bins must be at least 1 where bins are given, got {n_bins}")
    given = np.asarray(bins)
    if given.dtype.kind not in "iu":
        raise BadInputError(f"bins: expected integers, got {given.dtype}")
    if given.size and int(given.max()) >= n_bins:
        raise BadInputError(f"bins: the largest is {int(given.max())}, beyond n_bins = {n_bins}")
    try:
        return np.broadcast_to(np.maximum(given, -1).astype(np.int32), shape), n_bins
    except ValueError:
        raise BadInputError(
            f"bins of shape {given.shape} do not broadcast to {shape}",
            fix="give a bin per layer as layer_bins[:, None, None]",
        ) from None


def thread_count(threads: int | None) -> int:
    """Return how many threads to use: as asked, else ``SILTOMO_THREADS``, else one per available core."""
    if threads is None:
        given = os.environ.get("SILTOMO_THREADS", "").strip()
        if not given:
            return available_cores()
        if not given.isdigit() or int(given) < 1:
            raise BadInputError(
                f"SILTOMO_THREADS is {given!r}, not a positive whole number",
                fix="unset SILTOMO_THREADS or set it to the number of threads, such as 4",
            )
        return min(int(given), available_cores())
    if threads < 1:
        raise BadInputError(f"threads must be at least 1, got {threads}")
    return threads


def available_cores() -> int:
    """Count the cores that this process may run on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def map_slabs(
    measure: Callable[[int, int], Partial], layers: int, threads: int | None, *, thickest: int | None = None
) -> list[Partial]:
    """Measure the layers in slabs ``[start, stop)``, in order, on bounded threads."""
    workers = thread_count(threads)
    parts = max(1, min(workers, layers))
    if thickest is not None:
        parts = max(parts, -(-layers // max(1, thickest)))
    edges = [layers * i // parts for i in range(parts + 1)]
    slabs = list(pairwise(edges))
    if workers == 1 or parts == 1:
        return [measure(start, stop) for start, stop in slabs]
    with ThreadPoolExecutor(min(workers, parts)) as pool:
        return list(pool.map(lambda slab: measure(*slab), slabs))
