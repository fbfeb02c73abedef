"""Avizo and Amira .am files: uniform lattices, raw, in byte runs or zip."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from siltomo.errors import Amend, FormatError, UnitError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import border, plain_text, refused
from siltomo.importers.calibration import is_uncalibrated, length_unit
from siltomo.importers.packed_blocks import PackedBlock, packed_block
from siltomo.importers.raw_blocks import RawBlock, header_floats, header_ints
from siltomo.importers.reading import Planes, check_shape, size_words, voxel_dtype
from siltomo.units import Quantity

__all__ = ["import_avizo", "recognises"]

MAX_HEADER = 1 << 20
_FIRST = re.compile(rb"# (?:AmiraMesh|Avizo)(?: 3D)?(?: (BINARY-LITTLE-ENDIAN|BINARY|ASCII))? +\d+\.\d+")
_LATTICE = re.compile(r"^\s*define\s+Lattice\s+(.{0,80}?)\s*$", re.MULTILINE)
_DATA = re.compile(
    r"^\s*Lattice\s*\{\s*(\w{1,20})(?:\[(\d{1,6})\])?\s+([\w-]{1,60})\s*\}\s*=?\s*"
    r"@(\d{1,6})\s*(?:\(\s*(\w{1,20})\s*(?:,\s*(\d{1,15}))?\s*\))?\s*$",
    re.MULTILINE,
)
_BOX = re.compile(r"\bBoundingBox\s+([^,}\n]{1,200})")
_UNIT = re.compile(r'\bUnits\s*\{[^}]{0,200}?\bCoordinates\s+"([^"]{0,40})"')
_COORDINATES = re.compile(r'\bCoordType\s+"([^"]{0,40})"')
TYPES = {"byte": "u1", "sbyte": "i1", "short": "i2", "ushort": "u2", "int": "i4", "int32": "i4"} | {
    "uint": "u4",
    "uint32": "u4",
    "float": "f4",
    "double": "f8",
}
PACKED = {"HxByteRLE": "runs", "HxZip": "zlib"}
AS_TIFF = "in Avizo: File > Export Data As > 3D TIFF"
Sizes = tuple[Quantity | None, Quantity | None, Quantity | None]


@dataclass(frozen=True)
class _Data:
    """One line ``Lattice { byte Labels } @1(HxByteRLE,123)``."""

    kind: str
    components: str
    name: str
    section: str
    packing: str
    length: str


def recognises(path: Path) -> bool:
    """Return whether a path is an Avizo or Amira file."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        return _FIRST.match(file.read(80)) is not None


def import_avizo(source: Source, /) -> ImportedVolume:
    """Describe the lattice of a .am file.

    Its bounding box goes through the centres of the outer voxels: an edge is its length divided by one
    less than the voxels along it.

    Parameters
    ----------
    source
        The file; ``member`` names the data field where the lattice carries several.

    Returns
    -------
    ImportedVolume
        With a voxel size where the parameters say the unit of coordinates, else with bare ``spacing``.

    Raises
    ------
    FormatError
        SIL101 when there are several fields; when it is no uniform lattice of single numbers, is text, or
        is cut.
    """
    path = source.path
    with border(path, "its Avizo header"):
        first, header, ends = _read_header(path)
        data = _chosen(header, source)
        shape = _lattice(header, path)
        stored = _stored_type(first, data, path)
        offset = _section(path, ends, data.section)
        block = _block(path, offset, data, stored, shape)
        sizes, spacing, said, warnings = _spacing(header, shape, path)
    dtype = voxel_dtype(stored, path)
    return ImportedVolume(
        format="Avizo lattice",
        shape=shape,
        dtype=dtype,
        planes=Planes(shape, dtype, block),
        files=(path,),
        voxel_size=sizes,
        voxel_source=said,
        spacing=spacing,
        facts={
            "field": plain_text(data.name, 60),
            "stored type": stored.str,
            "packing": data.packing or "none",
            **_materials(header),
        },
        warnings=warnings,
    )


def _read_header(path: Path) -> tuple[str, str, int]:
    """Return the kind of file, the header's text, and where the data sections begin."""
    with path.open("rb") as file:
        head = file.read(MAX_HEADER)
    first = _FIRST.match(head)
    end = re.search(rb"\n@\d{1,6}\s*\n", head)
    if first is None or end is None:
        raise refused(path, f"has no data section within its first {size_words(MAX_HEADER)}")
    return (first[1] or b"ASCII").decode(), head[: end.start() + 1].decode("latin-1"), end.start() + 1


def _chosen(header: str, source: Source) -> _Data:
    fields = [_Data(*(part or "" for part in found)) for found in _DATA.findall(header)]
    fields = [f for f in fields if source.member in (None, f.name)]
    if len(fields) == 1:
        return fields[0]
    names = [f.name for f in fields]
    if fields:
        raise FormatError(
            f"holds {len(names)} fields: {', '.join(names)}.",
            code="SIL101",
            where=str(source.path),
            fix=Amend({"--dataset": names[0]}),
        )
    why = f"has no field '{plain_text(source.member, 40)}'" if source.member else "holds no lattice of voxels"
    raise refused(source.path, f"{why} (surfaces and point sets are no volumes)", AS_TIFF)


def _lattice(header: str, path: Path) -> tuple[int, int, int]:
    found = _LATTICE.findall(header)
    if len(found) != 1:
        raise refused(path, f"defines {len(found)} lattices; one is read", AS_TIFF)
    kind = _COORDINATES.search(header)
    if kind is not None and kind[1] != "uniform":
        raise refused(path, f"its lattice is '{plain_text(kind[1], 40)}'; uniform ones are read", AS_TIFF)
    x, y, z = header_ints(found[0], 3, "Lattice", path)
    return check_shape((z, y, x), path)


def _stored_type(first: str, data: _Data, path: Path) -> np.dtype[Any]:
    if first == "ASCII":
        raise refused(path, "keeps its voxels as text", "in Avizo: save it as AmiraMesh binary")
    if data.kind not in TYPES or data.components not in ("", "1"):
        said = data.kind + (f"[{data.components}]" if data.components else "")
        raise refused(path, f"has voxels of type {plain_text(said, 40)}; one number each is read", AS_TIFF)
    return np.dtype(TYPES[data.kind]).newbyteorder("<" if first.endswith("LITTLE-ENDIAN") else ">")


def _section(path: Path, ends: int, section: str) -> int:
    """Return where the bytes of a data section begin; only the first one has a place that is known."""
    with path.open("rb") as file:
        file.seek(ends)
        marker = file.readline(64)
        if marker.strip() != f"@{section}".encode():
            raise refused(path, f"its field is not in the first data section (@{section})", AS_TIFF)
        return file.tell()


def _block(
    path: Path, offset: int, data: _Data, stored: np.dtype[Any], shape: tuple[int, int, int]
) -> RawBlock | PackedBlock:
    if data.packing:
        if data.packing not in PACKED or not data.length:
            said = plain_text(data.packing, 30)
            raise refused(path, f"is packed as '{said}'; read are {' and '.join(PACKED)}", AS_TIFF)
        return packed_block(path, offset, stored, shape, method=PACKED[data.packing], packed=int(data.length))
    needed = int(np.prod(shape, dtype=object)) * stored.itemsize
    held = path.stat().st_size - offset
    if held < needed:
        raise refused(
            path, f"the file is cut: it declares {size_words(needed)} of voxels and holds {size_words(held)}"
        )
    return RawBlock(path, offset, stored, shape)


def _spacing(
    header: str, shape: tuple[int, int, int], path: Path
) -> tuple[Sizes, tuple[float, float, float] | None, str, tuple[str, ...]]:
    nothing: Sizes = (None, None, None)
    box = _BOX.search(header)
    if box is None:
        return nothing, None, "", ()
    x0, x1, y0, y1, z0, z1 = header_floats(box[1], 6, "BoundingBox", path)
    lengths = (z1 - z0, y1 - y0, x1 - x0)
    if min(shape) < 2 or min(lengths) <= 0:
        return (
            nothing,
            None,
            "",
            ("its BoundingBox says no voxel size: a side is one voxel or has no length",),
        )
    # a box is written with 6 digits or so: 0.16 um over 100 voxels comes back as 0.159999
    z, y, x = (float(f"{length / (n - 1):.6g}") for length, n in zip(lengths, shape, strict=True))
    unit = _UNIT.search(header)
    if unit is None or is_uncalibrated(unit[1]):
        return nothing, (z, y, x), "BoundingBox", ()
    try:
        named = length_unit(unit[1])
    except UnitError as error:
        return nothing, (z, y, x), "BoundingBox", (f"[SIL106] {plain_text(error, 80)}",)
    size_z, size_y, size_x = (Quantity.parse({"value": n, "unit": named}).to("um") for n in (z, y, x))
    return (size_z, size_y, size_x), None, "BoundingBox and Units of the Avizo header", ()


def _materials(header: str) -> dict[str, str]:
    """Return the names of the materials of a label field, in the order of their values."""
    start = re.search(r"\bMaterials\s*\{", header)
    if start is None:
        return {}
    depth, at = 1, start.end()
    names: list[str] = []
    for piece in re.finditer(r"([\w-]{1,60})\s*\{|\}", header[at : at + 20_000]):
        if piece[1] is None:
            depth -= 1
            if depth == 0:
                break
            continue
        if depth == 1:
            names.append(piece[1])
        depth += 1
    return (
        {"materials": plain_text(", ".join(f"{i}={name}" for i, name in enumerate(names)))} if names else {}
    )
