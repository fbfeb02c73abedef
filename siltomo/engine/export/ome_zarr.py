"""OME-Zarr for others: version 0.4 on Zarr format 2, or 0.5 on Zarr format 3, all resolutions."""

from __future__ import annotations

import colorsys
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["OME_VERSIONS", "write_ome_zarr"]

OME_VERSIONS = ("0.4", "0.5")
Triple = tuple[int, int, int]
Level = tuple[Iterator[NDArray[Any]], Triple, tuple[float, float, float], Triple]
"""The voxels in slabs, the shape, the voxel edges along z, y, x in micrometres, the chunks of a resolution."""


def write_ome_zarr(
    root: Path,
    levels: Sequence[Level],
    dtype: np.dtype[Any],
    *,
    version: str,
    name: str,
    labels: Mapping[int, str],
) -> None:
    """Write a multiscale image, its metadata last: half of one is none for any viewer.

    Parameters
    ----------
    root
        The folder of the image; it does not exist yet.
    levels
        The resolutions, the full one first; slabs are as deep as chunks.
    labels
        Names of label values; empty for greys.
    """
    root.mkdir()
    for n, (slabs, shape, _, chunks) in enumerate(levels):
        array = _create(root / str(n), shape, chunks, dtype, version)
        at = 0
        for slab in slabs:
            array[at : at + len(slab)] = slab
            at += len(slab)
    attributes = _attributes(levels, version, name, labels)
    if version == "0.4":
        (root / ".zattrs").write_text(json.dumps(attributes, indent=2), "utf-8")
        (root / ".zgroup").write_text(json.dumps({"zarr_format": 2}), "utf-8")
    else:
        meta = {"zarr_format": 3, "node_type": "group", "attributes": {"ome": attributes}}
        (root / "zarr.json").write_text(json.dumps(meta, indent=2), "utf-8")


def _create(path: Path, shape: Triple, chunks: Triple, dtype: np.dtype[Any], version: str) -> Any:
    """Make an array: Blosc for Zarr 2, which every Java reader has; zstd with a checksum for Zarr 3."""
    import zarr

    kept = tuple(min(c, n) for c, n in zip(chunks, shape, strict=True))
    common: dict[str, Any] = {"shape": shape, "chunks": kept, "dtype": dtype, "fill_value": 0}
    common["config"] = {"write_empty_chunks": True}
    if version == "0.4":
        from numcodecs import Blosc

        return zarr.create_array(
            path,
            zarr_format=2,
            compressors=Blosc(cname="zstd", clevel=1, shuffle=Blosc.SHUFFLE),
            chunk_key_encoding={"name": "v2", "separator": "/"},
            **common,
        )
    from zarr.codecs import ZstdCodec

    return zarr.create_array(
        path,
        zarr_format=3,
        compressors=ZstdCodec(level=1, checksum=True),
        dimension_names=("z", "y", "x"),
        **common,
    )


def _attributes(
    levels: Sequence[Level], version: str, name: str, labels: Mapping[int, str]
) -> dict[str, Any]:
    full = levels[0][2]
    image: dict[str, Any] = {
        "name": name,
        "axes": [{"name": axis, "type": "space", "unit": "micrometer"} for axis in "zyx"],
        "datasets": [_dataset(n, edges, full, labels) for n, (_, _, edges, _) in enumerate(levels)],
        "type": "stride" if labels else "mean",
    }
    if version == "0.4":
        image["version"] = version
    attributes: dict[str, Any] = {"multiscales": [image]}
    if labels:
        attributes["image-label"] = {
            **({"version": version} if version == "0.4" else {}),
            "colors": [{"label-value": v, "rgba": _colour(n, len(labels))} for n, v in enumerate(labels)],
            "properties": [{"label-value": v, "class": word} for v, word in labels.items()],
        }
    return attributes if version == "0.4" else {"version": version, **attributes}


def _dataset(
    n: int, edges: tuple[float, ...], full: tuple[float, ...], labels: Mapping[int, str]
) -> dict[str, Any]:
    """Return where a level lies: the mean of two voxels between them, a label on the first of them."""
    offset = [0.0 if labels else (edge - first) / 2 for edge, first in zip(edges, full, strict=True)]
    return {
        "path": str(n),
        "coordinateTransformations": [
            {"type": "scale", "scale": list(edges)},
            {"type": "translation", "translation": offset},
        ],
    }


def _colour(n: int, count: int) -> list[int]:
    return [*(round(255 * c) for c in colorsys.hsv_to_rgb(n / max(count, 1), 0.7, 0.8)), 255]
