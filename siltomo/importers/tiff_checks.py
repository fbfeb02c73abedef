"""What a page of a TIFF file must be before its pixels count as voxels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib import import_module
from pathlib import Path

import tifffile

from siltomo.errors import Amend, FormatError, MissingPartError
from siltomo.importers.border import DAMAGED, plain_text
from siltomo.importers.calibration import Resolution
from siltomo.importers.reading import size_words

__all__ = ["GREYSCALE", "check_codec", "check_grey", "check_segments", "page_facts", "page_resolution"]

MAX_PLANE_BYTES = 2**31
COLOUR = {2: "RGB", 3: "palette-colour", 5: "CMYK", 6: "YCbCr", 8: "CIELab", 9: "ICCLab", 10: "ITULab"}
GREYSCALE = Amend(advice="in Fiji: Image > Type > 8-bit (or 16-bit), then save again")
PALETTE = Amend(advice="in Fiji: Image > Lookup Tables > Grays, then save again; the values stay as they are")


def check_grey(page: tifffile.TiffPage, where: str, *, imagej: bool) -> None:
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


def check_segments(page: tifffile.TiffPage, size: int, where: str) -> None:
    """Make sure that every strip or tile lies in the file, and that they can hold the page."""
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
    if page.compression != 1 and needed > MAX_PLANE_BYTES:
        raise FormatError(
            f"is compressed and takes {size_words(needed)} of memory, allowed are "
            f"{size_words(MAX_PLANE_BYTES)}",
            where=where,
            fix=Amend(advice="save it again without compression, or cut it into smaller planes"),
        )


def check_codec(page: tifffile.TiffPage, path: Path) -> None:
    """Make sure that the pixels can be decoded before anything is promised."""
    if page.compression == 1 and page.predictor != 1:  # readers differ on what that means
        raise FormatError(
            "has a predictor but no compression, which TIFF does not define",
            where=str(path),
            fix=Amend(advice="save it again without compression"),
        )
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


def page_facts(page: tifffile.TiffPage, byteorder: str) -> dict[str, str]:
    """Return what a page says of itself, in words."""
    facts = {
        "bits per voxel": str(page.bitspersample),
        "compression": _compression(page),
        "byte order": {"<": "little-endian", ">": "big-endian"}[byteorder],
    }
    if page.photometric in (0, 1) and page.bitspersample == 1:
        facts["1 means"] = "white" if page.photometric == 1 else "black"
    elif page.photometric == 0:
        facts["display"] = "inverted: zero is white"
    orientation = page.tags.valueof(274, default=1)
    if orientation != 1:
        facts["orientation tag"] = f"{plain_text(orientation, 20)} (not applied: rows are taken as stored)"
    for name, code in (("description", 270), ("software", 305), ("date", 306), ("artist", 315)):
        value = page.tags.valueof(code)
        if value:
            facts[name] = plain_text(value)
    return facts


def page_resolution(page: tifffile.TiffPage) -> Resolution:
    """Return the resolution tags; TIFF makes the inch their unit where none is given."""

    def fraction(code: int) -> tuple[int, int] | None:
        value = page.tags.valueof(code)
        if isinstance(value, Sequence) and len(value) == 2:
            return int(value[0]), int(value[1])
        return None

    return Resolution(fraction(282), fraction(283), int(page.tags.valueof(296, default=2)))
