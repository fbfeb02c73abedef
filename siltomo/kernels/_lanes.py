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


def _declared(builder: Any, name: str, answer: Any, argument: Any) -> Any:
    """Return LLVM's own function of a name."""
    known = builder.module.globals.get(name)
    return known or ir.Function(builder.module, ir.FunctionType(answer, [argument]), name)


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
        return builder.call(_declared(builder, name, vector.element, vector), args)

    return lanes.dtype(lanes), generate


def _bitwise(operation: str) -> Any:
    def declare(typing_context: Any, a: Any, b: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, operation)(*args)

        return a(a, b), generate

    return declare


@instruction
def both(typing_context: Any, a: Any, b: Any) -> Any:
    """Keep the bits that are set in both."""
    return _bitwise("and_")(typing_context, a, b)


@instruction
def either(typing_context: Any, a: Any, b: Any) -> Any:
    """Keep the bits that are set in one or both."""
    return _bitwise("or_")(typing_context, a, b)


@instruction
def differing(typing_context: Any, a: Any, b: Any) -> Any:
    """Keep the bits that are set in one and not both."""
    return _bitwise("xor")(typing_context, a, b)


def _shift(operation: str) -> Any:
    def declare(typing_context: Any, lanes: Any, steps: Any) -> Any:
        def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
            return getattr(builder, operation)(args[0], _splat(builder, args[1], lanes.count))

        return lanes(lanes, lanes.dtype), generate

    return declare


@instruction
def shifted_up(typing_context: Any, lanes: Any, steps: Any) -> Any:
    """Shift each lane by fewer steps than it has bits, towards the higher ones."""
    return _shift("shl")(typing_context, lanes, steps)


@instruction
def shifted_down(typing_context: Any, lanes: Any, steps: Any) -> Any:
    """Shift each lane by fewer steps than it has bits, towards the lower ones."""
    return _shift("lshr")(typing_context, lanes, steps)


@instruction
def any_bit(typing_context: Any, lanes: Any) -> Any:
    """Tell whether any bit is set."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zeros = ir.Constant(_vector_type(lanes), [0] * lanes.count)
        lit = builder.bitcast(builder.icmp_unsigned("!=", args[0], zeros), ir.IntType(lanes.count))
        return builder.icmp_unsigned("!=", lit, ir.Constant(lit.type, 0))

    return types.boolean(lanes), generate


@instruction
def filled_bits(typing_context: Any, lanes: Any) -> Any:
    """Return a word whose bit i tells whether lane i is not 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        zeros = ir.Constant(_vector_type(lanes), [0] * lanes.count)
        filled = builder.bitcast(builder.icmp_unsigned("!=", args[0], zeros), ir.IntType(lanes.count))
        return builder.zext(filled, ir.IntType(64))

    return types.uint64(lanes), generate


@instruction
def bit_count(typing_context: Any, lanes: Any) -> Any:
    """Count the bits that are set."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        vector = _vector_type(lanes)
        size = f"v{lanes.count}i{lanes.dtype.bitwidth}"
        counts = builder.call(_declared(builder, f"llvm.ctpop.{size}", vector, vector), args)
        total = _declared(builder, f"llvm.vector.reduce.add.{size}", vector.element, vector)
        return builder.call(total, [counts])

    return lanes.dtype(lanes), generate


@instruction
def lowest_bit(typing_context: Any, word: Any) -> Any:
    """Return the place of the lowest bit that is set in a word that is not 0."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.cttz(args[0], ir.Constant(ir.IntType(1), 1))

    return word(word), generate


@instruction
def ones(typing_context: Any, word: Any) -> Any:
    """Count the bits that are set in a word."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.ctpop(args[0])

    return word(word), generate
