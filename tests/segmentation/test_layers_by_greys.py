"""The electrode by how the histogram of the greys changes with depth: no layer has a grey of its own."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from siltomo.errors import BadInputError
from siltomo.kernels.electrode import FrameError
from siltomo.segmentation.geometry_domains import domain_codes
from siltomo.segmentation.layers_by_greys import layers_by_greys

SHAPE, EDGES = (90, 48, 56), (0.5, 0.5, 0.5)
LOW, HIGH = 16.3, 64.7
"""Where the surfaces are in the middle column, in voxels."""


def stack(tilt: float = 0.0, *, spread: float = 12.0, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Foil at 200, an electrode at 100 with 10 % of cracks at 80, a separator of the same mean with another spread."""
    rng = np.random.default_rng(seed)
    z, y, x = (np.arange(n, dtype=float) for n in SHAPE)
    rise = np.tan(np.radians(tilt)) * (0.8 * (x[None, None, :] - 27.5) + 0.6 * (y[None, :, None] - 23.5))
    depth = z[:, None, None] - rise
    layer = np.select([depth < LOW, depth < HIGH], [1, 2], 3)
    crack = rng.random(SHAPE) < 0.1
    electrode = np.where(crack, 80.0, 100.0) + rng.normal(0, 3, SHAPE)
    greys = np.select(
        [layer == 1, layer == 2],
        [200 + rng.normal(0, 3, SHAPE), electrode],
        98 + rng.normal(0, spread, SHAPE),
    )
    return np.rint(greys).clip(0, 255).astype(np.uint8), layer


def found(greys: np.ndarray, **more: Any) -> Any:
    return layers_by_greys(lambda a, b: greys[a:b], greys.shape, EDGES, **more)


@pytest.mark.parametrize("tilt", [0.0, 4.0, 10.0])
def test_layers_of_the_same_mean_are_told_by_their_histograms(tilt: float) -> None:
    greys, layer = stack(tilt)
    geometry, distinct = found(greys)
    assert geometry.depth_axis == "+z"
    for side, place in (("collector", LOW), ("separator", HIGH)):
        plane = geometry.frame.surface(side).plane
        middle = plane.level + np.dot(plane.slopes, (23.5 * 0.5, 27.5 * 0.5))
        assert middle == pytest.approx(place * 0.5, abs=0.2)
        assert plane.tilt_deg == pytest.approx(tilt, abs=0.6)
    assert (domain_codes(geometry, 0, SHAPE[0]) != layer).mean() < 0.015
    assert [one.side for one in distinct] == ["collector", "separator"]
    assert all(one.share > 0.25 for one in distinct)


@pytest.mark.parametrize(("axes", "flip", "axis"), [((1, 0, 2), False, "+y"), ((2, 1, 0), True, "-x")])
def test_any_axis_and_direction(axes: tuple[int, int, int], flip: bool, axis: str) -> None:
    greys, layer = stack()
    greys, layer = (a[::-1] if flip else a for a in (greys, layer))
    greys, layer = greys.transpose(axes), layer.transpose(axes)
    geometry, _ = found(greys)
    assert geometry.depth_axis == axis
    assert (domain_codes(geometry, 0, greys.shape[0]) != layer).mean() < 0.015
    with pytest.raises(FrameError, match="on the other side"):
        found(greys, depth_axis=("-" if axis[0] == "+" else "+") + axis[1])


def test_the_greys_outside_of_the_domain_say_nothing() -> None:
    greys, layer = stack()
    _, y, x = np.ogrid[: SHAPE[0], : SHAPE[1], : SHAPE[2]]
    inside = np.broadcast_to((y - 23.5) ** 2 + (x - 27.5) ** 2 < 22**2, SHAPE)
    values = np.where(inside, greys.astype(np.float32), np.float32(np.nan))
    geometry, _ = found(values)
    assert (domain_codes(geometry, 0, SHAPE[0]) != layer)[inside].mean() < 0.015


@pytest.mark.parametrize(("cut", "why"), [
    (np.s_[:60], "separator surface is not in view"),
    (np.s_[24:], "is not in view|other side"),
    (np.s_[20:60], "is not in view|other side"),
])  # fmt: skip
def test_a_surface_that_is_not_there_is_not_found(cut: slice, why: str) -> None:
    with pytest.raises(FrameError, match=why):
        found(stack()[0][cut], depth_axis="+z")


def test_nothing_that_changes_has_no_axis() -> None:
    noise = np.random.default_rng(0).normal(100, 9, (40, 40, 40)).astype(np.uint8)
    with pytest.raises(BadInputError, match=r"depth axis is not clear|is not in view"):
        found(noise)
    with pytest.raises(BadInputError, match="one grey value"):
        found(np.full((20, 20, 20), 7, np.uint8))


def test_one_surface_alone() -> None:
    greys, layer = stack()
    geometry, _ = found(greys[24:], surfaces=("separator",), depth_axis="+z")
    assert (domain_codes(geometry, 0, len(greys) - 24) != layer[24:]).mean() < 0.015
    with pytest.raises(FrameError, match="declare the depth axis"):
        found(greys[24:], surfaces=("separator",))
    geometry, _ = found(greys[:60], surfaces=("collector",))
    assert (domain_codes(geometry, 0, 60) != layer[:60]).mean() < 0.015
