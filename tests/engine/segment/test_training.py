"""What classifiers are trained on: features from files, and the copy of the strokes that labels keep."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tifffile
from scipy import ndimage

import siltomo
from siltomo.model import Segmentation
from siltomo.segmentation.features import feature_names, features
from siltomo.units import Quantity

pytest.importorskip("sklearn", reason="the extra 'ml' is not installed")

Cli = Callable[..., Any]
SCALES = (Quantity(1.0, "voxel"),)
HEAD = "recipe: {name}\ndomain: islet\nsteps:\n"
CLASSIFY = "  - classify: {{training: strokes.tif, scan: n0, trees: 20, seed: 5{more}}}\n"
LABEL = "  - label: {1: sei, 2: solid}\n"
COMPUTED = ", scales: [1 voxel]"
READ = ", features: '{{scan}}_Features.h5'"


def recipe(folder: Path, name: str, more: str, *, before: str = "", after: str = LABEL) -> Path:
    path = folder / f"{name}.yaml"
    path.parent.mkdir(exist_ok=True)
    words = CLASSIFY.format(more=more.replace("{{", "{").replace("}}", "}"))
    path.write_text(HEAD.format(name=name) + before + words + after, "utf-8")
    return path


def export(path: Path, values: np.ndarray) -> Path:
    """Write features as ilastik's export does: HDF5 with axes zyxc, named by axistags. Of our own making."""
    with h5py.File(path, "w") as file:
        made = file.create_dataset("exported_data", data=np.moveaxis(values, 0, -1), chunks=True)
        made.attrs["axistags"] = json.dumps({"axes": [{"key": key, "typeFlags": 2} for key in "zyxc"]})
    return path


@pytest.fixture
def nano(cli: Cli, tmp_path: Path) -> np.ndarray:
    """A catalog with two scans, strokes on the first, and the features of both in files."""
    rng = np.random.default_rng(0)
    mask = ndimage.gaussian_filter(rng.normal(size=(24, 30, 32)), 4) < 0
    cli("init", ".")
    cli("formulation", "add", "zn")
    cli("cell", "add", "zn1", "--formulation", "zn")
    for n in range(2):
        grey = (np.where(mask, 100, 130) + rng.normal(0, 15, mask.shape)).clip(0, 255).astype(np.uint8)
        np.save(tmp_path / f"n{n}.npy", grey)
        where = ("--cell", "zn1", "--scale", "nano", "--mode", "ex_situ", "--cycle", 1 + n)
        words = (*where, "--half", "delithiation", "--voxel-size", "25 nm", "--id", f"n{n}")
        assert cli("catalog", "add", f"n{n}.npy", *words).code == 0
        export(tmp_path / f"n{n}_Features.h5", features(grey, SCALES, (0.025,) * 3))
    labels = np.zeros(mask.shape, np.uint8)
    inner = (ndimage.binary_erosion(mask, iterations=2), ndimage.binary_erosion(~mask, iterations=2))
    for value, phase in enumerate(inner, 1):
        for z, y, x in np.argwhere(phase)[:: max(1, phase.sum() // 25)]:
            here = (slice(z, z + 1), slice(y, y + 4), slice(x, x + 4))
            labels[here][phase[here]] = value
    tifffile.imwrite(tmp_path / "strokes.tif", labels, photometric="minisblack")
    return mask


def test_features_of_a_file_give_the_labels_of_the_same_features_computed(
    cli: Cli, nano: np.ndarray, tmp_path: Path
) -> None:
    run = ("segment", "run", "n0", "n1", "--json", "--recipe")
    computed = cli(*run, recipe(tmp_path, "computed", COMPUTED)).data
    read = cli(*run, recipe(tmp_path, "read", READ)).data
    catalog = siltomo.open_catalog(tmp_path)
    for one, other in zip(computed, read, strict=True):
        scan = one["scan"]
        labels = [catalog.scan(scan)[part["id"]].values for part in (one, other)]
        assert np.array_equal(*labels)
        assert ((labels[1] == 1) == nano).mean() > 0.85
        made, kept = (part["record"]["making"] for part in (one, other))
        facts, read_facts = (part["partings"][0]["facts"] for part in (made, kept))
        assert read_facts["features_read"] == len(feature_names(SCALES)) == 10
        assert read_facts["out_of_bag_confusion"] == facts["out_of_bag_confusion"]
        assert set(read_facts["leading_features"]) <= {f"channel {n}" for n in range(1, 11)}
        names = {name for name in kept["inputs"] if name.startswith("features")}
        assert names == {f"features of step 1, scan {s}" for s in ("n0", scan)}
        assert kept["content"]["steps"][0]["classify"]["features"]["file"] == "{scan}_Features.h5"
        assert "scales" not in kept["content"]["steps"][0]["classify"]
    assert {row["outcome"] for row in cli(*run, "read.yaml").data} == {"unchanged"}


def test_other_features_are_other_labels(cli: Cli, nano: np.ndarray, tmp_path: Path) -> None:
    run = ("segment", "run", "n1", "--recipe", recipe(tmp_path, "read", READ), "--json")
    assert cli(*run).code == 0
    with h5py.File(tmp_path / "n0_Features.h5", "r+") as file:  # those of the scan it was trained on
        file["exported_data"][0, 0, 0, 0] += 1
    assert cli(*run).error["code"] == "SIL111"


def test_the_domain_is_that_of_the_masks(cli: Cli, nano: np.ndarray, tmp_path: Path) -> None:
    with h5py.File(
        tmp_path / "n0_Features.h5", "r+"
    ) as file:  # no number outside of the reconstructed circle
        file["exported_data"][:, 0, 0, 3] = np.nan
    path = recipe(tmp_path, "circle", READ, before="  - mask: {cylinder: 0.9}\n")
    (row,) = cli("segment", "run", "n0", "--recipe", path, "--json").data
    labels = siltomo.open_catalog(tmp_path).scan("n0")[row["id"]].values
    assert not labels[:, 0, 0].any()
    assert labels[:, 15, 16].all()
    error = cli("segment", "run", "n0", "--recipe", recipe(tmp_path, "read", READ), "--json").error
    assert "the feature 'channel 4' is not finite everywhere" in error["message"]


def test_features_are_read_by_planes_within_the_memory(
    cli: Cli, nano: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from siltomo.engine.segment.training import ReadFeatures

    asked: list[int] = []
    true = ReadFeatures.__call__

    def counting(self: ReadFeatures, start: int, stop: int, window: Any) -> np.ndarray:
        made = true(self, start, stop, window)
        asked.append(made[0].size)
        return made

    monkeypatch.setattr(ReadFeatures, "__call__", counting)
    path = recipe(tmp_path, "read", READ)
    whole = cli("segment", "run", "n0", "--recipe", path, "--json").data[0]["record"]["volume"]
    assert max(asked) == 16 * 30 * 32
    asked.clear()
    monkeypatch.setenv("SILTOMO_MEMORY", "3 MiB")
    row = cli("segment", "run", "n0", "--recipe", path, "--id", "small", "--json").data[0]
    assert row["record"]["volume"] == whole
    assert max(asked) < 16 * 30 * 32 / 2
    monkeypatch.setenv("SILTOMO_MEMORY", "0.3 MiB")
    error = cli("segment", "run", "n0", "--recipe", path, "--id", "none", "--json").error
    assert "classifying 16 planes" in error["message"]


@pytest.mark.parametrize(
    ("more", "before", "why"),
    [
        (", features: n0_Features.h5", "", "write {scan} for the id of the scan"),
        (", features: '{scan}_none.h5'", "", "no such file"),
        (", features: '{scan}_Small.h5'", "", "do not lie on the grid of a scan of (24, 30, 32)"),
        (
            ", features: '{scan}_Few.h5'",
            "",
            "has 9 features, the forest was trained on those of scan 'n0', 10",
        ),
        (READ, "  - median: 3 voxel\n", "step 1 (median) before it would do nothing"),
        (READ + COMPUTED, "", "scales belong to features that are computed"),
        (", features: {file: a.npy, axes: zyx}", "", "the axes 'zyx' are not c, z, y and x"),
    ],
)
def test_features_that_do_not_fit_say_why(
    more: str, before: str, why: str, cli: Cli, nano: np.ndarray, tmp_path: Path
) -> None:
    values = np.zeros((10, 24, 30, 32), np.float32)
    for n in range(2):
        export(tmp_path / f"n{n}_Small.h5", values[:, 1:])
    export(tmp_path / "n0_Few.h5", values)
    export(tmp_path / "n1_Few.h5", values[1:])
    path = recipe(tmp_path, "wrong", more, before=before)
    done = cli("segment", "run", "n1", "--recipe", path, "--json")
    assert done.code not in (0, 1)
    assert why in done.error["message"]
    preview = cli("segment", "preview", "n1", "--recipe", path, "-o", "p.png", "--json")
    assert why in preview.error["message"]
    assert not (tmp_path / "p.png").exists()


# ---------------------------------------------------------------- sensitivity without the files

BOTH = """  - threshold:
    of: grey
    as: dark
  - select: 1
    as: pores
  - combine: {pore: pores, sei: forest, solid: rest}
"""


def with_threshold(folder: Path, name: str, more: str) -> Path:
    return recipe(folder, name, more, after="  - select: 1\n    as: forest\n" + BOTH)


def test_sensitivity_needs_neither_the_recipe_nor_the_strokes(
    cli: Cli, nano: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "beamtime"
    path = with_threshold(folder, "both", COMPUTED)
    (tmp_path / "strokes.tif").rename(folder / "strokes.tif")
    assert cli("segment", "run", "n1", "--recipe", path).code == 0
    check = ("segment", "check", "n1-both", "--shift", "0.1", "--json")
    elsewhere = cli(*check).data["sensitivity"]  # the current folder is not the recipe's
    (folder / "strokes.tif").unlink()
    path.unlink()
    assert cli(*check).data["sensitivity"] == elsewhere
    rows = {row["metric"]: row for row in elsewhere}
    moved = rows["pore_volume_fraction"]
    assert moved["darker_cuts"] < moved["value"] < moved["brighter_cuts"]
    assert cli(*check, "--store").data["sensitivity"] == elsewhere
    assert cli("catalog", "verify", "--full").code == 0


def test_the_kept_copy_is_of_what_was_trained_on(cli: Cli, nano: np.ndarray, tmp_path: Path) -> None:
    assert cli("segment", "run", "n0", "--recipe", recipe(tmp_path, "computed", COMPUTED)).code == 0
    catalog = siltomo.open_catalog(tmp_path)
    stored = catalog.stored(Segmentation, "n0-computed")
    with np.load(catalog.store.file(stored, "training/step1.npz")) as packed:
        kept = np.zeros(nano.shape, np.uint8)
        kept[tuple(packed["places"].T)] = packed["classes"]
    assert np.array_equal(kept, tifffile.imread(tmp_path / "strokes.tif"))


def test_labels_without_a_copy_say_how_to_get_one(cli: Cli, nano: np.ndarray, tmp_path: Path) -> None:
    from siltomo.engine.segment import segmenting

    path = with_threshold(tmp_path, "both", COMPUTED)
    with pytest.MonkeyPatch.context() as before:
        before.setattr(segmenting, "kept_files", lambda *_: {})  # as before copies were kept
        assert cli("segment", "run", "n0", "--recipe", path).code == 0
    error = cli("segment", "check", "n0-both", "--json").error
    assert "keeps no copy of the training labels of step 1" in error["message"]
    assert cli(*error["fix"].split()[1:]).code == 0
    assert cli("segment", "check", "n0-both-2").code == 0


def test_sensitivity_with_features_looks_where_they_were(cli: Cli, nano: np.ndarray, tmp_path: Path) -> None:
    folder = tmp_path / "beamtime"
    path = with_threshold(folder, "both", READ)
    for name in ("strokes.tif", "n0_Features.h5", "n1_Features.h5"):
        (tmp_path / name).rename(folder / name)
    assert cli("segment", "run", "n1", "--recipe", path).code == 0
    check = ("segment", "check", "n1-both", "--json")
    assert cli(*check).data["sensitivity"]
    with h5py.File(folder / "n1_Features.h5", "r+") as file:
        file["exported_data"][0, 0, 0, 0] += 1
    assert "are not those that 'n1-both' was made of" in cli(*check).error["message"]
    (folder / "n1_Features.h5").unlink()
    assert "no such file" in cli(*check).error["message"]
