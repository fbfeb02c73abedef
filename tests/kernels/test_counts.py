from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from siltomo.errors import BadInputError
from siltomo.kernels.counts import label_counts

LABELS = st.builds(
    lambda shape, dtype, seed: np.random.default_rng(seed).integers(0, 4, shape).astype(dtype),
    st.tuples(st.integers(0, 4), st.integers(1, 4), st.sampled_from([1, 5, 63, 64, 65, 130])),
    st.sampled_from([np.uint8, np.int16, np.int64]),
    st.integers(0, 2**32 - 1),
)


@given(LABELS)
@settings(deadline=None, max_examples=40)
def test_phases_are_counted(labels):
    counts = label_counts(labels, [1, (0, 3), (2, 2), ()])
    assert counts.dtype == np.int64
    expected = [(labels == 1).sum(), ((labels == 0) | (labels == 3)).sum(), (labels == 2).sum(), 0]
    assert counts.tolist() == expected


@given(LABELS, st.data())
@settings(deadline=None, max_examples=40)
def test_bins_of_any_shape_split_the_voxels(labels, data):
    shape = tuple(data.draw(st.sampled_from(sorted({1, n} - {0} or {1}))) for n in labels.shape)
    bins = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(-2, 3)))
    found = label_counts(labels, [1, (0, 2)], bins=bins, bin_count=4, threads=2)
    where = np.broadcast_to(bins, labels.shape)
    for number in range(4):
        assert found[number, 0] == ((labels == 1) & (where == number)).sum()
        assert found[number, 1] == ((labels % 2 == 0) & (where == number)).sum()


def test_layers_below_a_height_map():
    # Depth below a tilted surface: z minus its height in each column, in layers of 2 voxels.
    labels = np.random.default_rng(0).integers(0, 2, (12, 9, 70), dtype=np.uint8)
    height = (np.arange(70) // 10)[None, None, :]
    depth = np.arange(12)[:, None, None] - height
    bins = np.where(depth >= 0, depth // 2, -1)
    found = label_counts(labels, [1], bins=bins, bin_count=6)
    expected = np.bincount(np.broadcast_to(bins, labels.shape)[(labels == 1) & (bins >= 0)], minlength=6)
    assert found[:, 0].tolist() == expected.tolist()


def test_blocks_add_up():
    labels = np.random.default_rng(1).integers(0, 5, (9, 10, 90), dtype=np.uint8)
    parts = [
        label_counts(labels[a:b, :, c:d], [1, 2]) for a, b in ((0, 4), (4, 9)) for c, d in ((0, 7), (7, 90))
    ]
    assert np.array_equal(np.sum(parts, axis=0), label_counts(labels, [1, 2]))


@pytest.mark.slow
def test_counts_above_two_to_the_31():
    assert label_counts(
        np.broadcast_to(np.ones((1, 1, 1024), np.uint8), (2100, 1024, 1024)), [1, 0]
    ).tolist() == [
        2100 * 1024**2,
        0,
    ]


def test_bins_beyond_their_number_are_refused():
    with pytest.raises(BadInputError, match="3 is not below bin_count 3"):
        label_counts(np.zeros((2, 2, 2), np.uint8), [0], bins=[[[3]]], bin_count=3)
