"""Frozen records and the states, scales and phases they speak of."""

from siltomo.model.base import Model, Record
from siltomo.model.cell import Cell
from siltomo.model.cycling import CyclingRun
from siltomo.model.fields import In, Ref
from siltomo.model.formulation import Component, Formulation
from siltomo.model.outlines import ScanOutline, SegmentationOutline, values_by_phase
from siltomo.model.printed import Printed, read_printed
from siltomo.model.probability import Probability
from siltomo.model.result import Coordinate, MetricResult, Provenance, Uncertainty
from siltomo.model.scan import (
    Acquisition,
    Registration,
    Scan,
    SourceFiles,
    State,
    Volume,
    VoxelBox,
    VoxelSize,
)
from siltomo.model.schemas import RECORDS, json_schema, kinds, model_named, schema_text
from siltomo.model.segmentation import FoundClass, Making, Parting, Phase, Segmentation, Verdict
from siltomo.model.study import Author, ReportedValue, Study
from siltomo.model.validation import validated
from siltomo.model.words import OUTSIDE, Domain, HalfCycle, Mode, Qualifier, Role, Scale, Status, Trust

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
    "FoundClass",
    "HalfCycle",
    "In",
    "Making",
    "MetricResult",
    "Mode",
    "Model",
    "Parting",
    "Phase",
    "Printed",
    "Probability",
    "Provenance",
    "Qualifier",
    "Record",
    "Ref",
    "Registration",
    "ReportedValue",
    "Role",
    "Scale",
    "Scan",
    "ScanOutline",
    "Segmentation",
    "SegmentationOutline",
    "SourceFiles",
    "State",
    "Status",
    "Study",
    "Trust",
    "Uncertainty",
    "Verdict",
    "Volume",
    "VoxelBox",
    "VoxelSize",
    "json_schema",
    "kinds",
    "model_named",
    "read_printed",
    "schema_text",
    "validated",
    "values_by_phase",
]
