"""What the counting kernels share: checked input, and slabs of planes spread over bounded threads."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._workers import over, ranges, thread_count

Partial = TypeVar("Partial")

Phase = int | tuple[int, ...]
"""A phase in integer labels: one label value, or several for their union."""


def as_voxels(array: ArrayLike, name: str) -> NDArray[Any]:
    """Return a volume of integers in native byte order, its rows contiguous.

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
    return volume


def as_unsigned(array: NDArray[Any]) -> NDArray[Any]:
    """Return a read-only view as unsigned integers of the same width.

    Equality is all that the kernels ask of a voxel, and they never write: so numba compiles one version for
    each width, not four.
    """
    view = array.view(np.dtype(f"u{array.itemsize}"))
    view.flags.writeable = False
    return view


def as_label_values(values: Phase, dtype: np.dtype[Any], name: str) -> NDArray[Any]:
    """Return the label values of a phase as the labels hold them, seen as unsigned; refuse others."""
    group = values if isinstance(values, tuple) else (values,)
    info = np.iinfo(dtype)
    for value in group:
        if not isinstance(value, int | np.integer) or isinstance(value, bool):
            raise BadInputError(f"{name}: {value!r} is no integer label value")
        if not info.min <= value <= info.max:
            raise BadInputError(
                f"{name}: label {value} cannot occur in {dtype} labels ({info.min} to {info.max})"
            )
    return as_unsigned(np.unique(np.array(group, dtype=dtype)))


def as_phases(
    values: Sequence[Phase], dtype: np.dtype[Any], *more: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[np.int64]]:
    """Lay the label values of all phases end to end, and tell where each phase starts."""
    phases = [*(as_label_values(value, dtype, "values") for value in values), *more]
    first = np.cumsum([0, *(phase.size for phase in phases)], dtype=np.int64)
    return np.concatenate([as_unsigned(np.zeros(0, dtype)), *phases]), first


def as_bins(
    bins: ArrayLike | None, bin_count: int | None, shape: tuple[int, ...]
) -> tuple[NDArray[np.int32], int]:
    """Check bins and spread them over a shape without a copy; also return how many there are."""
    if bins is None:
        if bin_count is not None:
            raise BadInputError("bin_count is given without bins")
        return np.broadcast_to(np.zeros((1, 1, 1), np.int32), shape), 1
    given = np.asarray(bins)
    if given.dtype.kind not in "iu":
        raise BadInputError(f"bins: expected integers, got {given.dtype}")
    if bin_count is None or bin_count < 1:
        raise BadInputError(f"bins need a bin_count of at least 1, got {bin_count}")
    if given.size and int(given.max()) >= bin_count:
        raise BadInputError(f"bins: {int(given.max())} is not below bin_count {bin_count}")
    if given.ndim == 1:
        given = given[:, np.newaxis, np.newaxis]
    try:
        return np.broadcast_to(np.maximum(given, -1).astype(np.int32), shape), bin_count
    except ValueError:
        raise BadInputError(
            f"bins of shape {np.shape(bins)} are neither one a layer nor do they broadcast to {shape}"
        ) from None


def map_slabs(work: Callable[[int, int], Partial], layers: int, threads: int | None) -> list[Partial]:
    """Call ``work(start, stop)`` for one slab of layers a thread, in order; once where there are no layers."""
    count = thread_count(threads)
    cuts = ranges(0, layers, -(-layers // count)) if layers else [(0, 0)]
    return over(lambda cut: work(*cut), cuts, count)
