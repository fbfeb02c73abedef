"""Import a segmentation made elsewhere."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.catalog import LabelClass, VolumeFacts, VolumeSpec, content_of
from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.sensitivity import check_variant
from siltomo.engine.intake.again import same_or_refused
from siltomo.engine.intake.scans import Progress
from siltomo.engine.intake.sources import describe_files, differing_axes, stored_volume
from siltomo.errors import Amend, BadInputError, FormatError, MismatchError
from siltomo.importers import ImportedVolume, Source, open_volume
from siltomo.model import OUTSIDE, Phase, Scan, Segmentation, validated

__all__ = ["PHASE_COLOURS", "ImportedLabels", "LabelsOrder", "import_labels", "label_classes", "parse_phases"]

MAX_CLASSES = 256
SLAB = 64

PHASE_COLOURS = (
    (59, 117, 175),
    (239, 134, 54),
    (81, 158, 62),
    (197, 58, 50),
    (141, 106, 184),
    (132, 88, 78),
    (213, 127, 190),
    (188, 189, 69),
)


@dataclass(frozen=True)
class LabelsOrder:
    """What the user asks to import: where the labels are, the scan they lie on, what they mean."""

    source: Source
    scan: str
    phases: Mapping[int, str]
    fields: Mapping[str, Any]
    """Further fields of the segmentation; ``id`` and ``domain`` may be left out."""
    trust_voxel: str | None = None
    """``"scan"`` to take the scan's voxel size where the label file states another."""
    pad: str | None = None
    """``"z-start"`` or ``"z-end"``: planes that the labels lack there are marked as outside."""
    where: str = ""
    opened: ImportedVolume | None = None
    """The labels, where they are not simply read from the source, such as the most likely class."""
    colours: Mapping[int, tuple[int, int, int]] = field(default_factory=dict)
    """Colours of label values for viewers; those without one get theirs from siltomo."""


@dataclass(frozen=True)
class ImportedLabels:
    """What importing did."""

    record: Segmentation
    added: bool
    voxels: Mapping[int, int]
    """Voxels of each label value."""
    warnings: tuple[str, ...] = field(default=())


def parse_phases(text: str) -> dict[int, str]:
    """Read ``"1=crack,2=solid"``.

    Raises
    ------
    BadInputError
        When it is not a list of value=name pairs.

    Examples
    --------
    >>> parse_phases("1=crack, 2=solid")
    {1: 'crack', 2: 'solid'}
    """
    found: dict[int, str] = {}
    for part in text.split(","):
        pair = re.fullmatch(r"\s*(\d{1,10})\s*[=:]\s*([\w-]+)\s*", part)
        if pair is None:
            raise BadInputError(
                f"cannot read the phases {text!r} at {part.strip()!r}; write value=name pairs",
                code="SIL122",
                fix=Amend({"--phases": "1=crack,2=solid"}),
            )
        if int(pair[1]) in found:
            raise BadInputError(
                f"label value {pair[1]} is named twice in {text!r}",
                code="SIL122",
                fix=Amend({"--phases": "1=crack,2=solid"}),
            )
        found[int(pair[1])] = pair[2]
    return found


def import_labels(
    catalog: Catalog, order: LabelsOrder, *, dry_run: bool = False, progress: Progress | None = None
) -> ImportedLabels:
    """Import labels onto the grid of a scan.

    The labels are read twice: once to see which values there are, once to write them.

    Raises
    ------
    NotFoundError
        When the catalog has no such scan.
    MismatchError
        When shape or voxel size differ from the scan's (says which axis and by how much), or the labels are no
        variant of the segmentation that they name.
    BadInputError
        When the scan is declared without voxels, or a label value has no name.
    TakenError
        When the id is taken by another segmentation.
    """
    scan = catalog.record(Scan, order.scan)
    where = order.where or str(order.source.path)
    if scan.volume is None:
        raise BadInputError(
            f"scan {scan.id!r} is declared without voxels: there is no grid that labels could lie on",
            where=where,
            fix=f"siltomo catalog show {scan.id}",
        )
    opened = order.opened or open_volume(order.source)
    _check_grid(scan, opened, order, where)
    counts = _count_values(opened, where)
    finished = () if dry_run else catalog.begin_writing()
    warnings = (*finished, *opened.warnings, *_check_names(counts, order.phases, where))
    phases, padding = _phases_with_padding(scan, opened, order, counts)
    fields: dict[str, Any] = {"id": f"{scan.id[:60]}-seg", "domain": scan.domain, **order.fields}
    named = [Phase(value=value, name=name) for value, name in phases.items()]
    labels = validated(Segmentation, {**fields, "scan": scan.id, "phases": named}, place=order.where)
    check_variant(catalog, labels, where=order.where)
    shape = scan.volume.shape
    planes = _LabelPlanes(opened, shape, _smallest_type(counts, phases), order.pad, padding)
    existing = catalog.store.find("segmentation", labels.id)
    if existing is not None:
        known = same_or_refused(existing, labels, lambda: content_of(planes, shape, planes.dtype))
        return ImportedLabels(known, False, counts, warnings)
    if not dry_run:
        labels = _write(catalog, labels, planes, order, progress)
    return ImportedLabels(labels, True, counts, warnings)


def _write(
    catalog: Catalog,
    labels: Segmentation,
    planes: _LabelPlanes,
    order: LabelsOrder,
    progress: Progress | None,
) -> Segmentation:
    """Store the labels and their record, as one change."""
    scan = catalog.stored(Scan, labels.scan)
    source = describe_files(planes.opened, order.source.path, order.source.member)
    spec = VolumeSpec(
        shape=planes.shape,
        dtype=planes.dtype,
        voxel_size_um=Scan.from_body(dict(scan.body)).voxel_size.um,
        name=labels.id,
        labels=label_classes(labels, order.colours),
        source=scan,
    )

    def body(facts: VolumeFacts) -> Mapping[str, Any]:
        volume = stored_volume(facts, planes.opened)
        return labels.model_copy(update={"volume": volume, "source": source}).body()

    stored = catalog.store.add_volume("segmentation", labels.id, spec, planes, body, progress=progress)
    return Segmentation.from_body(dict(stored.body))


def _check_grid(scan: Scan, opened: ImportedVolume, order: LabelsOrder, where: str) -> None:
    """Refuse labels that do not lie on the scan's grid, saying along which axis and by how much."""
    if scan.volume is not None and opened.shape != scan.volume.shape:
        differences = [
            f"{axis}: labels {have}, image {want} ({abs(have - want)} {'fewer' if have < want else 'more'})"
            for axis, have, want in zip("zyx", opened.shape, scan.volume.shape, strict=True)
            if have != want
        ]
        only_short_in_z = opened.shape[1:] == scan.volume.shape[1:] and opened.shape[0] < scan.volume.shape[0]
        if not (only_short_in_z and order.pad):
            raise MismatchError(
                f"the labels do not fit scan {scan.id!r}: {'; '.join(differences)}",
                code="SIL110",
                where=where,
                fix=Amend({"--pad": "z-end"}, advice="if the labels lack planes at the end")
                if only_short_in_z
                else f"siltomo catalog show {scan.id}",
            )
    differing = differing_axes(opened.voxel_size, scan.voxel_size)
    if differing and order.trust_voxel != "scan":
        axes = ", ".join(
            f"{axis}: labels {stated}, image {edge} ({stated.m_as('um') / edge.value - 1:+.1%})"
            for axis, stated, edge in differing
        )
        raise MismatchError(
            f"the voxel size of the labels is not that of scan {scan.id!r}: {axes}",
            code="SIL105",
            where=where,
            fix=Amend({"--voxel-from": "scan"}, advice="if the scan is right"),
        )


def _count_values(opened: ImportedVolume, where: str) -> dict[int, int]:
    """Count the voxels of each value; refuse what cannot be a label volume."""
    counts: Counter[int] = Counter()
    for start in range(0, opened.shape[0], SLAB):
        planes = opened.planes(start, min(start + SLAB, opened.shape[0]))
        values, numbers = _values_of(planes)
        whole = bool(np.all(np.isfinite(values)) and np.all(values == np.floor(values)))
        if whole:
            counts.update({int(v): int(n) for v, n in zip(values, numbers, strict=True)})
        if not whole or len(counts) > MAX_CLASSES or min(counts) < 0:
            raise FormatError(
                f"is not a label volume: planes {start} on hold {opened.dtype} values from {values[0]} to "
                f"{values[-1]}, {len(values)} of them (labels are at most {MAX_CLASSES} whole numbers from 0 on)",
                code="SIL124",
                where=where,
            )
    return dict(sorted(counts.items()))


def _values_of(planes: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the values of some planes and how often each occurs."""
    if planes.dtype != np.uint8:
        return np.unique(planes, return_counts=True)
    # labels are bytes most often: counting takes a fifth of the time of sorting
    counts = np.bincount(planes.ravel(), minlength=256)
    values = np.flatnonzero(counts)
    return values, counts[values]


def _check_names(counts: Mapping[int, int], phases: Mapping[int, str], where: str) -> list[str]:
    """Require a name for every value but 0; say what was taken for granted."""
    nameless = [value for value in counts if value not in phases and value != 0]
    if nameless:
        suggestion = {value: phases.get(value, f"phase{value}") for value in counts if value or 0 in phases}
        raise BadInputError(
            f"has the values {', '.join(map(str, counts))}; without a name: {', '.join(map(str, nameless))}",
            code="SIL121",
            where=where,
            fix=Amend(
                {"--phases": ",".join(f"{v}={n}" for v, n in suggestion.items())},
                advice="put the names of your phases ('outside' for voxels that belong to no domain)",
            ),
        )
    total = sum(counts.values())
    warnings = [
        f"value {value} ({name}) marks no voxel" for value, name in phases.items() if value not in counts
    ]
    if 0 in counts and 0 not in phases:
        warnings.append(
            f"value 0 has no name: its voxels ({counts[0] / total:.2%}) count as part of the whole; "
            "name it, or 0=outside to leave them out"
        )
    return warnings


def _phases_with_padding(
    scan: Scan, opened: ImportedVolume, order: LabelsOrder, counts: Mapping[int, int]
) -> tuple[dict[int, str], int]:
    """Return the phases, with a value for padded planes where there are any, and that value."""
    phases = dict(sorted(order.phases.items()))
    if order.pad is None or scan.volume is None or opened.shape == scan.volume.shape:
        return phases, 0
    for value, name in phases.items():
        if name == OUTSIDE:
            return phases, value
    free = max([*counts, *phases]) + 1
    return {**phases, free: OUTSIDE}, free


def _smallest_type(counts: Mapping[int, int], phases: Mapping[int, str]) -> np.dtype[Any]:
    return np.min_scalar_type(max([*counts, *phases]))


@dataclass(frozen=True)
class _LabelPlanes:
    """The label planes in their smallest type, padded to the scan's grid."""

    opened: ImportedVolume
    shape: tuple[int, int, int]
    dtype: np.dtype[Any]
    pad: str | None
    padding: int

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        depth = self.opened.shape[0]
        first = self.shape[0] - depth if self.pad == "z-start" else 0
        planes = np.full((stop - start, *self.shape[1:]), self.padding, self.dtype)
        low, high = max(start, first), min(stop, first + depth)
        if low < high:
            planes[low - start : high - start] = self.opened.planes(low - first, high - first)
        return planes


def label_classes(
    segmentation: Segmentation, colours: Mapping[int, tuple[int, int, int]] | None = None
) -> tuple[LabelClass, ...]:
    """Return the classes of a label volume with colours for viewers; what is outside is transparent."""
    chosen = colours or {}
    return tuple(
        LabelClass(
            value=p.value,
            name=p.name,
            rgba=(
                *chosen.get(p.value, PHASE_COLOURS[n % len(PHASE_COLOURS)]),
                255 if p.name != OUTSIDE else 0,
            ),
        )
        for n, p in enumerate(segmentation.phases)
    )
