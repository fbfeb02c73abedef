"""Planning and computing a derived metric over many scans whose results are there already, from declared records.

``python benchmarks/bench_plan.py [--scans 10000] [--rounds 7]``. Half of the scans are micro, half nano; each has its
segmentation and its result, written as the catalog writes them, but not synced one by one. No voxel is stored:
nothing measured here reads one.
"""

from __future__ import annotations

import argparse
import hashlib
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from siltomo.catalog import CatalogStore
from siltomo.catalog.layout import Layout
from siltomo.catalog.records import VolumeRef, seal_record
from siltomo.engine.catalog import Catalog, open_catalog
from siltomo.engine.compute.plan import make_plan
from siltomo.engine.compute.run import _result, run_plan
from siltomo.metrics import Scalar
from siltomo.model import Cell, Formulation, Scan, Segmentation

CYCLES = 50
METRIC = "electrode_porosity"


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--scans", type=int, default=10_000)
    given.add_argument("--rounds", type=int, default=7)
    given.add_argument("--keep", type=Path, help="make the catalog here, or take the one that is there")
    options = given.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = options.keep or Path(folder) / "catalog"
        if not root.exists():
            fill(root, options.scans)
        catalog = open_catalog(root)
        plan = make_plan(catalog, [METRIC])
        print(f"{options.scans} scans: {plan.summary()}\n")
        print("| what | CPU s, median | least | wall s, median | least |\n|---|---|---|---|---|")
        print(line("planning", lambda: make_plan(open_catalog(root), [METRIC]), options.rounds), flush=True)
        print(line("rows from results", lambda: run_plan(catalog, plan), options.rounds), flush=True)
        program = [sys.executable, "-m", "siltomo.cli.main", "--catalog", str(root)]
        for more in (["--dry-run"], [], ["--csv"], ["--json"]):
            words = ["compute", "metric", METRIC, *more]
            print(line(f"`{' '.join(words)}`", partial(quietly, [*program, *words]), options.rounds // 2))


def quietly(command: list[str]) -> None:
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)


def fill(root: Path, scans: int) -> Catalog:
    """Write records and their copies, unsynced; then a result for each item of the plan."""
    layout = Layout(CatalogStore.create(root).root)
    put(layout, "formulation", "zn", Formulation(id="zn").body())
    for number in range(scans // (2 * CYCLES)):
        cell = f"zn{number}"
        put(layout, "cell", cell, Cell(id=cell, formulation="zn").body())
        for cycle in range(CYCLES):
            for scale, phase, voxel in (("micro", "crack", "0.65 um"), ("nano", "pore", "0.1 um")):
                put_scan(layout, f"{cell}-c{cycle}-{scale}", cell, cycle, scale, phase, voxel)
    catalog = open_catalog(root)
    for number, item in enumerate(make_plan(catalog, [METRIC]).items):
        conventions = {"whole": "electrode", "connectivity": "26"}
        answer = Scalar(0.1 + 1e-5 * number, sampling=0.01, discretisation=0.002, conventions=conventions)
        put(layout, "result", item.key, _result(item, answer).model_dump(mode="json"))
    return catalog


def put_scan(layout: Layout, id_: str, cell: str, cycle: int, scale: str, phase: str, voxel: str) -> None:
    volume = {"shape": [2048, 2048, 2048], "dtype": "uint16", "content": digest(id_), "levels": 5}
    scan: dict[str, Any] = {
        "id": id_,
        "cell": cell,
        "scale": scale,
        "mode": "operando",
        "domain": "electrode",
    }
    scan["state"] = {"cycle": cycle, "half": "delithiation" if cycle else "pristine"}
    if cycle:
        reached = 1900 + int(digest(f"{cell} {cycle}")[7:11], 16) / 100  # another one in each state
        scan["state"] |= {"capacity": f"{reached:.2f} mAh/g_Si", "voltage": "0.9 V"}
    scan |= {"voxel_size": voxel, "volume": volume, "depth_axis": "+z"}
    scan["acquisition"] = {"beamline": "TOMCAT X02DA", "energy": "20 keV"}
    scan["acquisition"] |= {"start": "2024-03-01T10:00:00+01:00", "end": "2024-03-01T10:05:00+01:00"}
    scan["source"] = {"format": "TIFF stack", "path": f"/data/beamtime/{id_}", "count": 2048, "size": 2**34}
    scan["source"] |= {"sha256": digest(id_)[7:], "facts": {"voxel size": voxel, "software": "fiji"}}
    put(layout, "scan", id_, Scan.model_validate(scan).body())
    labels = {"id": f"{id_}-seg", "scan": id_, "domain": "electrode", "min_feature": voxel}
    labels["volume"] = volume | {"dtype": "uint8", "content": digest(f"{id_}-seg")}
    labels["phases"] = [
        {"value": 0, "name": "outside"},
        {"value": 1, "name": phase},
        {"value": 2, "name": "solid"},
    ]
    labels["method"] = "ilastik 1.4 pixel classification"
    put(layout, "segmentation", f"{id_}-seg", Segmentation.model_validate(labels).body())


def digest(text: str) -> str:
    return f"sha256:{hashlib.sha256(text.encode()).hexdigest()}"


def put(layout: Layout, kind: str, id_: str, body: dict[str, Any]) -> None:
    volume = body.get("volume")
    bag = f"{id_}.{'0' * 22}"
    kept = volume and VolumeRef(
        bag, "image.ome.zarr", digest(bag)[7:], volume["content"], (2048,) * 3, volume["dtype"], 5, 2**33
    )
    data, _ = seal_record(kind, id_, body, after=None, volume=kept)
    for path in (layout.home(kind, id_, 1), layout.copy(kind, id_, 1, "0" * 22)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def line(name: str, run: Callable[[], Any], rounds: int) -> str:
    """Run something again and again and tell what it took: this process and those that it started."""
    cpu, wall = [], []
    for repeat in range(rounds + 1):
        before, start = cpu_seconds(), time.perf_counter()
        made = run()
        if repeat:  # the first round imports and fills caches
            cpu.append(cpu_seconds() - before)
            wall.append(time.perf_counter() - start)
        del made
    figures = (statistics.median(cpu), min(cpu), statistics.median(wall), min(wall))
    return "| " + " | ".join([name, *(f"{figure:.2f}" for figure in figures)]) + " |"


def cpu_seconds() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
