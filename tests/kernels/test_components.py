from __future__ import annotations

import subprocess
import sys
from dataclasses import fields
from functools import reduce
from pathlib import Path

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from siltomo.errors import BadInputError
from siltomo.kernels._forest import SETTLE_EACH
from siltomo.kernels.components import SlabComponents, component_labels, component_sizes, label_slab
from siltomo.kernels.counts import label_counts

CONNECTIVITIES = (6, 18, 26)
SHAPES = st.tuples(st.integers(1, 8), st.integers(1, 7), st.sampled_from([1, 3, 8, 63, 64, 65, 130]))


def masks(shapes=SHAPES):
    return st.builds(
        lambda shape, density, seed: np.random.default_rng(seed).random(shape) < density,
        shapes,
        st.sampled_from([0.0, 0.05, 0.1, 0.2, 0.35, 0.6, 0.9, 1.0]),
        st.integers(0, 2**32 - 1),
    )


def scipy_labels(mask, connectivity):
    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    return ndimage.label(mask, structure)


def scipy_sizes(mask, connectivity):
    found, _ = scipy_labels(mask, connectivity)
    return np.sort(np.bincount(found.ravel())[1:])[::-1]


def fold(mask, slabs, **options):
    return reduce(SlabComponents.merge, [label_slab(mask[a:b], **options) for a, b in slabs])


def values_of(value):
    """All that a partial value holds, as plain lists, so that two may be compared."""
    if isinstance(value, np.ndarray):
        return value.tolist()
    if hasattr(value, "__dataclass_fields__"):
        return {field.name: values_of(getattr(value, field.name)) for field in fields(value)}
    return value


@given(masks(), st.sampled_from(CONNECTIVITIES))
@settings(deadline=None, max_examples=50)
def test_sizes_equal_those_of_scipy(mask, connectivity):
    sizes = component_sizes(mask, connectivity, threads=1)
    assert sizes.dtype == np.int64
    assert np.array_equal(sizes, scipy_sizes(mask, connectivity))


@given(masks(), st.sampled_from(CONNECTIVITIES))
@settings(deadline=None, max_examples=50)
def test_labels_equal_those_of_scipy(mask, connectivity):
    labels = component_labels(mask, connectivity)
    assert labels.dtype == np.int32
    assert np.array_equal(labels, scipy_labels(mask, connectivity)[0])


@given(masks(), st.sampled_from(CONNECTIVITIES), st.lists(st.integers(1, 8)), st.randoms())
@settings(deadline=None, max_examples=50)
def test_slabs_and_their_grouping_do_not_matter(cut, mask, connectivity, places, random):
    whole = label_slab(mask, connectivity=connectivity)
    slabs = [label_slab(mask[a:b], connectivity=connectivity) for a, b in cut(len(mask), places)]
    while len(slabs) > 1:  # merge neighbours in any order
        i = random.randrange(len(slabs) - 1)
        slabs[i : i + 2] = [slabs[i].merge(slabs[i + 1])]
    assert values_of(slabs[0]) == values_of(whole)


@given(masks(), st.sampled_from(CONNECTIVITIES))
@settings(deadline=None, max_examples=40)
def test_single_planes_merge_by_faces_edges_and_corners(mask, connectivity):
    planes = [(z, z + 1) for z in range(len(mask))]
    sizes = fold(mask, planes, connectivity=connectivity).finish().sizes
    assert np.array_equal(sizes, scipy_sizes(mask, connectivity))


@given(masks(), st.sampled_from(CONNECTIVITIES), st.integers(0, 2), st.permutations(range(3)))
@settings(deadline=None, max_examples=40)
def test_mirrors_and_rotations_do_not_matter(mask, connectivity, axis, order):
    moved = np.flip(mask, axis).transpose(order)
    assert np.array_equal(component_sizes(moved, connectivity), component_sizes(mask, connectivity))


@given(masks(), st.sampled_from(CONNECTIVITIES), st.lists(st.integers(1, 8)))
@settings(deadline=None, max_examples=40)
def test_contact_with_the_window(cut, mask, connectivity, places):
    found, n = scipy_labels(mask, connectivity)
    inside = np.zeros(mask.shape, bool)
    inside[1:-1, 1:-1, 1:-1] = True
    sizes = np.bincount(found.ravel(), minlength=n + 1)
    touching = np.isin(np.arange(n + 1), found[~inside])
    touching[0] = False
    components = fold(mask, cut(len(mask), places), connectivity=connectivity).finish()
    assert components.count == n
    assert components.touching.total == sizes[touching].sum()
    assert components.isolated.total == sizes[1:].sum() - sizes[touching].sum()
    assert components.total_voxels == mask.sum()
    largest = sizes[1:].max(initial=0)
    assert components.largest_voxels == largest
    assert largest + components.unknown_voxels + components.isolated_voxels == mask.sum()


@given(
    st.builds(
        lambda shape, seed: np.random.default_rng(seed).choice(4, shape, p=[0.6, 0.05, 0.3, 0.05]),
        SHAPES,
        st.integers(0, 2**32 - 1),
    ),
    st.sampled_from(CONNECTIVITIES),
    st.lists(st.integers(1, 8)),
)
@settings(deadline=None, max_examples=50)
def test_contact_with_the_outside_of_the_domain(cut, labels, connectivity, places):
    # Label 2 is the phase; 1 and 3 are the outside. A component touches by a face, in any connectivity.
    found, n = scipy_labels(labels == 2, connectivity)
    outside = np.pad((labels == 1) | (labels == 3), 1, constant_values=True)
    near = ndimage.binary_dilation(outside)[1:-1, 1:-1, 1:-1]
    sizes = np.bincount(found.ravel(), minlength=n + 1)
    touching = np.isin(np.arange(n + 1), found[near & (found > 0)])
    for slabs in (cut(len(labels), []), cut(len(labels), places)):
        components = fold(labels, slabs, connectivity=connectivity, value=2, outside=(1, 3)).finish()
        assert components.touching.total == sizes[touching].sum()
        assert components.isolated.total == sizes[1:].sum() - sizes[touching].sum()


@pytest.mark.parametrize(
    ("step", "joined"),
    [((0, 0, 1), (6, 18, 26)), ((0, 1, 1), (18, 26)), ((1, 0, 1), (18, 26)), ((1, 1, 1), (26,))],
)
def test_cubes_that_touch_by_a_face_an_edge_or_a_corner(step, joined):
    mask = np.zeros((10, 10, 10), bool)
    mask[2:5, 2:5, 2:5] = True
    mask[tuple(slice(2 + 3 * s, 5 + 3 * s) for s in step)] = True
    for connectivity in CONNECTIVITIES:
        expected = [54] if connectivity in joined else [27, 27]
        assert component_sizes(mask, connectivity).tolist() == expected
        assert fold(mask, [(0, 5), (5, 10)], connectivity=connectivity).finish().sizes.tolist() == expected


def test_a_component_may_close_late_or_join_late():
    # A U: two legs that join in the last plane, and one voxel that ends at once.
    mask = np.zeros((5, 3, 9), bool)
    mask[:, 1, 1] = mask[:, 1, 7] = mask[4, 1, 1:8] = mask[1, 1, 4] = True
    assert fold(mask, [(0, 2), (2, 4), (4, 5)]).finish().sizes.tolist() == [15, 1]
    assert fold(mask[:4], [(0, 2), (2, 4)]).finish().sizes.tolist() == [4, 4, 1]


def test_the_largest_of_two_equal_components_is_the_one_that_touches():
    mask = np.zeros((5, 5, 9), bool)
    mask[2, 2, 0:2] = mask[2, 2, 4:6] = True
    components = label_slab(mask).finish()
    assert components.largest_touches
    assert (components.largest_voxels, components.unknown_voxels, components.isolated_voxels) == (2, 0, 2)


@pytest.mark.parametrize("connectivity", CONNECTIVITIES)
def test_empty_full_and_one_voxel(connectivity):
    empty = label_slab(np.zeros((3, 4, 5), bool), connectivity=connectivity).finish()
    assert empty.sizes.tolist() == []
    assert empty.count == empty.total_voxels == empty.largest_voxels == empty.unknown_voxels == 0
    full = label_slab(np.ones((3, 4, 5), bool), connectivity=connectivity).finish()
    assert full.sizes.tolist() == [60]
    assert full.largest_touches
    one = np.zeros((3, 3, 3), bool)
    one[1, 1, 1] = True
    single = label_slab(one, connectivity=connectivity).finish()
    assert single.sizes.tolist() == [1]
    assert not single.largest_touches


def test_values_unions_and_other_dtypes():
    labels = np.random.default_rng(0).integers(-1, 4, (6, 20, 70)).astype(np.int16)
    assert np.array_equal(
        label_slab(labels, value=(1, 3)).finish().sizes, scipy_sizes(np.isin(labels, (1, 3)), 6)
    )
    assert np.array_equal(component_sizes(labels), scipy_sizes(labels != 0, 6))


def test_what_has_ended_takes_no_room():
    # A lattice of single voxels: 2000 components, of which only those of two planes are kept one by one.
    mask = np.zeros((40, 20, 20), bool)
    mask[1::2, ::2, ::2] = True
    slab = fold(mask, [(0, 10), (10, 30), (30, 40)])
    assert slab.open.sizes.size == 100
    assert slab.ended.isolated.sizes.tolist() == slab.ended.touching.sizes.tolist() == [1]
    assert slab.finish().count == 2000


@pytest.mark.parametrize(("connectivity", "threshold"), [(6, 0.3116), (18, 0.1372), (26, 0.0976)])
def test_site_percolation(connectivity, threshold):
    sites = np.random.default_rng(3).random((96, 96, 96))
    fractions = []
    for density in (0.9 * threshold, 1.15 * threshold):
        sizes = component_sizes(sites < density, connectivity)
        fractions.append(sizes[0] / sizes.sum())
    assert fractions[0] < 0.03
    assert fractions[1] > 0.6


def test_labels_of_ended_components_are_used_again():
    # More components in one slab than labels are kept for before those of ended ones are used again.
    mask = np.random.default_rng(5).random((60, 160, 160)) < 0.15
    assert scipy_labels(mask, 6)[1] > 1.5 * SETTLE_EACH
    assert np.array_equal(component_sizes(mask, 6, threads=1), scipy_sizes(mask, 6))
    slabs = fold(mask, [(0, 31), (31, 60)], threads=1)
    assert values_of(slabs) == values_of(label_slab(mask, threads=1))


def test_large_components_that_end_are_tallied():
    mask = np.zeros((12, 70, 70), bool)
    mask[1:5, 3:40, 3:40] = mask[6:11, 3:40, 3:40] = True  # inside
    mask[2:4, 50:, 3:60] = mask[5:7, 50:, 3:60] = True  # at a side
    components = label_slab(mask).finish()
    assert components.isolated.sizes.tolist() == [4 * 37 * 37, 5 * 37 * 37]
    assert components.touching.sizes.tolist() == [2 * 20 * 57]
    assert components.touching.counts.tolist() == [2]


@given(
    masks(), st.sampled_from(CONNECTIVITIES), st.lists(st.integers(1, 8)), st.booleans(), st.integers(0, 99)
)
@settings(deadline=None, max_examples=50)
def test_profiles_count_whole_components_bin_by_bin(cut, mask, connectivity, places, layers, seed):
    generator = np.random.default_rng(seed)
    shape = (len(mask), 1, 1) if layers else mask.shape
    bins = np.broadcast_to(generator.integers(-1, 4, shape), mask.shape)
    slabs = [
        label_slab(
            mask[a:b],
            connectivity=connectivity,
            bins=bins[a:b, 0, 0] if layers else bins[a:b],
            bin_count=4,
            threads=2,
        )
        for a, b in cut(len(mask), places)
    ]
    components = reduce(SlabComponents.merge, slabs).finish()
    found, n = scipy_labels(mask, connectivity)
    sizes = np.bincount(found.ravel(), minlength=n + 1)
    sizes[0] = 0
    inside = np.zeros(mask.shape, bool)
    inside[1:-1, 1:-1, 1:-1] = True
    touching = np.isin(np.arange(n + 1), found[~inside])
    touching[0] = False
    profiles = np.array([np.bincount(found[bins == b], minlength=n + 1) for b in range(4)]).T
    # Of equally large components the largest is one that touches, then the first by its profile.
    order = [(sizes[k], touching[k], profiles[k].tolist()) for k in range(n + 1)]
    largest = max(range(n + 1), key=order.__getitem__)
    profiles[0] = 0
    rest = np.arange(n + 1) != largest
    assert np.array_equal(components.by_bin[:, 0], profiles[largest])
    assert np.array_equal(components.by_bin[:, 1], profiles[touching & rest].sum(axis=0))
    assert np.array_equal(components.by_bin[:, 2], profiles[~touching & rest].sum(axis=0))
    assert np.array_equal(components.sizes, scipy_sizes(mask, connectivity))


def test_without_bins_there_is_no_profile():
    assert label_slab(np.ones((2, 2, 2), bool)).finish().by_bin.shape == (0, 3)


def test_nmc_cathode(data):
    path = data / "volumes" / "matbox" / "nmc-1-cal_generatedCBD_bridge.tif"
    if not path.exists():
        pytest.skip("no NMC cathode among the test data")
    labels = tifffile.imread(path)
    fractions = label_counts(labels, [0, 1, 2]) / labels.size
    assert fractions == pytest.approx([0.400549, 0.499451, 0.1], abs=5e-7)
    slabs = [(a, min(a + 64, len(labels))) for a in range(0, len(labels), 64)]
    for value, count, largest in ((0, 226, 0.9950), (1, 144, 0.9981), (2, 64441, 0.6596)):
        components = fold(labels, slabs, value=value).finish()
        assert components.count == count
        assert components.largest_voxels / components.total_voxels == pytest.approx(largest, abs=5e-5)


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak memory is read from /proc")
@pytest.mark.parametrize("bin_count", [0, 5])
def test_memory_stays_below_its_bound(bin_count):
    # A checkerboard, which nothing exceeds, of which each voxel is a component.
    script = f"""
import numpy as np
from siltomo.kernels.components import component_bytes, label_slab

def peak():
    lines = open("/proc/self/status").read().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))

def label(mask):
    bins = {{"bins": np.arange(len(mask)) % 5, "bin_count": 5}} if {bin_count} else {{}}
    return label_slab(mask, threads=1, **bins)

mask = np.empty((24, 700, 700), bool)
mask[::2] = np.add.outer(np.arange(700), np.arange(700)) % 2 == 0
mask[1::2] = ~mask[0]
label(mask[:2, :8, :8])
ballast = np.ones(1 << 28, np.uint8)  # above what making the mask needed
del ballast
before = peak()
filler = np.ones((1 << 28) - (1 << 20), np.uint8)
assert label(mask).finish().count == mask.sum()
print(peak() - before + (1 << 20), component_bytes(700, 700, {bin_count}))
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    used, bound = map(int, done.stdout.split())
    assert bound / 4 < used < bound


@pytest.mark.slow
def test_sizes_above_two_to_the_31():
    slab = label_slab(np.broadcast_to(np.ones((1, 1, 1024), bool), (64, 1024, 1024)), connectivity=26)
    volume = reduce(SlabComponents.merge, [slab] * 33)
    assert volume.finish().sizes.tolist() == [33 * 64 * 1024**2]
    assert volume.finish().sizes[0] > 2**31


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: component_sizes(np.ones((3, 3), bool)), r"expected a volume of shape \(z, y, x\)"),
        (lambda: component_sizes(np.ones((3, 3, 3), bool), 8), "unknown connectivity 8; known: 6, 18, 26"),
        (lambda: component_labels(np.ones((3, 3, 3), bool), 8), "unknown connectivity 8; known: 6, 18, 26"),
        (
            lambda: component_labels(np.broadcast_to(np.True_, (2048, 1024, 1024))),
            "2147483648 voxels are more than 32-bit labels",
        ),
        (lambda: label_slab(np.ones((0, 3, 3), bool)), "at least one plane"),
        (lambda: label_slab(np.ones((1, 3, 3), np.uint8), value=999), "value: label 999 cannot occur"),
        (
            lambda: label_slab(np.ones((1, 3, 3), bool)).merge(label_slab(np.ones((1, 3, 4), bool))),
            r"slabs do not fit: .* is \(6, 3, 3, 0, False\), then \(6, 3, 4, 0, False\)",
        ),
        (
            lambda: label_slab(np.ones((1, 3, 3), bool)).merge(
                label_slab(np.ones((1, 3, 3), bool), connectivity=26)
            ),
            "slabs do not fit",
        ),
        (
            lambda: label_slab(np.ones((1, 3, 3), np.uint8)).merge(
                label_slab(np.ones((1, 3, 3), np.uint8), outside=2)
            ),
            r"\(6, 3, 3, 0, False\), then \(6, 3, 3, 0, True\)",
        ),
    ],
)
def test_wrong_input_is_refused_with_a_reason(call, message):
    with pytest.raises(BadInputError, match=message):
        call()
