"""Tables of figures whose every number is known, made without a catalog."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest

from siltomo.engine.figures.mesh import Mesh
from siltomo.engine.figures.slices import PlaneImage
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
    """Median widths along the height: two states of a delithiation, and two cells; one bin has no value."""
    rows = []
    for mode, cycle, base, passed in (
        ("operando", 1, 1.2, 0.28),
        ("operando", 1, 2.1, 0.62),
        ("in_situ", 1, 2.0, None),
        ("in_situ", 5, 1.5, None),
    ):
        for n, height in enumerate(np.linspace(0.1, 0.9, 5)):
            value = None if cycle == 5 and n == 2 else base + 0.1 * n
            rows.append(
                result(
                    "crack_width_median_depth_profile",
                    value,
                    unit="um",
                    cycle=cycle,
                    mode=mode,
                    capacity=2000.0 if passed is None else 3000.0 * passed,
                )
                | {
                    "status": "ok",
                    "height": height,
                    "segmentation": f"{mode}-{cycle}-{passed}",
                    "min_feature": 0.65,
                    "statistic": "median",
                    "contraction": passed,
                }
            )
    return pd.DataFrame(rows)


@pytest.fixture
def voltage() -> pd.DataFrame:
    """Two cycles of two cells: a plateau that fades."""
    rows = [
        {
            "formulation": formulation,
            "cell": cell,
            "cycle": cycle,
            "half": half,
            "capacity": whole * kept * share,
            "capacity_unit": "mAh/g_Si",
            "voltage": start + (end - start) * share**3,
            "voltage_unit": "V",
        }
        for formulation, cell, whole in (("reference", "ref1", 2200.0), ("with-zn", "zn1", 2700.0))
        for cycle, kept in ((1, 1.0), (5, 0.8))
        for half, start, end in (("lithiation", 0.6, 0.01), ("delithiation", 0.2, 1.0))
        for share in np.linspace(0, 1, 40)
    ]
    return pd.DataFrame(rows)


@pytest.fixture
def expansion() -> pd.DataFrame:
    """Thickness through cycles 1 and 3 of two cells, what is predicted, and what stays after four cycles."""
    rows = []
    for formulation, cell, most in (("reference", "ref1", 1.05), ("with-zn", "zn1", 0.9)):
        common = {"formulation": formulation, "cell": cell, "half_cycle_complete": True}
        rows.append(
            result("electrode_thickness_expansion", 0.0, cycle=0, half="pristine", uncertainty=0.02, **common)
        )
        for cycle, stays in ((1, 0.0), (3, 0.3)):
            for n, capacity in enumerate((800.0, 1600.0, 2400.0), 1):
                there = {
                    **common,
                    "cycle": cycle,
                    "capacity": capacity,
                    "half_cycle_end": 2500.0,
                    "uncertainty": 0.04,
                }
                up, down = stays + most * n / 3, stays + most - 0.65 * most * n / 3
                rows += [
                    result("electrode_thickness_expansion", up, half="lithiation", **there),
                    result("electrode_thickness_expansion", down, half="delithiation", **there),
                    result("theoretical_thickness_expansion", stays + 0.4 * n, half="lithiation", **there),
                ]
        rows += [
            result(
                "cumulative_irreversible_expansion",
                most * 8 * n,
                unit="um",
                coordinate_value=2500.0 * n,
                cycle=n,
                uncertainty=1.0,
                **common,
            )
            for n in (1, 2, 3, 4)
        ]
    return pd.DataFrame(rows)


@pytest.fixture
def gas() -> pd.DataFrame:
    """Gas of two cells in cycle 1; the reference was not scanned at the end of its delithiation."""
    rows = []
    for formulation, cell, most in (("reference", "ref1", 6.0), ("with-zn", "zn1", 3.0)):
        for half in ("lithiation", "delithiation"):
            seen = (700.0, 1400.0) if (cell, half) == ("ref1", "delithiation") else (700.0, 1400.0, 2100.0)
            for n, capacity in enumerate(seen, 1):
                value = most * n / 3 if half == "lithiation" else most
                rows.append(
                    result(
                        "gas_volume_per_si_mass",
                        value,
                        unit="cm^3/g_Si",
                        formulation=formulation,
                        cell=cell,
                        half=half,
                        capacity=capacity,
                        half_cycle_end=2200.0,
                        half_cycle_complete=True,
                        uncertainty=0.2,
                    )
                )
    return pd.DataFrame(rows)


@pytest.fixture
def sei() -> pd.DataFrame:
    """SEI of two formulations after cycles 1 and 5; the first lacks its volume after cycle 5."""
    rows = []
    for formulation, factor in (("reference", 1.6), ("with-zn", 1.0)):
        for cycle in (1, 5):
            common = {
                "formulation": formulation,
                "cell": f"{formulation}-{cycle}",
                "cycle": cycle,
                "mode": "ex_situ",
                "scale": "nano",
                "segmentation": f"{formulation}-{cycle}",
                "min_feature": 0.1,
            }
            grown = factor * (1 + 0.1 * cycle)
            volume = None if (formulation, cycle) == ("reference", 5) else grown
            rows += [
                result(
                    "sei_volume_per_si_mass",
                    volume,
                    unit="cm^3/g_Si",
                    uncertainty=0.1 if volume else None,
                    **common,
                ),
                result("sei_thickness_mean", 0.12 * grown, unit="um", uncertainty=0.025, **common),
            ]
            shares = np.exp(-(((np.arange(1, 9) - 2 * grown) / 1.5) ** 2))
            rows += [
                result("sei_thickness_distribution", share, coordinate_value=0.05 * n - 0.025, **common)
                for n, share in enumerate(shares / shares.sum(), 1)
            ]
    return pd.DataFrame(rows)


@pytest.fixture
def greys() -> pd.DataFrame:
    """Greys of a scan with two phases, two fits and the cut between them."""
    common = {"scan": "op1", "segmentation": "op1-seg", "unit": "voxels", "bin_width": 2.0}
    grey = np.arange(41.0, 200.0, 2.0)
    counts = {
        name: voxels * 2 / sd / np.sqrt(2 * np.pi) * np.exp(-0.5 * ((grey - middle) / sd) ** 2)
        for name, middle, sd, voxels in (("crack", 80.0, 9.0, 4e4), ("solid", 140.0, 12.0, 2e5))
    }
    rows = [
        {**common, "kind": "count", "phase": name, "grey": g, "value": v}
        for name, values in {"all voxels": sum(counts.values()), **counts}.items()
        for g, v in zip(grey, values, strict=True)
    ]
    for name, middle, sd, voxels in (("crack", 82.0, 9.0, 4e4), ("solid", 140.0, 12.0, 2e5)):
        rows.append(
            {
                **common,
                "kind": "fit",
                "phase": name,
                "grey": middle,
                "standard_deviation": sd,
                "value": voxels,
            }
        )
    rows.append({**common, "kind": "cut", "phase": "Otsu, 2 classes", "grey": 108.0, "value": None})
    return pd.DataFrame(rows)


def plane(axes: str = "xz", phase: str = "crack", turned: float = 0.0) -> PlaneImage:
    """Make a plane with stripes of greys, and a phase where they are dark."""
    high, wide = (24, 60) if axes == "xz" else (60, 60)
    y, x = np.mgrid[:high, :wide]
    grey = (128 + 100 * np.sin((x * np.cos(turned) + y * np.sin(turned)) / 5)).astype(np.uint8)
    return PlaneImage(grey, {phase: grey < 60}, (0.65, 0.65), 12.0, 0, "seg")


@pytest.fixture
def planes() -> tuple[pd.DataFrame, dict[int, PlaneImage]]:
    """Cross-sections and in-plane sections of two formulations after two cycles; one was not scanned."""
    rows: list[dict[str, Any]] = []
    images: dict[int, PlaneImage] = {}
    for formulation in FORMULATIONS:
        for number, axes in enumerate(("xz", "xy")):
            for cycle in (0, 5):
                lost = (formulation, cycle) == ("reference", 5)
                if not lost:
                    images[len(rows)] = plane(axes, turned=0.3 * cycle)
                rows.append(
                    {
                        "formulation": formulation,
                        "cycle": cycle,
                        "plane": number,
                        "axes": axes,
                        "scale": "micro",
                        "grey_low": 40.0,
                        "grey_high": 220.0,
                        "reason": f"no micro scan of {formulation} in cycle {cycle}" if lost else "",
                    }
                )
    return pd.DataFrame(rows), images


@pytest.fixture
def surfaces() -> tuple[pd.DataFrame, dict[int, Mesh]]:
    """A leaning plate and a ball of two formulations; a third state has none."""
    from skimage.measure import marching_cubes

    z, y, x = np.mgrid[:24, :40, :40].astype(float)
    fields = {
        0: 3 - np.abs(0.8 * (x - 20) + 0.6 * (z - 12)),
        2: 10 - np.sqrt((z - 12) ** 2 + (y - 20) ** 2 + (x - 20) ** 2),
    }
    size = (12.0, 20.0, 20.0)
    meshes: dict[int, Mesh] = {}
    for n, one in fields.items():
        corners, faces, _, _ = marching_cubes(np.pad(one, 1, constant_values=-9.0).astype(np.float32), 0.0)
        meshes[n] = Mesh(
            ((corners - 0.5) / 2).astype(np.float32),
            faces.astype(np.int32),
            size,
            f"s{n}",
            "seg",
            "crack",
            0.93,
            0.5,
        )
    rows = [
        {
            "formulation": formulation,
            "scale": "micro",
            "cycle": cycle,
            "value": 0.93 if 2 * n + k in meshes else None,
            "reason": ""
            if 2 * n + k in meshes
            else f"no micro scan of {formulation} in cycle {cycle} with crack",
        }
        for n, formulation in enumerate(FORMULATIONS)
        for k, cycle in enumerate((1, 5))
    ]
    return pd.DataFrame(rows), meshes
