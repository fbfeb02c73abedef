"""Frozen records and the states, scales and phases they speak of."""

from siltomo.model.base import Model, Record
from siltomo.model.cell import Cell
from siltomo.model.cycling import CyclingRun
from siltomo.model.fields import In, Ref
from siltomo.model.formulation import Component, Formulation
from siltomo.model.printed import Printed, read_printed
from siltomo.model.result import Coordinate, MetricResult, Provenance, Uncertainty
from siltomo.model.scan import Acquisition, Scan, SourceFiles, State, Volume, VoxelSize
from siltomo.model.schemas import RECORDS, json_schema, kinds, model_named, schema_text
from siltomo.model.segmentation import Phase, Segmentation
from siltomo.model.study import Author, ReportedValue, Study
from siltomo.model.validation import validated
from siltomo.model.words import OUTSIDE, Domain, HalfCycle, Mode, Qualifier, Role, Scale, Status

__all__ = [
    "OUTSIDE",
    "RECORDS",
    "Acquisition",
    "Author",
    "Cell",
    "Component",
    "Coordinate",
    "CyclingRun",
    "Domain",
    "Formulation",
    "HalfCycle",
    "In",
    "MetricResult",
    "Mode",
    "Model",
    "Phase",
    "Printed",
    "Provenance",
    "Qualifier",
    "Record",
    "Ref",
    "ReportedValue",
    "Role",
    "Scale",
    "Scan",
    "Segmentation",
    "SourceFiles",
    "State",
    "Status",
    "Study",
    "Uncertainty",
    "Volume",
    "VoxelSize",
    "json_schema",
    "kinds",
    "model_named",
    "read_printed",
    "schema_text",
    "validated",
]
