"""Column extents against their definition, and that slabs add up."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.kernels.columns import column_bytes, column_extents


@settings(max_examples=25, deadline=None)
@given(
    shape=st.tuples(*[st.integers(1, 6)] * 3),
    seed=st.integers(0, 999),
    cut=st.integers(1, 5),
    dtype=st.sampled_from([np.uint8, np.uint16, np.int32]),
)
def test_extents_are_those_of_the_definition_and_slabs_add_up(
    shape: tuple[int, int, int], seed: int, cut: int, dtype: type
) -> None:
    labels = np.random.default_rng(seed).integers(0, 6, shape).astype(dtype)
    classes = [[1], [2, 3], []]
    whole = column_extents(labels, classes, rest=2, left_out=[5])
    parts = [labels[:cut], labels[cut:]]
    if parts[1].size:
        a, b = (
            column_extents(part, classes, start=start, depth=shape[0], rest=2, left_out=[5])
            for part, start in zip(parts, (0, cut), strict=True)
        )
        whole = a + b
    for number, values in enumerate([[1], [2, 3], [0, 4]]):
        mask = np.isin(labels, values)
        assert whole.voxels[number] == mask.sum()
        if mask.any():
            assert whole.centre(number) == pytest.approx([c.mean() for c in np.nonzero(mask)])
        for axis in range(3):
            columns = whole.along(axis)
            there = mask.any(axis)
            first = np.where(there, mask.argmax(axis), shape[axis])
            last = np.where(there, shape[axis] - 1 - np.flip(mask, axis).argmax(axis), -1)
            assert np.array_equal(columns.count[number], mask.sum(axis))
            assert np.array_equal(columns.first[number], first)
            assert np.array_equal(columns.last[number], last)


def test_only_the_axes_asked_for_take_memory() -> None:
    found = column_extents(np.ones((4, 5, 6), np.uint8), [[1]], axes=(1,))
    assert [c.axis for c in found.columns] == [1]
    assert found.along(1).maps.nbytes == column_bytes((4, 5, 6), 1, (1,), 4)
    with pytest.raises(KeyError):
        found.along(0)
