"""What classifiers are trained on: sparse labels and features, from files or from the copy that labels keep."""

from __future__ import annotations

import io
import shlex
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.engine.catalog import Catalog
from siltomo.engine.segment.recipes import LoadedRecipe
from siltomo.errors import BadInputError, MismatchError, NotFoundError
from siltomo.importers import Source, open_volume
from siltomo.importers.channels import Channels, files_digest, open_channels
from siltomo.model import Scan, Segmentation
from siltomo.segmentation import Classify
from siltomo.segmentation.ilastik import read_project
from siltomo.segmentation.training import Training

__all__ = [
    "ReadFeatures",
    "check_features_of_scans",
    "feature_inputs",
    "kept_files",
    "open_features",
    "recipe_as_made",
    "training_inputs",
    "training_labels",
]

_MOST_PLANES = 16


def training_inputs(catalog: Catalog, loaded: LoadedRecipe, scan_id: str) -> dict[str, str]:
    """Return what decides on a classifier besides the recipe: the labelled voxels and the scan they lie on."""
    found: dict[str, str] = {}
    for number, step in _classifiers(loaded):
        on = step.scan or scan_id
        scan = catalog.record(Scan, on)
        if scan.volume is not None:
            found[f"scan {on}"] = scan.volume.content
        found[_named(number)] = training_labels(catalog, loaded, number, step, on).digest
    return found


def _classifiers(loaded: LoadedRecipe) -> Iterator[tuple[int, Classify]]:
    for number, step in enumerate(loaded.recipe.steps, 1):
        if isinstance(step, Classify):
            yield number, step


def _named(number: int) -> str:
    return f"training of step {number}"


def training_labels(
    catalog: Catalog, loaded: LoadedRecipe, number: int, step: Classify, scan_id: str
) -> Training:
    """Return the sparse labels of a step, from its file or from the copy that labels of the recipe keep.

    Raises
    ------
    NotFoundError
        When the file does not exist.
    MismatchError
        When they do not fit the scan they were drawn on.
    """
    if number in loaded.kept:
        return loaded.kept[number]
    path = loaded.place.parent / step.training
    scan = catalog.record(Scan, scan_id)
    shape = scan.volume.shape if scan.volume else (0, 0, 0)
    if not path.exists():
        raise NotFoundError(
            f"there are no training labels {step.training!r}; paths in a recipe start at its folder",
            where=str(path),
        )
    said = path.stat()
    return _read(path, shape, scan_id, said.st_ino, said.st_size, said.st_mtime_ns, said.st_ctime_ns)


@lru_cache(maxsize=8)
def _read(path: Path, shape: tuple[int, int, int], scan_id: str, *_: int) -> Training:
    """Read labels once, as long as their file does not change."""
    if path.suffix.lower() == ".ilp":
        return Training.of(read_project(path, shape).labels)
    opened = open_volume(Source(path))
    if opened.shape != shape:
        raise MismatchError(
            f"training labels of {opened.shape} voxels (z, y, x) do not fit scan {scan_id!r} of {shape}; the step's "
            "field 'scan' says which scan they were drawn on",
            code="SIL110",
            where=str(path),
        )
    return Training.of(_whole(opened))


def _whole(opened: Any) -> NDArray[Any]:
    planes = [
        np.asarray(opened.planes(z, min(z + 64, opened.shape[0]))) for z in range(0, opened.shape[0], 64)
    ]
    labels = np.concatenate(planes)
    return labels.astype(np.uint8) if labels.max(initial=0) < 256 else labels


# ---------------------------------------------------------------- features from files


@dataclass(frozen=True, eq=False)
class ReadFeatures:
    """Features of a scan from a file, as classifiers take them."""

    channels: Channels
    tile: tuple[int, int, int] = (1, 1, 1)
    """How many voxels along z, y, x are read at once."""

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the features."""
        return self.channels.names

    @property
    def voxel_bytes(self) -> int:
        """Bytes that reading takes for each voxel: as stored, turned, as floats, and as what is finite of them."""
        return len(self.names) * (2 * self.channels.dtype.itemsize + 10)

    def within(self, memory: int) -> ReadFeatures:
        """Return the same, reading as much at once as fits into some bytes, in whole blocks of the file where it can.

        Where not even one block fits, it reads less of it at a time, and the file's blocks more than once.
        """
        _, height, width = self.channels.shape
        allowed = memory // self.voxel_bytes
        if self.channels.chunks is None:  # a file of planes
            return replace(self, tile=(max(1, min(_MOST_PLANES, allowed // (height * width))), height, width))
        _, high, wide = (min(*both) for both in zip(self.channels.chunks, self.channels.shape, strict=True))
        planes = max(1, min(_MOST_PLANES, allowed // (high * wide)))
        across = max(1, min(-(-width // wide), allowed // (planes * high * wide)))
        down = max(1, min(-(-height // high), allowed // (planes * high * wide * across)))
        return replace(self, tile=(planes, min(height, down * high), min(width, across * wide)))

    def __call__(self, start: int, stop: int, window: tuple[slice, slice], /) -> NDArray[np.float32]:
        """Return a part of planes ``start`` to ``stop`` (excluded), shape (features, planes, y, x)."""
        return self.channels.read(start, stop, window).astype(np.float32)


def open_features(
    catalog: Catalog, loaded: LoadedRecipe, step: Classify, scan_id: str
) -> ReadFeatures | None:
    """Open the features of a scan; None for a step that computes them.

    Raises
    ------
    NotFoundError
        When there is no such file.
    MismatchError
        When they do not lie on the grid of the scan.
    """
    if step.features is None:
        return None
    scan = catalog.record(Scan, scan_id)
    path = loaded.place.parent / step.features.file.replace("{scan}", scan_id)
    shape = scan.volume.shape if scan.volume else (0, 0, 0)
    return ReadFeatures(open_channels(path, shape, axes=step.features.axes, dataset=step.features.dataset))


def feature_inputs(catalog: Catalog, loaded: LoadedRecipe, scan_id: str) -> dict[str, str]:
    """Return digests of the files of features that decide on the labels of a scan; each file is read once."""
    found: dict[str, str] = {}
    for number, step in _classifiers(loaded):
        for one in dict.fromkeys((step.scan or scan_id, scan_id)):
            read = open_features(catalog, loaded, step, one)
            if read is not None:
                found[f"features of step {number}, scan {one}"] = files_digest(read.channels.files)
    return found


def check_features_of_scans(loaded: LoadedRecipe, scans: tuple[str, ...]) -> None:
    """Refuse features of one file for several scans."""
    for number, step in _classifiers(loaded):
        every = {*scans, *([step.scan] if step.scan else [])}
        if step.features is not None and len(every) > 1 and "{scan}" not in step.features.file:
            raise BadInputError(
                f"step {number} (classify) has one file of features, {step.features.file!r}, for the scans "
                f"{', '.join(sorted(every))}: write {{scan}} for the id of the scan in its name"
            )


# ---------------------------------------------------------------- what labels keep


def kept_files(catalog: Catalog, loaded: LoadedRecipe, scan_id: str) -> dict[str, bytes]:
    """Return the training labels of a recipe as files to keep with its labels: places, classes and strokes."""
    made = {}
    for number, step in _classifiers(loaded):
        training = training_labels(catalog, loaded, number, step, step.scan or scan_id)
        packed = io.BytesIO()
        np.savez_compressed(
            packed, places=training.places, classes=training.classes, strokes=training.strokes
        )
        made[_kept_name(number)] = packed.getvalue()
    return made


def _kept_name(number: int) -> str:
    return f"training/step{number}.npz"


def recipe_as_made(catalog: Catalog, labels: Segmentation, loaded: LoadedRecipe) -> LoadedRecipe:
    """Return a recipe with the training that made some labels, from the copy that they keep.

    Features are looked for where they were; that they are the same is checked.

    Raises
    ------
    NotFoundError
        When the catalog keeps no copy, as of labels made before copies were kept; or features are gone.
    MismatchError
        When features are not those that the labels were made of.
    """
    making = labels.making
    if making is None or not any(True for _ in _classifiers(loaded)):
        return loaded
    stored = catalog.stored(Segmentation, labels.id)
    kept: dict[int, Training] = {}
    for number, _ in _classifiers(loaded):
        try:
            path = catalog.store.file(stored, _kept_name(number))
        except NotFoundError as error:
            raise NotFoundError(
                f"the catalog keeps no copy of the training labels of step {number} of {labels.id!r}: they were made "
                "before copies were kept; made again, the labels keep one",
                fix=f"siltomo segment run {labels.scan} --recipe {shlex.quote(making.place or 'RECIPE')} "
                f"--id {labels.id}-2",
            ) from error
        with np.load(path, allow_pickle=False) as packed:
            kept[number] = Training(packed["places"], packed["classes"], packed["strokes"])
    made = LoadedRecipe(loaded.recipe, Path(making.place or "recipe.yaml"), kept)
    _check_features(catalog, labels, made)
    return made


def _check_features(catalog: Catalog, labels: Segmentation, loaded: LoadedRecipe) -> None:
    assert labels.making is not None
    for name, digest in feature_inputs(catalog, loaded, labels.scan).items():
        if labels.making.inputs.get(name) != digest:
            raise MismatchError(
                f"the {name} are not those that {labels.id!r} was made of (sha256 of the files differs)",
                where=str(loaded.place.parent),
            )
