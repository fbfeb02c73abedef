"""Pieces of work spread over a bounded number of threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

from siltomo.errors import BadInputError

Item = TypeVar("Item")
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


def over(work: Callable[[Item], Part], items: Sequence[Item], threads: int) -> list[Part]:
    """Call ``work`` for each item; keep the order."""
    if threads == 1 or len(items) < 2:
        return [work(item) for item in items]
    # Numba's own thread pool may not be entered from two Python threads at once; this one may.
    with ThreadPoolExecutor(min(threads, len(items))) as pool:
        return list(pool.map(work, items))


def ranges(start: int, stop: int, step: int) -> list[tuple[int, int]]:
    """Cut ``[start, stop)`` into ranges of at most ``step``."""
    return [(low, min(low + step, stop)) for low in range(start, stop, step)]
