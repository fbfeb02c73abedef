"""PyHST2's .vol files, described by a .vol.info or a .xml beside them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal
from xml.etree import ElementTree

import numpy as np

from siltomo.errors import Amend, FormatError
from siltomo.importers.base import ImportedVolume, Source
from siltomo.importers.border import DAMAGED, border, plain_text
from siltomo.importers.raw_blocks import beside, header_floats, header_ints, raw_block
from siltomo.importers.reading import Planes, check_shape, voxel_dtype

__all__ = ["import_pyhst", "recognises"]

MAX_HEADER = 1 << 16
MAGIC = b"! PyHST_SLAVE VOLUME INFO FILE"
_LINE = re.compile(r"\s*(\w+)\s*=\s*(.*?)\s*")
XML_NAMES = {
    "sizex": "num_x",
    "sizey": "num_y",
    "sizez": "num_z",
    "voxelsize": "voxelsize",
    "byte_order": "byteorder",
    "byteorder": "byteorder",
    "valmin": "valmin",
    "valmax": "valmax",
}
TYPES = {
    "": "f4",
    "float": "f4",
    "float32": "f4",
    "uint8": "u1",
    "uint16": "u2",
    "int16": "i2",
    "float64": "f8",
}
ORDERS: dict[str, Literal["<", ">"]] = {"LOWBYTEFIRST": "<", "HIGHBYTEFIRST": ">"}
SHOWN = {"valmin": "smallest value", "valmax": "largest value", "s1": "s1", "s2": "s2"}


@dataclass(frozen=True)
class _Info:
    path: Path
    fields: dict[str, str]
    """Values by lower-case name."""


def recognises(path: Path) -> bool:
    """Return whether a path is a .vol with its description beside it, or such a description."""
    if not path.is_file():
        return False
    if path.suffix.lower() == ".vol":
        return bool(_descriptions(path))
    with path.open("rb") as file:
        return file.read(len(MAGIC)) == MAGIC


def import_pyhst(source: Source, /) -> ImportedVolume:
    """Describe a volume of PyHST2.

    Parameters
    ----------
    source
        The .vol file, or the .vol.info beside it.

    Returns
    -------
    ImportedVolume
        With bare ``spacing``: ``voxelSize`` stands without a unit (PyHST2 means micrometres).

    Raises
    ------
    FormatError
        When the description is incomplete, contradicts a second one beside it or the size of the file.
    """
    volume = source.path
    if volume.suffix.lower() != ".vol":
        volume = beside(volume, volume.name.removesuffix(".info"))
    infos = [_read_info(path) for path in _descriptions(volume)]
    if not infos:
        raise FormatError(
            "has no description beside it",
            where=str(volume),
            fix=Amend(advice=f"copy {volume.name}.info or {volume.stem}.xml beside it"),
        )
    info = infos[0]
    for other in infos[1:]:
        _check_same(info, other)
    sizes = [_field(info, name) for name in ("num_z", "num_y", "num_x")]
    shape = check_shape(header_ints(" ".join(sizes), 3, "NUM_Z, NUM_Y, NUM_X", info.path), info.path)
    stored = _stored_type(info)
    dtype = voxel_dtype(stored, volume)
    spacing = None
    if info.fields.get("voxelsize"):
        (edge,) = header_floats(info.fields["voxelsize"], 1, "voxelSize", info.path)
        if edge <= 0:
            raise _refused(info, f"its voxelSize is {edge:g}: an edge is above zero")
        spacing = (edge, edge, edge)
    return ImportedVolume(
        format="PyHST2 volume",
        shape=shape,
        dtype=dtype,
        planes=Planes(shape, dtype, raw_block(volume, 0, stored, shape, header=info.path.name)),
        files=(volume, *(one.path for one in infos)),
        spacing=spacing,
        voxel_source=f"voxelSize of {info.path.name}" if spacing else "",
        facts={
            "stored type": stored.str,
            **{said: plain_text(info.fields[k], 40) for k, said in SHOWN.items() if k in info.fields},
        },
    )


def _descriptions(volume: Path) -> list[Path]:
    """Return the descriptions beside a .vol, the .info first."""
    names = (f"{volume.name}.info", f"{volume.name}.xml", f"{volume.stem}.xml")
    return [volume.parent / name for name in names if (volume.parent / name).is_file()]


def _refused(info: _Info, why: str) -> FormatError:
    return FormatError(why, where=str(info.path), fix=DAMAGED)


def _read_info(path: Path) -> _Info:
    with border(path, "the description of the volume"):
        beside(path.parent / "x", path.name)  # no link out of the folder
        with path.open("rb") as file:
            text = file.read(MAX_HEADER).decode("latin-1")
        if path.suffix.lower() == ".xml":
            return _Info(path, _xml_fields(path, text))
    found: dict[str, str] = {}
    for line in text.splitlines():
        match = None if line.lstrip().startswith("!") else _LINE.fullmatch(line)
        if match is None:
            continue
        # S1 and s1 are two things: the window of the greys, and that of the values
        name = match[1] if match[1] in ("S1", "S2") else match[1].lower()
        if name in found:
            raise _refused(_Info(path, {}), f"'{plain_text(match[1], 40)}' is given twice")
        found[name] = match[2]
    return _Info(path, found)


def _xml_fields(path: Path, text: str) -> dict[str, str]:
    """Read the sizes from the XML; documents that declare entities are refused unread."""
    if "<!doctype" in text.lower() or "<!entity" in text.lower():
        raise _refused(_Info(path, {}), "declares XML entities, which are not read")
    found: dict[str, str] = {}
    for element in ElementTree.fromstring(text).iter():
        name = XML_NAMES.get(element.tag.rsplit("}", 1)[-1].lower())
        if name is not None and element.text:
            if name in found:
                raise _refused(_Info(path, {}), f"describes several volumes: {element.tag} is there twice")
            found[name] = element.text.strip()
    return found


def _field(info: _Info, name: str) -> str:
    if name not in info.fields:
        raise _refused(info, f"does not say {name.upper()}")
    return info.fields[name]


def _stored_type(info: _Info) -> np.dtype[np.generic]:
    order = info.fields.get("byteorder", "").upper()
    name = info.fields.get("data_type", "").lower()
    if name not in TYPES:
        raise _refused(info, f"has voxels of type '{plain_text(name, 40)}'; read are {', '.join(TYPES)[2:]}")
    if order not in ORDERS and np.dtype(TYPES[name]).itemsize > 1:
        raise _refused(
            info, f"its BYTEORDER is '{plain_text(order, 40)}'; it is LOWBYTEFIRST or HIGHBYTEFIRST"
        )
    return np.dtype(TYPES[name]).newbyteorder(ORDERS.get(order, "<"))


def _check_same(one: _Info, other: _Info) -> None:
    """Refuse two descriptions that disagree; both are shown."""
    for name in ("num_x", "num_y", "num_z", "voxelsize", "byteorder"):
        a, b = one.fields.get(name), other.fields.get(name)
        if a is None or b is None or a.upper() == b.upper():
            continue
        if name == "voxelsize" and header_floats(a, 1, name, one.path) == header_floats(
            b, 1, name, other.path
        ):
            continue
        raise FormatError(
            f"{name} is {plain_text(a, 40)} in {one.path.name} and {plain_text(b, 40)} in {other.path.name}",
            where=str(one.path.parent),
            fix=Amend(advice="remove the description that does not belong to the volume"),
        )
