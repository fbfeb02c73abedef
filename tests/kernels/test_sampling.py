"""Cells of a lattice: the same tiles as the histogram, each in its place, however the volume is cut."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from siltomo.errors import BadInputError
from siltomo.kernels import label_configurations, phase_volume, surface_area
from siltomo.kernels.sampling import Lattice, cell_configurations

SPACING = (0.3, 0.2, 0.2)


def by_definition(labels: np.ndarray, outside: int | None) -> tuple[np.ndarray, ...]:
    """Histogram of each cell, from the tiles cut out of the volume."""
    lattice = Lattice(labels.shape)  # type: ignore[arg-type]
    histograms = np.zeros((*lattice.cells, 256), np.int64)
    for cell in np.ndindex(*lattice.cells):
        box = tuple(
            slice(n * e, min(size, (n + 1) * e + 1))
            for n, e, size in zip(cell, lattice.edges, labels.shape, strict=True)
        )
        histograms[cell] = label_configurations(labels[box], [1], outside=outside)[0]
    tiles = histograms.sum(axis=-1)
    flat = histograms.reshape(-1, 256)
    volumes = np.array([phase_volume(h, (1, 1, 1)) * 8 for h in flat]).reshape(lattice.cells)
    areas = np.array([surface_area(h, SPACING) for h in flat]).reshape(lattice.cells)
    return histograms.sum(axis=(0, 1, 2)), tiles, volumes, areas


@pytest.mark.parametrize("outside", [None, 3])
@pytest.mark.parametrize("shape", [(20, 33, 150), (9, 10, 70), (17, 260, 65), (2, 2, 600), (3, 9, 9)])
def test_cells_hold_their_own_tiles(shape: tuple[int, int, int], outside: int | None) -> None:
    labels = np.random.default_rng(5).choice([0, 1, 2, 3], shape, p=[0.3, 0.6, 0.05, 0.05]).astype(np.uint8)
    labels[:, :5] = 1
    found = cell_configurations(labels, 1, SPACING, Lattice(shape), outside=outside, threads=1)
    histogram, tiles, eighths, areas = by_definition(labels, outside)
    assert found.voxels == np.count_nonzero(labels == 1)
    assert found.outside == (0 if outside is None else np.count_nonzero(labels == outside))
    np.testing.assert_array_equal(found.histogram, histogram)
    np.testing.assert_array_equal(found.tiles, tiles)
    np.testing.assert_array_equal(found.eighths, eighths)
    np.testing.assert_allclose(found.units * found.unit, areas, rtol=1e-5)


def test_a_plane_of_labels_has_no_tile() -> None:
    for shape in ((1, 9, 9), (9, 1, 9), (9, 9, 1)):
        found = cell_configurations(np.ones(shape, np.uint8), 1, SPACING, Lattice(shape))
        assert found.tiles.sum() == found.histogram.sum() == 0
        assert found.voxels == 81


def test_planes_beyond_the_lattice_are_refused() -> None:
    with pytest.raises(BadInputError, match="planes 5 on"):
        cell_configurations(np.ones((3, 9, 9), np.uint8), 1, SPACING, Lattice((7, 9, 9)), start=5)


@pytest.mark.parametrize("size", [2, 9, 257, 258, 513, 4096])
def test_a_lattice_covers_its_volume_with_few_cells(size: int) -> None:
    lattice = Lattice((size, size, size))
    (edge, _, _), (cells, _, _) = lattice.edges, lattice.cells
    assert cells <= 16
    assert cells * edge >= size - 1 > (cells - 1) * edge


@given(
    arrays(
        np.uint16,
        st.tuples(st.integers(3, 30), st.integers(2, 12), st.integers(2, 20)),
        elements=st.integers(0, 3),
    ),
    st.lists(st.integers(1, 29), max_size=4),
    st.integers(1, 3),
)
@settings(max_examples=30, deadline=None)
def test_cells_do_not_depend_on_cuts_and_threads(labels: np.ndarray, cuts: list[int], threads: int) -> None:
    lattice = Lattice(labels.shape)  # type: ignore[arg-type]
    whole = cell_configurations(labels, (1, 2), SPACING, lattice, outside=3, threads=threads)
    edges = [0, *sorted({cut for cut in cuts if cut < len(labels) - 1}), len(labels) - 1]
    parts = [
        cell_configurations(
            labels[a : b + 1],
            (1, 2),
            SPACING,
            lattice,
            start=a,
            shared=b < len(labels) - 1,
            outside=3,
            threads=1,
        )
        for a, b in pairwise(edges)
    ]
    total = parts[0]
    for part in parts[1:]:
        total += part
    assert total == whole
    assert (total.voxels, total.outside) == (np.isin(labels, (1, 2)).sum(), (labels == 3).sum())
    assert total.histogram.tolist() == label_configurations(labels, [(1, 2)], outside=3)[0].tolist()
