"""Histograms of greys: of a whole scan, of each of its phases, with the cuts between them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from siltomo.engine.catalog import Catalog
from siltomo.engine.figures.tables import FigureTable, Said, formulations_of
from siltomo.errors import BadInputError
from siltomo.kernels.greys import GreyHistogram, grey_histogram
from siltomo.model import OUTSIDE, Scan, Segmentation

__all__ = ["ALL", "histogram_table"]

ALL = "all voxels"
BINS = 256
_SLAB_BYTES = 32 << 20
_CLASSES = (2, 4)


@dataclass
class _Counts:
    """Histograms of the volume and of its phases, on the way."""

    whole: GreyHistogram | None = None
    phases: dict[str, GreyHistogram] = field(default_factory=dict)


def histogram_table(
    catalog: Catalog,
    id: str,  # noqa: A002 -- the word of the data model
    *,
    segmentation: str | None = None,
    progress: Said | None = None,
) -> FigureTable:
    """Count the greys of a scan, slab by slab, in all and by phase, and find the cuts of Otsu between them.

    Parameters
    ----------
    id
        Id of the scan.
    segmentation
        Whose phases to count; the first of the scan without it, or none where there is none.
    progress
        Told planes done and planes in all.

    Returns
    -------
    FigureTable
        Rows ``kind = "count"`` (``phase, grey, value`` in voxels), ``"fit"`` (median of the greys of a phase, and
        the standard deviation of the normal distribution with their median deviation), ``"cut"`` (a threshold).

    Raises
    ------
    BadInputError
        When the scan has no voxels, or the segmentation is of another scan.
    """
    stored = catalog.stored(Scan, id)
    scan = Scan.from_body(dict(stored.body))
    if scan.volume is None:
        raise BadInputError(f"scan {id!r} is declared without voxels", fix=f"siltomo catalog show {id}")
    labels = _labels(catalog, id, segmentation)
    greys = catalog.store.open_volume(stored)
    marked = None if labels is None else catalog.store.open_volume(catalog.stored(Segmentation, labels.id))
    counts = _count(greys, marked, labels, progress)
    assert counts.whole is not None  # a volume has at least one plane
    edges = _bins(counts.whole)
    rows = [_count_row(scan, labels, ALL, counts.whole, edges)]
    rows += [_count_row(scan, labels, name, one, edges) for name, one in counts.phases.items()]
    fits = [_fit(scan, labels, name, one) for name, one in counts.phases.items() if one.total]
    cuts = _cuts(scan, counts.whole, edges, sum(one.total > 0 for one in counts.phases.values()))
    flat = [row for group in rows for row in group]
    return FigureTable(pd.DataFrame([*flat, *fits, *cuts]), formulations_of(catalog))


def _labels(catalog: Catalog, scan: str, named: str | None) -> Segmentation | None:
    if named is None:
        here = [s for s in catalog.segmentations_of(scan) if s.variant_of is None and s.volume is not None]
        return here[0] if here else None
    labels = catalog.record(Segmentation, named)
    if labels.scan != scan:
        raise BadInputError(
            f"segmentation {named!r} is of scan {labels.scan!r}, not of {scan!r}",
            fix=f"siltomo segment list --scan {scan}",
        )
    return labels


def _count(greys: Any, marked: Any, labels: Segmentation | None, progress: Said | None) -> _Counts:
    planes, step = greys.shape[0], max(1, _SLAB_BYTES // (greys.dtype.itemsize * math.prod(greys.shape[1:])))
    range_ = {} if greys.dtype.kind in "iu" and greys.dtype.itemsize <= 2 else _range(greys, step)
    made = _Counts()
    for start in range(0, planes, step):
        slab = np.asarray(greys[start : start + step])
        whole = grey_histogram(slab, **range_)
        made.whole = whole if made.whole is None else made.whole + whole
        if labels is not None and marked is not None:
            here = np.asarray(marked[start : start + step])
            for name in (*labels.phase_names, *([OUTSIDE] if labels.values_of(OUTSIDE) else [])):
                one = grey_histogram(slab[np.isin(here, labels.values_of(name))], **range_)
                made.phases[name] = made.phases[name] + one if name in made.phases else one
        if progress is not None:
            progress("counting greys", min(start + step, planes), planes)
    return made


def _range(greys: Any, step: int) -> dict[str, Any]:
    low, high = math.inf, -math.inf
    for start in range(0, greys.shape[0], step):
        slab = np.asarray(greys[start : start + step])
        known = slab[np.isfinite(slab)]
        if known.size:
            low, high = min(low, float(known.min())), max(high, float(known.max()))
    if not low < high:
        low, high = (low, low + 1) if math.isfinite(low) else (0.0, 1.0)
    return {"lower": low, "upper": high, "bins": BINS}


def _bins(whole: GreyHistogram) -> NDArray[np.float64]:
    """Return the edges of the bins that are shown: one per value, or 256 over the values that occur."""
    if not whole.exact:
        return np.linspace(whole.lower, whole.upper, whole.counts.size + 1)
    met = np.flatnonzero(whole.counts)
    low, high = whole.lower + met[0], whole.lower + met[-1] + 1
    width = max(1, math.ceil((high - low) / BINS))
    return np.arange(low, high + width, width, dtype=float)[: math.ceil((high - low) / width) + 1] - 0.5


def _shown(one: GreyHistogram, edges: NDArray[np.float64]) -> NDArray[np.int64]:
    if not one.exact:
        return one.counts
    counts, _ = np.histogram(one.values, edges, weights=one.counts)
    whole: NDArray[np.int64] = np.rint(counts).astype(np.int64)
    return whole


def _count_row(
    scan: Scan, labels: Segmentation | None, phase: str, one: GreyHistogram, edges: NDArray[np.float64]
) -> list[dict[str, Any]]:
    centres = (edges[:-1] + edges[1:]) / 2
    return [
        {
            **_common(scan, labels, "count", phase),
            "grey": float(grey),
            "bin_width": float(edges[1] - edges[0]),
            "value": int(voxels),
            "unit": "voxels",
        }
        for grey, voxels in zip(centres, _shown(one, edges), strict=True)
    ]


def _common(scan: Scan, labels: Segmentation | None, kind: str, phase: str) -> dict[str, Any]:
    named = labels.id if labels is not None and phase != ALL else None
    return {"scan": scan.id, "segmentation": named, "kind": kind, "phase": phase}


def _fit(scan: Scan, labels: Segmentation | None, phase: str, one: GreyHistogram) -> dict[str, Any]:
    """Return the normal distribution of the greys of a phase, by median and median deviation: tails do not widen it."""
    middle = one.quantile(0.5)
    apart = np.abs(one.values - middle)
    order = np.argsort(apart, kind="stable")
    reached = np.cumsum(one.counts[order])
    deviation = float(apart[order][np.searchsorted(reached, reached[-1] / 2)])
    sd = max(1.4826 * deviation, (one.upper - one.lower) / one.counts.size / 2)
    fit = {"grey": middle, "standard_deviation": sd, "value": one.total, "unit": "voxels"}
    return _common(scan, labels, "fit", phase) | fit


def _cuts(scan: Scan, whole: GreyHistogram, edges: NDArray[np.float64], phases: int) -> list[dict[str, Any]]:
    """Return Otsu's thresholds for as many classes as there are phases, two to four."""
    from skimage.filters import threshold_multiotsu

    counts = _shown(whole, edges)
    centres = (edges[:-1] + edges[1:]) / 2
    classes = min(max(phases, _CLASSES[0]), _CLASSES[1], int((counts > 0).sum()))
    if classes < 2:
        return []
    multiotsu: Any = threshold_multiotsu
    found = multiotsu(hist=(counts.astype(float), centres), classes=classes)
    words = f"Otsu, {classes} classes"
    return [
        {**_common(scan, None, "cut", words), "grey": float(cut), "value": None, "unit": "voxels"}
        for cut in found
    ]
