"""NRRD: a text header with raw or gzip voxels behind it (.nrrd) or in a file beside it (.nhdr)."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from siltomo.errors import UnitError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import border, plain_text, refused
from siltomo.importers.calibration import is_uncalibrated, length_unit
from siltomo.importers.packed_blocks import PackedBlock, packed_block
from siltomo.importers.raw_blocks import RawBlock, beside, header_floats, header_ints, raw_block
from siltomo.importers.reading import Planes, check_shape, voxel_dtype
from siltomo.units import Quantity

__all__ = ["import_nrrd", "recognises"]

MAGIC = b"NRRD00"
MAX_HEADER = 1 << 18
TYPES = {
    "i1": ("signed char", "int8", "int8_t"),
    "u1": ("uchar", "unsigned char", "uint8", "uint8_t"),
    "i2": ("short", "short int", "signed short", "signed short int", "int16", "int16_t"),
    "u2": ("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"),
    "i4": ("int", "signed int", "int32", "int32_t"),
    "u4": ("uint", "unsigned int", "uint32", "uint32_t"),
    "i8": ("longlong", "long long", "long long int", "signed long long", "int64", "int64_t"),
    "u8": ("ulonglong", "unsigned long long", "unsigned long long int", "uint64", "uint64_t"),
    "f4": ("float",),
    "f8": ("double",),
}
CODES = {name: code for code, names in TYPES.items() for name in names}
_QUOTED = re.compile(r'"([^"]{0,40})"')
_VECTOR = re.compile(r"\(([^()]{1,120})\)|none")
Sizes = tuple[Quantity | None, Quantity | None, Quantity | None]


@dataclass(frozen=True)
class _Header:
    fields: dict[str, str]
    size: int
    """Bytes up to the voxels of an attached file."""

    def word(self, *keys: str) -> str:
        return next((self.fields[k] for k in keys if k in self.fields), "")


def recognises(path: Path) -> bool:
    """Return whether a path is a NRRD file."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def import_nrrd(source: Source, /) -> ImportedVolume:
    """Describe a NRRD volume.

    Parameters
    ----------
    source
        The .nrrd or .nhdr file; ``member`` and ``allow_gaps`` do not apply.

    Returns
    -------
    ImportedVolume
        With a voxel size where ``units`` or ``space units`` say the unit, else with bare ``spacing``.

    Raises
    ------
    FormatError
        When the header contradicts itself or the size of the data, uses an encoding that is not read, or
        names a file elsewhere.
    """
    path = source.path
    with border(path, "its NRRD header"):
        header = _read_header(path)
    if header.word("dimension") != "3":
        raise refused(
            path, f"has {plain_text(header.word('dimension'), 20) or 'no'} dimensions; a volume has 3"
        )
    x, y, z = header_ints(header.word("sizes"), 3, "sizes", path)
    shape = check_shape((z, y, x), path)
    stored = _stored_type(header, path)
    block = _block(header, path, stored, shape)
    sizes, spacing, said, warnings = _spacing(header, path)
    dtype = voxel_dtype(stored, path)
    return ImportedVolume(
        format="NRRD",
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
            "encoding": plain_text(header.word("encoding"), 20),
            **({"content": plain_text(header.word("content"))} if header.word("content") else {}),
        },
        warnings=warnings,
    )


def _read_header(path: Path) -> _Header:
    """Read ``field: value`` lines up to an empty line, or to the end of a detached header."""
    with path.open("rb") as file:
        head = file.read(MAX_HEADER)
    fields: dict[str, str] = {}
    at = head.find(b"\n") + 1
    while 0 < at < len(head):
        end = head.find(b"\n", at)
        if end < 0 and len(head) == MAX_HEADER:
            break
        end = len(head) if end < 0 else end
        line = head[at:end].decode("latin-1").rstrip("\r")
        at = end + 1
        if not line:
            return _Header(fields, at)
        if line.startswith("#") or ":=" in line:  # a comment, or a key of the user's own
            continue
        key, colon, value = line.partition(":")
        name = " ".join(key.lower().split())
        name = {"datafile": "data file", "lineskip": "line skip", "byteskip": "byte skip"}.get(name, name)
        if not colon or name in fields:
            said = f"'{plain_text(key, 40)}' " + ("is given twice" if name in fields else "is no field")
            raise refused(path, f"its header is no NRRD header: {said}")
        fields[name] = value.strip()
    if len(head) == MAX_HEADER:
        raise refused(path, f"its header does not end within {MAX_HEADER} bytes")
    return _Header(fields, len(head))


def _stored_type(header: _Header, path: Path) -> np.dtype[Any]:
    name = " ".join(header.word("type").lower().split())
    if name not in CODES:
        raise refused(path, f"has voxels of type '{plain_text(name, 40)}'; read are whole numbers and floats")
    stored = np.dtype(CODES[name])
    endian = header.word("endian").lower()
    if stored.itemsize > 1 and endian not in ("little", "big"):
        raise refused(
            path, f"does not say the byte order of its {stored.itemsize}-byte voxels (field endian)"
        )
    return stored.newbyteorder(">" if endian == "big" else "<")


def _block(
    header: _Header, path: Path, stored: np.dtype[Any], shape: tuple[int, int, int]
) -> RawBlock | PackedBlock:
    """Find the voxels: behind the header, or in one file beside it."""
    name = header.word("data file")
    if name.upper().startswith("LIST") or "%" in name:
        raise refused(path, "spreads its voxels over several files", "save it as one .nrrd file")
    data = beside(path, name) if name else path
    offset = 0 if name else header.size
    (lines,) = header_ints(header.word("line skip") or "0", 1, "line skip", path)
    (skip,) = header_ints(header.word("byte skip") or "0", 1, "byte skip", path)
    if lines:
        raise refused(path, f"skips {lines} lines before its voxels", "save it again without line skip")
    encoding = header.word("encoding").lower()
    if encoding in ("gz", "gzip"):
        if skip:
            raise refused(path, "skips bytes inside of packed voxels", "save it again without byte skip")
        return packed_block(data, offset, stored, shape, method="zlib", packed=None)
    if encoding != "raw":
        raise refused(
            path,
            f"has the encoding '{plain_text(encoding, 20)}'; read are raw and gzip",
            "save it again with encoding raw or gzip",
        )
    if skip == -1:  # counted from the end: whatever comes first is no voxel
        offset = data.stat().st_size - math.prod(shape) * stored.itemsize
        skip = 0
    if offset < 0 or skip < 0:
        raise refused(path, f"its byte skip {skip} does not fit the file of voxels")
    return raw_block(data, offset + skip, stored, shape, header=path.name)


def _spacing(
    header: _Header, path: Path
) -> tuple[Sizes, tuple[float, float, float] | None, str, tuple[str, ...]]:
    """Return voxel size, bare spacing, where they stand, and what to tell."""
    field, edges, warnings = _edges(header, path)
    if edges is None:
        return (None, None, None), None, "", warnings
    if min(edges) <= 0:
        raise refused(path, f"its {field} is '{plain_text(header.word(field), 60)}': edges are above zero")
    z, y, x = edges[2], edges[1], edges[0]
    units = _QUOTED.findall(header.word("space units", "units"))
    if len(units) != 3 or any(is_uncalibrated(unit) for unit in units):
        return (None, None, None), (z, y, x), f"NRRD field {field}", warnings
    try:
        named = [length_unit(unit) for unit in units]
    except UnitError as error:
        said = f"[SIL106] NRRD units are not used: {plain_text(error, 80)}"
        return (None, None, None), (z, y, x), f"NRRD field {field}", (*warnings, said)
    size_z, size_y, size_x = (
        Quantity.parse({"value": n, "unit": unit}).to("um")
        for n, unit in zip((z, y, x), reversed(named), strict=True)
    )
    return (size_z, size_y, size_x), None, f"NRRD fields {field} and units", warnings


def _edges(header: _Header, path: Path) -> tuple[str, tuple[float, ...] | None, tuple[str, ...]]:
    """Return the edges along x, y, z, from ``spacings`` or from the lengths of ``space directions``."""
    if header.word("spacings"):
        if "nan" in header.word("spacings").lower():
            return "spacings", None, ()
        return "spacings", header_floats(header.word("spacings"), 3, "spacings", path), ()
    text = header.word("space directions")
    if not text:
        return "", None, ()
    vectors = [
        header_floats(inner.replace(",", " "), 3, "space directions", path)
        for inner in _VECTOR.findall(text)
        if inner
    ]
    if len(vectors) != 3:
        raise refused(path, f"its space directions are '{plain_text(text, 80)}': three vectors are expected")
    turned = any(v != 0 for i, vector in enumerate(vectors) for j, v in enumerate(vector) if i != j)
    warnings = ("its space directions turn the volume: axes are taken as they are stored",) if turned else ()
    return "space directions", tuple(math.hypot(*vector) for vector in vectors), warnings
