"""Planes of a foreign Zarr array, decoded by a child process: see :mod:`siltomo.importers.zarr_child`."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import weakref
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import FormatError
from siltomo.importers.border import DAMAGED, border, plain_text

__all__ = ["ZarrPlanes"]

ONE_THREAD = {
    "MALLOC_ARENA_MAX": "2",
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "BLOSC_NTHREADS": "1",
}
"""Each thread reserves address space, which the child's limit of memory counts."""
SECONDS = 300.0
"""How long a slab may take to decode."""


@dataclass
class ZarrPlanes:
    """Reads planes of a Zarr array; a ``Planes.read``. The child starts at the first call."""

    path: Path
    """Folder of the array."""
    zarr_format: int
    axes: str
    """The axes of the array, such as ``"tczyx"``; all but z, y, x are of size 1."""
    shape: tuple[int, int, int]
    depth: int
    """Planes of a chunk."""
    dtype: np.dtype[Any]
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)
    _child: subprocess.Popen[bytes] | None = field(default=None, repr=False, compare=False)

    def __getstate__(self) -> dict[str, Any]:
        """Pickle what is known of the array, not the process."""
        return {k: v for k, v in vars(self).items() if k not in ("_lock", "_child")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Start anew."""
        vars(self).update(state, _lock=threading.Lock(), _child=None)

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        """Read the planes ``start`` to ``stop``, in native byte order."""
        with self._lock, border(self.path, f"planes {start} to {stop - 1}"):
            child = self._child = self._child or self._start()
            timer = threading.Timer(SECONDS, child.kill)
            timer.start()
            try:
                return self._ask(child, start, stop)
            except BaseException:
                _end(child)
                self._child = None
                raise
            finally:
                timer.cancel()

    def _start(self) -> subprocess.Popen[bytes]:
        script = Path(__file__).with_name("zarr_child.py")
        child = subprocess.Popen(
            [sys.executable, "-P", str(script)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **ONE_THREAD},
        )
        weakref.finalize(self, _end, child)
        plane = self.shape[1] * self.shape[2] * self.dtype.itemsize
        order = {
            "path": str(self.path.resolve()),
            "format": self.zarr_format,
            "axes": list(self.axes),
            "planes": self.shape[0],
            "depth": self.depth,
            "slab_bytes": plane * min(self.depth, self.shape[0]),
        }
        self._send(child, order)
        return child

    @staticmethod
    def _send(child: subprocess.Popen[bytes], message: object) -> None:
        if child.stdin is not None:
            child.stdin.write(json.dumps(message).encode() + b"\n")
            child.stdin.flush()

    def _ask(self, child: subprocess.Popen[bytes], start: int, stop: int) -> NDArray[Any]:
        if child.stdout is None:
            raise RuntimeError("the child has no output")
        try:
            self._send(child, [start, stop])
        except BrokenPipeError:
            raise self._refused("the process that decodes it ended: a chunk is damaged or hostile") from None
        word, _, rest = child.stdout.readline(1000).decode("utf-8", "replace").strip().partition(" ")
        if word != "ok":
            why = plain_text(rest, 200) if word else "the process that decodes it crashed or took too long"
            raise self._refused(f"{why} (a chunk is damaged, or unpacks to more than it may)")
        size, kind = rest.split()
        out = np.empty((stop - start, *self.shape[1:]), self.dtype)
        if int(size) != out.nbytes or np.dtype(kind) != self.dtype.newbyteorder(np.dtype(kind).byteorder):
            raise self._refused(f"its chunks give {size} bytes of {kind} for {out.nbytes} of {self.dtype}")
        got, target = 0, out.reshape(-1).view(np.uint8).data
        while got < out.nbytes:
            read = child.stdout.readinto(target[got:])  # type: ignore[attr-defined]
            if not read:
                raise self._refused("the process that decodes it ended")
            got += read
        if np.dtype(kind).byteorder not in ("=", "|", self.dtype.str[0]):
            out.byteswap(inplace=True)
        return out

    def _refused(self, why: str) -> FormatError:
        return FormatError(f"cannot be decoded: {why}", where=str(self.path), fix=DAMAGED)


def _end(child: subprocess.Popen[bytes]) -> None:
    """End the child and let go of its pipes."""
    child.kill()
    for pipe in (child.stdin, child.stdout):
        if pipe is not None:
            try:
                pipe.close()
            except BrokenPipeError:
                continue
    child.wait()
