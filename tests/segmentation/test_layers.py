"""The step ``layers``: collector, electrode and separator from greys or classes, flat and tilted, in any blocks."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from scipy import ndimage

from siltomo.engine.segment.recipes import load_recipe
from siltomo.errors import BadInputError, RecordError, TooLargeError
from siltomo.segmentation import Label, Layers, Mask, Median, Recipe, Select, Threshold, parse_recipe
from siltomo.segmentation.execute import Work
from siltomo.segmentation.find_layers import find_layers
from siltomo.segmentation.greys import GreyRange

Make = Callable[..., Any]
SHAPE = (80, 56, 48)
NAMES = Label(phases={1: "collector", 2: "electrode", 3: "separator"})
GREYS = Layers(collector="160..", separator="..80", electrode="80..160", refine=True)


def cell(tilt: float, *, noise: float = 8, cracks: float = 0.1, low: float = 16.3) -> Any:
    """Greys of collector 210, cracked electrode 130, electrolyte 55; and which layer each voxel is in."""
    z, y, x = (np.arange(n, dtype=float) for n in SHAPE)
    angle = np.radians(tilt)
    across = 0.8 * (x[None, None, :] - 23.5) + 0.6 * (y[None, :, None] - 27.5)
    depth = np.cos(angle) * (z[:, None, None] - low) + np.sin(angle) * across
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.normal(size=SHAPE), (6, 1.2, 1.2))
    inside = (depth > 0) & (depth < 40)
    crack = inside & (field < np.quantile(field, cracks))
    clean = ndimage.gaussian_filter(np.select([depth < 0, crack, inside], [210.0, 55.0, 130.0], 55.0), 0.7)
    grey = np.rint(clean + rng.normal(0, noise, SHAPE)).clip(0, 255).astype(np.uint8)
    return grey, np.where(depth < 0, 1, np.where(inside, 2, 3)), crack


@pytest.mark.parametrize(
    "tilt", [pytest.param(0.0, marks=pytest.mark.slow), 4.0, pytest.param(11.0, marks=pytest.mark.slow)]
)
def test_the_bundled_recipe_parts_a_cell_whatever_its_tilt(tilt: float, learnt: Make, labels: Make) -> None:
    grey, truth, crack = cell(tilt)
    (one,) = learnt(load_recipe("electrode-layers-by-grey").recipe, grey)
    found = labels(one)
    assert (found != truth).mean() < 0.002
    assert (found[crack] == 2).mean() > 0.99, "cracks belong to the electrode"
    (parting,) = [p for p in one.partings if "thickness" in p.facts]
    assert parting.facts["thickness"] == pytest.approx(40 * 0.5, abs=0.1)
    assert parting.facts["collector"]["tilt"] == pytest.approx(tilt, abs=0.3)
    # the cuts only serve to find the surfaces; these are what the labels rest on
    assert one.trust == "good"


@pytest.mark.parametrize("follow", ["plane", "surface"])
def test_layers_do_not_depend_on_blocks_or_memory(follow: str, learnt: Make, labels: Make) -> None:
    grey, _, _ = cell(6)
    step = GREYS.model_copy(update={"follow": follow})
    recipe = Recipe(name="r", steps=(Mask(cylinder=0.9), Median(size="3 voxel"), step, NAMES))
    (one,) = learnt(recipe, grey)
    found = [labels(one, planes) for planes in (1000, 1, 7)]
    for planes in (1, 3):
        work = Work(recipe, one.work.source)
        work.facts[2], parting = find_layers(recipe.nodes()[2], work, 1 << 28, planes)
        assert parting == one.partings[0]
        found.append(work.planes(3, 0, len(grey)).values)
    assert all(np.array_equal(found[0], other) for other in found[1:])
    assert set(np.unique(found[0])) == {0, 1, 2, 3}


def test_layers_by_greys_and_by_classes_are_the_same(learnt: Make, labels: Make) -> None:
    grey, truth, _ = cell(3)
    by_classes = (
        Threshold(method="values", values=(80.0, 160.0)),
        Layers(collector=3, electrode=2, separator=1, refine=True),
    )
    found = [
        labels(learnt(Recipe(name="r", steps=(*steps, NAMES)), grey)[0]) for steps in ((GREYS,), by_classes)
    ]
    assert (found[0] != truth).mean() < 0.002
    assert (found[0] != found[1]).mean() < 0.001


def test_a_mask_of_the_electrode_serves_later_steps(learnt: Make, labels: Make, tmp_path: Path) -> None:
    grey, truth, _ = cell(5, noise=4)
    text = """
recipe: cracks-in-place
steps:
  - layers: {collector: 160.., separator: ..80, electrode: 80..160}
  - select: 2
    as: electrode
  - mask: electrode
    of: grey
  - threshold: {method: values, values: [92]}
  - label: {1: crack, 2: solid}
"""
    (tmp_path / "recipe.yaml").write_text(text, "utf-8")
    recipe = load_recipe(str(tmp_path / "recipe.yaml")).recipe
    found = labels(learnt(recipe, grey)[0])
    assert ((found > 0) == (truth == 2)).mean() > 0.998
    share = (found == 1).sum() / (found > 0).sum()
    assert share == pytest.approx((grey < 92)[truth == 2].mean(), rel=0.02)


@pytest.mark.parametrize(("cut", "why"), [
    (np.s_[20:], "the collector surface is in the field of view in 0% of the columns"),
    (np.s_[:50], "the separator surface is in the field of view in 4% of the columns"),
    (np.s_[:10], "no voxel of the electrode is in the field of view"),
])  # fmt: skip
def test_a_surface_out_of_view_is_an_error_with_a_reason(cut: Any, why: str, learnt: Make) -> None:
    grey, _, _ = cell(0)
    with pytest.raises(BadInputError, match=why) as caught:
        learnt(Recipe(name="r", steps=(GREYS, NAMES)), grey[cut])
    assert "step 1 (layers)" in str(caught.value)
    assert caught.value.code == "SIL170"


def test_a_surface_that_is_not_asked_for_need_not_be_seen(learnt: Make, labels: Make) -> None:
    grey, truth, _ = cell(0)
    step = GREYS.model_copy(update={"surfaces": ("separator",)})
    found = labels(learnt(Recipe(name="r", steps=(step, NAMES)), grey[20:])[0])
    assert (found != truth[20:]).mean() < 0.002
    whole = labels(learnt(Recipe(name="r", steps=(step, NAMES)), grey)[0])
    assert not (whole == 1).any(), "without its surface the collector is not told from the electrode"


def test_a_declared_axis_holds(learnt: Make) -> None:
    grey, _, _ = cell(0)
    recipe = Recipe(name="r", steps=(GREYS, NAMES))
    (one,) = learnt(recipe, grey, depth_axis="+z")
    assert one.partings[0].facts["depth_axis_from"] == "declared"
    with pytest.raises(BadInputError, match="the other side"):
        learnt(recipe, grey, depth_axis="-z")


def test_a_surface_seen_in_few_columns_is_doubtful(learnt: Make) -> None:
    grey, truth, _ = cell(0, cracks=0.0)
    grey[:, :24][truth[:, :24] == 3] = 130  # the electrode touches the window in 43 % of the columns
    (one,) = learnt(Recipe(name="r", steps=(GREYS, NAMES)), grey)
    assert one.trust == "doubtful"
    assert any("separator surface goes through" in v.reason for v in one.partings[0].verdicts)


def test_maps_that_do_not_fit_are_refused_before_reading(learnt: Make) -> None:
    with pytest.raises(TooLargeError, match="maps of its layers take"):
        learnt(Recipe(name="r", steps=(GREYS, NAMES)), cell(0)[0], memory=500_000)


@pytest.mark.parametrize(("fields", "why"), [
    ({"collector": "160..", "separator": 1}, "give all layers by greys"),
    ({"collector": 1, "separator": [1, 2]}, "belongs to one layer"),
    ({"collector": "bright"}, "or the number of a class"),
    ({"collector": 1, "bridge": "3 um"}, "follow: surface"),
])  # fmt: skip
def test_wrong_fields_are_refused(fields: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        Layers(**fields)


def test_kinds_are_checked_and_content_is_read_back() -> None:
    steps = (Threshold(method="values", values=(80.0, 160.0)), GREYS, NAMES)
    with pytest.raises(ValueError, match="takes classes here"):
        Recipe(name="r", steps=steps)
    with pytest.raises(ValueError, match="takes grey values here"):
        Recipe(name="r", steps=(Layers(collector=1), NAMES))
    with pytest.raises(ValueError, match="there are 1 to 3"):
        Recipe(name="r", steps=(steps[0], Layers(collector=4), NAMES))
    recipe = Recipe(name="r", steps=(GREYS, Select(classes=2), Label(phases={1: "electrode", 2: "outside"})))
    content = recipe.content()
    assert content["steps"][0]["layers"]["collector"] == "160.."
    again = parse_recipe({"recipe": "r", **content}, place=str)
    assert again.digest == recipe.digest
    assert again.steps[0].layers["separator"] == GreyRange(high=80)  # type: ignore[attr-defined]
    with pytest.raises(RecordError, match="no range of greys"):
        parse_recipe({"recipe": "r", "steps": [{"layers": "x"}]}, place=str)


def test_inside_of_other_labels_also_where_steps_ask_for_the_scan() -> None:
    recipe = Recipe(
        name="r",
        steps=(
            Median(size="3 voxel", named="within"),
            Threshold(of="grey"),
            Label(phases={1: "crack", 2: "solid"}),
        ),
    )
    inside = recipe.within("{scan}-x", ("electrode",))
    assert [step.of for step in inside.steps] == [None, None, "within-0", None]
    assert (inside.steps[0].named, str(inside.domain)) == ("within-0", "electrode")
    assert inside.digest != recipe.digest


@pytest.mark.slow
@pytest.mark.parametrize("cut", [np.s_[26:], np.s_[:48]], ids=["no collector", "no separator"])
def test_one_boundary_is_not_taken_for_an_electrode(cut: Any, learnt: Make) -> None:
    """Two materials in three classes: the third is what they share, and both its surfaces are one."""
    grey, _, _ = cell(4, cracks=0.0)
    with pytest.raises(BadInputError, match="voxels apart"):
        learnt(load_recipe("electrode-layers-by-grey").recipe, grey[cut])


@pytest.mark.slow
def test_fibres_of_the_grey_of_the_electrode_are_not_trusted(learnt: Make, labels: Make) -> None:
    grey, truth, _ = cell(4)
    field = ndimage.gaussian_filter(np.random.default_rng(3).normal(size=SHAPE), (2, 2, 30), mode="wrap")
    fibres = (field < np.quantile(field, 0.2)) & (truth == 3)
    (one,) = learnt(
        load_recipe("electrode-layers-by-grey").recipe, np.where(fibres, 130, grey).astype(np.uint8)
    )
    assert (labels(one) != truth).mean() > 0.02
    assert one.trust == "doubtful"
    assert any("the separator surface is no plane" in v.reason for v in one.partings[-1].verdicts)


@pytest.mark.slow
@pytest.mark.parametrize("size", [(1.2, 6, 6), 2, 6], ids=["flat cracks", "porous", "large pores"])
def test_a_porous_electrode_keeps_its_surfaces(size: Any, learnt: Make, labels: Make) -> None:
    grey, truth, _ = cell(4, cracks=0.0)
    field = ndimage.gaussian_filter(np.random.default_rng(0).normal(size=SHAPE), size, mode="wrap")
    pores = (field < np.quantile(field, 0.2)) & (truth == 2)
    noisy = np.where(pores, 55 + np.random.default_rng(1).normal(0, 8, SHAPE), grey)
    (one,) = learnt(load_recipe("electrode-layers-by-grey").recipe, noisy.clip(0, 255).astype(np.uint8))
    assert (labels(one) != truth).mean() < 0.01
    assert one.trust != "bad"
