"""Compute the rows of derived metrics, with their uncertainty.

A leaf that occurs twice in a row's tree is one variable, so that shared inputs are correlated: at cycle 0 the
expansion is 0 with uncertainty 0.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from siltomo.engine.compute.resolve import DerivedRow, FieldLeaf, Leaf, Missing, Node, ResultLeaf
from siltomo.metrics import coherent_factor
from siltomo.model import MetricResult, SegmentationOutline, Status, Uncertainty
from siltomo.model.fields import In
from siltomo.units import Quantity

__all__ = ["derive", "row_key"]


@dataclass(frozen=True)
class _Variable:
    """A leaf's value in coherent units, and its standard uncertainties by part."""

    value: float
    spread: Mapping[str, float]


def derive(row: DerivedRow, results: Mapping[str, MetricResult | str]) -> dict[str, Any]:
    """Compute a row of a derived metric from the results of its leaves.

    Returns
    -------
    dict
        Value, uncertainty with its parts, status, reason, inputs and key.
    """
    variables: dict[str, _Variable] = {}
    wrong: list[tuple[Status, str]] = []
    for path, leaf in row.node.leaves():
        found = _variable(leaf, results)
        if isinstance(found, _Variable):
            variables[_key(leaf)] = found
        else:
            wrong.append((found[0], f"{path}: {found[1]}"))
    inputs = [_named(row, path, leaf) for path, leaf in row.node.leaves()]
    made = {"inputs": inputs, "match": row.match, "key": row_key(row)}
    refusal = _different_wholes(row)
    if refusal:
        wrong.append((Status.REFUSED, refusal))
    if wrong:
        status = next((s for s, _ in wrong if s == Status.FAILED), wrong[0][0])
        return {**made, "value": None, "status": str(status), "reason": "; ".join(why for _, why in wrong)}
    values = {key: variable.value for key, variable in variables.items()}
    value = _evaluate(row.node, values)
    invalid = next(_outside(row.node, values), "")
    if invalid or not math.isfinite(value):
        reason = invalid or "the formula has no finite value for these inputs"
        return {**made, "value": None, "status": str(Status.UNDEFINED), "reason": reason}
    parts = _propagate(row.node, values, variables)
    uncertainty = Uncertainty(**parts)
    return {
        **made,
        "value": value,
        "status": str(Status.OK),
        "reason": "",
        "uncertainty": uncertainty.combined,
        "uncertainty_parts": uncertainty.model_dump(exclude_none=True),
        "flags": [*_doubts(row, results), *_overlapping_windows(row)],
    }


def row_key(row: DerivedRow) -> str:
    """Return the content key of a row: metric, version, parameters, and the keys of its inputs."""
    material = {
        "metric": row.node.request.name,
        "version": row.node.request.metric.version,
        "parameters": dict(row.node.request.parameters),
        "inputs": [[path, _key(leaf), str(getattr(leaf, "value", ""))] for path, leaf in row.node.leaves()],
    }
    return hashlib.sha256(json.dumps(material, sort_keys=True, default=str).encode()).hexdigest()


def _key(leaf: Leaf) -> str:
    if isinstance(leaf, ResultLeaf):
        return leaf.item.key
    return leaf.key if isinstance(leaf, FieldLeaf) else leaf.reason


def _named(row: DerivedRow, path: str, leaf: Leaf) -> dict[str, Any]:
    if isinstance(leaf, ResultLeaf):
        columns = leaf.item.subject.columns
        named = {
            "metric": leaf.item.request.name,
            "scan": columns["scan"],
            "segmentation": columns["segmentation"],
        }
        return {"input": path, **named, "match": row.match_of(leaf), "key": leaf.item.key}
    if isinstance(leaf, FieldLeaf):
        return {"input": path, "field": leaf.key, "value": str(leaf.value)}
    return {"input": path, "missing": leaf.reason}


def _variable(leaf: Leaf, results: Mapping[str, MetricResult | str]) -> _Variable | tuple[Status, str]:
    if isinstance(leaf, Missing):
        return Status.MISSING, leaf.reason
    if isinstance(leaf, FieldLeaf):
        factor = coherent_factor(leaf.unit)
        declared = leaf.value.to(leaf.unit)
        spread = {} if declared.uncertainty is None else {"declared": declared.uncertainty * factor}
        return _Variable(declared.value * factor, spread)
    found = leaf.item.kept or results.get(leaf.item.key)
    if found is None:
        return leaf.item.status, leaf.item.reason
    if isinstance(found, str):
        return Status.FAILED, found
    if found.value is None:
        return found.status, found.reason or f"{found.metric} is no single number"
    factor = coherent_factor(found.unit)
    parts = found.uncertainty.model_dump(exclude_none=True)
    return _Variable(found.value * factor, {part: u * factor for part, u in parts.items()})


def _different_wholes(row: DerivedRow) -> str:
    """Say why fractions of different wholes may not be combined, unless the metric states its assumption."""
    wholes = {
        leaf.item.request.name: leaf.item.subject.sample(leaf.item.request.phase).whole
        for _, leaf in row.node.leaves()
        if isinstance(leaf, ResultLeaf) and leaf.item.request.name.endswith("_fraction")
    }
    if len(set(wholes.values())) < 2 or row.node.request.metric.assume:
        return ""
    named = ", ".join(f"{name} of the {whole}" for name, whole in wholes.items())
    return f"fractions of different wholes ({named}) are combined, and the metric states no assumption"


def _doubts(row: DerivedRow, results: Mapping[str, MetricResult | str]) -> Iterator[str]:
    """List the flags of the results that a row is computed from."""
    for path, leaf in row.node.leaves():
        found = (leaf.item.kept or results.get(leaf.item.key)) if isinstance(leaf, ResultLeaf) else None
        if isinstance(found, MetricResult):
            yield from (f"{path}: {flag}" for flag in found.flags)


def _overlapping_windows(row: DerivedRow) -> Iterator[str]:
    """Say where fractions of one phase space, seen at two scales, may count a feature twice."""
    seen: dict[str, tuple[str, SegmentationOutline]] = {}
    for path, leaf in row.node.leaves():
        if isinstance(leaf, ResultLeaf) and leaf.item.request.name.endswith("_volume_fraction"):
            subject = leaf.item.subject
            if subject.labels is not None:
                seen.setdefault(subject.outline.scale, (path, subject.labels))
    if len(seen) < 2:
        return
    (coarse, large), (fine, small) = seen["micro"], seen["nano"]
    unknown = [s.id for s in (large, small) if s.min_feature is None]
    if unknown:
        yield f"windows_unknown: the smallest trusted feature of {', '.join(unknown)} is not stated"
    elif large.min_feature is not None and (
        small.max_feature is None or small.max_feature.value > large.min_feature.value
    ):
        upto = "" if small.max_feature is None else f" to {small.max_feature}"
        yield (
            f"overlapping_windows: features from {large.min_feature}{upto} may be counted in both "
            f"{coarse} and {fine}"
        )


def _outside(node: Node, values: Mapping[str, float]) -> Iterator[str]:
    """List the inputs that lie outside the bounds within which a formula holds."""
    for inner in node.inputs.values():
        if isinstance(inner, Node):
            yield from _outside(inner, values)
    for name, bounds in node.request.metric.valid.items():
        found = node.inputs[name]
        if isinstance(found, Node):
            value = _evaluate(found, values) * coherent_factor(found.request.metric.unit)
        else:
            value = values[_key(found)]
        yield from _broken(name, value / coherent_factor(bounds.unit), bounds)


def _broken(name: str, value: float, bounds: In) -> Iterator[str]:
    for word, bound, holds in (
        ("more than", bounds.gt, bounds.gt is None or value > bounds.gt),
        ("at least", bounds.ge, bounds.ge is None or value >= bounds.ge),
        ("at most", bounds.le, bounds.le is None or value <= bounds.le),
    ):
        if bound is not None and not holds:
            said = Quantity(float(f"{value:.6g}"), bounds.unit)
            yield f"{name} is {said}; the formula holds for {word} {Quantity(bound, bounds.unit)}"


def _evaluate(node: Node, values: Mapping[str, float]) -> float:
    """Evaluate a tree on floats in coherent units; the answer is in the metric's own unit."""
    arguments = {}
    for name, found in node.inputs.items():
        if isinstance(found, Node):
            arguments[name] = _evaluate(found, values) * coherent_factor(found.request.metric.unit)
        else:
            arguments[name] = values[_key(found)]
    try:
        return node.request.combine(arguments)
    except (ArithmeticError, ValueError):
        return math.nan


def _propagate(
    node: Node, values: Mapping[str, float], variables: Mapping[str, _Variable]
) -> dict[str, float]:
    """Propagate each part of the uncertainty to first order, by central differences over the leaves."""
    variances: dict[str, float] = {}
    for key, variable in variables.items():
        largest = max(variable.spread.values(), default=0.0)
        if not variable.spread:
            continue
        slope = 0.0
        if largest > 0:
            step = 1e-3 * largest
            above = _evaluate(node, {**values, key: values[key] + step})
            below = _evaluate(node, {**values, key: values[key] - step})
            slope = (above - below) / (2 * step)
        for part, spread in variable.spread.items():
            variances[part] = variances.get(part, 0.0) + (slope * spread) ** 2
    return {part: math.sqrt(variance) for part, variance in variances.items() if math.isfinite(variance)}
