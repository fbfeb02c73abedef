"""Scans registered by reference: read where they lie, never believed once they changed."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr

import siltomo
from siltomo.errors import DamagedError

Cli = Callable[..., Any]
SHAPE = (20, 24, 18)
STATE = ["--cell", "c", "--scale", "micro", "--mode", "ex_situ", "--cycle", "0", "--half", "pristine"]


def voxels() -> np.ndarray:
    made = np.random.default_rng(5).normal(60, 4, SHAPE)
    made[:, 6:12, :] += 80
    return made.astype(np.uint8)


def image(path: Path, *, version: str = "0.5", leading: int = 0, levels: int = 2, **options: Any) -> Path:
    """Write an OME-Zarr as others do; the reduced levels by picking every second voxel."""
    axes = [{"name": n, "type": "time" if n == "t" else "channel"} for n in "tc"[:leading]]
    axes += [{"name": n, "type": "space", "unit": "micrometer"} for n in "zyx"]
    datasets = [
        {
            "path": f"s{n}",
            "coordinateTransformations": [
                {"type": "scale", "scale": [1.0] * leading + [0.65 * 2**n] * 3},
            ],
        }
        for n in range(levels)
    ]
    scale = {"axes": axes, "datasets": datasets}
    if version == "0.4":
        attributes: dict[str, Any] = {"multiscales": [{**scale, "version": "0.4"}]}
    else:
        attributes = {"ome": {"version": version, "multiscales": [scale]}}
    group = zarr.create_group(path, zarr_format=2 if version == "0.4" else 3, attributes=attributes)
    one = voxels()
    for n in range(levels):
        shape = (1,) * leading + one.shape
        chunks = (1,) * leading + (8, 16, 16)
        array = group.create_array(f"s{n}", shape=shape, dtype=one.dtype, chunks=chunks, **options)
        array[...] = one.reshape(shape)
        one = one[::2, ::2, ::2]
    return path


@pytest.fixture
def cell(cli: Cli, tmp_path: Path) -> Path:
    for words in (["init", "."], ["formulation", "add", "f"], ["cell", "add", "c", "--formulation", "f"]):
        assert cli(*words).code == 0
    return tmp_path


def add(cli: Cli, path: Path, id_: str, *more: str) -> Any:
    return cli("catalog", "add", path, *STATE, "--id", id_, *more)


def bytes_in(folder: Path) -> int:
    return sum(p.stat().st_size for p in folder.rglob("*") if p.is_file())


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("leading", [0, 2])
def test_it_reads_as_its_copy_does(cli: Cli, cell: Path, version: str, leading: int) -> None:
    path = image(cell / "a.ome.zarr", version=version, leading=leading)
    before = bytes_in(path)
    assert add(cli, path, "copy").code == 0
    taken = bytes_in(cell / "objects")
    assert add(cli, path, "ref", "--by-reference").code == 0
    assert bytes_in(cell / "objects") - taken < 6000
    assert bytes_in(path) == before
    catalog = siltomo.open_catalog(cell)
    copy, ref = catalog.scan("copy"), catalog.scan("ref")
    np.testing.assert_array_equal(ref.grey.values, voxels())
    assert ref.attrs["content"] == copy.attrs["content"]
    np.testing.assert_array_equal(catalog.scan("ref", level=1).grey.values, voxels()[::2, ::2, ::2])
    np.testing.assert_array_equal(ref.grey[3, 2:9, 5].values, voxels()[3, 2:9, 5])
    record = cli("catalog", "show", "ref", "--json").data["record"]
    assert record["source"]["in_place"] is True
    assert record["source"]["path"] == str(path)
    assert cli("catalog", "verify", "--full").code == 0


def test_the_whole_way_from_greys_to_a_number(cli: Cli, cell: Path) -> None:
    path = image(cell / "a.ome.zarr", leading=2)
    recipe = cell / "bright.yaml"
    recipe.write_text("recipe: bright\nsteps:\n  - threshold: otsu\n  - label: {1: dark, 2: bright}\n")
    values = []
    for id_, how in (("copy", ()), ("ref", ("--by-reference",))):
        assert add(cli, path, id_, *how).code == 0
        answer = cli("segment", "run", id_, "--recipe", recipe, "--json")
        assert answer.code == 0, answer.err
        (row,) = cli(
            "compute", "metric", "bright_volume_fraction", "--where", f"scan == '{id_}'", "--json"
        ).data
        values.append(row["value"])
    assert values == [pytest.approx(np.mean(voxels() > 100))] * 2
    assert cli("export", "volume", "ref", "-o", "out.tif").code == 0
    assert cli("plot", "slices", "--where", "scan == 'ref'", "-o", "out.png").code == 0


def test_again_changes_nothing_and_removed_it_may_come_back_as_a_copy(cli: Cli, cell: Path) -> None:
    path = image(cell / "a.ome.zarr")
    assert add(cli, path, "s", "--by-reference").code == 0
    assert add(cli, path, "s", "--by-reference").out.startswith("unchanged")
    assert add(cli, path, "s").out.startswith("unchanged")
    assert cli("catalog", "rm", "s").code == 0
    assert add(cli, path, "s").out.startswith("added")
    shutil.rmtree(path)
    assert cli("catalog", "verify", "--full").code == 0


def rewrite(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


CHANGES: dict[str, Callable[[Path], object]] = {
    "flipped": rewrite,
    "cut": lambda path: os.truncate(path, 20),
    "gone": lambda path: path.unlink(),
    "another": lambda path: path.write_bytes(b"\0" * path.stat().st_size),
}


@pytest.mark.parametrize("version", ["0.4", "0.5"])
@pytest.mark.parametrize("change", CHANGES)
def test_a_file_that_changed_is_never_read(cli: Cli, cell: Path, version: str, change: str) -> None:
    path = image(cell / "a.ome.zarr", version=version)
    assert add(cli, path, "s", "--by-reference").code == 0
    files = sorted(p for p in path.rglob("*") if p.is_file() and p.parent != path)
    meta = {"zarr.json", ".zarray"}
    pieces = [p for p in files if p.name not in meta | {".zattrs"}]
    for file in (pieces[0], next(p for p in files if p.name in meta)):
        kept = file.read_bytes()
        CHANGES[change](file)
        full = cli("catalog", "verify", "--full", "--json")
        assert full.code == 5
        (damage,) = full.envelope["data"]["damage"]
        assert damage["path"] == str(file)
        assert "put the files of" in damage["restore"]
        quick = cli("catalog", "verify").code
        assert quick == (5 if change in ("cut", "gone") or file.name in meta else 0)
        assert cli("catalog", "repair", "--full").code == 5
        catalog = siltomo.open_catalog(cell)
        with pytest.raises(DamagedError):
            catalog.scan("s").grey.load()
        file.write_bytes(kept)
        assert cli("catalog", "verify", "--full").code == 0
    np.testing.assert_array_equal(siltomo.open_catalog(cell).scan("s").grey.values, voxels())


def test_a_store_that_was_moved_is_an_error_that_says_where_it_was(cli: Cli, cell: Path) -> None:
    path = image(cell / "a.ome.zarr")
    assert add(cli, path, "s", "--by-reference").code == 0
    path.rename(cell / "b.ome.zarr")
    (damage,) = cli("catalog", "verify", "--json").envelope["data"]["damage"]
    assert damage["path"] == str(path)
    answer = cli("export", "volume", "s", "-o", "out.tif")
    assert answer.code != 0
    assert str(path) in answer.err
    assert "Traceback" not in answer.err


def test_a_pyramid_that_halves_otherwise_gives_the_full_resolution_only(cli: Cli, cell: Path) -> None:
    path = image(cell / "a.ome.zarr", levels=2)
    flat = zarr.open_group(path, mode="r+")
    del flat["s1"]
    flat.create_array("s1", shape=(20, 12, 9), dtype="uint8", chunks=(8, 16, 16))[...] = 1
    assert add(cli, path, "s", "--by-reference").code == 0
    assert cli("catalog", "show", "s", "--json").data["record"]["volume"]["levels"] == 1


def test_what_cannot_be_read_where_it_lies_is_refused_with_the_command(cli: Cli, cell: Path) -> None:
    np.save(cell / "a.npy", voxels())
    answer = add(cli, cell / "a.npy", "s", "--by-reference", "--voxel-size", "0.65 um")
    assert answer.code == 3
    assert "only an OME-Zarr" in answer.err
    assert "--by-reference" not in answer.err.partition("fix:")[2]
    turned = zarr.create_group(
        cell / "t.ome.zarr",
        attributes={
            "ome": {
                "version": "0.5",
                "multiscales": [
                    {
                        "axes": [{"name": n, "type": "space", "unit": "micrometer"} for n in "xyz"],
                        "datasets": [
                            {
                                "path": "0",
                                "coordinateTransformations": [{"type": "scale", "scale": [1.0] * 3}],
                            }
                        ],
                    }
                ],
            }
        },
    )
    turned.create_array("0", shape=SHAPE, dtype="uint8", chunks=(8, 8, 8))[...] = voxels()
    answer = add(cli, cell / "t.ome.zarr", "s", "--by-reference")
    assert "x, y, z" in answer.err
    assert cli("catalog", "list", "--json").data == []
    assert add(cli, cell / "t.ome.zarr", "s").code == 0


def test_a_folder_and_a_study_by_reference(cli: Cli, cell: Path) -> None:
    for n in (1, 2):
        image(cell / "in" / f"c_op{n}.ome.zarr")
    words = ["--scale", "micro", "--mode", "operando", "--cycle", "1", "--half", "lithiation"]
    done = cli(
        "catalog", "add", cell / "in", "--pattern", "{cell}_op{step:d}.ome.zarr", *words, "--by-reference"
    )
    assert done.code == 0, done.err
    (cell / "study.yaml").write_text(
        "scans:\n  again:\n    cell: c\n    file: in/c_op1.ome.zarr\n    scale: micro\n    mode: ex_situ\n"
        "    cycle: 0\n    half: pristine\n    by_reference: true\n"
    )
    done = cli("catalog", "add", cell / "study.yaml")
    assert done.code == 0, done.err
    for row in cli("catalog", "list", "--json").data:
        assert cli("catalog", "show", row["id"], "--json").data["record"]["source"]["in_place"] is True
    assert bytes_in(cell / "objects") < 20000
