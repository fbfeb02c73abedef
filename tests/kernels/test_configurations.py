from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from siltomo.errors import BadInputError
from siltomo.kernels._bits import pack_plane, pack_plane_plainly, words_per_row
from siltomo.kernels.configurations import configuration_histogram, label_configurations

SHAPES = st.tuples(st.integers(1, 6), st.integers(1, 6), st.sampled_from([1, 2, 5, 63, 64, 65, 66, 130]))


def tile_configurations(mask):
    """The definition: bit 4 dz + 2 dy + dx."""
    nz, ny, nx = mask.shape
    keys = np.zeros((max(0, nz - 1), max(0, ny - 1), max(0, nx - 1)), int)
    for bit in range(8):
        dz, dy, dx = bit >> 2 & 1, bit >> 1 & 1, bit & 1
        keys |= mask[dz : nz - 1 + dz, dy : ny - 1 + dy, dx : nx - 1 + dx].astype(int) << bit
    return keys


def plain_histogram(mask, chosen=None):
    keys = tile_configurations(mask)
    return np.bincount(keys.ravel() if chosen is None else keys[chosen], minlength=256)


def masks(shapes=SHAPES):
    # Densities near 0 and 1 make uniform words, which take another path than mixed ones.
    return st.builds(
        lambda shape, density, seed: np.random.default_rng(seed).random(shape) < density,
        shapes,
        st.sampled_from([0.0, 0.004, 0.1, 0.5, 0.9, 0.996, 1.0]),
        st.integers(0, 2**32 - 1),
    )


def label_volumes(dtype=np.uint8):
    return st.builds(
        lambda shape, seed: np.random.default_rng(seed).integers(0, 4, shape).astype(dtype),
        SHAPES,
        st.integers(0, 2**32 - 1),
    )


@given(masks())
@settings(deadline=None, max_examples=60)
def test_histogram_is_its_definition(mask):
    assert np.array_equal(configuration_histogram(mask), plain_histogram(mask))


@given(masks(), st.integers(1, 5), st.integers(1, 5))
@settings(deadline=None, max_examples=40)
def test_slabs_that_share_a_plane_add_up(mask, place, threads):
    place = min(place, mask.shape[0] - 1)
    parts = configuration_histogram(mask[: place + 1]) + configuration_histogram(
        mask[place:], threads=threads
    )
    assert np.array_equal(parts, configuration_histogram(mask, threads=1))


@given(masks())
@settings(deadline=None, max_examples=30)
def test_complement_reverses_the_histogram(mask):
    assert np.array_equal(configuration_histogram(~mask), configuration_histogram(mask)[::-1])


@pytest.mark.parametrize("dtype", [np.uint8, np.int8, np.int16, np.uint16, np.int32, np.int64, ">i4"])
def test_any_integer_and_any_layout(dtype):
    labels = np.random.default_rng(1).integers(0, 3, (7, 9, 70)).astype(dtype)
    expected = [plain_histogram(labels == 1), plain_histogram(labels == 2)]
    assert np.array_equal(label_configurations(labels, [1, 2]), expected)
    for view in (labels[::-1], labels[:, ::2], labels[:, :, ::-1], labels.transpose(2, 0, 1)):
        assert np.array_equal(configuration_histogram(view), plain_histogram(view != 0))
    assert labels.flags.writeable


def test_masks_of_integers_take_everything_but_zero_as_phase():
    labels = np.random.default_rng(2).integers(-2, 3, (5, 6, 67)).astype(np.int8)
    assert np.array_equal(configuration_histogram(labels), plain_histogram(labels != 0))


@given(label_volumes())
@settings(deadline=None, max_examples=40)
def test_phases_unions_and_the_outside(labels):
    inside = ~np.any([tile_configurations(labels == value) for value in (0, 3)], axis=0)
    found = label_configurations(labels, [1, 2, (1, 2), (), 3], outside=(0, 3))
    for histogram, mask in zip(
        found, (labels == 1, labels == 2, (labels == 1) | (labels == 2)), strict=False
    ):
        assert np.array_equal(histogram, plain_histogram(mask, inside))
    assert found[3, 0] == found[4, 0] == inside.sum()


@given(label_volumes(np.int16), st.data())
@settings(deadline=None, max_examples=40)
def test_bins_of_any_shape_split_the_tiles(labels, data):
    tiles = tuple(n - 1 for n in labels.shape)
    shape = tuple(data.draw(st.sampled_from([1, n])) for n in tiles)
    bins = data.draw(hnp.arrays(np.int64, shape, elements=st.integers(-2, 3)))
    found = label_configurations(labels, [1, (0, 2)], bins=bins, bin_count=4, threads=2)
    where = np.broadcast_to(bins, tiles)
    for number in range(4):
        assert np.array_equal(found[number, 0], plain_histogram(labels == 1, where == number))
        assert np.array_equal(found[number, 1], plain_histogram(labels % 2 == 0, where == number))


def test_layer_bins_of_slabs_add_up_to_those_of_the_volume():
    labels = np.random.default_rng(3).integers(0, 3, (12, 8, 70), dtype=np.uint8)
    layer_bins = np.arange(11) // 4
    whole = label_configurations(labels, [1, 2], bins=layer_bins, bin_count=3)
    parts = [
        label_configurations(labels[a : b + 1], [1, 2], bins=layer_bins[a:b], bin_count=3)
        for a, b in ((0, 1), (1, 6), (6, 11))
    ]
    assert np.array_equal(np.sum(parts, axis=0), whole)
    assert np.array_equal(whole.sum(axis=0), label_configurations(labels, [1, 2]))


@given(
    hnp.arrays(np.uint8, st.tuples(st.integers(1, 4), st.integers(0, 200)), elements=st.integers(0, 3)),
    st.lists(st.integers(0, 3), max_size=3),
    st.booleans(),
)
@settings(deadline=None, max_examples=60)
def test_packed_bits_equal_their_plain_twin(plane, values, invert):
    members = np.array(values, np.uint8)
    bits = np.zeros((plane.shape[0], words_per_row(plane.shape[1])), np.uint64)
    pack_plane(plane, members, invert, bits)
    assert np.array_equal(bits, pack_plane_plainly(plane, members, invert))


@pytest.mark.parametrize("shape", [(0, 4, 4), (4, 0, 4), (4, 4, 0), (1, 4, 4), (4, 1, 4), (4, 4, 1)])
def test_without_tiles_nothing_is_counted(shape):
    assert configuration_histogram(np.ones(shape, bool)).sum() == 0
    assert label_configurations(np.ones(shape, np.uint8), [1]).shape == (1, 256)


def test_no_phases_give_no_histograms():
    assert label_configurations(np.zeros((3, 3, 3), np.uint8), []).shape == (0, 256)


@pytest.mark.slow
def test_counts_above_two_to_the_31():
    # One plane seen 2049 times: 2 ** 31 + 2 ** 20 voxels that need no memory.
    plane = np.random.default_rng(4).random((1, 1024, 1024)) < 0.3
    mask = np.broadcast_to(plane, (2049, 1024, 1024))
    histogram = configuration_histogram(mask)
    assert np.array_equal(histogram, 2048 * configuration_histogram(mask[:2]))
    assert histogram.sum() == 2048 * 1023**2
    full = configuration_histogram(
        np.broadcast_to(np.ones((1, 1, 1024), bool), (2100, 1024, 1024)), threads=1
    )
    assert full[255] == 2099 * 1023**2 > 2**31


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: configuration_histogram(np.ones((3, 3))), r"expected a volume of shape \(z, y, x\)"),
        (lambda: configuration_histogram(np.ones((3, 3, 3))), "expected booleans or integers, got float64"),
        (lambda: configuration_histogram(np.ones((3, 3, 3), bool), threads=0), "threads must be at least 1"),
        (
            lambda: label_configurations(np.ones((3, 3, 3), np.uint8), [256]),
            "label 256 cannot occur in uint8",
        ),
        (lambda: label_configurations(np.ones((3, 3, 3), np.uint8), [-1]), "label -1 cannot occur in uint8"),
        (lambda: label_configurations(np.ones((3, 3, 3), np.uint8), [1.5]), "1.5 is no integer label value"),
        (lambda: label_configurations(np.ones((3, 3, 3), np.uint8), [1], bin_count=2), "without bins"),
        (
            lambda: label_configurations(np.ones((3, 3, 3), np.uint8), [1], bins=[[[0]]]),
            "bins need a bin_count",
        ),
        (
            lambda: label_configurations(np.ones((3, 3, 3), np.uint8), [1], bins=[[[2]]], bin_count=2),
            "2 is not below bin_count 2",
        ),
        (
            lambda: label_configurations(np.ones((3, 3, 3), np.uint8), [1], bins=[[[0.5]]], bin_count=2),
            "bins: expected integers",
        ),
        (
            lambda: label_configurations(np.ones((3, 3, 3), np.uint8), [1], bins=[[[0, 0, 0]]], bin_count=2),
            r"do they broadcast to \(2, 2, 2\)",
        ),
    ],
)
def test_wrong_input_is_refused_with_a_reason(call, message):
    with pytest.raises(BadInputError, match=message):
        call()


def test_threads_are_bounded_by_the_environment(monkeypatch):
    mask = np.ones((5, 5, 5), bool)
    monkeypatch.setenv("SILTOMO_THREADS", "1")
    assert configuration_histogram(mask)[255] == 64
    monkeypatch.setenv("SILTOMO_THREADS", "many")
    with pytest.raises(BadInputError, match="SILTOMO_THREADS is 'many'"):
        configuration_histogram(mask)
