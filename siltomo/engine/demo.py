"""The demo: a synthetic study from volumes to a table of metrics beside their true values."""

from __future__ import annotations

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siltomo.catalog import CatalogStore
from siltomo.engine.catalog import Catalog, open_catalog
from siltomo.errors import BadInputError, CheckFailedError
from siltomo.twin import Preset, Twin, scans_of, write_study
from siltomo.twin.laws import C_THEORY, LAWS

if TYPE_CHECKING:
    from siltomo.engine.rows import Row

__all__ = ["GATES", "METRICS", "Check", "Demo", "Gate", "run_demo"]

SEED = 1
METRICS = (
    "electrode_thickness",
    "electrode_thickness_expansion",
    "cumulative_irreversible_expansion",
    "normalized_thickness_expansion",
    "theoretical_thickness_expansion",
    "crack_volume_fraction",
    "crack_surface_to_volume_ratio",
    "crack_width_mean",
    "crack_width_median",
    "crack_interconnectivity",
    "electrode_porosity",
    "electrode_porosity_nested",
    "sei_volume_fraction",
    "sei_volume_per_si_mass",
    "sei_thickness_mean",
    "gas_volume_per_si_mass",
    "separator_gas_fraction",
    "gas_charge",
    "sei_volume_from_gas",
)
"""What the demo computes."""

Say = Callable[[str], None]
"""Told what is being done, in words."""


@dataclass(frozen=True)
class Gate:
    """How far a measured value may be from the true one."""

    of: float
    """Half-width: absolute, or relative to the true value."""
    relative: bool = False
    unit: str = ""
    voxels: float = 0.0
    """Half-width in voxels, where the limit is a length of the scan."""

    def width(self, true: float, voxel_um: float) -> float:
        """Return the half-width in the unit of the value."""
        if self.voxels:
            return self.voxels * voxel_um
        return self.of * abs(true) if self.relative else self.of

    @property
    def words(self) -> str:
        """The gate as printed."""
        if self.voxels:
            return f"±{self.voxels:g} voxel"
        return f"±{self.of * 100:g} %" if self.relative else f"±{self.of:g} {self.unit}".rstrip()


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
    "gas_volume_per_si_mass": Gate(0.02, relative=True),
    "separator_gas_fraction": Gate(0.02, relative=True),
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


@dataclass(frozen=True)
class Demo:
    """What the demo made."""

    folder: Path
    """The catalog; its study, greys, labels and cycler files lie beside it."""
    counts: Mapping[str, int]
    """Records of each kind."""
    rows: Sequence[Row] = field(repr=False)
    """Rows of all metrics."""
    checks: Sequence[Check] = field(repr=False)
    tables: Sequence[Path] = ()
    warnings: Sequence[str] = ()


def run_demo(folder: Path, *, preset: str | Preset = "S", seed: int = SEED, say: Say | None = None) -> Demo:
    """Build the synthetic study in a folder, register it, compute its metrics, compare them with the truth.

    The same folder again goes on where it stopped: what is registered and computed is not made again.

    Parameters
    ----------
    folder
        Becomes the catalog; made when it does not exist.
    preset
        Size of the scans.
    seed
        Another seed gives other electrodes with the same laws.
    say
        Told what is being done.

    Raises
    ------
    BadInputError
        When the folder holds something else.
    CheckFailedError
        When a part of the study could not be registered.
    """
    tell = say or _silent
    twins = [Twin(seed, name, preset) for name in LAWS]
    _check_folder(folder)
    tell(f"building two synthetic electrodes in {folder}")
    study = write_study(twins, folder)
    tell("registering the study")
    catalog = _registered(folder, study)
    tell(f"computing {len(METRICS)} metrics")
    rows = _computed(catalog)
    tell("comparing with the truth")
    checks = tuple(_checks(twins, rows))
    tables = _write_tables(folder / "tables", rows, checks)
    counts = {kind: len(catalog.store.ids(kind)) for kind in ("formulation", "cell", "scan", "segmentation")}
    return Demo(folder, counts, rows, checks, tables)


def _silent(words: str) -> None:
    """Say nothing."""


def _check_folder(folder: Path) -> None:
    if not folder.exists() or CatalogStore.is_catalog(folder):
        return
    if not folder.is_dir() or any(folder.iterdir()):
        raise BadInputError(
            "the demo needs a folder of its own, and this one holds other files",
            where=str(folder),
            fix=f"siltomo demo {folder / 'siltomo-demo' if folder.is_dir() else f'{folder}-demo'}",
        )


def _registered(folder: Path, study: Path) -> Catalog:
    from siltomo.engine.study import add_study, read_study

    if not CatalogStore.is_catalog(folder):
        CatalogStore.create(folder)
    catalog = open_catalog(folder)
    failed = [one for one in add_study(catalog, read_study(study)) if one.outcome == "failed"]
    if failed:
        raise CheckFailedError(
            f"{len(failed)} parts of the study could not be registered; the first is {failed[0].kind} "
            f"{failed[0].id}: {failed[0].reason}",
            where=str(study),
            fix=f"siltomo demo {folder.parent / (folder.name + '-new')}",
        )
    return catalog


def _computed(catalog: Catalog) -> list[Row]:
    from siltomo.engine.compute import run_plan
    from siltomo.engine.plan import make_plan

    rows = run_plan(catalog, make_plan(catalog, METRICS))
    broken = [row for row in rows if row["status"] == "failed"]
    if broken:
        raise CheckFailedError(f"{broken[0]['metric']}: {broken[0]['reason']}", where=str(catalog.path))
    return rows


# ---- truth ---------------------------------------------------------------------------------------------------


def _checks(twins: Sequence[Twin], rows: Sequence[Row]) -> Iterator[Check]:
    """Set each value beside its true one, where the twin knows one."""
    true: dict[tuple[str, str], tuple[float, float]] = {}
    for twin in twins:
        for key, value, voxel_um in _true_values(twin):
            true[key] = (value, voxel_um)
    for row in rows:
        of = row["scan"] or _state(row["cell"], row["cycle"], row["half"], row["capacity"])
        known = true.get((row["metric"], of))
        if known is None or row["value"] is None:
            continue
        gate = GATES[row["metric"]]
        value, voxel_um = known
        within = bool(abs(row["value"] - value) <= gate.width(value, voxel_um) + 1e-12)
        yield Check(row["metric"], of, row["value"], value, row["unit"], gate.words, within)


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


def _laws(twin: Twin, moment: Any, of: str, voxel: float) -> Iterator[tuple[tuple[str, str], float, float]]:
    if moment.cycle and moment.capacity >= 0.2 * C_THEORY:
        normalized = twin.expansion(moment) * C_THEORY / moment.capacity
        yield ("normalized_thickness_expansion", of), normalized, voxel
        ink = twin.ink
        slope = ink.si_fraction * ink.true_density / 2.33 * 0.000782
        yield ("theoretical_thickness_expansion", of), slope * moment.capacity, voxel


# ---- tables --------------------------------------------------------------------------------------------------


def _write_tables(folder: Path, rows: Sequence[Row], checks: Sequence[Check]) -> tuple[Path, ...]:
    from siltomo.engine.export import write_rows

    folder.mkdir(exist_ok=True)
    metrics, truth = folder / "metrics.csv", folder / "truth.csv"
    write_rows([row for row in rows if row["status"] == "ok"], metrics)
    with truth.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(asdict(checks[0])), lineterminator="\n")
        writer.writeheader()
        writer.writerows(asdict(check) for check in checks)
    return metrics, truth
