"""Compile the kernels of metrics on a scan of a few voxels: as what they are compiled for, not what they find."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from siltomo.engine.demo.parts import computed, register

__all__ = ["compile_kernels"]

_SHAPE = (160, 32, 96)
_VOXEL = "0.5 um"
_SCANS = (
    ("micro", "electrode", {1: "crack", 2: "solid"}),
    ("micro", "separator", {1: "gas", 2: "electrolyte"}),
    ("nano", "islet", {1: "sei", 2: "pore"}),
)
"""Magnification, domain and phases of each scan."""


def compile_kernels(metrics: Sequence[str]) -> int:
    """Compute metrics on scans of a few voxels, in a catalog that is thrown away; return how many came about.

    What is compiled for them is kept on disk, where every process of this machine finds it.
    """
    with tempfile.TemporaryDirectory(prefix="siltomo-kernels-") as scratch:
        folder = Path(scratch)
        np.save(folder / "labels.npy", _labels())
        study = folder / "study.yaml"
        study.write_text(yaml.safe_dump(_study(), sort_keys=False), "utf-8")
        rows = computed(register(folder / "catalog", study), metrics)
    return sum(row["status"] == "ok" for row in rows)


def _labels() -> Any:
    """Return a slab of two phases between planes of none: enough of each for every metric."""
    made = np.zeros(_SHAPE, np.uint8)
    made[4:-4] = 2
    made[4:-4, :, ::12] = made[6:10, 8:12] = 1
    return made


def _study() -> dict[str, Any]:
    cell = {"formulation": "one", "si_mass": "0.1 mg_Si", "loading": "1.5 mg_Si/cm^2", "diameter": "3 mm"}
    scans: dict[str, Any] = {}
    segmentations: dict[str, Any] = {}
    for scale, domain, phases in _SCANS:
        scans[domain] = {
            "file": "labels.npy",
            "cell": "one",
            "scale": scale,
            "mode": "ex_situ",
            "domain": domain,
            "cycle": 0,
            "half": "pristine",
            "voxel_size": _VOXEL,
            "depth_axis": "+z",
        }
        segmentations[f"{domain}-labels"] = {
            "scan": domain,
            "file": "labels.npy",
            "phases": {0: "outside"} | phases,
            "domain": domain,
            "min_feature": "1 um",
            "method": "made up",
        }
    return {
        "study": {"id": "kernels", "title": "Kernels", "licence": "CC0-1.0"},
        "formulations": {"one": {"title": "One"}},
        "cells": {"one": {**cell, "initial_thickness": "10 um"}},
        "scans": scans,
        "segmentations": segmentations,
    }
