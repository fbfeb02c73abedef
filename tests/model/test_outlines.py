"""The outlines that plans are made from say what the records say."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from siltomo.errors import RecordError
from siltomo.model import Scan, ScanOutline, Segmentation, SegmentationOutline

numbers = st.floats(1e-3, 1e5, allow_nan=False)
lengths = numbers.map(lambda n: f"{n!r} nm")
maybe = st.none()
volumes = st.fixed_dictionaries(
    {
        "shape": st.tuples(*[st.integers(1, 5000)] * 3),
        "dtype": st.just("uint8"),
        "content": st.text(max_size=9),
    },
    optional={"missing_planes": st.lists(st.integers(0, 9), max_size=3).map(tuple)},
)


@st.composite
def scans(draw):
    cycle = draw(st.integers(0, 100))
    half = draw(st.sampled_from(["lithiation", "delithiation", "rest"])) if cycle else "pristine"
    state = {"cycle": cycle, "half": half, "voltage": draw(maybe | numbers.map(lambda n: f"{n!r} mV"))}
    if cycle:
        state["capacity"] = draw(maybe | numbers.map(lambda n: f"{n!r} Ah/g_Si"))
    given = {"id": "s1", "cell": "c1", "state": state, "voxel_size": draw(st.tuples(*[lengths] * 3))}
    given["scale"] = draw(st.sampled_from(["micro", "nano"]))
    given["mode"] = draw(st.sampled_from(["operando", "in_situ", "ex_situ"]))
    given["specimen"] = draw(st.sampled_from([None, "lamella-2"]))
    given["depth_axis"] = draw(st.sampled_from([None, "z", "-x"]))
    given["volume"] = draw(maybe | volumes)
    if draw(st.booleans()):
        given["domain"] = draw(st.sampled_from(["cell", "electrode", "islet", "separator"]))
    return Scan.model_validate(given)


@st.composite
def segmentations(draw):
    values = draw(st.lists(st.integers(0, 300), min_size=1, max_size=6, unique=True))
    names = [draw(st.sampled_from(["crack", "pore", "solid", "outside"])) for _ in values]
    names[0] = "solid"
    given = {"id": "g1", "scan": "s1", "domain": "islet", "volume": draw(maybe | volumes)}
    given["phases"] = [{"value": v, "name": n} for v, n in zip(values, names, strict=True)]
    given["min_feature"] = draw(maybe | lengths)
    given["variant_of"] = draw(maybe | st.just("g0"))
    if draw(st.booleans()):
        made = {"recipe": "otsu", "digest": draw(st.text(max_size=9)), "content": {}, "inputs": {}}
        given["making"] = made | {"siltomo": "1"}
    return Segmentation.model_validate(given)


def sealed(record) -> bytes:
    return json.dumps(record.body(), sort_keys=True, separators=(",", ":")).encode()


@settings(max_examples=60, deadline=None)
@given(scans())
def test_an_outline_says_what_the_scan_says(scan):
    found = ScanOutline.read(sealed(scan))
    state, volume = scan.state, scan.volume
    assert found == ScanOutline.of(scan)
    assert found == ScanOutline(
        id=scan.id,
        cell=scan.cell,
        specimen=scan.specimen,
        scale=str(scan.scale),
        mode=str(scan.mode),
        domain=str(scan.domain),
        cycle=state.cycle,
        half=str(state.half),
        capacity=None if state.capacity is None else state.capacity.value,
        voltage=None if state.voltage is None else state.voltage.value,
        spacing_um=scan.voxel_size.um,
        depth_axis=scan.depth_axis or "",
        gaps=volume.missing_planes if volume else (),
    )
    assert found.edge_um == scan.voxel_size.edge_um
    assert [type(edge) for edge in found.spacing_um] == [float] * 3


@settings(max_examples=60, deadline=None)
@given(segmentations())
def test_an_outline_says_what_the_segmentation_says(labels):
    found = SegmentationOutline.read(sealed(labels))
    assert found == SegmentationOutline.of(labels)
    assert (found.id, found.scan, found.variant_of) == (labels.id, labels.scan, labels.variant_of)
    assert (found.domain, found.min_feature, found.max_feature) == (
        str(labels.domain),
        labels.min_feature,
        labels.max_feature,
    )
    assert found.shape == (labels.volume.shape if labels.volume else None)
    assert found.content == (labels.volume.content if labels.volume else "")
    assert found.gaps == (labels.volume.missing_planes if labels.volume else ())
    assert found.recipe == (labels.making.digest if labels.making else "")
    assert tuple(found.named) == labels.phase_names
    assert all(values == labels.values_of(name) for name, values in found.named.items())
    assert found.outside == labels.values_of("outside")


def scan_body(**changes):
    body = {"schema": "siltomo/scan/1", "id": "s1", "cell": "c1", "scale": "micro", "mode": "operando"}
    body |= {"state": {"cycle": 1, "half": "rest"}, "voxel_size": dict.fromkeys("zyx", "0.16 um")}
    return body | changes


def test_what_an_older_siltomo_left_out_takes_its_default():
    found = ScanOutline.read(json.dumps(scan_body()).encode())
    assert (found.domain, found.depth_axis, found.gaps) == ("cell", "", ())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"schema": "siltomo/scan/9"}, "says schema 'siltomo/scan/9'"),
        ({"schema": None}, "says schema None"),
    ],
)
def test_a_record_of_another_schema_is_refused(changes, said):
    with pytest.raises(RecordError, match=said):
        ScanOutline.read(json.dumps(scan_body(**changes)).encode())


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"voxel_size": "0.16"}, "has no unit"),
        ({"voxel_size": dict.fromkeys("zyx", "3 V")}, "needs"),
        ({"state": {}}, "Field required"),
        ({"state": None}, "valid dictionary"),
        ({"volume": 3}, "valid dictionary"),
    ],
)
def test_what_is_no_record_is_said_by_the_reader_of_records(changes, said):
    with pytest.raises(ValueError, match=said):
        ScanOutline.read(json.dumps(scan_body(**changes)).encode())
