"""Classifying through the catalog: provenance, both fractions, going on after a broken run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import siltomo
from siltomo.engine.segment import classifier as segmenting_classifier
from siltomo.engine.segment import segmenting
from siltomo.engine.segment.recipes import load_recipe
from siltomo.engine.segment.segmenting import RecipeOrder, run_recipe

pytest.importorskip("sklearn", reason="the extra 'ml' is not installed")

Cli = Callable[..., Any]
RECIPE = """
recipe: sei
domain: islet
steps:
  - classify: {training: strokes.tif, scan: n0, classes: 2, trees: 20, scales: [1 voxel], seed: 5}
  - label: {1: sei, 2: solid}
"""


@pytest.fixture
def nano(cli: Cli, tmp_path: Path) -> np.ndarray:
    """A catalog with two scans, and strokes on the first; returns where the dark phase is."""
    import tifffile

    rng = np.random.default_rng(0)
    mask = ndimage.gaussian_filter(rng.normal(size=(40, 40, 40)), 4) < 0
    cli("init", ".")
    cli("formulation", "add", "zn")
    cli("cell", "add", "zn1", "--formulation", "zn")
    for n in range(2):
        grey = np.where(mask, 100, 130) + rng.normal(0, 15, mask.shape)
        np.save(tmp_path / f"n{n}.npy", grey.clip(0, 255).astype(np.uint8))
        where = f"--cell zn1 --scale nano --mode ex_situ --cycle {1 + n} --half delithiation".split()
        cli("catalog", "add", f"n{n}.npy", *where, "--voxel-size", "25 nm", "--id", f"n{n}")
    labels = np.zeros(mask.shape, np.uint8)
    inner = (ndimage.binary_erosion(mask, iterations=2), ndimage.binary_erosion(~mask, iterations=2))
    for value, phase in enumerate(inner, 1):
        for z, y, x in np.argwhere(phase)[:: max(1, phase.sum() // 25)]:
            here = (slice(z, z + 1), slice(y, y + 4), slice(x, x + 4))
            labels[here][phase[here]] = value
    tifffile.imwrite(tmp_path / "strokes.tif", labels, photometric="minisblack")
    (tmp_path / "sei.yaml").write_text(RECIPE, "utf-8")
    return mask


def test_a_forest_trained_on_one_scan_labels_others(cli: Cli, nano: np.ndarray, tmp_path: Path) -> None:
    data = cli("segment", "run", "n0", "n1", "--recipe", "sei.yaml", "--json").data
    catalog = siltomo.open_catalog(tmp_path)
    for one in data:
        labels = catalog.scan(one["scan"])[one["id"]].values
        assert ((labels == 1) == nano).mean() > 0.9
        making = one["record"]["making"]
        assert making["inputs"]["training of step 1"].startswith("sha256:")
        assert "scan n0" in making["inputs"]
        (parting,) = making["partings"]
        share = parting["classes"][0]
        assert share["labelled"] == pytest.approx((labels == 1).mean())
        assert share["fraction"] == pytest.approx(nano.mean(), abs=0.1)
        assert share["fraction"] != share["labelled"]
        assert parting["facts"]["out_of_bag_score"] > 0.85
        assert parting["facts"]["seed"] == 5
    assert list((tmp_path / "staging").iterdir()) == []


def test_other_strokes_are_other_labels(cli: Cli, nano: np.ndarray, tmp_path: Path) -> None:
    import tifffile

    assert cli("segment", "run", "n1", "--recipe", "sei.yaml").code == 0
    assert cli("segment", "run", "n1", "--recipe", "sei.yaml", "--json").data[0]["outcome"] == "unchanged"
    labels = tifffile.imread(tmp_path / "strokes.tif")
    labels[tuple(np.argwhere(labels)[0])] = 0
    tifffile.imwrite(tmp_path / "strokes.tif", labels, photometric="minisblack")
    assert cli("segment", "run", "n1", "--recipe", "sei.yaml", "--json").error["code"] == "SIL111"


def test_a_broken_run_goes_on_where_it_stopped(
    nano: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    catalog = siltomo.open_catalog(tmp_path)
    order = RecipeOrder(load_recipe(str(tmp_path / "sei.yaml")), ("n0",))
    true, calls = segmenting_classifier.predict_block, []

    def breaking(*words: Any, **more: Any) -> Any:
        calls.append(words[-1])
        if len(calls) == 3:
            raise KeyboardInterrupt
        return true(*words, **more)

    monkeypatch.setattr(segmenting_classifier, "predict_block", breaking)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(catalog, order)
    (broken,) = run_recipe(catalog, order)
    assert calls == [(0, 16), (16, 32), (32, 40), (32, 40)]
    monkeypatch.undo()
    whole = run_recipe(catalog, RecipeOrder(order.loaded, ("n0",), "n0-whole"))[0]
    assert broken.record.volume == whole.record.volume
    assert broken.record.making.partings == whole.record.making.partings


def test_strokes_must_fit_and_exist(cli: Cli, nano: np.ndarray, tmp_path: Path) -> None:
    np.save(tmp_path / "small.npy", np.ones((5, 5, 5), np.uint8))
    for name, code, why in (
        ("small.npy", "SIL110", "do not fit"),
        ("none.tif", "SIL120", "start at its folder"),
    ):
        (tmp_path / "sei.yaml").write_text(RECIPE.replace("strokes.tif", name), "utf-8")
        error = cli("segment", "run", "n0", "--recipe", "sei.yaml", "--json").error
        assert (error["code"], why in error["message"]) == (code, True)


def test_probabilities_are_kept_where_the_recipe_says_so(
    cli: Cli, nano: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    masked = RECIPE.replace("steps:\n", "steps:\n  - mask: {cylinder: 0.9}\n")
    (tmp_path / "sei.yaml").write_text(masked, "utf-8")
    run = ("segment", "run", "n0", "--recipe", "sei.yaml", "--json")
    plain = cli(*run).data[0]
    catalog = siltomo.open_catalog(tmp_path)
    with pytest.raises(siltomo.SiltomoError, match="keep_probabilities: true"):
        catalog.probabilities("n0-sei")
    (tmp_path / "sei.yaml").write_text(
        masked.replace("seed: 5", "seed: 5, keep_probabilities: true"), "utf-8"
    )
    assert cli(*run, "--dry-run").data[0]["outcome"] == "would be completed"
    done = cli(*run).data[0]
    # keeping them is no other recipe: the labels stay, and what they were made of is added
    assert (done["outcome"], done["record"]) == ("completed", plain["record"])
    assert cli(*run).data[0]["outcome"] == "unchanged"
    chances = catalog.probabilities("n0-sei")
    assert chances.dims == ("class", "z", "y", "x")
    assert chances.chunks is not None
    assert list(chances["phase"].values) == ["sei", "solid"]
    assert chances["z"].attrs["units"] == "um"
    labels = catalog.scan("n0")["n0-sei"].values
    values, inside = chances.values, labels > 0
    assert values.sum(axis=0)[inside] == pytest.approx(1, abs=2 / 255)
    assert not values[:, ~inside].any()
    sure = np.abs(values[0] - values[1]) > 2 / 255
    assert np.array_equal((values.argmax(axis=0) + 1)[inside & sure], labels[inside & sure])
    (parting,) = done["record"]["making"]["partings"]
    for value, found in zip(values, parting["classes"], strict=True):
        assert value[inside].mean() == pytest.approx(found["fraction"], abs=1e-3)
    assert cli("catalog", "verify", "--full").code == 0
    assert "probability" in cli("catalog", "rm", "n0-sei", "--json").error["message"]
    assert list((tmp_path / "staging").iterdir()) == []


def test_a_run_killed_between_labels_and_probabilities_is_completed(
    nano: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "sei.yaml").write_text(
        RECIPE.replace("seed: 5", "seed: 5, keep_probabilities: true"), "utf-8"
    )
    catalog = siltomo.open_catalog(tmp_path)
    order = RecipeOrder(load_recipe(str(tmp_path / "sei.yaml")), ("n0",))

    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(segmenting, "store_probabilities", killed)
    with pytest.raises(KeyboardInterrupt):
        run_recipe(catalog, order)
    monkeypatch.undo()

    def no_more(*_: Any, **more: Any) -> Any:
        raise AssertionError("what a broken run predicted is kept")

    monkeypatch.setattr(segmenting_classifier, "predict_block", no_more)
    (done,) = run_recipe(catalog, order)
    assert done.outcome == "completed"
    assert catalog.probabilities("n0-sei").sizes["class"] == 2
