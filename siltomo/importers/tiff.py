"""TIFF files that hold a whole volume: multi-page, ImageJ, BigTIFF, OME-TIFF."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, FormatError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import DAMAGED, border, plain_text
from siltomo.importers.calibration import (
    Calibration,
    imagej_calibration,
    ome_calibration,
    ome_pixels,
    tag_calibration,
)
from siltomo.importers.reading import Planes, check_ratio, check_shape
from siltomo.importers.tiff_pages import Header, Page, is_tiff, read_header, read_pages

__all__ = [
    "header_calibration",
    "header_facts",
    "header_warnings",
    "import_tiff",
    "recognises",
    "volume_pages",
]


def recognises(path: Path) -> bool:
    """Return whether a path is a TIFF file."""
    return path.is_file() and is_tiff(path)


def import_tiff(source: Source, /) -> ImportedVolume:
    """Describe the volume of one TIFF file.

    Accepted are greys of 1 to 64 bits, one page per plane, or many planes behind one page as ImageJ and
    tifffile write large volumes. Voxels are handed on as they are stored: an inverted display
    (MINISWHITE) or a colour table of ImageJ does not change them; 1-bit voxels become uint8 0 and 1.

    Parameters
    ----------
    source
        The file; ``member`` and ``allow_gaps`` do not apply.

    Returns
    -------
    ImportedVolume
        With voxel sizes from ImageJ's header, OME-XML or the resolution tags.

    Raises
    ------
    FormatError
        When the file is cut or damaged, in colour, a time series, or holds several arrays.
    MissingPartError
        When its compression needs a package that is not installed.
    """
    path = source.path
    header = read_header(path)
    pixels = ome_pixels(header.description)
    pages = volume_pages(header, _declared_planes(header, pixels, path), path)
    shape = check_shape((len(pages), *pages[0].shape), path)
    check_ratio(sum(page.nbytes for page in pages), path.stat().st_size, path)
    calibration = header_calibration(header, pixels, planes=len(pages))
    warnings = [*calibration.warnings, *header_warnings(header)]
    if len(pages) == 1:
        warnings.append("the file holds one image: taken as a volume of one plane")
    return ImportedVolume(
        format=_format(header, pixels, path),
        shape=shape,
        dtype=pages[0].dtype,
        planes=Planes(shape, pages[0].dtype, partial(_read, path, pages)),
        files=(path,),
        voxel_size=calibration.voxel_size,
        voxel_source=calibration.source,
        facts=header_facts(header),
        warnings=tuple(warnings),
    )


def header_calibration(header: Header, pixels: Mapping[str, str] | None, *, planes: int) -> Calibration:
    """Return the voxel size from the header that knows best: OME-XML, ImageJ, resolution tags."""
    if pixels is not None:
        return ome_calibration(pixels)
    if header.imagej is not None:
        return imagej_calibration(header.imagej, header.resolution, planes=planes)
    return tag_calibration(header.resolution)


def header_facts(header: Header) -> dict[str, str]:
    """Return what a header says beside shape and voxel size."""
    facts = dict(header.facts)
    meta = header.imagej or {}
    if "min" in meta and "max" in meta:
        facts["display window"] = plain_text(f"{meta['min']} to {meta['max']}", 60)
    if "ImageJ" in meta:
        facts.setdefault("software", plain_text(f"ImageJ {meta['ImageJ']}", 60))
    if meta.get("Info"):
        facts["info"] = plain_text(meta["Info"])
    return facts


def header_warnings(header: Header) -> tuple[str, ...]:
    """Return what the user should know of how the values are stored."""
    warnings = [f"tifffile: {note}" for note in header.notes]
    if header.thumbnails:
        warnings.append(f"{header.thumbnails} thumbnail pages left out")
    if len({page.white_is_zero for page in header.pages}) > 1:
        warnings.append(
            f"{sum(page.white_is_zero for page in header.pages)} of {len(header.pages)} pages say that zero "
            "is white, the others that it is black: values are taken as stored"
        )
    elif header.pages[0].white_is_zero:
        warnings.append("the file is displayed inverted (zero is white): values are taken as stored")
    if header.pages[0].palette:
        warnings.append("the colour table of ImageJ is left out: values are taken as stored")
    if header.imagej and "cf" in header.imagej:
        unit = plain_text(header.imagej.get("vunit", "?"), 40)
        warnings.append(f"ImageJ calibrates the greys (in {unit}): values are taken as stored, uncalibrated")
    return tuple(warnings)


def volume_pages(header: Header, declared: int | None, path: Path) -> tuple[Page, ...]:
    """Return the pages of a volume, which are all of one shape and type.

    Parameters
    ----------
    header
        The file's header.
    declared
        How many pages it declares, those that follow the only one without directories included; None where it is
        silent.
    path
        The file.

    Raises
    ------
    FormatError
        When pages differ, or are not all there.
    """
    pages = _alike(header, path)
    return pages if declared in (None, len(pages)) else _planes_behind_one_page(pages, declared or 0, path)


def _alike(header: Header, path: Path) -> tuple[Page, ...]:
    kinds = Counter((page.shape, page.stored) for page in header.pages)
    if len(kinds) > 1:
        found = ", ".join(f"{n} of {y}×{x} {stored}" for ((y, x), stored), n in kinds.most_common(5))
        raise FormatError(
            f"its pages are no volume: {found}",
            where=str(path),
            fix=Amend(advice="save each image into a file of its own"),
        )
    return header.pages


def _declared_planes(header: Header, pixels: Mapping[str, str] | None, path: Path) -> int | None:
    """Return the number of planes that the header declares, None where it is silent."""
    if pixels is not None:
        with border(path, "its OME header"):
            axes = {axis: int(pixels.get(f"Size{axis}", "1")) for axis in "ZCT"}
        _refuse_axes(axes["Z"], axes["C"], axes["T"], path)
        return axes["Z"]
    if header.imagej is not None:
        with border(path, "its ImageJ header"):
            images = int(header.imagej.get("images", 0))
            slices, channels, frames = (
                int(header.imagej.get(key, 1)) for key in ("slices", "channels", "frames")
            )
        _refuse_axes(max(slices, 1), channels, frames, path)
        return max(images, slices) if {"images", "slices"} & header.imagej.keys() else None
    if header.shaped:
        return _shaped_planes(header.shaped, header.pages[0], path)
    return None


def _refuse_axes(planes: int, channels: int, frames: int, path: Path) -> None:
    """Refuse channels and time points, saying what was found."""
    if channels <= 1 and frames <= 1:
        return
    found = f"{planes} slices, {channels} channels, {frames} time points"
    raise FormatError(
        f"is no single volume: {found}",
        where=str(path),
        fix=Amend(
            advice="in Fiji: if the planes are slices, set slices in Image > Properties; "
            "else Image > Duplicate one channel and time point, and save that"
        ),
    )


def _shaped_planes(shaped: Sequence[Mapping[str, Any]], first: Page, path: Path) -> int | None:
    """Return the planes that tifffile's own descriptions declare."""
    with border(path, "its shape description"):
        shapes = [tuple(int(n) for n in entry["shape"]) for entry in shaped]
        named = [str(entry.get("axes", "")) for entry in shaped]
    for shape, axes in zip(shapes, named, strict=True):
        other = [(axis, n) for axis, n in zip(axes, shape, strict=False) if n > 1 and axis not in "ZQIYX"]
        if other or len([n for n in shape[:-2] if n > 1]) > 1:
            found = "×".join(map(str, shape)) + (f" with axes {axes}" if axes else "")
            raise FormatError(
                f"is no single volume: it holds an array of {plain_text(found, 80)}",
                where=str(path),
                fix=Amend(advice="save one volume of shape (z, y, x)"),
            )
    planes = [prod(shape[:-2]) for shape in shapes]
    if len(planes) > 1 and any(n > 1 for n in planes):
        found = ", ".join("×".join(map(str, shape)) for shape in shapes[:5])
        raise FormatError(
            f"holds {len(shapes)} arrays: {found}",
            where=str(path),
            fix=Amend(advice="save each array into a file of its own"),
        )
    return planes[0] if len(planes) == 1 and shapes[0][-2:] == first.shape else None


def _planes_behind_one_page(pages: Sequence[Page], declared: int, path: Path) -> tuple[Page, ...]:
    """Return the planes that follow the only page without directories, as ImageJ writes beyond 4 GB."""
    first = pages[0]
    if len(pages) > 1 or first.data_offset is None:
        raise FormatError(
            f"its header declares {declared} planes, the file holds {len(pages)}",
            where=str(path),
            fix=DAMAGED,
        )
    end, size = first.data_offset + declared * first.nbytes, path.stat().st_size
    if end > size:
        whole = (size - first.data_offset) // first.nbytes
        raise FormatError(
            f"the file is cut: its header declares {declared} planes, {whole} are whole",
            where=str(path),
            fix=DAMAGED,
        )
    return tuple(
        replace(first, number=i, data_offset=first.data_offset + i * first.nbytes) for i in range(declared)
    )


def _format(header: Header, pixels: Mapping[str, str] | None, path: Path) -> str:
    """Say what the file is, in words."""
    with path.open("rb") as file:
        big = "BigTIFF" if b"+" in file.read(4) else "TIFF"
    if pixels is not None:
        return f"OME-{big}"
    if header.imagej is not None:
        return f"ImageJ {big}"
    return f"multi-page {big}" if len(header.pages) > 1 else big


def _read(path: Path, pages: Sequence[Page], start: int, stop: int) -> NDArray[Any]:
    out = np.empty((stop - start, *pages[0].shape), pages[0].dtype)
    read_pages(path, pages[start:stop], out)
    return out
