"""A folder of single-page TIFFs, one per slice."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, FormatError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import border, plain_text
from siltomo.importers.reading import Planes, check_ratio, check_shape
from siltomo.importers.slices import Stack, group_slices
from siltomo.importers.stacks import check_file, check_numbers, chosen_stack, gap_warning
from siltomo.importers.tiff import header_calibration, header_facts, header_warnings
from siltomo.importers.tiff_pages import Header, Page, read_header, read_pages

__all__ = ["import_tiff_stack", "recognises", "tiff_names"]

SUFFIXES = (".tif", ".tiff")


def recognises(path: Path) -> bool:
    """Return whether a path is a folder with TIFF files in it."""
    return path.is_dir() and bool(tiff_names(path))


def tiff_names(folder: Path) -> list[str]:
    """Return the names of the TIFF files of a folder; hidden files (also macOS's ``._*``) are left out."""
    with os.scandir(folder) as entries:
        return [
            entry.name
            for entry in entries
            if entry.name.lower().endswith(SUFFIXES) and not entry.name.startswith(".")
        ]


def import_tiff_stack(source: Source, /) -> ImportedVolume:
    """Describe a folder of slices; every header is read, no pixel is.

    Parameters
    ----------
    source
        The folder. ``member`` names the stack where there are several: the start of its file names.
        With ``allow_gaps`` missing slices read as zero and are listed.

    Returns
    -------
    ImportedVolume
        With the size of pixels from the first slice; slices say nothing of z.

    Raises
    ------
    FormatError
        SIL101 when there are several stacks; SIL102 when slices are missing; when slice numbers repeat, or
        a slice is damaged, has several pages, or differs from the first one in shape or type.
    NotFoundError
        When ``member`` is none of the stacks.
    """
    folder = source.path
    with border(folder, "the folder"):
        stack = chosen_stack(group_slices(tiff_names(folder)), source, "TIFF")
    check_numbers(stack, source)
    files = tuple(folder / name for name in stack.names)
    header = _stack_header(files, folder)
    slices = _by_plane(stack, files, header.pages)
    shape = check_shape((len(slices), *header.pages[0].shape), folder)
    dtype = header.pages[0].dtype
    calibration = header_calibration(header, None, planes=1)
    warnings = [*calibration.warnings, *header_warnings(header), *gap_warning(stack)]
    if shape[0] == 1:
        warnings.append("the stack holds one slice: taken as a volume of one plane")
    return ImportedVolume(
        format="TIFF stack",
        shape=shape,
        dtype=dtype,
        planes=Planes(shape, dtype, partial(_read, slices, shape, dtype)),
        files=files,
        voxel_size=calibration.voxel_size,
        voxel_source=f"{calibration.source} of {files[0].name}" if calibration.source else "",
        missing_planes=tuple(i for i, entry in enumerate(slices) if entry is None),
        facts={
            **header_facts(header),
            "stack": plain_text(stack.label),
            "slices": f"{plain_text(files[0].name)} to {plain_text(files[-1].name)}",
        },
        warnings=tuple(warnings),
    )


Slices = tuple[tuple[Path, Page] | None, ...]
"""For each plane its file and page; None where the slice is missing."""


def _stack_header(files: Sequence[Path], folder: Path) -> Header:
    """Read and check the header of every slice; the words are those of the first one."""
    for file in files:
        check_file(file, folder)
    first = _slice_header(files[0], folder, alone=len(files) == 1)
    pages = (first.pages[0], *(_matching_page(file, files[0], first.pages[0], folder) for file in files[1:]))
    with border(folder, "the slices"):
        stored = sum(file.stat().st_size for file in files)
    check_ratio(sum(page.nbytes for page in pages), stored, folder)
    return replace(first, pages=pages)


def _by_plane(stack: Stack, files: Sequence[Path], pages: Sequence[Page]) -> Slices:
    """Put every slice at its plane, the first one at 0."""
    slices: list[tuple[Path, Page] | None] = [None] * (stack.numbers[-1] - stack.numbers[0] + 1)
    for number, file, page in zip(stack.numbers, files, pages, strict=True):
        slices[number - stack.numbers[0]] = (file, page)
    return tuple(slices)


def _slice_header(file: Path, folder: Path, *, alone: bool = False) -> Header:
    """Read the header of one slice, which has one page."""
    header = read_header(file, max_pages=2)
    if len(header.pages) > 1:
        advice = (
            f"give the file itself: {file}" if alone else "give one multi-page file, or a folder of slices"
        )
        raise FormatError(
            f"{file.name} has several pages; in a folder of slices each file holds one",
            where=str(folder),
            fix=Amend(advice=advice),
        )
    return header


def _matching_page(file: Path, first_file: Path, first: Page, folder: Path) -> Page:
    """Return the page of a slice, refused when it differs from the first slice."""
    page = _slice_header(file, folder).pages[0]
    if (page.shape, page.dtype) != (first.shape, first.dtype):
        raise FormatError(
            f"slice {file.name} is {_kind(page)}, {first_file.name} is {_kind(first)}",
            where=str(folder),
            fix=Amend(advice="export the whole stack again, or move the odd slices elsewhere"),
        )
    return page


def _kind(page: Page) -> str:
    return f"{page.shape[0]}×{page.shape[1]} {page.dtype}"


def _read(
    slices: Slices, shape: tuple[int, int, int], dtype: np.dtype[Any], start: int, stop: int
) -> NDArray[Any]:
    """Read slices one file after the other, each opened and closed."""
    out = np.zeros((stop - start, *shape[1:]), dtype)
    for number, plane in enumerate(out, start):
        entry = slices[number]
        if entry is None:
            continue
        file, page = entry
        try:
            read_pages(file, [page], plane[np.newaxis])
        except FormatError as error:
            raise FormatError(f"plane {number}: {error.message}", where=error.where, fix=error.fix) from error
    return out
