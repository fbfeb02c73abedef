"""Find the electrode in a scan: from the labels of a segmentation, or from its greys."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.subjects import sample_of
from siltomo.errors import Amend, BadInputError, NotFoundError
from siltomo.metrics.geometry_measures import Surfaces, electrode_values
from siltomo.model import Scan, ScanOutline, Segmentation, SegmentationOutline
from siltomo.segmentation.geometry import Geometry, geometry_of_greys, geometry_of_labels
from siltomo.segmentation.greys import GreyRange

__all__ = ["grey_geometry", "label_geometry"]


def label_geometry(catalog: Catalog, segmentation: str) -> Geometry:
    """Find the electrode in a segmentation, as its metrics do.

    Raises
    ------
    NotFoundError
        When the catalog has no such segmentation.
    BadInputError
        When its phases name no layer, or the depth axis cannot be told, or no surface is in view; says why.
    """
    labels = catalog.record(Segmentation, segmentation)
    scan = catalog.record(Scan, labels.scan)
    sample = sample_of(ScanOutline.of(scan), SegmentationOutline.of(labels), "")
    if reason := Surfaces.lacks(sample):
        raise BadInputError(reason, where=f"segmentation {segmentation}")
    planes = catalog.store.open_volume(catalog.stored(Segmentation, segmentation))
    values = electrode_values(sample)
    named = {name: sample.values_of(name) for name in ("collector", "separator")}
    return geometry_of_labels(
        lambda a, b: np.asarray(planes[a:b]),
        sample.shape,
        sample.spacing_um,
        {**named, "electrode": values or ()},
        rest_is_electrode=values is None,
        left_out=sample.outside,
        depth_axis=sample.depth_axis,
    )


def grey_geometry(catalog: Catalog, scan: str, layers: Mapping[str, GreyRange]) -> Geometry:
    """Find the electrode in the greys of a scan.

    Raises
    ------
    NotFoundError
        When the catalog has no such scan, or it has no voxels.
    BadInputError
        When no range is given, the depth axis cannot be told, or no surface is in view; says why.
    """
    record = catalog.record(Scan, scan)
    if record.volume is None:
        raise NotFoundError(f"scan {scan!r} is declared without voxels", fix=f"siltomo catalog show {scan}")
    if not layers:
        raise BadInputError(
            "the electrode is found in labels, or in ranges of grey",
            fix=Amend(
                {"--collector": "LOW.."},
                advice="with the least grey of your collector (or --segmentation ID)",
            ),
        )
    greys = catalog.store.open_volume(catalog.stored(Scan, scan))
    return geometry_of_greys(
        lambda a, b: np.asarray(greys[a:b]),
        record.volume.shape,
        record.voxel_size.um,
        layers,
        depth_axis=record.depth_axis or "",
    )
