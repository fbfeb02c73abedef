"""What a plan asks of scans and segmentations, read off their stored text without building the records.

A record was checked when it was written, and its seal says that it is what was written. Of ten thousand records a
plan needs a dozen figures each; the record itself is built when more is asked for.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, NamedTuple, Self, TypeVar

from pydantic_core import from_json

from siltomo.errors import SiltomoError
from siltomo.model.base import Record
from siltomo.model.fields import text_reader
from siltomo.model.scan import CAPACITY, EDGE, VOLTAGE, Scan, edge_of_cube
from siltomo.model.segmentation import Segmentation
from siltomo.model.words import OUTSIDE, Domain
from siltomo.units import Quantity

__all__ = ["ScanOutline", "SegmentationOutline", "values_by_phase"]

Outline = TypeVar("Outline")

_length, _capacity, _voltage = text_reader(EDGE), text_reader(CAPACITY), text_reader(VOLTAGE)


class ScanOutline(NamedTuple):
    """Where a scan belongs, and its voxels."""

    id: str
    cell: str
    specimen: str | None
    """The piece that was imaged, where it is declared."""
    scale: str
    mode: str
    domain: str
    cycle: int
    half: str
    capacity: float | None
    """Capacity of its state in mAh/g_Si."""
    voltage: float | None
    """Voltage of its state in V."""
    spacing_um: tuple[float, float, float]
    """Edges of a voxel along z, y, x."""
    depth_axis: str
    """The declared axis along the electrode's thickness; empty where it is not declared."""
    gaps: tuple[int, ...]
    """Planes that its source did not hold."""

    @property
    def edge_um(self) -> float:
        """Edge of the cube with the volume of a voxel, in micrometres."""
        return edge_of_cube(self.spacing_um)

    @classmethod
    def of(cls, scan: Scan) -> Self:
        """Return the outline of a record."""
        return cls._of_body(scan.body())

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Return the outline of a sealed record, from its JSON.

        Raises
        ------
        RecordError
            When it has another schema than this siltomo reads.
        """
        return _outlined(Scan, text, cls._of_body)

    @classmethod
    def _of_body(cls, body: Mapping[str, Any]) -> Self:
        state, edges = body["state"], body["voxel_size"]
        capacity, voltage, volume = state.get("capacity"), state.get("voltage"), body.get("volume")
        return cls(
            body["id"],
            body["cell"],
            body.get("specimen"),
            body["scale"],
            body["mode"],
            body.get("domain") or str(Domain.CELL),
            state["cycle"],
            state["half"],
            None if capacity is None else _capacity(capacity).value,
            None if voltage is None else _voltage(voltage).value,
            (_length(edges["z"]).value, _length(edges["y"]).value, _length(edges["x"]).value),
            body.get("depth_axis") or "",
            tuple(volume.get("missing_planes", ())) if volume else (),
        )


class SegmentationOutline(NamedTuple):
    """What labels mean, and what was made of them."""

    id: str
    scan: str
    variant_of: str | None
    domain: str
    phases: tuple[tuple[int, str], ...]
    """Label values, each with its name."""
    min_feature: Quantity | None
    """Smallest feature that can be trusted, in um."""
    max_feature: Quantity | None
    """Largest feature that is counted, in um."""
    shape: tuple[int, int, int] | None
    """Voxels along z, y, x; None where it has no volume."""
    content: str
    """Digest of its voxels."""
    gaps: tuple[int, ...]
    """Planes that its source did not hold."""
    recipe: str
    """Digest of the recipe that made it; empty where it was made elsewhere."""

    @classmethod
    def of(cls, segmentation: Segmentation) -> Self:
        """Return the outline of a record."""
        return cls._of_body(segmentation.body())

    @classmethod
    def read(cls, text: bytes) -> Self:
        """Return the outline of a sealed record, from its JSON; raises as :meth:`ScanOutline.read`."""
        return _outlined(Segmentation, text, cls._of_body)

    @classmethod
    def _of_body(cls, body: Mapping[str, Any]) -> Self:
        volume, making = body.get("volume"), body.get("making")
        smallest, largest = body.get("min_feature"), body.get("max_feature")
        shape = None
        if volume:
            z, y, x = volume["shape"]
            shape = (z, y, x)
        return cls(
            body["id"],
            body["scan"],
            body.get("variant_of"),
            body["domain"],
            tuple([(phase["value"], phase["name"]) for phase in body["phases"]]),
            None if smallest is None else _length(smallest),
            None if largest is None else _length(largest),
            shape,
            volume["content"] if volume else "",
            tuple(volume.get("missing_planes", ())) if volume else (),
            making["digest"] if making else "",
        )

    @property
    def named(self) -> Mapping[str, tuple[int, ...]]:
        """The label values of each phase, in the order of their values; ``outside`` is none."""
        return values_by_phase(self.phases)[0]

    @property
    def outside(self) -> tuple[int, ...]:
        """The label values that belong to no domain."""
        return values_by_phase(self.phases)[1]


@lru_cache(maxsize=1024)
def values_by_phase(
    phases: tuple[tuple[int, str], ...],
) -> tuple[dict[str, tuple[int, ...]], tuple[int, ...]]:
    """Return the label values of each phase, in the order of their values, and those outside of the domain."""
    named: dict[str, tuple[int, ...]] = {}
    for value, name in sorted(phases):
        named[name] = (*named.get(name, ()), value)
    return {name: values for name, values in named.items() if name != OUTSIDE}, named.get(OUTSIDE, ())


def _outlined(model: type[Record], text: bytes, outline: Callable[[Mapping[str, Any]], Outline]) -> Outline:
    try:
        body = from_json(text)
        if body["schema"] == model.schema_name():
            return outline(body)
    except (KeyError, TypeError, ValueError, AttributeError, SiltomoError):
        pass
    # no record of this siltomo: the record's own reader says what is wrong with it
    return outline(model.from_body(json.loads(text)).body())
