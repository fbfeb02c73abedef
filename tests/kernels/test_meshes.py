from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.ndimage import gaussian_filter
from skimage.measure import marching_cubes, mesh_surface_area

from siltomo.errors import BadInputError
from siltomo.kernels.meshes import SMOOTHED_MESH_HALO, _touches, smoothed_mesh_area

UNIT = (1.0, 1.0, 1.0)


def blobs(seed, shape=(45, 24, 26), sigma=2.0):
    return gaussian_filter(np.random.default_rng(seed).standard_normal(shape), sigma) > 0.02


@pytest.mark.parametrize(("radius", "bias"), [(5, -0.09), (8, -0.033), (12, -0.013), (20, -0.003)])
def test_balls_have_the_stated_bias(make_ball, radius, bias):
    offsets = np.random.default_rng(0).random((24, 3))
    areas = [smoothed_mesh_area(np.pad(make_ball(radius, offset=offset), 3), UNIT) for offset in offsets]
    assert np.mean(areas) / (4 * math.pi * radius**2) - 1 == pytest.approx(bias, abs=0.002 + 0.02 / radius)


@pytest.mark.parametrize("axis", [0, 1, 2])
@pytest.mark.parametrize("thickness", [2, 3, 7])
def test_plates_across_an_axis_are_exact_from_two_voxels(axis, thickness):
    plate = np.zeros((18, 20, 22), bool)
    np.moveaxis(plate, axis, 0)[5 : 5 + thickness] = True
    sides = [(n - 1) * edge for n, edge in zip(plate.shape, (1, 2, 0.5), strict=True)]
    assert smoothed_mesh_area(plate, (1, 2, 0.5)) == pytest.approx(
        2 * math.prod(sides) / sides[axis], rel=1e-5
    )


def test_plates_of_one_voxel_are_smoothed_away():
    plate = np.zeros((20, 11, 11), bool)
    plate[9] = True
    assert smoothed_mesh_area(plate, UNIT) == 0


@pytest.mark.parametrize("normal", [(0, 1, 2), (1, 1, 1), (1, 2, 3)])
def test_oblique_planes(normal):
    # Planes that repeat every 80 voxels, in one period: as many as the density says. They bend at the border.
    half = np.tensordot(normal, np.indices((81, 81, 81)), 1) % 80 < 40
    expected = 80**3 * np.linalg.norm(normal) / 40
    assert smoothed_mesh_area(half, UNIT) == pytest.approx(expected, rel=0.01)


@given(st.integers(0, 2**32 - 1), st.lists(st.integers(1, 44), max_size=5))
@settings(deadline=None, max_examples=15)
def test_slabs_with_their_context_add_up(cut, seed, places):
    mask = blobs(seed)
    spacing = (1.0, 0.7, 1.3)
    whole = smoothed_mesh_area(mask, spacing)
    parts = 0.0
    for start, stop in cut(len(mask) - 1, places):
        low, high = max(0, start - SMOOTHED_MESH_HALO), min(len(mask), stop + 1 + SMOOTHED_MESH_HALO)
        before, after = start - low, high - stop - 1
        parts += smoothed_mesh_area(mask[low:high], spacing, before=before, after=after)
    assert parts == pytest.approx(whole, rel=1e-5)


def test_area_is_that_of_marching_cubes_on_the_smoothed_mask():
    mask = blobs(3)
    spacing = (1.0, 0.7, 1.3)
    field = gaussian_filter(mask.astype(np.float32), 1.0, mode="nearest", radius=4)
    vertices, faces, _, _ = marching_cubes(field, 0.5, spacing=spacing)
    assert smoothed_mesh_area(mask, spacing) == pytest.approx(mesh_surface_area(vertices, faces), rel=1e-5)


def test_mirrors_and_the_complement_share_the_surface():
    mask = blobs(4)
    area = smoothed_mesh_area(mask, UNIT)
    assert smoothed_mesh_area(~mask, UNIT) == pytest.approx(area, rel=1e-3)  # other triangles in some tiles
    assert smoothed_mesh_area(mask[:, ::-1], UNIT) == pytest.approx(area, rel=1e-3)


def test_the_outside_is_neither_phase_nor_background():
    # A plate that goes on up to the outside: no wall there, whatever the outside is filled with.
    plate = np.zeros((20, 21, 30), bool)
    plate[8:12] = True
    outside = np.zeros(plate.shape, bool)
    outside[:, :, 20:] = True
    for filling in (False, True):
        labelled = np.where(outside, filling, plate)
        assert smoothed_mesh_area(labelled, UNIT, outside=outside) == pytest.approx(2 * 20 * 19, rel=1e-5)


def test_empty_full_and_thin_volumes_have_no_surface():
    assert smoothed_mesh_area(np.zeros((5, 5, 5), bool), UNIT) == 0
    assert smoothed_mesh_area(np.ones((5, 5, 5), bool), UNIT) == 0
    assert smoothed_mesh_area(np.eye(4, dtype=bool)[None], UNIT) == 0
    assert smoothed_mesh_area(np.eye(4, dtype=bool)[:, :, None], UNIT) == 0


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda mask: smoothed_mesh_area(mask, (1, 1)), "three positive lengths"),
        (
            lambda mask: smoothed_mesh_area(mask, UNIT, before=3, after=2),
            "no plane is left of 5 with 3 before",
        ),
        (lambda mask: smoothed_mesh_area(mask, UNIT, before=-1), "no plane is left of 5 with -1 before"),
        (lambda mask: smoothed_mesh_area(mask, UNIT, outside=mask[1:]), r"outside has shape \(4, 5, 5\)"),
    ],
)
def test_wrong_input_is_refused_with_a_reason(call, message):
    with pytest.raises(BadInputError, match=message):
        call(np.ones((5, 5, 5), bool))


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_a_face_in_the_far_border_plane_belongs_to_the_last_tile(axis):
    """Where the smoothed field passes its level at the last voxel itself, the mesh lies in the border plane."""
    outside = np.zeros((4, 5, 6), dtype=bool)
    at = [1.4, 1.4, 1.4]
    at[axis] = outside.shape[axis] - 1.0
    assert not _touches(outside, np.array([at]))[0]
    corner = [1, 1, 1]
    corner[axis] = outside.shape[axis] - 1
    outside[tuple(corner)] = True
    assert _touches(outside, np.array([at]))[0]
