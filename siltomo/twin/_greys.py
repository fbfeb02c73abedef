# ruff: noqa: PLR0917  kernels take plain arrays, by position
"""From labels to greys: blur, fringe, cupping, rings and noise, each voxel from its neighbourhood alone.

Sums run over the taps of a filter in one fixed order, so that a voxel is the same in whatever block it is
computed.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from siltomo.twin._hash import draw, mix, unit
from siltomo.twin._jit import kernel

Field = NDArray[np.float32]
Labels = NDArray[np.uint8]


def gaussian_taps(sigma: float) -> Field:
    """Return the taps of a Gaussian cut at 4 sigma, rounded so that all machines agree."""
    reach = max(1, math.ceil(4 * sigma))
    raw = [math.exp(-0.5 * (t / sigma) ** 2) for t in range(-reach, reach + 1)]
    return np.array([round(v / sum(raw), 9) for v in raw], np.float32)


@kernel
def look_up(labels: Labels, table: Field, out: Field) -> None:
    """Write the value of each label."""
    for k in range(labels.shape[0]):
        for j in range(labels.shape[1]):
            for i in range(labels.shape[2]):
                out[k, j, i] = table[labels[k, j, i]]


@kernel
def filter_x(field: Field, taps: Field, out: Field) -> None:
    """Filter along x; ``out`` is shorter by the taps less one."""
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[k, j, :] = np.float32(0.0)
            for t in range(taps.size):
                w = taps[t]
                for i in range(out.shape[2]):
                    out[k, j, i] += w * field[k, j, i + t]


@kernel
def filter_y(field: Field, taps: Field, out: Field) -> None:
    """Filter along y; ``out`` is shorter by the taps less one."""
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[k, j, :] = np.float32(0.0)
            for t in range(taps.size):
                w = taps[t]
                for i in range(out.shape[2]):
                    out[k, j, i] += w * field[k, j + t, i]


@kernel
def filter_z(field: Field, taps: Field, out: Field) -> None:
    """Filter along z; ``out`` is shorter by the taps less one."""
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            out[k, j, :] = np.float32(0.0)
            for t in range(taps.size):
                w = taps[t]
                for i in range(out.shape[2]):
                    out[k, j, i] += w * field[k + t, j, i]


@kernel
def white_noise(seed: int, k0: int, j0: int, i0: int, out: Field) -> None:
    """Write noise of mean 0 and variance 1: four uniform draws of 16 bits make nearly a Gaussian."""
    mask = np.uint64(0xFFFF)
    scale = np.float32(1.7320508 / 65536.0)
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            row = draw(seed, 80, k0 + k, j0 + j, 0)
            for i in range(out.shape[2]):
                x = mix(row + np.uint64(np.int64(i0 + i)) * np.uint64(0x9E3779B97F4A7C15))
                total = (
                    (x & mask)
                    + ((x >> np.uint64(16)) & mask)
                    + ((x >> np.uint64(32)) & mask)
                    + (x >> np.uint64(48))
                )
                out[k, j, i] = np.float32(np.int64(total) - np.int64(131070)) * scale


@kernel
def expose(
    field: Field,
    noise: Field,
    out: Labels,
    seed: int,
    k0: int,
    j0: int,
    i0: int,
    centre: float,
    fringe: float,
    cupping: float,
    rings: float,
    noise_scale: float,
    low: float,
    high: float,
) -> None:
    """Turn a blurred field with a margin of one voxel into 8-bit greys.

    ``fringe`` weighs the Laplacian (edge enhancement by propagation), ``cupping`` is the rise from the axis of
    rotation to the corner's circle, ``rings`` the amplitude of the bad detector columns.
    """
    gain = 255.0 / (high - low)
    for k in range(out.shape[0]):
        for j in range(out.shape[1]):
            y = j0 + j + 0.5 - centre
            for i in range(out.shape[2]):
                x = i0 + i + 0.5 - centre
                here = float(field[k + 1, j + 1, i + 1])
                around = (
                    float(field[k, j + 1, i + 1])
                    + float(field[k + 2, j + 1, i + 1])
                    + float(field[k + 1, j, i + 1])
                    + float(field[k + 1, j + 2, i + 1])
                    + float(field[k + 1, j + 1, i])
                    + float(field[k + 1, j + 1, i + 2])
                )
                value = here + fringe * (6.0 * here - around) + noise_scale * float(noise[k, j, i])
                rr = x * x + y * y
                value += cupping * rr / (centre * centre)
                if rings > 0.0:
                    ring = draw(seed, 81, int(math.sqrt(rr)), (k0 + k) // 8, 0)
                    if ring & np.uint64(31) == np.uint64(0):
                        value += rings * (2.0 * unit(mix(ring)) - 1.0)
                out[k, j, i] = np.uint8(min(255.0, max(0.0, math.floor((value - low) * gain + 0.5))))
