"""Pictures of surfaces: by pyvista in a process of its own, else by a slower renderer that needs nothing."""

from __future__ import annotations

import math
import os
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.engine.figures.mesh import Mesh
from siltomo.engine.figures.tables import Said

__all__ = ["Camera", "pyvista_pictures", "render_pictures", "soft_picture"]

Picture = NDArray[np.uint8]

_TIMEOUT_S = 180
_SAMPLES = 1.6
"""Samples along an edge per pixel: enough that no pixel inside a triangle is missed."""
_CHUNK = 4_000_000


@dataclass(frozen=True)
class Camera:
    """Where all panels are looked at from: parallel projection, so that lengths compare."""

    azimuth: float = 35.0
    """Degrees around the electrode's normal."""
    elevation: float = 25.0
    """Degrees above the plane of the electrode."""
    pixels: int = 560
    """Side of a picture."""

    def axes(self) -> NDArray[np.float64]:
        """Return right, up and towards the eye as rows over x, y, z."""
        a, e = math.radians(self.azimuth), math.radians(self.elevation)
        right = (math.cos(a), math.sin(a), 0.0)
        eye = (math.sin(a) * math.cos(e), -math.cos(a) * math.cos(e), math.sin(e))
        up = np.cross(eye, right)
        return np.array([right, up, eye])


def _placed(mesh: Mesh, camera: Camera, half_um: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the corners as right, up, towards the eye in pixels, and the light on each triangle."""
    centre = np.array(mesh.size_um[::-1]) / 2
    seen = (mesh.vertices[:, ::-1].astype(float) - centre) @ camera.axes().T
    corners = seen[mesh.faces]
    normals = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    normals *= np.where(normals[:, 2:] < 0, -1.0, 1.0)  # both sides of a wall are lit from the eye's side
    light = 0.3 + 0.8 * np.clip(normals @ np.array([-0.50, 0.62, 0.60]), 0, 1)
    scale = camera.pixels / 2 / half_um
    return corners * scale + np.array([camera.pixels / 2, camera.pixels / 2, 0.0]), light


def soft_picture(
    mesh: Mesh, camera: Camera, *, half_um: float, colour: tuple[float, float, float]
) -> Picture:
    """Draw a surface with a depth buffer in numpy: slower than a renderer, and needs none.

    Parameters
    ----------
    half_um
        Half of the picture's side: the same for panels that are compared.
    colour
        Red, green and blue, 0 to 1.

    Returns
    -------
    numpy.ndarray
        uint8 of shape (pixels, pixels, 4), transparent where there is no surface.
    """
    n = camera.pixels
    corners, light = _placed(mesh, camera, half_um)
    depth = np.full(n * n, -np.inf)
    shade = np.zeros(n * n)
    sides = np.linalg.norm(corners[:, 1:, :2] - corners[:, :1, :2], axis=2).max(axis=1)
    steps = np.maximum(np.ceil(sides * _SAMPLES), 1).astype(int)
    for step in np.unique(steps):
        mine = np.flatnonzero(steps == step)
        weights = _weights(int(step))
        part = max(1, _CHUNK // len(weights))
        for start in range(0, len(mine), part):
            some = mine[start : start + part]
            places = np.einsum("kw,twc->tkc", weights, corners[some])
            _deposit(places, np.repeat(light[some], len(weights)), depth, shade, n)
    made = np.zeros((n, n, 4), np.uint8)
    hit = np.isfinite(depth).reshape(n, n)
    lit = np.clip(shade.reshape(n, n), 0, 1)
    for channel in range(3):
        made[..., channel] = np.where(hit, 255 * colour[channel] * lit + 40 * (1 - lit), 0).astype(np.uint8)
    made[..., 3] = np.where(hit, 255, 0)
    return np.ascontiguousarray(made[::-1])


def _weights(step: int) -> NDArray[np.float64]:
    first, second = np.meshgrid(np.arange(step + 1), np.arange(step + 1), indexing="ij")
    inside = first + second <= step
    a, b = first[inside] / step, second[inside] / step
    return np.stack([a, b, 1 - a - b], axis=1)


def _deposit(places: Any, light: Any, depth: Any, shade: Any, n: int) -> None:
    """Keep for each pixel the sample that is nearest to the eye."""
    flat = places.reshape(-1, 3)
    column, row = np.floor(flat[:, 0]).astype(int), np.floor(flat[:, 1]).astype(int)
    inside = (column >= 0) & (column < n) & (row >= 0) & (row < n)
    pixel, near, lit = row[inside] * n + column[inside], flat[inside, 2], light[inside]
    order = np.argsort(near, kind="stable")  # the last one written is the nearest
    best = np.full(depth.shape, -1)
    best[pixel[order]] = order
    here = np.flatnonzero(best >= 0)
    chosen = best[here]
    nearer = near[chosen] > depth[here]
    depth[here[nearer]] = near[chosen[nearer]]
    shade[here[nearer]] = lit[chosen[nearer]]


_WORKER = """
import sys, numpy as np, pyvista as pv
given = np.load(sys.argv[1])
n, axes, half = int(given["pixels"]), given["axes"], float(given["half"])
for k in range(int(given["count"])):
    points, faces = given[f"points{k}"], given[f"faces{k}"]
    mesh = pv.PolyData(points, np.hstack([np.full((len(faces), 1), 3), faces]).ravel())
    plotter = pv.Plotter(off_screen=True, window_size=(n, n))
    plotter.set_background("white")
    plotter.add_mesh(mesh, color=tuple(given[f"colour{k}"]), smooth_shading=False, ambient=0.25, specular=0.1)
    plotter.enable_parallel_projection()
    centre = given[f"centre{k}"]
    plotter.camera.position = tuple(centre + axes[2] * 20 * half)
    plotter.camera.focal_point = tuple(centre)
    plotter.camera.up = tuple(axes[1])
    plotter.camera.parallel_scale = half
    plotter.camera.clipping_range = (0.1 * half, 60 * half)
    np.save(f"{sys.argv[2]}/{k}.npy", plotter.screenshot(return_img=True, transparent_background=True))
    plotter.close()
"""


def pyvista_pictures(
    meshes: Sequence[Mesh], camera: Camera, halves_um: float, colours: Sequence[tuple[float, float, float]]
) -> list[Picture] | str:
    """Draw surfaces with pyvista in a process of its own: where there is no graphics library, VTK dies.

    Returns
    -------
    list of numpy.ndarray or str
        The pictures, or why there are none.
    """
    with tempfile.TemporaryDirectory(prefix="siltomo-render-") as name:
        folder = Path(name)
        arrays: dict[str, Any] = {"pixels": camera.pixels, "axes": camera.axes(), "half": halves_um}
        arrays["count"] = len(meshes)
        for k, (mesh, colour) in enumerate(zip(meshes, colours, strict=True)):
            arrays |= {
                f"points{k}": mesh.vertices[:, ::-1],
                f"faces{k}": mesh.faces,
                f"colour{k}": colour,
                f"centre{k}": np.array(mesh.size_um[::-1]) / 2,
            }
        np.savez(folder / "in.npz", **arrays)
        command = [sys.executable, "-c", _WORKER, str(folder / "in.npz"), name]
        environment = {**os.environ, "PYVISTA_OFF_SCREEN": "true"}
        try:
            done = subprocess.run(
                command, capture_output=True, timeout=_TIMEOUT_S, check=False, env=environment
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            return f"pyvista did not answer: {error}"
        if done.returncode:
            lines = done.stderr.decode(errors="replace").strip().splitlines()
            return lines[-1] if lines else f"the renderer died with {done.returncode}"
        return [np.load(folder / f"{k}.npy") for k in range(len(meshes))]


def _silent(words: str, done: int, total: int) -> None:
    """Say nothing."""


def render_pictures(
    meshes: Sequence[Mesh],
    camera: Camera,
    half_um: float,
    colours: Sequence[tuple[float, float, float]],
    *,
    own: bool,
    progress: Said | None = None,
) -> tuple[list[Picture], str]:
    """Draw surfaces, with pyvista where it works; a picture each, and what to tell the user."""
    why = "asked for"
    tell = progress or _silent
    if not own:
        tell("drawing surfaces with pyvista", 0, len(meshes))
        made = pyvista_pictures(meshes, camera, half_um, colours)
        if not isinstance(made, str):
            return made, ""
        why = made
    drawn = []
    for n, (mesh, colour) in enumerate(zip(meshes, colours, strict=True)):
        tell("drawing surfaces with siltomo's own renderer", n, len(meshes))
        drawn.append(soft_picture(mesh, camera, half_um=half_um, colour=colour))
    told = (
        ""
        if own
        else f"no 3-D renderer ({why}): drew with siltomo's own, slower one. pip install 'siltomo[3d]'"
    )
    return drawn, told
