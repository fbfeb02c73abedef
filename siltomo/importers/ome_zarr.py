"""OME-Zarr 0.4 and 0.5: the full resolution of a multiscale image or label volume."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from siltomo.errors import FormatError, UnitError
from siltomo.importers.base import ImportedVolume, Source, ZarrInPlace
from siltomo.importers.border import border, plain_text, refused
from siltomo.importers.calibration import is_uncalibrated, length_unit
from siltomo.importers.reading import Planes, check_shape, voxel_dtype
from siltomo.importers.zarr_metadata import ZarrArray, inside, read_array, read_json
from siltomo.importers.zarr_planes import ZarrPlanes
from siltomo.units import Quantity

__all__ = ["import_ome_zarr", "recognises"]

FILES = ("zarr.json", ".zattrs", ".zgroup", ".zarray")
MAX_PACKED = 100_000
"""zstd packs a constant chunk a few ten thousand to one; more is no volume."""
Sizes = tuple[Quantity | None, Quantity | None, Quantity | None]


@dataclass(frozen=True)
class _Image:
    version: str
    axes: tuple[dict[str, Any], ...]
    paths: tuple[str, ...]
    """Its arrays, full resolution first."""
    scale: tuple[float, ...] | None
    facts: dict[str, str]


def recognises(path: Path) -> bool:
    """Return whether a path is a folder with the metadata of a Zarr store."""
    return path.is_dir() and any((path / name).is_file() for name in FILES)


def import_ome_zarr(source: Source, /) -> ImportedVolume:
    """Describe the full resolution of an OME-Zarr; its chunks are decoded in a process of their own.

    Parameters
    ----------
    source
        The folder of the image; ``member`` and ``allow_gaps`` do not apply.

    Returns
    -------
    ImportedVolume
        With the voxel size of the first level where the axes have units, else with bare ``spacing``.

    Raises
    ------
    FormatError
        When the version is not 0.4 or 0.5, there are channels or time points, a codec is not known to be
        safe, a name or a link leads out of the store, or the array is damaged.
    """
    root = source.path
    with border(root, "its OME-Zarr metadata"):
        image = _image(root)
        array = read_array(inside(root, image.paths[0]), root)
        axes = _axes(image, array, root)
        shape = check_shape(_zyx(axes, array.shape, 1), root)
        dtype = voxel_dtype(array.dtype, root)
        warnings = [*_missing(array), *_check_packing(array)]
        sizes, spacing, said = _spacing(image, axes, warnings, root)
        in_place = _in_place(root, image, array, axes, shape=shape, dtype=dtype)
    if "z" not in axes:
        warnings.append("the store holds one image: taken as a volume of one plane")
    depth = _zyx(axes, array.chunks, 1)[0]
    return ImportedVolume(
        format=f"OME-Zarr {image.version}",
        shape=shape,
        dtype=dtype,
        planes=Planes(shape, dtype, ZarrPlanes(array.path, array.zarr_format, axes, shape, depth, dtype)),
        files=array.files,
        voxel_size=sizes,
        voxel_source=said,
        spacing=spacing,
        facts={
            "array": plain_text(image.paths[0], 80),
            "stored type": array.dtype.str,
            "chunks": "×".join(map(str, array.chunks)),
            "codecs": array.codecs,
            **image.facts,
        },
        in_place=in_place,
        warnings=tuple(warnings),
    )


def _image(root: Path) -> _Image:
    """Find the multiscale image of a store, or say what it is instead."""
    attributes, version3 = _attributes(root)
    scales = attributes.get("multiscales")
    if not isinstance(scales, list) or not scales:
        raise _no_image(root, attributes)
    if len(scales) > 1:
        raise refused(root, f"holds {len(scales)} multiscale images; one is read", "export one image")
    image = scales[0]
    stated = attributes.get("version") if version3 else image.get("version", "0.4")
    if stated not in (("0.5",) if version3 else ("0.4",)):
        raise refused(
            root,
            f"is OME-Zarr {plain_text(stated, 20) or 'of no stated version'}; read are 0.4 and 0.5",
            "write it again as 0.4 or 0.5, for example with ngff-zarr",
        )
    if not image.get("datasets") or not all(isinstance(a, dict) for a in image.get("axes") or [None]):
        raise refused(root, "its multiscale image names no axes or no arrays")
    first = image["datasets"][0]
    transforms = [
        *(first.get("coordinateTransformations") or ()),
        *(image.get("coordinateTransformations") or ()),
    ]
    facts = {"name": plain_text(image["name"], 80)} if image.get("name") else {}
    if "image-label" in attributes:
        facts["image-label"] = "the voxels are labels"
    paths = tuple(dataset["path"] for dataset in image["datasets"])
    return _Image(str(stated), tuple(image["axes"]), paths, _scale(transforms, root), facts)


def _attributes(root: Path) -> tuple[dict[str, Any], bool]:
    """Return the OME attributes of a store, and whether it is of Zarr format 3."""
    if (root / "zarr.json").is_file():
        meta = read_json(root / "zarr.json")
        if meta.get("node_type") == "array":
            raise _array_alone(root)
        ome = (meta.get("attributes") or {}).get("ome") or {}
        return ome, True
    if (root / ".zarray").is_file():
        raise _array_alone(root)
    return (read_json(root / ".zattrs") if (root / ".zattrs").is_file() else {}), False


def _array_alone(root: Path) -> FormatError:
    return refused(
        root,
        "is a Zarr array without OME metadata: nothing says its axes and its voxel size",
        "give the folder above it if that is an OME-Zarr, or export the array as OME-Zarr or .npy",
    )


def _no_image(root: Path, attributes: dict[str, Any]) -> FormatError:
    if "plate" in attributes or "well" in attributes:
        return refused(root, "is a plate of many images", "give the folder of one image")
    images = sorted(p.name for p in root.iterdir() if p.is_dir() and recognises(p))[:8]
    if images:
        shown = ", ".join(plain_text(name, 40) for name in images)
        return refused(root, f"holds no image itself; folders in it: {shown}", f"give {root / images[0]}")
    return refused(root, "is a Zarr folder without an OME image", "export it as OME-Zarr 0.4 or 0.5")


def _scale(transforms: list[Any], root: Path) -> tuple[float, ...] | None:
    """Multiply the scales; what else there may be does not change the size of a voxel."""
    scale: tuple[float, ...] | None = None
    for transform in transforms:
        if transform.get("type") in ("translation", "identity"):
            continue
        if transform.get("type") != "scale" or not isinstance(transform.get("scale"), list):
            raise refused(root, f"has a transformation of type '{plain_text(transform.get('type'), 40)}'")
        numbers = [float(n) for n in transform["scale"]]
        if not all(math.isfinite(n) and n > 0 for n in numbers) or (scale and len(scale) != len(numbers)):
            raise refused(root, f"its scale is {plain_text(transform['scale'], 60)}")
        scale = tuple(a * b for a, b in zip(scale, numbers, strict=True)) if scale else tuple(numbers)
    return scale


def _axes(image: _Image, array: ZarrArray, root: Path) -> str:
    """Return a letter for each axis; those that are not z, y, x are of size 1."""
    names = [str(a.get("name", "")).lower() for a in image.axes]
    if len(names) != len(array.shape) or len(set(names)) != len(names) or not {"y", "x"} <= set(names):
        raise refused(root, f"its axes {', '.join(names)} do not name the {len(array.shape)} of its array")
    tall = [f"{name}={n}" for name, n in zip(names, array.shape, strict=True) if name not in "zyx" and n > 1]
    if tall:
        raise refused(
            root, f"is no single volume: it has {', '.join(tall)}", "export one channel and one time point"
        )
    return "".join(name if name in ("z", "y", "x") else "-" for name in names)


def _zyx(axes: str, sizes: tuple[int, ...], default: int) -> tuple[int, int, int]:
    found = dict(zip(axes, sizes, strict=True))
    return found.get("z", default), found["y"], found["x"]


def _in_place(
    root: Path,
    image: _Image,
    array: ZarrArray,
    axes: str,
    *,
    shape: tuple[int, int, int],
    dtype: np.dtype[Any],
) -> ZarrInPlace | str:
    """Return how to read the store where it lies, or why that cannot be."""
    leading = axes.count("-")
    if axes != "-" * leading + "zyx":
        return (
            f"its axes are {', '.join(str(a.get('name')) for a in image.axes)}, and not z, y, x in this order"
        )
    if array.dtype != dtype or not dtype.isnative:
        return f"its voxels are of type {array.dtype.str}, which a copy would turn into {dtype.str}"
    levels, files = [image.paths[0]], list(array.files)
    for path in image.paths[1:]:
        shape = _halved(shape)
        level = read_array(inside(root, path), root)
        # others may halve some axes only, or round down: our pyramids say how voxels of a level lie
        if level.shape[leading:] != shape or level.dtype != dtype:
            break
        levels.append(path)
        files += level.files
    return ZarrInPlace(root, tuple(levels), leading, tuple(files))


def _halved(shape: tuple[int, int, int]) -> tuple[int, int, int]:
    z, y, x = (-(-n // 2) for n in shape)
    return z, y, x


def _missing(array: ZarrArray) -> tuple[str, ...]:
    """Warn of chunks that are not there; Zarr reads them as fill value without a word."""
    missing, expected = array.missing
    if missing == expected or expected > 1000 * (expected - missing):
        raise refused(array.path, f"holds {expected - missing} of its {expected} chunks")
    if missing:
        return (f"only {expected - missing} of {expected} chunks are there; the others read as fill value",)
    return ()


def _check_packing(array: ZarrArray) -> tuple[str, ...]:
    """Refuse a store that declares far more voxels than its chunks can hold."""
    declared = math.prod(array.shape) * array.dtype.itemsize
    if declared > MAX_PACKED * max(array.stored, 1):
        raise refused(array.path, f"declares {declared} bytes of voxels and stores {array.stored}")
    return ()


def _spacing(
    image: _Image, axes: str, warnings: list[str], root: Path
) -> tuple[Sizes, tuple[float, float, float] | None, str]:
    """Return voxel size, bare spacing, and where they stand."""
    if image.scale is None:
        return (None, None, None), None, ""
    if len(image.scale) != len(axes):
        raise refused(root, f"its scale has {len(image.scale)} numbers for {len(axes)} axes")
    said = f"OME-Zarr {image.version} scale"
    edges: dict[str, Quantity | None] = {"z": None, "y": None, "x": None}
    numbers: dict[str, float] = {}
    for letter, axis, n in zip(axes, image.axes, image.scale, strict=True):
        if letter not in edges:
            continue
        numbers[letter] = n
        unit = str(axis.get("unit") or "")
        if is_uncalibrated(unit):
            continue
        try:
            edges[letter] = Quantity.parse({"value": n, "unit": length_unit(unit)}).to("um")
        except UnitError:
            warnings.append(f"[SIL106] unit '{plain_text(unit, 40)}' of axis {letter} is no unit of length")
    if any(edges.values()):
        return (edges["z"], edges["y"], edges["x"]), None, said
    bare = (numbers["z"], numbers["y"], numbers["x"]) if len(numbers) == 3 else None
    return (None, None, None), bare, said if bare else ""
