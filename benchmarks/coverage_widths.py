"""How often the sampling intervals of mean and median widths hold, on Boolean models of balls.

``python benchmarks/coverage_widths.py --windows 300 --models 0 1 2`` (up to two minutes for each model and phase)

The expected width has no closed form. It is measured in other windows, ``--truths`` of them, cut out of larger
volumes: as the window reads it, and as it reads in the larger volume, where no border is near. Seeds are those of the
command line; those below 500 have been used while the method was chosen.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from _timing import table
from numpy.typing import NDArray

from siltomo.kernels import (
    CellCounts,
    Lattice,
    ThicknessCounts,
    cell_configurations,
    slab_thickness_counts,
    thickness_counts,
)
from siltomo.metrics import Sample
from siltomo.metrics.sampling import Sampling
from siltomo.metrics.verdicts import thickness_away_from_border, thickness_sampling

Statistic = Literal["mean", "median"]
VOXEL = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class Balls:
    """Balls whose centres are a Poisson process; each radius fills as much. In voxels."""

    size: int
    radii: tuple[int, ...]
    fraction: float
    around: int
    """Voxels about a window within which its widths are decided."""

    def realise(self, size: int, rng: np.random.Generator) -> NDArray[np.bool_]:
        phase = np.zeros((size,) * 3, np.bool_)
        for radius in self.radii:
            density = -math.log(1 - self.fraction) / len(self.radii) / (4 / 3 * math.pi * radius**3)
            side = size + 2 * radius
            for centre in rng.random((rng.poisson(density * side**3), 3)) * side - radius:
                low = np.clip(np.ceil(centre - radius), 0, size).astype(int)
                high = np.clip(np.floor(centre + radius) + 1, 0, size).astype(int)
                z, y, x = (np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True))
                box = tuple(slice(a, b) for a, b in zip(low, high, strict=True))
                phase[box] |= z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 < radius**2
        return phase


MODELS = (
    Balls(96, (4,), 0.24, 24),
    Balls(96, (6,), 0.24, 28),
    Balls(96, (6,), 0.6, 24),
    Balls(96, (8,), 0.24, 32),
    Balls(96, (5,), 0.06, 40),
    Balls(96, (3, 6), 0.24, 28),
    Balls(96, (4, 8), 0.4, 28),
)


@dataclass(frozen=True)
class Truth:
    """Mean and median width: as windows of this size read them, and far from any border."""

    window: dict[str, float]
    endless: dict[str, float]
    inner: float
    """Mean away from the border of such windows."""


def measured(phase: NDArray[np.bool_]) -> tuple[ThicknessCounts, CellCounts]:
    size = len(phase)
    lattice = Lattice((size, size, size))
    counts = slab_thickness_counts(lambda a, b: phase[a:b], 0, size, size, cells=lattice, threads=1)
    return counts, cell_configurations(phase.astype(np.uint8), 1, VOXEL, lattice, threads=1)


def windows(model: Balls, count: int, seed: int, *, background: bool) -> Iterator[Any]:
    rng = np.random.default_rng(seed)
    for _ in range(count):
        yield measured(model.realise(model.size, rng) != background)


def truth(model: Balls, count: int, seed: int, *, background: bool) -> Truth:
    rng = np.random.default_rng(seed)
    cut, whole, away = [], [], []
    inside = slice(model.around, model.around + model.size)
    size = model.size + 2 * model.around
    bins = np.full((size,) * 3, -1, np.int8)
    bins[inside, inside, inside] = 0
    sample = Sample("crack", (1,), (), (model.size,) * 3, VOXEL)
    for _ in range(count):
        phase = model.realise(size, rng) != background
        counts, _ = measured(np.ascontiguousarray(phase[inside, inside, inside]))
        cut.append(counts)
        inner = thickness_away_from_border(counts, sample)
        away.append(math.nan if inner is None else inner)
        whole.append(thickness_counts(phase, bins=bins, bin_count=1, threads=1).all_bins())
    pooled = [sum(parts[1:], parts[0]) for parts in (cut, whole)]
    said = [{"mean": one.mean(), "median": one.median()} for one in pooled]
    return Truth(said[0], said[1], float(np.nanmean(away)))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=int, default=300, help="windows that are tried for each model")
    parser.add_argument("--truths", type=int, default=200, help="larger volumes that tell the truth")
    parser.add_argument("--models", type=int, nargs="+", default=range(len(MODELS)), help="numbers of models")
    parser.add_argument("--seed", type=int, default=500)
    asked = parser.parse_args()
    head = ["radii", "fraction", "phase", "statistic", "width", "spread", "given", "68 %", "95 %"]
    print(table([*head, "endless", "away", "95 % of endless"], []), flush=True)
    for number in asked.models:
        for background in (False, True):
            for row in rows(MODELS[number], asked, background=background):
                print("| " + " | ".join(map(str, row)) + " |", flush=True)


def rows(model: Balls, asked: argparse.Namespace, *, background: bool) -> Iterator[list[str]]:
    true = truth(model, asked.truths, asked.seed + 1, background=background)
    found: dict[Statistic, list[tuple[float, float]]] = {"mean": [], "median": []}
    values: dict[Statistic, list[float]] = {"mean": [], "median": []}
    for counts, cells in windows(model, asked.windows, asked.seed, background=background):
        for statistic, every in values.items():
            value = counts.mean() if statistic == "mean" else counts.median()
            every.append(value)
            sampling = thickness_sampling(counts, cells, statistic)
            if isinstance(sampling, Sampling):
                found[statistic].append((value, sampling.uncertainty))
    for statistic, told in found.items():
        row = [
            ", ".join(map(str, model.radii)),
            f"{model.fraction:.0%}",
            "background" if background else "balls",
        ]
        row += [statistic, f"{true.window[statistic]:.2f}", f"{np.std(values[statistic], ddof=1):.3f}"]
        row += [f"{len(told) / asked.windows:.0%}"]
        if told:
            value, sigma = np.array(told).T
            miss, far = abs(value - true.window[statistic]), abs(value - true.endless[statistic])
            row += [f"{np.mean(miss <= sigma):.1%}", f"{np.mean(miss <= 1.96 * sigma):.1%}"]
            row += [f"{true.endless[statistic]:.2f}", f"{true.inner:.2f}" if statistic == "mean" else ""]
            row += [f"{np.mean(far <= 1.96 * sigma):.1%}"]
        yield row


if __name__ == "__main__":
    main()
