"""The surface of the largest connected part of a phase, as triangles for a picture."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.engine.catalog import Catalog
from siltomo.errors import BadInputError, NotFoundError
from siltomo.kernels.components import Connectivity, component_labels
from siltomo.model import Scan, Segmentation

__all__ = ["Mesh", "component_mesh", "labels_with"]

CONNECTIVITY: Connectivity = 26
MOST_VOXELS = 24_000_000
MOST_TRIANGLES = 60_000
_COARSEST = 64
_SMOOTH = 0.7
"""Standard deviation in voxels of the Gaussian that takes the steps off the voxels: for looking, not for measuring."""


@dataclass(frozen=True, eq=False)
class Mesh:
    """A surface for a picture; areas and volumes are measured elsewhere."""

    vertices: NDArray[np.float32]
    """Shape (n, 3): z, y, x in um."""
    faces: NDArray[np.int32]
    """Shape (m, 3): indices of vertices."""
    size_um: tuple[float, float, float]
    """Extent of the scan along z, y, x."""
    scan: str
    segmentation: str
    phase: str
    share: float
    """Share of the phase's voxels that hang together here, at this resolution; 1 where all of it is shown."""
    edge_um: float
    """Edge of the voxels that the surface was made from, in the plane."""


def labels_with(catalog: Catalog, scan: str, phase: str) -> Segmentation:
    """Return the first segmentation of a scan that names a phase.

    Raises
    ------
    NotFoundError
        When there is none.
    """
    for labels in catalog.segmentations_of(scan):
        if labels.variant_of is None and labels.volume is not None and phase in labels.phase_names:
            return labels
    catalog.record(Scan, scan)
    raise NotFoundError(
        f"scan {scan!r} has no segmentation with the phase {phase!r}",
        fix=f"siltomo segment list --scan {scan}",
    )


def component_mesh(
    catalog: Catalog,
    scan: str,
    phase: str = "crack",
    *,
    largest: bool = True,
    most_triangles: int = MOST_TRIANGLES,
    most_voxels: int = MOST_VOXELS,
) -> Mesh:
    """Return the surface of the largest connected part of a phase (26 neighbours), or of all of it.

    Volumes beyond ``most_voxels`` are read from a coarser level of the pyramid; thin bridges may be lost there,
    and ``edge_um`` says which voxels were seen.

    Raises
    ------
    NotFoundError
        When the scan has no segmentation with the phase.
    BadInputError
        When the phase has no voxel.
    """
    labels = labels_with(catalog, scan, phase)
    record = catalog.record(Scan, scan)
    assert labels.volume is not None  # labels_with looks for one
    level = 0
    while math.prod(labels.volume.shape) >> (3 * level) > most_voxels and level + 1 < labels.volume.levels:
        level += 1
    array = catalog.store.open_volume(catalog.stored(Segmentation, labels.id), level=level)
    mask = np.isin(np.asarray(array[:]), labels.values_of(phase))
    if not mask.any():
        raise BadInputError(f"phase {phase!r} has no voxel in scan {scan!r}", fix=f"siltomo view {scan}")
    share = 1.0
    if largest:
        parts = component_labels(mask, CONNECTIVITY)
        sizes = np.bincount(parts.ravel())
        sizes[0] = 0
        mask, share = parts == sizes.argmax(), float(sizes.max() / sizes.sum())
    shape = labels.volume.shape
    edges = [
        edge * full / here for edge, full, here in zip(record.voxel_size.um, shape, mask.shape, strict=True)
    ]
    vertices, faces = _surface(mask, edges, most_triangles)
    return Mesh(
        vertices=vertices,
        faces=faces,
        size_um=tuple(edge * full for edge, full in zip(record.voxel_size.um, shape, strict=True)),  # type: ignore[arg-type]
        scan=scan,
        segmentation=labels.id,
        phase=phase,
        share=share,
        edge_um=edges[2],
    )


def _surface(
    mask: NDArray[np.bool_], edges: list[float], most: int
) -> tuple[NDArray[np.float32], NDArray[np.int32]]:
    """Return marching cubes of the smoothed mask, from coarser cells until there are few enough triangles."""
    from scipy.ndimage import gaussian_filter
    from skimage import measure

    marching_cubes: Any = measure.marching_cubes
    inside = mask[_box(mask)]
    corner = np.array([where.start for where in _box(mask)], float)
    solid = np.pad(inside.astype(np.float32), 2)
    factor = 1
    while True:
        field = gaussian_filter(_coarser(solid, factor), _SMOOTH)
        level = min(0.5, 0.5 * float(field.max()))
        vertices, faces, _, _ = marching_cubes(field, level)
        if len(faces) <= most or factor >= _COARSEST:
            break
        factor += 1
    shift = 0 if factor == 1 else factor
    places = (vertices * factor + (factor - 1) / 2 - 2 - shift + corner + 0.5) * np.array(edges)
    return places.astype(np.float32), faces.astype(np.int32)


def _box(mask: NDArray[np.bool_]) -> tuple[slice, ...]:
    found = [np.flatnonzero(mask.any(axis=tuple(a for a in range(3) if a != axis))) for axis in range(3)]
    return tuple(slice(int(one[0]), int(one[-1]) + 1) for one in found)


def _coarser(solid: NDArray[np.float32], factor: int) -> NDArray[np.float32]:
    """Average cubes of voxels, with a layer of empty cubes around them."""
    if factor == 1:
        return solid
    padded = np.pad(solid, [(factor, -n % factor + factor) for n in solid.shape])
    z, y, x = (n // factor for n in padded.shape)
    mean: NDArray[np.float32] = padded.reshape(z, factor, y, factor, x, factor).mean(
        (1, 3, 5), dtype=np.float32
    )
    return mean
