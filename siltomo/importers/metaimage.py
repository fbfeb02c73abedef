"""MetaImage, as ITK, 3D Slicer and elastix write it: .mhd with a raw file beside it, or .mha in one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import border, plain_text, refused
from siltomo.importers.packed_blocks import PackedBlock, packed_block
from siltomo.importers.raw_blocks import RawBlock, beside, header_floats, header_ints, raw_block
from siltomo.importers.reading import Planes, check_shape, voxel_dtype
from siltomo.units import Quantity

__all__ = ["import_metaimage", "recognises"]

MAX_HEADER = 1 << 16
FIRST = (b"objecttype", b"ndims", b"comment")
TYPES = {
    "MET_CHAR": "i1",
    "MET_UCHAR": "u1",
    "MET_SHORT": "i2",
    "MET_USHORT": "u2",
    "MET_INT": "i4",
    "MET_UINT": "u4",
    "MET_LONG": "i4",
    "MET_ULONG": "u4",
    "MET_LONG_LONG": "i8",
    "MET_ULONG_LONG": "u8",
    "MET_FLOAT": "f4",
    "MET_DOUBLE": "f8",
}
UNITS = {"um", "mm", "cm"}
"""What ``DistanceUnits`` may say; without it the numbers of a MetaImage have no unit, though ITK reads mm."""


@dataclass(frozen=True)
class _Header:
    fields: dict[str, str]
    """Values by lower-case key."""
    size: int
    """Bytes of the header, to where voxels begin in a .mha."""

    def word(self, *keys: str) -> str:
        return next((self.fields[k.lower()] for k in keys if k.lower() in self.fields), "")

    def true(self, *keys: str) -> bool:
        return self.word(*keys).lower() in ("true", "1", "yes")


def recognises(path: Path) -> bool:
    """Return whether a path is a MetaImage header: it begins with one of its keys."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        begins = file.read(64).lstrip().lower()
    key, equals, _ = begins.partition(b"=")
    return bool(equals) and key.strip() in FIRST


def import_metaimage(source: Source, /) -> ImportedVolume:
    """Describe a MetaImage.

    Parameters
    ----------
    source
        The .mhd or .mha file; ``member`` and ``allow_gaps`` do not apply.

    Returns
    -------
    ImportedVolume
        With a voxel size where ``DistanceUnits`` says the unit, else with bare ``spacing``.

    Raises
    ------
    FormatError
        When the header contradicts itself or the size of the data file, or names a file elsewhere.
    """
    path = source.path
    with border(path, "its MetaImage header"):
        header = _read_header(path)
    if header.word("NDims") != "3":
        raise refused(path, f"has {plain_text(header.word('NDims'), 20) or 'no'} dimensions; a volume has 3")
    if header.word("ElementNumberOfChannels") not in ("", "1"):
        raise refused(path, f"has {plain_text(header.word('ElementNumberOfChannels'), 20)} channels")
    x, y, z = header_ints(header.word("DimSize"), 3, "DimSize", path)
    shape = check_shape((z, y, x), path)
    stored = _stored_type(header, path)
    block = _block(header, path, stored, shape)
    sizes, spacing, said = _spacing(header, path)
    dtype = voxel_dtype(stored, path)
    return ImportedVolume(
        format="MetaImage",
        shape=shape,
        dtype=dtype,
        planes=Planes(shape, dtype, block),
        files=(path,) if block.path == path else (path, block.path),
        voxel_size=sizes,
        voxel_source=said,
        spacing=spacing,
        facts={
            "stored type": stored.str,
            "bits per voxel": str(8 * stored.itemsize),
            "voxels in": plain_text(header.word("ElementDataFile"), 80),
            "compression": "zlib" if isinstance(block, PackedBlock) else "none",
        },
        warnings=_turned(header),
    )


def _read_header(path: Path) -> _Header:
    """Read ``key = value`` lines up to ``ElementDataFile``, which is the last one."""
    fields: dict[str, str] = {}
    with path.open("rb") as file:
        head = file.read(MAX_HEADER)
    at = 0
    while at < len(head):
        end = head.find(b"\n", at)
        end = len(head) if end < 0 else end
        key, equals, value = head[at:end].decode("latin-1").partition("=")
        at = end + 1
        if not key.strip() and not equals:
            continue
        name = key.strip().lower()
        if not equals or name in fields:
            said = f"'{plain_text(key, 40)}' " + ("is given twice" if name in fields else "has no value")
            raise refused(path, f"its header is no MetaImage header: {said}")
        fields[name] = value.strip()
        if name == "elementdatafile":
            return _Header(fields, at)
    raise refused(path, "its header ends without ElementDataFile")


def _stored_type(header: _Header, path: Path) -> np.dtype[np.generic]:
    name = header.word("ElementType").upper()
    if name not in TYPES:
        raise refused(path, f"has voxels of type '{plain_text(name, 40)}'; read are: {', '.join(TYPES)}")
    msb = header.true("BinaryDataByteOrderMSB", "ElementByteOrderMSB")
    if header.word("BinaryData") and not header.true("BinaryData"):
        raise refused(path, "keeps its voxels as text", "save it again as binary MetaImage")
    return np.dtype(TYPES[name]).newbyteorder(">" if msb else "<")


def _block(
    header: _Header, path: Path, stored: np.dtype[np.generic], shape: tuple[int, int, int]
) -> RawBlock | PackedBlock:
    """Find the voxels: behind the header, or in one file beside it."""
    name = header.word("ElementDataFile")
    local = name.upper() == "LOCAL"
    if name.upper().startswith("LIST") or "%" in name:
        raise refused(path, "spreads its voxels over several files", "save it as one .mha file")
    data = path if local else beside(path, name)
    (skip,) = header_ints(header.word("HeaderSize") or "0", 1, "HeaderSize", path)
    if header.true("CompressedData"):
        packed = header.word("CompressedDataSize")
        length = header_ints(packed, 1, "CompressedDataSize", path)[0] if packed else None
        return packed_block(
            data, header.size if local else max(skip, 0), stored, shape, method="zlib", packed=length
        )
    if skip == -1:  # counted from the end: whatever comes first is no voxel
        skip = data.stat().st_size - int(np.prod(shape, dtype=object)) * stored.itemsize
    if skip < 0:
        raise refused(path, f"its HeaderSize {skip} does not fit the file of voxels")
    return raw_block(data, header.size if local else skip, stored, shape, header=path.name)


def _spacing(
    header: _Header, path: Path
) -> tuple[tuple[Quantity | None, Quantity | None, Quantity | None], tuple[float, float, float] | None, str]:
    """Return voxel size, bare spacing, and where they stand."""
    nothing = (None, None, None)
    key = next((k for k in ("ElementSpacing", "ElementSize") if header.word(k)), "")
    if not key:
        return nothing, None, ""
    x, y, z = header_floats(header.word(key), 3, key, path)
    if min(x, y, z) <= 0:
        raise refused(path, f"its {key} is '{plain_text(header.word(key), 60)}': edges are above zero")
    unit = header.word("DistanceUnits").lower()
    if unit not in UNITS:
        return nothing, (z, y, x), key
    size_z, size_y, size_x = (Quantity.parse({"value": n, "unit": unit}).to("um") for n in (z, y, x))
    return (size_z, size_y, size_x), None, f"{key} and DistanceUnits of the MetaImage header"


def _turned(header: _Header) -> tuple[str, ...]:
    matrix = header.word("TransformMatrix", "Rotation", "Orientation").split()
    if matrix and [float(n) if n.lstrip("+-").replace(".", "", 1).isdigit() else n for n in matrix] != [
        1.0, 0.0, 0.0, 0.0, 1.0, 0.0, 0.0, 0.0, 1.0,
    ]:  # fmt: skip
        return ("its TransformMatrix turns the volume: axes are taken as they are stored",)
    return ()
