"""MetaImage for ITK, and VTK image data for ParaView: a header, then the voxels as they are."""

from __future__ import annotations

import math
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError

__all__ = ["write_metaimage", "write_vti"]

Shape = tuple[int, int, int]
Edges = tuple[float, float, float]
MET = {
    "int8": "MET_CHAR",
    "uint8": "MET_UCHAR",
    "int16": "MET_SHORT",
    "uint16": "MET_USHORT",
    "int32": "MET_INT",
    "uint32": "MET_UINT",
    "int64": "MET_LONG_LONG",
    "uint64": "MET_ULONG_LONG",
    "float32": "MET_FLOAT",
    "float64": "MET_DOUBLE",
}
VTK = {name: name.replace("uint", "UInt").replace("int", "Int").replace("float", "Float") for name in MET}


def write_metaimage(
    header: Path,
    slabs: Iterator[NDArray[Any]],
    shape: Shape,
    dtype: np.dtype[Any],
    voxel_size_um: Edges,
    *,
    data: Path | None = None,
    name: str = "LOCAL",
) -> None:
    """Write a MetaImage; lengths are in millimetres, which is what programs on ITK take them for.

    Parameters
    ----------
    header
        The header, or the whole file where ``data`` is not given.
    data
        The file of voxels.
    name
        What the header calls the file of voxels.
    """
    z, y, x = (edge / 1000 for edge in voxel_size_um)
    lines = [
        "ObjectType = Image",
        "NDims = 3",
        "BinaryData = True",
        "BinaryDataByteOrderMSB = False",
        "CompressedData = False",
        "TransformMatrix = 1 0 0 0 1 0 0 0 1",
        "Offset = 0 0 0",
        "DistanceUnits = mm",
        f"ElementSpacing = {x:.12g} {y:.12g} {z:.12g}",
        f"DimSize = {shape[2]} {shape[1]} {shape[0]}",
        f"ElementType = {_type(MET, dtype, 'MetaImage')}",
        f"ElementDataFile = {name}",
    ]
    text = ("\n".join(lines) + "\n").encode("utf-8")
    if data is None:
        with header.open("wb") as file:
            file.write(text)
            _pour(file, slabs, dtype)
        return
    with data.open("wb") as file:
        _pour(file, slabs, dtype)
    header.write_bytes(text)


def write_vti(
    path: Path,
    slabs: Iterator[NDArray[Any]],
    shape: Shape,
    dtype: np.dtype[Any],
    voxel_size_um: Edges,
    *,
    name: str,
) -> None:
    """Write VTK image data for ParaView: points at the centres of voxels, lengths in micrometres."""
    z, y, x = voxel_size_um
    extent = f"0 {shape[2] - 1} 0 {shape[1] - 1} 0 {shape[0] - 1}"
    kind = _type(VTK, dtype, "VTK")
    head = (
        '<?xml version="1.0"?>\n<!-- lengths in micrometres -->\n'
        '<VTKFile type="ImageData" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n'
        f'  <ImageData WholeExtent="{extent}" Origin="0 0 0" Spacing="{x:.12g} {y:.12g} {z:.12g}">\n'
        f'    <Piece Extent="{extent}">\n      <PointData Scalars="{name}">\n'
        f'        <DataArray type="{kind}" Name="{name}" format="appended" offset="0"/>\n'
        "      </PointData>\n    </Piece>\n  </ImageData>\n"
        '  <AppendedData encoding="raw">\n_'
    )
    with path.open("wb") as file:
        file.write(head.encode("ascii"))
        file.write((math.prod(shape) * dtype.itemsize).to_bytes(8, "little"))
        _pour(file, slabs, dtype)
        file.write(b"\n  </AppendedData>\n</VTKFile>\n")


def _type(table: dict[str, str], dtype: np.dtype[Any], what: str) -> str:
    if dtype.name not in table:
        raise BadInputError(f"{what} has no {dtype.name} voxels; it has {', '.join(table)}", code="SIL165")
    return table[dtype.name]


def _pour(file: BinaryIO, slabs: Iterator[NDArray[Any]], dtype: np.dtype[Any]) -> None:
    """Write voxels little endian, x fastest."""
    little = dtype.newbyteorder("<")
    file.writelines(np.ascontiguousarray(slab, little).data.cast("B") for slab in slabs)
