"""The ground-truth ladder: every founding metric on the twin, from its geometry to a segmented scan.

Rungs: the geometry itself (no voxels), labels at half the voxel, labels at the voxel, greys that are only blurred and
cut at the known levels (imaging), greys with noise and artefacts segmented by the recipes that come with siltomo
(segmentation), and for what needs no voxels the records with the file of the cycler. What is lost between two rungs
is the fault of that step alone.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from siltomo.engine.demo.ladder_measure import Found, Totals, apart, derived, measured, records_of
from siltomo.engine.demo.ladder_scans import LADDER, Labelled, LadderScan, ladder_scans
from siltomo.engine.demo.ladder_steps import BASES, STEPS, Gate, Step
from siltomo.engine.demo.parts import computed, register
from siltomo.metrics import Distribution, From, registry
from siltomo.twin import Preset, Twin, write_study
from siltomo.twin.expected import (
    expansion_truth,
    gas_laws,
    islet_sizes,
    porosity_truth,
    record_truth,
    surface_laws,
)
from siltomo.twin.micro import MicroVolume
from siltomo.twin.truth import TrueValue, truth

__all__ = ["LADDER", "RUNGS", "STEPS", "Gate", "Rung", "Step", "climb", "founding"]

RUNGS = ("geometry", "half voxels", "voxels", "imaging", "segmentation", "records")
_TINY = Preset("records", 0.5, 10.0, None, 4.0, 20.0, 40.0, 0.1, 2.0, 2.0, 1)


@dataclass(frozen=True)
class Rung:
    """The values of a metric on one scan, rung by rung."""

    metric: str
    """With its settings."""
    of: str
    unit: str
    values: Mapping[str, float | None]
    """None where a rung has none. Of a distribution: how far it is from the rung that it is compared with."""
    why: Mapping[str, str]
    """Why there is no value, in a word, for each rung without one."""
    gate: str
    within: Mapping[str, bool]
    """For each rung that is compared with another: whether it is within the gate."""
    verdict: str = ""
    """What the recipe of the last rung says of its own labels."""


def founding() -> set[str]:
    """Return the names of all metrics that come with siltomo, those for any phase under the phases they list."""
    return {name for one in registry if one.package == "siltomo" for name in one.names()}


def climb(twin: Twin, *, steps: Sequence[Step] = STEPS) -> Iterator[Rung]:
    """Measure every rung of some metrics.

    Parameters
    ----------
    twin
        Of any preset; `LADDER` has the published voxels.
    steps
        Which metrics; every founding one by default.
    """
    made = _Ladder(twin)
    made.measure(steps)
    for step in steps:
        yield made.rung(step)


@dataclass
class _Ladder:
    """What is known of a twin, rung by rung."""

    twin: Twin
    scans: dict[str, LadderScan] = field(default_factory=dict)
    found: dict[tuple[str, str, str], Found] = field(default_factory=dict)
    """By scan, metric with its settings, and rung."""
    verdicts: dict[str, str] = field(default_factory=dict)
    true: dict[str, TrueValue] = field(default_factory=dict)
    recorded: dict[str, float] = field(default_factory=dict)

    def measure(self, steps: Sequence[Step]) -> None:
        """Measure the base metrics that some steps need, scan by scan; only one scan is in memory."""
        wanted = {name for step in steps for name in (step.scan, *step.roles.values())}
        needed = [*steps, *(base for step in steps if step.roles for base in BASES)]
        for scan in ladder_scans(self.twin):
            if scan.name not in wanted:
                continue
            self.scans[scan.name] = scan
            mine = {step.key: step for step in needed if step.scan == scan.name and not step.roles}
            for rung in scan.rungs():
                self._take(scan, rung, mine.values())
        self.true = dict(self._truths(wanted))
        if any(step.from_records for step in steps):
            self.recorded = _from_records(self.twin)

    def _take(self, scan: LadderScan, rung: Labelled, steps: Iterable[Step]) -> None:
        totals: Totals = {}
        for step in steps:
            request = registry.request(step.metric, dict(step.settings))
            self.found[scan.name, step.key, rung.rung] = measured(request, scan, rung, totals)
        if rung.verdict:
            self.verdicts[scan.name] = rung.verdict

    def _truths(self, wanted: set[str]) -> Iterator[tuple[str, TrueValue]]:
        """List what is known without voxels, by metric."""
        twin = self.twin
        every = [one for scan in self.scans.values() for one in _truth_of(twin, scan)]
        if "records" in wanted:
            every += record_truth(twin, twin.at(twin.cells[-1].id))
        yield from ((one.metric, one) for one in every if one.how in ("geometry", "law"))

    # ---- one row -------------------------------------------------------------------------------------------

    def rung(self, step: Step) -> Rung:
        """Set the rungs of a metric beside each other."""
        metric = registry.request(step.metric, {}).metric
        every: dict[str, Found] = {rung: self._at(step, rung) for rung in RUNGS}
        against = self._against(step, every)
        values: dict[str, float | None] = {}
        why: dict[str, str] = {}
        within: dict[str, bool] = {}
        for rung, found in every.items():
            other = every.get(against.get(rung, ""))
            if isinstance(found, str):
                values[rung], why[rung] = None, step.words.get(rung, found)
            elif isinstance(found, float):
                values[rung] = found
                if isinstance(other, float):
                    within[rung] = step.gate.holds(found, other, self._voxel_um(step))
            elif isinstance(other, Distribution):
                values[rung] = apart(found, other)
                within[rung] = step.gate.holds(values[rung] or 0.0, 0.0, self._voxel_um(step))
            else:
                values[rung], why[rung] = None, "compared with"
        shares = next((found for found in every.values() if isinstance(found, Distribution)), None)
        unit = shares.coordinate_unit if shares and metric.unit == "1" else metric.unit
        of = self.scans[step.scan].of if step.scan in self.scans else self.twin.cells[-1].id
        return Rung(step.key, of, unit, values, why, step.gate.words, within, self._verdict(step))

    def _verdict(self, step: Step) -> str:
        return self.verdicts.get(step.scan, "") if "segmentation" not in step.words else ""

    def _voxel_um(self, step: Step) -> float:
        return self.scans[step.scan].volume.voxel_um if step.scan in self.scans else 0.0

    def _at(self, step: Step, rung: str) -> Found:
        if rung in step.words:
            return step.words[rung]
        if rung == "geometry":
            known = self.true.get(step.metric)
            return known.value if known is not None else "unknown"
        if rung == "records":
            return self.recorded[step.metric]
        if not step.roles:
            return self.found[step.scan, step.key, rung]
        moment = self.scans[step.scan].moment
        return derived(
            step.metric, lambda query: self._answer(step, query, rung), records_of(self.twin, moment)
        )

    def _answer(self, step: Step, query: From, rung: str) -> Found:
        """Answer the query of a derived metric with what was measured on this rung."""
        role = "before" if query.cycle == 0 else query.scale or "micro"
        scan = step.roles[role]
        cut = self.scans[scan].cuts or rung not in ("imaging", "segmentation")
        # the mask of the electrode is the true one on these rungs, and with it the thickness
        return self.found[scan, query.metric, rung if cut else "voxels"]

    def _against(self, step: Step, every: Mapping[str, Found]) -> dict[str, str]:
        """Tell which rung each is compared with: voxels with the geometry, and later rungs with the voxels.

        Half voxels stand for the geometry where it has no value, and where it is an expectation over all fields of
        view.
        """
        known = self.true.get(step.metric)
        here = known is not None and (known.how == "geometry" or step.from_records)
        top = "geometry" if here and not isinstance(every["geometry"], str) else "half voxels"
        return {"voxels": top, "imaging": "voxels", "segmentation": "voxels", "records": "geometry"}


def _truth_of(twin: Twin, scan: LadderScan) -> tuple[TrueValue, ...]:
    """Return what the geometry of a scan and the laws of the twin make of its metrics."""
    moment, volume = scan.moment, scan.volume
    if scan.name == "micro":
        return truth(twin, moment)
    if scan.name == "nano":
        return (*truth(twin, moment, "nano"), *porosity_truth(twin, moment), *surface_laws(twin, moment))
    if scan.name == "wide":
        return gas_laws(twin, moment)
    if scan.name == "end":
        return expansion_truth(twin, moment)
    if isinstance(volume, MicroVolume) and scan.name == "islets":
        sizes = islet_sizes(volume.body, volume.shape[2] * volume.voxel_um)
        return (TrueValue("islet_size", float(np.mean(sizes)), "um", "geometry"),)
    return ()


def _from_records(twin: Twin) -> dict[str, float]:
    """Compute what needs no voxels in a catalog of the twin's records and cycler files."""
    small = Twin(twin.seed, twin.formulation, _TINY)
    moment = small.at(small.cells[-1].id)
    names = [step.metric for step in STEPS if step.from_records]
    with tempfile.TemporaryDirectory(prefix="siltomo-ladder-") as scratch:
        folder = Path(scratch)
        study = write_study(small, folder, greys=False, kinds=("micro",))
        rows = computed(register(folder / "catalog", study), names)
    state = (moment.cell, moment.cycle, moment.half)
    mine = [row for row in rows if (row["cell"], row["cycle"], row["half"]) == state]
    return {row["metric"]: float(row["value"]) for row in mine}
