"""The OME-Zarr 0.5 metadata that viewers read: axes in micrometres, levels, label names and colours."""

from __future__ import annotations

import json
from typing import Any

from siltomo.catalog.layout import IMAGE
from siltomo.catalog.records import StoredRecord
from siltomo.catalog.volumes import LevelPlan, VolumeSpec

__all__ = ["group_json"]


def group_json(spec: VolumeSpec, levels: tuple[LevelPlan, ...], *, content: str) -> bytes:
    """Return the ``zarr.json`` of the volume's group.

    Parameters
    ----------
    spec
        The volume.
    levels
        The resolutions that are stored, as arrays named ``0``, ``1``, ...
    content
        Content id of the voxels, kept beside the OME metadata.
    """
    ome: dict[str, Any] = {
        "version": "0.5",
        "multiscales": [
            {
                "name": spec.name,
                "axes": [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"],
                "datasets": [_dataset(spec, level) for level in levels],
                "type": "stride" if spec.is_labels else "mean",
            }
        ],
    }
    if spec.is_labels:
        ome["image-label"] = _image_label(spec)
    group = {
        "zarr_format": 3,
        "node_type": "group",
        "attributes": {"ome": ome, "siltomo": {"content": content}},
    }
    return json.dumps(group, indent=2).encode()


def _dataset(spec: VolumeSpec, level: LevelPlan) -> dict[str, Any]:
    """Return where a level's voxels lie.

    The mean of 2 voxels lies between them, so the grey levels move by half the block less half a voxel;
    labels keep the first voxel of a block and do not move.
    """
    edges = list(zip(spec.voxel_size_um, level.scale, strict=True))
    offset = [0.0 if spec.is_labels else edge * (scale - 1) / 2 for edge, scale in edges]
    return {
        "path": str(level.index),
        "coordinateTransformations": [
            {"type": "scale", "scale": [edge * scale for edge, scale in edges]},
            {"type": "translation", "translation": offset},
        ],
    }


def _image_label(spec: VolumeSpec) -> dict[str, Any]:
    label: dict[str, Any] = {}
    if spec.labels:
        label["colors"] = [{"label-value": c.value, "rgba": list(c.rgba)} for c in spec.labels]
        label["properties"] = [{"label-value": c.value, "class": c.name} for c in spec.labels]
    if spec.source is not None:
        label["source"] = {"image": _way_to(spec.source)}
    return label


def _way_to(scan: StoredRecord) -> str:
    """Return the path from a label volume in its own bag to the volume of another record."""
    if scan.volume is None:
        raise ValueError(f"{scan.kind} {scan.id} has no volume")
    return f"../../../{scan.kind}/{scan.volume.bag}/{scan.volume.path or IMAGE}"
