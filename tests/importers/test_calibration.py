"""Voxel sizes of TIFF headers: every spelling met in files, and the silent ones."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.errors import UnitError
from siltomo.importers.calibration import (
    Resolution,
    imagej_calibration,
    is_uncalibrated,
    length_unit,
    ome_calibration,
    ome_pixels,
    pixel_size,
    tag_calibration,
)
from siltomo.units import Quantity

PER_UM = Resolution((6153846, 1000000), (6153846, 1000000), 1)


@pytest.mark.parametrize(
    ("spelling", "unit"),
    [
        ("µm", "um"),
        ("μm", "um"),
        ("um", "um"),
        ("\\u00B5m", "um"),
        ("\\u00b5m", "um"),
        ("\\u03BCm", "um"),
        ("Âµm", "um"),
        ("micron", "um"),
        ("microns", "um"),
        ("Micron", "um"),
        ("micrometer", "um"),
        ("micrometre", "um"),
        (" um ", "um"),
        ("nm", "nm"),
        ("mm", "mm"),
        ("cm", "cm"),
        ("m", "m"),
        ("inch", "inch"),
        ("inches", "inch"),
        ("in", "inch"),
    ],
)
def test_spellings_of_a_length(spelling: str, unit: str) -> None:
    assert length_unit(spelling) == unit
    assert not is_uncalibrated(spelling)


@pytest.mark.parametrize("spelling", ["pixel", "Pixels", "px", "voxel", "", " ", "none", "null", "-", "1"])
def test_words_for_not_calibrated(spelling: str) -> None:
    assert is_uncalibrated(spelling)


@pytest.mark.parametrize(
    "spelling", ["sec", "kg", "grey value", "9**9**9", "m*m", "__import__('os')", "x" * 500]
)
def test_what_is_no_length(spelling: str) -> None:
    with pytest.raises(UnitError):
        length_unit(spelling)


@given(
    digits=st.integers(1, 9999),
    power=st.sampled_from([-4, -3, -2, -1, 0]),
)
@settings(max_examples=300, deadline=None)
def test_a_size_of_four_digits_survives_imagej(digits: int, power: int) -> None:
    """ImageJ writes int(1e6 / size) over 1e6, or less where that is too large for it."""
    size = float(f"{digits}e{power}")
    scale = 1e6
    if scale / size > 2**31 - 1:
        scale = float(int((2**31 - 1) * size))
    stored = (int(scale / size), int(scale))
    if stored[0] < 20000 or stored[1] < 1000:  # too coarse to hold four digits
        return
    assert pixel_size(stored) == size


@pytest.mark.parametrize(
    ("stored", "size"),
    [
        ((80, 13), 0.1625),
        ((3, 1), 0.333333333333),
        ((6153, 1000000), 162.5),  # 162.5 nm by ImageJ; read plainly it is 162.522 nm
        ((1538461, 1000000), 0.65),
        ((1, 1), 1.0),
        ((0, 1), None),
        ((1, 0), None),
        ((-5, 1000000), None),
    ],
)
def test_pixel_size_of_a_fraction(stored: tuple[int, int], size: float | None) -> None:
    assert pixel_size(stored) == size


@pytest.mark.parametrize("unit", ["um", "micron", "\\u00B5m", "µm"])
def test_imagej_calibration_is_read(unit: str) -> None:
    found = imagej_calibration({"unit": unit, "spacing": 0.325}, PER_UM, planes=9)
    assert found.voxel_size == (Quantity(0.325, "um"), Quantity(0.1625, "um"), Quantity(0.1625, "um"))
    assert found.source == "ImageJ header"
    assert found.warnings == ()


def test_imagej_pixel_is_not_calibrated() -> None:
    found = imagej_calibration({"unit": "pixel", "spacing": 2.0}, PER_UM, planes=9)
    assert found.voxel_size == (None, None, None)
    assert found.source == ""
    assert found.warnings == ("[SIL106] unit 'pixel' in ImageJ header taken as \"not calibrated\"",)


def test_imagej_unit_that_is_no_length_is_said() -> None:
    found = imagej_calibration({"unit": "sec\x1b[31m"}, PER_UM, planes=9)
    assert found.voxel_size == (None, None, None)
    assert "is no unit of length" in found.warnings[0]
    assert "\x1b" not in found.warnings[0]


def test_imagej_without_spacing_is_silent_on_z() -> None:
    found = imagej_calibration({"unit": "um"}, PER_UM, planes=9)
    assert found.voxel_size == (None, Quantity(0.1625, "um"), Quantity(0.1625, "um"))
    assert "no z spacing" in found.warnings[0]


def test_imagej_leaves_out_a_spacing_of_one() -> None:
    """ImageJ writes no ``spacing`` for cubes of 1 um."""
    found = imagej_calibration({"unit": "um"}, Resolution((1000000, 1000000), (1000000, 1000000)), planes=9)
    assert found.voxel_size == (Quantity(1.0, "um"),) * 3
    assert found.warnings == ()


def test_imagej_axes_may_differ_in_unit() -> None:
    found = imagej_calibration({"unit": "um", "zunit": "nm", "spacing": -325.0}, PER_UM, planes=9)
    assert found.voxel_size[0] == Quantity(325.0, "nm")


def test_imagej_centimetres_become_micrometres() -> None:
    stored = Resolution((61538461, 1000), (61538461, 1000), 3)
    found = imagej_calibration({"unit": "cm", "spacing": 1.625e-5}, stored, planes=9)
    assert found.voxel_size == (Quantity(0.1625, "um"),) * 3


def test_coarse_fraction_is_said() -> None:
    found = imagej_calibration(
        {"unit": "nm", "spacing": 33970}, Resolution((29, 1000000), (29, 1000000)), planes=2
    )
    assert "only to" in found.warnings[0]


@pytest.mark.parametrize("spacing", ["0.5", float("nan"), float("inf"), 0, None])
def test_imagej_spacing_that_is_none(spacing: object) -> None:
    assert imagej_calibration({"unit": "um", "spacing": spacing}, PER_UM, planes=9).voxel_size[0] is None


@pytest.mark.parametrize("dpi", [72, 96, 100, 300])
def test_printing_resolutions_are_not_calibrations(dpi: int) -> None:
    for stored in (
        Resolution((dpi, 1), (dpi, 1), 2),
        Resolution((round(dpi / 2.54 * 1e6), 1000000), (round(dpi / 2.54 * 1e6), 1000000), 3),
    ):
        found = tag_calibration(stored)
        assert found.voxel_size == (None, None, None)
        assert found.warnings == (f'[SIL106] {dpi} dpi in TIFF resolution tags taken as "not calibrated"',)


def test_tags_in_centimetres_are_read_and_silent_on_z() -> None:
    found = tag_calibration(Resolution((1000000, 65), (2000000, 65), 3))
    assert found.voxel_size == (None, Quantity(0.325, "um"), Quantity(0.65, "um"))
    assert found.source == "TIFF resolution tags"


def test_tags_without_unit_are_silent() -> None:
    assert tag_calibration(Resolution((6, 1), (6, 1), 1)).voxel_size == (None, None, None)
    assert tag_calibration(Resolution()).voxel_size == (None, None, None)
    assert tag_calibration(Resolution((0, 1), (0, 0), 3)).voxel_size == (None, None, None)


OME = (
    '<?xml version="1.0"?><OME xmlns="http://www.openmicroscopy.org/Schemas/OME/2016-06"><Image ID="Image:0">'
    '<Pixels SizeX="10" SizeY="12" SizeZ="7" SizeC="1" SizeT="1" PhysicalSizeX="0.65" PhysicalSizeY="650" '
    'PhysicalSizeYUnit="nm" PhysicalSizeZ="{z}" PhysicalSizeZUnit="{unit}"/></Image></OME>'
)


def test_ome_sizes_are_read() -> None:
    pixels = ome_pixels(OME.format(z="1.3", unit="µm"))
    assert pixels is not None
    found = ome_calibration(pixels)
    assert found.voxel_size == (Quantity(1.3, "um"), Quantity(650.0, "nm"), Quantity(0.65, "um"))
    assert found.source == "OME header"


@pytest.mark.parametrize(("z", "unit"), [("1.3", "pixel"), ("nonsense", "µm"), ("1", "reference frame")])
def test_ome_size_that_is_none_is_said(z: str, unit: str) -> None:
    pixels = ome_pixels(OME.format(z=z, unit=unit))
    assert pixels is not None
    found = ome_calibration(pixels)
    assert found.voxel_size[0] is None
    assert "PhysicalSizeZ" in found.warnings[0]


@pytest.mark.parametrize("text", ["", "<OME", "ImageJ=1.54f", "<a>&b;</OME>"])
def test_what_is_no_ome(text: str) -> None:
    assert ome_pixels(text) is None
