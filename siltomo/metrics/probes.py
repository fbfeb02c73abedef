"""Proofs of metrics before any data: units of derived formulas, voxel scaling of base metrics."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from siltomo.errors import CheckFailedError, RegistrationError
from siltomo.metrics.blocks import Measure, Sample, Slab, in_stages
from siltomo.metrics.declaration import Metric
from siltomo.metrics.plain import labelled_array
from siltomo.metrics.values import Answer, Distribution, Scalar
from siltomo.units import dimension, registry, same_dimension

if TYPE_CHECKING:
    from siltomo.metrics.registry import Request

__all__ = ["coherent_factor", "prove_scaling", "prove_units"]

TOLERANCE = 1e-9


@cache
def coherent_factor(unit: str) -> float:
    """Return what a number in a unit is multiplied by to be in coherent base units.

    Formulas run on plain floats; in coherent units no factor hides in them.

    Examples
    --------
    >>> coherent_factor("um") * 1e6, coherent_factor("1")
    (1.0, 1.0)
    """
    return float(registry().Quantity(1.0, unit).to_base_units().magnitude)


def prove_units(metric: Metric, units: Mapping[str, str]) -> None:
    """Run a derived formula once on probe quantities and once on plain floats.

    Parameters
    ----------
    metric
        A derived metric.
    units
        The unit of each input.

    Raises
    ------
    RegistrationError
        When the units do not work out, the result has another dimension than declared (both are named), or
        floats and quantities give different numbers.
    """
    quantity = registry().Quantity
    # unequal, positive, and near one: no formula cancels by accident, no logarithm or root leaves its domain
    probes = {name: quantity(1.3 + 0.17 * n, unit) for n, (name, unit) in enumerate(units.items())}
    settings = {p.name: p.default for p in metric.parameters} | dict(metric.fixed)
    dimensional = {p.name: p.unit for p in metric.parameters if p.unit}
    with_units: dict[str, Any] = dict(settings)
    floats: dict[str, Any] = dict(settings)
    for name, unit in dimensional.items():
        number = float(settings[name] or 0.0)
        with_units[name], floats[name] = quantity(number, unit), number * coherent_factor(unit)
    try:
        found = quantity(1.0, "") * metric.function(**probes, **with_units)
    except Exception as error:  # pint raises many kinds, and so does a formula
        raise RegistrationError(f"metric {metric.name!r}: the units do not work out: {error}") from error
    if not same_dimension(str(found.units), metric.unit):
        raise RegistrationError(
            f"metric {metric.name!r}: declared {metric.unit!r} ({dimension(metric.unit)}), but the formula gives "
            f"{found.units:~} ({dimension(str(found.units))})"
        )
    plain = {name: value.magnitude * coherent_factor(units[name]) for name, value in probes.items()}
    plain_answer = float(metric.function(**plain, **floats)) / coherent_factor(metric.unit)
    expected = float(found.to(metric.unit).magnitude)
    if not math.isclose(plain_answer, expected, rel_tol=TOLERANCE):
        raise RegistrationError(
            f"metric {metric.name!r} gives {plain_answer:.6g} on floats and {expected:.6g} on quantities: a bare "
            "number in the formula stands for a quantity; make it a parameter with its unit"
        )


def prove_scaling(request: Request) -> None:
    """Measure a small sample at two voxel sizes: the answer must scale as its unit says.

    Catches the metric that forgets to multiply by the voxel size, which no unit in its code would show.

    Raises
    ------
    CheckFailedError
        When it does not; both powers are named.
    """
    expected = _length_power(request.metric.unit)
    # edges that default bins, of 1, 2, 5 times a power of ten, follow
    small, large = (_probe(request, edge) for edge in (0.25, 0.5))
    if not isinstance(small, Scalar | Distribution) or type(small) is not type(large):
        raise CheckFailedError(f"metric {request.name!r} gives no value on the probe: {small}")
    pairs = zip(_numbers(small), _numbers(large), strict=True)
    for one, two in pairs:
        if not math.isclose(two, one * 2**expected, rel_tol=1e-6, abs_tol=1e-12):
            power = math.log2(two / one) if one > 0 and two > 0 else math.nan
            raise CheckFailedError(
                f"metric {request.name!r}: declared {request.metric.unit!r} scales with the voxel to the power "
                f"{expected:g}, measured is {power:.3g}: is the voxel size left out?"
            )


def _length_power(unit: str) -> float:
    dimensions: Any = registry().Quantity(1.0, "" if unit == "1" else unit).dimensionality
    return float(dimensions.get("[length]", 0))


def _probe(request: Request, edge: float) -> Answer:
    """Compute the metric on a fixed porous sample; on one between two layers, where it asks for them."""
    random = np.random.default_rng(7)
    labels = (random.random((12, 12, 12)) < 0.4).astype(np.uint8)
    labels[3:9, 3:9, 3:9] = 1
    phases: tuple[tuple[str, tuple[int, ...]], ...] = ()
    if request.metric.surroundings:
        labels = _layered(random)
        phases = ((request.phase or "crack", (1,)), ("collector", (2,)), ("separator", (3,)), ("solid", (0,)))
    depth = len(labels)
    sample = Sample(
        request.phase or "phase", (1,), (), (depth, *labels.shape[1:]), (edge, edge, edge), phases=phases
    )
    if request.metric.plain:
        return request.evaluate(labelled_array(labels, request.seen(sample)), sample)
    measures = request.measures(sample)
    totals: dict[Measure[Any], Any] = {}
    for stage in in_stages(measures.values()):
        known = dict(totals)
        for measure in stage:
            slab = Slab(lambda a, b: labels[a:b], 0, depth, depth, after=measure.after, known=known)
            totals[measure] = measure.measure(slab)
    return request.finish({name: totals[measure] for name, measure in measures.items()}, sample)


def _layered(random: np.random.Generator) -> NDArray[np.uint8]:
    """Return collector (2), solid (0) with a net of cracks (1), and a rough separator (3)."""
    labels = np.zeros((22, 34, 34), np.uint8)
    for n in (0, 1):
        labels[:, n::8], labels[:, :, n::8] = 1, 1
    labels[:5], labels[17:] = 2, 3
    labels[16][random.random(labels.shape[1:]) < 0.3] = 3
    return labels


def _numbers(answer: Scalar | Distribution) -> tuple[float, ...]:
    """Return what must scale; the shares of a distribution stay, their coordinate need not line up."""
    if isinstance(answer, Scalar):
        return (answer.value,)
    return (math.fsum(value for value in answer.values if value is not None),)
