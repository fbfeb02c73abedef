"""Each vector function against its meaning in NumPy."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from siltomo.kernels import _lanes as lanes

DTYPES = [np.uint16, np.uint32, np.uint64]


@pytest.fixture(params=DTYPES, ids=lambda dtype: dtype.__name__)
def numbers(request):
    """Three flat arrays of one type: small, anything, and the largest values."""
    info = np.iinfo(request.param)
    rng = np.random.default_rng(7)
    spans = [(0, 9), (0, info.max), (info.max - 5, info.max)]
    return [rng.integers(low, high, 100, request.param, endpoint=True) for low, high in spans]


@numba.njit
def apply_pairwise(a, b):
    answers = np.zeros((6, 64 // a.itemsize), a.dtype)
    flat = answers.reshape(-1)
    count = answers.shape[1]
    x, y = lanes.load(a, 3), lanes.load(b, 5)
    lanes.store(flat, 0, lanes.larger(x, y))
    lanes.store(flat, count, lanes.smaller(x, y))
    lanes.store(flat, 2 * count, lanes.add(x, y))
    lanes.store(flat, 3 * count, lanes.both(x, y))
    lanes.store(flat, 4 * count, lanes.either(x, y))
    lanes.store(flat, 5 * count, lanes.differing(x, y))
    return answers


def test_pairwise_functions(numbers):
    for a in numbers:
        for b in numbers:
            got = apply_pairwise(a, b)
            x, y = a[3 : 3 + got.shape[1]], b[5 : 5 + got.shape[1]]
            with np.errstate(over="ignore"):
                total = np.where(x + y < x, np.iinfo(a.dtype).max, x + y)
            expected = [np.maximum(x, y), np.minimum(x, y), total, x & y, x | y, x ^ y]
            np.testing.assert_array_equal(got, expected)


@numba.njit
def apply_alone(a, steps, value):
    answers = np.zeros((4, 64 // a.itemsize), a.dtype)
    flat = answers.reshape(-1)
    count = answers.shape[1]
    x = lanes.load(a, 1)
    lanes.store(flat, 0, lanes.shifted_up(x, steps))
    lanes.store(flat, count, lanes.shifted_down(x, steps))
    lanes.store(flat, 2 * count, lanes.first(x, steps))
    lanes.store(flat, 3 * count, lanes.fill(value))
    return answers, lanes.highest(x), lanes.any_bit(x), lanes.filled_bits(x), lanes.bit_count(x)


def test_functions_of_one_vector(numbers):
    for a in [*numbers, np.zeros_like(numbers[0])]:
        for steps in (0, 1, 5, 8 * a.itemsize - 1):
            got, highest, any_bit, filled, bits = apply_alone(a, a.dtype.type(steps), a[0])
            x = a[1 : 1 + got.shape[1]]
            width = a.dtype.type(steps)
            kept = np.where(np.arange(x.size) < steps, x, 0)
            np.testing.assert_array_equal(got, [x << width, x >> width, kept, np.full_like(x, a[0])])
            assert highest == x.max()
            assert any_bit == x.any()
            assert filled == sum(1 << i for i, value in enumerate(x) if value)
            assert bits == sum(int(value).bit_count() for value in x)


@numba.njit
def apply_to_word(word):
    return lanes.lowest_bit(word), lanes.ones(word)


@pytest.mark.parametrize("word", [1, 2, 0b1011000, 1 << 63, 2**64 - 1])
def test_functions_of_one_word(word):
    assert apply_to_word(np.uint64(word)) == ((word & -word).bit_length() - 1, word.bit_count())
