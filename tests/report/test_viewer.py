"""The viewer's tiles are the voxels, and only this machine gets them."""

from __future__ import annotations

import io
import json
import os
import shlex
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import pytest
import zarr
from PIL import Image

from siltomo.engine.catalog import open_catalog
from siltomo.engine.figures.tiles import Tiles, seen_volumes
from siltomo.errors import BadInputError, NotFoundError
from siltomo.report.neuroglancer import make_zarr_server
from siltomo.report.viewer import make_server


@pytest.fixture
def tiles(study):
    return Tiles(open_catalog(study), "op1")


@contextmanager
def serving(server):
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture
def served(tiles):
    with serving(make_server(tiles)) as address:
        yield address


def get(url, **headers):
    with urllib.request.urlopen(urllib.request.Request(url, headers=headers)) as answer:
        return answer.read(), answer.headers


@pytest.mark.parametrize(("axes", "index"), [("xy", 7), ("xz", 9), ("yz", 3)])
def test_tiles_are_the_voxels(tiles, labels, axes, index):
    across = {"xy": 0, "xz": 1, "yz": 2}[axes]
    plane = np.take(labels, index, axis=across)
    assert np.array_equal(tiles.grey(0, axes, index, 0, 0), (plane * 60).astype(np.uint8))
    marks = tiles.marks(0, axes, index, 0, 0)
    assert tiles.phases == ("crack", "solid")
    assert np.array_equal(marks, np.where(plane == 3, 0, plane))


@pytest.mark.parametrize(
    "place", [(9, "xy", 0, 0, 0), (0, "xy", 40, 0, 0), (0, "xy", 0, 1, 0), (0, "zz", 0, 0, 0)]
)
def test_a_tile_that_is_not_there_is_refused(tiles, place):
    with pytest.raises(NotFoundError):
        tiles.grey(*place)


def test_the_window_is_applied_and_phases_are_coloured(served, labels):
    body, _ = get(f"{served}/grey/0/xy/7/0/0.png?low=60&high=120")
    with Image.open(io.BytesIO(body)) as picture:
        assert np.array_equal(np.asarray(picture), np.where(labels[7] == 1, 0, 255))
    body, _ = get(f"{served}/marks/0/xy/7/0/0.png")
    with Image.open(io.BytesIO(body)) as picture:
        alpha = np.asarray(picture)[..., 3]
    assert np.array_equal(alpha, np.select([labels[7] == 1, labels[7] == 2], [254, 253], 0))
    info = json.loads(get(f"{served}/info.json")[0])
    assert info["levels"][0] == {"shape": [40, 24, 20], "edges": [0.5, 0.5, 0.5]}


def test_only_this_machine_is_answered(tiles, served):
    with make_server(tiles) as bound:
        assert bound.server_address[0] == "127.0.0.1"
    with pytest.raises(urllib.error.HTTPError, match="403"):
        get(f"{served}/info.json", Host="evil.example")
    _, headers = get(served + "/")
    assert "default-src 'none'" in headers["Content-Security-Policy"]


@pytest.mark.parametrize(
    "path", ["/etc/passwd", "/grey/0/xy/7/0/0.png", "/grey/0/xy/99/0/0.png?low=0&high=1", "/../x"]
)
def test_nothing_else_is_served(served, path):
    with pytest.raises(urllib.error.HTTPError, match="404"):
        get(served + path)


def test_a_port_that_is_taken_is_said(tiles, served):
    with pytest.raises(BadInputError, match="cannot be used"):
        make_server(tiles, port=int(served.rsplit(":", 1)[1]))


def test_the_page_shows_a_plane(served):
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    found = shutil.which("chromium") or shutil.which("google-chrome")
    if found is None:
        pytest.skip("no Chromium on this machine")
    with api.sync_playwright() as play:
        browser = play.chromium.launch(executable_path=found, args=["--no-sandbox"])
        page = browser.new_page()
        wrong: list[str] = []
        page.on("console", lambda m: wrong.append(m.text) if m.type == "error" else None)
        page.on("pageerror", lambda e: wrong.append(str(e)))
        page.goto(served + "/")
        page.wait_for_selector("#view[data-state*=whole]")
        first = page.get_attribute("#view", "data-state")
        pixels = page.locator("#view").screenshot()
        page.focus("#view")
        for key in ("PageUp", "+"):
            page.keyboard.press(key)
        page.wait_for_function("s => document.getElementById('view').dataset.state !== s", arg=first)
        page.get_by_label("crack").uncheck()
        page.select_option("#axes", "xz")
        page.wait_for_selector("#view[data-state^=xz][data-state*=whole]")
        assert page.locator("#view").screenshot() != pixels
        browser.close()
    assert not wrong


@pytest.fixture
def bucket(monkeypatch):
    """Serve S3 from this process."""
    server = pytest.importorskip("moto.server").ThreadedMotoServer(port=0, verbose=False)
    s3fs = pytest.importorskip("s3fs")
    server.start()
    host, port = server.get_host_and_port()
    for name, value in (
        ("AWS_ENDPOINT_URL", f"http://{host}:{port}"),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DEFAULT_REGION", "us-east-1"),
    ):
        monkeypatch.setenv(name, value)
    s3fs.S3FileSystem(skip_instance_cache=True).mkdir("views")
    yield "s3://views/study"
    server.stop()


@pytest.fixture(params=["disk", "memory", pytest.param("s3", marks=pytest.mark.slow)])
def anywhere(request, study, cli):
    """The same scan in a folder and in stores that no other program can open as one."""
    if request.param == "disk":
        return study
    at = request.getfixturevalue("bucket") if request.param == "s3" else f"memory://{study.name}"
    words = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--domain", "electrode", "--cycle", 1]
    scan = [*words, "--half", "delithiation", "--voxel-size", "0.5 um", "--id", "op1"]
    for command in (
        ["init", at],
        ["formulation", "add", "zn"],
        ["cell", "add", "zn1", "--formulation", "zn"],
        ["catalog", "add", "grey.npy", *scan],
        [
            "segment",
            "import",
            "op1",
            "labels.npy",
            "--phases",
            "1=crack,2=solid,3=outside",
            "--id",
            "op1-seg",
        ],
    ):
        assert cli("--catalog", at, *command).code == 0
    return at


def test_tiles_come_from_any_store(anywhere, labels):
    with serving(make_server(Tiles(open_catalog(anywhere), "op1"))) as address:
        body, _ = get(f"{address}/grey/0/xy/7/0/0.png?low=60&high=120")
    with Image.open(io.BytesIO(body)) as picture:
        assert np.array_equal(np.asarray(picture), np.where(labels[7] == 1, 0, 255))
    _, _, volumes = seen_volumes(open_catalog(anywhere), "op1")
    with serving(make_zarr_server(volumes, scan="op1")) as address:
        body, headers = get(f"{address}/image/0/c/0/0/0", Range="bytes=-20")
    assert body == volumes["image"].read("0/c/0/0/0")[-20:]
    assert headers["Content-Range"].endswith(f"/{volumes['image'].size('0/c/0/0/0')}")


def test_a_damaged_volume_is_no_black_tile(study):
    server = make_server(Tiles(open_catalog(study), "op1"))
    for chunk in (study / "objects" / "scan").rglob("c/0/0/0"):
        chunk.chmod(0o644)
        chunk.write_bytes(chunk.read_bytes()[:-9])
    with serving(server) as address, pytest.raises(urllib.error.HTTPError, match="500") as caught:
        get(f"{address}/grey/0/xy/7/0/0.png?low=60&high=120")
    assert b"bytes instead of" in caught.value.read()


# ---- other programs ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("program", ["napari", "fiji"])
def test_other_programs_get_what_opens_it(cli, study, program):
    data = cli("view", "op1", "--in", program, "--json").data
    volume = Path(data["volume"])
    assert volume.is_absolute()
    assert (volume / "zarr.json").exists()
    if program == "fiji":
        text = (study / data["file"]).read_text("utf-8")
        # the importer's name ends in a blank; the one without is the exporter
        assert f'run("HDF5/N5/Zarr/OME-NGFF ... ", "url=[zarr3://{volume.as_uri()}?0] virtual");' in text
    else:
        assert str(volume) in data["command"]


@pytest.mark.parametrize("program", ["napari", "fiji"])
@pytest.mark.parametrize("anywhere", ["memory"], indirect=True)
def test_a_program_that_opens_folders_is_refused_what_is_in_none(cli, anywhere, program):
    error = cli("--catalog", anywhere, "view", "op1", "--in", program, "--json").error
    assert anywhere in error["message"]
    assert error["fix"].endswith("export ome-zarr op1 -o op1.ome.zarr")
    assert cli("--catalog", anywhere, *shlex.split(error["fix"])[-5:]).code == 0  # and it mends it
    assert Path("op1.ome.zarr").is_dir()


@pytest.mark.parametrize(("zarr_format", "scheme"), [(2, "zarr"), (3, "zarr3")])
def test_a_volume_by_reference_is_opened_where_it_lies(cli, study, labels, zarr_format, scheme):
    scale = [{"type": "scale", "scale": [0.5] * 3}]
    axes = [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    image = {"axes": axes, "datasets": [{"path": "full", "coordinateTransformations": scale}]}
    made = {"ome": {"version": "0.5", "multiscales": [image]}}
    if zarr_format == 2:
        made = {"multiscales": [{**image, "version": "0.4"}]}
    group = zarr.create_group(study / "their.zarr", zarr_format=zarr_format, attributes=made)
    group.create_array("full", data=labels, chunks=(16, 16, 16))
    words = ["--cell", "zn1", "--scale", "micro", "--mode", "ex_situ", "--cycle", 0, "--half", "pristine"]
    assert cli("catalog", "add", "their.zarr", *words, "--id", "far", "--by-reference").code == 0
    data = cli("view", "far", "--in", "fiji", "--json").data
    assert data["volume"] == str(study / "their.zarr")
    url = f"{scheme}://{(study / 'their.zarr').as_uri()}?full"
    assert f"url=[{url}] virtual" in (study / data["file"]).read_text("utf-8")
    error = cli("view", "far", "--in", "neuroglancer", "--json").error
    assert "by reference" in error["message"]
    assert "export ome-zarr far" in error["fix"]


def test_napari_reads_the_volume_with_units(cli, study, labels):
    """By its own plug-in, in the program's own environment where SILTOMO_NAPARI names its Python."""
    python = os.environ.get("SILTOMO_NAPARI")
    if python is None:
        pytest.skip("napari with napari-ome-zarr is not here; name its Python in SILTOMO_NAPARI")
    volume = cli("view", "op1", "--in", "napari", "--json").data["volume"]
    script = (
        "import sys, json, numpy as np; from napari_ome_zarr._reader import napari_get_reader; "
        "(data, meta, kind), *_ = napari_get_reader(sys.argv[1])(sys.argv[1]); "
        "voxels = np.asarray(data[0] if isinstance(data, list) else data); "
        "print(json.dumps([kind, list(voxels.shape), int(voxels.sum()), meta['scale'], list(meta['units'])]))"
    )
    said = subprocess.run([python, "-c", script, volume], capture_output=True, check=True, text=True).stdout
    expected = [
        "image",
        list(labels.shape),
        int((labels.astype(int) * 60).sum()),
        [0.5] * 3,
        ["micrometer"] * 3,
    ]
    assert json.loads(said.splitlines()[-1]) == expected


def test_a_scan_that_is_not_there_is_said(cli, study):
    answer = cli("view", "op9", "--json")
    assert answer.code == 4
    assert "op9" in answer.error["message"]
