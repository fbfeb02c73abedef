from __future__ import annotations

import csv
import io
import math
import zipfile

import numpy as np
import pytest
import tifffile
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.measure import euler_number as skimage_euler_number

from siltomo.errors import BadInputError
from siltomo.kernels.configurations import configuration_histogram, label_configurations
from siltomo.kernels.surfaces import (
    DIRECTIONS,
    direction_weights,
    euler_number,
    interface_area,
    mean_breadth,
    phase_volume,
    surface_area,
    window_volume,
)

UNIT = (1.0, 1.0, 1.0)
SPACINGS = st.tuples(*[st.floats(0.1, 10)] * 3)
EMPTY, FULL = np.zeros(256, int), np.zeros(256, int)
EMPTY[0] = FULL[255] = 1000


def random_mask(seed, shape=(9, 10, 11), density=0.4):
    return np.random.default_rng(seed).random(shape) < density


# Balls, plates and other closed forms


@pytest.mark.parametrize("radius", [8, 12, 20])
@pytest.mark.parametrize("estimator", ["crofton13", "crofton3"])
def test_balls_are_met_within_0_3_per_cent(make_ball, radius, estimator):
    offsets = np.random.default_rng(0).random((24, 3))
    histograms = [configuration_histogram(make_ball(radius, offset=offset)) for offset in offsets]
    area = np.mean([surface_area(histogram, UNIT, estimator=estimator) for histogram in histograms])
    assert area == pytest.approx(4 * np.pi * radius**2, rel=0.003)
    volume = np.mean([phase_volume(histogram, UNIT) for histogram in histograms])
    assert volume == pytest.approx(4 / 3 * np.pi * radius**3, rel=0.003)
    breadth = np.mean([mean_breadth(histogram, UNIT) for histogram in histograms])
    assert breadth == pytest.approx(2 * radius, rel=0.01)


@pytest.mark.parametrize("spacing", [(2, 1, 1), (0.5, 1, 1.5), (1, 3, 1)])
def test_balls_of_anisotropic_voxels(make_ball, spacing):
    offsets = np.random.default_rng(1).random((6, 3))
    histograms = [
        configuration_histogram(make_ball(20, offset=offset, spacing=spacing)) for offset in offsets
    ]
    area = np.mean([surface_area(histogram, spacing) for histogram in histograms])
    assert area == pytest.approx(4 * np.pi * 20**2, rel=0.003)
    breadth = np.mean([mean_breadth(histogram, spacing) for histogram in histograms])
    assert breadth == pytest.approx(40, rel=0.005)


def test_a_plate_across_an_axis_comes_out_7_34_per_cent_low():
    plate = np.zeros((12, 21, 31), bool)
    plate[4:7] = True
    # 2 sum w |cos| - 1 with the published weights: 1 axis, 4 face diagonals and 4 body diagonals meet it.
    bias = 2 * (0.09155578 + 4 * 0.07396126 / math.sqrt(2) + 4 * 0.07039128 / math.sqrt(3)) - 1
    assert bias == pytest.approx(-0.0734, abs=5e-5)
    for axis in range(3):
        histogram = configuration_histogram(np.moveaxis(plate, 0, axis))
        assert surface_area(histogram, UNIT) == pytest.approx(2 * 20 * 30 * (1 + bias), rel=1e-7)
        assert surface_area(histogram, UNIT, estimator="crofton3") == pytest.approx(2 * 20 * 30 * 2 / 3)
        assert mean_breadth(histogram, UNIT) == pytest.approx(0, abs=1e-9)  # flat, and cut by the window


@pytest.mark.parametrize(("normal", "bias"), [((0, 1, 1), -0.067), ((1, 1, 1), -0.039), ((1, 2, 3), 0.0)])
def test_oblique_planes(normal, bias):
    # A plane that repeats every 2 n voxels, in whole periods: no edge of the window cuts its area off.
    n = np.array(normal)
    period = 12
    half = (np.tensordot(n, np.indices((2 * period + 1,) * 3), 1) % (2 * period)) < period
    area = surface_area(configuration_histogram(half), UNIT)
    expected = window_volume(configuration_histogram(half), UNIT) * np.linalg.norm(n) / period
    assert area / expected - 1 == pytest.approx(bias, abs=0.005)


def test_gyroid_has_the_euler_number_minus_4_per_cell():
    for n in (24, 48):
        z, y, x = np.indices((n + 1,) * 3) * (2 * np.pi / n)  # the first plane again: one period of tiles
        gyroid = np.sin(z) * np.cos(y) + np.sin(y) * np.cos(x) + np.sin(x) * np.cos(z) > 1e-9
        histogram = configuration_histogram(gyroid)
        assert euler_number(histogram) == -4
    assert surface_area(histogram, (1 / n,) * 3) == pytest.approx(3.0915, rel=0.01)


def test_shell_torus_and_handles():
    z, y, x = np.indices((31, 41, 41)) - np.array([15, 20, 20])[:, None, None, None]
    radius = np.sqrt(z**2 + y**2 + x**2)
    torus = (np.hypot(y, x) - 12) ** 2 + z**2 <= 4.2**2
    plate = np.zeros((7, 8, 30), bool)
    plate[2:5, 2:-2, 2:-2] = True
    for handles in range(4):
        plate[:, 3:5, 4 + 6 * handles : 6 + 6 * handles] = False
        for connectivity in (6, 26):
            assert euler_number(configuration_histogram(plate), connectivity=connectivity) == -handles
    for connectivity in (6, 26):
        shell = configuration_histogram((radius > 8) & (radius < 12))
        assert euler_number(shell, connectivity=connectivity) == 2
        assert euler_number(configuration_histogram(torus), connectivity=connectivity) == 0


def test_a_rod_through_the_window_has_no_ends():
    rod = np.zeros((10, 7, 7), bool)
    rod[:, 2:5, 2:5] = True
    assert euler_number(configuration_histogram(rod)) == 0
    assert euler_number(configuration_histogram(rod[:6, :4])) == 0
    # A quarter of a block that goes on to the left and below.
    assert (
        euler_number(configuration_histogram(np.pad(np.ones((4, 4, 4), bool), ((0, 3), (0, 3), (3, 3)))))
        == 0.25
    )


# Definitions, and other tools


@given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 0.3, 0.6, 0.95]))
@settings(deadline=None, max_examples=30)
def test_euler_number_equals_scikit_image(seed, density):
    mask = np.pad(random_mask(seed, density=density), 1)
    histogram = configuration_histogram(mask)
    assert euler_number(histogram, connectivity=6) == skimage_euler_number(mask, connectivity=1)
    assert euler_number(histogram, connectivity=26) == skimage_euler_number(mask, connectivity=3)


@given(st.integers(0, 2**32 - 1), SPACINGS)
@settings(deadline=None, max_examples=30)
def test_surface_is_croftons_sum_over_crossings(seed, spacing):
    mask = random_mask(seed)
    # A pair on a face, an edge of the window belongs to it by a half, a quarter.
    weight = np.ones(mask.shape)
    for axis in range(3):
        ends = np.moveaxis(weight, axis, 0)
        ends[0] /= 2
        ends[-1] /= 2
    area = 0.0
    for step, part in zip(DIRECTIONS, direction_weights(spacing), strict=True):
        here = tuple(slice(max(0, -s), n - max(0, s)) for s, n in zip(step, mask.shape, strict=True))
        there = tuple(slice(max(0, s), n - max(0, -s)) for s, n in zip(step, mask.shape, strict=True))
        along = tuple(slice(None) if s == 0 else slice(1, 2) for s in step)  # weight across the step only
        crossings = ((mask[here] ^ mask[there]) * weight[along]).sum()
        area += 2 * part * crossings * math.prod(spacing) / np.linalg.norm(np.multiply(step, spacing))
    assert surface_area(configuration_histogram(mask), spacing) == pytest.approx(area)


def test_mean_breadth_is_the_euler_number_of_sections():
    # Across an axis, with all the weight: compare single sections with scikit-image's 2-D Euler number.
    mask = np.pad(random_mask(5, (6, 12, 13)), 1)
    sections = sum(skimage_euler_number(plane, connectivity=1) for plane in mask)
    from siltomo.kernels.surfaces import _section_euler_24ths

    assert configuration_histogram(mask) @ _section_euler_24ths((1, 0, 0)) == 24 * sections
    # Sections along (0, 1, -1) are the planes y - x = constant, of rectangular pixels.
    diagonal = sum(
        skimage_euler_number(np.array([np.diagonal(plane, k) for plane in mask]), connectivity=1)
        for k in range(-mask.shape[1] + 1, mask.shape[2])
    )
    assert configuration_histogram(mask) @ _section_euler_24ths((0, 1, -1)) == 24 * diagonal


def test_a_single_voxel():
    mask = np.zeros((3, 3, 3), bool)
    mask[1, 1, 1] = True
    histogram = configuration_histogram(mask)
    assert phase_volume(histogram, (2, 3, 4)) == 24
    assert window_volume(histogram, UNIT) == 8
    assert surface_area(histogram, UNIT, estimator="crofton3") == pytest.approx(4)
    assert euler_number(histogram) == euler_number(histogram, connectivity=26) == 1


def test_empty_and_full_windows_have_no_surface():
    for histogram in (EMPTY, FULL):
        assert surface_area(histogram, UNIT) == mean_breadth(histogram, UNIT) == euler_number(histogram) == 0
    assert phase_volume(EMPTY, UNIT) == 0
    assert phase_volume(FULL, UNIT) == 1000
    assert window_volume(np.zeros(256, int), UNIT) == 0


# Laws


@given(st.integers(0, 2**32 - 1), st.integers(0, 2), st.permutations(range(3)))
@settings(deadline=None, max_examples=30)
def test_mirrors_and_rotations_do_not_matter(seed, axis, order):
    mask = random_mask(seed)
    moved = np.flip(mask, axis).transpose(order)
    one, other = configuration_histogram(mask), configuration_histogram(moved)
    spacing = (1.0, 1.5, 0.5)
    turned = tuple(spacing[i] for i in order)
    assert surface_area(other, turned) == pytest.approx(surface_area(one, spacing))
    assert mean_breadth(other, turned) == pytest.approx(mean_breadth(one, spacing), abs=1e-9)
    assert phase_volume(other, turned) == pytest.approx(phase_volume(one, spacing))
    for connectivity in (6, 26):
        assert euler_number(other, connectivity=connectivity) == euler_number(one, connectivity=connectivity)


@given(st.integers(0, 2**32 - 1), SPACINGS)
@settings(deadline=None, max_examples=30)
def test_a_phase_and_its_complement_share_their_surface(seed, spacing):
    mask = random_mask(seed)
    one, other = configuration_histogram(mask), configuration_histogram(~mask)
    assert surface_area(one, spacing) == pytest.approx(surface_area(other, spacing))
    assert phase_volume(one, spacing) + phase_volume(other, spacing) == pytest.approx(
        window_volume(one, spacing)
    )
    assert euler_number(one, connectivity=6) == euler_number(other, connectivity=26)
    assert mean_breadth(one, spacing, connectivity=6) == pytest.approx(
        -mean_breadth(other, spacing, connectivity=26), abs=1e-9
    )


@given(st.integers(0, 2**32 - 1), SPACINGS, st.floats(0.01, 100))
@settings(deadline=None, max_examples=30)
def test_scaling_the_voxels_scales_the_answers(seed, spacing, factor):
    histogram = configuration_histogram(random_mask(seed))
    larger = tuple(factor * edge for edge in spacing)
    assert surface_area(histogram, larger) == pytest.approx(factor**2 * surface_area(histogram, spacing))
    assert phase_volume(histogram, larger) == pytest.approx(factor**3 * phase_volume(histogram, spacing))
    assert mean_breadth(histogram, larger) == pytest.approx(
        factor * mean_breadth(histogram, spacing), abs=1e-9 * factor
    )


@given(SPACINGS)
@settings(deadline=None, max_examples=50)
def test_weights_cover_the_sphere(spacing):
    weights = direction_weights(spacing)
    assert weights.sum() == pytest.approx(1)
    assert weights.min() > 0


def test_published_weights_of_cubic_voxels():
    published = {1: 0.09155578, 2: 0.07396126, 3: 0.07039128}
    for direction, weight in zip(DIRECTIONS, direction_weights(UNIT), strict=True):
        assert weight == pytest.approx(published[3 - direction.count(0)], abs=5e-9)


@given(st.integers(0, 2**32 - 1), SPACINGS)
@settings(deadline=None, max_examples=20)
def test_interfaces_of_a_phase_add_up_to_its_surface(seed, spacing):
    labels = np.random.default_rng(seed).integers(0, 3, (7, 8, 9), dtype=np.uint8)
    found = label_configurations(labels, [0, 1, 2, (0, 1), (0, 2), (1, 2)])
    zero_one = interface_area(found[0], found[1], found[3], spacing)
    zero_two = interface_area(found[0], found[2], found[4], spacing)
    one_two = interface_area(found[1], found[2], found[5], spacing)
    assert min(zero_one, zero_two, one_two) > 0
    assert surface_area(found[0], spacing) == pytest.approx(zero_one + zero_two)
    assert surface_area(found[1], spacing) == pytest.approx(zero_one + one_two)


def test_phases_that_do_not_touch_share_no_interface():
    labels = np.zeros((5, 5, 20), np.uint8)
    labels[:, :, 2:5], labels[:, :, 12:15] = 1, 2
    found = label_configurations(labels, [1, 2, (1, 2)])
    assert interface_area(found[0], found[1], found[2], UNIT) == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize(("volume_fraction", "radius"), [(0.24, 6), (0.5, 10)])
def test_boolean_model_meets_its_expectation_at_finite_voxels(volume_fraction, radius):
    # E[S_V] = 4 sum_d w_d (q - q^2 exp(lambda K(Delta_d))) / Delta_d, K the covariogram of the ball: no limit
    # of small voxels is taken. The runs are regressed on their volume fraction, whose mean is known exactly.
    q = 1 - volume_fraction
    intensity = -math.log(q) / (4 / 3 * math.pi * radius**3)
    expected = 0.0
    for direction, weight in zip(DIRECTIONS, direction_weights(UNIT), strict=True):
        delta = float(np.linalg.norm(direction))
        overlap = 4 / 3 * math.pi * radius**3 * (1 - 3 * delta / (4 * radius) + delta**3 / (16 * radius**3))
        expected += 4 * float(weight) * (q - q**2 * math.exp(intensity * overlap)) / delta
    generator = np.random.default_rng(7)
    size, runs = 64, 300
    found = np.empty((runs, 2))
    for run in range(runs):
        side = size + 2 * radius
        mask = np.zeros((size,) * 3, bool)
        for centre in generator.random((generator.poisson(intensity * side**3), 3)) * side - radius - 0.5:
            low = np.clip(np.ceil(centre - radius), 0, size).astype(int)
            high = np.clip(np.floor(centre + radius) + 1, 0, size).astype(int)
            z, y, x = (np.arange(a, b) - c for a, b, c in zip(low, high, centre, strict=True))
            mask[tuple(map(slice, low, high))] |= z[:, None, None] ** 2 + y[:, None] ** 2 + x**2 <= radius**2
        histogram = configuration_histogram(mask)
        volume = window_volume(histogram, UNIT)
        found[run] = surface_area(histogram, UNIT) / volume, phase_volume(histogram, UNIT) / volume
    area, fraction = found.T
    slope = np.cov(area, fraction)[0, 1] / fraction.var(ddof=1)
    corrected = area - slope * (fraction - volume_fraction)
    error = corrected.std(ddof=1) / math.sqrt(runs)
    assert error < 0.01 * expected
    assert abs(corrected.mean() - expected) < 3 * error


# Real data


def test_berea_sub_volumes_of_morpholibj(data):
    """Volume, surface and Euler number of eight sub-volumes, measured by others with MorphoLibJ.

    Its surfaces are the default ones here, to the last printed digit: 13 directions, interior tiles. Its
    Euler numbers are those of interior tiles and connectivity 26, but for its table of configurations: 9 and
    20 (two voxels across the diagonal of a square) stand there with +2/8, where its ten other diagonals of
    squares, and all twelve here, have -2/8. With that difference all eight agree exactly.
    """
    archive = data / "volumes" / "porousmediagan" / "berea.zip"
    table = data / "reference" / "porousmediagan" / "berea" / "berea_200_original_minkowski.csv"
    if not archive.exists() or not table.exists():
        pytest.skip("no Berea sandstone among the test data")
    with zipfile.ZipFile(archive) as file:
        volume = tifffile.imread(io.BytesIO(file.read("berea.tif")))
    with table.open(encoding="utf-8-sig") as file:
        rows = list(csv.DictReader(file))
    starts = [(z, y, x) for z in (0, 128) for y in (0, 128) for x in (0, 128)]
    for (z, y, x), row in zip(starts, (8, 7, 6, 5, 4, 3, 1, 2), strict=True):
        grains = volume[z : z + 200, y : y + 200, x : x + 200] == 255
        reported = rows[row - 1]
        histogram = configuration_histogram(grains)
        assert np.count_nonzero(grains) == int(reported["volume"])
        assert round(surface_area(histogram, UNIT), 3) == float(reported["surface"])
        theirs = euler_number(histogram, connectivity=26) + (2 + 2) / 8 * (histogram[9] + histogram[20])
        assert theirs == float(reported["euler"])


def test_voxel_faces_of_the_taufactor_electrode(data):
    """Specific surfaces by voxel faces, as TauFactor prints them for a box of 100 um."""
    path = data / "volumes" / "taufactor" / "electrode.tiff"
    if not path.exists():
        pytest.skip("no TauFactor electrode among the test data")
    labels = tifffile.imread(path)
    spacing = (100e-6 / 256,) * 3
    reported = {0: 785502, 85: 374028, 170: 876100}
    histograms = label_configurations(labels, list(reported))
    for histogram, faces in zip(histograms, reported.values(), strict=True):
        found = 1.5 * surface_area(histogram, spacing, estimator="crofton3")
        # They divide by 256^3 voxels, we by the 255^3 tiles of the window.
        assert found / window_volume(histogram, spacing) == pytest.approx(faces, rel=0.01)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: surface_area(EMPTY, (1, 1)), r"spacing: expected three positive lengths"),
        (lambda: surface_area(EMPTY, (1, 1, 0)), r"spacing: expected three positive lengths"),
        (lambda: surface_area(EMPTY, (1, 1, math.nan)), r"spacing: expected three positive lengths"),
        (lambda: surface_area(EMPTY, UNIT, estimator="faces"), "unknown surface estimator 'faces'"),
        (lambda: surface_area(EMPTY[:8], UNIT), "expected 256 integer counts"),
        (lambda: surface_area(EMPTY / 2, UNIT), "expected 256 integer counts"),
        (lambda: euler_number(EMPTY, connectivity=18), "connectivity 6 and 26, got 18"),
        (lambda: mean_breadth(EMPTY, UNIT, connectivity=4), "connectivity 6 and 26, got 4"),
    ],
)
def test_wrong_input_is_refused_with_a_reason(call, message):
    with pytest.raises(BadInputError, match=message):
        call()
