"""The checks of the metrics themselves."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from siltomo.engine.compute.check import LOCK, check_metrics, fingerprint
from siltomo.metrics import registry


def test_all_metrics_hold(cli: Callable[..., Any]) -> None:
    answer = cli("metrics", "check", "--json")
    assert answer.code == 0, [row for row in answer.envelope["data"] if not row["ok"]]
    assert {row["check"] for row in answer.data} == {
        "scales with the voxel",
        "units work out",
        "version follows the code",
    }


def test_code_that_changed_without_a_version_is_found(tmp_path: Path) -> None:
    locked = json.loads(LOCK.read_text())
    locked["{phase}_interconnectivity"]["source"] = "0" * 16
    locked["{phase}_euler_number"]["version"] = 0
    del locked["{phase}_width_mean"]
    (tmp_path / "metrics.lock").write_text(json.dumps(locked))
    failed = {
        row["metric"]: row["reason"] for row in check_metrics(tmp_path / "metrics.lock") if not row["ok"]
    }
    assert set(failed) == {"{phase}_interconnectivity", "{phase}_euler_number", "{phase}_width_mean"}
    assert "raise the version" in failed["{phase}_interconnectivity"]


def test_a_fingerprint_is_of_the_code_not_of_its_words() -> None:
    prints = {metric.name: fingerprint(metric) for metric in registry}
    assert prints["{phase}_width_mean"] == prints["{phase}_thickness_mean"], "one definition, two names"
    assert prints["{phase}_width_mean"] != prints["{phase}_width_median"], "variants differ in what they fix"
    assert prints["electrode_porosity"] != prints["electrode_porosity_nested"]
