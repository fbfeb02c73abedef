"""One law: labels do not depend on the blocks that they are computed in."""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import ndimage

from siltomo.segmentation import (
    Background,
    Close,
    Combine,
    Dilate,
    Erode,
    Fill,
    Gaussian,
    Label,
    Mask,
    Match,
    Median,
    Open,
    Recipe,
    RemoveSmall,
    Rings,
    Select,
    Threshold,
)
from siltomo.segmentation.execute import Work
from siltomo.segmentation.operations import Linear
from siltomo.segmentation.pieces import change_pieces
from siltomo.segmentation.scratch import Slabs

Make = Callable[..., Any]
ENDS = (Threshold(method="values", values=(30500.0,)), Label(phases={1: "crack", 2: "solid"}))
SELECTED = (Threshold(method="values", values=(31000.0,)), Select(classes=1))
GREY = [
    Median(size="3 voxel"),
    Median(size="1.2 um"),
    Gaussian(sigma="1.3 voxel"),
    Gaussian(sigma="0.8 um"),
    Background(window="12 voxel"),
    Rings(width="5 voxel"),
    Mask(cylinder=0.9),
    Mask(not_values=(30000.0, 31000.0)),
]
CLASSES = [
    Erode(radius="1 voxel"),
    Dilate(radius="1.5 voxel"),
    Open(radius="0.9 um"),
    Close(radius="2 voxel"),
    RemoveSmall(size="20 voxel"),
    RemoveSmall(size="5 um^3", connectivity=6),
    Fill(),
    Fill(size="30 voxel", connectivity=26),
]
SPACING = (0.8, 0.5, 0.4)


@pytest.fixture(scope="module", params=[np.uint8, np.uint16, np.float32])
def volume(request: pytest.FixtureRequest, blobs: Make, greys: Make) -> np.ndarray:
    return greys(blobs(0.3, shape=(37, 26, 31), size=2), 0.3, dtype=request.param)


@pytest.mark.parametrize("step", GREY, ids=lambda step: step.word)
@pytest.mark.parametrize("planes", [1, 5, 16])
def test_greys(step: Any, planes: int, volume: np.ndarray, source: Make) -> None:
    work = Work(Recipe(name="r", steps=(step, step.model_copy(), *ENDS)), source(volume, spacing=SPACING))
    whole = work.planes(1, 0, 37)
    for start in range(0, 37, planes):
        part = work.planes(1, start, min(start + planes, 37))
        assert np.array_equal(part.values, whole.values[start : start + planes])
        if whole.inside is not None:
            assert part.inside is not None
            assert np.array_equal(part.inside, whole.inside[start : start + planes])


@pytest.mark.parametrize("step", CLASSES, ids=lambda step: step.word)
def test_classes(step: Any, blobs: Make, greys: Make, learnt: Make, labels: Make) -> None:
    volume = greys(blobs(0.3, shape=(70, 26, 31), size=2), 0.4)
    recipe = Recipe(
        name="r", steps=(Mask(cylinder=0.95), *SELECTED, step, Label(phases={1: "crack", 2: "solid"}))
    )
    answers = []
    for memory in (1 << 28, 600_000):  # the second makes slabs of few planes
        (one,) = learnt(recipe, volume, spacing=SPACING, memory=memory)
        answers += [labels(one, planes) for planes in (1000, 1, 7, 32)]
    assert all(np.array_equal(answers[0], other) for other in answers[1:])
    assert {1, 2} <= set(np.unique(answers[0]))


def test_a_long_recipe(blobs: Make, greys: Make, learnt: Make, labels: Make) -> None:
    volume = greys(blobs(0.2, shape=(50, 40, 36), size=3), 0.2)
    steps = (
        Mask(cylinder=1.0),
        Median(size="3 voxel"),
        Gaussian(sigma="0.4 um"),
        Threshold(named="phases"),
        Select(classes=1),
        Open(radius="1 voxel"),
        RemoveSmall(size="40 voxel"),
        Fill(named="crack"),
        Select(of="phases", classes=2, named="solid"),
        Combine(phases={"crack": "crack", "solid": "solid", "pore": "rest"}),
    )
    found = []
    for memory in (1 << 28, 1_500_000):
        (one,) = learnt(Recipe(name="r", steps=steps), volume, memory=memory)
        found += [labels(one, planes) for planes in (1000, 1, 13)]
    assert all(np.array_equal(found[0], other) for other in found[1:])


@given(
    st.integers(0, 2**32 - 1),
    st.sets(st.integers(1, 11), max_size=4),
    st.sampled_from([6, 18, 26]),
    st.floats(0.2, 0.8),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_pieces_are_those_of_scipy(
    seed: int, cuts: set[int], connectivity: Any, share: float, fill: bool
) -> None:
    codes = np.where(np.random.default_rng(seed).random((12, 6, 7)) < share, 1, 2).astype(np.uint8)
    depth = min([*cuts, 12])
    step = Fill(connectivity=connectivity) if fill else RemoveSmall(size="5 voxel", connectivity=connectivity)
    with tempfile.TemporaryDirectory() as folder:
        taken, given_ = (Slabs(Path(folder) / name, codes.shape, depth) for name in ("taken", "given"))
        for start, stop in taken.ranges:
            taken.write(start, codes[start:stop])
        change_pieces(step, taken, given_, (1, 1, 1), lambda: None)
        assert np.array_equal(given_.read(0, 12), by_scipy(codes, step, connectivity))


def by_scipy(codes: np.ndarray, step: Any, connectivity: int) -> np.ndarray:
    value = 2 if isinstance(step, Fill) else 1
    reach = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    pieces, count = ndimage.label(codes == value, reach)
    sizes = np.bincount(pieces.ravel(), minlength=count + 1)
    border = set(np.unique(pieces)) - set(np.unique(pieces[1:-1, 1:-1, 1:-1]))
    for axis in range(3):
        for end in (0, -1):
            border |= set(np.unique(pieces.take(end, axis)))
    expected = codes.copy()
    for piece in range(1, count + 1):
        change = piece not in border if isinstance(step, Fill) else sizes[piece] < 5
        if change:
            expected[pieces == piece] = 3 - value
    return expected


def test_holes_that_touch_the_outside_are_none(tmp_path: Any) -> None:
    codes = np.ones((5, 7, 7), np.uint8)
    codes[2, 2, 2] = codes[2, 4, 4] = 2
    codes[2, 4, 5] = 0
    taken, given_ = (Slabs(tmp_path / name, codes.shape, 2) for name in ("taken", "given"))
    for start, stop in taken.ranges:
        taken.write(start, codes[start:stop])
    change_pieces(Fill(), taken, given_, (1, 1, 1), lambda: None)
    assert (given_.read(2, 3)[0, 2, 2], given_.read(2, 3)[0, 4, 4], given_.read(2, 3)[0, 4, 5]) == (1, 2, 0)


def ball(radius: float) -> np.ndarray:
    reach = int(radius)
    grid = np.indices((2 * reach + 1,) * 3) - reach
    return (grid**2).sum(axis=0) <= radius**2


@pytest.mark.parametrize("radius", [1, 1.5, 2, 3])
def test_morphology_is_that_of_scipy(radius: float, blobs: Make, source: Make) -> None:
    mask = blobs(0.4, shape=(24, 22, 26), size=1.5)
    work_on = np.where(mask, 1, 2).astype(np.uint8)
    for step, brute in (
        (Erode(radius=f"{radius} voxel"), lambda m: ndimage.binary_erosion(m, ball(radius), border_value=1)),
        (Dilate(radius=f"{radius} voxel"), lambda m: ndimage.binary_dilation(m, ball(radius))),
    ):
        recipe = Recipe(
            name="r",
            steps=(Threshold(method="values", values=(1.5,)), step, Label(phases={1: "crack", 2: "solid"})),
        )
        found = Work(recipe, source(work_on)).planes(1, 0, 24).values
        assert np.array_equal(found == 1, brute(mask))


def test_a_median_is_that_of_scipy_and_a_gaussian_too(volume: np.ndarray, source: Make) -> None:
    work = Work(Recipe(name="r", steps=(Median(size="3 voxel"), *ENDS)), source(volume))
    assert np.array_equal(work.planes(0, 0, 37).values, ndimage.median_filter(volume, 3))
    work = Work(Recipe(name="r", steps=(Gaussian(sigma="0.6 um"), *ENDS)), source(volume, spacing=SPACING))
    brute = ndimage.gaussian_filter(volume.astype(np.float64), (0.75, 1.2, 1.5))
    assert work.planes(0, 0, 37).values == pytest.approx(brute, rel=1e-5)


def test_background_and_rings_are_taken_away(source: Make) -> None:
    rng = np.random.default_rng(0)
    y, x = np.indices((90, 90)) - 44.5
    radius = np.hypot(y, x)
    flat = 30000 + rng.normal(0, 20, (3, 90, 90))
    rings = flat + 800 * (np.abs(radius - 25) < 1)
    cupped = flat + 0.6 * radius**2
    work = Work(Recipe(name="r", steps=(Rings(width="9 voxel"), *ENDS)), source(rings.astype(np.uint16)))
    cleaned = work.planes(0, 0, 3).values
    assert cleaned[:, np.abs(radius - 25) < 0.5].mean() - cleaned[:, np.abs(radius - 35) < 4].mean() < 100
    work = Work(
        Recipe(name="r", steps=(Background(window="15 voxel"), *ENDS)), source(cupped.astype(np.uint16))
    )
    level = work.planes(0, 0, 3).values
    inner, outer = level[:, radius < 10].mean(), level[:, (radius > 30) & (radius < 36)].mean()
    assert abs(inner - outer) < 10 < 0.1 * (cupped[:, radius > 30].mean() - cupped[:, radius < 10].mean())


def test_a_match_undoes_another_window(blobs: Make, greys: Make, learnt: Make) -> None:
    mask = blobs(0.3)
    one = greys(mask, 0.1)
    other = (one.astype(float) * 0.5 + 7000).astype(np.uint16)
    steps = (Match(), Threshold(scope="series"), Label(phases={1: "crack", 2: "solid"}))
    first, second = learnt(Recipe(name="r", steps=steps), one, other)
    fact = second.work.facts[0]
    assert isinstance(fact, Linear)
    assert (fact.gain, fact.offset) == (pytest.approx(2, rel=1e-3), pytest.approx(-14000, rel=2e-3))
    assert first.work.facts[0] == Linear(pytest.approx(1), pytest.approx(0, abs=1e-6))
    assert all(v.trust == "good" for v in second.partings[0].verdicts), second.partings[0].verdicts


def test_voxels_that_are_no_number_are_outside(blobs: Make, greys: Make, learnt: Make, labels: Make) -> None:
    volume = greys(blobs(0.3, shape=(20, 20, 20), size=3), 0.1, dtype=np.float32)
    volume[3, 4, 5] = np.nan
    volume[:, 0] = np.inf
    (one,) = learnt(Recipe(name="r", steps=(Threshold(), Label(phases={1: "crack", 2: "solid"}))), volume)
    assert np.array_equal(labels(one) == 0, ~np.isfinite(volume))


def test_another_segmentation_masks(blobs: Make, greys: Make, source: Make) -> None:
    mask = blobs(0.3, shape=(20, 20, 20), size=3)
    steps = (Mask(segmentation="other", phase=("electrode",)), *ENDS)
    one = source(greys(mask, 0.1), masks={0: lambda a, b: mask[a:b]})
    found = Work(Recipe(name="r", steps=steps), one).planes(2, 0, 20).values
    assert np.array_equal(found == 0, ~mask)


def test_the_memory_bound_holds(source: Make) -> None:
    import tracemalloc

    volume = np.random.default_rng(0).integers(0, 60000, (64, 128, 128)).astype(np.uint16)
    steps = (Median(size="3 voxel"), Gaussian(sigma="1 voxel"), *SELECTED, Open(radius="2 voxel"))
    recipe = Recipe(name="r", steps=(*steps, Label(phases={1: "crack", 2: "solid"})))
    work = Work(recipe, source(volume))
    for planes in (8, 32):
        work.planes(5, 0, planes)  # compile
        tracemalloc.start()
        work.planes(5, 16, 16 + planes)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak <= work.block_bytes(5, planes) * 1.02
    assert [work.block_planes(5, work.block_bytes(5, n)) for n in (1, 16, 64)] == [1, 16, 64]
    assert work.block_planes(5, 1000) == 0
