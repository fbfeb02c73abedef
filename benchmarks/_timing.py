"""Fair timing on a busy machine: CPU seconds, tools in turn, medians, and one table."""

from __future__ import annotations

import argparse
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

Runs = Mapping[str, Callable[[], Any]]


def cpu_seconds(runs: Runs, rounds: int) -> dict[str, float]:
    """Run the tools in turn, so that load on the machine meets all of them; return median CPU seconds each."""
    spent: dict[str, list[float]] = {name: [] for name in runs}
    for repeat in range(rounds + 1):
        for name, run in runs.items():
            start = time.process_time()
            run()
            if repeat:  # the first round compiles and fills caches
                spent[name].append(time.process_time() - start)
    return {name: statistics.median(times) for name, times in spent.items()}


def bytes_per_voxel(script: str, tool: str, volume: NDArray[Any], *more: str) -> float:
    """Return the peak memory that a tool needs beside its input, run in a process of its own.

    The script is called as ``script --memory-of TOOL --volume FILE`` and prints what `print_memory` prints.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/volume.npy"
        np.save(path, volume)
        command = [sys.executable, script, "--memory-of", tool, "--volume", path, *more]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
    return float(done.stdout.splitlines()[-1]) / volume.size


def print_memory(run: Callable[[NDArray[Any]], Any], path: str) -> None:
    """Print the bytes by which a tool raises the peak of this process beyond its input."""
    volume = np.load(path)
    run(volume[:32, :32, :32].copy())  # compile first
    before = peak_bytes()
    run(volume)
    print(peak_bytes() - before)


def peak_bytes() -> int:
    """Return the largest resident size of this process so far."""
    status = Path("/proc/self/status")
    if status.exists():  # getrusage would begin with the size of the parent process
        return 1024 * next(
            int(line.split()[1]) for line in status.read_text().splitlines() if line.startswith("VmHWM")
        )
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)


def versions(*packages: str) -> str:
    """List the versions of packages, for below a table."""
    found = []
    for package in packages:
        try:
            found.append(f"{package} {version(package)}")
        except PackageNotFoundError:
            found.append(f"{package} not installed")
    return ", ".join(found)


def arguments(description: str, sizes: Sequence[int]) -> argparse.Namespace:
    """Read the options that all benchmarks share."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--sizes", type=int, nargs="+", default=list(sizes), help="edges of the volumes")
    parser.add_argument("--rounds", type=int, default=3, help="rounds of which the median is taken")
    parser.add_argument("--memory-of", help=argparse.SUPPRESS)
    parser.add_argument("--volume", help=argparse.SUPPRESS)
    return parser.parse_args()


def table(head: Sequence[str], rows: Sequence[Sequence[Any]]) -> str:
    """Write a table in Markdown."""
    lines = ["| " + " | ".join(head) + " |", "|" + "---|" * len(head)]
    lines += ["| " + " | ".join(str(cell) for cell in row) + " |" for row in rows]
    return "\n".join(lines)
