"""Planes through scans, with the phases that lie in them: what a figure of slices is drawn from."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.subjects import Subject, find_subjects
from siltomo.engine.figures.tables import FigureTable, Said, formulations_of
from siltomo.engine.select import parse_where
from siltomo.errors import Amend, BadInputError, NotFoundError, UnitError
from siltomo.model import Scan, Segmentation
from siltomo.units import Quantity

__all__ = ["PLANES", "Cut", "PlaneImage", "grey_window", "parse_plane", "read_plane", "slices_table"]

PLANES = ("xz", "xy+crack", "nano:xy")
"""What is shown without more: cross-section, in-plane with cracks, nano."""

_SPEC = re.compile(
    r"^(?:(?P<scale>micro|nano):)?(?P<axes>xy|xz|yz)(?:@(?P<place>[^+]+))?(?P<phases>(?:\+[a-z_][a-z0-9_]*)*)$"
)
_ACROSS = {"xy": 0, "xz": 1, "yz": 2}
MOST_PIXELS = 1400
"""Longest side of a picture; larger planes are read from a coarser level of the pyramid."""
_WINDOW = (0.5, 99.5)
_MIDDLE = Amend({"--plane": "xy@mid"})


@dataclass(frozen=True)
class Cut:
    """A plane to show: its axes, where it lies, and the phases that are laid over it."""

    axes: str
    scale: str = "micro"
    place: str = "mid"
    phases: tuple[str, ...] = ()

    @property
    def across(self) -> int:
        """The axis (0 z, 1 y, 2 x) that the plane cuts."""
        return _ACROSS[self.axes]

    @property
    def words(self) -> str:
        """The plane for people."""
        kind = "in-plane" if self.axes == "xy" else "cross-section"
        return f"{kind}, {self.scale}" if self.scale == "nano" else kind


def parse_plane(text: str) -> Cut:
    """Read ``[nano:]AXES[@PLACE][+PHASE...]``.

    Raises
    ------
    BadInputError
        When it cannot be read.

    Examples
    --------
    >>> parse_plane("xy@12.5 um+crack")
    Cut(axes='xy', scale='micro', place='12.5 um', phases=('crack',))
    """
    found = _SPEC.match(text.strip())
    if found is None:
        raise BadInputError(
            f"cannot read the plane {text!r}: write xz, xy@mid, xy@0.3 (share of the way), 'xy@12.5 um' or nano:xy, "
            "with +crack for a phase on top",
            fix=_MIDDLE,
        )
    phases = tuple(name for name in found["phases"].split("+") if name)
    return Cut(found["axes"], found["scale"] or "micro", (found["place"] or "mid").strip(), phases)


@dataclass(frozen=True, eq=False)
class PlaneImage:
    """One plane of a scan: greys, phases, and where it lies."""

    grey: NDArray[Any]
    """Pixels of shape (vertical, horizontal); the first row is drawn at the foot."""
    phases: dict[str, NDArray[np.bool_]]
    """Where each phase lies."""
    pixel_um: tuple[float, float]
    """Edges of a pixel, vertical and horizontal."""
    position_um: float
    """Where along the third axis the plane lies: centre of its voxels, from the first voxel's centre."""
    level: int
    segmentation: str
    upside_down: bool = False
    """Whether the separator lies at the foot."""

    @property
    def size_um(self) -> tuple[float, float]:
        """Height and width."""
        return self.grey.shape[0] * self.pixel_um[0], self.grey.shape[1] * self.pixel_um[1]


def read_plane(catalog: Catalog, scan: Scan, cut: Cut, *, most: int = MOST_PIXELS) -> PlaneImage:
    """Read one plane, from the coarsest level that still has the pixels; no more than its chunks is read.

    Raises
    ------
    BadInputError
        When the place lies outside of the scan, or the scan has no voxels.
    """
    if scan.volume is None:
        raise BadInputError(
            f"scan {scan.id!r} is declared without voxels", fix=f"siltomo catalog show {scan.id}"
        )
    sides = [n for axis, n in enumerate(scan.volume.shape) if axis != cut.across]
    level = 0
    while max(sides) >> level > most and level + 1 < scan.volume.levels:
        level += 1
    stored = catalog.stored(Scan, scan.id)
    array = catalog.store.open_volume(stored, level=level)
    index = _index(cut, scan, array.shape)
    grey = _plane(array, cut.across, index)
    labels, phases = _phases(catalog, scan, cut, (level, index, grey.shape))
    edges = [
        edge * full / here
        for edge, full, here in zip(scan.voxel_size.um, scan.volume.shape, array.shape, strict=True)
    ]
    vertical, horizontal = (edges[axis] for axis in range(3) if axis != cut.across)
    return PlaneImage(
        grey=grey,
        phases=phases,
        pixel_um=(vertical, horizontal),
        position_um=index * edges[cut.across],
        level=level,
        segmentation=labels,
        upside_down=cut.axes != "xy" and (scan.depth_axis or "").startswith("-"),
    )


def _index(cut: Cut, scan: Scan, shape: tuple[int, ...]) -> int:
    count, edge = shape[cut.across], scan.voxel_size.um[cut.across]
    volume = scan.volume
    full = volume.shape[cut.across] if volume is not None else count
    if cut.place == "mid":
        return count // 2
    try:
        share = float(cut.place)
    except ValueError:
        try:
            share = Quantity.parse(cut.place, example="12.5 um").m_as("um") / (full * edge)
        except UnitError as error:
            raise BadInputError(
                f"{cut.place!r} is no place for a plane: {error.message}", fix=_MIDDLE
            ) from error
    if not 0 <= share <= 1:
        raise BadInputError(
            f"the plane {cut.axes}@{cut.place} lies outside of scan {scan.id}, which is {full * edge:g} um there",
            fix=_MIDDLE,
        )
    return min(int(share * count), count - 1)


def _plane(array: Any, across: int, index: int) -> NDArray[Any]:
    where = tuple(index if axis == across else slice(None) for axis in range(3))
    return np.asarray(array[where])


def _phases(
    catalog: Catalog, scan: Scan, cut: Cut, at: tuple[int, int, tuple[int, ...]]
) -> tuple[str, dict[str, NDArray[np.bool_]]]:
    """Return where the phases lie, from the first segmentation that names them; at a level, index and shape."""
    level, index, shape = at
    for labels in catalog.segmentations_of(scan.id):
        if not cut.phases or labels.variant_of is not None or labels.volume is None:
            continue
        if all(name in labels.phase_names for name in cut.phases):
            array = catalog.store.open_volume(catalog.stored(Segmentation, labels.id), level=level)
            here = _plane(array, cut.across, min(index, array.shape[cut.across] - 1))
            return labels.id, {
                name: np.isin(here, labels.values_of(name)) for name in cut.phases if here.shape == shape
            }
    return "", {}


def grey_window(images: Sequence[PlaneImage]) -> tuple[float, float]:
    """Return one grey window for pictures that are to be compared: 0.5 and 99.5 % of their pixels together."""
    every = np.concatenate([image.grey[np.isfinite(image.grey)].ravel() for image in images])
    low, high = (float(v) for v in np.percentile(every, _WINDOW))
    return low, high if high > low else low + 1


def slices_table(
    catalog: Catalog,
    planes: Sequence[str] = PLANES,
    *,
    where: str | None = "mode != 'operando'",
    cycles: Sequence[int] = (),
    progress: Said | None = None,
) -> FigureTable:
    """Read planes of scans: a row of panels for each formulation and plane, a column for each cycle (Fig. 3).

    One scan stands for a formulation in a cycle: the first cell by id, and of its scans the one that went
    furthest in its last half-cycle. States without a scan stay in the table, with the reason.

    Returns
    -------
    FigureTable
        One row for each panel; ``extra["images"]`` holds the `PlaneImage` of each row that has one, by its
        number. Panels of a scale share their grey window.

    Raises
    ------
    NotFoundError
        When no scan with voxels is selected.
    """
    cuts = [parse_plane(text) for text in planes]
    subjects = [
        s
        for s in find_subjects(catalog, parse_where(where)).scans
        if s.scan.volume is not None and s.cell is not None
    ]
    numbers = sorted(cycles) or sorted({s.scan.state.cycle for s in subjects})
    order = formulations_of(catalog)
    here = [name for name in order if any(s.columns["formulation"] == name for s in subjects)]
    if not here:
        raise NotFoundError("no scan with voxels is selected", fix="siltomo catalog list")
    rows: list[dict[str, Any]] = []
    images: dict[int, PlaneImage] = {}
    panels = [(name, place, cycle) for name in here for place in range(len(cuts)) for cycle in numbers]
    for n, (name, place, cycle) in enumerate(panels):
        if progress is not None:
            progress("reading planes", n, len(panels))
        scan = _chosen(subjects, name, cuts[place], cycle)
        if scan is not None:
            images[n] = read_plane(catalog, scan, cuts[place])
        rows.append(_row((name, place, cycle), cuts[place], scan, images.get(n)))
    _set_windows(rows, images)
    rows, images = _without_empty(rows, images)
    said = [row["reason"] for row in rows if row["reason"]]
    return FigureTable(pd.DataFrame(rows), order, tuple(dict.fromkeys(said)), {"images": images})


def _chosen(subjects: Sequence[Subject], formulation: str, cut: Cut, cycle: int) -> Scan | None:
    found = [
        s
        for s in subjects
        if s.columns["formulation"] == formulation
        and s.scan.state.cycle == cycle
        and str(s.scan.scale) == cut.scale
    ]
    if not found:
        return None
    cell = min(s.scan.cell for s in found)
    halves = ("pristine", "lithiation", "rest", "delithiation")
    return max(
        (s.scan for s in found if s.scan.cell == cell),
        key=lambda scan: (
            str(scan.domain) != "separator",
            halves.index(str(scan.state.half)),
            0.0 if scan.state.capacity is None else scan.state.capacity.value,
        ),
    )


def _row(
    panel: tuple[str, int, int], cut: Cut, scan: Scan | None, image: PlaneImage | None
) -> dict[str, Any]:
    formulation, place, cycle = panel
    row: dict[str, Any] = {
        "formulation": formulation,
        "plane": place,
        "axes": cut.axes,
        "scale": cut.scale,
        "cycle": cycle,
        "cell": None,
        "scan": None,
        "half": None,
        "capacity": None,
        "capacity_unit": "mAh/g_Si",
        "position": None,
        "pixel": None,
        "length_unit": "um",
        "level": None,
        "overlay": ", ".join(cut.phases),
        "segmentation": None,
        "overlay_share": None,
        "overlay_share_unit": "1",
        "grey_low": None,
        "grey_high": None,
        "reason": f"no {cut.scale} scan of {formulation} in cycle {cycle}",
    }
    if scan is None or image is None:
        return row
    covered = [float(mask.mean()) for mask in image.phases.values()]
    lacking = bool(cut.phases) and not image.phases
    return row | {
        "cell": scan.cell,
        "scan": scan.id,
        "half": str(scan.state.half),
        "capacity": None if scan.state.capacity is None else scan.state.capacity.value,
        "position": image.position_um,
        "pixel": image.pixel_um[1],
        "level": image.level,
        "segmentation": image.segmentation or None,
        "overlay_share": sum(covered) if covered else None,
        "reason": f"{scan.id} has no segmentation with {', '.join(cut.phases)}" if lacking else "",
    }


def _set_windows(rows: list[dict[str, Any]], images: dict[int, PlaneImage]) -> None:
    for scale in ("micro", "nano"):
        mine = [n for n in images if rows[n]["scale"] == scale]
        if mine:
            low, high = grey_window([images[n] for n in mine])
            for n in mine:
                rows[n] |= {"grey_low": low, "grey_high": high}


def _without_empty(
    rows: list[dict[str, Any]], images: dict[int, PlaneImage]
) -> tuple[list[dict[str, Any]], dict[int, PlaneImage]]:
    """Leave out rows of panels of which no formulation has a scan."""
    seen = {rows[n]["plane"] for n in images}
    kept = list(_numbered(rows, seen))
    return [row for _, row in kept], {new: images[old] for new, (old, _) in enumerate(kept) if old in images}


def _numbered(rows: list[dict[str, Any]], seen: set[int]) -> Iterator[tuple[int, dict[str, Any]]]:
    for n, row in enumerate(rows):
        if row["plane"] in seen:
            yield n, row
