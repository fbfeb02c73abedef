"""The metrics of the ladder: on which scan, with which gate, and where they have no value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

__all__ = ["BASES", "STEPS", "Gate", "Step"]


@dataclass(frozen=True)
class Gate:
    """How far a rung may be from the one that it is compared with; without any limit there is none."""

    absolute: float = 0.0
    relative: float = 0.0
    voxels: float = 0.0

    def holds(self, value: float, against: float, voxel_um: float) -> bool:
        """Return whether a value lies within the gate."""
        width = self.absolute + self.relative * abs(against) + self.voxels * voxel_um
        return self.words == "none" or abs(value - against) <= width

    @property
    def words(self) -> str:
        """The gate as printed."""
        if self.voxels:
            return f"±{self.voxels:g} voxel"
        if self.relative:
            return f"±{self.relative * 100:g} %"
        return f"±{self.absolute:g}" if self.absolute else "none"


@dataclass(frozen=True)
class Step:
    """A metric of the ladder."""

    metric: str
    scan: str
    """The scan that it is measured on, see `siltomo.engine.demo.ladder_scans`; ``records`` where it needs none."""
    gate: Gate = field(default_factory=Gate)
    settings: tuple[tuple[str, object], ...] = ()
    roles: Mapping[str, str] = field(default_factory=dict)
    """Of a derived metric: which scan answers for ``micro``, ``nano``, and for the state ``before`` cycling."""
    words: Mapping[str, str] = field(default_factory=dict)
    """Why a rung has no value."""

    @property
    def key(self) -> str:
        """The metric with its settings, but for those that only make bins equal."""
        return self.metric + "".join(f", {value}" for name, value in self.settings if name != "bin_width")

    @property
    def from_records(self) -> bool:
        """Whether it needs no voxels."""
        return self.scan == "records"


_VOXELS = {"records": "voxels"}
_GIVEN = {"imaging": "mask given", "segmentation": "mask given", **_VOXELS}
_NONE = dict.fromkeys(("half voxels", "voxels", "imaging", "segmentation"), "no voxels")
_JUNCTIONS = {"geometry": "junctions", **_VOXELS}
_OVERLAPS = {"geometry": "overlaps", **_VOXELS}
_TOPOLOGY = {"geometry": "no formula", **_VOXELS}
_MAP = {"geometry": "rough", **_GIVEN}
_COLLECTOR = dict.fromkeys(("geometry", *_NONE), "no collector") | _VOXELS

_POINT, _THREE, _LENGTH = Gate(absolute=0.01), Gate(relative=0.03), Gate(voxels=0.5)
_THICKNESS, _GAS, _EXPANSION = Gate(voxels=0.25), Gate(relative=0.02), Gate(absolute=0.01)
_SAME = Gate(relative=1e-3)
_MESH = (("estimator", "smoothed_mesh"),)


def _bins(width: str) -> tuple[tuple[str, object], ...]:
    return (("bin_width", width),)


_MICRO = (
    Step("electrode_thickness", "micro", _THICKNESS, words=_GIVEN),
    Step("electrode_thickness_spread", "micro", _THICKNESS, words=_MAP),
    Step("electrode_thickness_distribution", "micro", _LENGTH, _bins("0.2 um"), words=_MAP),
    Step("electrode_tilt", "micro", Gate(absolute=0.1), words=_MAP),
    Step("crack_volume_fraction", "micro", _POINT, words=_VOXELS),
    Step("crack_surface_to_volume_ratio", "micro", _THREE, words=_VOXELS),
    Step("crack_surface_to_volume_ratio", "micro", _THREE, _MESH, words=_VOXELS),
    Step("crack_surface_density", "micro", _THREE, words=_VOXELS),
    Step("crack_surface_density", "micro", _THREE, _MESH, words=_VOXELS),
    Step("crack_width_mean", "micro", _LENGTH, words=_JUNCTIONS),
    Step("crack_width_median", "micro", _LENGTH, words=_JUNCTIONS),
    Step("crack_width_distribution", "micro", _LENGTH, _bins("0.2 um"), words=_JUNCTIONS),
    Step("crack_width_depth_profile", "micro", _LENGTH, _bins("5 um"), words=_JUNCTIONS),
    Step("crack_width_median_depth_profile", "micro", _LENGTH, _bins("5 um"), words=_JUNCTIONS),
    Step("crack_interconnectivity", "micro", Gate(absolute=0.03), words=_TOPOLOGY),
    Step("crack_euler_number", "micro", words=_TOPOLOGY),
    Step("islet_size", "islets", Gate(relative=0.05), words=_VOXELS),
    Step(
        "islet_size_distribution",
        "islets",
        _LENGTH,
        _bins("1 um"),
        words={"geometry": "no formula", **_VOXELS},
    ),
)
_NANO = (
    Step("sei_volume_fraction", "nano", _THREE, words=_VOXELS),
    Step("pore_volume_fraction", "nano", _THREE, words=_VOXELS),
    Step("sei_surface_to_volume_ratio", "nano", _THREE, words=_VOXELS),
    Step("pore_surface_to_volume_ratio", "nano", _THREE, words=_VOXELS),
    Step("pore_interconnectivity", "nano", Gate(absolute=0.03), words=_TOPOLOGY),
    Step("sei_thickness_mean", "nano", _LENGTH, words=_OVERLAPS),
    Step("sei_thickness_median", "nano", _LENGTH, words=_OVERLAPS),
    Step("sei_thickness_distribution", "nano", _LENGTH, _bins("0.05 um"), words=_OVERLAPS),
    Step("sei_thickness_depth_profile", "nano", words=_COLLECTOR),
    Step("sei_thickness_median_depth_profile", "nano", words=_COLLECTOR),
)
_WIDE = (
    Step("gas_volume", "wide", _GAS, words=_VOXELS),
    Step("gas_volume_per_area", "wide", _GAS, words=_VOXELS),
)

_EXPANDED = {"micro": "end", "before": "before"}
_NESTED = {"micro": "micro", "nano": "nano"}
_BUBBLES = {"micro": "wide"}
_DERIVED = (
    Step("electrode_thickness_expansion", "end", _EXPANSION, roles=_EXPANDED, words=_GIVEN),
    Step("residual_thickness_expansion", "end", _EXPANSION, roles=_EXPANDED, words=_GIVEN),
    Step("normalized_thickness_expansion", "end", _GAS, roles=_EXPANDED, words=_GIVEN),
    Step("cumulative_irreversible_expansion", "end", _LENGTH, roles=_EXPANDED, words=_GIVEN),
    Step("electrode_porosity", "nano", _POINT, roles=_NESTED, words=_VOXELS),
    Step("electrode_porosity_nested", "nano", _POINT, roles=_NESTED, words=_VOXELS),
    Step("sei_volume_per_si_mass", "nano", _THREE, roles=_NESTED, words=_VOXELS),
    Step("sei_volume_per_si_mass_nested", "nano", _THREE, roles=_NESTED, words=_VOXELS),
    Step("gas_volume_per_si_mass", "wide", _GAS, roles=_BUBBLES, words=_VOXELS),
    Step("separator_gas_fraction", "wide", _GAS, roles=_BUBBLES, words=_VOXELS),
    Step("gas_charge", "wide", _GAS, roles=_BUBBLES, words=_VOXELS),
    Step("sei_volume_from_gas", "wide", _GAS, roles=_BUBBLES, words=_VOXELS),
)
_RECORDS = (
    Step("theoretical_thickness_expansion", "records", _SAME, words=_NONE),
    Step("specific_capacity", "records", _SAME, words=_NONE),
    Step("coulombic_efficiency", "records", _SAME, words=_NONE),
    Step("capacity_retention", "records", _SAME, words=_NONE),
)

STEPS = (*_MICRO, *_NANO, *_WIDE, *_DERIVED, *_RECORDS)
"""Every founding metric."""

BASES = (
    Step("electrode_thickness", "before"),
    Step("electrode_thickness", "end"),
    Step("electrode_thickness", "micro"),
    Step("crack_volume_fraction", "micro"),
    Step("sei_volume_fraction", "nano"),
    Step("pore_volume_fraction", "nano"),
    Step("gas_volume_per_area", "wide"),
    Step("gas_volume_fraction", "wide"),
    Step("electrolyte_volume_fraction", "wide"),
)
"""What derived metrics are computed from."""
