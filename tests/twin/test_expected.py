"""Closed forms of the twin against plain geometry, and against its own voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from siltomo.kernels import configuration_histogram, surface_area
from siltomo.twin import Preset, Twin
from siltomo.twin._network import cell_sides
from siltomo.twin.expected import (
    _cut,
    _shrunk_area,
    closed,
    expansion_truth,
    gas_laws,
    islet_sizes,
    porosity_truth,
    surface_ratios,
)
from siltomo.twin.micro import _WIDTHS, JITTER
from siltomo.twin.nano import PORE, SEI, NanoBody, NanoVolume
from siltomo.twin.truth import truth

TINY = Preset("tiny", 0.5, 40.0, None, 2.0, 60.0, 120.0, 0.05, 4.0, 2.0, 1)


@pytest.mark.parametrize(("half_width", "area"), [(0.0, 100.0), (1.0, 64.0), (5.0, 0.0), (9.0, 0.0)])
def test_a_square_shrinks_from_all_sides(half_width, area):
    square = np.array([[0.0, 0.0, 1.0], [10.0, 0.0, 1.0], [10.0, 10.0, 1.0], [0.0, 10.0, 1.0]])
    assert _shrunk_area(square, half_width) == pytest.approx(area, abs=1e-9)


def test_sides_move_by_their_own_width():
    square = np.array([[0.0, 0.0, 1.0], [10.0, 0.0, 0.0], [10.0, 10.0, 2.0], [0.0, 10.0, 0.0]])
    assert _shrunk_area(square, 1.0) == pytest.approx(10 * 7)
    assert _cut([(0.0, 0.0), (2.0, 0.0), (0.0, 2.0)], 1.0, 0.0, 1.0) == [(0, 0), (1, 0), (1, 1), (0, 2)]


def test_cells_tile_the_plane_and_share_the_width_of_their_edges():
    sides, count, total = np.empty((40, 3)), 12, 0.0
    factors: dict[tuple[float, float], list[float]] = {}
    for i in range(count):
        for j in range(count):
            n = cell_sides(3, 1, i, j, 10.0, JITTER, _WIDTHS, sides)
            x, y = sides[:n, 0], sides[:n, 1]
            total += 0.5 * abs(x @ np.roll(y, -1) - y @ np.roll(x, -1))
            for a in range(n):
                b = (a + 1) % n
                middle = tuple(np.round((sides[a, :2] + sides[b, :2]) / 2, 6))
                factors.setdefault(middle, []).append(float(sides[a, 2]))
    assert total == pytest.approx((10.0 * count) ** 2, rel=0.02)
    shared = [pair for pair in factors.values() if len(pair) == 2]
    assert len(shared) > 2 * count**2
    assert all(one == other for one, other in shared)


def test_islets_are_what_the_cracks_leave_of_a_closed_network():
    twin = Twin(1, "with-zn", TINY)
    body = closed(twin.micro(twin.at("zn-c1"))).body
    sizes = islet_sizes(body, 800.0)
    assert len(sizes) == 400
    cracks = 1 - float(np.mean(sizes**2)) / 40**2
    # the strips of a square lattice: 2 w / L - w^2 / L^2
    w = body.cracks[0].width_um / 40
    assert cracks == pytest.approx(2 * w - w * w, rel=0.05)


@pytest.mark.parametrize("coverage", [0.0, 0.5, 1.0])
def test_surfaces_of_shells_and_pores_are_those_of_their_voxels(coverage):
    body = NanoBody(5, 0.12, 0.15, coverage, 0.25, 0.0)
    labels = NanoVolume(0.02, (200, 200, 200), body).labels()
    ratios, shares = surface_ratios(body), body.fractions()
    assert ("sei" in ratios) == (coverage > 0)
    # per volume of the islet: in 4 um the share of a phase is a tenth off, and with it the ratio
    for phase, value in {"pore": PORE, "sei": SEI}.items():
        if phase in ratios:
            area = surface_area(configuration_histogram(labels == value), (0.02,) * 3)
            assert area / 4.0**3 == pytest.approx(ratios[phase] * shares[phase], rel=0.06)


def test_the_equations_are_those_of_the_paper():
    """Eq. 4 and 5: 0.43 and 0.32 cm^3 of gas are 1.03 and 0.77 mAh, and 0.67 and 0.50 mm^3 of carbonate."""
    for name, gas, charge, solid in (("reference", 0.43, 1.03, 0.67), ("with-zn", 0.32, 0.77, 0.50)):
        twin = Twin(1, name, TINY)
        moment = twin.at(twin.cells[0].id, cycle=1, half="lithiation", capacity=119.25)
        told = {one.metric: one.value for one in gas_laws(twin, moment)}
        assert told["gas_volume_per_si_mass"] == gas
        assert round(told["gas_charge"], 2) == charge
        assert round(told["sei_volume_from_gas"], 2) == solid


def test_derived_truths_follow_from_the_geometry():
    twin = Twin(2, "reference", TINY)
    aged, end = twin.at("ref-c1"), twin.at("ref-operando", cycle=1)
    cracks = {one.metric: one.value for one in truth(twin, aged)}["crack_volume_fraction"]
    told = {one.metric: one.value for one in porosity_truth(twin, aged)}
    both = told["electrode_porosity"] - told["electrode_porosity_nested"]
    assert both == pytest.approx(cracks * 0.18, rel=1e-6)
    assert told["sei_volume_per_si_mass"] == pytest.approx(1.19, rel=1e-6)
    grown = {one.metric: one.value for one in expansion_truth(twin, end)}
    assert grown["electrode_thickness_expansion"] == pytest.approx(0.42, abs=0.02)
    assert math.isclose(
        grown["normalized_thickness_expansion"] / grown["electrode_thickness_expansion"], 3579 / 2238
    )
