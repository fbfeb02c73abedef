"""From greys to numbers: recipes on volumes larger than the memory they may take, and killed on the way."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import ndimage

import siltomo

Cli = Callable[..., Any]
STATE = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--cycle", "1", "--half", "delithiation"]

# a process starts with the ru_maxrss of the one that started it; VmHWM is its own
MEASURE = """
import re, sys
from pathlib import Path
from siltomo.cli.main import run
code = run(sys.argv[1:])
print(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""


def child(*words: object, **environment: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "siltomo.cli.main", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, env={**os.environ, **environment})


def volume(depth: int, side: int) -> tuple[np.ndarray, np.ndarray]:
    """Greys and where they are dark: one tile of blobs again and again, so that it is quickly made."""
    rng = np.random.default_rng(0)
    field = ndimage.gaussian_filter(rng.normal(size=(64, 128, 128)), 4, mode="wrap")
    dark = field < np.quantile(field, 0.15)
    grey = np.rint(np.where(dark, 80, 150) + rng.normal(0, 10, dark.shape)).clip(0, 255).astype(np.uint8)
    times = (depth // 64, side // 128, side // 128)
    return np.tile(grey, times), np.tile(dark, times)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="asks Linux for the peak")
def test_memory_does_not_grow_with_the_volume(cli: Cli, study: Path) -> None:
    """Twice as deep, the same peak: a gigavoxel is only more of the same."""
    peaks = []
    for depth in (128, 384):
        grey, dark = volume(depth, 768)
        np.save(study / "g.npy", grey)
        name = f"d{depth}"
        assert cli("catalog", "add", "g.npy", *STATE, "--voxel-size", "0.5 um", "--id", name).code == 0
        words = ["segment", "run", name, "--recipe", "micro-cracks"]
        done = subprocess.run(
            [sys.executable, "-c", MEASURE, *words],
            env={**os.environ, "SILTOMO_MEMORY": "400 MiB"},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        peaks.append(1024 * int(done.stdout.split()[-1]))
        labels = siltomo.open_catalog(study).scan(name)[f"{name}-micro-cracks"].values
        assert (labels == 1).mean() == pytest.approx(dark.mean(), rel=0.02)
    print(f"peaks {', '.join(f'{peak / 2**20:.0f} MiB' for peak in peaks)}")  # noqa: T201
    assert peaks[1] < 1.25 * peaks[0]
    assert max(peaks) < 1.5 * 2**30


@pytest.mark.slow
def test_a_killed_run_leaves_the_catalog_valid_and_can_be_repeated(cli: Cli, study: Path) -> None:
    grey, _ = volume(64, 256)
    np.save(study / "g.npy", grey)
    assert cli("catalog", "add", "g.npy", *STATE, "--voxel-size", "0.5 um", "--id", "g").code == 0
    words = ("segment", "run", "g", "--recipe", "micro-cracks")
    killed = 0
    for number, seconds in enumerate((0.0, 0.1, 0.3, 0.6)):
        running = child(*words, "--id", f"k{number}")
        while running.poll() is None and not list((study / "staging").iterdir()):
            time.sleep(0.01)
        time.sleep(seconds)
        running.send_signal(signal.SIGKILL)
        killed += running.wait() == -signal.SIGKILL
        assert cli("catalog", "verify").code == 0
        assert cli(*words, "--id", f"k{number}").code == 0
    assert killed >= 2, "too few were killed in time to say anything"
    catalog = siltomo.open_catalog(study)
    contents = {s.volume.content for s in catalog.segmentations_of("g") if s.volume}
    assert len(contents) == 1
    assert list((study / "staging").iterdir()) == []
