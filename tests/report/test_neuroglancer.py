"""What neuroglancer is given: the volume's own bytes, whole or in part, and a link that describes the scan."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import threading
import urllib.error
import urllib.request
from contextlib import contextmanager
from urllib.parse import unquote

import numpy as np
import pytest

from siltomo.cli.main import run
from siltomo.engine.catalog import open_catalog
from siltomo.engine.figures.tiles import seen_volumes
from siltomo.report.neuroglancer import PAGE, make_zarr_server, neuroglancer_link

LABELS = np.random.default_rng(3).integers(1, 3, (40, 24, 20), dtype=np.uint8)


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A catalog with one scan and its labels, that no test changes."""
    made = tmp_path_factory.mktemp("study")
    np.save(made / "grey.npy", LABELS * 60)
    np.save(made / "labels.npy", LABELS)
    words = [
        "--cell",
        "zn1",
        "--scale",
        "micro",
        "--mode",
        "operando",
        "--cycle",
        "1",
        "--half",
        "delithiation",
    ]
    for command in (
        ["init", str(made)],
        ["formulation", "add", "zn"],
        ["cell", "add", "zn1", "--formulation", "zn"],
        ["catalog", "add", str(made / "grey.npy"), *words, "--voxel-size", "0.5 um", "--id", "op1"],
        [
            "segment",
            "import",
            "op1",
            str(made / "labels.npy"),
            "--phases",
            "1=crack,2=solid",
            "--id",
            "op1-seg",
        ],
    ):
        assert run(["--catalog", str(made), *command]) == 0
    return made


@pytest.fixture(scope="module")
def seen(home):
    return seen_volumes(open_catalog(home), "op1")


@contextmanager
def serving(volumes):
    server = make_zarr_server(volumes, scan="op1")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.fixture(scope="module")
def served(seen):
    with serving(seen[2]) as address:
        yield address


def ask(url, method="GET", **headers):
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    with urllib.request.urlopen(urllib.request.Request(url, method=method, headers=named)) as answer:
        return answer.status, answer.read(), answer.headers


def test_files_are_those_of_the_catalog(served, seen):
    files = seen[2]["image"]
    for name in files.files:
        status, body, _ = ask(f"{served}/image/{name}")
        assert (status, body) == (200, (files.root / name).read_bytes())
    status, body, headers = ask(f"{served}/labels/zarr.json", "HEAD")
    assert (status, body) == (200, b"")
    assert int(headers["Content-Length"]) == (seen[2]["labels"].root / "zarr.json").stat().st_size


@pytest.mark.parametrize(
    ("asked", "where"),
    [
        ("bytes=0-9", slice(0, 10)),
        ("bytes=5-5", slice(5, 6)),
        ("bytes=7-", slice(7, None)),
        ("bytes=-20", slice(-20, None)),
        ("bytes=3-99999999", slice(3, None)),
    ],
)
def test_parts_are_parts(served, seen, asked, where):
    whole = (seen[2]["image"].root / "0/c/0/0/0").read_bytes()
    status, body, headers = ask(f"{served}/image/0/c/0/0/0", Range=asked)
    assert status == 206
    assert body == whole[where]
    start = range(len(whole))[where][0]
    assert headers["Content-Range"] == f"bytes {start}-{start + len(body) - 1}/{len(whole)}"


@pytest.mark.parametrize(
    ("path", "code"),
    [("/image/none", 404), ("/other/zarr.json", 404), ("/image/../record.json", 404), ("/", 404)],
)
def test_nothing_else_is_served(served, path, code):
    with pytest.raises(urllib.error.HTTPError, match=str(code)):
        ask(served + path)


def test_a_part_beyond_the_end_is_refused(served):
    with pytest.raises(urllib.error.HTTPError, match="416"):
        ask(f"{served}/image/zarr.json", Range="bytes=999999-")


@pytest.mark.parametrize(
    ("origin", "may"),
    [(PAGE, True), ("http://127.0.0.1:8080", True), ("http://localhost", True), ("https://evil.example", False),
     ("http://127.0.0.1.evil.example", False), ("null", False)],
)  # fmt: skip
def test_only_neuroglancers_page_may_read(served, origin, may):
    _, _, headers = ask(f"{served}/image/zarr.json", Origin=origin)
    assert headers["Access-Control-Allow-Origin"] == (origin if may else None)
    status, _, before = ask(f"{served}/image/zarr.json", "OPTIONS", Origin=origin)
    assert status == 204
    assert before["Access-Control-Allow-Headers"] == ("Range" if may else None)


def test_only_this_machine_is_answered(served):
    with pytest.raises(urllib.error.HTTPError, match="403"):
        ask(f"{served}/image/zarr.json", Host="evil.example")


@pytest.mark.parametrize(
    ("name", "change"),
    [("zarr.json", lambda old: old.replace(b"0.5", b"0.6", 1)), ("0/c/0/0/0", lambda old: old[:-9])],
)
def test_what_was_changed_is_not_served(home, tmp_path, name, change):
    shutil.copytree(home, tmp_path / "copy")
    _, _, volumes = seen_volumes(open_catalog(tmp_path / "copy"), "op1")
    path = volumes["image"].root / name
    path.chmod(0o644)
    path.write_bytes(change(path.read_bytes()))
    with serving(volumes) as address, pytest.raises(urllib.error.HTTPError, match="500"):
        ask(f"{address}/image/{name}")


def test_another_reader_finds_the_voxels_by_ranges(served):
    pytest.importorskip("aiohttp", reason="fsspec needs aiohttp for HTTP")
    import zarr

    store = zarr.storage.FsspecStore.from_url(f"{served}/image", read_only=True)
    array = zarr.open_array(store, path="0", mode="r", zarr_format=3)
    assert np.array_equal(array[:], LABELS * 60)


def test_the_link_says_what_it_shows(seen):
    link = neuroglancer_link(seen[0], seen[1], port=9000)
    assert link.startswith(f"{PAGE}/#!%7B")
    state = json.loads(unquote(link.split("#!", 1)[1]))
    assert state["dimensions"] == {axis: [pytest.approx(5e-7), "m"] for axis in "xyz"}
    assert [(one["type"], one["name"], one["source"]) for one in state["layers"]] == [
        ("image", "op1", "zarr3://http://127.0.0.1:9000/image/"),
        ("segmentation", "op1-seg", "zarr3://http://127.0.0.1:9000/labels/"),
    ]


def test_neuroglancer_understands_the_link(seen):
    """By its own Python package, where SILTOMO_NEUROGLANCER names a Python that has it."""
    python = os.environ.get("SILTOMO_NEUROGLANCER")
    if python is None:
        pytest.skip("neuroglancer is not here; name a Python that has it in SILTOMO_NEUROGLANCER")
    script = (
        "import sys, json, neuroglancer; state = neuroglancer.parse_url(sys.argv[1]); "
        "print(json.dumps([[type(one.layer).__name__, one.name, one.layer.source[0].url] for one in state.layers] "
        "+ [[list(state.dimensions.names), [float(s) for s in state.dimensions.scales]]]))"
    )
    link = neuroglancer_link(seen[0], seen[1], port=9000)
    said = subprocess.run([python, "-c", script, link], capture_output=True, check=True, text=True).stdout
    assert json.loads(said) == [
        ["ImageLayer", "op1", "zarr3://http://127.0.0.1:9000/image/"],
        ["SegmentationLayer", "op1-seg", "zarr3://http://127.0.0.1:9000/labels/"],
        [["x", "y", "z"], pytest.approx([5e-7] * 3)],
    ]
