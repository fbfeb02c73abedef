"""What the twin shows is what its laws say: thickness, cracks that open and stay, phases in their fractions."""

from __future__ import annotations

import numpy as np
import pytest

from siltomo.twin import Preset, Twin
from siltomo.twin._network import COLUMNS, edges_in
from siltomo.twin._points import lognormal_table, points_in
from siltomo.twin.micro import COLLECTOR, CRACK, CRACK_GAS, GRAPHENE, SOLID, MicroBody, MicroVolume
from siltomo.twin.nano import NANO_PHASES
from siltomo.twin.recipes import INKS

TINY = Preset("tiny", 0.5, 60.0, None, 4.0, 100.0, 120.0, 0.1, 12.0, 2.0, 2)


def strip_box(labels: np.ndarray) -> np.ndarray:
    return np.isin(labels, (CRACK, CRACK_GAS))


@pytest.mark.parametrize(
    ("id_", "si", "density", "binder"), [("reference", 0.734, 2.178, 0.128), ("with-zn", 0.699, 2.22, 0.148)]
)
def test_the_ink_follows_from_what_was_weighed(id_, si, density, binder):
    ink = INKS[id_]
    assert ink.si_fraction == pytest.approx(si, abs=5e-4)
    assert ink.true_density == pytest.approx(density, abs=3e-3)
    assert ink.binder_volume == pytest.approx(binder, abs=1e-3)
    assert sum(ink.fractions.values()) == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("formulation", INKS)
def test_the_printed_expansions_are_exact(formulation):
    twin = Twin(1, formulation)
    cell = twin.cells[0].id
    ends = {
        (1, "lithiation"): (1.03, 0.97),
        (1, "delithiation"): (0.42, 0.25),
        (3, "lithiation"): (1.11, 1.08),
    }
    for (cycle, half), pair in ends.items():
        moment = twin.at(cell, cycle=cycle, half=half)
        assert twin.expansion(moment) == pytest.approx(pair[formulation == "with-zn"], abs=1e-12)
    start = twin.at(cell, cycle=3, half="lithiation", capacity=0)
    assert twin.expansion(start) == pytest.approx((0.55, 0.42)[formulation == "with-zn"], abs=1e-12)
    grown = {
        c: twin.thickness_um(twin.at(twin.cells[i].id)) - twin.law.initial_thickness_um
        for i, c in ((2, 1), (3, 5), (4, 25))
    }
    printed = {1: (17, 10), 5: (27.8, 16), 25: (42, 35)}
    assert grown == pytest.approx(
        {c: pair[formulation == "with-zn"] for c, pair in printed.items()}, abs=1e-9
    )


def test_the_electrode_is_as_thick_as_the_law_says():
    twin = Twin(5, "reference", TINY)
    for moment in (twin.at("ref-c0"), twin.at("ref-c25")):
        labels = twin.micro(moment).labels()
        inside = np.isin(labels, (CRACK, CRACK_GAS, SOLID, GRAPHENE)).sum(0) * 0.5
        # the collector is rough by 0.5 um and the top by 2 %, over lengths that the field of view does not average
        assert inside.mean() == pytest.approx(twin.thickness_um(moment), rel=0.021)
        assert (labels == COLLECTOR).any(axis=0).all()


def test_cracks_open_on_contraction_keep_their_place_and_never_swap():
    twin = Twin(2, "reference", TINY)
    cell = "ref-operando"
    assert not strip_box(twin.micro(twin.at(cell, cycle=1, half="lithiation")).labels()).any()
    before: set[int] = set()
    shares = []
    for capacity in (900.0, 1100.0, 1600.0, 2238.0):
        moment = twin.at(cell, cycle=1, half="delithiation", capacity=capacity)
        volume = twin.micro(moment)
        tracks = volume.tracks()
        np.testing.assert_array_equal(tracks > 0, strip_box(volume.labels()))
        region = np.array([-2.0, -2.0, 62.0, 62.0])
        now = set(volume.body.pieces(region)[1])
        assert before <= now
        assert set(np.unique(tracks)) - {0} <= now
        before = now
        shares.append((tracks > 0).mean())
    assert shares[0] == 0
    assert shares == sorted(shares)
    assert shares[-1] > 0.05


def test_an_edge_is_one_wavy_line():
    pieces, ids = np.empty((4000, COLUMNS)), np.empty(4000, np.uint64)
    n = edges_in(9, 1, 30.0, 0.6, np.array([0.0, 0.0, 90.0, 90.0]), np.ones(1), pieces, ids)
    chosen = np.unique(ids[:n])[0]
    own = pieces[:n][ids[:n] == chosen]
    length = np.hypot(own[:, 2] - own[:, 0], own[:, 3] - own[:, 1]).sum()
    assert own[0, 6] <= length <= 1.1 * own[0, 6]
    assert len(own) == 4
    np.testing.assert_allclose(own[1:, :2], own[:-1, 2:4], atol=1e-12)


def test_a_region_has_the_same_edges_in_any_larger_region():
    widths = lognormal_table(0.3)
    found = []
    for box in ([40.0, 40.0, 60.0, 60.0], [0.0, 0.0, 120.0, 120.0]):
        pieces, ids = np.empty((9000, COLUMNS)), np.empty(9000, np.uint64)
        n = edges_in(9, 1, 20.0, 0.6, np.array(box), widths, pieces, ids)
        assert n <= 9000
        found.append({tuple(row) for row in pieces[:n]})
    assert found[0] < found[1]


def test_edges_are_those_of_the_voronoi_diagram():
    """A point on an edge is as near to two sites, and no site is nearer."""
    from siltomo.twin._network import _site

    pieces, ids = np.empty((9000, COLUMNS)), np.empty(9000, np.uint64)
    n = edges_in(9, 1, 20.0, 0.6, np.array([0.0, 0.0, 60.0, 60.0]), np.ones(1), pieces, ids)
    sites = np.array([_site(9, 1, i, j, 20.0, 0.6) for i in range(-9, 13) for j in range(-9, 13)])
    ends = pieces[:n].reshape(-1, 4, COLUMNS)
    for a, b in zip(ends[:, 0, :2], ends[:, 3, 2:4], strict=True):
        for t in (0.1, 0.5, 0.9):
            distances = np.sort(np.hypot(*(sites - (a + t * (b - a))).T))
            assert distances[1] == pytest.approx(distances[0], abs=1e-9)


def test_points_are_poisson():
    box = np.array([[0.0, 0.0, 0.0], [60.0, 60.0, 60.0]])
    at, ids = points_in(4, 5, box, density=0.05, edge=3.0)
    inside = ((at[:, :3] >= 0) & (at[:, :3] < 60)).all(axis=1)
    n = inside.sum()
    assert n == pytest.approx(0.05 * 60**3, abs=4 * np.sqrt(0.05 * 60**3))
    cells = np.histogramdd(at[inside, :3], bins=(np.arange(0, 61, 6),) * 3)[0]
    assert cells.var() / cells.mean() == pytest.approx(1, abs=0.2)
    assert len(np.unique(ids)) == len(ids)
    assert at[:, 3:].mean() == pytest.approx(0.5, abs=0.01)


@pytest.mark.parametrize("formulation", INKS)
def test_the_islet_holds_its_phases_in_their_fractions(formulation):
    twin = Twin(1, formulation, TINY)
    for cycle in (0, 1, 25):
        moment = twin.at(twin.cells[{0: 1, 1: 2, 25: 4}[cycle]].id)
        body, state = twin.nano_body(moment), twin.nano_state(moment)
        expected = body.fractions()
        assert sum(expected.values()) == pytest.approx(1, abs=1e-12)
        assert expected["sei"] == pytest.approx(state.sei_per_si * twin.silicon_per_volume(moment), abs=1e-6)
        assert expected["pore"] == pytest.approx(state.pores, abs=1e-6)
        labels = twin.nano(moment).labels()
        for value, name in NANO_PHASES.items():
            # 12 um hold some 25000 grains, and some 60 micro-cracks of 1.5 um radius
            loose = 0.03 if name in ("pore", "matrix", "graphene") else 0.012
            assert (labels == value).mean() == pytest.approx(expected[name], abs=loose), name


def test_grains_live_on_where_silicon_becomes_sparser():
    twin = Twin(1, "reference", TINY)
    box = np.array([[0.0] * 3, [4.0] * 3])
    bodies = [twin.nano_body(twin.at(c)) for c in ("ref-c1", "ref-c1")]
    rich, poor = bodies[0], type(bodies[0])(bodies[0].seed, 0.10, 0.2, 0.5, 0.5, 0.4)
    many, few = ({tuple(row) for row in body.grains(box)[0]} for body in (rich, poor))
    assert few < many


def test_gas_is_what_the_law_gives_on_average():
    wide = Preset("wide", 1.0, 60.0, None, 4.0, 1200.0, 200.0, 0.1, 4.0, 2.0, 2)
    found = []
    for seed in (1, 2, 3):
        twin = Twin(seed, "reference", wide)
        moment = twin.at("ref-operando", cycle=1, half="lithiation")
        volume = twin.wide(moment)
        labels = volume.labels()
        per_area = (labels == 6).sum() * volume.voxel_um**3 / (labels[0].size * volume.voxel_um**2)
        found.append(per_area / (twin.law.loading * 10))
    # bubbles overlap a little, which the law does not count twice
    assert np.mean(found) == pytest.approx(0.43, rel=0.1)


def test_a_body_needs_no_twin():
    body = MicroBody(1, 20.0, 20.0, 2.0, (), 0.0, 0.0)
    labels = MicroVolume(1.0, (24, 8, 8), body).labels()
    assert set(np.unique(labels[4:18])) <= {SOLID, GRAPHENE}
