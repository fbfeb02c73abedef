"""Histograms of grey values against scikit-image, numpy and dask.

``python benchmarks/bench_greys.py --sizes 256 512``
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from _fields import grey_field
from _timing import arguments, bytes_per_voxel, cpu_seconds, print_memory, table, versions

from siltomo.kernels.greys import grey_histogram

DTYPES = (np.uint8, np.uint16, np.float32)
FLOATS = {"lower": -6.0, "upper": 6.0, "bins": 256}


def siltomo_histogram(values: Any) -> Any:
    return grey_histogram(values, threads=1, **(FLOATS if values.dtype.kind == "f" else {}))


def skimage_histogram(values: Any) -> Any:
    from skimage.exposure import histogram

    return histogram(values, nbins=256)


def numpy_histogram(values: Any) -> Any:
    if values.dtype.kind == "f":
        return np.histogram(values, FLOATS["bins"], (FLOATS["lower"], FLOATS["upper"]))
    return np.bincount(values.ravel(), minlength=1 << 8 * values.itemsize)


def dask_histogram(values: Any) -> Any:
    import dask
    import dask.array as da

    ends = (FLOATS["lower"], FLOATS["upper"]) if values.dtype.kind == "f" else (0, 1 << 8 * values.itemsize)
    bins = FLOATS["bins"] if values.dtype.kind == "f" else ends[1]
    with dask.config.set(scheduler="synchronous"):
        return da.histogram(da.from_array(values, chunks=128), bins, ends)[0].compute()


TOOLS = {
    "siltomo": siltomo_histogram,
    "scikit-image": skimage_histogram,
    "numpy": numpy_histogram,
    "dask": dask_histogram,
}


def make_values(n: int, dtype: Any) -> Any:
    """Make a tomogram-like volume: two phases, smooth inside, with noise."""
    field = grey_field(n, 22, noise=0.5)
    if dtype == np.float32:
        return field
    full = np.iinfo(dtype).max
    return np.clip(full * (0.5 + 0.1 * field), 0, full).astype(dtype)


def main() -> None:
    options = arguments(__doc__ or "", (256,))
    if options.memory_of:
        print_memory(TOOLS[options.memory_of], options.volume)
        return
    rows = []
    for n in options.sizes:
        for dtype in DTYPES:
            values = make_values(n, dtype)
            if dtype is not np.float32:
                assert np.array_equal(siltomo_histogram(values).counts, numpy_histogram(values))
            memory = {tool: bytes_per_voxel(__file__, tool, values) for tool in TOOLS}
            spent = cpu_seconds({name: partial(tool, values) for name, tool in TOOLS.items()}, options.rounds)
            for name, seconds in spent.items():
                cells = (
                    f"{dtype.__name__} {n}^3",
                    name,
                    f"{seconds:.4f}",
                    f"{values.size / seconds / 1e6:.0f}",
                )
                rows.append((*cells, f"{seconds / spent['siltomo']:.1f}", f"{memory[name]:.2f}"))
    head = ("volume", "tool", "CPU s", "Mvoxel/CPU s", "siltomo faster by", "B/voxel beside the input")
    print(table(head, rows))
    print()
    print(versions("siltomo", "scikit-image", "numpy", "dask", "numba"))


if __name__ == "__main__":
    main()
