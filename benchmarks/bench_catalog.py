"""The base metrics of a volume in the catalog: wall and CPU seconds, peak memory, by size.

``python benchmarks/bench_catalog.py --sides 128 256 512 1024 --large``

The volume is a crack-like field of 256^3 voxels, mirrored to the size that is asked for; ``--large`` adds
2048 x 1024 x 1024 voxels (2.1 Gvoxel). ``SILTOMO_MEMORY`` is 2.5 GiB unless set; the peak holds Python and
its libraries besides. Each size is registered and measured in a process of its own.
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

METRICS = (
    "crack_volume_fraction",
    "crack_surface_to_volume_ratio",
    "crack_interconnectivity",
    "crack_euler_number",
    "crack_width_mean",
    "crack_width_median",
)
TILE = 256


class MirroredPlanes:
    """Labels of any size from one tile, mirrored at its borders; planes are made when they are asked for."""

    def __init__(self, shape: tuple[int, int, int]) -> None:
        self.shape = shape
        self.tile = make_mask(TILE, "crack").astype(np.uint8) + 1

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
    from siltomo.catalog import CatalogStore, LabelClass, VolumeSpec
    from siltomo.model import Cell, Formulation, Phase, Scan, Segmentation, State, Volume, VoxelSize

    store = CatalogStore.create(folder)
    catalog = siltomo.Catalog(store)
    catalog.add(Formulation(id="f"))
    catalog.add(Cell(id="c", formulation="f"))
    state = State(cycle=0, half="pristine")
    size = VoxelSize.model_validate("0.16 um")
    catalog.add(Scan(id="s", cell="c", state=state, scale="micro", mode="ex_situ", voxel_size=size))
    phases = (Phase(value=1, name="solid"), Phase(value=2, name="crack"))
    labels = Segmentation(id="s-l", scan="s", phases=phases, domain="electrode")
    classes = tuple(LabelClass(p.value, p.name, (0, 0, 0, 255)) for p in phases)
    spec = VolumeSpec(shape, np.dtype(np.uint8), size.um, "s-l", classes)

    def body(facts: object) -> dict[str, object]:
        volume = Volume(shape=shape, dtype="uint8", content=facts.content, levels=facts.levels)  # type: ignore[attr-defined]
        return labels.model_copy(update={"volume": volume}).body()

    store.add_volume("segmentation", "s-l", spec, MirroredPlanes(shape), body)


def measure(folder: Path) -> dict[str, float]:
    """Compute the metrics and say what it took."""
    import siltomo
    from siltomo.engine.compute.plan import make_plan
    from siltomo.engine.compute.run import run_plan

    catalog = siltomo.open_catalog(folder)
    plan = make_plan(catalog, METRICS)
    wall, cpu = time.perf_counter(), time.process_time()
    rows = run_plan(catalog, plan)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    assert all(row["status"] == "ok" for row in rows), rows
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "wall": wall,
        "cpu": cpu,
        "peak": peak,
        "stated": plan.peak_bytes,
        "blocks": plan.passes[0].blocks,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sides", type=int, nargs="*", default=[128, 256, 512, 1024])
    parser.add_argument("--large", action="store_true", help="also 2048 x 1024 x 1024 voxels")
    parser.add_argument("--measure", type=Path, help=argparse.SUPPRESS)
    parser.add_argument("--register", type=int, nargs=3, help=argparse.SUPPRESS)
    given = parser.parse_args()
    os.environ.setdefault("SILTOMO_MEMORY", "2.5 GiB")
    if given.register:
        register(given.measure, tuple(given.register))
        return
    if given.measure:
        print(json.dumps(measure(given.measure)))
        return
    with tempfile.TemporaryDirectory() as folder:  # compile the kernels before anything is timed
        small = [sys.executable, __file__, "--measure", str(Path(folder) / "catalog")]
        subprocess.run([*small, "--register", "32", "32", "32"], check=True)
        subprocess.run(small, check=True, capture_output=True)
    shapes = [(side, side, side) for side in given.sides] + ([(2048, 1024, 1024)] if given.large else [])
    print(f"{', '.join(METRICS)} in one pass\n")
    memory = f"SILTOMO_MEMORY = {os.environ['SILTOMO_MEMORY']}"
    print(f"{memory}; {versions('siltomo', 'numba', 'zarr', 'dask')}\n")
    print("| voxels | Gvoxel | wall s | CPU s | Mvoxel per CPU s | peak RSS GiB | stated GiB | blocks |")
    print("|---|---|---|---|---|---|---|---|")
    for shape in shapes:
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / "catalog"
            run = [sys.executable, __file__, "--measure", str(path)]
            subprocess.run([*run, "--register", *map(str, shape)], check=True)
            found = json.loads(subprocess.run(run, check=True, capture_output=True, text=True).stdout)
        voxels = float(np.prod(shape, dtype=float))
        print(
            f"| {' x '.join(map(str, shape))} | {voxels / 1e9:.3f} | {found['wall']:.1f} | {found['cpu']:.1f} "
            f"| {voxels / 1e6 / found['cpu']:.0f} | {found['peak'] / 2**30:.2f} | {found['stated'] / 2**30:.2f} "
            f"| {found['blocks']:.0f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
