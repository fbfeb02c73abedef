"""Volumes larger than the memory they may take, and processes killed at any moment."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile

import siltomo

Cli = Callable[..., Any]
STATE = ["--cell", "zn1", "--scale", "micro", "--mode", "operando", "--cycle", "1", "--half", "delithiation"]
VOXEL = ["--voxel-size", "0.16 um"]


# a process starts with the ru_maxrss of the one that started it; VmHWM is its own
PEAK = """
import re, sys
from pathlib import Path
from siltomo.cli.main import run
code = run(sys.argv[1:])
print("peak", re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1])
sys.exit(code)
"""


def child(*words: object) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "siltomo.cli.main", *map(str, words)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL)


@pytest.mark.slow
def test_four_gibibytes_are_registered_in_less_than_one(cli: Cli, study: Path) -> None:
    """1024 slices of 2048 x 2048 voxels; the slices are hard links, only the catalog takes the room."""
    if os.statvfs(study).f_bavail * os.statvfs(study).f_frsize < 12 * 2**30:
        pytest.skip("needs 12 GiB of disk")
    (study / "big").mkdir()
    rng = np.random.default_rng(0)
    for number in range(16):
        tifffile.imwrite(study / "big" / f"op_{number:04}.tif", rng.integers(0, 255, (2048, 2048), np.uint8))
    for number in range(16, 1024):
        os.link(study / "big" / f"op_{number % 16:04}.tif", study / "big" / f"op_{number:04}.tif")
    words = ["--catalog", study, "catalog", "add", study / "big", *STATE, *VOXEL, "--id", "big"]
    done = subprocess.run(
        [sys.executable, "-c", PEAK, *map(str, words)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    peak = int(done.stdout.split()[-1])  # KiB
    print(f"4 GiB registered with a peak of {peak / 2**20:.2f} GiB")  # noqa: T201
    assert peak < 2**20, f"{peak / 2**20:.2f} GiB"
    opened = siltomo.open_catalog(study).scan("big")
    assert opened.grey.shape == (1024, 2048, 2048)
    expected = tifffile.imread(study / "big" / "op_0777.tif")
    np.testing.assert_array_equal(opened.grey[777].values, expected)


@pytest.mark.slow
def test_a_killed_add_leaves_the_catalog_valid_and_can_be_repeated(cli: Cli, study: Path) -> None:
    volume = np.random.default_rng(1).integers(0, 255, (192, 256, 256), np.uint8)
    np.save(study / "volume.npy", volume)
    words = ["--catalog", study, "catalog", "add", study / "volume.npy", *STATE, *VOXEL]
    began = time.monotonic()
    assert child(*words, "--id", "clock").wait() == 0
    takes = time.monotonic() - began
    rng, killed, number = random.Random(5), 0, 0
    # a machine that is busy at one moment and idle at the next lets some finish before they are killed
    while killed < 6 and number < 30:
        number += 1
        running = child(*words, "--id", f"k{number}")
        while running.poll() is None and not any((study / "staging").iterdir()):
            time.sleep(0.01)
        time.sleep(rng.uniform(0.0, 0.5) * takes)
        running.send_signal(signal.SIGKILL)
        killed += running.wait() == -signal.SIGKILL
        catalog = siltomo.open_catalog(study)
        assert "clock" in catalog.scans.index
        if f"k{number}" in catalog.scans.index:
            np.testing.assert_array_equal(catalog.scan(f"k{number}").grey.values, volume)
        again = cli(*words, "--id", f"k{number}", "--json")
        assert again.code == 0, again.out
        np.testing.assert_array_equal(siltomo.open_catalog(study).scan(f"k{number}").grey.values, volume)
        assert cli("--catalog", study, "catalog", "verify", "--full").code == 0
    assert killed >= 6, "too few were killed in time to say anything"
