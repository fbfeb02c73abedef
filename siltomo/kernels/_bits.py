"""Rows of voxels as bits, 64 voxels to a word: the one place where LLVM is spoken to directly.

Bit ``x % 64`` of word ``x // 64`` tells whether voxel ``x`` is in the phase. Each row ends with one guard
word of zeros, so that a kernel may look at the word after the last. `pack_plane_plainly` says the same in
NumPy; the tests compare the two.
"""
# ruff: noqa: ARG001  an instruction gets its typing context and all its argument types

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types, uint64
from numpy.typing import NDArray

from siltomo.kernels._jit import inlined, instruction, kernel


@instruction
def popcount(typing_context: Any, word: Any) -> Any:
    """Count the ones of a word."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return types.uint64(types.uint64), generate


@instruction
def trailing_zeros(typing_context: Any, word: Any) -> Any:
    """Count the zeros below the lowest one of a word; 64 for the word 0."""

    def generate(_context: Any, builder: Any, _signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 0))

    return types.uint64(types.uint64), generate


@instruction
def equal_bits(typing_context: Any, row: Any, start: Any, value: Any) -> Any:
    """Compare the 64 voxels of a row from ``start`` on with a value: one bit each.

    The row must be contiguous whatever its declared layout, and reach to ``start + 64``. Plain numba loops
    over bytes do not vectorise into a mask; the 64-lane comparison does on every target.
    """

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        data = context.make_array(signature.args[0])(context, builder, args[0]).data
        lanes = ir.VectorType(context.get_data_type(row.dtype), 64)
        address = builder.bitcast(builder.gep(data, [args[1]]), lanes.as_pointer())
        voxels = builder.load(address, align=1)
        undefined = ir.Constant(lanes, ir.Undefined)
        first_lane = builder.insert_element(undefined, args[2], ir.Constant(ir.IntType(32), 0))
        pattern = ir.Constant(ir.VectorType(ir.IntType(32), 64), [0] * 64)
        wanted = builder.shuffle_vector(first_lane, undefined, pattern)
        return builder.bitcast(builder.icmp_unsigned("==", voxels, wanted), ir.IntType(64))

    return types.uint64(row, types.intp, row.dtype), generate


@inlined
def low_bits(n: int) -> Any:
    """Return a word whose lowest ``n`` bits are ones, ``0 <= n <= 64``."""
    if n >= 64:
        return uint64(0xFFFFFFFFFFFFFFFF)
    return (uint64(1) << uint64(n)) - uint64(1)


@inlined
def pack_row(row: Any, values: Any, invert: bool, bits: Any) -> None:
    """Set the bits of the voxels whose value is among the values (or is not, where inverted)."""
    size = row.size
    flip = uint64(0xFFFFFFFFFFFFFFFF) if invert else uint64(0)
    whole = size // 64
    for w in range(whole):
        word = uint64(0)
        for j in range(values.size):
            word |= equal_bits(row, w * 64, values[j])
        bits[w] = word ^ flip
    if whole * 64 < size:
        word = uint64(0)
        for x in range(whole * 64, size):
            for j in range(values.size):
                if row[x] == values[j]:
                    word |= uint64(1) << uint64(x - whole * 64)
        bits[whole] = (word ^ flip) & low_bits(size - whole * 64)


@kernel
def pack_plane(plane: Any, values: Any, invert: bool, bits: Any) -> None:
    """Pack each row of a plane; ``bits`` has shape (rows, words + 1)."""
    for y in range(plane.shape[0]):
        pack_row(plane[y], values, invert, bits[y])


def words_per_row(size: int) -> int:
    """Count the words of a row of voxels, the guard word included."""
    return (size + 63) // 64 + 1


def pack_plane_plainly(
    plane: NDArray[np.integer[Any]], values: NDArray[np.integer[Any]], invert: bool
) -> NDArray[np.uint64]:
    """Pack a plane as `pack_plane` does, in plain NumPy: the twin that tests compare it with."""
    chosen = np.isin(plane, values) != invert
    padded = np.zeros((plane.shape[0], words_per_row(plane.shape[1]) * 64), dtype=bool)
    padded[:, : plane.shape[1]] = chosen
    return np.packbits(padded, axis=1, bitorder="little").view("<u8").astype(np.uint64)
