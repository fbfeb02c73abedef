"""Drift between scans of one specimen: the shift of one volume against another, to a fraction of a voxel."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError

__all__ = ["Drift", "common_windows", "find_drift"]

Floats = NDArray[np.float64]
Shift = tuple[float, float, float]

_ROUNDS, _STEPS = 5, 20
_CLOSE = 2e-3
_FURTHEST = 2.0
"""Voxels from the peak of the phase correlation within which the maximum is looked for."""
_LEAST = 8


@dataclass(frozen=True)
class Drift:
    """How far one volume is shifted against another."""

    shift: Shift
    """Along z, y, x, in voxels: what lies at p in the reference lies at p + shift in the volume."""
    correlation: float
    """Correlation of the two, once the shift is taken back, over the voxels that both show."""


def find_drift(reference: NDArray[Any], volume: NDArray[Any]) -> Drift:
    """Find the shift of a volume against another, by phase correlation.

    Parameters
    ----------
    reference, volume
        Greys of one shape (z, y, x), on grids of one voxel size.

    Returns
    -------
    The shift.

    Raises
    ------
    BadInputError
        The shapes differ, or one of them is constant.

    Notes
    -----
    The peak of the phase correlation gives whole voxels (Kuglin and Hines 1975). From there the shift is refined to
    the maximum of the cross-correlation, as a function of continuous shifts, by Newton's method on its Fourier
    series; the volume is moved back and compared again until nothing is left, so that the window (Hann) over both
    does not draw the shift to zero.

    Examples
    --------
    >>> greys = np.random.default_rng(0).normal(size=(24, 24, 24))
    >>> found = find_drift(greys[4:20, 4:20, 4:20], greys[5:21, 3:19, 4:20])
    >>> [round(s) for s in found.shift]
    [-1, 1, 0]
    """
    if reference.shape != volume.shape or reference.ndim != 3:
        raise BadInputError(f"volumes of shape {reference.shape} and {volume.shape} cannot be registered")
    if np.ptp(reference) == 0 or np.ptp(volume) == 0:
        raise BadInputError("a constant volume cannot be registered")
    shift = _whole_voxels(_cross(reference, volume))
    for _ in range(_ROUNDS):
        one, other = _overlap(np.asarray(reference), np.asarray(volume), shift)
        if min(one.shape) < _LEAST:
            break  # hardly anything in common: the correlation tells how much to believe
        step = _refined(_cross(one, other))
        shift = shift + step
        if np.abs(step).max() < _CLOSE:
            break
    one, other = _overlap(np.asarray(reference), np.asarray(volume), shift)
    alike = float(np.corrcoef(one.ravel(), other.ravel())[0, 1]) if min(one.std(), other.std()) > 0 else 0.0
    z, y, x = (float(s) for s in shift)
    return Drift((z, y, x), alike)


def _cross(reference: NDArray[Any], volume: NDArray[Any]) -> NDArray[np.complex128]:
    from scipy import fft

    return np.asarray(fft.fftn(_windowed(volume)) * fft.fftn(_windowed(reference)).conj())


def _whole_voxels(cross: NDArray[np.complex128]) -> Floats:
    """Return the peak of the phase correlation, in whole voxels."""
    from scipy import fft

    size = np.abs(cross)
    phases = np.where(size > size.max() * 1e-9, cross / np.maximum(size, 1e-300), 0)
    peak = np.unravel_index(int(fft.ifftn(phases).real.argmax()), cross.shape)
    return np.array([p - n if p > n // 2 else p for p, n in zip(peak, cross.shape, strict=True)], np.float64)


def _overlap(reference: NDArray[Any], volume: NDArray[Any], shift: Floats) -> tuple[Floats, Floats]:
    """Return the voxels that both show, the shift taken back: what lies at p in one lies at p in the other."""
    from scipy import ndimage

    whole = np.rint(shift).astype(int)
    low, high = np.maximum(0, -whole), np.minimum(reference.shape, np.array(volume.shape) - whole)
    one = reference[tuple(slice(a, max(a, b)) for a, b in zip(low, high, strict=True))].astype(np.float64)
    moved = [slice(a + s, max(a, b) + s) for a, b, s in zip(low, high, whole, strict=True)]
    other = volume[tuple(moved)].astype(np.float64)
    if other.size:
        other = ndimage.shift(other, whole - shift, order=3, mode="nearest")
    return one, np.asarray(other)


def _windowed(greys: NDArray[Any]) -> Floats:
    made = greys.astype(np.float64)
    made -= made.mean()
    for axis, n in enumerate(made.shape):
        window = 0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n)
        made *= np.expand_dims(window, [a for a in range(3) if a != axis])
    return np.asarray(made)


def _refined(cross: NDArray[np.complex128]) -> Floats:
    """Return the maximum of the cross-correlation near no shift at all; no shift where there is none."""
    grid = []
    for axis, n in enumerate(cross.shape):
        k = 2 * np.pi * np.fft.fftfreq(n)
        if n % 2 == 0:
            k[n // 2] = 0.0  # the Nyquist frequency has no sign, so no part in a shift by a fraction
        grid.append(np.expand_dims(k, [a for a in range(3) if a != axis]))
    # low frequencies say little of the place and high ones are noise: a Laplacian of a Gaussian of one voxel
    squared = grid[0] ** 2 + grid[1] ** 2 + grid[2] ** 2
    weighted = cross * squared * np.exp(-squared)
    shift = np.zeros(3)
    for _ in range(_STEPS):
        turned = weighted * np.exp(1j * sum(k * s for k, s in zip(grid, shift, strict=True)))
        gradient = np.array([-(turned.imag * k).sum() for k in grid])
        hessian = np.array([[-(turned.real * a * b).sum() for b in grid] for a in grid])
        if np.linalg.eigvalsh(hessian).max() >= 0:
            return np.zeros(3)
        step = -np.linalg.solve(hessian, gradient)
        shift += np.clip(step, -0.5, 0.5)
        if np.abs(step).max() < _CLOSE * 0.1:
            break
    return shift if np.abs(shift).max() <= _FURTHEST else np.zeros(3)


def common_windows(
    shapes: Sequence[tuple[int, int, int]], shifts: Sequence[Shift]
) -> list[tuple[slice, slice, slice]]:
    """Return, for each of several scans, the voxels of the part of the specimen that all of them show.

    Parameters
    ----------
    shapes
        Voxels of each scan.
    shifts
        Shift of each against one reference, in voxels; that of the reference itself is 0.

    Returns
    -------
    Windows of one shape: the same specimen to half a voxel.

    Raises
    ------
    BadInputError
        They have nothing in common.

    Examples
    --------
    >>> common_windows([(10, 10, 10), (10, 10, 10)], [(0, 0, 0), (2.1, -1.0, 0)])
    [(slice(0, 8, None), slice(1, 10, None), slice(0, 10, None)),
     (slice(2, 10, None), slice(0, 9, None), slice(0, 10, None))]
    """
    whole = [np.rint(shift).astype(int) for shift in shifts]
    low = np.max([-s for s in whole], axis=0)
    high = np.min([np.array(shape) - s for shape, s in zip(shapes, whole, strict=True)], axis=0)
    if (high <= low).any():
        axes = ", ".join(axis for axis, a, b in zip("zyx", low, high, strict=True) if b <= a)
        raise BadInputError(f"the scans have no part of the specimen in common along {axes}")
    windows = []
    for shift in whole:
        z, y, x = (slice(int(a + s), int(b + s)) for a, b, s in zip(low, high, shift, strict=True))
        windows.append((z, y, x))
    return windows
