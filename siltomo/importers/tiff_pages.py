"""The pages of a TIFF file: found, checked against the file's size, and read one by one."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import IO, Any

import numpy as np
import tifffile
from numpy.typing import NDArray

from siltomo.errors import Amend, FormatError, MissingPartError
from siltomo.importers.border import DAMAGED, border, log_lines, plain_text
from siltomo.importers.calibration import Resolution
from siltomo.importers.reading import check_ratio, voxel_dtype

__all__ = [
    "Header",
    "Page",
    "is_tiff",
    "open_tiff",
    "page_facts",
    "page_offsets",
    "read_header",
    "read_pages",
]

MAGIC = {b"II*\0": "<", b"MM\0*": ">", b"II+\0": "<", b"MM\0+": ">"}
COLOUR = {2: "RGB", 3: "palette-colour", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab"}
GREYSCALE = Amend(advice="in Fiji: Image > Type > 8-bit (or 16-bit), then save again")
PALETTE = Amend(advice="in Fiji: Image > Lookup Tables > Grays, then save again; the values stay as they are")


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
    reduced: bool
    """A thumbnail or preview."""

    @property
    def nbytes(self) -> int:
        """Bytes of the page as it is handed on."""
        return self.shape[0] * self.shape[1] * self.dtype.itemsize


@dataclass(frozen=True)
class Header:
    """What a TIFF file says of itself: its pages, and the words of the first one."""

    pages: tuple[Page, ...]
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


def page_offsets(file: IO[bytes], size: int) -> Iterator[int]:
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
            first = _page_at(tif, 0, offsets[0])
            shaped = []
            pages = []
            for number, offset in enumerate(offsets):
                page = _page_at(tif, number, offset) if number else first
                pages.append(_describe(page, number, size, path, imagej=tif.is_imagej))
                if (description := page.shaped_description) is not None:
                    shaped.append(tifffile.tifffile.shaped_description_metadata(description))
            _check_codec(first, path)
            return Header(
                pages=tuple(pages),
                description=first.description,
                imagej=dict(tif.imagej_metadata or {}) if tif.is_imagej else None,
                shaped=tuple(shaped),
                resolution=_resolution(first),
                facts=page_facts(first, tif.byteorder),
                notes=tuple(dict.fromkeys(notes)),
            )


def read_pages(path: Path, pages: Sequence[Page]) -> NDArray[Any]:
    """Read some pages of one shape and type from a file, opened for this and closed again.

    Raises
    ------
    FormatError
        Naming the file and the page that cannot be read.
    """
    out = np.empty((len(pages), *pages[0].shape), pages[0].dtype)
    with ExitStack() as stack:
        with border(path, "the file"):
            file = stack.enter_context(path.open("rb"))
        tif: tifffile.TiffFile | None = None
        for page, plane in zip(pages, out, strict=True):
            with border(path, f"page {page.number}"), log_lines("tifffile") as notes:
                if page.data_offset is not None:
                    plane[:] = _read_plain(file, page)
                    continue
                if tif is None:
                    tif = stack.enter_context(open_tiff(path))
                pixels = np.asarray(_page_at(tif, page.number, page.offset).asarray())
                if pixels.shape != page.shape or notes:
                    raise ValueError(notes[0] if notes else f"it has {pixels.shape} pixels")
                plane[:] = pixels
    return out


def _read_plain(file: IO[bytes], page: Page) -> NDArray[Any]:
    """Read pixels that lie in the file as they are."""
    assert page.data_offset is not None
    file.seek(page.data_offset)
    raw = file.read(page.nbytes)
    if len(raw) < page.nbytes:
        raise ValueError(f"the file is cut: {len(raw)} of {page.nbytes} bytes")
    return np.frombuffer(raw, page.stored).reshape(page.shape)


def _page_at(tif: tifffile.TiffFile, number: int, offset: int) -> tifffile.TiffPage:
    tif.filehandle.seek(offset)
    return tifffile.TiffPage(tif, number)


def _describe(page: tifffile.TiffPage, number: int, size: int, path: Path, *, imagej: bool) -> Page:
    """Check one page and keep what reading it needs."""
    where = f"{path}: page {number}"
    _check_grey(page, where, imagej=imagej)
    if page.dtype is None or page.imagedepth != 1 or min(page.imagelength, page.imagewidth) < 1:
        raise FormatError(
            f"is {page.imagewidth}×{page.imagelength}×{page.imagedepth} pixels of {page.bitspersample} bits, "
            f"sample format {int(page.sampleformat)}: no such image is read",
            where=where,
            fix=GREYSCALE,
        )
    dtype = voxel_dtype(page.dtype, where)
    _check_segments(page, size, where)
    plain = page.is_contiguous and page.predictor == 1 and page.fillorder == 1
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
        reduced=bool(page.subfiletype & 1),
    )


def _check_grey(page: tifffile.TiffPage, where: str, *, imagej: bool) -> None:
    """Refuse colour; ImageJ's palettes are allowed, there they only tint the display."""
    colour = COLOUR.get(int(page.photometric), "")
    if colour == "palette-colour":
        if not imagej:
            raise FormatError(
                "is a palette-colour image: its values are numbers of colours, not greys",
                where=where,
                fix=PALETTE,
            )
    elif colour or page.samplesperpixel != 1:
        raise FormatError(
            f"is no grey image but {colour or 'of several channels'}: {page.samplesperpixel} values per "
            "pixel, a voxel has one",
            where=where,
            fix=GREYSCALE,
        )


def _check_segments(page: tifffile.TiffPage, size: int, where: str) -> None:
    """Check that every strip or tile lies in the file, and that they can hold the page."""
    offsets, counts = page.dataoffsets, page.databytecounts
    if not offsets or len(offsets) != len(counts) or 0 in counts or 0 in offsets:
        raise FormatError("has strips or tiles without data", where=where, fix=DAMAGED)
    end = max(offset + count for offset, count in zip(offsets, counts, strict=True))
    if end > size:
        raise FormatError(
            f"the file is cut: the pixels end at byte {end}, the file at {size}", where=where, fix=DAMAGED
        )
    needed = (page.imagelength * page.imagewidth * int(page.bitspersample) + 7) // 8
    if page.compression == 1 and sum(counts) < needed:
        raise FormatError(
            f"the file is cut: {needed} bytes of pixels are needed, {sum(counts)} are stored",
            where=where,
            fix=DAMAGED,
        )
    check_ratio(needed, sum(counts), where)


def _check_codec(page: tifffile.TiffPage, path: Path) -> None:
    """Make sure that the pixels can be decoded before anything is promised."""
    try:
        decode = tifffile.TIFF.DECOMPRESSORS[page.compression]
        tifffile.TIFF.UNPREDICTORS[page.predictor]
        if int(page.bitspersample) not in (1, 8, 16, 32, 64):
            import_module("imagecodecs")  # only it unpacks 4 or 12 bits
        if page.compression != 1:
            _try_codec(decode)
    except (KeyError, ImportError) as error:
        if isinstance(error, KeyError) and "imagecodecs" not in str(error):
            raise FormatError(
                f"its compression {_compression(page)} is not known",
                where=str(path),
                fix=Amend(advice="save it again without compression"),
            ) from error
        raise MissingPartError(
            f"{page.bitspersample}-bit voxels with compression '{_compression(page)}' need the package "
            "imagecodecs",
            where=str(path),
            fix="pip install imagecodecs",
        ) from error


def _try_codec(decode: Callable[..., object]) -> None:
    """Raise ImportError when a codec is only a placeholder, as zstd is before Python 3.14."""
    try:
        decode(b"")
    except ImportError:
        raise
    except Exception:
        return  # an empty stream is not valid; only the presence of the codec matters


def _compression(page: tifffile.TiffPage) -> str:
    name = str(getattr(page.compression, "name", page.compression))
    if int(page.predictor) != 1:
        name += f" with predictor {getattr(page.predictor, 'name', page.predictor)}"
    return "none" if name == "NONE" else name


def _resolution(page: tifffile.TiffPage) -> Resolution:
    def fraction(code: int) -> tuple[int, int] | None:
        value = page.tags.valueof(code)
        if isinstance(value, Sequence) and len(value) == 2:
            return int(value[0]), int(value[1])
        return None

    return Resolution(fraction(282), fraction(283), int(page.tags.valueof(296, default=2)))


def page_facts(page: tifffile.TiffPage, byteorder: str) -> dict[str, str]:
    """Return what the first page says of itself, in words."""
    facts = {
        "bits per voxel": str(page.bitspersample),
        "compression": _compression(page),
        "byte order": {"<": "little-endian", ">": "big-endian"}[byteorder],
    }
    if page.photometric in (0, 1) and page.bitspersample == 1:
        facts["1 means"] = "white" if page.photometric == 1 else "black"
    elif page.photometric == 0:
        facts["display"] = "inverted: zero is white"
    for name, code in (("description", 270), ("software", 305), ("date", 306), ("artist", 315)):
        value = page.tags.valueof(code)
        if value:
            facts[name] = plain_text(value)
    return facts
