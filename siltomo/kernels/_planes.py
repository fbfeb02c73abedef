"""Planes of a volume, read when they are needed and each of them once."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._grid import Lattice, Mask, as_mask, as_outside
from siltomo.kernels._local_thickness import Window

Planes = Callable[[int, int], NDArray[np.bool_] | tuple[NDArray[np.bool_], NDArray[np.bool_]]]
"""Reads planes ``[start, stop)``: the phase mask, or that and the mask of voxels beyond the window."""


class PlanesInMemory:
    """The planes ``[low, high)`` of a volume that are in memory."""

    def __init__(self, planes: Planes, depth: int, start: int) -> None:
        self.planes = planes
        self.depth = depth
        self.low = self.high = start
        self.parts: list[tuple[Mask, Mask | None]] = []

    @property
    def phase(self) -> Mask:
        return self._joined()[0]

    def window(self, grid: Lattice) -> Window:
        return Window(*self._joined(), grid)

    def cover(self, low: int, high: int) -> None:
        """Read the planes of ``[low, high)`` that are missing."""
        if low < self.low:
            self.parts.insert(0, self._read(low, self.low))
            self.low = low
        if high > self.high:
            self.parts.append(self._read(self.high, high))
            self.high = high

    def keep(self, low: int) -> None:
        """Forget the planes before ``low``."""
        if low > self.low and self.parts:
            phase, beyond = self._joined()
            gone = min(low, self.high) - self.low
            # Copies, so that the planes before can be freed.
            self.parts = [(phase[gone:].copy(), None if beyond is None else beyond[gone:].copy())]
            self.low += gone

    def _joined(self) -> tuple[Mask, Mask | None]:
        if len(self.parts) > 1:
            phases = [phase for phase, _ in self.parts]
            beyond = None
            if any(part is not None for _, part in self.parts):
                filled = [
                    np.zeros(phase.shape, np.bool_) if part is None else part for phase, part in self.parts
                ]
                beyond = np.concatenate(filled)
            self.parts = [(np.concatenate(phases), beyond)]
        return self.parts[0]

    def _read(self, start: int, stop: int) -> tuple[Mask, Mask | None]:
        answer = self.planes(start, stop)
        phase, beyond = answer if isinstance(answer, tuple) else (answer, None)
        phase = as_mask(phase, f"planes({start}, {stop})")
        if phase.shape[0] != stop - start:
            raise BadInputError(f"planes({start}, {stop}) returned {phase.shape[0]} planes")
        return phase, as_outside(beyond, phase)
