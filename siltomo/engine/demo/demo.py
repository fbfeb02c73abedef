"""The demo: a synthetic study from volumes to a table of metrics beside their true values."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from siltomo.catalog import CatalogStore
from siltomo.engine.catalog import Catalog
from siltomo.engine.cycling.alignment import AlignmentOrder, apply_alignment, propose_alignment
from siltomo.engine.cycling.summary import summary_of
from siltomo.engine.demo.checks import Check, cycling_checks, join_checks, metric_checks
from siltomo.engine.demo.greys import METRICS as GREY_METRICS
from siltomo.engine.demo.greys import Segmented, recipe_checks, register, segment_greys
from siltomo.engine.demo.pictures import write_figures
from siltomo.engine.join.join import Join, join
from siltomo.errors import BadInputError, CheckFailedError
from siltomo.twin import Preset, Twin, write_study
from siltomo.twin.laws import LAWS

if TYPE_CHECKING:
    from siltomo.engine.compute.rows import Row

__all__ = ["METRICS", "Demo", "run_demo"]

KINDS = ("formulation", "cell", "scan", "segmentation", "cycling_run")
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
    "pore_volume_fraction",
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
class Demo:
    """What the demo made."""

    folder: Path
    """The catalog; its study, greys, labels and cycler files lie beside it."""
    counts: Mapping[str, int]
    """Records of each kind."""
    rows: Sequence[Row] = field(repr=False)
    """Rows of all metrics."""
    checks: Sequence[Check] = field(repr=False)
    segmented: Sequence[Segmented] = field(repr=False)
    """What the recipes made of the greys."""
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
    catalog = register(folder, study)
    tell(f"computing {len(METRICS)} metrics")
    rows = _computed(catalog, METRICS)
    runs = summary_of(catalog)
    tell("aligning the clocks and joining scans with cycling")
    offsets, states = _joined(catalog, twins)
    tell("segmenting greys by recipes, and measuring what they found")
    greys, segmented = segment_greys(folder, twins)
    measured = _computed(greys, [name for names in GREY_METRICS.values() for name in names])
    tell("comparing with the truth")
    checks = (
        *metric_checks(twins, rows),
        *cycling_checks(twins, runs.rows),
        *join_checks(twins, offsets, states.rows()),
        *recipe_checks(twins, segmented, measured, rows),
    )
    write_figures(folder)
    tables = _write_tables(folder / "tables", rows, runs.rows, states.rows(), checks)
    counts = {kind: len(catalog.store.ids(kind)) for kind in KINDS}
    return Demo(folder, counts, rows, checks, segmented, tables, (*runs.warnings, *states.warnings))


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


def _computed(catalog: Catalog, metrics: Sequence[str]) -> list[Row]:
    from siltomo.engine.compute.plan import make_plan
    from siltomo.engine.compute.run import run_plan

    rows = run_plan(catalog, make_plan(catalog, metrics))
    broken = [row for row in rows if row["status"] == "failed"]
    if broken:
        raise CheckFailedError(f"{broken[0]['metric']}: {broken[0]['reason']}", where=str(catalog.path))
    return rows


def _joined(catalog: Catalog, twins: Sequence[Twin]) -> tuple[dict[str, float], Join]:
    """Find and store the clocks of the operando runs, then the state of each of their scans."""
    offsets = {}
    for twin in twins:
        cell = twin.cells[0].id
        proposal = propose_alignment(catalog, AlignmentOrder(cell))
        apply_alignment(catalog, proposal)
        offsets[cell] = proposal.clock.offset_s
    chosen = "mode == 'operando'"
    metrics = ("crack_volume_fraction", "electrode_thickness", "gas_volume_fraction")
    return offsets, join(catalog, where=chosen, metrics=metrics)


# ---- tables --------------------------------------------------------------------------------------------------


def _write_tables(
    folder: Path,
    rows: Sequence[Row],
    runs: Sequence[Mapping[str, Any]],
    states: Sequence[Mapping[str, Any]],
    checks: Sequence[Check],
) -> tuple[Path, ...]:
    from siltomo.engine.export.results import write_rows

    folder.mkdir(exist_ok=True)
    metrics, cycling, joined, truth = (
        folder / f"{name}.csv" for name in ("metrics", "cycling", "join", "truth")
    )
    write_rows([row for row in rows if row["status"] == "ok"], metrics)
    _write_csv(cycling, runs)
    _write_csv(joined, states)
    _write_csv(truth, [asdict(check) for check in checks])
    return metrics, cycling, joined, truth


def _write_csv(path: Path, rows: Sequence[Mapping[str, Any]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
