# ruff: noqa: ARG001, PLR0917  an instruction gets its typing context and all its argument types
"""Vectors of unsigned integers for numba: the one place where LLVM is spoken to directly.

A value of type `Lanes` fills 64 bytes (32 ``uint16``, 16 ``uint32`` or 8 ``uint64``); LLVM splits it where
the machine has narrower registers. Plain numba loops over ``max`` and ``min`` of small integers are not
reliably vectorised; these are. Indices are not checked: the caller proves that ``index + lanes`` stays in the
array. The tests compare each function with its meaning in NumPy.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import models, register_model

from siltomo.kernels._jit import instruction

LANE_BYTES = 64


class Lanes(types.Type):
    """A vector of 64 bytes of one unsigned integer type."""

    def __init__(self, dtype: Any) -> None:
        self.dtype = dtype
        self.count = LANE_BYTES * 8 // dtype.bitwidth
        super().__init__(name=f"Lanes({dtype} x {self.count})")


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):
    """Keep the lanes in an LLVM vector, so that they live in registers."""

    def __init__(self, manager: Any, lanes: Lanes) -> None:
        super().__init__(manager, lanes, _vector_type(lanes))  # type: ignore[no-untyped-call]


def _vector_type(lanes: Lanes) -> ir.VectorType:
    return ir.VectorType(ir.IntType(lanes.dtype.bitwidth), lanes.count)


def _splat(builder: Any, value: Any, count: int) -> Any:
    vector = ir.VectorType(value.type, count)
    first = builder.insert_element(ir.Constant(vector, ir.Undefined), value, ir.Constant(ir.IntType(32), 0))
    pattern = ir.Constant(ir.VectorType(ir.IntType(32), count), [0] * count)
    return builder.shuffle_vector(first, ir.Constant(vector, ir.Undefined), pattern)


def _address(context: Any, builder: Any, array_type: Any, array: Any, index: Any, vector: Any) -> Any:
    data = context.make_array(array_type)(context, builder, array).data
    return builder.bitcast(builder.gep(data, [index]), vector.as_pointer())


@instruction
def load(typing_context: Any, array: Any, index: Any) -> Any:
    """Read the lanes that start at an index of a flat array."""
    lanes = Lanes(array.dtype)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], args[0], args[1], _vector_type(lanes))
        return builder.load(address, align=lanes.dtype.bitwidth // 8)

    return lanes(array, types.intp), generate


@instruction
def store(typing_context: Any, array: Any, index: Any, lanes: Any) -> Any:
    """Write lanes to a flat array from an index on."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        address = _address(context, builder, signature.args[0], args[0], args[1], _vector_type(lanes))
        builder.store(args[2], address, align=lanes.dtype.bitwidth // 8)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), generate


@instruction
def fill(typing_context: Any, value: Any) -> Any:
    """Put one value in every lane."""
    lanes = Lanes(value)

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return _splat(builder, args[0], lanes.count)

    return lanes(value), generate


@instruction
def first(typing_context: Any, lanes: Any, count: Any) -> Any:
    """Keep the first ``count`` lanes and put 0 in the others; ``count`` must fit the lanes' integer type."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _vector_type(lanes)
        numbers = ir.Constant(vector, list(range(lanes.count)))
        kept = builder.icmp_unsigned("<", numbers, _splat(builder, args[1], lanes.count))
        return builder.select(kept, args[0], ir.Constant(vector, [0] * lanes.count))

    return lanes(lanes, lanes.dtype), generate


def _choose(comparison: str) -> Any:
    def declare(typing_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return builder.select(builder.icmp_unsigned(comparison, *args), *args)

        return a(a, b), generate

    return declare


@instruction
def larger(typing_context: Any, a: Any, b: Any) -> Any:
    """Take the larger value in each lane."""
    return _choose(">")(typing_context, a, b)


@instruction
def smaller(typing_context: Any, a: Any, b: Any) -> Any:
    """Take the smaller value in each lane."""
    return _choose("<")(typing_context, a, b)


@instruction
def add(typing_context: Any, a: Any, b: Any) -> Any:
    """Add lane by lane; a sum that does not fit becomes the largest value of the type."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        total = builder.add(*args)
        top = (1 << a.dtype.bitwidth) - 1
        highest_value = ir.Constant(_vector_type(a), [top] * a.count)
        return builder.select(builder.icmp_unsigned("<", total, args[0]), highest_value, total)

    return a(a, b), generate


@instruction
def highest(typing_context: Any, lanes: Any) -> Any:
    """Return the largest value of all lanes."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _vector_type(lanes)
        name = f"llvm.vector.reduce.umax.v{lanes.count}i{lanes.dtype.bitwidth}"
        signature_of_reduce = ir.FunctionType(vector.element, [vector])
        reduce = builder.module.globals.get(name) or ir.Function(builder.module, signature_of_reduce, name)
        return builder.call(reduce, args)

    return lanes.dtype(lanes), generate
