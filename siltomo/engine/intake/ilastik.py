"""Take over what ilastik made: its exports with names, colours and probabilities; and say how to run it on scans."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.run import siltomo_version
from siltomo.engine.intake.labels import ImportedLabels, LabelsOrder, import_labels
from siltomo.engine.intake.scans import Progress
from siltomo.errors import Amend, BadInputError, NotFoundError
from siltomo.importers import ImportedVolume, Source
from siltomo.model import FoundClass, Making, Parting, Scan
from siltomo.segmentation.ilastik import (
    Probabilities,
    headless_command,
    open_probabilities,
    phase_names,
    project_names,
)

__all__ = ["ilastik_command", "import_ilastik"]

_PLANES = 16


def import_ilastik(
    catalog: Catalog,
    scan: str,
    file: Path,
    *,
    project: Path | None = None,
    phases: Mapping[int, str] | None = None,
    fields: Mapping[str, Any] | None = None,
    dry_run: bool = False,
    progress: Progress | None = None,
) -> ImportedLabels:
    """Import an export of ilastik's pixel classification onto the grid of a scan.

    Of probabilities the most likely class becomes the label, and the mean probability of each class is kept with the
    record: the share of a phase without a decision for each voxel.

    Parameters
    ----------
    catalog
        The catalog.
    scan
        Id of the scan.
    file
        The export: "Simple Segmentation" or "Probabilities", as HDF5.
    project
        The project, for names and colours of the classes.
    phases
        Names of the classes, from 1; needed without a project.
    fields
        Further fields of the segmentation.

    Raises
    ------
    BadInputError
        When neither a project nor names are given, or probabilities have more classes than names.
    """
    if not file.exists():
        raise NotFoundError("no such file", where=str(file))
    named, colours = project_names(project) if project is not None else ((), ())
    known = dict(phases or phase_names(named))
    if not known:
        raise BadInputError(
            "the names of the classes are not in an export",
            code="SIL121",
            where=str(file),
            fix=Amend({"--project": "PROJECT.ilp"}, advice="or name them: --phases 1=sei,2=solid"),
        )
    probabilities = open_probabilities(file)
    more: dict[str, Any] = dict(fields or {})
    opened = None
    if probabilities is not None:
        lacking = [value for value in range(1, probabilities.classes + 1) if value not in known]
        if lacking:
            raise BadInputError(
                f"has the probabilities of {probabilities.classes} classes; without a name: "
                f"{', '.join(map(str, lacking))}",
                code="SIL121",
                where=str(file),
            )
        opened = _as_labels(probabilities)
        more |= {"making": _making(catalog, scan, file, probabilities), "method": "ilastik probabilities"}
    more.setdefault("method", "ilastik pixel classification")
    order = LabelsOrder(
        source=Source(file, member="exported_data"),
        scan=scan,
        phases=known,
        fields=more,
        opened=opened,
        colours=dict(enumerate(colours, 1)),
    )
    return import_labels(catalog, order, dry_run=dry_run, progress=progress)


def _as_labels(probabilities: Probabilities) -> ImportedVolume:
    """Return the most likely class of each voxel as a volume."""

    def planes(start: int, stop: int) -> NDArray[np.uint8]:
        pieces = [
            (probabilities(z, min(z + _PLANES, stop)).argmax(axis=0) + 1).astype(np.uint8)
            for z in range(start, stop, _PLANES)
        ]
        return np.concatenate(pieces)

    return ImportedVolume(
        format="ilastik probabilities",
        shape=probabilities.shape,
        dtype=np.dtype(np.uint8),
        planes=planes,
        files=(probabilities.path,),
    )


def _making(catalog: Catalog, scan: str, file: Path, probabilities: Probabilities) -> Making:
    """Return how the labels were made, with both shares of each class; reads the export once."""
    sums, counts = np.zeros(probabilities.classes), np.zeros(probabilities.classes, np.int64)
    for start in range(0, probabilities.shape[0], _PLANES):
        block = probabilities(start, min(start + _PLANES, probabilities.shape[0]))
        sums += block.sum(axis=(1, 2, 3), dtype=np.float64)
        counts += np.bincount(block.argmax(axis=0).ravel(), minlength=probabilities.classes)
    total = float(np.prod(probabilities.shape))
    classes = tuple(
        FoundClass(fraction=float(s / total), labelled=float(n / total))
        for s, n in zip(sums, counts, strict=True)
    )
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    volume = catalog.record(Scan, scan).volume
    return Making(
        recipe="ilastik",
        digest=f"sha256:{digest}",
        content={"ilastik": {"export": probabilities.dataset, "classes": probabilities.classes}},
        inputs={f"scan {scan}": volume.content if volume else ""},
        siltomo=siltomo_version(),
        partings=(Parting(step=1, scans=(scan,), classes=classes),),
    )


def ilastik_command(
    catalog: Catalog, scans: Sequence[str], project: Path, folder: Path, *, export: str = "Probabilities"
) -> str:
    """Return the command line that lets ilastik classify scans by a project, or export their features.

    Raises
    ------
    BadInputError
        When a scan was read from a stack of many files: ilastik takes one file for one image.
    """
    images = []
    for name in scans:
        scan = catalog.record(Scan, name)
        source = scan.source
        if source is None or source.count != 1:
            raise BadInputError(
                f"scan {name!r} was read from {source.count if source else 'no'} files; ilastik takes one file for one "
                "image",
                fix="save the stack as one HDF5 file (in Fiji: Plugins > ilastik > Export HDF5)",
            )
        images.append(Path(source.path) / source.member if source.member else Path(source.path))
    return headless_command(project, images, folder, source=export)
