"""Voxels packed as one stream: gzip, zlib, or Amira's byte runs; unpacked from the start, a piece at a time."""

from __future__ import annotations

import math
import threading
import zlib
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import FormatError
from siltomo.importers.border import DAMAGED, border
from siltomo.importers.reading import check_ratio

__all__ = ["PackedBlock", "packed_block"]

PIECE = 1 << 20
MAX_RUN_RATIO = 128


class _Decoder(Protocol):
    def decode(self, packed: bytes, room: int) -> tuple[bytes | NDArray[np.uint8], bytes]:
        """Return up to ``room`` bytes, and what of the input is left."""
        ...


class _Inflate:
    """gzip or zlib, by its first bytes; gzip members may follow each other."""

    def __init__(self) -> None:
        self._member = zlib.decompressobj(47)

    def decode(self, packed: bytes, room: int) -> tuple[bytes, bytes]:
        if self._member.eof:
            if not packed:
                return b"", b""
            self._member = zlib.decompressobj(47)
        made = self._member.decompress(packed, room)
        return made, self._member.unused_data if self._member.eof else self._member.unconsumed_tail


class _Runs:
    """Amira's HxByteRLE."""

    def __init__(self) -> None:
        self._state = (0, -1, False)

    def decode(self, packed: bytes, room: int) -> tuple[NDArray[np.uint8], bytes]:
        from siltomo.kernels.byte_runs import decode_byte_runs

        out = np.empty(room, np.uint8)
        used, made, *state = decode_byte_runs(np.frombuffer(packed, np.uint8), out, *self._state)
        self._state = (int(state[0]), int(state[1]), bool(state[2]))
        return out[:made], packed[used:]


_DECODERS: dict[str, type[_Inflate] | type[_Runs]] = {"zlib": _Inflate, "runs": _Runs}


@dataclass
class _Progress:
    """How far a stream has been unpacked, so that planes asked for in order are unpacked once."""

    decoder: _Decoder
    at: int
    """Where in the file to go on."""
    left: bytes = b""
    done: int = 0


@dataclass
class PackedBlock:
    """Reads planes of packed voxels; a ``Planes.read``. Going back means unpacking from the start."""

    path: Path
    offset: int
    packed: int
    """Packed bytes."""
    method: str
    """``"zlib"`` or ``"runs"``."""
    stored: np.dtype[Any]
    shape: tuple[int, int, int]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _progress: _Progress | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what is known of the file, not how far it was read."""
        return {k: v for k, v in vars(self).items() if k not in ("_lock", "_progress")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start anew."""
        vars(self).update(state, _lock=threading.Lock(), _progress=None)

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        """Read the planes ``start`` to ``stop``, in native byte order."""
        plane = self.shape[1] * self.shape[2] * self.stored.itemsize
        out = np.empty((stop - start) * plane, np.uint8)
        with self._lock, border(self.path, f"planes {start} to {stop - 1}"):
            progress, self._progress = self._progress, None  # what fails halfway is not gone on from
            if progress is None or progress.done > start * plane:
                progress = _Progress(_DECODERS[self.method](), self.offset)
            self._skip(progress, start * plane)
            self._fill(progress, out)
            if stop == self.shape[0]:
                self._check_end(progress)
            self._progress = progress
        voxels = out.view(self.stored).reshape(stop - start, *self.shape[1:])
        return voxels.astype(self.stored.newbyteorder("="), copy=False)

    def _skip(self, progress: _Progress, until: int) -> None:
        while progress.done < until:
            self._fill(progress, np.empty(min(PIECE, until - progress.done), np.uint8))

    def _fill(self, progress: _Progress, out: NDArray[np.uint8]) -> None:
        """Unpack exactly as many bytes as there is room for."""
        filled = 0
        with self.path.open("rb") as file:
            while filled < out.size:
                exhausted = self._feed(progress, file)
                made, progress.left = progress.decoder.decode(progress.left, min(PIECE, out.size - filled))
                if not len(made) and exhausted:
                    raise FormatError(
                        f"the file is cut: its packed voxels end after {progress.done + filled} of "
                        f"{math.prod(self.shape) * self.stored.itemsize} bytes",
                        where=str(self.path),
                        fix=DAMAGED,
                    )
                out[filled : filled + len(made)] = np.frombuffer(made, np.uint8)
                filled += len(made)
        progress.done += filled

    def _feed(self, progress: _Progress, file: Any) -> bool:
        """Read on in the file where nothing is left to unpack; return whether it has ended."""
        end = self.offset + self.packed
        if not progress.left and progress.at < end:
            file.seek(progress.at)
            progress.left = file.read(min(PIECE, end - progress.at))
            if not progress.left:
                raise FormatError("the file is cut", where=str(self.path), fix=DAMAGED)
            progress.at += len(progress.left)
        return progress.at >= end and not progress.left

    def _check_end(self, progress: _Progress) -> None:
        """Refuse a stream that goes on after the last declared voxel."""
        with self.path.open("rb") as file:
            while not self._feed(progress, file):
                made, progress.left = progress.decoder.decode(progress.left, 1)
                if len(made):
                    raise FormatError(
                        "its packed voxels go on after the last one that the header declares",
                        where=str(self.path),
                        fix=DAMAGED,
                    )


def packed_block(
    path: Path,
    offset: int,
    stored: np.dtype[Any],
    shape: tuple[int, int, int],
    *,
    method: str,
    packed: int | None,
) -> PackedBlock:
    """Return the reader of packed voxels.

    Parameters
    ----------
    method
        ``"zlib"`` (gzip too) or ``"runs"``.
    packed
        Packed bytes; None for all from ``offset`` to the end of the file.

    Raises
    ------
    FormatError
        When the file is shorter, or declares more voxels than so few bytes can hold.
    """
    with border(path, "the size of the file"):
        held = path.stat().st_size - offset
    if packed is None:
        packed = held
    if packed > held or packed < 1:
        raise FormatError(
            f"the file is cut: its header declares {packed} packed bytes, the file holds {max(held, 0)}",
            where=str(path),
            fix=DAMAGED,
        )
    declared = math.prod(shape) * stored.itemsize
    check_ratio(declared, packed, path)
    if method == "runs" and declared > MAX_RUN_RATIO * packed:
        raise FormatError(
            f"declares {declared} bytes of voxels in {packed} packed bytes: runs hold 127 each at most",
            where=str(path),
            fix=DAMAGED,
        )
    return PackedBlock(path, offset, packed, method, stored, shape)
