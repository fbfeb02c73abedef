"""Recipes: what is read, what is refused and with which words, what the digest depends on."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.errors import RecordError, UnitError
from siltomo.segmentation import (
    Combine,
    Fill,
    Label,
    Median,
    Recipe,
    RemoveSmall,
    Select,
    Threshold,
    parse_recipe,
)
from siltomo.segmentation.recipe import SOURCE
from siltomo.segmentation.sizes import Size
from siltomo.segmentation.steps import STEPS
from siltomo.units import Quantity

CRACKS = """
recipe: cracks
domain: electrode
min_feature: 0.65 um
steps:
  - median: 3 voxel
  - threshold: {method: mixture, cut: bayes, scope: series}
  - select: 1
    as: dark
  - remove_small: 2 um^3
  - fill
    # all holes
  - combine: {crack: dark, solid: rest}
"""


def read(text: str) -> Recipe:
    return parse_recipe(yaml.safe_load(text), place=lambda path: ".".join(["r.yaml", *map(str, path)]))


def test_yaml_and_python_make_the_same_recipe() -> None:
    recipe = read(CRACKS)
    steps = (
        Median(size="3 voxel"),
        Threshold(method="mixture", cut="bayes", scope="series"),
        Select(classes=1, named="dark"),
        RemoveSmall(size="2 um^3"),
        Fill(),
        Combine(phases={"crack": "dark", "solid": "rest"}),
    )
    same = Recipe(name="cracks", domain="electrode", min_feature="0.65 um", steps=steps)
    assert recipe == same
    assert recipe.digest == same.digest
    assert recipe.phases == ((1, "crack"), (2, "solid"))
    assert recipe.shares_thresholds


def test_the_content_makes_the_recipe_again() -> None:
    recipe = read(CRACKS)
    steps = json.loads(json.dumps(recipe.content()))["steps"]
    again = []
    for one in steps:
        ((word, fields),) = one.items()
        common = {"as": fields.pop("named"), "of": fields.pop("of")}
        again.append({word: fields, **{k: v for k, v in common.items() if v is not None}})
    assert parse_recipe({"recipe": "other", "steps": again}, place=str).digest == recipe.digest


@pytest.mark.parametrize(
    "change",
    [
        ("3 voxel", "5 voxel"),
        ("bayes", "valley"),
        ("scope: series", "scope: scan"),
        ("2 um^3", "2.1 um^3"),
        ("fill", "fill: 10 voxel"),
        ("solid: rest", "pore: rest"),
    ],
)
def test_the_digest_sees_every_change(change: tuple[str, str]) -> None:
    assert read(CRACKS.replace(*change)).digest != read(CRACKS).digest


def test_the_digest_is_of_what_is_done_not_of_names_and_spellings() -> None:
    other = CRACKS.replace("recipe: cracks", "recipe: other\ntitle: Same").replace("0.65 um", "0.7 um")
    assert read(other).digest == read(CRACKS).digest
    assert read(CRACKS.replace("2 um^3", "2000000000 nm^3")).digest == read(CRACKS).digest


LAST = "\n  - threshold: otsu\n  - label: {1: crack, 2: solid}"


@pytest.mark.parametrize(
    ("steps", "where", "why"),
    [
        ("- medain: 3 voxel", "steps.0.medain", "did you mean 'median'"),
        ("- median: 3", "steps.0.median.size", "did you mean '3 voxel'"),
        ("- median: 3 s", "steps.0.median.size", "measures"),
        ("- median: -3 voxel", "steps.0.median.size", "more than 0"),
        ("- {median: 3 voxel, gaussian: 1 voxel}", "steps.0", "2 words"),
        ("- threshold: {method: otsu, cut: bayes}", "steps.0.threshold", "belong to method 'mixture'"),
        ("- threshold: {method: values}", "steps.0.threshold", "needs values"),
        ("- threshold: {method: values, values: [3, 2]}", "steps.0.threshold", "do not ascend"),
        ("- threshold: {method: best}", "steps.0.threshold.method", "not one of"),
        ("- threshold: {cut: middle}", "steps.0.threshold.cut", "not one of"),
        ("- threshold: {classes: 9}", "steps.0.threshold.classes", "less than or equal to 5"),
        ("- mask: {cylinder: 0.9, not_values: [0]}", "steps.0.mask", "give one of"),
        ("- mask: {segmentation: a}", "steps.0.mask", "go together"),
        ("- select: 1", "", "takes classes, and grey gives grey values"),
        ("- threshold: otsu\n  - open: 1 voxel\n    of: grey", "", "takes classes"),
        ("- threshold: {classes: 3}\n  - open: 1 voxel", "", "put 'select' before it"),
        ("- threshold: otsu\n  - select: 3", "", "there are 1 to 2"),
        ("- threshold: otsu\n  - label: {1: crack}", "", "there are 1 to 2"),
        ("- threshold: otsu\n    as: a\n  - select: 1\n    of: b", "", "no earlier step is called 'b'"),
        ("- threshold: otsu\n    as: grey", "", "is taken"),
        ("- threshold: otsu", "", "last step must be label or combine"),
        ("- threshold: otsu\n  - label: {1: outside, 2: outside}", "", "name at least one phase"),
        ("- threshold: otsu\n  - label: {1: Crack, 2: solid}", "steps.1.label", "cannot name a phase"),
        ("- 5", "steps.0", "no step"),
    ],
)
def test_what_is_wrong_is_refused_with_its_place(steps: str, where: str, why: str) -> None:
    with pytest.raises(RecordError) as refused:
        read(f"recipe: a\nsteps:\n  {steps}")
    assert refused.value.where.startswith(f"r.yaml.{where}".rstrip(".")), refused.value.where
    assert why in refused.value.message


@pytest.mark.parametrize("text", ["5", "recipe: a", "recipe: a\nsteps: 3", "steps:\n - median: 3 voxel"])
def test_what_is_no_recipe(text: str) -> None:
    with pytest.raises(RecordError):
        read(text)


def test_nodes_take_what_they_name() -> None:
    recipe = read(
        "recipe: a\nsteps:\n  - threshold: {classes: 3}\n    as: c\n  - select: 1\n    as: dark\n"
        "  - select: [2, 3]\n    of: c\n    as: bright\n  - combine: {gas: dark, solid: bright}"
    )
    assert [node.inputs for node in recipe.nodes()] == [(-1,), (0,), (0,), (1, 2)]
    assert SOURCE == "grey"
    assert isinstance(recipe.steps[-1], Combine)
    assert Label(phases={1: "crack"}).phases == ((1, "crack"),)


@given(st.floats(1e-3, 1e4), st.sampled_from(["um", "nm", "voxel", "mm"]))
@settings(max_examples=50, deadline=None)
def test_sizes_keep_their_value(value: float, unit: str) -> None:
    read_ = Size("um").read(f"{value!r} {unit}")
    assert read_.unit == ("voxel" if unit == "voxel" else "um")
    assert read_.m_as(unit) == pytest.approx(value)


def test_a_size_is_no_other_quantity() -> None:
    with pytest.raises(UnitError, match="measures"):
        Size("um^3").read(Quantity(1.0, "um"))


def test_the_recipes_of_the_document_are_recipes() -> None:
    text = (Path(__file__).parents[2] / "docs" / "segmentation.md").read_text("utf-8")
    codes = re.findall(r"```yaml\n(.*?)```", text, flags=re.DOTALL)
    assert [read(code).name for code in codes] == [
        "my-cracks",
        "wound-electrode",
        "sei-forest",
        "sei-forest-ilastik",
    ]
    (python,) = re.findall(r"```python\n(.*?)```", text, flags=re.DOTALL)
    made: dict[str, object] = {}
    exec(compile(python, "segmentation.md", "exec"), made)
    assert isinstance(made["recipe"], Recipe)
    assert all(f"`{word}`" in text for word in STEPS)
