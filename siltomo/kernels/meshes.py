"""Surface area of a smoothed mesh: the second estimator, best on plane walls."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from siltomo.errors import BadInputError
from siltomo.kernels._volumes import as_voxels
from siltomo.kernels.surfaces import as_edges

SMOOTHED_MESH_HALO = 4
"""Planes of context on either side that make the mesh of a slab that of the volume."""

LEVEL = 0.5
LAYERS = 32


def smoothed_mesh_area(
    mask: ArrayLike,
    spacing: Sequence[float],
    *,
    outside: ArrayLike | None = None,
    before: int = 0,
    after: int = 0,
) -> float:
    """Measure the surface of a mask by marching cubes, after a Gaussian of one voxel has smoothed its steps.

    Areas of slabs that share one plane add up to that of the whole (to the rounding of 32-bit coordinates),
    where each slab is given up to `SMOOTHED_MESH_HALO` planes more on either side, as far as the volume goes.

    Parameters
    ----------
    mask
        Volume of shape (z, y, x); booleans, or integers of which all but 0 are the phase.
    spacing
        Edges (z, y, x) of a voxel, in any unit of length.
    outside
        Boolean mask of the voxels outside of the domain: they count neither as phase nor as background, and
        tiles with such a voxel are left out.
    before, after
        Number of first and last planes that only lend context.

    Returns
    -------
    float
        Area inside the window in the square of the spacing's unit; 0 where there is no surface.

    Raises
    ------
    BadInputError
        The mask is no volume of booleans or integers, a spacing is not positive, the outside has another
        shape, or no plane is left beside the context.

    Notes
    -----
    Exact on plates across an axis from a thickness of two voxels, and within 1 % on oblique planes; plates of
    one voxel vanish. Balls come out low: by 9 %, 3.3 %, 1.3 % and 0.3 % at radii of 5, 8, 12 and 20 voxels. The
    Gaussian has a standard deviation of one voxel along each axis and is cut off at four; at the border of
    the window the last voxel is repeated, so that an oblique wall bends there.

    Examples
    --------
    >>> import numpy as np
    >>> plate = np.zeros((12, 11, 11), dtype=bool)
    >>> plate[4:8] = True
    >>> round(smoothed_mesh_area(plate, (1, 1, 1)), 3)
    200.0
    """
    voxels = as_voxels(mask, "mask")
    edges = as_edges(spacing)
    left_out = None if outside is None else as_voxels(outside, "outside")
    if left_out is not None and left_out.shape != voxels.shape:
        raise BadInputError(f"outside has shape {left_out.shape}, the mask {voxels.shape}")
    stop = voxels.shape[0] - after
    if min(before, after) < 0 or before >= stop:
        raise BadInputError(f"no plane is left of {voxels.shape[0]} with {before} before and {after} after")
    area = 0.0
    for start in range(before, stop - 1, LAYERS):
        end = min(start + LAYERS, stop - 1)
        low, high = max(0, start - SMOOTHED_MESH_HALO), min(len(voxels), end + 1 + SMOOTHED_MESH_HALO)
        nearby = None if left_out is None else left_out[low:high] != 0
        area += _layers_area(voxels[low:high] != 0, nearby, start - low, end + 1 - low, edges)
    return area


def _layers_area(
    phase: NDArray[np.bool_],
    outside: NDArray[np.bool_] | None,
    start: int,
    stop: int,
    edges: tuple[float, float, float],
) -> float:
    """Return the area of the mesh between the planes start and stop - 1."""
    from skimage import measure

    if min(phase.shape[1:]) < 2 or phase.all() or not phase.any():
        return 0.0
    field = _smooth(phase, outside)[start:stop]
    if not field.min() < LEVEL < field.max():
        return 0.0
    marching_cubes: Any = measure.marching_cubes
    vertices, faces, _, _ = marching_cubes(field, LEVEL, allow_degenerate=False)
    corners = vertices.astype(np.float64)[faces]
    if outside is not None:
        corners = corners[~_touches(outside[start:stop], corners.mean(axis=1))]
    corners *= edges
    sides = corners[:, 1:] - corners[:, :1]
    return float(np.linalg.norm(np.cross(sides[:, 0], sides[:, 1]), axis=1).sum() / 2)


def _smooth(phase: NDArray[np.bool_], outside: NDArray[np.bool_] | None) -> NDArray[np.float32]:
    """Average the phase over the domain with the weights of a Gaussian of one voxel."""
    from scipy.ndimage import gaussian_filter

    def blur(values: NDArray[np.bool_]) -> NDArray[np.float32]:
        smooth: NDArray[np.float32] = gaussian_filter(
            values.astype(np.float32), 1.0, mode="nearest", radius=SMOOTHED_MESH_HALO
        )
        return smooth

    if outside is None:
        return blur(phase)
    weights = blur(~outside)
    mean: NDArray[np.float32] = np.divide(
        blur(phase & ~outside), weights, out=np.zeros_like(weights), where=weights > 0
    )
    return mean


def _touches(outside: NDArray[np.bool_], points: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Tell which points lie in a tile with a voxel of the outside."""
    # a face in the far border plane belongs to the last tile: there is none beyond
    last = np.array(outside.shape, np.intp) - 2
    z, y, x = np.minimum(np.floor(points).astype(np.intp), last).T
    touching = np.zeros(len(points), np.bool_)
    for corner in range(8):
        touching |= outside[z + (corner >> 2), y + (corner >> 1 & 1), x + (corner & 1)]
    return touching
