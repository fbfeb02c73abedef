"""MetaImage, NRRD, PyHST2: raw or packed voxels, checked against writers made by others where there is one."""

from __future__ import annotations

import gzip
import pickle
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siltomo.errors import FormatError
from siltomo.importers import ImportedVolume, Source, open_volume

SHAPE = (7, 12, 10)


def whole(volume: ImportedVolume, slab: int = 3) -> np.ndarray:
    starts = range(0, volume.shape[0], slab)
    return np.concatenate([volume.planes(i, min(i + slab, volume.shape[0])) for i in starts])


def numbers(kind: str) -> np.ndarray:
    rng = np.random.default_rng(3)
    if kind[-2] == "f":
        return rng.normal(size=SHAPE).astype(kind)
    return rng.integers(0, 100, SHAPE).astype(kind)


MET = {"u1": "MET_UCHAR", "i2": "MET_SHORT", "u2": "MET_USHORT", "f4": "MET_FLOAT", "f8": "MET_DOUBLE"}


def mhd(folder: Path, voxels: np.ndarray, *lines: str, name: str = "v.mhd", data: str = "v.raw") -> Path:
    z, y, x = voxels.shape
    kind = MET[voxels.dtype.newbyteorder("=").str[1:]]
    head = [
        "ObjectType = Image",
        "NDims = 3",
        f"DimSize = {x} {y} {z}",
        *lines,
        f"ElementType = {kind}",
        f"ElementDataFile = {data}",
    ]
    (folder / name).write_text("\n".join(head) + "\n")
    if data != "LOCAL":
        (folder / data).write_bytes(voxels.tobytes())
    return folder / name


@pytest.mark.parametrize("kind", ["<u1", "<i2", ">u2", "<f4", ">f8"])
def test_a_metaimage_with_its_raw_file(tmp_path: Path, kind: str) -> None:
    voxels = numbers(kind)
    path = mhd(tmp_path, voxels, f"BinaryDataByteOrderMSB = {kind[0] == '>'}", "ElementSpacing = 0.3 0.2 0.1")
    found = open_volume(Source(path))
    assert (found.format, found.shape, found.dtype) == ("MetaImage", SHAPE, voxels.dtype.newbyteorder("="))
    assert np.array_equal(whole(found), voxels)
    assert found.voxel_size == (None, None, None)
    assert found.spacing == (0.1, 0.2, 0.3), "numbers without unit, in the order z, y, x"
    assert [f.name for f in found.files] == ["v.mhd", "v.raw"]


def test_distance_units_make_a_voxel_size(tmp_path: Path) -> None:
    path = mhd(tmp_path, numbers("<u1"), "ElementSpacing = 0.00016 0.00016 0.00032", "DistanceUnits = mm")
    z, y, x = open_volume(Source(path)).voxel_size
    assert (str(z), str(y), str(x)) == ("0.32 um", "0.16 um", "0.16 um")


def test_a_metaimage_in_one_file_and_packed(tmp_path: Path) -> None:
    voxels = numbers("<u2")
    path = mhd(tmp_path, voxels, name="v.mha", data="LOCAL")
    path.write_bytes(path.read_bytes() + voxels.tobytes())
    assert np.array_equal(whole(open_volume(Source(path))), voxels)
    packed = zlib.compress(voxels.tobytes())
    path = mhd(
        tmp_path, voxels, "CompressedData = True", f"CompressedDataSize = {len(packed)}", data="v.zraw"
    )
    (tmp_path / "v.zraw").write_bytes(packed)
    found = open_volume(Source(path))
    assert np.array_equal(whole(found, 2), voxels)
    assert np.array_equal(found.planes(1, 3), voxels[1:3]), "going back unpacks from the start"
    assert np.array_equal(pickle.loads(pickle.dumps(found.planes))(5, 7), voxels[5:7])


def test_header_size_counts_from_either_end(tmp_path: Path) -> None:
    voxels = numbers("<f4")
    for skip in (16, -1):
        path = mhd(tmp_path, voxels, f"HeaderSize = {skip}")
        (tmp_path / "v.raw").write_bytes(bytes(16) + voxels.tobytes())
        assert np.array_equal(whole(open_volume(Source(path))), voxels)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["HeaderSize = 3"], "the file is cut"),
        (["ElementNumberOfChannels = 3"], "3 channels"),
        (["ElementSpacing = 1 1"], "3 numbers are expected"),
        (["ElementSpacing = 1 -1 1"], "above zero"),
        (["BinaryData = False"], "as text"),
        (["NDims = 2"], "given twice"),
        (["CompressedData = True"], "cannot read planes|the file is cut"),
        (["nonsense"], "has no value"),
    ],
)
def test_metaimages_that_contradict_themselves(tmp_path: Path, lines: list[str], says: str) -> None:
    path = mhd(tmp_path, numbers("<u1"), *lines)
    with pytest.raises(FormatError, match=says):
        whole(open_volume(Source(path)))


def test_a_raw_file_alone_names_its_header(tmp_path: Path, refused: Any) -> None:
    path = mhd(tmp_path, numbers("<u1"))
    with refused(FormatError, "SIL103", "described by the header beside it", fix=str(path)):
        open_volume(Source(tmp_path / "v.raw"))


def nrrd(folder: Path, voxels: np.ndarray, *lines: str, encoding: str = "raw", data: str = "") -> Path:
    z, y, x = voxels.shape
    kind = {"u1": "uchar", "u2": "unsigned short", "f4": "float"}[voxels.dtype.newbyteorder("=").str[1:]]
    head = ["NRRD0004", "# made by a test", f"type: {kind}", "dimension: 3", f"sizes: {x} {y} {z}"]
    head += [f"encoding: {encoding}", f"endian: {'big' if voxels.dtype.str[0] == '>' else 'little'}", *lines]
    packed = gzip.compress(voxels.tobytes()) if encoding in ("gzip", "gz") else voxels.tobytes()
    if data:
        (folder / data).write_bytes(packed)
        (folder / "v.nhdr").write_text("\n".join([*head, f"data file: {data}"]) + "\n")
        return folder / "v.nhdr"
    (folder / "v.nrrd").write_bytes(("\n".join(head) + "\n\n").encode() + packed)
    return folder / "v.nrrd"


@pytest.mark.parametrize("encoding", ["raw", "gzip"])
@pytest.mark.parametrize("data", ["", "v.bin"])
@pytest.mark.parametrize("kind", ["<u1", ">u2", "<f4"])
def test_nrrd_attached_and_detached(tmp_path: Path, encoding: str, data: str, kind: str) -> None:
    voxels = numbers(kind)
    found = open_volume(Source(nrrd(tmp_path, voxels, "spacings: 3 2 1", encoding=encoding, data=data)))
    assert (found.format, found.shape, found.spacing) == ("NRRD", SHAPE, (1.0, 2.0, 3.0))
    assert np.array_equal(whole(found), voxels)
    assert len(found.files) == (2 if data else 1)


def test_nrrd_units_make_a_voxel_size(tmp_path: Path) -> None:
    lines = [
        'space units: "um" "um" "mm"',
        "space directions: (0.5,0,0) (0,0.25,0) (0,0,0.001)",
        "space dimension: 3",
    ]
    found = open_volume(Source(nrrd(tmp_path, numbers("<u1"), *lines)))
    assert [str(edge) for edge in found.voxel_size] == ["1 um", "0.25 um", "0.5 um"]
    assert not found.warnings


def test_a_turned_nrrd_says_so(tmp_path: Path) -> None:
    found = open_volume(Source(nrrd(tmp_path, numbers("<u1"), "space directions: (3,4,0) (-4,3,0) (0,0,1)")))
    assert found.spacing == (1.0, 5.0, 5.0)
    assert any("turn the volume" in w for w in found.warnings)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        (["byte skip: 5"], "cut"),
        (["line skip: 1"], "skips 1 lines"),
        (["sizes: 1 1 1"], "given twice"),
        (["spacings: 1 2"], "3 numbers are expected"),
        (["spacings: 1 0 1"], "above zero"),
        (["no field here"], "is no field"),
    ],
)
def test_nrrds_that_contradict_themselves(tmp_path: Path, lines: list[str], says: str) -> None:
    with pytest.raises(FormatError, match=says):
        open_volume(Source(nrrd(tmp_path, numbers("<u1"), *lines)))


def test_multibyte_nrrd_without_byte_order_is_refused(tmp_path: Path) -> None:
    path = nrrd(tmp_path, numbers("<f4"))
    path.write_bytes(path.read_bytes().replace(b"endian: little\n", b""))
    with pytest.raises(FormatError, match="byte order"):
        open_volume(Source(path))


INFO = """! PyHST_SLAVE VOLUME INFO FILE
NUM_X =  {2}
NUM_Y =  {1}
NUM_Z =  {0}
voxelSize =  0.65
BYTEORDER = {3}
ValMin =  -1.0
ValMax =  4.5
s1 =  0.0
s2 =  1.0
S1 =  0.1
S2 =  1.1
"""
XML = """<?xml version="1.0"?><tomodb2><reconstruction><listSubVolume><subVolume>
<SIZEX>{2}</SIZEX><SIZEY>{1}</SIZEY><SIZEZ>{0}</SIZEZ><voxelSize>{4}</voxelSize>
<BYTE_ORDER>{3}</BYTE_ORDER></subVolume></listSubVolume></reconstruction></tomodb2>"""


def vol(folder: Path, voxels: np.ndarray, *, info: bool = True, xml: str = "") -> Path:
    order = "HIGHBYTEFIRST" if voxels.dtype.str[0] == ">" else "LOWBYTEFIRST"
    (folder / "v.vol").write_bytes(voxels.tobytes())
    if info:
        (folder / "v.vol.info").write_text(INFO.format(*voxels.shape, order))
    if xml:
        (folder / "v.xml").write_text(XML.format(*voxels.shape, order, xml))
    return folder / "v.vol"


@pytest.mark.parametrize("kind", ["<f4", ">f4"])
def test_a_vol_with_either_description(tmp_path: Path, kind: str) -> None:
    voxels = numbers(kind)
    for info, xml in ((True, ""), (True, "0.65"), (False, "0.65")):
        for name in ("v.vol.info", "v.xml"):
            (tmp_path / name).unlink(missing_ok=True)
        found = open_volume(Source(vol(tmp_path, voxels, info=info, xml=xml)))
        assert (found.format, found.spacing) == ("PyHST2 volume", (0.65, 0.65, 0.65))
        assert np.array_equal(whole(found), voxels)
    assert open_volume(Source(vol(tmp_path, voxels))).facts["largest value"] == "4.5"


def test_the_info_file_leads_to_its_vol(tmp_path: Path) -> None:
    voxels = numbers("<f4")
    vol(tmp_path, voxels)
    assert np.array_equal(whole(open_volume(Source(tmp_path / "v.vol.info"))), voxels)


def test_two_descriptions_that_disagree_are_both_shown(tmp_path: Path) -> None:
    path = vol(tmp_path, numbers("<f4"), xml="0.7")
    with pytest.raises(FormatError, match=r"voxelsize is 0\.65 in v\.vol\.info and 0\.7 in v\.xml"):
        open_volume(Source(path))


def test_a_vol_of_another_size_shows_both_numbers(tmp_path: Path) -> None:
    path = vol(tmp_path, numbers("<f4"))
    path.write_bytes(path.read_bytes() + b"12")
    with pytest.raises(FormatError, match=r"7×12×10 voxels of float32 \(3360 bytes\), the file holds 3362"):
        open_volume(Source(path))


def test_a_vol_without_byte_order_or_description(tmp_path: Path) -> None:
    path = vol(tmp_path, numbers("<f4"))
    info = tmp_path / "v.vol.info"
    info.write_text(info.read_text().replace("LOWBYTEFIRST", "MIDDLE"))
    with pytest.raises(FormatError, match="BYTEORDER is 'MIDDLE'"):
        open_volume(Source(path))
    info.unlink()
    with pytest.raises(FormatError, match="without its description"):
        open_volume(Source(path))
