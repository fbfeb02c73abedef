"""What metrics there are, for people who ask."""

from __future__ import annotations

from typing import Any

from siltomo.metrics import Metric, Parameter, registry

__all__ = ["describe_metric", "metric_rows"]


def metric_rows() -> tuple[list[dict[str, Any]], list[str]]:
    """Return one row for each listed name, and one line for each broken plug-in."""
    rows: list[dict[str, Any]] = []
    for metric in registry:
        family = metric.name.replace("{phase}", "<phase>")
        rows += [
            {
                "name": name,
                "unit": metric.unit,
                "version": metric.version,
                "kind": metric.kind,
                "package": metric.package,
                "summary": metric.summary,
            }
            for name in dict.fromkeys([*metric.names(), family])
        ]
    broken = [f"plug-in {name} could not be loaded: {why}" for name, why in registry.broken.items()]
    return sorted(rows, key=lambda row: str(row["name"])), broken


def describe_metric(name: str) -> dict[str, Any]:
    """Return all that is declared of a metric; raises ``NotFoundError`` for an unknown name."""
    metric, phase = registry.find(name.replace("<phase>", "phase"))
    return {
        "name": name,
        "phase": phase or None,
        "unit": metric.unit,
        "version": metric.version,
        "kind": metric.kind,
        "assumption": metric.assume or None,
        "package": metric.package,
        "summary": metric.summary,
        "description": metric.description,
        "parameters": [_parameter(p) for p in metric.parameters],
        "fixed": dict(metric.fixed),
        "measures": sorted(kind.__name__ for kind in metric.measures.values()),
        "inputs": [{"name": n, "takes": q.words} for n, q in metric.queries.items()],
        "needs": _needs(metric),
    }


def _parameter(parameter: Parameter) -> dict[str, Any]:
    takes = f"a quantity in {parameter.unit}" if parameter.unit else " | ".join(map(str, parameter.choices))
    return {
        "name": parameter.name,
        "default": parameter.default,
        "takes": takes,
        "unit": parameter.unit or None,
    }


def _needs(metric: Metric) -> str:
    if metric.queries:
        return "its inputs, of one cell in one state"
    return "a segmentation that names the phase" if "{phase}" in metric.name else "a segmentation"
