"""How kernels are compiled: without the GIL, kept on disk, and seen by type checkers as what they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar, cast

from numba import njit
from numba.extending import intrinsic

Kernel = TypeVar("Kernel", bound=Callable[..., Any])


def kernel(function: Kernel) -> Kernel:
    """Compile a function at its first call with each combination of types."""
    return cast("Kernel", njit(nogil=True, cache=True)(function))


def inlined(function: Kernel) -> Kernel:
    """Compile a small function into each kernel that calls it: a call with arrays costs more than it does."""
    return cast("Kernel", njit(nogil=True, cache=True, forceinline=True)(function))


def instruction(function: Callable[..., Any]) -> Callable[..., Any]:
    """Make a function of the LLVM builder callable in kernels, without its typing context."""
    return cast("Callable[..., Any]", intrinsic(function))
