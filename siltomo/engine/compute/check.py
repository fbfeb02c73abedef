"""Check the metrics themselves: units, voxel scaling, and whether code changed without a new version."""

from __future__ import annotations

import ast
import hashlib
import inspect
import json
import textwrap
from collections.abc import Callable, Iterable
from functools import partial
from pathlib import Path
from typing import Any

import siltomo.metrics
from siltomo.errors import SiltomoError
from siltomo.metrics import Metric, prove_scaling, registry

__all__ = ["check_metrics", "fingerprint", "write_lock"]

LOCK = Path(siltomo.metrics.__path__[0]) / "metrics.lock"
"""Version and source of each metric that comes with siltomo, as they were when last accepted."""


def check_metrics(lock: Path = LOCK) -> list[dict[str, Any]]:
    """Run all probes of all metrics.

    Returns
    -------
    list of dict
        One row for each check: metric, what is checked, whether it holds, and why not. Units of derived
        metrics were proved when they were declared.
    """
    locked: dict[str, Any] = json.loads(lock.read_text("utf-8")) if lock.exists() else {}
    rows = []
    for metric in registry:
        if metric.kind == "base":
            name = metric.name.replace("{phase}", "phase")
            rows.append(
                _row(metric, "scales with the voxel", partial(prove_scaling, registry.request(name, {})))
            )
        else:
            rows.append(_row(metric, "units work out", lambda: None))
        if metric.package == "siltomo":
            rows.append(_version_row(metric, locked.get(metric.name)))
    rows += [
        {"metric": name, "check": "plug-in loads", "ok": False, "reason": why}
        for name, why in registry.broken.items()
    ]
    return rows


def _row(metric: Metric, check: str, run: Callable[[], None]) -> dict[str, Any]:
    try:
        run()
    except SiltomoError as error:
        return {"metric": metric.name, "check": check, "ok": False, "reason": error.message}
    return {"metric": metric.name, "check": check, "ok": True, "reason": ""}


def _version_row(metric: Metric, locked: dict[str, Any] | None) -> dict[str, Any]:
    """Say whether the code of a metric is the one that its version stands for."""
    reason = ""
    if locked is None:
        reason = "it is new: accept it with --accept-refactor"
    elif locked["version"] == metric.version and locked["source"] != fingerprint(metric):
        reason = (
            "its code changed and its version did not: raise the version if any result may change, then "
            "accept with --accept-refactor"
        )
    elif locked["version"] != metric.version:
        reason = "its version changed: accept it with --accept-refactor"
    return {"metric": metric.name, "check": "version follows the code", "ok": not reason, "reason": reason}


def fingerprint(metric: Metric) -> str:
    """Return a digest of the code of a metric and of its measures; comments and docstrings do not count."""
    parts: Iterable[Any] = (metric.function, *metric.measures.values())
    code = "\n".join(_code(part) for part in parts) + repr(sorted(metric.fixed.items()))
    return hashlib.sha256(code.encode()).hexdigest()[:16]


def _code(part: Any) -> str:
    tree = ast.parse(textwrap.dedent(inspect.getsource(part)))
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            node.decorator_list = []
            if ast.get_docstring(node) is not None:
                node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)  # unlike a dump, the same for every Python


def write_lock(lock: Path = LOCK) -> None:
    """Accept the code of the metrics that come with siltomo, as it is."""
    accepted = {
        metric.name: {"version": metric.version, "source": fingerprint(metric)}
        for metric in registry
        if metric.package == "siltomo"
    }
    lock.write_text(json.dumps(accepted, indent=2, sort_keys=True) + "\n", "utf-8")
