"""Tables of figures whose every number is known, made without a catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from siltomo.engine.figures.tables import COLUMNS

FORMULATIONS = ("reference", "with-zn")


def result(metric: str, value: float | None, **more: Any) -> dict[str, Any]:
    """Make one row of a table of results."""
    row: dict[str, Any] = dict.fromkeys(COLUMNS)
    row |= {
        "metric": metric,
        "value": value,
        "unit": "1",
        "status": "ok" if value is not None else "undefined",
        "reason": "" if value is not None else "no voxel",
        "formulation": "reference",
        "cell": "ref1",
        "scale": "micro",
        "mode": "operando",
        "cycle": 1,
        "half": "delithiation",
        "flags": [],
        "key": "",
    }
    return row | more


@pytest.fixture
def row() -> Callable[..., dict[str, Any]]:
    return result


@pytest.fixture
def operando() -> pd.DataFrame:
    """Two metrics of two cells; the reference lacks its third state, and stopped before its cut-off."""
    rows = []
    for formulation, cell, end, complete in (
        ("reference", "ref1", 2000.0, False),
        ("with-zn", "zn1", 2700.0, True),
    ):
        for n, capacity in enumerate((500.0, 1000.0, 1500.0, 2000.0)):
            lost = formulation == "reference" and n == 2
            common = {
                "formulation": formulation,
                "cell": cell,
                "capacity": capacity,
                "half_cycle_end": end,
                "half_cycle_complete": complete,
                "segmentation": f"{cell}-{n}",
                "min_feature": 0.65,
            }
            fraction = None if lost else 0.05 * (n + 1)
            rows.append(result("crack_volume_fraction", fraction, uncertainty=0.01, **common))
            width = None if lost else 1.0 + 0.25 * n
            rows.append(result("crack_width_mean", width, unit="um", uncertainty=0.1, **common))
    return pd.DataFrame(rows, columns=list(COLUMNS))


@pytest.fixture
def by_cycle() -> pd.DataFrame:
    """Two panels by cycle: cracks with pores on top, and a width that does not exist before cycling."""
    rows = []
    for formulation, factor in (("reference", 1.0), ("with-zn", 1.5)):
        for cycle in (0, 1, 5):
            common = {
                "formulation": formulation,
                "cell": f"{formulation}-{cycle}",
                "cycle": cycle,
                "mode": "in_situ",
            }
            crack = 0.1 * factor if cycle else 0.0
            rows += [
                result("crack_volume_fraction", crack, panel=0, part=0, uncertainty=0.01, **common),
                result("pore_volume_fraction", 0.2, panel=0, part=1, **common | {"scale": "nano"}),
                result("crack_width_mean", 2 * factor if cycle else None, unit="um", min_feature=0.65, panel=1, part=0,
                       **common),
            ]  # fmt: skip
    return pd.DataFrame(rows)


@pytest.fixture
def cycling() -> pd.DataFrame:
    """Mean capacities of ten cycles; cycle 4 of the reference was not completed by any cell."""
    rows = []
    for formulation, start in (("reference", 2200.0), ("with-zn", 2700.0)):
        for cycle in range(1, 11):
            lost = formulation == "reference" and cycle == 4
            value = None if lost else start - 20 * cycle
            common = {"formulation": formulation, "cell": f"{formulation} cells", "cycle": cycle}
            row = {"metric": "specific_delithiation_capacity", "value": value, "unit": "mAh/g_Si"}
            rows.append(row | {"uncertainty": None if lost else 30.0, "n": 0 if lost else 5, **common})
    return pd.DataFrame(rows)


@pytest.fixture
def profile() -> pd.DataFrame:
    """Widths along the height of two states; one bin has no value."""
    rows = []
    for cycle, base in ((1, 2.0), (5, 1.5)):
        for n, height in enumerate(np.linspace(0.1, 0.9, 5)):
            value = None if cycle == 5 and n == 2 else base + 0.1 * n
            rows.append(
                result(
                    "crack_width_depth_profile",
                    value,
                    unit="um",
                    cycle=cycle,
                    mode="in_situ",
                    capacity=2000.0,
                )
                | {"status": "ok", "height": height, "segmentation": f"s{cycle}", "min_feature": 0.65}
            )
    return pd.DataFrame(rows)
