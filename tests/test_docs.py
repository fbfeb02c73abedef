"""What the documents promise: the first steps run, the examples work."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from siltomo.metrics import Sample, Slab, registry

ROOT = Path(__file__).parents[1]


def blocks(name: str, language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", (ROOT / name).read_text("utf-8"), flags=re.DOTALL)


@pytest.fixture
def compute_example() -> Any:
    """Declare the example of docs/adding-a-metric.md, and take it back."""
    codes = blocks("docs/adding-a-metric.md", "python")
    known = dict(registry._metrics)
    names: dict[str, Any] = {"__name__": "example"}
    for code in codes:
        exec(compile(code, "adding-a-metric.md", "exec"), names)

    def compute(labels: np.ndarray) -> Any:
        request = registry.request("crack_isolated_fraction", {})
        sample = Sample("crack", (1,), (), labels.shape, (1.0, 1.0, 1.0))  # type: ignore[arg-type]
        (measure,) = request.measures(sample).values()
        total = measure.measure(Slab(lambda a, b: labels[a:b], 0, len(labels), len(labels)))
        return request.finish({"components": total}, sample)

    yield compute
    registry._metrics.clear()
    registry._metrics.update(known)


def test_the_first_steps_run(tmp_path: Path) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", ROOT / "docs" / "first-steps.sh", tmp_path],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "crack_interconnectivity" in done.stdout
    assert "no damage found" in done.stdout


def test_the_example_metric_is_a_metric(compute_example: Callable[..., Any]) -> None:
    labels = np.zeros((9, 9, 9), np.uint8)
    labels[0:4, :, :] = 1
    labels[6, 4, 4] = 1
    assert compute_example(labels).value == 1 / (4 * 81 + 1)


def test_the_example_study_is_valid(cli: Callable[..., Any], tmp_path: Path) -> None:
    (study,) = blocks("docs/study-file.md", "yaml")
    (tmp_path / "study.yaml").write_text(study, "utf-8")
    counts = cli("schema", "validate", "study.yaml", "--json").data["counts"]
    assert counts == {
        "formulations": 1,
        "cells": 1,
        "scans": 1,
        "segmentations": 1,
        "cycling_runs": 1,
        "reported_values": 1,
        "study": 1,
    }


def test_links_lead_somewhere() -> None:
    for page in [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]:
        for target in re.findall(r"\]\(([^)#:]+)\)", page.read_text("utf-8")):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
