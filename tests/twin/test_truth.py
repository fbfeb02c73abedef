"""The truth is true: closed forms of single strips, and the limit of ever smaller voxels."""

from __future__ import annotations

import math

import numpy as np
import pytest

from siltomo.twin import Preset, Twin
from siltomo.twin._outline import union_area, union_outline
from siltomo.twin.truth import fine, truth

WIDE = np.array([-50.0, -50.0, 50.0, 50.0])
TINY = Preset("tiny", 0.5, 50.0, None, 4.0, 100.0, 120.0, 0.1, 5.0, 2.0, 2)


def values(twin: Twin, cell: str, kind: str = "micro") -> dict[str, float]:
    return {one.metric: one.value for one in truth(twin, twin.at(cell), kind)}


@pytest.mark.parametrize("end", [(10.0, 0.0), (0.0, 10.0), (7.0, -3.0)])
def test_one_strip_is_a_capsule(end):
    strip, r = np.array([[0.0, 0.0, *end]]), np.array([1.5])
    length = math.hypot(*end)
    assert union_area(strip, r, WIDE, 0.01) == pytest.approx(2 * 1.5 * length + math.pi * 1.5**2, rel=1e-4)
    assert union_outline(strip, r, WIDE, 0.01) == pytest.approx(2 * length + 2 * math.pi * 1.5, rel=1e-4)


def test_what_overlaps_counts_once():
    cross = np.array([[-10.0, 0.0, 10.0, 0.0], [0.0, -10.0, 0.0, 10.0]])
    r = np.array([1.0, 1.0])
    assert union_area(cross, r, WIDE, 0.01) == pytest.approx(2 * (40 + math.pi) - 4, rel=1e-4)
    assert union_outline(cross, r, WIDE, 0.01) == pytest.approx(2 * (40 + 2 * math.pi) - 8, rel=1e-3)
    twice = np.array([[0.0, 0.0, 10.0, 0.0]] * 2)
    assert union_area(twice, r, WIDE, 0.01) == pytest.approx(20 + math.pi, rel=1e-4)
    assert union_outline(twice, r, WIDE, 0.01) == pytest.approx(20 + 2 * math.pi, rel=1e-3)


def test_the_window_cuts_and_is_no_outline():
    strip, r = np.array([[-80.0, 0.0, 80.0, 0.0]]), np.array([2.0])
    assert union_area(strip, r, WIDE, 0.01) == pytest.approx(400, rel=1e-4)
    assert union_outline(strip, r, WIDE, 0.01) == pytest.approx(200, rel=1e-3)


@pytest.mark.parametrize(("formulation", "cell"), [("reference", "ref-c1"), ("with-zn", "zn-c5")])
def test_fractions_and_thickness_are_the_limit_of_small_voxels(formulation, cell):
    twin = Twin(4, formulation, TINY)
    true = values(twin, cell)
    volume = fine(twin.micro(twin.at(cell)), 2)
    labels = volume.labels()
    electrode = np.isin(labels, (1, 2, 7, 8))
    assert np.isin(labels, (1, 7)).sum() / electrode.sum() == pytest.approx(
        true["crack_volume_fraction"], rel=0.005
    )
    assert electrode.sum(0).mean() * volume.voxel_um == pytest.approx(true["electrode_thickness"], abs=0.03)


@pytest.mark.parametrize(("formulation", "cell"), [("reference", "ref-c1"), ("with-zn", "zn-c1")])
def test_the_outline_of_a_network_is_the_zero_level_of_its_distance(formulation, cell):
    from skimage.measure import find_contours

    twin = Twin(4, formulation, TINY)
    box = np.array([0.0, 0.0, 50.0, 50.0])
    pieces, _, radii, _, _ = twin.micro_body(twin.at(cell)).pieces(box + np.array([-6.0, -6.0, 6.0, 6.0]))
    edge = 0.1
    y, x = (np.mgrid[:500, :500] + 0.5) * edge
    distance = np.full(x.shape, 99.0)
    for (x0, y0, x1, y1), r in zip(pieces[:, :4], radii, strict=True):
        dx, dy = x1 - x0, y1 - y0
        t = np.clip(((x - x0) * dx + (y - y0) * dy) / (dx * dx + dy * dy), 0, 1)
        distance = np.minimum(distance, np.hypot(x - x0 - t * dx, y - y0 - t * dy) - r)
    outline = sum(np.hypot(*np.diff(c, axis=0).T).sum() for c in find_contours(distance, 0)) * edge
    assert union_outline(pieces[:, :4], radii, box, 0.02) == pytest.approx(outline, rel=0.01)
    assert union_area(pieces[:, :4], radii, box, 0.02) == pytest.approx(
        (distance < 0).mean() * 2500, rel=0.003
    )


def test_the_islet_is_told_per_silicon():
    twin = Twin(1, "reference", TINY)
    told = {one.metric: one.value for one in truth(twin, twin.at("ref-c25"), "nano") if one.how == "law"}
    assert told["sei_volume_per_si_mass"] == pytest.approx(2.49, rel=1e-6)
    assert values(twin, "ref-c0", "nano")["sei_volume_fraction"] == 0


def test_a_pristine_electrode_has_no_crack():
    true = values(Twin(1, "reference", TINY), "ref-c0")
    assert true["crack_volume_fraction"] == 0
    assert "crack_width_mean" not in true
