"""Electrodes found in labels and in noisy, blurred greys."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from scipy.special import ndtr

from siltomo.errors import BadInputError
from siltomo.kernels.electrode import FrameError
from siltomo.segmentation.geometry import geometry_of_greys, geometry_of_labels
from siltomo.segmentation.geometry_domains import (
    COLLECTOR_SIDE,
    ELECTRODE_DOMAIN,
    SEPARATOR_SIDE,
    domain_codes,
)
from siltomo.segmentation.greys import GreyRange

LAYERS = {"collector": GreyRange(160), "separator": GreyRange(high=70)}


def depths(shape: tuple[int, int, int], low: float, tilt_deg: float, towards: float = 30.0) -> np.ndarray:
    """Distance from a tilted collector, in voxels."""
    z, y, x = (np.arange(n, dtype=float) for n in shape)
    angle, way = math.radians(tilt_deg), math.radians(towards)
    normal = (math.cos(angle), math.sin(angle) * math.sin(way), math.sin(angle) * math.cos(way))
    return (
        normal[0] * (z[:, None, None] - low)
        + normal[1] * (y[None, :, None] - (shape[1] - 1) / 2)
        + normal[2] * (x[None, None, :] - (shape[2] - 1) / 2)
    )


def greys(depth: np.ndarray, thickness: float, sigma: float, noise: float, seed: int = 0) -> np.ndarray:
    """Collector 220, electrode 110, separator 40, blurred across the surfaces, with noise."""
    made = 220 - 110 * ndtr(depth / sigma) - 70 * ndtr((depth - thickness) / sigma)
    made += np.random.default_rng(seed).normal(0, noise, depth.shape)
    return np.asarray(made, np.float32)


@pytest.mark.parametrize("tilt", [0.0, 1.0, 9.0])
@pytest.mark.parametrize("low", [16.0, 16.3, 16.5])
def test_surfaces_in_greys_are_found_to_a_fraction_of_a_voxel(tilt: float, low: float) -> None:
    depth = depths((64, 48, 44), low, tilt)
    made = greys(depth, 28.4, 1.2, 5)
    found = geometry_of_greys(lambda a, b: made[a:b], made.shape, (0.5, 0.5, 0.5), LAYERS, slab=20)
    assert found.depth_axis == "+z"
    assert found.frame.thickness() == pytest.approx(28.4 * 0.5, abs=0.1 * 0.5)
    plane = found.frame.surface("collector").plane
    middle = plane.heights((48, 44)).mean() / 0.5
    assert middle == pytest.approx(low, abs=0.1)
    assert plane.tilt_deg == pytest.approx(tilt, abs=0.15)
    assert found.edges["collector"].sigma == pytest.approx(1.2 * 0.5, rel=0.1)


@pytest.mark.parametrize("axis", [0, 1, 2])
def test_domains_follow_the_planes_along_any_axis(axis: int) -> None:
    depth = np.moveaxis(depths((50, 30, 26), 12.2, 6), 0, axis)
    made = greys(depth, 24.0, 0.8, 3)
    read = lambda a, b: made[a:b]  # noqa: E731
    found = geometry_of_greys(read, made.shape, (1.0, 1.0, 1.0), LAYERS, slab=16)
    parts = [domain_codes(found, a, min(a + 9, len(made))) for a in range(0, len(made), 9)]
    codes = np.concatenate(parts)
    assert np.array_equal(codes, domain_codes(found, 0, len(made)))
    expected = np.where(depth < 0, COLLECTOR_SIDE, np.where(depth < 24, ELECTRODE_DOMAIN, SEPARATOR_SIDE))
    assert (codes != expected).mean() < 0.01
    assert np.dot(found.normal, [1, 0, 0] if axis == 0 else [0, 1, 0] if axis == 1 else [0, 0, 1]) > 0.99


def test_a_collector_on_top_turns_the_axis_round() -> None:
    made = greys(depths((60, 24, 22), 14.0, 4), 26.0, 1.0, 4)[::-1]
    found = geometry_of_greys(lambda a, b: made[a:b], made.shape, (1.0, 1.0, 1.0), LAYERS)
    assert found.depth_axis == "-z"
    assert found.frame.thickness() == pytest.approx(26, abs=0.15)
    codes = domain_codes(found, 0, 60)
    assert codes[-1, 0, 0] == COLLECTOR_SIDE
    assert codes[0, 0, 0] == SEPARATOR_SIDE


def test_domains_can_follow_a_wavy_surface_and_bridge_cracks() -> None:
    made = np.full((50, 40, 60), 2, np.uint8)
    top = 34 + 3 * np.sin(2 * np.pi * np.arange(60) / 60)
    made[:8] = 4
    made[np.arange(50)[:, None, None] > top[None, None, :] + np.zeros((1, 40, 1))] = 5
    truth = made.copy()
    made[8:, 18:21, :] = 5  # a crack that the separator's electrolyte fills
    classes = {"collector": (4,), "separator": (5,), "electrode": (2,)}
    found = geometry_of_labels(lambda a, b: made[a:b], made.shape, (1.0, 1.0, 1.0), classes)
    by_plane = domain_codes(found, 0, 50) == ELECTRODE_DOMAIN
    by_surface = domain_codes(found, 0, 50, follow="surface", bridge=6.0) == ELECTRODE_DOMAIN
    wrong = [(mask != (truth == 2)).mean() for mask in (by_plane, by_surface)]
    assert wrong[1] < 0.01 < wrong[0]


def test_what_is_not_in_view_is_said() -> None:
    made = np.full((30, 20, 20), 110, np.float32)
    made[:6] = 220
    found = geometry_of_greys(
        lambda a, b: made[a:b], made.shape, (1, 1, 1), {**LAYERS, "electrode": GreyRange(70, 160)}
    )
    assert "separator surface is in the field of view in 0%" in found.says()["separator"]
    assert "thickness" not in found.says()
    with pytest.raises(FrameError, match="separator surface"):
        found.frame.thickness()
    codes = domain_codes(found, 0, 30)
    assert set(np.unique(codes)) == {COLLECTOR_SIDE, ELECTRODE_DOMAIN}
    with pytest.raises(FrameError, match="no voxel of the electrode"):
        geometry_of_greys(lambda a, b: made[6:][a:b], (24, 20, 20), (1, 1, 1), LAYERS)
    with pytest.raises(BadInputError, match="layers are"):
        geometry_of_greys(lambda a, b: made[a:b], made.shape, (1, 1, 1), {"foil": GreyRange(3)})
    with pytest.raises(BadInputError, match="no grey"):
        GreyRange(3, 2)


def _three_class_otsu(histogram: np.ndarray) -> tuple[int, int]:
    """The two bins after which the variance between three classes is greatest, by trying all."""
    share = histogram / histogram.sum()
    weight, mean = np.cumsum(share), np.cumsum(share * np.arange(share.size))
    best, cuts = -1.0, (0, 0)
    for low in range(share.size - 2):
        for high in range(low + 1, share.size - 1):
            weights = np.diff([0, weight[low], weight[high], 1])
            moments = np.diff([0, mean[low], mean[high], mean[-1]])
            value = float((moments**2 / np.maximum(weights, 1e-12)).sum())
            if value > best:
                best, cuts = value, (low, high)
    return cuts


def test_the_electrode_of_a_21700_cell_against_its_authors_mask(real: Callable[[str], Path]) -> None:
    """The coating of a wound electrode: three classes of grey, the brightest less what is saturated."""
    import tifffile

    image = tifffile.imread(real("volumes/ucl_battery_xct/im_1.tif"))
    mask = tifffile.imread(real("volumes/ucl_battery_xct/mask_1.tif")) > 0
    histogram = np.bincount(image.ravel() >> 9, minlength=128)
    cut = (_three_class_otsu(histogram)[1] + 1) << 9
    bright = image >= cut
    coating = bright & (image < 65535)

    def dice(found: np.ndarray) -> float:
        return float(2 * (found & mask).sum() / (found.sum() + mask.sum()))

    assert dice(bright) == pytest.approx(0.901, abs=0.005)
    assert dice(coating) == pytest.approx(0.960, abs=0.005)


def cracked(share: float, gap: float, *, blobs: float = 8, noise: float = 8, seed: int = 0) -> np.ndarray:
    """An electrode of 32 voxels, tilted by 4 degrees, with wide cracks ``gap`` below either of its surfaces."""
    from scipy.ndimage import gaussian_filter

    shape, random = (64, 96, 96), np.random.default_rng(seed)
    depth = depths(shape, 14.3, 4.0)
    field = gaussian_filter(random.normal(size=shape[1:]), blobs, mode="wrap")
    crack = field < np.quantile(field, share)

    def above(level: float) -> np.ndarray:
        return np.clip(depth - level + 0.5, 0, 1)  # voxels that a plane cuts are mixed

    slots = [above(gap) - above(gap + 12), above(32 - gap - 12) - above(32 - gap)]
    made = 220 - 110 * above(0) - 70 * above(32) - 70 * crack * (slots[0] + slots[1])
    return np.asarray(gaussian_filter(made, 1.0) + random.normal(0, noise, shape), np.float32)


@pytest.mark.parametrize(
    ("share", "gap", "limit"),
    [
        (0.0, 2.0, 0.02),
        (0.2, 2.0, 0.05),
        pytest.param(0.2, 4.0, 0.05, marks=pytest.mark.slow),
        pytest.param(0.3, 2.0, 0.1, marks=pytest.mark.slow),
    ],
)
def test_cracks_below_a_surface_do_not_draw_it_inwards(share: float, gap: float, limit: float) -> None:
    # the step in the mean grey of the whole surface lies 0.16 to 0.3 voxel further in where cracks take 0.2 to 0.3
    made = cracked(share, gap)
    layers = {**LAYERS, "electrode": GreyRange(80, 160)}
    found = geometry_of_greys(lambda a, b: made[a:b], made.shape, (1.0, 1.0, 1.0), layers)
    rise = 32 / math.cos(math.radians(4))
    for side, level in (("collector", 14.3), ("separator", 14.3 + rise)):
        plane = found.frame.surface(side).plane  # type: ignore[arg-type]
        assert plane.heights((96, 96)).mean() == pytest.approx(level, abs=limit)
        assert plane.tilt_deg == pytest.approx(4, abs=0.1)


def test_a_few_patches_or_a_thin_slab_still_give_a_surface() -> None:
    made = greys(depths((48, 9, 40), 12.4, 2), 20.3, 1.0, 4)
    found = geometry_of_greys(lambda a, b: made[a:b], made.shape, (1.0, 1.0, 1.0), LAYERS)
    assert found.frame.thickness() == pytest.approx(20.3, abs=0.15)
    tiny = made[:, :7, :7]
    small = geometry_of_greys(lambda a, b: tiny[a:b], tiny.shape, (1.0, 1.0, 1.0), LAYERS)
    assert small.frame.thickness() == pytest.approx(20.3, abs=0.8)
