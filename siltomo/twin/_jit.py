"""How the kernels of the twin are compiled: as the other kernels are, under a stamp that covers these files too."""

from __future__ import annotations

from pathlib import Path

from siltomo.kernels._jit import STAMP, Kernel, compiled, stamp_of

_STAMP = STAMP + stamp_of(Path(__file__).parent)


def kernel(function: Kernel) -> Kernel:
    """Compile a function at its first call with each combination of types."""
    return compiled(function, stamp=_STAMP)


def inlined(function: Kernel) -> Kernel:
    """Compile a small function into each kernel that calls it."""
    return compiled(function, forceinline=True, stamp=_STAMP)
