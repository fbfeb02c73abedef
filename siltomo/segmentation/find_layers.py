"""Carry out the step ``layers``: find the electrode's surfaces in a scan, and judge them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, BadInputError, TooLargeError
from siltomo.kernels.columns import column_bytes
from siltomo.kernels.electrode import FrameError, Surface
from siltomo.model import Parting, Trust, Verdict
from siltomo.segmentation.depth_histograms import histogram_bytes
from siltomo.segmentation.execute import Work
from siltomo.segmentation.geometry import Geometry, geometry_of_labels, refined
from siltomo.segmentation.geometry_domains import domain_codes
from siltomo.segmentation.greys import GreyRange
from siltomo.segmentation.layers import LAYERS, Layers
from siltomo.segmentation.layers_by_greys import Distinct, layers_by_greys
from siltomo.segmentation.recipe import Node

__all__ = ["find_layers"]

SLAB = 8
"""Planes read at once: always as many, so that sums of greys do not depend on the memory."""
LEAST_USED = 0.65
"""Share of the columns that a plane must go through to be exact (docs/geometry.md)."""
MOST_SCATTER = 0.05
"""Scatter of a surface about its plane over the thickness; fibres of the electrode's grey give more."""
LEAST_ALIKE = {"collector": 0.9, "electrode": 0.6, "separator": 0.6}
"""Share of the voxels of a layer with its grey: foil is solid, electrodes have cracks, separators fibres and gas."""
CLEARLY_DISTINCT = 0.25
"""Share of the voxels by which the greys of neighbouring layers differ: fibres alone fill this much of a separator."""
LEAST_APART = 4
"""Voxels between the surfaces: less is the blur of one boundary."""


@dataclass(frozen=True)
class _Planes:
    """Reads what a step gives, in as many blocks as the memory asks for."""

    work: Work
    node: int
    most: int

    def __call__(self, start: int, stop: int) -> NDArray[Any]:
        blocks = [
            self.work.planes(self.node, z, min(z + self.most, stop)) for z in range(start, stop, self.most)
        ]
        return np.concatenate([_marked(one.values, one.inside) for one in blocks])


def _marked(values: NDArray[Any], inside: NDArray[np.bool_] | None) -> NDArray[Any]:
    """Return greys with nan outside of the domain: no range holds it."""
    return values if inside is None else np.where(inside, values.astype(np.float32), np.float32(np.nan))


def find_layers(node: Node, work: Work, memory: int, planes: int) -> tuple[Geometry, Parting]:
    """Find the electrode's surfaces in a scan.

    Parameters
    ----------
    node
        The step ``layers``.
    work
        The recipe on a scan; what the step takes must be ready.
    memory
        Bytes allowed.
    planes
        How many planes of what it takes may be computed at once.

    Returns
    -------
    The electrode, with only the surfaces that the step asks for; and what was found, with verdicts.

    Raises
    ------
    BadInputError
        When a surface is not in view, or the depth axis cannot be told.
    TooLargeError
        When the maps of the surfaces do not fit into the memory.
    """
    step, source = node.step, work.source
    assert isinstance(step, Layers)
    axis = step.depth_axis or source.depth_axis
    _check_memory(work, memory, axis, bool(step.layers))
    read = _Planes(work, node.inputs[0], max(1, min(planes, SLAB)))
    distinct: tuple[Distinct, ...] = ()
    try:
        if step.layers:
            found = _found(step, read, axis)
        else:
            found, distinct = layers_by_greys(
                read, source.shape, source.spacing, surfaces=step.surfaces, depth_axis=axis
            )
        if found.frame.upwards == 0:
            raise FrameError("which side the collector is on cannot be told: declare the depth axis")
        found = _asked_for(step, found)
        if step.refine:
            greys = read if step.by_greys else _Planes(work, -1, SLAB)
            found = refined(greys, found, slab=SLAB)
        _require_room(found)
    except BadInputError as error:
        raise BadInputError(
            f"{node.words}: the layers of scan {source.id} cannot be told: {error.message}",
            code="SIL170",
            fix=f"siltomo catalog set {source.id} --depth-axis +z" if "declare" in error.message else "",
        ) from error
    alike = _agreement(step, read, found) if step.layers else {}
    shares = {one.side: one.share for one in distinct}
    facts = {**found.says(), **({"alike": alike} if step.layers else {"greys_differ": shares})}
    verdicts = (*_verdicts(found, alike), *_distinct_verdicts(shares))
    return found, Parting(step=node.index + 1, scans=(source.id,), facts=facts, verdicts=verdicts)


@dataclass(frozen=True)
class _LayerPlanes:
    """Reads the layer that each voxel looks like: 1 to 3, and 0 for none."""

    read: _Planes
    layers: dict[str, GreyRange | tuple[int, ...]]

    def __call__(self, start: int, stop: int) -> NDArray[np.uint8]:
        values = self.read(start, stop)
        made = np.zeros(values.shape, np.uint8)
        # a grey in two ranges is that of an outer layer
        for name in ("electrode", "separator", "collector"):
            layer = self.layers.get(name)
            if layer is not None:
                held = layer.holds(values) if isinstance(layer, GreyRange) else np.isin(values, layer)
                made[held] = LAYERS.index(name) + 1
        return made


def _found(step: Layers, read: _Planes, axis: str) -> Geometry:
    """Find the surfaces to a voxel; the voxels of a layer whose surface is not asked for say nothing."""
    source = read.work.source
    asked = {name: layer for name, layer in step.layers.items() if name in (*step.surfaces, "electrode")}
    if not asked:
        raise BadInputError(
            f"no layer is given beside the surfaces that are asked for: {', '.join(step.surfaces)}"
        )
    classes = {name: (LAYERS.index(name) + 1,) for name in asked}
    labels = _LayerPlanes(read, asked)
    return geometry_of_labels(labels, source.shape, source.spacing, classes, depth_axis=axis, slab=SLAB)


def _agreement(step: Layers, read: _Planes, found: Geometry) -> dict[str, float]:
    """Return the share of the voxels of each layer that look like it, of those that look like any."""
    labels = _LayerPlanes(read, step.layers)
    counts = np.zeros((len(LAYERS) + 1, len(LAYERS) + 1), np.int64)
    for start in range(0, found.shape[0], SLAB):
        stop = min(start + SLAB, found.shape[0])
        pairs = domain_codes(found, start, stop) * np.uint8(len(counts)) + labels(start, stop)
        counts += np.bincount(pairs.ravel(), minlength=counts.size).reshape(counts.shape)
    alike = {}
    for number, name in enumerate(LAYERS, 1):
        total = int(counts[number, 1:].sum())
        if name in step.layers and total:
            alike[name] = int(counts[number, number]) / total
    return alike


def _asked_for(step: Layers, found: Geometry) -> Geometry:
    """Require the surfaces that are asked for, and leave out the others."""
    frame = found.frame
    for side in step.surfaces:
        frame.surface(side)
    if "collector" not in step.surfaces:
        frame = replace(frame, collector="the collector surface was not asked for")
    if "separator" not in step.surfaces:
        frame = replace(frame, separator="the separator surface was not asked for")
    return Geometry(frame, found.shape, {})


def _verdicts(found: Geometry, alike: dict[str, float]) -> Iterator[Verdict]:
    sides = (("collector", found.frame.collector), ("separator", found.frame.separator))
    surfaces = {name: side for name, side in sides if isinstance(side, Surface)}
    thickness = found.frame.thickness() if len(surfaces) == len(sides) else None
    for name, side in surfaces.items():
        share = side.seen * side.plane.used
        yield _verdict(
            f"columns that show the {name} surface",
            share,
            (share >= LEAST_USED, f"good >= {LEAST_USED}"),
            f"the plane of the {name} surface goes through what is seen in {share:.0%} of the columns only",
        )
        if thickness is not None:
            rough = side.plane.scatter / thickness
            yield _verdict(
                f"scatter of the {name} surface over the thickness",
                rough,
                (rough <= MOST_SCATTER, f"good <= {MOST_SCATTER}"),
                f"the {name} surface is no plane: it lies {side.plane.scatter:.3g} um about it; fibres or pieces of "
                "the grey of the electrode may be taken for it, or 'follow: surface' is what it needs",
            )
    for name, share in alike.items():
        least = LEAST_ALIKE[name]
        yield _verdict(
            f"voxels of the {name} that look like it",
            share,
            (share >= least, f"good >= {least}"),
            f"of what lies where the {name} is, only {share:.0%} has its grey",
        )


def _distinct_verdicts(shares: Mapping[str, float]) -> Iterator[Verdict]:
    for side, share in shares.items():
        yield _verdict(
            f"greys that differ across the {side} surface",
            share,
            (share >= CLEARLY_DISTINCT, f"good >= {CLEARLY_DISTINCT}"),
            f"the greys on the two sides of the {side} surface differ by {share:.0%} of the voxels only: parts of one "
            "layer may do as much",
        )


def _verdict(check: str, value: float, judged: tuple[bool, str], reason: str) -> Verdict:
    good, limits = judged
    trust = Trust.GOOD if good else Trust.DOUBTFUL
    return Verdict(check=check, trust=trust, value=value, limits=limits, reason="" if good else reason)


def _require_room(found: Geometry) -> None:
    """Refuse two surfaces that are one: a boundary between two materials that was taken for a third."""
    frame = found.frame
    if isinstance(frame.collector, str) or isinstance(frame.separator, str):
        return
    apart = frame.thickness() / frame.spacing[frame.axis]
    if apart < LEAST_APART:
        raise FrameError(
            f"the collector and the separator surface lie {apart:.1f} voxels apart ({LEAST_APART} are needed): a "
            "boundary between two materials is taken for an electrode, and one of the layers is not in view"
        )


def _check_memory(work: Work, memory: int, axis: str, by_layers: bool) -> None:
    """Refuse a volume whose maps do not fit: of three layers, along its axes, held twice while they are joined."""
    shape = work.source.shape
    axes = ("zyx".index(axis[-1]),) if axis else (0, 1, 2)
    maps = 2 * column_bytes(shape, len(LAYERS), axes, shape[0]) if by_layers else histogram_bytes(shape, axes)
    needed = maps + SLAB * work.source.plane * 24
    if needed > memory:
        raise TooLargeError(
            f"scan {work.source.id}: the maps of its layers take {needed / 2**20:.0f} MiB; allowed are "
            f"{memory / 2**20:.0f} MiB",
            fix=Amend(environment={"SILTOMO_MEMORY": f"{-(-needed * 4 // 2**20)} MiB"}),
        )
