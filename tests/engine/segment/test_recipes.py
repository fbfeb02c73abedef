"""The recipes that come with siltomo, on phantoms with known fractions."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

from siltomo.engine.segment.recipes import bundled_recipes, load_recipe
from siltomo.errors import NotFoundError
from siltomo.segmentation.execute import ScanSource
from siltomo.segmentation.prepare import Means, learn
from siltomo.segmentation.verdicts import worst

SHAPE = (64, 72, 80)


def field(seed: int, size: Any) -> np.ndarray:
    return ndimage.gaussian_filter(np.random.default_rng(seed).normal(size=SHAPE), size, mode="wrap")


def run(name: str, grey: np.ndarray, folder: Path) -> tuple[np.ndarray, dict[str, int], str]:
    recipe = load_recipe(name).recipe
    source = ScanSource("s", SHAPE, (0.5, 0.5, 0.5), grey.dtype, lambda a, b: grey[a:b])
    (learnt,) = learn(recipe, [source], Means(1 << 29, folder))
    labels = learnt.work.planes(len(recipe.steps) - 1, 0, SHAPE[0]).values
    trust = worst(v for p in learnt.partings for v in p.verdicts)
    return labels, {phase: value for value, phase in recipe.phases}, str(trust)


def test_gas_in_a_separator(tmp_path: Path) -> None:
    """Fibres along x (bright), electrolyte, and 3 % of gas in large bubbles (dark)."""
    gas = field(0, 6)
    gas = gas < np.quantile(gas, 0.03)
    fibres = field(1, (2, 2, 30))
    fibres = (fibres > np.quantile(fibres, 0.75)) & ~gas
    clean = np.select([gas, fibres], [60.0, 180.0], 120.0)
    grey = np.rint(clean + np.random.default_rng(2).normal(0, 12, SHAPE)).clip(0, 255).astype(np.uint8)
    labels, values, trust = run("separator-gas", grey, tmp_path)
    found = labels == values["gas"]
    assert 2 * (found & gas).sum() / (found.sum() + gas.sum()) > 0.93
    assert found.mean() == pytest.approx(gas.mean(), rel=0.1)
    # rims of bubbles are seen as electrolyte or fibre, never as gas far away from a bubble
    assert not (found & ~ndimage.binary_dilation(gas, iterations=2)).any()
    assert (labels == values["separator"]).mean() == pytest.approx(fibres.mean(), rel=0.06)
    assert trust != "bad"


@pytest.mark.parametrize("noise", [6, 14])
def test_sei_in_nano_tomography(noise: float, tmp_path: Path) -> None:
    """Pores, SEI-rich phase, solid; blurred by less than a voxel: nearly right, and not trusted."""
    one, two = field(3, 5), field(4, 5)
    pore = one < np.quantile(one, 0.25)
    sei = ~pore & (two < np.quantile(two, 0.4))
    clean = ndimage.gaussian_filter(np.select([pore, sei], [60.0, 120.0], 180.0), 0.6)
    grey = np.rint(clean + np.random.default_rng(5).normal(0, noise, SHAPE)).clip(0, 255).astype(np.uint8)
    labels, values, trust = run("nano-sei", grey, tmp_path)
    for name, mask in (("pore", pore), ("sei", sei)):
        assert ((labels == values[name]) == mask).mean() > 0.94
    # rims of pores look like SEI: the shares are off by a tenth, and it is not called good
    assert (labels == values["pore"]).mean() == pytest.approx(pore.mean(), rel=0.12)
    assert (labels == values["sei"]).mean() == pytest.approx(sei.mean(), rel=0.2)
    assert trust != "good"


def test_every_bundled_recipe_is_whole() -> None:
    loaded = list(bundled_recipes())
    assert len(loaded) >= 4
    for one in loaded:
        assert one.recipe.name == one.place.stem
        assert one.recipe.title
        assert one.recipe.notes
        assert load_recipe(one.recipe.name).recipe.digest == one.recipe.digest


def test_an_unknown_name_gives_the_known_ones() -> None:
    with pytest.raises(NotFoundError, match=r"did you mean 'micro-cracks'.*nano-sei"):
        load_recipe("micro-crack")
