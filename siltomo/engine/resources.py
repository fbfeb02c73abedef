"""How much memory and how many threads the work may take."""

from __future__ import annotations

import gc
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from siltomo.errors import UnitError, UsageError
from siltomo.units import Quantity

__all__ = ["collector_paused", "in_words", "kernels_are_compiled", "memory_budget", "threads"]

MEMORY = "SILTOMO_MEMORY"
_SHARE = 0.5
"""Share of the machine's free memory that a run takes when it is not told."""


def memory_budget() -> int:
    """Return the bytes that a run may take: ``SILTOMO_MEMORY``, else half of the free memory.

    Raises
    ------
    UsageError
        When the variable is no amount of memory, such as ``4 GiB``.
    """
    said = os.environ.get(MEMORY)
    if said:
        try:
            return int(Quantity.parse(said, example="4 GiB").m_as("byte"))
        except UnitError as error:
            raise UsageError(f"{MEMORY}: {error.message}", fix=f"export {MEMORY}='4 GiB'") from error
    try:
        return int(os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") * _SHARE)
    except (AttributeError, ValueError, OSError):  # no such question on this system
        return 2 * 2**30


def threads() -> int:
    """Return how many slabs are measured at once: ``SILTOMO_THREADS``, else the machine's cores."""
    from siltomo.kernels import thread_count

    return thread_count(None)


def kernels_are_compiled() -> bool:
    """Return whether an earlier run on this machine has left compiled kernels behind."""
    import siltomo.kernels

    homes = [Path(folder) / "__pycache__" for folder in siltomo.kernels.__path__]
    homes += [Path(os.environ["NUMBA_CACHE_DIR"])] if "NUMBA_CACHE_DIR" in os.environ else []
    return any(any(home.rglob("*.nbi")) for home in homes if home.is_dir())


def in_words(amount: float) -> str:
    """Write an amount of bytes for people.

    Examples
    --------
    >>> in_words(3 * 2**30), in_words(1536)
    ('3.0 GiB', '1.5 KiB')
    """
    for unit in ("B", "KiB", "MiB", "GiB"):
        if amount < 1024:
            return f"{amount:.0f} B" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1024
    return f"{amount:.1f} TiB"


@contextmanager
def collector_paused() -> Iterator[None]:
    """Pause the garbage collector while very many small objects are made that all stay.

    It would walk over all of them again and again, and take half of the time of planning ten thousand scans. What
    was made counts as old afterwards: the next full collection frees what is garbage by then.
    """
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            if not gc.get_freeze_count():  # what a program froze stays so
                gc.freeze()
                gc.unfreeze()
            gc.enable()
