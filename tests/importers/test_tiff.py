"""TIFF files of one volume: every encoding gives the voxels that were written."""

from __future__ import annotations

import importlib.util
import json
import pickle
import struct
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from PIL import Image

from siltomo.errors import FormatError, MissingPartError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.tiff import import_tiff, recognises
from siltomo.units import Quantity

SCALE = (6.1538461538, 6.1538461538)


def read(path: Path) -> ImportedVolume:
    return import_tiff(Source(path))


def attempt(path: Path) -> tuple[np.ndarray | None, FormatError | None]:
    """Read everything, or return why not."""
    try:
        return whole(read(path)), None
    except FormatError as error:
        return None, error


def whole(volume: ImportedVolume) -> np.ndarray:
    return volume.planes(0, volume.shape[0])


DTYPES = ["u1", "i1", "u2", "i2", "u4", "i4", "f4", "f8", "u8", "f2"]
LAYOUTS: dict[str, dict[str, Any]] = {
    "little": {"byteorder": "<"},
    "big": {"byteorder": ">"},
    "bigtiff": {"bigtiff": True},
    "bigtiff big-endian": {"bigtiff": True, "byteorder": ">"},
    "deflate": {"compression": "zlib"},
    "deflate big-endian": {"compression": "zlib", "byteorder": ">"},
    "tiles": {"tile": (16, 16)},
    "deflated tiles": {"tile": (16, 16), "compression": "zlib"},
    "strips": {"rowsperstrip": 5},
    "one page": {"truncate": True},
    "white is zero": {"photometric": "miniswhite"},
    "plain": {"metadata": None},
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_voxels_come_back(tmp_path: Path, dtype: str, layout: str) -> None:
    voxels = (np.random.default_rng(1).normal(0, 60, (5, 20, 17)) + 60).astype(dtype)
    path = tmp_path / "v.tif"
    tifffile.imwrite(path, voxels, **{"photometric": "minisblack", **LAYOUTS[layout]})
    volume = read(path)
    assert volume.shape == (5, 20, 17)
    assert volume.dtype == np.dtype(dtype)
    assert volume.dtype.isnative
    assert volume.files == (path,)
    assert np.array_equal(whole(volume), voxels)
    assert np.array_equal(volume.planes(2, 4), voxels[2:4])
    assert volume.planes(3, 3).shape == (0, 20, 17)


@pytest.mark.parametrize(("start", "stop"), [(-1, 2), (0, 8), (3, 2)])
def test_planes_outside_the_volume(tmp_path: Path, volume: np.ndarray, start: int, stop: int) -> None:
    tifffile.imwrite(tmp_path / "v.tif", volume)
    with pytest.raises(IndexError, match="volume of 7 planes"):
        read(tmp_path / "v.tif").planes(start, stop)


def test_planes_may_be_read_by_threads_and_elsewhere(tmp_path: Path, volume: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "v.tif", volume, compression="zlib")
    planes = pickle.loads(pickle.dumps(read(tmp_path / "v.tif").planes))
    with ThreadPoolExecutor(4) as pool:
        got = list(pool.map(lambda i: planes(i % 7, i % 7 + 1)[0], range(70)))
    assert all(np.array_equal(plane, volume[i % 7]) for i, plane in enumerate(got))


@pytest.mark.parametrize(("photometric", "means"), [(1, "white"), (0, "black")])
def test_one_bit_voxels_are_zero_and_one_as_stored(
    tmp_path: Path, write_tiff: Callable[..., Path], photometric: int, means: str
) -> None:
    voxels = np.random.default_rng(2).integers(0, 2, (3, 9, 13), dtype=np.uint8)
    pages = [np.packbits(plane, axis=1).tobytes() for plane in voxels]
    path = write_tiff(tmp_path / "b.tif", pages, 13, 9, bits=1, tags={262: ("H", [photometric])})
    volume = read(path)
    assert volume.dtype == np.uint8
    assert volume.facts["1 means"] == means
    assert volume.facts["bits per voxel"] == "1"
    assert np.array_equal(whole(volume), voxels)


def test_reversed_bits_are_turned(tmp_path: Path, write_tiff: Callable[..., Path]) -> None:
    voxels = np.random.default_rng(2).integers(0, 2, (2, 9, 13), dtype=np.uint8)
    pages = [np.packbits(plane, axis=1, bitorder="little").tobytes() for plane in voxels]
    path = write_tiff(tmp_path / "b.tif", pages, 13, 9, bits=1, tags={266: ("H", [2])})
    assert np.array_equal(whole(read(path)), voxels)


def test_imagej_stack_with_calibration(tmp_path: Path, volume: np.ndarray) -> None:
    path = tmp_path / "ij.tif"
    meta = {"spacing": 0.325, "unit": "\\u00B5m", "axes": "ZYX", "min": 3.0, "max": 200.0}
    tifffile.imwrite(path, volume, imagej=True, resolution=SCALE, metadata=meta)
    found = read(path)
    assert found.format == "ImageJ TIFF"
    assert found.voxel_size == (Quantity(0.325, "um"), Quantity(0.1625, "um"), Quantity(0.1625, "um"))
    assert found.voxel_source == "ImageJ header"
    assert found.facts["display window"] == "3.0 to 200.0"
    assert found.warnings == ()
    assert np.array_equal(whole(found), volume)


def imagej_without_directories(path: Path, voxels: np.ndarray, images: int) -> None:
    """As ImageJ writes beyond 4 GB: one page, all planes behind it."""
    text = f"ImageJ=1.54f\nimages={images}\nslices={images}\nunit=micron\nspacing=2.0\n".encode()
    extra = [(270, "s", len(text), text.decode(), True)]
    with tifffile.TiffWriter(path, byteorder=">") as tif:
        tif.write(voxels[0], extratags=extra, metadata=None, software=False, resolution=(0.5, 0.5))
    with path.open("ab") as file:
        file.write(voxels[1:].astype(voxels.dtype.newbyteorder(">")).tobytes())


def test_imagej_volume_behind_one_page(tmp_path: Path) -> None:
    voxels = np.random.default_rng(3).integers(0, 65535, (6, 8, 9), dtype=np.uint16)
    imagej_without_directories(tmp_path / "big.tif", voxels, 6)
    found = read(tmp_path / "big.tif")
    assert found.shape == (6, 8, 9)
    assert found.voxel_size == (Quantity(2.0, "um"),) * 3
    assert np.array_equal(whole(found), voxels)
    assert np.array_equal(found.planes(4, 6), voxels[4:])


def test_imagej_volume_behind_one_page_cut(tmp_path: Path, refused: Any) -> None:
    voxels = np.random.default_rng(3).integers(0, 65535, (6, 8, 9), dtype=np.uint16)
    imagej_without_directories(tmp_path / "big.tif", voxels, 9)
    with refused(
        FormatError,
        "SIL103",
        "big.tif",
        "the file is cut: its header declares 9 planes, 6 are whole",
        fix="copy",
    ):
        read(tmp_path / "big.tif")


@pytest.mark.parametrize(
    ("axes", "shape", "says"),
    [
        ("TZYX", (2, 3, 8, 9), "3 slices, 1 channels, 2 time points"),
        ("ZCYX", (3, 2, 8, 9), "3 slices, 2 channels"),
    ],
)
def test_imagej_hyperstacks_are_refused(
    tmp_path: Path, axes: str, shape: tuple[int, ...], says: str, refused: Any
) -> None:
    tifffile.imwrite(tmp_path / "h.tif", np.zeros(shape, np.uint8), imagej=True, metadata={"axes": axes})
    with refused(FormatError, "SIL103", "h.tif", "no single volume", says, fix="Image > Properties"):
        read(tmp_path / "h.tif")


@pytest.mark.parametrize("shape", [(2, 3, 8, 9), (2, 2, 2, 8, 9)])
def test_arrays_of_more_axes_are_refused(tmp_path: Path, shape: tuple[int, ...], refused: Any) -> None:
    tifffile.imwrite(tmp_path / "h.tif", np.zeros(shape, np.uint8), photometric="minisblack")
    with refused(FormatError, "SIL103", "×".join(map(str, shape)), fix="(z, y, x)"):
        read(tmp_path / "h.tif")


def test_named_time_axis_is_refused(tmp_path: Path, refused: Any) -> None:
    tifffile.imwrite(tmp_path / "t.tif", np.zeros((5, 8, 9), np.uint8), metadata={"axes": "TYX"})
    with refused(FormatError, "SIL103", "axes TYX", fix="(z, y, x)"):
        read(tmp_path / "t.tif")


def test_pages_appended_one_by_one_are_a_volume(tmp_path: Path, volume: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "v.tif") as tif:
        for plane in volume:
            tif.write(plane)
    assert np.array_equal(whole(read(tmp_path / "v.tif")), volume)


def test_several_arrays_in_one_file_are_refused(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    with tifffile.TiffWriter(tmp_path / "v.tif") as tif:
        tif.write(volume, photometric="minisblack")
        tif.write(volume[:3], photometric="minisblack")
    with refused(FormatError, "SIL103", "holds 2 arrays: 7×12×10, 3×12×10", fix="a file of its own"):
        read(tmp_path / "v.tif")


def test_pages_of_two_sizes_are_refused(tmp_path: Path, refused: Any) -> None:
    with tifffile.TiffWriter(tmp_path / "v.tif") as tif:
        for shape in ((8, 9), (8, 9), (4, 5)):
            tif.write(np.zeros(shape, np.uint8), metadata=None)
    with refused(FormatError, "SIL103", "2 of 8×9", "1 of 4×5", fix="a file of its own"):
        read(tmp_path / "v.tif")


def test_thumbnails_are_left_out_and_said(tmp_path: Path, volume: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "v.tif") as tif:
        tif.write(np.zeros((4, 5, 3), np.uint8), subfiletype=1, photometric="rgb", metadata=None)
        for plane in volume:
            tif.write(plane, metadata=None)
    found = read(tmp_path / "v.tif")
    assert np.array_equal(whole(found), volume)
    assert "1 thumbnail pages left out" in found.warnings


def test_one_image_is_a_volume_of_one_plane(tmp_path: Path, volume: np.ndarray) -> None:
    tifffile.imwrite(tmp_path / "one.tif", volume[0])
    found = read(tmp_path / "one.tif")
    assert found.shape == (1, 12, 10)
    assert np.array_equal(whole(found)[0], volume[0])
    assert found.warnings == ("the file holds one image: taken as a volume of one plane",)


def test_imagej_header_that_counts_nothing(tmp_path: Path, volume: np.ndarray) -> None:
    """Other programs copy ImageJ's header without its counts: then the pages count."""
    text = "ImageJ=1.54f\nunit=micron\nspacing=2.0\n"
    tifffile.imwrite(tmp_path / "v.tif", volume, description=text, metadata=None, resolution=(0.5, 0.5))
    found = read(tmp_path / "v.tif")
    assert found.voxel_size == (Quantity(2.0, "um"),) * 3
    assert np.array_equal(whole(found), volume)


def test_imagej_header_that_counts_more_than_there_is(
    tmp_path: Path, volume: np.ndarray, refused: Any
) -> None:
    text = "ImageJ=1.54f\nimages=9\nslices=9\n"
    tifffile.imwrite(tmp_path / "v.tif", volume, description=text, metadata=None)
    with refused(FormatError, "SIL103", "declares 9 planes, the file holds 7", fix="copy"):
        read(tmp_path / "v.tif")


def test_orientation_is_said_not_applied(tmp_path: Path, write_tiff: Callable[..., Path]) -> None:
    path = write_tiff(tmp_path / "v.tif", [bytes(range(72))], 9, 8, tags={274: ("H", [4])})
    found = read(path)
    assert np.array_equal(whole(found).ravel(), np.arange(72))
    assert "not applied" in found.facts["orientation tag"]


def test_ome_sizes_and_planes(tmp_path: Path, volume: np.ndarray) -> None:
    meta = {"axes": "ZYX", "PhysicalSizeX": 0.65, "PhysicalSizeXUnit": "µm", "PhysicalSizeY": 650}
    meta |= {"PhysicalSizeYUnit": "nm", "PhysicalSizeZ": 1.3, "PhysicalSizeZUnit": "µm"}
    tifffile.imwrite(tmp_path / "v.ome.tif", volume, ome=True, metadata=meta)
    found = read(tmp_path / "v.ome.tif")
    assert found.format == "OME-TIFF"
    assert found.voxel_size == (Quantity(1.3, "um"), Quantity(650.0, "nm"), Quantity(0.65, "um"))
    assert np.array_equal(whole(found), volume)


def test_ome_of_several_files_does_not_pass_for_one(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    tifffile.imwrite(tmp_path / "v.ome.tif", volume, ome=True, metadata={"axes": "ZYX"})
    path = tmp_path / "part.ome.tif"
    path.write_bytes((tmp_path / "v.ome.tif").read_bytes().replace(b'SizeZ="7"', b'SizeZ="9"'))
    with refused(FormatError, "SIL103", "declares 9 planes, the file holds 7", fix="copy"):
        read(path)


def test_ome_time_series_is_refused(tmp_path: Path, refused: Any) -> None:
    tifffile.imwrite(
        tmp_path / "t.ome.tif", np.zeros((3, 8, 9), np.uint8), ome=True, metadata={"axes": "TYX"}
    )
    with refused(FormatError, "SIL103", "1 slices, 1 channels, 3 time points", fix="Duplicate"):
        read(tmp_path / "t.ome.tif")


def test_rgb_is_refused(tmp_path: Path, refused: Any) -> None:
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((4, 8, 9, 3), np.uint8), photometric="rgb")
    with refused(
        FormatError, "SIL103", "c.tif: page 0", "RGB", "3 values per pixel", fix="Image > Type > 8-bit"
    ):
        read(tmp_path / "c.tif")


def test_alpha_is_refused(tmp_path: Path, refused: Any) -> None:
    Image.fromarray(np.zeros((8, 9, 2), np.uint8), "LA").save(tmp_path / "la.tif")
    with refused(FormatError, "SIL103", "several channels", "2 values per pixel", fix="Image > Type > 8-bit"):
        read(tmp_path / "la.tif")


def test_palette_is_refused(tmp_path: Path, refused: Any) -> None:
    image = Image.fromarray(np.arange(72, dtype=np.uint8).reshape(8, 9)).convert("P")
    image.putpalette(np.random.default_rng(0).integers(0, 255, 768, dtype=np.uint8).tobytes())
    image.save(tmp_path / "p.tif")
    with refused(FormatError, "SIL103", "palette-colour", fix="Lookup Tables > Grays"):
        read(tmp_path / "p.tif")


def test_colour_table_of_imagej_only_tints(tmp_path: Path, volume: np.ndarray) -> None:
    """Fiji saves any stack shown in colours, such as labels, with a palette."""
    lut = np.random.default_rng(0).integers(0, 65535, (3, 256), dtype=np.uint16)
    text = "ImageJ=1.54f\nimages=7\nslices=7\nunit=um\nspacing=1.0\n"
    tifffile.imwrite(
        tmp_path / "lut.tif", volume, photometric="palette", colormap=lut, description=text, metadata=None
    )
    found = read(tmp_path / "lut.tif")
    assert np.array_equal(whole(found), volume)
    assert any("colour table" in warning for warning in found.warnings)


def test_complex_voxels_are_refused(tmp_path: Path, refused: Any) -> None:
    tifffile.imwrite(tmp_path / "c.tif", np.zeros((2, 8, 9), np.complex64))
    with refused(FormatError, "SIL103", "complex numbers", fix="float32"):
        read(tmp_path / "c.tif")


def test_calibrated_greys_are_said_to_be_raw(tmp_path: Path, volume: np.ndarray) -> None:
    text = "ImageJ=1.54f\nimages=7\nslices=7\ncf=0\nc0=-1.0\nc1=0.01\nvunit=1/cm\n"
    tifffile.imwrite(tmp_path / "v.tif", volume, description=text, metadata=None)
    found = read(tmp_path / "v.tif")
    assert any("calibrates the greys (in 1/cm)" in warning for warning in found.warnings)
    assert np.array_equal(whole(found), volume)


def test_lzw_is_read_or_names_what_is_missing(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    frames = [Image.fromarray(plane) for plane in volume]
    frames[0].save(tmp_path / "l.tif", save_all=True, append_images=frames[1:], compression="tiff_lzw")
    if importlib.util.find_spec("imagecodecs"):
        assert np.array_equal(whole(read(tmp_path / "l.tif")), volume)
    else:
        with refused(MissingPartError, "SIL130", "LZW", "imagecodecs", fix="pip install imagecodecs"):
            read(tmp_path / "l.tif")


def test_unknown_compression_is_refused(
    tmp_path: Path, write_tiff: Callable[..., Path], refused: Any
) -> None:
    path = write_tiff(tmp_path / "u.tif", [b"\0" * 72], 9, 8, tags={259: ("H", [60001])})
    with refused(FormatError, "SIL103", "compression 60001 is not known", fix="without compression"):
        read(path)


def test_a_cut_file_is_refused_wherever_it_is_cut(tmp_path: Path, volume: np.ndarray) -> None:
    """Never fewer planes in silence: each cut is an error, or took no more than the last header's padding."""
    for name, options in (("plain", {}), ("zlib", {"compression": "zlib"}), ("raw", {"metadata": None})):
        path = tmp_path / f"{name}.tif"
        tifffile.imwrite(path, volume, **options)  # type: ignore[arg-type]
        data = path.read_bytes()
        for end in range(0, len(data), 13):
            path.write_bytes(data[:end])
            voxels, error = attempt(path)
            if error is None:
                assert end > len(data) - 20
                assert np.array_equal(voxels, volume)
            else:
                assert name in str(error)
                assert error.fix


def test_a_circle_of_pages_is_refused(tmp_path: Path, write_tiff: Callable[..., Path], refused: Any) -> None:
    path = write_tiff(tmp_path / "o.tif", [b"\0" * 72] * 3, 9, 8, next_of_last=8)
    with refused(FormatError, "SIL103", "o.tif", "in a circle after page 2", fix="copy"):
        read(path)


def test_a_page_that_begins_beyond_the_end(
    tmp_path: Path, write_tiff: Callable[..., Path], refused: Any
) -> None:
    path = write_tiff(tmp_path / "o.tif", [b"\0" * 72] * 3, 9, 8, next_of_last=10**6)
    with refused(FormatError, "SIL103", "the file is cut: page 3 begins at byte 1000000", fix="copy"):
        read(path)


def test_a_header_that_declares_too_much(
    tmp_path: Path, write_tiff: Callable[..., Path], refused: Any
) -> None:
    path = write_tiff(tmp_path / "bomb.tif", [b"x" * 4000] * 3, 20000, 20000, tags={259: ("H", [8])})
    with refused(
        FormatError, "SIL103", "1.2 GB of voxels", "12.3 kB", "1000 to 1", fix="without compression"
    ):
        read(path)


def test_one_page_that_would_fill_the_memory(
    tmp_path: Path, write_tiff: Callable[..., Path], refused: Any
) -> None:
    path = write_tiff(tmp_path / "bomb.tif", [b"x" * 4000], 60416, 60416, tags={259: ("H", [8])})
    with refused(FormatError, "SIL103", "3.65 GB of memory, allowed are 2.15 GB", fix="without compression"):
        read(path)


def test_blank_planes_compress_beyond_that_and_are_read(tmp_path: Path, volume: np.ndarray) -> None:
    """Deflate packs an empty plane 1030 to 1: only the whole file tells what is real."""
    voxels = np.zeros((4, 2000, 2000), np.uint16)
    voxels[2] = np.random.default_rng(0).integers(0, 9, (2000, 2000))
    tifffile.imwrite(tmp_path / "v.tif", voxels, compression="zlib", photometric="minisblack")
    assert np.array_equal(whole(read(tmp_path / "v.tif")), voxels)


def test_a_harmless_oddity_is_told_once_and_read(
    tmp_path: Path, volume: np.ndarray, write_tiff: Callable[..., Path], capfd: pytest.CaptureFixture[str]
) -> None:
    """What tifffile would print becomes a warning of the volume."""
    pages = [np.packbits(plane > 99, axis=1).tobytes() for plane in volume]
    path = write_tiff(tmp_path / "v.tif", pages, 10, 12, bits=1, tags={65000: ("?", [7])})
    found = read(path)
    assert np.array_equal(whole(found), volume > 99)
    assert any("invalid data type 99" in warning for warning in found.warnings)
    assert capfd.readouterr() == ("", "")


def test_too_few_bytes_for_the_pixels(tmp_path: Path, write_tiff: Callable[..., Path], refused: Any) -> None:
    path = write_tiff(tmp_path / "few.tif", [b"x" * 71], 9, 8)
    with refused(FormatError, "SIL103", "72 bytes of pixels are needed, 71 are stored", fix="copy"):
        read(path)


def test_a_strip_without_data_is_not_zeros(
    tmp_path: Path, write_tiff: Callable[..., Path], refused: Any
) -> None:
    path = write_tiff(tmp_path / "hole.tif", [b"x" * 72] * 2, 9, 8, tags={279: ("I", [0])})
    with refused(FormatError, "SIL103", "without data", fix="copy"):
        read(path)


def test_a_damaged_plane_is_named_when_it_is_read(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    path = tmp_path / "v.tif"
    tifffile.imwrite(path, volume, compression="zlib", photometric="minisblack")
    with tifffile.TiffFile(path) as tif:
        at = tif.pages[4].dataoffsets[0]  # type: ignore[union-attr]
    data = bytearray(path.read_bytes())
    data[at : at + 20] = b"\xff" * 20
    path.write_bytes(data)
    found = read(path)
    assert np.array_equal(found.planes(0, 4), volume[:4])
    with refused(FormatError, "SIL103", "v.tif", "page 4", fix="copy"):
        found.planes(3, 6)


def test_a_file_that_shrinks_after_opening(tmp_path: Path, volume: np.ndarray, refused: Any) -> None:
    path = tmp_path / "v.tif"
    tifffile.imwrite(path, volume)
    found = read(path)
    path.write_bytes(path.read_bytes()[:700])
    assert np.array_equal(found.planes(0, 3), volume[:3])
    with refused(FormatError, "SIL103", "v.tif", "page 3", "84 of 120 bytes", fix="copy"):
        found.planes(0, 7)


def test_a_dtype_that_no_image_has(tmp_path: Path, write_tiff: Callable[..., Path], refused: Any) -> None:
    path = write_tiff(tmp_path / "odd.tif", [b"\0" * 1152], 9, 8, bits=128, tags={339: ("H", [1])})
    with refused(FormatError, "SIL103", "128 bits", fix="Image > Type"):
        read(path)


def test_resolution_tags_of_a_plain_file(tmp_path: Path, volume: np.ndarray) -> None:
    tifffile.imwrite(
        tmp_path / "v.tif",
        volume,
        metadata=None,
        resolution=(1e4 / 0.65, 1e4 / 0.65),
        resolutionunit="CENTIMETER",
    )
    found = read(tmp_path / "v.tif")
    assert found.voxel_size[0] is None
    assert found.voxel_size[1] is not None
    assert found.voxel_size[1].m_as("um") == pytest.approx(0.65, rel=1e-6)


def test_facts_are_the_words_of_the_file(tmp_path: Path, volume: np.ndarray) -> None:
    tifffile.imwrite(
        tmp_path / "v.tif", volume, description="scan of \x1b[31mref1", software="rec 1.2", metadata=None,
        datetime="2021:06:14 10:41:07", compression="zlib", predictor=True,
    )  # fmt: skip
    facts = read(tmp_path / "v.tif").facts
    assert facts["description"] == "scan of  [31mref1"
    assert facts["software"] == "rec 1.2"
    assert facts["date"] == "2021:06:14 10:41:07"
    assert facts["compression"] == "ADOBE_DEFLATE with predictor HORIZONTAL"


def test_mixed_photometric_is_said(tmp_path: Path, volume: np.ndarray) -> None:
    with tifffile.TiffWriter(tmp_path / "v.tif") as tif:
        for i, plane in enumerate(volume):
            tif.write(plane, photometric="miniswhite" if i % 2 else "minisblack", metadata=None)
    found = read(tmp_path / "v.tif")
    assert np.array_equal(whole(found), volume)
    assert "3 of 7 pages say that zero is white" in found.warnings[0]


@pytest.mark.parametrize("shape", [(2, 8, 9), "x", None, [1e400], [[1]]])
def test_shape_descriptions_that_lie(tmp_path: Path, volume: np.ndarray, shape: object) -> None:
    """A wrong description is refused, or passed over where the pages speak for themselves."""
    text = json.dumps({"shape": shape})
    tifffile.imwrite(tmp_path / "v.tif", volume, description=text, metadata=None)
    voxels, error = attempt(tmp_path / "v.tif")
    if error is None:
        assert np.array_equal(voxels, volume)
    else:
        assert "v.tif" in str(error)
        assert error.fix


@pytest.mark.parametrize("start", [b"", b"II", b"II*", b"MM*\0", b"GIF89a", b"\x89PNG\r\n"])
def test_what_is_no_tiff(tmp_path: Path, start: bytes, refused: Any) -> None:
    path = tmp_path / "x.tif"
    path.write_bytes(start)
    assert not recognises(path)
    with refused(FormatError, "SIL103", "x.tif", "does not begin as a TIFF does", fix="copy"):
        read(path)


def test_a_tiff_without_pages(tmp_path: Path, refused: Any) -> None:
    (tmp_path / "x.tif").write_bytes(b"II*\0" + struct.pack("<I", 0))
    with refused(FormatError, "SIL103", "holds no page", fix="copy"):
        read(tmp_path / "x.tif")


@pytest.mark.parametrize("options", [{}, {"compression": "zlib"}])
def test_a_cut_file_is_refused_before_a_voxel_is_read(
    tmp_path: Path, volume: np.ndarray, options: dict[str, Any], refused: Any
) -> None:
    """The pixels of the last plane end the file, so that all headers are whole."""
    with tifffile.TiffWriter(tmp_path / "v.tif") as tif:
        for plane in volume:
            tif.write(plane, metadata=None, **options)
    data = (tmp_path / "v.tif").read_bytes()
    (tmp_path / "v.tif").write_bytes(data[:-9])
    with refused(FormatError, "SIL103", "page 6: the file is cut: the pixels end at byte", fix="copy"):
        read(tmp_path / "v.tif")


def test_a_predictor_without_compression(
    tmp_path: Path, write_tiff: Callable[..., Path], refused: Any
) -> None:
    path = write_tiff(tmp_path / "v.tif", [bytes(72)], 9, 8, tags={317: ("H", [2])})
    with refused(FormatError, "SIL103", "predictor but no compression", fix="without compression"):
        read(path)


def test_reversed_bits_of_whole_bytes(
    tmp_path: Path, volume: np.ndarray, write_tiff: Callable[..., Path]
) -> None:
    """Undone as tifffile does."""
    pages = [plane.tobytes() for plane in volume]
    path = write_tiff(tmp_path / "v.tif", pages, 10, 12, tags={266: ("H", [2])})
    with tifffile.TiffFile(path) as tif:
        expected = np.array([page.asarray() for page in tif.pages])
    assert not np.array_equal(expected, volume)
    assert np.array_equal(whole(read(path)), expected)


def test_the_ending_of_the_name_changes_nothing(tmp_path: Path, volume: np.ndarray) -> None:
    for ending in ("lsm", "ndpi", "stk", "svs", "bin"):
        tifffile.imwrite(tmp_path / f"v.{ending}", volume, metadata=None)
        assert np.array_equal(whole(read(tmp_path / f"v.{ending}")), volume)
