"""Local thickness: CPU seconds, memory and error against PoreSpy and localthickness (where installed).

Run ``python benchmarks/bench_thickness.py --side 256 --rounds 3``. Times are medians of interleaved rounds;
memory is the peak above the loaded mask, a map included. Differences are those of diameters over the phase,
from the exact open balls. PoreSpy and localthickness give radii, which are doubled here.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import numpy as np
from thickness_fields import crack_field, interleaved, peak_bytes, porous_field, table

from siltomo.kernels.thickness import local_thickness, thickness_counts
from siltomo.kernels.thickness_slabs import slab_thickness_counts


def contenders(mask: np.ndarray, threads: int) -> dict[str, Callable[[], object]]:
    found: dict[str, Callable[[], object]] = {
        "siltomo map": partial(local_thickness, mask, threads=threads),
        "siltomo counts": partial(thickness_counts, mask, threads=threads),
        "siltomo counts, slabs": partial(in_slabs, mask, threads),
        "siltomo map, fiji": partial(local_thickness, mask, convention="fiji", threads=threads),
    }
    try:
        import porespy  # noqa: PLC0415

        porespy.settings.tqdm["disable"] = True
        found["PoreSpy default x 2"] = lambda: 2 * porespy.filters.local_thickness(mask)
    except ImportError:
        print("PoreSpy is not installed: left out")
    try:
        import localthickness  # noqa: PLC0415

        found["localthickness scale 0.5 x 2"] = lambda: 2 * localthickness.local_thickness(mask, scale=0.5)
    except ImportError:
        print("localthickness is not installed: left out")
    return found


def in_slabs(mask: np.ndarray, threads: int) -> object:
    planes = len(mask) // 4
    parts = [
        slab_thickness_counts(
            lambda a, b: mask[a:b], z, min(z + planes, len(mask)), len(mask), halo=48, threads=threads
        )
        for z in range(0, len(mask), planes)
    ]
    return sum(parts[1:], start=parts[0])


def difference(found: object, exact: np.ndarray, mask: np.ndarray) -> tuple[str, str]:
    """Return the mean and the largest difference to the exact diameters."""
    if not isinstance(found, np.ndarray):
        expected = exact[mask].astype(np.float64).mean()
        return f"{found.mean() / expected - 1:+.2%}", "-"
    away = found[mask].astype(np.float64) - exact[mask]
    return f"{away.mean() / exact[mask].mean():+.2%}", f"{np.abs(away).max():.1f}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=1)
    options = parser.parse_args()
    rows = []
    for name, field in (("crack", crack_field), ("porous", porous_field)):
        mask = np.ascontiguousarray(field(options.side))
        found = contenders(mask, options.threads)
        exact = local_thickness(mask)
        differences = {tool: difference(run(), exact, mask) for tool, run in found.items()}
        seconds = interleaved(found, options.rounds)
        own = seconds["siltomo map"][0]
        for tool, run in found.items():
            cpu, wall = seconds[tool]
            rows.append([
                f"{name} {options.side}^3", tool, f"{cpu:.3f}", f"{wall:.3f}", f"{mask.size / cpu / 1e6:.1f}",
                f"{cpu / own:.2f}", f"{peak_bytes(run) / mask.size:.1f}", *differences[tool],
            ])  # fmt: skip
    header = ["field", "tool", "CPU s", "wall s", "Mvoxel / CPU s", "CPU / siltomo map", "byte / voxel"]
    header += ["mean difference", "largest (voxel)"]
    print(table(header, rows))


if __name__ == "__main__":
    main()
