"""When a slab of planes decides the local thickness of its core planes.

A slab is computed from its core planes and a halo on either side. The halo is enough when a certificate holds
that is read off the distances in the slab itself. Let ``d(p)`` be the distance of a point to the nearest
background voxel of the volume, and ``d_s(p)`` to that of the slab alone, so that ``d_s >= d``. Lengths are in
steps, ``w`` are the weights of the axes, and what is said of the lower end holds for the upper one.

1. *Seen centres are right, or do not matter.* The background that is not seen is at least
   ``sqrt(wz) * (z + 1)`` away from the plane that is ``z`` planes into the slab. A centre with ``d_s`` up to
   that has ``d_s = d``. Any other must be too far from the core to reach it with ``d_s``, hence with ``d``. A
   ball that is dropped because a neighbour's contains it loses nothing: if it reaches the core, so does the
   neighbour's, which then is right.
2. *Centres that are not seen do not matter.* Let ``c``, before the first plane of the slab, reach the voxel
   ``x`` of the core: ``|x - c| <= d(c)``. The segment from ``c`` to ``x`` crosses the first plane in a point
   ``p``. As ``d`` changes by at most the way walked,
   ``|x - p| = |x - c| - |c - p| <= d(c) - |c - p| <= d(p)``. The voxel ``q`` of that plane nearest to ``p``
   is at most ``m / 2`` away, ``m = sqrt(wy + wx)``; so ``|x - q| <= d(p) + m / 2 <= d(q) + m <= d_s(q) + m``.
   There is no such ``c`` if the largest ``d_s`` of the first plane plus ``m`` is less than the distance of
   that plane to the core.

Both can be told from the largest squared distance of each plane. Both hold once the halo is longer than the
largest thickness plus ``m``: ``d_s`` is ``d`` where the end of the slab is more than the largest radius away,
and from there towards the end it grows by at most the way, so that it never bridges the rest of the halo.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True)
class Cut:
    """Where the slab ``[low, high)`` of a volume of ``depth`` planes ends within the volume."""

    low: int
    high: int
    depth: int

    def gaps(self, start: int, stop: int) -> NDArray[np.int64]:
        """Return how many planes each plane of the slab is away from the core."""
        planes = np.arange(self.low, self.high)
        return np.maximum(0, np.maximum(start - planes, planes - stop + 1))

    def unseen(self) -> NDArray[np.int64]:
        """Return how many planes each plane of the slab is away from the nearest unseen one."""
        planes = np.arange(self.low, self.high)
        never = np.full(planes.size, 2**31 - 1)
        before = planes - self.low + 1 if self.low > 0 else never
        after = self.high - planes if self.high < self.depth else never
        return np.minimum(before, after)


def is_certified(
    tops: NDArray[np.int64], cut: Cut, start: int, stop: int, weights: tuple[int, int, int]
) -> bool:
    """Tell whether the slab decides the thickness of its core planes (proof: see the module)."""
    wz, wy, wx = weights
    margin = wy + wx
    for top, gap, unseen in zip(map(int, tops), cut.gaps(start, stop), cut.unseen(), strict=True):
        if top > wz * int(unseen) ** 2 and top >= wz * int(gap) ** 2:
            return False
        if unseen == 1:
            rest = wz * int(gap) ** 2 - top - margin
            if rest <= 0 or rest * rest <= 4 * top * margin:
                return False
    return True
