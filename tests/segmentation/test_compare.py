"""Two label volumes against each other, by definition and by closed forms."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.segmentation.compare import BOUNDARY_REACH, Comparison, _boundary, compare_labels

NAMES = {1: "crack", 2: "solid", 0: "outside"}


def compare(
    one: np.ndarray, two: np.ndarray, *, slab: int = 32, spacing: tuple = (1.0, 1.0, 1.0)
) -> Comparison:
    return compare_labels(
        (lambda a, b: one[a:b], NAMES),
        (lambda a, b: two[a:b], NAMES),
        shape=one.shape,
        spacing=spacing,
        phases=("crack",),
        slab=slab,
    )


def test_a_shifted_plate() -> None:
    one, two = (np.full((50, 9, 8), 2, np.uint8) for _ in range(2))
    one[20:30], two[22:32] = 1, 1
    phase = compare(one, two, spacing=(0.5, 0.2, 0.2)).phases["crack"]
    assert phase.dice == pytest.approx(0.8)
    assert phase.voxels == (720, 720)
    assert phase.boundary_mean_um == pytest.approx(1.0)
    assert phase.boundary_quantile_um(0.95) == pytest.approx(1.0)


def test_what_is_out_of_reach_is_counted_not_guessed() -> None:
    one, two = (np.full((80, 5, 5), 2, np.uint8) for _ in range(2))
    one[5:8], two[60:63] = 1, 1
    phase = compare(one, two, slab=7).phases["crack"]
    assert (phase.dice, phase.boundary_mean_um, phase.far) == (0, None, 100)
    two[:] = 2
    assert compare(one, two).phases["crack"].far == 50
    assert compare(two, two).phases["crack"].dice is None


@given(st.integers(0, 2**32 - 1), st.integers(1, 12), st.floats(0.02, 0.9))
@settings(max_examples=30, deadline=None)
def test_by_brute_force_whatever_the_slabs(seed: int, slab: int, share: float) -> None:
    rng = np.random.default_rng(seed)
    one, two = (np.where(rng.random((11, 6, 5)) < share, 1, 2).astype(np.uint8) for _ in range(2))
    one[0, 0, 0] = 0
    spacing = (2.0, 1.0, 1.5)
    found = compare(one, two, slab=slab, spacing=spacing)
    assert found.confusion.sum() == one.size
    assert found.agreement == pytest.approx((one == two).mean())
    phase = found.phases["crack"]
    assert phase.both == ((one == 1) & (two == 1)).sum()
    edges = [np.argwhere(_boundary(labels == 1)) * spacing for labels in (one, two)]
    if not (len(edges[0]) and len(edges[1])):
        return
    apart = np.sqrt(((edges[0][:, None] - edges[1][None]) ** 2).sum(axis=2))
    expected = np.sort(np.concatenate([apart.min(axis=1), apart.min(axis=0)]))
    assert BOUNDARY_REACH * spacing[0] >= expected[-1]
    assert phase.boundary_mean_um == pytest.approx(expected.mean())
    assert phase.boundary_quantile_um(1.0) == pytest.approx(expected[-1])


def test_a_boundary_voxel_has_a_face_on_another_phase() -> None:
    mask = np.zeros((7, 7, 7), bool)
    mask[1:6, 1:6, 1:6] = True
    assert _boundary(mask).sum() == 125 - 27
    assert not _boundary(np.ones((4, 4, 4), bool)).any()
