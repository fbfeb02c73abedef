"""Islets: pieces of solid between cracks, in plane sections of an electrode."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["BEYOND", "CRACK", "SOLID", "UNSEEN", "Islets", "find_islets", "join_islets"]

UNSEEN, SOLID, CRACK, BEYOND = 0, 1, 2, 3
"""What a pixel of a section is; beyond: in the section's plane, and no electrode."""

BRIDGE = 0.9
"""Islets whose bridge is narrower than this share of the smaller one's greatest width are two."""

Floats = NDArray[np.float64]
Codes = NDArray[np.uint8]


@dataclass(frozen=True, eq=False)
class Islets:
    """The islets of some sections."""

    areas: Floats
    """Area of each islet that lies inside, in the unit of the steps squared."""
    weights: Floats
    """How many islets of that extent each stands for: large ones lie inside the window more seldom."""
    places: Floats
    """Middle of the rectangle about each one, in shares of the section's rows and columns; shape (n, 2)."""
    cut: int
    """Islets that the window or the end of the electrode cuts."""
    cut_area: float
    """Their area."""
    specks_area: float
    """Area of pieces too small to count."""
    crack_border: float
    """Length of the islets' borders that is crack; each islet's own side is counted half."""
    bridges: float
    """Length of the borders across solid, between islets."""
    solid_length: float
    """Length of solid along rows and columns together."""
    chords: int
    """Pieces of solid along rows and columns that begin at a crack."""

    @property
    def sizes(self) -> Floats:
        """Edge of the square with each islet's area."""
        return np.sqrt(self.areas)

    @property
    def open_share(self) -> float:
        """Share of the borders between islets that is crack; nan without borders."""
        whole = self.crack_border + self.bridges
        return self.crack_border / whole if whole else float("nan")

    @property
    def chord(self) -> float:
        """Mean length of solid from crack to crack, along rows and columns; nan without a crack."""
        return self.solid_length / self.chords if self.chords else float("nan")


def find_islets(
    section: Codes, steps: tuple[float, float], *, least_crack: float = 0.0, least_size: float = 0.0
) -> Islets:
    """Split the solid of a section into islets.

    Parameters
    ----------
    section
        What each pixel is (`SOLID`, `CRACK`, `BEYOND` or `UNSEEN`), shape (rows, columns).
    steps
        Distance from row to row and from column to column.
    least_crack
        Cracks narrower than this part no islets.
    least_size
        Pieces with a smaller edge (root of the area) are specks.

    Notes
    -----
    Watershed on the distance to the cracks. Basins whose bridge is at least `BRIDGE` of the smaller one's
    greatest width are one islet; narrower bridges are taken for cracks that are not open throughout. Islets on
    the window's border are left out, and each of the others counts with the inverse of the chance to lie inside
    (Miles and Lantuejoul): (U - u)(V - v) for a window U x V and an islet u x v.

    Examples
    --------
    >>> import numpy as np
    >>> section = np.full((41, 41), SOLID, np.uint8)
    >>> section[::10] = section[:, ::10] = CRACK
    >>> find_islets(section, (1.0, 1.0)).sizes
    array([9., 9., 9., 9., 9., 9., 9., 9., 9., 9., 9., 9., 9., 9., 9., 9.])
    """
    from scipy import ndimage

    crack = section == CRACK
    if least_crack > 0:
        crack = _opened(crack, steps, least_crack)
    solid = (section == SOLID) | ((section == CRACK) & ~crack)
    lengths, chords = _chords(solid, crack, steps)
    if not crack.any() or not solid.any():
        area = float(solid.sum()) * steps[0] * steps[1]
        nothing = np.zeros(0)
        return Islets(nothing, nothing, np.zeros((0, 2)), int(area > 0), area, 0.0, 0.0, 0.0, lengths, chords)
    distance = ndimage.distance_transform_edt(~crack, sampling=steps)
    labels = _basins(np.asarray(distance), solid)
    count = int(labels.max())
    areas = np.bincount(labels.ravel(), minlength=count + 1)[1:] * (steps[0] * steps[1])
    cut = np.zeros(count + 1, np.bool_)
    cut[labels[_borders(section)]] = True
    specks = (np.sqrt(areas) < least_size) & ~cut[1:]
    inside = ~cut[1:] & ~specks
    boxes = ndimage.find_objects(labels)
    extents = [boxes[n] for n in np.nonzero(inside)[0]]
    weights = np.array([_weight(box, labels.shape) for box in extents])
    middles = np.array([[(side.start + side.stop) / 2 for side in box] for box in extents]).reshape(-1, 2)
    crack_border, bridges = _border_lengths(labels, crack, steps)
    return Islets(
        areas[inside],
        weights,
        middles / labels.shape,
        int(cut[1:].sum()),
        float(areas[cut[1:]].sum()),
        float(areas[specks].sum()),
        crack_border,
        bridges,
        lengths,
        chords,
    )


def join_islets(parts: Sequence[Islets]) -> Islets:
    """Return the islets of several sections together."""
    return Islets(
        np.concatenate([p.areas for p in parts]),
        np.concatenate([p.weights for p in parts]),
        np.concatenate([p.places for p in parts]),
        sum(p.cut for p in parts),
        sum(p.cut_area for p in parts),
        sum(p.specks_area for p in parts),
        sum(p.crack_border for p in parts),
        sum(p.bridges for p in parts),
        sum(p.solid_length for p in parts),
        sum(p.chords for p in parts),
    )


def _opened(crack: NDArray[np.bool_], steps: tuple[float, float], width: float) -> NDArray[np.bool_]:
    """Return the parts of the cracks that hold a disc of that diameter."""
    from scipy import ndimage

    radius = width / 2
    if crack.all() or not crack.any():
        return crack
    centres = ndimage.distance_transform_edt(crack, sampling=steps) >= radius
    if not centres.any():
        return np.zeros_like(crack)
    return np.asarray(ndimage.distance_transform_edt(~centres, sampling=steps) < radius) & crack


def _basins(distance: Floats, solid: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the islet of each solid pixel, from 1 on; 0 elsewhere."""
    from scipy import ndimage
    from skimage.segmentation import watershed

    peaks = (ndimage.maximum_filter(distance, 3) == distance) & solid
    markers = ndimage.label(peaks, np.ones((3, 3)))[0]
    split: Any = watershed
    basins = np.asarray(split(-distance, markers, mask=solid), np.int64)
    count = int(basins.max())
    tops = np.zeros(count + 1)
    np.maximum.at(tops, basins.ravel(), np.where(solid, distance, 0).ravel())
    parents = np.arange(count + 1)

    def root(one: int) -> int:
        while parents[one] != one:
            parents[one] = parents[parents[one]]
            one = int(parents[one])
        return one

    for height, one, other in _saddles(basins, distance):
        a, b = root(one), root(other)
        if a != b and height >= BRIDGE * min(tops[a], tops[b]):
            low, high = (a, b) if tops[a] < tops[b] else (b, a)
            parents[low] = high
    roots = np.array([root(n) for n in range(count + 1)])
    return np.unique(roots, return_inverse=True)[1].reshape(-1)[basins]


def _saddles(basins: NDArray[np.int64], distance: Floats) -> list[tuple[float, int, int]]:
    """List the highest bridge between neighbouring basins, from the highest down."""
    found = []
    for axis in (0, 1):
        one, other = _pairs(basins, axis)
        height = np.minimum(*_pairs(distance, axis))
        border = (one != other) & (one > 0) & (other > 0)
        low, high = np.minimum(one, other)[border], np.maximum(one, other)[border]
        found.append(np.stack([height[border], low, high]))
    heights, low, high = np.concatenate(found, axis=1)
    order = np.argsort(-heights, kind="stable")
    best: dict[tuple[int, int], float] = {}
    for n in order:
        best.setdefault((int(low[n]), int(high[n])), float(heights[n]))
    return [(height, a, b) for (a, b), height in best.items()]


def _pairs(array: NDArray[Any], axis: int) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return each pixel with the next one along an axis."""
    return (array[:-1], array[1:]) if axis == 0 else (array[:, :-1], array[:, 1:])


def _borders(section: Codes) -> NDArray[np.bool_]:
    """Return the pixels at the window's border, or beside what is beyond or unseen."""
    from scipy import ndimage

    seen = (section == SOLID) | (section == CRACK)
    return np.asarray(seen & ~ndimage.binary_erosion(seen, np.ones((3, 3)), border_value=0))


def _weight(box: tuple[slice, slice], shape: tuple[int, ...]) -> float:
    """Return the inverse of the chance that an islet of that extent lies inside the window."""
    rows, columns = (n - (side.stop - side.start) for n, side in zip(shape, box, strict=True))
    return float(shape[0] * shape[1] / (rows * columns))


def _border_lengths(
    labels: NDArray[np.int64], crack: NDArray[np.bool_], steps: tuple[float, float]
) -> tuple[float, float]:
    """Return the length of the islets' borders along cracks, and across bridges of solid."""
    open_, closed = 0.0, 0.0
    for axis in (0, 1):
        one, other = _pairs(labels, axis)
        crack_one, crack_other = _pairs(crack, axis)
        edge = steps[1 - axis]
        open_ += edge / 2 * float((((one > 0) & crack_other) | ((other > 0) & crack_one)).sum())
        closed += edge * float(((one != other) & (one > 0) & (other > 0)).sum())
    return open_, closed


def _chords(
    solid: NDArray[np.bool_], crack: NDArray[np.bool_], steps: tuple[float, float]
) -> tuple[float, int]:
    """Return the length of solid along both axes, and in how many pieces cracks cut it."""
    length, pieces = 0.0, 0
    for axis in (0, 1):
        length += float(solid.sum()) * steps[axis]
        before, after = _pairs(crack, axis)[0], _pairs(solid, axis)[1]
        pieces += int((before & after).sum())
    return length, pieces
