"""How far results move with the labels: variants of a segmentation, such as lower and upper thresholds.

A variant names the segmentation that it varies (its nominal). Rows come from nominals only. The root mean
square distance of the variants' values from the nominal's is the ``segmentation`` part of its uncertainty: a
variant is taken to stand one standard uncertainty away. Derived metrics inherit it from their inputs, and an
input that occurs twice is one variable.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace

from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.resolve import DerivedRow, Leaf, Node, ResultLeaf
from siltomo.engine.compute.subjects import Item, base_item
from siltomo.errors import MismatchError
from siltomo.model import MetricResult, Segmentation, SegmentationOutline

__all__ = ["check_variant", "find_variants", "spread_over_variants", "without_variants"]

Found = Mapping[str, MetricResult | str]


def check_variant(catalog: Catalog, labels: Segmentation, *, where: str = "") -> None:
    """Refuse a variant that cannot be compared with its nominal.

    Raises
    ------
    NotFoundError
        When the catalog has no segmentation of that id.
    MismatchError
        When the two differ in scan, domain or phases, or one is a variant itself.
    """
    if labels.variant_of is None:
        return
    nominal = catalog.record(Segmentation, labels.variant_of)
    phases = (", ".join(nominal.phase_names), ", ".join(labels.phase_names))
    own = [s.id for s in catalog.records(Segmentation) if s.variant_of == labels.id]
    for wrong, said in (
        (nominal.id == labels.id, "a segmentation is no variant of itself"),
        (nominal.variant_of is not None, f"{nominal.id} is a variant itself, of {nominal.variant_of}"),
        (bool(own), f"{labels.id} has variants itself: {', '.join(own)}"),
        (nominal.scan != labels.scan, f"{nominal.id} lies on scan {nominal.scan}, not on {labels.scan}"),
        (
            nominal.domain != labels.domain,
            f"the domain of {nominal.id} is {nominal.domain}, not {labels.domain}",
        ),
        (phases[0] != phases[1], f"{nominal.id} names the phases {phases[0]}; the variant names {phases[1]}"),
    ):
        if wrong:
            raise MismatchError(
                f"segmentation {labels.id} cannot be a variant of {nominal.id}: {said}",
                code="SIL115",
                where=where,
                fix=f"siltomo segment list --scan {labels.scan}",
            )


def find_variants(catalog: Catalog, items: Iterable[Item]) -> dict[str, tuple[Item, ...]]:
    """Return for the key of each item the same metric on the variants of its segmentation; reads records only."""
    by_nominal = defaultdict(list)
    for stored in catalog.store.all(Segmentation.kind):
        labels = SegmentationOutline.read(stored.text)
        if labels.variant_of is not None and labels.shape is not None:
            by_nominal[labels.variant_of].append((labels, stored))
    made = {}
    for item in items:
        nominal = item.subject.labels
        if item.key and nominal is not None and nominal.id in by_nominal:
            subjects = (item.subject.labelled(labels, stored) for labels, stored in by_nominal[nominal.id])
            made[item.key] = tuple(base_item(catalog, item.request, subject) for subject in subjects)
    return made


def spread_over_variants(
    rows: Iterable[Item | DerivedRow], variants: Mapping[str, tuple[Item, ...]], found: Found
) -> tuple[tuple[Item | DerivedRow, ...], dict[str, MetricResult | str]]:
    """Give the results of nominals the spread of their variants as the segmentation part of their uncertainty.

    Returns
    -------
    tuple
        The rows and the results that they are made from.
    """
    rows = tuple(rows)
    spread: dict[str, MetricResult] = {}
    for item in {item.key: item for row in rows for item in _items(row)}.values():
        result = item.kept or found.get(item.key)
        if item.key in variants and isinstance(result, MetricResult) and result.value is not None:
            spread[item.key] = _spread(result, result.value, variants[item.key], found)
    return tuple(_with_kept(row, spread) for row in rows), {**found, **spread}


def without_variants(
    rows: Iterable[Item | DerivedRow], variants: Mapping[str, tuple[Item, ...]]
) -> list[str]:
    """List the segmentations behind rows that have no variant to compare with."""
    every = (item for row in rows for item in _items(row) if item.key and not variants.get(item.key))
    return list(dict.fromkeys(str(item.subject.columns["segmentation"]) for item in every))


def _items(row: Item | DerivedRow) -> tuple[Item, ...]:
    return row.items if isinstance(row, DerivedRow) else (row,)


def _spread(result: MetricResult, value: float, variants: tuple[Item, ...], found: Found) -> MetricResult:
    """Return a result with what its variants say of it."""
    values, doubts = {}, []
    for item in variants:
        named = str(item.subject.columns["segmentation"])
        other = item.kept or found.get(item.key) or item.reason
        if isinstance(other, MetricResult) and other.value is not None:
            values[named] = other.value
        else:
            why = other.reason if isinstance(other, MetricResult) else other
            doubts.append(f"variant_without_value: {named}: {why}")
    flags = (*result.flags, *doubts)
    if not values:
        return result.model_copy(update={"flags": flags})
    distance = math.sqrt(math.fsum((v - value) ** 2 for v in values.values()) / len(values))
    unit = "" if result.unit == "1" else f" {result.unit}"
    told = ", ".join(f"{v:.6g}{unit} ({name})" for name, v in sorted(values.items()))
    return result.model_copy(
        update={
            "uncertainty": result.uncertainty.model_copy(update={"segmentation": distance}),
            "companions": {**result.companions, "variants": told},
            "flags": flags,
        }
    )


def _with_kept(row: Item | DerivedRow, spread: Mapping[str, MetricResult]) -> Item | DerivedRow:
    """Replace the results that a row has already by those with their spread."""
    if isinstance(row, DerivedRow):
        return replace(row, node=_node_with_kept(row.node, spread))
    return _item_with_kept(row, spread)


def _item_with_kept(item: Item, spread: Mapping[str, MetricResult]) -> Item:
    return replace(item, found=spread[item.key]) if item.found is not None and item.key in spread else item


def _node_with_kept(node: Node, spread: Mapping[str, MetricResult]) -> Node:
    inputs: dict[str, Node | Leaf] = {}
    for name, found in node.inputs.items():
        if isinstance(found, Node):
            inputs[name] = _node_with_kept(found, spread)
        elif isinstance(found, ResultLeaf):
            inputs[name] = replace(found, item=_item_with_kept(found.item, spread))
        else:
            inputs[name] = found
    return replace(node, inputs=inputs)
