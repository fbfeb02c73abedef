"""The pages of a TIFF file: found, checked against the file's size, and read one by one."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile
from numpy.typing import NDArray

from siltomo.errors import FormatError
from siltomo.importers.border import border, log_lines
from siltomo.importers.calibration import Resolution
from siltomo.importers.reading import voxel_dtype
from siltomo.importers.tiff_checks import (
    GREYSCALE,
    check_codec,
    check_grey,
    check_segments,
    page_facts,
    page_resolution,
)

__all__ = [
    "Header",
    "Page",
    "is_tiff",
    "open_tiff",
    "page_offsets",
    "read_header",
    "read_pages",
]

MAGIC = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}


@dataclass(frozen=True)
class Page:
    """One image of a TIFF file; no pixel of it has been read."""

    number: int
    """Which page of the file, from 0."""
    offset: int
    """Where its directory begins in the file."""
    shape: tuple[int, int]
    dtype: np.dtype[Any]
    """The type of pixels as they are handed on."""
    stored: str
    """The type of pixels as it is stored, such as ``">u2"`` or ``"1-bit"``."""
    data_offset: int | None
    """Where its pixels begin, when they lie there plainly; None when they have to be decoded."""
    white_is_zero: bool
    palette: bool
    """Its values are numbers of colours, which in ImageJ only tint the display."""

    @property
    def nbytes(self) -> int:
        """Bytes of the page as it is handed on."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


@dataclass(frozen=True)
class Header:
    """What a TIFF file says of itself: its pages, and the words of the first one."""

    pages: tuple[Page, ...]
    thumbnails: int
    """Pages left out because they call themselves reduced images."""
    description: str
    imagej: dict[str, Any] | None
    """The entries of ImageJ's description, None when ImageJ did not write the file."""
    shaped: tuple[dict[str, Any], ...]
    """The JSON descriptions that tifffile writes, one per array."""
    resolution: Resolution
    facts: dict[str, str]
    notes: tuple[str, ...]
    """What tifffile found odd."""


def is_tiff(path: Path) -> bool:
    """Return whether a file begins as a TIFF or BigTIFF does."""
    with path.open("rb") as file:
        return file.read(4) in MAGIC


def page_offsets(file: BinaryIO, size: int) -> Iterator[int]:
    """Walk the chain of page directories of a TIFF file.

    A chain that leaves the file or bites its tail is an error here; tifffile would end it in silence and a
    cut file would lose its last planes.

    Raises
    ------
    ValueError
        When the chain is broken.
    """
    order = MAGIC.get(magic := file.read(4))
    if order is None:
        raise ValueError("it does not begin as a TIFF does")
    big = magic[2 if order == "<" else 3] == ord("+")
    count, entry, word = ("Q", 20, "Q") if big else ("H", 12, "I")
    file.seek(8 if big else 4)
    seen: set[int] = set()
    (offset,) = struct.unpack(order + word, file.read(struct.calcsize(word)))
    while offset:
        if offset >= size:
            raise ValueError(
                f"the file is cut: page {len(seen)} begins at byte {offset}, the file ends at {size}"
            )
        if offset in seen:
            raise ValueError(f"its pages go in a circle after page {len(seen) - 1}")
        seen.add(offset)
        yield offset
        file.seek(offset)
        (tags,) = struct.unpack(order + count, file.read(struct.calcsize("=" + count)))
        file.seek(offset + struct.calcsize("=" + count) + entry * tags)
        (offset,) = struct.unpack(order + word, file.read(struct.calcsize(word)))


@contextmanager
def open_tiff(path: Path) -> Iterator[tifffile.TiffFile]:
    """Open a TIFF with the dialects off that read further files by the names in their headers."""
    with tifffile.TiffFile(path, is_ome=False, is_mmstack=False, is_ndtiff=False, is_ndpi=False) as tif:
        yield tif


def read_header(path: Path, *, max_pages: int | None = None) -> Header:
    """Read all page directories of a TIFF and check them; no pixel is read.

    Parameters
    ----------
    path
        The file.
    max_pages
        Stop after this many pages.

    Raises
    ------
    FormatError
        When the file is cut, damaged, in colour, or of a type that is no voxel.
    MissingPartError
        When its compression needs a package that is not installed.
    """
    with border(path, "its TIFF header"), log_lines("tifffile") as notes:
        size = path.stat().st_size
        with path.open("rb") as file:
            offsets = []
            for offset in page_offsets(file, size):
                offsets.append(offset)
                if max_pages is not None and len(offsets) == max_pages:
                    break
        if not offsets:
            raise ValueError("it holds no page")
        with open_tiff(path) as tif:
            pages, shaped = _pages(tif, offsets, size, path, skip_reduced=True)
            if not pages:
                pages, shaped = _pages(tif, offsets, size, path, skip_reduced=False)
            first = _page_at(tif, pages[0].number, pages[0].offset)
            check_codec(first, path)
            return Header(
                pages=tuple(pages),
                thumbnails=len(offsets) - len(pages),
                description=first.description,
                imagej=dict(tif.imagej_metadata or {}) if tif.is_imagej else None,
                shaped=tuple(shaped),
                resolution=page_resolution(first),
                facts=page_facts(first, tif.byteorder),
                notes=tuple(dict.fromkeys(notes)),
            )


def _pages(
    tif: tifffile.TiffFile, offsets: Sequence[int], size: int, path: Path, *, skip_reduced: bool
) -> tuple[list[Page], list[dict[str, Any]]]:
    """Read and check page after page; also tifffile's descriptions of arrays among them."""
    pages, shaped = [], []
    for number, offset in enumerate(offsets):
        page = _page_at(tif, number, offset)
        if skip_reduced and page.subfiletype & 1:
            continue
        pages.append(_describe(page, number, size, path, imagej=tif.is_imagej))
        if (description := page.shaped_description) is not None:
            shaped.append(tifffile.tifffile.shaped_description_metadata(description))
    return pages, shaped


def read_pages(path: Path, pages: Sequence[Page], out: NDArray[Any]) -> None:
    """Read some pages from a file, opened for this and closed again.

    Parameters
    ----------
    path
        The file.
    pages
        Pages of it, all of one shape and type.
    out
        Where they go: a C-contiguous array of shape (pages, y, x) of their type.

    Raises
    ------
    FormatError
        Naming the file and the page that cannot be read.
    """
    with ExitStack() as stack:
        with border(path, "the file"):
            file = stack.enter_context(path.open("rb"))
        tif: tifffile.TiffFile | None = None
        for page, plane in zip(pages, out, strict=True):
            with border(path, f"page {page.number}"), log_lines("tifffile") as notes:
                if page.data_offset is not None:
                    _read_plain(file, page, plane)
                    continue
                if tif is None:
                    tif = stack.enter_context(open_tiff(path))
                decoder = _page_at(tif, page.number, page.offset)
                notes.clear()  # those of the header were told when it was opened
                pixels = np.asarray(decoder.asarray())
                if pixels.shape != page.shape or notes:
                    raise ValueError(notes[0] if notes else f"it has {pixels.shape} pixels")
                plane[:] = pixels


def _read_plain(file: BinaryIO, page: Page, plane: NDArray[Any]) -> None:
    """Read pixels that lie in the file as they are."""
    assert page.data_offset is not None
    file.seek(page.data_offset)
    got = file.readinto(plane)  # type: ignore[attr-defined]
    if got < page.nbytes:
        raise ValueError(f"the file is cut: {got} of {page.nbytes} bytes")
    if not np.dtype(page.stored).isnative:
        plane.byteswap(inplace=True)


def _page_at(tif: tifffile.TiffFile, number: int, offset: int) -> tifffile.TiffPage:
    first = tif.pages.first
    if first.offset == offset:
        return first
    tif.filehandle.seek(offset)
    return tifffile.TiffPage(tif, number)


def _describe(page: tifffile.TiffPage, number: int, size: int, path: Path, *, imagej: bool) -> Page:
    """Check one page and keep what reading it needs."""
    where = f"{path}: page {number}"
    check_grey(page, where, imagej=imagej)
    if page.dtype is None or page.imagedepth != 1 or min(page.imagelength, page.imagewidth) < 1:
        raise FormatError(
            f"is {page.imagewidth}×{page.imagelength}×{page.imagedepth} pixels of {page.bitspersample} bits, "
            f"sample format {int(page.sampleformat)}: no such image is read",
            where=where,
            fix=GREYSCALE,
        )
    dtype = voxel_dtype(page.dtype, where)
    check_segments(page, size, where)
    plain = page.is_contiguous and page.fillorder == 1
    bits = int(page.bitspersample)
    return Page(
        number=number,
        offset=page.offset,
        shape=(page.imagelength, page.imagewidth),
        dtype=dtype,
        stored=f"{page.parent.byteorder}{dtype.str[1:]}" if bits == 8 * dtype.itemsize else f"{bits}-bit",
        data_offset=page.dataoffsets[0] if plain and bits == 8 * dtype.itemsize else None,
        white_is_zero=page.photometric == 0,
        palette=page.photometric == 3,
    )
