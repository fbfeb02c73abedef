"""Ranges of planes or rows spread over a bounded number of threads."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from siltomo.errors import BadInputError

Part = TypeVar("Part")


def thread_count(threads: int | None) -> int:
    """Return how many threads to use: as asked, else ``SILTOMO_THREADS``, else one per available core."""
    if threads is not None:
        if threads < 1:
            raise BadInputError(f"threads must be at least 1, got {threads}")
        return threads
    given = os.environ.get("SILTOMO_THREADS", "").strip()
    if not given:
        return _available_cores()
    if not given.isdigit() or int(given) < 1:
        raise BadInputError(
            f"SILTOMO_THREADS is {given!r}, not a positive whole number",
            fix="unset SILTOMO_THREADS or set it to the number of threads, such as 4",
        )
    return min(int(given), _available_cores())


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def over_ranges(
    work: Callable[[int, int], Part], start: int, stop: int, step: int, threads: int
) -> list[Part]:
    """Call ``work(a, b)`` for the ranges of at most ``step`` that make up ``[start, stop)``, in order."""
    ranges = [(a, min(a + step, stop)) for a in range(start, stop, step)]
    if threads == 1 or len(ranges) < 2:
        return [work(a, b) for a, b in ranges]
    # Numba's own thread pool may not be entered from two Python threads at once; this one may.
    with ThreadPoolExecutor(min(threads, len(ranges))) as pool:
        return list(pool.map(lambda pair: work(*pair), ranges))
