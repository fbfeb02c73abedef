"""Thickness by cell of a lattice: each voxel of the map in its cell, however the volume is cut."""

from __future__ import annotations

import functools
import itertools
import operator

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from siltomo.errors import BadInputError
from siltomo.kernels import Lattice, ThicknessCounts, local_thickness, slab_thickness_counts, thickness_counts
from siltomo.kernels._cell_table import LEVELS_OF_DOUBLING, level_of
from siltomo.kernels.thickness_cells import ThicknessCells

conventions = st.sampled_from(["open_ball", "closed_ball", "fiji"])


def medium(shape: tuple[int, int, int], sigma: float = 2, share: float = 0.3) -> np.ndarray:
    noise = scipy.ndimage.gaussian_filter(np.random.default_rng(3).standard_normal(shape), sigma)
    return noise > np.quantile(noise, 1 - share)


def of_slabs(volume: np.ndarray, edges: list[int], **options: object) -> ThicknessCounts:
    parts = [
        slab_thickness_counts(
            lambda a, b: volume[a:b], a, b, len(volume), cells=Lattice(volume.shape), **options
        )
        for a, b in itertools.pairwise(edges)
    ]
    return functools.reduce(operator.add, parts)


def cells_of(counts: ThicknessCounts) -> ThicknessCells:
    assert counts.cells is not None
    return counts.cells


def number_of_cell(lattice: Lattice) -> np.ndarray:
    """Number the cell of each voxel; what lies behind the last one belongs to it."""
    places = [
        np.minimum(np.arange(n) // edge, cells - 1)
        for n, edge, cells in zip(lattice.shape, lattice.edges, lattice.cells, strict=True)
    ]
    return np.ravel_multi_index(np.ix_(*places), lattice.cells)


@pytest.mark.parametrize("convention", ["open_ball", "closed_ball", "fiji"])
@pytest.mark.parametrize("shape", [(20, 33, 150), (9, 17, 65), (17, 130, 300), (40, 9, 1100), (1, 9, 30)])
def test_cells_hold_the_voxels_of_the_map(shape: tuple[int, int, int], convention: str) -> None:
    volume, spacing = medium(shape), (0.5, 0.5, 0.5)
    lattice = Lattice(shape)
    widths = local_thickness(volume, spacing, convention=convention)  # type: ignore[arg-type]
    found = of_slabs(volume, [0, len(volume)], spacing=spacing, convention=convention, halo=4)
    cells = cells_of(found)
    where = number_of_cell(lattice)[volume]
    size = int(np.prod(lattice.cells))
    np.testing.assert_array_equal(cells.voxels.ravel(), np.bincount(where, minlength=size))
    sums = np.bincount(where, widths[volume], minlength=size)
    # each diameter is rounded to a 1024th of an edge
    np.testing.assert_allclose(cells.widths.ravel() * cells.unit, sums, rtol=2e-3, atol=1e-9)
    assert cells.widths.sum() * cells.unit / found.total == pytest.approx(found.mean(), rel=1e-3)


@given(
    hnp.arrays(
        np.bool_, st.tuples(st.integers(1, 24), st.integers(1, 20), st.integers(1, 20)), fill=st.just(True)
    ),
    conventions,
    st.sampled_from([(1, 1, 1), (1, 2, 3)]),
    st.integers(0, 6),
    st.sampled_from([1, 2]),
    st.data(),
)
@settings(max_examples=40, deadline=None)
def test_cells_do_not_depend_on_cuts_and_threads(
    volume: np.ndarray,
    convention: str,
    spacing: tuple[int, int, int],
    halo: int,
    threads: int,
    data: st.DataObject,
) -> None:
    volume.flat[data.draw(st.integers(0, volume.size - 1))] = False
    inner = data.draw(st.sets(st.integers(1, len(volume))))
    options = {"convention": convention, "spacing": spacing, "halo": halo}
    whole = of_slabs(volume, [0, len(volume)], threads=1, **options)
    slabs = of_slabs(volume, sorted({0, len(volume)} | inner), threads=threads, **options)
    one, other = cells_of(whole), cells_of(slabs)
    for name in ("levels", "counts", "widths"):
        np.testing.assert_array_equal(getattr(other, name), getattr(one, name))
    assert other.unit == one.unit
    plain = thickness_counts(volume, spacing, convention=convention)  # type: ignore[arg-type]
    np.testing.assert_array_equal(whole.squared_radii, plain.squared_radii)
    np.testing.assert_array_equal(whole.counts, plain.counts)
    assert one.voxels.sum() == volume.sum()


@given(st.integers(1, 2**45))
def test_levels_part_doublings_evenly(square: int) -> None:
    level = level_of(square)
    octave, part = divmod(level, LEVELS_OF_DOUBLING)
    low = (LEVELS_OF_DOUBLING + part) << octave
    assert low <= LEVELS_OF_DOUBLING * square < low + (1 << octave)


def test_the_thinnest_voxels_are_a_share_of_all() -> None:
    volume = medium((40, 60, 70), share=0.4)
    cells = cells_of(of_slabs(volume, [0, 13, 40]))
    for share in (0.0, 0.3, 0.5, 1.0):
        assert cells.thinner(share).sum() == pytest.approx(share * volume.sum())
    np.testing.assert_allclose(cells.thinner(1.0), cells.voxels)
    # up to the end of a level the count is that of the map
    end = int(cells.counts[..., :5].sum())
    np.testing.assert_allclose(
        cells.thinner(end / volume.sum()), cells.counts[..., :5].sum(axis=-1), atol=1e-6
    )
    with pytest.raises(BadInputError, match="between 0 and 1"):
        cells.thinner(1.5)


def test_counts_without_cells_have_none_together() -> None:
    volume = medium((20, 20, 20))
    plain = thickness_counts(volume)
    assert plain.cells is None
    assert (plain + of_slabs(volume, [0, 20])).cells is None


def test_a_slab_without_the_phase_has_empty_cells() -> None:
    volume = np.zeros((30, 20, 20), np.bool_)
    volume[20:25, 3:9, 3:9] = True
    empty = slab_thickness_counts(lambda a, b: volume[a:b], 0, 10, 30, cells=Lattice(volume.shape), halo=1)
    assert cells_of(empty).voxels.sum() == 0
    assert cells_of(of_slabs(volume, [0, 10, 30])).voxels.sum() == 5 * 6 * 6


def test_what_does_not_fit_is_refused() -> None:
    volume = medium((20, 20, 20))
    with pytest.raises(BadInputError, match="cells of"):
        slab_thickness_counts(lambda a, b: volume[a:b], 0, 20, 20, cells=Lattice((20, 20, 21)))
    with pytest.raises(BadInputError, match="cells of"):
        slab_thickness_counts(
            lambda a, b: volume[a:b], 0, 20, 20, cells=Lattice(volume.shape), bins=np.zeros(20, np.int64)
        )
    one = cells_of(of_slabs(volume, [0, 20]))
    with pytest.raises(BadInputError, match="do not add"):
        one + ThicknessCells(one.levels, one.counts, one.widths, 2 * one.unit)
