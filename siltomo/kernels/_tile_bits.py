"""Tiles of 2 x 2 x 2 voxels in words of bits: what the kernels that count them share."""
# ruff: noqa: PLR0917 compiled functions take positional arguments

from __future__ import annotations

from typing import Any

from numba import uint64

from siltomo.kernels._bits import pack_row
from siltomo.kernels._jit import inlined


@inlined
def pack_phases(plane: Any, members: Any, first: Any, bits: Any) -> None:
    """Pack a plane once for each phase; row by row, so that a row is read from memory once."""
    for y in range(plane.shape[0]):
        for p in range(first.size - 1):
            pack_row(plane[y], members[first[p] : first[p + 1]], False, bits[p, y])


@inlined
def drop_outside(bits: Any, near: int, far: int, p: int, y: int, w0: int, w1: int, valid: Any) -> None:
    """Clear the tiles that touch the outside of the domain."""
    for w in range(w0, w1):
        here = bits[near, p, y, w] | bits[near, p, y + 1, w] | bits[far, p, y, w] | bits[far, p, y + 1, w]
        v = w + 1
        beside = bits[near, p, y, v] | bits[near, p, y + 1, v] | bits[far, p, y, v] | bits[far, p, y + 1, v]
        valid[w] &= ~(here | (here >> uint64(1)) | (beside << uint64(63)))


@inlined
def transpose(b0: Any, b1: Any, b2: Any, b3: Any, b4: Any, b5: Any, b6: Any, b7: Any, eight: Any) -> None:
    """Turn the words of the eight voxels of 64 tiles into 64 configurations: tile 8 j + r in byte j of word r."""
    m, s = uint64(0x5555555555555555), uint64(1)
    b0, b1 = _interleave(b0, b1, m, s)
    b2, b3 = _interleave(b2, b3, m, s)
    b4, b5 = _interleave(b4, b5, m, s)
    b6, b7 = _interleave(b6, b7, m, s)
    m, s = uint64(0x3333333333333333), uint64(2)
    b0, b2 = _interleave(b0, b2, m, s)
    b1, b3 = _interleave(b1, b3, m, s)
    b4, b6 = _interleave(b4, b6, m, s)
    b5, b7 = _interleave(b5, b7, m, s)
    m, s = uint64(0x0F0F0F0F0F0F0F0F), uint64(4)
    eight[0], eight[4] = _interleave(b0, b4, m, s)
    eight[1], eight[5] = _interleave(b1, b5, m, s)
    eight[2], eight[6] = _interleave(b2, b6, m, s)
    eight[3], eight[7] = _interleave(b3, b7, m, s)


@inlined
def _interleave(low: Any, high: Any, mask: Any, shift: Any) -> Any:
    """Swap the masked bits of the higher word with the unmasked ones of the lower."""
    return (low & mask) | ((high & mask) << shift), ((low >> shift) & mask) | (high & ~mask)
