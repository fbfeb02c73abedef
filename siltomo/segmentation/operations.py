"""What each step does to a block of planes: arrays in, arrays out, with the margin that it needs."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from siltomo.kernels import NoBackgroundError, median_filter, squared_distance, thread_count
from siltomo.segmentation.geometry import Geometry
from siltomo.segmentation.geometry_domains import domain_codes
from siltomo.segmentation.layers import Layers
from siltomo.segmentation.sizes import Spacing, odd_window, voxels_along
from siltomo.segmentation.steps import (
    Background,
    Close,
    Combine,
    Dilate,
    Erode,
    Gaussian,
    Label,
    Mask,
    Match,
    Median,
    Open,
    Rings,
    Select,
    Step,
    Threshold,
)
from siltomo.units import Quantity

__all__ = ["Block", "Fact", "Linear", "Part", "apply", "grey_type", "halo_of", "working_bytes"]

Bools = NDArray[np.bool_]
TRUNCATE = 4.0


@dataclass(frozen=True, eq=False)
class Part:
    """Some planes of what a step gives."""

    values: NDArray[Any]
    """Greys, or classes as uint8 with 0 outside of the domain; shape (planes, y, x)."""
    inside: Bools | None = None
    """For greys: which voxels belong to the domain; all without it."""


@dataclass(frozen=True)
class Linear:
    """Greys are multiplied and moved."""

    gain: float
    offset: float


Fact = Linear | tuple[float, ...] | Geometry
"""What had to be learnt of the whole volume before a step could run: a match, cuts, or surfaces."""


@dataclass(frozen=True)
class Block:
    """What a step may know of the planes it works on."""

    spacing: Spacing
    fact: Fact | None = None
    mask: Bools | None = None
    """Voxels of the other segmentation that a mask names."""
    classes: bool = False
    """Whether the step gives classes."""
    start: int = 0
    """Which plane of the volume is the first of the block."""


def halo_of(step: Step, spacing: Spacing) -> int:
    """Return how many planes on either side a step needs to give exact planes."""
    match step:
        case Median():
            return odd_window(step.size, spacing)[0] // 2
        case Gaussian():
            return _radius(voxels_along(step.sigma, spacing)[0])
        case Erode() | Dilate():
            return _reach(step.radius, spacing)
        case Open() | Close():
            return 2 * _reach(step.radius, spacing)
    return 0


def _radius(sigma: float) -> int:
    return int(TRUNCATE * sigma + 0.5)


def _reach(radius: Quantity, spacing: Spacing) -> int:
    return math.floor(voxels_along(radius, spacing)[0] * (1 + 1e-9))


def grey_type(step: Step, taken: np.dtype[Any]) -> np.dtype[Any]:
    """Return the type of the greys that a step gives."""
    return taken if isinstance(step, (Median, Mask)) else np.dtype(np.float32)


def working_bytes(step: Step, itemsize: int) -> int:
    """Return an upper bound of the bytes per voxel that a step takes beside its inputs, its answer included."""
    match step:
        case Median():
            return 2 * itemsize + 2
        case Gaussian():
            return 16
        case Background() | Rings():
            return 28
        case Erode() | Dilate() | Open() | Close():
            return 40
        case Match() | Threshold():
            return 12
    return 6


def apply(step: Step, taken: list[Part], block: Block) -> Part:
    """Run a step on planes; where planes are needed around them, they are part of what is taken.

    Parameters
    ----------
    step
        The step; one that needs no second look at the whole volume.
    taken
        What it takes, all of one shape.
    block
        What it may know.

    Returns
    -------
    Part
        Of the same shape; its outermost planes are exact only at the ends of the volume.
    """
    return _RUN[type(step)](step, taken, block)


Run = Callable[[Any, list[Part], Block], Part]


def _median(step: Median, taken: list[Part], block: Block) -> Part:
    return Part(median_filter(taken[0].values, odd_window(step.size, block.spacing)), taken[0].inside)


def _gaussian(step: Gaussian, taken: list[Part], block: Block) -> Part:
    values = taken[0].values.astype(np.float32, copy=False)
    for axis, sigma in enumerate(voxels_along(step.sigma, block.spacing)):
        values = _along(
            values,
            axis,
            lambda piece, a=axis, s=sigma: ndimage.gaussian_filter1d(  # type: ignore[misc]
                piece, s, axis=a, mode="reflect", truncate=TRUNCATE
            ),
        )
    return Part(values, taken[0].inside)


def _along(values: NDArray[Any], axis: int, work: Callable[[NDArray[Any]], NDArray[Any]]) -> NDArray[Any]:
    """Filter along one axis, cut into pieces across another, one a thread."""
    threads, across = thread_count(None), 1 if axis == 0 else 0
    pieces = np.array_split(values, min(threads, values.shape[across]), axis=across)
    if len(pieces) < 2:
        return work(values)
    with ThreadPoolExecutor(threads) as pool:
        return np.concatenate(list(pool.map(work, pieces)), axis=across)


def _background(step: Background, taken: list[Part], block: Block) -> Part:
    part = taken[0]
    window = odd_window(step.window, block.spacing)[1:]
    found = part.values.astype(np.float32)
    for z, plane in enumerate(found):
        inside = np.ones(plane.shape, np.float64) if part.inside is None else part.inside[z].astype(float)
        if not inside.any():
            continue
        share = ndimage.uniform_filter(inside, window, mode="reflect")
        local = ndimage.uniform_filter(plane * inside, window, mode="reflect") / np.maximum(share, 1e-9)
        mean = float((plane * inside).sum() / inside.sum())
        found[z] = np.where(inside > 0, plane - local + mean, plane)
    return Part(found, part.inside)


def _rings(step: Rings, taken: list[Part], block: Block) -> Part:
    part = taken[0]
    height, width = part.values.shape[1:]
    y, x = step.centre or ((height - 1) / 2, (width - 1) / 2)
    radius = np.rint(np.hypot(np.arange(height)[:, None] - y, np.arange(width)[None, :] - x)).astype(np.intp)
    size = odd_window(step.width, block.spacing)[2]
    found = part.values.astype(np.float32)
    for z, plane in enumerate(found):
        inside = None if part.inside is None else part.inside[z].ravel()
        weights = np.ones(plane.size) if inside is None else inside.astype(float)
        count = np.bincount(radius.ravel(), weights)
        total = np.bincount(radius.ravel(), weights * plane.ravel())
        radial = total / np.maximum(count, 1e-9)
        wide = ndimage.median_filter(radial, size, mode="nearest")
        # radii with few voxels are noise, not rings
        ring = np.where(count >= 8, radial - wide, 0.0).astype(np.float32)
        found[z] = plane - ring[radius]
    return Part(found, part.inside)


def _match(step: Match, taken: list[Part], block: Block) -> Part:  # noqa: ARG001
    fact = cast(Linear, block.fact)
    values = taken[0].values.astype(np.float32) * np.float32(fact.gain) + np.float32(fact.offset)
    return Part(values, taken[0].inside)


def _threshold(step: Threshold, taken: list[Part], block: Block) -> Part:
    cuts = np.array(step.values or cast(tuple[float, ...], block.fact), np.float64)
    values = taken[0].values
    codes = np.ones(values.shape, np.uint8)
    for cut in cuts:
        codes += _reaches(values, float(cut))
    if taken[0].inside is not None:
        codes[~taken[0].inside] = 0
    return Part(codes)


def _reaches(values: NDArray[Any], cut: float) -> Bools:
    """Return which greys are at or above a cut; integers are compared as integers, which is fast."""
    if values.dtype.kind == "f":
        return np.asarray(values >= cut)
    info, whole = np.iinfo(values.dtype), math.ceil(cut)
    if not info.min < whole <= info.max:
        return np.full(values.shape, whole <= info.min)
    return np.asarray(values >= values.dtype.type(whole))


def _mask(step: Mask, taken: list[Part], block: Block) -> Part:
    part = taken[0]
    stays = _stays(step, taken, block)
    if block.classes:
        return Part(np.where(stays, part.values, np.uint8(0)))
    return Part(part.values, stays if part.inside is None else stays & part.inside)


def _stays(step: Mask, taken: list[Part], block: Block) -> Bools:
    values = taken[0].values
    if step.inside:
        return np.asarray(taken[1].values == 1)
    if step.segmentation:
        return cast(Bools, block.mask)
    if step.not_values:
        return ~np.isin(values, np.array(step.not_values))
    assert step.cylinder is not None
    height, width = values.shape[1:]
    radius = step.cylinder.value * min(height, width) / 2
    from_y, from_x = np.arange(height) - (height - 1) / 2, np.arange(width) - (width - 1) / 2
    circle = from_y[:, None] ** 2 + from_x[None, :] ** 2 <= radius**2
    return np.broadcast_to(circle, values.shape).copy()


def _select(step: Select, taken: list[Part], block: Block) -> Part:  # noqa: ARG001
    table = np.full(256, 2, np.uint8)
    table[list(step.classes)] = 1
    table[0] = 0
    return Part(table[taken[0].values])


def _erode(step: Erode, taken: list[Part], block: Block) -> Part:
    return Part(_near(taken[0].values, 2, step.radius, block.spacing))


def _dilate(step: Dilate, taken: list[Part], block: Block) -> Part:
    return Part(_near(taken[0].values, 1, step.radius, block.spacing))


def _open(step: Open, taken: list[Part], block: Block) -> Part:
    eroded = _near(taken[0].values, 2, step.radius, block.spacing)
    return Part(_near(eroded, 1, step.radius, block.spacing))


def _close(step: Close, taken: list[Part], block: Block) -> Part:
    dilated = _near(taken[0].values, 1, step.radius, block.spacing)
    return Part(_near(dilated, 2, step.radius, block.spacing))


def _near(codes: NDArray[np.uint8], growing: int, radius: Quantity, spacing: Spacing) -> NDArray[np.uint8]:
    """Let one side of a selection grow by a ball; what is outside takes no part and is no edge."""
    edges = (1.0, 1.0, 1.0) if radius.unit == "voxel" else spacing
    found = codes.copy()
    other = codes == 3 - growing
    try:
        squared = squared_distance(other, edges, outside=codes == 0)
    except NoBackgroundError:  # nothing in reach that could grow
        return found
    found[other & (squared <= radius.value**2 * (1 + 1e-9))] = growing
    return found


def _layers(step: Layers, taken: list[Part], block: Block) -> Part:
    part = taken[0]
    codes = domain_codes(
        cast(Geometry, block.fact),
        block.start,
        block.start + len(part.values),
        follow=step.follow,
        bridge=0.0 if step.bridge is None else step.bridge.value,
    )
    outside = part.values == 0 if not step.by_greys else None if part.inside is None else ~part.inside
    if outside is not None:
        codes[outside] = 0
    return Part(codes)


def _label(step: Label, taken: list[Part], block: Block) -> Part:  # noqa: ARG001
    return taken[0]


def _combine(step: Combine, taken: list[Part], block: Block) -> Part:  # noqa: ARG001
    first = taken[0].values
    found = np.full(first.shape, len(step.phases) + 1 if step.rest else 0, np.uint8)
    outside = np.ones(first.shape, np.bool_)
    for value, part in reversed(list(enumerate(taken, 1))):
        found[part.values == 1] = value
        outside &= part.values == 0
    found[outside] = 0
    return Part(found)


_RUN: Mapping[type[Step], Run] = {
    Median: _median,
    Gaussian: _gaussian,
    Background: _background,
    Rings: _rings,
    Match: _match,
    Threshold: _threshold,
    Mask: _mask,
    Select: _select,
    Erode: _erode,
    Dilate: _dilate,
    Open: _open,
    Close: _close,
    Layers: _layers,
    Label: _label,
    Combine: _combine,
}
