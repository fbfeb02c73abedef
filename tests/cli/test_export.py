"""What goes out opens again: in tifffile's ImageJ reader, VTK, zarr, and SimpleITK and ome-zarr-py of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import zarr

from siltomo.importers import Source, open_volume

Cli = Callable[..., Any]
STATE = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--cycle", "1", "--half", "rest"]


def put(
    cli: Cli, study: Path, voxels: np.ndarray, size: str = "0.32,0.1625,0.16 um", name: str = "s"
) -> None:
    np.save(study / f"{name}.npy", voxels)
    answer = cli("catalog", "add", f"{name}.npy", *STATE, "--voxel-size", size, "--id", name)
    assert answer.code == 0, answer.err


def grey(kind: str = "u1", shape: tuple[int, int, int] = (70, 20, 30)) -> np.ndarray:
    rng = np.random.default_rng(4)
    return rng.integers(0, 200, shape).astype(kind) if kind[0] != "f" else rng.normal(size=shape).astype(kind)


@pytest.mark.parametrize("kind", ["u1", "u2", "f4"])
def test_imagej_tiff_keeps_its_calibration(cli: Cli, study: Path, kind: str) -> None:
    voxels = grey(kind)
    put(cli, study, voxels)
    data = cli("export", "volume", "s", "-o", "x.tif", "--json").data
    assert data["voxel_size"] == {"z": "0.32 um", "y": "0.1625 um", "x": "0.16 um"}
    with tifffile.TiffFile(study / "x.tif") as file:
        assert file.is_imagej
        meta = file.imagej_metadata
        assert (meta["slices"], meta["spacing"], meta["unit"]) == (70, 0.32, "\\u00B5m")
        page = file.pages[0]
        per = [page.tags[name].value for name in ("XResolution", "YResolution")]
        assert [d / n for n, d in per] == pytest.approx([0.16, 0.1625], rel=1e-6)
        assert page.tags["ResolutionUnit"].value == 1
        assert len(file.pages) == 70
        assert np.array_equal(file.asarray(), voxels)
    again = open_volume(Source(study / "x.tif"))
    assert [str(edge) for edge in again.voxel_size] == ["0.32 um", "0.1625 um", "0.16 um"]


@pytest.mark.parametrize("kind", ["i2", "i4", "u4", "f8"])
def test_types_that_imagej_has_not_are_refused_with_the_way_out(cli: Cli, study: Path, kind: str) -> None:
    put(cli, study, grey(kind))
    error = cli("export", "volume", "s", "-o", "x.tif", "--json").error
    assert error["code"] == "SIL165"
    assert ".mhd" in error["advice"]
    assert cli("export", "volume", "s", "-o", "x.mhd").code == 0


def test_more_than_four_gigabytes_is_written_as_imagej_does(
    cli: Cli, study: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("siltomo.engine.export.tiff.CLASSIC", 1000)
    voxels = grey("u2")
    put(cli, study, voxels)
    assert cli("export", "volume", "s", "-o", "x.tif").code == 0
    with tifffile.TiffFile(study / "x.tif") as file:
        assert len(file.pages) == 1
        assert np.array_equal(file.asarray(), voxels)
    assert np.array_equal(open_volume(Source(study / "x.tif")).planes(0, 70), voxels)


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u2", "i4", "u4", "f4", "f8"])
@pytest.mark.parametrize("suffix", [".mhd", ".mha"])
def test_metaimage_comes_back(cli: Cli, study: Path, kind: str, suffix: str) -> None:
    voxels = grey(kind, (5, 6, 7))
    put(cli, study, voxels)
    files = cli("export", "volume", "s", "-o", f"x{suffix}", "--json").data["files"]
    assert [Path(f).name for f in files] == (["x.mhd", "x.raw"] if suffix == ".mhd" else ["x.mha"])
    found = open_volume(Source(study / f"x{suffix}"))
    assert found.dtype == voxels.dtype
    assert np.array_equal(found.planes(0, 5), voxels)
    assert [str(edge) for edge in found.voxel_size] == ["0.32 um", "0.1625 um", "0.16 um"]


@pytest.mark.parametrize("kind", ["i1", "u1", "u2", "i4", "f4", "f8"])
def test_vti_opens_in_vtk(cli: Cli, study: Path, kind: str) -> None:
    vtk = pytest.importorskip("vtk", reason="VTK is not installed")
    from vtk.util.numpy_support import vtk_to_numpy

    voxels = grey(kind, (9, 6, 7))
    put(cli, study, voxels)
    assert cli("export", "volume", "s", "-o", "x.vti").code == 0
    reader = vtk.vtkXMLImageDataReader()
    reader.SetFileName(str(study / "x.vti"))
    reader.Update()
    image = reader.GetOutput()
    assert image.GetDimensions() == (7, 6, 9)
    assert image.GetSpacing() == pytest.approx((0.16, 0.1625, 0.32))
    found = vtk_to_numpy(image.GetPointData().GetScalars())
    assert found.dtype.itemsize == voxels.dtype.itemsize
    assert np.array_equal(found.reshape(9, 6, 7), voxels)
    assert image.GetPointData().GetScalars().GetName() == "grey"


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_ome_zarr_has_all_resolutions(cli: Cli, study: Path, version: str) -> None:
    voxels = grey("u2", (70, 300, 40))
    put(cli, study, voxels)
    data = cli("export", "ome-zarr", "s", "--version", version, "-o", "x.ome.zarr", "--json").data
    assert data["format"] == f"OME-Zarr {version}"
    group = zarr.open_group(study / "x.ome.zarr", mode="r")
    assert group.metadata.zarr_format == (2 if version == "0.4" else 3)
    attributes = dict(group.attrs) if version == "0.4" else group.attrs["ome"]
    (image,) = attributes["multiscales"]
    assert image["axes"][0] == {"name": "z", "type": "space", "unit": "micrometer"}
    assert (image["version"] if version == "0.4" else attributes["version"]) == version
    assert [d["path"] for d in image["datasets"]] == ["0", "1"]
    scale, translation = (t for t in image["datasets"][1]["coordinateTransformations"])
    assert scale["scale"] == pytest.approx([0.64, 0.325, 0.32])
    assert translation["translation"] == pytest.approx([0.16, 0.08125, 0.08])
    assert np.array_equal(group["0"][...], voxels)
    assert group["1"].shape == (35, 150, 20)
    found = open_volume(Source(study / "x.ome.zarr"))
    assert [str(edge) for edge in found.voxel_size] == ["0.32 um", "0.1625 um", "0.16 um"]
    assert np.array_equal(found.planes(0, 70), voxels)


@pytest.mark.parametrize("version", ["0.4", "0.5"])
def test_labels_keep_their_names(cli: Cli, study: Path, version: str, labels: np.ndarray) -> None:
    assert cli("export", "ome-zarr", "op1-seg", "--version", version, "-o", "l.zarr").code == 0
    group = zarr.open_group(study / "l.zarr", mode="r")
    attributes = dict(group.attrs) if version == "0.4" else group.attrs["ome"]
    names = {p["label-value"]: p["class"] for p in attributes["image-label"]["properties"]}
    assert names == {1: "crack", 2: "solid", 3: "outside"}
    assert np.array_equal(group["0"][...], labels)
    assert cli("export", "volume", "op1-seg", "-o", "l.tif").code == 0
    assert np.array_equal(tifffile.imread(study / "l.tif"), labels)


def test_the_voxel_size_is_that_of_the_record_now(cli: Cli, study: Path) -> None:
    put(cli, study, grey(shape=(5, 6, 7)))
    assert cli("catalog", "set", "s", "--voxel-size", "65 nm").code == 0
    for name in ("x.tif", "x.mha"):
        assert cli("export", "volume", "s", "-o", name).code == 0
        assert str(open_volume(Source(study / name)).voxel_size[0]) == "0.065 um"
    assert cli("export", "ome-zarr", "s", "-o", "x.zarr").code == 0
    assert str(open_volume(Source(study / "x.zarr")).voxel_size[0]) == "0.065 um"


def test_a_scan_and_a_segmentation_of_one_id_ask_which(cli: Cli, study: Path, labels: np.ndarray) -> None:
    assert cli("segment", "import", "op1", "labels.npy", "--phases", "1=a,2=b,3=c", "--id", "op1").code == 0
    error = cli("export", "volume", "op1", "-o", "x.mha", "--json").error
    assert error["code"] == "SIL125"
    assert "--kind segmentation" in error["fix"]
    for kind, factor in (("scan", 60), ("segmentation", 1)):
        assert cli("export", "volume", "op1", "--kind", kind, "-o", "x.mha", "--force").code == 0
        assert np.array_equal(open_volume(Source(study / "x.mha")).planes(0, 40), labels * factor)


def test_a_lower_resolution(cli: Cli, study: Path) -> None:
    put(cli, study, grey(shape=(300, 4, 1)))
    data = cli("export", "volume", "s", "-o", "x.mha", "--level", "1", "--json").data
    assert data["shape"] == [150, 2, 1]
    assert data["voxel_size"] == {"z": "0.64 um", "y": "0.325 um", "x": "0.16 um"}
    error = cli("export", "volume", "s", "-o", "y.mha", "--level", "7", "--json").error
    assert "levels 0 to 1" in error["message"]


def test_what_is_there_is_not_replaced_unasked(cli: Cli, study: Path) -> None:
    for name, words in (("x.tif", ["volume"]), ("x.raw", ["volume"]), ("x.zarr", ["ome-zarr"])):
        (study / name).write_text("mine")
        target = "x.mhd" if name == "x.raw" else name
        error = cli("export", *words, "op1", "-o", target, "--json").error
        assert error["code"] == "SIL166"
        assert (study / name).read_text() == "mine"
        assert cli("export", *words, "op1", "-o", target, "--force").code == 0
        assert not (study / name).is_file() or (study / name).read_bytes()[:4] != b"mine"
    assert cli("export", "ome-zarr", "op1", "-o", "x.zarr", "--force").code == 0, "a folder is replaced too"


@pytest.mark.parametrize("target", ["x.tif", "x.mhd", "x.vti", "x.zarr"])
def test_an_interrupted_export_leaves_nothing(
    cli: Cli, study: Path, target: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from siltomo.engine.export import volumes as exporting

    put(cli, study, grey())
    before = sorted(p.name for p in study.iterdir())
    whole = exporting.Outgoing.slabs

    def broken(self: Any, progress: Any = None) -> Iterator[Any]:
        yield next(whole(self, progress))
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(exporting.Outgoing, "slabs", broken)
    words = ["ome-zarr"] if target == "x.zarr" else ["volume"]
    error = cli("export", *words, "s", "-o", target, "--json").error
    assert error["code"] == "SIL182"
    assert "No space left" in error["message"]
    assert sorted(p.name for p in study.iterdir()) == before


def test_damaged_voxels_are_not_exported(cli: Cli, study: Path) -> None:
    put(cli, study, grey())
    root = Path(cli("catalog", "show", "s", "--json").data["path"])
    chunk = next(p for p in (root / "0" / "c").rglob("*") if p.is_file())
    data = bytearray(chunk.read_bytes())
    data[len(data) // 3] ^= 1
    chunk.chmod(0o644)
    chunk.write_bytes(data)
    answer = cli("export", "volume", "s", "-o", "x.tif", "--json")
    assert answer.code == 5
    assert answer.error["code"] == "SIL151"
    assert not (study / "x.tif").exists()


def test_names_that_cannot_be_written(cli: Cli, study: Path) -> None:
    assert cli("export", "volume", "op1", "-o", "x.png", "--json").error["code"] == "SIL165"
    assert cli("export", "volume", "op1", "-o", "no/x.tif", "--json").error["code"] == "SIL120"
    assert cli("export", "volume", "nope", "-o", "x.tif", "--json").error["code"] == "SIL120"
    assert cli("export", "ome-zarr", "op1", "--version", "0.6", "-o", "x", "--json").code == 2


def test_memory_stays_at_a_slab(cli: Cli, study: Path) -> None:
    import tracemalloc

    put(cli, study, np.zeros((900, 300, 200), np.uint8))
    assert cli("export", "volume", "op1", "-o", "warm.tif").code == 0
    tracemalloc.start()
    try:
        assert cli("export", "volume", "s", "-o", "x.tif").code == 0
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 27e6, f"{peak / 1e6:.0f} MB for a volume of 54 MB, slabs of 3.8 MB"


READ = """
import json, sys
import numpy as np
import SimpleITK
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
found = {}
for name in ("x.mhd", "x.mha"):
    image = SimpleITK.ReadImage(name)
    found[name] = [image.GetSize(), image.GetSpacing(), int(SimpleITK.GetArrayFromImage(image).astype("i8").sum())]
image = SimpleITK.ReadImage("x.tif")
found["x.tif"] = [image.GetSize(), int(SimpleITK.GetArrayFromImage(image).astype("i8").sum())]
for name in ("x04.zarr", "x05.zarr"):
    node = list(Reader(parse_url(name))())[0]
    scale = node.metadata["coordinateTransformations"][0][0]["scale"]
    found[name] = [scale, [list(d.shape) for d in node.data], int(np.asarray(node.data[0]).astype("i8").sum())]
print(json.dumps(found))
"""


@pytest.fixture(scope="module")
def outside(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with SimpleITK, pynrrd and ome-zarr-py, which pin other versions than ours."""
    folder = tmp_path_factory.mktemp("outside")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    packages = ["SimpleITK>=2.3", "pynrrd>=1.0", "ome-zarr>=0.12"]
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *packages], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"the outside programs cannot be installed here: {done.stderr[-200:]}")
    return python


WRITE = """
import nrrd, numpy as np, SimpleITK
from ome_zarr.format import FormatV04, FormatV05
from ome_zarr.writer import write_image
voxels = np.load("voxels.npy")
image = SimpleITK.GetImageFromArray(voxels)
image.SetSpacing((0.1, 0.2, 0.3))
for name, packed in (
    ("a.mha", False), ("b.mhd", True), ("c.nrrd", False), ("d.nhdr", True), ("e.mhd", False), ("f.nrrd", True)
):
    SimpleITK.WriteImage(image, name, useCompression=packed)
fields = {"spacings": [0.1, 0.2, 0.3], "units": ["um", "um", "um"]}
nrrd.write("g.nrrd", voxels, {"encoding": "gzip", **fields}, index_order="C")
nrrd.write("h.nhdr", voxels, {"encoding": "raw", **fields}, index_order="C")
axes = [{"name": a, "type": "space", "unit": "micrometer"} for a in "zyx"]
for name, version in (("i.zarr", FormatV04()), ("j.zarr", FormatV05())):
    write_image(voxels, name, axes=axes, fmt=version)
"""


@pytest.mark.slow
def test_what_simpleitk_pynrrd_and_ome_zarr_py_write_is_read(tmp_path: Path, outside: Path) -> None:
    voxels = grey("u2", (7, 12, 10))
    np.save(tmp_path / "voxels.npy", voxels)
    done = subprocess.run(
        [outside, "-W", "ignore", "-c", WRITE], capture_output=True, text=True, cwd=tmp_path, check=False
    )
    assert done.returncode == 0, done.stderr
    names = ["a.mha", "b.mhd", "c.nrrd", "d.nhdr", "e.mhd", "f.nrrd", "g.nrrd", "h.nhdr", "i.zarr", "j.zarr"]
    for name in names:
        found = open_volume(Source(tmp_path / name))
        assert np.array_equal(found.planes(0, 7), voxels), name
        if name < "g":
            assert found.spacing == pytest.approx((0.3, 0.2, 0.1)), "ITK says no unit"
        elif name < "i":
            assert [str(edge) for edge in found.voxel_size] == ["0.3 um", "0.2 um", "0.1 um"]


@pytest.mark.slow
def test_simpleitk_and_ome_zarr_py_read_what_we_write(cli: Cli, study: Path, outside: Path) -> None:
    voxels = grey("u2", (70, 300, 40))
    put(cli, study, voxels)
    for words in (
        ["volume", "s", "-o", "x.mhd"],
        ["volume", "s", "-o", "x.mha"],
        ["volume", "s", "-o", "x.tif"],
        ["ome-zarr", "s", "-o", "x04.zarr"],
        ["ome-zarr", "s", "--version", "0.5", "-o", "x05.zarr"],
    ):
        assert cli("export", *words).code == 0
    read = subprocess.run([outside, "-c", READ], capture_output=True, text=True, check=False, cwd=study)
    assert read.returncode == 0, read.stderr
    found = json.loads(read.stdout.strip().splitlines()[-1])
    total = int(voxels.astype("i8").sum())
    for name in ("x.mhd", "x.mha"):
        assert found[name][0] == [40, 300, 70]
        assert found[name][1] == pytest.approx([0.00016, 0.0001625, 0.00032]), "millimetres"
        assert found[name][2] == total
    assert found["x.tif"] == [[40, 300, 70], total]
    for name in ("x04.zarr", "x05.zarr"):
        assert found[name] == [[0.32, 0.1625, 0.16], [[70, 300, 40], [35, 150, 20]], total]


def test_the_catalog_is_not_touched(cli: Cli, study: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in (study / "objects").rglob("*")}
    for words in (["volume", "op1", "-o", "x.vti"], ["ome-zarr", "op1", "-o", "x.zarr"]):
        assert cli("export", *words).code == 0
    assert {p: p.stat().st_mtime_ns for p in (study / "objects").rglob("*")} == before
    assert cli("catalog", "verify", "--full").code == 0
