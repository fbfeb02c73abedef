"""Domains of a scan: which voxels are collector, electrode and separator, from the electrode's surfaces."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels.electrode import FrameError, Surface
from siltomo.segmentation.geometry import Geometry

__all__ = ["COLLECTOR_SIDE", "ELECTRODE_DOMAIN", "SEPARATOR_SIDE", "domain_codes"]

COLLECTOR_SIDE, ELECTRODE_DOMAIN, SEPARATOR_SIDE = 1, 2, 3
"""Codes of `domain_codes`."""

_WEIGHT = 1e-3
"""Share of seen columns about one that is enough to carry a height over to it."""


def domain_codes(
    geometry: Geometry,
    start: int,
    stop: int,
    *,
    follow: Literal["plane", "surface"] = "plane",
    bridge: float = 0.0,
) -> NDArray[np.uint8]:
    """Return to which domain each voxel of some planes belongs.

    Parameters
    ----------
    geometry
        Where the surfaces are.
    start, stop
        The planes.
    follow
        Whether the domains end at the fitted planes, or at the surfaces as they are seen.
    bridge
        With ``surface``: the height map is smoothed over this length (um), and carried over cracks.

    Returns
    -------
    numpy.ndarray
        uint8 codes of shape (stop - start, y, x): `COLLECTOR_SIDE`, `ELECTRODE_DOMAIN`, `SEPARATOR_SIDE`. Without
        one of the surfaces, what lies beyond it cannot be told from the electrode, and is.

    Raises
    ------
    FrameError
        Neither surface is in view, or it cannot be told which side the collector is on.
    """
    frame = geometry.frame
    if frame.upwards == 0:
        raise FrameError(
            "which side the collector is on cannot be told; declare the depth axis with its direction"
        )
    index = np.arange(start, stop) if frame.axis == 0 else np.arange(geometry.shape[frame.axis])
    along = np.expand_dims(index * frame.spacing[frame.axis], [n for n in range(3) if n != frame.axis])
    codes = np.full((stop - start, *geometry.shape[1:]), ELECTRODE_DOMAIN, np.uint8)
    for code, side in ((COLLECTOR_SIDE, frame.collector), (SEPARATOR_SIDE, frame.separator)):
        if isinstance(side, str):
            continue
        heights = _heights(side, follow, bridge)
        here = np.expand_dims(heights if frame.axis == 0 else heights[start:stop], frame.axis)
        beyond = (along < here) == ((code == COLLECTOR_SIDE) == (frame.upwards > 0))
        codes[np.broadcast_to(beyond, codes.shape)] = code
    return codes


def _heights(surface: Surface, follow: str, bridge: float) -> NDArray[np.float64]:
    """Return the height of a surface in each column: of its plane, or as seen and carried over gaps."""
    from scipy.ndimage import gaussian_filter

    shape = surface.heights.shape
    plane = surface.plane.heights((shape[0], shape[1]))
    if follow == "plane":
        return plane
    near = surface.plane.inliers(surface.heights)
    away = np.where(near, surface.heights - plane, 0.0)
    sigmas = [max(bridge / 2, step / 2) / step for step in surface.plane.steps]
    weight = gaussian_filter(near.astype(np.float64), sigmas, mode="constant")
    smooth = gaussian_filter(away, sigmas, mode="constant") / np.maximum(weight, _WEIGHT)
    smooth *= np.minimum(weight / _WEIGHT, 1.0)
    if bridge > 0:
        return np.asarray(plane + smooth)
    return np.asarray(plane + np.where(near, away, smooth))
