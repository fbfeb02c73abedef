r"""Voxel sizes from TIFF headers: resolution tags, ImageJ's description, OME-XML.

What is stated becomes a quantity; what is silent becomes None. Units are met in many spellings (``um``,
``µm``, ``micron``, Fiji's literal ``\u00B5m``), as ``pixel``, which says "not calibrated", and as the
dots per inch that image programs write without being asked.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from xml.etree import ElementTree

from siltomo.errors import UnitError
from siltomo.importers.border import plain_text
from siltomo.units import Quantity, same_dimension, tidy_unit

__all__ = [
    "Calibration",
    "Resolution",
    "imagej_calibration",
    "is_uncalibrated",
    "length_unit",
    "ome_calibration",
    "ome_pixels",
    "pixel_size",
    "tag_calibration",
]

Sizes = tuple[Quantity | None, Quantity | None, Quantity | None]

UNCALIBRATED = frozenset(
    {"", "-", "?", "none", "null", "nan", "undefined", "unknown", "unit", "units", "arbitrary", "a.u.", "1"}
    | {"pixel", "pixels", "pix", "px", "voxel", "voxels", "vox", "vx", "reference frame"}
)
# spellings of files beyond those of keyboards, which siltomo.units knows; the first is µm read as Latin-1
SPELLINGS = {"Âµm": "um", "in": "inch", "in.": "inch", "inches": "inch", '"': "inch", "microm": "um"}
KEPT_UNITS = ("nm", "um", "mm")
TAG_UNITS = {2: "inch", 3: "cm", 4: "mm", 5: "um"}
# what image programs write as dots per inch when nobody calibrated anything
PRINTING_DPI = frozenset(
    (1, 72, 75, 90, 96, 100, 120, 144, 150, 192, 200, 220, 240, 250, 300, 350, 360, 400, 600, 720, 1200, 2400)
)
ASSUMED = 'taken as "not calibrated"'


@dataclass(frozen=True)
class Resolution:
    """The resolution tags of a TIFF page: pixels per unit along x and y as fractions."""

    x: tuple[int, int] | None = None
    y: tuple[int, int] | None = None
    unit: int = 1
    """The ResolutionUnit tag: 1 none, 2 inch, 3 centimetre."""


@dataclass(frozen=True)
class Calibration:
    """Voxel sizes along z, y, x, where they stand in the file, and what to tell the user."""

    voxel_size: Sizes = (None, None, None)
    source: str = ""
    warnings: tuple[str, ...] = ()


def is_uncalibrated(unit: str) -> bool:
    """Return whether a header's unit says that nobody calibrated the image.

    Examples
    --------
    >>> is_uncalibrated("pixel"), is_uncalibrated(""), is_uncalibrated("um")
    (True, True, False)
    """
    return unit.strip().lower() in UNCALIBRATED


def length_unit(unit: str) -> str:
    r"""Return a header's unit of length as ``siltomo.units`` spells it.

    Raises
    ------
    UnitError
        When it is no unit of length.

    Examples
    --------
    >>> length_unit("\\u00B5m"), length_unit("micron"), length_unit("inch")
    ('um', 'um', 'inch')
    """
    text = unit.strip()
    tidy = tidy_unit(SPELLINGS.get(text, SPELLINGS.get(text.lower(), text)))
    if not same_dimension(tidy, "m"):
        raise UnitError(f"{unit!r} is no unit of length")
    return tidy


def pixel_size(pixels_per_unit: tuple[int, int]) -> float | None:
    """Return the edge of a pixel from a stored fraction of pixels per unit.

    ImageJ stores the whole part of a million pixels per unit, so that 0.1625 µm comes back as
    0.162500004. Of the sizes that the fraction may stand for, the one with the fewest digits is given.

    Examples
    --------
    >>> pixel_size((6153846, 1000000)), pixel_size((80, 13)), pixel_size((0, 1))
    (0.1625, 0.1625, None)
    """
    count, per = pixels_per_unit
    if count <= 0 or per <= 0:
        return None
    exact = per / count
    if per >= 1000:
        low, high = _size_range(pixels_per_unit)
        for digits in range(1, 12):
            rounded = float(f"{exact:.{digits}g}")
            if low <= rounded <= high:
                return rounded
    return float(f"{exact:.12g}")


def _size_range(pixels_per_unit: tuple[int, int]) -> tuple[float, float]:
    """Return the least and the greatest size that are stored as this fraction."""
    count, per = pixels_per_unit
    return per / (count + 1), per / (count - 0.5)


def tag_calibration(resolution: Resolution, *, header: str = "TIFF resolution tags") -> Calibration:
    """Read the resolution tags of a plain TIFF; they say nothing of z.

    Printing resolutions such as 72 dpi, which programs write unasked, count as not calibrated.
    """
    unit = TAG_UNITS.get(resolution.unit)
    if unit is None or resolution.x is None or resolution.y is None:
        return Calibration()
    dpi = _printing_dpi(resolution, unit)
    if dpi is not None:
        return Calibration(warnings=(f"[SIL106] {dpi} dpi in {header} {ASSUMED}",))
    sizes = (None, _quantity(pixel_size(resolution.y), unit), _quantity(pixel_size(resolution.x), unit))
    return Calibration(sizes, header, _coarse(resolution)) if any(sizes) else Calibration()


def _printing_dpi(resolution: Resolution, unit: str) -> int | None:
    """Return the dots per inch when they are those of a printer or a screen."""
    per_inch = {"inch": 1.0, "cm": 2.54}.get(unit)
    if per_inch is None or resolution.x is None or resolution.y is None:
        return None
    (x, per_x), (y, per_y) = resolution.x, resolution.y
    if not per_x or not per_y or x * per_y != y * per_x:
        return None
    dpi = x / per_x * per_inch
    return next((p for p in PRINTING_DPI if math.isclose(dpi, p, rel_tol=1e-3)), None)


def _coarse(resolution: Resolution) -> tuple[str, ...]:
    """Warn when the fraction holds the size to less than 0.2 %."""
    spreads = [
        (high - low) / low
        for low, high in (
            _size_range(r) for r in (resolution.y, resolution.x) if r and r[1] >= 1000 and r[0] > 0
        )
    ]
    if not spreads or max(spreads) <= 0.002:
        return ()
    return (f"the header stores the pixel size only to {100 * max(spreads):.2g} %: give the exact size",)


def imagej_calibration(metadata: Mapping[str, Any], resolution: Resolution, *, planes: int) -> Calibration:
    """Read ImageJ's calibration: x and y from the tags, z from ``spacing``, the units from the description.

    Parameters
    ----------
    metadata
        The entries of ImageJ's description.
    resolution
        The resolution tags of the first page.
    planes
        Planes of the volume. ImageJ leaves ``spacing`` out both when it is 1 and when nobody set it: with
        x and y of exactly 1 it is taken as 1, else z is silent.
    """
    unit = str(metadata.get("unit", "")).strip()
    if is_uncalibrated(unit):
        if not unit or unit == "1":
            return tag_calibration(resolution)
        return Calibration(warnings=(f"[SIL106] unit '{plain_text(unit, 40)}' in ImageJ header {ASSUMED}",))
    if unit.lower() in ("inch", "cm") and resolution.x and resolution.y:
        dpi = _printing_dpi(resolution, unit.lower())
        if dpi is not None:
            return Calibration(warnings=(f"[SIL106] {dpi} dpi in ImageJ header {ASSUMED}",))
    try:
        x_unit = length_unit(unit)
        y_unit = length_unit(str(metadata.get("yunit", unit)))
        z_unit = length_unit(str(metadata.get("zunit", unit)))
    except UnitError:
        return Calibration(
            warnings=(
                f"[SIL106] unit '{plain_text(unit, 40)}' in ImageJ header is no unit of length; {ASSUMED}",
            )
        )
    x = pixel_size(resolution.x) if resolution.x else None
    y = pixel_size(resolution.y) if resolution.y else None
    z, warnings = _imagej_depth(metadata, x == y == 1 and planes > 1, planes, z_unit)
    sizes = (_quantity(z, z_unit), _quantity(y, y_unit), _quantity(x, x_unit))
    return Calibration(sizes, "ImageJ header", (*_coarse(resolution), *warnings))


def _imagej_depth(
    metadata: Mapping[str, Any], unit_cube: bool, planes: int, unit: str
) -> tuple[float | None, tuple[str, ...]]:
    """Return the spacing of planes and a warning where it is silent."""
    spacing = metadata.get("spacing")
    if isinstance(spacing, (int, float)) and math.isfinite(spacing) and spacing != 0:
        return abs(float(spacing)), ()  # ImageJ takes the absolute value too
    if unit_cube:
        return 1.0, ()
    if planes == 1:
        return None, ()
    return None, (f"the ImageJ header gives x and y but no z spacing (Fiji would show 1 {unit})",)


def ome_pixels(description: str) -> Mapping[str, str] | None:
    """Return the attributes of ``Pixels`` in an OME-XML description, None where it is no OME-XML."""
    if not description.rstrip().endswith("OME>"):
        return None
    try:
        root = ElementTree.fromstring(description)
    except ElementTree.ParseError:
        return None
    return next((dict(e.attrib) for e in root.iter() if e.tag.rsplit("}", 1)[-1] == "Pixels"), None)


def ome_calibration(pixels: Mapping[str, str]) -> Calibration:
    """Read ``PhysicalSizeX`` and its like; the OME schema makes µm their unit where none is given."""
    sizes: list[Quantity | None] = []
    warnings: list[str] = []
    for axis in "ZYX":
        text = pixels.get(f"PhysicalSize{axis}")
        unit = pixels.get(f"PhysicalSize{axis}Unit", "µm")
        size = None
        if text is not None:
            try:
                size = _quantity(float(text), length_unit(unit))
            except (ValueError, UnitError):
                shown = plain_text(f"{text} {unit}", 60)
                warnings.append(f"[SIL106] PhysicalSize{axis} '{shown}' in OME header {ASSUMED}")
        sizes.append(size)
    z, y, x = sizes
    return Calibration((z, y, x), "OME header" if any(sizes) else "", tuple(warnings))


def _quantity(value: float | None, unit: str) -> Quantity | None:
    if value is None or not math.isfinite(value) or value <= 0:
        return None
    size = Quantity.parse({"value": value, "unit": unit})
    return size if unit in KEPT_UNITS else size.to("um")
