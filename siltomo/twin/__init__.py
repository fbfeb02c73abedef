"""A digital twin of operando tomography on silicon anodes: synthetic scans and cycling whose truth is known."""

from siltomo.twin.presets import PRESETS, Preset
from siltomo.twin.study import scans_of, write_study
from siltomo.twin.twin import Moment, Twin

__all__ = ["PRESETS", "Moment", "Preset", "Twin", "scans_of", "write_study"]
