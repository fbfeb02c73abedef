"""Reads slabs of a foreign Zarr array in a process of its own, which may run out of memory or crash.

A damaged Blosc chunk can end the interpreter that decodes it, and a small chunk can unpack to gigabytes.
This file is run as a script, imports nothing of siltomo, and answers on its standard output.
"""

from __future__ import annotations

import json
import os
import sys
from contextlib import suppress
from typing import Any

__all__: list[str] = []

HEADROOM = 1 << 30
KEEP = 3 << 29
"""Slabs up to this many bytes are kept, so that planes asked for one by one are decoded once."""


def main() -> None:
    """Answer requests until the parent has gone."""
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever a library prints is no answer
    order = json.loads(sys.stdin.readline())
    import numpy as np
    import zarr

    zarr.config.set({"threading.max_workers": 2, "async.concurrency": 4})
    slab_bytes = int(order["slab_bytes"])
    _limit_memory(HEADROOM + 4 * slab_bytes)
    array: Any = None
    kept: tuple[int, int, Any] = (0, 0, None)
    for line in sys.stdin:
        try:
            start, stop = json.loads(line)
            if array is None:
                array = zarr.open_array(order["path"], mode="r", zarr_format=order["format"])
            depth = int(order["depth"])
            low, high = start // depth * depth, min(-(-stop // depth) * depth, int(order["planes"]))
            if slab_bytes * -(-(high - low) // depth) > KEEP:
                low, high = start, stop
            if not (kept[2] is not None and kept[0] <= start and stop <= kept[1]):
                kept = (0, 0, None)
                kept = (low, high, _slab(array, order["axes"], low, high, np))
            block = np.ascontiguousarray(kept[2][start - kept[0] : stop - kept[0]])
            answers.write(f"ok {block.nbytes} {block.dtype.str}\n".encode() + block.tobytes())
        except Exception as error:
            words = f"{type(error).__name__}: {error}".replace("\n", " ")[:300]
            answers.write(f"no {words}\n".encode())
        answers.flush()


def _slab(array: Any, axes: list[str], start: int, stop: int, np: Any) -> Any:
    """Read planes, axes turned to z, y, x."""
    where = tuple({"z": slice(start, stop), "y": slice(None), "x": slice(None)}.get(a, 0) for a in axes)
    block = np.asarray(array[where])
    present = [a for a in axes if a in ("z", "y", "x")]
    if "z" not in present:
        block, present = block[np.newaxis], ["z", *present]
    return block.transpose([present.index(a) for a in ("z", "y", "x")])


def _limit_memory(more: int) -> None:
    """Allow this many bytes beyond what is in use, where the system can."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123 -- no pathlib needed here
            used = int(file.read().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (used + more, used + more))


if __name__ == "__main__":
    main()
