"""How often the sampling intervals of the mean islet size hold, on cracks between the cells of random points.

``python benchmarks/coverage_islets.py --windows 200`` (some ten minutes)

Four sections lie one above the other; the points drift from one to the next. The true size is that of sections 25 times
as large. Sizes weighted by area are tried too: they are told no sampling part, since these intervals do not hold. Seeds
below 500 have been used while the method was chosen.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import numpy as np
from _timing import table
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from siltomo.kernels.islets import CRACK, SOLID, Islets, find_islets, join_islets
from siltomo.metrics.sampling import Sampling, sampling_of_places

SECTIONS = 4
CRACK_WIDTH = 3.0
DRIFT = 2.0
LEAST = 4.0


def sections(
    size: int, pitch: float, rng: np.random.Generator, count: int = SECTIONS
) -> Iterator[NDArray[np.uint8]]:
    """Draw sections of so many pixels a side: islets are the Voronoi cells of a Poisson process."""
    margin = 3 * pitch
    points = rng.random((rng.poisson(((size + 2 * margin) / pitch) ** 2), 2)) * (size + 2 * margin) - margin
    drift = rng.normal(0, DRIFT, points.shape)
    pixels = np.indices((size, size)).reshape(2, -1).T
    for section in range(count):
        distances, _ = cKDTree(points + section * drift).query(pixels, k=2)
        between = (distances[:, 1] - distances[:, 0]).reshape(size, size)
        yield np.where(between < CRACK_WIDTH, CRACK, SOLID).astype(np.uint8)


def islets(of: Iterator[NDArray[np.uint8]]) -> Islets:
    return join_islets([find_islets(section, (1.0, 1.0), least_size=LEAST) for section in of])


def mean(found: Islets, *, by_area: bool) -> tuple[float, NDArray[np.float64]]:
    weights = found.weights * (found.areas if by_area else 1.0)
    return float(np.average(found.sizes, weights=weights)), weights


def rows(size: int, pitch: float, asked: argparse.Namespace) -> Iterator[list[Any]]:
    rng = np.random.default_rng(asked.seed)
    large = islets(one for _ in range(4) for one in sections(5 * size, pitch, rng, 1))
    tried = [islets(sections(size, pitch, rng)) for _ in range(asked.windows)]
    number = np.mean([found.areas.size for found in tried]) / SECTIONS
    for by_area in (False, True):
        truth, _ = mean(large, by_area=by_area)
        values, told = [], []
        for found in tried:
            value, weights = mean(found, by_area=by_area)
            values.append(value)
            sampling = sampling_of_places(found.sizes, weights, found.places, sections=SECTIONS)
            if isinstance(sampling, Sampling):
                told.append((abs(value - truth), sampling.uncertainty))
        row: list[Any] = [f"{number:.0f}", "area" if by_area else "number", f"{truth:.2f}"]
        row += [f"{np.std(values, ddof=1):.2f}", f"{len(told) / asked.windows:.0%}"]
        if told:
            miss, sigma = np.array(told).T
            row += [f"{np.mean(miss <= sigma):.1%}", f"{np.mean(miss <= 1.96 * sigma):.1%}"]
        yield row


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--windows", type=int, default=200)
    parser.add_argument("--seed", type=int, default=500)
    asked = parser.parse_args()
    head = ["islets in a section", "weighting", "size, pixels", "spread", "given", "68 %", "95 %"]
    print(table(head, []), flush=True)
    for pitch in (14.0, 20.0, 30.0):
        for row in rows(240, pitch, asked):
            print("| " + " | ".join(map(str, row)) + " |", flush=True)


if __name__ == "__main__":
    main()
