"""How large the twin's scans are."""

from __future__ import annotations

from dataclasses import dataclass

from siltomo.errors import BadInputError

__all__ = ["PRESETS", "Preset", "preset_of"]


@dataclass(frozen=True)
class Preset:
    """Voxels and fields of view of one size of the twin."""

    name: str
    micro_voxel_um: float
    micro_width_um: float
    """Edge of the square field of view of a micro scan."""
    micro_height_um: float | None
    """Height of a micro scan; without one, just enough to hold the electrode."""
    wide_voxel_um: float
    wide_width_um: float
    wide_height_um: float
    """The scan of the separator, at the low magnification."""
    nano_voxel_um: float
    nano_width_um: float
    """Edge of the cube of a nano scan."""
    resolution: float
    """Smallest trusted feature, in voxels."""
    stops: int
    """Operando scans of a half-cycle that hold voxels."""


PRESETS = {
    "S": Preset("S", 0.5, 80.0, None, 2.0, 240.0, 200.0, 0.05, 7.0, 2.0, 2),
    "M": Preset("M", 0.326, 417.28, None, 1.3, 770.0, 370.0, 0.025, 12.8, 4.0, 6),
    "L": Preset("L", 0.163, 417.28, 150.0, 0.65, 1540.0, 1300.0, 0.025, 25.0, 4.0, 99),
}
"""The presets by name: S for a laptop's minute, M for an hour, L is the published size."""


def preset_of(given: str | Preset) -> Preset:
    """Return a preset by name.

    Raises
    ------
    BadInputError
        When there is no such preset.
    """
    if isinstance(given, Preset):
        return given
    if given.upper() not in PRESETS:
        raise BadInputError(f"no preset {given!r}; presets are {', '.join(PRESETS)}")
    return PRESETS[given.upper()]
