"""Records: what they accept, what they check across fields, how they say what is wrong."""

from __future__ import annotations

from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from siltomo.errors import RecordError
from siltomo.model import (
    RECORDS,
    Cell,
    Formulation,
    In,
    MetricResult,
    Model,
    ReportedValue,
    Scan,
    Segmentation,
    State,
    Study,
    VoxelSize,
    validated,
)
from siltomo.units import Quantity

SILICON = {"material": "silicon", "role": "active", "mass_fraction": "73.2 %"}
GRAPHENE = {"material": "graphene", "role": "conductive", "mass_fraction": "11.2 %"}
BINDER = {"material": "NaCMC", "role": "binder", "mass_fraction": "15.6 %"}


def make_scan(**changes: Any) -> Scan:
    fields: dict[str, Any] = {
        "id": "op1",
        "cell": "zn1",
        "state": {"cycle": 1, "half": "delithiation"},
        "scale": "micro",
        "mode": "operando",
        "voxel_size": "0.16 um",
    }
    return validated(Scan, {**fields, **changes})


def test_the_silicon_fraction_is_that_of_the_components() -> None:
    made = validated(Formulation, {"id": "ref", "components": [SILICON, GRAPHENE, BINDER]})
    assert made.silicon_fraction == Quantity(0.732, "g_Si/g")
    with pytest.raises(RecordError, match=r"si_fraction is 0\.7 g_Si/g, but the components hold 0.732"):
        validated(
            Formulation,
            {"id": "ref", "si_fraction": "0.7 g_Si/g", "components": [SILICON, GRAPHENE, BINDER]},
        )


def test_composites_say_their_silicon() -> None:
    composite = {**SILICON, "material": "Si/C", "si_content": "0.5 g_Si/g"}
    made = validated(Formulation, {"id": "ref", "components": [composite, GRAPHENE, BINDER]})
    assert made.silicon_fraction is not None
    assert made.silicon_fraction.m_as("g_Si/g") == pytest.approx(0.366)


def test_mass_fractions_add_up_to_one() -> None:
    with pytest.raises(RecordError, match=r"add up to 0\.844, not 1"):
        validated(Formulation, {"id": "ref", "components": [SILICON, GRAPHENE]})


def test_a_percentage_without_its_sign_is_guessed_at_in_the_message_only() -> None:
    with pytest.raises(RecordError, match=r"components.0.mass_fraction: .* did you mean '73.2 %'"):
        validated(Formulation, {"id": "ref", "components": [{**SILICON, "mass_fraction": 73.2}]})


def test_mass_and_loading_of_a_cell_agree() -> None:
    fields = {"id": "zn1", "formulation": "zn", "si_mass": "0.13 mg_Si", "diameter": "3 mm"}
    area = validated(Cell, {**fields, "loading": "1.85 mg_Si/cm^2"}).area
    assert area is not None
    assert area.m_as("mm^2") == pytest.approx(7.0686, rel=1e-4)
    with pytest.raises(RecordError, match=r"loading 18.5 mg_Si/cm\^2 on a disk of 3 mm is 1.31 mg_Si"):
        validated(Cell, {**fields, "loading": "18.5 mg_Si/cm^2"})


@pytest.mark.parametrize(
    ("field", "value", "says"),
    [
        ("si_mass", "0.13", r"cells.zn1.si_mass: '0.13' has no unit: did you mean '0.13 mg_Si'"),
        ("si_mass", "0.13 mg", r"si_mass: '0.13 mg' measures \[mass\]; this field needs \[mass_Si\]"),
        ("si_mass", "-1 mg_Si", "out of bounds: more than 0 mg_Si"),
        ("diameter", "nan mm", "no quantity"),
        ("si_mas", "0.13 mg_Si", "did you mean 'si_mass'"),
        ("formulation", None, "formulation"),
        ("id", "Zn 1", "such as 'zn-1'"),
        ("id", "con", "cannot be an id"),
        ("id", "../x", "cannot be an id"),
    ],
)
def test_errors_name_place_value_and_what_to_write(field: str, value: object, says: str) -> None:
    fields = {"id": "zn1", "formulation": "zn", field: value}
    with pytest.raises(RecordError, match=says) as caught:
        validated(Cell, fields, place="zn.yaml: cells.zn1")
    assert caught.value.fix == "siltomo schema show cell"


def test_all_problems_are_listed_at_once() -> None:
    with pytest.raises(RecordError) as caught:
        validated(Cell, {"id": "zn1", "si_mass": "1", "diameter": "x"})
    assert all(name in str(caught.value) for name in ("formulation", "si_mass", "diameter"))


@pytest.mark.parametrize(
    ("state", "says"),
    [
        ({"cycle": 0, "half": "delithiation"}, "cycle 0 is the pristine state"),
        ({"cycle": 2, "half": "pristine"}, "cycle 0 is the pristine state"),
        ({"cycle": 0, "half": "pristine", "capacity": "3 mAh/g_Si"}, "passed no capacity"),
        ({"cycle": 1, "half": "charge"}, "'pristine', 'lithiation', 'delithiation' or 'rest'"),
        ({"cycle": -1, "half": "rest"}, "greater than or equal to 0"),
        ({"cycle": 1, "half": "lithiation", "capacity": "1200 mAh/g"}, "mass_Si"),
    ],
)
def test_states_are_checked(state: dict[str, Any], says: str) -> None:
    with pytest.raises(RecordError, match=says):
        validated(State, state)


@pytest.mark.parametrize(
    ("given", "um"),
    [
        ("0.16 um", (0.16, 0.16, 0.16)),
        ("67.94,33.97,33.97 um", (67.94, 33.97, 33.97)),
        ("0.32 um, 160 nm, 0.16 um", (0.32, 0.16, 0.16)),
        (["0.32 um", "160 nm", "160 nm"], (0.32, 0.16, 0.16)),
        ({"z": "0.32 um", "y": "160 nm", "x": "160 nm"}, (0.32, 0.16, 0.16)),
        ({"value": 160, "unit": "nm"}, (0.16, 0.16, 0.16)),
        (Quantity(160, "nm"), (0.16, 0.16, 0.16)),
    ],
)
def test_voxel_sizes_are_read_in_all_their_forms(given: object, um: tuple[float, ...]) -> None:
    assert VoxelSize.model_validate(given).um == um


@pytest.mark.parametrize("given", ["1,5 um", "0.16", "0.16,0.16 um", "0 um", "0.16 V", "-1,1,1 um", ""])
def test_other_voxel_sizes_are_refused(given: str) -> None:
    with pytest.raises(ValidationError):
        VoxelSize.model_validate(given)


def test_segmentations_name_each_value_once() -> None:
    fields = {"id": "s", "scan": "op1", "domain": "electrode"}
    crack, solid = {"value": 1, "name": "crack"}, {"value": 2, "name": "solid"}
    made = validated(Segmentation, {**fields, "phases": [solid, crack, {"value": 3, "name": "crack"}]})
    assert made.phase_names == ("crack", "solid")
    assert made.values_of("crack") == (1, 3)
    with pytest.raises(RecordError, match="label value 1 is given 2 names: crack, solid"):
        validated(Segmentation, {**fields, "phases": [crack, {"value": 1, "name": "solid"}]})
    with pytest.raises(RecordError, match="cannot name a phase"):
        validated(Segmentation, {**fields, "phases": [{"value": 1, "name": "Crack!"}]})
    with pytest.raises(RecordError, match="name at least one phase"):
        validated(Segmentation, {**fields, "phases": [{"value": 1, "name": "outside"}]})


def test_printed_fractions_say_of_what() -> None:
    fields = {
        "id": "v",
        "study": "p",
        "quantity": "porosity",
        "printed": "35",
        "value": 35,
        "place": "Fig. 7",
    }
    with pytest.raises(RecordError, match="must say what it is a fraction of"):
        validated(ReportedValue, {**fields, "unit": "%"})
    with pytest.raises(RecordError, match="must say per gram of what"):
        validated(ReportedValue, {**fields, "unit": "cm^3/g"})
    assert validated(ReportedValue, {**fields, "unit": "%", "of": "electrode volume"}).of
    assert validated(ReportedValue, {**fields, "unit": "cm^3/g_Si"}).of == ""


@pytest.mark.parametrize("unit", ["1", "percent", "mAh/g", "cm^3/g"])
def test_fields_of_fractions_cannot_be_declared_without_their_whole(unit: str) -> None:
    with pytest.raises(TypeError, match="must say"):
        In(unit)
    assert In(unit, of="electrode").of


@pytest.mark.parametrize("unit", ["um", "mAh/g_Si", "cm^3/g_Si", "g/cm^3", "mg_Si/cm^2", "keV"])
def test_other_fields_need_no_whole(unit: str) -> None:
    assert In(unit).unit == unit


def test_records_are_frozen_hashable_and_round_trip() -> None:
    scan = make_scan(state={"cycle": 1, "half": "delithiation", "capacity": "1200 +/- 20 mAh/g_Si"})
    assert Scan.from_body(scan.body()) == scan
    assert hash(scan) == hash(Scan.from_body(scan.body()))
    assert scan.body()["state"]["capacity"] == "1200 +/- 20 mAh/g_Si"
    with pytest.raises(ValidationError, match="frozen"):
        scan.cell = "other"


def test_a_record_of_another_schema_is_refused() -> None:
    with pytest.raises(RecordError, match="siltomo/scan/2"):
        Scan.from_body({**make_scan().body(), "schema": "siltomo/scan/2"})


def test_references_are_typed() -> None:
    assert Cell.references() == {"formulation": "formulation"}
    assert Scan.references() == {"cell": "cell"}
    assert Segmentation.references() == {"scan": "scan", "variant_of": "segmentation"}
    for record in RECORDS.values():
        assert set(record.references().values()) <= set(RECORDS)


def test_a_reference_that_may_be_left_out_is_one_all_the_same() -> None:
    assert Formulation.references() == {"study": "study"}
    assert ReportedValue.references() == {"study": "study", "formulation": "formulation", "cell": "cell"}


def test_a_result_has_a_value_or_a_reason() -> None:
    fields: dict[str, Any] = {
        "key": "0" * 64,
        "metric": "crack_volume_fraction",
        "version": 1,
        "unit": "1",
        "parameters": {},
        "scan": "op1",
        "segmentation": "s",
        "provenance": {"siltomo": "0", "package": "siltomo", "inputs": {}},
    }
    assert MetricResult(**fields, status="ok", value=0.24).value == 0.24
    for wrong in ({"status": "ok"}, {"status": "undefined", "value": 1.0}, {"status": "undefined"}):
        with pytest.raises(ValidationError):
            MetricResult(**fields, **wrong)


def test_quantities_of_the_model_refuse_infinity_and_arithmetic() -> None:
    class Probe(Model):
        length: Annotated[Quantity, In("um", gt=0)]

    for wrong in (float("inf"), "1e400 um", "2 um + 3 um", "1 um * 2", {"value": float("nan"), "unit": "um"}):
        with pytest.raises(ValidationError):
            Probe(length=wrong)  # type: ignore[arg-type]
    assert Probe(length="2 um").model_dump_json() == '{"length":"2 um"}'  # type: ignore[arg-type]


def test_studies_have_authors() -> None:
    made = validated(Study, {"id": "p", "authors": [{"name": "V. Vanpeene", "orcid": "0000-0002-1825-0097"}]})
    assert made.authors[0].name == "V. Vanpeene"
    with pytest.raises(RecordError, match="orcid"):
        validated(Study, {"id": "p", "authors": [{"name": "x", "orcid": "12"}]})
