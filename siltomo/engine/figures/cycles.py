"""Tables of metrics by cycle, macro beside micro, and of the SEI."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import pandas as pd

from siltomo.engine.catalog import Catalog
from siltomo.engine.figures.states import joined
from siltomo.engine.figures.tables import FigureTable, Said, metric_table
from siltomo.engine.join.metrics import with_contraction
from siltomo.errors import Amend, BadInputError
from siltomo.model import Scan, Status

__all__ = ["CYCLES", "DEPTH", "cycles_table", "depth_table", "sei_table"]

CYCLES = (
    "crack_volume_fraction@micro+pore_volume_fraction@nano",
    "crack_width_mean@micro",
    "crack_interconnectivity@micro",
)
"""What is shown by cycle: panels, each ``metric@scale``, joined by + where they are stacked."""


def cycles_table(
    catalog: Catalog,
    panels: Sequence[str] = CYCLES,
    *,
    where: str | None = "mode != 'operando'",
    progress: Said | None = None,
) -> FigureTable:
    """Return metrics at the ends of cycles, a panel each, macro and micro stacked (Fig. 7).

    Parameters
    ----------
    panels
        As ``CYCLES``.
    where
        Which scans: by default those that were not taken operando.

    Returns
    -------
    FigureTable
        With columns ``panel`` (its number) and ``part`` (its place in the stack) beside those of all tables.
    """
    parts: list[pd.DataFrame] = []
    said: list[str] = []
    formulations: tuple[str, ...] = ()
    for number, panel in enumerate(panels):
        for place, one in enumerate(panel.split("+")):
            metric, _, scale = one.strip().partition("@")
            chosen = joined(where, f"scale == '{scale}'" if scale else None)
            found = metric_table(catalog, [metric], where=chosen, progress=progress)
            formulations = found.formulations
            said += found.warnings
            parts.append(found.table.assign(panel=number, part=place))
    return FigureTable(pd.concat(parts, ignore_index=True), formulations, tuple(said))


def sei_table(catalog: Catalog, *, where: str | None = None, progress: Said | None = None) -> FigureTable:
    """Return volume per gram, mean local thickness and its distribution of the SEI-rich phase (Fig. 9c and d)."""
    volume = metric_table(catalog, ["sei_volume_per_si_mass"], where=where, progress=progress)
    # a state without a nano scan was never meant to have an SEI volume
    nano = joined(where, "scale == 'nano'")
    thickness = metric_table(
        catalog, ["sei_thickness_mean", "sei_thickness_distribution"], where=nano, progress=progress
    )
    keys = ["cell", "cycle", "half"]
    having = set(thickness.table[keys].itertuples(index=False, name=None))
    mine = [key in having for key in volume.table[keys].itertuples(index=False, name=None)]
    table = pd.concat([volume.table[mine], thickness.table], ignore_index=True)
    lost = table[table["status"] != str(Status.OK)]
    said = tuple(f"{row.metric} of {row.cell} cycle {row.cycle}: {row.reason}" for row in lost.itertuples())
    return replace(volume, table=table, warnings=tuple(dict.fromkeys(said)))


DEPTH = {"median": "crack_width_median_depth_profile", "mean": "crack_width_depth_profile"}
"""The metric of each statistic that can be drawn along the depth."""


def depth_table(
    catalog: Catalog,
    *,
    statistic: str = "median",
    where: str | None = "cycle > 0",
    progress: Said | None = None,
) -> FigureTable:
    """Return a depth profile of each scan, with the height as share of the electrode's thickness (Fig. 8).

    The column ``height`` is the depth over the electrode's thickness in the same scan: 0 at the collector, 1 at
    the separator; scans whose thickness is not known have none. ``contraction`` is the thickness lost since the
    thickest scan of the same cycle, over the initial one, for states of delithiation.

    Parameters
    ----------
    statistic
        Of the widths in a bin of depth: ``median``, as the founding study has it, or ``mean``.
    where
        Which scans. Thicknesses of other scans of their cells are computed too: contraction needs the thickest.

    Raises
    ------
    BadInputError
        When the statistic is not known.
    """
    if statistic not in DEPTH:
        raise BadInputError(
            f"widths along the depth have no {statistic!r}; known: {', '.join(DEPTH)}",
            fix=Amend({"--statistic": "median"}),
        )
    chosen = joined(where, "scale == 'micro'")
    profiles = metric_table(catalog, [DEPTH[statistic]], where=chosen, progress=progress)
    cells = sorted(set(profiles.table["cell"]))
    there = f"scale == 'micro' and cell in ({', '.join(map(repr, cells))},)"
    thick = metric_table(catalog, ["electrode_thickness"], where=there, progress=progress).table
    known = thick[thick["status"] == str(Status.OK)]
    of = dict(zip(known["segmentation"], known["value"], strict=True))
    # where the metric was never meant, as on a scan of the separator, nothing is missing
    table = profiles.table[profiles.table["status"] != str(Status.MISSING)].reset_index(drop=True)
    whole = table["segmentation"].map(of).astype(float)
    passed, unknown = _contractions(catalog, set(table["scan"]))
    table = table.assign(
        statistic=statistic,
        thickness=whole,
        thickness_unit="um",
        height=table["coordinate_value"].astype(float) / whole,
        contraction=table["scan"].map(passed).astype(float),
        contraction_unit="1",
    )
    lost = table[table["status"] != str(Status.OK)]
    said = [f"{row.scan}: {row.reason}" for row in lost.itertuples()]
    return replace(profiles, table=table, warnings=(*said, *unknown))


def _contractions(catalog: Catalog, scans: set[str]) -> tuple[dict[str, float], list[str]]:
    """Return the contraction of each scan that has one, and why the operando scans that have none do not."""
    rows = [
        {
            "scan": scan.id,
            "cell": scan.cell,
            "scale": str(scan.scale),
            "mode": str(scan.mode),
            "cycle": scan.state.cycle,
            "declared_cycle": scan.state.cycle,
            "half": str(scan.state.half),
        }
        for scan in catalog.records(Scan)
    ]
    mine = [row for row in with_contraction(catalog, rows) if row["scan"] in scans]
    known = {row["scan"]: row["contraction"] for row in mine if row.get("contraction") is not None}
    said = [
        f"contraction of {row['scan']} is not known: {row['contraction_reason']}"
        for row in mine
        if row["mode"] == "operando" and row.get("contraction_reason")
    ]
    return known, said
