"""The ground-truth ladder: each founding metric on the twin, from its geometry to a segmented scan.

Rungs: the geometry itself (no voxels), labels at half the voxel, labels at the voxel, greys that are only blurred and
cut at the known levels (imaging), greys with noise and artefacts segmented by the recipes that come with siltomo
(segmentation). What is lost between two rungs is the fault of that step alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from siltomo.engine.demo.ladder_recipes import ByRecipe, by_recipe
from siltomo.metrics import Sample, Scalar, Slab, in_stages, registry
from siltomo.twin import Moment, Preset, Twin
from siltomo.twin.grid import Grid
from siltomo.twin.micro import CRACK, CRACK_GAS, GRAPHENE, SOLID
from siltomo.twin.nano import MATRIX, NANO_PHASES, PORE, SEI, SILICON
from siltomo.twin.truth import fine, truth

__all__ = ["LADDER", "RUNGS", "Gate", "Rung", "Step", "climb"]

RUNGS = ("geometry", "half voxels", "voxels", "imaging", "segmentation")
LADDER = Preset("ladder", 0.163, 32.6, None, 2.0, 240.0, 200.0, 0.025, 7.0, 4.0, 1)
"""The published voxels in a field of view that a laptop measures in minutes."""

Volume = NDArray[np.uint8]
_CRACKS = {0: "outside", 1: "crack", 2: "solid"}


@dataclass(frozen=True)
class Gate:
    """How far a rung may be from the one that it is compared with."""

    absolute: float = 0.0
    relative: float = 0.0
    voxels: float = 0.0

    def holds(self, value: float, against: float, voxel_um: float) -> bool:
        """Return whether a value lies within the gate."""
        width = self.absolute + self.relative * abs(against) + self.voxels * voxel_um
        return abs(value - against) <= width

    @property
    def words(self) -> str:
        """The gate as printed."""
        if self.voxels:
            return f"±{self.voxels:g} voxel"
        return f"±{self.relative * 100:g} %" if self.relative else f"±{self.absolute:g}"


@dataclass(frozen=True)
class Step:
    """A metric of the ladder."""

    metric: str
    gate: Gate
    settings: tuple[tuple[str, object], ...] = ()

    @property
    def name(self) -> str:
        """The metric with its settings."""
        return self.metric + "".join(f", {value}" for _, value in self.settings)


@dataclass(frozen=True)
class Rung:
    """The values of a metric on one scan, rung by rung; None where a rung has none."""

    metric: str
    of: str
    unit: str
    values: Mapping[str, float | None]
    gate: str
    within: Mapping[str, bool]
    """For each rung below the truth: whether it is within the gate of what it is compared with."""
    verdict: str = ""
    """What the recipe of the last rung says of its own labels."""


MICRO = (
    Step("electrode_thickness", Gate(voxels=0.25)),
    Step("crack_volume_fraction", Gate(absolute=0.01)),
    Step("crack_surface_to_volume_ratio", Gate(relative=0.03)),
    Step("crack_surface_to_volume_ratio", Gate(relative=0.03), (("estimator", "smoothed_mesh"),)),
    Step("crack_width_mean", Gate(voxels=0.5)),
    Step("crack_width_median", Gate(voxels=0.5)),
    Step("crack_interconnectivity", Gate(absolute=0.03)),
)
NANO = (
    Step("sei_volume_fraction", Gate(relative=0.03)),
    Step("pore_volume_fraction", Gate(relative=0.03)),
    Step("sei_thickness_mean", Gate(voxels=0.5)),
)


def climb(twin: Twin, moment: Moment, kind: str = "micro", *, steps: Sequence[Step] = ()) -> Iterator[Rung]:
    """Measure every rung of a scan.

    Parameters
    ----------
    kind
        ``micro`` or ``nano``.
    steps
        Which metrics; all of that kind by default.
    """
    chosen = steps or (MICRO if kind == "micro" else NANO)
    volumes = _volumes(twin, moment, kind)
    own, voxel_um = _segmented(twin, moment, kind), volumes["voxels"][1]
    true = {(one.metric, one.how): one.value for one in truth(twin, moment, kind)}
    phases = _CRACKS if kind == "micro" else dict(NANO_PHASES)
    domain = "electrode" if kind == "micro" else "islet"
    for step in chosen:
        values: dict[str, float | None] = {"geometry": true.get((step.metric, "geometry"))}
        if kind == "nano":
            values["geometry"] = true.get((step.metric, "law"))
        unit = ""
        for name, (labels, voxel) in volumes.items():
            values[name], unit = _measure(step, labels, phases, voxel, domain)
        values["segmentation"] = None
        if own.labels is not None:
            values["segmentation"], _ = _measure(step, own.labels, own.phases, voxel_um, domain)
        within = _judged(step, values, voxel_um, nano=kind == "nano")
        yield Rung(step.name, f"{moment.cell} {kind}", unit, values, step.gate.words, within, own.verdict)


def _judged(
    step: Step, values: Mapping[str, float | None], voxel_um: float, *, nano: bool
) -> dict[str, bool]:
    """Judge voxels against the geometry, and later rungs against the voxels.

    Half voxels stand for the geometry where it has no value, and for nano scans, whose geometry is known as an
    expectation over all fields of view.
    """
    made: dict[str, bool] = {}
    true = values["half voxels"] if values["geometry"] is None or nano else values["geometry"]
    for rung, against in (
        ("voxels", true),
        ("imaging", values["voxels"]),
        ("segmentation", values["voxels"]),
    ):
        value = values[rung]
        if value is not None and against is not None:
            made[rung] = bool(step.gate.holds(value, against, voxel_um))
    return made


def _measure(
    step: Step, labels: Volume, phases: Mapping[int, str], voxel_um: float, domain: str
) -> tuple[float | None, str]:
    """Return the value of a metric on an array, and its unit."""
    request = registry.request(step.metric, dict(step.settings))
    values = tuple(v for v, name in phases.items() if name == request.phase)
    outside = tuple(v for v, name in phases.items() if name == "outside")
    names = dict.fromkeys(name for name in phases.values() if name != "outside")
    every = tuple((name, tuple(v for v, n in phases.items() if n == name)) for name in names)
    sample = Sample(
        phase=request.phase,
        values=values,
        outside=outside,
        shape=(labels.shape[0], labels.shape[1], labels.shape[2]),
        spacing_um=(voxel_um,) * 3,
        domain=domain,
        min_feature_um=None,
    )
    sample = request.seen(_with_phases(sample, every))
    measures = request.measures(sample)
    totals: dict[Any, Any] = {}
    for stage in in_stages(measures.values()):
        known = dict(totals)
        for measure in stage:
            slab = Slab(
                lambda a, b: labels[a:b], 0, len(labels), len(labels), after=measure.after, known=known
            )
            totals[measure] = measure.measure(slab)
    answer = request.finish({name: totals[m] for name, m in measures.items()}, sample)
    return (answer.value if isinstance(answer, Scalar) else None), request.metric.unit


def _with_phases(sample: Sample, phases: tuple[tuple[str, tuple[int, ...]], ...]) -> Sample:
    return replace(sample, phases=phases, depth_axis="+z")


# ---- the rungs -------------------------------------------------------------------------------------------


def _volumes(twin: Twin, moment: Moment, kind: str) -> dict[str, tuple[Volume, float]]:
    volume: Grid = getattr(twin, kind)(moment)
    small = fine(volume, 2)
    clean = twin.greys(moment, kind, twin.greys(moment, kind).camera.clean())
    plain = _plain_micro if kind == "micro" else _plain_nano
    labels = volume.labels()
    cut = _cut_micro if kind == "micro" else _cut_nano
    return {
        "half voxels": (plain(small.labels()), small.voxel_um),
        "voxels": (plain(labels), volume.voxel_um),
        "imaging": (cut(clean.planes(), labels, clean), volume.voxel_um),
    }


def _segmented(twin: Twin, moment: Moment, kind: str) -> ByRecipe:
    greys = twin.greys(moment, kind)
    labels = greys.volume.labels()
    electrode = _plain_micro(labels) > 0 if kind == "micro" else np.ones(labels.shape, np.bool_)
    voxel_um = float(getattr(twin, kind)(moment).voxel_um)
    return by_recipe(greys.planes(), electrode, voxel_um, kind=kind, blur_um=greys.camera.blur_um)


def _plain_micro(labels: Volume) -> Volume:
    table = np.zeros(256, np.uint8)
    table[[CRACK, CRACK_GAS]], table[[SOLID, GRAPHENE]] = 1, 2
    return np.asarray(table[labels])


def _plain_nano(labels: Volume) -> Volume:
    return labels


def _cut_micro(greys: Volume, labels: Volume, camera: Any) -> Volume:
    """Cut at half-way between electrolyte and islet, inside the true electrode."""
    level = 0.5 * (camera.level_of(camera.deltas[CRACK]) + camera.level_of(camera.deltas[SOLID]))
    return _two_classes(greys, labels, level)


def _two_classes(greys: Volume, labels: Volume, level: float) -> Volume:
    made = np.where(greys < level, 1, 2).astype(np.uint8)
    made[_plain_micro(labels) == 0] = 0
    return made


_NANO_ORDER = (PORE, MATRIX, SEI, SILICON)


def _cut_nano(greys: Volume, labels: Volume, camera: Any) -> Volume:  # noqa: ARG001 -- one shape for all
    """Cut half-way between the known levels of pore, matrix, SEI and silicon."""
    levels = [camera.level_of(camera.deltas[value]) for value in _NANO_ORDER]
    return _classes(greys, [0.5 * (a + b) for a, b in pairwise(levels)])


def _classes(greys: Volume, levels: Sequence[float]) -> Volume:
    return np.array(_NANO_ORDER, np.uint8)[np.digitize(greys, levels)]
