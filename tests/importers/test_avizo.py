"""Avizo lattices: raw, byte runs, zip; units; materials."""

from __future__ import annotations

import random
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.errors import FormatError
from siltomo.importers import ImportedVolume, Source, open_volume

SHAPE = (7, 12, 10)
AM = {"u1": "byte", "u2": "ushort", "i2": "short", "f4": "float"}


def whole(volume: ImportedVolume, slab: int = 3) -> np.ndarray:
    starts = range(0, volume.shape[0], slab)
    return np.concatenate([volume.planes(i, min(i + slab, volume.shape[0])) for i in starts])


def runs(data: bytes, rng: random.Random) -> bytes:
    """Pack by the definition, choosing freely between repeats and literals."""
    out, at = bytearray(), 0
    while at < len(data):
        same = 1
        while same < 127 and at + same < len(data) and data[at + same] == data[at]:
            same += 1
        if same > 1 or rng.random() < 0.3:
            out += bytes([same, data[at]])
            at += same
        else:
            n = min(rng.randint(1, 127), len(data) - at)
            out += bytes([128 + n]) + data[at : at + n]
            at += n
    return bytes(out)


def am(
    path: Path,
    voxels: np.ndarray,
    *,
    packing: str = "",
    box: str = "0 9 0 22 0 18",
    units: str = "µm",
    name: str = "Data",
    extra: str = "",
) -> Path:
    z, y, x = voxels.shape
    data = voxels.tobytes()
    if packing == "HxByteRLE":
        data = runs(data, random.Random(1))
    if packing == "HxZip":
        data = zlib.compress(data)
    order = "BINARY" if voxels.dtype.str[0] == ">" else "BINARY-LITTLE-ENDIAN"
    kind = AM[voxels.dtype.newbyteorder("=").str[1:]]
    unit = f'    Units {{\n        Coordinates "{units}"\n    }}\n' if units else ""
    head = (
        f"# Avizo {order} 2.1\n\n\ndefine Lattice {x} {y} {z}\n\nParameters {{\n{unit}{extra}"
        f'    Content "{x}x{y}x{z} {kind}, uniform coordinates",\n    BoundingBox {box},\n'
        f'    CoordType "uniform"\n}}\n\nLattice {{ {kind} {name} }} @1'
        + (f"({packing},{len(data)})" if packing else "")
        + "\n\n# Data section follows\n@1\n"
    )
    path.write_bytes(head.encode("latin-1") + data + b"\n")
    return path


@pytest.mark.parametrize("packing", ["", "HxByteRLE", "HxZip"])
@pytest.mark.parametrize("kind", ["<u1", "<u2", ">i2", "<f4"])
def test_a_lattice(tmp_path: Path, packing: str, kind: str) -> None:
    voxels = np.random.default_rng(1).integers(0, 3, SHAPE).astype(kind)
    found = open_volume(Source(am(tmp_path / "v.am", voxels, packing=packing)))
    assert (found.format, found.shape) == ("Avizo lattice", SHAPE)
    for slab in (3, 1, 7):
        assert np.array_equal(whole(found, slab), voxels)
    assert [str(edge) for edge in found.voxel_size] == ["3 um", "2 um", "1 um"]


@settings(max_examples=60, deadline=None)
@given(st.binary(min_size=8, max_size=800), st.integers(0, 5), st.integers(1, 97))
def test_byte_runs_do_not_depend_on_the_pieces(data: bytes, seed: int, piece: int) -> None:
    from siltomo.kernels.byte_runs import decode_byte_runs

    packed = np.frombuffer(runs(data, random.Random(seed)), np.uint8)
    made, at, state = bytearray(), 0, (0, -1, False)
    while len(made) < len(data):
        out = np.zeros(min(piece, len(data) - len(made)), np.uint8)
        used, done, *left = decode_byte_runs(packed[at : at + 13], out, *state)
        assert used or done, "it always goes on"
        at, state = at + used, tuple(left)
        made += out[:done].tobytes()
    assert bytes(made) == data
    assert at == packed.size


def test_a_box_without_unit_is_bare_numbers(tmp_path: Path) -> None:
    voxels = np.zeros(SHAPE, np.uint8)
    found = open_volume(Source(am(tmp_path / "v.am", voxels, units="")))
    assert found.voxel_size == (None, None, None)
    assert found.spacing == (3.0, 2.0, 1.0)
    metres = am(tmp_path / "m.am", voxels, units="m", box="0 9e-6 0 22e-6 0 18e-6")
    assert [str(e) for e in open_volume(Source(metres)).voxel_size] == ["3 um", "2 um", "1 um"]


def test_materials_are_facts(tmp_path: Path) -> None:
    extra = "    Materials {\n  Exterior { Id 0 }\n  Crack { Color 1 0 0, Inner { x 1 } }\n  Solid {}\n  }\n"
    found = open_volume(Source(am(tmp_path / "v.am", np.zeros(SHAPE, np.uint8), extra=extra, name="Labels")))
    assert found.facts["materials"] == "0=Exterior, 1=Crack, 2=Solid"
    assert found.facts["field"] == "Labels"


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        (b"BINARY-LITTLE-ENDIAN", b"ASCII", "as text"),
        (b'"uniform"\n}', b'"stacked"\n}', "stacked"),
        (b"Lattice { byte Data } @1", b"Lattice { byte[3] Data } @1", r"byte\[3\]"),
        (b"Lattice { byte Data } @1", b"Lattice { byte Data } @2", "not in the first data section"),
        (b"Lattice { byte Data } @1", b"Triangles { byte Data } @1", "no lattice"),
        (b"define Lattice 10 12 7", b"define Lattice 10 12 700", "cut"),
        (b"define Lattice 10 12 7", b"define Lattice 10 12", "3 whole numbers"),
        (b"BoundingBox 0 9 0 22", b"BoundingBox 0 nan 0 22", "6 numbers"),
        (b"@1\n\n#", b"@1(HxSecret,5)\n\n#", "HxSecret"),
        (b"@1\n\n#", b"@1(HxByteRLE,999999)\n\n#", "999999 packed bytes"),
        (b"@1\n\n#", b"@1(HxByteRLE,5)\n\n#", "runs hold 127"),
    ],
)
def test_files_that_are_no_volume(tmp_path: Path, old: bytes, new: bytes, says: str) -> None:
    path = am(tmp_path / "v.am", np.zeros(SHAPE, np.uint8))
    assert old in path.read_bytes()
    path.write_bytes(path.read_bytes().replace(old, new))
    with pytest.raises(FormatError, match=says):
        whole(open_volume(Source(path)))


def test_two_fields_ask_which(tmp_path: Path) -> None:
    path = am(tmp_path / "v.am", np.zeros(SHAPE, np.uint8))
    path.write_bytes(path.read_bytes().replace(b"@1\n\n#", b"@1\nLattice { byte More } @2\n\n#"))
    with pytest.raises(FormatError, match="2 fields: Data, More") as caught:
        open_volume(Source(path))
    assert caught.value.code == "SIL101"
    assert open_volume(Source(path, "Data")).shape == SHAPE


def test_runs_that_end_early_or_go_on(tmp_path: Path) -> None:
    voxels = np.random.default_rng(1).integers(0, 3, SHAPE).astype("<u1")
    path = am(tmp_path / "v.am", voxels, packing="HxByteRLE")
    data = path.read_bytes()
    for size in ("10 12 8", "10 12 6"):
        path.write_bytes(data.replace(b"Lattice 10 12 7", f"Lattice {size}".encode()))
        with pytest.raises(FormatError, match=r"the file is cut|go on after"):
            whole(open_volume(Source(path)))
