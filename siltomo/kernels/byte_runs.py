"""Byte runs as Amira writes them: a count and a value, or a count and that many values."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from siltomo.kernels._jit import kernel

__all__ = ["decode_byte_runs"]

Bytes = NDArray[np.uint8]


@kernel
def decode_byte_runs(
    packed: Bytes, out: Bytes, pending: int, value: int, literal: bool
) -> tuple[int, int, int, int, bool]:
    """Unpack runs until the input or the output is used up.

    A control byte n below 128 stands before one byte that is repeated n times; one of 128 + n before n
    bytes that are taken as they are.

    Parameters
    ----------
    packed
        The packed bytes from here on.
    out
        Where the bytes go.
    pending, value, literal
        The run that is under way: bytes that are left of it, its value (-1 where it is not read yet), and
        whether it is one of literal bytes. ``0, -1, False`` at the start.

    Returns
    -------
    tuple
        Packed bytes used, bytes written, and the run that is under way.

    Examples
    --------
    >>> packed = np.array([3, 7, 130, 1, 2], np.uint8)
    >>> out = np.zeros(5, np.uint8)
    >>> decode_byte_runs(packed, out, 0, -1, False)
    (5, 5, 0, -1, False)
    >>> out.tolist()
    [7, 7, 7, 1, 2]
    """
    used, done = 0, 0
    while done < out.size or pending == 0:
        if pending == 0:
            if used >= packed.size or done >= out.size:
                break
            control = int(packed[used])
            used += 1
            literal = control > 127
            pending = control & 127
            value = -1
            continue
        if literal:
            take = min(pending, out.size - done, packed.size - used)
            if take == 0:
                break
            out[done : done + take] = packed[used : used + take]
            used += take
        else:
            if value < 0:
                if used >= packed.size:
                    break
                value = int(packed[used])
                used += 1
            take = min(pending, out.size - done)
            out[done : done + take] = value
        done += take
        pending -= take
        if pending == 0:
            value = -1
            literal = False
    return used, done, pending, value, literal
