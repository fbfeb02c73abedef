"""Tiles, surface and Euler number against scikit-image, and against the decoding of the voxels.

``python benchmarks/bench_counts.py --sizes 256 512``
"""

from __future__ import annotations

from functools import partial
from typing import Any

import numpy as np
from _fields import KINDS, make_mask
from _timing import arguments, bytes_per_voxel, cpu_seconds, print_memory, table, versions

from siltomo.kernels import (
    configuration_histogram,
    euler_number,
    label_configurations,
    label_counts,
    surface_area,
)

UNIT = (1.0, 1.0, 1.0)


def tiles(mask: Any) -> Any:
    histogram = configuration_histogram(mask, threads=1)
    return surface_area(histogram, UNIT), euler_number(histogram)


def three_phases(mask: Any) -> Any:
    # The mask as three labels, with a second boundary across the volume, and one of them outside of the domain.
    labels = _labels(mask)
    return label_configurations(labels, [0, 1, (0, 1)], outside=2, threads=1)


_KEPT: dict[int, Any] = {}


def _labels(mask: Any) -> Any:
    if id(mask) not in _KEPT:
        labels = mask.astype(np.uint8)
        labels[: len(mask) // 4] = 2
        _KEPT.clear()
        _KEPT[id(mask)] = labels
    return _KEPT[id(mask)]


def voxels(mask: Any) -> Any:
    return label_counts(mask, [0, 1], threads=1)


def marching_cubes(mask: Any) -> Any:
    from skimage.measure import marching_cubes, mesh_surface_area

    vertices, faces, _, _ = marching_cubes(mask, 0.5)
    return mesh_surface_area(vertices, faces)


def skimage_euler(mask: Any) -> Any:
    from skimage.measure import euler_number as skimage_euler_number

    return skimage_euler_number(mask, connectivity=1)


TOOLS = {
    "siltomo surface + Euler": tiles,
    "siltomo 3 phases and outside": three_phases,
    "siltomo voxels of 2 labels": voxels,
    "numpy count_nonzero": np.count_nonzero,
    "scikit-image marching cubes": marching_cubes,
    "scikit-image Euler number": skimage_euler,
}


def decoders(mask: Any) -> dict[str, Any]:
    """Store the mask as the catalog does and as a plain store would; return what reads it back."""
    import zarr
    from numcodecs import Zstd
    from zarr.codecs import ZstdCodec
    from zarr.storage import MemoryStore

    chunks = tuple(min(128, n) for n in mask.shape)
    array = zarr.create_array(
        MemoryStore(), data=mask.view(np.uint8), chunks=chunks, compressors=[ZstdCodec(level=1)]
    )
    codec = Zstd(level=1)
    blocks = [codec.encode(np.ascontiguousarray(mask[z : z + 16])) for z in range(0, len(mask), 16)]
    buffer = np.empty_like(mask[:16])
    return {
        "read from zarr, zstd-1, 128^3": lambda: array[:],
        "decode zstd-1 straight": lambda: [codec.decode(block, buffer) for block in blocks],
    }


def main() -> None:
    options = arguments(__doc__ or "", (256,))
    if options.memory_of:
        print_memory(TOOLS[options.memory_of], options.volume)
        return
    rows = []
    for n in options.sizes:
        for kind in KINDS:
            if kind == "noise" and n > 256:  # its mesh takes 100 bytes a voxel
                continue
            mask = make_mask(n, kind)
            memory = {tool: bytes_per_voxel(__file__, tool, mask) for tool in TOOLS}
            runs = {name: partial(tool, mask) for name, tool in TOOLS.items()} | decoders(mask)
            spent = cpu_seconds(runs, options.rounds)
            for name, seconds in spent.items():
                ratio = seconds / spent["siltomo surface + Euler"]
                cells = (f"{kind} {n}^3", name, f"{seconds:.4f}", f"{mask.size / seconds / 1e6:.0f}")
                rows.append((*cells, f"{ratio:.1f}", f"{memory[name]:.2f}" if name in memory else ""))
    head = (
        "volume",
        "tool",
        "CPU s",
        "Mvoxel/CPU s",
        "CPU s relative to surface + Euler",
        "B/voxel beside the input",
    )
    print(table(head, rows))
    print()
    print(versions("siltomo", "scikit-image", "zarr", "numcodecs", "numpy", "numba"))


if __name__ == "__main__":
    main()
