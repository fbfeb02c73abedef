"""Plans read outlines and sealed bytes; their keys and their refusals are those of whole records."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest

from siltomo.catalog import CatalogStore
from siltomo.engine.catalog import Catalog
from siltomo.engine.compute.plan import make_plan
from siltomo.engine.compute.run import _result
from siltomo.engine.compute.subjects import result_key
from siltomo.errors import DamagedError, RecordError
from siltomo.metrics import Scalar, registry
from siltomo.model import Cell, Formulation, Scan, ScanOutline, Segmentation, SegmentationOutline

VOLUME = {"shape": [8, 9, 10], "dtype": "uint8", "content": "sha256:x\"'é"}
SCAN = {
    "id": "s",
    "cell": "c",
    "state": {"cycle": 0, "half": "pristine"},
    "scale": "micro",
    "depth_axis": "+z",
}
SCAN |= {"mode": "ex_situ", "voxel_size": "0.3,0.2,0.2 um", "volume": VOLUME}
PHASES = [{"value": v, "name": n} for v, n in ((3, "crack"), (0, "outside"), (1, "solid"), (2, "crack"))]
LABELS = {"id": "g", "scan": "s", "domain": "electrode", "volume": VOLUME, "phases": PHASES}
MAKING = {"recipe": "r", "digest": "sha256:r", "content": {}, "inputs": {}, "siltomo": "1"}


@pytest.mark.parametrize("name", ["crack_volume_fraction", "crack_interconnectivity", "electrode_thickness"])
@pytest.mark.parametrize("more", [{}, {"min_feature": "400 nm"}, {"making": MAKING}])
def test_the_key_of_a_result_is_the_digest_of_one_json_object(name, more):
    scan, labels = Scan.model_validate(SCAN), Segmentation.model_validate(LABELS | more)
    request = registry.request(name, {})
    crack = request.phase == "crack"
    phases = [["solid", [1]], ["crack", [2, 3]]] if request.metric.surroundings else []
    size = None if labels.min_feature is None else labels.min_feature.value
    sample = {"phase": request.phase, "values": [2, 3] if crack else [], "outside": [0], "shape": [8, 9, 10]}
    sample |= {"spacing_um": [0.3, 0.2, 0.2], "domain": "electrode", "min_feature_um": size}
    sample |= {"phases": phases, "depth_axis": "+z" if request.metric.surroundings else ""}
    material = {"metric": name, "version": request.metric.version, "parameters": dict(request.parameters)}
    material |= {"content": VOLUME["content"], "sample": sample}
    if labels.making:
        material["recipe"] = "sha256:r"
    text = json.dumps(material, sort_keys=True, separators=(",", ":"))
    expected = hashlib.sha256(text.encode()).hexdigest()
    assert result_key(request, ScanOutline.of(scan), SegmentationOutline.of(labels)) == expected


@pytest.fixture
def catalog(tmp_path: Path) -> Catalog:
    made = Catalog(CatalogStore.create(tmp_path))
    made.add(Formulation(id="zn"))
    made.add(Cell(id="c", formulation="zn"))
    made.store.put("scan", "s", Scan.model_validate(SCAN).body())
    made.store.put("segmentation", "g", Segmentation.model_validate(LABELS).body())
    (item,) = make_plan(made, ["crack_volume_fraction"]).items
    made.store.put_result(item.key, _result(item, Scalar(0.25, 0.01)).model_dump(mode="json"))
    return made


def test_a_plan_has_what_was_kept(catalog: Catalog) -> None:
    (item,) = make_plan(catalog, ["crack_volume_fraction"]).items
    assert item.kept is not None
    assert (item.kept.value, item.kept.uncertainty.discretisation, item.to_compute) == (0.25, 0.01, False)
    assert item.subject.scan == Scan.model_validate(SCAN)
    assert item.subject.segmentation == Segmentation.model_validate(LABELS)


@pytest.mark.parametrize(
    "which", ["scan/s/*.json", "segmentation/g/*.json", "cell/c/*.json", "result/*/*.json"]
)
def test_a_damaged_record_is_found_when_a_plan_is_made(catalog: Catalog, which: str) -> None:
    (path,) = (catalog.path / "records").glob(which)
    whole = path.read_bytes()
    path.chmod(0o644)
    path.write_bytes(whole.replace(b"2", b"3", 1))
    with pytest.raises(DamagedError) as raised:
        make_plan(catalog, ["crack_volume_fraction"])
    assert raised.value.where == str(path)
    assert raised.value.fix == "siltomo catalog repair"
    path.write_bytes(whole)
    assert make_plan(catalog, ["crack_volume_fraction"]).summary()["kept"] == 1


def test_a_record_of_a_newer_schema_is_refused(catalog: Catalog) -> None:
    body = {**catalog.store.get("scan", "s").body, "schema": "siltomo/scan/2"}
    catalog.store.revise("scan", "s", body, of=1)
    with pytest.raises(RecordError, match="says schema 'siltomo/scan/2'"):
        make_plan(catalog, ["crack_volume_fraction"])
