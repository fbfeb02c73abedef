"""Volumes and measurements that the benchmarks of distance and thickness share."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import psutil
import scipy.ndimage


def crack_field(side: int, seed: int = 0) -> np.ndarray:
    """Sheets about 12 voxels thick that fill a fifth: where a smooth random field is near 0."""
    return np.abs(_smooth_field(side, 22, seed)) < 0.253


def porous_field(side: int, seed: int = 0) -> np.ndarray:
    """Blobs about 26 voxels thick that fill a fifth: where a smooth random field is high."""
    return _smooth_field(side, 10, seed) > 0.8416


def _smooth_field(side: int, length: float, seed: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).standard_normal([side // 4 + 2] * 3, np.float32)
    coarse = scipy.ndimage.gaussian_filter(coarse, length / 4, mode="wrap")
    coarse = (coarse - coarse.mean()) / coarse.std()
    fine = scipy.ndimage.zoom(coarse, 4, order=1, grid_mode=True, mode="nearest")
    return fine[:side, :side, :side]


def interleaved(contenders: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Time all in turn, so that a busy machine is busy for all; return median CPU and wall seconds."""
    seconds: dict[str, list[tuple[float, float]]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            cpu, wall = time.process_time(), time.perf_counter()
            run()
            seconds[name].append((time.process_time() - cpu, time.perf_counter() - wall))
    return {
        name: (statistics.median(cpu for cpu, _ in taken), statistics.median(wall for _, wall in taken))
        for name, taken in seconds.items()
    }


def peak_bytes(run: Callable[[], object]) -> int:
    """Return how far the memory of the process rose above where it was, its answer included (Linux)."""
    before = psutil.Process().memory_info().rss
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    run()
    status = Path("/proc/self/status").read_text()
    peak = next(line for line in status.splitlines() if line.startswith("VmHWM"))
    return 1024 * int(peak.split()[1]) - before


def table(header: list[str], rows: list[list[str]]) -> str:
    """Write a Markdown table."""
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
