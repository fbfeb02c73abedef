"""What a Zarr array says of itself, read by hand: its shape, type, chunks, and codecs that are known safe."""

from __future__ import annotations

import json
import math
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np

from siltomo.errors import Amend, FormatError
from siltomo.importers.border import DAMAGED, border, plain_text, refused

__all__ = ["ZarrArray", "inside", "read_array", "read_json"]

MAX_JSON = 16 << 20
MAX_CHUNK = 256 << 20
TYPES = {f"{kind}{8 * n}": f"{kind[0]}{n}" for kind in ("int", "uint") for n in (1, 2, 4, 8)} | {
    "bool": "?",
    "float16": "f2",
    "float32": "f4",
    "float64": "f8",
}
V2_CODECS = {"blosc", "zstd", "zlib", "gzip", "lz4", "bz2", "lzma"}
V3_CODECS = {"bytes", "transpose", "blosc", "zstd", "gzip", "crc32c", "sharding_indexed"}


@dataclass(frozen=True)
class ZarrArray:
    """An array as its metadata describe it."""

    path: Path
    zarr_format: int
    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    chunks: tuple[int, ...]
    """Shape of what is decoded at once."""
    files: tuple[Path, ...]
    """Its files, metadata first."""
    stored: int
    """Bytes of the chunk files."""
    missing: tuple[int, int]
    """Chunk files that are not there, and all that there should be."""
    codecs: str


def read_json(path: Path) -> dict[str, Any]:
    """Read a JSON object from a file of the store; raises ``FormatError`` when it is none."""
    with border(path, "its metadata"):
        if path.stat().st_size > MAX_JSON:
            raise FormatError(f"is larger than {MAX_JSON:,} bytes", where=str(path), fix=DAMAGED)
        found = json.loads(path.read_bytes())
    if not isinstance(found, dict):
        raise FormatError("holds no JSON object", where=str(path), fix=DAMAGED)
    return found


def inside(root: Path, name: object) -> Path:
    """Return a folder of the store; refuse names and links that lead out of it."""
    shown = plain_text(name, 80)
    pure = PurePosixPath(name) if isinstance(name, str) and name and "\0" not in name else None
    if pure is None or pure.is_absolute() or ".." in pure.parts or "\\" in str(name) or ":" in str(name):
        raise FormatError(
            f"names an array '{shown}', which is not inside the store", where=str(root), fix=DAMAGED
        )
    path = root.joinpath(*pure.parts)
    with border(root, f"the array '{shown}'"):
        resolved = path.resolve()
        if not resolved.is_relative_to(root.resolve()):
            raise FormatError(
                f"its array '{shown}' is a link out of the store",
                where=str(root),
                fix=Amend(advice="copy the array itself into the store"),
            )
    return path


def read_array(path: Path, root: Path) -> ZarrArray:
    """Read the metadata of an array and list its files.

    Raises
    ------
    FormatError
        When a field is missing or wrong, a codec is not known to be safe, a chunk is too large to be
        decoded, or a file is a link out of the store.
    """
    if (path / "zarr.json").is_file():
        meta_path, read = path / "zarr.json", _version3
    elif (path / ".zarray").is_file():
        meta_path, read = path / ".zarray", _version2
    else:
        raise FormatError("there is no array", where=str(path), fix=DAMAGED)
    meta = read_json(meta_path)
    with border(meta_path, "its metadata"):
        shape, dtype, grid, chunks, codecs = read(meta, meta_path)
    if len(shape) != len(chunks) or len(shape) != len(grid) or min((*shape, *chunks, *grid), default=0) < 1:
        raise refused(meta_path, f"its shape {list(shape)} and chunks {list(grid)} do not fit")
    if math.prod(chunks) * dtype.itemsize > MAX_CHUNK:
        raise refused(meta_path, f"a chunk of {'×'.join(map(str, chunks))} {dtype} is larger than 256 MB")
    files = _files(path, root.resolve())
    pieces = [f for f in files if f.name not in (".zarray", ".zattrs", "zarr.json")]
    expected = math.prod(-(-n // c) for n, c in zip(shape, grid, strict=True))
    with border(path, "the chunks"):
        stored = sum(f.stat().st_size for f in pieces)
    return ZarrArray(
        path=path,
        zarr_format=3 if meta_path.name == "zarr.json" else 2,
        shape=shape,
        dtype=dtype,
        chunks=chunks,
        files=(meta_path, *pieces),
        stored=stored,
        missing=(max(expected - len(pieces), 0), expected),
        codecs=codecs,
    )


Read = tuple[tuple[int, ...], np.dtype[Any], tuple[int, ...], tuple[int, ...], str]


def _version2(meta: dict[str, Any], path: Path) -> Read:
    if meta.get("zarr_format") != 2:
        raise refused(path, f"has the Zarr format {plain_text(meta.get('zarr_format'), 20)}, not 2")
    compressor = meta.get("compressor")
    name = "none" if compressor is None else str(compressor.get("id"))
    if name not in V2_CODECS | {"none"}:
        raise _unsafe(path, name, V2_CODECS)
    if meta.get("filters"):
        raise _unsafe(path, str(meta["filters"][0].get("id")), V2_CODECS)
    stored = meta["dtype"]
    if not isinstance(stored, str) or len(stored) != 3 or stored[1] not in "biuf":
        raise refused(path, f"holds no real numbers: its dtype is {plain_text(stored, 60)}")
    chunks = _sizes(meta["chunks"])
    return _sizes(meta["shape"]), np.dtype(stored), chunks, chunks, name


def _version3(meta: dict[str, Any], path: Path) -> Read:
    if meta.get("zarr_format") != 3 or meta.get("node_type") != "array":
        raise refused(path, "describes no array of Zarr format 3")
    if meta.get("storage_transformers"):
        raise refused(path, "uses storage transformers, which are not read")
    grid = meta["chunk_grid"]
    if grid["name"] != "regular":
        raise refused(path, f"its chunk grid is '{plain_text(grid['name'], 40)}'; regular ones are read")
    kind = meta["data_type"]
    if not isinstance(kind, str) or kind not in TYPES:
        raise refused(path, f"holds no real numbers: its data type is {plain_text(kind, 60)}")
    outer = _sizes(grid["configuration"]["chunk_shape"])
    names, inner = _codecs(meta["codecs"], path, outer)
    return _sizes(meta["shape"]), np.dtype(TYPES[kind]), outer, inner, ", ".join(names)


def _codecs(codecs: Any, path: Path, outer: tuple[int, ...]) -> tuple[list[str], tuple[int, ...]]:
    """Return the names of the codecs, and the shape of the chunks that they decode at once."""
    names: list[str] = []
    inner = outer
    for codec in codecs:
        name = codec["name"] if isinstance(codec, dict) else str(codec)
        if name not in V3_CODECS:
            raise _unsafe(path, name, V3_CODECS)
        names.append(name)
        if name == "sharding_indexed":
            if inner != outer:
                raise refused(path, "has shards within shards, which are not read")
            configuration = codec["configuration"]
            inner = _sizes(configuration["chunk_shape"])
            within, deeper = _codecs(configuration["codecs"], path, inner)
            if "sharding_indexed" in within or deeper != inner:
                raise refused(path, "has shards within shards, which are not read")
            _codecs(configuration.get("index_codecs", []), path, inner)
            names += within
    return names, inner


def _unsafe(path: Path, name: str, known: set[str]) -> FormatError:
    return refused(
        path,
        f"uses the codec '{plain_text(name, 40)}', which is not read; read are {', '.join(sorted(known))}",
        "write the store again with zstd",
    )


def _sizes(given: Any) -> tuple[int, ...]:
    if not isinstance(given, list) or any(
        isinstance(n, bool) or not isinstance(n, int) or not 0 <= n < 2**50 for n in given
    ):
        raise ValueError(f"{plain_text(given, 60)} is no list of sizes")
    return tuple(given)


def _files(path: Path, root: Path) -> tuple[Path, ...]:
    """List the files of an array; refuse links out of the store and whatever is no plain file."""
    found: list[Path] = []
    waiting = [path]
    with border(path, "the files of the array"):
        while waiting:
            folder = waiting.pop()
            with os.scandir(folder) as entries:
                for entry in sorted(entries, key=lambda e: e.name):
                    here = Path(entry.path)
                    if entry.is_symlink() and not here.resolve(strict=True).is_relative_to(root):
                        raise refused(
                            here, "is a link out of the store", "copy the file itself into the store"
                        )
                    if entry.is_dir():
                        if entry.is_symlink():
                            raise refused(
                                here, "is a link to a folder", "copy the folder itself into the store"
                            )
                        waiting.append(here)
                    elif entry.is_file():
                        found.append(here)
                    else:
                        raise refused(here, "is no plain file", "remove it from the store")
    return tuple(found)
