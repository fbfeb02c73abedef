"""Exact squared distance against the edt package and scipy, one thread each.

``python benchmarks/bench_distance.py --sizes 256 512``
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from _fields import make_mask
from _timing import arguments, bytes_per_voxel, cpu_seconds, print_memory, table, versions

from siltomo.kernels import squared_distance


def siltomo_squared(mask: Any) -> Any:
    return squared_distance(mask, threads=1)


def edt_squared(mask: Any) -> Any:
    import edt

    return edt.edtsq(mask, parallel=1)


def scipy_squared(mask: Any) -> Any:
    from scipy import ndimage

    return ndimage.distance_transform_edt(mask) ** 2


def tools(n: int) -> dict[str, Any]:
    found: dict[str, Any] = {"siltomo": siltomo_squared}
    if find_spec("edt"):
        found |= {"edt": edt_squared}
    # scipy takes 49 bytes a voxel and a minute at 512^3
    return found | ({"scipy": scipy_squared} if n <= 256 else {})


def main() -> None:
    options = arguments(__doc__ or "", (256,))
    if options.memory_of:
        print_memory(tools(0)[options.memory_of], options.volume)
        return
    rows = []
    for n in options.sizes:
        for kind in ("crack", "porous"):
            mask = make_mask(n, kind)
            runs = {name: partial(tool, mask) for name, tool in tools(n).items()}
            exact = siltomo_squared(mask)
            errors = {name: np.abs(run() - exact.astype(np.float64)).max() for name, run in runs.items()}
            spent = cpu_seconds(runs, options.rounds)
            for name, seconds in spent.items():
                memory = bytes_per_voxel(__file__, name, mask)
                rate, ratio = mask.size / seconds / 1e6, seconds / spent["siltomo"]
                cells = (f"{kind} {n}^3", name, f"{seconds:.3f}", f"{rate:.0f}", f"{ratio:.1f}")
                rows.append((*cells, f"{memory:.1f}", f"{errors[name]:.2g}"))
    head = ("volume", "tool", "CPU s", "Mvoxel/CPU s", "siltomo faster by")
    print(table((*head, "B/voxel beside the input", "largest difference of D2"), rows))
    print()
    print(versions("siltomo", "edt", "scipy", "numba"))


if __name__ == "__main__":
    main()
