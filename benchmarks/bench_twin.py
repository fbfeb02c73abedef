"""How fast the twin makes labels and greys. ``python benchmarks/bench_twin.py``."""

from __future__ import annotations

import time

from siltomo.kernels import thread_count
from siltomo.twin import Twin


def main() -> None:
    print(f"{thread_count(None)} threads\n\n| scan | Mvoxel/s |\n|---|---|")
    for formulation, cell in (("reference", "ref-c1"), ("with-zn", "zn-c1"), ("with-zn", "zn-c25")):
        twin = Twin(1, formulation, "L")
        moment = twin.at(cell)
        volume, greys = twin.micro(moment), twin.greys(moment)
        middle = volume.shape[0] // 4
        for name, planes in (("labels", volume.labels), ("greys", greys.planes)):
            planes(middle, middle + 1)
            begin = time.perf_counter()
            size = planes(middle, middle + 16).size
            print(
                f"| {cell} {name}, 16 planes of preset L | {size / 1e6 / (time.perf_counter() - begin):.0f} |"
            )


if __name__ == "__main__":
    main()
