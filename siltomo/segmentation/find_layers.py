"""Carry out the step ``layers``: find the electrode's surfaces in a scan, and judge them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import Amend, BadInputError, TooLargeError
from siltomo.kernels.columns import column_bytes
from siltomo.kernels.electrode import FrameError, Surface
from siltomo.model import Parting, Trust, Verdict
from siltomo.segmentation.execute import Work
from siltomo.segmentation.geometry import Geometry, geometry_of_greys, geometry_of_labels, refined
from siltomo.segmentation.greys import GreyRange
from siltomo.segmentation.layers import LAYERS, Layers
from siltomo.segmentation.recipe import Node

__all__ = ["find_layers"]

SLAB = 8
"""Planes read at once: always as many, so that sums of greys do not depend on the memory."""
LEAST_USED = 0.65
"""Share of the columns that a plane must go through to be exact (docs/geometry.md)."""


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
    _check_memory(work, memory, axis)
    read = _Planes(work, node.inputs[0], max(1, min(planes, SLAB)))
    try:
        found = _found(step, read, axis)
        if found.frame.upwards == 0:
            raise FrameError("which side the collector is on cannot be told: declare the depth axis")
        found = _asked_for(step, found)
        if step.refine:
            greys = read if step.by_greys else _Planes(work, -1, SLAB)
            found = refined(greys, found, slab=SLAB)
    except BadInputError as error:
        raise BadInputError(
            f"{node.words}: the layers of scan {source.id} cannot be told: {error.message}",
            code="SIL170",
            fix=f"siltomo catalog set {source.id} --depth-axis +z" if "declare" in error.message else "",
        ) from error
    return found, Parting(
        step=node.index + 1, scans=(source.id,), facts=found.says(), verdicts=tuple(_verdicts(found))
    )


def _found(step: Layers, read: _Planes, axis: str) -> Geometry:
    """Find the surfaces to a voxel; the voxels of a layer whose surface is not asked for say nothing."""
    source = read.work.source
    asked = {name: layer for name, layer in step.layers.items() if name in (*step.surfaces, "electrode")}
    if not asked:
        raise BadInputError(
            f"no layer is given beside the surfaces that are asked for: {', '.join(step.surfaces)}"
        )
    if step.by_greys:
        ranges = {name: layer for name, layer in asked.items() if isinstance(layer, GreyRange)}
        return geometry_of_greys(
            read, source.shape, source.spacing, ranges, depth_axis=axis, refine=False, slab=SLAB
        )
    classes = {name: layer for name, layer in asked.items() if isinstance(layer, tuple)}
    return geometry_of_labels(read, source.shape, source.spacing, classes, depth_axis=axis, slab=SLAB)


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


def _verdicts(found: Geometry) -> Iterator[Verdict]:
    for name, side in (("collector", found.frame.collector), ("separator", found.frame.separator)):
        if isinstance(side, Surface):
            share = side.seen * side.plane.used
            trust = Trust.GOOD if share >= LEAST_USED else Trust.DOUBTFUL
            yield Verdict(
                check=f"columns that show the {name} surface",
                trust=trust,
                value=share,
                limits=f"good >= {LEAST_USED}",
                reason=""
                if trust == Trust.GOOD
                else f"the plane of the {name} surface goes through what is seen in {share:.0%} of the columns only",
            )


def _check_memory(work: Work, memory: int, axis: str) -> None:
    """Refuse a volume whose maps do not fit: of three layers, along its axes, held twice while they are joined."""
    shape = work.source.shape
    axes = ("zyx".index(axis[-1]),) if axis else (0, 1, 2)
    needed = 2 * column_bytes(shape, len(LAYERS), axes, shape[0]) + SLAB * work.source.plane * 24
    if needed > memory:
        raise TooLargeError(
            f"scan {work.source.id}: the maps of its layers take {needed / 2**20:.0f} MiB; allowed are "
            f"{memory / 2**20:.0f} MiB",
            fix=Amend(environment={"SILTOMO_MEMORY": f"{-(-needed * 4 // 2**20)} MiB"}),
        )
