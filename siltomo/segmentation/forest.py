"""A random forest over features of voxels: trained on sparse labels, honest about how well it does."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import BadInputError, MissingPartError
from siltomo.kernels import thread_count
from siltomo.model import Trust, Verdict
from siltomo.segmentation.execute import Work
from siltomo.segmentation.features import FeatureReader, feature_halo, feature_names, features
from siltomo.segmentation.steps import Classify
from siltomo.segmentation.training import Training

__all__ = ["Forest", "predict_block", "prediction_bytes", "train"]

Floats = NDArray[np.float32]
FOLDS = 5
TILE = 96
"""Edge of the tiles in the plane: features take a hundred bytes per voxel, so few voxels are held at once."""


@dataclass(frozen=True, eq=False)
class Forest:
    """A trained forest with what is known of it."""

    model: Any
    classes: int
    features: tuple[str, ...]
    """Names of the features it was trained on, in their order."""
    facts: dict[str, Any]
    """Training voxels, out-of-bag score and confusion, the same on strokes left out, leading features."""
    verdicts: tuple[Verdict, ...]


def train(
    step: Classify, work: Work, node: int, training: Training, read: FeatureReader | None = None
) -> Forest:
    """Train a forest.

    Parameters
    ----------
    step
        The step, with scales, trees and seed.
    work, node
        Where the greys come from that features are made of.
    training
        The labelled voxels.
    read
        Reads features from a file; they are computed of the greys without it.

    Raises
    ------
    BadInputError
        When a class has no labelled voxel, or there are more classes than the step says.
    MissingPartError
        When scikit-learn is not installed.
    """
    try:
        from sklearn.ensemble import RandomForestClassifier
    except ImportError as error:
        raise MissingPartError(
            "the step 'classify' needs scikit-learn", fix="pip install 'siltomo[ml]'", code="SIL130"
        ) from error
    counts = np.bincount(training.classes, minlength=step.classes + 1)
    if len(counts) > step.classes + 1 or (counts[1:] == 0).any():
        have = {value: int(n) for value, n in enumerate(counts) if n}
        raise BadInputError(
            f"the training labels have the classes {have or 'none'} (voxels of each); the step says classes 1 to "
            f"{step.classes}, and each needs some",
            code="SIL143",
        )
    names = tuple(feature_names(step.scales)) if read is None else read.names
    rows = _training_rows(step, work, node, training) if read is None else _read_rows(read, training)
    kind = {
        "n_estimators": step.trees,
        "random_state": step.seed,
        "class_weight": "balanced",
        "min_samples_leaf": 2,
    }
    model = RandomForestClassifier(**kind, oob_score=True, bootstrap=True, n_jobs=thread_count(None))
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "Some inputs do not have OOB scores")  # they are left out below
        model.fit(rows, training.classes)
    model.n_jobs = 1  # blocks are predicted by one thread each, and sums of votes keep their order
    votes = np.nan_to_num(model.oob_decision_function_)
    told = votes.sum(axis=1) > 0  # few trees leave voxels that each of them was trained on
    bagged, true = votes[told].argmax(axis=1) + 1, training.classes[told]
    facts: dict[str, Any] = {
        "training_voxels": {str(c): int(counts[c]) for c in range(1, step.classes + 1)},
        "training_strokes": len(np.unique(training.strokes)),
        "training_digest": training.digest,
        "seed": step.seed,
        "trees": step.trees,
        "out_of_bag_score": float((bagged == true).mean()) if told.any() else None,
        "out_of_bag_confusion": _confusion(true, bagged, step.classes),
    }
    left_out = _by_strokes(kind, rows, training, step.classes)
    facts |= left_out
    weights = sorted(zip(model.feature_importances_, names, strict=True), reverse=True)
    if read is not None:
        facts["features_read"] = len(names)
    facts["leading_features"] = {name: round(float(weight), 4) for weight, name in weights[:5]}
    return Forest(model, step.classes, names, facts, tuple(_verdicts(facts, counts)))


def _confusion(true: NDArray[Any], found: NDArray[Any], classes: int) -> list[list[int]]:
    """Count voxels by class (rows) and by what they are taken for (columns)."""
    table = np.zeros((classes, classes), np.int64)
    np.add.at(table, (true.astype(np.intp) - 1, found.astype(np.intp) - 1), 1)
    return [[int(n) for n in row] for row in table]


def _by_strokes(kind: dict[str, Any], rows: Floats, training: Training, classes: int) -> dict[str, Any]:
    """Score the forest on strokes that it was not trained on: voxels of a stroke are alike, and flatter it."""
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.model_selection import StratifiedGroupKFold

    strokes = min(len(np.unique(training.strokes[training.classes == c])) for c in range(1, classes + 1))
    if strokes < 2:
        return {"left_out_strokes_score": None, "left_out_strokes_confusion": None}
    found = np.zeros(len(rows), np.intp)
    folds = StratifiedGroupKFold(min(FOLDS, strokes))
    for learn, test in folds.split(rows, training.classes, training.strokes):
        model = RandomForestClassifier(
            **{**kind, "n_estimators": min(50, kind["n_estimators"])}, n_jobs=thread_count(None)
        )
        model.fit(rows[learn], training.classes[learn])
        found[test] = model.predict(rows[test])
    table = _confusion(training.classes, found, classes)
    recalls = [row[n] / max(1, sum(row)) for n, row in enumerate(table)]
    return {"left_out_strokes_score": float(np.mean(recalls)), "left_out_strokes_confusion": table}


def _verdicts(facts: dict[str, Any], counts: NDArray[Any]) -> Iterator[Verdict]:
    score = facts["left_out_strokes_score"]
    if score is None:
        yield Verdict(
            check="strokes left out",
            trust=Trust.DOUBTFUL,
            limits="needs two strokes of each class",
            reason="a class has a single stroke: how well the forest does elsewhere is not known (its out-of-bag score "
            "is of voxels next to those it was trained on); draw strokes in several places",
        )
    else:
        trust = Trust.GOOD if score >= 0.95 else Trust.DOUBTFUL if score >= 0.85 else Trust.BAD
        yield Verdict(
            check="strokes left out",
            trust=trust,
            value=score,
            limits="good >= 0.95, bad < 0.85 (mean share of the voxels of a class that are found)",
            reason=""
            if trust == Trust.GOOD
            else f"of strokes it was not trained on the forest finds {score:.1%}",
        )
    fewest = int(counts[1:].min())
    trust = Trust.GOOD if fewest >= 100 else Trust.DOUBTFUL
    yield Verdict(
        check="training voxels of the smallest class",
        trust=trust,
        value=float(fewest),
        limits="good >= 100",
        reason="" if trust == Trust.GOOD else f"a class has only {fewest} labelled voxels",
    )


def _training_rows(step: Classify, work: Work, node: int, training: Training) -> Floats:
    """Return the features of the labelled voxels, tile by tile."""
    found = np.zeros((len(training.places), len(feature_names(step.scales))), np.float32)
    for members in _by_tiles(training, (16, TILE, TILE)):
        places = training.places[members]
        low, high = places.min(axis=0), places.max(axis=0) + 1
        block, first = _with_halo(step, work, node, low, high)
        made = features(block, step.scales, work.source.spacing)
        found[members] = made[(slice(None), *(places - first).T)].T
    return found


def _by_tiles(training: Training, tile: tuple[int, int, int]) -> list[NDArray[np.intp]]:
    """Return the labelled voxels of each tile that has some."""
    tiles = training.places // np.array(tile)
    order = np.lexsort(tiles.T[::-1])
    cuts = np.flatnonzero(np.any(np.diff(tiles[order], axis=0), axis=1)) + 1
    return np.split(order, cuts)


def _read_rows(read: FeatureReader, training: Training) -> Floats:
    """Return features from a file at the labelled voxels, tile by tile."""
    found = np.zeros((len(training.places), len(read.names)), np.float32)
    for members in _by_tiles(training, read.tile):
        low, high = training.places[members].min(axis=0), training.places[members].max(axis=0) + 1
        z, y, x = (training.places[members] - low).T
        window = slice(int(low[1]), int(high[1])), slice(int(low[2]), int(high[2]))
        found[members] = read(int(low[0]), int(high[0]), window)[:, z, y, x].T
    bad = ~np.isfinite(found).all(axis=0)
    if bad.any():
        raise BadInputError(
            f"the features {', '.join(np.array(read.names)[bad])!r} are not finite at some of the labelled voxels"
        )
    return found


def _with_halo(
    step: Classify, work: Work, node: int, low: NDArray[Any], high: NDArray[Any]
) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return greys of a box with the halo of the features, and where it begins."""
    halo = np.array(feature_halo(step.scales, work.source.spacing))
    first, last = np.maximum(0, low - halo), np.minimum(work.source.shape, high + halo)
    part = work.planes(node, int(first[0]), int(last[0]))
    return part.values[:, first[1] : last[1], first[2] : last[2]], first


def predict_block(
    step: Classify,
    forest: Forest,
    work: Work,
    node: int,
    planes: tuple[int, int],
    *,
    read: FeatureReader | None = None,
) -> tuple[NDArray[np.uint8], NDArray[np.float32]]:
    """Return the classes of some planes, and the probability of each class.

    Parameters
    ----------
    step, forest
        The step, and its forest.
    work, node
        Where the greys come from that features are made of, and the domain.
    planes
        First and last plane (excluded).
    read
        Reads features from a file, for a forest that was trained on such.

    Returns
    -------
    tuple
        uint8 classes of shape (planes, y, x), 0 outside of the domain, and float32 probabilities of shape (classes,
        planes, y, x). They do not depend on the block.
    """
    start, stop = planes
    chances = np.zeros((forest.classes, stop - start, *work.source.shape[1:]), np.float32)
    if read is None:
        inside, blocks = _computed(step, work, node, planes)
    else:
        inside = work.planes(node, start, stop).inside
        blocks = _read(read, planes, work.source.shape[1:], inside)
    for place, made in blocks:
        votes = forest.model.predict_proba(made.reshape(len(made), -1).T).T.astype(np.float32)
        chances[:, *place] = votes.reshape(forest.classes, *made.shape[1:])
    classes = (chances.argmax(axis=0) + 1).astype(np.uint8)
    if inside is not None:
        classes[~inside] = 0
    return classes, chances


_Blocks = Iterator[tuple[tuple[slice, slice, slice], Floats]]
"""Places in a block, and the features of their voxels, shape (features, z, y, x)."""


def _computed(
    step: Classify, work: Work, node: int, planes: tuple[int, int]
) -> tuple[NDArray[np.bool_] | None, _Blocks]:
    """Return the domain in some planes, and features of the greys, tile by tile."""
    start, stop = planes
    halo = np.array(feature_halo(step.scales, work.source.spacing))
    depth, height, width = work.source.shape
    low, high = max(0, start - int(halo[0])), min(depth, stop + int(halo[0]))
    part = work.planes(node, low, high)

    def tiles() -> _Blocks:
        for y, x in _tiles(height, width):
            first = np.maximum(0, [y.start - halo[1], x.start - halo[2]])
            box = part.values[:, first[0] : y.stop + halo[1], first[1] : x.stop + halo[2]]
            made = features(box, step.scales, work.source.spacing)
            made = made[:, start - low : stop - low, y.start - first[0] :, x.start - first[1] :]
            yield (slice(0, stop - start), y, x), made[:, :, : y.stop - y.start, : x.stop - x.start]

    return None if part.inside is None else part.inside[start - low : stop - low], tiles()


def _read(
    read: FeatureReader,
    planes: tuple[int, int],
    size: tuple[int, int],
    inside: NDArray[np.bool_] | None,
) -> _Blocks:
    """Yield features from a file, tile by tile; outside of the domain they need not be numbers."""
    first, last = planes
    deep, high, wide = read.tile
    for z in range(first, last, deep):
        stop = min(z + deep, last)
        at = slice(z - first, stop - first)
        for window in _tiles(*size, (high, wide)):
            made = read(z, stop, window)
            known = np.isfinite(made)
            if not known.all():
                wrong = ~known if inside is None else ~known & inside[at, *window]
                if wrong.any():
                    which = int(np.flatnonzero(wrong.any(axis=(1, 2, 3)))[0])
                    raise BadInputError(
                        f"planes {z} to {stop - 1}: the feature {read.names[which]!r} is not finite everywhere"
                    )
                made = np.where(known, made, np.float32(0))
            for y, x in _tiles(made.shape[2], made.shape[3]):
                rows = slice(window[0].start + y.start, window[0].start + y.stop)
                columns = slice(window[1].start + x.start, window[1].start + x.stop)
                yield (at, rows, columns), made[:, :, y, x]


def _tiles(height: int, width: int, edges: tuple[int, int] = (TILE, TILE)) -> Iterator[tuple[slice, slice]]:
    for y in range(0, height, edges[0]):
        for x in range(0, width, edges[1]):
            yield slice(y, min(y + edges[0], height)), slice(x, min(x + edges[1], width))


def prediction_bytes(
    step: Classify,
    shape: Sequence[int],
    spacing: tuple[float, float, float],
    planes: int,
    read: FeatureReader | None = None,
) -> int:
    """Return an upper bound of the memory that a prediction of some planes takes beside the greys."""
    if read is not None:
        deep, high, wide = read.tile
        rows = deep * min(TILE, high) * min(TILE, wide) * (8 * len(read.names) + 24 * step.classes)
        labels = planes * shape[1] * shape[2] * (4 * step.classes + 10)
        return rows + labels + deep * high * wide * read.voxel_bytes
    halo = feature_halo(step.scales, spacing)
    count = len(feature_names(step.scales))
    tile = (planes + 2 * halo[0]) * min(TILE + 2 * halo[1], shape[1]) * min(TILE + 2 * halo[2], shape[2])
    rows = planes * min(TILE, shape[1]) * min(TILE, shape[2])
    return (
        tile * (8 * count + 160)
        + rows * (4 * count + 24 * step.classes)
        + planes * shape[1] * shape[2] * (4 * step.classes + 10)
    )
