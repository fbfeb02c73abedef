"""A catalog of many scans and results: how long its commands take, from a cold process.

``python benchmarks/bench_catalog_scale.py [--scans 10000] [--results 100000]``. The records are written as the
catalog writes them, with their spare copies, but not synced one by one. No voxel is stored: nothing measured
here reads one.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from siltomo.catalog import CatalogStore
from siltomo.catalog.layout import Layout
from siltomo.catalog.records import seal_record
from siltomo.model import Cell, Formulation, Scan

CELLS = 100


def main() -> None:
    given = argparse.ArgumentParser(description=__doc__)
    given.add_argument("--scans", type=int, default=10_000)
    given.add_argument("--results", type=int, default=100_000)
    options = given.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder) / "catalog"
        start = time.perf_counter()
        fill(root, options.scans, options.results)
        print(
            f"{options.scans} scans and {options.results} results made in {time.perf_counter() - start:.0f} s\n"
        )
        print("| command | wall s | CPU s |\n|---|---|---|")
        one = f"zn7-c{options.scans // CELLS // 2}"
        for words in (
            ["catalog", "list"],
            ["catalog", "list", "--where", "cycle == 3 and cell == 'zn7'"],
            ["catalog", "show", one],
            ["cell", "list"],
            ["catalog", "verify"],
        ):
            timed(root, words)
        store = CatalogStore.open(root)
        keys = [key_of(n) for n in range(0, options.results, max(1, options.results // 1000))]
        start = time.perf_counter()
        assert all(store.find_result(key) for key in keys)
        per = (time.perf_counter() - start) / len(keys)
        print(f"\nfinding one of {options.results} results: {1e3 * per:.2f} ms")


def fill(root: Path, scans: int, results: int) -> None:
    """Write records and their copies, unsynced."""
    layout = Layout(CatalogStore.create(root).root)
    put(layout, "formulation", "zn", Formulation(id="zn").body())
    for n in range(CELLS):
        put(layout, "cell", f"zn{n}", Cell(id=f"zn{n}", formulation="zn").body())
    for n in range(scans):
        cell, cycle = f"zn{n % CELLS}", n // CELLS
        id_ = f"{cell}-c{cycle}"
        scan: dict[str, Any] = {"id": id_, "cell": cell, "scale": "micro", "mode": "operando"}
        scan["state"] = {"cycle": cycle, "half": "delithiation" if cycle else "pristine"}
        scan["voxel_size"] = "0.65 um"
        scan["volume"] = {"shape": [2048, 2048, 2048], "dtype": "uint16", "content": f"sha256:{id_}"}
        put(layout, "scan", id_, Scan.model_validate(scan).body())
    for n in range(results):
        body = {"key": key_of(n), "metric": "crack_volume_fraction", "value": n / results, "unit": "1"}
        put(layout, "result", key_of(n), body)


def key_of(n: int) -> str:
    return hashlib.sha256(str(n).encode()).hexdigest()


def put(layout: Layout, kind: str, id_: str, body: dict[str, Any]) -> None:
    data, _ = seal_record(kind, id_, body, after=None)
    for path in (layout.home(kind, id_, 1), layout.copy(kind, id_, 1, "0" * 22)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def timed(root: Path, words: list[str]) -> None:
    """Run a command as its user does, twice, and print the second."""
    command = [sys.executable, "-m", "siltomo.cli.main", "--catalog", str(root), *words]
    for last in (False, True):
        before, start = os.times(), time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        wall, after = time.perf_counter() - start, os.times()
        cpu = after.children_user + after.children_system - before.children_user - before.children_system
        if last:
            print(f"| `{' '.join(words)}` | {wall:.1f} | {cpu:.1f} |", flush=True)


if __name__ == "__main__":
    main()
