"""The stated memory holds."""

from __future__ import annotations

import threading

import numpy as np
import psutil
import pytest
import scipy.ndimage

from siltomo.kernels import Lattice
from siltomo.kernels.distance import squared_distance
from siltomo.kernels.thickness import local_thickness, thickness_counts
from siltomo.kernels.thickness_slabs import slab_bytes, slab_thickness_counts


def peak_of(run):
    """Sample how far the memory of the process rises above where it was."""
    process = psutil.Process()
    before = highest = process.memory_info().rss
    done = threading.Event()

    def watch():
        nonlocal highest
        while not done.wait(0.001):
            highest = max(highest, process.memory_info().rss)

    watcher = threading.Thread(target=watch)
    watcher.start()
    answer = run()
    highest = max(highest, process.memory_info().rss)
    done.set()
    watcher.join()
    return highest - before, answer


@pytest.fixture(scope="module")
def medium():
    """Sheets and noise, 96 x 320 x 320 voxels."""
    noise = scipy.ndimage.gaussian_filter(
        np.random.default_rng(0).standard_normal((96, 320, 320), np.float32), 4
    )
    return np.abs(noise) < np.quantile(np.abs(noise[::4]), 0.3)


@pytest.mark.slow
@pytest.mark.parametrize("convention", ["open_ball", "fiji"])
@pytest.mark.parametrize("noisy", [False, True])
@pytest.mark.parametrize("threads", [1, 3])
def test_a_slab_stays_below_its_stated_bytes(medium, convention, noisy, threads):
    mask = np.random.default_rng(0).random(medium.shape) < 0.5 if noisy else medium

    def read(a, b):
        return mask[a:b].copy()

    options = {"convention": convention, "threads": threads, "cells": Lattice(mask.shape) if noisy else None}
    slab_thickness_counts(read, 8, 12, 96, halo=4, **options)  # compile
    bound = slab_bytes(mask.shape[1:], planes=48, halo=24, radius=23, **options)
    peak, _ = peak_of(lambda: slab_thickness_counts(read, 24, 72, 96, halo=24, max_halo=24, **options))
    assert peak <= bound


@pytest.mark.slow
def test_bytes_a_voxel(medium):
    for run, most in ((squared_distance, 2.5), (thickness_counts, 4.5), (local_thickness, 8.5)):
        run(medium[:8], threads=1)
        peak, _ = peak_of(lambda run=run: run(medium, threads=1))
        assert peak / medium.size < most
