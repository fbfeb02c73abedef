"""What the demo measured beside what is true, and how far apart the two may be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from siltomo.twin import Moment, Twin, scans_of
from siltomo.twin.cycling import CLOCK_OFFSET_S, CyclerRun
from siltomo.twin.laws import C_THEORY

if TYPE_CHECKING:
    from siltomo.engine.compute.rows import Row

__all__ = ["GATES", "Check", "Gate", "cycling_checks", "join_checks", "metric_checks", "true_values"]


@dataclass(frozen=True)
class Gate:
    """How far a measured value may be from the true one."""

    of: float
    """Half-width: absolute, or relative to the true value."""
    relative: bool = False
    unit: str = ""
    least: float = 0.0
    """Half-width that a relative limit has at least, in the unit of the value."""
    voxels: float = 0.0
    """Half-width in voxels, where the limit is a length of the scan."""

    def width(self, true: float, voxel_um: float) -> float:
        """Return the half-width in the unit of the value."""
        if self.voxels:
            return self.voxels * voxel_um
        return max(self.of * abs(true), self.least) if self.relative else self.of

    @property
    def words(self) -> str:
        """The gate as printed."""
        if self.voxels:
            return f"±{self.voxels:g} voxel"
        least = f", at least {self.least:g} {self.unit}".rstrip() if self.least else ""
        return f"±{self.of * 100:g} %{least}" if self.relative else f"±{self.of:g} {self.unit}".rstrip()


GATES: Mapping[str, Gate] = {
    "electrode_thickness": Gate(0, voxels=0.25),
    "electrode_thickness_expansion": Gate(0.01),
    "cumulative_irreversible_expansion": Gate(0, voxels=0.5),
    "normalized_thickness_expansion": Gate(0.02, relative=True),
    "theoretical_thickness_expansion": Gate(1e-4, relative=True),
    "crack_volume_fraction": Gate(0.01),
    # 13 directions read vertical walls some 3 % low: docs/validation.md
    "crack_surface_to_volume_ratio": Gate(0.05, relative=True),
    "sei_volume_fraction": Gate(0.03, relative=True),
    "sei_volume_per_si_mass": Gate(0.03, relative=True),
    "gas_volume_per_si_mass": Gate(0.02, relative=True, least=0.002, unit="cm^3/g_Si"),
    "separator_gas_fraction": Gate(0.02, relative=True, least=0.0005),
    "specific_lithiation_capacity": Gate(1.0, unit="mAh/g_Si"),
    "specific_delithiation_capacity": Gate(1.0, unit="mAh/g_Si"),
    "coulombic_efficiency": Gate(0.001),
    "clock_offset": Gate(15.0, unit="s"),
    "capacity": Gate(1.0, unit="mAh/g_Si"),
}
"""Limits by metric; what has no true value here is shown without one."""


@dataclass(frozen=True)
class Check:
    """A measured value beside its true one."""

    metric: str
    of: str
    """The scan, or the cell and its state."""
    measured: float
    true: float
    unit: str
    gate: str
    within: bool
    labels: str = "twin"
    """What it was measured on: the true labels of the twin, or those that a recipe of this name made."""
    verdict: str = ""
    """What the recipe says of its own labels."""

    @property
    def is_wrong(self) -> bool:
        """Whether siltomo was wrong: beyond the gate though the labels are true, or their share was called good.

        The verdict of a threshold speaks of shares of voxels. It promises nothing of surfaces and connections.
        """
        promised = self.verdict == "good" and self.metric.endswith("volume_fraction")
        return not self.within and (self.labels == "twin" or promised)


def true_values(twins: Sequence[Twin]) -> dict[tuple[str, str], tuple[float, float]]:
    """Return what is known of the scans and states of the twins.

    By metric and subject: the true value, and the voxel in um that a limit in voxels counts in.
    """
    return {key: (value, voxel_um) for twin in twins for key, value, voxel_um in _true_values(twin)}


def metric_checks(
    rows: Sequence[Row], true: Mapping[tuple[str, str], tuple[float, float]]
) -> Iterator[Check]:
    """Set each value beside its true one, as `true_values` has it, where the twin knows one."""
    for row in rows:
        of = row["scan"] or _state(row["cell"], row["cycle"], row["half"], row["capacity"])
        known = true.get((row["metric"], of))
        if known is None or row["value"] is None:
            continue
        value, voxel_um = known
        yield _check(row["metric"], of, row["value"], float(value), row["unit"], voxel_um=voxel_um)


def cycling_checks(twins: Sequence[Twin], rows: Sequence[Mapping[str, Any]]) -> Iterator[Check]:
    """Set capacities and efficiencies of the runs beside those of the law, for their first and last cycles."""
    by_cycle = {(row["cell"], row["cycle"]): row for row in rows}
    for twin in twins:
        for cell in twin.cells:
            halves = {(c, h): full for c, h, full, _, _ in CyclerRun(twin, cell).halves()}
            for cycle in sorted({c for c, _ in halves if c == 1 or (c + 1, "lithiation") not in halves}):
                row, of = by_cycle[cell.id, cycle], f"{cell.id} cycle {cycle}"
                for half in ("lithiation", "delithiation"):
                    name = f"specific_{half}_capacity"
                    yield _check(name, of, row[name], halves[cycle, half], "mAh/g_Si")
                true = halves[cycle, "delithiation"] / halves[cycle, "lithiation"]
                if row["coulombic_efficiency"] is not None:
                    yield _check("coulombic_efficiency", of, row["coulombic_efficiency"], true, "1")


def join_checks(
    twins: Sequence[Twin], offsets: Mapping[str, float], states: Sequence[Mapping[str, Any]]
) -> Iterator[Check]:
    """Set the offsets of the clocks and the capacities found for the scans beside the true ones."""
    for cell, offset in offsets.items():
        yield _check("clock_offset", f"{cell}-run", offset, CLOCK_OFFSET_S, "s")
    found = {row["scan"]: row for row in states}
    for twin in twins:
        for scan in scans_of(twin):
            row = found.get(scan.id)
            if row is not None and row["capacity"] is not None:
                yield _check("capacity", scan.id, row["capacity"], scan.moment.capacity, "mAh/g_Si")


def _check(metric: str, of: str, measured: float, true: float, unit: str, *, voxel_um: float = 0.0) -> Check:
    gate = GATES[metric]
    within = abs(measured - true) <= gate.width(true, voxel_um) + 1e-12
    return Check(metric, of, float(measured), true, unit, gate.words, bool(within))


def _state(cell: str, cycle: int, half: str, capacity: float | None) -> str:
    return f"{cell} cycle {cycle} {half}" + ("" if capacity is None else f" {capacity:.6g} mAh/g_Si")


def _true_values(twin: Twin) -> Iterator[tuple[tuple[str, str], float, float]]:
    """List what is known: metric and subject, value, and the voxel that a limit in voxels counts in."""
    from siltomo.twin.truth import truth

    for scan in scans_of(twin):
        moment, voxel = scan.moment, scan.volume.voxel_um
        capacity = moment.capacity if moment.cycle else None
        of = _state(moment.cell, moment.cycle, moment.half, capacity)
        for one in truth(twin, moment, scan.kind):
            if one.metric in GATES:
                yield (one.metric, scan.id), one.value, voxel
                yield (one.metric, of), one.value, voxel
        if scan.kind != "micro":
            continue
        yield from _laws(twin, scan.moment, of, voxel)


def _laws(
    twin: Twin, moment: Moment, of: str, voxel: float
) -> Iterator[tuple[tuple[str, str], float, float]]:
    if moment.cycle and moment.capacity >= 0.2 * C_THEORY:
        normalized = twin.expansion(moment) * C_THEORY / moment.capacity
        yield ("normalized_thickness_expansion", of), normalized, voxel
        ink = twin.ink
        slope = ink.si_fraction * ink.true_density / 2.33 * 0.000782
        yield ("theoretical_thickness_expansion", of), slope * moment.capacity, voxel
