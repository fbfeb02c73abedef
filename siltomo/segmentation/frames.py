"""What is known of the electrode in a volume, and of the greys across its surfaces."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels.edges import EdgeFit
from siltomo.kernels.electrode import ElectrodeFrame, Side, Surface

__all__ = ["SLAB", "Geometry", "PlaneReader", "Shape"]

PlaneReader = Callable[[int, int], NDArray[Any]]
"""Read planes ``start`` to ``stop`` (excluded), shape (stop - start, y, x)."""
Shape = tuple[int, int, int]

SLAB = 64
"""Planes read at once."""


@dataclass(frozen=True, eq=False)
class Geometry:
    """An electrode's frame in a volume, with what is derived from it."""

    frame: ElectrodeFrame
    shape: Shape
    edges: Mapping[Side, EdgeFit]
    """The blurred step across each surface, where greys were given; surfaces are moved onto it."""

    @property
    def depth_axis(self) -> str:
        """Axis and direction from collector to separator, as a scan declares it: ``+z``."""
        return self.frame.axis_name

    @property
    def normal(self) -> tuple[float, float, float]:
        """Unit vector (z, y, x) along which depth grows, from the collector."""
        normal = np.array(self.frame.datum("collector").normal)
        z, y, x = (float(v) for v in normal / np.linalg.norm(normal))
        return z, y, x

    def says(self) -> dict[str, Any]:
        """Return the geometry as plain values for a table; lengths in um, angles in degrees."""
        frame = self.frame
        said: dict[str, Any] = {
            "depth_axis": self.depth_axis,
            "depth_axis_from": "declared" if frame.declared else "read off the voxels",
        }
        for side in ("collector", "separator"):
            surface = frame.collector if side == "collector" else frame.separator
            if isinstance(surface, str):
                said[side] = surface
                continue
            said[side] = {
                "level": surface.plane.level,
                "tilt": surface.plane.tilt_deg,
                "scatter": surface.plane.scatter,
                "columns_seen": surface.seen,
                "columns_used": surface.plane.used,
                "from": surface.source,
            }
        if isinstance(frame.collector, Surface) and isinstance(frame.separator, Surface):
            said["thickness"] = frame.thickness()
        return said
