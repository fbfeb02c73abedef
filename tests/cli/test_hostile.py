"""Hostile and broken input, case by case: a clear error, in bounded memory and time, and the catalog unchanged."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import pickle
import struct
import sys
import time
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
import zarr
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from siltomo.engine.select import COLUMNS, parse_where
from siltomo.errors import ExpressionError, SiltomoError
from siltomo.importers import Source, open_volume

Cli = Callable[..., Any]
Make = Callable[[Path], Path]
VOXELS = np.random.default_rng(5).integers(1, 99, (4, 6, 5)).astype(np.uint8)
STATE = ["--cell", "c", "--scale", "micro", "--mode", "operando", "--cycle", "1", "--half", "rest"]
SECONDS = 20.0
PEAK = 300e6
"""Far less than any of the bombs unpacks to."""


@dataclass(frozen=True)
class Case:
    """One input: how it is made, and a word that the refusal must say."""

    name: str
    make: Make
    says: str = ""


def save(folder: Path, name: str, data: bytes | str) -> Path:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data.encode("latin-1") if isinstance(data, str) else data)
    return path


def changed(name: str, seed: Callable[[Path], Path], change: Callable[[bytes], bytes]) -> Make:
    """Make a good file, then change its bytes."""

    def make(folder: Path) -> Path:
        path = seed(folder)
        target = folder / name if path.is_dir() or path.name != name else path
        data = target.read_bytes()
        made = change(data)
        assert made != data
        target.write_bytes(made)
        return path

    return make


# ---- seeds: good files of each format -----------------------------------------------------------------------


def tif(folder: Path) -> Path:
    tifffile.imwrite(folder / "v.tif", VOXELS, imagej=True, metadata={"axes": "ZYX"})
    return folder / "v.tif"


def npy(folder: Path) -> Path:
    np.save(folder / "v.npy", VOXELS)
    return folder / "v.npy"


def hdf5(folder: Path) -> Path:
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_dataset("data", data=VOXELS, chunks=(2, 3, 5), compression="gzip")
    return folder / "v.h5"


def mha(folder: Path) -> Path:
    head = (
        "ObjectType = Image\nNDims = 3\nDimSize = 5 6 4\nElementType = MET_UCHAR\nElementDataFile = LOCAL\n"
    )
    return save(folder, "v.mha", head.encode() + VOXELS.tobytes())


def mhd(folder: Path) -> Path:
    save(folder, "v.raw", VOXELS.tobytes())
    head = (
        "ObjectType = Image\nNDims = 3\nDimSize = 5 6 4\nElementType = MET_UCHAR\nElementDataFile = v.raw\n"
    )
    return save(folder, "v.mhd", head)


def nrrd(folder: Path) -> Path:
    head = "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 5 6 4\nencoding: raw\n\n"
    return save(folder, "v.nrrd", head.encode() + VOXELS.tobytes())


def nhdr(folder: Path) -> Path:
    save(folder, "v.raw", VOXELS.tobytes())
    head = "NRRD0004\ntype: uchar\ndimension: 3\nsizes: 5 6 4\nencoding: raw\ndata file: v.raw\n"
    return save(folder, "v.nhdr", head)


def vol(folder: Path) -> Path:
    info = "! PyHST_SLAVE VOLUME INFO FILE\nNUM_X = 5\nNUM_Y = 6\nNUM_Z = 4\nvoxelSize = 1\nBYTEORDER = LOWBYTEFIRST\n"
    save(folder, "v.vol.info", info)
    return save(folder, "v.vol", VOXELS.astype("<f4").tobytes())


def volxml(folder: Path) -> Path:
    xml = (
        "<t><SIZEX>5</SIZEX><SIZEY>6</SIZEY><SIZEZ>4</SIZEZ><voxelSize>1</voxelSize>"
        "<BYTE_ORDER>LOWBYTEFIRST</BYTE_ORDER></t>"
    )
    save(folder, "v.xml", xml)
    return save(folder, "v.vol", VOXELS.astype("<f4").tobytes())


def am(folder: Path) -> Path:
    head = (
        "# Avizo BINARY-LITTLE-ENDIAN 2.1\ndefine Lattice 5 6 4\nParameters {\n BoundingBox 0 1 0 1 0 1,\n"
        ' CoordType "uniform"\n}\nLattice { byte Data } @1\n# Data section follows\n@1\n'
    )
    return save(folder, "v.am", head.encode() + VOXELS.tobytes() + b"\n")


def amrle(folder: Path) -> Path:
    packed = b"".join(bytes([1, v]) for v in VOXELS.tobytes())
    head = (
        "# Avizo BINARY-LITTLE-ENDIAN 2.1\ndefine Lattice 5 6 4\n"
        f"Lattice {{ byte Labels }} @1(HxByteRLE,{len(packed)})\n# Data section follows\n@1\n"
    )
    return save(folder, "v.am", head.encode() + packed + b"\n")


def dmp(folder: Path) -> Path:
    for n in (1, 2, 3):
        save(folder, f"rec/s{n:04d}.rec.DMP", struct.pack("<3H", 5, 6, 1) + bytes(120))
    return folder / "rec"


def stack(folder: Path) -> Path:
    (folder / "rec").mkdir()
    for n, plane in enumerate(VOXELS):
        tifffile.imwrite(folder / "rec" / f"s{n:04d}.tif", plane)
    return folder / "rec"


def edf(folder: Path) -> Path:
    head = "{\nHeaderID = EH:000001:000000:000000 ;\nByteOrder = LowByteFirst ;\nDataType = UnsignedByte ;\n"
    head += "Dim_1 = 5 ;\nDim_2 = 6 ;\nSize = 30 ;\n"
    return save(folder, "v.edf", head.ljust(510) + "}\n" + "\x01" * 30)


def ome(folder: Path, version: str = "0.5", **options: Any) -> Path:
    axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
    data = [{"path": "0", "coordinateTransformations": [{"type": "scale", "scale": [1, 1, 1]}]}]
    image = {"axes": axes, "datasets": data, "version": version}
    v3 = version == "0.5"
    attributes = {"ome": {"version": version, "multiscales": [image]}} if v3 else {"multiscales": [image]}
    group = zarr.create_group(folder / "v.zarr", zarr_format=3 if v3 else 2, attributes=attributes)
    group.create_array("0", shape=VOXELS.shape, dtype="u1", chunks=(2, 6, 5), compressors=None, **options)[
        ...
    ] = VOXELS
    return folder / "v.zarr"


def ome4(folder: Path) -> Path:
    return ome(folder, "0.4")


# ---- damage: cut, empty, filled with rubbish, in every format -----------------------------------------------

SEEDS: dict[str, Callable[[Path], Path]] = {
    "v.tif": tif,
    "v.npy": npy,
    "v.h5": hdf5,
    "v.mha": mha,
    "v.nrrd": nrrd,
    "v.vol": vol,
    "v.am": am,
    "v.edf": edf,
}
PARTS: list[tuple[str, Callable[[Path], Path]]] = [
    *SEEDS.items(),
    ("v.raw", mhd),
    ("v.raw", nhdr),
    ("v.am", amrle),
    ("v.xml", volxml),
    ("v.vol.info", vol),
    ("rec/s0002.rec.DMP", dmp),
    ("rec/s0002.tif", stack),
    ("v.zarr/zarr.json", ome),
    ("v.zarr/0/zarr.json", ome),
    ("v.zarr/0/c/1/0/0", ome),
    ("v.zarr/0/.zarray", ome4),
    ("v.zarr/.zattrs", ome4),
]


def damage() -> Iterator[Case]:
    for name, seed in PARTS:
        said = f"{seed.__name__} {name}"
        yield Case(f"{said} cut in half", changed(name, seed, lambda d: d[: len(d) // 2]))
        yield Case(f"{said} cut after 10 bytes", changed(name, seed, lambda d: d[:7]))
        yield Case(f"{said} of zeros", changed(name, seed, lambda d: bytes(len(d) - 1)))
        yield Case(f"{said} empty", changed(name, seed, lambda d: b""))


def swap(name: str, seed: Callable[[Path], Path], old: bytes, new: bytes, says: str = "") -> Case:
    return Case(
        f"{seed.__name__}: {old[:30]!r} -> {new[:30]!r} ({len(new)})",
        changed(name, seed, lambda d: d.replace(old, new, 1)),
        says,
    )


def headers() -> Iterator[Case]:
    """Sizes that lie, cannot be, or would need all memory."""
    numbers = [
        b"0",
        b"-1",
        b"1e3",
        b"99999999999999999999",
        b"9" * 5000,
        b"nan",
        b"5.5",
        b"0x5",
        b"5;6",
        b"",
        b"\xb2",
    ]
    for n in numbers:
        yield swap("v.mhd", mhd, b"DimSize = 5", b"DimSize = " + n)
        yield swap("v.nhdr", nhdr, b"sizes: 5", b"sizes: " + n)
        yield swap("v.vol.info", vol, b"NUM_X = 5", b"NUM_X = " + n)
        yield swap("v.xml", volxml, b"<SIZEX>5", b"<SIZEX>" + n)
        yield swap("v.am", am, b"Lattice 5", b"Lattice " + n)
    for big in (b"100000", b"99999999"):
        yield swap("v.mhd", mhd, b"DimSize = 5", b"DimSize = " + big, "cut")
        yield swap("v.nhdr", nhdr, b"sizes: 5", b"sizes: " + big, "cut")
        yield swap("v.vol.info", vol, b"NUM_X = 5", b"NUM_X = " + big, "cut")
        yield swap("v.am", am, b"Lattice 5", b"Lattice " + big, "cut")
        yield swap("v.edf", edf, b"Dim_1 = 5 ", b"Dim_1 = " + big)
        yield swap("v.npy", npy, b"(4, 6, 5)", b"(4, 6, " + big + b")")
    yield swap("v.mhd", mhd, b"MET_UCHAR", b"MET_UCHAR_ARRAY", "type")
    yield swap("v.mhd", mhd, b"MET_UCHAR", b"MET_FLOAT", "cut")
    yield swap("v.nhdr", nhdr, b"uchar", b"block", "type")
    yield swap("v.nhdr", nhdr, b"raw\n", b"bzip2\n", "encoding")
    yield swap("v.nhdr", nhdr, b"raw\n", b"hex\n", "encoding")
    yield swap("v.am", am, b"byte Data", b"complex Data", "type")
    yield swap("v.npy", npy, b"'|u1'", b"'|O8'")
    yield swap("v.npy", npy, b"'|u1'", b"'<c8'")
    yield swap("v.npy", npy, b"(4, 6, 5)", b"(4, 6,-5)")
    yield swap("v.npy", npy, b"(4, 6, 5)", b"(4,6,5,)*9")
    yield swap("v.npy", npy, b"'|u1'", b"exit( )")


def away() -> Iterator[Case]:
    """Names and links that lead elsewhere."""
    names = [
        b"../secret.raw",
        b"/etc/passwd",
        b"..\\secret.raw",
        b"C:\\secret.raw",
        b"\\\\host\\share\\x.raw",
        b"a/../../secret.raw",
        b"nothing.raw",
        b"\x00.raw",
        b".",
        b"LIST",
        b"slice%03d.raw",
        b"http://host/x.raw",
        b"v\x1b[31m.raw",
        b"~/secret.raw",
        b"$HOME/x.raw",
    ]
    for name in names:
        yield swap("v.mhd", mhd, b"v.raw", name)
        yield swap("v.nhdr", nhdr, b"v.raw", name)
    for name in ("../0", "/etc", "0/../../x", "C:/x", "", "\\\\host", "nothing", "0\0"):
        yield Case(f"ome-zarr array {name!r}", _dataset_path(name))
    for seed, name in ((mhd, "v.raw"), (nhdr, "v.raw"), (vol, "v.vol.info"), (dmp, "rec/s0002.rec.DMP")):
        yield Case(f"{seed.__name__} links out", _linked(seed, name), "link")
    yield Case("stack links out", _linked(stack, "rec/s0002.tif"), "link")
    yield Case("ome-zarr chunk links out", _linked(ome, "v.zarr/0/c/1/0/0"), "link")
    yield Case("ome-zarr array links out", _linked(ome, "v.zarr/0"), "link")
    yield Case("mhd names a pipe", _pipe(mhd, "v.raw"))
    yield Case("a pipe", lambda f: _fifo(f / "x.tif"), "no plain file")
    yield Case("stack with a pipe", _pipe(stack, "rec/s0002.tif"))
    yield Case("dmp with a pipe", _pipe(dmp, "rec/s0002.rec.DMP"))
    yield Case("ome-zarr with a pipe", _pipe(ome, "v.zarr/0/c/1/0/0"))
    yield Case("a link to nothing", _dangling)
    yield Case("links in a circle", _circle)
    yield Case("hdf5 external link", _external_link)
    yield Case("hdf5 soft links in a circle", _soft_circle)
    yield Case("hdf5 external storage", _external_storage, "another file")
    yield Case("hdf5 virtual of /etc", _virtual, "virtual")
    yield Case("a device", lambda _: Path("/dev/zero"), "no plain file")


def _dataset_path(name: str) -> Make:
    def make(folder: Path) -> Path:
        path = ome(folder)
        meta = json.loads((path / "zarr.json").read_text())
        meta["attributes"]["ome"]["multiscales"][0]["datasets"][0]["path"] = name
        (path / "zarr.json").write_text(json.dumps(meta))
        return path

    return make


def _linked(seed: Callable[[Path], Path], name: str) -> Make:
    def make(folder: Path) -> Path:
        inner = folder / "in"
        inner.mkdir()
        path = seed(inner)
        (inner / name).rename(folder / "outside")
        (inner / name).symlink_to(folder / "outside")
        return path

    return make


def _fifo(path: Path) -> Path:
    os.mkfifo(path)
    return path


def _pipe(seed: Callable[[Path], Path], name: str) -> Make:
    def make(folder: Path) -> Path:
        path = seed(folder)
        (folder / name).unlink()
        os.mkfifo(folder / name)
        return path

    return make


def _dangling(folder: Path) -> Path:
    (folder / "v.tif").symlink_to(folder / "gone")
    return folder / "v.tif"


def _circle(folder: Path) -> Path:
    (folder / "a").symlink_to(folder / "b")
    (folder / "b").symlink_to(folder / "a")
    return folder / "a"


def _external_link(folder: Path) -> Path:
    with h5py.File(folder / "v.h5", "w") as file:
        file["data"] = h5py.ExternalLink("/etc/passwd", "/x")
    return folder / "v.h5"


def _soft_circle(folder: Path) -> Path:
    with h5py.File(folder / "v.h5", "w") as file:
        file["a"], file["b"] = h5py.SoftLink("/b"), h5py.SoftLink("/a")
    return folder / "v.h5"


def _external_storage(folder: Path) -> Path:
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_dataset("x", shape=(4, 6, 5), dtype="u1", external=[("/etc/passwd", 0, 120)])
    return folder / "v.h5"


def _virtual(folder: Path) -> Path:
    layout = h5py.VirtualLayout((4, 6, 5), "u1")
    layout[...] = h5py.VirtualSource("/etc/passwd", "x", (4, 6, 5))
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_virtual_dataset("x", layout)
    return folder / "v.h5"


class _Run:
    """Would make a file if it were unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("pwned",)


def bombs() -> Iterator[Case]:
    """Files that unpack to far more than they are, and code in the guise of data."""
    many = 1 << 30
    zeros = zlib.compress(bytes(64 << 20), 9)
    yield Case("nrrd gzip bomb", _packed_nrrd(1024, gzip.compress(bytes(64 << 20), 9)), "")
    yield Case("nrrd gzip goes on", _packed_nrrd(1, gzip.compress(bytes(1 << 20))), "go on")
    yield Case("nrrd gzip ends early", _packed_nrrd(9, gzip.compress(bytes(8 << 10))), "cut")
    yield Case("nrrd gzip of rubbish", _packed_nrrd(1, b"\x1f\x8b" + b"\x07" * 500))
    yield Case("nrrd gzip of nothing", _packed_nrrd(1, b""), "cut")
    yield Case("mhd zlib bomb", _packed_mhd(64 << 20, zeros), "1000 to 1|go on|cut|TB|GB")
    yield Case("mhd zlib ends early", _packed_mhd(100, zlib.compress(bytes(50))), "cut")
    yield Case("mhd zlib size lies", _packed_mhd(50, zlib.compress(bytes(50)), size=10**9), "cut")
    yield Case("am zip bomb", _packed_am("HxZip", many, zeros), "1000 to 1|more than|cut")
    yield Case(
        "am run bomb", _packed_am("HxByteRLE", many, bytes([127, 0]) * 100), "runs|1000 to 1|more than"
    )
    yield Case("am runs of nothing", _packed_am("HxByteRLE", 120, bytes(500)), "cut")
    yield Case("am runs cut", _packed_am("HxByteRLE", 120, bytes([255, 1, 2])), "cut")
    yield Case("am runs length lies", _packed_am("HxByteRLE", 120, bytes(3), size=10**12), "cut")
    yield Case("tiff deflate bomb", _tiff_bomb)
    yield Case("hdf5 of ten terabytes", _hdf5_hollow)
    yield Case("hdf5 gzip bomb", _hdf5_bomb)
    yield Case("npy of objects", lambda f: _npy_objects(f, pickled=True))
    yield Case("npy with a pickle behind", lambda f: _npy_objects(f, pickled=False))
    yield Case("npz", _npz, "NumPy archive")
    yield Case("a pickle", lambda f: save(f, "v.npy", pickle.dumps(_Run())))
    yield Case("a pickle called tif", lambda f: save(f, "v.tif", pickle.dumps(_Run())))
    yield Case("zip bomb", _zip, "zip archive")
    yield Case("zarr pickle codec", _zarr_edit("0/zarr.json", codecs=[{"name": "numcodecs.pickle"}]), "codec")
    yield Case("zarr v2 pickle filter", _zarr4_edit(filters=[{"id": "pickle"}]), "codec")
    yield Case("zarr v2 pickle compressor", _zarr4_edit(compressor={"id": "pickle"}), "codec")
    yield Case("zarr v2 objects", _zarr4_edit(dtype="|O"), "no real numbers")
    yield Case("zarr shape of 10^18", _zarr_edit("0/zarr.json", shape=[10**18, 6, 5]))
    yield Case("zarr shape of 10^14", _zarr_edit("0/zarr.json", shape=[10**14, 6, 5]), "no volume")
    yield Case("zarr chunk of 2^40", _zarr_chunk([2**40, 6, 5]), "256 MB")
    yield Case("zarr deep json", lambda f: _zarr_text(f, "[" * 200_000))
    yield Case("zarr twice nan", lambda f: _zarr_text(f, '{"shape": NaN, "zarr_format": 3}'))
    yield Case("zarr zstd bomb", _zstd_bomb, "cannot be decoded|cannot read")
    yield Case("xml entity bomb", _entities, "entities")
    yield Case("xml external entity", _external_entity, "entities")
    yield Case("long header line", lambda f: save(f, "v.mhd", "ObjectType = " + "I" * 10_000_000), "header")
    yield Case(
        "nrrd header without end", lambda f: save(f, "v.nrrd", "NRRD0004\n" + "# x\n" * 500_000), "header"
    )
    yield Case("am header without data", lambda f: save(f, "v.am", "# Avizo BINARY 2.1\n" + "x\n" * 900_000))


def _packed_nrrd(planes: int, packed: bytes) -> Make:
    head = f"NRRD0004\ntype: uchar\ndimension: 3\nsizes: 64 32 {planes}\nencoding: gzip\n\n"
    return lambda folder: save(folder, "v.nrrd", head.encode() + packed)


def _packed_mhd(voxels: int, packed: bytes, size: int | None = None) -> Make:
    head = (
        f"ObjectType = Image\nNDims = 3\nDimSize = {voxels} 1 2\nElementType = MET_UCHAR\nCompressedData = True\n"
        f"CompressedDataSize = {size or len(packed)}\nElementDataFile = LOCAL\n"
    )
    return lambda folder: save(folder, "v.mha", head.encode() + packed)


def _packed_am(method: str, voxels: int, packed: bytes, size: int | None = None) -> Make:
    head = (
        f"# Avizo BINARY-LITTLE-ENDIAN 2.1\ndefine Lattice {voxels} 1 1\n"
        f"Lattice {{ byte Labels }} @1({method},{size or len(packed)})\n# Data section follows\n@1\n"
    )
    return lambda folder: save(folder, "v.am", head.encode() + packed)


def _tiff_bomb(folder: Path) -> Path:
    tifffile.imwrite(folder / "v.tif", np.zeros((64, 64), np.uint8), compression="zlib")
    with tifffile.TiffFile(folder / "v.tif", mode="r+") as file:
        for name in ("ImageWidth", "ImageLength", "RowsPerStrip"):
            file.pages[0].tags[name].overwrite(60_000)
    return folder / "v.tif"


def _hdf5_hollow(folder: Path) -> Path:
    with h5py.File(folder / "v.h5", "w") as file:
        file.create_dataset("x", shape=(10_000, 30_000, 30_000), dtype="u1", chunks=(1, 100, 100))[
            0, 0, 0
        ] = 1
    return folder / "v.h5"


def _hdf5_bomb(folder: Path) -> Path:
    with h5py.File(folder / "v.h5", "w") as file:
        data = file.create_dataset("x", (2000, 1000, 1000), "u1", chunks=(1, 1000, 1000), compression="gzip")
        data.id.write_direct_chunk((0, 0, 0), zlib.compress(bytes(1_000_000)))
    return folder / "v.h5"


def _npy_objects(folder: Path, *, pickled: bool) -> Path:
    out = io.BytesIO()
    if pickled:
        np.save(out, np.array([[[_Run()]]], dtype=object), allow_pickle=True)
    else:
        np.save(out, VOXELS[:2])
        out = io.BytesIO(out.getvalue().replace(b"'|u1'", b"'|O8'") + pickle.dumps(_Run()))
    return save(folder, "v.npy", out.getvalue())


def _npz(folder: Path) -> Path:
    np.savez(folder / "v.npz", a=np.array([_Run()], dtype=object))
    return folder / "v.npz"


def _zip(folder: Path) -> Path:
    with zipfile.ZipFile(folder / "v.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("../x.tif", bytes(20 << 20))
    return folder / "v.zip"


def _zarr_edit(name: str, **fields: Any) -> Make:
    def make(folder: Path) -> Path:
        path = ome(folder)
        meta = json.loads((path / name).read_text())
        (path / name).write_text(json.dumps({**meta, **fields}))
        return path

    return make


def _zarr4_edit(**fields: Any) -> Make:
    def make(folder: Path) -> Path:
        path = ome4(folder)
        meta = json.loads((path / "0" / ".zarray").read_text())
        (path / "0" / ".zarray").write_text(json.dumps({**meta, **fields}))
        return path

    return make


def _zarr_chunk(chunks: list[int]) -> Make:
    return _zarr_edit("0/zarr.json", chunk_grid={"name": "regular", "configuration": {"chunk_shape": chunks}})


def _zarr_text(folder: Path, text: str) -> Path:
    path = ome(folder)
    (path / "0" / "zarr.json").write_text(text)
    return path


def _zstd_bomb(folder: Path) -> Path:
    from numcodecs import zstd

    path = _zarr_edit(
        "0/zarr.json",
        codecs=[
            {"name": "bytes"},
            {"name": "zstd", "configuration": {"level": 1, "checksum": False}},
        ],
    )(folder)
    (path / "0" / "c" / "1" / "0" / "0").write_bytes(zstd.compress(bytes(100 << 20), 1) * 40)
    return path


def _entities(folder: Path) -> Path:
    path = volxml(folder)
    levels = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))
    (folder / "v.xml").write_text(f'<!DOCTYPE t [<!ENTITY e0 "ha">{levels}]><t><SIZEX>&e9;</SIZEX></t>')
    return path


def _external_entity(folder: Path) -> Path:
    path = volxml(folder)
    (folder / "v.xml").write_text(
        '<!DOCTYPE t [<!ENTITY x SYSTEM "file:///etc/passwd">]><t><SIZEX>&x;</SIZEX></t>'
    )
    return path


resource = pytest.importorskip("resource", reason="this system does not tell the peak of memory")
CASES = [*damage(), *headers(), *away(), *bombs()]


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One catalog for all cases: it must be the same after each."""
    from siltomo.cli.main import run

    folder = tmp_path_factory.mktemp("hostile") / "catalog"
    for words in (
        ["init", str(folder)],
        ["formulation", "add", "f"],
        ["cell", "add", "c", "--formulation", "f"],
    ):
        assert run([*(["--catalog", str(folder)] if words[0] != "init" else []), *words]) == 0
    from siltomo.kernels.byte_runs import decode_byte_runs

    decode_byte_runs(
        np.zeros(2, np.uint8), np.zeros(1, np.uint8), 0, -1, False
    )  # compiled outside of the clock
    return folder


def fingerprint(folder: Path) -> dict[str, str]:
    """Return the digest of every file that the catalog keeps; what commands leave in staging counts too."""
    files = (p for p in folder.rglob("*") if p.is_file())
    return {str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest() for p in files}


def peak_memory() -> int:
    """Return the most bytes that this process has held so far."""
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else 1024 * peak


def refused(cli: Cli, catalog: Path, *words: object) -> dict[str, str]:
    """Run a command that must be refused: our own error, soon, in little memory, and nothing changed."""
    before = fingerprint(catalog)
    most, started = peak_memory(), time.monotonic()
    answer = cli("--catalog", catalog, *words, "--json")
    assert answer.code in (2, 3, 4, 5), answer.out + answer.err
    assert time.monotonic() - started < SECONDS
    assert peak_memory() - most < PEAK, "bytes that this process never needed before"
    assert fingerprint(catalog) == before
    assert not Path("pwned").exists(), "code in the input ran"
    error: dict[str, str] = answer.error
    text = " ".join(error.values())
    assert "\x1b" not in text
    assert error["message"]
    assert error["fix"] or error.get("advice"), error
    assert error["code"].startswith("SIL")
    assert error["code"] != "SIL000", error
    return error


@pytest.mark.parametrize("case", CASES, ids=[case.name[:70] for case in CASES])
def test_files(cli: Cli, catalog: Path, tmp_path: Path, case: Case) -> None:
    folder = tmp_path / "input"
    folder.mkdir()
    path = case.make(folder)
    error = refused(
        cli, catalog, "catalog", "add", path, *STATE, "--voxel-size", "1 um", "--voxel-from", "user"
    )
    if case.says:
        assert any(word in error["message"] for word in case.says.split("|")), error


def test_how_many() -> None:
    """The promise is 200 cases; expressions and YAML come on top."""
    assert len({case.name for case in CASES}) == len(CASES) >= 200


EXPRESSIONS = [
    "__import__('os').system('touch pwned')",
    "cell.__class__.__mro__",
    "cell == __import__('os').mkdir('pwned')",
    "[x for x in (1, 2)]",
    "(lambda: 1)() == 1",
    "cell == f'{open(\"/etc/passwd\").read()}'",
    "cell == 'a' if 1 else 2",
    "cell := 'a'",
    "cycle == 9**9**9**9",
    "cycle == 10**10000000",
    "cycle == " + "9" * 5000,
    "cycle in range(10**12)",
    "cycle == 1; import os",
    "exec('1') == cell",
    "cell == cell()",
    "cell[0] == 'a'",
    "cell @ 'a'",
    "@pd.io.common.os.system('touch pwned')",
    "`cell` == 1",
    "cell == 'a' or 1",
    "1 == 1",
    "True",
    "'a'",
    "(" * 500 + "cycle == 1" + ")" * 500,
    "not " * 900 + "cycle == 1",
    " or ".join(["cycle == 1"] * 1000),
    "cycle == -" + "-" * 1500 + "1",
    "cell == 'a\x00'",
    "cell == '\x1b[31m' + 'a'",
    "cycle is 1",
    "cycle in 5",
    "cycle in {1: 2}",
    "cycle in {1, 2}",
    "cycle == ...",
    "cycle == b'1'",
    "cycle == 1j",
    "cycle == None",
    "cycle == *cell",
    "cycle == await cell",
    "voxel_size > '0.5'",
    "voxel_size > '9**9**9 um'",
    "voxel_size > '1 kg'",
    "capacity > '1e99999 mAh/g_Si'",
    "nonsense == 1",
    "cell == 1 and",
    "ｃell == 'a' + 'b'",
    "cycle == 1 #" + "x" * 3000,
]


@pytest.mark.parametrize("text", EXPRESSIONS, ids=[repr(e)[:50] for e in EXPRESSIONS])
def test_expressions(cli: Cli, catalog: Path, text: str) -> None:
    error = refused(cli, catalog, "catalog", "list", "--where", text)
    assert error["code"] == "SIL161"


YAMLS = [
    "!!python/object/apply:os.mkdir [pwned]",
    "cells: !!python/object/new:os.mkdir {args: [pwned]}",
    "cells: !include /etc/passwd",
    "a: &a [x]\nb: *a",
    "a: &a [1,1]\n" + "\n".join(f"b{n}: &b{n} [*a,*a]" for n in range(30)),
    "<<: {a: 1}",
    "cells:\n  c9: {formulation: f}\n  c9: {formulation: f}",
    "[" * 100,
    "[" * 60 + "]" * 60,
    "a: " + "{a: " * 60 + "1" + "}" * 60,
    "- 1\n- 2",
    "just text",
    "7",
    "---\na: 1\n---\nb: 2",
    "cells: 7",
    "cells: [1, 2]",
    "cells: {c9: 7}",
    "cells: {c9: {formulation: f, diameter: 3}}",
    "cells: {c9: {formulation: f, diameter: '9**9**9 mm'}}",
    "cells: {c9: {formulation: f, diameter: 1e999 mm}}",
    "cells: {'../../x': {formulation: f}}",
    "cells: {'CON': {formulation: f}}",
    "cells: {con: {formulation: f}}",
    "cells: {'a/b': {formulation: f}}",
    "cells: {c9: {formulation: f, __class__: x}}",
    "unknown: {}",
    "cells: {c9: {formulation: f, si_mass: .nan}}",
    "cells: {? [a, b] : 1}",
    "scans: {s9: {file: 7}}",
    "scans: {s9: {file: x, cell: c, scale: micro, mode: operando, cycle: 99999999999999999999, half: rest}}",
    "segmentations: {g: {scan: s, file: x, phases: {a: b}}}",
    "cells: {c9: {formulation: f}\n",
    "\tcells: 1",
    'a: "\\xZZ"',
    "a: 'x\x07'",
    "\ufeffcells: {c9: {formulation: }}",
    "a: " + "x" * 4_100_000,
]


@pytest.mark.parametrize("text", YAMLS, ids=[repr(y)[:50] for y in YAMLS])
def test_yaml(cli: Cli, catalog: Path, tmp_path: Path, text: str) -> None:
    (tmp_path / "study.yaml").write_text(text, "utf-8")
    before = fingerprint(catalog)
    started = time.monotonic()
    answer = cli("--catalog", catalog, "catalog", "add", "study.yaml", "--json")
    assert answer.code in (3, 4, 7), answer.out
    assert time.monotonic() - started < SECONDS
    assert fingerprint(catalog) == before
    assert not Path("pwned").exists()
    if answer.code == 7:
        assert all(row["outcome"] == "failed" and row["reason"] for row in answer.envelope["data"])
    else:
        assert answer.error["code"] not in ("SIL000", "")


@pytest.mark.parametrize(
    "name", ["../x", "a/b", "CON", "con", "a b", "", "a" * 65, "-a", "é", "a\0b", "a\nb", "."]
)
def test_ids(cli: Cli, catalog: Path, name: str) -> None:
    error = refused(cli, catalog, "cell", "add", "--formulation", "f", "--", name)
    assert error["code"] in ("SIL190", "SIL100", "SIL001"), error


# ---- fuzz ---------------------------------------------------------------------------------------------------

FUZZED = [
    *SEEDS.items(),
    ("v.am", amrle),
    ("v.mhd", mhd),
    ("v.nhdr", nhdr),
    ("v.vol.info", vol),
    ("v.xml", volxml),
]
FUZZED += [
    ("rec/s0002.rec.DMP", dmp),
    ("v.zarr/zarr.json", ome),
    ("v.zarr/0/zarr.json", ome),
    ("v.zarr/0/.zarray", ome4),
]
WORDS = [
    b"0",
    b"-1",
    b"99999999999",
    b"1e9",
    b"=",
    b":",
    b"\n",
    b"..",
    b"/",
    b'"',
    b"{",
    b"}",
    b"[",
    b"null",
    b"\0",
    b"nan",
]
changes = st.lists(
    st.tuples(
        st.sampled_from(["flip", "set", "cut", "word", "double"]),
        st.floats(0, 0.999),
        st.integers(0, 255),
        st.sampled_from(WORDS),
    ),
    min_size=1,
    max_size=4,
)


def mutated(data: bytes, how: list[tuple[str, float, int, bytes]]) -> bytes:
    out = bytearray(data)
    for kind, place, value, word in how:
        if not out:
            break
        # headers matter most: half of the changes fall into the first 400 bytes
        reach = min(len(out), 400) if value % 2 else len(out)
        at = int(place * reach)
        if kind == "flip":
            out[at] ^= 1 << (value % 8)
        elif kind == "set":
            out[at] = value
        elif kind == "cut":
            del out[at : at + 1 + value % 40]
        elif kind == "word":
            out[at : at + len(word)] = word
        else:
            out[at:at] = out[at : at + 1 + value % 20]
    return bytes(out)


@pytest.mark.slow
@settings(max_examples=2500, deadline=None, suppress_health_check=list(HealthCheck))
@given(which=st.integers(0, len(FUZZED) - 1), how=changes)
def test_fuzzed_files(tmp_path_factory: pytest.TempPathFactory, which: int, how: Any) -> None:
    """Whatever the bytes: our own error, or voxels of the promised shape, within a second or two."""
    name, seed = FUZZED[which]
    folder = tmp_path_factory.mktemp("fuzz")
    path = seed(folder)
    target = folder / name
    target.write_bytes(mutated(target.read_bytes(), how))
    started, said = time.monotonic(), ["words"]
    try:
        found = open_volume(Source(path))
        if found.shape[0] * found.shape[1] * found.shape[2] < 10**6 and "OME" not in found.format:
            planes = found.planes(0, found.shape[0])
            assert planes.shape == found.shape
            assert planes.dtype == found.dtype
        said += found.warnings
    except SiltomoError as error:
        said = [error.message, str(error)]
    assert all(said)
    assert not any("\x1b" in words for words in said)
    assert time.monotonic() - started < SECONDS


TOKENS = [
    *COLUMNS,
    "==",
    "!=",
    "<",
    ">=",
    "in",
    "not in",
    "is",
    "and",
    "or",
    "not",
    "(",
    ")",
    "[",
    "]",
    ",",
    "{",
    "}",
]
TOKENS += [
    "'micro'",
    "'1 um'",
    "'1000 mAh/g_Si'",
    "1",
    "-1",
    "2.5",
    "9**9",
    "1e308",
    "None",
    "True",
    "lambda",
    ":",
    ".",
]
TOKENS += [
    "__import__",
    "__class__",
    "open",
    "f''",
    "b''",
    "@",
    "`",
    ":=",
    "*",
    "if",
    "else",
    "for",
    "x",
    "=",
    "\\",
    "#",
]
ROW = {"cell": "a", "cycle": 1, "scale": "micro", "capacity": 900.0, "voxel_size": 0.16, "voltage": None}


@pytest.mark.slow
@settings(max_examples=6000, deadline=None)
@given(st.one_of(st.lists(st.sampled_from(TOKENS), max_size=14).map(" ".join), st.text(max_size=80)))
def test_fuzzed_expressions(text: str) -> None:
    """Whatever the text: a selection that says yes or no of a row, or our own error."""
    with suppress(ExpressionError):
        assert parse_where(text)(ROW) in (True, False)
