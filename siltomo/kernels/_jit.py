"""How kernels are compiled: without the GIL, kept on disk, and seen by type checkers as what they are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar, cast

from numba import njit
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


Stamp = tuple[tuple[str, int, int], ...]


def stamp_of(folder: Path) -> Stamp:
    """Tell this version of all kernels of a folder: name, time and size of each file."""
    sources = [(path.name, path.stat()) for path in sorted(folder.glob("*.py"))]
    return tuple((name, status.st_mtime_ns, status.st_size) for name, status in sources)


STAMP = stamp_of(Path(__file__).parent)


def compiled(function: Kernel, *, forceinline: bool = False, stamp: Stamp = STAMP) -> Kernel:
    """Compile a function at its first call with each combination of types; kept on disk under a stamp."""
    dispatcher = njit(nogil=True, cache=True, forceinline=forceinline)(function)
    # Numba looks at the file of a function alone: it would load a kernel from disk in which a function of
    # another file has been compiled since changed. The attributes are numba's own; without them it does just
    # that.
    kept = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if kept is not None and hasattr(kept, "_source_stamp"):
        kept._source_stamp = (kept._source_stamp, stamp)
    return cast("Kernel", dispatcher)


def kernel(function: Kernel) -> Kernel:
    """Compile a function at its first call with each combination of types."""
    return compiled(function)


def inlined(function: Kernel) -> Kernel:
    """Compile a small function into each kernel that calls it: a call with arrays costs more than it does."""
    return compiled(function, forceinline=True)


def instruction(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of the LLVM builder callable in kernels, without its typing context."""
    return cast("Callable[..., Any]", intrinsic(function))
