"""The resolution of a scan: Fourier shell correlation of two halves, or of one volume split in two."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError

__all__ = ["Criterion", "ShellCorrelation", "criterion_curve", "shell_correlation", "split_correlation"]

Floats = NDArray[np.float64]
Spacing = tuple[float, float, float]
Criterion = Literal["half_bit", "one_bit", "0.143"]
"""How much must be common to two halves: half a bit or one bit of information per Fourier voxel, or a fixed
correlation. They are not the same: name the one that was taken."""

LEAST = 16
"""Voxels along an axis that a correlation needs."""
_LOWEST_SHELL = 3
"""Shells below hold too few Fourier voxels to be judged."""


@dataclass(frozen=True, eq=False)
class ShellCorrelation:
    """Correlation of two volumes by shells of spatial frequency."""

    frequencies: Floats
    """Mean frequency of each shell, in periods per length of the spacing."""
    values: Floats
    """Correlation in each shell."""
    counts: Floats
    """Independent Fourier voxels of each shell: half of all (the others mirror them), less for the window."""
    single: bool
    """Whether both halves come of one volume: correlated noise then makes it look better than it is."""

    def crossing(self, criterion: Criterion = "half_bit") -> float | None:
        """Return the frequency at which the correlation first falls below a criterion; None if nowhere.

        Raises
        ------
        BadInputError
            It is below from the beginning: the halves have nothing in common.
        """
        limit = criterion_curve(criterion, self.counts)
        below = np.nonzero(self.values < limit)[0]
        below = below[below >= _LOWEST_SHELL]
        if below.size == 0:
            return None
        at = int(below[0])
        if at == _LOWEST_SHELL:
            raise BadInputError(
                "the two volumes have nothing in common, not even their coarsest features: are they two halves of one "
                "scan, on one grid?"
            )
        gap = self.values - limit
        part = gap[at - 1] / (gap[at - 1] - gap[at])
        return float(self.frequencies[at - 1] + part * (self.frequencies[at] - self.frequencies[at - 1]))

    def resolution(self, criterion: Criterion = "half_bit") -> float | None:
        """Return the full period at the crossing, in the unit of the spacing; None where none was found."""
        found = self.crossing(criterion)
        return None if found is None else 1 / found

    @property
    def finest(self) -> float:
        """The shortest period that could be told."""
        return 1 / float(self.frequencies[-1])


def criterion_curve(criterion: Criterion, counts: Floats) -> Floats:
    """Return the least correlation in shells of so many independent Fourier voxels.

    Notes
    -----
    van Heel and Schatz (2005), doi:10.1016/j.jsb.2005.05.009: (0.2071 + 1.9102 / sqrt(n)) / (1.2071 + 0.9102 /
    sqrt(n)) for half a bit, (0.5 + 2.4142 / sqrt(n)) / (1.5 + 1.4142 / sqrt(n)) for one bit.

    Examples
    --------
    >>> criterion_curve("half_bit", np.array([1e12])).round(4), criterion_curve("one_bit", np.array([1e12])).round(3)
    (array([0.1716]), array([0.333]))
    """
    root = np.sqrt(np.maximum(counts, 1e-12))
    if criterion == "half_bit":
        return np.asarray((0.2071 + 1.9102 / root) / (1.2071 + 0.9102 / root))
    if criterion == "one_bit":
        return np.asarray((0.5 + 2.4142 / root) / (1.5 + 1.4142 / root))
    return np.full(np.shape(counts), 0.143)


def shell_correlation(
    one: NDArray[Any], other: NDArray[Any], spacing: Spacing = (1.0, 1.0, 1.0)
) -> ShellCorrelation:
    """Correlate two volumes of one object, shell by shell.

    Parameters
    ----------
    one, other
        Volumes of the same shape (z, y, x), such as reconstructions from the even and the odd projections.
    spacing
        Edges of a voxel.

    Returns
    -------
    The correlation up to the Nyquist frequency of the coarsest axis.

    Raises
    ------
    BadInputError
        Their shapes differ, an axis has fewer than 16 voxels, or one of them is constant.

    Notes
    -----
    Both are multiplied by a Hann window, so that the faces of the volume do not correlate. Between halves with
    independent noise the correlation is SNR / (1 + SNR), with the ratio of one half.
    """
    return _correlation(one, other, spacing, shift=0.0, single=False)


def split_correlation(volume: NDArray[Any], spacing: Spacing = (1.0, 1.0, 1.0)) -> ShellCorrelation:
    """Correlate the voxels of one volume at even indices with those at odd ones, shell by shell.

    Parameters
    ----------
    volume
        Greys of shape (z, y, x), at least 32 voxels along each axis.
    spacing
        Edges of a voxel.

    Returns
    -------
    The correlation up to a period of four voxels. Filters that spread noise over neighbouring voxels (phase
    retrieval, ring removal, binning) make it optimistic: call it "single-volume".

    Raises
    ------
    BadInputError
        As `shell_correlation`.
    """
    even = [n - n % 2 for n in volume.shape]
    cut = volume[: even[0], : even[1], : even[2]]
    double = (spacing[0] * 2, spacing[1] * 2, spacing[2] * 2)
    return _correlation(cut[::2, ::2, ::2], cut[1::2, 1::2, 1::2], double, shift=0.5, single=True)


def _correlation(
    one: NDArray[Any], other: NDArray[Any], spacing: Spacing, *, shift: float, single: bool
) -> ShellCorrelation:
    if one.shape != other.shape or one.ndim != 3:
        raise BadInputError(f"volumes of shape {one.shape} and {other.shape} cannot be correlated")
    if min(one.shape) < LEAST:
        raise BadInputError(
            f"{min(one.shape) * (2 if single else 1)} voxels along an axis are too few: "
            f"{LEAST * (2 if single else 1)} are needed"
        )
    waves = [_transform(np.asarray(v)) for v in (one, other)]
    along = [np.fft.rfftfreq(n) if axis == 2 else np.fft.fftfreq(n) for axis, n in enumerate(one.shape)]
    if shift:
        # the other lattice lies half a step further along each axis
        for axis, frequency in enumerate(along):
            turn = np.exp(-2j * np.pi * frequency * shift).astype(np.complex64)
            waves[1] *= np.expand_dims(turn, [n for n in range(3) if n != axis])
    radius = np.sqrt(
        sum(
            np.expand_dims((f / step) ** 2, [n for n in range(3) if n != axis])
            for axis, (f, step) in enumerate(zip(along, spacing, strict=True))
        )
    )
    width = 1 / min(n * step for n, step in zip(one.shape, spacing, strict=True))
    highest = 0.5 / max(spacing)
    shells = np.minimum(np.rint(radius / width).astype(np.int64), int(highest / width) + 1).ravel()
    # planes 0 and Nyquist of the halved axis are their own mirrors
    twice = np.full(radius.shape, 2.0)
    twice[:, :, 0] = 1.0
    if one.shape[2] % 2 == 0:
        twice[:, :, -1] = 1.0
    weights = twice.ravel()
    number = int(highest / width) + 1

    def total(values: NDArray[Any]) -> Floats:
        return np.asarray(np.bincount(shells, values.ravel() * weights, number + 1)[:number])

    common = total((waves[0] * waves[1].conj()).real)
    powers = [total(np.abs(w) ** 2) for w in waves]
    if min(float(p[1:].sum()) for p in powers) == 0:
        raise BadInputError("a constant volume has no resolution")
    counts = total(np.ones(radius.shape))
    values = common / np.sqrt(np.maximum(powers[0] * powers[1], 1e-300))
    frequencies = total(radius) / np.maximum(counts, 1)
    return ShellCorrelation(frequencies, values, counts / 2 * _window_share(one.shape), single)


def _transform(volume: NDArray[Any]) -> NDArray[np.complex64]:
    """Return the Fourier transform of a volume under a Hann window, without its mean."""
    from scipy import fft

    greys = volume.astype(np.float32)
    greys -= greys.mean()
    for axis, n in enumerate(greys.shape):
        greys *= np.expand_dims(_hann(n).astype(np.float32), [a for a in range(3) if a != axis])
    return np.asarray(fft.rfftn(greys))


def _hann(n: int) -> Floats:
    return np.asarray(0.5 - 0.5 * np.cos(2 * np.pi * (np.arange(n) + 0.5) / n))


def _window_share(shape: tuple[int, ...]) -> float:
    """Return the share of Fourier voxels that stay independent under the window."""
    shares = [float((_hann(n) ** 2).sum() ** 2 / (n * (_hann(n) ** 4).sum())) for n in shape]
    return math.prod(shares)
