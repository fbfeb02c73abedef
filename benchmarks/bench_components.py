"""Component sizes against cc3d, scipy, scikit-image and dask-image, one thread each.

``python benchmarks/bench_components.py --sizes 256 512``
"""

from __future__ import annotations

from functools import partial
from importlib.util import find_spec
from typing import Any

import numpy as np
from _fields import KINDS, make_mask
from _timing import arguments, bytes_per_voxel, cpu_seconds, print_memory, table, versions

from siltomo.kernels import component_sizes


def siltomo_sizes(mask: Any, connectivity: int) -> Any:
    return component_sizes(mask, connectivity, threads=1)


def cc3d_sizes(mask: Any, connectivity: int) -> Any:
    # bincount is faster here than cc3d.statistics, which also finds centres and boxes
    sizes = np.bincount(cc3d_map(mask, connectivity).ravel())[1:]
    return np.sort(sizes)[::-1]


def cc3d_map(mask: Any, connectivity: int) -> Any:
    import cc3d

    return cc3d.connected_components(mask, connectivity=connectivity)


def scipy_map(mask: Any, connectivity: int) -> Any:
    from scipy import ndimage

    structure = ndimage.generate_binary_structure(3, {6: 1, 18: 2, 26: 3}[connectivity])
    return ndimage.label(mask, structure)[0]


def skimage_map(mask: Any, connectivity: int) -> Any:
    from skimage.measure import label

    return label(mask, connectivity={6: 1, 18: 2, 26: 3}[connectivity])


def dask_image_map(mask: Any, connectivity: int) -> Any:
    import dask
    import dask.array as da
    from dask_image.ndmeasure import label

    structure = np.ones((3, 3, 3)) if connectivity == 26 else None
    labels, _ = label(da.from_array(mask, chunks=128), structure)
    with dask.config.set(scheduler="synchronous"):
        return labels.compute()


def tools(n: int = 0) -> dict[str, Any]:
    found = {"siltomo sizes": siltomo_sizes}
    if find_spec("cc3d"):
        found |= {"cc3d sizes": cc3d_sizes, "cc3d map": cc3d_map}
    found |= {"scipy map": scipy_map, "scikit-image map": skimage_map}
    # dask-image takes minutes at 512^3
    if find_spec("dask_image") and n <= 256:
        found |= {"dask-image map": dask_image_map}
    return found


def main() -> None:
    options = arguments(__doc__ or "", (256,))
    if options.memory_of:
        print_memory(lambda mask: tools()[options.memory_of](mask, 6), options.volume)
        return
    rows = []
    for n in options.sizes:
        for kind in KINDS:
            mask = make_mask(n, kind)
            memory = {tool: bytes_per_voxel(__file__, tool, mask) for tool in tools(n)}
            for connectivity in (6, 26):
                runs = {name: partial(tool, mask, connectivity) for name, tool in tools(n).items()}
                expected = cc3d_sizes(mask, connectivity) if find_spec("cc3d") else None
                if expected is not None:
                    assert np.array_equal(siltomo_sizes(mask, connectivity), expected)
                spent = cpu_seconds(runs, options.rounds)
                for name, seconds in spent.items():
                    rate = mask.size / seconds / 1e6
                    ratio = seconds / spent["siltomo sizes"]
                    cells = (f"{kind} {n}^3", connectivity, name, f"{seconds:.3f}", f"{rate:.0f}")
                    rows.append((*cells, f"{ratio:.1f}", f"{memory[name]:.2f}"))
    head = (
        "volume",
        "connectivity",
        "tool",
        "CPU s",
        "Mvoxel/CPU s",
        "siltomo faster by",
        "B/voxel beside the input",
    )
    print(table(head, rows))
    print()
    print(versions("siltomo", "connected-components-3d", "scipy", "scikit-image", "dask-image", "numba"))


if __name__ == "__main__":
    main()
