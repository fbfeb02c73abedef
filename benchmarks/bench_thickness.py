"""Local thickness against PoreSpy and localthickness, one thread each.

``python benchmarks/bench_thickness.py --sizes 256 512``

Differences are those of the diameters over the phase from the exact open balls. PoreSpy and localthickness give
radii, which are doubled here; PoreSpy's are whole numbers.
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from _fields import make_mask
from _timing import arguments, bytes_per_voxel, cpu_seconds, print_memory, table, versions
from numpy.typing import NDArray

from siltomo.kernels import (
    Lattice,
    ThicknessCounts,
    local_thickness,
    slab_thickness_counts,
    stream_thickness_counts,
    thickness_counts,
)


def siltomo_map(mask: Any) -> Any:
    return local_thickness(mask, threads=1)


def siltomo_counts(mask: Any) -> Any:
    return thickness_counts(mask, threads=1)


def siltomo_slab(mask: Any) -> Any:
    return slab_thickness_counts(lambda a, b: mask[a:b], 0, len(mask), len(mask), threads=1)


def siltomo_cells(mask: Any) -> Any:
    lattice = Lattice(mask.shape)
    return slab_thickness_counts(lambda a, b: mask[a:b], 0, len(mask), len(mask), cells=lattice, threads=1)


def siltomo_stream(mask: Any) -> Any:
    return stream_thickness_counts(lambda a, b: mask[a:b], len(mask), slab=128, threads=1)


def siltomo_fiji(mask: Any) -> Any:
    return local_thickness(mask, convention="fiji", threads=1)


def porespy_map(mask: Any) -> Any:
    import porespy

    porespy.settings.tqdm["disable"] = True
    return 2 * porespy.filters.local_thickness(mask)


def localthickness_map(mask: Any) -> Any:
    import localthickness

    return 2 * localthickness.local_thickness(mask, scale=0.5)


def tools() -> dict[str, Any]:
    found: dict[str, Any] = {
        "siltomo map": siltomo_map,
        "siltomo counts": siltomo_counts,
        "siltomo counts of a slab": siltomo_slab,
        "the same, by cell of a lattice too": siltomo_cells,
        "siltomo counts, 128 planes at a time": siltomo_stream,
        "siltomo map, fiji": siltomo_fiji,
    }
    if find_spec("porespy"):
        found |= {"PoreSpy default x 2": porespy_map}
    if find_spec("localthickness"):
        found |= {"localthickness scale 0.5 x 2": localthickness_map}
    return found


def difference(found: Any, exact: NDArray[Any], mask: NDArray[np.bool_]) -> tuple[str, str]:
    """Return the difference of the means, and the largest of a voxel."""
    mean = exact[mask].astype(np.float64).mean()
    if isinstance(found, ThicknessCounts):
        return f"{found.mean() / mean - 1:+.2%}", "-"
    away = found[mask].astype(np.float64) - exact[mask]
    return f"{away.mean() / mean:+.2%}", f"{np.abs(away).max():.1f}"


def main() -> None:
    options = arguments(__doc__ or "", (256,))
    if options.memory_of:
        print_memory(tools()[options.memory_of], options.volume)
        return
    rows = []
    for n in options.sizes:
        for kind in ("crack", "porous"):
            mask = make_mask(n, kind)
            runs = {name: partial(tool, mask) for name, tool in tools().items()}
            exact = siltomo_map(mask)
            away = {name: difference(run(), exact, mask) for name, run in runs.items()}
            spent = cpu_seconds(runs, options.rounds)
            for name, seconds in spent.items():
                memory = bytes_per_voxel(__file__, name, mask)
                rate, ratio = mask.size / seconds / 1e6, seconds / spent["siltomo map"]
                cells = (
                    f"{kind} {n}^3",
                    name,
                    f"{seconds:.3f}",
                    f"{rate:.1f}",
                    f"{ratio:.1f}",
                    f"{memory:.1f}",
                )
                rows.append((*cells, *away[name]))
    head = ("volume", "tool", "CPU s", "Mvoxel/CPU s", "the map is faster by", "B/voxel beside the input")
    print(table((*head, "mean", "largest difference (voxel)"), rows))
    print()
    print(versions("siltomo", "porespy", "localthickness", "numba"))


if __name__ == "__main__":
    main()
