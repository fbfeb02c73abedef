"""Segmenting by recipe: wall and CPU seconds, peak memory, by size; and whether the fraction is right.

``python benchmarks/bench_recipe.py --sides 256 512 1024``

Greys are a crack-like mask of 256^3 voxels with noise (contrast 70, noise 12, 8 bit), mirrored to the size that is
asked for. ``SILTOMO_MEMORY`` is 1 GiB unless set; the peak holds Python and its libraries besides. Each size is
registered and segmented in a process of its own.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
from _fields import make_mask
from _timing import versions
from numpy.typing import NDArray

TILE = 256
PLAIN = """
recipe: plain
steps:
  - median: 3 voxel
  - threshold: {method: mixture, cut: equal_error}
  - label: {1: crack, 2: solid}
"""


class MirroredGreys:
    """Greys of any size from one tile, mirrored at its borders; planes are made when they are asked for."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        mask = make_mask(TILE, "crack")
        self.fraction = float(mask.mean())
        noise = np.random.default_rng(0).normal(0, 12, mask.shape)
        self.tile = np.rint(np.where(mask, 80, 150) + noise).astype(np.uint8)

    def __call__(self, start: int, stop: int) -> NDArray[np.uint8]:
        z, y, x = (
            _mirrored(np.arange(a, b)) for a, b in ((start, stop), (0, self.shape[1]), (0, self.shape[2]))
        )
        return self.tile[np.ix_(z, y, x)]


def _mirrored(index: NDArray[np.int64]) -> NDArray[np.int64]:
    folded = index % (2 * TILE)
    return np.where(folded < TILE, folded, 2 * TILE - 1 - folded)


def register(folder: Path, shape: tuple[int, int, int]) -> None:
    """Put the volume into a new catalog."""
    import siltomo
    from siltomo.catalog import CatalogStore, VolumeSpec
    from siltomo.model import Cell, Formulation, Scan, State, Volume, VoxelSize

    store = CatalogStore.create(folder)
    catalog = siltomo.Catalog(store)
    catalog.add(Formulation(id="f"))
    catalog.add(Cell(id="c", formulation="f"))
    size = VoxelSize.model_validate("0.16 um")
    state = State(cycle=0, half="pristine")
    scan = Scan(id="s", cell="c", state=state, scale="micro", mode="ex_situ", voxel_size=size)

    def body(facts: object) -> dict[str, object]:
        volume = Volume(shape=shape, dtype="uint8", content=facts.content, levels=facts.levels)  # type: ignore[attr-defined]
        return scan.model_copy(update={"volume": volume}).body()

    greys = MirroredGreys(shape)
    store.add_volume("scan", "s", VolumeSpec(shape, np.dtype(np.uint8), size.um, "s"), greys, body)
    (folder / "truth.json").write_text(json.dumps(greys.fraction), "utf-8")
    (folder / "plain.yaml").write_text(PLAIN, "utf-8")


def measure(folder: Path, recipe: str) -> dict[str, float | str]:
    """Segment and say what it took."""
    import siltomo
    from siltomo.engine.segment.recipes import load_recipe
    from siltomo.engine.segment.segmenting import RecipeOrder, run_recipe

    catalog = siltomo.open_catalog(folder)
    loaded = load_recipe(str(folder / "plain.yaml") if recipe == "plain" else recipe)
    wall, cpu = time.perf_counter(), time.process_time()
    (made,) = run_recipe(catalog, RecipeOrder(loaded, ("s",)))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert made.record is not None
    assert made.record.making is not None
    truth = json.loads((folder / "truth.json").read_text("utf-8"))
    fraction = made.voxels[1] / sum(made.voxels.values())
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    trust = str(made.record.making.trust)
    return {"wall": wall, "cpu": cpu, "peak": peak, "fraction": fraction, "truth": truth, "trust": trust}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="*", default=[256, 512, 1024])
    parser.add_argument("--recipes", nargs="*", default=["plain", "micro-cracks"])
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--register", type=int, nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.setdefault("SILTOMO_MEMORY", "1 GiB")
    if given.register:
        register(given.measure, tuple(given.register))
        return
    if given.measure:
        print(json.dumps(measure(given.measure, given.recipes[0])))
        return
    print(
        f"SILTOMO_MEMORY = {os.environ['SILTOMO_MEMORY']}; {versions('siltomo', 'numba', 'zarr', 'scipy')}\n"
    )
    print("| recipe | voxels | wall s | CPU s | Mvoxel per CPU s | peak RSS GiB | fraction | true | trust |")
    print("|---|---|---|---|---|---|---|---|---|")
    for side in given.sides:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "catalog"
            run = [sys.executable, __file__, "--measure", str(path)]
            subprocess.run([*run, "--register", *[str(side)] * 3], check=True)
            for recipe in given.recipes:
                done = subprocess.run([*run, "--recipes", recipe], check=True, capture_output=True, text=True)
                found = json.loads(done.stdout)
                print(
                    f"| {recipe} | {side}^3 | {found['wall']:.1f} | {found['cpu']:.1f} "
                    f"| {side**3 / 1e6 / found['cpu']:.0f} | {found['peak'] / 2**30:.2f} "
                    f"| {found['fraction']:.4f} | {found['truth']:.4f} | {found['trust']} |",
                    flush=True,
                )


if __name__ == "__main__":
    main()
