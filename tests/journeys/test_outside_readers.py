"""What we write opens in readers made by others, installed in an environment of their own."""

from __future__ import annotations

import json
import subprocess
import sys
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

READ = """
import json, sys
import numpy as np
from ome_zarr.io import parse_url
from ome_zarr.reader import Reader
import ngff_zarr, ome_zarr_models
from ome_zarr_models.v05 import Image, ImageLabel
import zarr

image, labels = sys.argv[1:]
found = {}
nodes = list(Reader(parse_url(image))())
found["image"] = {
    "levels": [list(level.shape) for level in nodes[0].data],
    "sum": int(np.asarray(nodes[0].data[0]).sum()),
    "axes": nodes[0].metadata["axes"],
    "scale": nodes[0].metadata["coordinateTransformations"][0][0]["scale"],
}
Image.from_zarr(zarr.open_group(image, mode="r"))
multiscales = ngff_zarr.from_ngff_zarr(image, validate=True)
first = multiscales.images[0]
found["ngff"] = {"scale": first.scale, "units": first.axes_units, "sum": int(np.asarray(first.data).sum())}
nodes = list(Reader(parse_url(labels))())
label = next(node for node in nodes if "color" in node.metadata)
found["labels"] = {
    "sum": int(np.asarray(label.data[0]).sum()),
    "names": {str(value): entry["class"] for value, entry in label.metadata["properties"].items()},
    "source": [list(node.data[0].shape) for node in nodes if node is not label],
}
ImageLabel.from_zarr(zarr.open_group(labels, mode="r"))
print(json.dumps(found))
"""


@pytest.fixture(scope="session")
def reader(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Python with ome-zarr-py, ngff-zarr and ome-zarr-models, which pin other versions than ours."""
    folder = tmp_path_factory.mktemp("readers")
    venv.create(folder, with_pip=True)
    python = folder / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    packages = ["ome-zarr>=0.12", "ngff-zarr[validate]>=0.20", "ome-zarr-models>=1.6"]
    done = subprocess.run(
        [python, "-m", "pip", "install", "--quiet", *packages], capture_output=True, text=True, check=False
    )
    if done.returncode:
        pytest.skip(f"the outside readers cannot be installed here: {done.stderr[-200:]}")
    return python


@pytest.mark.slow
def test_ome_zarr_py_ngff_zarr_and_the_models_open_image_and_labels(
    cli: Callable[..., Any], study: Path, reader: Path
) -> None:
    rng = np.random.default_rng(2)
    grey = rng.integers(0, 255, (70, 300, 280), np.uint8)
    labels = (grey > 100).astype(np.uint8) + 1
    np.save(study / "g.npy", grey)
    np.save(study / "l.npy", labels)
    words = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--cycle", "1", "--half", "rest"]
    assert cli("catalog", "add", "g.npy", *words, "--voxel-size", "0.32,0.16,0.16 um", "--id", "s").code == 0
    assert cli("segment", "import", "s", "l.npy", "--phases", "1=crack,2=solid", "--id", "s-l").code == 0
    paths = [cli("catalog", "show", name, "--json").data["path"] for name in ("s", "s-l")]
    done = subprocess.run([reader, "-c", READ, *paths], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    found = json.loads(done.stdout.strip().splitlines()[-1])
    assert found["image"]["levels"] == [[70, 300, 280], [35, 150, 140]]
    assert found["image"]["sum"] == int(grey.sum())
    assert found["image"]["scale"] == [0.32, 0.16, 0.16]
    assert {axis["unit"] for axis in found["image"]["axes"]} == {"micrometer"}
    assert found["ngff"]["scale"] == {"z": 0.32, "y": 0.16, "x": 0.16}
    assert found["ngff"]["units"] == {"z": "micrometer", "y": "micrometer", "x": "micrometer"}
    assert found["ngff"]["sum"] == int(grey.sum())
    assert found["labels"]["sum"] == int(labels.sum())
    assert found["labels"]["names"] == {"1": "crack", "2": "solid"}
    assert found["labels"]["source"] == [[70, 300, 280]], "the labels lead to their image"
