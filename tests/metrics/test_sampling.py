"""Sampling uncertainty: nominal intervals hold as often as they say, or none is given.

Boolean models of balls (centres of a Poisson process): the fraction and the surface density are known in closed
form, the latter also for the estimator on voxels of finite size.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.kernels import CellCounts, Lattice, ThicknessCounts, cell_configurations, slab_thickness_counts
from siltomo.kernels.surfaces import DIRECTIONS, direction_weights
from siltomo.metrics import Answer, Sample, Scalar
from siltomo.metrics.sampling import NotRepresentative, Sampling, sampling_of_median, sampling_of_ratio
from siltomo.metrics.verdicts import (
    fraction_sampling,
    ratio_sampling,
    surface_sampling,
    thickness_away_from_border,
    thickness_sampling,
)

Compute = Callable[..., Answer]
VOXEL = (1.0, 1.0, 1.0)


@dataclass(frozen=True)
class BooleanBalls:
    """Balls of one radius whose centres are a Poisson process; radius and size in voxels."""

    size: int
    radius: float
    fraction: float

    @property
    def intensity(self) -> float:
        return -math.log(1 - self.fraction) / (4 / 3 * math.pi * self.radius**3)

    @property
    def surface_density(self) -> float:
        """Expected value of the estimator with 13 directions on unit voxels, no limit taken."""
        r, q, total = self.radius, 1 - self.fraction, 0.0
        for direction, weight in zip(DIRECTIONS, direction_weights(VOXEL), strict=True):
            step = math.hypot(*direction)
            overlap = 4 / 3 * math.pi * r**3 * (1 - 3 * step / (4 * r) + step**3 / (16 * r**3))
            total += 4 * float(weight) * (q - q * q * math.exp(self.intensity * overlap)) / step
        return total

    def realise(self, rng: np.random.Generator) -> np.ndarray:
        side = self.size + 2 * self.radius
        labels = np.zeros((self.size,) * 3, np.uint8)
        for centre in rng.random((rng.poisson(self.intensity * side**3), 3)) * side - self.radius:
            low = np.maximum(0, np.ceil(centre - self.radius)).astype(int)
            high = np.minimum(self.size - 1, np.floor(centre + self.radius)).astype(int)
            if np.all(low <= high):
                axes = [np.arange(a, b + 1) - c for a, b, c in zip(low, high, centre, strict=True)]
                z, y, x = np.ix_(*axes)
                box = tuple(slice(a, b + 1) for a, b in zip(low, high, strict=True))
                labels[box] |= z * z + y * y + x * x < self.radius**2
        return labels

    def widths(
        self, count: int, seed: int, *, background: bool
    ) -> Iterator[tuple[ThicknessCounts, CellCounts]]:
        rng = np.random.default_rng(seed)
        lattice = Lattice((self.size,) * 3)
        for _ in range(count):
            labels = self.realise(rng) ^ np.uint8(background)
            phase = labels == 1
            yield (
                slab_thickness_counts(
                    lambda a, b, phase=phase: phase[a:b],  # type: ignore[misc]
                    0,
                    self.size,
                    self.size,
                    cells=lattice,
                    threads=1,
                ),
                cell_configurations(labels, 1, VOXEL, lattice, threads=1),
            )

    def windows(self, count: int, seed: int) -> Iterator[CellCounts]:
        rng = np.random.default_rng(seed)
        for _ in range(count):
            labels = self.realise(rng)
            yield cell_configurations(labels, 1, VOXEL, Lattice(labels.shape), threads=1)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Covered:
    """How often intervals hold the true value."""

    given: int
    within_1: int
    within_2: int


def coverage(model: BooleanBalls, count: int, seed: int) -> dict[str, Covered]:
    sample = Sample("crack", (1,), (), (model.size,) * 3, VOXEL)
    truth = {
        "fraction": model.fraction,
        "surface density": model.surface_density,
        "surface to volume": model.surface_density / model.fraction,
    }
    misses: dict[str, list[float]] = {name: [] for name in truth}
    for cells in model.windows(count, seed):
        tiles, volume = cells.tiles.sum(), cells.eighths.sum() / 8
        area = cells.units.sum() * cells.unit
        found = {
            "fraction": (volume / tiles, fraction_sampling(cells)),
            "surface density": (area / tiles, surface_sampling(cells, sample)),
            "surface to volume": (area / volume, ratio_sampling(cells, sample)),
        }
        for name, (value, sampling) in found.items():
            if isinstance(sampling, Sampling):
                misses[name].append(abs(value - truth[name]) / sampling.uncertainty)
    return {
        name: Covered(len(m), sum(x < 1 for x in m), sum(x < 1.96 for x in m)) for name, m in misses.items()
    }


def least(count: int, probability: float, *, risk: float = 1e-3) -> int:
    """Return the hits that so many tries of a true probability fall below with less than the risk."""
    from scipy.stats import binom

    return int(binom.ppf(risk, count, probability))


@pytest.mark.slow
@pytest.mark.parametrize(("model", "conservative"), [
    (BooleanBalls(96, 4, 0.24), False),
    (BooleanBalls(96, 6, 0.24), False),
    (BooleanBalls(96, 6, 0.6), False),
    (BooleanBalls(96, 5, 0.06), True),
])  # fmt: skip
def test_intervals_hold_as_often_as_they_say(model: BooleanBalls, conservative: bool) -> None:
    # the nominal coverage less what a correct method falls short of once in a thousand times
    for name, found in coverage(model, 150, seed=11).items():
        assert found.given >= 120, name
        assert found.within_1 >= least(found.given, 0.683), name
        assert found.within_2 >= least(found.given, 0.95), name
        if not (conservative and name == "surface to volume"):
            assert found.within_1 <= found.given - least(found.given, 1 - 0.683), name


def coverage_of_widths(model: BooleanBalls, count: int, seed: int, *, background: bool) -> dict[str, Covered]:
    """Say how often intervals hold what all windows read together: that has no closed form."""
    windows = list(model.widths(count, seed, background=background))
    pooled = windows[0][0]
    for counts, _ in windows[1:]:
        pooled += counts
    found = {}
    for name, truth in (("mean", pooled.mean()), ("median", pooled.median())):
        misses = []
        for counts, cells in windows:
            sampling = thickness_sampling(counts, cells, name)  # type: ignore[arg-type]
            if isinstance(sampling, Sampling):
                value = counts.mean() if name == "mean" else counts.median()
                misses.append(abs(value - truth) / sampling.uncertainty)
        found[name] = Covered(len(misses), sum(x < 1 for x in misses), sum(x < 1.96 for x in misses))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("background", [False, True])
@pytest.mark.parametrize("model", [BooleanBalls(72, 4, 0.24), BooleanBalls(72, 4, 0.6)])
def test_intervals_of_widths_hold_as_often_as_they_say(model: BooleanBalls, background: bool) -> None:
    for name, found in coverage_of_widths(model, 60, seed=204, background=background).items():
        assert found.given >= 40, name
        assert found.within_1 >= least(found.given, 0.683), name
        assert found.within_2 >= least(found.given, 0.95), name
        if name == "mean":  # a median is told with the step between diameters, which may be all there is
            assert found.within_1 <= found.given - least(found.given, 1 - 0.683)


def test_intervals_of_widths_of_few_windows_hold() -> None:
    model = BooleanBalls(64, 4, 0.4)
    for background in (False, True):
        for name, found in coverage_of_widths(model, 25, seed=301, background=background).items():
            assert found.given >= 15, name
            assert found.within_1 >= least(found.given, 0.683), name
            assert found.within_2 >= least(found.given, 0.95), name


def test_intervals_of_few_windows_hold() -> None:
    for name, found in coverage(BooleanBalls(72, 4, 0.24), 40, seed=2).items():
        assert found.given >= 35, name
        assert found.within_1 >= least(found.given, 0.683), name
        assert found.within_2 >= least(found.given, 0.95), name


def test_the_spread_is_that_of_many_windows() -> None:
    found = [
        (c.eighths.sum() / 8 / c.tiles.sum(), fraction_sampling(c))
        for c in BooleanBalls(72, 4, 0.24).windows(60, 5)
    ]
    told = [s.uncertainty for _, s in found if isinstance(s, Sampling)]
    assert len(told) >= 55
    # a standard deviation of 60 is known to 9 %
    assert math.sqrt(np.mean(np.square(told))) == pytest.approx(
        np.std([v for v, _ in found], ddof=1), rel=0.3
    )


@pytest.mark.parametrize("radius", [20, 30])
def test_a_window_of_few_features_gives_no_number(radius: float) -> None:
    sample = Sample("crack", (1,), (), (72,) * 3, VOXEL)
    for cells in BooleanBalls(72, radius, 0.3).windows(10, 3):
        for found in (
            fraction_sampling(cells),
            surface_sampling(cells, sample),
            ratio_sampling(cells, sample),
        ):
            assert isinstance(found, NotRepresentative)


def test_a_window_of_few_features_gives_no_width() -> None:
    for counts, cells in BooleanBalls(72, 20, 0.3).widths(3, 3, background=False):
        assert isinstance(thickness_sampling(counts, cells, "mean"), NotRepresentative)
        assert isinstance(thickness_sampling(counts, cells, "median"), NotRepresentative)


def test_away_from_the_border_a_width_is_that_of_an_endless_medium() -> None:
    model, inner, whole = BooleanBalls(80, 5, 0.24), [], []
    sample = Sample("crack", (1,), (), (80,) * 3, VOXEL)
    for counts, _ in model.widths(6, 8, background=False):
        away = thickness_away_from_border(counts, sample)
        assert away is not None
        inner.append(away)
        whole.append(counts.mean())
    larger, _ = next(BooleanBalls(200, 5, 0.24).widths(1, 9, background=False))
    endless = thickness_away_from_border(larger, Sample("crack", (1,), (), (200,) * 3, VOXEL))
    assert endless is not None
    # the border cuts caps off balls, which read thinner
    assert np.mean(whole) < endless - 0.05
    assert np.mean(inner) == pytest.approx(endless, abs=0.03)


def test_a_window_as_wide_as_its_features_has_nothing_away_from_its_border() -> None:
    counts, _ = next(BooleanBalls(40, 30, 0.5).widths(1, 5, background=False))
    assert thickness_away_from_border(counts, Sample("crack", (1,), (), (40,) * 3, VOXEL)) is None


def test_a_median_between_two_sizes_is_told_as_uncertain() -> None:
    # half the volume is 1 wide, half 9: the median is either, and either may be the electrode's
    rng = np.random.default_rng(12)
    thin = rng.binomial(100, 0.5, (10, 10, 10))
    lower = thin * (50_000 / thin.sum())
    counts = np.array([thin.sum(), 100_000 - thin.sum()])
    found = sampling_of_median(lower, np.full(thin.shape, 100), np.array([1.0, 9.0]), counts)
    assert isinstance(found, Sampling)
    assert found.uncertainty >= 8


def test_a_median_that_cells_do_not_agree_on_is_none() -> None:
    rng = np.random.default_rng(12)
    lower = np.where(rng.random((3, 3, 3)) < 0.5, 0, 1000)
    found = sampling_of_median(lower, np.full((3, 3, 3), 1000), np.arange(1.0, 9.0), np.full(8, 3375))
    assert isinstance(found, NotRepresentative)


def test_sub_volumes_grow_with_the_structure() -> None:
    fine, coarse = (next(BooleanBalls(128, radius, 0.3).windows(1, 8)) for radius in (3, 8))
    of_fine, of_coarse = fraction_sampling(fine), fraction_sampling(coarse)
    assert isinstance(of_fine, Sampling)
    assert isinstance(of_coarse, Sampling)
    assert of_fine.steps == (1, 1, 1)
    assert all(step >= 2 for step in of_coarse.steps)


def test_sub_volumes_reach_through_what_runs_through_the_window() -> None:
    # columns along z: only their places in the plane are a sample
    rng = np.random.default_rng(4)
    values = np.broadcast_to(rng.normal(1, 0.1, (16, 16)), (16, 16, 16))
    found = sampling_of_ratio(values, np.ones_like(values))
    assert isinstance(found, Sampling)
    assert found.steps[0] > 8
    assert found.steps[1:] == (1, 1)
    assert found.uncertainty == pytest.approx(0.1 / 16, rel=0.2)


def test_independent_cells_have_the_textbook_error() -> None:
    rng = np.random.default_rng(6)
    found = sampling_of_ratio(rng.normal(3, 0.5, (12, 12, 12)), np.ones((12, 12, 12)))
    assert isinstance(found, Sampling)
    assert found.uncertainty == pytest.approx(0.5 / math.sqrt(12**3), rel=0.15)


def test_one_feature_among_many_cells_is_no_sample() -> None:
    values = np.zeros((12, 12, 12))
    values[3, 4, 5] = 1
    found = sampling_of_ratio(values, np.ones_like(values))
    assert isinstance(found, NotRepresentative)


def test_cells_outside_the_domain_do_not_count() -> None:
    rng = np.random.default_rng(9)
    values, weights = rng.normal(1, 0.2, (10, 10, 10)), np.ones((10, 10, 10))
    inner = sampling_of_ratio(values[:, :, :5], weights[:, :, :5])
    values[:, :, 5:] = weights[:, :, 5:] = 0
    whole = sampling_of_ratio(values, weights)
    assert isinstance(inner, Sampling)
    assert isinstance(whole, Sampling)
    assert whole.uncertainty == pytest.approx(inner.uncertainty, rel=1e-12)
    assert whole.degrees == pytest.approx(inner.degrees, rel=1e-12)


@given(st.floats(1e-6, 1e6), st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_the_uncertainty_scales_with_the_ratio(scale: float, seed: int) -> None:
    rng = np.random.default_rng(seed)
    values, weights = rng.normal(1, 0.2, (9, 9, 9)), rng.uniform(0.5, 1, (9, 9, 9))
    one, other = sampling_of_ratio(values, weights), sampling_of_ratio(values * scale, weights)
    assert isinstance(one, Sampling)
    assert isinstance(other, Sampling)
    assert other.uncertainty == pytest.approx(one.uncertainty * scale, rel=1e-9)


FRACTIONS_AND_SURFACES = ("crack_volume_fraction", "crack_surface_density", "crack_surface_to_volume_ratio")


@pytest.mark.parametrize("name", [*FRACTIONS_AND_SURFACES, "crack_width_mean", "crack_width_median"])
def test_metrics_carry_the_sampling_part(compute: Compute, name: str) -> None:
    labels = BooleanBalls(80, 4, 0.24).realise(np.random.default_rng(1))
    if "width" in name:  # of the balls' background: balls of one radius hardly differ
        labels = 1 - labels
    whole = compute(name, labels, spacing=(0.5, 0.5, 0.5))
    assert isinstance(whole, Scalar)
    assert whole.sampling is not None
    assert 0.005 < whole.sampling / whole.value < 0.1
    assert not [flag for flag in whole.flags if flag.startswith("not_rve")]
    assert (whole.flags == ()) == ("width" not in name)  # these touch the window
    number, edges = whole.companions["sub_volumes"].split(" of ")
    assert int(number) >= 27
    assert all(float(edge) >= 4 for edge in edges.removesuffix(" um").split(" x "))
    assert ("away_from_border" in whole.companions) == (name == "crack_width_mean")
    assert compute(name, labels, spacing=(0.5, 0.5, 0.5), cuts=[3, 17, 40, 41]) == whole
