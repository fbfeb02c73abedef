"""Exact squared distance: CPU seconds, memory and error against scipy and edt (where installed).

Run ``python benchmarks/bench_distance.py --side 256 --rounds 5``. Times are medians of interleaved rounds;
memory is the peak above the loaded mask, the answer included.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
import scipy.ndimage
from thickness_fields import crack_field, interleaved, peak_bytes, porous_field, table

from siltomo.kernels.distance import squared_distance


def contenders(mask: np.ndarray, threads: int, with_scipy: bool) -> dict[str, Callable[[], np.ndarray]]:
    found: dict[str, Callable[[], np.ndarray]] = {"siltomo": partial(squared_distance, mask, threads=threads)}
    try:
        import edt

        found["edt"] = partial(edt.edtsq, mask, parallel=threads)
    except ImportError:
        print("edt is not installed: left out")
    if with_scipy:
        found["scipy"] = lambda: scipy.ndimage.distance_transform_edt(mask) ** 2
    return found


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--scipy", action="store_true", help="time scipy too: slow, 49 bytes a voxel")
    options = parser.parse_args()
    rows = []
    for name, field in (("crack", crack_field), ("porous", porous_field)):
        mask = np.ascontiguousarray(field(options.side))
        found = contenders(mask, options.threads, options.scipy)
        exact = squared_distance(mask)
        errors = {peer: float(np.abs(run() - exact.astype(np.float64)).max()) for peer, run in found.items()}
        seconds = interleaved(found, options.rounds)
        own = seconds["siltomo"][0]
        for peer, run in found.items():
            cpu, wall = seconds[peer]
            peak = peak_bytes(run) / mask.size
            rows.append([
                f"{name} {options.side}^3", peer, f"{cpu:.3f}", f"{wall:.3f}", f"{mask.size / cpu / 1e6:.1f}",
                f"{cpu / own:.2f}", f"{peak:.1f}", f"{errors[peer]:g}",
            ])  # fmt: skip
    header = [
        "field",
        "tool",
        "CPU s",
        "wall s",
        "Mvoxel / CPU s",
        "CPU / siltomo",
        "byte / voxel",
        "max error of D2",
    ]
    print(table(header, rows))


if __name__ == "__main__":
    main()
