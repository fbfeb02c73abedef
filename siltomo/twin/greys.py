"""What a scan of the twin looks like before it is segmented."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from siltomo.kernels import thread_count
from siltomo.kernels._workers import over, ranges
from siltomo.twin import _greys
from siltomo.twin.grid import Grid, Labels, Window

__all__ = ["Camera", "Greys"]

_PLANES, _ROWS = 16, 256
_BINOMIAL = np.array([0.25, 0.5, 0.25], np.float32)
_BINOMIAL_GAIN = (8 / 3) ** 1.5


@dataclass(frozen=True)
class Camera:
    """What lies between the electrode and its greys; lengths in um, the rest in units of 1e-6 (delta)."""

    blur_um: float
    """Full width at half maximum of the point-spread function."""
    noise: float
    """Standard deviation of the noise, correlated over neighbours as the filtered back-projection leaves it."""
    fringe: float = 0.02
    """Weight of the Laplacian: bright and dark edges by propagation."""
    cupping: float = 0.02
    """Rise from the axis of rotation to the edge of the field of view."""
    rings: float = 0.02
    """Amplitude of ring artefacts."""
    low: float = -0.2
    high: float = 1.5
    """What 0 and 255 stand for."""

    def clean(self) -> Camera:
        """Return the camera without noise and artefacts: only its blur is left."""
        return replace(self, noise=0.0, fringe=0.0, cupping=0.0, rings=0.0)


@dataclass(frozen=True)
class Greys:
    """The greys of a scan; blocks are computed as those of its labels are."""

    volume: Grid
    deltas: Mapping[int, float]
    """Refractive decrement of each label value, in 1e-6."""
    camera: Camera
    seed: int

    def planes(self, z0: int = 0, z1: int | None = None, *, threads: int | None = None) -> Labels:
        """Return the greys of planes ``[z0, z1)``, uint8 of shape (z, y, x)."""
        return self.block(self.volume.planes(z0, z1), threads=threads)

    def block(self, window: Window, *, threads: int | None = None) -> Labels:
        """Return the greys of any block."""
        out = np.empty(window.shape, np.uint8)
        tiles = [(z, y) for z in ranges(*window.z, _PLANES) for y in ranges(*window.y, _ROWS)]

        def fill(tile: tuple[tuple[int, int], tuple[int, int]]) -> None:
            z, y = tile
            part = self._tile(Window(z, y, window.x))
            out[z[0] - window.z[0] : z[1] - window.z[0], y[0] - window.y[0] : y[1] - window.y[0]] = part

        over(fill, tiles, thread_count(threads))
        return out

    def level_of(self, delta: float) -> float:
        """Return the grey that a decrement has without noise and artefacts."""
        return (delta - self.camera.low) * 255 / (self.camera.high - self.camera.low)

    def _tile(self, window: Window) -> Labels:
        camera = self.camera
        taps = _greys.gaussian_taps(camera.blur_um / 2.354820045 / self.volume.voxel_um)
        margin = 1 + taps.size // 2
        labels = self.volume.block(window.grown(margin), threads=1)
        table = np.zeros(256, np.float32)
        for value, delta in self.deltas.items():
            table[value] = delta
        field = np.empty(labels.shape, np.float32)
        _greys.look_up(labels, table, field)
        blurred = _separable(field, taps)
        noise = np.zeros(window.shape, np.float32)
        if camera.noise > 0:
            white = np.empty(window.grown(1).shape, np.float32)
            _greys.white_noise(self.seed, window.z[0] - 1, window.y[0] - 1, window.x[0] - 1, white)
            noise = _separable(white, _BINOMIAL)
        out = np.empty(window.shape, np.uint8)
        _greys.expose(
            blurred,
            noise,
            out,
            self.seed,
            window.z[0],
            window.y[0],
            window.x[0],
            self.volume.shape[1] / 2,
            camera.fringe,
            camera.cupping,
            camera.rings,
            camera.noise * _BINOMIAL_GAIN,
            camera.low,
            camera.high,
        )
        return out


def _separable(field: _greys.Field, taps: _greys.Field) -> _greys.Field:
    """Filter along z, y and x; what the filter cannot reach falls away."""
    for axis, run in enumerate((_greys.filter_z, _greys.filter_y, _greys.filter_x)):
        shape = list(field.shape)
        shape[axis] -= taps.size - 1
        out = np.empty(shape, np.float32)
        run(field, taps, out)
        field = out
    return field
