"""The random forest: features by definition, blocks, seeds, honest scores."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy import ndimage

from siltomo.errors import BadInputError, FormatError, MismatchError
from siltomo.segmentation import Classify, Label, Recipe
from siltomo.segmentation.execute import Work
from siltomo.segmentation.features import feature_halo, feature_names, features
from siltomo.segmentation.forest import predict_block, prediction_bytes, train
from siltomo.segmentation.ilastik import read_project
from siltomo.segmentation.training import Training
from siltomo.units import Quantity

pytest.importorskip("sklearn", reason="the extra 'ml' is not installed")

Make = Callable[..., Any]
ONE = (Quantity(1.0, "voxel"),)


def test_features_are_what_they_are_called() -> None:
    z, y, x = np.indices((31, 31, 31)).astype(np.float32) - 15
    made = dict(
        zip(feature_names(ONE), features(x**2 + 3 * y**2 - z**2 + 2 * x, ONE, (1, 1, 1)), strict=True)
    )
    at = (15, 15, 15)
    assert made["grey"][at] == 0
    assert made["gaussian 1 voxel"][at] == pytest.approx(1 + 3 - 1, rel=2e-2)
    assert made["gradient magnitude 1 voxel"][at] == pytest.approx(2, rel=1e-3)
    assert made["laplacian 1 voxel"][at] == pytest.approx(2 + 6 - 2, rel=2e-2)
    hessian = [made[f"hessian {name} 1 voxel"][at] for name in ("largest", "middle", "smallest")]
    assert hessian == pytest.approx([6, 2, -2], rel=2e-2)


def test_eigenvalues_are_those_of_numpy() -> None:
    values = np.random.default_rng(0).normal(size=(9, 9, 9)).astype(np.float32)
    made = dict(zip(feature_names(ONE), features(values, ONE, (1, 1, 1)), strict=True))
    derivative = {
        (a, b): ndimage.gaussian_filter(values, 1, order=[(a == k) + (b == k) for k in range(3)])
        for a in range(3)
        for b in range(3)
    }
    matrix = np.array([[derivative[a, b] for b in range(3)] for a in range(3)]).transpose(2, 3, 4, 0, 1)
    expected = np.linalg.eigvalsh(matrix)[..., ::-1]
    for n, name in enumerate(("largest", "middle", "smallest")):
        assert made[f"hessian {name} 1 voxel"] == pytest.approx(expected[..., n], abs=1e-5)


def test_the_halo_is_enough_and_not_too_much() -> None:
    scales, spacing = (Quantity(0.5, "um"), Quantity(0.8, "um")), (0.5, 0.4, 0.4)
    halo = feature_halo(scales, spacing)
    rng = np.random.default_rng(0)
    volume = rng.normal(size=tuple(2 * h + 3 for h in halo)).astype(np.float32)
    centre = tuple(h + 1 for h in halo)
    expected = features(volume, scales, spacing)[(slice(None), *centre)]
    box = volume[1:-1, 1:-1, 1:-1]
    assert np.array_equal(features(box, scales, spacing)[(slice(None), *halo)], expected)
    changed = volume.copy()
    changed[0] = changed[:, 0] = changed[:, :, 0] = 1e6
    assert np.array_equal(features(changed, scales, spacing)[(slice(None), *centre)], expected)


@pytest.fixture(scope="module")
def textures() -> tuple[np.ndarray, np.ndarray]:
    """Two phases of one mean and one noise, coarse and fine in texture: no threshold tells them apart."""
    rng = np.random.default_rng(0)
    shape = (40, 110, 60)
    coarse = ndimage.gaussian_filter(rng.normal(size=shape), 1.6)
    fine = ndimage.gaussian_filter(rng.normal(size=shape), 0.6)
    mask = ndimage.gaussian_filter(rng.normal(size=shape), 7) < 0
    grey = np.where(mask, coarse / coarse.std(), fine / fine.std())
    return mask, (30000 + 3000 * grey).astype(np.uint16)


def strokes(mask: np.ndarray, count: int = 8) -> np.ndarray:
    """A few short strokes in each phase, away from its edge."""
    rng = np.random.default_rng(1)
    labels = np.zeros(mask.shape, np.uint8)
    for value, phase in ((1, mask), (2, ~mask)):
        inner = ndimage.binary_erosion(phase, iterations=3)
        places = np.argwhere(inner)
        for z, y, x in places[rng.choice(len(places), count, replace=False)]:
            here = (slice(z, z + 1), slice(y, y + 5), slice(x, x + 5))
            labels[here][inner[here]] = value
    return labels


STEP = Classify(training="-", trees=30, seed=3, scales=("1 voxel", "2.5 voxel"))
PHASES = Label(phases={1: "sei", 2: "solid"})


def test_textures_are_told_apart_in_any_blocks(textures: Any, source: Make) -> None:
    mask, grey = textures
    work = Work(Recipe(name="r", steps=(STEP, PHASES)), source(grey))
    forest = train(STEP, work, -1, Training.of(strokes(mask)))
    classes, chances = predict_block(STEP, forest, work, -1, (0, 40))
    assert ((classes == 1) == mask).mean() > 0.87
    assert chances.sum(axis=0) == pytest.approx(1, abs=1e-5)
    # both fractions: from the most likely class, and from probabilities
    assert (classes == 1).mean() == pytest.approx(mask.mean(), abs=0.05)
    assert chances[0].mean() == pytest.approx(mask.mean(), abs=0.1)
    for start, stop in ((0, 5), (5, 17), (39, 40)):
        part, chance = predict_block(STEP, forest, work, -1, (start, stop))
        assert np.array_equal(part, classes[start:stop])
        assert np.array_equal(chance, chances[:, start:stop])
    facts = forest.facts
    assert facts["out_of_bag_score"] > 0.9
    assert np.sum(facts["out_of_bag_confusion"]) == sum(facts["training_voxels"].values())
    assert facts["left_out_strokes_score"] > 0.85
    again = train(STEP, work, -1, Training.of(strokes(mask)))
    assert again.facts == facts
    assert np.array_equal(predict_block(STEP, again, work, -1, (3, 6))[1], chances[:, 3:6])


def test_what_cannot_be_told_apart_is_not_trusted(source: Make) -> None:
    grey = np.random.default_rng(0).integers(0, 60000, (20, 60, 60)).astype(np.uint16)
    mask = np.indices(grey.shape)[2] < 30
    work = Work(Recipe(name="r", steps=(STEP, PHASES)), source(grey))
    forest = train(STEP, work, -1, Training.of(strokes(mask)))
    verdicts = {v.check: v for v in forest.verdicts}
    assert verdicts["strokes left out"].trust == "bad"


def test_one_stroke_is_no_proof(textures: Any, source: Make) -> None:
    mask, grey = textures
    work = Work(Recipe(name="r", steps=(STEP, PHASES)), source(grey))
    forest = train(STEP, work, -1, Training.of(strokes(mask, count=1)))
    assert {v.check: v.trust for v in forest.verdicts}["strokes left out"] == "doubtful"
    assert forest.facts["left_out_strokes_score"] is None


def test_a_class_without_labels_is_refused(textures: Any, source: Make) -> None:
    mask, grey = textures
    work = Work(Recipe(name="r", steps=(STEP, PHASES)), source(grey))
    only = strokes(mask)
    only[only == 2] = 0
    for labels in (only, np.where(only, 3, 0)):
        with pytest.raises(BadInputError, match="training labels have the classes"):
            train(STEP, work, -1, Training.of(labels))


def test_the_digest_is_of_voxels_and_classes(textures: Any) -> None:
    labels = strokes(textures[0])
    one = Training.of(labels)
    assert Training.of(labels.copy()).digest == one.digest
    other = labels.copy()
    other[tuple(one.places[0])] = 3 - other[tuple(one.places[0])]
    assert Training.of(other).digest != one.digest
    assert len(np.unique(one.strokes)) <= 16


def project(path: Path, blocks: dict[str, np.ndarray]) -> Path:
    with h5py.File(path, "w") as file:
        group = file.create_group("PixelClassification/LabelSets/labels000")
        for n, (place, values) in enumerate(blocks.items()):
            group.create_dataset(f"block{n:04d}", data=values).attrs["blockSlice"] = place
        file["PixelClassification/LabelNames"] = np.array([b"SEI", b"Silicon"])
        file["PixelClassification/LabelColors"] = np.array([[255, 0, 0], [0, 255, 0]])
    return path


def test_an_ilastik_project_gives_its_strokes(tmp_path: Path) -> None:
    four, five = np.zeros((2, 3, 4, 1), np.uint8), np.zeros((1, 1, 2, 2, 1), np.uint8)
    four[1, 2, 3], five[0, 0, 1, 0] = 2, 1
    path = project(tmp_path / "p.ilp", {"[0:2,5:8,1:5,0:1]": four, "[0:1,4:5,0:2,6:8,0:1]": five})
    found = read_project(path, (6, 9, 8))
    assert found.names == ("SEI", "Silicon")
    assert found.colours == ((255, 0, 0), (0, 255, 0))
    assert np.argwhere(found.labels).tolist() == [[1, 7, 4], [4, 1, 6]]
    assert found.labels[1, 7, 4] == 2
    with pytest.raises(MismatchError, match="reaches to"):
        read_project(path, (6, 7, 8))
    with pytest.raises(FormatError, match="no strokes for its image 1"):
        read_project(path, (6, 9, 8), lane=1)
    (tmp_path / "no.ilp").write_bytes(b"nothing")
    with pytest.raises(FormatError, match="HDF5"):
        read_project(tmp_path / "no.ilp", (1, 1, 1))


def test_reading_features_takes_no_more_memory_than_is_said(textures: Any, source: Make) -> None:
    import tracemalloc

    mask, grey = textures
    names = tuple(f"channel {n}" for n in range(1, 25))

    class Reader:
        """Twenty-four channels, of which the first tells the phases."""

        def __init__(self, *tile: int) -> None:
            self.names, self.tile, self.voxel_bytes = names, tile, 24 * (2 * 2 + 10)

        def __call__(self, start: int, stop: int, window: Any, /) -> np.ndarray:
            part = mask[start:stop, *window]
            assert all(n <= most for n, most in zip(part.shape, self.tile, strict=True))
            stored = np.zeros((24, *part.shape), np.uint16)
            stored[0] = part
            return stored.astype(np.float32)

    work = Work(Recipe(name="r", steps=(STEP, PHASES)), source(grey))
    step = STEP.model_copy(update={"trees": 10})
    forest = train(step, work, -1, Training.of(strokes(mask)), Reader(4, 30, 60))
    # ten trees leave some voxels that each of them was trained on: nothing is told of these
    assert 0 < np.sum(forest.facts["out_of_bag_confusion"]) < sum(forest.facts["training_voxels"].values())
    found = []
    for tile in ((1, 110, 60), (8, 110, 60), (16, 100, 17)):
        tracemalloc.start()
        found.append(predict_block(step, forest, work, -1, (0, 16), read=Reader(*tile)))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        said = prediction_bytes(step, work.source.shape, work.source.spacing, 16, Reader(*tile))
        assert 0.3 * said < peak - mask[:16].size * grey.itemsize < said
    assert all(np.array_equal(found[0][1], one[1]) for one in found[1:])
    assert np.array_equal(found[0][0] == 1, mask[:16])
