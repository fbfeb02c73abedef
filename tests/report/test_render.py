"""Surfaces as pictures: our own renderer against shapes that are known, and what happens without a renderer."""

from __future__ import annotations

import math

import numpy as np
import pytest

from siltomo.engine.figures.mesh import Mesh
from siltomo.report import render
from siltomo.report.render import Camera, pyvista_pictures, render_pictures, soft_picture

BLUE = (0.0, 0.45, 0.7)


def ball(radius: float, size: float = 20.0) -> Mesh:
    from skimage.measure import marching_cubes

    z, y, x = np.ogrid[:size, :size, :size]
    middle = (size - 1) / 2
    field = radius - np.sqrt((z - middle) ** 2 + (y - middle) ** 2 + (x - middle) ** 2)
    vertices, faces, _, _ = marching_cubes(field.astype(np.float32), 0.0)
    return Mesh(
        (vertices + 0.5).astype(np.float32), faces.astype(np.int32), (size,) * 3, "s", "s", "crack", 1.0, 1.0
    )


@pytest.mark.parametrize(("azimuth", "elevation"), [(0, 0), (35, 25), (200, 80)])
def test_a_ball_is_a_disc_from_everywhere(azimuth, elevation):
    camera = Camera(azimuth, elevation, pixels=200)
    picture = soft_picture(ball(6), camera, half_um=10.0, colour=BLUE)
    inside = picture[..., 3] > 0
    assert inside.sum() == pytest.approx(math.pi * (6 / 10 * 100) ** 2, rel=0.03)
    rows, columns = np.nonzero(inside)
    assert (rows.mean(), columns.mean()) == pytest.approx((99.5, 99.5), abs=1.5)


def test_the_nearer_of_two_walls_is_seen():
    def wall(y, tilt):
        return [[0, y, 0], [0, y + tilt, 20], [20, y, 0], [20, y + tilt, 20]]

    faces = [[0, 1, 2], [1, 3, 2]]

    def mesh(*walls):
        points = np.array([p for w in walls for p in w], np.float32)
        every = np.array([[c + 4 * n for c in f] for n in range(len(walls)) for f in faces], np.int32)
        return Mesh(points, every, (20.0,) * 3, "s", "s", "crack", 1.0, 1.0)

    camera = Camera(0, 0, pixels=60)  # looks along +y: smaller y is nearer
    near, far = mesh(wall(4, 0)), mesh(wall(12, 8))
    both = soft_picture(mesh(wall(4, 0), wall(12, 8)), camera, half_um=10.0, colour=BLUE)
    turned = soft_picture(mesh(wall(12, 8), wall(4, 0)), camera, half_um=10.0, colour=BLUE)
    assert np.array_equal(both, soft_picture(near, camera, half_um=10.0, colour=BLUE))
    assert np.array_equal(both, turned)
    assert not np.array_equal(both, soft_picture(far, camera, half_um=10.0, colour=BLUE))


def test_a_renderer_that_dies_does_not_take_us_along(monkeypatch):
    monkeypatch.setattr(render, "_WORKER", "import os; os.kill(os.getpid(), 11)")
    camera = Camera(pixels=50)
    pictures, told = render_pictures([ball(6)], camera, 10.0, [BLUE], own=False)
    assert pictures[0][..., 3].any()
    assert "no 3-D renderer" in told
    assert "siltomo[3d]" in told


@pytest.mark.slow
def test_pyvista_and_our_own_see_the_same_ball():
    pytest.importorskip("pyvista", reason="pyvista is not installed")
    camera = Camera(pixels=200)
    made = pyvista_pictures([ball(6)], camera, 10.0, [BLUE])
    if isinstance(made, str):
        pytest.skip(f"pyvista cannot draw here: {made}")
    theirs, ours = made[0][..., 3] > 0, soft_picture(ball(6), camera, half_um=10.0, colour=BLUE)[..., 3] > 0
    assert (theirs != ours).mean() < 0.01
