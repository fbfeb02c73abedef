"""Islets of networks of cracks whose size is known."""

from __future__ import annotations

import math
import tracemalloc
from collections.abc import Callable

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree

from siltomo.kernels.islets import CRACK, SOLID, find_islets
from siltomo.metrics import Answer, Distribution, Sample, Scalar, Slab, Undefined
from siltomo.metrics.geometry_measures import Surfaces
from siltomo.metrics.islet_measures import Sections
from siltomo.metrics.sampling import Sampling, sampling_of_places

Compute = Callable[..., Answer]

NAMES = {1: "crack", 2: "solid", 4: "collector", 5: "separator"}


def network(
    cells: int, pitch: int, width: float, *, missing: float = 0.0, jitter: float = 0.0, seed: int = 0
) -> np.ndarray:
    """A square net of cracks with displaced nodes, a share of its edges missing; True in the cracks."""
    random = np.random.default_rng(seed)
    places = np.arange(cells + 1.0) * pitch
    nodes = np.stack(np.meshgrid(places, places, indexing="ij"), -1)
    nodes += random.uniform(-jitter, jitter, nodes.shape) * pitch
    y, x = np.mgrid[: cells * pitch, : cells * pitch].astype(float)
    made = np.zeros(y.shape, bool)
    for i in range(cells + 1):
        for j in range(cells + 1):
            for end in ((i + 1, j), (i, j + 1)):
                if max(end) > cells or random.random() < missing:
                    continue
                start, way = nodes[i, j], nodes[end] - nodes[i, j]
                along = np.clip(((y - start[0]) * way[0] + (x - start[1]) * way[1]) / (way @ way), 0, 1)
                away = np.hypot(y - start[0] - along * way[0], x - start[1] - along * way[1])
                made |= away <= width / 2
    return made


def electrode(cracks: np.ndarray, *, height: int = 24) -> np.ndarray:
    """Collector, an electrode with the same cracks at each depth, separator."""
    made = np.full((height + 8, *cracks.shape), 2, np.uint8)
    made[:, cracks] = 1
    made[:4], made[-4:] = 4, 5
    return made


def scalar(answer: Answer) -> Scalar:
    assert isinstance(answer, Scalar), answer
    return answer


@pytest.mark.parametrize("pitch", [20, 40])
def test_islets_of_a_closed_net_have_their_size(compute: Compute, pitch: int) -> None:
    cracks = network(320 // pitch, pitch, 3.0, jitter=0.15)
    found = scalar(compute("islet_size", electrode(cracks, height=8), phases=NAMES, spacing=(0.5, 0.5, 0.5)))
    # the solid of a cell: its pitch less the crack's width, which is 3 voxels
    assert found.value == pytest.approx((pitch - 3) * 0.5, rel=0.03)
    assert float(found.companions["open_share"]) > 0.95


def test_the_chord_of_a_square_net_is_its_edge(compute: Compute) -> None:
    found = scalar(compute("islet_size", electrode(network(6, 20, 3.0), height=8), phases=NAMES))
    assert found.value == pytest.approx(17)
    assert found.companions["spread"] == "0 um"
    assert float(found.companions["mean_chord"].split()[0]) == pytest.approx(17, rel=0.02)


@pytest.mark.parametrize("missing", [0.1, 0.15])
def test_a_few_missing_edges_join_few_islets(compute: Compute, missing: float) -> None:
    """Islets are then really larger; within 5 % of the pitch."""
    cracks = network(12, 30, 3.0, jitter=0.15, missing=missing)
    found = scalar(compute("islet_size", electrode(cracks, height=8), phases=NAMES))
    assert found.value == pytest.approx(30, rel=0.05)


def test_an_open_net_gives_a_lower_bound(compute: Compute) -> None:
    cracks = network(12, 20, 3.0, jitter=0.15, missing=0.5)
    found = scalar(compute("islet_size", electrode(cracks, height=8), phases=NAMES))
    assert any(flag.startswith("open_network") for flag in found.flags)


def test_islets_that_the_window_cuts_are_left_out_and_made_up_for(compute: Compute) -> None:
    """Stripes of 10 and 40 wide alternate: the wide are cut as often as the narrow, per number, once weighted."""
    found = []
    for shift in range(0, 50, 5):
        cracks = np.zeros((120, 120), bool)
        cracks[::20] = True
        x = (np.arange(120) + shift) % 50
        cracks[:, (x == 0) | (x == 11)] = True
        answer = compute(
            "islet_size_distribution", electrode(cracks, height=8), phases=NAMES, bin_width="10 um"
        )
        assert isinstance(answer, Distribution)
        found.append([*answer.values, *[0.0] * (4 - len(answer.values))])
    # sizes are sqrt(19 * 10) = 13.8 and sqrt(19 * 38) = 26.9
    mean = np.mean(found, axis=0)
    assert mean[1] == pytest.approx(0.5, abs=0.06)
    assert mean[2] == pytest.approx(0.5, abs=0.06)


def test_sections_follow_a_tilted_electrode(compute: Compute) -> None:
    """Each section lies at one depth: cracks that reach to a third of the thickness part a third of the sections."""
    made = np.full((90, 101, 101), 2, np.uint8)
    z, y, x = np.ogrid[:90, :101, :101]
    depth = math.cos(0.2) * (z - 30.0) + math.sin(0.2) * (x - 50.0) + 0 * y
    made[depth < 0], made[depth > 36] = 4, 5
    net = ((y % 20 == 0) | (x % 20 == 0)) & (made == 2)
    made[net & (depth > 24)] = 1
    found = scalar(compute("islet_size", made, phases=NAMES, cuts=(33,)))
    assert found.value == pytest.approx(19, rel=0.02)
    # sections at 1/16, 3/16 ... of 36: three of eight lie below 12 of the top, the others have no crack
    assert found.companions["islets"] == str(3 * 25)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_any_axis_and_any_blocks(compute: Compute, axis: int) -> None:
    made = np.ascontiguousarray(np.moveaxis(electrode(network(5, 14, 2.0, jitter=0.1), height=16), 0, axis))
    whole = scalar(compute("islet_size", made, phases=NAMES))
    cut = scalar(compute("islet_size", made, phases=NAMES, cuts=(3, 9, 20)))
    assert cut == whole
    assert whole.value == pytest.approx(12, rel=0.06)


def test_narrow_cracks_inside_an_islet_can_be_left_out(compute: Compute) -> None:
    cracks = network(5, 40, 6.0)
    cracks |= network(10, 20, 1.0)
    fine = scalar(compute("islet_size", electrode(cracks, height=8), phases=NAMES))
    coarse = scalar(compute("islet_size", electrode(cracks, height=8), phases=NAMES, least_crack="3 um"))
    assert fine.value < 20
    assert coarse.value == pytest.approx(34, rel=0.05)
    assert coarse.conventions["cracks"] == "those of at least 3 um"


def test_area_weighting_favours_the_large(compute: Compute) -> None:
    cracks = network(6, 30, 2.0, jitter=0.3, seed=4)
    number = scalar(compute("islet_size", electrode(cracks, height=8), phases=NAMES))
    area = scalar(compute("islet_size", electrode(cracks, height=8), phases=NAMES, weighting="area"))
    assert area.value > number.value


def test_no_islet_is_said_with_its_reason(compute: Compute) -> None:
    def said(labels: np.ndarray, **more: object) -> str:
        answer = compute("islet_size", labels, **{"phases": NAMES, **more})
        assert isinstance(answer, Undefined), answer
        return answer.reason

    plain = electrode(np.zeros((40, 40), bool))
    assert said(plain) == "no crack parts the solid in any section"
    lone = np.zeros((40, 40), bool)
    lone[20] = True
    assert "no islet lies inside the field of view" in said(electrode(lone))
    assert "no phase 'crack'" in said(plain, phases={2: "solid", 4: "collector", 5: "separator"})
    assert "no phase 'collector'" in said(
        plain, phases={1: "crack", 2: "solid", 4: "a", 5: "b"}, domain="cell"
    )


def test_a_declared_axis_does_without_surfaces(compute: Compute) -> None:
    made = electrode(network(5, 14, 3.0), height=16)[4:-4]
    found = scalar(compute("islet_size", made, phases={1: "crack", 2: "solid"}, depth_axis="z"))
    assert found.value == pytest.approx(11)
    assert "across z" in found.conventions["sections"]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 99), missing=st.floats(0, 0.6), cuts=st.lists(st.integers(1, 15)))
def test_islets_do_not_depend_on_the_blocks(
    compute: Compute, seed: int, missing: float, cuts: list[int]
) -> None:
    made = electrode(network(4, 14, 2.0, jitter=0.2, missing=missing, seed=seed), height=8)
    assert compute("islet_size", made, phases=NAMES, cuts=cuts) == compute("islet_size", made, phases=NAMES)


def test_memory_stays_below_what_is_stated() -> None:
    made = electrode(network(10, 20, 3.0), height=40)
    phases = tuple((name, (value,)) for value, name in NAMES.items())
    sample = Sample("", (), (), made.shape, (1.0, 1.0, 1.0), "cell", phases=phases)  # type: ignore[arg-type]
    surfaces, sections = Surfaces.of(sample), Sections(sample, None)
    known = {surfaces: surfaces.measure(Slab(lambda a, b: made[a:b], 0, 48, 48))}
    for measure in (surfaces, sections):
        slab = Slab(lambda a, b: made[a:b], 0, 16, 48, known=known)
        measure.measure(slab)
        tracemalloc.start()
        measure.measure(slab)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= measure.memory(16, 0)


# ---- how far the mean size may lie from that of the electrode -----------------------------------------------


def cells_of_points(size: int, pitch: float, rng: np.random.Generator) -> np.ndarray:
    """A section whose cracks lie between the Voronoi cells of a Poisson process."""
    margin = 3 * pitch
    points = rng.random((rng.poisson(((size + 2 * margin) / pitch) ** 2), 2)) * (size + 2 * margin) - margin
    distances, _ = cKDTree(points).query(np.indices((size, size)).reshape(2, -1).T, k=2)
    return np.where(distances[:, 1] - distances[:, 0] < 3, CRACK, SOLID).reshape(size, size).astype(np.uint8)


@pytest.mark.slow
def test_intervals_of_the_mean_size_hold_as_often_as_they_say() -> None:
    from scipy.stats import binom

    rng = np.random.default_rng(77)
    large = find_islets(cells_of_points(900, 14, rng), (1, 1), least_size=4)
    truth = np.average(large.sizes, weights=large.weights)
    misses = []
    for _ in range(50):
        found = find_islets(cells_of_points(200, 14, rng), (1, 1), least_size=4)
        sampling = sampling_of_places(found.sizes, found.weights, found.places)
        if isinstance(sampling, Sampling):
            mean = np.average(found.sizes, weights=found.weights)
            misses.append(abs(mean - truth) / sampling.uncertainty)
    assert len(misses) >= 40
    for sigmas, share in ((1, 0.683), (1.96, 0.95)):
        assert sum(miss <= sigmas for miss in misses) >= binom.ppf(1e-3, len(misses), share)


def test_the_mean_size_has_a_sampling_part_where_there_are_islets_enough(compute: Compute) -> None:
    many = electrode(cells_of_points(280, 16, np.random.default_rng(3)) == CRACK, height=8)
    found = scalar(compute("islet_size", many, phases=NAMES, spacing=(0.5, 0.5, 0.5)))
    assert found.sampling is not None
    assert 0.01 < found.sampling / found.value < 0.08
    count, edges = found.companions["sub_volumes"].split(" of ")
    assert int(count) >= 27
    # at least two islets, 8 um apart
    assert np.prod([float(edge) for edge in edges.removesuffix(" um").split(" x ")]) >= 128
    assert not [flag for flag in found.flags if flag.startswith("not_rve")]
    # whose intervals do not hold
    assert scalar(compute("islet_size", many, phases=NAMES, weighting="area")).sampling is None
    few = scalar(compute("islet_size", electrode(network(6, 40, 3.0, jitter=0.2), height=8), phases=NAMES))
    assert few.sampling is None
    assert [flag for flag in few.flags if "window too small for a representative value" in flag]


def test_the_mean_size_does_not_depend_on_the_blocks(compute: Compute) -> None:
    labels = electrode(cells_of_points(240, 14, np.random.default_rng(4)) == CRACK, height=8)
    assert compute("islet_size", labels, phases=NAMES, cuts=[3, 7, 11]) == compute(
        "islet_size", labels, phases=NAMES
    )


def test_places_are_shares_of_the_section() -> None:
    section = np.full((41, 81), SOLID, np.uint8)
    section[::20] = section[:, ::20] = CRACK
    found = find_islets(section, (1.0, 1.0))
    expected = [[(y + 0.5) / 41, (x + 0.5) / 81] for y in (10, 30) for x in (10, 30, 50, 70)]
    np.testing.assert_allclose(found.places, expected)
