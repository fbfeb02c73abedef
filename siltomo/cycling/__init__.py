"""Electrochemical records: readers, steps, half-cycles, cycles, capacities.

:func:`read_points` reads a file, :func:`analyse` understands it; both know nothing of catalogs.
"""

from siltomo.cycling.columns import parse_columns
from siltomo.cycling.completeness import Cutoffs
from siltomo.cycling.curves import Curve, differential_capacity, voltage_curve
from siltomo.cycling.figures import CycleFigures, figures_of
from siltomo.cycling.record import Cycle, HalfCycle, Points, Record, Step
from siltomo.cycling.registry import FORMATS, read_points
from siltomo.cycling.source import CyclingReader, CyclingSource
from siltomo.cycling.steps import Understanding, analyse

__all__ = [
    "FORMATS",
    "Curve",
    "Cutoffs",
    "Cycle",
    "CycleFigures",
    "CyclingReader",
    "CyclingSource",
    "HalfCycle",
    "Points",
    "Record",
    "Step",
    "Understanding",
    "analyse",
    "differential_capacity",
    "figures_of",
    "parse_columns",
    "read_points",
    "voltage_curve",
]
