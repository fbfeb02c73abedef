"""Exact measurements on arrays: counts, surfaces, distances, thickness, components."""

from siltomo.kernels._workers import thread_count
from siltomo.kernels.component_slabs import Components, SlabComponents
from siltomo.kernels.components import component_bytes, component_labels, component_sizes, label_slab
from siltomo.kernels.configurations import configuration_histogram, label_configurations
from siltomo.kernels.counts import label_counts
from siltomo.kernels.depths import DatumPlane, depth_bins
from siltomo.kernels.distance import NoBackgroundError, squared_distance
from siltomo.kernels.filters import median_filter
from siltomo.kernels.greys import GreyHistogram, grey_histogram
from siltomo.kernels.meshes import SMOOTHED_MESH_HALO, smoothed_mesh_area
from siltomo.kernels.sampling import CellCounts, Lattice, cell_configurations
from siltomo.kernels.surfaces import (
    euler_number,
    interface_area,
    mean_breadth,
    phase_volume,
    surface_area,
    window_volume,
)
from siltomo.kernels.thickness import local_thickness, thickness_counts
from siltomo.kernels.thickness_cells import ThicknessCells
from siltomo.kernels.thickness_distribution import ThicknessCounts
from siltomo.kernels.thickness_slabs import (
    HaloTooLargeError,
    slab_bytes,
    slab_thickness_counts,
    stream_thickness_counts,
)

__all__ = [
    "SMOOTHED_MESH_HALO",
    "CellCounts",
    "Components",
    "DatumPlane",
    "GreyHistogram",
    "HaloTooLargeError",
    "Lattice",
    "NoBackgroundError",
    "SlabComponents",
    "ThicknessCells",
    "ThicknessCounts",
    "cell_configurations",
    "component_bytes",
    "component_labels",
    "component_sizes",
    "configuration_histogram",
    "depth_bins",
    "euler_number",
    "grey_histogram",
    "interface_area",
    "label_configurations",
    "label_counts",
    "label_slab",
    "local_thickness",
    "mean_breadth",
    "median_filter",
    "phase_volume",
    "slab_bytes",
    "slab_thickness_counts",
    "smoothed_mesh_area",
    "squared_distance",
    "stream_thickness_counts",
    "surface_area",
    "thickness_counts",
    "thread_count",
    "window_volume",
]
