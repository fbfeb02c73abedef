"""What nabu (ESRF) writes beside the voxels of a reconstruction in HDF5: their size, in centimetres."""

from __future__ import annotations

from typing import Any

import h5py
import numpy as np

from siltomo.importers.border import plain_text
from siltomo.importers.hdf5_links import find_dataset
from siltomo.units import Quantity

__all__ = ["nabu_voxel_size"]

PLACE = "configuration/processing_options/reconstruction/voxel_size_cm"


def nabu_voxel_size(
    file: h5py.File, dataset: h5py.Dataset, where: str
) -> tuple[tuple[Quantity, ...] | None, str]:
    """Return the voxel edges along z, y, x in micrometres, and where they stand; None without them.

    The voxels lie at ``<entry>/reconstruction/results/data``, their size at
    ``<entry>/reconstruction/configuration/...``, as one number or along x, y, z.
    """
    above, results, _ = str(dataset.name).rpartition("/results/")
    if not results:
        return None, ""
    found = find_dataset(file, f"{above}/{PLACE}", where)
    if found is None or found.dtype.kind not in "fiu" or found.size not in (1, 3):
        return None, ""
    values: Any = np.atleast_1d(found[()]).astype(float)
    if not np.all(np.isfinite(values)) or np.any(values <= 0):
        return None, ""
    x, y, z = (float(n) for n in (values if values.size == 3 else np.repeat(values, 3)))
    shown = ", ".join(f"{n:.6g}" for n in values)
    sizes = tuple(Quantity.parse({"value": n, "unit": "cm"}).to("um") for n in (z, y, x))
    return sizes, plain_text(f"nabu's voxel_size_cm = {shown} cm", 120)
